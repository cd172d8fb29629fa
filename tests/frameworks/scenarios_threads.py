"""Conversations that outlive a process: their labels, and what the framework kept of them."""

from __future__ import annotations

from pathlib import Path

from tests.frameworks.asking import DONE, PROMPT, Make, ask, heard, one, timed
from tests.frameworks.desk import Desk
from tests.frameworks.harness import Agent, Ask, NotSupported

__all__ = ["SCENARIOS"]

THREAD = "thread-1"
CHOSEN = "Somebody else's text chose this."


def thread_is_the_conversation(make: Make, desk: Desk) -> None:
    """The framework's own id of a thread is the guard's conversation"""
    with desk.session(prompt=PROMPT) as session:
        harness = make(desk)
        if harness.no_thread_id:
            raise NotSupported(harness.no_thread_id)
        agent = Agent(script=(DONE,), tools=desk.pick("put_safe"))
        timed(lambda: harness.run(agent, PROMPT, thread=THREAD))
        assert session.conversation == THREAD


def restored_thread_has_its_labels(make: Make, desk: Desk) -> None:
    """A conversation that goes on in a new process is as tainted as it was, whatever the framework kept of it"""
    _first_run(make, desk, Ask.one("read_page", id="1"))
    agent = Agent(script=one("put_safe", id="7"), tools=desk.pick("put_safe"))
    forgotten = desk.forgetful(_beside(desk, "kept-2"))
    ran = make.elsewhere(forgotten, "run", agent, thread=THREAD, conversation=THREAD, prompt=PROMPT)
    assert heard(ran, CHOSEN), ran
    assert desk.runs("put_safe") == []
    ran = make.elsewhere(forgotten, "run", agent, thread="thread-2", conversation="thread-2", prompt=PROMPT)
    assert desk.runs("put_safe") == [("put_safe", {"id": "7"})], "another conversation has seen nothing"


def restored_thread_stays_clean(make: Make, desk: Desk) -> None:
    """What the framework kept of a clean conversation is known in a new process, and taints nothing"""
    _first_run(make, desk, Ask.one("put_safe", id="1"))
    agent = Agent(script=one("put_safe", id="2"), tools=desk.pick("put_safe"))
    ran = make.elsewhere(desk, "run", agent, thread=THREAD, conversation=THREAD, prompt="And once more, please.")
    assert [args["id"] for _, args in desk.runs("put_safe")] == ["1", "2"], ran


def restored_messages_that_nobody_knows(make: Make, desk: Desk) -> None:
    """Messages of a restored thread that the guard never saw count as untrusted"""
    _first_run(make, desk, Ask.one("put_safe", id="1"))
    desk.close()
    other = desk.elsewhere(_beside(desk, "other"))
    agent = Agent(script=one("put_safe", id="2"), tools=desk.pick("put_safe"))
    ran = make.elsewhere(other, "run", agent, thread=THREAD, conversation=THREAD, prompt="And once more, please.")
    assert heard(ran, CHOSEN), ran
    assert len(desk.runs("put_safe")) == 1


def _first_run(make: Make, desk: Desk, first: Ask) -> None:
    ran = ask(make, desk, (first, DONE), "read_page", "put_safe", thread=THREAD, conversation=THREAD)
    assert ran.error is None, ran.error
    assert len(desk.runs()) == 1


def _beside(desk: Desk, name: str) -> Path:
    return desk.folder.parent / name


SCENARIOS = (
    thread_is_the_conversation,
    restored_thread_has_its_labels,
    restored_thread_stays_clean,
    restored_messages_that_nobody_knows,
)
