"""The seal: a framework's own method runs under a live permit, once, or is decided as a call of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from bailiwick import Denied, Guard, Session
from bailiwick.adapters import sealing
from bailiwick.adapters.governing import Told, govern
from bailiwick.guard.current import left, running
from tests.worlds import AGENT, decisions, make_world


class Framework:
    """A framework's tool, as the framework has it."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name, self.function = name, function

    def run(self, **args: Any) -> Any:
        return self.function(**args)


class Special(Framework):
    """A class of the framework's that inherits the method."""


class Refused(Exception):
    pass


def _unmade(_original: Callable[..., Any]) -> Callable[..., Any]:
    raise AttributeError


def page(**given: Any) -> str:
    return f"page {given['id']}"


def outside(session: Session, tool: Framework) -> Any:
    left(session)
    return tool.run(id="7")


def methods() -> tuple[sealing.Method, ...]:
    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def run(self: Framework, **args: Any) -> Any:
            if sealing.passes("framework", self.name, args):
                return original(self, **args)
            told: Told[Any] = govern(
                lambda: sealing.sealed_session("framework", self.name),
                self.name,
                args,
                lambda given: original(self, **given),
            )
            if told.refused:
                raise Refused(told.text)
            return told.value

        return run

    return (sealing.Method(owner=Framework, name="run", make=make),)


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    with Guard.open(make_world(tmp_path)) as opened:
        sealing.seal("framework", opened.engine, methods)
        yield opened


def test_a_run_without_a_permit_is_decided_in_the_session_around_it(guard: Guard, tmp_path: Path) -> None:
    tool = Framework("read_page", page)
    with guard.session(user="alice", agent=AGENT, task="Work"):
        assert tool.run(id="7") == "page 7"
        with pytest.raises(Refused, match="Page 9 is closed"):
            tool.run(id="9")
    assert [event.body["outcome"] for event in decisions(tmp_path, "page.read")] == ["allow", "deny"]


def test_a_run_outside_of_every_session_is_refused_and_on_record(guard: Guard, tmp_path: Path) -> None:
    ran: list[Any] = []
    with pytest.raises(Refused, match="outside of a session"):
        Framework("read_page", lambda **given: ran.append(given)).run(id="7")
    assert ran == []
    assert len(decisions(tmp_path)) == 1


def test_a_run_under_its_permit_is_not_decided_again(guard: Guard, tmp_path: Path) -> None:
    tool = Framework("read_page", page)
    with guard.session(user="alice", agent=AGENT, task="Work") as session:
        assert session.call("page.read", {"id": "7"}, run=tool.run) == "page 7"
    assert len(decisions(tmp_path, "page.read")) == 1


def test_what_a_tool_calls_below_is_a_call_of_its_own(guard: Guard, tmp_path: Path) -> None:
    inner = Framework("read_page", page)
    outer = Framework("read_page", lambda **_given: inner.run(id="9"))
    with guard.session(user="alice", agent=AGENT, task="Work") as session, pytest.raises(Refused, match="Page 9"):
        session.call("page.read", {"id": "7"}, run=outer.run)
    assert len(decisions(tmp_path, "page.read")) == 2


def test_a_second_run_under_one_permit_is_a_call_of_its_own(guard: Guard, tmp_path: Path) -> None:
    tool = Framework("put_none", lambda **_given: "done")

    def twice(**args: Any) -> Any:
        tool.run(**args)
        return tool.run(**args)

    with guard.session(user="alice", agent=AGENT, task="Work") as session, pytest.raises(Refused):
        session.call("put.none", {"id": "7"}, run=twice)
    assert len(decisions(tmp_path, "put.none")) == 2


@pytest.mark.parametrize("args", [{"id": "8"}, {"id": "7", "limit": 5}, {}])
def test_a_permit_is_for_its_own_arguments(guard: Guard, args: dict[str, Any]) -> None:
    tool = Framework("read_page", lambda **given: given)
    with guard.session(user="alice", agent=AGENT, task="Work") as session:
        permit = session.enter("page.read", {"id": "7"})
        session.start(permit)
        with running(permit):
            assert not sealing.passes("framework", tool.name, args)
            assert not sealing.passes("framework", "put_none", {"id": "7"})
            assert sealing.passes("framework", tool.name, {"id": "7"})
            assert not sealing.passes("framework", tool.name, {"id": "7"})
            assert sealing.passes("another layer", tool.name)
        session.leave(permit, "page 7")


