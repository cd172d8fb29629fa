"""Promise 5 (DESIGN §3) where the state store knows less than the logs: a loss of power takes its last commits, several
processes end at once, a caller goes away at an awkward moment."""

from __future__ import annotations

import asyncio
import copy
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bailiwick import Denied, Guard, Permit, Session, UsageError
from bailiwick.audit.report import State
from bailiwick.stores.log_verification import verify_folder
from tests.worlds import AGENT, LOGS, Tool, kinds, make_world, opened, with_ports

PUT = {"id": "1"}
STATE = Path(".bailiwick")


class Gone(BaseException):
    """Like KeyboardInterrupt, but not for pytest."""


def blocked(folder: Path, args: dict[str, Any]) -> bool:
    with opened(folder, conversation="later") as session:
        decision = session.check("put.none", args)
        return not decision.allowed and decision.reasons[0].code == "may-have-run"


def keep_state(folder: Path, kept: Path) -> None:
    """What the disk holds of the state store just now."""
    kept.mkdir()
    for path in (folder / STATE).glob("state.db*"):
        shutil.copy(path, kept)


def lose_state(folder: Path, kept: Path | None = None) -> None:
    """The state store as it was kept; none at all if it never reached the disk."""
    for path in (folder / STATE).glob("state.db*"):
        path.unlink()
    if kept is not None:
        for path in kept.iterdir():
            shutil.copy(path, folder / STATE)


