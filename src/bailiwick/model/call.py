"""A call on its way through the planes: as the framework made it, and as bailiwick understood it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from bailiwick.model.budget import BudgetShares, least
from bailiwick.model.label import Label
from bailiwick.model.lookup import NOTHING_FOUND, Found
from bailiwick.model.principal import Chain, EntityRef, SessionKey
from bailiwick.model.tool import Role, ToolSpec

__all__ = [
    "ALL",
    "Action",
    "ArgFacts",
    "Authority",
    "Call",
    "Carried",
    "Fact",
    "Facts",
    "Grant",
    "PlannedCall",
    "Resource",
]

Fact = bool | int | str | tuple[str, ...] | Mapping[str, "Fact"]
"""A value for Cedar: tuples become sets of strings, mappings records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A content that the model never saw and that a call carries: the model named its handle, the guard put the value
    in its place. `arguments` are those that hold some of it."""

    handle: str
    content: str
    source: str
    label: Label
    arguments: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What the framework asks for: a tool by any of its names, and arguments bound to parameter names. `carried` are
    the contents that the guard put in."""

    tool: str
    args: Mapping[str, object]
    carried: tuple[Carried, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One object that a call touches. `zones` are the zones that it lies in."""

    ref: EntityRef
    zones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgFacts:
    """What the parser found in one argument.

    `facts` is the value under `context.args.<name>`; `values` are the whole values that endorsement is asked for
    (each recipient of a list, the text of a command ...); `text` is the content to search for origins. `parts` are the
    fields of an object, each named `argument.field` and with a role of its own: where they are given, they are judged
    instead of the whole."""

    name: str
    role: Role
    facts: Fact
    values: tuple[str, ...] = ()
    text: str = ""
    parts: tuple[ArgFacts, ...] | None = None


Facts = Mapping[str, Fact]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A call that the catalog knows and whose arguments parsed.

    `args` are the canonical bytes of the arguments: what was digested is what runs. `interfaces` is, per context name
    (`send`, `pay`, `change` ...), the record that rules over an effect group read. `recipients` are their addresses.
    `found` is what was looked up to understand it, and what an effector keeps to."""

    tool: ToolSpec
    args: bytes
    arguments: tuple[ArgFacts, ...]
    resources: tuple[Resource, ...]
    interfaces: Mapping[str, Facts] = field(default_factory=dict)
    recipients: tuple[str, ...] = ()
    recipients_external: bool = False
    found: Found = field(default_factory=lambda: NOTHING_FOUND)
    carried: tuple[Carried, ...] = ()
    """Contents behind handles that the arguments hold: their labels go where the call goes."""

    @property
    def subjects(self) -> tuple[str, ...]:
        """The people whom the call is about, as the catalog says: whatever is kept of it is erased with them."""
        return tuple(resource.ref.id for resource in self.resources) if self.tool.output.subject else ()

    @property
    def judged(self) -> tuple[ArgFacts, ...]:
        """What has a role: every argument, an object by its fields."""
        if all(argument.parts is None for argument in self.arguments):
            return self.arguments
        return tuple(part for each in self.arguments for part in ((each,) if each.parts is None else each.parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCall:
    """Calls of one tool: `fixed` names arguments that must be there with this very value (canonical bytes), `open` the
    others that may be there with any value (None: every other). An argument in neither must not be there."""

    tool: str
    fixed: frozenset[tuple[str, bytes]] = frozenset()
    open: frozenset[str] | None = None

    @property
    def _names(self) -> frozenset[str] | None:
        return None if self.open is None else self.open | {name for name, _ in self.fixed}

    def permits(self, args: Mapping[str, bytes]) -> bool:
        """Whether a call of the tool with these arguments (canonical bytes by name) is one of them."""
        names = self._names
        return (names is None or args.keys() <= names) and all(args.get(name) == value for name, value in self.fixed)

    def within(self, other: PlannedCall) -> bool:
        """Whether every call of these is one of `other`."""
        mine, others = self._names, other._names
        covered = others is None or (mine is not None and mine <= others)
        return self.tool == other.tool and other.fixed <= self.fixed and covered

    def narrowed(self, other: PlannedCall) -> PlannedCall | None:
        """The calls that are in both; None if there are none."""
        fixed = self.fixed | other.fixed
        held = {name for name, _ in fixed}
        if self.tool != other.tool or len(held) < len(fixed):
            return None
        mine, others = self._names, other._names
        names = mine if others is None else others if mine is None else mine & others
        if names is not None and not held <= names:
            return None
        return PlannedCall(tool=self.tool, fixed=fixed, open=None if names is None else names - held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """An area in which a link may act: tools (None: all), zones (empty: all), until `expires_ms` (None: no end), and of
    these only `calls` (None: all), and at most `budgets` of what they use (a budget that is not named: all of it)."""

    tools: frozenset[str] | None = None
    zones: frozenset[str] = frozenset()
    expires_ms: int | None = None
    calls: tuple[PlannedCall, ...] | None = None
    budgets: BudgetShares = ()

    @property
    def reachable(self) -> frozenset[str] | None:
        """The tools that are left over, also by the calls; None for all."""
        if self.calls is None:
            return self.tools
        planned = frozenset(call.tool for call in self.calls)
        return planned if self.tools is None else planned & self.tools

    def narrowed(self, other: Grant) -> Grant:
        """The intersection of both. INVARIANT: it permits nothing that either of them does not permit."""
        tools = other.tools if self.tools is None else self.tools if other.tools is None else self.tools & other.tools
        zones = self.zones & other.zones if self.zones and other.zones else self.zones | other.zones
        if self.zones and other.zones and not zones:
            tools = frozenset()
        ends = [end for end in (self.expires_ms, other.expires_ms) if end is not None]
        calls = other.calls if self.calls is None else self.calls if other.calls is None else _meet(self, other)
        return Grant(
            tools=tools,
            zones=zones,
            expires_ms=min(ends) if ends else None,
            calls=calls,
            budgets=least(self.budgets, other.budgets),
        )

    def widened(self, other: Grant) -> Grant:
        """All that either of them permits, and what both bounds together let through besides: a tool of the one in a
        zone of the other. A field that `other` does not name (no tools, no zones, no end) stays as it is, and so do
        budgets.

        Made for scopes without planned calls."""
        ends = (self.expires_ms, other.expires_ms)
        return Grant(
            tools=self.tools if self.tools is None or other.tools is None else self.tools | other.tools,
            zones=self.zones | other.zones if self.zones and other.zones else self.zones,
            expires_ms=self.expires_ms if None in ends else max(end for end in ends if end is not None),
            calls=self.calls,
            budgets=self.budgets,
        )

    def within(self, other: Grant) -> bool:
        """Whether this one claims nothing that `other` does not hold."""
        return (
            (other.tools is None or (self.tools is not None and self.tools <= other.tools))
            and (not other.zones or (bool(self.zones) and self.zones <= other.zones))
            and (other.expires_ms is None or (self.expires_ms is not None and self.expires_ms <= other.expires_ms))
            and (other.calls is None or (self.calls is not None and _covered(self.calls, other.calls)))
            and least(self.budgets, other.budgets) == self.budgets
        )


ALL = Grant()
"""The grant that bounds nothing."""


def _covered(calls: Iterable[PlannedCall], others: Collection[PlannedCall]) -> bool:
    return all(any(call.within(other) for other in others) for call in calls)


def _meet(mine: Grant, other: Grant) -> tuple[PlannedCall, ...]:
    """The calls in both, none of them within another one, in an order of their own."""
    met = {both for one in mine.calls or () for two in other.calls or () if (both := one.narrowed(two)) is not None}
    widest = [call for call in met if not any(call != wider and call.within(wider) for wider in met)]
    return tuple(sorted(widest, key=_order))


def _order(call: PlannedCall) -> tuple[object, ...]:
    return call.tool, sorted(call.fixed), call.open is None, sorted(call.open or ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """On whose authority a call is made: the verified chain, its task and the intersection of all grants.

    `steps` says who gave what: `steps[0]` is what the task left to the first agent, `steps[n]` what agent n was given
    by agent n-1, each already narrowed by those before it. `began_in` is the conversation that the work began in, where
    it is not this session's own (empty: it is). INVARIANT: no step permits more than the one before; where
    there are steps, `grant` is the last of them."""

    key: SessionKey
    chain: Chain
    task: str
    purpose: str
    grant: Grant
    steps: tuple[Grant, ...] = ()
    began_in: str = ""
