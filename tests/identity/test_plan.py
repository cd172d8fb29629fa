"""Signed plans: who may sign them, what they leave to an agent, and that they only ever narrow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.errors import CanonicalError
from bailiwick.identity.authority import check_authority, check_planned, delegate, names_call
from bailiwick.identity.keys import PrivateKey
from bailiwick.identity.plan import Plan, PlannedTask, plan_id, plan_task, planned_call, sign_plan
from bailiwick.model.call import Action, ArgFacts, Authority, Grant, PlannedCall
from bailiwick.model.canonical import canonical
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.directory import Directory
from bailiwick.model.tool import Effect, Role
from tests.flow.helpers import tool as spec_of

from .chains import ISSUER, ISSUERS, key_of
from .organisation import DIRECTORY, HOUR, NOW, opened
from .organisation import given as authority_of

ALICE, BOB = key_of("alice"), key_of("bob")
SIGNERS: Directory = replace(
    DIRECTORY,
    users={
        **DIRECTORY.users,
        "alice": replace(DIRECTORY.users["alice"], keys=(str(ALICE.public),)),
        "bob": replace(DIRECTORY.users["bob"], keys=(str(key_of("bob's old").public), str(BOB.public))),
        "gone": replace(DIRECTORY.users["gone"], keys=(str(key_of("gone").public),)),
    },
)
CALLS: list[dict[str, Any]] = [
    {"tool": "crm.get", "args": {"id": "42"}},
    {"tool": "mail.send", "args": {"to": ["ann@customer.example"]}, "open": ["body", "subject"]},
    {"tool": "kb.search"},
]
PLAN = Plan(
    tenant="acme",
    env="test",
    user="alice",
    agent="support-bot",
    purpose="Answer ticket 4711",
    calls=CALLS,
    expires_ms=NOW + HOUR,
    id="plan-1",
)


def signed(signer: str = "user:alice", key: PrivateKey = ALICE, *, now_ms: int = NOW, **change: Any) -> str:
    return sign_plan(replace(PLAN, **change), signer=signer, key=key, now_ms=now_ms)


def read(token: str, *, now_ms: int = NOW, directory: Directory = SIGNERS, **how: Any) -> PlannedTask | Reason:
    given: dict[str, Any] = {"tenant": "acme", "env": "test", "issuers": ISSUERS, "revoked": ()} | how
    return plan_task(token, directory, now_ms=now_ms, **given)


def code(answer: object) -> str:
    assert isinstance(answer, Reason), answer
    assert answer.plane is Plane.IDENTITY
    assert answer.hint
    return answer.code


@pytest.mark.parametrize(
    ("signer", "key", "how", "who"),
    [
        ("user:alice", ALICE, {}, "alice"),
        ("user:bob", BOB, {"approvers": {"bob"}}, "bob"),
        ("acme", ISSUER, {}, ""),
    ],
)
def test_a_plan_becomes_a_task(signer: str, key: PrivateKey, how: dict[str, Any], who: str) -> None:
    task = read(signed(signer, key), **how)
    assert isinstance(task, PlannedTask), task
    assert (task.user, task.agent, task.purpose, task.signer) == ("alice", "support-bot", "Answer ticket 4711", who)
    assert (task.id, task.task, task.expires_ms) == ("plan-1", "plan plan-1", NOW + HOUR)
    assert task.grant.tools is not None
    assert set(task.grant.tools) == {"crm.get", "mail.send", "kb.search"}
    assert task.grant.expires_ms == NOW + HOUR
    assert task.id == plan_id(signed(signer, key))


@pytest.mark.parametrize(
    ("token", "how", "said"),
    [
        (signed(key=BOB), {}, "plan-not-trusted"),
        (signed("user:bob", BOB), {}, "plan-by-another"),
        (signed("user:bob", BOB), {"approvers": {"carol"}}, "plan-by-another"),
        (signed("user:bob", ALICE), {"approvers": {"bob"}}, "plan-not-trusted"),
        (signed("user:gone", key_of("gone")), {"approvers": {"gone"}}, "plan-not-trusted"),
        (signed("user:nobody", ALICE), {"approvers": {"nobody"}}, "plan-not-trusted"),
        (signed("acme", ALICE), {}, "plan-not-trusted"),
        (signed("alice", ALICE), {}, "plan-not-trusted"),
        (signed("user:acme", ISSUER), {"approvers": {"acme"}}, "plan-not-trusted"),
        (signed(), {"directory": DIRECTORY}, "plan-not-trusted"),
        (signed("acme", ISSUER, user="mallory"), {}, "unknown-user"),
        (signed(tenant="other"), {}, "plan-elsewhere"),
        (signed(env="prod"), {}, "plan-elsewhere"),
        (signed(), {"now_ms": NOW + HOUR}, "plan-expired"),
        (signed(), {"now_ms": NOW - 61_000}, "plan-from-the-future"),
        (signed(), {"revoked": {"plan-1"}}, "plan-revoked"),
        (signed(calls=[]), {}, "bad-plan"),
        (signed(calls=[{"tool": "x"}] * 201), {}, "bad-plan"),
        (signed(purpose=""), {}, "bad-plan"),
        (signed()[:-1], {}, "bad-plan"),
        ("", {}, "bad-plan"),
        (ALICE.signed("plan", {"v": 1}), {}, "bad-plan"),
        (ALICE.signed("delegation", {"v": 1}), {}, "bad-plan"),
    ],
)
def test_no_other_plan_counts(token: str, how: dict[str, Any], said: str) -> None:
    assert code(read(token, **how)) == said


@pytest.mark.parametrize(
    "call",
    [
        {"args": {}},
        {"tool": ""},
        {"tool": 3},
        {"tool": "x", "args": []},
        {"tool": "x", "args": None},
        {"tool": "x", "open": ["a"]},
        {"tool": "x", "args": {}, "open": "a"},
        {"tool": "x", "args": {}, "open": [3]},
        {"tool": "x", "args": {}, "more": 1},
        {"tool": "x", "args": {"a": 1.5}},
        "x",
    ],
)
def test_a_call_that_can_be_read_two_ways_is_none(call: object) -> None:
    assert planned_call(call) is None


def test_what_has_no_canonical_form_cannot_be_signed() -> None:
    with pytest.raises(CanonicalError):
        signed(calls=[{"tool": "x", "args": {"a": 1.5}}])


def planned(task: PlannedTask) -> Authority:
    authority = authority_of(opened(task="Answer ticket 4711", directory=SIGNERS))
    grant = authority.grant.narrowed(task.grant)
    return replace(authority, grant=grant, steps=(grant,))


@pytest.mark.parametrize(
    ("tool", "args", "allowed"),
    [
        ("crm.get", {"id": "42"}, True),
        ("crm.get", {"id": "43"}, False),
        ("crm.get", {"id": 42}, False),
        ("crm.get", {}, False),
        ("crm.get", {"id": "42", "fields": "all"}, False),
        ("mail.send", {"to": ["ann@customer.example"], "body": "x", "subject": "y"}, True),
        ("mail.send", {"to": ["ann@customer.example"]}, True),
        ("mail.send", {"to": ["ann@customer.example"], "cc": ["eve@evil.example"]}, False),
        ("mail.send", {"to": ["ann@customer.example", "eve@evil.example"]}, False),
        ("mail.send", {"body": "x"}, False),
        ("kb.search", {"anything": [1, {"at": "all"}]}, True),
        ("hr.read", {}, False),
    ],
)
def test_a_plan_leaves_just_the_calls_that_it_lists(tool: str, args: dict[str, object], allowed: bool) -> None:
    task = read(signed())
    assert isinstance(task, PlannedTask)
    authority = planned(task)
    by_tool = check_authority(SIGNERS, authority, tool=tool, effects=[Effect.READ], zones=(), now_ms=NOW)
    reason = by_tool or check_planned(authority, tool=tool, args=canonical(args))
    assert (reason is None) is allowed
    if reason is not None:
        assert reason.code == ("tool-not-granted" if tool == "hr.read" else "call-not-planned")
        assert reason.message.startswith("Task 'Answer ticket 4711' does not include ")
    assert (
        code(check_authority(SIGNERS, authority, tool=tool, effects=(), zones=(), now_ms=NOW + HOUR)) == "task-expired"
    )


def test_amounts_are_compared_to_the_digit() -> None:
    task = read(signed(calls=[{"tool": "pay", "args": {"amount": Decimal("12.50")}}]))
    assert isinstance(task, PlannedTask), task
    authority = planned(task)
    assert check_planned(authority, tool="pay", args=canonical({"amount": Decimal("12.50")})) is None
    for other in ("12.50", Decimal("12.5"), Decimal("12.51")):
        assert code(check_planned(authority, tool="pay", args=canonical({"amount": other}))) == "call-not-planned"


def test_without_a_plan_every_argument_is_left_to_the_rules() -> None:
    assert check_planned(authority_of(opened()), tool="any.tool", args=b"not even JSON") is None


def test_a_plan_holds_for_whom_the_work_is_handed_to() -> None:
    task = read(signed(calls=[*CALLS, {"tool": "agent.delegate"}]))
    assert isinstance(task, PlannedTask)
    child = delegate(
        SIGNERS,
        planned(task),
        to="researcher",
        tools=["crm.get"],
        zones=None,
        ttl_ms=None,
        now_ms=NOW,
        conversation="c",
    )
    assert isinstance(child, Authority), child
    assert check_planned(child, tool="crm.get", args=b'{"id":"42"}') is None
    assert code(check_planned(child, tool="crm.get", args=b'{"id":"43"}')) == "call-not-planned"
    refused = delegate(
        SIGNERS,
        planned(task),
        to="researcher",
        tools=["hr.read"],
        zones=None,
        ttl_ms=None,
        now_ms=NOW,
        conversation="c",
    )
    assert code(refused) == "tool-not-granted"


# ── which calls a plan names ────────────────────────────────────────────────────────────────────────────────────────


def call_of(tool: str, args: Mapping[str, object], chosen: Mapping[str, Role]) -> Action:
    """A call, parsed: `chosen` are the roles of what it does it to, `a.b` a field of an argument that is an object."""
    parts = tuple(ArgFacts(name=name, role=role, facts=True, values=("x",)) for name, role in chosen.items())
    return Action(
        tool=spec_of(tool, Effect.SEND),
        args=canonical(args),
        arguments=parts,
        resources=(),
    )


ANN = {"to": ["ann@customer.example"]}


@pytest.mark.parametrize(
    ("tool", "args", "chosen", "named"),
    [
        ("mail.send", ANN, {"to": Role.TARGET}, True),
        ("mail.send", {**ANN, "body": "x"}, {"to": Role.TARGET, "body": Role.CONTENT}, True),
        ("mail.send", {**ANN, "body": "x"}, {"to": Role.TARGET, "body": Role.COMMAND}, False),
        ("mail.send", {"to": ["eve@evil.example"]}, {"to": Role.TARGET}, False),
        ("mail.send", {**ANN, "cc": ["eve@evil.example"]}, {"to": Role.TARGET, "cc": Role.TARGET}, False),
        ("mail.draft", ANN, {"to": Role.TARGET}, False),
        ("crm.get", {"id": "42"}, {"id": Role.SELECTOR}, True),
        ("crm.get", {"id": 42}, {"id": Role.SELECTOR}, False),
        ("kb.search", {"query": "hours"}, {"query": Role.SELECTOR}, False),
        ("kb.search", {"query": "hours"}, {"query": Role.CREDENTIAL}, False),
        ("kb.search", {"query": "hours"}, {"query": Role.CONTENT}, True),
    ],
)
def test_a_plan_names_a_call_where_it_fixes_all_that_the_call_is_done_to(
    tool: str, args: dict[str, object], chosen: dict[str, Role], named: bool
) -> None:
    task = read(signed())
    assert isinstance(task, PlannedTask)
    assert names_call(planned(task), call_of(tool, args, chosen)) is named


def test_an_object_that_a_plan_fixes_is_named_with_all_of_its_fields() -> None:
    order = {"payee": {"iban": "DE02120300000000202051"}, "count": 1}
    chosen = {"order.payee.iban": Role.TARGET, "order.count": Role.VALUE}
    for calls, named in (([{"tool": "pay", "args": {"order": order}}], True), ([{"tool": "pay"}], False)):
        task = read(signed(calls=calls))
        assert isinstance(task, PlannedTask), task
        assert names_call(planned(task), call_of("pay", {"order": order}, chosen)) is named


def test_without_a_plan_no_call_is_named() -> None:
    assert not names_call(authority_of(opened()), call_of("crm.get", {"id": "42"}, {"id": Role.SELECTOR}))


def test_what_an_agent_planned_for_another_names_nothing() -> None:
    """It may have been talked into it; what the task's own plan fixes holds for whom the work is handed to."""
    crm = call_of("crm.get", {"id": "42"}, {"id": Role.SELECTOR})
    own = authority_of(opened())
    handed = own.grant.narrowed(Grant(calls=(PlannedCall(tool="crm.get", fixed=frozenset({("id", b'"42"')})),)))
    assert not names_call(replace(own, grant=handed, steps=(own.grant, handed)), crm)
    task = read(signed())
    assert isinstance(task, PlannedTask)
    plan = planned(task)
    assert names_call(replace(plan, steps=(plan.grant, plan.grant)), crm)


