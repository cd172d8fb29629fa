"""One agent and its tool calls: what runs, what does not, and what the model learns of it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any, NoReturn

from tests.frameworks.asking import DONE, PROMPT, Make, ask, heard, one, says_why, timed
from tests.frameworks.desk import Desk, page
from tests.frameworks.harness import Agent, Ask, Mode, NotSupported, Ran
from tests.worlds import abandon, with_ports

__all__ = ["SCENARIOS"]

P1 = ("read_page", {"id": "1", "limit": 7})


def allowed_call_runs(make: Make, desk: Desk) -> None:
    """A permitted call runs once, with what the model gave and the tool's own defaults"""
    ran = ask(make, desk, one("read_page", id="1"), "read_page")
    assert ran.error is None, ran.error
    assert desk.runs() == [P1]
    assert heard(ran, page("1"))
    assert ran.final == DONE.text
    assert desk.outcomes("page.read") == ["allow"]


def denial_reaches_the_model(make: Make, desk: Desk) -> None:
    """A denied call does not run; the model reads why, and goes on"""
    ran = ask(make, desk, (Ask.one("read_page", id="9"), Ask.one("read_page", id="1"), DONE), "read_page")
    says_why(ran, "Page 9 is closed.")
    assert desk.runs() == [P1]
    assert desk.outcomes("page.read") == ["deny", "allow"]


def denial_async(make: Make, desk: Desk) -> None:
    """Asynchronous runs, with asynchronous tools: a denied call does not run, the model reads why, and goes on"""
    script = (Ask.one("read_page", id="9"), Ask.one("read_later", id="2"), DONE)
    ran = ask(make, desk, script, "read_page", "read_later", mode=Mode.ASYNC)
    says_why(ran, "Page 9 is closed.")
    assert desk.runs() == [("read_later", {"id": "2"})]
    assert heard(ran, page("2"))


def denial_streaming(make: Make, desk: Desk) -> None:
    """Runs that stream: a denied call does not run, the model reads why, and goes on"""
    script = (Ask.one("read_page", id="9"), Ask.one("read_page", id="1"), DONE)
    ran = ask(make, desk, script, "read_page", mode=Mode.STREAM)
    says_why(ran, "Page 9 is closed.")
    assert desk.runs() == [P1]


def defaults_are_decided(make: Make, desk: Desk) -> None:
    """What a tool's default fills in is decided, as if the model had said it"""
    ran = ask(make, desk, one("read_long", id="1"), "read_long")
    says_why(ran, "At most 100 lines at once.")
    assert desk.runs() == []
    again = ask(make, desk, one("read_long", id="1", limit=50), "read_long")
    assert again.error is None, again.error
    assert desk.runs() == [("read_long", {"id": "1", "limit": 50})]


def coerced_arguments_are_decided(make: Make, desk: Desk) -> None:
    """What a tool would make of an argument is what is decided: a number in quotes is that number, or refused"""
    ask(make, desk, one("read_long", id="1", limit="900"), "read_long")
    assert desk.runs() == []
    ask(make, desk, one("read_long", id="1", limit="50"), "read_long")
    assert desk.runs() in ([], [("read_long", {"id": "1", "limit": 50})])
    for written in ("9", "%39", "%2539", "%252539"):
        ask(make, desk, one("read_escaped", id=written), "read_escaped")
    assert ("read_escaped", {"id": "9"}) not in desk.runs()


def tool_that_nobody_declared(make: Make, desk: Desk) -> None:
    """A tool that the catalog does not know does not run"""
    ran = ask(make, desk, one("look_at", id="1"), "look_at")
    assert desk.runs() == []
    assert ran.error is None, ran.error
    assert heard(ran, "DENIED")
    assert ran.final == DONE.text


def parallel_calls(make: Make, desk: Desk) -> None:
    """Of several calls at once each is decided for itself: one is denied, the others run, all are told"""
    calls = (("read_page", {"id": "1"}), ("read_page", {"id": "9"}), ("read_page", {"id": "2"}))
    for mode in (Mode.SYNC, Mode.ASYNC):
        before = len(desk.runs())
        ran = ask(make, desk, (Ask(calls), DONE), "read_page", mode=mode)
        says_why(ran, "Page 9 is closed.")
        assert sorted(args["id"] for _, args in desk.runs()[before:]) == ["1", "2"]
        assert heard(ran, page("1"))
        assert heard(ran, page("2"))


def same_call_twice_at_once(make: Make, desk: Desk) -> None:
    """Two equal calls at once are two calls: each is decided and each runs under its own permit"""
    ran = ask(make, desk, (Ask((("read_page", {"id": "1"}),) * 2), DONE), "read_page")
    assert ran.error is None, ran.error
    assert desk.runs() == [P1, P1]
    assert desk.outcomes("page.read") == ["allow", "allow"]


def retried_call(make: Make, desk: Desk) -> None:
    """What the framework runs again is decided again"""
    with desk.session(prompt=PROMPT):
        harness = make(desk)
        agent = Agent(script=one("read_flaky", id="1"), tools=desk.pick("read_flaky"))
        ran = timed(lambda: harness.with_retries(agent, PROMPT, "read_flaky"))
    assert len(desk.runs()) == len(desk.outcomes("flaky.read")), "a run that nobody decided"
    assert len(desk.runs()) >= 2, "the framework did not try again"
    assert heard(ran, "Flaky 1 answers.")


