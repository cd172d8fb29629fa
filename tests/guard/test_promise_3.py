"""Promise 3 (DESIGN §3): authority only narrows along user → agent → agent → tool."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick import Denied, Guard, Session, UsageError
from bailiwick.model.event import EventKind
from tests.worlds import AGENT, Clock, Tool, edit, events, make_world, opened, with_ports

TOOLS = ("page.read", "fact.read", "db.query", "mail.send", "put.none", "put.key", "put.safe", "put.nobody")
DELEGATE = "agent.delegate"
ARGS: dict[str, dict[str, object]] = {
    "db.query": {"sql": "SELECT 1"},
    "mail.send": {"to": ["bob@acme.example"], "subject": "s", "body": "b"},
}
AGENTS = (AGENT, "helper", "scout", "off-bot")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    folder = make_world(tmp_path_factory.mktemp("world"))
    edit(
        folder, "directory.toml", '[agents.scout]\nclasses   = ["scout"]', '[agents.scout]\nclasses = ["scout", "desk"]'
    )
    every = '{ effects = ["read", "write", "send"], max_depth = 3 }'
    edit(
        folder,
        "directory.toml",
        '[agents.helper.may_delegate_to]\nscout     = { effects = ["read", "write"] }',
        f"[agents.helper.may_delegate_to]\nscout = {every}\ndesk-bot = {every}",
    )
    edit(folder, "directory.toml", 'helper    = { effects = ["read"] }', f"helper = {every}\ndesk-bot = {every}")
    with Guard.open(folder) as guard:
        yield guard


def reach(session: Session) -> frozenset[str]:
    """Every tool that the session may call."""
    return frozenset(name for name in TOOLS if session.check(name, ARGS.get(name, {"id": "1"})).allowed)


def refused_for(session: Session, agent: str, **asked: object) -> str:
    with pytest.raises(Denied) as refused:
        session.delegate(agent, **asked)  # type: ignore[arg-type]
    return refused.value.decision.reasons[0].code


hops = st.lists(
    st.tuples(
        st.sampled_from(AGENTS),
        st.none()
        | st.sets(st.sampled_from([*TOOLS, DELEGATE])).map(lambda some: {*some, DELEGATE})
        | st.just({"page.read"}),
        st.none() | st.just({"pages"}),
    ),
    min_size=1,
    max_size=4,
)


@given(who=st.sampled_from(["alice", "eve"]), task=st.sampled_from(["Work", "read-pages"]), path=hops)
@settings(max_examples=60, deadline=None)
def test_promise_3_no_hop_can_do_more_than_the_one_before_nor_than_it_was_given(
    shared: Guard, who: str, task: str, path: list[tuple[str, set[str] | None, set[str] | None]]
) -> None:
    with ExitStack() as stack:
        session = stack.enter_context(shared.session(user=who, agent=AGENT, task=task))
        before = reach(session)
        assert before <= ({"page.read"} if task == "read-pages" else set(TOOLS))
        for agent, tools, zones in path:
            try:
                session = stack.enter_context(session.delegate(agent, tools=tools, zones=zones))
            except Denied:
                continue
            now = reach(session)
            assert now <= before
            assert tools is None or now <= tools
            assert zones is None or now <= {"page.read"}
            before = now


def test_promise_3_each_link_needs_its_own_permit(tmp_path: Path) -> None:
    """put.nobody is permitted to scouts alone: not to the user behind one, so not through one either."""
    folder = make_world(tmp_path)
    edit(
        folder,
        "policies/desk.cedar",
        '@id("page-9-is-closed")',
        '@id("all") permit (principal in Group::"support", action == Action::"put.nobody", resource)\n'
        'when { context.depth == 1 };\n@id("page-9-is-closed")',
    )
    with opened(folder, agent="scout") as session:
        decision = session.check("put.nobody", {"id": "1"})
        assert decision.reasons[0].code == "no-permit"
        assert decision.verdict is not None
        missing = [str(link.link) for link in decision.verdict.links if not link.allowed and not link.policies]
        assert missing == ['User::"alice"'], "the link that lacks one is named"
        assert [link.allowed for link in decision.verdict.links] == [False, True]


def test_promise_3_a_sub_agent_cannot_do_what_its_delegator_may_not(tmp_path: Path) -> None:
    with opened(make_world(tmp_path)) as session, session.delegate("scout") as scout:
        assert scout.chain == ('User::"alice"', f'Agent::"{AGENT}"', 'Agent::"scout"')
        assert reach(scout) == {"page.read"}
        tool = Tool()
        with pytest.raises(Denied, match="No policy lets user alice use put"):
            scout.call("put.nobody", {"id": "1"}, run=tool.run)
        assert tool.runs == []


@pytest.mark.parametrize(
    ("agent", "asked", "code"),
    [
        (AGENT, {}, "delegation-cycle"),
        ("nobody", {}, "unknown-agent"),
        ("off-bot", {}, "inactive-agent"),
        ("helper", {"tools": ["fact.read"]}, "tool-not-granted"),
        ("helper", {"zones": ["elsewhere"]}, "unknown-zone"),
        ("helper", {"zones": []}, "bad-delegation"),
        ("helper", {"tools": "page.read"}, "bad-scope"),
        ("helper", {"ttl_ms": 0}, "bad-delegation"),
    ],
)
def test_promise_3_what_cannot_be_handed_on_is_refused_and_recorded(
    tmp_path: Path, agent: str, asked: dict[str, object], code: str
) -> None:
    folder = make_world(tmp_path)
    with opened(folder, task="read-pages") as session:
        assert refused_for(session, agent, **asked) == code
    recorded = [event for event in events(folder) if event.body.get("tool") == DELEGATE]
    assert [event.body["outcome"] for event in recorded] == ["deny"]
    assert EventKind.DELEGATION_GRANTED not in {event.kind for event in events(folder)}


HELPER_EDGE = 'helper  = { effects = ["read", "write", "send"], max_depth = 1 }'
SCOUT_EDGE = 'scout     = { effects = ["read", "write"] }'


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (HELPER_EDGE, HELPER_EDGE, None),
        (HELPER_EDGE, HELPER_EDGE.replace("max_depth = 1", "max_depth = 0"), "delegation-too-deep"),
        (SCOUT_EDGE, "", "delegation-not-trusted"),
    ],
)
def test_promise_3_a_chain_is_as_deep_as_each_of_its_edges_allows(
    tmp_path: Path, old: str, new: str, code: str | None
) -> None:
    folder = make_world(tmp_path)
    edit(folder, "directory.toml", old, new)
    with opened(folder) as session:
        helper = session.delegate("helper")
        if code is None:
            assert helper.delegate("scout").chain[-1] == 'Agent::"scout"'
        else:
            assert refused_for(helper, "scout") == code


def test_promise_3_an_edge_bounds_the_effects_of_every_call_below_it(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    edit(folder, "directory.toml", HELPER_EDGE, HELPER_EDGE.replace(', "send"', ""))
    with opened(folder) as session, session.delegate("helper") as helper:
        assert session.check("mail.send", ARGS["mail.send"]).allowed
        denied = helper.check("mail.send", ARGS["mail.send"]).reasons[0]
        assert (denied.code, denied.hint) == ("effect-not-delegated", "Handed on there: read, write.")


def test_promise_3_delegation_itself_needs_a_permit_and_a_grant(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    with opened(folder, agent="scout") as session:
        assert refused_for(session, "helper") == "no-permit"
    with opened(folder) as session:
        helper = session.delegate("helper", tools=["page.read"])
        assert refused_for(helper, "scout") == "tool-not-granted", "it was not given agent.delegate"
        with helper:
            assert reach(helper) == {"page.read"}


def test_promise_3_what_was_given_for_a_time_ends_with_it(tmp_path: Path) -> None:
    with opened(make_world(tmp_path)) as session:
        clock = Clock(time.time_ns() // 1000)
        with_ports(session, clock=clock)
        with session.delegate("helper", ttl_ms=5000) as helper:
            assert "page.read" in reach(helper)
            clock.forward(ms=5000)
            decision = helper.check("page.read", {"id": "1"})
            assert decision.reasons[0].code == "delegation-expired"
            assert reach(helper) == frozenset()
            assert "page.read" in reach(session), "the delegator's own goes on"


def test_promise_3_a_session_is_not_entered_twice_as_somebody_else(tmp_path: Path) -> None:
    with Guard.open(make_world(tmp_path)) as guard:
        roots: tuple[dict[str, Any], ...] = ({"user": "alice", "service": "nightly"}, {})
        for root in roots:
            with pytest.raises(Denied) as refused, guard.session(agent=AGENT, task="Work", **root):
                raise AssertionError("opened")
            assert refused.value.decision.reasons[0].code == "no-root"
        with pytest.raises(UsageError, match="not open"):
            guard.session(user="alice", agent=AGENT, task="Work").check("page.read", {"id": "1"})
