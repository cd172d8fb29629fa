"""Promise 5 (DESIGN §3): decision before effect, and a call that may have run is not silently run again."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bailiwick import BailiwickError, Denied, DidNotRun, Guard, OutcomeUnrecorded, Permit, Session, UsageError
from bailiwick.audit.report import State
from bailiwick.cli import cli
from bailiwick.guard.current import running_permit
from bailiwick.model.event import EventKind
from bailiwick.stores.log_reader import LogReader
from bailiwick.stores.log_verification import verify_folder
from tests.worlds import AGENT, LOGS, Clock, Tool, call, decisions, events, kinds, make_world, opened, with_ports

PUT = {"id": "1"}


def code(refused: pytest.ExceptionInfo[Denied]) -> str:
    return refused.value.decision.reasons[0].code


def denied(session: Session, tool: str, args: dict[str, Any] | None = None) -> str:
    """The code with which a call is denied; the tool must not run."""
    counted = Tool()
    with pytest.raises(Denied) as refused:
        session.call(tool, PUT if args is None else args, run=counted.run)
    assert counted.runs == []
    return code(refused)


def reconcile(folder: Path, event: str, how: str = "--did-not-run") -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["audit", "reconcile", event, how, "--as", "bob", "--dir", str(folder)])
    return done.exit_code, done.output + str(done.exception or "")


# ── before ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("name", ["page.read", "put.none", "put.key", "put.safe"])
def test_promise_5_the_decision_is_in_the_log_before_the_tool_runs(tmp_path: Path, name: str, use_async: bool) -> None:
    """Seen from inside the tool, through the file, as any other process sees it."""
    folder = make_world(tmp_path)
    seen: list[tuple[str, bool]] = []

    def look(**args: object) -> str:
        permit = running_permit()
        assert permit is not None
        (decision,) = decisions(folder, name)
        assert decision.body["permit"] == permit.id
        (path,) = (folder / LOGS).glob("log-*.db")
        with LogReader.open(path) as reader:
            assert reader.content(decision.id, "args") == b'{"id":"1"}'
        log = session._engine.ports.log
        durable = log.flushed > decision.seq  # type: ignore[attr-defined]
        seen.append((str(decision.body["outcome"]), durable))
        return "done"

    async def look_async(**args: object) -> str:
        return look(**args)

    with opened(folder) as session:
        if use_async:
            asyncio.run(session.acall(name, PUT, run=look_async))
        else:
            session.call(name, PUT, run=look)
    assert [outcome for outcome, _ in seen] == ["allow"]
    if name != "page.read":
        assert seen == [("allow", True)], "the decision on an effect is fsynced before it runs"
    assert kinds(folder).count("action.completed") == 1


# ── permits ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_promise_5_a_permit_is_for_one_run(tmp_path: Path) -> None:
    with opened(make_world(tmp_path)) as session:
        permit = session.enter("put.none", PUT)
        assert session.start(permit) == PUT
        with pytest.raises(Denied, match="used already"):
            session.start(permit)
        session.leave(permit, "done")
        with pytest.raises(Denied, match="used already"):
            session.start(permit)
    assert verify_folder(tmp_path / LOGS).state is State.SOUND


def test_promise_5_a_permit_that_is_not_started_in_time_expires(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    clock = Clock(time.time_ns() // 1000)
    with opened(folder) as session:
        with_ports(session, clock=clock)
        permit = session.enter("put.none", PUT)
        clock.forward(ms=30_000)
        with pytest.raises(Denied, match="expired"):
            session.start(permit)
        with pytest.raises(Denied):
            session.start(permit)
        assert session.check("put.none", PUT).allowed, "it did not run, and nobody has to reconcile it"
    assert kinds(folder).count("action.expired") == 1
    assert verify_folder(folder / LOGS).unknown == ()


def test_promise_5_many_threads_start_a_permit_once(tmp_path: Path) -> None:
    with opened(make_world(tmp_path)) as session, ThreadPoolExecutor(8) as pool:
        permit = session.enter("put.none", PUT)

        def try_it(_: int) -> bool:
            try:
                session.start(permit)
            except Denied:
                return False
            return True

        assert sum(pool.map(try_it, range(40))) == 1
        session.leave(permit, "done")


MISUSES: dict[str, Callable[[Session, Permit], object]] = {
    "left twice": lambda session, permit: (session.start(permit), session.leave(permit, 1), session.leave(permit, 2)),
    "left without a start": lambda session, permit: session.leave(permit, 1),
    "failed without a start": lambda session, permit: session.failed(permit, "no"),
    "failed after it was left": lambda session, permit: (
        session.start(permit),
        session.leave(permit, 1),
        session.failed(permit, "no"),
    ),
}


@pytest.mark.parametrize("misuse", MISUSES.values(), ids=MISUSES.keys())
def test_promise_5_an_outcome_is_recorded_once_and_only_of_a_run(
    tmp_path: Path, misuse: Callable[[Session, Permit], object]
) -> None:
    """A caller's mistake must not make the log look as if somebody had tampered with it."""
    folder = make_world(tmp_path)
    with opened(folder) as session, pytest.raises(UsageError):
        misuse(session, session.enter("put.none", PUT))
    report = verify_folder(folder / LOGS)
    assert report.state is State.SOUND
    assert report.unknown == ()


