"""Rules that another rule covers, and conditions that contradict each other: the tables, and the laws that a finding is
never a false alarm. Cedar is asked, on every request of a small world."""

from __future__ import annotations

import itertools
import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.errors import Finding
from bailiwick.model.decision import Outcome
from bailiwick.model.label import Label
from bailiwick.policy import PolicyEngine, PolicyRequest
from bailiwick.policy.goals import clash, goals_of
from bailiwick.policy.lint_project import rules_of
from bailiwick.policy.shadow import Hierarchy, scoped, shadowed
from bailiwick.policy.text import split
from bailiwick.policy.tree import Rule
from bailiwick.policy.world import World
from tests.policy.desk import DIRECTORY, flow, load, request, subject, unchecked

MANY = 2_000 if os.environ.get("BAILIWICK_SOAK") else 25


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    text: str
    found: tuple[str, ...] = ()


CASES = [
    Case(name=case["name"], text=case["text"], found=tuple(case.get("found", ())))
    for case in tomllib.loads((Path(__file__).parent / "data/shadows.toml").read_text(encoding="utf-8"))["case"]
]


def found(rules: list[Rule], world: World) -> list[Finding]:
    return list(shadowed(scoped(rules, world), world, Hierarchy(DIRECTORY)))


def parsed(texts: list[str]) -> list[Rule]:
    """Rules that skipped every check."""
    made = []
    for text in texts:
        (piece,) = split("policies/desk.cedar", text)
        (tree,) = cedarpy.policies_to_pst(text).static_policies.values()
        made.append(Rule(id=tree.annotations["id"], piece=piece, tree=tree, json={}))
    return made


def pair(finding: Finding) -> str:
    names = re.findall(r'rule "([^"]+)"', finding.message)
    return f"{names[0]} by {names[1]}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_which_rules_are_covered(case: Case) -> None:
    engine = load(case.text)
    said = found(rules_of(engine.bundle), engine.world)
    assert [pair(finding) for finding in said] == list(case.found)
    for finding in said:
        rule = engine.policies[pair(finding).split()[0]]
        assert finding.where == rule.where


# ── laws ────────────────────────────────────────────────────────────────────────────────────────────────────────────

PRINCIPALS = (
    "principal",
    "principal is User",
    "principal is Agent",
    'principal in Group::"staff"',
    'principal in Group::"support"',
    'principal is User in Group::"support"',
    'principal == User::"alice"',
    'principal in User::"bob"',
    'principal in AgentClass::"any"',
    'principal in AgentClass::"support"',
)
ACTIONS = (
    "action",
    'action == Action::"kb.search"',
    'action in Action::"write"',
    'action in Action::"consequential"',
    'action in [Action::"kb.search", Action::"crm.get_customer"]',
    'action in [Action::"crm.update", Action::"kb.search", Action::"crm.get_customer"]',
)
RESOURCES = (
    "resource",
    "resource is Resource",
    'resource in Zone::"crm"',
    'resource in Zone::"kb"',
    'resource == Resource::"crm/customers/42"',
)
ATOMS = (
    "context.flow.tainted",
    "!context.flow.tainted",
    "context.flow.opaque",
    "context.flow.sensitivity >= 2",
    "context.flow.sensitivity == 2",
    "3 <= context.flow.sensitivity",
    "context.flow.sensitivity != 1",
    "context.flow.sensitivity == 1",
    "context.flow.opaque == false",
    'context.flow.categories.contains("pii")',
    "context.flow.categories.isEmpty()",
)
TOOLS = ("kb.search", "crm.get_customer", "crm.update")

conditions = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(("&&", "||")), inner).map(lambda part: f"({' '.join(part)})"),
        inner.map(lambda part: f"!({part})"),
    ),
    max_leaves=4,
)
clauses = st.lists(st.tuples(st.sampled_from(("when", "unless")), conditions), max_size=2).map(
    lambda parts: " ".join(f"{word} {{ {text} }}" for word, text in parts)
)
few_atoms = st.lists(st.sampled_from(ATOMS[:4]), max_size=3, unique=True).map(
    lambda atoms: " ".join(f"when {{ {atom} }}" for atom in atoms)
)
rules = st.tuples(
    st.sampled_from(("permit", "permit", "forbid")),
    st.sampled_from(PRINCIPALS),
    st.sampled_from(ACTIONS),
    st.sampled_from(RESOURCES),
    st.one_of(st.just(""), few_atoms, clauses),
)


@st.composite
def alike(draw: st.DrawFn) -> list[tuple[str, str, str, str, str]]:
    """Rules that differ from the first one in two places at most, so that many of them cover each other."""
    first = draw(rules)
    found = [first]
    for _ in range(draw(st.integers(1, 3))):
        other = draw(rules)
        kept = draw(st.sets(st.integers(0, 4), min_size=3))
        mixed = [first[place] if place in kept else other[place] for place in range(5)]
        found.append((mixed[0], mixed[1], mixed[2], mixed[3], mixed[4]))
    return found


def written(parts: list[tuple[str, str, str, str, str]]) -> list[str]:
    return [
        f'@id("r{number}") {effect} ({principal}, {action}, {resource}) {clause};'
        for number, (effect, principal, action, resource, clause) in enumerate(parts)
    ]


def requests(engine: PolicyEngine) -> Iterator[PolicyRequest]:
    labels = [Label(), Label(sensitivity=2, categories=frozenset({"pii"})), Label(sensitivity=3)]
    for who in (("alice", "support-bot"), ("bob", "loner")):
        mine = subject(engine, *who)
        for tool, label, tainted, opaque in itertools.product(TOOLS, labels, (False, True), (False, True)):
            yield request(mine, tool, flow=flow(label=label, tainted=tainted, opaque=opaque))


def outcomes(engine: PolicyEngine) -> list[list[bool]]:
    """For each request which of its links are allowed: a rule that matters to one link only is seen too."""
    return [[link.allowed for link in engine.decide(each).links] for each in requests(engine)]


@settings(max_examples=MANY, deadline=None)
@given(alike())
def test_without_a_covered_rule_every_decision_is_the_same(parts: list[tuple[str, str, str, str, str]]) -> None:
    texts = written(parts)
    whole = unchecked("\n".join(texts))
    covered = {pair(finding).split()[0] for finding in found(parsed(texts), whole.world)}
    for name in sorted(covered):
        rest = unchecked("\n".join(text for text in texts if f'"{name}"' not in text))
        assert outcomes(rest) == outcomes(whole), (name, texts)
    if covered:  # nor do two of them only cover each other
        left = [text for text in texts if not any(f'"{name}"' in text for name in covered)]
        assert left
        assert outcomes(unchecked("\n".join(left))) == outcomes(whole), texts


@settings(max_examples=MANY * 4, deadline=None)
@given(clauses)
def test_what_is_said_to_contradict_itself_never_holds(clause: str) -> None:
    text = f'@id("a") permit (principal, action == Action::"kb.search", resource) {clause};'
    (tree,) = cedarpy.policies_to_pst(text).static_policies.values()
    if not clash(goals_of(tree.clauses)):
        return
    engine = unchecked(text)
    assert all(engine.decide(each).outcome is Outcome.DENY for each in requests(engine) if each.tool == "kb.search"), (
        text
    )
