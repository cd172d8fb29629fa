"""Approvals under random interleavings (promise 4): requests, answers, edits, uses, withdrawals, changes of rules and
people, a clock that steps, restarts. INVARIANT: a tool ran ⇒ a complete approval of exactly these bytes, by different
eligible people, for each of its gates by those of that gate alone, that nobody had taken back, was used for this run
and for no other.

What should hold is computed here from what people said and did, not from the store."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from bailiwick import ApprovalPending, Denied, Guard, Session
from bailiwick.errors import UsageError
from bailiwick.guard.approvals.approving import Answer, answer
from bailiwick.model.decision import Reason
from tests.worlds import AGENT, MAIL, Clock, Tool, abandon, claimed, edit, make_world, with_ports

SOAK = os.environ.get("BAILIWICK_SOAK") == "1"
TTL_MS = 15 * 60_000
PEOPLE = ("alice", "bob", "dora", "carol", "eve", "gone")
LEADS = frozenset({"bob", "dora"})
"""Who may lift the gate: leads that are no part of the chain."""
GATE = '@approvers("Group::leads") @quorum("{quorum}")'
LETTERS = [{**MAIL, "body": "letter 0"}, {**MAIL, "body": "letter 1, a longer one"}]
MORE = """\
@id("weak") @gate("approval") @approvers("User::eve") forbid (principal, action in Action::"send", resource)
unless { context.approved.contains("weak") };

@id("own") @gate("confirm") forbid (principal, action in Action::"send", resource)
when { context.send.content.length > 20 } unless { context.approved.contains("own") };

