"""The tool catalog as values: what each tool does, which arguments it takes, and where its results may go.

Written in `tools/*.toml`, parsed by `bailiwick.action.catalog`, read by every plane. Defaults are the careful ones
(DESIGN §4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bailiwick.errors import Where
from bailiwick.model.shape import BOOL, LONG, STRING, STRING_SET, Field, Record, Shape

__all__ = [
    "CONSEQUENTIAL",
    "DELEGATE_TOOL",
    "HIGH_IMPACT",
    "INTERFACES",
    "INTERFACE_NAMES",
    "WIDEN_TOOL",
    "ArgSpec",
    "Catalog",
    "Durability",
    "Effect",
    "Idempotency",
    "OutputSpec",
    "Role",
    "Sink",
    "ToolSpec",
]


class Effect(StrEnum):
    """What a tool may do to the world. One Cedar action group each."""

    READ = "read"
    FETCH = "fetch"
    DRAFT = "draft"
    WRITE = "write"
    DELETE = "delete"
    SEND = "send"
    PAY = "pay"
    EXECUTE = "execute"
    DELEGATE = "delegate"


HIGH_IMPACT = frozenset({Effect.SEND, Effect.PAY, Effect.DELETE, Effect.EXECUTE})
CONSEQUENTIAL = HIGH_IMPACT | {Effect.WRITE, Effect.FETCH, Effect.DELEGATE}


class Role(StrEnum):
    """What an argument decides. TARGET, SELECTOR, COMMAND and CREDENTIAL need endorsement in a tainted session."""

    TARGET = "target"
    SELECTOR = "selector"
    COMMAND = "command"
    CREDENTIAL = "credential"
    CONTENT = "content"
    VALUE = "value"
    QUERY = "query"

    @property
    def needs_endorsement(self) -> bool:
        return self in (Role.TARGET, Role.SELECTOR, Role.COMMAND, Role.CREDENTIAL)


class Sink(StrEnum):
    """Where a call's arguments end up."""

    NONE = "none"
    INTERNAL = "internal"
    EXTERNAL = "external"
    EXEC = "exec"


class Idempotency(StrEnum):
    """What may happen when a call that may have run is made again (promise 5)."""

    NONE = "none"
    """Blocked until somebody reconciles the first one."""
    KEY = "key"
    """May run again: the tool receives the same idempotency key."""
    SAFE = "safe"
    """May run again."""


class Durability(StrEnum):
    """When a decision counts as recorded."""

    SYNC = "sync"
    """fsynced before the tool runs: survives power loss."""
    BUFFERED = "buffered"
    """committed before the tool runs, fsynced within 50 ms: survives kill -9."""


INTERFACES: Mapping[Effect, Record] = {
    Effect.PAY: Record((Field("payee", STRING), Field("amount_minor", LONG), Field("currency", STRING))),
    Effect.SEND: Record(
        (
            Field("recipients", STRING_SET),
            Field("external", BOOL),
            Field("content", Record((Field("length", LONG), Field("opaque", BOOL), Field("addresses", STRING_SET)))),
        )
    ),
    Effect.FETCH: Record(
        (Field("host", STRING), Field("hosts", STRING_SET), Field("sites", STRING_SET), Field("private", BOOL))
    ),
    Effect.WRITE: Record((Field("count", LONG), Field("reversible", BOOL))),
    Effect.DELETE: Record((Field("count", LONG), Field("reversible", BOOL))),
    Effect.EXECUTE: Record((Field("programs", STRING_SET), Field("network", BOOL), Field("writes", BOOL))),
}
"""Effect → shape of `context.<interface name>`; see INTERFACE_NAMES. Effects that are not here have no interface.
`fetch.host` is there where a tool fetches from one host alone (`ToolSpec.interface_shape`)."""

INTERFACE_NAMES: Mapping[Effect, str] = {
    Effect.PAY: "pay",
    Effect.SEND: "send",
    Effect.FETCH: "fetch",
    Effect.WRITE: "change",
    Effect.DELETE: "change",
    Effect.EXECUTE: "execute",
}
"""write and delete share `context.change`."""

DELEGATE_TOOL = "agent.delegate"
"""The built-in action of handing work to another agent; its resource is the other Agent."""

WIDEN_TOOL = "task.widen"
"""The built-in action of giving a running task more than it has; its resource is `tasks/<task>`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgSpec:
    """One declared argument, or a field of an object. `options` are the type's own settings (dialect, values, currency
    ...), already checked. `fields` are those of an object: their names begin with its own (`order.iban`), and each has
    its role. `many`: it stands in a list of objects."""

    name: str
    type: str
    role: Role = Role.TARGET
    optional: bool = False
    recipients: bool = False
    shape: Shape = STRING
    options: Mapping[str, str | int | bool | tuple[str, ...]] = field(default_factory=dict)
    fields: tuple[ArgSpec, ...] = ()
    many: bool = False
    where: Where

    @property
    def key(self) -> str:
        """What it is called where it stands: the last part of its name."""
        return self.name.rpartition(".")[2]

    def judged(self) -> Iterator[ArgSpec]:
        """Itself, or the fields that it is judged by."""
        if not self.fields:
            yield self
        for each in self.fields:
            yield from each.judged()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSpec:
    """What a tool's result is. `untrusted` None means: all of it taints; a tuple names the only fields that do
    (the empty tuple: none). `endorses` maps a field to the role that its values endorse once the record was selected by
    endorsed values."""

    sensitivity: int = 0
    categories: frozenset[str] = frozenset()
    readers: frozenset[str] | None = None
    untrusted: tuple[str, ...] | None = None
    endorses: Mapping[str, Role] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """One tool. `resources` are templates with `{arg}` placeholders. `interface` maps an interface field to an argument
    (or several), e.g. `{"payee": "iban", "amount": "amount"}`, or to a constant, per effect."""

    name: str
    names: tuple[str, ...]
    effects: frozenset[Effect]
    sink: Sink = Sink.NONE
    resources: tuple[str, ...]
    zones: tuple[str, ...] = ()
    args: Mapping[str, ArgSpec]
    output: OutputSpec = OutputSpec()
    interface: Mapping[Effect, Mapping[str, str | int | bool | tuple[str, ...]]] = field(default_factory=dict)
    idempotency: Idempotency
    durability: Durability
    description: str = ""
    proposed: bool = False
    """Guessed by `bailiwick init`, reviewed by nobody: every call of it is denied."""
    where: Where

    def judged(self) -> Mapping[str, ArgSpec]:
        """What has a role, by name: every argument, an object by its fields."""
        return {each.name: each for arg in self.args.values() for each in arg.judged()}

    def interface_shape(self, effect: Effect) -> Record:
        """The record of an effect that has an interface. INVARIANT: of a tool that may fetch from several hosts it has
        no `host`, so that a rule which reads the only one does not load, rather than miss the others."""
        whole = INTERFACES[effect]
        if effect is Effect.FETCH and "urls" in self.interface.get(effect, {}):
            return Record(tuple(each for each in whole.fields if each.name != "host"))
        return whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """All tools by name, and what frameworks call them. `digest` covers every declaration."""

    tools: Mapping[str, ToolSpec]
    aliases: Mapping[str, str]
    zones: frozenset[str]
    digest: str

    def find(self, name: str) -> ToolSpec | None:
        """The tool that is called `name` by itself or by a framework; None if the catalog does not know it."""
        return self.tools.get(self.aliases.get(name, name))
