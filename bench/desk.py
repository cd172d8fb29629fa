"""The desk at work: one session of the bench's project that has seen so many documents, and the cases to measure."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter_ns

from bailiwick import Guard, Integrity, Label, Permit, Session
from bailiwick.guard.state import SessionState
from bench.measure import Case
from bench.project import DOCUMENT, PROMPT, customer

__all__ = ["Arguments", "Desk", "look_ups", "mails", "open_desk"]

Arguments = Callable[[], Mapping[str, object]]
"""The arguments of the next call."""

_LABEL = Label(sensitivity=1, integrity=Integrity.UNTRUSTED)


def look_ups() -> Arguments:
    """Customers, each named in the prompt."""
    numbers = itertools.cycle(range(100))
    return lambda: {"id": customer(next(numbers))}


def mails() -> Arguments:
    """Mails to a colleague, no two the same: a call that may be under way is looked up by what it would do."""
    numbers = itertools.count()
    return lambda: {"to": ["bob@northwind.example"], "subject": "Plan", "body": f"Mail {next(numbers)}: the team plan."}


class Desk:
    """A session of alice and her agent, open."""

    def __init__(self, guard: Guard, session: Session, *, documents: int) -> None:
        self.guard = guard
        self.session = session
        session.prompt(PROMPT)
        for number in range(documents - 1):
            session.retrieved("kb", [DOCUMENT.format(number=10_000 + number)], label=_LABEL)

    @property
    def state(self) -> SessionState:
        state = self.session._state
        assert state is not None
        return state

    def enter(self, tool: str, arguments: Arguments) -> Case:
        """The decision alone. What it leaves behind is cleared away outside of the measured time."""

        def case() -> int:
            args = arguments()
            began = perf_counter_ns()
            permit = self.session.enter(tool, args)
            spent = perf_counter_ns() - began
            self.withdraw(permit)
            return spent

        return case

    async def aenter(self, tool: str, arguments: Arguments) -> int:
        """The same through the async driver."""
        args = arguments()
        began = perf_counter_ns()
        permit = await self.session.aenter(tool, args)
        spent = perf_counter_ns() - began
        self.withdraw(permit)
        return spent

    def call(self, tool: str, arguments: Arguments) -> Case:
        """The whole call: decision, start, a tool that does nothing, its result labelled and recorded."""

        def case() -> int:
            args = arguments()
            result = {"id": args.get("id", ""), "email": "c@customer.example", "plan": "team", "notes": "none"}
            began = perf_counter_ns()
            self.session.call(tool, args, run=lambda **_: result)
            return perf_counter_ns() - began

        return case

    def withdraw(self, permit: Permit) -> None:
        """Forget a permit without recording anything, so that the next round begins as this one did."""
        self.state.permits.pop(permit.id)
        if permit.tracked:
            self.guard.state.finish(permit.id)


@contextmanager
def open_desk(guard: Guard, *, documents: int, name: str = "desk") -> Iterator[Desk]:
    """A session that knows so many documents, its prompt among them. `name` keeps sessions of one guard apart."""
    conversation = f"{name}-{documents}"
    with guard.session(user="alice", agent="desk-bot", task="Answer a ticket", conversation=conversation) as session:
        yield Desk(guard, session, documents=documents)
