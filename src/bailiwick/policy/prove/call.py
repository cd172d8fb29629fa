"""A call that nobody has made: its chain, resources and context as terms, one for each thing that a rule may read.

The two sides of a comparison are asked about the same call. A value is a variable named by its path, so both sides read
the same one; where they declare it differently, the last side's declaration says what a call can hold (it is the one
that will be in force). What the engine itself guarantees of every request is stated here, and nothing else is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from cedarpy import pst

from bailiwick.model.call import Fact
from bailiwick.model.circumstances import WorkingHours
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.policy.prove.people import Entity, People
from bailiwick.policy.prove.sets import SetLit, Sets, TextSet
from bailiwick.policy.prove.smt import LARGEST, SMALLEST, Model, Smt, Sort, Term, Unsupported
from bailiwick.policy.reads import asks_whom
from bailiwick.policy.scope import template_matches
from bailiwick.policy.tree import walk
from bailiwick.policy.world import NO_END, ActionDecl, Bool, Level, Long, Ref, Str, StrSet, Struct, Type, World

__all__ = ["AnyCall", "Place", "Record", "Setting", "Value"]

PlaceName = tuple[str, ...]
"""`("flow", "tainted")` for `context.flow.tainted`."""

_PLACEHOLDER = re.compile(r"\{\w+\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Part of the context, as one side declares it."""

    side: int
    path: PlaceName
    struct: Struct


