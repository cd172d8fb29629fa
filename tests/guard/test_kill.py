"""Promises 4 and 5 (DESIGN §3) under `kill -9`: at random instants of busy sessions, and at each step of one call.

After each kill: no executed tool lacks a decision that was recorded before, no approval was used twice, the log is
sound, what may have run is not silently run again, and the next process goes on. 30 kills; 200 under BAILIWICK_SOAK=1.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bailiwick import ApprovalPending, Denied, Guard, Outcome, Session
from bailiwick.action.ports import Resolution
from bailiwick.audit.relations import ENDS
from bailiwick.audit.report import State
from bailiwick.guard.administration.reconciling import Finding, reconcile
from bailiwick.model.event import Event, EventKind
from bailiwick.stores.log_reader import LogReader
from bailiwick.stores.log_verification import verify_folder
from tests.guard.standing_world import grants, make_quiet_world, standing
from tests.guard.worker import EDITED, MAILS, mail
from tests.worlds import AGENT, LOGS, Tool, approve, asked, events, make_world, opened

ROOT = Path(__file__).parents[2]
KILLS = 200 if os.environ.get("BAILIWICK_SOAK") else 30
PER_WORLD = 10
SEED = 20260


class Workers:
    """The process whose children are killed."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.guard.worker"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def order(self, order: str, folder: Path, number: int) -> int:
        """Have a child made. → its pid."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{order} {folder} {number}\n".encode())
        self._process.stdin.flush()
        word, pid = self._process.stdout.readline().split()
        assert word == b"pid"
        return int(pid)

    def wait_for(self, calls: int) -> None:
        """Return once the child has made so many calls."""
        assert self._process.stdout is not None
        assert self._process.stdout.read(calls) == b"." * calls

    def gone(self) -> int:
        """Wait for the child's end. → its exit status; -9 for SIGKILL."""
        assert self._process.stdout is not None
        while not (line := self._process.stdout.readline()).startswith(b"gone"):
            assert line, "the worker process itself died"
        return int(line.split()[1])

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    made = Workers()
    yield made
    made.close()


