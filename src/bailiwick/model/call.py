"""A call on its way through the planes: as the framework made it, and as bailiwick understood it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bailiwick.model.principal import Chain, EntityRef, SessionKey
from bailiwick.model.tool import Role, ToolSpec

__all__ = ["Action", "ArgFacts", "Authority", "Call", "Fact", "Facts", "Grant", "Resource"]

Fact = bool | int | str | tuple[str, ...] | Mapping[str, "Fact"]
"""A value for Cedar: tuples become sets of strings, mappings records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What the framework asks for: a tool by any of its names, and arguments bound to parameter names."""

    tool: str
    args: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One object that a call touches. `zones` are the zones that it lies in."""

    ref: EntityRef
    zones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgFacts:
    """What the parser found in one argument.

    `facts` is the value under `context.args.<name>`; `values` are the whole values that endorsement is asked for
    (each recipient of a list, the text of a command ...); `text` is the content to search for origins."""

    name: str
    role: Role
    facts: Fact
    values: tuple[str, ...] = ()
    text: str = ""


Facts = Mapping[str, Fact]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A call that the catalog knows and whose arguments parsed.

    `args` are the canonical bytes of the arguments: what was digested is what runs. `interfaces` is, per context name
    (`send`, `pay`, `change` ...), the record that rules over an effect group read. `recipients` are their addresses."""

    tool: ToolSpec
    args: bytes
    arguments: tuple[ArgFacts, ...]
    resources: tuple[Resource, ...]
    interfaces: Mapping[str, Facts] = field(default_factory=dict)
    recipients: tuple[str, ...] = ()
    recipients_external: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """An area in which a link may act: tools (None: all), zones (empty: all), until `expires_ms` (None: no end)."""

    tools: frozenset[str] | None = None
    zones: frozenset[str] = frozenset()
    expires_ms: int | None = None

    def narrowed(self, other: Grant) -> Grant:
        """The intersection of both. INVARIANT: it permits nothing that either of them does not permit."""
        tools = other.tools if self.tools is None else self.tools if other.tools is None else self.tools & other.tools
        zones = self.zones & other.zones if self.zones and other.zones else self.zones | other.zones
        if self.zones and other.zones and not zones:
            tools = frozenset()
        ends = [end for end in (self.expires_ms, other.expires_ms) if end is not None]
        return Grant(tools=tools, zones=zones, expires_ms=min(ends) if ends else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """On whose authority a call is made: the verified chain, its task and the intersection of all grants.

    `steps` says who gave what: `steps[0]` is what the task left to the first agent, `steps[n]` what agent n was given
    by agent n-1, each already narrowed by those before it. INVARIANT: no step permits more than the one before; where
    there are steps, `grant` is the last of them."""

    key: SessionKey
    chain: Chain
    task: str
    purpose: str
    grant: Grant
    steps: tuple[Grant, ...] = ()
