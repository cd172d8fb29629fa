"""How rows of a ledger are written down and read: canonical JSON. What they mean is told in `bailiwick.flow.records`.

INVARIANT: a row that is not understood as a whole raises; a session is never restored in part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict, TypeVar

from bailiwick.errors import CanonicalError, StoreError
from bailiwick.flow.backing import BackingKind
from bailiwick.flow.handles import Handle, HandleKind
from bailiwick.flow.intent import Utterance
from bailiwick.flow.records import ContentOrigin, ContentRecord, Crossed, Endorsement, LedgerRow
from bailiwick.flow.said import Said
from bailiwick.model.canonical import Json, canonical, parse
from bailiwick.model.label import EVERYONE, Integrity, Label, Readers
from bailiwick.model.tool import Role

__all__ = ["decode", "encode", "fields", "label_fields", "label_of", "strings", "unreadable"]

T = TypeVar("T")


def encode(record: ContentRecord) -> bytes:
    """Canonical bytes of a record. Empty parts are left out; atoms are one flat list, which is compact and quick."""
    body: dict[str, object] = {
        "content": record.content,
        "event": record.event,
        "source": record.source,
        "origin": record.origin.value,
        "label": label_fields(record.label),
        "own": None if record.own is None else label_fields(record.own),
        "under": record.under,
        "texts": list(record.texts),
        "atoms": [part for atom in record.atoms for part in atom],
        "truncated": record.truncated,
        "endorses": [
            [given.value, given.role.value, given.kind.value, given.store, sorted(given.within), *_way(given)]
            for given in record.endorses
        ],
        "words": record.words,
        "words_by": record.words_by,
        "asked": [[each.text, each.asks, list(each.links), each.verbs_of] for each in record.asked],
        "ran": list(record.ran),
        "crossed": [
            [given.text, given.by, given.command, given.kind.value, list(given.clauses)] for given in record.crossed
        ],
        "said": [[list(map(list, given.lines)), *_way(given)] for given in record.said],
        "parts": [[label_fields(label), list(paths)] for label, paths in record.parts],
        "written": list(record.written),
        "written_all": record.written_all,
        "hidden": record.hidden,
        "handed": record.handed,
        "handles": [_handle_fields(handle) for handle in record.handles],
    }
    return canonical({name: part for name, part in body.items() if part or name == "label"})


def _handle_fields(handle: Handle) -> dict[str, object]:
    return {
        "name": handle.name,
        "content": handle.content,
        "event": handle.event,
        "tool": handle.tool,
        "kind": handle.kind.value,
        "plain": handle.plain,
        "length": handle.length,
        "count": handle.count,
        "fields": list(handle.fields),
        "label": label_fields(handle.label),
    }


def _handle(body: object) -> Handle:
    known: dict[str, object] = _as(dict, body)
    return Handle(
        name=_as(str, known["name"]),
        content=_as(str, known["content"]),
        event=_as(str, known["event"]),
        tool=_as(str, known["tool"]),
        kind=HandleKind(_as(str, known["kind"])),
        plain=_as(bool, known["plain"]),
        length=_as(int, known["length"]),
        count=_as(int, known["count"]),
        fields=_texts(known, "fields"),
        label=label_of(known["label"]),
    )


def label_fields(label: Label) -> dict[str, object]:
    """A label as it is kept in rows."""
    return {
        "s": label.sensitivity,
        "c": sorted(label.categories),
        "r": label.readers.lists,
        "i": int(label.integrity),
        "o": sorted(label.sources),
        "a": label.author,
    }


def label_of(body: object) -> Label:
    """The label of `label_fields`. Raises KeyError, TypeError or ValueError where it is none."""
    label: dict[str, object] = _as(dict, body)
    return Label(
        sensitivity=_as(int, label["s"]),
        categories=frozenset(_texts(label, "c")),
        readers=_readers(label["r"]),
        integrity=Integrity(_as(int, label["i"])),
        sources=frozenset(_texts(label, "o")),
        author=None if label["a"] is None else _as(str, label["a"]),
    )


def decode(row: LedgerRow) -> ContentRecord:
    """The record of a CONTENT row. Raises StoreError if it cannot be understood: a session is not restored in part."""
    body = fields(row)
    try:
        return _record(body)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise unreadable(row) from error


def fields(row: LedgerRow) -> Mapping[str, Json]:
    """The JSON object of a row. Raises StoreError."""
    try:
        body = parse(row.payload)
    except CanonicalError as error:
        raise unreadable(row) from error
    if not isinstance(body, dict):
        raise unreadable(row)
    return body


def strings(row: LedgerRow, items: Json) -> list[str]:
    """`items` as a list of texts. Raises StoreError if it is none."""
    if not isinstance(items, list):
        raise unreadable(row)
    texts = [item for item in items if isinstance(item, str)]
    if len(texts) != len(items):
        raise unreadable(row)
    return texts


def unreadable(row: LedgerRow) -> StoreError:
    return StoreError(
        f"row {row.ord} of this session's ledger cannot be read",
        hint="start a new conversation; what this one has seen is not known any more",
    )


def _record(body: Mapping[str, object]) -> ContentRecord:
    atoms = _texts(body, "atoms")
    return ContentRecord(
        content=_as(str, body["content"]),
        event=_as(str, body["event"]),
        source=_as(str, body["source"]),
        origin=ContentOrigin(_as(str, body["origin"])),
        label=label_of(body["label"]),
        own=label_of(body["own"]) if "own" in body else None,
        under=_as(str, body.get("under", "")),
        texts=_texts(body, "texts"),
        atoms=tuple(zip(atoms[::2], atoms[1::2], strict=True)),
        truncated=_as(bool, body.get("truncated", False)),
        endorses=tuple(
            Endorsement(
                value=_as(str, value),
                role=Role(_as(str, role)),
                kind=BackingKind(_as(str, kind)),
                store=_as(str, store),
                within=frozenset(_each(fetched_by)),
                **_read_way(way),
            )
            for value, role, kind, store, fetched_by, *way in _as(list, body.get("endorses", []))
        ),
        words=_as(str, body.get("words", "")),
        words_by=_as(str, body.get("words_by", "")),
        asked=tuple(
            Utterance(text=_as(str, text), asks=_as(bool, asks), links=_each(links), verbs_of=_as(str, leading))
            for text, asks, links, leading in _as(list, body.get("asked", []))
        ),
        ran=_texts(body, "ran"),
        crossed=tuple(
            Crossed(
                text=_as(str, text),
                by=_as(str, by),
                command=_as(bool, command),
                kind=BackingKind(_as(str, kind)),
                clauses=_each(clauses),
            )
            for text, by, command, kind, clauses in _as(list, body.get("crossed", []))
        ),
        said=tuple(
            Said(lines=tuple(_each(line) for line in _as(list, lines)), **_read_way(way))
            for lines, *way in _as(list, body.get("said", []))
        ),
        parts=tuple((label_of(label), _each(paths)) for label, paths in _as(list, body.get("parts", []))),
        written=_texts(body, "written"),
        written_all=_as(bool, body.get("written_all", False)),
        hidden=_as(bool, body.get("hidden", False)),
        handed=_as(bool, body.get("handed", False)),
        handles=tuple(map(_handle, _as(list, body.get("handles", [])))),
    )


def _as(kind: type[T], value: object) -> T:
    if type(value) is not kind:
        raise TypeError(kind.__name__)
    return value


def _readers(lists: object) -> Readers:
    if lists is None:
        return EVERYONE
    return Readers(frozenset(frozenset(_as(str, name) for name in _as(list, one)) for one in _as(list, lists)))


def _way(given: Endorsement | Said) -> tuple[object, ...]:
    return given.by, given.record, sorted(given.chain), sorted(given.clauses)


class _Way(TypedDict):
    by: str
    record: str
    chain: frozenset[str]
    clauses: frozenset[str]


def _read_way(way: Sequence[object]) -> _Way:
    by, record, chain, clauses = way
    return _Way(
        by=_as(str, by), record=_as(str, record), chain=frozenset(_each(chain)), clauses=frozenset(_each(clauses))
    )


def _each(items: object) -> tuple[str, ...]:
    return tuple(_as(str, item) for item in _as(list, items))


def _texts(body: Mapping[str, object], name: str) -> tuple[str, ...]:
    return _each(body.get(name, []))
