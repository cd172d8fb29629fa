"""Administration is governed too (DESIGN §5 *State and scale*): by rules of its own, by default nobody may, and each
answer is on record before anything comes of it."""

from __future__ import annotations

import dataclasses
import shutil
import sqlite3
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from bailiwick import ApprovalPending, Denied, Guard, Session
from bailiwick.action.ports import Resolution
from bailiwick.audit.report import State
from bailiwick.errors import LogUnavailable, ProjectError
from bailiwick.guard.administration.administering import authorise
from bailiwick.guard.administration.reconciling import Finding, reconcile
from bailiwick.guard.approvals.approving import Answer, answer
from bailiwick.model.administration import AdminAction
from bailiwick.model.decision import Reason
from bailiwick.model.event import Event, EventKind
from bailiwick.model.suspensions import Target, TargetKind
from bailiwick.stores.log_verification import verify_folder
from tests.docs.markdown import ROOT
from tests.guard.switches import BOT, resumed, suspended
from tests.worlds import FILES, LOGS, MAIL, Tool, asked, claimed, edit, events, make_world, opened


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    action: AdminAction
    resource: str
    may: list[str]
    own: bool = False


CASES = [
    Case(**{**case, "action": AdminAction(case["action"])})
    for case in tomllib.loads((Path(__file__).parent / "data/administration.toml").read_text())["case"]
]


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    folder = tmp_path_factory.mktemp("example") / "support"
    shutil.copytree(ROOT / "examples/support", folder, ignore=shutil.ignore_patterns(".bailiwick", "__pycache__"))
    with Guard.open(folder) as guard:
        yield guard


def may(guard: Guard, person: str, action: AdminAction, resource: str, *, own: bool = False) -> Reason | None:
    return guard.engine.administer(
        lambda core: authorise(core, person, action=action, resource=resource, own=own, os_user="0:test")
    )


def decided(source: Guard | Path) -> list[Event]:
    found = events(source) if isinstance(source, Path) else source.log.events(kinds={EventKind.ADMIN_DECIDED})
    return [event for event in found if event.kind is EventKind.ADMIN_DECIDED]


# ── who may ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_in_the_example_just_these_people_may(example: Guard, case: Case) -> None:
    people = example.project.planes.directory.users
    assert set(case.may) <= people.keys()
    able = [person for person in people if may(example, person, case.action, case.resource, own=case.own) is None]
    assert sorted(able) == sorted(case.may)
    record = decided(example)[-len(people) :]
    assert [(event.body["by"], event.body["outcome"] == "allow") for event in record] == [
        (person, person in case.may) for person in people
    ]
    assert all(event.body["own"] is case.own and event.body["resource"] == case.resource for event in record)


@pytest.mark.parametrize(
    ("person", "code"),
    [
        ("gone", "inactive-person"),
        ("bobb", "unknown-person"),
        ("", "unknown-person"),
        ("desk-bot", "unknown-person"),
        ("nightly", "unknown-person"),
        ("b\ud800b", "unknown-person"),
        ("bob" * 9000, "unknown-person"),
    ],
)
def test_whoever_is_no_active_person_may_nothing_even_where_everybody_may(
    tmp_path: Path, person: str, code: str
) -> None:
    rules = '@id("everybody") permit (principal, action, resource);'
    with Guard.open(make_world(tmp_path, administration_people_cedar=rules)) as guard:
        assert may(guard, "eve", AdminAction.ERASE, "subjects/1") is None
        told = may(guard, person, AdminAction.READ_LOG, "log")
        assert told is not None
        assert told.code == code
        assert [event.body["codes"] for event in decided(guard)] == [[], [code]]
        suspended(guard, Target(TargetKind.USER, "eve"))
        told = may(guard, "eve", AdminAction.ERASE, "subjects/1")
        assert told is not None
        assert told.code == "suspended-person"


@pytest.mark.parametrize(
    "resource", ["logs", "tools/mail.send", "", "log/1", "tools/a/b", "tools/\ud800", "x" * 90_000]
)
def test_a_resource_is_data_and_never_widens(tmp_path: Path, resource: str) -> None:
    rules = '@id("log") permit (principal, action == Action::"admin.read_log", resource == Resource::"log");'
    with Guard.open(make_world(tmp_path, administration_people_cedar=rules)) as guard:
        assert may(guard, "bob", AdminAction.READ_LOG, "log") is None
        assert may(guard, "bob", AdminAction.READ_LOG, resource) is not None


# ── a world of its own ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_permit_for_every_tool_lets_nobody_administer(tmp_path: Path) -> None:
    rules = '@id("all") permit (principal, action, resource);'
    folder = make_world(tmp_path, policies_desk_cedar=rules, administration_people_cedar=None)
    with Guard.open(folder) as guard, guard.session(user="alice", agent="desk-bot", task="Work") as session:
        assert session.check("mail.send", MAIL).allowed
        for action in AdminAction:
            told = may(guard, "bob", action, action.templates[0].replace("{id}", "x"))
            assert told is not None
            assert told.code == "no-administration"
            assert f'action == Action::"{action.value}"' in told.hint, "what to write"


