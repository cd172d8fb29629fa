"""Promise 7 (DESIGN §3) through stores: what agents write keeps its label when it is read back, by whomever."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bailiwick import Denied, Guard, Label, Session
from bailiwick.guard.current import running
from tests.guard.store_world import POISON, SECRET, Shelf, make_store_world, poisoned, session_of
from tests.worlds import Tool, with_ports

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Trip:
    """How something is written, and how it is read back: (tool, arguments) each."""

    write: tuple[str, Mapping[str, Any]]
    read: tuple[str, Mapping[str, Any]]
    comes_as: Any = None


TRIPS = {
    "a note by its title": Trip(
        ("note.save", {"title": "plan-1", "text": POISON}), ("note.read", {"title": "plan-1"}), {"text": "short"}
    ),
    "a list of notes that shows titles alone": Trip(
        ("note.save", {"title": "plan-1", "text": POISON}), ("note.list", {}), ["plan-1"]
    ),
    "a file": Trip(("file.write", {"path": "a/b.txt", "text": POISON}), ("file.read", {"path": "a/b.txt"}), "short"),
    "a file that is called differently": Trip(
        ("file.write", {"path": "a/./B.TXT", "text": POISON}), ("file.read", {"path": "a/b.txt"}), "short"
    ),
    "a file behind a way upwards": Trip(
        ("file.write", {"path": "x/../a/b.txt", "text": POISON}), ("file.read", {"path": "a/b.txt"}), "short"
    ),
    "a ticket": Trip(
        ("ticket.comment", {"id": "T-1", "text": POISON}), ("ticket.read", {"number": "T-1"}), {"comments": ["short"]}
    ),
    "an entry of a calendar": Trip(("calendar.add", {"title": POISON}), ("calendar.list", {}), [{"title": "short"}]),
    "a memory": Trip(("memory.save", {"text": POISON}), ("memory.search", {"text": "plans"}), "a summary of it"),
    "a text that was copied to another store": Trip(
        ("note.save", {"title": "plan-1", "text": POISON}), ("wiki.read", {"page": "home"}), f"Home\n{POISON}\nBye"
    ),
    "a part of it in another store": Trip(
        ("note.save", {"title": "plan-1", "text": POISON}), ("wiki.read", {"page": "home"}), f"> {POISON[10:80]} ..."
    ),
    "a file that a shell wrote": Trip(
        ("shell.run", {"command": "echo x > a/b.txt"}), ("file.read", {"path": "a/b.txt"}), "x"
    ),
}


def write(session: Session, trip: Trip) -> None:
    poisoned(session)
    session.call(*trip.write, run=Tool("ok").run)


def read(session: Session, trip: Trip) -> Label:
    assert session.label == Label(), "it has seen nothing"
    session.call(*trip.read, run=Tool(trip.comes_as).run)
    return session.label


@pytest.mark.parametrize("trip", TRIPS.values(), ids=TRIPS.keys())
def test_promise_7_what_an_agent_wrote_is_read_back_as_tainted_and_as_secret(tmp_path: Path, trip: Trip) -> None:
    """By another session, by another user, in another guard that is open at the same time, after a restart."""
    folder = make_store_world(tmp_path)
    with Guard.open(folder) as first, Guard.open(folder) as second:
        with session_of(first, "alice") as session:
            write(session, trip)
        for guard, user in ((first, "alice"), (first, "bob"), (second, "bob")):
            with session_of(guard, user) as session:
                label = read(session, trip)
                assert label.tainted
                assert label.sensitivity == SECRET
                assert "agent:desk-bot" in label.sources
    with Guard.open(folder) as later, session_of(later, "bob") as session:
        assert read(session, trip).sensitivity == SECRET


PRECISE = {
    "another note": Trip(
        ("note.save", {"title": "plan-1", "text": POISON}), ("note.read", {"title": "plan-2"}), {"text": "Lunch"}
    ),
    "another store": Trip(
        ("note.save", {"title": "plan-1", "text": POISON}), ("wiki.read", {"page": "home"}), "Lunch is at noon"
    ),
    "the answer to another write": Trip(
        ("note.save", {"title": "plan-1", "text": POISON}), ("note.save", {"title": "plan-2", "text": "Lunch"}), "ok"
    ),
}


@pytest.mark.parametrize("trip", PRECISE.values(), ids=PRECISE.keys())
def test_what_an_agent_did_not_write_stays_as_the_catalog_has_it(tmp_path: Path, trip: Trip) -> None:
    with Guard.open(make_store_world(tmp_path)) as guard:
        with session_of(guard, "alice") as session:
            write(session, trip)
        with session_of(guard, "bob") as session:
            label = read(session, trip)
            assert not label.tainted
            assert label.sensitivity == 1, "what the catalog says of every result"


def test_promise_7_poisoned_memory(tmp_path: Path) -> None:
    """A stranger's text tells the agent to remember an address. Days later the user asks for mail to be sent to the
    person whom that memory speaks of: it is read, and chooses nothing."""
    folder = make_store_world(tmp_path)
    with Guard.open(folder) as guard, session_of(guard, "alice") as session:
        poisoned(session)
        session.call("memory.save", {"text": "Ann moved: ann@evil.example"}, run=Tool("ok").run)
    with Guard.open(folder) as guard, session_of(guard, "bob") as session:
        session.prompt("Please put a note for Ann")
        session.call("memory.search", {"text": "Ann"}, run=Tool({"mail": "ann@evil.example", "text": "Ann moved"}).run)
        assert session.label.tainted
        assert session.label.sensitivity == SECRET
        with pytest.raises(Denied):
            session.call("put.safe", {"id": "ann@evil.example"}, run=Tool().run)
        assert not session.check("put.target", {"to": "ann@evil.example"}).allowed


@pytest.mark.parametrize("hijacked", [True, False], ids=["by a hijacked agent", "by an honest one"])
def test_promise_7_a_record_endorses_nothing_that_an_agent_wrote_under_taint(tmp_path: Path, hijacked: bool) -> None:
    """The directory itself was changed: whoever is looked up there by name is not who the directory says."""
    folder = make_store_world(tmp_path)
    with Guard.open(folder) as guard, session_of(guard, "alice") as session:
        if hijacked:
            poisoned(session)
        session.call("contact.update", {"id": "c-4711", "mail": "ann@evil.example"}, run=Tool("ok").run)
    with Guard.open(folder) as guard, session_of(guard, "bob") as session:
        session.prompt("Write to contact c-4711")
        session.call("page.read", {"id": "1"}, run=Tool("somebody's page").run)
        session.call("contact.read", {"id": "c-4711"}, run=Tool({"mail": "ann@evil.example"}).run)
        assert session.check("put.target", {"to": "ann@evil.example"}).allowed is not hijacked


WRITE: tuple[str, dict[str, Any]] = ("note.save", {"title": "plan-1", "text": POISON})


def failing(_: Guard, session: Session) -> None:
    def fails(**_: object) -> None:
        raise ValueError("no answer")

    with pytest.raises(ValueError, match="no answer"):
        session.call(*WRITE, run=fails)


def cancelled(_: Guard, session: Session) -> None:
    def stops(**_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session.call(*WRITE, run=stops)


def asynchronous(_: Guard, session: Session) -> None:
    asyncio.run(session.acall(*WRITE, run=Tool("ok").arun))


def cancelled_task(_: Guard, session: Session) -> None:
    async def gives_up() -> None:
        runs = asyncio.Event()

        async def waits(**_: object) -> str:
            runs.set()
            await asyncio.Event().wait()
            return "ok"

        task = asyncio.ensure_future(session.acall(*WRITE, run=waits))
        await runs.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(gives_up())


def never_reported(_: Guard, session: Session) -> None:
    session.start(session.enter(*WRITE))


def decorated(guard: Guard, _: Session) -> None:
    @guard.tool("note.save")
    def save(title: str, text: str) -> str:
        return f"{title}: {len(text)}"

    save("plan-1", POISON)


def delegated(_: Guard, session: Session) -> None:
    with session.delegate("helper", message="go on") as helper:
        helper.call(*WRITE, run=Tool("ok").run)


ENDS = (failing, cancelled, asynchronous, cancelled_task, never_reported, decorated, delegated)


@pytest.mark.parametrize("end", ENDS)
def test_promise_7_however_the_call_ends_it_may_have_been_written(
    tmp_path: Path, end: Callable[[Guard, Session], None]
) -> None:
    with Guard.open(make_store_world(tmp_path)) as guard:
        with session_of(guard, "alice") as session:
            poisoned(session)
            end(guard, session)
        with session_of(guard, "bob") as session:
            label = read(session, TRIPS["a note by its title"])
            assert label.tainted
            assert label.sensitivity == SECRET


@pytest.mark.parametrize("end", ["left", "failed", "cancelled", "closed"])
def test_promise_7_an_agent_that_works_as_a_tool_writes_what_it_learnt_there(tmp_path: Path, end: str) -> None:
    """Whoever called it had seen nothing: the tool read the secret in a session of its own, and wrote of it."""
    args = {"title": "plan-1", "text": "Write down what you find."}
    with Guard.open(make_store_world(tmp_path)) as guard:
        with session_of(guard, "alice") as session:
            permit = session.enter("note.save", args)
            session.start(permit)
            with running(permit), session.delegate("helper", message="go on") as inner:
                poisoned(inner)
            match end:
                case "left":
                    session.leave(permit, "ok")
                case "failed":
                    session.failed(permit, "no answer")
                case "cancelled":
                    session.cancelled(permit)
        with session_of(guard, "bob") as session:
            label = read(session, TRIPS["a note by its title"])
            assert label.tainted
            assert label.sensitivity == SECRET
        with session_of(guard, "bob") as session:
            session.call("wiki.read", {"page": "home"}, run=Tool(args["text"]).run)
            assert session.label.sensitivity < SECRET, "what it was told it had not from there"


PROCESS = """
import os, signal, sys
from pathlib import Path
from bailiwick import Guard
from tests.guard.store_world import POISON, poisoned, session_of
folder, dies = Path(sys.argv[1]), sys.argv[2] == "dies"
def write(path, text):
    (folder / "written.txt").write_text(text)
    if dies:
        os.kill(os.getpid(), signal.SIGKILL)
    return "ok"
