"""Budgets through the enforcement point: what is counted, when it is given back, what a denial says."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bailiwick import ApprovalPending, BailiwickError, Denied, Guard, Outcome, Session
from bailiwick.errors import ProjectError, StoreError
from bailiwick.guard.spending import TRIES
from bailiwick.identity.keys import PrivateKey
from bailiwick.model.decision import Decision
from bailiwick.project import load_project
from tests.guard.budget_world import AGENT, budget, code, put, session_of, tally, used, world
from tests.worlds import FILES, MAIL, Clock, Tool, approve, decisions, edit, opened, with_ports

START = 1_700_000_000_000_000


@pytest.fixture
def clock() -> Clock:
    return Clock(START)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return world(tmp_path)


def refusal(session: Session, tool: str, args: dict[str, Any]) -> Decision:
    with pytest.raises(Denied) as denied:
        session.call(tool, args, run=Tool().run)
    return denied.value.decision


def test_a_limit_denies_says_what_is_left_and_frees_in_time(folder: Path, clock: Clock) -> None:
    with Guard.open(folder) as guard:
        with_ports(guard, clock=clock)
        with session_of(guard) as session:
            assert [put(session, number) for number in range(5)] == ["", "", "", "budget-exhausted", "budget-exhausted"]
            (reason,) = refusal(session, "put.safe", {"id": "x"}).reasons
            assert (
                reason.message
                == "This call takes 1 calls, which is more than the budget puts has left: 3 of 3 are used."
            )
            assert reason.hint == "0 calls are left. Enough frees at 2023-11-14 23:14:00Z."
            clock.forward(ms=3_599_000)
            assert put(session) == "budget-exhausted"
            clock.us = 1_700_003_640_000_000  # 23:14:00
            assert put(session) == ""
            assert used(guard) == {"tenant": 1}


def test_what_a_rule_reads_is_what_was_used_and_what_would_be(tmp_path: Path) -> None:
    rule = (
        '@id("two-a-day") @reason("Two changes an hour are enough.")\n'
        'forbid (principal, action in Action::"write", resource) when { context.usage.puts.after > 2 };\n'
    )
    with Guard.open(world(tmp_path, budget(limit=None), rules=rule)) as guard, session_of(guard) as session:
        assert [put(session, number) for number in range(3)] == ["", "", "two-a-day"]
        # A tool of the group that the budget does not count: `after` is what was used already.
        assert code(session, "put.key", {"id": "1"}) == ""
        assert used(guard) == {"tenant": 2}


def test_nobody_is_asked_to_approve_what_a_budget_denies(tmp_path: Path) -> None:
    folder = world(tmp_path, budget("mails", effects=["send"], tools=None, limit=0))
    with Guard.open(folder) as guard, session_of(guard) as session:
        assert session.check("mail.send", MAIL).outcome is Outcome.DENY
        assert refusal(session, "mail.send", MAIL).reasons[0].code == "budget-exhausted"
        assert guard.state.by_session(session.id) == ()


def test_an_approved_call_is_counted_once_and_asking_counts_nothing(tmp_path: Path) -> None:
    folder = world(tmp_path, budget("mails", effects=["send"], tools=None, limit=1))
    with Guard.open(folder) as guard, session_of(guard) as session:
        session.call("fact.read", {"id": "1"}, run=lambda **_: {"name": "Ann"})
        with pytest.raises(ApprovalPending) as pending:
            session.call("mail.send", MAIL, run=Tool().run)
        assert used(guard, "mails") == {}
        assert approve(session, pending.value.approval_id).code == ""
        session.call("mail.send", MAIL, run=Tool().run)
        assert used(guard, "mails") == {"tenant": 1}


@pytest.mark.parametrize(
    ("per", "owners"),
    [
        ("tenant", {"tenant": 3}),
        ("user", {"User::alice": 2, "User::bob": 1}),
        ("agent", {"Agent::desk-bot": 3, "Agent::helper": 1}),
    ],
)
def test_whose_use_is_added_up(tmp_path: Path, per: str, owners: dict[str, int]) -> None:
    with Guard.open(world(tmp_path, budget(per=per))) as guard:
        with session_of(guard) as session:
            assert put(session) == ""
            with session.delegate("helper") as helper:
                assert put(helper) == ""
        with session_of(guard, user="bob") as session:
            assert put(session) == ""
        assert used(guard) == owners


@pytest.mark.parametrize("per", ["session", "task", "agent"])
def test_handing_a_call_on_does_not_get_round_a_budget(tmp_path: Path, per: str) -> None:
    with Guard.open(world(tmp_path, budget(per=per))) as guard, session_of(guard) as session:
        with session.delegate("helper") as helper:
            assert [put(helper, number) for number in range(2)] == ["", ""]
        assert [put(session, number) for number in range(2)] == ["", "budget-exhausted"]
        with session_of(guard, conversation="c-2", agent="helper", task="Other work") as other:
            last = "budget-exhausted" if per == "agent" else ""  # elsewhere the helper goes on with its own count
            assert [put(other, number) for number in range(2)] == ["", last]


def test_a_conversation_that_is_restored_goes_on_where_it_was(tmp_path: Path) -> None:
    folder = world(tmp_path, budget(per="session", window=None))
    for expected in ("", "", "", "budget-exhausted"):
        with opened(folder) as session:
            assert put(session) == expected


def test_a_session_that_moves_to_its_conversation_takes_its_counts_along(tmp_path: Path) -> None:
    task = '\n[tasks.tidy]\npurpose = "Tidy"\nbudget = { shared = 4 }\n'
    tables = (budget(per="session", window=None), budget("by_task", per="task"), budget("shared", limit=None))
    with Guard.open(world(tmp_path, *tables, directory=task)) as guard:
        for thread, expected in (("t-1", 3), ("t-1", 0), ("t-2", 3)):
            with guard.session(user="alice", agent=AGENT, task="tidy") as session:
                before = [put(session, number) for number in range(2)].count("")
                session.rebind(thread)
                after = [put(session, number) for number in range(3)].count("")
            assert before == 2
            assert after == max(0, expected - before)


def test_a_share_bounds_what_another_agent_does_and_its_own_budget_both(folder: Path) -> None:
    with Guard.open(folder) as guard, session_of(guard) as session:
        with session.delegate("helper", budgets={"puts": 1}) as helper:
            assert [put(helper, number) for number in range(2)] == ["", "budget-exhausted"]
            message = refusal(helper, "put.safe", {"id": "x"}).reasons[0].message
            assert "the share of puts that was given" in message
            with pytest.raises(Denied, match="cannot hand on 2"):
                helper.delegate("scout", budgets={"puts": 2})
        with session.delegate("helper", budgets={"puts": 1}) as again:
            assert put(again) == "budget-exhausted", "the same agent in the same work has the same share"
        assert [put(session, number) for number in range(3)] == ["", "", "budget-exhausted"]
        with pytest.raises(Denied, match="no budget"):
            session.delegate("helper", budgets={"pots": 1})


def test_a_token_carries_a_share_that_nobody_below_renews(tmp_path: Path) -> None:
    key = PrivateKey(b"h" * 32)
    rules = '@id("scouts") permit (principal in AgentClass::"scout", action == Action::"put.safe", resource);'
    folder = world(tmp_path, budget(limit=100), budget("mine", per="session", limit=4, window=None), rules=rules)
    edit(folder, "directory.toml", "[agents.helper]\n", f'[agents.helper]\nkeys = ["{key.public}"]\n')
    with Guard.open(folder) as guard, session_of(guard) as session:
        token = session.delegate_token("helper", budgets={"puts": 3}).token
        for expected in (["", ""], ["", "budget-exhausted"]):
            with guard.session(delegation=token, key=key) as helper:  # opened again: where it was
                assert [put(helper, number) for number in range(2)] == expected
        with guard.session(delegation=token, key=key) as helper, helper.delegate("scout") as scout:
            assert put(scout) == "budget-exhausted"
        assert [put(session, number) for number in range(2)] == ["", "budget-exhausted"], "its own, and all together"


def test_observing_counts_and_lifts_no_limit_and_checking_counts_nothing(tmp_path: Path) -> None:
    rule = '@id("r") forbid (principal, action in Action::"write", resource) when { context.usage.read.after > 1 };'
    folder = world(tmp_path, budget(), budget("read", limit=None), rules=rule)
    edit(folder, "bailiwick.toml", "[org]", '[policies]\nmode = "observe"\n[org]')
    with Guard.open(folder) as guard, session_of(guard) as session:
        for _ in range(5):
            assert session.check("put.safe", {"id": "1"}).allowed
        assert used(guard) == {}
        assert [put(session, number) for number in range(4)] == ["", "", "", "budget-exhausted"]
        assert used(guard) == used(guard, "read") == {"tenant": 3}


def test_a_named_task_narrows_a_budget(tmp_path: Path) -> None:
    task = '\n[tasks.tidy]\npurpose = "Tidy"\nbudget = { puts = 1 }\n'
    with Guard.open(world(tmp_path, directory=task)) as guard:
        with session_of(guard, task="tidy") as session:
            assert [put(session, number) for number in range(2)] == ["", "budget-exhausted"]
        with session_of(guard, conversation="c-2") as session:
            assert [put(session, number) for number in range(3)] == ["", "", "budget-exhausted"]


@pytest.mark.parametrize(("tool", "args"), [("put.none", {"id": "1"}), ("put.safe", {"id": "1"})])
def test_a_call_that_is_refused_after_all_takes_nothing(tmp_path: Path, tool: str, args: dict[str, Any]) -> None:
    folder = world(tmp_path, budget(tools=[tool], limit=5))
    with Guard.open(folder) as guard, session_of(guard) as session:
        log = guard.engine.ports.log

        class Full:
            def __getattr__(self, name: str) -> Any:
                return getattr(log, name)

            def append(self, *_: object) -> None:
                raise StoreError("the log is full")

        with_ports(guard, log=Full())
        with pytest.raises(Denied):
            session.call(tool, args, run=Tool().run)
        with_ports(guard, log=log)
        assert used(guard) == {"tenant": 0}
        assert guard.engine.ports.budgets.holds("acme", "test") == ()


def test_a_store_that_cannot_be_asked_denies(folder: Path) -> None:
    with Guard.open(folder) as guard, session_of(guard) as session:
        budgets = guard.engine.ports.budgets

        class Broken:
            def __init__(self, method: str) -> None:
                self.method = method

            def __getattr__(self, name: str) -> Any:
                if name != self.method:
                    return getattr(budgets, name)

                def fails(*_: object, **__: object) -> None:
                    raise StoreError("the disk is gone")

                return fails

        for method in ("read", "reserve"):
            with_ports(guard, budgets=Broken(method))
            tool = Tool()
            with pytest.raises(Denied, match="disk is gone"):
                session.call("put.safe", {"id": "1"}, run=tool.run)
            assert tool.runs == []
        # Where nothing is counted and no rule reads a budget, its store is not asked.
        assert code(session, "put.key", {"id": "1"}) == ""
        with_ports(guard, budgets=Broken("settle"))
        with pytest.raises(BailiwickError, match="disk is gone"):
            session.call("put.safe", {"id": "1"}, run=Tool().run)
        with_ports(guard, budgets=budgets)
        assert used(guard) == {"tenant": 1}


def test_a_clock_that_steps_back_frees_nothing(tmp_path: Path, clock: Clock) -> None:
    with Guard.open(world(tmp_path)) as guard:
        with_ports(guard, clock=clock)
        with session_of(guard) as session:
            assert [put(session, number) for number in range(3)] == ["", "", ""]
        clock.us -= 7_200_000_000
        with session_of(guard, conversation="c-2") as session:
            assert put(session) == "budget-exhausted"


def test_a_call_counts_from_the_moment_of_its_permit_however_long_the_decision_took(
    tmp_path: Path, clock: Clock
) -> None:
    with Guard.open(world(tmp_path, budget(window="60s"))) as guard, session_of(guard) as session:
        clock.us = guard.engine.ports.clock()
        budgets = guard.engine.ports.budgets

        class Slow:
            def __getattr__(self, name: str) -> Any:
                return getattr(budgets, name)

            def read(self, *args: Any) -> Any:
                clock.forward(ms=20_000)
                return budgets.read(*args)

        with_ports(guard, clock=clock, budgets=Slow())
        assert put(session) == ""
        (_, kept), *_rest = tally(guard).values()
        assert [start for start, _ in kept.buckets] == [clock.us // 1_000_000 * 1000]


def test_a_call_is_decided_again_when_others_were_faster_and_denied_if_they_always_are(folder: Path) -> None:
    with Guard.open(folder) as guard, session_of(guard) as session, session_of(guard, conversation="c-2") as other:
        budgets = guard.engine.ports.budgets

        class Racing:
            left = 1
            asked = 0

            def __getattr__(self, name: str) -> Any:
                return getattr(budgets, name)

            def reserve(self, *args: Any, **more: Any) -> bool:
                self.asked += 1
                if self.left:
                    self.left -= 1
                    with_ports(guard, budgets=budgets)
                    budgets.add("acme", "test", args[3], now_ms=more["now_ms"])
                    with_ports(guard, budgets=self)
                return bool(budgets.reserve(*args, **more))

        racing = Racing()
        with_ports(guard, budgets=racing)
        assert put(session) == ""
        assert racing.asked == 2
        assert used(guard) == {"tenant": 2}
        racing.left = 1
        assert put(other) == "budget-exhausted", "the last one went to somebody else, as the second look told"
        edit(folder, "bailiwick.toml", "limit = 3", "limit = 1000000")
    with Guard.open(folder) as guard, session_of(guard) as session:
        budgets, racing = guard.engine.ports.budgets, Racing()
        racing.left = 10 * TRIES
        with_ports(guard, budgets=racing)
        assert put(session) == "budget-contended"
        assert racing.asked == TRIES
        with_ports(guard, budgets=budgets)
        assert budgets.holds("acme", "test") == ()


def test_what_was_counted_for_a_caller_who_went_away_is_given_back_at_the_sessions_end(folder: Path) -> None:
    async def leave_early(session: Session) -> None:
        task = asyncio.ensure_future(session.acall("put.safe", {"id": "1"}, run=Tool().arun))
        while not tally(guard):  # noqa: ASYNC110 - what is waited for is in a file
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    with Guard.open(folder) as guard:
        with session_of(guard) as session:
            asyncio.run(leave_early(session))
        ran = [event for event in decisions(folder, "put.safe") if "permit" in event.body]
        if not ran:  # it went away before its decision was on record
            assert used(guard) == {"tenant": 0}
        assert guard.engine.ports.budgets.holds("acme", "test") == ()


def test_the_record_of_a_decision_holds_the_use_that_it_rested_on(tmp_path: Path) -> None:
    rule = '@id("r") forbid (principal, action in Action::"write", resource) when { context.usage.puts.after > 9 };'
    with Guard.open(world(tmp_path, budget(limit=None), rules=rule)) as guard, session_of(guard) as session:
        assert put(session) == ""
        (event,) = decisions(tmp_path, "put.safe")
        assert b'"usage":{"puts":[0,1]}' in (guard._log.content(event.id, "snapshot") or b"")


BAD = {
    "a budget that no calls are counted by": (budget(tools=None), "missing-key"),
    "a tool that does not exist": (budget(tools=["put.sefa"]), "unknown-tool"),
    "money without a currency": (budget(counts="money", effects=["pay"], tools=None), "missing-key"),
    "money that nobody says the amount of": (budget(counts="money", currency="EUR"), "budget-without-amount"),
    "money of handing work on": (
        budget(counts="money", currency="EUR", effects=["delegate"], tools=None),
        "budget-without-amount",
    ),
    "money of widening a task": (budget(counts="money", currency="EUR", tools=["task.widen"]), "budget-without-amount"),
    "a currency that does not exist": (budget(counts="money", currency="EURO", effects=["pay"]), "unknown-currency"),
    "a currency of calls": (budget(currency="EUR"), "unknown-key"),
    "rows of which none is expected": (budget(counts="rows"), "missing-key"),
    "a unit that does not exist": (budget(counts="call"), "unknown-unit"),
    "a scope that does not exist": (budget(per="team"), "unknown-scope"),
    "an effect that does not exist": (budget(effects=["sendd"]), "unknown-effect"),
    "a window that is none": (budget(window="soon"), "bad-duration"),
    "a limit that is less than nothing": (budget(limit=-1), "out-of-range"),
    "a key that does not exist": (budget(limits=3), "unknown-key"),
    "a name that Cedar cannot read": (budget('"a b"'), "bad-id"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_budget_that_cannot_be_counted_does_not_load(tmp_path: Path, name: str) -> None:
    text, rule = BAD[name]
    with pytest.raises(ProjectError) as refused:
        load_project(world(tmp_path, text))
    assert rule in {finding.rule for finding in refused.value.findings}
    assert all(finding.where.line for finding in refused.value.findings)


def test_a_rule_over_a_budget_that_does_not_exist_does_not_load(tmp_path: Path) -> None:
    rule = '@id("r") forbid (principal, action in Action::"write", resource) when { context.usage.pots.after > 9 };'
    with pytest.raises(ProjectError, match="pots"):
        load_project(world(tmp_path, rules=rule))


def test_what_is_counted_is_part_of_what_an_approval_is_bound_to(tmp_path: Path) -> None:
    digests = {
        load_project(world(tmp_path / str(number), text)).planes.rules_digest
        for number, text in enumerate((budget(), budget(limit=4), budget(window="2h"), budget(per="user")))
    }
    assert len(digests) == 4
    assert FILES["bailiwick.toml"] in (tmp_path / "0" / "bailiwick.toml").read_text()
    assert AGENT == "desk-bot"
