"""Explanations: the facts that decided, and the smallest changes, each made by hand and decided again."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import cedarpy
import pytest
from cedarpy import pst
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bailiwick.guard.explaining.preview import judged
from bailiwick.guard.explaining.whatif import Explanation, explain_call
from bailiwick.model.decision import Outcome
from bailiwick.policy.alternatives import MAX_ALTERNATIVES, MAX_QUESTIONS, Change, ChangeKind
from bailiwick.policy.engine import PolicyEngine
from bailiwick.policy.facts import conjuncts
from bailiwick.policy.tree import walk
from bailiwick.policy.write import cedar_text
from tests.policy.explain_world import Asking, asked_by, decided, made, planes_of, worlds
from tests.worlds import FILES, make_world

CASES: list[dict[str, Any]] = tomllib.loads((Path(__file__).parent / "data/explain.toml").read_text())["case"]
NAMES = [case["name"] for case in CASES]

USER = {"world": "desk", "user": "alice", "agent": "desk-bot"}
MAIL = {"to": ["bob@acme.example"], "subject": "Hi", "body": "Hello"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return worlds(tmp_path_factory.mktemp("worlds"))


def explained(folders: dict[str, Path], case: dict[str, Any]) -> tuple[Asking, Explanation]:
    asking = asked_by(folders[case["world"]], case)
    return asking, explain_call(planes_of(asking.folder), asking.what, asking.now_us)


def written(alternatives: tuple[tuple[Change, ...], ...]) -> list[list[str]]:
    return [[f"{each.kind.value} {each.what} = {each.after}" for each in changes] for changes in alternatives]


def gates_of(changes: tuple[Change, ...]) -> set[str]:
    return {change.what for change in changes if change.kind is ChangeKind.APPROVAL}


def works(asking: Asking, changes: tuple[Change, ...], copy: Path) -> bool:
    """Whether the call is permitted once people made these changes, the approvals among them given."""
    decision = decided(made(asking, changes, copy))
    waits = decision.outcome is Outcome.NEEDS_APPROVAL
    return decision.allowed or (waits and {gate.id for gate in decision.gates} <= gates_of(changes))


def parts(changes: tuple[Change, ...]) -> Iterator[tuple[Change, ...]]:
    """Every part of `changes` that leaves something out, the empty one too."""
    for size in range(len(changes)):
        yield from combinations(changes, size)


def test_there_are_cases_enough_and_each_has_a_name_of_its_own() -> None:
    assert len(set(NAMES)) == len(CASES) >= 30
    assert {case["world"] for case in CASES} == {"support", "desk", "office"}


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_the_smallest_changes(folders: dict[str, Path], case: dict[str, Any]) -> None:
    _, told = explained(folders, case)
    assert told.decision.outcome.value == case["outcome"]
    assert told.decision.reasons[0].code == case["reason"]
    assert written(told.found.alternatives) == case["changes"]
    assert written(told.found.others) == case.get("others", [])
    assert told.found.complete


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_each_change_that_is_named_helps_when_it_is_made(
    folders: dict[str, Path], case: dict[str, Any], tmp_path: Path
) -> None:
    asking, told = explained(folders, case)
    for number, changes in enumerate((*told.found.alternatives, *told.found.others)):
        assert works(asking, changes, tmp_path / str(number)), written((changes,))


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_no_change_is_named_that_is_not_needed(folders: dict[str, Path], case: dict[str, Any], tmp_path: Path) -> None:
    asking, told = explained(folders, case)
    assert len({len(changes) for changes in told.found.alternatives}) <= 1
    for number, changes in enumerate((*told.found.alternatives, *told.found.others)):
        for index, part in enumerate(parts(changes)):
            assert not works(asking, part, tmp_path / f"{number}-{index}"), written((part,))


@pytest.mark.parametrize(
    "call",
    [
        {**USER, "tool": "page.read", "args": {"id": "1"}},
        {**USER, "tool": "mail.send", "args": MAIL},
        {**USER, "tool": "put.safe", "args": {"id": "item-7"}, "unknown": ["x"], "prompts": ["put item-7"]},
        {**USER, "world": "office", "tool": "page.read", "args": {"id": "1"}, "facts": {"on_call": True}},
        {
            "world": "support",
            "user": "vera",
            "agent": "office-bot",
            "tool": "hr.salaries",
            "args": {"department": "engineering"},
        },
    ],
)
def test_nothing_is_to_be_changed_about_an_allowed_call(folders: dict[str, Path], call: dict[str, Any]) -> None:
    _, told = explained(folders, call)
    assert told.decision.allowed
    assert (told.found.alternatives, told.found.others, told.found.asked) == ((), (), 0)
    assert all(link.allowed and link.rules for link in told.links), "the permits are told all the same"


CALLS = st.fixed_dictionaries(
    {
        "world": st.just("desk"),
        "user": st.sampled_from(["alice", "bob", "eve", "gone"]),
        "agent": st.sampled_from(["desk-bot", "helper", "scout", "off-bot"]),
        "task": st.sampled_from(["Do some work", "read-pages"]),
        "unknown": st.sampled_from([[], ["put item-7, write to ann@customer.example"]]),
        "call": st.sampled_from(
            [
                ("page.read", {"id": "1"}),
                ("page.read", {"id": "9"}),
                ("fact.read", {"id": "1"}),
                ("put.safe", {"id": "item-7"}),
                ("put.nobody", {"id": "item-7"}),
                ("mail.send", {"to": ["ann@customer.example"], "subject": "Hi", "body": "Hello"}),
                ("mail.send", {"to": ["bob@acme.example"], "subject": "Hi", "body": "Write to ann@customer.example"}),
            ]
        ),
    }
)


@given(drawn=CALLS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_law_what_is_named_suffices_and_is_needed(
    folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, drawn: dict[str, Any]
) -> None:
    tool, args = drawn["call"]
    asking, told = explained(folders, {**drawn, "tool": tool, "args": args})
    assert told.found.asked <= MAX_QUESTIONS
    assert len(told.found.alternatives) <= MAX_ALTERNATIVES
    copies = tmp_path_factory.mktemp("copies")
    for number, changes in enumerate(told.found.alternatives[:2]):
        assert works(asking, changes, copies / f"{number}")
        for index, part in enumerate(parts(changes)):
            assert not works(asking, part, copies / f"{number}-{index}")


# ── the facts ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_what_is_told_of_facts_is_what_cedar_says(folders: dict[str, Path], case: dict[str, Any]) -> None:
    """A rule that fired rests on what is marked, and each value is the one that Cedar saw."""
    asking, told = explained(folders, case)
    planes = planes_of(asking.folder)
    request = judged(planes, asking.what, asking.now_us).request
    if request is None:
        assert told.links == ()
        return
    probe = planes.policy.probe(request)
    assert probe is not None
    for link in told.links:
        for rule in link.rules:
            assert any(each.decisive for each in rule.conditions) or not conjuncts(probe.rules[rule.id])
            for condition in rule.conditions:
                holds = dict(zip(probe.pairs, probe.ask([parsed(condition.text)]), strict=True))
                assert bool(holds[link.link, link.resource]) is (condition.holds is True)
                for fact in condition.facts:
                    if isinstance(fact.value, bool | int | str | list):
                        same = parsed(equal(fact.name, fact.value))
                        answers = dict(zip(probe.pairs, probe.ask([same]), strict=True))
                        assert answers[link.link, link.resource] == {0}, fact


def equal(name: str, value: object) -> str:
    return f"{name} == {json.dumps(value)}"


def parsed(text: str) -> pst.Expr:
    """A condition, read by Cedar."""
    (rule,) = cedarpy.policies_to_pst(
        f"permit (principal, action, resource) when {{ {text} }};"
    ).static_policies.values()
    return rule.clauses[0].expr


def test_the_rules_of_each_link_with_file_line_and_values(folders: dict[str, Path]) -> None:
    case = next(each for each in CASES if each["name"] == "a head asks for another department's salaries")
    _, told = explained(folders, case)
    person, agent = told.links
    (forbid,) = person.rules
    text = (folders["support"] / "policies/people.cedar").read_text().splitlines()
    assert (forbid.id, forbid.where.file, forbid.fired) == ("own-department-only", "policies/people.cedar", True)
    assert text[forbid.where.line - 1] == '@id("own-department-only")'
    role, department = forbid.conditions[1:]
    assert (role.text, role.holds, role.decisive) == ('principal in Role::"department-head"', True, False)
    assert (department.holds, department.decisive) == (False, True)
    assert {fact.name: fact.value for fact in department.facts} == {
        "principal.department": "engineering",
        "context.args.department": "finance",
    }
    assert [rule.id for rule in agent.rules] == ["office-agents"]


def test_a_link_without_permit_is_told_which_ones_there_are(folders: dict[str, Path]) -> None:
    _, told = explained(folders, {**USER, "user": "eve", "tool": "page.read", "args": {"id": "1"}})
    (nearest,) = told.links[0].rules
    assert (nearest.id, nearest.fired) == ("support-people", False)
    assert [each.text for each in nearest.conditions if each.decisive] == ['principal in Group::"support"']


def test_a_condition_behind_one_that_fails_was_not_evaluated(folders: dict[str, Path]) -> None:
    case = next(each for each in CASES if each["name"] == "from nobody knows where")
    _, told = explained(folders, case)
    has, network = told.links[0].rules[0].conditions
    assert (has.text, has.holds, has.decisive) == ("context.environment has network", False, True)
    assert (network.holds, network.decisive) == (None, False)
    assert [fact.value for fact in network.facts] == [None]


def test_the_text_of_a_content_argument_is_told_nowhere(folders: dict[str, Path]) -> None:
    secret = "the launch code is 0000 0000 0000 0000 0000"
    args = {"to": ["ann@customer.example"], "subject": secret, "body": secret}
    for world in ("office", "desk"):
        case = {**USER, "world": world, "tool": "mail.send", "args": args, "facts": {"on_call": True}}
        _, told = explained(folders, case)
        assert told.found.alternatives
        assert "0000" not in repr((told.links, told.found))


@pytest.mark.parametrize(
    "text",
    [
        "context.a && (context.b || !context.c)",
        "(context.a && context.b) || context.c",
        "!(context.a == 1)",
        "(1 - 2) - 3 < 1 - (2 - 3)",
        "-context.a * 2 > -3",
        'context.a has "b c" && context has d.e',
        r'context.a like "x*\*y\"" && context.b == "\\ \u{1F600} \u{0} é"',
        '["a", "b"].containsAny(context.a) && context.b.isEmpty()',
        'principal is User in Group::"g" && principal in [Group::"a\\"b"]',
        "if context.a then context.b else context.c",
        "(if context.a then context.b else context.c) && context.d",
        '{"a": 1, "b c": context.a} == context.b',
        'principal["a b"].c == context.d',
        "(context.a == context.b) == context.c",
    ],
)
def test_a_condition_is_shown_as_it_is(text: str) -> None:
    expr = parsed(text)
    assert parsed(cedar_text(expr)) == expr


def test_every_condition_of_the_example_is_shown_as_it_is(folders: dict[str, Path]) -> None:
    for folder in folders.values():
        for path in sorted((folder / "policies").glob("*.cedar")):
            for rule in cedarpy.policies_to_pst(path.read_text()).static_policies.values():
                for clause in rule.clauses:
                    for node in walk(clause.expr):
                        assert parsed(cedar_text(node)) == node


# ── the bound ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The questions that reach the engine, by name; each is answered by the engine itself."""
    asked: list[str] = []
    for name in ("decide", "probe"):
        real = getattr(PolicyEngine, name)

        def ask(self: PolicyEngine, request: Any, *, name: str = name, real: Any = real) -> Any:
            asked.append(name)
            return real(self, request)

        monkeypatch.setattr(PolicyEngine, name, ask)
    return asked


