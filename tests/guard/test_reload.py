"""Rules that are replaced while calls are under way: no call is dropped, and none is decided by rules that are gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bailiwick import ApprovalPending, Denied, Guard
from bailiwick.audit.report import State
from bailiwick.guard.administration.bundles import Activation
from bailiwick.model.event import EventKind
from bailiwick.stores.log_verification import verify_folder
from tests.guard.reloader import Callers
from tests.project.bundles import activate, bundled, project
from tests.worlds import AGENT, FILES, LOGS, MAIL, Tool, approve, decisions, events, opened

ROOT = Path(__file__).parents[2]
TURNS = 200 if os.environ.get("BAILIWICK_SOAK") else 20
DESK = FILES["policies/desk.cedar"]


def rules(turn: int, more: str = "") -> dict[str, str]:
    """Rules that differ from those of every other turn, and deny what `more` says."""
    rule = f'@id("turn-{turn}") forbid (principal, action, resource) when {{ context.depth > {turn + 90} }};'
    return {"policies/desk.cedar": f"{DESK}\n{rule}\n{more}"}


CLOSED = 'forbid (principal, action == Action::"fact.read", resource);'


def activated(guard: Guard, folder: Path, sequence: int, files: dict[str, str]) -> Activation:
    told = activate(guard, bundled(folder, sequence, files=files))
    assert isinstance(told, Activation)
    return told


@pytest.mark.soak
def test_no_call_is_dropped_while_bundles_are_activated(tmp_path: Path) -> None:
    folder = project(tmp_path)
    bundles = [bundled(folder, turn, files=rules(turn)) for turn in range(1, TURNS + 1)]
    other = subprocess.Popen(
        [sys.executable, "-m", "tests.guard.reloader", str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "ready\n"
    with Guard.open(folder) as guard, Guard.open(folder) as activating:
        first = guard.engine.ports.holding.now().policy.digest
        callers = Callers(guard)
        callers.start()
        digests: list[str] = []
        after: list[tuple[int, str]] = []
        for bundle in bundles:
            made = callers.made
            told = activate(activating, bundle)
            assert isinstance(told, Activation)
            returned = time.time_ns() // 1000
            digests.append(activating.engine.ports.holding.now().policy.digest)
            after.append((returned, digests[-1]))
            callers.wait_for(made + 5)
        callers.end()
        assert callers.wrong == []
    told_by_other, _ = other.communicate("\n")
    report = json.loads(told_by_other)
    assert report["wrong"] == []
    assert callers.made > TURNS
    began = {**callers.began, **report["began"]}
    assert len(report["began"]) > TURNS
    assert len({first, *digests}) == TURNS + 1
    taken = decisions(folder, "fact.read")
    assert {event.id for event in taken} == began.keys()
    order = {digest: number for number, digest in enumerate((first, *digests))}
    for event in taken:
        number = order[str(event.body["policy_digest"])]
        least = sum(returned < began[event.id] for returned, _ in after)
        assert number >= least, "decided by rules that were gone before the call began"
    used = {(event.log, event.body["policy_digest"]) for event in taken}
    assert len({digest for _, digest in used}) > TURNS // 2, "the calls did meet the bundles"
    assert len({log for log, _ in used}) == 2
    assert verify_folder(folder / LOGS).state is State.SOUND


def test_an_open_session_goes_by_the_new_rules_and_keeps_its_labels(tmp_path: Path) -> None:
    folder = project(tmp_path)
    with Guard.open(folder) as guard, guard.session(user="alice", agent=AGENT, task="Work") as session:
        session.call("page.read", {"id": "1"}, run=Tool("somebody else's words").run)
        before = session.label
        files = {
            "policies/desk.cedar": DESK.replace("context.flow.tainted && !context", "!context"),
            "directory.toml": (folder / "directory.toml")
            .read_text()
            .replace("[agents.desk-bot]\n", '[agents.desk-bot]\nclearance = "restricted"\n'),
        }
        activated(guard, folder, 1, files)
        session.call("fact.read", {"id": "1"}, run=Tool({}).run)
        assert before.join(session.label) == session.label
        off = (folder / "directory.toml").read_text().replace("[users.alice]", "[users.alice]\nactive = false")
        activated(guard, folder, 2, {"directory.toml": off})
        with pytest.raises(Denied) as refused:
            session.call("fact.read", {"id": "1"}, run=Tool({}).run)
        assert refused.value.decision.reasons[0].code == "inactive-user"
        assert isinstance(activate(guard, bundled(folder, 3, author="dora")), Activation)
        session.call("fact.read", {"id": "1"}, run=Tool({}).run)


def test_the_next_decision_in_another_process_goes_by_the_new_rules(tmp_path: Path) -> None:
    folder = project(tmp_path)
    with opened(folder) as session, Guard.open(folder) as elsewhere:
        session.call("fact.read", {"id": "1"}, run=Tool({}).run)
        activated(elsewhere, folder, 1, rules(1, f'@id("closed") {CLOSED}'))
        with pytest.raises(Denied) as refused:
            session.call("fact.read", {"id": "1"}, run=Tool({}).run)
        assert refused.value.decision.reasons[0].code == "closed"
    logs: dict[str, list[Any]] = {}
    for event in events(folder):
        if event.kind is EventKind.POLICY_ACTIVATED:
            logs.setdefault(event.log, []).append(event.body.get("sequence"))
    assert [None, 1] in logs.values(), "each process says in its own log since when it goes by them"


def test_a_tool_that_a_bundle_brought_can_be_governed_at_once(tmp_path: Path) -> None:
    folder = project(tmp_path)
    files = {
        "tools/desk.toml": f'{FILES["tools/desk.toml"]}\n[tools."fact.count"]\neffects = ["read"]\n',
        **rules(1, '@id("counting") permit (principal, action == Action::"fact.count", resource);'),
    }
    with Guard.open(folder) as guard, Guard.open(folder) as elsewhere:
        activated(elsewhere, folder, 1, files)
        counted = guard.tool("fact.count")(lambda: 7)
        with guard.session(user="alice", agent=AGENT, task="Work"):
            assert counted() == 7


def test_a_permit_that_was_handed_out_before_still_runs(tmp_path: Path) -> None:
    """It was decided, and is on record, under the rules that held; it is good for seconds, and revoked by a kill switch
    no more than by other rules."""
    folder = project(tmp_path)
    with Guard.open(folder) as guard, guard.session(user="alice", agent=AGENT, task="Work") as session:
        permit = session.enter("fact.read", {"id": "1"})
        activated(guard, folder, 1, rules(1, f'@id("closed") {CLOSED}'))
        session.start(permit)
        session.leave(permit, {"name": "Ann"})
        with pytest.raises(Denied):
            session.enter("fact.read", {"id": "1"})
    assert verify_folder(folder / LOGS).state is State.SOUND


OTHER_SETTINGS = {
    "domains": FILES["bailiwick.toml"].replace('["acme.example"]', '["acme.example", "acme.test"]'),
    "hours": FILES["bailiwick.toml"] + '[hours]\ndays = ["monday"]\n',
}
"""What rules mean by inside and outside, and by working time."""
OTHER_RULES = {
    "rules": rules(1),
    **{name: {"bailiwick.toml": text} for name, text in OTHER_SETTINGS.items()},
}


@pytest.mark.parametrize("other", OTHER_RULES)
def test_an_approval_outlives_rules_that_leave_its_gate_and_the_call_as_they_were(tmp_path: Path, other: str) -> None:
    folder, tool = project(tmp_path), Tool()
    with Guard.open(folder) as guard, guard.session(user="alice", agent=AGENT, task="Work") as session:
        with pytest.raises(ApprovalPending) as pending:
            session.call("mail.send", MAIL, run=tool.run)
        assert approve(session, pending.value.approval_id).code == ""
        activated(guard, folder, 1, OTHER_RULES[other])
        session.call("mail.send", MAIL, run=tool.run)
    assert len(tool.runs) == 1


def test_an_approval_ends_with_the_gate_that_it_was_given_for(tmp_path: Path) -> None:
    folder, tool = project(tmp_path), Tool()
    changed = {"policies/desk.cedar": DESK.replace("needs a lead", "needs a lead's leave")}
    assert changed["policies/desk.cedar"] != DESK
    with Guard.open(folder) as guard, guard.session(user="alice", agent=AGENT, task="Work") as session:
        with pytest.raises(ApprovalPending) as pending:
            session.call("mail.send", MAIL, run=tool.run)
        assert approve(session, pending.value.approval_id).code == ""
        activated(guard, folder, 1, changed)
        with pytest.raises(ApprovalPending) as again:
            session.call("mail.send", MAIL, run=tool.run)
        assert again.value.approval_id != pending.value.approval_id
        assert tool.runs == []
        assert approve(session, again.value.approval_id).code == ""
        session.call("mail.send", MAIL, run=tool.run)
    assert len(tool.runs) == 1


def test_where_nothing_changes_a_decision_reads_one_number(tmp_path: Path) -> None:
    folder = project(tmp_path)
    with Guard.open(folder) as guard:
        activated(guard, folder, 1, rules(1))
        guard.engine.ports.holding.now()
        statements: list[str] = []
        connection = guard.state._use.__self__._connection  # type: ignore[attr-defined]
        connection.set_trace_callback(statements.append)
        guard.engine.ports.holding.now()
        connection.set_trace_callback(None)
    asked = [text for text in statements if not text.startswith("PRAGMA")]
    assert len(asked) == 1
    assert "FROM standing" in asked[0]
