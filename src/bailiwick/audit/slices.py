"""Slices of recorded data flow: which documents, rows and prompts led to a call, and what came of a content.

Works over the port `FlowGraph` (`bailiwick.stores.log_index`). A slice is a graph of events that is cut at a number of
events and of steps, and says so; every place where it ends for another reason is an `End` with the reason.
DESIGN §5 *Audit*: `why`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from bailiwick.audit.links import FLOWS, NOWHERE, Relation
from bailiwick.model.event import EventKind

__all__ = [
    "MAX_FAN",
    "MAX_NODES",
    "MAX_STEPS",
    "Direction",
    "Edge",
    "End",
    "EndReason",
    "Entry",
    "FlowGraph",
    "Slice",
    "cut_out",
]

MAX_NODES = 50
"""Events of a slice unless one asks for another number: what a person can still read."""
MAX_STEPS = 32
MAX_FAN = 200
"""Edges of one event that are followed."""


class Direction(StrEnum):
    BACK = "back"
    """What led to it."""
    FORWARD = "forward"
    """What came of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An event as the index knows it: its envelope and what a list shows of it, and no content.

    `actor` is the chain as texts; `about` the tool, source, approval … that it is about; `outcome` the decision's or
    what became of a call; `origin` how a content came in; `label` that of the content or of the decided call, as the
    schema's LABEL, None where there is none; `policies` the rules that made a decision."""

    id: str
    log: str
    seq: int
    session: str
    ord: int
    kind: str
    ts_us: int
    task: str = ""
    actor: tuple[str, ...] = ()
    tool: str = ""
    about: str = ""
    outcome: str = ""
    origin: str = ""
    label: Mapping[str, object] | None = None
    policies: tuple[str, ...] = ()
    observed: str = ""
    """The outcome that a decision would have had if its rules were enforced, where that is another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """`later` follows from `earlier` (ids of events; `earlier` is empty where the record leads nowhere). `name`, `path`
    and `how` as in `Link`; `label` is that of what went from one to the other: the earlier event's."""

    later: str
    earlier: str
    relation: Relation
    name: str = ""
    path: str = ""
    how: str = ""
    label: Mapping[str, object] | None = field(default=None, compare=False)


class FlowGraph(Protocol):
    """Events and what they follow from, over all logs of a folder. Methods raise StoreError."""

    def entry(self, event_id: str) -> Entry | None:
        """The event; None if no log here has it."""
        ...

    def edges_back(self, event_id: str, *, limit: int = MAX_FAN) -> tuple[Edge, ...]:
        """What the event follows from. An edge may lead to an event that no log here has."""
        ...

    def edges_forward(
        self, event_id: str, *, limit: int = MAX_FAN, relations: Collection[Relation] | None = None
    ) -> tuple[Edge, ...]:
        """What follows from the event, by these relations, if given."""
        ...