Value = Term | Entity | TextSet | SetLit | Record
"""What an expression of a rule stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One value of the context that some rule read."""

    path: PlaceName
    term: Term | TextSet
    type: Type


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Which calls are asked about: of `tool`, for a root of this kind. `sides` are the worlds, the one in force
    last."""

    tool: str
    root: EntityKind
    sides: tuple[World, ...]
    gates: frozenset[str] | None = None
    """Ids that `context.approved` may hold; None: it is empty."""

    @property
    def action(self) -> ActionDecl:
        return self.sides[-1].actions[self.tool]

    def action_of(self, side: int) -> ActionDecl | None:
        """The tool as `side` declares it, if it does."""
        return self.sides[side].actions.get(self.tool)


class AnyCall:
    """Any call within a `Setting`."""

    def __init__(self, smt: Smt, people: People, setting: Setting) -> None:
        self._smt = smt
        self._people = people
        self.setting = setting
        self.sets = Sets(smt)
        self.root = people.variable("root", setting.root)
        self.actor = people.variable("actor", EntityKind.AGENT)
        self.agent = people.variable("agent", EntityKind.AGENT)
        self.task = people.variable("task", EntityKind.TASK)
        self.depth = smt.variable("context.depth", Sort.INT)
        self.expires = smt.variable("task.expires", Sort.INT)
        self.purpose = smt.variable("task.purpose", Sort.TEXT)
        self.limited: Term = False
        self.places: dict[str, Place] = {}
        self._has: dict[PlaceName, Term] = {}
        self._bounds: list[Term] = list(self._chain())
        self.resources = tuple(self._resources(setting.action))

    def _chain(self) -> Iterator[Term]:
        """`agent` is any agent of the chain: the acting one, or one before it."""
        alone = self._people.equal(self.agent, self.actor)
        yield self._smt.all((self.depth >= 0, self.depth <= LARGEST))
        yield self._smt.any((alone, self.depth >= 1))
        yield self._smt.all((self.expires >= 0, self.expires <= NO_END))

    def _resources(self, action: ActionDecl) -> Iterator[Entity]:
        """One for each template. Rules can only ask whether it is one that they name, so all others are as one."""
        if action.resource is EntityKind.AGENT:
            yield self._people.variable("resource", EntityKind.AGENT)
            return
        names = self._people.ids[EntityKind.RESOURCE]
        for number, template in enumerate(action.templates):
            fitting = [place for place, name in enumerate(names) if template_matches(template, name)]
            if not fitting or not _PLACEHOLDER.search(template):
                yield Entity(kind=EntityKind.RESOURCE, term=fitting[0] if fitting else len(names))
                continue
            given = self._people.variable(f"resource {number}", EntityKind.RESOURCE)
            self._bounds.append(self._smt.any(self._smt.equal(given.term, each) for each in (*fitting, len(names))))
            yield given

    def resource(self, entity: Entity, model: Model) -> EntityRef:
        """Which one it is in `model`."""
        names = self._people.ids[EntityKind.RESOURCE]
        if entity.kind is not EntityKind.RESOURCE:
            return self._people.ref(entity, model)
        place = model.of(entity.term)
        if place < len(names):
            return EntityRef(kind=EntityKind.RESOURCE, id=names[place])
        template = self.setting.action.templates[next(at for at, each in enumerate(self.resources) if each is entity)]
        number = 1
        while (name := _PLACEHOLDER.sub(str(number), template)) in names:
            number += 1
        return EntityRef(kind=EntityKind.RESOURCE, id=name)

    def same_for_all(self, expr: pst.Expr) -> bool:
        """Whether `expr`, a condition, can be known not to tell the sides apart."""
        if not any(isinstance(node, pst.Var) for node in walk(expr)):
            return True
        first, *others = self.setting.sides
        seen = (self.setting.action_of(0), first.attributes, first.hours)
        same = all((each.actions.get(self.setting.tool), each.attributes, each.hours) == seen for each in others)
        return same and (self._people.agree or not asks_whom(expr))

    def possible(self, side: int) -> bool:
        """Whether `side` has the tool, and lets such a root call it."""
        action = self.setting.action_of(side)
        return action is not None and self.setting.root.value.lower() in action.context.attrs

    def known(self, side: int) -> Term:
        """Whether `side` has the tool, and knows everybody in the call."""
        if not self.possible(side):
            return False
        others = [each for each in self.resources if each.kind is EntityKind.AGENT]
        return self._smt.all([self._people.known(side, each) for each in (self.root, self.actor, self.agent, *others)])

    def context(self, side: int) -> Record:
        action = self.setting.action_of(side)
        assert action is not None
        return Record(side=side, path=(), struct=action.context)

    def has(self, record: Record, name: str) -> Term:
        """Whether an attribute is there."""
        attr = record.struct.attrs.get(name)
        if attr is None:
            return False
        if record.path == () and name in ("user", "service"):
            return name == self.setting.root.value.lower()
        if not attr.optional:
            return True
        path = (*record.path, name)
        if path not in self._has:
            declared = self._declared(path)
            required = declared is not None and not declared[1]
            self._has[path] = required or self._smt.variable("has " + ".".join(path), Sort.BOOL)
        return self._has[path]

    def read(self, record: Record, name: str) -> Value:
        """The value of an attribute. Validation has made sure that it is there whenever it matters."""
        path, attr = (*record.path, name), record.struct.attrs[name]
        match path:
            case ("user",) | ("service",):
                return self.root
            case ("agent",):
                return self.actor
            case ("task",):
                return self.task
            case ("depth",):
                return self.depth
            case ("approved",):
                gates = self.setting.gates
                return SetLit(elements=()) if gates is None else self.sets.variable("approved", gates)
            case ("hours", _):
                return self._hours(self.setting.sides[record.side].hours, name)
            case _:
                pass
        if isinstance(attr.type, Struct):
            return Record(side=record.side, path=path, struct=attr.type)
        return self._place(path, attr.type).term

    def of_task(self, name: str, of: Type) -> Value:
        """An attribute of the task. One that is not limited is limited to nothing in particular."""
        if name in ("expires", "purpose"):
            return self.expires if name == "expires" else self.purpose
        tools, zones = (self.sets.variable(f"task.{each}", None) for each in ("tools", "zones"))
        if self.limited is False:
            self.limited = self._smt.variable("task.limited", Sort.BOOL)
            free = self._smt.all((self.sets.is_empty(tools), self.sets.is_empty(zones)))
            self._bounds.append(self._smt.any((self.limited, free)))
        if name not in ("limited", "tools", "zones"):
            raise Unsupported(f"the task's {name}, a {type(of).__name__}")
        return {"limited": self.limited, "tools": tools, "zones": zones}[name]

    def scope(self, model: Model) -> tuple[frozenset[str] | None, frozenset[str]]:
        """The tools (None: all) and zones of the task in `model`."""
        tools, zones = (frozenset(self.sets.read(f"task.{each}", model)) for each in ("tools", "zones"))
        return (tools if model.of(self.limited) else None), zones

    def _hours(self, hours: WorkingHours | None, name: str) -> Term:
        if hours is None:
            return False if name == "working" else 0
        zone = str(hours.zone)
        weekday, minute = (self._number(("hours", each, zone), *ends) for each, ends in _HOURS.items())
        if name != "working":
            return weekday if name == "weekday" else minute
        begin, end = (each.hour * 60 + each.minute for each in (hours.begin, hours.end))
        today = self._smt.any(self._smt.equal(weekday, day) for day in sorted(hours.days))
        if hours.begin <= hours.end:
            return self._smt.all((today, minute >= begin, minute < end))
        yesterday = self._smt.any(self._smt.equal(weekday, day % 7 + 1) for day in sorted(hours.days))
        return self._smt.any((self._smt.all((today, minute >= begin)), self._smt.all((yesterday, minute < end))))

    def _number(self, path: PlaceName, low: int, high: int) -> Term:
        key = ".".join(path)
        if key not in self.places:
            term = self._smt.variable(key, Sort.INT)
            self._bounds += [term >= low, term <= high]
            self.places[key] = Place(path=path, term=term, type=Long())
        return self.places[key].term

    def _place(self, path: PlaceName, of: Type) -> Place:
        """The variable at `path`: one for all sides that declare the same sort there."""
        declared = self._declared(path)
        if declared is not None and type(declared[0]) is type(of):
            of = declared[0]
        key = _key(path, of)
        if key not in self.places:
            self.places[key] = Place(path=path, term=self._variable(path, of), type=of)
        return self.places[key]

    def _declared(self, path: PlaceName) -> tuple[Type, bool] | None:
        """What is declared at `path` where the call will be made, and whether it is optional."""
        struct: Type = self.setting.action.context
        optional = False
        for name in path:
            attr = struct.attrs.get(name) if isinstance(struct, Struct) else None
            if attr is None:
                return None
            struct, optional = attr.type, attr.optional
        return struct, optional

    def _variable(self, path: PlaceName, of: Type) -> Term | TextSet:
        name = _key(path, of)
        match of:
            case Bool():
                return self._smt.variable(name, Sort.BOOL)
            case Long() | Level():
                term = self._smt.variable(name, Sort.INT)
                low, high = self._range(path, of)
                self._bounds += [term >= low, term <= high]
                return term
            case Str(vocab=vocab):
                term = self._smt.variable(name, Sort.TEXT)
                if vocab is not None:
                    words = sorted(vocab.values)
                    self._bounds.append(self._smt.any([self._smt.equal(term, word) for word in words]))
                return term
            case StrSet(vocab=vocab):
                return self.sets.variable(name, None if vocab is None else vocab.values)
            case Ref() | Struct():
                raise AssertionError("entities and records are no variables")
            case _ as unreachable:
                assert_never(unreachable)

    def _range(self, path: PlaceName, of: Long | Level) -> tuple[int, int]:
        if isinstance(of, Level):
            return 0, len(self.setting.sides[-1].levels) - 1
        if path == ("now",) or path[0] == "usage" or (path[-1] == "age_ms" and path[0] in ("evidence", "facts")):
            return 0, NO_END
        return SMALLEST, LARGEST

    def axioms(self) -> Iterator[Term]:
        """What holds of every call. Ask once all terms were made."""
        yield from self._bounds
        yield from self.sets.axioms()

    def facts(self, struct: Struct, model: Model, path: PlaceName = ()) -> dict[str, Fact]:
        """The context of the call in `model`, as `struct` declares it; harmless values where no rule looks."""
        found: dict[str, Fact] = {}
        for name, attr in struct.attrs.items():
            below = (*path, name)
            if attr.optional and not (below in self._has and model.of(self._has[below])):
                continue
            if isinstance(attr.type, Struct):
                found[name] = self.facts(attr.type, model, below)
            elif not isinstance(attr.type, Ref):
                found[name] = self._fact(below, attr.type, model)
        return found

    def _fact(self, path: PlaceName, of: Type, model: Model) -> Fact:
        place = self.places.get(_key(path, of))
        if place is not None:
            if isinstance(place.term, TextSet):
                return self.sets.read(place.term.name, model)
            value: Fact = model.of(place.term)
            return value
        match of:
            case Bool():
                return False
            case Long() | Level():
                return 0
            case Str(vocab=vocab):
                return min(vocab.values, default="") if vocab else ""
            case _:
                return ()

    def now(self, model: Model) -> int | None:
        """When the call is made, if a rule asks."""
        place = self.places.get(_key(("now",), Long()))
        return None if place is None else int(model.of(place.term))

    def optional(self) -> Sequence[Term]:
        """Whether each optional value that a rule asks for is there."""
        return [term for term in self._has.values() if term is not True]

    def hours(self, hours: WorkingHours | None, model: Model) -> Mapping[str, int]:
        """The weekday and minute that rules looked at, by name."""
        keys = {name: f"hours.{name}.{hours.zone}" for name in _HOURS} if hours else {}
        return {name: model.of(self.places[key].term) for name, key in keys.items() if key in self.places}


_HOURS = {"weekday": (1, 7), "minute": (0, 1439)}


def _key(path: PlaceName, of: Type) -> str:
    sort = "Long" if isinstance(of, Level) else type(of).__name__
    return f"{'.'.join(path)}: {sort}"
