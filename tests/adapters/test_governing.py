"""One governed call for any framework: what goes wrong in the guard is a denial that the model reads, never a raise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bailiwick import Denied, Guard, Session, current_session, running_permit
from bailiwick.adapters.governing import Ended, Told, agovern, govern
from bailiwick.guard.finding import session_for
from tests.worlds import AGENT, MAIL, Tool, approve, asked, decisions, kinds, make_world, with_ports

MODES = pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    with Guard.open(make_world(tmp_path)) as opened:
        yield opened


@pytest.fixture
def session(guard: Guard) -> Iterator[Session]:
    with guard.session(user="alice", agent=AGENT, task="Work") as entered:
        yield entered


def governed(
    find: Callable[[], Session], name: str, args: dict[str, Any], tool: Tool, *, use_async: bool, **how: Any
) -> Told[Any]:
    if use_async:
        return asyncio.run(agovern(find, name, args, lambda given: tool.arun(**given), **how))
    return govern(find, name, args, lambda given: tool.run(**given), **how)


@MODES
def test_a_call_that_may_run_runs_once_and_gives_what_the_tool_gave(session: Session, use_async: bool) -> None:
    tool = Tool({"id": "7", "text": "A page"})
    told = governed(lambda: session, "read_page", {"id": "7"}, tool, use_async=use_async)
    assert (told.ended, told.open, told.value) == (Ended.COMPLETED, True, {"id": "7", "text": "A page"})
    assert tool.runs == [{"id": "7"}]
    assert not told.refused


@MODES
def test_a_denial_is_a_text_with_its_reason_which_the_session_knows(session: Session, use_async: bool) -> None:
    tool = Tool()
    told = governed(lambda: session, "read_page", {"id": "9"}, tool, use_async=use_async)
    assert told.ended is Ended.DENIED
    assert told.text.startswith("DENIED read_page: Page 9 is closed.")
    assert told.refused
    assert told.value is None
    assert tool.runs == []
    assert session.model_input([told.text]) == []


@MODES
def test_a_call_that_a_person_decides_waits_and_runs_once_it_is_granted(session: Session, use_async: bool) -> None:
    tool = Tool()
    told = governed(lambda: session, "send_mail", MAIL, tool, use_async=use_async)
    assert (told.ended, told.approval_id) == (Ended.PENDING, asked(session)[0])
    assert told.text.startswith("PENDING_APPROVAL send_mail: Mail to strangers needs a lead.")
    assert tool.runs == []
    approve(session, told.approval_id)
    again = governed(lambda: session, "send_mail", MAIL, tool, use_async=use_async)
    assert again.ended is Ended.COMPLETED
    assert len(tool.runs) == 1


@MODES
def test_promise_1_no_session_is_a_denial_on_record(guard: Guard, tmp_path: Path, use_async: bool) -> None:
    tool = Tool()
    told = governed(lambda: session_for(guard.engine, "read_page"), "read_page", {"id": "7"}, tool, use_async=use_async)
    assert told.ended is Ended.DENIED
    assert "outside of a session" in told.text
    assert tool.runs == []
    assert len(decisions(tmp_path, "read_page")) == 1


class _Broken:
    """A port that fails in a way that nobody foresaw."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("secret-token-1")


@MODES
@pytest.mark.parametrize("port", ["ledger", "log", "holding", "in_flight"])
def test_promise_1_a_fresh_exception_in_any_port_denies_and_tells_nothing_of_itself(
    guard: Guard, session: Session, port: str, use_async: bool
) -> None:
    tool, kept = Tool(), getattr(guard.engine.ports, port)
    with_ports(guard, **{port: _Broken()})
    told = governed(lambda: session, "put_none", {"id": "7"}, tool, use_async=use_async)
    with_ports(guard, **{port: kept})
    assert told.ended in (Ended.DENIED, Ended.WITHHELD)
    assert told.value is None
    assert "secret-token-1" not in told.text


@MODES
def test_promise_1_a_session_that_cannot_be_found_is_a_denial(use_async: bool) -> None:
    def find() -> Session:
        raise RuntimeError("secret-token-2")

    tool = Tool()
    told = governed(find, "read_page", {"id": "7"}, tool, use_async=use_async)
    assert told.ended is Ended.DENIED
    assert "secret-token-2" not in told.text
    assert tool.runs == []


@MODES
def test_a_result_that_cannot_be_recorded_is_withheld(guard: Guard, session: Session, use_async: bool) -> None:
    tool = Tool("the result", before=lambda: with_ports(guard, ledger=_Broken()))
    kept = guard.engine.ports.ledger
    told = governed(lambda: session, "read_page", {"id": "7"}, tool, use_async=use_async)
    with_ports(guard, ledger=kept)
    assert told.ended is Ended.WITHHELD
    assert (told.value, told.open) == (None, False)
    assert "the result" not in told.text


@MODES
def test_a_result_that_cannot_be_read_is_withheld_too(session: Session, use_async: bool) -> None:
    def plain(_value: object) -> object:
        raise ValueError("the result")

    told = governed(lambda: session, "read_page", {"id": "7"}, Tool("the result"), use_async=use_async, plain=plain)
    assert (told.ended, told.value) == (Ended.WITHHELD, None)
    assert "the result" not in told.text


@MODES
def test_what_a_tool_raises_is_the_frameworks_to_show(session: Session, tmp_path: Path, use_async: bool) -> None:
    def fail() -> None:
        raise LookupError("no such page")

    told = governed(lambda: session, "read_page", {"id": "7"}, Tool(before=fail), use_async=use_async)
    assert (told.ended, told.open) == (Ended.FAILED, True)
    assert isinstance(told.error, LookupError)
    assert "action.failed" in kinds(tmp_path)


@MODES
def test_an_error_that_a_tool_reports_is_recorded_as_one(session: Session, tmp_path: Path, use_async: bool) -> None:
    told = governed(
        lambda: session, "read_page", {"id": "7"}, Tool("nope"), use_async=use_async, failed=lambda value: True
    )
    assert (told.ended, told.value, told.text) == (Ended.FAILED, "nope", "nope")
    assert "action.failed" in kinds(tmp_path)


@MODES
def test_a_signal_of_the_framework_passes_and_leaves_the_call_in_doubt(
    session: Session, tmp_path: Path, use_async: bool
) -> None:
    class Signal(BaseException):
        pass

    def stop() -> None:
        raise Signal

    with pytest.raises(Signal):
        governed(lambda: session, "put_none", {"id": "7"}, Tool(before=stop), use_async=use_async)
    assert "action.cancelled" in kinds(tmp_path)
    again = governed(lambda: session, "put_none", {"id": "7"}, Tool(), use_async=use_async)
    assert again.ended is Ended.DENIED


def test_the_tool_runs_in_the_session_that_decided_it(guard: Guard, session: Session) -> None:
    helper = session.delegate("helper", message="Read page 7")
    seen: list[tuple[Session | None, bool]] = []
    tool = Tool(before=lambda: seen.append((current_session(), running_permit() is not None)))
    told = governed(lambda: helper, "read_page", {"id": "7"}, tool, use_async=False)
    assert told.ended is Ended.COMPLETED
    assert seen == [(helper, True)]
    assert current_session() is session
    assert running_permit() is None


def test_a_refusal_raised_by_a_nested_call_is_the_tools_error(session: Session) -> None:
    def nested() -> None:
        session.call("read_page", {"id": "9"}, run=lambda **_given: "never")

    told = governed(lambda: session, "read_page", {"id": "7"}, Tool(before=nested), use_async=False)
    assert told.ended is Ended.FAILED
    assert isinstance(told.error, Denied)
