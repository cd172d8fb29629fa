"""A support desk as values: the catalog, directory and vocabulary that the tests of this room share."""

from __future__ import annotations

from collections.abc import Mapping

import cedarpy
import orjson

from bailiwick.errors import Where
from bailiwick.model.call import Facts, Resource
from bailiwick.model.decision import FlowFacts, Gate, GateKind, Verdict
from bailiwick.model.directory import AgentEntry, Attribute, Directory, ServiceEntry, TaskEntry, UserEntry
from bailiwick.model.label import Label
from bailiwick.model.principal import Chain, EntityKind, EntityRef
from bailiwick.model.shape import BOOL, LONG, STRING, STRING_SET, Field, Record, Shape, String, StringSet
from bailiwick.model.tool import ArgSpec, Catalog, Durability, Effect, Idempotency, Role, Sink, ToolSpec
from bailiwick.policy import PolicyEffect, PolicyEngine, PolicyInfo, PolicyRequest, PolicySource, Subject, Vocabulary
from bailiwick.policy.build import build_world
from bailiwick.policy.bundle import Bundle
from bailiwick.policy.schema import render
from bailiwick.policy.slices import Slice, Slices

HERE = Where(file="tools/desk.toml", line=1)
EMAIL = Record(
    (Field("count", LONG), Field("addresses", STRING_SET), Field("domains", STRING_SET), Field("external", BOOL))
)
CONTENT = Record((Field("length", LONG), Field("opaque", BOOL), Field("addresses", STRING_SET)))
MONEY = Record((Field("minor", LONG), Field("currency", STRING)))
SQL = Record(
    (
        Field("statements", LONG),
        Field("read_only", BOOL),
        Field("verbs", StringSet(("delete", "insert", "select", "update"))),
        Field("tables", STRING_SET),
        Field("functions", STRING_SET),
    )
)
VOCABULARY = Vocabulary(
    levels=("public", "internal", "confidential", "restricted"), categories=frozenset({"finance", "phi", "pii"})
)


def arg(name: str, shape: Shape = STRING, role: Role = Role.TARGET, *, optional: bool = False) -> ArgSpec:
    return ArgSpec(name=name, type="string", role=role, optional=optional, shape=shape, where=HERE)


def tool(
    name: str,
    *effects: Effect,
    args: tuple[ArgSpec, ...] = (),
    resources: tuple[str, ...] = (),
    zones: tuple[str, ...] = (),
) -> ToolSpec:
    return ToolSpec(
        name=name,
        names=(),
        effects=frozenset(effects),
        sink=Sink.NONE,
        resources=resources or (name,),
        zones=zones,
        args={spec.name: spec for spec in args},
        idempotency=Idempotency.SAFE,
        durability=Durability.SYNC,
        where=HERE,
    )


def catalog(*tools: ToolSpec) -> Catalog:
    return Catalog(
        tools={spec.name: spec for spec in tools},
        aliases={},
        zones=frozenset(zone for spec in tools for zone in spec.zones),
        digest="sha256:catalog",
    )


CUSTOMER = "crm/customers/{id}"
CATALOG = catalog(
    tool(
        "crm.get_customer",
        Effect.READ,
        args=(arg("id", role=Role.SELECTOR), arg("limit", LONG, Role.VALUE, optional=True)),
        resources=(CUSTOMER,),
        zones=("crm",),
    ),
    tool(
        "crm.update",
        Effect.READ,
        Effect.WRITE,
        args=(arg("id", role=Role.SELECTOR), arg("note", CONTENT, Role.CONTENT)),
        resources=(CUSTOMER,),
        zones=("crm",),
    ),
    tool("kb.search", Effect.READ, args=(arg("query", role=Role.QUERY),), zones=("kb",)),
    tool(
        "report.salary",
        Effect.READ,
        args=(arg("scope", String(("company", "engineering")), Role.SELECTOR),),
        resources=("hr/salaries/{scope}",),
        zones=("hr",),
    ),
    tool("db.query", Effect.READ, args=(arg("sql", SQL, Role.COMMAND),)),
    tool("mail.draft", Effect.DRAFT, args=(arg("to", EMAIL), arg("body", CONTENT, Role.CONTENT))),
    tool(
        "mail.send",
        Effect.SEND,
        args=(arg("to", EMAIL), arg("cc", EMAIL, optional=True), arg("body", CONTENT, Role.CONTENT)),
    ),
    tool(
        "bank.transfer",
        Effect.PAY,
        args=(arg("from", role=Role.SELECTOR), arg("iban"), arg("amount", MONEY, Role.VALUE)),
        resources=("bank/accounts/{from}", "bank/payees/{iban}"),
        zones=("bank",),
    ),
)


