"""Promises 7 and 8 of DESIGN §3, as far as the flow plane keeps them."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.flow.ledger import ContentOrigin, Ledger
from bailiwick.model.label import PUBLIC_TRUSTED, Integrity, Label, Readers, unknown_label
from bailiwick.model.tool import Effect, OutputSpec, Role, Sink
from tests.flow.helpers import TOP, Desk, arg, call, nobody_reads, tool

names = st.sampled_from(["a", "b", "c"])
labels = st.builds(
    Label,
    sensitivity=st.integers(0, TOP),
    categories=st.frozensets(names),
    readers=st.frozensets(st.frozensets(names), max_size=3).map(Readers),
    integrity=st.sampled_from(Integrity),
    sources=st.frozensets(names),
)
outputs = st.builds(
    OutputSpec,
    sensitivity=st.integers(0, TOP),
    categories=st.frozensets(names),
    readers=st.none() | st.frozensets(names),
    untrusted=st.none() | st.lists(names, max_size=2).map(tuple),
    endorses=st.dictionaries(names, st.sampled_from([Role.TARGET, Role.SELECTOR]), max_size=2),
)
values = st.dictionaries(names, st.sampled_from(["42", "ann@example.com", "", "all"]), max_size=3) | st.sampled_from(
    ["text", "", '{"a": "42"}']
)
steps = st.one_of(
    st.tuples(st.just("prompt"), st.sampled_from(["ticket 42", "see\n> ann@example.com", ""])),
    st.tuples(st.just("content"), labels),
    st.tuples(st.just("call"), outputs, values),
    st.tuples(st.just("unknown")),
    st.tuples(st.just("model")),
    st.tuples(st.just("know")),
    st.tuples(st.just("restart")),
    st.tuples(st.just("elsewhere"), labels),
    st.tuples(st.just("delegate")),
    st.tuples(st.just("return")),
)


@dataclass
class Session:
    """A session under test beside what it must know at least: every label that went into it, in a plain list."""

    desk: Desk
    saw: list[Label] = field(default_factory=list)

    def must(self) -> Label:
        bound = PUBLIC_TRUSTED
        for label in self.saw:
            bound = bound.join(label)
        return bound


def declared(output: OutputSpec) -> Label:
    """What every result of a tool with this declaration carries at least."""
    return Label(
        sensitivity=output.sensitivity,
        categories=output.categories,
        readers=Readers.declared(output.readers),
        integrity=Integrity.UNTRUSTED if output.untrusted is None else Integrity.ORGANISATION,
    )


def take(stack: list[Session], step: tuple[Any, ...]) -> None:  # noqa: C901 - one branch per kind of step
    session = stack[-1]
    desk = session.desk
    match step:
        case ("prompt", text):
            session.saw.append(Label(integrity=Integrity.UNTRUSTED if ">" in text else Integrity.USER))
            desk.prompt(text)
        case ("content", label):
            session.saw.append(label)
            assert label.flows_to(desk.sees(ContentOrigin.RETRIEVED, "text", label=label).label)
        case ("call", output, value):
            before = session.must()
            spec = tool("t.t", output=output)
            record = desk.runs(call(spec, arg("id", Role.SELECTOR, "42")), value)
            assert before.join(declared(output)).flows_to(record.label)
            session.saw.append(declared(output))
        case ("unknown",):
            session.saw.append(unknown_label(TOP))
            desk.sees(ContentOrigin.UNKNOWN, "something")
        case ("model",):
            assert session.must().flows_to(desk.sees(ContentOrigin.MODEL, "I think").label)
        case ("know",):
            desk.ledger.know("denied")
        case ("restart",):
            again = Ledger(top_sensitivity=TOP)
            for row in desk.ledger.rows:
                again.apply(row)
            assert again == desk.ledger
            desk.ledger = again
        case ("elsewhere", label):
            # Another process of the same session: it knows the rows so far, adds one, and its rows arrive here.
            other = Desk(Ledger(top_sensitivity=TOP))
            for row in desk.ledger.rows:
                other.ledger.apply(row)
            other.sees(ContentOrigin.RETRIEVED, "text", label=label)
            for row in reversed(other.ledger.rows):
                desk.ledger.apply(row)
            session.saw.append(label)
        case ("delegate",):
            child = desk.ledger.child("see 42", **desk.ids())
            stack.append(Session(Desk(child), list(session.saw)))
        case ("return",) if len(stack) > 1:
            done = stack.pop()
            caller = stack[-1]
            caller.saw.append(done.must())
            caller.desk.sees(ContentOrigin.MESSAGE, "found it", label=done.desk.ledger.label)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=14))
def test_promise_7_labels_never_silently_drop(trace: list[tuple[Any, ...]]) -> None:
    stack = [Session(Desk())]
    for step in trace:
        take(stack, step)
        for session in stack:
            bound = session.must()
            assert bound.flows_to(session.desk.ledger.label)
            flow = session.desk.resolve(call(tool("mail.send", Effect.SEND, sink=Sink.EXTERNAL)))
            assert bound.flows_to(flow.label)
            assert bound.flows_to(flow.session_label)
            assert flow.tainted >= bound.tainted
            assert flow.recipients_outside_readers or bound.readers.everyone


@settings(max_examples=100, deadline=None)
@given(st.lists(steps, max_size=10))
def test_a_ledger_is_what_its_rows_say(trace: list[tuple[Any, ...]]) -> None:
    stack = [Session(Desk())]
    for step in trace:
        take(stack, step)
    for session in stack:
        again = Ledger(top_sensitivity=TOP)
        for row in session.desk.ledger.rows:
            again.apply(row)
        assert again == session.desk.ledger


@settings(max_examples=50, deadline=None)
@given(st.lists(labels, max_size=6), st.randoms(use_true_random=False))
def test_rows_join_in_any_order_and_any_number(seen: list[Label], random: Any) -> None:
    desk = Desk()
    for label in seen:
        desk.sees(ContentOrigin.RETRIEVED, "text", label=label)
    shuffled = [*desk.ledger.rows, *desk.ledger.rows]
    random.shuffle(shuffled)
    other = Ledger(top_sensitivity=TOP)
    for row in shuffled:
        other.apply(row)
    assert other.label == desk.ledger.label


def work(ledger: Ledger, body: str) -> int:
    """How many bytecode instructions a decision's flow facts take: work, not time."""
    action = call(
        tool("mail.send", Effect.SEND, sink=Sink.EXTERNAL),
        arg("to", Role.TARGET, "ann@example.com"),
        arg("ticket", Role.SELECTOR, "the ticket 4711"),
        arg("note", Role.SELECTOR, "again ticket please"),
        arg("body", Role.CONTENT, body, text=body),
        recipients=("ann@example.com",),
    )
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        ledger.resolve(action, reads=nobody_reads)
    finally:
        sys.settrace(before)
    return count


def test_promise_8_the_cost_of_a_decision_does_not_grow_with_history() -> None:
    desk = Desk()
    desk.prompt("Tell ann@example.com about the ticket 4711")
    body = "As of today 4711000 is open, and so is everything at https://help.example/4711 too."
    label = Label(integrity=Integrity.UNTRUSTED)
    costs: dict[int, int] = {}
    for number in range(10_000):
        # Every document shares values with the call, which is the worst case for a look-up.
        text = f"document {number}: ann@example.com, 4711000, https://help.example/4711"
        desk.sees(ContentOrigin.RETRIEVED, text, source=f"kb:{number}", label=label)
        if number < 100 or number % 100 == 0:
            desk.prompt("and the ticket again please")
        if number + 1 in (100, 10_000):
            costs[number + 1] = work(desk.ledger, body)
    assert 0 < costs[10_000] <= costs[100] * 1.02
