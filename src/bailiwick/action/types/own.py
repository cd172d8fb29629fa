"""`ArgType`: what a project's own type of argument is made from. See docs/types.md."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bailiwick.action.types.base import EVERY_ROLE, AsksNothing, Option, Options, Parsed, Surroundings, Unparsable
from bailiwick.model.shape import STRING, Shape
from bailiwick.model.tool import ArgSpec, Role

__all__ = ["ArgType"]


class ArgType(AsksNothing):
    """One type of argument. Give it a `name`, say in `takes` what it takes ("an order number such as NW-4711") and in
    `facts` the shape of what rules see, and write `read`.

    What is not said is careful: one single value, that can have every role but content and command, without options.
    A type that knows more overrides `shape`, `asks` or `parse` (see `SemanticType`)."""

    name: str = ""
    takes: str = ""
    facts: Shape = STRING
    scalar: bool = True
    """Whether it is one short value, which can name a resource: `Parsed.values[0]` is its whole text."""
    roles: frozenset[Role] = EVERY_ROLE - {Role.CONTENT, Role.COMMAND}
    options: Mapping[str, Option] = MappingProxyType({})

    def read(self, value: object, options: Options, /) -> Parsed | Unparsable:
        """The facts of `value`, a JSON value as the model wrote it, or why it is none of these. `options` are what the
        catalog says beside the type. Same value and options, same answer; nothing is looked up."""
        raise NotImplementedError

    def shape(self, options: Options, role: Role) -> Shape:  # noqa: ARG002 - for types whose facts depend on them
        return self.facts

    def accepts(self, spec: ArgSpec) -> str:  # noqa: ARG002
        return self.takes

    def parse(self, value: object, spec: ArgSpec, around: Surroundings) -> Parsed | Unparsable:  # noqa: ARG002
        return self.read(value, spec.options)
