"""Which earlier events an event follows from, as the event itself records it. DESIGN §5 *Audit*: `why`.

A link leads from an event to a *name*: the id of an event, or `content:…`, `handle:…`, `approval:…`, `asked:…`, which
other events carry (`names_of`). So links can be kept before what they lead to was seen, in whatever log it stands.

INVARIANT: all is taken from recorded fields, nothing is guessed from times or nesting. Where an event says nothing on
where a value came from, that is a link too, to nowhere: a trace that ends says where and why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from bailiwick.audit.relations import ENDS
from bailiwick.model.event import EventKind

__all__ = ["FLOWS", "NOWHERE", "Link", "Relation", "links_of", "names_of"]

NOWHERE = ""
"""Where a link leads of which nobody recorded more."""


class Relation(StrEnum):
    """How an event follows from an earlier one: `<later> <relation> <earlier>`."""

    ARGUMENT = "argument"
    """A value of an argument was seen in it."""
    CARRIED = "carried"
    """An argument holds what a handle stood for, which the model never saw."""
    PROMPTED = "prompted"
    """The model had been told or asked it when it made this call."""
    RESULT = "result"
    """A content is what this call gave back."""
    READ_BACK = "read-back"
    """A content holds what this call wrote into a store."""
    SAID = "said"
    """A message holds what this event of another session saw or said."""
    INPUT = "input"
    """A model was shown it."""
    AFTER = "after"
    """A model was shown again some of what it was shown in this earlier call."""
    OUTPUT = "output"
    """A model wrote it, in this call of the model."""
    OUTCOME = "outcome"
    """It is what became of this decided call."""
    APPROVED = "approved"
    """This approval lifted a gate."""
    ABOUT = "about"
    """It is a person's or a rule's answer to this."""
    FOLLOWS = "follows"
    """It names this event as what it follows from."""


FLOWS = frozenset(
    {
        Relation.ARGUMENT,
        Relation.CARRIED,
        Relation.PROMPTED,
        Relation.RESULT,
        Relation.READ_BACK,
        Relation.SAID,
        Relation.INPUT,
        Relation.AFTER,
        Relation.OUTPUT,
    }
)
"""Relations by which data went from the earlier event to the later one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """`earlier` is a name (see the module), or NOWHERE. `name` is the argument's, `path` where in the content its value
    stood, `how` it was recognised; of a link to nowhere `how` says what is known instead."""

    earlier: str
    relation: Relation
    name: str = ""
    path: str = ""
    how: str = ""


Body = Mapping[str, Any]


def links_of(event_id: str, kind: str, parents: tuple[str, ...], body: Body) -> tuple[Link, ...]:
    """Every link of an event, each once. `body` fits the schema of `kind`; of a kind that is not known only the parents
    count."""
    found = dict.fromkeys(_BY_KIND[kind](body) if kind in _BY_KIND else ())
    if kind == EventKind.CONTENT_INGESTED and body["origin"] == "model":
        found[Link(earlier=f"output:{event_id}", relation=Relation.OUTPUT)] = None
    named = {link.earlier for link in found}
    relation = Relation.PROMPTED if kind == EventKind.DECISION else Relation.FOLLOWS
    found.update((Link(earlier=parent, relation=relation), None) for parent in parents if parent not in named)
    return tuple(found)


def names_of(kind: str, body: Body) -> tuple[str, ...]:
    """The names by which other events may mean this one, beside its id."""
    match kind:
        case EventKind.CONTENT_INGESTED:
            return (f"content:{body['content']}",)
        case EventKind.ACTION_COMPLETED if "handle" in body:
            return (f"handle:{body['handle']}",)
        case EventKind.MODEL_CALLED:
            return tuple(f"output:{event}" for event in body["outputs"])
        case EventKind.APPROVAL_REQUESTED | EventKind.APPROVAL_PLANTED:
            return (f"asked:{body['approval']}",)
        case EventKind.APPROVAL_EDITED if body["successor"]:
            # Who edits has a say on it, too: where that is enough, nobody else says yes.
            return (f"asked:{body['successor']}", f"approval:{body['successor']}")
        case EventKind.APPROVAL_GRANTED:
            return (f"approval:{body['approval']}",)
        case EventKind.APPROVAL_REMEMBERED:
            return (f"approval:{body['grant']}",)
        case _:
            return ()


def _decision(body: Body) -> Iterator[Link]:
    for argument in body["arguments"]:
        yield from _argument(argument)
    for lifted in body["approved"]:
        yield Link(earlier=f"approval:{lifted['approval']}", relation=Relation.APPROVED, name=lifted["gate"])
    for carried in body.get("carried", ()):
        for name in carried["arguments"]:
            yield Link(earlier=f"content:{carried['content']}", relation=Relation.CARRIED, name=name)


