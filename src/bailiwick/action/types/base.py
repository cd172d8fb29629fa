"""What a semantic type of an argument is: the Protocol, its options, and what parsing one argument yields.

A type turns one argument into facts that policies read (DESIGN §4 *Semantic types*). INVARIANT: a type never guesses;
what it does not understand is `Unparsable`, and the call is refused. Types are pure: same value, same options, same
answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bailiwick.model.call import ArgFacts, Fact
from bailiwick.model.lookup import NOTHING_FOUND, Found, Lookup
from bailiwick.model.shape import Shape
from bailiwick.model.tool import ArgSpec, Effect, Role

__all__ = [
    "EVERY_ROLE",
    "AsksNothing",
    "Beyond",
    "NoOptions",
    "Option",
    "OptionValue",
    "Options",
    "Organisation",
    "Parsed",
    "SemanticType",
    "Surroundings",
    "TypeRegistry",
    "Unparsable",
    "quoted",
]

OptionValue = str | int | bool | tuple[str, ...]
Options = Mapping[str, OptionValue]

EVERY_ROLE = frozenset(Role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """Who is inside. `domains` are mail domains in normal form (`normal_domain`); a subdomain is inside only if it is
    named. `mailboxes` are the addresses in them that are known to be somebody's or something's (a list, a function),
    in normal form."""

    domains: frozenset[str] = frozenset()
    mailboxes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a type may know beside the value: who is inside, and the answers to what it asked (`SemanticType.asks`)."""

    organisation: Organisation = Organisation()
    found: Found = field(default_factory=lambda: NOTHING_FOUND)


def no_problem(_: OptionValue) -> str:
    """Accepts every value of the option's kind."""
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A setting that a type accepts in the catalog. `kind` is str, int, bool, tuple (a list of strings) or dict (a
    table, or the path of a file in schemas/: the type gets it as JSON text); `problem` says in words what is wrong with
    a value ("" if nothing is)."""

    kind: type[str] | type[int] | type[bool] | type[tuple[str, ...]] | type[dict[str, object]]
    required: bool = False
    needs: str = ""
    """Another option without which this one means nothing."""
    problem: Callable[[OptionValue], str] = no_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """What a parser saw that takes `effect`: `saw` completes the sentence "the parser saw …"."""

    effect: Effect
    saw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """The facts of one argument; fields as in `ArgFacts`. `beyond` names the effects that running it may have."""

    facts: Fact
    values: tuple[str, ...] = ()
    text: str = ""
    parts: tuple[ArgFacts, ...] | None = None
    beyond: tuple[Beyond, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unparsable:
    """The value is not of this type. `problem` completes "argument 'x' …"; `code` is the stable code of the Reason."""

    problem: str
    code: str = "wrong-type"


class SemanticType(Protocol):
    """One type of the catalog. Registered by name in a `TypeRegistry`; holds no state."""

    @property
    def name(self) -> str: ...

    @property
    def options(self) -> Mapping[str, Option]:
        """What may stand beside `type`, `role`, `optional` and `recipients` in the catalog."""
        ...

    @property
    def roles(self) -> frozenset[Role]:
        """The roles that an argument of this type can have."""
        ...

    @property
    def scalar(self) -> bool:
        """Whether it is one short value, which can name a resource or a payee: its whole text is `Parsed.values[0]`."""
        ...

    def shape(self, options: Options, role: Role) -> Shape:
        """The Cedar shape of the facts that `parse` returns."""
        ...

    def accepts(self, spec: ArgSpec) -> str:
        """What the argument takes, in a few words for the model: "a whole number"."""
        ...

    def asks(self, value: object, spec: ArgSpec) -> tuple[Lookup, ...]:
        """What has to be looked up before `value` can be parsed. Never raises; a value that is wrong asks nothing."""
        ...

    def parse(self, value: object, spec: ArgSpec, around: Surroundings) -> Parsed | Unparsable:
        """The facts of `value`, which has a canonical form (`model.canonical`). Never raises."""
        ...


class NoOptions:
    """For types that have no setting of their own in the catalog."""

    __slots__ = ()

    @property
    def options(self) -> Mapping[str, Option]:
        return {}


class AsksNothing:
    """For types that need no lookup."""

    __slots__ = ()

    def asks(self, value: object, spec: ArgSpec) -> tuple[Lookup, ...]:  # noqa: ARG002 - the Protocol's signature
        return ()


TypeRegistry = Mapping[str, SemanticType]
"""Type name → type. Built once and passed in; there is no registration by import."""


def quoted(values: Sequence[str]) -> str:
    """`'a', 'b' or 'c'`, for messages."""
    shown = [f"'{value}'" for value in values]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"
