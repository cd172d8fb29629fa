"""`@guard.tool`: every call of the function is a governed call, however it is written."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bailiwick import Denied, Guard, UsageError
from bailiwick.stores.log_reader import LogReader
from tests.worlds import AGENT, LOGS, decisions, make_world, opened


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    with Guard.open(make_world(tmp_path)) as guard:
        yield guard


def recorded(folder: Path) -> list[bytes | None]:
    (path,) = (folder / LOGS).glob("log-*.db")
    with LogReader.open(path) as reader:
        return [reader.content(event.id, "args") for event in decisions(folder)]


def test_positions_defaults_and_keywords_reach_policy_as_one_signature(guard: Guard, tmp_path: Path) -> None:
    ran: list[tuple[str, int | None]] = []

    @guard.tool("read_page")
    def read(id: str, limit: int | None = 3) -> str:  # noqa: A002
        """Reads."""
        ran.append((id, limit))
        return f"page {id}"

    with guard.session(user="alice", agent=AGENT, task="Work"):
        assert read("1") == "page 1"
        read("1", 5)
        read(limit=5, id="1")
        read(id="1", limit=None)
        with pytest.raises(Denied, match="Page 9"):
            read("9")
        with pytest.raises(TypeError):
            read()  # type: ignore[call-arg]
    assert ran == [("1", 3), ("1", 5), ("1", 5), ("1", None)]
    assert recorded(tmp_path) == [
        b'{"id":"1","limit":3}',
        b'{"id":"1","limit":5}',
        b'{"id":"1","limit":5}',
        b'{"id":"1","limit":null}',
        b'{"id":"9","limit":3}',
    ]
    assert (read.__name__, read.__doc__) == ("read", "Reads.")


def test_coroutine_functions_are_governed_too(guard: Guard, tmp_path: Path) -> None:
    @guard.tool("page.read")
    async def read(id: str) -> str:  # noqa: A002
        await asyncio.sleep(0)
        return f"page {id}"

    async def main() -> tuple[Any, ...]:
        return await asyncio.gather(read("1"), read("9"), read("2"), return_exceptions=True)

    with guard.session(user="alice", agent=AGENT, task="Work"):
        one, nine, two = asyncio.run(main())
    assert (one, type(nine), two) == ("page 1", Denied, "page 2")
    assert len(decisions(tmp_path)) == 3


def test_outside_of_a_session_it_is_refused_and_recorded(guard: Guard, tmp_path: Path) -> None:
    ran: list[str] = []

    @guard.tool("page.read")
    def read(id: str) -> None:  # noqa: A002
        ran.append(id)

    @guard.tool("page.read")
    async def read_async(id: str) -> None:  # noqa: A002
        ran.append(id)

    with pytest.raises(Denied) as refused:
        read("1")
    with pytest.raises(Denied) as refused_too:
        asyncio.run(read_async("1"))
    for told in (refused.value, refused_too.value):
        assert told.decision.reasons[0].code == "no-session"
        assert told.hint
    assert ran == []
    assert [event.id for event in decisions(tmp_path)] == [refused.value.event_id, refused_too.value.event_id]


def test_in_another_guards_session_it_is_refused(guard: Guard, tmp_path_factory: pytest.TempPathFactory) -> None:
    @guard.tool("page.read")
    def read(id: str) -> None:  # noqa: A002
        raise AssertionError("ran")

    with opened(make_world(tmp_path_factory.mktemp("other"))), pytest.raises(Denied, match="outside of a session"):
        read("1")


def test_inside_the_call_that_permitted_it_it_is_not_decided_again(guard: Guard, tmp_path: Path) -> None:
    @guard.tool("page.read")
    def read(id: str, limit: int = 1) -> str:  # noqa: A002
        return f"page {id}"

    with guard.session(user="alice", agent=AGENT, task="Work") as session:
        assert session.call("page.read", {"id": "1", "limit": 1}, run=read) == "page 1"
        assert len(decisions(tmp_path)) == 1
        session.call("page.read", {"id": "1"}, run=read)
        assert len(decisions(tmp_path)) == 3, "with another signature than was decided, it is decided again"


def test_a_permit_covers_one_call_of_its_own_tool_and_arguments_alone(guard: Guard, tmp_path: Path) -> None:
    ran: list[str] = []

    @guard.tool("page.read")
    def read(id: str) -> str:  # noqa: A002
        ran.append(f"read {id}")
        return id

    @guard.tool("put.safe")
    def put(id: str) -> str:  # noqa: A002
        ran.append(f"put {id}")
        read(id)
        read("9")
        return id

    def twice(id: str) -> str:  # noqa: A002
        return put(id) + put(id)

    with guard.session(user="alice", agent=AGENT, task="Work") as session:
        session.prompt("put 77")
        with pytest.raises(Denied, match="Page 9"):
            put("77")
        assert ran == ["put 77", "read 77"]
        assert [event.body["tool"] for event in decisions(tmp_path)] == ["put.safe", "page.read", "page.read"]

        @guard.tool("put.key")
        def once(id: str) -> str:  # noqa: A002
            ran.append(f"once {id}")
            return id

        session.call("put.key", {"id": "77"}, run=lambda id: once(id) + once(id))  # noqa: A006
    tools = [event.body["tool"] for event in decisions(tmp_path)][3:]
    assert tools == ["put.key", "put.key"], "the second one is a call of its own"


def test_a_permit_that_is_over_covers_nothing_in_what_the_tool_left_behind(guard: Guard, tmp_path: Path) -> None:
    """A tool may start what outlives it, with the context that it ran in."""
    left: list[contextvars.Context] = []

    @guard.tool("put.safe")
    def put(id: str) -> str:  # noqa: A002
        return id

    with guard.session(user="alice", agent=AGENT, task="Work") as session:
        session.call("put.safe", {"id": "7"}, run=lambda **_given: left.append(contextvars.copy_context()))
        assert left[0].run(put, "7") == "7"
        assert len(decisions(tmp_path)) == 2, "it is a call of its own"
        session.call("put.safe", {"id": "8"}, run=lambda **_given: left.append(contextvars.copy_context()))
    with pytest.raises(Denied, match="closed"):
        left[1].run(put, "8")


def test_a_function_that_hides_its_parameters_cannot_be_governed(guard: Guard) -> None:
    def many(*ids: str) -> None: ...
    def named(**ids: str) -> None: ...
    def positional(id: str, /) -> None: ...  # noqa: A002

    for function in (many, named, positional):
        with pytest.raises(UsageError) as refused:
            guard.tool("page.read")(function)
        assert refused.value.hint
    with pytest.raises(UsageError, match=r"no tool 'page\.raed'"):
        guard.tool("page.raed")
