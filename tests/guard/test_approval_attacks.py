"""Attacks on requests for approval (promise 4): edits by whoever may not, edits of edits, requests that are over
because the world moved on, one person under two names, clocks that step and stores that fail between any two steps."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bailiwick import ApprovalPending, Session
from bailiwick.action.approvals import Approval, ApprovalStatus
from bailiwick.errors import BailiwickError, ProjectError, StoreError
from bailiwick.guard.approvals.approving import Answer, answer, pending, seen_by, withdrawn
from bailiwick.model.approver import ProofMethod, Proven
from bailiwick.model.event import EventKind
from bailiwick.project.lint import lint
from bailiwick.project.load import load_project
from tests.guard.test_asking import BETTER, answered, ask, code, held, kinds_of, refused
from tests.worlds import MAIL, Clock, Tool, asked, claimed, edit, make_world, opened, with_ports

INSIDE = {**MAIL, "to": ["alice@acme.example"]}
"""A mail that needs no approval."""
GATE = '@approvers("Group::leads")'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_world(tmp_path)


# ── edits ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("who", "expected"), [("eve", "not-an-approver"), ("alice", "self-approval"), ("carol", "owner-approval")]
)
def test_promise_4_who_may_not_say_yes_may_not_edit_either(folder: Path, who: str, expected: str) -> None:
    """Also where the edited call would need nobody."""
    with opened(folder) as session:
        request = ask(session)
        before = held(session, request)
        assert code(answered(session, request, who, edited=INSIDE)) == expected
        assert held(session, request) == before
        assert kinds_of(folder, EventKind.APPROVAL_EDITED) == []


def test_promise_4_who_may_lift_a_gate_of_the_edited_call_alone_may_not_make_it(folder: Path) -> None:
    long = (
        '@id("long") @gate("approval") @approvers("User::eve") forbid (principal, action in Action::"send", resource) '
        'when { context.send.content.length > 40 } unless { context.approved.contains("long") };'
    )
    edit(folder, "policies/desk.cedar", '@id("external-mail")', f'{long}\n@id("external-mail")')
    with opened(folder) as session:
        request = ask(session)
        told = answered(session, request, "eve", edited={**INSIDE, "body": "A letter that is long enough for her gate"})
        assert code(told) == "not-an-approver"
        assert held(session, request).status is ApprovalStatus.REQUESTED


def test_promise_4_an_edit_of_a_signed_gate_is_signed(folder: Path) -> None:
    edit(folder, "policies/desk.cedar", GATE, f"{GATE} @phishing_resistant")
    with opened(folder) as session:
        request = ask(session)
        assert code(answered(session, request, method=ProofMethod.PASSKEY, edited=INSIDE)) == "answer-not-signed"
        assert held(session, request).status is ApprovalStatus.REQUESTED


def test_who_said_yes_before_may_still_edit(folder: Path) -> None:
    edit(folder, "policies/desk.cedar", GATE, f'{GATE} @quorum("2")')
    with opened(folder) as session:
        request = ask(session)
        assert code(answered(session, request, "bob")) == ""
        told = answered(session, request, "bob", edited=BETTER)
        assert isinstance(told, Approval)
        assert told.votes_for("external-mail") == {"bob"}


def test_promise_4_whoever_edits_an_edit_the_original_is_over_all_the_same(folder: Path) -> None:
    third = {**MAIL, "body": "Good night"}
    with opened(folder) as session:
        request = ask(session)
        second = answered(session, request, "bob", edited=BETTER)
        assert isinstance(second, Approval)
        last = answered(session, second.id, "dora", edited=third)
        assert isinstance(last, Approval)
        for args in (MAIL, BETTER):
            reason = refused(session, args)
            assert reason.code == "approved-with-edits"
            assert '{"body":"Good night"}' in reason.message
        tool = Tool()
        session.call("mail.send", third, run=tool.run)
        assert tool.runs == [third]
        assert [refused(session, args).code for args in (MAIL, BETTER)] == ["edit-ran", "edit-ran"]
        assert set(asked(session)) == {request, second.id, last.id}, "nobody was asked again"


def test_an_edit_that_is_edited_back_is_the_call_that_was_asked_for(folder: Path) -> None:
    with opened(folder) as session:
        second = answered(session, ask(session), "bob", edited=BETTER)
        assert isinstance(second, Approval)
        assert code(answered(session, second.id, "dora", edited=MAIL)) == ""
        tool = Tool()
        session.call("mail.send", MAIL, run=tool.run)
        assert tool.runs == [MAIL]
        assert refused(session, BETTER).code == "edit-ran"


@pytest.mark.parametrize(
    ("edited", "expected"),
    [
        ({**BETTER, "subject": None}, "edit-denied"),
        ({**BETTER, "extra": None}, "edit-denied"),
        ({}, "edit-denied"),
        ({**BETTER, "to": []}, "edit-denied"),
        ({**BETTER, "to": "ann@customer.example"}, "edit-denied"),
        ({**BETTER, "body": {"a": 1}}, "edit-denied"),
        ({**BETTER, "subject": "\ud800"}, "edit-unusable"),
        ({**BETTER, "body": "x" * 70_000}, "too-large-to-approve"),
    ],
)
def test_promise_4_an_edit_that_is_no_call_changes_nothing(folder: Path, edited: dict[str, Any], expected: str) -> None:
    with opened(folder) as session:
        request = ask(session)
        before = held(session, request)
        assert code(answered(session, request, edited=edited)) == expected
        assert held(session, request) == before


def test_promise_5_an_edit_does_not_get_round_a_call_that_may_have_run(folder: Path) -> None:
    with opened(folder) as session:
        assert code(answered(session, ask(session, BETTER))) == ""

        def stuck(**args: object) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            session.call("mail.send", BETTER, run=stuck)
        told = answered(session, ask(session), "bob", edited=BETTER)
        assert isinstance(told, Approval)
        assert told.status is ApprovalStatus.GRANTED
        assert refused(session, BETTER).code in ("may-have-run", "under-way")


# ── requests that are over because the world moved on ──────────────────────────────────────────────────────────────


def test_a_request_that_a_newer_one_replaces_is_taken_back(folder: Path) -> None:
    with opened(folder) as session:
        first = ask(session)
        session.call("fact.read", {"id": "1"}, run=Tool({"mail": "x@acme.example"}).run)
        second = ask(session)
        assert first != second
        assert code(answered(session, first)) == "approval-withdrawn"
        shown = session._engine.administer(lambda core: pending(core, claimed("bob")))
        assert [item.id for item in shown.visible] == [second]
        (gone,) = kinds_of(folder, EventKind.APPROVAL_WITHDRAWN)
        assert gone == {"approval": first, "code": "approval-label-risen"}


def test_looking_takes_no_request_back(folder: Path) -> None:
    with opened(folder) as session:
        first = ask(session)
        session.call("fact.read", {"id": "1"}, run=Tool({"mail": "x@acme.example"}).run)
        session.check("mail.send", MAIL)
        assert held(session, first).status is ApprovalStatus.REQUESTED


# ── who answers ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("address", ["bob@acme.example", "BOB@acme.example"])
def test_promise_4_one_mailbox_is_one_person(folder: Path, address: str) -> None:
    edit(folder, "directory.toml", "[users.bob]\n", '[users.bob]\nemail = "bob@acme.example"\n')
    edit(folder, "directory.toml", "[users.dora]\n", f'[users.dora]\nemail = "{address}"\n')
    with pytest.raises(ProjectError, match="duplicate-email"), opened(folder):
        pass


def test_rules_on_administration_see_how_it_is_known_who_answers(folder: Path) -> None:
    fresh = 'when { context.evidence.method == "passkey" && context.evidence.age_ms < 60000 }'
    edit(
        folder,
        "administration/people.cedar",
        'permit (principal, action == Action::"admin.approve", resource);',
        f'permit (principal, action == Action::"admin.approve", resource) {fresh};',
    )
    clock = Clock(time.time_ns() // 1000)
    with opened(folder) as session:
        with_ports(session, clock=clock)
        request = ask(session)

        def by(method: ProofMethod, ago_ms: int) -> Proven:
            return Proven(user="bob", method=method, at_ms=clock.us // 1000 - ago_ms)

        for method, ago_ms, sees in (
            (ProofMethod.CLAIMED, 0, 0),
            (ProofMethod.OIDC, 0, 0),
            (ProofMethod.PASSKEY, 61_000, 0),
            (ProofMethod.PASSKEY, 1_000, 1),
            (ProofMethod.SIGNED, 1_000, 1),
        ):
            who = by(method, ago_ms)
            found = session._engine.administer(lambda core, who=who: pending(core, who))  # type: ignore[misc]
            assert len(found.visible) == sees, (method, ago_ms)
        assert code(answered(session, request)) == "not-an-administrator"
        given = Answer(approval_id=request, by=by(ProofMethod.PASSKEY, 0), grant=True)
        assert code(session._engine.administer(lambda core: answer(core, given))) == ""
        clock.forward(ms=120_000)
        session.call("mail.send", MAIL, run=Tool().run)


def test_to_look_at_many_requests_is_asked_and_recorded_once_for_each_tool(folder: Path) -> None:
    with opened(folder) as session:
        requests = [ask(session, {**MAIL, "body": f"letter {number}"}) for number in range(4)]
        items = [held(session, request) for request in requests]
        before = len(kinds_of(folder, EventKind.ADMIN_DECIDED))
        seen = session._engine.administer(lambda core: seen_by(core, items, claimed("bob")))
        assert [item.id for item in seen] == requests
        assert len(kinds_of(folder, EventKind.ADMIN_DECIDED)) == before + 1


@pytest.mark.parametrize("person", ["bob", "dora"])
def test_a_vote_of_somebody_who_left_counts_again_when_they_are_back(folder: Path, person: str) -> None:
    with opened(folder) as session:
        assert code(answered(session, ask(session), person)) == ""
    entry = f'[users.{person}]\ngroups = ["leads"]\nclearance = "restricted"'
    other = {"bob": "dora", "dora": "bob"}[person]
    edit(folder, "administration/people.cedar", f'principal == User::"{person}"', f'principal == User::"{other}"')
    edit(folder, "directory.toml", entry, "")
    with opened(folder) as session:
        assert ask(session) not in asked(session)[:1]
    (folder / "directory.toml").write_text((folder / "directory.toml").read_text() + f"\n{entry}\n")
    with opened(folder) as session:
        session.call("mail.send", MAIL, run=Tool().run)


def test_promise_4_groups_that_change_between_two_votes_leave_no_quorum_of_one(folder: Path) -> None:
    edit(folder, "policies/desk.cedar", GATE, f'{GATE} @quorum("2")')
    with opened(folder) as session:
        request = ask(session)
        assert code(answered(session, request, "bob")) == ""
    edit(folder, "directory.toml", '[users.bob]\ngroups = ["leads"]', '[users.bob]\ngroups = ["support"]')
    edit(folder, "directory.toml", "[users.eve] ", '[users.eve]\ngroups = ["leads"]\nclearance = "restricted" ')
    with opened(folder) as session:
        tool = Tool()
        assert code(answered(session, request, "dora")) == ""
        with pytest.raises(ApprovalPending):
            session.call("mail.send", MAIL, run=tool.run)
        assert tool.runs == []


# ── clocks and stores ──────────────────────────────────────────────────────────────────────────────────────────────

SOAK = os.environ.get("BAILIWICK_SOAK") == "1"
PORTS = ("log", "approvals", "in_flight", "ledger")


class Fault:
    """Ports that count how often they are touched, all together; at one of these times something happens first."""

    def __init__(self, at: int, happens: Callable[[], None]) -> None:
        self.left = at
        self.happens = happens
        self.came = False

    def into(self, session: Session) -> None:
        ports = session._engine.ports
        with_ports(session, **{name: self._around(getattr(ports, name)) for name in PORTS})

    def _around(self, port: object) -> Any:
        fault = self

        class Port:
            def __getattr__(self, name: str) -> Any:
                work = getattr(port, name)

                def touched(*args: object, **kwargs: object) -> object:
                    fault.left -= 1
                    if fault.left == -1:
                        fault.came = True
                        fault.happens()
                    return work(*args, **kwargs)

                return touched if callable(work) else work

        return Port()


def way(session: Session, tool: Tool, args: dict[str, Any]) -> None:
    """A request's way, and a second try at all of it. A step that fails does not keep the next from being tried."""
    for _ in range(2):
        with suppress(BailiwickError):
            session.call("mail.send", args, run=tool.run)
        requests: tuple[str, ...] = ()
        with suppress(BailiwickError):
            requests = asked(session)[-1:]
        for request in requests:
            with suppress(BailiwickError):
                answered(session, request, "bob")
        with suppress(BailiwickError):
            session.call("mail.send", args, run=tool.run)


