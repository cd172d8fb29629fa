"""Random changes of random rules: what the solver says of them is what Cedar does.

Where "nothing new" was proved, no request out of many gains anything; where something was found, Cedar had confirmed
it (what it does not confirm would be a finding that needs review, and there is none). 12 changes with 60 requests
each, 200 with 500 under BAILIWICK_SOAK=1.
"""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.errors import ProjectError
from bailiwick.model.call import Fact
from bailiwick.model.label import Label
from bailiwick.model.principal import EntityRef
from bailiwick.policy import PolicyEngine
from bailiwick.policy.prove.diff import Kind, compare
from bailiwick.policy.prove.witness import Side
from tests.policy.desk import DIRECTORY, flow, load, request, subject

PAIRS, REQUESTS = (200, 500) if os.environ.get("BAILIWICK_SOAK") else (12, 60)

TESTS = [
    "context.flow.tainted",
    "context.flow.unendorsed.isEmpty()",
    'context.flow.unendorsed.contains("to")',
    'context.flow.categories.containsAny(["pii", "phi"])',
    '["pii"].containsAll(context.flow.categories)',
    "context.flow.sensitivity >= 2",
    "context.flow.session_sensitivity < context.flow.sensitivity",
    'context.args.to.domains.containsAll(["example.org"])',
    '["example.org", "example.com"].containsAll(context.args.to.domains)',
    "context.args.to.domains.containsAny(context.send.recipients)",
    "context.args.to.addresses == context.send.recipients",
    "context.args has cc && context.args.cc.count > 1",
    "context.args has cc && context.args.cc.external",
    'if context.send.external then context.flow.opaque else principal in Group::"staff"',
    'context.user in Group::"support-leads"',
    "context.user.level > 4",
    'context.agent.owner == "dana"',
    "principal is Agent && principal == context.agent",
    'principal is User && principal has department && principal.department == "support"',
    "context.depth > 0",
    "context.now >= context.task.expires",
    "{ a: context.depth, b: context.args.to.count } == { a: 0, b: 2 }",
]
ACTION = 'action == Action::"mail.send"'
PRINCIPALS = ["principal", "principal is User", 'principal in Group::"support"', 'principal in AgentClass::"any"']


@st.composite
def conditions(draw: st.DrawFn) -> str:
    first, second = draw(st.sampled_from(TESTS)), draw(st.sampled_from(TESTS))
    return draw(st.sampled_from([f"({first})", f"!({first})", f"({first}) && ({second})", f"({first}) || !({second})"]))


@st.composite
def rules(draw: st.DrawFn, number: int) -> str:
    principal, condition = draw(st.sampled_from(PRINCIPALS)), draw(conditions())
    kind = draw(st.sampled_from(["permit", "permit", "forbid", "gate"]))
    name = f"r{number}"
    if kind == "permit":
        return f'@id("{name}") permit ({principal}, {ACTION}, resource) when {{ {condition} }};'
    head = f'@id("{name}")'
    lift = ""
    if kind == "gate":
        head += ' @gate("approval") @approvers("Group::support-leads")'
        lift = f'unless {{ context.approved.contains("{name}") }}'
    return f"{head} forbid ({principal}, {ACTION}, resource) when {{ {condition} }} {lift};"


@st.composite
def pairs(draw: st.DrawFn) -> tuple[str, str]:
    """Rules, and the same with one taken away, added or replaced."""
    base = '@id("all") permit (principal, action == Action::"mail.send", resource);' if draw(st.booleans()) else ""
    old = [draw(rules(number)) for number in range(draw(st.integers(1, 4)))]
    new = list(old)
    place = draw(st.integers(0, len(old) - 1))
    match draw(st.sampled_from(["drop", "add", "replace"])):
        case "drop":
            new.pop(place)
        case "add":
            new.append(draw(rules(len(old))))
        case _:
            new[place] = draw(rules(place))
    return base + "".join(old), base + "".join(new)


def loaded(text: str) -> PolicyEngine | None:
    """None where the loader refuses the rules (a rule that can never fire, say)."""
    try:
        return load(text)
    except ProjectError:
        return None


def some_request(luck: random.Random) -> tuple[dict[str, object], tuple[str, ...]]:
    """A request that may well meet the conditions above."""

    def some(*values: str) -> tuple[str, ...]:
        return tuple(value for value in values if luck.random() < 0.4)

    def mail() -> dict[str, Fact]:
        return {
            "count": luck.randint(0, 3),
            "addresses": some("a@example.org", "b@example.com"),
            "domains": some("example.org", "example.com", "example.net"),
            "external": luck.random() < 0.5,
        }

    content: Fact = {"length": 3, "opaque": False, "addresses": ()}
    args: dict[str, Fact] = {"to": mail(), "body": content} | ({"cc": mail()} if luck.random() < 0.5 else {})
    recipients = some("a@example.org", "b@example.com", "example.org")
    send: dict[str, Fact] = {"recipients": recipients, "external": luck.random() < 0.5, "content": content}
    facts = flow(
        label=Label(sensitivity=luck.randint(0, 3), categories=frozenset(some("pii", "phi", "finance"))),
        session_label=Label(sensitivity=luck.randint(0, 3)),
        tainted=luck.random() < 0.5,
        unendorsed=some("to", "cc"),
        opaque=luck.random() < 0.5,
    )
    agents = luck.choice([("support-bot",), ("loner",), ("support-bot", "researcher"), ("researcher", "loner")])
    links = (luck.choice(["alice", "bob", "dana", "vera"]), *agents)
    now_ms = luck.choice([1_700_000_000_000, 2**53 - 1])
    return {"args": args, "interfaces": {"send": send}, "flow": facts, "now_ms": now_ms}, links


def levels(engine: PolicyEngine, links: tuple[str, ...], changes: dict[str, object]) -> dict[EntityRef, int]:
    """What each link may do: 2 at once, 1 once all gates are approved, 0 nothing."""
    given = subject(engine, *links)
    gates = frozenset(name for name, info in engine.policies.items() if info.gate)
    at_once = engine.decide(request(given, "mail.send", **changes))
    approved = engine.decide(request(given, "mail.send", **changes, approved=gates))
    return {
        first.link: 2 if first.allowed else 1 if second.allowed else 0
        for first, second in zip(at_once.links, approved.links, strict=True)
    }


def compared(pair: tuple[str, str], *, requests: int, seed: int) -> None:
    """Check one change."""
    old, new = (loaded(text) for text in pair)
    if old is None or new is None:
        return
    before_it, after_it = (Side(engine=engine, directory=DIRECTORY) for engine in (old, new))
    found = compare(before_it, after_it, timeout_ms=20_000)
    assert [each.why for each in found.findings if each.kind is Kind.REVIEW] == []
    kinds = {each.kind for each in found.findings}
    if kinds & {Kind.ALLOWED, Kind.ASKED}:
        return
    luck = random.Random(seed)
    for _ in range(requests):
        changes, links = some_request(luck)
        before, after = levels(old, links, changes), levels(new, links, changes)
        assert all(after[link] <= before[link] for link in before), (changes, links)
        if Kind.TAKEN not in kinds:
            assert before == after, (changes, links)


@pytest.mark.soak
@settings(max_examples=PAIRS, deadline=None)
@given(pair=pairs(), seed=st.integers(0, 2**32))
def test_what_is_proved_holds_of_random_requests(pair: tuple[str, str], seed: int) -> None:
    compared(pair, requests=REQUESTS, seed=seed)
