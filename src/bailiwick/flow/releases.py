"""What a session lets out on purpose, as rows of its ledger: data that was declassified for somebody, values that a
person endorsed, answers that were given about hidden contents. DESIGN §5 *Flow*.

INVARIANT: each row names the audit event that recorded it, and holds a value only where a person endorsed that value.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from bailiwick.flow.backing import BackingKind
from bailiwick.flow.confidentiality import Reads
from bailiwick.flow.handles import Handle
from bailiwick.flow.records import ContentOrigin, ContentRecord, Endorsement, LedgerRow, RowKind
from bailiwick.flow.row_codec import fields, unreadable
from bailiwick.model.canonical import Json
from bailiwick.model.label import Label, Readers
from bailiwick.model.tool import Role

__all__ = [
    "Brought",
    "Data",
    "DataKind",
    "Declassified",
    "Inspected",
    "Releases",
    "brought",
    "endorsed_row",
    "read_release",
]


class DataKind(StrEnum):
    """How data is named."""

    CONTENT = "content"
    """One content by its id."""
    HANDLE = "handle"
    """One content by the name of its handle."""
    SOURCE = "source"
    """Contents of one source (`tool:crm.get_customer`, `kb#3`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Contents that are meant: `name` as its kind says. Of a source `contents` are those that the session had seen when
    somebody let them go; None while it is only asked about: all of them."""

    kind: DataKind
    name: str
    contents: frozenset[str] | None = None

    def covers(self, content: str, source: str) -> bool:
        if self.kind is not DataKind.SOURCE:
            return self.name == content
        return self.name == source and (self.contents is None or content in self.contents)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declassified:
    """Data that may go to these mail addresses, and to whoever is one of `readers`. Of a handle, `data` names the
    content."""

    data: Data
    recipients: frozenset[str]
    readers: frozenset[str]
    event: str

    def reaches(self, recipients: Collection[str], reads: Reads) -> bool:
        """True iff every one of these recipients is meant; nobody is not."""
        readers = Readers.declared(self.readers)
        known = {each.casefold() for each in self.recipients}
        return bool(recipients) and all(
            each.casefold() in known or (bool(self.readers) and reads.address(each, readers)) for each in recipients
        )

    def body(self) -> dict[str, object]:
        return {
            "data": [self.data.kind.value, self.data.name, *sorted(self.data.contents or ())],
            "recipients": sorted(self.recipients),
            "readers": sorted(self.readers),
            "event": self.event,
        }

    @staticmethod
    def read(body: Mapping[str, Json]) -> Declassified:
        """Raises KeyError, TypeError or ValueError where it is none."""
        kind, name, *contents = _texts(body["data"])
        return Declassified(
            data=Data(kind=DataKind(kind), name=name, contents=frozenset(contents)),
            recipients=frozenset(_texts(body["recipients"])),
            readers=frozenset(_texts(body["readers"])),
            event=_text(body["event"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """That something was asked about a content, and how many bits of it the answer may tell."""

    content: str
    millibits: int
    event: str

    def body(self) -> dict[str, object]:
        return {"content": self.content, "millibits": self.millibits, "event": self.event}

    @staticmethod
    def read(body: Mapping[str, Json]) -> Inspected:
        """Raises KeyError, TypeError or ValueError where it is none."""
        millibits = body["millibits"]
        if type(millibits) is not int:
            raise TypeError("int")
        return Inspected(content=_text(body["content"]), millibits=millibits, event=_text(body["event"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What one content brought into a session: `label` counts for the whole mark, `strict` where it is strict."""

    content: str
    source: str
    label: Label
    strict: Label


def brought(record: ContentRecord, strict: Label) -> Brought:
    """Of results and of what a model wrote the label holds all that was seen before: they brought their own alone."""
    derived = record.origin in (ContentOrigin.RESULT, ContentOrigin.MODEL) and record.own is not None
    label = record.own if derived and record.own is not None else record.label
    return Brought(content=record.content, source=record.source, label=label, strict=strict)


@dataclass(slots=True)
class Releases:
    """All that was let out in one session, or may be: its contents with what they brought, and its handles by
    name."""

    declassified: list[Declassified] = field(default_factory=list)
    brought: list[Brought] = field(default_factory=list)
    handles: dict[str, Handle] = field(default_factory=dict)
    _asked: dict[str, tuple[int, int]] = field(default_factory=dict)

    def inspected(self, given: Inspected) -> None:
        count, millibits = self._asked.get(given.content, (0, 0))
        self._asked[given.content] = (count + 1, millibits + given.millibits)

    def asked(self, content: str) -> tuple[int, int]:
        """(how often something was asked about a content, the bits that the answers may tell, in thousandths)."""
        return self._asked.get(content, (0, 0))

    def source_of(self, content: str) -> str:
        """Where a content came from; empty for one that this session does not know."""
        return next((source for known, source, _ in self._known() if known == content), "")

    def label_of(self, data: Data) -> Label | None:
        """The join of the labels of all contents that are meant; None if this session knows none of them."""
        labels = [label for content, source, label in self._known() if data.covers(content, source)]
        return functools.reduce(Label.join, labels) if labels else None

    def seen_of(self, data: Data) -> Data:
        """The same, of a source with the contents that this session has seen of it until now."""
        if data.kind is not DataKind.SOURCE:
            return data
        seen = frozenset(content for content, source, _ in self._known() if data.covers(content, source))
        return replace(data, contents=seen)

    def _known(self) -> Iterator[tuple[str, str, Label]]:
        for each in self.brought:
            yield each.content, each.source, each.label
        for handle in self.handles.values():
            yield handle.content, f"tool:{handle.tool}", handle.label

    def lowered(self, recipients: Collection[str], reads: Reads) -> tuple[Data, ...]:
        """The data that may go to all of these recipients whatever its label."""
        if not self.declassified:
            return ()
        return tuple(each.data for each in self.declassified if each.reaches(recipients, reads))


def endorsed_row(given: Endorsement) -> dict[str, object]:
    """A person's endorsement as the body of a row."""
    return {"value": given.value, "role": given.role.value, "by": given.by, "event": given.record}


def read_release(row: LedgerRow) -> Endorsement | Declassified | Inspected:
    """What an ENDORSED, DECLASSIFIED or INSPECTED row says. Raises StoreError if it cannot be understood."""
    body = fields(row)
    try:
        match row.kind:
            case RowKind.ENDORSED:
                return _endorsed(body)
            case RowKind.DECLASSIFIED:
                return Declassified.read(body)
            case _:
                return Inspected.read(body)
    except (KeyError, TypeError, ValueError) as error:
        raise unreadable(row) from error


def _endorsed(body: Mapping[str, Json]) -> Endorsement:
    return Endorsement(
        value=_text(body["value"]),
        role=Role(_text(body["role"])),
        by=_text(body["by"]),
        kind=BackingKind.PERSON,
        record=_text(body["event"]),
    )


def _text(value: object) -> str:
    if type(value) is not str:
        raise TypeError("str")
    return value


def _texts(value: object) -> tuple[str, ...]:
    items: Iterable[object] = value if isinstance(value, list) else ()
    found = tuple(_text(item) for item in items)
    if not isinstance(value, list):
        raise TypeError("list")
    return found