def good(session: Session, tool: Tool) -> None:
    """INVARIANT: a run ⇒ an approval of its own, granted by a lead and used."""
    approvals = session._engine.ports.approvals
    found = [approvals.get("acme", "test", name) for name in asked(session)]
    used = [item for item in found if item is not None and item.status is ApprovalStatus.CONSUMED]
    assert len(tool.runs) <= len(used)
    assert all(item.votes_for("external-mail") == {"bob"} for item in used)


def _fails() -> None:
    raise StoreError("the disk is gone", hint="")


def touches(folder: Path) -> int:
    """How often the way of a request touches a store."""
    with opened(folder, conversation="count") as session:
        fault = Fault(10**9, _fails)
        fault.into(session)
        way(session, Tool(), MAIL)
        return 10**9 - fault.left


@pytest.mark.soak
def test_promise_1_a_store_that_fails_at_any_touch_runs_nothing_that_is_not_approved(folder: Path) -> None:
    count = touches(folder)
    assert count > 30
    for at in range(0, count, 1 if SOAK else 5):
        with opened(folder, conversation=f"c-{at}") as session:
            ports, tool = session._engine.ports, Tool()
            args = {**MAIL, "body": f"letter {at}"}
            fault = Fault(at, _fails)
            fault.into(session)
            way(session, tool, args)
            assert fault.came
            with_ports(session, **{name: getattr(ports, name) for name in PORTS})
            good(session, tool)