def _delegated(body: Body) -> Iterator[Link]:
    for origin in body.get("origins", ()):
        path, how = origin["path"], origin["how"]
        yield Link(earlier=origin["event"], relation=Relation.ARGUMENT, name="message", path=path, how=how)


def _argument(argument: Body) -> Iterator[Link]:
    seen = False
    for origin in argument["origins"]:
        seen = True
        name, how = argument["name"], origin["how"]
        yield Link(earlier=origin["event"], relation=Relation.ARGUMENT, name=name, path=origin["path"], how=how)
    if not seen:
        by = next((by for by in argument["endorsed_by"] if by), "")
        how = "endorsed" if by else "untold"
        yield Link(earlier=NOWHERE, relation=Relation.ARGUMENT, name=argument["name"], path=by, how=how)


def _content(body: Body) -> Iterator[Link]:
    if "decision" in body:
        yield Link(earlier=body["decision"], relation=Relation.RESULT)
    for event in body.get("read_back", ()):
        yield Link(earlier=event, relation=Relation.READ_BACK)
    if "said_in" in body:
        yield Link(earlier=body["said_in"], relation=Relation.SAID)


def _outcome(body: Body) -> Iterator[Link]:
    yield Link(earlier=body["decision"], relation=Relation.OUTCOME)
    if "result_content" in body:
        yield Link(earlier=f"content:{body['result_content']}", relation=Relation.OUTCOME)


def _asked(body: Body) -> Iterator[Link]:
    if "decision" in body:
        yield Link(earlier=body["decision"], relation=Relation.ABOUT)


def _answered(body: Body) -> Iterator[Link]:
    yield Link(earlier=f"asked:{body['approval']}", relation=Relation.ABOUT)


def _remembered(body: Body) -> Iterator[Link]:
    yield Link(earlier=f"approval:{body['approval']}", relation=Relation.ABOUT)


def _forgotten(body: Body) -> Iterator[Link]:
    yield Link(earlier=f"approval:{body['grant']}", relation=Relation.ABOUT)


def _released(body: Body) -> Iterator[Link]:
    yield Link(earlier=body["decision"], relation=Relation.OUTCOME)
    if body.get("of") in ("content", "handle"):
        yield Link(earlier=f"{body['of']}:{body['data']}", relation=Relation.ABOUT)
    if "handle" in body:
        yield Link(earlier=f"handle:{body['handle']}", relation=Relation.ABOUT)


def _model_called(body: Body) -> Iterator[Link]:
    for event in body["inputs"]:
        if event:  # else a text of bailiwick's own
            yield Link(earlier=event, relation=Relation.INPUT)
    if "after" in body:
        kept = ", ".join(f"{part['from']} to {part['to']}" for part in body.get("kept", ()))
        yield Link(earlier=body["after"], relation=Relation.AFTER, path=kept)


_BY_KIND: Mapping[str, Callable[[Body], Iterator[Link]]] = MappingProxyType(
    {
        EventKind.DECISION.value: _decision,
        EventKind.CONTENT_INGESTED.value: _content,
        **dict.fromkeys((kind.value for kind in (*ENDS, EventKind.ACTION_RECONCILED)), _outcome),
        EventKind.APPROVAL_REQUESTED.value: _asked,
        **dict.fromkeys(
            (
                kind.value
                for kind in (
                    EventKind.APPROVAL_GRANTED,
                    EventKind.APPROVAL_DENIED,
                    EventKind.APPROVAL_REFUSED,
                    EventKind.APPROVAL_EXPIRED,
                    EventKind.APPROVAL_WITHDRAWN,
                    EventKind.APPROVAL_EDITED,
                    EventKind.APPROVAL_CHECK_PASSED,
                    EventKind.APPROVAL_CHECK_FAILED,
                )
            ),
            _answered,
        ),
        EventKind.APPROVAL_REMEMBERED.value: _remembered,
        EventKind.APPROVAL_FORGOTTEN.value: _forgotten,
        **dict.fromkeys(
            (
                kind.value
                for kind in (EventKind.LABEL_DECLASSIFIED, EventKind.VALUE_ENDORSED, EventKind.HANDLE_INSPECTED)
            ),
            _released,
        ),
        EventKind.DELEGATION_GRANTED.value: _delegated,
        EventKind.MODEL_CALLED.value: _model_called,
        EventKind.MODEL_CONTEXT.value: _model_called,
    }
)
