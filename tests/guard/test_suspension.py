"""Kill switches (DESIGN §5 *Identity*): effective on the next decision of every process, recorded, and lifted by
another person only."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bailiwick import ApprovalPending, Denied, Guard, Session
from bailiwick.audit.report import State
from bailiwick.errors import LogUnavailable, StoreError
from bailiwick.guard.opening import rebind
from bailiwick.model.decision import Reason
from bailiwick.model.event import Event, EventKind
from bailiwick.model.suspensions import Suspension, Target, TargetKind
from bailiwick.stores.log_verification import verify_folder
from bailiwick.stores.sqlite_state_file import StateFile
from bailiwick.stores.sqlite_suspensions import SqliteSuspensions
from tests.cli.terminal import in_a_process
from tests.guard.switches import BOT, EVERYTHING, resumed, suspended
from tests.worlds import AGENT, FILES, LOGS, MAIL, Tool, approve, asked, call, edit, events, make_world, opened

BOTH = pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
READ = ("page.read", {"id": "1"})


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    kind: TargetKind
    of: str
    stops: bool
    service: bool = False


CASES = [Case(**case) for case in tomllib.loads((Path(__file__).parent / "data/switches.toml").read_text())["case"]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_world(tmp_path)


@pytest.fixture
def desk(folder: Path) -> Iterator[Guard]:
    """A guard of its own for whoever administers, as in another process."""
    with Guard.open(folder) as guard:
        yield guard


def held(folder: Path) -> dict[Target, Suspension]:
    """What the store holds, read by its own connection."""
    file = StateFile.open(folder / ".bailiwick/state.db")
    try:
        return dict(SqliteSuspensions(file).suspensions("acme", "test").by_target)
    finally:
        file.close()


def code_of(refused: pytest.ExceptionInfo[Denied]) -> str:
    return refused.value.decision.reasons[0].code


def of_kind(folder: Path, kind: EventKind) -> list[Event]:
    return [event for event in events(folder) if event.kind is kind]


# ── what a suspension stops ────────────────────────────────────────────────────────────────────────────────────────


@BOTH
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_next_decision_knows_of_it_and_of_its_end(folder: Path, desk: Guard, case: Case, use_async: bool) -> None:
    user, service = (None, "nightly") if case.service else ("alice", None)
    with Guard.open(folder) as guard:
        other, session = (
            guard.session(user=user, service=service, agent=AGENT, task="Work", conversation=conversation).__enter__()
            for conversation in ("c-2", "c-1")
        )
        ids = {"c-1": session.id, "c-2": other.id}
        tool, (name, args) = Tool(), READ if not case.service else ("fact.read", {"id": "1"})
        runs = []
        if not case.service:
            call(session, name, args, tool, use_async=use_async)  # warm: every cache has been used
            runs = [args]
        target = Target(TargetKind(case.kind), ids.get(case.of, case.of))
        assert isinstance(suspended(desk, target, by="dora"), Suspension)
        if case.stops:
            with pytest.raises(Denied) as refused:
                call(session, name, args, tool, use_async=use_async)
            assert code_of(refused) == "suspended"
            assert session.check(name, args).reasons[0].code == "suspended"
            assert tool.runs == runs
        else:
            assert session.check(name, args).reasons[0].code != "suspended"
        assert isinstance(resumed(desk, target, by="bob"), Suspension)
        assert session.check(name, args).reasons[0].code != "suspended"
        if not case.service:
            call(session, name, args, tool, use_async=use_async)
            assert tool.runs == [args, args]


def test_what_another_process_suspends_is_denied_here_at_once(folder: Path) -> None:
    with opened(folder) as session:
        tool = Tool()
        for use_async in (False, True):
            call(session, *READ, tool, use_async=use_async)
        said = in_a_process("agents", "suspend", AGENT, "--as", "carol", "--reason", "odd mails", "--dir", folder)
        assert (said.code, said.err) == (0, "")
        for use_async in (True, False):
            with pytest.raises(Denied) as refused:
                call(session, *READ, tool, use_async=use_async)
            assert code_of(refused) == "suspended"
        assert len(tool.runs) == 2
        with pytest.raises(Denied) as unopened, opened(folder, conversation="c-9"):
            pass
        assert code_of(unopened) == "suspended"
        assert in_a_process("agents", "resume", AGENT, "--as", "dora", "--dir", folder).code == 0
        call(session, *READ, tool, use_async=False)
        assert len(tool.runs) == 3
    assert verify_folder(folder / LOGS).state is State.SOUND


@pytest.mark.parametrize("which", ["agent above", "own agent", "session above", "own session", "user"])
def test_one_suspended_link_stops_the_whole_chain_below_it(folder: Path, desk: Guard, which: str) -> None:
    with opened(folder) as session, session.delegate("helper") as child, child.delegate("scout") as deepest:
        targets = {
            "agent above": BOT,
            "own agent": Target(TargetKind.AGENT, "scout"),
            "session above": Target(TargetKind.SESSION, child.id),
            "own session": Target(TargetKind.SESSION, deepest.id),
            "user": Target(TargetKind.USER, "alice"),
        }
        assert deepest.check(*READ).allowed
        suspended(desk, targets[which])
        assert deepest.check(*READ).reasons[0].code == "suspended"
        above = session.check(*READ)
        assert above.allowed is (which not in ("agent above", "user")), "and nothing above it"


def test_work_is_not_handed_to_a_suspended_agent(folder: Path, desk: Guard) -> None:
    suspended(desk, Target(TargetKind.AGENT, "helper"))
    with opened(folder) as session:
        with pytest.raises(Denied) as refused:
            session.delegate("helper")
        assert code_of(refused) == "suspended"
        session.delegate("scout").close()


@BOTH
def test_a_permit_that_nobody_started_ends_with_the_suspension(folder: Path, desk: Guard, use_async: bool) -> None:
    with opened(folder) as session:
        permit = session.enter("put.none", {"id": "1"})
        suspended(desk, BOT)
        with pytest.raises(Denied, match="suspended"):
            asyncio.run(session.astart(permit)) if use_async else session.start(permit)
        resumed(desk, BOT)
        with pytest.raises(Denied, match="used already or withdrawn"):
            session.start(permit)
        tool = Tool()
        session.call("put.none", {"id": "1"}, run=tool.run)
        assert len(tool.runs) == 1, "it did not run before, so it is not in doubt"
    (ended,) = of_kind(folder, EventKind.ACTION_EXPIRED)
    assert ended.body["permit"] == permit.id
    assert verify_folder(folder / LOGS).state is State.SOUND


def test_a_tool_that_runs_already_is_reported_to_the_end(folder: Path, desk: Guard) -> None:
    with opened(folder) as session:
        session.call("put.none", {"id": "1"}, run=Tool(before=lambda: suspended(desk, EVERYTHING)).run)
        assert session.check("put.none", {"id": "2"}).reasons[0].code == "suspended"
    assert len(of_kind(folder, EventKind.ACTION_COMPLETED)) == 1


def test_a_suspended_session_does_not_come_back_under_another_id(folder: Path, desk: Guard) -> None:
    with Guard.open(folder) as guard, guard.session(user="alice", agent=AGENT, task="Work") as session:
        suspended(desk, Target(TargetKind.SESSION, session.id))
        with pytest.raises(Denied) as refused:
            session.rebind("thread-1")
        assert code_of(refused) == "suspended"
        state, request = session._open, session._request
        told = guard.engine.run(guard.engine.now(lambda core: rebind(core, state, request)))
        assert told is not state
        with (
            pytest.raises(Denied) as restored,
            guard.session(user="alice", agent=AGENT, task="Work", conversation=session.conversation),
        ):
            pass
        assert code_of(restored) == "suspended"


# ── approvals ──────────────────────────────────────────────────────────────────────────────────────────────────────


def ask(session: Session) -> str:
    with pytest.raises(ApprovalPending):
        session.call("mail.send", MAIL, run=Tool().run)
    return asked(session)[-1]


def test_an_approval_does_not_count_while_who_gave_it_is_suspended(folder: Path, desk: Guard) -> None:
    with opened(folder) as session:
        assert approve(session, ask(session), "bob").code == ""
        suspended(desk, Target(TargetKind.USER, "bob"))
        with pytest.raises(ApprovalPending) as again:
            session.call("mail.send", MAIL, run=Tool().run)
        assert again.value.decision.reasons[0].code == "approver-suspended"
        assert approve(session, asked(session)[-1], "bob").code == "suspended-person"
        resumed(desk, Target(TargetKind.USER, "bob"), by="dora")
        tool = Tool()
        session.call("mail.send", MAIL, run=tool.run)
        assert len(tool.runs) == 1


def test_an_approval_that_does_not_need_the_suspended_persons_vote_counts(folder: Path, desk: Guard) -> None:
    edit(folder, "policies/desk.cedar", '@approvers("Group::leads")', '@approvers("Group::leads") @quorum("2")')
    with opened(folder) as session:
        request = ask(session)
        assert approve(session, request, "bob").code == ""
        suspended(desk, Target(TargetKind.USER, "bob"))
        assert approve(session, request, "dora").code == ""
        with pytest.raises(Denied) as alone:
            session.call("mail.send", MAIL, run=Tool().run)
        assert code_of(alone) == "nobody-can-approve", "while bob is suspended nobody is asked in vain"
        resumed(desk, Target(TargetKind.USER, "bob"), by="dora")
        session.call("mail.send", MAIL, run=Tool().run)


@pytest.mark.parametrize("target", [BOT, Target(TargetKind.USER, "alice"), Target(TargetKind.TOOL, "mail.send")])
def test_a_request_of_who_is_suspended_can_be_denied_and_not_granted(folder: Path, desk: Guard, target: Target) -> None:
    with opened(folder) as session:
        request = ask(session)
        suspended(desk, target)
        assert approve(session, request, "bob").code == "asker-suspended"
        assert approve(session, request, "bob", grant=False).code == ""


# ── who may ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_suspended_cannot_resume_whatever_the_rules_say(folder: Path, desk: Guard) -> None:
    made = suspended(desk, BOT, by="carol")
    assert isinstance(made, Suspension)
    told = resumed(desk, BOT, by="carol")
    assert isinstance(told, Reason)
    assert (told.code, told.hint) == ("own-suspension", "Who may: bob, dora.")
    assert resumed(desk, BOT, by="dora") == made
    assert held(folder) == {}


def test_the_only_administrator_is_told_that_nobody_else_may(tmp_path: Path) -> None:
    rules = FILES["administration/people.cedar"].replace(
        'principal in Group::"leads", action in [Action::"admin.s',
        'principal == User::"carol", action in [Action::"admin.s',
    )
    with Guard.open(make_world(tmp_path, administration_people_cedar=rules)) as guard:
        suspended(guard, BOT, by="carol")
        told = resumed(guard, BOT, by="carol")
        assert isinstance(told, Reason)
        assert told.hint.startswith("Nobody else may at present")
        other = resumed(guard, BOT, by="bob")
        assert isinstance(other, Reason)
        assert other.code == "not-an-administrator"


@pytest.mark.parametrize(
    ("order", "target", "by", "reason", "code"),
    [
        ("suspend", BOT, "alice", "x", "not-an-administrator"),
        ("suspend", BOT, "gone", "x", "inactive-person"),
        ("suspend", BOT, "nobody", "x", "unknown-person"),
        ("suspend", BOT, "carol", " ", "no-reason"),
        ("suspend", Target(TargetKind.AGENT, "desk-bt"), "carol", "x", "unknown-target"),
        ("suspend", Target(TargetKind.TOOL, "page.write"), "carol", "x", "unknown-target"),
        ("suspend", Target(TargetKind.USER, "\ud800"), "carol", "x", "unknown-target"),
        ("suspend", Target(TargetKind.SESSION, "c-1"), "carol", "x", "unknown-target"),
        ("suspend", Target(TargetKind.SESSION, "4:acme|4:test|4:User|5:alice|8:desk-bot|3:c-7"), "carol", "x",
         "unknown-target"),
        ("suspend", Target(TargetKind.SERVICE, "alice"), "carol", "x", "unknown-target"),
        ("suspend", Target(TargetKind.EVERYTHING, "desk-bot"), "carol", "x", "unknown-target"),
        ("resume", BOT, "carol", "", "not-suspended"),
        ("resume", BOT, "alice", "", "not-an-administrator"),
    ],
)  # fmt: skip
def test_an_order_that_changes_nothing_says_why_and_is_recorded(
    folder: Path, desk: Guard, order: str, target: Target, by: str, reason: str, code: str
) -> None:
    told = suspended(desk, target, by=by, reason=reason) if order == "suspend" else resumed(desk, target, by=by)
    assert isinstance(told, Reason)
    assert told.code == code
    assert told.hint
    assert held(folder) == {}
    (refused,) = of_kind(folder, EventKind.SWITCH_REFUSED)
    assert refused.body["code"] == code
    (decided,) = of_kind(folder, EventKind.ADMIN_DECIDED)
    assert decided.body["os_user"] == "0:test"


def test_a_suspended_person_administers_nothing_and_everything_suspended_stops_no_administrator(
    folder: Path, desk: Guard
) -> None:
    suspended(desk, EVERYTHING, by="carol")
    suspended(desk, Target(TargetKind.USER, "bob"), by="carol")
    told = resumed(desk, EVERYTHING, by="bob")
    assert isinstance(told, Reason)
    assert told.code == "suspended-person"
    assert isinstance(resumed(desk, EVERYTHING, by="dora"), Suspension)
    assert list(held(folder)) == [Target(TargetKind.USER, "bob")]


def test_what_is_suspended_stays_with_who_suspended_it_first(folder: Path, desk: Guard) -> None:
    first = suspended(desk, BOT, by="carol", reason="odd mails")
    told = suspended(desk, BOT, by="dora", reason="mine now")
    assert isinstance(told, Reason)
    assert told.code == "already-suspended"
    assert held(folder) == {BOT: first}


# ── the record ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_order_is_on_record_with_who_why_and_the_account(folder: Path, desk: Guard) -> None:
    made = suspended(desk, BOT, by="carol", reason="odd mails")
    resumed(desk, BOT, by="bob")
    assert isinstance(made, Suspension)
    (stopped,), (lifted,) = of_kind(folder, EventKind.SWITCH_SUSPENDED), of_kind(folder, EventKind.SWITCH_RESUMED)
    assert stopped.id == made.event == lifted.body["suspension"]
    assert {**stopped.body} == {
        "target": "agents",
        "name": "desk-bot",
        "by": "carol",
        "reason": "odd mails",
        "os_user": "0:test",
    }
    assert lifted.parents == (stopped.id,)
    first, second = of_kind(folder, EventKind.ADMIN_DECIDED)
    assert (first.body["action"], first.body["resource"]) == ("admin.suspend", "agents/desk-bot")
    assert (second.body["action"], second.body["policies"]) == ("admin.resume", ["leads-stop"])
    assert verify_folder(folder / LOGS).state is State.SOUND


@pytest.mark.parametrize("breaks", ["log", "store"])
def test_without_a_record_there_is_no_change_and_without_the_store_no_call(
    folder: Path, desk: Guard, breaks: str
) -> None:
    with opened(folder) as session:
        assert session.check(*READ).allowed
        if breaks == "log":
            desk._log.close()
            for order in (suspended, resumed):
                with pytest.raises(LogUnavailable):
                    order(desk, BOT)
            assert held(folder) == {}
            assert session.check(*READ).allowed
        else:
            desk.state.close()
            with pytest.raises(StoreError):
                suspended(desk, BOT)
            with session._engine.ports.suspensions._use(transaction=True) as connection:  # type: ignore[attr-defined]
                connection.execute("DROP TABLE standing")
            assert session.check(*READ).reasons[0].code == "guard-failure", "nobody knows what is suspended"
            with pytest.raises(Denied):
                session.call(*READ, run=Tool().run)


def consistent(folder: Path) -> None:
    """The logs say what the store holds: each suspension that came to be was resumed once, or holds still."""
    orders = {event.body["order"] for event in of_kind(folder, EventKind.SWITCH_REFUSED) if "order" in event.body}
    made = {event.id for event in of_kind(folder, EventKind.SWITCH_SUSPENDED)} - orders
    lifts = [event for event in of_kind(folder, EventKind.SWITCH_RESUMED) if event.id not in orders]
    lifted = [event.body["suspension"] for event in lifts]
    assert len(lifted) == len(set(lifted)), "none was lifted twice"
    stands = {one.event for one in held(folder).values()}
    assert stands | set(lifted) == made
    assert not stands & set(lifted)
    by = {event.id: event.body["by"] for event in of_kind(folder, EventKind.SWITCH_SUSPENDED)}
    assert all(event.body["by"] != by[str(event.body["suspension"])] for event in lifts), "always by another person"
    report = verify_folder(folder / LOGS)
    assert (report.state, report.unknown) == (State.SOUND, ())


def played(orders: list[str]) -> list[int]:
    """Exit statuses of the children that carried them out."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.guard.switches"],
        input="".join(f"{order}\n" for order in orders),
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    assert done.stderr == ""
    return [int(line.split()[1]) for line in done.stdout.splitlines()]


