"""Recorded history decided again: by the rules that decided it, all comes out as it was; by others, exactly what they
change shows."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from bailiwick import Guard, Outcome
from bailiwick.guard.explaining.redeciding import Coverage, Redecider, Ruling
from bailiwick.guard.explaining.tallying import Tally
from bailiwick.model.decision import Reason
from bailiwick.policy.replay import UnfitKind
from bailiwick.project.backtest import Backtest, Rules, backtest, rules_at_hand
from bailiwick.project.history import PastReader, parts_of
from tests.project.bundles import activate, bundled, project
from tests.project.past_world import BEGIN, copy_of, ended, past, tried
from tests.worlds import AGENT, LOGS, Clock, decisions, edit, make_world, opened

DENY, ASK, ALLOW = Outcome.DENY, Outcome.NEEDS_APPROVAL, Outcome.ALLOW


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return past(tmp_path_factory.mktemp("past"))


def again(folder: Path, rules: Path | None = None, *, processes: int | None = None, since_us: int = 0) -> Tally:
    """All of history, decided by the rules of a folder, or by those that decided it."""
    what = Backtest(folder=folder, rules=None if rules is None else Rules(folder=rules), since_us=since_us)
    if rules is None:
        what = replace(what, at_hand=rules_at_hand(folder))
    found = Tally()
    for found in backtest(what, processes=processes, seen=lambda done, total: None):
        assert found.taken_again <= found.decisions
    return found


def flips(found: Tally) -> dict[tuple[str, Outcome, Outcome], int]:
    counted: Counter[tuple[str, Outcome, Outcome]] = Counter()
    for what, examples in found.ordered:
        counted[what.tool, what.flip.was, what.flip.now] += len(examples)
    return dict(counted)


def events_of(found: Tally) -> set[str]:
    return {each.event for _, examples in found.ordered for each in examples}


# ── by the rules that decided ───────────────────────────────────────────────────────────────────────────────────────


def test_history_has_decisions_of_every_kind(history: Path) -> None:
    found = decisions(history)
    assert {each.body["outcome"] for each in found} == {"allow", "deny", "needs_approval"}
    assert any(each.body["approved"] for each in found)
    assert any("observed" in each.body for each in found)
    assert any(len(each.actor) == 3 for each in found)
    codes = {reason["code"] for each in found for reason in each.body["reasons"]}  # type: ignore[attr-defined]
    assert {"budget-exhausted", "no-permit", "unknown-tool", "on-call-only", "few-puts", "external-mail"} <= codes


@pytest.mark.parametrize("processes", [1, 2])
def test_the_rules_that_decided_decide_all_of_it_the_same(history: Path, processes: int) -> None:
    found = again(history, processes=processes)
    assert found.decisions == len(decisions(history))
    assert found.flips == {}
    assert found.same == found.taken_again > 40
    before = [each for each in decisions(history) if not each.body["policy_digest"]]
    assert found.coverage == {Coverage.TAKEN_AGAIN: found.same, Coverage.BEFORE_POLICY: len(before)}
    assert found.remembered > 0


def test_every_answer_that_was_recorded_is_given_again(history: Path) -> None:
    """Also where another layer had the last word: what the rules said is in the snapshot."""
    decider = Redecider(planes=Rules(folder=history).load())
    with PastReader(tenant="acme", env="test") as reader:
        for part in parts_of(history / LOGS, size=7):
            for each in reader.decisions(part):
                if each.question is not None and each.taken is not None:
                    ruling = decider.rule(each.taken, each.question)
                    assert isinstance(ruling, Ruling)
                    assert (ruling.outcome, each.event.id) == (each.question.answer, each.event.id)


def test_the_same_rules_in_another_folder_change_nothing(history: Path, tmp_path: Path) -> None:
    found = again(history, copy_of(tmp_path))
    assert (found.flips, found.lost) == ({}, {})
    assert found.same == found.taken_again


# ── by other rules ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_forbid_taken_out_shows_exactly_the_calls_that_it_denied(history: Path, tmp_path: Path) -> None:
    new = copy_of(tmp_path)
    edit(new, "policies/desk.cedar", 'resource == Resource::"pages/9");', 'resource == Resource::"pages/7");')
    found = again(history, new)
    denied = [
        each.id
        for each in decisions(history, "page.read")
        if "eve" not in each.actor[0]  # whom no rule permits anything
        and [reason["code"] for reason in each.body["reasons"]] == ["page-9-is-closed"]  # type: ignore[attr-defined]
    ]
    assert len(denied) == 4  # alice's and bob's, and those of the agents that they handed on to
    assert events_of(found) == set(denied)
    assert flips(found) == {("page.read", DENY, ALLOW): 4}
    assert (found.widened, found.narrowed) == (4, 0)


def test_what_gives_most_comes_first(history: Path, tmp_path: Path) -> None:
    new = copy_of(tmp_path)
    edit(new, "policies/desk.cedar", 'resource == Resource::"pages/9");', 'resource == Resource::"pages/1");')
    edit(new, "policies/desk.cedar", "context.flow.recipients_external }", "context.flow.opaque }")
    edit(new, "policies/desk.cedar", "context.usage.nones.after > 2", "context.usage.nones.after > 1")
    found = again(history, new)
    assert [what.flip.widened for what, _ in found.ordered] == sorted(
        (what.flip.widened for what, _ in found.ordered), reverse=True
    )
    counted = flips(found)
    assert counted["page.read", DENY, ALLOW] == 4
    assert counted["mail.send", ASK, ALLOW] > 0
    assert counted["page.read", ALLOW, DENY] > 0
    assert counted["put.none", ALLOW, DENY] > 0
    assert found.same + sum(counted.values()) == found.taken_again


def test_an_approval_counts_while_the_text_of_its_gate_is_the_same(history: Path, tmp_path: Path) -> None:
    new = copy_of(tmp_path)
    edit(new, "policies/desk.cedar", "Mail to strangers needs a lead.", "Mail to strangers needs a person.")
    approved = [each.id for each in decisions(history, "mail.send") if each.body["approved"]]
    found = again(history, new)
    assert flips(found) == {("mail.send", ALLOW, ASK): len(approved)}
    assert events_of(found) == set(approved)


def test_what_a_budget_refused_stays_refused(history: Path, tmp_path: Path) -> None:
    new = copy_of(tmp_path)
    edit(new, "bailiwick.toml", "limit = 2", "limit = 1000")
    assert again(history, new).flips == {}


def test_a_rule_that_is_enforced_at_last_denies_what_it_was_observed_on(history: Path, tmp_path: Path) -> None:
    new = copy_of(tmp_path)
    edit(new, "policies/desk.cedar", '@id("trial") @observe', '@id("trial")')
    observed = {each.id for each in decisions(history, "fact.read") if "observed" in each.body}
    found = again(history, new)
    assert observed
    assert events_of(found) == observed
    assert set(flips(found)) == {("fact.read", ALLOW, DENY)}


def test_equal_calls_at_different_times_are_different_questions_where_rules_read_the_time(tmp_path: Path) -> None:
    folder = copy_of(tmp_path / "old")
    clock = Clock(BEGIN)
    with (
        ended(folder, clock) as guard,
        guard.session(user="alice", agent=AGENT, task="Work", environment={"network": "home"}) as session,
    ):
        for _ in range(6):
            tried(session, "page.read", {"id": "1"})
            clock.forward(ms=1000)
    new = copy_of(tmp_path / "new")
    late = BEGIN // 1000 + 3000
    text = f'@id("late") forbid (principal, action == Action::"page.read", resource) when {{ context.now >= {late} }};'
    edit(new, "policies/desk.cedar", '@id("trial")', f'{text}\n\n@id("trial")')
    found = again(folder, new)
    assert flips(found) == {("page.read", ALLOW, DENY): 3}
    assert events_of(found) == {each.id for each in decisions(folder, "page.read")[3:]}
    same = again(folder, copy_of(tmp_path / "same"))
    assert same.remembered == 5  # and one question where they do not


@pytest.mark.parametrize(
    "condition",
    [
        "context.now >= 0",
        'context.args.id == "1"',
        "context.flow.tainted",
        'context.environment.network == "office"',
        "context.hours.working && context.hours.minute > 570",
        "context.evidence.age_ms > 5",
        "context.task.expires > 5",
        "context.depth > 0",
    ],
)
def test_what_is_remembered_is_what_would_be_decided(history: Path, tmp_path: Path, condition: str) -> None:
    """Also for questions that differ in nothing but what the rules read."""
    new = copy_of(tmp_path)
    rule = f'@id("more") forbid (principal, action == Action::"page.read", resource) when {{ {condition} }};'
    edit(new, "policies/desk.cedar", '@id("trial")', f'{rule}\n\n@id("trial")')
    planes = Rules(folder=new).load()
    shared = Redecider(planes=planes)
    with PastReader(tenant="acme", env="test") as reader:
        for part in parts_of(history / LOGS):
            for each in reader.decisions(part):
                if each.question is not None and each.taken is not None:
                    alone = Redecider(planes=planes).rule(each.taken, each.question)
                    assert shared.rule(each.taken, each.question) == alone
    assert shared.remembered > 0


def test_only_what_is_recent_is_decided_again(history: Path) -> None:
    last = decisions(history)[-1]
    found = again(history, since_us=last.ts_us)
    assert 0 < found.decisions < len(decisions(history))


# ── over another catalog or directory ───────────────────────────────────────────────────────────────────────────────

UNFIT = {
    "a tool is gone": (
        "policies/desk.cedar",
        [('Action::"db.query",\n        ', "")],
        "tools/desk.toml",
        [
            (
                (
                    '[tools."db.query"]\neffects  = ["read"]\n'
                    'args.sql = { type = "sql", dialect = "sqlite", role = "command" }\n'
                ),
                "",
            )
        ],
        UnfitKind.TOOL,
        "db.query",
    ),
    "an argument is of another type": (
        "tools/desk.toml",
        [('args.id    = { type = "string", role = "selector" }', 'args.id    = { type = "long", role = "selector" }')],
        "tools/desk.toml",
        [],
        UnfitKind.ARGUMENT,
        "page.read: args.id",
    ),
    "a resource is named otherwise": (
        "tools/desk.toml",
        [('resource = "pages/{id}"', 'resource = "leaves/{id}"')],
        "policies/desk.cedar",
        [('Resource::"pages/9"', 'Resource::"leaves/9"'), ('Resource::"pages/8"', 'Resource::"leaves/8"')],
        UnfitKind.RESOURCE,
        "page.read: Resource::",
    ),
    "a person has left": (
        "directory.toml",
        [("[users.eve]                       # in no group: no rule speaks of her\n", "")],
        "directory.toml",
        [],
        UnfitKind.PRINCIPAL,
        'User::"eve"',
    ),
    "rules read a fact that nobody asked for": (
        "policies/desk.cedar",
        [
            (
                '@id("trial")',
                (
                    '@id("more") forbid (principal, action == Action::"page.read", resource)\n'
                    'when { !context.facts.on_call.value };\n\n@id("trial")'
                ),
            )
        ],
        "directory.toml",
        [],
        UnfitKind.NOT_RECORDED,
        "page.read: on_call",
    ),
    "the environment says more": (
        "bailiwick.toml",
        [('network = "string"', 'network = "string"\nfloor = "long"')],
        "directory.toml",
        [],
        UnfitKind.ENVIRONMENT,
        "environment.floor",
    ),
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_does_not_fit_is_neither_the_same_nor_a_flip(history: Path, tmp_path: Path, name: str) -> None:
    first, changes, second, more, kind, what = UNFIT[name]
    new = copy_of(tmp_path)
    for path, pairs in ((first, changes), (second, more)):
        for old, text in pairs:
            edit(new, path, old, text)
    found = again(history, new)
    assert {lost.unfit.kind for lost in found.lost} == {kind}
    assert all(what in lost.unfit.what for lost in found.lost)
    assert found.coverage[Coverage.UNFIT] == sum(len(group.examples) for group in found.lost.values()) > 0
    assert found.same + len(events_of(found)) == found.taken_again


# ── what is not covered ─────────────────────────────────────────────────────────────────────────────────────────────


def test_decisions_by_rules_that_are_gone_are_counted_and_not_guessed(tmp_path: Path) -> None:
    with opened(make_world(tmp_path)) as session:
        tried(session, "page.read", {"id": "1"})
    edit(tmp_path, "policies/desk.cedar", "Page 9 is closed.", "Page 9 is shut.")
    with opened(tmp_path, conversation="c-2") as session:
        tried(session, "page.read", {"id": "1"})
    found = again(tmp_path)
    assert found.coverage == {Coverage.OTHER_RULES: 1, Coverage.TAKEN_AGAIN: 1}
    assert found.same == 1


def test_the_rules_of_activated_bundles_are_at_hand_after_others_took_over(tmp_path: Path) -> None:
    folder = project(tmp_path)
    closed = (folder / "policies/desk.cedar").read_text(encoding="utf-8")
    opened_up = closed.replace('resource == Resource::"pages/9"', 'resource == Resource::"pages/7"')
    for sequence, text in ((1, closed), (2, opened_up)):
        with Guard.open(folder) as guard:
            made = bundled(folder, sequence, signers=("alice", "bob"), files={"policies/desk.cedar": text})
            assert not isinstance(activate(guard, made), Reason)
            with guard.session(user="alice", agent=AGENT, task="Work", conversation=f"c-{sequence}") as session:
                tried(session, "page.read", {"id": "9"})
    assert [each.body["outcome"] for each in decisions(folder)] == ["deny", "allow"]
    found = again(folder)
    assert (found.same, found.coverage) == (2, {Coverage.TAKEN_AGAIN: 2})
    what = Backtest(folder=folder, rules=None, at_hand=rules_at_hand(folder)[:1])  # the folder's rules alone
    *_, alone = backtest(what, seen=lambda done, total: None)
    assert alone.coverage == {Coverage.TAKEN_AGAIN: 1, Coverage.OTHER_RULES: 1}


def test_nothing_is_written_by_deciding_again(history: Path) -> None:
    logs = sorted((history / LOGS).glob("log-*.db"))
    before = {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in logs}
    again(history)
    assert before == {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in before}


def test_a_long_session_keeps_its_standpoint_anew_each_day(tmp_path: Path) -> None:
    folder, clock = copy_of(tmp_path), Clock(BEGIN)
    with (
        ended(folder, clock) as guard,
        guard.session(user="alice", agent=AGENT, task="Work", environment={"network": "home"}) as session,
    ):
        for hours in (1, 1, 30, 1):
            tried(session, "page.read", {"id": "1"})
            clock.forward(ms=hours * 3_600_000)
    holding = ["standpoint" in each.commitments for each in decisions(folder, "page.read")]
    assert holding == [True, False, False, True]
    assert again(folder).same == 4
