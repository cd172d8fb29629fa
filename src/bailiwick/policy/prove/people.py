"""Users, services and agents as the solver sees them: all whom the directories declare, and some whom they do not.

Answers must not depend on today's people alone. So beside the declared ones there are *newcomers*: unknown users,
services and agents with any attributes of the right types, in any of the declared groups, roles and classes (and in
what these lie in). As many of each kind as a call can name, so there is always one that is different.

A declared one is a number (its place in `ids`), a newcomer a number after those. What two directories say differently
of somebody, and how their groups lie in each other, is kept apart by side; newcomers are the same people on both
sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bailiwick.model.directory import Directory
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.policy.entities import link_entities, uid
from bailiwick.policy.prove.smt import Model, Smt, Sort, Term, Unsupported
from bailiwick.policy.world import ANCESTORS, PRINCIPALS, Bool, Level, Long, Ref, Str, StrSet, Struct, Type

__all__ = ["Described", "Entity", "Newcomer", "People", "described"]

_NEWCOMERS = {
    EntityKind.USER: 1,
    EntityKind.SERVICE: 1,
    EntityKind.AGENT: 3,
    EntityKind.TASK: 1,
    EntityKind.RESOURCE: 1,
}
_LONGEST_NUMBER = 2**53 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """`term` is a number for users, services, agents, tasks and resources, an id for everything else."""

    kind: EntityKind
    term: Term


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a directory says of somebody: attributes, and all that they are in."""

    attrs: Mapping[str, object]
    above: frozenset[EntityRef]


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """Somebody whom no directory declares. `direct` are the groups, roles and classes that they are put into."""

    ref: EntityRef
    attrs: Mapping[str, object]
    direct: tuple[EntityRef, ...]


def described(directory: Directory, ref: EntityRef) -> Described | None:
    """What `directory` says of `ref`, in the engine's own words; None if it does not know it."""
    entities = link_entities(directory, ref)
    found = {str(each["uid"]): each for each in entities}
    mine = str(uid(ref))
    if mine not in found:
        return None
    above: set[EntityRef] = set()
    todo = [mine]
    while todo:
        for parent in found[todo.pop()]["parents"]:  # type: ignore[attr-defined]
            over = EntityRef(kind=EntityKind(parent["type"]), id=parent["id"])
            if over not in above:
                above.add(over)
                todo.append(str(parent))
    return Described(attrs=found[mine]["attrs"], above=frozenset(above))  # type: ignore[arg-type]


@dataclass(slots=True)
class _Asked:
    """Functions that were given out, one for each side (or one for all, where the sides agree)."""

    of_side: list[Any]
    values: list[dict[int, Term]]
    newcomers: list[dict[int, Term]] = field(default_factory=list)


