"""The tool catalog as values: what each tool does, which arguments it takes, and where its results may go.

Written in `tools/*.toml`, parsed by `bailiwick.action.catalog`, read by every plane. Defaults are the careful ones
(DESIGN §4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from bailiwick.errors import Where
from bailiwick.model.models import ModelSpec, find_model
from bailiwick.model.shape import BOOL, LONG, STRING, STRING_SET, Field, Record, Shape

__all__ = [
    "BUILT_IN",
    "CONSEQUENTIAL",
    "DECLASSIFY_TOOL",
    "DELEGATE_TOOL",
    "ENDORSE_TOOL",
    "HIGH_IMPACT",
    "INSPECT_TOOL",
    "INTERFACES",
    "INTERFACE_NAMES",
    "MODEL_TOOL",
    "WIDEN_TOOL",
    "ArgSpec",
    "Audience",
    "Authorship",
    "Catalog",
    "Durability",
    "Effect",
    "Idempotency",
    "LabelRule",
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
    WITNESSED = "witnessed"
    """fsynced and cosigned by enough witnesses before the tool runs: survives whoever holds this machine."""


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


INSPECT_TOOL = "handle.inspect"
"""The built-in action of asking a quarantined model about a hidden content; its resource is `handles/<tool>`."""

DECLASSIFY_TOOL = "label.declassify"
"""The built-in action of letting data go to somebody whatever its label; its resource is `labels/<source>`."""

ENDORSE_TOOL = "label.endorse"
"""The built-in action of taking a value as endorsed for this session; its resource is `values/<role>`."""

MODEL_TOOL = "model.call"
"""The built-in action of letting a model read what the session shows it; its resource is `models/<name>`."""

BUILT_IN = frozenset({DELEGATE_TOOL, WIDEN_TOOL, INSPECT_TOOL, DECLASSIFY_TOOL, ENDORSE_TOOL, MODEL_TOOL})
"""Actions that no catalog declares, and no model can call."""


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
class LabelRule:
    """A label that a record of a result gets besides, or that one field of it gets, where `when` holds.

    `path` is the dotted path of the field; empty means the whole record. `when` maps a field of the record, or
    `args.<name>` for an argument of the call, to globs of which one must match the whole value (`*` any run, `?` one
    character; case is ignored); all entries must hold, none means always. A field that is missing matches, since
    nothing says that it does not."""

    path: str = ""
    when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sensitivity: int = 0
    categories: frozenset[str] = frozenset()
    readers: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorship:
    """Who wrote a record, where the service that keeps it has authenticated them: `field` holds a mail address or a
    user's id. A record in which one of `unless` holds anything but false was posted by a program in that name."""

    field: str
    unless: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSpec:
    """What a tool's result is. `untrusted` None means: all of it taints; a tuple names the only fields that do
    (the empty tuple: none). `endorses` maps a field to the role that its values endorse once the record was selected by
    endorsed values. Where `trusted` is given it names the only fields that do not taint, and `untrusted` is None.
    `fields` are all that a record may hold, if that is known.

    `records` is the dotted path to the records of a result (empty: the result is the record, or the list of them).
    `labels` are labels by record and field; `level_from` and `readers_from` name fields that hold a record's level
    (or category, or a name that `[labels.names]` maps) and its readers. `detect` are the categories that built-in
    patterns look for in it. `author` None: nobody is known to have written it. `hide`: the model sees a name in its
    place. `party` are fields that say by an id or an address whose record it is, each another name of the same one.
    `subject`: the resource of the call is a person, and what is kept of the call is erased with them. `subjects` names
    the people whom its records are about, as `crm/customers/{id}` with a field of theirs: the result is erased with
    each of them."""

    sensitivity: int = 0
    categories: frozenset[str] = frozenset()
    readers: frozenset[str] | None = None
    untrusted: tuple[str, ...] | None = None
    trusted: tuple[str, ...] | None = None
    endorses: Mapping[str, Role] = field(default_factory=dict)
    records: str = ""
    fields: tuple[str, ...] | None = None
    labels: tuple[LabelRule, ...] = ()
    level_from: str = ""
    readers_from: str = ""
    detect: frozenset[str] = frozenset()
    author: Authorship | None = None
    hide: bool = False
    party: tuple[str, ...] = ()
    subject: bool = False
    subjects: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Who comes to see what is handed to a sink, beside the recipients of the call: `readers` (None: everyone), or,
    where `argument` names a channel, a folder or a page, the readers that `known` gives for its value and `readers`
    for every other one. `party`: whose object the call touches, as this session has read it."""

    readers: frozenset[str] | None = None
    argument: str = ""
    known: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    party: bool = False

    def of(self, values: Sequence[str]) -> tuple[frozenset[str] | None, ...]:
        """The readers, set by set, where `argument` has these values. Written exactly as the catalog has it, or it is
        another channel: names are not folded here."""
        return tuple(self.known.get(value, self.readers) for value in values) if self.argument else (self.readers,)


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
    together: tuple[tuple[str, ...], ...] = ()
    """Groups of arguments whose values must come from one and the same record, or from one clause of the user's."""
    asks: tuple[str, ...] | None = None
    """Words and phrases that ask for what the tool does; None: those of its effects."""
    audience: Audience | None = None
    """None: the recipients alone; of an external sink without recipients, everyone."""
    store: str = ""
    """What its reads and writes share: what was written there comes back with its label. Empty: the first part of its
    resource."""
    proposed: bool = False
    """Guessed by `bailiwick init`, reviewed by nobody: every call of it is denied."""
    where: Where

    @property
    def own_store(self) -> str:
        """The store that its ids are of; empty where nothing says which."""
        first = self.resources[0] if self.resources else self.name
        part = (first.partition(".") if first == self.name else first.partition("/"))[0]
        return self.store or ("" if "{" in part else part)

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
    """All tools by name, what frameworks call them, and all models by name. `zones` are those of tools and models;
    `digest` covers every declaration."""

    tools: Mapping[str, ToolSpec]
    aliases: Mapping[str, str]
    zones: frozenset[str]
    digest: str
    models: Mapping[str, ModelSpec] = field(default_factory=dict)

    def find(self, name: str) -> ToolSpec | None:
        """The tool that is called `name` by itself or by a framework; None if the catalog does not know it."""
        return self.tools.get(self.aliases.get(name, name))

    def model(self, name: str, provider: str = "") -> ModelSpec | None:
        """The model that `provider` calls `name`; None if the catalog does not know it."""
        return find_model(self.models, name, provider)
