"""What a model was given, recorded as parts of what it was given before: nothing is lost, and little is repeated."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.audit.envelope import seal
from bailiwick.audit.model_calls import MAX_NEW, Given, continued, inputs_of
from bailiwick.errors import StoreError
from bailiwick.model.event import Event, EventKind
from tests.audit.samples import Ticking

threads = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=12), max_size=12)


class Calls:
    """The records of one session's model calls."""

    def __init__(self) -> None:
        self.events: dict[str, Event] = {}
        self.last: Given | None = None
        self._ids = map("e{}".format, itertools.count())

    def call(self, inputs: Sequence[str]) -> Event:
        told = continued(self.last, inputs, lambda: next(self._ids))
        for number, (event_id, body) in enumerate(told, 1):
            kind = EventKind.MODEL_CALLED if number == len(told) else EventKind.MODEL_CONTEXT
            self.events[event_id] = _event(event_id, kind, body)
        self.last = Given(event=told[-1][0], inputs=tuple(inputs))
        return self.events[told[-1][0]]


def _event(event_id: str, kind: EventKind, body: dict[str, object]) -> Event:
    return Event(
        v=1,
        id=event_id,
        log="log-1",
        seq=0,
        kind=kind,
        ts_us=0,
        tenant="t",
        env="e",
        session="s",
        ord=0,
        task="",
        actor=(),
        parents=(),
        body=body,
        commitments={},
    )


@given(threads)
def test_what_was_given_is_what_is_told(calls: list[list[str]]) -> None:
    made = Calls()
    events = [made.call(inputs) for inputs in calls]
    assert [list(inputs_of(made.events.get, event)) for event in events] == calls


@given(threads)
def test_equal_calls_are_recorded_alike(calls: list[list[str]]) -> None:
    first, second = Calls(), Calls()
    assert [first.call(inputs).body for inputs in calls] == [second.call(inputs).body for inputs in calls]


def test_a_thread_that_grows_by_two_messages_a_call_records_two_references_a_call() -> None:
    made, thread = Calls(), ["system"]
    for number in range(1_000):
        thread += [f"question {number}", f"answer {number}"]
        made.call(thread)
    assert sum(len(event.body["inputs"]) for event in made.events.values()) == len(thread)  # type: ignore[arg-type,misc]
    assert max(len(event.body.get("kept", ())) for event in made.events.values()) == 1  # type: ignore[arg-type]


def test_a_thread_whose_oldest_messages_are_dropped_records_only_what_is_new() -> None:
    made = Calls()
    window = ["system", *(f"m{number}" for number in range(20))]
    event = made.call(window)
    for number in range(20, 60):
        window = ["system", *window[2:], f"m{number}"]
        event = made.call(window)
        assert event.body["inputs"] == [f"m{number}"]
        assert event.body["kept"] == [{"from": 0, "to": 1}, {"from": 2, "to": 21}]
    assert list(inputs_of(made.events.get, event)) == window


def test_a_long_thread_that_is_met_for_the_first_time_is_told_in_several_events() -> None:
    made = Calls()
    thread = [f"message {number}" for number in range(3 * MAX_NEW + 7)]
    event = made.call(thread)
    assert [kind.value for kind in (each.kind for each in made.events.values())] == ["model.context"] * 3 + [
        "model.called"
    ]
    assert list(inputs_of(made.events.get, event)) == thread
    assert made.call([*thread, "more"]).body["inputs"] == ["more"]


def test_a_message_that_is_repeated_is_referred_to_as_often_as_it_was_given() -> None:
    made = Calls()
    made.call(["a", "b", "a", "a"])
    event = made.call(["a", "b", "a", "a", "a", "b"])
    assert list(inputs_of(made.events.get, event)) == ["a", "b", "a", "a", "a", "b"]


@pytest.mark.parametrize("damage", ["gone", "another kind", "beyond", "itself"])
def test_inputs_that_cannot_be_told_are_not_guessed(damage: str) -> None:
    made = Calls()
    made.call(["a", "b"])
    event = made.call(["a", "b", "c"])
    events = dict(made.events)
    first = str(event.body["after"])
    if damage == "gone":
        del events[first]
    elif damage == "another kind":
        events[first] = replace(events[first], kind=EventKind.DECISION)
    elif damage == "beyond":
        event = replace(event, body={**event.body, "kept": [{"from": 0, "to": 3}]})
    else:
        event = replace(event, body={**event.body, "after": event.id})
        events[event.id] = event
    with pytest.raises(StoreError, match="cannot be told"):
        inputs_of(events.get, event)


@given(st.lists(st.sampled_from("abc"), max_size=4))
def test_what_is_told_fits_the_schema(inputs: list[str]) -> None:
    ticking = Ticking()
    ((_, body),) = continued(Given(event="e", inputs=tuple("abcab")), inputs, lambda: "e-1")
    seal(ticking.draft(EventKind.MODEL_CONTEXT, body), ticking.entropy)
