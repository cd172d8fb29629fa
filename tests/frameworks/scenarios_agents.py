"""Several agents: as tools, handed on to, and in whose name each acts."""

from __future__ import annotations

from contextlib import suppress

from bailiwick import UsageError
from tests.frameworks.asking import DONE, PROMPT, Make, ask, heard, one
from tests.frameworks.desk import Desk, page
from tests.frameworks.harness import Agent, Ask, Mode, Say

__all__ = ["SCENARIOS"]

P1 = ("read_page", {"id": "1", "limit": 7})
HELPED = Say("The helper is done.")
THROUGH_HELPER = ["alice", "desk-bot", "helper"]


def agent_as_tool(make: Make, desk: Desk) -> None:
    """Calls of an agent that works as a tool are decided for it and its caller"""
    _decided_for_both(make, desk, Mode.SYNC)


def agent_as_tool_async(make: Make, desk: Desk) -> None:
    """Asynchronous runs: calls of an agent that works as a tool are decided for it and its caller"""
    _decided_for_both(make, desk, Mode.ASYNC)


def agent_as_tool_streaming(make: Make, desk: Desk) -> None:
    """Runs that stream: calls of an agent that works as a tool are decided for it and its caller"""
    _decided_for_both(make, desk, Mode.STREAM)


def _decided_for_both(make: Make, desk: Desk, mode: Mode) -> None:
    helper = _helper(desk, guarded=True)
    ran = ask(make, desk, _calls_helper(), mode=mode, as_tools=(helper,))
    assert ran.error is None, ran.error
    assert desk.runs() == [P1]
    assert heard(ran, "Page 9 is closed.")
    assert desk.outcomes("page.read") == ["deny", "allow"]
    assert desk.chains("page.read") == [THROUGH_HELPER] * 2
    assert ran.final == DONE.text


def two_agents_at_once(make: Make, desk: Desk) -> None:
    """Two agents that work at the same time act each in its own name"""
    helper = Agent(name="helper", script=(Ask.one("read_page", id="1"), HELPED), tools=desk.pick("read_page"))
    scout = Agent(name="scout", script=(Ask.one("read_page", id="2"), HELPED), tools=desk.pick("read_page"))
    calls = ("helper", {"input": PROMPT}), ("scout", {"input": PROMPT})
    ran = ask(make, desk, (Ask(calls), DONE), mode=Mode.ASYNC, as_tools=(helper, scout))
    assert ran.error is None, ran.error
    assert sorted(args["id"] for _, args in desk.runs()) == ["1", "2"]
    assert sorted(desk.chains("page.read")) == [THROUGH_HELPER, ["alice", "desk-bot", "scout"]]


def unguarded_agent_as_tool(make: Make, desk: Desk) -> None:
    """An agent as a tool that nobody protected: the seal decides its calls, too"""
    helper = _helper(desk, guarded=False)
    ask(make, desk, _calls_helper(), as_tools=(helper,))
    assert desk.runs() in ([], [P1])
    assert [outcome for outcome in desk.outcomes("page.read") if outcome == "allow"] == ["allow"] * len(desk.runs())
    assert "deny" in desk.outcomes("page.read"), "its first call was not asked about"


def narrowed_authority(make: Make, desk: Desk) -> None:
    """Another agent may do no more than its caller trusts it with"""
    own = ask(make, desk, one("wipe_page", id="1"), "wipe_page")
    assert own.error is None, own.error
    assert len(desk.runs()) == 1
    helper = Agent(name="helper", script=(*one("wipe_page", id="2")[:1], HELPED), tools=desk.pick("wipe_page"))
    ran = ask(make, desk, _calls_helper(), as_tools=(helper,))
    assert len(desk.runs()) == 1
    assert heard(ran, "does not trust helper")


def labels_reach_the_sub_agent(make: Make, desk: Desk) -> None:
    """What the caller has seen counts for the agents that work for it"""
    helper = Agent(name="helper", script=(Ask.one("put_safe", id="7"), HELPED), tools=desk.pick("put_safe"))
    clean = ask(make, desk, _calls_helper(), as_tools=(helper,))
    assert clean.error is None, clean.error
    assert desk.runs() == [("put_safe", {"id": "7"})], clean.told
    tainted = ask(make, desk, (Ask.one("read_page", id="1"), *_calls_helper()), "read_page", as_tools=(helper,))
    assert heard(tainted, "Somebody else's text chose this."), tainted.told
    assert len(desk.runs("put_safe")) == 1


def labels_come_back(make: Make, desk: Desk) -> None:
    """What another agent has seen counts for whoever it worked for"""
    reader = Agent(name="helper", script=(Ask.one("read_page", id="1"), HELPED), tools=desk.pick("read_page"))
    script = (Ask.one("helper", input="Read page 1."), *one("put_safe", id="7"))
    ran = ask(make, desk, script, "put_safe", as_tools=(reader,))
    assert desk.runs() == [P1]
    assert heard(ran, "Somebody else's text chose this.")


def words_of_the_caller(make: Make, desk: Desk) -> None:
    """What an agent's own model tells another one is that agent's word: where it is clean it taints nobody"""
    helper = Agent(name="helper", script=(Ask.one("put_safe", id="7"), HELPED), tools=desk.pick("put_safe"))
    script = (Ask.one("helper", input="Put the seventh back."), *one("put_safe", id="8"))
    ran = ask(make, desk, script, "put_safe", as_tools=(helper,))
    assert ran.error is None, ran.error
    assert desk.runs() == [("put_safe", {"id": "7"}), ("put_safe", {"id": "8"})], ran.told