def test_promise_5_what_a_session_leaves_open_is_accounted_for_at_its_end(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    with opened(folder) as session:
        session.enter("put.none", {"id": "never-started"})
        session.start(session.enter("put.none", {"id": "never-left"}))
    assert [kind for kind in kinds(folder) if kind.startswith("action.")] == ["action.expired", "action.cancelled"]
    with opened(folder, conversation="c-2") as session:
        assert session.check("put.none", {"id": "never-started"}).allowed
        assert denied(session, "put.none", {"id": "never-left"}) == "may-have-run"


# ── what may have run ──────────────────────────────────────────────────────────────────────────────────────────────

CRASH = """
import os, signal, sys
from tests.worlds import opened
from pathlib import Path

def run(**args):
    (Path(sys.argv[1]) / "ran").touch()
    os.kill(os.getpid(), signal.SIGKILL)

with opened(Path(sys.argv[1])) as session:
    session.call(sys.argv[2], {"id": "1"}, run=run)
"""


def crash_in(folder: Path, tool: str) -> str:
    """Kill a process inside the tool. → the decision's event."""
    done = subprocess.run([sys.executable, "-c", CRASH, str(folder), tool], timeout=60, check=False)
    assert done.returncode == -9
    assert (folder / "ran").exists()
    return decisions(folder, tool)[-1].id


@pytest.mark.parametrize(("tool", "blocked"), [("put.none", True), ("put.key", False), ("put.safe", False)])
def test_promise_5_after_a_crash_the_catalog_says_whether_the_call_may_run_again(
    tmp_path: Path, tool: str, blocked: bool
) -> None:
    folder = make_world(tmp_path)
    event = crash_in(folder, tool)
    assert [call.decision for call in verify_folder(folder / LOGS).unknown] == [event]
    keys: list[str] = []

    def run(**args: object) -> str:
        permit = running_permit()
        assert permit is not None
        keys.append(permit.idempotency_key)
        return "done"

    with opened(folder, conversation="another") as session:
        if blocked:
            assert not session.check(tool, PUT).allowed
            assert denied(session, tool) == "may-have-run"
            session.call(tool, {"id": "2"}, run=run)
        else:
            session.call(tool, PUT, run=run)
    before = [event.body["effect_key"] for event in decisions(folder, tool) if "permit" in event.body]
    assert keys == before[1:]
    assert (before[0] == before[1]) is not blocked, "the same effect, the same key"
    assert [call.decision for call in verify_folder(folder / LOGS).unknown] == [event], "it stays unknown"


@pytest.mark.parametrize("how", ["--ran", "--did-not-run"])
def test_promise_5_reconciling_lifts_the_block_for_good(tmp_path: Path, how: str) -> None:
    folder = make_world(tmp_path)
    event = crash_in(folder, "put.none")
    assert reconcile(folder, "nonsense")[0] != 0
    exit_code, said = reconcile(folder, event, how)
    assert exit_code == 0, said
    assert verify_folder(folder / LOGS).unknown == ()
    assert "not in doubt" in reconcile(folder, event, how)[1]
    tool = Tool()
    with opened(folder) as session:
        session.call("put.none", PUT, run=tool.run)
    assert len(tool.runs) == 1
    (said_so,) = (event for event in events(folder) if event.kind is EventKind.ACTION_RECONCILED)
    assert (said_so.body["decision"], said_so.body["by"], said_so.body["as"]) == (event, "bob", how.strip("-"))


def test_promise_5_a_call_under_way_in_another_process_is_not_made_again_and_in_doubt_once_that_process_is_gone(
    tmp_path: Path,
) -> None:
    folder = make_world(tmp_path)
    script = CRASH.replace("os.kill(os.getpid(), signal.SIGKILL)", 'print("running", flush=True); sys.stdin.readline()')
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(folder), "put.none"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    with opened(folder, conversation="another") as session:
        assert denied(session, "put.none") == "under-way"
        process.kill()
        process.communicate()
        assert denied(session, "put.none") == "may-have-run", "also for a guard that was open before"
    assert len(list((folder / LOGS).glob("log-*.db"))) == 2
    event = decisions(folder, "put.none")[0].id
    assert reconcile(folder, event)[0] == 0
    with opened(folder) as session:
        assert session.check("put.none", PUT).allowed


# ── giving up ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Interrupted(BaseException):
    """Like KeyboardInterrupt, but not for pytest."""


def give_up_sync(session: Session) -> None:
    def run(**args: object) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        session.call("put.none", PUT, run=run)


def give_up_async(session: Session) -> None:
    async def main() -> None:
        started = asyncio.Event()

        async def run(**args: object) -> None:
            started.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(session.acall("put.none", PUT, run=run))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


@pytest.mark.parametrize("give_up", [give_up_sync, give_up_async])
def test_promise_5_a_run_that_was_given_up_may_have_run(tmp_path: Path, give_up: Callable[[Session], None]) -> None:
    folder = make_world(tmp_path)
    with opened(folder) as session:
        give_up(session)
        assert denied(session, "put.none") == "may-have-run", "in the same session"
    (event,) = (event for event in decisions(folder, "put.none") if "permit" in event.body)
    assert kinds(folder).count("action.cancelled") == 1
    with opened(folder) as session:
        assert denied(session, "put.none") == "may-have-run", "after a restart"
    exit_code, said = reconcile(folder, event.id)
    assert exit_code == 0, said
    with opened(folder) as session:
        assert session.check("put.none", PUT).allowed
    assert verify_folder(folder / LOGS).state is State.SOUND


class Before:
    """A port that does something else first."""

    def __init__(self, port: object, first: Callable[[], object]) -> None:
        self._port, self._first = port, first

    def __getattr__(self, name: str) -> Any:
        self._first()
        return getattr(self._port, name)


@pytest.mark.parametrize("step", range(1, 5), ids=["ledger", "log", "note", "too late"])
def test_promise_5_a_cancellation_while_the_outcome_is_recorded_loses_nothing(tmp_path: Path, step: int) -> None:
    """The tool has run: what became of it is recorded to the end, once, and the caller is cancelled all the same."""
    folder = make_world(tmp_path)

    async def main(session: Session) -> None:
        loop = asyncio.get_running_loop()
        left = [0]

        def cancel_at_step() -> None:
            left[0] -= 1
            if left[0] == 0:
                loop.call_soon_threadsafe(task.cancel)

        async def run(**args: object) -> str:
            left[0] = step
            return "done"

        ports = session._engine.ports
        names = ("ledger", "log", "in_flight")
        with_ports(session, **{name: Before(getattr(ports, name), cancel_at_step) for name in names})
        task = asyncio.create_task(session.acall("put.none", PUT, run=run))
        if step < 4:
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            assert await task == "done"
        with_ports(session, **{name: getattr(ports, name) for name in names})

    with opened(folder) as session:
        asyncio.run(main(session))
        assert session.check("put.none", PUT).allowed
    assert [kind for kind in kinds(folder) if kind.startswith("action.")] == ["action.completed"]
    assert verify_folder(folder / LOGS).state is State.SOUND
    with opened(folder) as session:
        assert session.check("put.none", PUT).allowed


def test_promise_5_a_tool_that_says_it_failed_is_not_in_doubt(tmp_path: Path) -> None:
    folder = make_world(tmp_path)

    def run(**args: object) -> None:
        raise DidNotRun("no such shelf; ask eve@else.example")

    with opened(folder) as session:
        with pytest.raises(DidNotRun, match="shelf"):
            session.call("put.none", PUT, run=run)
        assert session.label.tainted, "anybody may have written what an error says"
    assert kinds(folder).count("action.failed") == 1
    with opened(folder, conversation="c-2") as session:
        assert session.check("put.none", PUT).allowed


@pytest.mark.parametrize("error", [TimeoutError("no answer after the last byte"), KeyError("what the bank answered")])
@pytest.mark.parametrize(
    ("tool", "doubted"), [("put.none", True), ("put.key", False), ("put.safe", False)], ids=["none", "key", "safe"]
)
def test_promise_5_a_tool_that_broke_off_leaves_a_call_that_must_not_run_twice_in_doubt(
    tmp_path: Path, error: Exception, tool: str, doubted: bool
) -> None:
    folder = make_world(tmp_path)

    def run(**args: object) -> None:
        raise error

    with opened(folder) as session:
        with pytest.raises(type(error)):
            session.call(tool, PUT, run=run)
        assert session.label.tainted
    assert verify_folder(folder / LOGS).state is State.SOUND
    with opened(folder, conversation="c-2") as session:
        assert session.check(tool, PUT).allowed is not doubted
    if doubted:
        assert reconcile(folder, decisions(folder, tool)[0].id)[0] == 0
        with opened(folder, conversation="c-3") as session:
            assert session.check(tool, PUT).allowed


def test_promise_5_of_many_who_make_the_same_call_at_once_one_runs_it(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    meet, done = threading.Barrier(8), threading.Event()
    outcomes: list[str] = []
    tool = Tool(before=lambda: done.wait(30))

    def work(session: Session) -> None:
        meet.wait()
        try:
            session.call("put.none", PUT, run=tool.run)
            outcomes.append("ran")
        except Denied as refused:
            outcomes.append(refused.decision.reasons[0].code)
        if len(outcomes) == 7:
            done.set()

    with opened(folder) as session:
        threads = [threading.Thread(target=work, args=(session,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["ran", *["under-way"] * 7]
        assert len(tool.runs) == 1
        assert session.check("put.none", PUT).allowed, "what is over may be made again"


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
def test_promise_5_what_could_not_be_recorded_is_in_doubt_at_once(tmp_path: Path, use_async: bool) -> None:
    """The store comes back while the process lives on: the call that ran is blocked all the same."""
    folder = make_world(tmp_path)
    with Guard.open(folder) as guard, guard.session(user="alice", agent=AGENT, task="Work") as session:
        connection = guard.state._file._connection
        assert connection is not None
        tool = Tool(before=lambda: connection.execute("PRAGMA query_only = ON"))
        with pytest.raises(OutcomeUnrecorded):
            call(session, "put.none", PUT, tool, use_async=use_async)
        connection.execute("PRAGMA query_only = OFF")
        assert denied(session, "put.none") == "may-have-run"
        with guard.session(user="alice", agent=AGENT, task="Work") as other:
            assert denied(other, "put.none") == "may-have-run"
    with opened(folder) as session:
        assert denied(session, "put.none") == "may-have-run"
    assert reconcile(folder, decisions(folder, "put.none")[0].id)[0] == 0


ODD = {"a lone surrogate": "\ud800", "a huge integer": 2**80, "an endless list": [], "bytes": b"\xff", "a set": {1}}
ODD["an endless list"].append(ODD["an endless list"])  # type: ignore[attr-defined]


@pytest.mark.parametrize("result", ODD.values(), ids=ODD.keys())
def test_promise_5_a_result_that_cannot_be_understood_is_recorded_or_withheld(tmp_path: Path, result: object) -> None:
    folder, tool = make_world(tmp_path), Tool(result)
    with opened(folder) as session:
        try:
            session.call("put.none", PUT, run=tool.run)
        except OutcomeUnrecorded:
            assert denied(session, "put.none") == "may-have-run"
        else:
            assert kinds(folder).count("action.completed") == 1
    assert len(tool.runs) == 1
    assert verify_folder(folder / LOGS).state is State.SOUND


def test_promise_5_a_call_that_was_noted_and_never_permitted_did_not_run(tmp_path: Path) -> None:
    """Killed between the note and the decision, in a log that nobody continues: it must not block for ever."""
    folder = make_world(tmp_path)
    with opened(folder) as session:
        permit = session.enter("put.none", PUT)
        key = permit.effect_key
    with Guard.open(folder) as holder:
        script = (
            "import os, signal, sys; from pathlib import Path; from bailiwick import Guard\n"
            "from bailiwick.model.tool import Idempotency\n"
            "guard = Guard.open(Path(sys.argv[1]))\n"
            "guard.state.begin(sys.argv[2], permit_id='p', decision_event='e', log_id=guard.log.log_id,\n"
            "                  tool='put.none', idempotency=Idempotency.NONE, now_ms=1)\n"
            "os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        subprocess.run([sys.executable, "-c", script, str(folder), key], timeout=60, check=False)
        assert len(holder.state.in_doubt(key)) == 1
    for _ in range(2):
        with opened(folder) as session:
            assert session.check("put.none", PUT).allowed


def test_promise_5_an_error_in_the_block_is_not_hidden_by_a_session_that_cannot_record_its_end(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    guard = Guard.open(folder)
    with pytest.raises(IndexError), guard.session(user="alice", agent=AGENT, task="Work"):  # noqa: PT012
        guard._log.close()
        raise IndexError
    with pytest.raises(BailiwickError):
        guard.session(user="alice", agent=AGENT, task="Work").__enter__()
    guard.close()


def test_promise_5_two_sessions_at_once_each_account_for_their_own(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    with Guard.open(folder) as guard:
        one = guard.session(user="alice", agent=AGENT, task="Work", conversation="one")
        two = guard.session(user="bob", agent=AGENT, task="Work", conversation="two")
        with one, two:
            first, second = one.enter("put.none", {"id": "a"}), two.enter("put.none", {"id": "b"})
            one.start(first)
            two.start(second)
            one.leave(first, "done")
            one.close()
            two.leave(second, "done")
            assert denied(one, "put.none") == "session-closed"
            two.call("put.none", {"id": "c"}, run=Tool().run)
    assert verify_folder(folder / LOGS).state is State.SOUND
    assert verify_folder(folder / LOGS).unknown == ()
    ended = {"session.opened", "decision", "content.ingested", "action.completed", "session.closed"}
    assert {event.session for event in events(folder) if event.kind.value in ended} == {one.id, two.id}


def test_promise_5_what_a_forked_child_calls_is_denied(tmp_path: Path) -> None:
    folder, tool = make_world(tmp_path), Tool()
    with opened(folder) as session:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of forking beside threads
            child = os.fork()
        if child == 0:
            try:
                session.call("put.none", PUT, run=tool.run)
            except Denied:
                os._exit(7)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 7
        session.call("put.none", PUT, run=tool.run)
    assert verify_folder(folder / LOGS).state is State.SOUND
