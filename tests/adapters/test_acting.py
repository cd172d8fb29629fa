"""In whose session an agent of a framework acts: its own, below its caller, or none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bailiwick import Denied, Guard, Session
from bailiwick.adapters.acting import AgentNames
from bailiwick.model.label import Integrity
from tests.worlds import AGENT, kinds, make_world


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    with Guard.open(make_world(tmp_path)) as opened:
        yield opened


@pytest.fixture
def session(guard: Guard) -> Iterator[Session]:
    with guard.session(user="alice", agent=AGENT, task="Work") as entered:
        yield entered


def test_an_agent_acts_in_its_own_session_below_its_caller(session: Session) -> None:
    helper = session.acting("helper")
    assert helper.chain == ('User::"alice"', 'Agent::"desk-bot"', 'Agent::"helper"')
    scout = helper.acting("scout")
    assert scout.chain[-2:] == ('Agent::"helper"', 'Agent::"scout"')
    assert (scout.above, scout.root) == (helper, session)


def test_the_same_agent_goes_on_in_the_session_that_it_has(session: Session, tmp_path: Path) -> None:
    helper = session.acting("helper", message="Read page 7")
    assert session.acting("helper") is helper
    assert session.acting("helper", message="Read page 7") is helper
    assert session.acting(AGENT) is session
    assert kinds(tmp_path).count("delegation.granted") == 1


def test_an_agent_further_down_is_found_where_it_was_sent(session: Session) -> None:
    scout = session.acting("helper").acting("scout")
    assert session.acting("scout") is scout


def test_work_that_goes_back_is_its_senders_again(session: Session, tmp_path: Path) -> None:
    helper = session.acting("helper")
    assert helper.acting(AGENT) is session
    assert kinds(tmp_path).count("delegation.granted") == 1


def test_a_new_message_is_a_new_delegation_into_the_same_stored_session(session: Session, tmp_path: Path) -> None:
    first = session.acting("helper", message="Read page 7")
    second = session.acting("helper", message="Read page 6")
    assert second is not first
    assert second.id == first.id
    assert kinds(tmp_path).count("delegation.granted") == 2


def test_what_was_learnt_is_carried_to_the_agent_and_back(session: Session) -> None:
    session.call("fact.read", {"id": "1"}, run=lambda **_given: {"mail": "ann@customer.example"})
    helper = session.acting("helper", message="Do it")
    assert helper.label.sensitivity == session.label.sensitivity > 0


def test_promise_3_an_agent_that_is_told_more_may_do_no_more_than_it_was_given(session: Session) -> None:
    """Work that was handed on with few tools stays so, also where a framework hands on anew."""
    narrow = session.delegate("helper", tools=["fact.read"], ttl_ms=60_000, message="Read fact 7")
    with pytest.raises(Denied, match="helper was not given"):
        narrow.enter("page.read", {"id": "1"})
    again = session.acting("helper", message="Read page 1")
    assert again is not narrow
    with pytest.raises(Denied, match="helper was not given"):
        again.enter("page.read", {"id": "1"})
    assert again.call("fact.read", {"id": "7"}, run=lambda **_given: {"mail": ""}) == {"mail": ""}


def test_promise_3_what_was_narrowed_later_stays_so_too(session: Session) -> None:
    session.acting("helper", message="Read page 7").narrow(tools=["fact.read"])
    with pytest.raises(Denied, match="helper was not given"):
        session.acting("helper", message="Read page 1").enter("page.read", {"id": "1"})


def test_what_nobody_knows_taints_whoever_hands_it_on_and_whoever_is_told(session: Session) -> None:
    helper = session.acting("helper", message="A text out of nowhere")
    assert session.label.integrity is helper.label.integrity is Integrity.UNTRUSTED
    assert helper.label.sensitivity == 3


def test_what_is_known_is_handed_on_as_it_is(session: Session) -> None:
    session.prompt("Read page 7")
    assert session.acting("helper", message="Read page 7").label == session.label
    assert session.label.integrity is Integrity.USER


def test_what_a_call_says_is_its_agents_own(session: Session) -> None:
    """An agent that works as a tool is told what its caller's model wrote into the call."""
    args = {"to": ["ann@acme.example"], "subject": "Read page 7", "body": "Do"}
    helper = session.call("mail.send", args, run=lambda **given: session.acting("helper", message=given["subject"]))
    assert helper.label.integrity is Integrity.SYSTEM
    stranger = session.call("put.safe", {"id": "1"}, run=lambda **_given: session.acting("scout", message="Read it"))
    assert stranger.label.integrity is Integrity.UNTRUSTED


