"""What a retriever found: labelled chunk by chunk, and kept from whoever may not read it. DESIGN §5 *Flow*, retrieval.

A store's own filter decides on what was indexed, once; here each chunk is judged by its label as it is now and by the
directory as it is now. A chunk may be read iff the clearance of every link of the chain covers its level, and the root
is one of its readers (of a service: its owner).

INVARIANT: what is kept back is on record and nowhere else. It is not ingested, since the model never sees it, and the
sources of what is left are numbered without gaps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from bailiwick.audit.events import label_body
from bailiwick.errors import UsageError
from bailiwick.flow.documents import label_from_metadata
from bailiwick.flow.ledger import ContentOrigin, Seen
from bailiwick.flow.subjects import subjects_of_document
from bailiwick.guard.core import Core
from bailiwick.guard.effects import Append, Flow, Now
from bailiwick.guard.leave import ingest
from bailiwick.guard.planes import Planes
from bailiwick.guard.record import draft
from bailiwick.guard.state import SessionState
from bailiwick.identity.suspension import check_suspended
from bailiwick.model.directory import Directory
from bailiwick.model.document import Document
from bailiwick.model.event import EventKind
from bailiwick.model.label import Label
from bailiwick.model.principal import Chain, EntityKind, EntityRef
from bailiwick.model.tool import Durability

__all__ = ["MAX_LISTED", "Reader", "as_document", "kept", "reader_of", "retrieve"]

C = TypeVar("C")

MAX_LISTED = 256
"""Chunks that one record of a retrieval names."""


class _Why(StrEnum):
    CLEARANCE = "clearance"
    READERS = "readers"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Whoever a retrieval is for, as a store's filter may ask: `clearance` is the lowest of the chain, an index of a
    level (`levels`), `names` are the names by which readers may mean the root (`User::ann`, `Group::support`)."""

    clearance: int
    names: frozenset[str]
    levels: tuple[str, ...]
    allows: Callable[[object, Label | None], bool]
    """What the guard itself will say of a chunk, with the label that the caller vouches for."""

    def may_read(self, chunk: object, label: Label | None = None) -> bool:
        """True iff the chunk may be read. Raises UsageError for what is none."""
        return self.allows(chunk, label)

    def first(self, chunks: Sequence[C], most: int, label: Label | None = None) -> tuple[list[C], bool]:
        """(the chunks down to the one that is the `most`-th that may be read, True iff there are so many)."""
        found = 0
        for number, chunk in enumerate(chunks):
            found += self.may_read(chunk, label)
            if found == most:
                return list(chunks[: number + 1]), True
        return list(chunks), False


def retrieve(
    core: Core, session: SessionState, source: str, chunks: Sequence[Document | str], label: Label | None
) -> Flow[tuple[int, ...]]:
    """Take in those of `chunks` that may be read, and record which may not. → the numbers of those that may.

    `label` is what the caller vouches for; what a chunk's metadata says joins it. A bare text without any label says
    nothing on who may read it, and is what the caller shows the model anyway: it is taken in as what nobody vouches
    for. A session that is closed, or that somebody stopped, is given nothing."""
    readable: list[int] = []
    withheld: list[dict[str, object]] = []
    chain, stopped = session.authority.chain, _stopped(core.planes, session)
    for number, chunk in enumerate(chunks):
        document = chunk if isinstance(chunk, Document) else Document(chunk)
        found = _label_of(core.planes, chunk, label)
        why = stopped or (None if found is None else _why_not(core.planes, chain, found))
        if why is not None:
            # A digest of its text would let a guess be tried on it for ever.
            name = document.id or f"#{number}"
            label_now = core.planes.naming.unknown if found is None else found
            withheld.append({"document": name, "label": label_body(label_now), "why": why.value})
            continue
        seen = Seen(
            origin=ContentOrigin.RETRIEVED,
            source=f"{source}#{len(readable)}",
            value=document.text,
            label=found,
            texts=document.texts,
        )
        yield from ingest(core, session, seen, subjects_of_document(document.metadata))
        readable.append(number)
    if withheld:
        yield from _record(core, session, source, withheld, kept=len(readable))
    return tuple(readable)


def kept(chunks: Sequence[C], numbers: Sequence[int]) -> list[C]:
    """Those of `chunks` that have these numbers."""
    return [chunks[number] for number in numbers]