def test_the_rule_that_a_refusal_proposes_is_one(tmp_path: Path) -> None:
    with Guard.open(make_world(tmp_path / "a", administration_people_cedar=None)) as guard:
        told = may(guard, "eve", AdminAction.READ_LOG, "log")
    assert told is not None
    rule = told.hint.partition("for example: ")[2]
    with Guard.open(make_world(tmp_path / "b", administration_people_cedar=rule)) as guard:
        assert may(guard, "eve", AdminAction.READ_LOG, "log") is None


@pytest.mark.parametrize(
    ("place", "rule", "finding"),
    [
        ("administration_people_cedar", 'permit (principal, action == Action::"mail.send", resource);', "unknown-tool"),
        ("administration_people_cedar", 'permit (principal in AgentClass::"desk", action, resource);', "never-fires"),
        ("policies_desk_cedar", 'permit (principal, action == Action::"admin.read_log", resource);', "unknown-tool"),
        (
            "administration_people_cedar",
            '@gate("confirm") forbid (principal, action, resource) unless { context.approved.contains("one") };',
            "gate-on-administration",
        ),
    ],
    ids=["a tool in administration/", "an agent in administration/", "administration in policies/", "a gate"],
)
def test_rules_in_the_wrong_place_do_not_load(tmp_path: Path, place: str, rule: str, finding: str) -> None:
    with pytest.raises(ProjectError) as refused:
        Guard.open(make_world(tmp_path, **{place: f'@id("one") {rule}'}))
    assert finding in [found.rule for found in refused.value.findings]