class People:
    """Everybody in `directories` (one for each side), and newcomers."""

    def __init__(
        self,
        smt: Smt,
        directories: tuple[Directory, ...],
        attributes: Mapping[EntityKind, Struct],
        resources: Iterable[str],
    ) -> None:
        self._smt = smt
        self._directories = directories
        self._attributes = attributes
        self.ids: dict[EntityKind, tuple[str, ...]] = {
            EntityKind.USER: _union(each.users for each in directories),
            EntityKind.SERVICE: _union(each.services for each in directories),
            EntityKind.AGENT: _union(each.agents for each in directories),
            EntityKind.TASK: _union(each.tasks for each in directories),
            EntityKind.RESOURCE: tuple(sorted(resources)),
        }
        self._facts: dict[EntityKind, list[list[Described | None]]] = {
            kind: [[described(side, EntityRef(kind=kind, id=name)) for name in names] for side in directories]
            for kind, names in self.ids.items()
            if kind in PRINCIPALS
        }
        self._asked: dict[tuple[EntityKind, str], _Asked] = {}
        self._direct: dict[tuple[EntityKind, EntityRef], Any] = {}
        self._bounds: list[Term] = []
        self._variables: set[str] = set()

    @property
    def agree(self) -> bool:
        """Whether all sides say the same of everybody, and of what lies in what."""
        same = all(first == each for first, *others in self._facts.values() for each in others)
        kinds = (EntityKind.GROUP, EntityKind.ROLE, EntityKind.AGENT_CLASS)
        first, *rest = self._directories
        return same and all(_hierarchy(first, kind) == _hierarchy(each, kind) for kind in kinds for each in rest)

    def variable(self, name: str, kind: EntityKind) -> Entity:
        """Anybody of a kind."""
        term = self._smt.variable(name, Sort.INT)
        if name not in self._variables:
            self._variables.add(name)
            self._bounds += [term >= 0, term < len(self.ids[kind]) + _NEWCOMERS[kind]]
        return Entity(kind=kind, term=term)

    def literal(self, ref: EntityRef) -> Entity:
        """The entity that a rule names."""
        if ref.kind in self.ids:
            names = self.ids[ref.kind]
            return Entity(kind=ref.kind, term=names.index(ref.id) if ref.id in names else -1)
        return Entity(kind=ref.kind, term=ref.id)

    def equal(self, first: Entity, second: Entity) -> Term:
        return first.kind is second.kind and self._smt.equal(first.term, second.term)

    def declared(self, entity: Entity) -> Term:
        """Whether it is no newcomer."""
        return entity.term < len(self.ids[entity.kind])

    def known(self, side: int, entity: Entity) -> Term:
        """Whether the directory of `side` knows it. Newcomers count as known: they are added to it."""
        if entity.kind not in self._facts:
            return True
        facts = self._facts[entity.kind][side]
        unknown = [number for number, each in enumerate(facts) if each is None]
        return self._smt.no(self._smt.any(self._smt.equal(entity.term, number) for number in unknown))

    def everywhere(self, entity: Entity) -> Term:
        """Whether every side knows it."""
        return self._smt.all([self.known(side, entity) for side in range(len(self._directories))])

    def changed(self, entity: Entity, *, known: bool = False) -> dict[str, Term]:
        """Declared ones of whom the sides do not say the same, each with the term that `entity` is that one. `known`:
        of those alone whom both sides know."""
        if entity.kind not in self._facts:
            return {}
        first, *others = self._facts[entity.kind]
        return {
            name: self._smt.equal(entity.term, number)
            for number, name in enumerate(self.ids[entity.kind])
            if any(first[number] != other[number] for other in others)
            if not known or all(facts[number] is not None for facts in (first, *others))
        }

    def attr(self, side: int, entity: Entity, name: str, of: Type) -> Term:
        """An attribute of `entity`, a scalar. Raises Unsupported for sets and records, which no directory has."""
        asked = self._asked.get((entity.kind, name)) or self._ask_attr(entity.kind, name, of)
        return asked.of_side[side](self._smt.raised(entity.term))

    def has(self, side: int, entity: Entity, name: str) -> Term:
        """Whether `entity` has an optional attribute."""
        key = f"has {name}"
        asked = self._asked.get((entity.kind, key))
        if asked is None:
            values = [
                {number: name in each.attrs for number, each in enumerate(facts) if each is not None}
                for facts in self._facts[entity.kind]
            ]
            asked = self._ask(entity.kind, key, Sort.BOOL, values)
        return asked.of_side[side](self._smt.raised(entity.term))

    def member(self, side: int, entity: Entity, above: EntityRef) -> Term:
        """Whether `entity` is, or is in, `above`."""
        if entity.kind is above.kind and entity.kind in self.ids:
            return self.equal(entity, self.literal(above))
        if entity.kind in (EntityKind.GROUP, EntityKind.ROLE, EntityKind.AGENT_CLASS):
            return entity.kind is above.kind and entity.term in self._below(side, above)
        if entity.kind not in self._facts:
            return entity.kind is above.kind and entity.term == above.id
        if above.kind not in ANCESTORS[entity.kind]:
            return False
        asked = self._asked.get((entity.kind, f"in {above}")) or self._ask_member(entity.kind, above)
        return asked.of_side[side](self._smt.raised(entity.term))

    def _ask_attr(self, kind: EntityKind, name: str, of: Type) -> _Asked:
        values: list[dict[int, Term]] = [
            {number: each.attrs[name] for number, each in enumerate(facts) if each is not None and name in each.attrs}
            for facts in self._facts.get(kind, [[] for _ in self._directories])
        ]
        asked = self._ask(kind, name, _sort(of), values)
        for number in self._newcomers(kind):
            value = asked.of_side[0](self._smt.raised(number))
            self._bounds.append(self._in_type(value, of))
        return asked

    def _in_type(self, value: Term, of: Type) -> Term:
        match of:
            case Str(vocab=vocab) if vocab is not None:
                return self._smt.any(self._smt.equal(value, word) for word in sorted(vocab.values))
            case Level():
                return self._smt.all((value >= 0, value < _LONGEST_NUMBER))
            case Long():
                return self._smt.all((value >= -_LONGEST_NUMBER, value <= _LONGEST_NUMBER))
            case _:
                return True

    def _ask_member(self, kind: EntityKind, above: EntityRef) -> _Asked:
        values: list[dict[int, Term]] = [
            {number: above in each.above for number, each in enumerate(facts) if each is not None}
            for facts in self._facts[kind]
        ]
        newcomers = [
            {
                number: self._smt.any(
                    self._put_into(kind, number, EntityRef(kind=above.kind, id=below)) for below in ids
                )
                for number in self._newcomers(kind)
            }
            for ids in (sorted(self._below(side, above)) for side in range(len(self._directories)))
        ]
        return self._ask(kind, f"in {above}", Sort.BOOL, values, newcomers)

    def _put_into(self, kind: EntityKind, number: int, ref: EntityRef) -> Term:
        """Whether newcomer `number` is directly in `ref`."""
        key = (kind, ref)
        if key not in self._direct:
            self._direct[key] = self._smt.function(f"{kind} put into {ref}", Sort.INT, Sort.BOOL)
        return self._direct[key](self._smt.raised(number))

    def _below(self, side: int, above: EntityRef) -> frozenset[str]:
        """The names of all that is `above` or lies in it."""
        parents = _hierarchy(self._directories[side], above.kind)
        if above.id not in parents:
            return frozenset()
        found = {above.id}
        while more := {name for name, over in parents.items() if name not in found and not found.isdisjoint(over)}:
            found |= more
        return frozenset(found)

    def _ask(
        self,
        kind: EntityKind,
        what: str,
        sort: Sort,
        values: list[dict[int, Term]],
        newcomers: list[dict[int, Term]] | None = None,
    ) -> _Asked:
        """A function for each side; one for all where the sides agree on everybody."""
        same = all(
            one.get(number, value) == value for one in values for other in values for number, value in other.items()
        ) and (not newcomers or all(_same(self._smt, newcomers[0], each) for each in newcomers))
        names = [f"{kind}.{what}"] * len(values) if same else [f"{kind}.{what} {side}" for side in range(len(values))]
        functions = [self._smt.function(name, Sort.INT, sort) for name in names]
        asked = self._asked[kind, what] = _Asked(of_side=functions, values=values, newcomers=newcomers or [])
        return asked

    def axioms(self) -> Iterator[Term]:
        """What the terms given out mean. Ask once all of them were made."""
        yield from self._bounds
        for (kind, _), asked in self._asked.items():
            for side, function in enumerate(asked.of_side):
                for number, value in asked.values[side].items():
                    yield self._smt.equal(function(self._smt.raised(number)), value)
                for number in self._newcomers(kind):
                    place = self._smt.raised(number)
                    if asked.newcomers:
                        yield self._smt.equal(function(place), asked.newcomers[side][number])
                    elif side:
                        yield self._smt.equal(function(place), asked.of_side[0](place))

    def _newcomers(self, kind: EntityKind) -> range:
        return range(len(self.ids[kind]), len(self.ids[kind]) + _NEWCOMERS[kind])

    def plain(self, entity: Entity) -> Iterator[Term]:
        """What one would rather see in an example: somebody declared; else a newcomer with nothing special."""
        yield self.declared(entity)
        newcomer = self._smt.no(self.declared(entity))
        for (kind, what), asked in self._asked.items():
            if kind is not entity.kind:
                continue
            value = asked.of_side[0](self._smt.raised(entity.term))
            if what.startswith(("in ", "has ")) or what == "active":
                yield self._smt.any((self._smt.no(newcomer), self._smt.equal(value, what == "active")))

    def ref(self, entity: Entity, model: Model) -> EntityRef:
        """Who it is in `model`."""
        number = model.of(entity.term)
        names = self.ids[entity.kind]
        if number < len(names):
            return EntityRef(kind=entity.kind, id=names[number])
        count, taken = number - len(names) + 1, set(names)
        name = f"new-{entity.kind.value.lower()}-{count}"
        while name in taken:
            name += "x"
        return EntityRef(kind=entity.kind, id=name)

    def newcomer(self, entity: Entity, model: Model) -> Newcomer | None:
        """What `entity` is in `model`, if it is nobody declared."""
        number = model.of(entity.term)
        if number < len(self.ids[entity.kind]):
            return None
        place = self._smt.raised(number)
        attrs = {
            what: model.of(asked.of_side[0](place))
            for (kind, what), asked in self._asked.items()
            if kind is entity.kind and not what.startswith(("in ", "has "))
        }
        for (kind, what), asked in self._asked.items():
            if kind is entity.kind and what.startswith("has "):
                name = what.removeprefix("has ")
                if not model.of(asked.of_side[0](place)):
                    attrs.pop(name, None)
                elif name not in attrs:
                    attrs[name] = _some(self._attributes[entity.kind].attrs[name].type)
        direct = tuple(ref for (kind, ref), put in self._direct.items() if kind is entity.kind and model.of(put(place)))
        return Newcomer(ref=self.ref(entity, model), attrs=attrs, direct=direct)


