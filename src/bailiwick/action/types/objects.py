"""The types `object` and `object[]`: declared fields, each of a type and with a role of its own.

A field that is not declared is refused, and so is one that is missing; null for an optional field is no field. The
facts of an object are the record of the facts of its fields; those of a list are how many there are. INVARIANT: each
field is judged by its own role (`ArgFacts.parts`), however deep it stands: a target in an object needs its endorsement
as a target beside it would, and addresses in its content count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from bailiwick.action.types.base import (
    EVERY_ROLE,
    Beyond,
    NoOptions,
    Option,
    Options,
    Parsed,
    Surroundings,
    TypeRegistry,
    Unparsable,
)
from bailiwick.action.types.content import joined_content
from bailiwick.action.types.lists import items_option, items_problem, most_items
from bailiwick.action.types.plain import kind_of
from bailiwick.model.call import ArgFacts, Fact, Facts
from bailiwick.model.lookup import Lookup
from bailiwick.model.shape import LONG, Field, Record, Shape
from bailiwick.model.tool import ArgSpec, Role

__all__ = ["MAX_DEPTH", "MAX_FIELDS", "MAX_VALUES", "ObjectListType", "ObjectType", "fields_shape"]

MAX_DEPTH = 4
"""Objects within objects."""
MAX_FIELDS = 64
"""Fields of one argument, at every depth together."""
MAX_VALUES = 2_000
"""Values of one argument, over all objects of a list."""

_ADDED = frozenset({"count", "length"})


def fields_shape(fields: Iterable[ArgSpec]) -> Record:
    """The record that an object's facts are."""
    return Record(tuple(Field(each.key, each.shape, optional=each.optional) for each in fields))


@dataclass(frozen=True, slots=True, eq=False)
class ObjectType(NoOptions):
    """An object with the fields that the catalog declares, parsed by the types in `types`."""

    types: TypeRegistry
    name: str = "object"
    scalar: bool = False
    roles: frozenset[Role] = EVERY_ROLE

    def shape(self, options: Options, role: Role) -> Shape:  # noqa: ARG002 - the catalog knows the fields
        return Record(())

    def accepts(self, spec: ArgSpec) -> str:
        shown = [f"{each.key}{' (optional)' if each.optional else ''}" for each in spec.fields]
        return f"an object with the fields {', '.join(shown)} and no others"

    def asks(self, value: object, spec: ArgSpec) -> tuple[Lookup, ...]:
        return tuple(dict.fromkeys(self._asked(value, spec)))

    def _asked(self, value: object, spec: ArgSpec) -> Iterator[Lookup]:
        if not isinstance(value, Mapping):
            return
        for field in spec.fields:
            item = value.get(field.key)
            if item is not None:
                yield from self.types[field.type].asks(item, field)

    def parse(self, value: object, spec: ArgSpec, around: Surroundings) -> Parsed | Unparsable:
        if not isinstance(value, Mapping):
            return Unparsable(problem=f"is {kind_of(value)}, not an object")
        names = {field.key for field in spec.fields}
        for key in value:
            if key not in names:
                return Unparsable(problem=f"has the field {key!r:.60}, which is not declared", code="undeclared-field")
        facts: dict[str, Fact] = {}
        parts: list[ArgFacts] = []
        beyond: list[Beyond] = []
        for field in spec.fields:
            item = value.get(field.key)
            if item is None:
                if not field.optional:
                    return Unparsable(problem=f"lacks the field '{field.key}'", code="missing-field")
                continue
            parsed = self.types[field.type].parse(item, field, around)
            if isinstance(parsed, Unparsable):
                return Unparsable(
                    problem=f"has a problem in its field '{field.key}': it {parsed.problem}", code=parsed.code
                )
            facts[field.key] = parsed.facts
            parts += _parts(field, parsed)
            beyond += parsed.beyond
        return Parsed(facts=facts, parts=tuple(parts), beyond=tuple(beyond))


def _parts(field: ArgSpec, parsed: Parsed) -> tuple[ArgFacts, ...]:
    if parsed.parts is not None:
        return parsed.parts
    facts = ArgFacts(name=field.name, role=field.role, facts=parsed.facts, values=parsed.values, text=parsed.text)
    return (facts,)


@dataclass(frozen=True, slots=True, eq=False)
class ObjectListType:
    """A list of such objects. What a field holds in any of them is judged as one."""

    item: ObjectType
    name: str = "object[]"
    scalar: bool = False
    roles: frozenset[Role] = EVERY_ROLE

    @property
    def options(self) -> Mapping[str, Option]:
        return items_option()

    def shape(self, options: Options, role: Role) -> Shape:  # noqa: ARG002
        return Record((Field("count", LONG),))

    def accepts(self, spec: ArgSpec) -> str:
        least = "" if spec.optional else "at least one and "
        return f"a list of {least}at most {most_items(spec)}, each of them {self.item.accepts(spec)}"

    def asks(self, value: object, spec: ArgSpec) -> tuple[Lookup, ...]:
        if items_problem(value, spec) is not None:
            return ()
        assert isinstance(value, list | tuple)
        return tuple(dict.fromkeys(each for item in value for each in self.item.asks(item, spec)))

    def parse(self, value: object, spec: ArgSpec, around: Surroundings) -> Parsed | Unparsable:
        problem = items_problem(value, spec)
        if problem is not None:
            return problem
        assert isinstance(value, list | tuple)
        parts: dict[str, list[ArgFacts]] = {}
        beyond: list[Beyond] = []
        for number, item in enumerate(value, 1):
            parsed = self.item.parse(item, spec, around)
            if isinstance(parsed, Unparsable):
                return Unparsable(problem=f"has a problem in item {number}: it {parsed.problem}", code=parsed.code)
            for part in parsed.parts or ():
                parts.setdefault(part.name, []).append(part)
            beyond += parsed.beyond
        joined = tuple(_joined(each) for each in parts.values())
        if sum(len(part.values) for part in joined) > MAX_VALUES:
            return Unparsable(problem=f"holds more than {MAX_VALUES} values", code="too-long")
        return Parsed(facts={"count": len(value)}, parts=joined, beyond=tuple(beyond))


def _joined(parts: Sequence[ArgFacts]) -> ArgFacts:
    """The same field of several objects as one: careful, so external where one of them is."""
    first = parts[0]
    facts = [part.facts for part in parts]
    return ArgFacts(
        name=first.name,
        role=first.role,
        facts=joined_content(facts) if first.role is Role.CONTENT else _joined_facts(facts),
        values=tuple(dict.fromkeys(value for part in parts for value in part.values)),
        text="\n".join(part.text for part in parts if part.text),
    )


def _joined_facts(facts: Sequence[Fact]) -> Facts:
    """What can be joined of their records; how many there are, where nothing can."""
    records = [each for each in facts if isinstance(each, Mapping)]
    found: dict[str, Fact] = {}
    for name in dict.fromkeys(name for each in records for name in each):
        held = [each[name] for each in records if name in each]
        if name in _ADDED and all(type(each) is int for each in held):
            found[name] = sum(cast(Sequence[int], held))
        elif all(isinstance(each, bool) for each in held):
            found[name] = any(held)
        elif all(isinstance(each, tuple) for each in held):
            found[name] = tuple(dict.fromkeys(item for each in cast(Sequence[tuple[str, ...]], held) for item in each))
    return found or {"count": len(facts)}