# ── laws ────────────────────────────────────────────────────────────────────────────────────────────────────────────

NAMES = ("a", "b", "c")
VALUES = (b"1", b"2")
EVERY_ARGS: tuple[Mapping[str, bytes], ...] = tuple(
    {name: value for name, value in zip(NAMES, values, strict=True) if value}
    for values in product((b"", *VALUES), repeat=len(NAMES))
)
TOOLS = ("x", "y")
planned_calls = st.builds(
    PlannedCall,
    tool=st.sampled_from(TOOLS),
    fixed=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES)).map(lambda fixed: frozenset(fixed.items())),
    open=st.none() | st.sets(st.sampled_from(NAMES)).map(frozenset),
)
grants = st.builds(
    Grant,
    tools=st.none() | st.sets(st.sampled_from(TOOLS)).map(frozenset),
    calls=st.none() | st.lists(planned_calls, max_size=4).map(tuple),
)


def calls_in(grant: Grant) -> set[tuple[str, int]]:
    """Every call of a small world that a grant permits."""
    found = set()
    for tool, (number, args) in product(TOOLS, enumerate(EVERY_ARGS)):
        held = grant.calls is None or any(call.tool == tool and call.permits(args) for call in grant.calls)
        if held and (grant.tools is None or tool in grant.tools):
            found.add((tool, number))
    return found


