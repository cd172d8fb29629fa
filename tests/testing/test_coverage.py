"""Coverage of rules and conditions, against a project whose numbers were worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from bailiwick.testing import Coverage, measure
from tests.testing.desk import planes_of, ran

RULES = """\
@id("all")
permit (principal, action in [Action::"page.read", Action::"mail.send"], resource);

@id("closed")
forbid (principal is User, action == Action::"page.read", resource)
when {
  context.args has limit &&
  (context.args.limit > 5 || context.args.id == "9")
}
unless { principal in Group::"leads" };

@id("by-mail") @gate("approval") @approvers("Group::leads")
forbid (principal, action in Action::"send", resource)
when   { if context.depth > 0 then false else !context.flow.tainted }
unless { context.approved.contains("by-mail") };

@id("far-off")
forbid (principal in AgentClass::"scout", action == Action::"page.read", resource);
"""

HEAD = """\
now = "2026-03-02T10:15:00Z"
[principals.alice]
user = "alice"
agent = "desk-bot"
task = "Some work"
[principals.bob]
user = "bob"
agent = "desk-bot"
task = "Some work"
"""


def call(name: str, who: str, tool: str, args: str, outcome: str, context: str = "") -> str:
    seen = f'context = "{context}"\n' if context else ""
    return (
        f'[calls.{name}]\ntool = "{tool}"\nargs = {args}\n'
        f'[[case]]\nprincipal = "{who}"\ncall = "{name}"\noutcome = "{outcome}"\n{seen}'
    )


def measured(folder: Path, *calls: str) -> Coverage:
    planes = planes_of(folder, policies_desk_cedar=RULES)
    who = [name for name in ("alice", "bob") if any(f'"{name}"' in each for each in calls)]
    head = HEAD if "bob" in who else HEAD[: HEAD.index("[principals.bob]")]
    results = ran(planes, head + "".join(calls))
    assert [one.wrong for one in results] == [()] * len(calls)
    return measure(planes, results)


def seen(coverage: Coverage) -> dict[str, tuple[bool, bool]]:
    return {one.text: (one.true, one.false) for one in coverage.conditions}


WHEN = 'when { context.args has limit && (context.args.limit > 5 || context.args.id == "9") }'
HAS, OVER, NINE = "context.args has limit", "context.args.limit > 5", 'context.args.id == "9"'
LEADS = 'principal in Group::"leads"'
IF = "when { if context.depth > 0 then false else !context.flow.tainted }"
DEPTH, TAINTED, APPROVED = "context.depth > 0", "context.flow.tainted", 'context.approved.contains("by-mail")'


def test_each_condition_stands_on_its_line(tmp_path: Path) -> None:
    coverage = measured(tmp_path, call("a", "alice", "page.read", '{ id = "1" }', "allow"))
    lines = {one.text: one.where.line for one in coverage.conditions}
    assert lines == {WHEN: 6, HAS: 7, OVER: 8, NINE: 8, LEADS: 10, IF: 14, DEPTH: 14, TAINTED: 14, APPROVED: 15}
    assert {one.where.file for one in coverage.conditions} == {"policies/desk.cedar"}
    assert [(rule.id, rule.where.line) for rule in coverage.rules] == [
        ("all", 1), ("closed", 4), ("by-mail", 12), ("far-off", 17)]  # fmt: skip


def test_evaluation_stops_where_cedar_stops(tmp_path: Path) -> None:
    """No limit is given: what stands behind `has` is never reached, nor is the `unless`."""
    coverage = measured(tmp_path, call("a", "alice", "page.read", '{ id = "1" }', "allow"))
    none = (False, False)
    assert seen(coverage) == {
        WHEN: (False, True), HAS: (False, True), OVER: none, NINE: none, LEADS: none,
        IF: none, DEPTH: none, TAINTED: none, APPROVED: none,
    }  # fmt: skip
    assert [(rule.scope, rule.decided) for rule in coverage.rules] == [
        (True, True), (True, False), (False, False), (False, False)]  # fmt: skip
    # 1 rule of 4, and 2 outcomes of 18
    assert coverage.percent == pytest.approx(100 * 3 / 22)
    missing = {one.text: one.missing for one in coverage.conditions}
    assert (missing[HAS], missing[OVER]) == ("never true", "never reached")
    assert [rule.missing for rule in coverage.rules] == [
        "", "never decides", "no call comes under its scope", "no call comes under its scope"]  # fmt: skip


def test_an_or_stops_at_its_first_truth(tmp_path: Path) -> None:
    coverage = measured(tmp_path, call("a", "alice", "page.read", '{ id = "9", limit = 6 }', "deny"))
    found = seen(coverage)
    assert (found[WHEN], found[HAS], found[OVER], found[NINE]) == (
        (True, False), (True, False), (True, False), (False, False))  # fmt: skip
    assert found[LEADS] == (False, True)


def test_both_outcomes_of_every_condition(tmp_path: Path) -> None:
    coverage = measured(
        tmp_path,
        call("a", "alice", "page.read", '{ id = "1" }', "allow"),
        call("b", "alice", "page.read", '{ id = "1", limit = 6 }', "deny"),
        call("c", "alice", "page.read", '{ id = "9", limit = 5 }', "deny"),
        call("d", "bob", "page.read", '{ id = "9", limit = 4 }', "allow"),
        call("e", "bob", "page.read", '{ id = "1", limit = 3 }', "allow"),
        call("f", "alice", "mail.send", '{ to = ["a@b.example"], subject = "", body = "" }', "needs_approval"),
    )
    found = seen(coverage)
    assert all(found[text] == (True, True) for text in (WHEN, HAS, OVER, NINE, LEADS))
    assert (found[IF], found[DEPTH], found[TAINTED]) == ((True, False), (False, True), (False, True))
    assert found[APPROVED] == (True, True), "what an approval lifts is asked with it too"
    assert [rule.decided for rule in coverage.rules] == [True, True, True, False]
    # 3 rules of 4, and 15 outcomes of 18
    assert coverage.percent == pytest.approx(100 * 18 / 22)
