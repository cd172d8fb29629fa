"""Standing grants: for which later calls a remembered yes stands, and for which not (promise 4)."""

from __future__ import annotations

import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bailiwick import ApprovalPending, BailiwickError, Denied, Guard, Session
from bailiwick.action.standing import GrantState
from bailiwick.audit.report import State
from bailiwick.guard.administration.suspending import Order, suspend
from bailiwick.model.event import EventKind
from bailiwick.model.suspensions import Target, TargetKind
from bailiwick.stores.log_verification import verify_folder
from tests.guard.standing_world import HOUR, ask, grants, make_quiet_world, remembered, revoke, send, standing, why
from tests.worlds import (
    LOGS,
    MAIL,
    Clock,
    Tool,
    approve,
    asked,
    decisions,
    edit,
    events,
    opened,
    with_ports,
)

ROOT = Path(__file__).parents[2]
CASES: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "data" / "standing_changes.toml").read_text(encoding="utf-8")
)["case"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_quiet_world(tmp_path)


@pytest.fixture
def session(folder: Path) -> Iterator[Session]:
    with opened(folder) as session:
        yield session


def test_a_remembered_call_runs_again_as_often_as_was_said_and_says_what_it_rests_on(
    folder: Path, session: Session
) -> None:
    grant = standing(session, count=2)
    send(session)
    send(session)
    assert why(session) == "standing-over"
    (kept,) = grants(session)
    assert (kept.used, kept.state, kept.by) == (2, GrantState.ACTIVE, ("bob",))
    lifted = [event.body["approved"] for event in decisions(folder, "mail.send") if event.body["outcome"] == "allow"]
    assert lifted[1:] == [[{"approval": grant.id, "gate": "external-mail"}]] * 2
    (made,) = (event for event in events(folder) if event.kind is EventKind.APPROVAL_REMEMBERED)
    assert made.body["grant"] == grant.id
    assert verify_folder(folder / LOGS).state is State.SOUND


def test_a_yes_that_is_not_to_be_remembered_is_for_once(session: Session) -> None:
    assert approve(session, ask(session).approval_id).code == ""
    send(session)
    assert why(session) == "approval-used"
    assert grants(session) == ()


def test_only_what_was_left_open_may_differ(session: Session) -> None:
    standing(session, open=("body",))
    send(session, {**MAIL, "body": "Good evening, and good night"})
    assert why(session, {**MAIL, "subject": "Bye"}) == "standing-for-other-calls"
    assert why(session, {**MAIL, "to": ["ann@customer.example", "eve@else.example"]}) == "standing-for-other-calls"


@pytest.mark.parametrize("body", ["See https://else.example/x", "Write to eve@else.example"])
def test_an_open_text_brings_no_new_address(session: Session, body: str) -> None:
    standing(session, open=("body",))
    assert why(session, {**MAIL, "body": body}) == "standing-for-other-calls"


@pytest.mark.parametrize("name", ["to", "nothing"])
def test_what_says_where_a_call_goes_cannot_be_left_open(session: Session, name: str) -> None:
    assert remembered(session, ask(session).approval_id, open=(name,)) == "argument-not-open"
    assert grants(session) == ()


@pytest.mark.parametrize(("count", "ttl_ms"), [(21, HOUR), (5, 8 * HOUR + 1)])
def test_the_project_says_for_how_much_at_most(session: Session, count: int, ttl_ms: int) -> None:
    waiting = ask(session).approval_id
    assert remembered(session, waiting, count=count, ttl_ms=ttl_ms) == "remembered-too-long"


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_what_a_standing_grant_outlives(folder: Path, case: dict[str, Any]) -> None:
    with opened(folder) as session:
        standing(session)
        for _ in range(case.get("uses", 0)):
            send(session)
    for change in case.get("change", ()):
        edit(folder, change["path"], change["old"], change["new"])
    with opened(folder) as session:
        if "expect" not in case:
            send(session)
            return
        how = Denied if case.get("outcome") == "deny" else ApprovalPending
        tool = Tool()
        with pytest.raises(BailiwickError) as refused:
            session.call("mail.send", MAIL, run=tool.run)
        assert tool.runs == []
        assert type(refused.value) is how
        assert refused.value.decision.reasons[0].code == case["expect"]


def test_it_is_for_this_conversation_unless_the_whole_task_was_said(folder: Path, session: Session) -> None:
    standing(session)
    with opened(folder, conversation="c-2") as other:
        assert why(other) == "standing-for-another-conversation"
    standing(session, {**MAIL, "subject": "All"}, task_wide=True)
    with opened(folder, conversation="c-2") as other:
        send(other, {**MAIL, "subject": "All"})
    with opened(folder, conversation="c-2", task="Other work") as other:
        assert why(other, {**MAIL, "subject": "All"}) == "external-mail"


def test_it_is_not_for_another_chain_nor_for_those_that_work_was_handed_to(folder: Path, session: Session) -> None:
    standing(session, task_wide=True)
    child = session.delegate("helper", tools=["mail.send"], message="Write to ann@customer.example")
    with pytest.raises((ApprovalPending, Denied)):
        child.call("mail.send", MAIL, run=Tool().run)
    with (
        Guard.open(folder) as guard,
        guard.session(user="alice", agent="helper", task="Work", conversation="c-1") as other,
    ):
        assert why(other) == "external-mail"
    assert grants(session)[0].used == 0


def test_it_ends_when_the_session_has_seen_more_than_the_card_showed(session: Session) -> None:
    standing(session)
    session.call("fact.read", {"id": "1"}, run=Tool({"mail": "x@acme.example"}).run)
    assert why(session) == "approval-label-risen"


def test_it_ends_when_the_session_may_do_less(session: Session) -> None:
    standing(session)
    session.narrow(tools=["mail.send", "page.read"])
    assert why(session) == "standing-for-a-wider-scope"


def test_it_does_not_count_while_who_gave_it_is_suspended(session: Session) -> None:
    standing(session)
    order = Order(target=Target(TargetKind.USER, "bob"), by="dora", reason="Looks odd", os_user="0:test")
    session._engine.administer(lambda core: suspend(core, order))
    with pytest.raises((ApprovalPending, Denied)) as refused:
        session.call("mail.send", MAIL, run=Tool().run)
    assert refused.value.decision.reasons[0].code == "approver-suspended"


def test_a_no_to_the_very_call_counts_more_than_what_was_remembered(session: Session) -> None:
    other = {**MAIL, "body": "Something else"}
    waiting = ask(session, other)
    standing(session, open=("body",))
    assert approve(session, waiting.approval_id, grant=False).code == ""
    assert why(session, other) == "approval-denied"
    send(session, {**MAIL, "body": "A third one"})


@pytest.mark.parametrize("who", ["bob", "alice", "dora"])
def test_who_gave_it_the_user_and_those_who_answer_for_the_tool_revoke_it_at_once(
    folder: Path, session: Session, who: str
) -> None:
    grant = standing(session)
    assert revoke(session, grant.id, who) == ""
    assert why(session) == "approval-used"
    assert revoke(session, grant.id, who) == "standing-over"
    (gone,) = (event for event in events(folder) if event.kind is EventKind.APPROVAL_FORGOTTEN)
    assert (gone.body["by"], gone.body["why"]) == (who, "revoked")


def test_others_neither_see_nor_revoke_it(tmp_path: Path) -> None:
    folder = make_quiet_world(tmp_path)
    edit(
        folder,
        "administration/people.cedar",
        'permit (principal, action == Action::"admin.approve", resource);',
        'permit (principal in Group::"leads", action == Action::"admin.approve", resource);',
    )
    with opened(folder) as session:
        grant = standing(session)
        assert revoke(session, grant.id, "eve") == "not-an-administrator"
        assert revoke(session, grant.id, "gone") == "inactive-person"
        send(session)


def test_once_seen_to_be_over_it_stays_over(folder: Path) -> None:
    with opened(folder) as session:
        clock = Clock(session._engine.ports.clock())
        with_ports(session, clock=clock)
        standing(session, ttl_ms=60_000)
        send(session)
        clock.forward(ms=60_001)
        assert why(session) == "standing-over"
    with opened(folder) as session:
        assert [grant.state for grant in grants(session)] == [GrantState.EXPIRED]
        ask(session)


def test_a_clock_behind_the_yes_lifts_nothing(folder: Path) -> None:
    with opened(folder) as session:
        clock = Clock(session._engine.ports.clock())
        clock.forward(ms=HOUR)
        with_ports(session, clock=clock)
        standing(session)
    with opened(folder) as session:
        assert why(session) == "clock-backwards"


def test_a_quorum_takes_as_many_who_want_the_same_remembered(folder: Path) -> None:
    edit(folder, "policies/desk.cedar", '@approvers("Group::leads")', '@approvers("Group::leads") @quorum("2")')
    with opened(folder) as session:
        first = ask(session).approval_id
        assert remembered(session, first, by="bob") == ""
        assert approve(session, first, "dora").code == ""
        send(session)
        assert grants(session) == (), "one of two wanted it"
        second = ask(session).approval_id
        assert remembered(session, second, by="bob", open=("body",)) == ""
        assert remembered(session, second, by="dora") == ""
        assert grants(session) == (), "two wanted different things"
        send(session)
        third = ask(session).approval_id
        assert remembered(session, third, by="bob", count=3, ttl_ms=HOUR) == ""
        assert remembered(session, third, by="dora", count=9, ttl_ms=HOUR // 2) == ""
        (grant,) = grants(session)
        assert (grant.count, grant.expires_ms - grant.since_ms, grant.by) == (3, HOUR // 2, ("bob", "dora"))
        send(session)
        send(session)


def test_a_gate_that_is_not_to_be_remembered_is_asked_about_each_time(folder: Path) -> None:
    edit(folder, "policies/desk.cedar", '@id("external-mail") @gate', '@id("external-mail") @no_standing @gate')
    with opened(folder) as session:
        assert remembered(session, ask(session).approval_id) == "gate-not-remembered"
        assert asked(session), "the request is as it was"


def test_the_user_alone_remembers_a_confirmation(folder: Path) -> None:
    edit(folder, "policies/desk.cedar", '@gate("approval") @approvers("Group::leads")', '@gate("confirm")')
    with opened(folder) as session:
        waiting = ask(session).approval_id
        assert remembered(session, waiting, by="bob") == "not-the-user"
        assert remembered(session, waiting, by="alice") == ""
        send(session)
        send(session)


def test_where_a_passkey_signs_it_signs_what_is_remembered_too(folder: Path) -> None:
    edit(folder, "policies/desk.cedar", '@id("external-mail") @gate', '@id("external-mail") @phishing_resistant @gate')
    with opened(folder) as session:
        assert remembered(session, ask(session).approval_id) == "remember-not-signed"


def test_a_store_that_other_hands_wrote_a_grant_into_lifts_nothing(folder: Path, session: Session) -> None:
    from dataclasses import replace

    waiting = ask(session).approval_id
    assert approve(session, waiting).code == ""
    send(session)
    kept = standing(session, {**MAIL, "subject": "Another"})
    ports = session._engine.ports
    ports.remembered.keep(replace(kept, id="std-forged", approval=waiting, used=0))
    ports.remembered.keep(replace(kept, id="std-more", count=1000, used=0))
    assert why(session) == "standing-without-source"


def test_of_many_threads_no_more_run_than_were_remembered(folder: Path, session: Session) -> None:
    standing(session, count=7, open=("body",))
    start, runs = threading.Barrier(50), list[str]()

    def run(**args: Any) -> str:
        runs.append(args["body"])
        return "sent"

    def make_call(number: int) -> None:
        start.wait()
        with suppress(BailiwickError):
            session.call("mail.send", {**MAIL, "body": f"Mail number {number}"}, run=run)

    racing = [threading.Thread(target=make_call, args=(number,)) for number in range(50)]
    for thread in racing:
        thread.start()
    for thread in racing:
        thread.join()
    assert len(runs) == 7
    assert grants(session)[0].used == 7


def test_of_many_processes_no_more_run_than_were_remembered(folder: Path) -> None:
    with opened(folder) as session:
        standing(session, count=5, open=("body",))
    racers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.guard.race", str(folder), str(count), "own"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for count in (17, 17, 16)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    assert sum(int(racer.communicate(timeout=60)[0]) for racer in racers) == 5
    assert verify_folder(folder / LOGS).state is State.SOUND
    with opened(folder) as session:
        assert grants(session)[0].left == 0


def test_agents_do_not_flood_people(folder: Path) -> None:
    edit(folder, "bailiwick.toml", "[permits]", "[approvals]\nopen_limit = 3\n\n[permits]")
    with opened(folder) as session:
        first = [ask(session, {**MAIL, "body": f"Mail {number}"}).approval_id for number in range(3)]
        with pytest.raises(Denied) as refused:
            session.call("mail.send", {**MAIL, "body": "One more"}, run=Tool().run)
        assert refused.value.decision.reasons[0].code == "too-many-requests"
        assert ask(session, {**MAIL, "body": "Mail 1"}).approval_id == first[1], "an open one is still the same one"
        session.withdraw(first[0])
        ask(session, {**MAIL, "body": "One more"})
    with opened(folder, conversation="c-2") as other:
        ask(other)


def test_of_many_threads_no_more_ask_than_the_limit(folder: Path) -> None:
    edit(folder, "bailiwick.toml", "[permits]", "[approvals]\nopen_limit = 3\n\n[permits]")
    said: list[str] = []
    with opened(folder) as session:
        ready = threading.Barrier(12)

        def run(number: int) -> None:
            ready.wait()
            try:
                session.call("mail.send", {**MAIL, "body": f"Mail {number}"}, run=Tool().run)
            except ApprovalPending as pending:
                said.append(pending.approval_id)
            except Denied as denied:
                said.append(denied.decision.reasons[0].code)

        threads = [threading.Thread(target=run, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert said.count("too-many-requests") == 9
        assert len(session._engine.ports.approvals.by_session(session.id)) == 3