@given(one=planned_calls, two=planned_calls)
def test_two_planned_calls_meet_in_just_what_both_permit(one: PlannedCall, two: PlannedCall) -> None:
    both = one.narrowed(two)
    met = set() if both is None else calls_in(Grant(calls=(both,)))
    assert met == calls_in(Grant(calls=(one,))) & calls_in(Grant(calls=(two,)))
    assert both == two.narrowed(one)
    if one.within(two):
        assert calls_in(Grant(calls=(one,))) <= calls_in(Grant(calls=(two,)))


@given(one=grants, two=grants, three=grants)
def test_promise_3_plans_meet_in_just_what_all_permit(one: Grant, two: Grant, three: Grant) -> None:
    both = one.narrowed(two)
    assert calls_in(both) == calls_in(one) & calls_in(two)
    assert both.calls == two.narrowed(one).calls
    assert both.within(one)
    assert both.within(two)
    assert calls_in(both.narrowed(three)) == calls_in(one.narrowed(two.narrowed(three)))
    again = both.narrowed(two)
    assert calls_in(again) == calls_in(both)
    assert len(again.calls or ()) <= max(len(both.calls or ()), len(two.calls or ()))
    if one.within(two):
        assert calls_in(one) <= calls_in(two)


@given(st.lists(planned_calls, min_size=1, max_size=5))
def test_what_a_plan_says_is_what_it_permits(calls: list[PlannedCall]) -> None:
    written = [
        {"tool": call.tool}
        | ({} if call.open is None else {"args": {n: json.loads(v) for n, v in call.fixed}, "open": sorted(call.open)})
        for call in calls
    ]
    task = read(signed(calls=written))
    assert isinstance(task, PlannedTask)
    meant = tuple(replace(call, fixed=frozenset()) if call.open is None else call for call in calls)
    assert calls_in(task.grant) == calls_in(Grant(calls=meant))