@pytest.mark.parametrize("known", ["as running", "not at all"])
def test_promise_5_a_run_that_was_given_up_stays_in_doubt_after_a_loss_of_power(tmp_path: Path, known: str) -> None:
    folder, kept = make_world(tmp_path / "world"), tmp_path / "kept"

    def give_up() -> None:
        keep_state(folder, kept)
        raise Gone

    with opened(folder) as session, pytest.raises(Gone):
        session.call("put.none", PUT, run=Tool(before=give_up).run)
    lose_state(folder, kept if known == "as running" else None)
    assert blocked(folder, PUT)
    assert blocked(folder, PUT), "at every later start too"
    (call,) = verify_folder(folder / LOGS).unknown
    assert call.given_up
    done = subprocess.run(
        [sys.executable, "-m", "bailiwick", "audit", "reconcile", call.decision, "--ran", "--as", "bob"],
        cwd=folder,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert not blocked(folder, PUT)
    lose_state(folder)
    assert not blocked(folder, PUT), "the log remembers that somebody looked"
    assert verify_folder(folder / LOGS).unknown == ()


def test_promise_5_giving_up_what_may_freely_run_again_leaves_nothing_to_do(tmp_path: Path) -> None:
    folder = make_world(tmp_path)

    def give_up() -> None:
        raise Gone

    with opened(folder) as session, pytest.raises(Gone):
        session.call("put.safe", PUT, run=Tool(before=give_up).run)
    assert verify_folder(folder / LOGS).unknown == ()
    with Guard.open(folder) as guard:
        assert guard._log.unresolved == ()


RUNNING = """
import sys
from pathlib import Path
from tests.worlds import opened

def run(**args):
    print("running", flush=True)
    sys.stdin.readline()

with opened(Path(sys.argv[1]), conversation=sys.argv[2]) as session:
    session.call("put.none", {"id": sys.argv[2]}, run=run)
"""


@pytest.mark.parametrize("state_lost", [False, True], ids=["state kept", "state lost"])
def test_promise_5_every_log_that_a_process_left_behind_counts(tmp_path: Path, *, state_lost: bool) -> None:
    """Three processes die at once; the next one continues a single log of the three."""
    folder = make_world(tmp_path)
    processes = []
    for name in "abc":
        process = subprocess.Popen(
            [sys.executable, "-c", RUNNING, str(folder), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        processes.append(process)
    for process in processes:
        process.kill()
        process.communicate()
    assert len(list((folder / LOGS).glob("log-*.db"))) == 3
    if state_lost:
        lose_state(folder)
    assert [blocked(folder, {"id": name}) for name in "abc"] == [True, True, True]
    assert not blocked(folder, {"id": "d"})


def test_promise_5_a_log_in_use_answers_for_itself(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    with opened(folder) as session:
        permit = session.enter("put.none", PUT)
        session.start(permit)
        with Guard.open(folder) as other:
            assert other._log.unresolved == ()
        session.leave(permit, "done")
    assert not blocked(folder, PUT)


# ── a caller that goes away ────────────────────────────────────────────────────────────────────────────────────────


class Interrupting:
    """A log during whose `append` the caller is interrupted, before or after the record is written."""

    def __init__(self, log: Any, *, written: bool) -> None:
        self._log, self._written = log, written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def append(self, *args: Any) -> None:
        if self._written:
            self._log.append(*args)
        raise Gone


@pytest.mark.parametrize("written", [False, True])
def test_promise_5_an_interruption_while_the_decision_is_recorded_looks_like_no_tampering(
    tmp_path: Path, *, written: bool
) -> None:
    folder = make_world(tmp_path)
    with opened(folder) as session:
        log = session._engine.ports.log
        with_ports(session, log=Interrupting(log, written=written))
        with pytest.raises(Gone):
            session.enter("put.none", PUT)
        with_ports(session, log=log)
    report = verify_folder(folder / LOGS)
    assert (report.state, report.unknown) == (State.SOUND, ())
    assert kinds(folder).count("action.expired") == written
    assert not blocked(folder, PUT), "nobody was given the permit"


class Held:
    """A log that takes its time, once it `holds`: its `append` waits until `go`."""

    def __init__(self, log: Any, *, holds: bool) -> None:
        self._log, self.holds = log, holds
        self.asked, self.go = threading.Event(), threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def append(self, *args: Any) -> Any:
        if self.holds:
            self.asked.set()
            self.go.wait(10)
        return self._log.append(*args)


@pytest.mark.parametrize("times", [1, 2, 5])
@pytest.mark.parametrize("when", ["deciding", "recording"])
def test_promise_5_cancelling_more_than_once_loses_nothing(tmp_path: Path, when: str, times: int) -> None:
    """A framework's timeout and its shutdown may both cancel the same task."""
    folder = make_world(tmp_path)

    async def main(session: Session) -> None:
        log = Held(session._engine.ports.log, holds=when == "deciding")

        async def run(**args: object) -> str:
            log.holds = True
            return "done"

        with_ports(session, log=log)
        task = asyncio.create_task(session.acall("put.none", PUT, run=run))
        await asyncio.to_thread(log.asked.wait, 10)
        for _ in range(times):
            task.cancel()
            for _ in range(3):
                await asyncio.sleep(0)
        assert not task.done(), "the log was asked, and its answer decides what is true"
        log.go.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    with opened(folder) as session:
        asyncio.run(main(session))
    report = verify_folder(folder / LOGS)
    assert (report.state, report.unknown) == (State.SOUND, ())
    ended = [kind for kind in kinds(folder) if kind.startswith("action.")]
    assert ended == ["action.completed" if when == "recording" else "action.expired"]


MISUSED: dict[str, Callable[[Permit], Permit]] = {"a copy": copy.copy, "itself": lambda permit: permit}


@pytest.mark.parametrize(("misused", "elsewhere"), [("a copy", False), ("a copy", True), ("itself", True)])
def test_promise_5_a_permit_is_one_object_of_one_session(tmp_path: Path, misused: str, *, elsewhere: bool) -> None:
    folder = make_world(tmp_path)
    with Guard.open(folder) as guard:
        one, two = (guard.session(user="alice", agent=AGENT, task="Work", conversation=name) for name in "ab")
        with one, two:
            permit = one.enter("put.none", PUT)
            other = MISUSED[misused](permit)
            with pytest.raises(Denied, match="used already or withdrawn"):
                (two if elsewhere else one).start(other)
            one.start(permit)
            other = MISUSED[misused](permit)
            with pytest.raises(UsageError):
                (two if elsewhere else one).leave(other, "done")
            one.leave(permit, "done")
    assert verify_folder(folder / LOGS).state is State.SOUND


# ── entering ───────────────────────────────────────────────────────────────────────────────────────────────────────


def in_threads(work: Callable[[], None], count: int) -> None:
    async def main() -> None:
        await asyncio.gather(*(asyncio.to_thread(work) for _ in range(count)))

    asyncio.run(main())


def in_tasks(work: Callable[[], None], count: int) -> None:
    async def one() -> None:
        work()

    async def main() -> None:
        await asyncio.gather(*(one() for _ in range(count)))

    asyncio.run(main())


@pytest.mark.parametrize("everywhere", [in_threads, in_tasks])
def test_a_session_may_be_entered_in_many_threads_and_tasks(
    tmp_path: Path, everywhere: Callable[[Callable[[], None], int], None]
) -> None:
    """A context variable does not reach a thread by itself: whoever runs tools in threads enters the session there."""
    folder, tool = make_world(tmp_path), Tool()
    with Guard.open(folder) as guard:
        read = guard.tool("page.read")(lambda id: tool.run(id=id))  # noqa: A006
        session = guard.session(user="alice", agent=AGENT, task="Work")

        def work() -> None:
            with session:
                read("5")

        with session:
            everywhere(work, 12)
            read("5")
        with pytest.raises(Denied, match="outside of a session"):
            read("5")
        with pytest.raises(Denied, match="closed"):
            session.call("page.read", {"id": "5"}, run=tool.run)
    assert len(tool.runs) == 13
    assert kinds(folder).count("session.opened") == kinds(folder).count("session.closed") == 1


def test_a_session_may_be_left_by_another_task_than_entered_it(tmp_path: Path) -> None:
    """As the fixtures of some test frameworks do, and generators that are closed late."""
    folder = make_world(tmp_path)
    with Guard.open(folder) as guard:
        session = guard.session(user="alice", agent=AGENT, task="Work")

        async def main() -> None:
            await asyncio.create_task(asyncio.to_thread(session.__enter__))
            session.call("page.read", {"id": "5"}, run=Tool().run)
            session.__exit__(None, None, None)

        asyncio.run(main())
    assert kinds(folder)[-1] == "session.closed"
