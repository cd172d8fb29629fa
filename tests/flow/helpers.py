"""Small calls, tools and ledgers for the tests of this room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from bailiwick.errors import Where
from bailiwick.flow.authors import Colleagues
from bailiwick.flow.ledger import ContentOrigin, ContentRecord, Ledger, Seen
from bailiwick.flow.written import NOTHING_WRITTEN, WrittenBefore
from bailiwick.model.call import Action, ArgFacts, Fact
from bailiwick.model.canonical import canonical
from bailiwick.model.decision import FlowFacts
from bailiwick.model.label import Label, Readers
from bailiwick.model.tool import Durability, Effect, Idempotency, OutputSpec, Role, Sink, ToolSpec

TOP = 4


def tool(
    name: str = "crm.get",
    *effects: Effect,
    sink: Sink = Sink.NONE,
    output: OutputSpec | None = None,
    interface: Mapping[Effect, Mapping[str, str]] | None = None,
) -> ToolSpec:
    return ToolSpec(
        name=name,
        names=(),
        effects=frozenset(effects or (Effect.READ,)),
        sink=sink,
        resources=(name,),
        args={},
        output=output or OutputSpec(),
        interface=interface or {},
        idempotency=Idempotency.SAFE,
        durability=Durability.BUFFERED,
        where=Where(file="tools/test.toml"),
    )


def arg(name: str, role: Role, *values: str, facts: Fact | None = None, text: str = "") -> ArgFacts:
    return ArgFacts(name=name, role=role, facts=facts if facts is not None else {}, values=values, text=text)


def call(spec: ToolSpec, *arguments: ArgFacts, recipients: tuple[str, ...] = (), external: bool = False) -> Action:
    return Action(
        tool=spec,
        args=canonical({argument.name: list(argument.values) for argument in arguments}),
        arguments=arguments,
        resources=(),
        recipients=recipients,
        recipients_external=external,
    )


class _NobodyReads:
    """A directory in which nobody is known."""

    def address(self, address: str, readers: Readers) -> bool:
        return readers.everyone

    principal = address


nobody_reads = _NobodyReads()


class Ids(TypedDict):
    content_id: str
    event_id: str


class Desk:
    """A ledger with ids that count up."""

    def __init__(self, ledger: Ledger | None = None, *, task: str = "") -> None:
        self.ledger = ledger if ledger is not None else Ledger(top_sensitivity=TOP, task=task)
        self._made = 0

    def ids(self) -> Ids:
        self._made += 1
        return Ids(content_id=f"c{id(self)}-{self._made}", event_id=f"e{self._made}")

    def sees(
        self, origin: ContentOrigin, value: object, *, source: str = "", label: Label | None = None
    ) -> ContentRecord:
        seen = Seen(origin=origin, source=source or origin.value, value=value, label=label)
        return self.ledger.ingest(seen, **self.ids())

    def prompt(self, text: str) -> ContentRecord:
        return self.sees(ContentOrigin.PROMPT, text, source="user")

    def resolve(self, action: Action) -> FlowFacts:
        return self.ledger.resolve(action, reads=nobody_reads)

    def runs(
        self,
        action: Action,
        value: object,
        *,
        text: str | None = None,
        back: WrittenBefore = NOTHING_WRITTEN,
        colleagues: Colleagues | None = None,
    ) -> ContentRecord:
        flow = self.resolve(action)
        return self.ledger.result(
            action.tool, action, flow, value, text=text, back=back, colleagues=colleagues, **self.ids()
        )

    def endorses(self, value: str, role: Role = Role.TARGET, spec: ToolSpec | None = None) -> str:
        flow = self.resolve(call(spec or tool("mail.send", Effect.SEND), arg("x", role, value)))
        return flow.arguments[0].endorsed_by[0]