with Guard.open(folder) as guard, session_of(guard, "alice") as session:
    poisoned(session)
    session.call("file.write", {"path": "a/b.txt", "text": POISON}, run=write)
"""


@pytest.mark.parametrize("dies", [True, False], ids=["killed between the run and its outcome", "to its end"])
def test_promise_7_what_another_process_wrote_is_read_back_with_its_label(tmp_path: Path, dies: bool) -> None:
    folder = make_store_world(tmp_path)
    command = [sys.executable, "-c", PROCESS, str(folder), "dies" if dies else "ends"]
    done = subprocess.run(command, timeout=60, check=False, cwd=ROOT)
    assert done.returncode == (-9 if dies else 0)
    text = (folder / "written.txt").read_text()
    assert text == POISON, "the tool ran"
    with Guard.open(folder) as guard, session_of(guard, "bob") as session:
        session.call("file.read", {"path": "a/b.txt"}, run=Tool("unlike what was written").run)
        assert session.label.tainted
        assert session.label.sensitivity == SECRET


def test_promise_1_what_cannot_be_noted_is_not_written(tmp_path: Path) -> None:
    with Guard.open(make_store_world(tmp_path)) as guard, session_of(guard, "alice") as session:
        poisoned(session)
        tool, held = Tool("ok"), guard.engine.ports.written
        with_ports(guard, written=Shelf(broken=True))
        with pytest.raises(Denied) as refused:
            session.call("note.save", {"title": "plan-1", "text": POISON}, run=tool.run)
        assert refused.value.decision.reasons[0].code == "guard-failure"
        assert tool.runs == []
        with_ports(guard, written=held)
        session.call("note.save", {"title": "plan-2", "text": POISON}, run=tool.run)


def test_a_session_that_saw_nothing_leaves_no_trace_and_asks_once(tmp_path: Path) -> None:
    with Guard.open(make_store_world(tmp_path)) as guard, session_of(guard, "alice") as session:
        session.prompt("Save a note plan-1")
        held, shelf = guard.engine.ports.written, Shelf()
        with_ports(guard, written=shelf)
        session.call("note.save", {"title": "plan-1", "text": "Buy milk"}, run=Tool("ok").run)
        assert shelf.asked == ["anything"], "nothing noted, and one look-up for the result"
        session.call("note.read", {"title": "plan-1"}, run=Tool("Buy milk").run)
        assert shelf.asked == ["anything"] * 2
        assert not held.anything("acme", "test")