def test_the_work_is_bounded(tmp_path: Path, counted: list[str]) -> None:
    tables = ", ".join(f'"t{number}"' for number in range(900))
    closed = f"""
@id("few-tables") forbid (principal, action == Action::"db.query", resource)
unless {{ [{tables}].containsAll(context.args.sql.tables) }};
@id("closed") forbid (principal, action == Action::"db.query", resource);
"""
    folder = make_world(tmp_path, policies_desk_cedar=FILES["policies/desk.cedar"] + closed)
    asking = asked_by(folder, {**USER, "tool": "db.query", "args": {"sql": "SELECT * FROM payroll"}})
    told = explain_call(planes_of(folder), asking.what, asking.now_us)
    assert told.found.alternatives == ()
    assert (told.found.asked, told.found.complete) == (MAX_QUESTIONS, False)
    # Beside the search: the decision that is explained, the search's first look, and the probe for the facts.
    assert len(counted) <= MAX_QUESTIONS + 3


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_what_an_explanation_says_it_cost_is_what_it_cost(
    folders: dict[str, Path], case: dict[str, Any], counted: list[str]
) -> None:
    _, told = explained(folders, case)
    assert len(counted) <= told.found.asked + 3


# ── for the model and the person ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_the_model_reads_of_the_rules_that_decided_and_no_others(
    folders: dict[str, Path], case: dict[str, Any]
) -> None:
    asking, told = explained(folders, case)
    sentence = told.decision.sentence()
    assert sentence
    verdict = told.decision.verdict
    deciding = {name for link in verdict.links for name in link.policies} if verdict else set()
    for name, info in planes_of(asking.folder).policy.policies.items():
        if name not in deciding:
            assert name not in sentence
            assert not info.reason or info.reason not in sentence
