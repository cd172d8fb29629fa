"""A ledger is what its rows say: restart, processes that share a session, and rows that cannot be read."""

from __future__ import annotations

import pytest

from bailiwick.errors import StoreError
from bailiwick.flow.ledger import ContentOrigin, Ledger, LedgerRow
from bailiwick.flow.records import RowKind
from bailiwick.flow.row_codec import decode
from bailiwick.model.canonical import canonical
from bailiwick.model.label import Integrity, Label, Readers
from bailiwick.model.tool import Effect, OutputSpec, Role
from tests.flow.helpers import TOP, Desk, arg, call, tool

GET = tool("crm.get", output=OutputSpec(sensitivity=2, untrusted=("notes",), endorses={"email": Role.TARGET}))


def lived() -> Desk:
    desk = Desk(task="Answer ticket 4711")
    desk.sees(ContentOrigin.INSTRUCTIONS, "You are a helpful desk.")
    desk.prompt("Write to customer 42, run `ls -l /srv`\n> she said: eve@example.com")
    desk.runs(call(GET, arg("id", Role.SELECTOR, "42")), {"email": "ann@example.com", "notes": "x"}, text="shown")
    action = call(tool("crm.update", Effect.WRITE), arg("fields", Role.CONTENT, "eve@example.com"))
    desk.runs(action, "ok")
    desk.ledger.wrote(action, desk.resolve(action))
    desk.sees(ContentOrigin.MODEL, "I did it")
    desk.ledger.know("That was denied.")
    desk.sees(ContentOrigin.UNKNOWN, "who knows \ud800")
    return desk


def restored(rows: tuple[LedgerRow, ...], task: str = "") -> Ledger:
    ledger = Ledger(top_sensitivity=TOP, task=task)
    for row in rows:
        ledger.apply(row)
    return ledger


def test_a_restored_session_knows_what_it_knew() -> None:
    desk = lived()
    again = restored(desk.ledger.rows, "Answer ticket 4711")
    assert again == desk.ledger
    assert again.label == desk.ledger.label
    for text in ("I did it", "That was denied.", "shown", "You are a helpful desk."):
        assert again.knows(text)
    child, twin = (ledger.child("see 42, 4711", content_id="c", event_id="e") for ledger in (desk.ledger, again))
    assert child == twin == restored(child.rows)


def test_rows_are_numbered_from_zero() -> None:
    ledger = lived().ledger
    assert [row.ord for row in ledger.rows] == list(range(len(ledger.rows)))


def test_a_record_survives_its_row() -> None:
    desk = Desk()
    label = Label(
        sensitivity=3,
        categories=frozenset({"pii"}),
        readers=Readers.of("User::a"),
        integrity=Integrity.USER,
        author="a",
    )
    desk.sees(ContentOrigin.RETRIEVED, "before", label=label)
    for value in ("text", {"a": ["b12", 7]}, None):
        record = desk.sees(ContentOrigin.RETRIEVED, value, label=label)
        assert decode(record.row) == record


def test_a_row_that_comes_back_changes_nothing() -> None:
    desk = lived()
    before = restored(desk.ledger.rows, "Answer ticket 4711")
    for row in desk.ledger.rows:
        desk.ledger.apply(LedgerRow(ord=row.ord + 100, kind=row.kind, payload=row.payload))
    assert desk.ledger == before
    assert len(desk.ledger.rows) == len(before.rows)


def test_rows_of_two_processes_join() -> None:
    here, there = Desk(), Desk()
    here.sees(ContentOrigin.RETRIEVED, "a", label=Label(sensitivity=3, readers=Readers.of("User::a", "User::b")))
    there.sees(ContentOrigin.RETRIEVED, "b", label=Label(categories=frozenset({"pii"}), readers=Readers.of("User::b")))
    expected = here.ledger.label.join(there.ledger.label)
    theirs, ours = there.ledger.rows, here.ledger.rows
    for row in theirs:
        here.ledger.apply(row)
    for row in ours:
        there.ledger.apply(row)
    assert here.ledger.label == there.ledger.label == expected
    assert here.ledger.knows("b")
    assert there.ledger.knows("a")


def test_rows_hold_no_content() -> None:
    desk = Desk()
    text = "The salary of the vice president is 250000 EUR, says ann@example.com."
    row = desk.sees(ContentOrigin.RETRIEVED, text).row
    for part in (b"salary", b"250000", b"ann@example.com"):
        assert part not in row.payload
    assert len(row.payload) < 1000


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (RowKind.CONTENT, b"{"),
        (RowKind.CONTENT, b"[]"),
        (RowKind.CONTENT, b"{}"),
        (RowKind.KNOWN, b'{"texts":[1]}'),
        (RowKind.KNOWN, b'{"texts":"x"}'),
        (RowKind.WRITTEN, b"null"),
    ],
)
def test_a_row_that_cannot_be_read_is_refused(kind: RowKind, payload: bytes) -> None:
    with pytest.raises(StoreError, match="row 7"):
        Ledger(top_sensitivity=TOP).apply(LedgerRow(ord=7, kind=kind, payload=payload))


@pytest.mark.parametrize(
    "change",
    [
        {"label": None},
        {"label": {"s": 1}},
        {"label": {"s": "1", "c": [], "r": None, "i": 0, "o": [], "a": None}},
        {"label": {"s": True, "c": [], "r": None, "i": 0, "o": [], "a": None}},
        {"label": {"s": 1, "c": [], "r": None, "i": 9, "o": [], "a": None}},
        {"label": {"s": 1, "c": [], "r": "User::a", "i": 0, "o": [], "a": None}},
        {"origin": "elsewhere"},
        {"atoms": ["a"]},
        {"endorses": [["value", "role"]]},
        {"endorses": [["value", "owner", "by"]]},
        {"crossed": [["text", "by", "yes"]]},
        {"truncated": 1},
        {"content": 5},
    ],
    ids=str,
)
def test_a_damaged_record_is_refused(change: dict[str, object]) -> None:
    body: dict[str, object] = {
        "content": "c",
        "event": "e",
        "source": "s",
        "origin": "prompt",
        "label": {"s": 1, "c": [], "r": None, "i": 0, "o": [], "a": None},
    }
    ledger = Ledger(top_sensitivity=TOP)
    ledger.apply(LedgerRow(ord=0, kind=RowKind.CONTENT, payload=canonical(body)))
    with pytest.raises(StoreError):
        ledger.apply(LedgerRow(ord=1, kind=RowKind.CONTENT, payload=canonical({**body, **change})))
