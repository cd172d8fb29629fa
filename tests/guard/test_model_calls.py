"""A session's model calls on record: every text that a model was given is held by an event that the record names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from bailiwick import Session, UsageError
from bailiwick.audit.model_calls import inputs_of
from bailiwick.errors import LogUnavailable, StoreError
from bailiwick.model.document import Document
from bailiwick.model.event import Draft, Event, EventKind, Receipt
from bailiwick.model.label import Integrity
from bailiwick.model.tool import Durability
from tests.worlds import Tool, events, make_world, opened, with_ports


def model_calls(folder: Path) -> list[Event]:
    return [event for event in events(folder) if event.kind is EventKind.MODEL_CALLED]


def given(folder: Path, session: Session, call: Event) -> list[str]:
    """The texts that a model was given, from the log alone."""
    known = {event.id: event for event in events(folder)}
    return [held(session, event) for event in inputs_of(known.get, call)]


def held(session: Session, event: str) -> str:
    data = session._engine.ports.contents.content(event, "text")
    assert data is not None, event
    return data.decode()


def call(session: Session, inputs: Sequence[str], answer: str, *, tools: Sequence[str] = ()) -> None:
    with session.model_call("a-model", provider="a-provider", inputs=inputs, tools=tools) as running:
        running.output(answer)


def test_the_record_names_the_events_that_hold_what_the_model_was_given_in_order(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    with opened(folder) as session:
        session.instructions("You are a desk bot.")
        session.prompt("Read page 1")
        thread = ["You are a desk bot.", "Read page 1"]
        call(session, thread, "reading", tools=["page.read"])
        page = session.call("page.read", {"id": "1"}, run=Tool("what page 1 says").run)
        thread += ["reading", page]
        call(session, thread, "done", tools=["page.read"])
        first, second = model_calls(folder)
        assert given(folder, session, first) == thread[:2]
        assert given(folder, session, second) == thread
        assert [held(session, event) for event in second.body["outputs"]] == ["done"]  # type: ignore[attr-defined]
    assert first.body["tools"] == ["page.read"]
    assert "tools" not in second.body, "the same as before"
    assert len(second.body["inputs"]) == 2  # type: ignore[arg-type]
    assert (first.body["model"], first.body["provider"], first.body["outcome"]) == (
        "a-model",
        "a-provider",
        "completed",
    )


def test_what_nobody_told_the_session_taints_it_before_the_model_reads_it(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    with opened(folder) as session:
        session.prompt("Hello")
        with session.model_call("m", inputs=["Hello", "from nowhere"]) as running:
            assert session.label.integrity is Integrity.UNTRUSTED
            assert running.unknown == ("from nowhere",)
        (record,) = model_calls(folder)
        assert given(folder, session, record) == ["Hello", "from nowhere"]
        before = len(events(folder))
        call(session, ["Hello", "from nowhere"], "")
    assert len([event for event in events(folder)[before:] if event.body.get("origin") == "unknown"]) == 0


def test_a_context_that_is_given_a_thousand_times_is_kept_once(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    with opened(folder) as session:
        session.prompt("Hello")
        (article,) = session.retrieved("kb", ["an article of some length " * 20])
        for _ in range(30):
            call(session, ["Hello", article], "")
        records = model_calls(folder)
        assert given(folder, session, records[-1]) == ["Hello", article]
    ingested = [event for event in events(folder) if event.kind is EventKind.CONTENT_INGESTED]
    assert len([event for event in ingested if event.body["origin"] == "retrieved"]) == 1
    assert [len(record.body["inputs"]) for record in records] == [2, *[0] * 29]  # type: ignore[arg-type]


def test_what_was_retrieved_is_on_record_whole_whether_the_model_was_given_it_or_it_was_withheld(
    tmp_path: Path,
) -> None:
    folder = make_world(tmp_path)
    chunks = [
        Document("open", {"sensitivity": "public"}, "kb-1"),
        Document("for leads alone", {"sensitivity": "restricted"}, "kb-2"),
        Document("open, too", {"sensitivity": "public"}, "kb-3"),
    ]
    with opened(folder) as session:
        session.prompt("Hello")
        shown = session.retrieved("kb", chunks)
        call(session, ["Hello", *(chunk.text for chunk in shown)], "")
        (record,) = model_calls(folder)
        assert given(folder, session, record) == ["Hello", "open", "open, too"]
    (withheld,) = (event for event in events(folder) if event.kind is EventKind.CONTENT_WITHHELD)
    kept = [event for event in events(folder) if event.body.get("origin") == "retrieved"]
    assert withheld.body["kept"] == len(kept) == 2
    assert withheld.body["withheld"] == 1


def _breaks_off(session: Session) -> None:
    with session.model_call("m", inputs=[]) as running:
        running.piece("The answer ")
        running.piece("is fo")
        raise TimeoutError


def test_a_stream_that_breaks_off_is_recorded_as_far_as_it_came(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    with opened(folder) as session:
        with pytest.raises(TimeoutError):
            _breaks_off(session)
        with session.model_call("m", inputs=[]) as running:
            running.piece("That")
        with session.model_call("m", inputs=[]) as running:
            running.piece("All")
            running.output("All of it")
            running.usage(input=12, output=3)
        records = model_calls(folder)
        told = [
            (record.body["outcome"], [held(session, event) for event in record.body["outputs"]])  # type: ignore[attr-defined]
            for record in records
        ]
    assert told == [
        ("failed", ["The answer is fo"]),
        ("cut-off", ["That"]),
        ("completed", ["All of it"]),
    ]
    assert records[0].body["error"] == "TimeoutError"
    assert records[2].body["usage"] == [{"of": "input", "tokens": 12}, {"of": "output", "tokens": 3}]


def test_a_restored_conversation_names_the_events_of_the_process_before(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    with opened(folder) as session:
        session.prompt("Hello")
        call(session, ["Hello"], "Hi")
        (first,) = model_calls(folder)
    with opened(folder) as session:
        call(session, ["Hello", "Hi"], "Again")
        record = model_calls(folder)[-1]
        assert given(folder, session, record) == ["Hello", "Hi"]
    assert record.body["inputs"] == [*first.body["inputs"], *first.body["outputs"]]  # type: ignore[misc]


def test_a_denial_that_the_model_reads_is_named_by_its_decision(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    with opened(folder) as session:
        session.vouch("DENIED put.safe", event="an-event")
        session.vouch("a text of our own")
        call(session, ["DENIED put.safe", "a text of our own"], "")
    with opened(folder) as session:
        call(session, ["DENIED put.safe", "a text of our own"], "")
    assert [record.body["inputs"] for record in model_calls(folder)] == [["an-event", ""]] * 2


def test_messages_of_providers_are_known_by_their_text(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    with opened(folder) as session:
        session.prompt("Hello")
        with session.model_call("m", inputs=[{"role": "user", "content": "Hello"}]) as running:
            assert running.unknown == ()
        with session.model_call("m", inputs=[{"role": "user", "content": [{"type": "image"}]}, {"x": 1}]) as running:
            assert running.unknown == ('[{"type": "image"}]', '{"x": 1}')


def test_names_that_somebody_else_chose_do_not_keep_a_call_off_the_record(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    names = ["\ud800" * 300, *(f"tool-{number}" for number in range(5_000))]
    with opened(folder) as session, session.model_call("m\ud800", provider="p" * 9_000, inputs=[], tools=names):
        pass
    (record,) = model_calls(folder)
    assert record.body["omitted"] == 5_001 - len(record.body["tools"])  # type: ignore[arg-type]


class Full:
    """A log that takes nothing."""

    def __init__(self, log_id: str) -> None:
        self.log_id = log_id

    def append(self, drafts: Sequence[Draft], durability: Durability) -> tuple[Receipt, ...]:
        raise LogUnavailable("the disk is full")


def test_promise_1_no_model_reads_what_cannot_be_recorded(tmp_path: Path) -> None:
    with opened(make_world(tmp_path)) as session:
        log = session._engine.ports.log
        with_ports(session, log=Full(log.log_id))
        read = []
        with pytest.raises(StoreError), session.model_call("m", inputs=["unknown"]):
            read.append("the model ran")
        assert read == []
        with_ports(session, log=log)


def test_a_model_call_runs_once_and_takes_nothing_when_it_is_over(tmp_path: Path) -> None:
    with opened(make_world(tmp_path)) as session:
        running = session.model_call("m", inputs=[])
        with pytest.raises(UsageError):
            running.output("too early")
        with running, pytest.raises(UsageError, match="tokens"):
            running.usage(input=-1)
        with pytest.raises(UsageError):
            running.piece("too late")
        with pytest.raises(UsageError), running:
            pass