def test_a_permit_that_is_over_lets_nothing_pass(guard: Guard) -> None:
    with guard.session(user="alice", agent=AGENT, task="Work") as session:
        permit = session.enter("page.read", {"id": "7"})
        with running(permit):
            assert not sealing.passes("framework", "read_page")  # not started
            session.start(permit)
            session.leave(permit, "page 7")
            assert not sealing.passes("framework", "read_page")  # over


def test_of_threads_that_claim_one_permit_one_gets_it(guard: Guard) -> None:
    together = Barrier(8)

    def claim() -> bool:
        together.wait()
        return sealing.passes("framework", "read_page", {"id": "7"})

    with guard.session(user="alice", agent=AGENT, task="Work") as session:
        for _ in range(20):
            permit = session.enter("page.read", {"id": "7"})
            session.start(permit)
            with running(permit), ThreadPoolExecutor(8) as pool:
                got = [pool.submit(copy_context().run, claim) for _ in range(8)]
                assert sum(each.result() for each in got) == 1
            session.leave(permit, "page 7")


def test_subclasses_are_sealed_with_their_class(guard: Guard) -> None:
    with pytest.raises(Refused):
        Special("read_page", lambda **given: given).run(id="7")


def test_promise_1_closing_the_guard_does_not_break_its_seal(tmp_path: Path) -> None:
    ran: list[Any] = []
    tool = Framework("read_page", lambda **given: ran.append(given))
    with Guard.open(make_world(tmp_path)) as guard:
        sealing.seal("framework", guard.engine, methods)
        session = guard.session(user="alice", agent=AGENT, task="Work").__enter__()
    with pytest.raises(Refused, match="sealed by a Guard that is closed"):
        copy_context().run(outside, session, tool)
    with pytest.raises(Refused):
        tool.run(id="7")  # in the session that nobody left
    assert ran == []
    left(session)


def test_a_seal_is_lifted_by_hand_where_no_open_guard_holds_it(tmp_path: Path) -> None:
    before = Framework.run
    with Guard.open(make_world(tmp_path / "a")) as one:
        sealing.seal("framework", one.engine, methods)
        with Guard.open(make_world(tmp_path / "b")) as other:
            sealing.seal("framework", other.engine, methods)
            sealing.seal("framework", other.engine, methods)
        other.unseal()
        assert sealing.is_sealed("framework")
        assert Framework.run is not before
        with pytest.raises(Refused):
            Framework("read_page", lambda **given: given).run(id="7")
    assert sealing.is_sealed("framework")
    one.unseal()
    assert not sealing.is_sealed("framework")
    assert Framework.run is before
    assert "run" not in vars(Special)


def test_a_seal_that_cannot_be_put_on_whole_is_not_put_on(tmp_path: Path) -> None:
    before = Framework.run

    def broken() -> tuple[sealing.Method, ...]:
        return (*methods(), sealing.Method(owner=Framework, name="no_such_method", make=_unmade))

    with Guard.open(make_world(tmp_path)) as guard, pytest.raises(AttributeError):
        sealing.seal("framework", guard.engine, broken)
    assert Framework.run is before
    assert not sealing.is_sealed("framework")


def test_a_session_of_another_guard_answers_for_its_own_calls(tmp_path: Path) -> None:
    tool = Framework("read_page", page)
    with Guard.open(make_world(tmp_path / "a")) as one, Guard.open(make_world(tmp_path / "b")) as other:
        sealing.seal("framework", one.engine, methods)
        with other.session(user="alice", agent=AGENT, task="Work"):
            assert tool.run(id="7") == "page 7"
    assert decisions(tmp_path / "a") == []
    assert len(decisions(tmp_path / "b", "page.read")) == 1


def test_a_session_that_is_closed_answers_for_nothing(guard: Guard) -> None:
    session = guard.session(user="alice", agent=AGENT, task="Work")
    with session:
        session.close()
        with pytest.raises((Refused, Denied)):
            Framework("read_page", lambda **given: given).run(id="7")