@dataclass
class World:
    """A project between kills, and what must hold of it so far."""

    folder: Path
    runs: list[tuple[str, str, str]] = field(default_factory=list)
    blocked: set[str] = field(default_factory=set)

    def approve_mails(self, session: Session) -> None:
        session.call("fact.read", {"id": "1"}, run=Tool({"name": "Ann"}).run)
        for number in range(MAILS):
            if session.check("mail.send", mail(number)).outcome is Outcome.NEEDS_APPROVAL:
                with pytest.raises(ApprovalPending) as pending:
                    session.call("mail.send", mail(number), run=Tool().run)
                assert approve(session, pending.value.approval_id).code == ""

    def check(self) -> set[str]:
        """Everything that must hold of the files after a kill. → decisions whose outcome is unknown."""
        report = verify_folder(self.folder / LOGS)
        assert report.state is State.SOUND, report
        assert report.problems == ()
        recorded = events(self.folder)
        permits = {event.id: event for event in recorded if event.kind is EventKind.DECISION and "permit" in event.body}
        ended = {event.body["decision"] for event in recorded if event.kind in ENDS}
        unknown = {call.decision for call in report.unknown}
        reconciled = {event.body["decision"] for event in recorded if event.kind is EventKind.ACTION_RECONCILED}
        new = self._runs()
        for decision, tool, _ in new:
            assert permits[decision].body["tool"] == tool, "it ran, so its decision was on record before"
            assert decision in ended | unknown | reconciled, (
                "it ran: what became of it is known, or known to be unknown"
            )
        assert max(Counter(decision for decision, _, _ in new).values(), default=0) <= 1, "a permit is for one run"
        since = new[len(self.runs) :]
        again = {what for _, tool, what in since if tool == "put.none"} & self.blocked
        assert not again, "it may have run, and ran again before anybody reconciled it"
        used = Counter(
            lifted["approval"]
            for event in permits.values()
            for lifted in event.body["approved"]  # type: ignore[attr-defined]
        )
        assert max(used.values(), default=0) <= 1, "an approval is used once"
        sent = [decision for decision, tool, _ in new if tool == "mail.send"]
        assert all(permits[decision].body["approved"] for decision in sent)
        self.runs = new
        return unknown

    def _runs(self) -> list[tuple[str, str, str]]:
        path = self.folder / "effects"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(decision, tool, what) for decision, tool, what in (line.split() for line in lines)]

    def resolve(self, session: Session, unknown: set[str], luck: random.Random) -> None:
        """Each call in doubt is blocked; a person finds out about half of them, which lifts the block."""
        recorded = {event.id: event for event in events(self.folder)}
        ran = {decision for decision, _, _ in self.runs}
        todo = sorted(event for event in unknown if recorded[event].body["tool"] == "put.none")
        for decision in todo:
            item = _item(session, recorded[decision])
            with pytest.raises(Denied) as refused:
                session.call("put.none", {"id": item}, run=Tool().run)
            assert refused.value.decision.reasons[0].code == "may-have-run"
        self.blocked |= {_item(session, recorded[decision]) for decision in todo}
        keep = set(luck.sample(todo, len(todo) // 2))
        for decision in unknown - keep:
            resolution = Resolution.RAN if decision in ran else Resolution.DID_NOT_RUN
            found = Finding(decision=recorded[decision], resolution=resolution, by="bob", os_user="0:test")
            session._engine.run(reconcile(session._engine.core, found))
        self.blocked = {_item(session, recorded[decision]) for decision in keep}
        for item in {_item(session, recorded[decision]) for decision in todo} - self.blocked:
            assert session.check("put.none", {"id": item}).allowed


def _item(session: Session, decision: Event) -> str:
    """The item of a `put`, from what the log keeps beside its decision."""
    path: Path = session._engine.ports.log.path  # type: ignore[attr-defined]
    with LogReader.open(path.with_name(f"{decision.log}.db")) as reader:
        args = reader.content(decision.id, "args")
    assert args is not None
    return str(json.loads(args)["id"])


@pytest.mark.soak
@pytest.mark.parametrize("number", range(KILLS // PER_WORLD))
def test_promise_5_after_kill_9_at_any_instant_the_log_says_what_ran_or_may_have_run(
    tmp_path: Path, workers: Workers, number: int
) -> None:
    luck = random.Random(SEED + number)
    world = World(make_world(tmp_path))
    for turn in range(PER_WORLD):
        with opened(world.folder) as session:
            world.approve_mails(session)
        pid = workers.order("run", world.folder, luck.randrange(2**31))
        workers.wait_for(luck.choice((0, 1, 2, 5, 9, 14, 20, 30)))
        os.kill(pid, signal.SIGKILL)
        assert workers.gone() == -9
        unknown = world.check()
        with opened(world.folder, conversation=f"who-looks-{turn}") as session:
            world.resolve(session, unknown, luck)
    assert len({decision for decision, _, _ in world.runs}) > PER_WORLD, "the workers did work"
    with opened(world.folder) as session:
        session.call("put.safe", {"id": "after-all"}, run=Tool().run)
    world.check()


TOUCHES = (
    *("load", "by_digest", "in_doubt", "compare_and_set", "begin", "decision", "note start", "store result"),
    *("outcome", "finish"),
)


STEPS = [f"{when} {name}" for name in TOUCHES for when in ("before", "after")]


@pytest.mark.parametrize("at", range(len(STEPS)), ids=STEPS)
def test_promise_4_killed_at_each_step_of_an_approved_call_it_runs_at_most_once(
    tmp_path: Path, workers: Workers, at: int
) -> None:
    world = World(make_world(tmp_path))
    with opened(world.folder) as session:
        world.approve_mails(session)
        approval = asked(session)[0]
    workers.order("step", world.folder, at)
    assert workers.gone() == -9
    unknown = world.check()
    permitted = at >= TOUCHES.index("decision") * 2 + 1
    assert len(world.runs) == (at > TOUCHES.index("note start") * 2 + 1)
    assert len(unknown) == (permitted and at < TOUCHES.index("outcome") * 2 + 1)
    tool = Tool()
    with (
        Guard.open(world.folder) as guard,
        guard.session(user="alice", agent=AGENT, task="Work", conversation="c-1") as session,
    ):
        used = guard.state.by_session(session.id)[0].status.value == "consumed"
        assert used is (at >= TOUCHES.index("compare_and_set") * 2 + 1)
        if not used:
            session.call("mail.send", mail(0), run=tool.run)
            assert len(tool.runs) == 1
        else:
            with pytest.raises(ApprovalPending) as pending:
                session.call("mail.send", mail(0), run=tool.run)
            assert pending.value.decision.reasons[0].code == "approval-used"
            assert pending.value.approval_id != approval
            assert approve(session, pending.value.approval_id).code == ""
            if unknown:
                with pytest.raises(Denied) as refused:
                    session.call("mail.send", mail(0), run=tool.run)
                assert refused.value.decision.reasons[0].code == "may-have-run"
                assert tool.runs == []
            else:
                session.call("mail.send", mail(0), run=tool.run)
                assert len(tool.runs) == 1


@pytest.mark.parametrize("at", range(26) if os.environ.get("BAILIWICK_SOAK") else range(0, 26, 2))
def test_promise_4_killed_at_any_step_of_a_remembered_call_a_use_may_be_lost_and_none_is_given_back(
    tmp_path: Path, workers: Workers, at: int
) -> None:
    world = World(make_quiet_world(tmp_path))
    with opened(world.folder) as session:
        standing(session, mail(0), count=1)
    workers.order("remembered", world.folder, at)
    killed = workers.gone() == -9
    effects = world.folder / "effects"
    ran = len(effects.read_text().splitlines()) if effects.exists() else 0
    assert verify_folder(world.folder / LOGS).state is State.SOUND
    tool = Tool()
    with opened(world.folder) as session:
        left = grants(session)[0].left
        assert ran <= 1 - left, "a use is counted before the tool runs"
        assert killed or (ran, left) == (1, 0)
        with suppress(ApprovalPending, Denied):
            session.call("mail.send", mail(0), run=tool.run)
        assert len(tool.runs) == left
        assert grants(session)[0].left == 0


SAID = ("grant", "deny", "edit", "withdraw")


@pytest.mark.parametrize("at", range(26) if os.environ.get("BAILIWICK_SOAK") else range(0, 26, 3))
@pytest.mark.parametrize("word", SAID)
def test_promise_4_an_answer_that_is_killed_at_any_step_lifts_no_more_than_the_log_says(
    tmp_path: Path, workers: Workers, word: str, at: int
) -> None:
    """Who answers dies at touch `at // 2` of a store, if there are so many; then the agent tries everything."""
    folder = make_world(tmp_path)
    with opened(folder) as session, pytest.raises(ApprovalPending):
        session.call("mail.send", mail(0), run=Tool().run)
    workers.order(word, folder, at)
    killed = workers.gone() == -9
    report = verify_folder(folder / LOGS)
    assert report.state is State.SOUND, report
    kinds_of = Counter(event.kind for event in events(folder))
    runs = {"original": 0, "edited": 0}
    with opened(folder) as session:
        for name, args in (("original", mail(0)), ("edited", EDITED)) * 2:
            tool = Tool()
            with suppress(ApprovalPending, Denied):
                session.call("mail.send", args, run=tool.run)
            runs[name] += len(tool.runs)
    assert runs["original"] <= (kinds_of[EventKind.APPROVAL_GRANTED] if word == "grant" else 0)
    assert runs["edited"] <= (kinds_of[EventKind.APPROVAL_EDITED] if word == "edit" else 0)
    if not killed:
        assert (runs["original"], runs["edited"]) == (int(word == "grant"), int(word == "edit"))


@pytest.mark.parametrize("at", range(26) if os.environ.get("BAILIWICK_SOAK") else range(0, 26, 3))
@pytest.mark.parametrize("word", SAID)
def test_promise_4_an_approval_that_was_granted_and_is_taken_back_by_a_killed_process_runs_once_at_most(
    tmp_path: Path, workers: Workers, word: str, at: int
) -> None:
    folder = make_world(tmp_path)
    with opened(folder) as session:
        with pytest.raises(ApprovalPending) as waits:
            session.call("mail.send", mail(0), run=Tool().run)
        assert approve(session, waits.value.approval_id, "dora").code == ""
    workers.order(word, folder, at)
    killed = workers.gone() == -9
    runs = 0
    with opened(folder) as session:
        for args in (mail(0), EDITED) * 2:
            tool = Tool()
            with suppress(ApprovalPending, Denied):
                session.call("mail.send", args, run=tool.run)
            runs += len(tool.runs)
    assert runs <= 1
    if not killed:
        assert runs == (word in ("grant", "edit"))