def user(name: str, *groups: str, roles: tuple[str, ...] = (), **extra: object) -> UserEntry:
    return UserEntry(id=name, groups=groups, roles=roles, where=HERE, **extra)  # type: ignore[arg-type]


def agent(name: str, *classes: str, owner: str = "dana") -> AgentEntry:
    return AgentEntry(id=name, classes=classes, owner=owner, clearance=2, where=HERE)


def directory(*, services: tuple[ServiceEntry, ...] = ()) -> Directory:
    users = (
        user("alice", "support", clearance=2, level=3, attributes={"department": "support"}),
        user("bob", "support-leads", clearance=2, level=5),
        user("dana", "platform"),
        user("vera", roles=("vp-engineering",), clearance=3, level=9),
    )
    agents = (agent("support-bot", "support"), agent("researcher", "research"), agent("loner"))
    return Directory(
        users={entry.id: entry for entry in users},
        services={entry.id: entry for entry in services},
        agents={entry.id: entry for entry in agents},
        tasks={"triage": TaskEntry(id="triage", purpose="triage tickets", where=HERE)},
        groups={"staff": (), "support": ("staff",), "support-leads": ("support",), "platform": ("staff",), "empty": ()},
        roles={"executive": (), "vp-engineering": ("executive",)},
        classes={"any": (), "support": ("any",), "research": ("any",)},
        attributes={
            EntityKind.USER: (Attribute(name="department", shape=String(("sales", "support")), optional=True),)
        },
        digest="sha256:directory",
    )


DIRECTORY = directory()
NIGHTLY = ServiceEntry(id="nightly", owner="dana", purpose="reports", clearance=1, where=HERE)

FACTS: Mapping[str, Facts] = {
    "crm.get_customer": {"id": "42"},
    "crm.update": {"id": "42", "note": {"length": 3, "opaque": False, "addresses": ()}},
    "kb.search": {"query": "printer"},
    "report.salary": {"scope": "engineering"},
    "db.query": {
        "sql": {"statements": 1, "read_only": True, "verbs": ("select",), "tables": ("t",), "functions": ()},
    },
    "mail.draft": {
        "to": {"count": 1, "addresses": ("a@example.org",), "domains": ("example.org",), "external": True},
        "body": {"length": 3, "opaque": False, "addresses": ()},
    },
    "mail.send": {
        "to": {"count": 1, "addresses": ("a@example.org",), "domains": ("example.org",), "external": True},
        "body": {"length": 3, "opaque": False, "addresses": ()},
    },
    "bank.transfer": {"from": "ops", "iban": "DE02", "amount": {"minor": 1250, "currency": "EUR"}},
    "agent.delegate": {"agent": "researcher", "tools": ("kb.search",)},
}
INTERFACES: Mapping[str, Mapping[str, Facts]] = {
    "crm.update": {"change": {"count": 1, "reversible": True}},
    "mail.send": {
        "send": {
            "recipients": ("a@example.org",),
            "external": True,
            "content": {"length": 3, "opaque": False, "addresses": ()},
        }
    },
    "bank.transfer": {"pay": {"payee": "DE02", "amount_minor": 1250, "currency": "EUR"}},
}


def ref(kind: EntityKind, name: str) -> EntityRef:
    return EntityRef(kind=kind, id=name)


