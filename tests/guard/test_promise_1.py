"""Promise 1 (DESIGN §3): fail closed. What cannot be decided is denied, the tool does not run, and the log says so."""

from __future__ import annotations

import asyncio
import sqlite3
import time
import tomllib
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bailiwick import Denied, Guard, OutcomeUnrecorded
from bailiwick.audit.report import State
from bailiwick.errors import BailiwickError
from bailiwick.stores.log_verification import verify_folder
from tests.worlds import (
    AGENT,
    LOGS,
    MAIL,
    Clock,
    Tool,
    abandon,
    approve,
    asked,
    call,
    decisions,
    kinds,
    make_world,
    opened,
    with_ports,
)


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    tool: str
    code: str
    args: dict[str, Any] = field(default_factory=dict)
    user: str = ""
    service: str | None = None
    agent: str = AGENT
    task: str = "Work"
    at_opening: bool = False


CASES = [Case(**case) for case in tomllib.loads((Path(__file__).parent / "data/fail_closed.toml").read_text())["case"]]
CASES += [
    Case(name="lone surrogate", tool="page.read", args={"id": "\ud800"}, code="not-canonical"),
    Case(name="object of a class", tool="page.read", args={"id": object()}, code="not-canonical"),
    Case(name="bytes for text", tool="page.read", args={"id": b"1"}, code="not-canonical"),
    Case(name="key that is no text", tool="page.read", args={"id": "1", 1: 1}, code="undeclared-argument"),  # type: ignore[dict-item]
    Case(name="very long text", tool="page.read", args={"id": "1" * 5_000_000}, code="not-canonical"),
]


def attempt(guard: Guard, case: Case, tool: Tool, *, use_async: bool) -> None:
    user = None if case.service else case.user or "alice"
    with guard.session(user=user, service=case.service, agent=case.agent, task=case.task) as session:
        call(session, case.tool, case.args, tool, use_async=use_async)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def shared(world: Path) -> Any:
    with Guard.open(world) as guard:
        yield guard


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_promise_1_a_call_that_cannot_be_decided_is_denied_and_recorded(
    shared: Guard, case: Case, use_async: bool
) -> None:
    tool = Tool()
    with pytest.raises(Denied) as refused:
        attempt(shared, case, tool, use_async=use_async)
    assert refused.value.decision.reasons[0].code == case.code
    assert tool.runs == []
    recorded = shared.log.event(refused.value.event_id)
    assert recorded is not None
    assert recorded.body["outcome"] == "deny"
    assert "permit" not in recorded.body
    assert recorded.body["tool"] == ("session.open" if case.at_opening else case.tool)
    assert (recorded.session == "") is case.at_opening


def test_promise_1_the_same_calls_run_where_they_are_right(shared: Guard) -> None:
    """The table above would prove nothing in a world where everything is denied."""
    for name, args in (
        ("fact.read", {"id": "1"}),
        ("db.query", {"sql": "SELECT 1"}),
        ("page.read", {"id": "1", "limit": 2**53}),
        ("read_page", {"id": "1", "limit": None}),
    ):
        tool = Tool()
        attempt(shared, Case(name="", tool=name, args=args, code=""), tool, use_async=False)
        assert tool.runs == [args]


# ── what breaks around the guard ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Breakage:
    """Something that goes wrong in an open session. `recorded`: the log can still take the denial; `in_doubt`: it may
    have taken the permit without making it durable, and then the denied call counts as one that may have run."""

    name: str
    breaks: Callable[[Guard, Path], object]
    code: str = "guard-failure"
    recorded: bool = True
    in_doubt: bool = False
    tool: str = "put.none"
    long: int = 1


def _state(guard: Guard) -> sqlite3.Connection:
    connection = guard.state._file._connection
    assert connection is not None
    return connection


def _log(guard: Guard) -> sqlite3.Connection:
    return guard._log._db


