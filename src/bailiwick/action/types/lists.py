"""Lists of single values: `string[]`, `enum[]`, `long[]` and so on, made from the type of one value.

Every item is parsed by that type with the options of the list; one that does not parse refuses the list. Facts: how
many there are, of strings and enums which, and of content what `string` says of content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bailiwick.action.types.base import (
    Beyond,
    Option,
    Options,
    OptionValue,
    Parsed,
    SemanticType,
    Surroundings,
    Unparsable,
)
from bailiwick.action.types.content import CONTENT_SHAPE, joined_content
from bailiwick.action.types.plain import kind_of
from bailiwick.model.call import Fact
from bailiwick.model.lookup import Lookup
from bailiwick.model.shape import LONG, Field, Record, Shape, String, StringSet
from bailiwick.model.tool import ArgSpec, Role

__all__ = ["ListType", "items_option", "items_problem", "most_items"]

DEFAULT_ITEMS = 100
"""Items of a list, unless `max_items` says otherwise."""
MAX_ITEMS = 1_000
MAX_TEXT = 65_536
"""Characters of all values of one list that is not content: they travel in the request to Cedar."""


def _few(value: OptionValue) -> str:
    good = type(value) is int and 0 < value <= MAX_ITEMS
    return "" if good else f"it must lie between 1 and {MAX_ITEMS}"


def items_option() -> Mapping[str, Option]:
    """The option that every list has."""
    return {"max_items": Option(kind=int, problem=_few)}


def most_items(spec: ArgSpec) -> int:
    most = spec.options.get("max_items", DEFAULT_ITEMS)
    return most if isinstance(most, int) else DEFAULT_ITEMS


def items_problem(value: object, spec: ArgSpec) -> Unparsable | None:
    """Why `value` is no list that `spec` takes, whatever is in it."""
    if not isinstance(value, list | tuple):
        return Unparsable(problem=f"is {kind_of(value)}, not a list")
    if not value and not spec.optional:
        # An empty list of what to touch is what some programs take for "everything".
        return Unparsable(problem="is an empty list", code="empty-list")
    if len(value) > most_items(spec):
        return Unparsable(problem=f"has {len(value)} items", code="too-long")
    return None


@dataclass(frozen=True, slots=True)
class ListType:
    """A list of values of the type `item`."""

    item: SemanticType
    scalar: bool = False

    @property
    def name(self) -> str:
        return f"{self.item.name}[]"

    @property
    def options(self) -> Mapping[str, Option]:
        return {**self.item.options, **items_option()}

    @property
    def roles(self) -> frozenset[Role]:
        return self.item.roles

    def shape(self, options: Options, role: Role) -> Shape:
        count = Field("count", LONG)
        match self.item.shape(options, role):
            case _ if role is Role.CONTENT:
                return Record((count, *CONTENT_SHAPE.fields))
            case String(values):
                return Record((count, Field("values", StringSet(values))))
            case _:
                return Record((count,))

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
        values: list[str] = []
        texts: list[str] = []
        facts: list[Fact] = []
        beyond: list[Beyond] = []
        for number, item in enumerate(value, 1):
            parsed = self.item.parse(item, spec, around)
            if isinstance(parsed, Unparsable):
                return Unparsable(problem=f"has a problem in item {number}: it {parsed.problem}", code=parsed.code)
            values += parsed.values
            texts += [parsed.text] if parsed.text else []
            facts.append(parsed.facts)
            beyond += parsed.beyond
        unique = tuple(dict.fromkeys(values))
        if spec.role is not Role.CONTENT and sum(map(len, unique)) > MAX_TEXT:
            return Unparsable(problem=f"has more than {MAX_TEXT} characters in all", code="too-long")
        text = "\n".join(texts)
        return Parsed(facts=self._facts(facts, unique, spec), values=unique, text=text, beyond=tuple(beyond))

    def _facts(self, items: Sequence[Fact], values: tuple[str, ...], spec: ArgSpec) -> Fact:
        if spec.role is Role.CONTENT:
            return {"count": len(items), **joined_content(items)}
        if isinstance(self.item.shape(spec.options, spec.role), String):
            return {"count": len(items), "values": values}
        return {"count": len(items)}