def chain(*links: str, root: EntityKind = EntityKind.USER) -> Chain:
    first, *agents = links or ("alice", "support-bot")
    return Chain(links=(ref(root, first), *(ref(EntityKind.AGENT, name) for name in agents)))


def load(text: str, *, path: str = "policies/desk.cedar", people: Directory = DIRECTORY) -> PolicyEngine:
    source = PolicySource(path=path, text=text)
    return PolicyEngine.load([source], catalog=CATALOG, directory=people, vocabulary=VOCABULARY)


def subject(engine: PolicyEngine, *links: str, root: EntityKind = EntityKind.USER) -> Subject:
    return engine.subject(chain=chain(*links, root=root), task="t-1", purpose="Answer ticket 4711", expires_ms=None)


def resources(name: str) -> tuple[Resource, ...]:
    if name == "agent.delegate":
        return (Resource(ref=ref(EntityKind.AGENT, "researcher")),)
    spec = CATALOG.tools.get(name)
    if spec is None:
        return (Resource(ref=ref(EntityKind.RESOURCE, name)),)
    values = {key: str(value) for key, value in FACTS[name].items()}
    return tuple(
        Resource(ref=ref(EntityKind.RESOURCE, template.format_map(values)), zones=spec.zones)
        for template in spec.resources
    )


def flow(**changes: object) -> FlowFacts:
    label = changes.pop("label", Label())
    given = {"label": label, "session_label": label, "tainted": False, **changes}
    return FlowFacts(**given)  # type: ignore[arg-type]


def request(given: Subject, name: str, **changes: object) -> PolicyRequest:
    values: dict[str, object] = {
        "subject": given,
        "tool": name,
        "resources": resources(name),
        "now_ms": 1_700_000_000_000,
        "args": FACTS.get(name, {}),
        "interfaces": INTERFACES.get(name, {}),
        "approved": frozenset(),
        "flow": flow(),
    }
    return PolicyRequest(**{**values, **changes})  # type: ignore[arg-type]


def decide(engine: PolicyEngine, name: str, *links: str, **changes: object) -> Verdict:
    return engine.decide(request(subject(engine, *links), name, **changes))


def unchecked(
    text: str, *, hidden: frozenset[str] = frozenset(), tools: Catalog = CATALOG, people: Directory = DIRECTORY
) -> PolicyEngine:
    """An engine with rules that skipped every check: to show that evaluation denies by itself.

    A rule with `@gate` is a gate, whatever it looks like. Rules that are `hidden` are known to Cedar and not to the
    engine."""
    world = build_world(catalog=tools, directory=people, vocabulary=VOCABULARY)
    document = orjson.loads(cedarpy.policies_to_json_str(text))
    policies = {rule["annotations"]["id"]: rule for rule in document["staticPolicies"].values()}
    infos = {
        name: PolicyInfo(
            id=name,
            effect=PolicyEffect(rule["effect"]),
            annotations={},
            gate=Gate(id=name, kind=GateKind.APPROVAL, approvers=(), quorum=1, reason="")
            if "gate" in rule["annotations"]
            else None,
            reason="",
            where=HERE,
            text="",
        )
        for name, rule in policies.items()
        if name not in hidden
    }
    bundle = Bundle(
        policy_set=cedarpy.PolicySet.from_json_str(orjson.dumps({**document, "staticPolicies": policies}).decode()),
        policies=infos,
        schema=cedarpy.Schema.from_str(render(world)),
        schema_text=render(world),
        digest="sha256:unchecked",
    )
    return PolicyEngine(bundle, world=world, directory=people)


class Whole(Slices):
    """No slice at all: every request is put to every rule, with its resources as entities."""

    def __init__(self, rules: cedarpy.PolicySet) -> None:
        super().__init__(0)
        self.everything = Slice(rules=rules, size=len(rules.to_pst().static_policies), places=True)

    def of(self, *_: object, **__: object) -> Slice:
        return self.everything


def unsliced(engine: PolicyEngine) -> PolicyEngine:
    """The same engine, made to put every request to all of its rules."""
    engine._slices = Whole(engine._policy_set)
    return engine
