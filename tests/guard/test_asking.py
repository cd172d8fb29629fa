"""Asking people: who may read a card, who is asked in vain, withdrawal, escalation, edits, what a card says."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bailiwick import ApprovalPending, Denied, Guard, Session
from bailiwick.action.approvals import Approval, ApprovalStatus
from bailiwick.errors import UsageError
from bailiwick.guard.approvals.approving import Answer, answer, pending, withdrawn
from bailiwick.model.approver import ProofMethod
from bailiwick.model.canonical import parse
from bailiwick.model.circumstances import Evidence, Method
from bailiwick.model.decision import Reason
from bailiwick.model.event import EventKind
from tests.worlds import (
    AGENT,
    MAIL,
    Clock,
    Tool,
    abandon,
    approve,
    asked,
    claimed,
    edit,
    events,
    make_world,
    opened,
    with_ports,
)

CONFIRM = (
    '@id("own-mail") @gate("confirm") forbid (principal, action in Action::"send", resource) '
    'unless { context.approved.contains("own-mail") };\n'
)
BETTER = {**MAIL, "body": "Good evening"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_world(tmp_path)


@pytest.fixture
def session(folder: Path) -> Iterator[Session]:
    with opened(folder) as session:
        yield session


def ask(session: Session, args: dict[str, Any] | None = None) -> str:
    with pytest.raises(ApprovalPending) as waits:
        session.call("mail.send", args or MAIL, run=Tool().run)
    return waits.value.approval_id


def refused(session: Session, args: dict[str, Any] | None = None) -> Reason:
    tool = Tool()
    with pytest.raises(Denied) as denied:
        session.call("mail.send", args or MAIL, run=tool.run)
    assert type(denied.value) is Denied
    assert tool.runs == []
    assert denied.value.decision is not None
    return denied.value.decision.reasons[0]


def answered(
    session: Session, approval_id: str, by: str = "bob", *, method: ProofMethod = ProofMethod.CLAIMED, **how: Any
) -> Approval | Reason:
    given = Answer(approval_id=approval_id, by=claimed(by, method=method), grant=how.pop("grant", True), **how)
    return session._engine.administer(lambda core: answer(core, given))


def code(told: Approval | Reason) -> str:
    return told.code if isinstance(told, Reason) else ""


def held(session: Session, approval_id: str) -> Approval:
    found = session._engine.ports.approvals.get("acme", "test", approval_id)
    assert found is not None
    return found


def kinds_of(folder: Path, kind: EventKind) -> list[dict[str, object]]:
    return [dict(event.body) for event in events(folder) if event.kind is kind]


# ── readers ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_may_not_read_what_the_card_shows_neither_sees_nor_answers_it(folder: Path) -> None:
    edit(
        folder,
        "directory.toml",
        '[users.dora]\ngroups = ["leads"]\nclearance = "restricted"',
        '[users.dora]\ngroups = ["leads"]',
    )
    with opened(folder) as session:
        session.call("fact.read", {"id": "1"}, run=Tool({"mail": "x@acme.example"}).run)
        request = ask(session)
        assert code(answered(session, request, "dora")) == "not-a-reader"
        assert code(answered(session, request, "dora", grant=False)) == "not-a-reader"
        seen = session._engine.administer(lambda core: pending(core, claimed("dora")))
        assert (seen.visible, seen.hidden) == ((), 1)
        assert code(answered(session, request, "bob")) == ""
        session.call("mail.send", MAIL, run=Tool().run)


def test_where_nobody_eligible_may_read_the_card_nobody_is_asked(folder: Path) -> None:
    with opened(folder) as session:
        session.model_input(["a text that nobody knows"])
        assert refused(session).code == "not-a-reader"
        assert asked(session) == ()


def test_readers_of_a_card_are_the_readers_of_its_data(folder: Path) -> None:
    edit(
        folder,
        "tools/desk.toml",
        "untrusted = [], endorses = { mail",
        'readers = ["User::dora"], untrusted = [], endorses = { mail',
    )
    with opened(folder) as session:
        session.call("fact.read", {"id": "1"}, run=Tool({"mail": "x@acme.example"}).run)
        request = ask(session)
        assert code(answered(session, request, "bob")) == "not-a-reader"
        assert code(answered(session, request, "dora")) == ""


def test_an_approver_whose_clearance_was_taken_counts_no_more(folder: Path) -> None:
    with opened(folder) as session:
        session.call("fact.read", {"id": "1"}, run=Tool({"mail": "x@acme.example"}).run)
        assert code(answered(session, ask(session), "bob")) == ""
    edit(
        folder,
        "directory.toml",
        '[users.bob]\ngroups = ["leads"]\nclearance = "restricted"',
        '[users.bob]\ngroups = ["leads"]',
    )
    with opened(folder) as session:
        assert ask(session) == asked(session)[1]


# ── nobody is asked in vain ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("policies/desk.cedar", '@approvers("Group::leads")', '@approvers("Group::leads") @quorum("3")'),
        ("policies/desk.cedar", '@approvers("Group::leads")', '@approvers("User::alice")'),
        ("policies/desk.cedar", '@approvers("Group::leads")', '@approvers("User::carol")'),
        ("policies/desk.cedar", '@approvers("Group::leads")', '@approvers("User::gone")'),
        ("administration/people.cedar", "permit (principal, action", 'permit (principal == User::"eve", action'),
    ],
    ids=["quorum out of reach", "the user alone", "the owner alone", "switched off", "may not answer"],
)
def test_nobody_is_asked_where_too_few_are_left_who_could_say_yes(folder: Path, path: str, old: str, new: str) -> None:
    edit(folder, path, old, new)
    with opened(folder) as session:
        assert session.check("mail.send", MAIL).reasons[0].code == "nobody-can-approve"
        assert refused(session).code == "nobody-can-approve"
        assert asked(session) == ()


# ── confirmations ──────────────────────────────────────────────────────────────────────────────────────────────────


def confirming(folder: Path) -> None:
    edit(folder, "policies/desk.cedar", '@id("external-mail")', f'{CONFIRM}@id("external-mail")')


def test_a_confirmation_opens_its_own_gate_and_no_other(folder: Path) -> None:
    confirming(folder)
    edit(
        folder,
        "administration/people.cedar",
        "permit (principal, action",
        'permit (principal in Group::"leads", action',
    )
    with opened(folder) as session:
        request = ask(session)
        assert code(answered(session, request, "alice", gates=["external-mail"])) == "self-approval"
        assert code(answered(session, request, "bob", gates=["own-mail"])) == "not-the-user"
        assert code(answered(session, request, "alice")) == "", "to confirm one's own call takes no rule"
        assert ask(session) == request
        assert code(answered(session, request, "bob")) == ""
        session.call("mail.send", MAIL, run=Tool().run)


def test_who_signed_in_confirms_by_signing_in(folder: Path) -> None:
    confirming(folder)
    with opened(folder) as session:
        session._open.evidenced(Evidence(method=Method.OIDC, at_ms=1, issuer="https://id.example", subject="alice"))
        request = ask(session)
        assert code(answered(session, request, "bob")) == ""
        assert code(answered(session, request, "alice")) == "confirm-not-proven"
        assert ask(session) == request
        assert code(answered(session, request, "alice", method=ProofMethod.OIDC)) == ""
        session.call("mail.send", MAIL, run=Tool().run)


def test_a_project_may_ask_for_more_than_a_claim(folder: Path) -> None:
    edit(folder, "bailiwick.toml", "[permits]", '[approvals]\nproof = "passkey"\n[permits]')
    with opened(folder) as session:
        request = ask(session)
        for method, expected in ((ProofMethod.CLAIMED, "proof-too-weak"), (ProofMethod.OIDC, "proof-too-weak")):
            assert code(answered(session, request, method=method)) == expected
        assert code(answered(session, request, "dora", method=ProofMethod.PASSKEY)) == ""


# ── time ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("ttl", "longest", "ms"),
    [("", "", 900_000), ('@ttl("1h")', "", 3_600_000), ('@ttl("1m")', "", 60_000), ('@ttl("9d")', "2h", 7_200_000)],
)
def test_a_gate_says_how_long_a_request_of_it_is_good_for(folder: Path, ttl: str, longest: str, ms: int) -> None:
    edit(folder, "policies/desk.cedar", '@approvers("Group::leads")', f'@approvers("Group::leads") {ttl}')
    if longest:
        edit(folder, "bailiwick.toml", "[permits]", f'[approvals]\nlongest = "{longest}"\n[permits]')
    with opened(folder) as session:
        request = held(session, ask(session))
        assert request.expires_ms - request.requested_ms == ms


def test_after_its_time_others_may_decide_too(folder: Path) -> None:
    more = '@approvers("User::bob") @escalate_to("User::dora") @escalate_after("5m")'
    edit(folder, "policies/desk.cedar", '@approvers("Group::leads")', more)
    clock = Clock(time.time_ns() // 1000)
    with opened(folder) as session:
        with_ports(session, clock=clock)
        request = ask(session)
        assert code(answered(session, request, "dora")) == "not-yet-escalated"
        clock.forward(ms=5 * 60_000)
        assert code(answered(session, request, "dora")) == ""
        session.call("mail.send", MAIL, run=Tool().run)


def test_that_a_request_is_over_is_recorded_once_and_holds_when_the_clock_goes_back(folder: Path) -> None:
    clock = Clock(time.time_ns() // 1000)
    with opened(folder) as session:
        with_ports(session, clock=clock)
        request = ask(session)
        assert code(answered(session, request)) == ""
        clock.forward(ms=15 * 60_000)
        for _ in range(2):
            session._engine.administer(lambda core: pending(core, claimed("bob")))
            assert ask(session) != request
        assert kinds_of(folder, EventKind.APPROVAL_EXPIRED) == [{"approval": request}]
        abandon(session)
    with opened(folder) as later:
        # The clock of another process never was ahead: what is over stays over.
        assert ask(later) != request
        assert held(later, request).status is ApprovalStatus.EXPIRED


# ── withdrawal ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("granted", [False, True])
def test_who_asked_takes_a_request_back(folder: Path, session: Session, granted: bool) -> None:
    request = ask(session)
    if granted:
        assert code(answered(session, request)) == ""
    session.withdraw(request)
    assert code(answered(session, request, "dora")) == "approval-withdrawn"
    assert ask(session) != request
    with pytest.raises(UsageError, match="withdrawn already"):
        session.withdraw(request)
    assert kinds_of(folder, EventKind.APPROVAL_WITHDRAWN) == [{"approval": request}]


def test_nobody_else_takes_it_back(folder: Path, session: Session) -> None:
    request = ask(session)
    with opened(folder, conversation="other") as other, pytest.raises(UsageError, match="not yours"):
        other.withdraw(request)
    for person in ("bob", "carol", "eve", "nobody"):
        told = session._engine.administer(lambda core, who=person: withdrawn(core, request, claimed(who)))  # type: ignore[misc]
        assert code(told) == "not-your-request"
    told = session._engine.administer(lambda core: withdrawn(core, request, claimed("alice")))
    assert isinstance(told, Approval)
    assert told.status is ApprovalStatus.WITHDRAWN
    (gone,) = kinds_of(folder, EventKind.APPROVAL_WITHDRAWN)
    assert gone["by"] == "alice"


def test_the_end_of_a_session_withdraws_nothing(folder: Path) -> None:
    with opened(folder) as session:
        request = ask(session)
    with opened(folder) as session:
        assert code(answered(session, request)) == ""
        session.call("mail.send", MAIL, run=Tool().run)


# ── edits ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_promise_4_an_edited_call_runs_once_as_it_was_edited_and_the_original_does_not(
    folder: Path, session: Session
) -> None:
    request = ask(session)
    told = answered(session, request, edited=BETTER)
    assert isinstance(told, Approval)
    assert (told.status, told.edit_of, told.chain) == (ApprovalStatus.GRANTED, request, held(session, request).chain)
    reason = refused(session)
    assert reason.code == "approved-with-edits"
    assert '{"body":"Good evening"}' in reason.message
    tool = Tool()
    session.call("mail.send", BETTER, run=tool.run)
    assert tool.runs == [BETTER]
    assert refused(session).code == "edit-ran"
    assert ask(session, BETTER) not in (request, told.id)
    (edited,) = kinds_of(folder, EventKind.APPROVAL_EDITED)
    assert (edited["approval"], edited["successor"], edited["by"]) == (request, told.id, "bob")


def test_an_edited_call_takes_as_many_people_as_any_other(folder: Path) -> None:
    edit(folder, "policies/desk.cedar", '@approvers("Group::leads")', '@approvers("Group::leads") @quorum("2")')
    with opened(folder) as session:
        request = ask(session)
        assert code(answered(session, request, "dora")) == ""
        told = answered(session, request, "bob", edited=BETTER)
        assert isinstance(told, Approval)
        assert told.status is ApprovalStatus.REQUESTED, "a yes to the original is none to the edit"
        assert ask(session) == told.id
        assert ask(session, BETTER) == told.id
        assert code(answered(session, told.id, "bob")) == "duplicate-approver"
        assert code(answered(session, told.id, "dora")) == ""
        session.call("mail.send", BETTER, run=Tool().run)


@pytest.mark.parametrize(
    ("how", "code_"),
    [
        ({"edited": BETTER, "tool": "put.none"}, "edit-of-another-tool"),
        ({"edited": {**BETTER, "bcc": ["eve@else.example"]}}, "edit-denied"),
        ({"edited": {**BETTER, "to": ["not an address"]}}, "edit-denied"),
        ({"edited": {**BETTER, "to": 3.5}}, "edit-unusable"),
        ({"edited": MAIL}, "edit-changes-nothing"),
        ({"edited": BETTER, "by": "alice"}, "self-approval"),
        ({"edited": BETTER, "by": "carol"}, "owner-approval"),
        ({"edited": BETTER, "by": "eve"}, "not-an-approver"),
        ({"edited": BETTER, "grant": False}, "edit-denied"),
        ({"edited": {**BETTER, "to": ["evil@banned.example"]}}, "edit-denied"),
    ],
)
def test_promise_4_an_edit_that_would_not_do_changes_nothing(folder: Path, how: dict[str, Any], code_: str) -> None:
    ban = (
        '@id("banned") forbid (principal, action in Action::"send", resource) '
        'when { context.send.recipients.contains("evil@banned.example") };'
    )
    edit(folder, "policies/desk.cedar", '@id("external-mail")', f'{ban}\n@id("external-mail")')
    with opened(folder) as session:
        request = ask(session)
        before = held(session, request)
        assert code(answered(session, request, **how)) == code_
        assert held(session, request) == before
        assert code(answered(session, request)) == ""
        session.call("mail.send", MAIL, run=Tool().run)


def test_an_edit_that_needs_a_gate_which_the_editor_has_no_vote_on_waits_for_others(folder: Path) -> None:
    gate = (
        '@id("long") @gate("approval") @approvers("User::eve") forbid (principal, action in Action::"send", resource) '
        'when { context.send.content.length > 40 } unless { context.approved.contains("long") };'
    )
    edit(folder, "policies/desk.cedar", '@id("external-mail")', f'{gate}\n@id("external-mail")')
    long = {**MAIL, "body": "A much longer letter than the one that was asked for"}
    with opened(folder) as session:
        told = answered(session, ask(session), "bob", edited=long)
        assert isinstance(told, Approval)
        assert told.status is ApprovalStatus.REQUESTED
        assert [gate.id for gate in told.gates] == ["long", "external-mail"]
        assert code(answered(session, told.id, "eve")) == ""
        session.call("mail.send", long, run=Tool().run)


def test_an_edit_that_needs_no_approval_is_told_to_the_agent_and_runs(folder: Path) -> None:
    inside = {**MAIL, "to": ["alice@acme.example"]}
    with opened(folder) as session:
        request = ask(session)
        told = answered(session, request, edited=inside)
        assert isinstance(told, Approval)
        assert (told.id, told.status, told.successor) == (request, ApprovalStatus.EDITED, "")
        assert refused(session).code == "approved-with-edits"
        session.call("mail.send", inside, run=Tool().run)


def test_an_edit_that_was_denied_lets_the_agent_ask_anew(session: Session) -> None:
    request = ask(session)
    told = answered(session, request, edited=BETTER)
    assert isinstance(told, Approval)
    assert code(answered(session, told.id, "dora", grant=False)) == ""
    assert ask(session) not in (request, told.id)


def test_a_delegated_call_can_be_edited(folder: Path, session: Session) -> None:
    helper = session.delegate("helper")
    told = answered(helper, ask(helper), edited=BETTER)
    assert isinstance(told, Approval)
    helper.call("mail.send", BETTER, run=Tool().run)
    assert ask(session, BETTER), "not for another chain"


# ── restarts ───────────────────────────────────────────────────────────────────────────────────────────────────────


ANSWERS: dict[str, dict[str, Any]] = {
    "grant": {},
    "deny": {"grant": False},
    "edit": {"edited": BETTER},
}


@pytest.mark.parametrize("after", range(1, 16))
@pytest.mark.parametrize("how", ANSWERS.values(), ids=ANSWERS.keys())
def test_promise_4_an_answer_that_was_cut_off_at_any_step_lifts_no_more_than_the_log_says(
    folder: Path, how: dict[str, Any], after: int
) -> None:
    """Whoever answers dies after so many steps; then everything starts anew."""
    with opened(folder) as session:
        request = ask(session)
        given = Answer(approval_id=request, by=claimed("bob"), grant=how.get("grant", True), edited=how.get("edited"))
        engine = session._engine
        flow: Generator[Any, Any, Any] = engine.now(lambda core: answer(core, given))
        step, done = None, False
        for _ in range(after):
            try:
                step = flow.send(step.do(engine.ports) if step is not None else None)
            except StopIteration:
                done = True
                break
        flow.close()
    recorded = kinds_of(folder, EventKind.APPROVAL_GRANTED) + kinds_of(folder, EventKind.APPROVAL_EDITED)
    runs: dict[str, int] = {}
    with opened(folder) as session:
        for name, args in (("original", MAIL), ("edited", BETTER), ("original", MAIL), ("edited", BETTER)):
            tool = Tool()
            with suppress(ApprovalPending, Denied):
                session.call("mail.send", args, run=tool.run)
            runs[name] = runs.get(name, 0) + len(tool.runs)
    edited = "edited" in how
    assert runs["original"] <= (0 if edited or not how.get("grant", True) else 1)
    assert runs["edited"] <= int(edited)
    assert sum(runs.values()) <= len(recorded)
    if done and how.get("grant", True):
        assert sum(runs.values()) == 1


# ── the card ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_card_says_what_would_happen_where_everything_came_from_and_what_changed(folder: Path) -> None:
    with opened(folder) as session:
        first = ask(session)
        assert code(answered(session, first)) == ""
        session.call("mail.send", MAIL, run=Tool().run)
        session.call("page.read", {"id": "1"}, run=Tool("write to ann@customer.example").run)
        card = parse(held(session, ask(session, {**MAIL, "body": "Second"})).card)
    assert isinstance(card, dict)
    does = card["does"]
    assert isinstance(does, dict)
    assert does["send"]["external"] is True  # type: ignore[index, call-overload]
    origins = card["origins"]
    assert isinstance(origins, list)
    by_name = {item["argument"]: item for item in origins if isinstance(item, dict)}
    assert set(by_name) == {"to", "subject", "body"}, "every argument"
    to = by_name["to"]
    assert (to["untrusted"], to["role"]) == (True, "target")
    assert any("page.read" in str(place) for place in to["seen"])  # type: ignore[union-attr]
    before = card["before"]
    assert isinstance(before, dict)
    assert (before["approval"], before["changed"], before["was"]) == (first, ["body"], {"body": "Good morning"})
    assert isinstance(card["reasons"], list)
    (gate,) = card["reasons"]
    assert isinstance(gate, dict)
    assert (gate["approvers"], gate["quorum"]) == (['Group::"leads"'], 1)
    assert isinstance(card["expires_ms"], int)


def test_a_card_does_not_show_what_its_readers_may_not_read(folder: Path) -> None:
    """The mail that was approved before was written by a session that had seen more."""
    with opened(folder, conversation="secret") as session:
        session.call("fact.read", {"id": "1"}, run=Tool({"mail": "x@acme.example"}).run)
        assert code(answered(session, ask(session, {**MAIL, "body": "The secret"}))) == ""
        session.call("mail.send", {**MAIL, "body": "The secret"}, run=Tool().run)
    with opened(folder) as session:
        request = held(session, ask(session))
    card = parse(request.card)
    assert isinstance(card, dict)
    before = card["before"]
    assert isinstance(before, dict)
    assert (before["changed"], before["was"]) == (["body"], {})
    assert b"The secret" not in request.card


def test_one_gates_yes_never_opens_another(folder: Path) -> None:
    """Two gates with approvers of their own: each needs its own."""
    gate = (
        '@id("weak") @gate("approval") @approvers("User::eve") forbid (principal, action in Action::"send", resource) '
        'unless { context.approved.contains("weak") };'
    )
    edit(folder, "policies/desk.cedar", '@id("external-mail")', f'{gate}\n@id("external-mail")')
    with opened(folder) as session:
        request = ask(session)
        assert code(answered(session, request, "eve")) == ""
        assert code(answered(session, request, "eve", gates=["external-mail"])) == "not-an-approver"
        assert ask(session) == request
        assert approve(session, request, "bob").code == ""
        session.call("mail.send", MAIL, run=Tool().run)


def test_a_store_that_fails_denies(folder: Path) -> None:
    with Guard.open(folder) as guard, guard.session(user="alice", agent=AGENT, task="Work") as session:
        assert code(answered(session, ask(session))) == ""
        tool = Tool()
        file = guard.state._file
        connection, file._connection = file._connection, None
        with pytest.raises(Denied):
            session.call("mail.send", MAIL, run=tool.run)
        assert tool.runs == []
        file._connection = connection
        session.call("mail.send", MAIL, run=tool.run)
