"""Decisions: links and resources, gates and their counterfactual, reasons, digests (DESIGN §3 promises 1, 3, 9)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cedarpy
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.model.call import Resource
from bailiwick.model.decision import GateKind, Outcome, Verdict
from bailiwick.model.label import Label
from bailiwick.model.principal import Chain, EntityKind
from bailiwick.policy import PolicyEngine, PolicySource
from tests.policy.desk import (
    CATALOG,
    DIRECTORY,
    FACTS,
    INTERFACES,
    NIGHTLY,
    VOCABULARY,
    decide,
    directory,
    flow,
    load,
    ref,
    request,
    resources,
    subject,
)

if TYPE_CHECKING:
    from bailiwick.model.decision import FlowFacts

DESIGN = (Path(__file__).parent / "data/design.cedar").read_text()


@pytest.fixture(scope="module")
def desk() -> PolicyEngine:
    return load(DESIGN)


def codes(verdict: Verdict) -> list[str]:
    return [reason.code for reason in verdict.reasons]


def test_the_rules_of_the_design_load_without_a_finding(desk: PolicyEngine) -> None:
    assert desk.warnings == ()
    assert list(desk.policies) == [
        "support-agents",
        "support-staff",
        "select-only",
        "external-mail",
        "chosen-by-others",
        "no-restricted-out",
    ]
    gate = desk.policies["external-mail"].gate
    assert gate is not None
    assert (gate.kind, gate.approvers, gate.quorum) == (
        GateKind.APPROVAL,
        (ref(EntityKind.GROUP, "support-leads"),),
        1,
    )
    assert desk.policies["select-only"].where.line == 11
    assert desk.policies["select-only"].gate is None


def test_an_allow_names_the_permit_of_every_link(desk: PolicyEngine) -> None:
    verdict = decide(desk, "crm.get_customer")
    assert verdict.outcome is Outcome.ALLOW
    assert [(link.link.id, link.policies) for link in verdict.links] == [
        ("alice", ("support-staff",)),
        ("support-bot", ("support-agents",)),
    ]
    assert codes(verdict) == ["support-staff", "support-agents"]
    assert verdict.policy_digest == desk.digest


@pytest.mark.parametrize(
    ("links", "lacking"),
    [
        (("dana", "support-bot"), ["No policy lets user dana use crm.get_customer on crm/customers/42."]),
        (("alice", "loner"), ["No policy lets agent loner use crm.get_customer on crm/customers/42."]),
        (
            ("dana", "support-bot", "researcher"),
            [
                "No policy lets user dana use crm.get_customer on crm/customers/42.",
                "No policy lets agent researcher use crm.get_customer on crm/customers/42.",
            ],
        ),
    ],
)
def test_promise_3_every_link_needs_a_permit_of_its_own(
    desk: PolicyEngine, links: tuple[str, ...], lacking: list[str]
) -> None:
    verdict = decide(desk, "crm.get_customer", *links)
    assert verdict.outcome is Outcome.DENY
    assert [reason.message for reason in verdict.reasons] == lacking
    assert codes(verdict) == ["no-permit"] * len(lacking)
    assert all(reason.hint for reason in verdict.reasons)


def test_groups_are_inherited(desk: PolicyEngine) -> None:
    assert decide(desk, "crm.get_customer", "bob", "support-bot").outcome is Outcome.ALLOW


def test_a_forbid_wins_and_says_why_by_its_id(desk: PolicyEngine) -> None:
    sql = {"statements": 2, "read_only": False, "verbs": ("delete", "select"), "tables": ("t",), "functions": ()}
    verdict = decide(desk, "db.query", args={"sql": sql})
    assert verdict.outcome is Outcome.DENY
    assert [(reason.code, reason.message) for reason in verdict.reasons] == [
        ("select-only", 'Rule "select-only" forbids this.')
    ]


def test_a_gate_alone_asks_a_person(desk: PolicyEngine) -> None:
    verdict = decide(desk, "mail.send", flow=flow(recipients_external=True))
    assert verdict.outcome is Outcome.NEEDS_APPROVAL
    assert [gate.id for gate in verdict.gates] == ["external-mail"]
    assert verdict.gates[0].reason == verdict.reasons[0].message
    assert verdict.reasons[0].hint == "It can run after an approval by group support-leads."


def test_what_was_approved_runs_and_nothing_else(desk: PolicyEngine) -> None:
    facts = flow(recipients_external=True)
    approved = frozenset({"external-mail"})
    assert decide(desk, "mail.send", flow=facts, approved=approved).outcome is Outcome.ALLOW
    both = flow(recipients_external=True, tainted=True, unendorsed=("to",))
    verdict = decide(desk, "mail.send", flow=both, approved=approved)
    assert verdict.outcome is Outcome.NEEDS_APPROVAL
    assert [gate.id for gate in verdict.gates] == ["chosen-by-others"]
    assert decide(desk, "mail.send", flow=both, approved=approved | {"chosen-by-others"}).outcome is Outcome.ALLOW


def test_all_gates_are_asked_for_at_once(desk: PolicyEngine) -> None:
    verdict = decide(desk, "mail.send", flow=flow(recipients_external=True, tainted=True, unendorsed=("to",)))
    assert [gate.id for gate in verdict.gates] == ["external-mail", "chosen-by-others"]


@pytest.mark.parametrize("approved", ["select-only", "no-restricted-out", "support-staff", "nothing", ""])
def test_an_approval_of_what_is_no_gate_lifts_nothing(desk: PolicyEngine, approved: str) -> None:
    secret = flow(recipients_external=True, recipients_outside_readers=True, label=Label(sensitivity=3))
    verdict = decide(desk, "mail.send", flow=secret, approved=frozenset({approved}))
    assert verdict.outcome is Outcome.DENY


def test_nobody_is_asked_where_approval_would_not_help(desk: PolicyEngine) -> None:
    secret = flow(recipients_external=True, recipients_outside_readers=True, label=Label(sensitivity=3))
    verdict = decide(desk, "mail.send", flow=secret)
    assert verdict.outcome is Outcome.DENY
    assert verdict.gates == ()
    assert codes(verdict) == ["no-restricted-out", "external-mail"]


@pytest.mark.parametrize("links", [("dana", "support-bot"), ("alice", "loner"), ("dana", "loner")])
def test_nobody_is_asked_where_a_link_lacks_a_permit_behind_the_gate(
    desk: PolicyEngine, links: tuple[str, ...]
) -> None:
    """Cedar names only the gate here; that a permit is missing shows when the gate is lifted."""
    verdict = decide(desk, "mail.send", *links, flow=flow(recipients_external=True))
    assert verdict.outcome is Outcome.DENY
    assert verdict.gates == ()


def test_a_gate_on_one_link_and_a_missing_permit_on_another_is_a_denial() -> None:
    engine = load("""
        @id("people") permit (principal is User, action == Action::"mail.send", resource);
        @id("ask") @gate("confirm") forbid (principal is User, action in Action::"send", resource)
        unless { context.approved.contains("ask") };""")
    verdict = decide(engine, "mail.send")
    assert verdict.outcome is Outcome.DENY
    assert codes(verdict) == ["no-permit", "ask"]


def test_a_confirmation_names_the_user() -> None:
    engine = load("""
        @id("all") permit (principal is User, action == Action::"mail.send", resource);
        @id("bots") permit (principal is Agent, action == Action::"mail.send", resource);
        @id("ask") @gate("confirm") forbid (principal, action in Action::"send", resource)
        unless { context.approved.contains("ask") };""")
    verdict = decide(engine, "mail.send")
    assert verdict.outcome is Outcome.NEEDS_APPROVAL
    assert (verdict.gates[0].kind, verdict.gates[0].approvers) == (GateKind.CONFIRM, ())
    assert verdict.reasons[0].message == 'Rule "ask" asks for a person\'s approval.'
    assert verdict.reasons[0].hint == "It can run once alice has confirmed it."


def test_every_resource_must_be_permitted_for_every_link() -> None:
    engine = load("""
        @id("from") permit (principal, action == Action::"bank.transfer", resource == Resource::"bank/accounts/ops");
        @id("to") permit (principal is Agent, action == Action::"bank.transfer",
            resource == Resource::"bank/payees/DE02");""")
    verdict = decide(engine, "bank.transfer")
    assert verdict.outcome is Outcome.DENY
    assert [(link.link.id, link.resource.id, link.allowed) for link in verdict.links] == [
        ("alice", "bank/accounts/ops", True),
        ("alice", "bank/payees/DE02", False),
        ("support-bot", "bank/accounts/ops", True),
        ("support-bot", "bank/payees/DE02", True),
    ]
    assert verdict.reasons[0].message == "No policy lets user alice use bank.transfer on bank/payees/DE02."


def test_zones_reach_the_rules() -> None:
    engine = load("""
        @id("all") permit (principal is User, action in [Action::"crm.get_customer", Action::"kb.search"], resource);
        @id("bots") permit (principal is Agent, action in [Action::"crm.get_customer", Action::"kb.search"], resource);
        @id("no-crm") forbid (principal is Agent, action, resource in Zone::"crm");""")
    assert decide(engine, "kb.search").outcome is Outcome.ALLOW
    assert codes(decide(engine, "crm.get_customer")) == ["no-crm"]


def test_delegation_is_decided_like_any_call() -> None:
    engine = load("""
        @id("all") permit (principal, action == Action::"agent.delegate", resource in AgentClass::"any");
        @id("only") forbid (principal, action in Action::"delegate", resource == Agent::"loner");
        @id("narrow") forbid (principal, action == Action::"agent.delegate", resource)
        when { context.args.tools.contains("mail.send") };""")
    assert decide(engine, "agent.delegate").outcome is Outcome.ALLOW
    loner = (Resource(ref=ref(EntityKind.AGENT, "loner")),)
    assert codes(decide(engine, "agent.delegate", resources=loner)) == ["only"]
    wide = {"agent": "researcher", "tools": ("kb.search", "mail.send")}
    assert codes(decide(engine, "agent.delegate", args=wide)) == ["narrow"]
    back = (Resource(ref=ref(EntityKind.AGENT, "support-bot")),)
    assert decide(engine, "agent.delegate", resources=back).outcome is Outcome.ALLOW


def test_a_service_is_a_root_without_a_user() -> None:
    engine = load(
        """@id("nightly") permit (principal == Service::"nightly", action == Action::"report.salary", resource);
        @id("bots") permit (principal is Agent, action == Action::"report.salary", resource)
        when { context has service && context.service.owner == "dana" && !(context has user) };""",
        people=directory(services=(NIGHTLY,)),
    )
    asked = request(subject(engine, "nightly", "support-bot", root=EntityKind.SERVICE), "report.salary")
    assert engine.decide(asked).outcome is Outcome.ALLOW
    assert decide(engine, "report.salary", "alice", "support-bot").outcome is Outcome.DENY


@pytest.mark.parametrize(("expires", "allowed"), [(None, True), (1_700_000_000_001, True), (1_700_000_000_000, False)])
def test_the_task_has_an_end(expires: int | None, allowed: bool) -> None:
    engine = load("""@id("live") permit (principal, action == Action::"kb.search", resource)
        when { context.now < context.task.expires && context.task.purpose == "p" && context.depth == 0 };""")
    chain = Chain(links=subject(engine).links)
    given = engine.subject(chain=chain, task="t", purpose="p", expires_ms=expires)
    assert (engine.decide(request(given, "kb.search")).outcome is Outcome.ALLOW) is allowed


def test_reasons_come_in_the_order_of_the_rules() -> None:
    """Cedar gives them in an order of its own, which changes from run to run."""
    rules = "\n".join(f'@id("r{n}") permit (principal, action == Action::"kb.search", resource);' for n in range(12))
    engine = load(rules)
    assert decide(engine, "kb.search").links[0].policies == tuple(f"r{n}" for n in range(12))


def test_the_digest_covers_rules_and_schema_and_not_layout() -> None:
    rule = '@id("a") permit (principal is User, action == Action::"kb.search", resource);'
    same = '// note\n@id("a")\npermit(principal is User,action==Action::"kb.search",resource);'
    assert load(rule).digest == load(same, path="policies/other.cedar").digest
    others = {
        load(rule.replace("User", "Agent")).digest,
        load(rule.replace('"a"', '"b"')).digest,
        load('@reason("x") ' + rule).digest,
        load(rule, people=directory(services=(NIGHTLY,))).digest,
    }
    assert len(others | {load(rule).digest}) == 5


def test_rules_in_several_files_are_one_set() -> None:
    parts = DESIGN.split("\n\n")
    sources = [PolicySource(path=f"policies/{index}.cedar", text=text) for index, text in enumerate(parts)]
    whole = PolicyEngine.load(sources, catalog=CATALOG, directory=DIRECTORY, vocabulary=VOCABULARY)
    assert whole.digest == load(DESIGN).digest
    assert whole.policies["select-only"].where.file == "policies/3.cedar"


def test_what_is_evaluated_is_what_was_written(desk: PolicyEngine) -> None:
    """The way through the JSON policy format changes nothing but the keys."""
    written = cedarpy.policies_to_pst(DESIGN).static_policies.values()
    loaded = desk._policy_set.to_pst().static_policies
    assert {
        tree.annotations["id"]: (tree.effect, tree.principal, tree.action, tree.resource, tree.clauses)
        for tree in written
    } == {
        name: (tree.effect, tree.principal, tree.action, tree.resource, tree.clauses) for name, tree in loaded.items()
    }


FLOWS = st.builds(
    lambda level, mark, tainted, unendorsed, external, outside: flow(
        label=Label(sensitivity=level, categories=frozenset({"pii"} if level else ())),
        session_label=Label(sensitivity=mark),
        tainted=tainted,
        unendorsed=("to",) if unendorsed else (),
        recipients_external=external,
        recipients_outside_readers=outside,
    ),
    st.integers(0, 3),
    st.integers(0, 3),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
CHAINS = st.builds(
    lambda root, agents: (root, *agents),
    st.sampled_from(sorted(DIRECTORY.users)),
    st.lists(st.sampled_from(sorted(DIRECTORY.agents)), min_size=1, max_size=3, unique=True),
)
APPROVED = st.frozensets(st.sampled_from(["external-mail", "chosen-by-others", "select-only"]))


def reference(
    engine: PolicyEngine, name: str, links: tuple[str, ...], facts: FlowFacts, approved: frozenset[str]
) -> bool:
    """Plain Cedar: one request for each link and resource, whole schema, every entity of the directory at once."""
    schema = cedarpy.Schema.from_str(engine.schema_text)
    chain = Chain(links=subject(engine, *links).links)
    entities = {
        orjson.dumps(entity["uid"]): entity
        for user in DIRECTORY.users
        for agent in DIRECTORY.agents
        for entity in subject(engine, user, agent).entities
    }
    zones = [{"uid": {"type": "Zone", "id": zone}, "attrs": {}, "parents": []} for zone in CATALOG.zones]
    targets = resources(name)
    for target in targets if name != "agent.delegate" else ():
        parents = [{"type": "Zone", "id": zone} for zone in target.zones]
        uid = {"type": "Resource", "id": target.ref.id}
        entities[orjson.dumps(uid)] = {"uid": uid, "attrs": {}, "parents": parents}
    handle = cedarpy.Entities.from_json_str(orjson.dumps([*entities.values(), *zones]).decode(), schema)
    context = {
        **INTERFACES.get(name, {}),
        "now": 1_700_000_000_000,
        "user": {"__entity": {"type": "User", "id": links[0]}},
        "agent": {"__entity": {"type": "Agent", "id": links[-1]}},
        "task": {"__entity": {"type": "Task", "id": "t-1"}},
        "depth": len(links) - 2,
        "args": FACTS[name],
        "approved": sorted(approved),
        "enforced": [],
        "usage": {},
        "signals": {},
        "evidence": {"method": "claimed", "age_ms": 2**53 - 1, "strong": False},
        "hours": {"weekday": 0, "minute": 0, "working": False},
        "environment": {},
        "facts": {},
        "flow": {
            "tainted": facts.tainted,
            "unendorsed": list(facts.unendorsed),
            "unendorsed_values": [],
            "by_colleague": [],
            "unbound": [],
            "unasked": False,
            "repeated": False,
            "undictated": [],
            "misquoted": False,
            "sensitivity": facts.label.sensitivity,
            "categories": sorted(facts.label.categories),
            "session_sensitivity": facts.session_label.sensitivity,
            "session_categories": sorted(facts.session_label.categories),
            "recipients_external": facts.recipients_external,
            "recipients_outside_readers": facts.recipients_outside_readers,
            "recipients_are_readers": facts.recipients_are_readers,
            "opaque": False,
        },
    }
    answers = [
        cedarpy.is_authorized(
            {
                "principal": {"type": link.kind.value, "id": link.id},
                "action": {"type": "Action", "id": name},
                "resource": {"type": target.ref.kind.value, "id": target.ref.id},
                "context": orjson.dumps(context).decode(),
            },
            DESIGN,
            handle,
            schema,
        )
        for link in chain.links
        for target in targets
    ]
    assert not any(answer.diagnostics.errors for answer in answers)
    return all(answer.allowed for answer in answers)


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(sorted(FACTS)), links=CHAINS, facts=FLOWS, approved=APPROVED)
def test_the_engine_decides_as_plain_cedar_does(
    desk: PolicyEngine, name: str, links: tuple[str, ...], facts: FlowFacts, approved: frozenset[str]
) -> None:
    """The schema's part for one tool, the session's handle and the short form of ids change no decision."""
    verdict = decide(desk, name, *links, flow=facts, approved=approved)
    assert (verdict.outcome is Outcome.ALLOW) is reference(desk, name, links, facts, approved)


@settings(max_examples=100, deadline=None)
@given(name=st.sampled_from(sorted(FACTS)), links=CHAINS, facts=FLOWS, approved=APPROVED)
def test_laws_of_links_and_gates(
    desk: PolicyEngine, name: str, links: tuple[str, ...], facts: FlowFacts, approved: frozenset[str]
) -> None:
    verdict = decide(desk, name, *links, flow=facts, approved=approved)
    assert verdict.reasons
    assert (verdict.outcome is Outcome.ALLOW) is all(link.allowed for link in verdict.links)
    assert len(verdict.links) == len(links) * len(resources(name))
    # A longer chain never allows more.
    if verdict.outcome is Outcome.ALLOW and len(links) > 2:
        assert decide(desk, name, *links[:-1], flow=facts, approved=approved).outcome is Outcome.ALLOW
    # An approval is asked for exactly where it would help, and never where a rule that is no gate denies.
    if verdict.outcome is Outcome.NEEDS_APPROVAL:
        lifted = approved | {gate.id for gate in verdict.gates}
        assert decide(desk, name, *links, flow=facts, approved=lifted).outcome is Outcome.ALLOW
        assert {name for link in verdict.links if not link.allowed for name in link.policies} == lifted - approved
    else:
        assert verdict.gates == ()
