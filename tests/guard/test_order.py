"""The order in which a call touches the outside world (DESIGN §5 *Audit*), and that sync and async do the same."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick import ApprovalPending, BailiwickError, Denied, Guard, Session
from bailiwick.errors import Refused
from bailiwick.model.event import EventKind
from tests.worlds import AGENT, MAIL, Clock, Tool, approve, asked, call, events, make_world, opened, with_ports


class Noting:
    """A port that writes down what it is asked, and does it."""

    def __init__(self, port: object, notes: list[str], fails: Callable[[str], bool]) -> None:
        self._port, self._notes, self._fails = port, notes, fails

    def __getattr__(self, name: str) -> Any:
        work = getattr(self._port, name)
        if not callable(work):
            return work

        def noted(*args: Any, **kwargs: Any) -> Any:
            what = name
            if name == "append" and hasattr(self._port, "log_id"):
                what = " ".join(draft.kind.value for draft in args[0]) + f" ({args[1].value})"
            self._notes.append(what)
            if self._fails(what):
                raise BailiwickError("a port that fails")
            return work(*args, **kwargs)

        return noted


def note(session: Session, fails: Callable[[str], bool] = lambda _: False) -> list[str]:
    notes: list[str] = []
    ports = session._engine.ports
    names = ("log", "approvals", "in_flight", "ledger", "sessions")
    with_ports(session, **{name: Noting(getattr(ports, name), notes, fails) for name in names})
    return notes


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
def test_an_approved_effect_is_consumed_noted_decided_then_run_then_recorded(tmp_path: Path, use_async: bool) -> None:
    with opened(make_world(tmp_path)) as session:
        with pytest.raises(ApprovalPending):
            session.call("mail.send", MAIL, run=Tool().run)
        approve(session, asked(session)[0])
        notes = note(session)
        tool = Tool(before=lambda: notes.append("RUN"))
        call(session, "mail.send", MAIL, tool, use_async=use_async)
    assert notes[: notes.index("RUN") + 5] == [
        "load",
        "version",
        "by_digest",
        "in_doubt",
        "compare_and_set",
        "begin",
        "decision (sync)",
        "append",
        "delegated",
        "RUN",
        "append",
        "content.ingested action.completed (buffered)",
        "finish",
        *notes[notes.index("RUN") + 4 : notes.index("RUN") + 5],
    ]


def test_a_read_is_decided_then_run_then_labelled_before_anybody_sees_it(tmp_path: Path) -> None:
    with opened(make_world(tmp_path)) as session:
        notes = note(session)
        session.call("page.read", {"id": "1"}, run=Tool(before=lambda: notes.append("RUN")).run)
        done = list(notes)
    assert [what for what in done if what not in ("begin", "finish", "in_doubt")] == [
        "load",
        "version",
        "decision (buffered)",
        "RUN",
        "append",
        "content.ingested action.completed (buffered)",
    ]


def test_a_request_for_approval_is_kept_before_it_is_announced(tmp_path: Path) -> None:
    with opened(make_world(tmp_path)) as session:
        notes = note(session)
        with pytest.raises(ApprovalPending):
            session.call("mail.send", MAIL, run=Tool().run)
    assert notes.index("save") < notes.index("decision approval.requested (sync)")


@pytest.mark.parametrize("step", ["load", "by_digest", "in_doubt", "compare_and_set", "begin", "decision (sync)"])
@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
def test_promise_1_a_failure_at_any_step_before_the_tool_denies_and_never_uses_an_approval_twice(
    tmp_path: Path, step: str, use_async: bool
) -> None:
    folder, tool = make_world(tmp_path), Tool()
    with opened(folder) as session:
        with pytest.raises(ApprovalPending):
            session.call("mail.send", MAIL, run=tool.run)
        approve(session, asked(session)[0])
        ports = session._engine.ports
        note(session, fails=lambda what: what == step)
        with pytest.raises(Denied):
            call(session, "mail.send", MAIL, tool, use_async=use_async)
        assert tool.runs == []
        with_ports(session, log=ports.log, approvals=ports.approvals, in_flight=ports.in_flight, ledger=ports.ledger)
        if step in ("begin", "decision (sync)"):
            with pytest.raises(ApprovalPending) as lost:
                session.call("mail.send", MAIL, run=tool.run)
            assert lost.value.decision.reasons[0].code == "approval-used", "lost, not used twice"
        else:
            session.call("mail.send", MAIL, run=tool.run)
            assert len(tool.runs) == 1


def test_a_check_asks_and_changes_nothing(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    with opened(folder) as session:
        before = events(folder)
        notes = note(session)
        for name, args in (("page.read", {"id": "1"}), ("mail.send", MAIL), ("no.tool", {}), ("put.none", {"id": "1"})):
            first, second = session.check(name, args), session.check(name, args)
            assert first == second
        assert set(notes) <= {"load", "version", "by_digest", "by_session", "in_doubt"}
        assert events(folder) == before
        assert asked(session) == ()


# ── sync ≡ async ───────────────────────────────────────────────────────────────────────────────────────────────────

CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("page.read", {"id": "1"}),
    ("page.read", {"id": "9"}),
    ("page.read", {"id": "1", "limit": 3}),
    ("fact.read", {"id": "42"}),
    ("mail.send", MAIL),
    ("put.none", {"id": "77"}),
    ("put.key", {"id": "78"}),
    ("put.safe", {"id": "79"}),
    ("put.nobody", {"id": "1"}),
    ("no.tool", {}),
    ("db.query", {"sql": "DROP TABLE t"}),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("call"), st.sampled_from(CALLS), st.sampled_from(["text", "raise", "give up"])),
        st.tuples(st.just("approve"), st.booleans()),
        st.tuples(st.just("prompt"), st.sampled_from(["put 77", "hello"])),
        st.tuples(st.just("wait"), st.sampled_from([1000, 40_000, 16 * 60_000])),
        st.tuples(st.just("delegate")),
    ),
    max_size=12,
)


class GivenUp(BaseException):
    """A run that is abandoned, as by Ctrl-C."""


def play(folder: Path, script: list[tuple[Any, ...]], conversation: str, *, use_async: bool) -> list[object]:
    """What happens when the script is played: decisions, results, errors, then the kinds of all events."""
    clock = Clock(time.time_ns() // 1000)
    seen: list[object] = []
    with Guard.open(folder) as guard:
        with_ports(guard, clock=clock)
        with guard.session(user="alice", agent=AGENT, task="Work", conversation=conversation) as session:
            seen.extend([take(session, step, clock, use_async=use_async) for step in script])
            seen.append(session.label)
            own = session.id
    for event in events(folder):
        if event.session == own and event.kind is EventKind.DECISION:
            seen.append((event.kind, event.body["outcome"], event.body["tool"], codes(event.body["reasons"])))
        elif event.session == own:
            seen.append(event.kind)
    return seen


def codes(reasons: object) -> tuple[str, ...]:
    assert isinstance(reasons, list)
    return tuple(str(reason["code"]) for reason in reasons)


def take(session: Session, step: tuple[Any, ...], clock: Clock, *, use_async: bool) -> object:
    match step:
        case ("call", (name, args), how):
            errors = {"raise": ValueError("no"), "give up": GivenUp()}

            def act() -> None:
                if how in errors:
                    raise errors[how]

            try:
                return call(session, name, args, Tool("result", before=act), use_async=use_async)
            except Refused as refused:
                return type(refused), refused.decision.outcome, refused.decision.reasons[0].code
            except (ValueError, GivenUp) as error:
                return type(error)
        case ("approve", grant):
            return [approve(session, one, grant=grant).code for one in asked(session)[-1:]]
        case ("prompt", text):
            session.prompt(text)
        case ("wait", ms):
            clock.forward(ms=ms)
        case ("delegate",):
            with session.delegate("helper", message="go") as helper:
                return helper.label
    return None


counter = itertools.count()


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One for each way. What blocks a call in one (a run that was given up) blocks it in the other."""
    return make_world(tmp_path_factory.mktemp("sync")), make_world(tmp_path_factory.mktemp("async"))


@given(script=steps)
@settings(max_examples=25, deadline=None)
def test_the_same_calls_through_call_and_acall_come_out_the_same(
    worlds: tuple[Path, Path], script: list[tuple[Any, ...]]
) -> None:
    """Decisions, results, errors, labels, and what the log says of them."""
    number = next(counter)
    ways = [
        play(folder, script, f"c-{number}", use_async=way) for folder, way in zip(worlds, (False, True), strict=True)
    ]
    assert ways[0] == ways[1]


def test_calls_side_by_side_in_one_event_loop_are_each_accounted_for(tmp_path: Path) -> None:
    folder = make_world(tmp_path)

    async def main(session: Session) -> list[Any]:
        tool = Tool("page")
        calls = [session.acall("page.read", {"id": str(number)}, run=tool.arun) for number in range(20)]
        return await asyncio.gather(*calls, return_exceptions=True)

    with opened(folder) as session:
        results = asyncio.run(main(session))
    assert [type(result) for result in results if result != "page"] == [Denied, Denied], "pages 8 and 9"
    found = [event.kind for event in events(folder)]
    assert found.count(EventKind.DECISION) == 20
    assert found.count(EventKind.ACTION_COMPLETED) == 18