@pytest.mark.soak
@pytest.mark.parametrize("ms", [-3_600_000, -500, 500, 16 * 60_000])
def test_promise_4_a_clock_that_steps_between_any_two_touches_revives_nothing(folder: Path, ms: int) -> None:
    count = touches(folder)
    for at in range(0, count, 1 if SOAK else 11):
        clock = Clock(time.time_ns() // 1000)
        with opened(folder, conversation=f"c-{at}") as session:
            with_ports(session, clock=clock)
            tool = Tool()
            Fault(at, lambda clock=clock: clock.forward(ms=ms)).into(session)  # type: ignore[misc]
            way(session, tool, {**MAIL, "body": f"letter {at}"})
            good(session, tool)
            clock.forward(ms=max(0, -ms))


def test_promise_4_a_clock_ahead_escalates_and_a_clock_behind_takes_the_yes_away(folder: Path) -> None:
    more = '@approvers("User::bob") @escalate_to("User::dora") @escalate_after("5m")'
    edit(folder, "policies/desk.cedar", GATE, more)
    clock = Clock(time.time_ns() // 1000)
    with opened(folder) as session:
        with_ports(session, clock=clock)
        request = ask(session)
        clock.forward(ms=5 * 60_000 - 1)
        assert code(answered(session, request, "dora")) == "not-yet-escalated"
        clock.forward(ms=-10 * 60_000)
        assert code(answered(session, request, "dora")) == "clock-backwards"
        assert code(answered(session, request, "bob", edited=BETTER)) == "clock-backwards"
        clock.forward(ms=10 * 60_000 + 1)
        assert code(answered(session, request, "dora")) == ""
        clock.forward(ms=-900)
        tool = Tool()
        with pytest.raises(ApprovalPending):
            session.call("mail.send", MAIL, run=tool.run)
        assert tool.runs == []


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ('@ttl("9d")', {"ttl-is-cut"}),
        ('@escalate_to("User::bob") @escalate_after("15m")', {"escalates-too-late"}),
        ('@ttl("1h") @escalate_to("User::bob") @escalate_after("15m")', set()),
    ],
)
def test_times_of_a_gate_that_cannot_be_kept_are_found(folder: Path, said: str, found: set[str]) -> None:
    edit(folder, "policies/desk.cedar", GATE, f"{GATE} {said}")
    rules = {finding.rule for finding in lint(load_project(folder))}
    assert rules & {"ttl-is-cut", "escalates-too-late"} == found


