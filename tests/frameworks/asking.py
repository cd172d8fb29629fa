"""What scenarios share: a run that cannot hang the suite, and what may be asked of it."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from bailiwick import Session
from tests.frameworks.desk import Desk
from tests.frameworks.frameworks import harness_class
from tests.frameworks.harness import Agent, Ask, Harness, Mode, Ran, Say, Script
from tests.frameworks.worker import in_new_process

__all__ = ["DONE", "PROMPT", "Make", "ask", "heard", "nowhere", "one", "says_why", "timed"]

T = TypeVar("T")

PROMPT = "Please see to it."
DONE = Say("All is done.")
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Make:
    """Makes harnesses of one framework, here or in a new process."""

    framework: str

    def __call__(self, desk: Desk) -> Harness:
        return harness_class(self.framework)(guard=desk.guard, folder=desk.kept)

    def elsewhere(self, desk: Desk, do: str, agent: Agent, *, thread: str, **more: Any) -> Ran:
        """The same in a new process (the desk's guard is closed for it)."""
        return in_new_process(self.framework, desk, do, agent, thread=thread, **more)


def timed(what: Callable[[], T]) -> T:
    """What `what` gives or raises, in a thread with this one's context; a run that hangs fails its test."""
    came: list[T] = []
    raised: list[BaseException] = []

    def work() -> None:
        try:
            came.append(context.run(what))
        except BaseException as error:  # handed on below
            raised.append(error)

    context = contextvars.copy_context()
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(TIMEOUT_S)
    assert not thread.is_alive(), f"the run hangs: nothing came within {TIMEOUT_S:.0f} s"
    if raised:
        raise raised[0]
    return came[0]


def ask(
    make: Make,
    desk: Desk,
    script: Script,
    *names: str,
    mode: Mode = Mode.SYNC,
    thread: str = "",
    conversation: str | None = None,
    then: Callable[[Session], object] = lambda _session: None,
    **agent: Any,
) -> Ran:
    """Run an agent with these tools in a session of its own, in which the user said PROMPT. `then` looks at the
    session before it ends."""
    with desk.session(prompt=PROMPT, conversation=conversation) as session:
        harness = make(desk)
        made = Agent(script=script, tools=desk.pick(*names), **agent)
        ran = timed(lambda: harness.run(made, PROMPT, mode=mode, thread=thread))
        then(session)
    return ran


def heard(ran: Ran, text: str) -> bool:
    """Whether the model was told this for one of its calls."""
    return any(text in told for told in ran.told)


def says_why(ran: Ran, reason: str) -> None:
    """The model was told of a denial in these words, and the run went on to its end."""
    assert ran.error is None, ran.error
    assert any("DENIED" in told and reason in told for told in ran.told), ran.told
    assert ran.final == DONE.text


def nowhere(ran: Ran, secret: str) -> None:
    """Nothing that the framework let out says this: not to the model, nor to whoever listens."""
    for what, texts in (
        ("the model was told", ran.told),
        ("it ended with", (ran.final,)),
        ("callbacks, traces or streams said", ran.seen),
        ("it is kept", (ran.state,)),
        ("it raised", tuple(_texts_of(ran.error))),
    ):
        for text in texts:
            assert secret not in text, f"{what}: {text[:500]}"


def _texts_of(error: BaseException | None) -> Iterator[str]:
    """What an exception says, with those that it came of."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield f"{error!r} {error}"
        error = error.__cause__ or error.__context__


def one(name: str, **args: Any) -> Script:
    """A model that makes one call and ends."""
    return (Ask.one(name, **args), DONE)