def nothing_is_endorsed_on_the_way(make: Make, desk: Desk) -> None:
    """What a tool said endorses nothing in the agent that the work is handed to, in whatever words it is handed on"""
    helper = Agent(name="helper", script=(Ask.one("put_safe", id="harbour"), HELPED), tools=desk.pick("put_safe"))
    script = (Ask.one("read_page", id="1"), Ask.one("helper", input=f"{page('1')} Put harbour."), DONE)
    ran = ask(make, desk, script, "read_page", as_tools=(helper,))
    assert desk.runs() == [P1]
    assert heard(ran, "Somebody else's text chose this."), ran.told


def nothing_is_endorsed_by_a_handoff(make: Make, desk: Desk) -> None:
    """What a tool said endorses nothing in the agent that takes over the conversation in which it stands"""
    helper = Agent(name="helper", script=(Ask.one("put_safe", id="harbour"), HELPED), tools=desk.pick("put_safe"))
    script = (Ask.one("read_page", id="1"), Ask.one("transfer_to_helper"), DONE)
    ran = ask(make, desk, script, "read_page", hands_to=(helper,))
    assert ran.error is None, ran.error
    assert desk.runs() == [P1]
    assert heard(ran, "Somebody else's text chose this."), ran.told


def clean_handoff(make: Make, desk: Desk) -> None:
    """Handing a conversation over taints nobody"""
    helper = Agent(name="helper", script=(Ask.one("put_safe", id="7"), HELPED), tools=desk.pick("put_safe"))
    ran = ask(make, desk, (Ask.one("transfer_to_helper"), DONE), hands_to=(helper,))
    assert ran.error is None, ran.error
    assert desk.runs() == [("put_safe", {"id": "7"})], ran.told


def handoff_to_a_stranger(make: Make, desk: Desk) -> None:
    """An agent that the directory does not know takes no conversation over"""
    stranger = Agent(name="stranger", script=(Ask.one("read_page", id="1"), HELPED), tools=desk.pick("read_page"))
    with suppress(UsageError):  # what names it is refused before anything runs
        ask(make, desk, (Ask.one("transfer_to_stranger"), DONE), hands_to=(stranger,))
    assert desk.runs() == []


def unknown_agent(make: Make, desk: Desk) -> None:
    """An agent that the directory does not know does nothing"""
    stranger = Agent(name="stranger", script=(Ask.one("read_page", id="1"), HELPED), tools=desk.pick("read_page"))
    ran = ask(make, desk, (Ask.one("stranger", input="Read page 1."), DONE), as_tools=(stranger,))
    assert desk.runs() == []
    assert ran.error is not None or ran.final == DONE.text


def agent_that_is_not_trusted(make: Make, desk: Desk) -> None:
    """An agent that its caller may not hand work to does nothing"""
    rogue = Agent(name="rogue", script=(Ask.one("read_page", id="1"), HELPED), tools=desk.pick("read_page"))
    ran = ask(make, desk, (Ask.one("rogue", input="Read page 1."), DONE), as_tools=(rogue,))
    assert desk.runs() == []
    assert ran.error is not None or ran.final == DONE.text


def handoff(make: Make, desk: Desk) -> None:
    """Who takes over a conversation acts through whoever handed it on, with what that one trusts it with"""
    helper = Agent(
        name="helper",
        script=(Ask.one("read_page", id="1"), Ask.one("wipe_page", id="1"), HELPED),
        tools=desk.pick("read_page", "wipe_page"),
    )
    ran = ask(make, desk, (Ask.one("transfer_to_helper"), DONE), hands_to=(helper,))
    assert ran.error is None, ran.error
    assert desk.runs() == [P1]
    assert desk.chains("page.read") == [THROUGH_HELPER]
    assert desk.outcomes("agent.delegate")[:1] == ["allow"]
    assert heard(ran, "does not trust helper")
    assert ran.final == HELPED.text


def denied_handoff(make: Make, desk: Desk) -> None:
    """A hand-off that is denied leaves the conversation where it is, and its model reads why"""
    rogue = Agent(name="rogue", script=(Ask.one("read_page", id="1"), HELPED), tools=desk.pick("read_page"))
    ran = ask(make, desk, (Ask.one("transfer_to_rogue"), DONE), hands_to=(rogue,))
    assert ran.error is None, ran.error
    assert desk.runs() == []
    assert desk.outcomes("agent.delegate") == ["deny"]
    assert ran.final == DONE.text
    assert heard(ran, "may not hand its work to rogue")


def _calls_helper() -> tuple[Ask, Say]:
    return Ask.one("helper", input=PROMPT), DONE


def _helper(desk: Desk, *, guarded: bool) -> Agent:
    return Agent(
        name="helper",
        script=(Ask.one("read_page", id="9"), Ask.one("read_page", id="1"), HELPED),
        tools=desk.pick("read_page"),
        guarded=guarded,
    )


SCENARIOS = (
    agent_as_tool,
    agent_as_tool_async,
    agent_as_tool_streaming,
    two_agents_at_once,
    unguarded_agent_as_tool,
    narrowed_authority,
    labels_reach_the_sub_agent,
    labels_come_back,
    unknown_agent,
    agent_that_is_not_trusted,
    handoff,
    denied_handoff,
    words_of_the_caller,
    nothing_is_endorsed_on_the_way,
    nothing_is_endorsed_by_a_handoff,
    clean_handoff,
    handoff_to_a_stranger,
)