def _other_hands(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / ".bailiwick/state.db", isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def _locked(guard: Guard, folder: Path) -> sqlite3.Connection:
    _state(guard).execute("PRAGMA busy_timeout = 20")
    holder = sqlite3.connect(folder / ".bailiwick/state.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    return holder


def _no_room(connection: sqlite3.Connection) -> None:
    """From now on the file takes no further page, as on a full disk."""
    (used,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {used}")


def _close_log(guard: Guard, folder: Path) -> None:
    guard._log.close()


def _full_log(guard: Guard, folder: Path) -> None:
    _no_room(_log(guard))


def _full_state(guard: Guard, folder: Path) -> None:
    """Full, and nothing fits into the pages that are there."""
    connection = _state(guard)
    _no_room(connection)
    note = "hex(randomblob(9)), printf('%.*c', ?, 'x'), '', '', '', 'safe', 0, 'ran'"
    for size in (4000, 400, 40, 4, 4):
        with suppress(sqlite3.OperationalError):
            for _ in range(1000):
                connection.execute(f"INSERT INTO in_flight VALUES ({note})", (size,))


def _without_wal(guard: Guard, folder: Path) -> None:
    for path in (folder / LOGS).glob("*.db-wal"):
        path.unlink()


class Raising:
    """A port that works, but for one method, which raises what no store should raise."""

    def __init__(self, port: object, method: str) -> None:
        self._port, self._method = port, method

    def __getattr__(self, name: str) -> Any:
        return self._raise if name == self._method else getattr(self._port, name)

    def _raise(self, *args: object, **kwargs: object) -> object:
        raise RuntimeError("a bug in a port; secret-in-the-bug")

    __call__ = _raise


def _raising(port: str, method: str) -> Callable[[Guard, Path], object]:
    def put_in(guard: Guard, folder: Path) -> None:
        with_ports(guard, **{port: Raising(getattr(guard.engine.ports, port), method)})

    return put_in


def _clock_back(guard: Guard, folder: Path) -> None:
    with_ports(guard, clock=Clock(time.time_ns() // 1000 - 3_600_000_000))


BREAKAGES = [
    Breakage(name="state store closed", breaks=lambda guard, folder: guard.state.close()),
    Breakage(name="state store locked", breaks=_locked),
    Breakage(name="state store full", breaks=_full_state),
    Breakage(
        name="state store read-only", breaks=lambda guard, folder: _state(guard).execute("PRAGMA query_only = ON")
    ),
    Breakage(name="state store lost a table", breaks=lambda guard, folder: _other_hands(folder, "DROP TABLE ledger")),
    Breakage(
        name="state store damaged",
        breaks=lambda guard, folder: _other_hands(
            folder, "INSERT INTO ledger SELECT session, 99, 'content', x'00' FROM ledger LIMIT 1"
        ),
    ),
    Breakage(name="log closed", breaks=_close_log, code="log-unavailable", recorded=False),
    Breakage(name="log full", breaks=_full_log, code="log-unavailable", recorded=False, long=9000),
    Breakage(name="log removed", breaks=_without_wal, code="log-unavailable", recorded=False, in_doubt=True),
    Breakage(name="guard closed", breaks=lambda guard, folder: guard.close(), recorded=False),
    Breakage(name="clock an hour back", breaks=_clock_back, code="clock-backwards"),
    Breakage(name="clock raises", breaks=_raising("clock", "__call__"), recorded=False),
    Breakage(name="ledger raises", breaks=_raising("ledger", "load")),
    Breakage(name="note of calls raises", breaks=_raising("in_flight", "begin")),
    Breakage(name="question for doubts raises", breaks=_raising("in_flight", "in_doubt")),
    Breakage(name="search for approvals raises", breaks=_raising("approvals", "by_digest"), tool="mail.send"),
    Breakage(name="request for approval raises", breaks=_raising("approvals", "save"), tool="mail.send"),
    Breakage(name="log raises", breaks=_raising("log", "append"), recorded=False),
]


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("broken", BREAKAGES, ids=lambda broken: broken.name)
def test_promise_1_an_outage_denies(tmp_path: Path, broken: Breakage, use_async: bool) -> None:
    folder, tool = make_world(tmp_path), Tool()
    guard = Guard.open(folder)
    session = guard.session(user="alice", agent=AGENT, task="Work", conversation="c-1")
    with session:
        session.instructions("Be kind.")
        args = {"id": "1" * broken.long} if broken.tool == "put.none" else MAIL
        holder = broken.breaks(guard, folder)
        with pytest.raises(Denied) as refused:
            call(session, broken.tool, args, tool, use_async=use_async)
        abandon(session)
    if isinstance(holder, sqlite3.Connection):
        holder.close()
    with suppress(BailiwickError):
        guard.close()
    assert refused.value.decision.reasons[0].code == broken.code
    assert "secret-in-the-bug" not in str(refused.value)
    assert tool.runs == []
    recorded = [event.id for event in decisions(folder) if event.body["outcome"] == "deny"]
    assert recorded == ([refused.value.event_id] if broken.recorded else [])
    assert (refused.value.event_id != "") is broken.recorded
    report = verify_folder(folder / LOGS)
    assert report.state is State.SOUND
    permits = [event.id for event in decisions(folder) if "permit" in event.body]
    assert permits == [call.decision for call in report.unknown]
    assert len(permits) <= broken.in_doubt


def test_promise_1_a_broken_log_stays_broken_until_it_is_opened_again(tmp_path: Path) -> None:
    folder, tool = make_world(tmp_path), Tool()
    guard = Guard.open(folder)
    with guard.session(user="alice", agent=AGENT, task="Work", conversation="c-1") as session:
        (limit,) = _log(guard).execute("PRAGMA max_page_count").fetchone()
        _full_log(guard, folder)
        with pytest.raises(Denied):
            session.call("put.none", {"id": "1" * 9000}, run=tool.run)
        _log(guard).execute(f"PRAGMA max_page_count = {limit}")
        with pytest.raises(Denied, match="takes no record"):
            session.call("page.read", {"id": "1"}, run=tool.run)
        abandon(session)
    with suppress(BailiwickError):
        guard.close()
    assert tool.runs == []
    assert "decision" not in kinds(folder)
    with opened(folder) as session:
        session.call("page.read", {"id": "1"}, run=tool.run)
    assert len(tool.runs) == 1


@pytest.mark.parametrize("outage", ["log", "state"])
@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
def test_promise_1_what_a_tool_returned_is_withheld_when_it_cannot_be_recorded(
    tmp_path: Path, outage: str, use_async: bool
) -> None:
    folder = make_world(tmp_path)
    guard = Guard.open(folder)
    session = guard.session(user="alice", agent=AGENT, task="Work", conversation="c-1").__enter__()
    tool = Tool(
        "the-result" * 9000, before=guard.state.close if outage == "state" else lambda: _full_log(guard, folder)
    )
    with pytest.raises(OutcomeUnrecorded) as withheld:
        call(session, "put.none", {"id": "1"}, tool, use_async=use_async)
    assert "the-result" not in str(withheld.value)
    assert len(tool.runs) == 1
    abandon(session)
    session.__exit__(None, None, None)
    guard.close()
    with (
        Guard.open(folder) as again,
        again.session(user="alice", agent=AGENT, task="Work", conversation="c-1") as session,
        pytest.raises(Denied) as refused,
    ):
        session.call("put.none", {"id": "1"}, run=tool.run)
    assert refused.value.decision.reasons[0].code == "may-have-run"
    assert len(tool.runs) == 1


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(("port", "method", "late"), [("clock", "__call__", False), ("log", "append", True)])
def test_promise_1_an_outage_between_the_permit_and_the_tool_denies(
    tmp_path: Path, port: str, method: str, late: bool, use_async: bool
) -> None:
    folder, clock = make_world(tmp_path), Clock(time.time_ns() // 1000)
    with opened(folder) as session:
        with_ports(session, clock=clock)
        permit = session.enter("put.none", {"id": "1"})
        clock.forward(ms=30_000 if late else 0)
        ports = session._engine.ports
        with_ports(session, **{port: Raising(getattr(ports, port), method)})
        with pytest.raises(Denied):
            asyncio.run(session.astart(permit)) if use_async else session.start(permit)
        with_ports(session, clock=clock, log=ports.log)
    assert kinds(folder).count("action.completed") == 0
    assert verify_folder(folder / LOGS).state is State.SOUND


# ── time ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_promise_1_an_expired_task_denies_also_after_a_restart_and_a_clock_set_back(tmp_path: Path) -> None:
    folder, tool = make_world(tmp_path), Tool()
    clock = Clock(time.time_ns() // 1000)
    with Guard.open(folder) as guard:
        with_ports(guard, clock=clock)
        with guard.session(user="alice", agent=AGENT, task="read-pages", conversation="c-1") as session:
            session.call("page.read", {"id": "1"}, run=tool.run)
            clock.forward(ms=10 * 60_000)
            with pytest.raises(Denied) as late:
                session.call("page.read", {"id": "1"}, run=tool.run)
            clock.forward(ms=-500)
            with pytest.raises(Denied) as back:
                session.call("page.read", {"id": "1"}, run=tool.run)
    with Guard.open(folder) as guard:
        with_ports(guard, clock=clock)
        clock.forward(ms=1000)
        with (
            guard.session(user="alice", agent=AGENT, task="read-pages", conversation="c-1") as session,
            pytest.raises(Denied) as restarted,
        ):
            session.call("page.read", {"id": "1"}, run=tool.run)
    assert len(tool.runs) == 1
    assert [late.value.decision.reasons[0].code, restarted.value.decision.reasons[0].code] == ["task-expired"] * 2
    assert back.value.decision.reasons[0].code == "task-expired", "half a second back does not bring it to life again"


def test_promise_1_a_closed_session_denies(shared: Guard) -> None:
    tool = Tool()
    with shared.session(user="alice", agent=AGENT, task="Work") as session:
        session.call("page.read", {"id": "1"}, run=tool.run)
    with pytest.raises(Denied) as refused:
        session.call("page.read", {"id": "1"}, run=tool.run)
    assert refused.value.decision.reasons[0].code == "session-closed"
    assert len(tool.runs) == 1


# ── rules ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_promise_1_a_rule_that_overflows_denies(tmp_path: Path) -> None:
    """Arithmetic in a permit loads; where it overflows, Cedar skips the rule, and we deny and say so."""
    rules = """
        @id("all") permit (principal, action == Action::"page.read", resource)
        when { context.args has limit && context.args.limit * 10000 > 5 };
        @id("rest") permit (principal, action == Action::"page.read", resource);
    """
    folder, tool = make_world(tmp_path, policies_desk_cedar=rules), Tool()
    with Guard.open(folder) as guard, guard.session(user="alice", agent=AGENT, task="Work") as session:
        session.call("page.read", {"id": "1", "limit": 1}, run=tool.run)
        with pytest.raises(Denied) as refused:
            session.call("page.read", {"id": "1", "limit": 2**53}, run=tool.run)
    assert refused.value.decision.reasons[0].code == "policy-error"
    assert len(tool.runs) == 1


def test_promise_1_a_rule_over_an_effect_group_reaches_every_member(shared: Guard) -> None:
    with shared.session(user="alice", agent=AGENT, task="Work") as session:
        before = {tool: session.check(tool, {"id": "77"}).outcome for tool in ("put.none", "put.key", "put.safe")}
        session.model_input(["a stranger's text"])
        after = {tool: session.check(tool, {"id": "77"}) for tool in before}
    assert set(before.values()) == {"allow"}
    assert {name: decision.reasons[0].code for name, decision in after.items()} == dict.fromkeys(
        before, "chosen-by-others"
    )


def test_promise_1_who_is_switched_off_while_a_session_runs_is_denied_at_the_next_opening(tmp_path: Path) -> None:
    folder, tool = make_world(tmp_path), Tool()
    with opened(folder) as session:
        with pytest.raises(BailiwickError, match="approval"):
            session.call("mail.send", MAIL, run=tool.run)
        assert approve(session, asked(session)[0]).code == ""
    text = (folder / "directory.toml").read_text()
    (folder / "directory.toml").write_text(text.replace("[users.alice]", "[users.alice]\nactive = false"))
    with (
        Guard.open(folder) as guard,
        pytest.raises(Denied, match="switched off"),
        guard.session(user="alice", agent=AGENT, task="Work", conversation="c-1") as session,
    ):
        session.call("mail.send", MAIL, run=tool.run)
    assert tool.runs == []