def reader_of(planes: Planes, chain: Chain) -> Reader:
    """For whom a store is asked."""
    root = _answers(planes.directory, chain.root)
    names = frozenset(
        {f"{root.kind.value}::{root.id}", *(f"{ref.kind.value}::{ref.id}" for ref in _groups(planes, root))}
    )
    return Reader(
        clearance=min(_clearance(planes.directory, link) for link in chain.links),
        names=names,
        levels=planes.settings.levels,
        allows=lambda chunk, label: _may_read(planes, chain, as_document(chunk), label),
    )


def as_document(chunk: object) -> Document | str:
    """A chunk of any framework as ours. Raises UsageError for what is none."""
    if isinstance(chunk, str | Document):
        return chunk
    text, metadata = getattr(chunk, "page_content", None), getattr(chunk, "metadata", None)
    if isinstance(text, str) and isinstance(metadata, Mapping):
        return Document(text, dict(metadata), str(getattr(chunk, "id", None) or ""))
    node = getattr(chunk, "node", chunk)
    content, metadata = getattr(node, "get_content", None), getattr(node, "metadata", None)
    if callable(content) and isinstance(metadata, Mapping):
        # A model reads the text with those of the metadata before it that are meant for it.
        shown = dict.fromkeys((content(), content("llm"), content("all")))
        text, *texts = map(str, shown)
        return Document(text, dict(metadata), str(getattr(node, "node_id", "") or ""), texts=tuple(texts))
    raise UsageError(
        f"{type(chunk).__name__} is no chunk of a retrieval",
        hint="hand over texts, bailiwick.Document(text, metadata, id), or documents of LangChain or LlamaIndex",
    )


def _label_of(planes: Planes, chunk: Document | str, given: Label | None) -> Label | None:
    """The label of a chunk; None for a bare text of which nobody says anything."""
    if isinstance(chunk, str):
        return given
    said = label_from_metadata(chunk.metadata, planes.naming)
    if said is None:
        return given or planes.naming.default
    if given is None:
        return said
    # Whoever writes metadata says nothing on integrity; the caller does.
    return given.join(replace(said, integrity=given.integrity))


def _may_read(planes: Planes, chain: Chain, chunk: Document | str, given: Label | None) -> bool:
    label = _label_of(planes, chunk, given)
    return label is None or _why_not(planes, chain, label) is None


def _why_not(planes: Planes, chain: Chain, label: Label) -> _Why | None:
    if any(_clearance(planes.directory, link) < label.sensitivity for link in chain.links):
        return _Why.CLEARANCE
    root = _answers(planes.directory, chain.root)
    return None if planes.reads.principal(f"{root.kind.value}::{root.id}", label.readers) else _Why.READERS


def _stopped(planes: Planes, session: SessionState) -> _Why | None:
    # A retrieval is no call of a tool: only what stops more than one tool stops it.
    stopped = session.closed or check_suspended(planes.suspensions, session.authority, "", directory=planes.directory)
    return _Why.STOPPED if stopped else None


def _answers(directory: Directory, root: EntityRef) -> EntityRef:
    """The person whose reading counts: of a service, whoever answers for it."""
    if root.kind is not EntityKind.SERVICE:
        return root
    service = directory.services.get(root.id)
    return EntityRef(kind=EntityKind.USER, id=service.owner if service is not None and service.active else "")


def _groups(planes: Planes, root: EntityRef) -> frozenset[EntityRef]:
    return planes.directory.groups_of(root.id)


def _clearance(directory: Directory, link: EntityRef) -> int:
    """The level that a link may read; below every level for one that is gone."""
    match link.kind:
        case EntityKind.USER:
            entry = directory.users.get(link.id)
        case EntityKind.SERVICE:
            entry = directory.services.get(link.id)  # type: ignore[assignment]
        case _:
            entry = directory.agents.get(link.id)  # type: ignore[assignment]
    return entry.clearance if entry is not None and entry.active else -1


def _record(
    core: Core, session: SessionState, source: str, withheld: Sequence[Mapping[str, object]], *, kept: int
) -> Flow[None]:
    now_us: int = yield Now()
    body = {
        "source": source,
        "kept": kept,
        "withheld": len(withheld),
        "documents": list(withheld[:MAX_LISTED]),
    }
    event = draft(core.planes, session, EventKind.CONTENT_WITHHELD, body, event_id=core.new_id(), now_us=now_us)
    yield Append((event,), Durability.BUFFERED)