class EndReason(StrEnum):
    """Why a trace ends at an event (or at an argument of it)."""

    USER = "user"
    """The user typed it."""
    CONFIGURED = "configured"
    """The developer's instructions."""
    OUTSIDE = "outside"
    """It came from outside of every session of these logs: nobody here recorded what it was made from."""
    UNVOUCHED = "unvouched"
    """A model read it, and nobody had said whose it is."""
    MODEL = "model"
    """A model wrote it, and which of the things that it had seen it used is not recorded."""
    UNTOLD = "untold"
    """The argument's value was found in nothing that the session had seen."""
    ENDORSED = "endorsed"
    """The value was found in no content, and is endorsed otherwise (the task, a person)."""
    FORGOTTEN = "forgotten"
    """It was seen in more places than are remembered one by one."""
    NOT_HERE = "not-here"
    """No log of this folder has the event that it leads to: another folder's, or deleted."""
    ERASED = "erased"
    """What it said was erased, or its key is not here (a copy of logs without keys): it is known where it went, and not
    what it was."""
    STEPS = "steps"
    """The slice was cut here: more steps than asked for."""
    FAN = "fan"
    """More leads on from here than is followed from one event (MAX_FAN)."""
    START = "start"
    """Nothing before it is recorded, and nothing had to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Where a trace ends and why. `name` is the argument, where it is one; `detail` who endorses it, or which event is
    not here."""

    event: str
    reason: EndReason
    name: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The events that led to `root` (or came of it), nearest first, with the edges between them. `cut` is how many more
    events were found and are not shown, at least: what follows from those was not looked at."""

    root: str
    direction: Direction
    entries: tuple[Entry, ...]
    edges: tuple[Edge, ...]
    ends: tuple[End, ...]
    cut: int = 0


def cut_out(
    graph: FlowGraph,
    root: str,
    direction: Direction,
    *,
    steps: int = MAX_STEPS,
    nodes: int = MAX_NODES,
    relations: frozenset[Relation] | None = None,
) -> Slice | None:
    """The slice of `root`; None if no log here has it. `relations`: follow none but these; by default data flow, and
    beside it approvals, delegations and outcomes.

    The cost is bounded by `nodes` and MAX_FAN, whatever the logs hold."""
    start = graph.entry(root)
    if start is None:
        return None
    walk = _Walk(graph=graph, direction=direction, steps=steps, nodes=nodes, relations=relations)
    walk.go(start)
    known = walk.entries
    edges = tuple(edge for edge in walk.edges if edge.later in known and edge.earlier in known)
    return Slice(
        root=root,
        direction=direction,
        entries=tuple(known.values()),
        edges=edges,
        ends=tuple(dict.fromkeys(walk.ends)),
        cut=len(walk.beyond),
    )


@dataclass(slots=True, kw_only=True)
class _Walk:
    graph: FlowGraph
    direction: Direction
    steps: int
    nodes: int
    relations: frozenset[Relation] | None
    entries: dict[str, Entry] = field(default_factory=dict)
    edges: dict[Edge, None] = field(default_factory=dict)
    ends: list[End] = field(default_factory=list)
    beyond: set[str] = field(default_factory=set)

    def go(self, start: Entry) -> None:
        """Breadth first, so that what is left out is what is farthest."""
        self.entries[start.id] = start
        todo: deque[tuple[Entry, int]] = deque([(start, 0)])
        while todo:
            entry, depth = todo.popleft()
            edges = self._edges(entry)
            if depth >= self.steps:
                self._last(entry, edges)
                continue
            for edge in edges:
                other = self._other(edge)
                if other is not None:
                    todo.append((other, depth + 1))
            if self.direction is Direction.BACK:
                self.ends += _ends(entry, edges)

    def _last(self, entry: Entry, edges: Iterable[Edge]) -> None:
        """The last step: edges between events that are shown are shown, and others end here."""
        beyond = False
        for edge in edges:
            if self._far(edge) in self.entries:
                self.edges[edge] = None
            elif edge.earlier == NOWHERE:
                self.ends.append(_nowhere(edge))
            else:
                beyond = True
        if beyond:
            self.ends.append(End(event=entry.id, reason=EndReason.STEPS))

    def _edges(self, entry: Entry) -> Sequence[Edge]:
        if self.direction is Direction.BACK:
            found = self.graph.edges_back(entry.id, limit=MAX_FAN + 1)
            found = tuple(edge for edge in found if self.relations is None or edge.relation in self.relations)
        else:
            found = self.graph.edges_forward(entry.id, limit=MAX_FAN + 1, relations=self.relations)
        if len(found) > MAX_FAN:
            self.ends.append(End(event=entry.id, reason=EndReason.FAN))
        return found[:MAX_FAN]

    def _far(self, edge: Edge) -> str:
        return edge.earlier if self.direction is Direction.BACK else edge.later

    def _other(self, edge: Edge) -> Entry | None:
        """The event at the far end, if it is new; the edge is kept."""
        far = self._far(edge)
        if far == NOWHERE:
            return None
        if far in self.entries:
            self.edges[edge] = None
            return None
        if len(self.entries) >= self.nodes:
            self.beyond.add(far)
            return None
        entry = self.graph.entry(far)
        if entry is None:
            told = edge.relation is Relation.OUTPUT  # that no model call is on record is no event that is missing
            reason, detail = (EndReason.MODEL, "") if told else (EndReason.NOT_HERE, far)
            self.ends.append(End(event=edge.later, reason=reason, name=edge.name, detail=detail))
            return None
        self.entries[far] = entry
        self.edges[edge] = None
        return entry


def _ends(entry: Entry, edges: Iterable[Edge]) -> Iterator[End]:
    flows = False
    for edge in edges:
        flows = flows or edge.relation in FLOWS
        if edge.earlier == NOWHERE:
            yield _nowhere(edge)
    if flows:
        return
    if entry.kind == EventKind.CONTENT_INGESTED:
        yield End(event=entry.id, reason=_BY_ORIGIN.get(entry.origin, EndReason.OUTSIDE))
    elif entry.kind == EventKind.DECISION:
        yield End(event=entry.id, reason=EndReason.UNTOLD)
    elif not any(edge.earlier for edge in edges):
        yield End(event=entry.id, reason=EndReason.START)


def _nowhere(edge: Edge) -> End:
    match edge.how:
        case "endorsed":
            reason = EndReason.ENDORSED
        case "more":
            reason = EndReason.FORGOTTEN
        case _:
            reason = EndReason.UNTOLD
    return End(event=edge.later, reason=reason, name=edge.name, detail=edge.path)


_BY_ORIGIN: Mapping[str, EndReason] = {
    "prompt": EndReason.USER,
    "instructions": EndReason.CONFIGURED,
    "model": EndReason.MODEL,
    "unknown": EndReason.UNVOUCHED,
}