def _union(names: Iterator[Mapping[str, object]]) -> tuple[str, ...]:
    return tuple(sorted({name for each in names for name in each}))


def _same(smt: Smt, first: Mapping[int, Term], second: Mapping[int, Term]) -> bool:
    return all(smt.key(first[number]) == smt.key(second[number]) for number in first)


def _hierarchy(directory: Directory, kind: EntityKind) -> Mapping[str, tuple[str, ...]]:
    match kind:
        case EntityKind.GROUP:
            return directory.groups
        case EntityKind.ROLE:
            return directory.roles
        case EntityKind.AGENT_CLASS:
            return directory.classes
        case _:
            return {}


def _sort(of: Type) -> Sort:
    match of:
        case Bool():
            return Sort.BOOL
        case Long() | Level():
            return Sort.INT
        case Str():
            return Sort.TEXT
        case StrSet() | Ref() | Struct():
            raise Unsupported("an attribute of a person or an agent that is a set or a record")


def _some(of: Type) -> object:
    """Any value of a scalar type."""
    match of:
        case Bool():
            return False
        case Long() | Level():
            return 0
        case Str(vocab=vocab):
            return min(vocab.values) if vocab and vocab.values else ""
        case _:
            raise Unsupported("an attribute of a person or an agent that is a set or a record")
