"""A tool's part of rules, schema and context decides as the whole does (DESIGN §3 promise 8)."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.model.call import Fact
from bailiwick.model.circumstances import FactDecl, FactScope
from bailiwick.model.decision import FlowFacts, Verdict
from bailiwick.model.label import Label
from bailiwick.model.shape import BOOL, LONG, Field, Record, Shape
from bailiwick.model.tool import Effect
from bailiwick.policy import PolicyEngine, PolicySource
from bailiwick.policy.world import Struct
from tests.policy.desk import (
    CATALOG,
    DIRECTORY,
    VOCABULARY,
    arg,
    catalog,
    decide,
    flow,
    load,
    request,
    subject,
    tool,
    unchecked,
    unsliced,
)

PERMIT = '@id("all") permit (principal, action == Action::"mail.send", resource);'

# One rule for each way in which a rule can look at the context.
CONDITIONS = [
    "context.flow.tainted",
    "!context.flow.unendorsed.isEmpty()",
    'context.flow.unendorsed.contains("to") || context.flow.categories.containsAny(["pii"])',
    "context.flow.sensitivity > 1 && context.flow.session_sensitivity > 2",
    "context.flow == context.flow && context.depth > 0",
    'context.user.level > 4 || context.agent.owner == "bob"',
    'context.user in Group::"support-leads"',
    "context.now > 1700000000005",
    "context.now >= context.task.expires",
    "context has user && context.args has cc",
    "context.args has cc && context.args.cc.external",
    "context.args has cc.external && context.args.cc.count > 1",
    "context.send.external && context.args.body.length > 2",
    "if context.send.content.opaque then context.args.to.count > 1 else context.flow.opaque",
    "{ a: context.depth, b: context.args.to.count } == { a: 0, b: 2 }",
    'context.args.to.domains.containsAll(["example.org", "example.com"])',
    'resource in Zone::"kb" || resource is Agent',
    'principal is User && resource == Resource::"mail.send" && context.flow.unasked',
]
RULES = PERMIT + "".join(
    f'@id("r{number}") forbid (principal, action in Action::"{group}", resource) when {{ {condition} }};'
    for number, condition in enumerate(CONDITIONS)
    for group in ["mail.send"]
)

ADDRESSES = st.builds(
    lambda count, domains, external: {
        "count": count,
        "addresses": tuple(f"a@{domain}" for domain in domains),
        "domains": tuple(domains),
        "external": external,
    },
    st.integers(0, 3),
    st.lists(st.sampled_from(["example.org", "example.com"]), max_size=2, unique=True),
    st.booleans(),
)
CONTENT = st.builds(
    lambda length, opaque: {"length": length, "opaque": opaque, "addresses": ()}, st.integers(0, 4), st.booleans()
)
ODD: st.SearchStrategy[Fact] = st.sampled_from([1, "x", True, (), ("a",), {}, {"count": "x"}, 2**63, -(2**63)])
ARGS = st.fixed_dictionaries({"to": ADDRESSES, "body": CONTENT}, optional={"cc": ADDRESSES | ODD, "undeclared": ODD})
FLOWS = st.builds(
    lambda level, mark, categories, flags, unendorsed: flow(
        label=Label(sensitivity=level, categories=categories),
        session_label=Label(sensitivity=mark),
        unendorsed=unendorsed,
        **flags,
    ),
    st.integers(0, 3),
    st.integers(0, 3),
    st.frozensets(st.sampled_from(["pii", "phi"])),
    st.fixed_dictionaries(dict.fromkeys(["tainted", "unasked", "opaque"], st.booleans())),
    st.sampled_from([(), ("to",), ("to", "cc")]),
)


def uncut(engine: PolicyEngine) -> PolicyEngine:
    """The same engine, made to put every call to all rules with the whole context."""
    decide(engine, "mail.send")
    engine._parts = {name: dataclasses.replace(part, fits=lambda _: False) for name, part in engine._parts.items()}
    return unsliced(engine)


@pytest.fixture(scope="module")
def engines() -> tuple[PolicyEngine, PolicyEngine]:
    return unchecked(RULES), uncut(unchecked(RULES))


def answers(verdict: Verdict) -> list[tuple[bool, tuple[str, ...], bool]]:
    return [(link.allowed, link.policies, bool(link.errors)) for link in verdict.links]


@settings(max_examples=150, deadline=None)
@given(
    args=ARGS,
    facts=FLOWS,
    agents=st.sampled_from([("support-bot",), ("support-bot", "researcher")]),
    root=st.sampled_from(["alice", "bob", "dana"]),
    external=st.booleans(),
    now_ms=st.sampled_from([1_700_000_000_000, 1_700_000_000_010, 2**53]),
)
def test_a_part_decides_as_the_whole_does(
    engines: tuple[PolicyEngine, PolicyEngine],
    args: dict[str, Fact],
    facts: FlowFacts,
    agents: tuple[str, ...],
    root: str,
    external: Fact,
    now_ms: int,
) -> None:
    content: Fact = {"length": 3, "opaque": False, "addresses": ()}
    send = {"recipients": ("a@example.org",), "external": external, "content": content}
    changes = {"args": args, "flow": facts, "interfaces": {"send": send}, "now_ms": now_ms}
    cut, whole = (decide(engine, "mail.send", root, *agents, **changes) for engine in engines)
    assert cut.outcome is whole.outcome
    assert answers(cut) == answers(whole)


def read_by(condition: str) -> Struct:
    rules = f'@id("a") permit (principal, action == Action::"mail.send", resource) when {{ {condition} }};'
    decide(engine := unchecked(rules), "mail.send")
    return engine._parts["mail.send"].context


@pytest.mark.parametrize(
    ("condition", "read"),
    [
        ("true", []),
        ("context.flow.tainted", ["flow.tainted"]),
        ("context.flow == context.flow", ["flow.*"]),
        ("context.user.level > 1", ["user"]),
        ("context.args has cc", ["args.cc.*"]),
        ("context.args has cc.external && context.args.cc.external", ["args.cc.*"]),
        ("context.args.to.count > 1 && context.flow.opaque", ["args.to.count", "flow.opaque"]),
        ("context == context", ["*"]),
    ],
)
def test_what_a_rule_reads_is_kept_and_nothing_else(condition: str, read: list[str]) -> None:
    context = read_by(condition)
    whole = read_by("context == context")
    for path in read:
        cut, full = context, whole
        *above, last = path.split(".")
        for name in above:
            cut, full = cut.attrs[name].type, full.attrs[name].type  # type: ignore[assignment]
        if last == "*":
            assert cut == full
        else:
            assert cut.attrs[last] == full.attrs[last]
            assert cut.attrs.keys() == {one.split(".")[len(above)] for one in read if one.split(".")[:-1] == above}
    assert bool(context.attrs) is bool(read)


def test_rules_of_other_tools_are_not_asked() -> None:
    others = "".join(
        f'@id("x{number}") forbid (principal, action == Action::"kb.search", resource) when {{ context.depth > 0 }};'
        for number in range(50)
    )
    engine = load(PERMIT + others)
    decide(engine, "mail.send")
    assert [name for bucket in engine._parts["mail.send"].stock.buckets() for name in bucket.rules] == ["all"]


def test_arguments_with_the_names_of_other_attributes_are_told_apart() -> None:
    spec = tool("odd.tool", Effect.READ, args=(arg("flow", Record((Field("tainted", BOOL),))), arg("a.b", LONG)))
    rules = (
        '@id("a") permit (principal, action == Action::"odd.tool", resource) '
        'when { context.args.flow.tainted && context.args["a.b"] == 7 };'
    )
    source = PolicySource(path="a.cedar", text=rules)
    engine = PolicyEngine.load([source], catalog=catalog(spec), directory=DIRECTORY, vocabulary=VOCABULARY)
    given = {"flow": {"tainted": True}, "a.b": 7}
    asked = request(subject(engine), "odd.tool", args=given)
    assert engine.decide(asked).outcome == "allow"
    assert set(engine._parts["odd.tool"].context.attrs) == {"args"}


@pytest.mark.parametrize(
    ("scope", "condition", "asks"),
    [
        ("resource", "true", False),
        ('resource == Resource::"mail.send"', "principal is User", False),
        ("resource is Resource", "true", False),
        ('resource in Zone::"kb"', "true", True),
        ('resource is Resource in Zone::"kb"', "true", True),
        ("resource", 'resource in Zone::"kb"', True),
        ("resource", "context.flow.tainted || principal == resource", True),
    ],
)
def test_a_resource_is_an_entity_where_a_rule_asks_about_it(scope: str, condition: str, asks: bool) -> None:
    engine = unchecked(f'@id("a") permit (principal, action == Action::"mail.send", {scope}) when {{ {condition} }};')
    (bucket,) = engine._index.stock(engine._world.actions["mail.send"]).buckets()
    assert bucket.places is asks


def fact(name: str, shape: Shape) -> FactDecl:
    return FactDecl(name=name, shape=shape, scope=FactScope.GLOBAL, timeout_ms=100, max_age_ms=1000)


ON_SEND, ON_SEARCH = ("mail.send", 'action in Action::"send"'), ("kb.search", 'action == Action::"kb.search"')


@pytest.mark.parametrize(
    ("scope", "condition", "asked", "names"),
    [
        ("action", "context.flow.tainted", "mail.send", set()),
        (ON_SEND[1], "context.facts.on_call.value", ON_SEND[0], {"on_call"}),
        (ON_SEND[1], "context.facts.age.age_ms > 5 || context.facts.on_call.value", ON_SEND[0], {"age", "on_call"}),
        (ON_SEND[1], "context.facts.on_call.value", ON_SEARCH[0], set()),
        (ON_SEARCH[1], "context.facts.on_call.value", ON_SEND[0], set()),
        (ON_SEARCH[1], "context.facts == context.facts", ON_SEARCH[0], {"age", "on_call"}),
        ("action", "context.facts.age.age_ms > 5", ON_SEARCH[0], {"age"}),
        ("action", "context.facts.on_call.value", "no.tool", set()),
        ("action", "context.facts.on_call.value", "send:none", set()),
    ],
)
def test_the_facts_that_a_tools_rules_read(scope: str, condition: str, asked: str, names: set[str]) -> None:
    rules = f'@id("a") forbid (principal, {scope}, resource) when {{ {condition} }};'
    facts = (fact("on_call", BOOL), fact("age", LONG))
    engine = PolicyEngine.load(
        [PolicySource(path="a.cedar", text=rules)],
        catalog=CATALOG,
        directory=DIRECTORY,
        vocabulary=dataclasses.replace(VOCABULARY, facts=facts),
    )
    assert engine.names_read("facts", asked) == names
