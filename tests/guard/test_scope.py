"""What a task may do changes while its session runs: less at will, more by leave of a person, for every process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick import ApprovalPending, Denied, Guard, Session
from bailiwick.errors import LogUnavailable, UsageError
from bailiwick.identity.scope import ScopeChange, narrowed, restored
from bailiwick.model.call import Authority, Grant
from bailiwick.model.event import EventKind
from bailiwick.model.principal import Chain, EntityKind, EntityRef, SessionKey
from tests.worlds import FILES, Clock, approve, asked, edit, kinds, make_world, opened, with_ports

WIDENING = """
@id("desk-widens")
permit (principal, action == Action::"task.widen", resource);

@id("more-needs-a-lead") @gate("approval") @approvers("Group::leads")
@reason("A lead decides what a task may do beyond its own.")
forbid (principal, action == Action::"task.widen", resource)
when { !context.args.tools.contains("put.nobody") }
unless { context.approved.contains("more-needs-a-lead") };
"""


def world(folder: Path) -> Path:
    return make_world(folder, policies_desk_cedar=FILES["policies/desk.cedar"] + WIDENING)


def may(session: Session, tool: str) -> bool:
    return session.check(tool, {"id": "5"}).allowed


def code(session: Session, tool: str) -> str:
    return session.check(tool, {"id": "5"}).reasons[0].code


def test_narrowing_needs_nobody_holds_at_once_and_survives_a_restart(tmp_path: Path) -> None:
    folder = world(tmp_path)
    with opened(folder) as session:
        assert may(session, "fact.read")
        session.narrow(tools=["page.read"])
        assert may(session, "page.read")
        assert code(session, "fact.read") == "tool-not-granted"
    with opened(folder) as session:
        assert may(session, "page.read")
        assert code(session, "fact.read") == "tool-not-granted"
    with opened(folder, conversation="another") as session:
        assert may(session, "fact.read")
    assert "task.narrowed" in kinds(folder)


def test_another_process_narrows_and_the_next_decision_knows(tmp_path: Path) -> None:
    folder = world(tmp_path)
    code_text = (
        "import sys; from tests.worlds import opened; from pathlib import Path\n"
        "with opened(Path(sys.argv[1])) as session: session.narrow(zones=['pages'])"
    )
    with opened(folder) as session:
        assert may(session, "fact.read")
        subprocess.run([sys.executable, "-c", code_text, str(folder)], check=True, timeout=60)
        assert code(session, "fact.read") == "zone-not-granted"
        assert may(session, "page.read")


def test_what_is_narrowed_is_narrowed_in_delegated_sessions_too(tmp_path: Path) -> None:
    with opened(world(tmp_path)) as session:
        child = session.delegate("helper")
        grandchild_of_nobody = session.delegate("scout")
        assert may(child, "fact.read")
        session.narrow(tools=["page.read", "agent.delegate"])
        assert code(child, "fact.read") == "tool-not-granted"
        assert may(child, "page.read")
        assert may(grandchild_of_nobody, "page.read")
        assert not may(session.delegate("helper"), "fact.read")


def test_time_is_narrowed_too(tmp_path: Path) -> None:
    with Guard.open(world(tmp_path)) as guard:
        clock = Clock(guard.engine.ports.clock())
        with_ports(guard, clock=clock)
        with guard.session(user="alice", agent="desk-bot", task="Work") as session:
            session.narrow(ttl_ms=1000)
            assert may(session, "fact.read")
            clock.forward(ms=1000)
            assert code(session, "fact.read") == "task-expired"


def test_widening_takes_an_approval_of_exactly_that(tmp_path: Path) -> None:
    folder = world(tmp_path)
    with opened(folder, task="read-pages") as session:
        assert code(session, "fact.read") == "tool-not-granted"
        with pytest.raises(ApprovalPending):
            session.widen(tools=["fact.read"], zones=["pages"])
        assert code(session, "fact.read") == "tool-not-granted"
        assert approve(session, asked(session)[0], by="alice").code  # nobody widens their own
        assert approve(session, asked(session)[0], by="bob").code == ""
        with pytest.raises(ApprovalPending):
            session.widen(tools=["fact.read", "put.safe"], zones=["pages"])
        session.widen(tools=["fact.read"], zones=["pages"])
        # `fact.read` lies in no zone, and the task is still bound to one.
        assert code(session, "fact.read") == "zone-not-granted"
        assert code(session, "put.safe") == "tool-not-granted"
        assert may(session, "page.read")
        with pytest.raises(ApprovalPending):
            session.widen(tools=["fact.read"], zones=["pages"])  # an approval is for one widening
    assert "task.widened" in kinds(folder)


def widen_tools(session: Session, *tools: str) -> None:
    with pytest.raises(ApprovalPending):
        session.widen(tools=tools)
    assert approve(session, asked(session)[-1], by="bob").code == ""
    session.widen(tools=tools)


def unzoned(folder: Path) -> Path:
    edit(world(folder), "directory.toml", 'zones   = ["pages"]\n', "")
    return folder


def test_what_was_widened_stays_over_a_restart_and_is_gone_where_the_task_changed(tmp_path: Path) -> None:
    folder = unzoned(tmp_path)
    with opened(folder, task="read-pages") as session:
        widen_tools(session, "fact.read")
        assert may(session, "fact.read")
        assert may(session, "page.read")
    with opened(folder, task="read-pages") as session:
        assert may(session, "fact.read")
    edit(folder, "directory.toml", '"page.read", "agent.delegate"', '"page.read", "put.safe", "agent.delegate"')
    with opened(folder, task="read-pages") as session:
        assert code(session, "fact.read") == "tool-not-granted"
        assert may(session, "page.read")
        assert code(session, "put.safe") == "tool-not-granted"  # nor does it get more than it had


def test_a_narrowing_after_a_widening_holds(tmp_path: Path) -> None:
    folder = unzoned(tmp_path)
    with opened(folder, task="read-pages") as session:
        widen_tools(session, "fact.read", "put.safe")
        session.narrow(tools=["fact.read"])
        for again in (False, True):
            with opened(folder, task="read-pages") as other:
                assert may(other, "fact.read"), again
                assert code(other, "page.read") == "tool-not-granted"
                assert code(other, "put.safe") == "tool-not-granted"


def test_a_rule_that_lets_a_task_widen_itself_gives_nothing(tmp_path: Path) -> None:
    folder = unzoned(tmp_path)
    with opened(folder, task="read-pages") as session:
        with pytest.raises(Denied) as denied:
            session.widen(tools=["put.nobody"])
        assert denied.value.decision.reasons[0].code == "widen-without-approval"
        assert code(session, "put.nobody") == "tool-not-granted"


def test_a_delegated_session_cannot_widen_itself(tmp_path: Path) -> None:
    with opened(world(tmp_path)) as session:
        child = session.delegate("helper", tools=["page.read"])
        with pytest.raises(Denied) as denied:
            child.widen(tools=["fact.read"])
        assert denied.value.decision.reasons[0].code == "widen-delegated"


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.narrow(),
        lambda s: s.narrow(tools="page.read"),
        lambda s: s.narrow(zones=[]),
        lambda s: s.narrow(ttl_ms=0),
    ],
)
def test_a_narrowing_that_says_nothing_is_refused(change: Callable[[Session], None], tmp_path: Path) -> None:
    with opened(world(tmp_path)) as session:
        with pytest.raises(UsageError):
            change(session)
        assert may(session, "fact.read")


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ({"tools": ["page.raed"]}, "page.read"),
        ({"zones": ["page"]}, "pages"),
        ({"tools": ["read_page", "nothing"]}, ""),
    ],
)
def test_what_does_not_exist_is_neither_kept_nor_asked_for_nor_handed_on(
    named: dict[str, Any], told: str, tmp_path: Path
) -> None:
    with opened(world(tmp_path)) as session:
        with pytest.raises(UsageError) as refused:
            session.narrow(**named)
        assert told in refused.value.hint
        with pytest.raises(Denied) as denied:
            session.widen(**named)
        assert denied.value.decision.reasons[0].code in {"unknown-tool", "unknown-zone"}
        with pytest.raises(Denied) as denied:
            session.delegate("helper", **named)
        assert denied.value.decision.reasons[0].code in {"unknown-tool", "unknown-zone"}
        assert asked(session) == ()
        assert may(session, "fact.read")


def test_a_scope_may_name_tools_as_frameworks_do(tmp_path: Path) -> None:
    with opened(world(tmp_path)) as session:
        session.narrow(tools=["read_page", "agent.delegate"])
        assert may(session, "page.read")
        assert code(session, "fact.read") == "tool-not-granted"
        child = session.delegate("helper", tools=["read_page"])
        assert may(child, "page.read")


def test_a_session_of_a_task_that_left_the_directory_can_do_nothing(tmp_path: Path) -> None:
    folder = unzoned(tmp_path)
    with opened(folder, task="read-pages") as session:
        assert may(session, "page.read")
        edit(folder, "directory.toml", "[tasks.read-pages]", "[tasks.read-books]")
        with Guard.open(folder) as guard:
            with_ports(session, holding=guard.engine.ports.holding)
            assert code(session, "page.read") == "tool-not-granted"


TOOLS = ("a.a", "b.b", "c.c")
ZONES = ("x", "y")
grants = st.builds(
    Grant,
    tools=st.none() | st.frozensets(st.sampled_from(TOOLS)),
    zones=st.frozensets(st.sampled_from(ZONES)),
    expires_ms=st.none() | st.integers(0, 3),
)


def reach(grant: Grant) -> set[tuple[str, str, int]]:
    """Every tool, zone ("" for none) and moment that a grant lets through."""
    return {
        (tool, zone, now)
        for tool in TOOLS
        if grant.tools is None or tool in grant.tools
        for zone in (*ZONES, "")
        if not grant.zones or zone in grant.zones
        for now in range(5)
        if grant.expires_ms is None or now < grant.expires_ms
    }


@given(grants, grants)
def test_widened_holds_both_fields_and_never_less(mine: Grant, other: Grant) -> None:
    assert reach(mine) <= reach(mine.widened(other))
    both = mine.widened(other)
    assert both.tools is None or both.tools == (mine.tools or frozenset()) | (other.tools or frozenset())
    if mine.expires_ms is not None and other.expires_ms is None:
        assert both.expires_ms == mine.expires_ms  # no end is never asked for by leaving it out


@given(grants, grants, grants)
def test_promise_3_restoring_never_gives_more_than_the_task_or_what_it_was_changed_to(
    base: Grant, then: Grant, changed: Grant
) -> None:
    root = EntityRef(kind=EntityKind.USER, id="alice")
    chain = Chain(links=(root, EntityRef(kind=EntityKind.AGENT, id="a")))
    key = SessionKey(tenant="t", env="e", root=root, agent="a", conversation="c")
    authority = Authority(key=key, chain=chain, task="t", purpose="p", grant=base, steps=(base,))
    back = restored(authority, ScopeChange(base=then, grant=changed))
    assert reach(back.grant) <= reach(changed)
    assert back.grant == changed or reach(back.grant) <= reach(base)
    assert reach(narrowed(authority, changed).grant) <= reach(base) & reach(changed)


# ── at the same moment ─────────────────────────────────────────────────────────────────────────────────────────────


class Meanwhile:
    """A store in which something else happens once, just after it has answered `method`."""

    def __init__(self, store: Any, method: str, then: Callable[[], object]) -> None:
        self._store, self._method, self._then = store, method, [then]

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name != self._method or not self._then:
            return found

        def answered(*args: Any, **named: Any) -> Any:
            answer = found(*args, **named)
            if self._then:
                self._then.pop()()
            return answer

        return answered


def meanwhile(session: Session, method: str, then: Callable[[], object]) -> None:
    with_ports(session, sessions=Meanwhile(session._engine.ports.sessions, method, then))


def narrow_elsewhere(folder: Path, *tools: str, task: str = "Work") -> Callable[[], None]:
    """The same session, narrowed through a guard of its own."""

    def narrow() -> None:
        with opened(folder, task=task) as other:
            other.narrow(tools=tools)

    return narrow


@pytest.mark.parametrize("moment", ["before", "version", "open_session"])
def test_what_is_handed_on_is_never_wider_than_a_scope_that_was_narrowed_elsewhere(moment: str, tmp_path: Path) -> None:
    folder = world(tmp_path)
    narrow = narrow_elsewhere(folder, "page.read", "agent.delegate")
    with opened(folder) as session:
        assert may(session, "fact.read")
        if moment == "before":
            narrow()
        else:
            meanwhile(session, moment, narrow)
        child = session.delegate("helper")
        assert code(child, "fact.read") == "tool-not-granted"
        assert may(child, "page.read")


def test_work_is_not_handed_on_where_that_was_taken_away_meanwhile(tmp_path: Path) -> None:
    folder = world(tmp_path)
    with opened(folder) as session:
        meanwhile(session, "open_session", narrow_elsewhere(folder, "page.read"))
        with pytest.raises(Denied) as denied:
            session.delegate("helper")
        assert denied.value.decision.reasons[0].code == "tool-not-granted"
        assert kinds(folder).count("action.expired") == 1


def test_narrowing_reaches_work_that_is_handed_further_on_meanwhile(tmp_path: Path) -> None:
    with opened(world(tmp_path)) as session:
        child = session.delegate("helper")
        further: list[Session] = []
        meanwhile(session, "delegated", lambda: further.append(child.delegate("scout")))
        session.narrow(tools=["fact.read", "agent.delegate"])
        assert code(further[0], "page.read") == "tool-not-granted"


@pytest.mark.parametrize("method", ["scope", "version"])
def test_two_narrowings_of_a_delegated_session_both_hold(method: str, tmp_path: Path) -> None:
    with opened(world(tmp_path)) as session:
        child = session.delegate("helper")
        meanwhile(session, "delegated", lambda: meanwhile(session, method, lambda: child.narrow(tools=["page.read"])))
        session.narrow(tools=["page.read", "fact.read"])
        assert code(child, "fact.read") == "tool-not-granted"
        assert may(child, "page.read")


def test_a_narrowing_holds_for_what_was_handed_on_though_its_agent_works_on_something_else_too(tmp_path: Path) -> None:
    with opened(world(tmp_path)) as session:
        child = session.delegate("helper")
        with opened(tmp_path, task="Other work") as other:
            elsewhere = other.delegate("helper")
            session.narrow(tools=["page.read", "agent.delegate"])
            assert code(child, "fact.read") == "tool-not-granted"
            assert may(elsewhere, "fact.read")


@pytest.mark.parametrize("method", ["version", "change_scope"])
def test_a_widening_gives_nothing_back_that_is_taken_away_meanwhile(method: str, tmp_path: Path) -> None:
    folder = unzoned(tmp_path)
    with opened(folder, task="read-pages") as session:
        with pytest.raises(ApprovalPending):
            session.widen(tools=["fact.read"])
        assert approve(session, asked(session)[-1], by="bob").code == ""
        meanwhile(session, method, narrow_elsewhere(folder, "agent.delegate", task="read-pages"))
        session.widen(tools=["fact.read"])
        with opened(folder, task="read-pages") as again:
            assert code(again, "page.read") == "tool-not-granted"
        assert code(session, "page.read") == "tool-not-granted"


def test_nothing_is_widened_that_cannot_be_recorded(tmp_path: Path) -> None:
    folder = unzoned(tmp_path)
    with opened(folder, task="read-pages") as session:
        with pytest.raises(ApprovalPending):
            session.widen(tools=["fact.read"])
        assert approve(session, asked(session)[-1], by="bob").code == ""
        log = session._engine.ports.log

        class Full:
            """A log whose disk is full once the decision is written."""

            def __getattr__(self, name: str) -> Any:
                return getattr(log, name)

            def append(self, drafts: Any, durability: Any) -> Any:
                if any(draft.kind is not EventKind.DECISION for draft in drafts):
                    raise LogUnavailable("no space left on device", hint="free some")
                return log.append(drafts, durability)

        with_ports(session, log=Full())
        with pytest.raises(Denied):
            session.widen(tools=["fact.read"])
        with_ports(session, log=log)
        assert code(session, "fact.read") == "tool-not-granted"
    with opened(folder, task="read-pages") as session:
        assert code(session, "fact.read") == "tool-not-granted"


def test_a_thread_that_read_an_older_scope_does_not_put_it_back(tmp_path: Path) -> None:
    folder = world(tmp_path)
    with opened(folder) as session:
        narrow_elsewhere(folder, "page.read", "fact.read")()

        def newer() -> None:
            narrow_elsewhere(folder, "page.read")()
            assert code(session, "fact.read") == "tool-not-granted"

        meanwhile(session, "scope", newer)
        assert code(session, "fact.read") == "tool-not-granted"


@pytest.mark.parametrize("method", ["version", "scope"])
def test_a_call_that_waited_long_for_the_store_does_not_take_a_later_one_for_a_clock_gone_back(
    method: str, tmp_path: Path
) -> None:
    folder, clock = world(tmp_path), Clock(time.time_ns() // 1000)
    with opened(folder) as session:
        with_ports(session, clock=clock)
        narrow_elsewhere(folder, "page.read")()

        def later() -> None:
            clock.forward(ms=60_000)
            assert may(session, "page.read")

        meanwhile(session, method, later)
        assert may(session, "page.read")


@pytest.mark.parametrize(
    "act",
    [lambda s: s.delegate("helper"), lambda s: s.widen(tools=["put.safe"])],
    ids=["delegate", "widen"],
)
def test_a_closed_session_hands_on_and_asks_for_nothing(act: Callable[[Session], object], tmp_path: Path) -> None:
    folder = world(tmp_path)
    with Guard.open(folder) as guard:
        with guard.session(user="alice", agent="desk-bot", task="Work") as session:
            pass
        with pytest.raises(Denied) as denied:
            act(session)
        assert denied.value.decision.reasons[0].code == "session-closed"


@pytest.mark.parametrize("back_ms", [500, 900_000])
def test_a_clock_that_went_back_hands_on_nothing_that_is_over(back_ms: int, tmp_path: Path) -> None:
    with Guard.open(world(tmp_path)) as guard:
        clock = Clock(guard.engine.ports.clock())
        with_ports(guard, clock=clock)
        with guard.session(user="alice", agent="desk-bot", task="read-pages") as session:
            clock.forward(ms=600_000)
            assert code(session, "page.read") == "task-expired"
            clock.forward(ms=-back_ms)
            with pytest.raises(Denied):
                session.delegate("helper")


def test_what_was_taken_away_stays_away_under_the_frameworks_conversation(tmp_path: Path) -> None:
    with (
        Guard.open(world(tmp_path)) as guard,
        guard.session(user="alice", agent="desk-bot", task="Work") as session,
    ):
        session.narrow(tools=["page.read"])
        session.rebind("thread-7")
        assert code(session, "fact.read") == "tool-not-granted"
        assert may(session, "page.read")