def tool_that_raises(make: Make, desk: Desk) -> None:
    """A tool that fails has run and is on record as failed; what it said is not lost"""
    ran = ask(make, desk, one("read_flaky", id="1"), "read_flaky")
    assert len(desk.runs()) == 1
    assert len(desk.events("action.failed")) == 1
    assert ran.error is not None or any("Error" in told or "error" in told or "cut" in told for told in ran.told)


def tool_under_another_name(make: Make, desk: Desk) -> None:
    """A tool under a name that the catalog does not know does not run"""
    with desk.session(prompt=PROMPT):
        harness = make(desk)
        agent = Agent(script=one("glance", id="1"), tools=desk.pick("read_page"))
        ran = timed(lambda: harness.renamed(agent, PROMPT, "read_page", "glance"))
    assert desk.runs() == []
    assert heard(ran, "DENIED")


def hook_order(make: Make, desk: Desk) -> None:
    """No other hook changes arguments after they were decided"""
    with desk.session(prompt=PROMPT):
        harness = make(desk)
        agent = Agent(script=one("read_page", id="1"), tools=desk.pick("read_page"))
        timed(lambda: harness.with_other_hook(agent, PROMPT, lambda _tool, args: {**args, "id": "9"}))
    assert desk.runs() in ([], [P1]), "what ran was not decided"


def call_past_the_agent(make: Make, desk: Desk) -> None:
    """The framework's own tool object, called past the agent, is decided all the same"""
    agent = Agent(script=(DONE,), tools=desk.pick("read_page"))
    with desk.session(prompt=PROMPT):
        harness = make(desk)
        timed(lambda: harness.run(agent, PROMPT))
        _try(lambda: harness.call_directly(agent, "read_page", {"id": "9"}))
        assert desk.runs() == []
        _try(lambda: harness.call_directly(agent, "read_page", {"id": "1"}))
        assert desk.runs() == [P1]
    assert desk.outcomes("page.read") == ["deny", "allow"]
    _try(lambda: harness.call_directly(agent, "read_page", {"id": "1"}))
    assert desk.runs() == [P1], "nobody answers for a call outside of a session"


def no_session(make: Make, desk: Desk) -> None:
    """Outside of a session nothing runs"""
    harness = make(desk)
    agent = Agent(script=one("read_page", id="1"), tools=desk.pick("read_page"))
    ran = timed(lambda: _ran(lambda: harness.run(agent, PROMPT)))
    assert desk.runs() == []
    assert ran.error is not None or ran.model_calls == 0 or heard(ran, "DENIED")


def crash_in_a_rule(make: Make, desk: Desk) -> None:
    """A rule that cannot be evaluated denies; the model is told, and the run goes on"""
    ran = ask(make, desk, (Ask.one("read_counted", limit=2**53), Ask.one("read_page", id="1"), DONE), *_COUNTED)
    says_why(ran, "could not be judged")
    assert desk.runs() == [P1]


def crash_in_the_guard(make: Make, desk: Desk) -> None:
    """A bug in the guard itself denies; nothing runs, and nothing hangs"""
    for mode in (Mode.SYNC, Mode.ASYNC):
        with desk.session(prompt=PROMPT) as session:
            harness = make(desk)
            agent = Agent(script=one("read_page", id="1"), tools=desk.pick("read_page"))
            with_ports(desk.guard, log=_Broken())
            ran = timed(lambda: _ran(lambda: harness.run(agent, PROMPT, mode=mode)))  # noqa: B023  called at once
            abandon(session)
        desk.close()
        assert desk.runs() == []
        assert ran.error is not None or heard(ran, "DENIED")


def closed_guard(make: Make, desk: Desk) -> None:
    """A guard whose store is closed denies; nothing runs, and nothing hangs"""
    with desk.session(prompt=PROMPT) as session:
        harness = make(desk)
        agent = Agent(script=one("read_page", id="1"), tools=desk.pick("read_page"))
        desk.close()
        ran = timed(lambda: _ran(lambda: harness.run(agent, PROMPT)))
        abandon(session)
    assert desk.runs() == []
    assert ran.error is not None or heard(ran, "DENIED")


_COUNTED = ("read_counted", "read_page")


class _Broken:
    """A port with a bug."""

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        def fail(*_: object, **__: object) -> NoReturn:
            raise RuntimeError("a bug")

        return fail


def _ran(run: Callable[[], Ran]) -> Ran:
    """What came of a run; one that could not even begin has ended with what it raised."""
    try:
        return run()
    except (AssertionError, NotSupported):
        raise
    except Exception as error:
        return Ran(error=error)


def _try(call: Callable[[], Any]) -> None:
    """A call that may be refused in whichever way the framework has."""

    def do() -> None:
        try:
            came = call()
            if inspect.isawaitable(came):
                asyncio.run(_awaited(came))
        except (AssertionError, NotSupported):
            raise
        except Exception:
            return

    timed(do)


async def _awaited(what: Any) -> Any:
    return await what


SCENARIOS = (
    allowed_call_runs,
    denial_reaches_the_model,
    denial_async,
    denial_streaming,
    defaults_are_decided,
    coerced_arguments_are_decided,
    tool_that_nobody_declared,
    tool_under_another_name,
    parallel_calls,
    same_call_twice_at_once,
    retried_call,
    tool_that_raises,
    hook_order,
    call_past_the_agent,
    no_session,
    crash_in_a_rule,
    crash_in_the_guard,
    closed_guard,
)
