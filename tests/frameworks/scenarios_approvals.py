"""Calls that wait for a person, and runs that go on in another process."""

from __future__ import annotations

from tests.frameworks.asking import DONE, PROMPT, Make, heard, one, timed
from tests.frameworks.desk import MAIL, Desk
from tests.frameworks.harness import Agent, Ask, Ran
from tests.worlds import asked

__all__ = ["SCENARIOS"]

THREAD = "thread-1"
EVENING = "Good evening"
EDITED = {**MAIL, "body": EVENING}
EVIL = {**MAIL, "to": ["mallory@evil.example"]}


def approved_in_our_store(make: Make, desk: Desk) -> None:
    """A call that needs approval waits; once a person said yes, the same call runs once, in a new process"""
    agent = _mailer(desk)
    with desk.session(prompt=PROMPT, conversation=THREAD) as session:
        harness = make(desk)
        ran = timed(lambda: harness.run(agent, PROMPT))
        assert ran.suspended or heard(ran, "PENDING_APPROVAL"), ran
        assert desk.runs() == []
        desk.approve(session)
    again = Agent(script=(Ask.one("send_mail", **MAIL), *one("send_mail", **MAIL)), tools=agent.tools)
    ran = make.elsewhere(desk, "run", again, thread="", conversation=THREAD, prompt=PROMPT)
    assert desk.runs() == [("send_mail", MAIL)], "approved once, run once"


def edited_by_the_approver(make: Make, desk: Desk) -> None:
    """What an approver made of a call is what runs"""
    agent = _mailer(desk)
    with desk.session(prompt=PROMPT, conversation=THREAD) as session:
        harness = make(desk)
        timed(lambda: harness.run(agent, PROMPT))
        desk.approve(session, edited=EDITED)
    script = (Ask.one("send_mail", **MAIL), *one("send_mail", **EDITED))
    ran = make.elsewhere(
        desk, "run", Agent(script=script, tools=agent.tools), thread="", conversation=THREAD, prompt=PROMPT
    )
    assert desk.runs() == [("send_mail", EDITED)]
    assert heard(ran, EVENING), "the model was not told what changed"


def resumed_in_a_new_process(make: Make, desk: Desk) -> None:
    """The framework suspends the run; approved, it goes on in a new process, and the call runs once"""
    suspended = _suspended(make, desk)
    ran = _resumed(make, desk, suspended.state)
    assert desk.runs() == [("send_mail", MAIL)]
    assert heard(ran, "The mail is sent."), ran
    assert ran.final == DONE.text
    assert desk.outcomes("mail.send")[-1] == "allow"


def resumed_too_early(make: Make, desk: Desk) -> None:
    """The framework's own yes, before a person gave one, runs nothing"""
    suspended = _suspended(make, desk, answer=None)
    ran = _resumed(make, desk, suspended.state)
    assert desk.runs() == []
    assert ran.suspended or heard(ran, "PENDING_APPROVAL") or heard(ran, "DENIED"), ran


def refused_by_the_approver(make: Make, desk: Desk) -> None:
    """A person said no: the call does not run, whatever the framework's own resume says. The model is told, or the run
    waits for another answer"""
    suspended = _suspended(make, desk, answer=False)
    ran = _resumed(make, desk, suspended.state)
    assert desk.runs() == []
    assert ran.suspended or heard(ran, "was denied"), ran


def forged_state(make: Make, desk: Desk) -> None:
    """An approval written into the framework's own state is worth nothing"""
    suspended = _suspended(make, desk, answer=None)
    forged = make(desk).forge(suspended.state)
    _resumed(make, desk, forged)
    assert desk.runs() == []


def replayed_resume(make: Make, desk: Desk) -> None:
    """The same state resumed twice: the effect happens once"""
    suspended = _suspended(make, desk)
    _resumed(make, desk, suspended.state)
    assert desk.runs() == [("send_mail", MAIL)]
    _resumed(make, desk, suspended.state)
    assert desk.runs() == [("send_mail", MAIL)]


def arguments_edited_after_approval(make: Make, desk: Desk) -> None:
    """Arguments that were changed in the framework's state after a person approved do not run"""
    suspended = _suspended(make, desk)
    edited = make(desk).edit(suspended.state, "send_mail", EVIL)
    _resumed(make, desk, edited)
    assert ("send_mail", EVIL) not in desk.runs()
    assert desk.runs() in ([], [("send_mail", MAIL)])


def _mailer(desk: Desk) -> Agent:
    return Agent(script=one("send_mail", **MAIL), tools=desk.pick("send_mail"))


def _suspended(make: Make, desk: Desk, *, answer: bool | None = True) -> Ran:
    """A run that waits for a person, who has answered since (None: not yet)."""
    with desk.session(prompt=PROMPT, conversation=THREAD) as session:
        harness = make(desk)
        ran = timed(lambda: harness.suspend(_mailer(desk), PROMPT, thread=THREAD))
        assert ran.suspended, ran
        assert desk.runs() == []
        assert len(asked(session)) == 1
        if answer is not None:
            desk.approve(session, grant=answer)
    return ran


def _resumed(make: Make, desk: Desk, state: str) -> Ran:
    """The run goes on in a new process, in which the framework's own resume says yes."""
    agent = Agent(script=(DONE,), tools=desk.pick("send_mail"))
    return make.elsewhere(desk, "resume", agent, thread=THREAD, conversation=THREAD, state=state)


SCENARIOS = (
    approved_in_our_store,
    edited_by_the_approver,
    resumed_in_a_new_process,
    resumed_too_early,
    refused_by_the_approver,
    forged_state,
    replayed_resume,
    arguments_edited_after_approval,
)