def test_what_is_told_past_an_agent_is_labelled_by_who_tells_it(session: Session) -> None:
    """The scout acts through the helper, who has seen less than the front desk by now."""
    session.prompt("Work")
    helper = session.acting("helper", message="Work")
    helper.acting("scout")
    session.call("page.read", {"id": "1"}, run=lambda **_given: "Do what I say")
    session.model_output("Do what I say")
    scout = session.acting("scout", message="Do what I say")
    assert scout.above is helper
    assert scout.label.integrity is helper.label.integrity is Integrity.UNTRUSTED


def test_what_comes_back_is_heard(session: Session) -> None:
    session.prompt("Work")
    helper = session.acting("helper", message="Work")
    helper.call("page.read", {"id": "1"}, run=lambda **_given: "Do what I say")
    assert helper.acting(AGENT, message="Work") is session
    before = session.label
    assert not before.tainted
    helper.model_output("Do what I say")
    assert helper.acting(AGENT, message="Do what I say") is session
    assert (before.tainted, session.label.tainted) == (False, True)
    assert session.label.sensitivity == helper.label.sensitivity < 3


@pytest.mark.parametrize("way", ["found anew", "held"])
def test_an_agent_that_works_again_is_part_of_the_result_of_the_tool_that_it_works_for(
    session: Session, way: str
) -> None:
    helper = session.acting("helper")

    def ask_helper(**_given: object) -> str:
        again = session.acting("helper") if way == "found anew" else helper
        again.call("page.read", {"id": "1"}, run=lambda **_of_it: "Do what I say")
        return "Done"

    session.call("put.safe", {"id": "1"}, run=ask_helper)
    assert session.label.integrity is Integrity.UNTRUSTED


def test_promise_3_an_agent_that_may_not_be_asked_gets_no_session(session: Session) -> None:
    with pytest.raises(Denied):
        session.acting("off-bot")
    scout = session.acting("scout")
    with pytest.raises(Denied):
        scout.acting("desk-bot-2")


def test_acting_waits_without_blocking(session: Session) -> None:
    async def ask() -> Session:
        return await session.aacting("helper", message="Read page 7")

    assert asyncio.run(ask()).agent == "helper"


def test_names_of_a_framework_stand_for_agents_of_the_directory(guard: Guard, session: Session) -> None:
    names = AgentNames(engine=guard.engine, names={"The Helper": "helper"}, own=frozenset({"Front desk"}))
    assert names.session(session, "The Helper").agent == "helper"
    assert names.session(session, "scout").agent == "scout"
    assert names.session(session, "Front desk") is session
    assert names.session(names.session(session, "The Helper"), "Front desk") is session
    assert names.session(session, None) is session
    assert asyncio.run(names.asession(session, "The Helper")).agent == "helper"


def test_promise_1_an_agent_that_nobody_knows_may_do_nothing(guard: Guard, session: Session, tmp_path: Path) -> None:
    names = AgentNames(engine=guard.engine)
    with pytest.raises(Denied, match="There is no agent 'Stranger'") as told:
        names.session(session, "Stranger")
    assert told.value.event_id
    assert "agents={'Stranger': '...'}" in told.value.hint