def test_observing_relaxes_no_administration(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    edit(folder, "bailiwick.toml", "[org]", '[policies]\nmode = "observe"\n\n[org]')
    with Guard.open(folder) as guard:
        assert may(guard, "eve", AdminAction.READ_LOG, "log") is not None
        suspended(guard, BOT, by="carol")
        assert isinstance(resumed(guard, BOT, by="carol"), Reason)
        with pytest.raises(Exception, match="suspended"), guard.session(user="alice", agent="desk-bot", task="Work"):
            pass


# ── on record before anything comes of it ──────────────────────────────────────────────────────────────────────────


class Stop(BaseException):
    """Whoever was at it goes away: neither guard nor tool may take it for an answer."""


def _answer(session: Session, *, grant: bool = True) -> Answer:
    return Answer(approval_id=asked(session)[-1], by=claimed("bob"), grant=grant)


def _finding(folder: Path) -> Finding:
    (put,) = (event for event in events(folder) if event.kind is EventKind.DECISION and "permit" in event.body)
    return Finding(decision=put, resolution=Resolution.DID_NOT_RUN, by="bob", os_user="0:test")


ORDERS: dict[str, Callable[[Guard, Session, Path], object]] = {
    "approve": lambda guard, session, folder: guard.engine.administer(lambda core: answer(core, _answer(session))),
    "deny": lambda guard, session, folder: guard.engine.administer(
        lambda core: answer(core, _answer(session, grant=False))
    ),
    "reconcile": lambda guard, session, folder: guard.engine.administer(lambda core: reconcile(core, _finding(folder))),
    "suspend": lambda guard, session, folder: suspended(guard, BOT, by="bob"),
    "resume": lambda guard, session, folder: resumed(guard, Target(TargetKind.AGENT, "scout"), by="bob"),
}


def state_of(folder: Path) -> list[object]:
    """All that administration could change."""
    with sqlite3.connect(folder / ".bailiwick/state.db") as state:
        return [
            state.execute(f"SELECT * FROM {table}").fetchall() for table in ("approvals", "in_flight", "suspensions")
        ]


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[tuple[Path, Session]]:
    """A project in which there is something to answer, to reconcile and to resume."""
    folder = make_world(tmp_path)

    def stop() -> None:
        raise Stop

    with opened(folder) as session:
        with pytest.raises(ApprovalPending):
            session.call("mail.send", MAIL, run=Tool().run)
        with suppress(Stop):
            session.call("put.none", {"id": "1"}, run=Tool(before=stop).run)
        with Guard.open(folder) as other:
            suspended(other, Target(TargetKind.AGENT, "scout"))
        yield folder, session


@pytest.mark.parametrize("breaks", ["closed", "full"])
@pytest.mark.parametrize("order", ORDERS)
def test_where_the_log_takes_nothing_nothing_is_done(busy: tuple[Path, Session], order: str, breaks: str) -> None:
    folder, session = busy
    before = state_of(folder)
    guard = Guard.open(folder)
    try:
        if breaks == "closed":
            guard._log.close()
        else:
            (used,) = guard._log._db.execute("PRAGMA page_count").fetchone()
            guard._log._db.execute(f"PRAGMA max_page_count = {used}")
            with suppress(LogUnavailable):
                for _ in range(200):
                    may(guard, "x" * 500, AdminAction.READ_LOG, "log")
        with pytest.raises(LogUnavailable):
            ORDERS[order](guard, session, folder)
        assert state_of(folder) == before
    finally:
        with suppress(LogUnavailable):  # a full log may not even take its end
            guard.close()
    with Guard.open(folder) as guard:
        ORDERS[order](guard, session, folder)
        assert state_of(folder) != before, "it would have been done"


@pytest.mark.parametrize("order", ORDERS)
def test_the_record_comes_first(busy: tuple[Path, Session], order: str) -> None:
    """Whoever is at it goes away as soon as the log has the rules' answer: nothing was done yet."""
    folder, session = busy
    before = state_of(folder)
    with Guard.open(folder) as guard:
        seen = len(decided(folder))
        log = guard.log
        append = log.append

        def gone(*args: object, **kwargs: object) -> object:
            append(*args, **kwargs)  # type: ignore[arg-type]
            raise Stop

        object.__setattr__(guard.engine, "ports", _with_log(guard, gone))
        with pytest.raises(Stop):
            ORDERS[order](guard, session, folder)
        assert state_of(folder) == before
        assert len(decided(folder)) == seen + 1
    assert verify_folder(folder / LOGS).state is State.SOUND


def _with_log(guard: Guard, append: Callable[..., object]) -> object:
    class Log:
        def __getattr__(self, name: str) -> object:
            return append if name == "append" else getattr(guard.log, name)

    return dataclasses.replace(guard.engine.ports, log=Log())  # type: ignore[arg-type]


def test_who_may_not_answer_for_a_tool_is_refused_though_the_gate_names_them(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    with opened(folder) as session, pytest.raises(ApprovalPending):
        session.call("mail.send", MAIL, run=Tool().run)
    forbid = 'forbid (principal, action == Action::"admin.approve", resource == Resource::"tools/mail.send");'
    first = '@id("anybody-answers")'
    edit(folder, "administration/people.cedar", first, f'@id("not-mail") {forbid} {first}')
    with opened(folder) as session:
        told = session._engine.administer(lambda core: answer(core, _answer(session)))
        assert isinstance(told, Reason)
        assert told.code == "not-mail"
        with pytest.raises(Denied) as nobody:
            session.call("mail.send", {**MAIL, "body": "Another"}, run=Tool().run)
        assert nobody.value.decision is not None
        assert nobody.value.decision.reasons[0].code == "nobody-can-approve"


def test_what_ones_own_service_does_is_ones_own(tmp_path: Path) -> None:
    """Else who may not answer for their own calls lets a service of theirs make them."""
    rules = "".join(
        f'@id("others-{verb}") permit (principal, action == Action::"admin.{verb}", resource) when {{ !context.own }};'
        for verb in ("approve", "reconcile")
    )
    desk = f'{FILES["policies/desk.cedar"]} @id("nightly") permit (principal == Service::"nightly", action, resource);'
    folder = make_world(tmp_path, administration_people_cedar=rules, policies_desk_cedar=desk)

    def stop() -> None:
        raise Stop

    with Guard.open(folder) as guard, guard.session(service="nightly", agent="desk-bot", task="Tidy") as session:
        with pytest.raises(ApprovalPending):
            session.call("mail.send", MAIL, run=Tool().run)
        with suppress(Stop):
            session.call("put.none", {"id": "1"}, run=Tool(before=stop).run)
        for person, may_it in (("carol", False), ("bob", True)):
            given = Answer(approval_id=asked(session)[-1], by=claimed(person), grant=True)
            found = dataclasses.replace(_finding(folder), by=person)
            answered = guard.engine.administer(lambda core, given=given: answer(core, given))  # type: ignore[misc]
            told = guard.engine.administer(lambda core, found=found: reconcile(core, found))  # type: ignore[misc]
            assert [not isinstance(each, Reason) for each in (answered, told)] == [may_it, may_it]
    assert [event.body["own"] for event in decided(folder)] == [True, True, False, False]


def test_a_rule_can_tell_ones_own_requests_apart(tmp_path: Path) -> None:
    rules = '@id("others") permit (principal, action == Action::"admin.approve", resource) when { !context.own };'
    with opened(make_world(tmp_path, administration_people_cedar=rules)) as session:
        with pytest.raises(ApprovalPending):
            session.call("mail.send", MAIL, run=Tool().run)
        for person, code in (("alice", "not-an-administrator"), ("eve", "not-an-approver")):
            given = Answer(approval_id=asked(session)[-1], by=claimed(person), grant=True)
            told = session._engine.administer(lambda core, given=given: answer(core, given))  # type: ignore[misc]
            assert isinstance(told, Reason)
            assert told.code == code