def test_twenty_processes_at_the_same_switches_leave_one_truth(folder: Path) -> None:
    Guard.open(folder).close()
    assert played([f"race {folder} {number}" for number in range(20)]) == [0] * 20
    assert len(of_kind(folder, EventKind.SWITCH_SUSPENDED)) > 1
    assert len(of_kind(folder, EventKind.SWITCH_RESUMED)) > 1
    consistent(folder)


def test_killed_at_any_instant_the_store_holds_nothing_that_no_log_holds(tmp_path: Path) -> None:
    folders = [make_world(tmp_path / str(number)) for number in range(16)]
    statuses = played([f"step {folder} {number}" for number, folder in enumerate(folders)])
    changed = 0
    for number, folder in enumerate(folders):
        lifting = number % 2 == 1
        ids = {event.id for event in events(folder)}
        assert {one.event for one in held(folder).values()} <= ids
        if bool(held(folder)) is not lifting:
            changed += 1
            assert of_kind(folder, EventKind.SWITCH_RESUMED if lifting else EventKind.SWITCH_SUSPENDED)
        assert verify_folder(folder / LOGS).state is State.SOUND
    # Each order touches the log twice and the store once; killed before and after each.
    assert statuses == [-9] * 12 + [0] * 4
    assert changed == 2 + 4, "those that were killed after the last touch, and those that nobody killed"
