"""Opening a chain, handing work on, and checking the chain again at every call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from bailiwick.identity.authority import check_authority, delegate
from bailiwick.model.call import Authority, Grant
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.directory import Directory
from bailiwick.model.tool import DELEGATE_TOOL, Effect

from .organisation import DIRECTORY, HOUR, NOW, given, opened, refused, with_agent, with_edge, without_edge


def check(
    authority: Authority,
    tool: str = "crm.get",
    *zones: tuple[str, ...],
    now_ms: int = NOW,
    directory: Directory = DIRECTORY,
    effects: tuple[Effect, ...] = (Effect.READ,),
) -> Reason | None:
    return check_authority(directory, authority, tool=tool, effects=effects, zones=zones, now_ms=now_ms)


def hand_on(authority: Authority, to: str, **asked: Any) -> Authority | Reason:
    request: dict[str, Any] = {"tools": None, "zones": None, "ttl_ms": None, "now_ms": NOW, "conversation": "c-2"}
    return delegate(DIRECTORY, authority, to=to, **{**request, **asked})


@pytest.mark.parametrize(
    ("who", "code"),
    [
        ({"user": None}, "no-root"),
        ({"service": "nightly"}, "no-root"),
        ({"user": "mallory"}, "unknown-user"),
        ({"user": "gone"}, "inactive-user"),
        ({"user": None, "service": "daily"}, "unknown-service"),
        ({"user": None, "service": "off"}, "inactive-service"),
        ({"user": None, "service": "orphaned"}, "inactive-owner"),
        ({"agent": "suport-bot"}, "unknown-agent"),
        ({"agent": "retired"}, "inactive-agent"),
        ({"agent": ""}, "unknown-agent"),
        ({"task": ""}, "no-task"),
        ({"task": " \n"}, "no-task"),
        ({"task": "x " * 4000}, "too-long"),
        ({"task": "half a \ud83d pair"}, "bad-text"),
        ({"conversation": ""}, "no-conversation"),
        ({"tenant": ""}, "no-tenant"),
        # A slip of the pen in a task's name must not turn it into a purpose that narrows nothing.
        ({"task": "answer-tickt"}, "unknown-task"),
        ({"task": "Answer-Ticket"}, "unknown-task"),
        ({"task": " answer-ticket"}, "unknown-task"),
        ({"task": "answer-ticket", "started_ms": NOW + 1}, "clock"),
    ],
)
def test_no_authority_is_opened_for(who: Mapping[str, Any], code: str) -> None:
    reason = refused(opened(**who))
    assert (reason.plane, reason.code) == (Plane.IDENTITY, code)
    assert reason.message
    assert reason.hint


def test_a_misspelt_agent_is_answered_with_the_nearest_one() -> None:
    assert refused(opened(agent="suport-bot")).hint == "Did you mean 'support-bot'?"


def test_a_purpose_narrows_nothing() -> None:
    authority = given(opened(task="Answer ticket 4711"))
    assert (authority.task, authority.purpose, authority.grant) == ("Answer ticket 4711", "Answer ticket 4711", Grant())
    assert check(authority, "any.tool", (), ("hr",), now_ms=NOW + 1000 * HOUR) is None


def test_a_named_task_narrows_tools_zones_and_time() -> None:
    authority = given(opened(task="answer-ticket"))
    assert authority.purpose == "Answer one ticket"
    assert check(authority, "crm.get", ("crm",)) is None
    assert check(authority, "crm.get", ("crm", "hr")) is None
    denied = refused(check(authority, "db.query", ("crm",)))
    assert denied.code == "tool-not-granted"
    assert denied.message == "Task 'answer-ticket' does not include db.query."
    assert denied.hint == "Granted there: agent.delegate, crm.get, mail.send, web.search."
    assert refused(check(authority, "crm.get", ("hr",))).code == "zone-not-granted"


@pytest.mark.parametrize("places", [[()], [("crm",), ()], [("crm",), ("hr",)]])
def test_every_resource_must_lie_in_the_granted_zones(places: list[tuple[str, ...]]) -> None:
    authority = given(opened(task="answer-ticket"))
    assert refused(check(authority, "crm.get", *places)).code == "zone-not-granted"


def test_a_task_ends_at_its_very_millisecond() -> None:
    authority = given(opened(task="answer-ticket"))
    assert check(authority, "crm.get", ("crm",), now_ms=NOW + HOUR - 1) is None
    assert refused(check(authority, "crm.get", ("crm",), now_ms=NOW + HOUR)).code == "task-expired"


def test_restoring_a_session_does_not_start_its_task_anew() -> None:
    authority = given(opened(task="answer-ticket", started_ms=NOW - HOUR))
    assert refused(check(authority, "crm.get", ("crm",))).code == "task-expired"


def test_a_service_acts_for_its_owner() -> None:
    authority = given(opened(user=None, service="nightly"))
    assert str(authority.chain.root) == 'Service::"nightly"'
    without_bob = replace(DIRECTORY, users={**DIRECTORY.users, "bob": replace(DIRECTORY.users["bob"], active=False)})
    assert check(authority) is None
    assert refused(check(authority, directory=without_bob)).code == "inactive-owner"


@pytest.mark.parametrize(
    ("directory", "code"),
    [
        (with_agent(DIRECTORY, "support-bot", active=False), "inactive-agent"),
        (with_agent(DIRECTORY, "researcher", active=False), "inactive-agent"),
        (without_edge(DIRECTORY, "support-bot", "researcher"), "delegation-not-trusted"),
        (with_edge(DIRECTORY, "support-bot", "researcher", effects=frozenset({Effect.SEND})), "effect-not-delegated"),
        (replace(DIRECTORY, agents={}), "unknown-agent"),
        (replace(DIRECTORY, users={}), "unknown-user"),
    ],
)
def test_what_is_switched_off_later_is_off_at_the_next_call(directory: Directory, code: str) -> None:
    child = given(hand_on(given(opened()), "researcher"))
    assert check(child) is None
    assert refused(check(child, directory=directory)).code == code


def test_a_delegate_holds_what_it_was_given_and_the_reason_names_the_giver() -> None:
    child = given(hand_on(given(opened()), "researcher", tools=["web.search"]))
    assert str(child.chain) == "alice → support-bot → researcher"
    assert (child.key.agent, child.key.conversation) == ("support-bot/researcher", "c-2")
    assert check(child, "web.search") is None
    denied = refused(check(child, "mail.send"))
    assert denied.message == "researcher was not given mail.send by support-bot."
    assert denied.hint == "Granted there: web.search."


def test_the_reason_names_the_first_link_that_lacks_the_tool() -> None:
    child = given(hand_on(given(opened()), "researcher", tools=["web.search", DELEGATE_TOOL]))
    grandchild = given(hand_on(child, "writer", tools=["web.search"]))
    assert refused(check(grandchild, "mail.send")).message == "researcher was not given mail.send by support-bot."
    assert refused(check(grandchild, DELEGATE_TOOL)).message == "writer was not given agent.delegate by researcher."
    in_task = given(hand_on(given(opened(task="answer-ticket")), "researcher", zones=["web"]))
    assert refused(check(in_task, "db.query")).message == "Task 'answer-ticket' does not include db.query."
    outside = refused(check(in_task, "crm.get", ("crm",)))
    assert outside.message == "researcher was not given every zone that crm.get reaches here by support-bot."


@pytest.mark.parametrize(
    ("asked", "code", "names"),
    [
        ({"tools": ["db.query"]}, "tool-not-granted", "db.query"),
        ({"tools": ["crm.get", "hr.read"]}, "tool-not-granted", "hr.read"),
        ({"tools": "crm.get"}, "bad-delegation", "tools"),
        ({"zones": ["hr"]}, "zone-not-granted", "hr"),
        ({"zones": []}, "bad-delegation", "zone"),
        ({"zones": "crm"}, "bad-delegation", "zones"),
        ({"ttl_ms": 0}, "bad-delegation", "over before"),
        ({"conversation": ""}, "no-conversation", "conversation"),
        ({"now_ms": NOW + HOUR}, "task-expired", "answer-ticket"),
        ({"to": "support-bot"}, "delegation-cycle", "support-bot"),
        ({"to": "retired"}, "inactive-agent", "retired"),
        ({"to": "nobody"}, "unknown-agent", "nobody"),
    ],
)
def test_a_delegation_that_would_widen_or_cannot_be_is_refused_by_name(
    asked: dict[str, Any], code: str, names: str
) -> None:
    to = asked.pop("to", "researcher") if "to" in asked else "researcher"
    reason = refused(hand_on(given(opened(task="answer-ticket")), to, **asked))
    assert reason.code == code
    assert names in reason.message


def test_handing_on_takes_the_tool_of_handing_on() -> None:
    child = given(hand_on(given(opened()), "researcher", tools=["web.search"]))
    assert refused(hand_on(child, "writer")).message == "researcher was not given agent.delegate by support-bot."


def test_the_depth_is_the_least_that_any_edge_allows() -> None:
    child = given(hand_on(given(opened()), "writer"))
    grandchild = given(hand_on(child, "researcher"))
    # The edge from writer to researcher allows one hop more, the edge before it none.
    message = refused(hand_on(grandchild, "leaf")).message
    assert message.startswith("What support-bot hands to writer may go over 1 further hop(s); ")
    assert refused(hand_on(given(opened(agent="leaf")), "writer")).code == "delegation-not-trusted"


def test_a_cycle_is_found_over_the_whole_chain() -> None:
    child = given(hand_on(given(opened()), "researcher"))
    grandchild = given(hand_on(child, "writer"))
    assert refused(hand_on(child, "support-bot")).code == "delegation-cycle"
    assert refused(hand_on(grandchild, "support-bot")).code == "delegation-cycle"


def test_a_delegation_ends_by_itself_and_never_after_its_giver() -> None:
    parent = given(opened(task="answer-ticket"))
    child = given(hand_on(parent, "researcher", ttl_ms=1000))
    assert check(child, "crm.get", ("crm",), now_ms=NOW + 999) is None
    denied = refused(check(child, "crm.get", ("crm",), now_ms=NOW + 1000))
    assert (denied.code, denied.message) == ("delegation-expired", "What support-bot gave to researcher has expired.")
    long = given(hand_on(parent, "researcher", ttl_ms=100 * HOUR))
    assert long.grant.expires_ms == NOW + HOUR


def test_a_hand_made_authority_cannot_hide_its_own_grant() -> None:
    authority = replace(given(opened()), grant=Grant(tools=frozenset({"crm.get"})))
    assert refused(check(authority, "mail.send")).code == "tool-not-granted"