"""
"""A gate that another person lifts, for both letters; and one for the longer letter, that the user confirms."""


@dataclass
class Said:
    """What a test knows of one request."""

    args: dict[str, Any]
    quorum: int
    asked_ms: int
    yes: dict[str, set[str]] = field(default_factory=dict)
    """By gate."""
    over: bool = False


class Approvals(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.keep = tempfile.TemporaryDirectory()
        self.folder = make_world(Path(self.keep.name))
        self.quorum = 1
        edit(self.folder, "policies/desk.cedar", '@id("external-mail")', MORE + '@id("external-mail")')
        edit(self.folder, "policies/desk.cedar", '@approvers("Group::leads")', GATE.format(quorum=1))
        self.clock = Clock(time.time_ns() // 1000)
        self.latest = self.clock.us
        self.out: set[str] = set()
        self.known: dict[str, Said] = {}
        self.runs = 0
        self.start()

    def start(self) -> None:
        self.guard = Guard.open(self.folder)
        self.sessions: list[Session] = []
        for _ in range(2):  # two guards' worth of sessions over one conversation: neither knows of the other
            session = self.guard.session(user="alice", agent=AGENT, task="Work", conversation="c-1").__enter__()
            with_ports(session, clock=self.clock)
            self.sessions.append(session)

    def stop(self) -> None:
        for session in self.sessions:
            abandon(session)
        self.guard.close()

    def teardown(self) -> None:
        self.stop()
        self.keep.cleanup()

    @property
    def now_ms(self) -> int:
        return self.clock.us // 1000

    @rule(letter=st.integers(0, 1), which=st.integers(0, 1))
    def call(self, letter: int, which: int) -> None:
        tool, args = Tool(), LETTERS[letter]
        try:
            self.sessions[which].call("mail.send", args, run=tool.run)
        except ApprovalPending as waits:
            said = Said(args=args, quorum=self.quorum, asked_ms=self.now_ms)
            self.known.setdefault(waits.approval_id, said)
        except Denied:
            pass
        assert len(tool.runs) <= 1
        for ran in tool.runs:
            good = [name for name, said in self.known.items() if said.args == ran and self.lifts(said)]
            assert good, f"{ran} ran without a good approval"
            # Which of several equally good ones was used does not matter: one is gone.
            used = [name for name in good if self.stored(name) == "consumed"]
            assert len(used) == 1
            self.known[used[0]].over = True
            self.runs += 1

    def lifts(self, said: Said) -> bool:
        fresh = self.now_ms < said.asked_ms + TTL_MS
        return (
            not said.over
            and fresh
            and said.quorum == self.quorum
            and all(
                len(said.yes.get(gate, set()) & people) >= (said.quorum if gate == "external-mail" else 1)
                for gate, people in self.who_lifts(said.args).items()
            )
        )

    def who_lifts(self, args: dict[str, Any]) -> dict[str, set[str]]:
        """The gates of a letter, and who may lift each by now."""
        gates = {"external-mail": set(LEADS - self.out), "weak": {"eve"}}
        return {**gates, "own": {"alice"}} if args == LETTERS[1] else gates

    def said_yes(self, said: Said, person: str) -> None:
        mine = [gate for gate, people in self.who_lifts(said.args).items() if person in people]
        assert mine, f"{person} may lift nothing here"
        for gate in mine:
            assert person not in said.yes.get(gate, set()), "nobody votes twice"
            said.yes.setdefault(gate, set()).add(person)

    def stored(self, name: str) -> str:
        found = self.guard.state.get("acme", "test", name)
        assert found is not None
        return found.status.value

    @rule(letter=st.integers(0, 1), who=st.permutations(["bob", "dora"]), which=st.integers(0, 1))
    def ask_and_grant(self, letter: int, who: list[str], which: int) -> None:
        """So that there is something to lose: with random answers alone hardly a call would ever run."""
        self.call(letter, which)
        waiting = [name for name, said in self.known.items() if said.args == LETTERS[letter] and not said.over]
        for person in (*who[: self.quorum], "eve", "alice") if waiting else ():
            self.respond(list(self.known).index(waiting[-1]), person, grant=True)

    @rule(
        letter=st.integers(0, 1),
        what=st.sampled_from(["left", "rules", "late", "back", "denied", "withdrawn", "edited"]),
    )
    def granted_and_then(self, letter: int, what: str) -> None:
        """Something happens between the yes and the call, which is made at once."""
        self.ask_and_grant(letter, ["bob", "dora"], 0)
        names = [name for name, said in self.known.items() if said.args == LETTERS[letter]]
        pick = list(self.known).index(names[-1]) if names else 0
        match what:
            case "left":
                self.joins_or_leaves("bob")
            case "rules":
                self.other_rules(3 - self.quorum)
            case "late":
                self.tick(TTL_MS)
            case "back":
                self.tick(-500)
            case "denied" if names:
                self.respond(pick, "dora", grant=False)
            case "withdrawn" if names:
                self.withdraw(pick)
            case "edited" if names:
                self.change(pick, "dora", 1 - letter)
        self.call(letter, 1)

    @precondition(lambda self: self.known)
    @rule(pick=st.integers(0, 50), person=st.sampled_from(PEOPLE), grant=st.sampled_from([True, True, True, False]))
    def respond(self, pick: int, person: str, grant: bool) -> None:
        name = self.named(pick)
        given = Answer(approval_id=name, by=claimed(person), grant=grant)
        told = self.guard.engine.administer(lambda core: answer(core, given))
        if not isinstance(told, Reason):
            if grant:
                self.said_yes(self.known[name], person)
            else:
                assert person != "gone"
                self.known[name].over = True

    @precondition(lambda self: self.known)
    @rule(pick=st.integers(0, 50), person=st.sampled_from(["bob", "dora", "eve", "alice"]), letter=st.integers(0, 1))
    def change(self, pick: int, person: str, letter: int) -> None:
        name = self.named(pick)
        given = Answer(approval_id=name, by=claimed(person), grant=True, edited=LETTERS[letter])
        told = self.guard.engine.administer(lambda core: answer(core, given))
        if not isinstance(told, Reason):
            self.known[name].over = True
            self.known[told.id] = Said(args=LETTERS[letter], quorum=self.quorum, asked_ms=self.now_ms)
            self.said_yes(self.known[told.id], person)

    @precondition(lambda self: self.known)
    @rule(pick=st.integers(0, 50))
    def withdraw(self, pick: int) -> None:
        name = self.named(pick)
        with suppress(UsageError):
            self.sessions[0].withdraw(name)
            self.known[name].over = True

    def named(self, pick: int) -> str:
        names = list(self.known)
        return names[pick % len(names)]

    @rule(ms=st.sampled_from([1, 1000, 60_000, TTL_MS, -500, -60_000]))
    def tick(self, ms: int) -> None:
        self.clock.forward(ms=ms)
        self.latest = max(self.latest, self.clock.us)

    @rule()
    def clock_is_right_again(self) -> None:
        self.clock.us = self.latest

    @rule(quorum=st.integers(1, 2))
    def other_rules(self, quorum: int) -> None:
        """Another quorum, and the same again: the same text is the same gate."""
        self.stop()
        if quorum != self.quorum:
            old, new = GATE.format(quorum=self.quorum), GATE.format(quorum=quorum)
            edit(self.folder, "policies/desk.cedar", old, new)
            self.quorum = quorum
        self.start()

    @rule(person=st.sampled_from(["bob", "dora"]))
    def joins_or_leaves(self, person: str) -> None:
        """Somebody leaves the approvers, or comes back: then their yes counts again."""
        inside, outside = (f'[users.{person}]\ngroups = ["{group}"]' for group in ("leads", "support"))
        self.stop()
        old, new = (outside, inside) if person in self.out else (inside, outside)
        edit(self.folder, "directory.toml", old, new)
        self.out ^= {person}
        self.start()

    @rule()
    def restart(self) -> None:
        self.stop()
        self.start()

    @invariant()
    def each_run_used_an_approval_of_its_own(self) -> None:
        used = [item for item in self.guard.state.history("acme", "test", 10_000) if item.status.value == "consumed"]
        assert len(used) == self.runs


@pytest.mark.soak
def test_promise_4_whatever_happens_in_between_a_tool_runs_only_on_a_good_approval() -> None:
    run_state_machine_as_test(
        Approvals,
        settings=settings(
            max_examples=400 if SOAK else 6,
            stateful_step_count=80 if SOAK else 25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