def test_a_session_whose_text_is_vouched_for_can_be_asked_about(folder: Path) -> None:
    with opened(folder) as session:
        session.model_input(["a text that nobody knows"])
        assert refused(session).code == "not-a-reader"
    with opened(folder, conversation="anew") as session:
        session.prompt("a text that nobody knows")
        session.model_input(["a text that nobody knows"])
        assert code(answered(session, ask(session))) == ""
        session.call("mail.send", MAIL, run=Tool().run)


def test_who_may_read_what_nobody_may_is_named_and_needs_the_clearance(folder: Path) -> None:
    settings, directory = folder / "bailiwick.toml", folder / "directory.toml"
    plain, people = settings.read_text(), directory.read_text()
    settings.write_text('approvals.readers = ["User::bob"]\n' + plain)
    with opened(folder, conversation="named") as session:
        session.model_input(["a text that nobody knows"])
        assert code(answered(session, ask(session))) == ""
        session.call("mail.send", MAIL, run=Tool().run)
    directory.write_text(people.replace('clearance = "restricted"', 'clearance = "confidential"'))
    with opened(folder, conversation="too low") as session:
        session.model_input(["a text that nobody knows"])
        assert refused(session).code == "not-a-reader"


def test_nobody_withdraws_what_is_used(folder: Path) -> None:
    with opened(folder) as session:
        request = ask(session)
        assert code(answered(session, request)) == ""
        session.call("mail.send", MAIL, run=Tool().run)
        told = session._engine.administer(lambda core: withdrawn(core, request, claimed("alice")))
        assert code(told) == "approval-consumed"
