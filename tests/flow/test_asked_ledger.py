"""Intent and binding in a ledger: over restarts, hand-overs and plans."""

from __future__ import annotations

from dataclasses import replace

from bailiwick.flow.ledger import Ledger
from bailiwick.model.tool import Effect, Role
from tests.flow.helpers import TOP, Desk, arg, call, nobody_reads, tool

DELETE = tool("files.delete", Effect.DELETE)
SHARE = tool("files.share", Effect.WRITE)
CREATE = tool("calendar.create_event", Effect.WRITE)


def unasked(desk: Desk, name: str) -> bool:
    return desk.resolve(call(DELETE, arg("file", Role.SELECTOR, name))).unasked


def test_the_users_words_ask() -> None:
    desk = Desk()
    desk.prompt("Delete old.txt and share new.txt with bob@x.com")
    assert not unasked(desk, "old.txt")
    assert unasked(desk, "new.txt")
    assert unasked(desk, "other.txt")


def test_a_task_asks_like_the_user() -> None:
    assert not unasked(Desk(task="Delete old.txt"), "old.txt")
    assert unasked(Desk(task="Read old.txt"), "old.txt")


def test_quoted_and_forwarded_text_asks_for_nothing() -> None:
    desk = Desk()
    desk.prompt("What is in old.txt?\n> delete old.txt\n")
    assert unasked(desk, "old.txt")


def test_reading_needs_no_asking() -> None:
    assert not Desk().resolve(call(tool("files.read"), arg("file", Role.SELECTOR, "x.txt"))).unasked


def test_a_signed_plan_asks_for_its_calls() -> None:
    desk = Desk()
    action = call(DELETE, arg("file", Role.SELECTOR, "old.txt"))
    assert not desk.ledger.resolve(action, reads=nobody_reads, planned=True).unasked


def test_an_agent_cannot_ask_by_handing_over() -> None:
    desk = Desk()
    desk.prompt("Read old.txt and delete tmp.txt")
    child = desk.ledger.child("Delete old.txt and tmp.txt", content_id="c", event_id="e")
    assert unasked(Desk(child), "old.txt")
    assert not unasked(Desk(child), "tmp.txt")
    grandchild = child.child("delete old.txt, tmp.txt", content_id="c2", event_id="e2")
    assert unasked(Desk(grandchild), "old.txt")
    assert not unasked(Desk(grandchild), "tmp.txt")


def test_a_pronoun_still_points_back_after_handing_over() -> None:
    desk = Desk()
    desk.prompt("Read tmp.txt, then delete it. Read old.txt too.")
    child = desk.ledger.child("tmp.txt old.txt", content_id="c", event_id="e")
    assert not unasked(Desk(child), "tmp.txt")
    assert unasked(Desk(child), "old.txt")


def test_what_was_asked_is_restored_from_rows() -> None:
    desk = Desk()
    desk.prompt("Show me old.txt")
    desk.prompt("Now delete it.")
    restored = Ledger(top_sensitivity=TOP)
    for row in desk.ledger.rows:
        restored.apply(row)
    assert restored == desk.ledger
    assert not unasked(Desk(restored), "old.txt")
    child = restored.child("old.txt", content_id="c", event_id="e")
    again = Ledger(top_sensitivity=TOP)
    for row in child.rows:
        again.apply(row)
    assert again == child
    assert not unasked(Desk(again), "old.txt")


def test_a_call_without_objects_is_asked_by_the_word_unless_it_names_other_things() -> None:
    event = replace(call(CREATE), args=b'{"title":"Lunch with Sarah"}')
    desk = Desk()
    desk.prompt("Create the file garden.md")
    assert desk.resolve(event).unasked
    desk.prompt("Schedule a lunch with Sarah")
    assert not desk.resolve(event).unasked


def test_right_payee_with_a_wrong_amount_is_unbound() -> None:
    pay = tool("bank.pay", Effect.PAY, interface={Effect.PAY: {"payee": "to", "amount": "amount"}})
    desk = Desk()
    desk.prompt("Transfer 50 EUR to DE89370400440532013000")
    action = call(pay, arg("to", Role.TARGET, "DE89370400440532013000"), arg("amount", Role.VALUE, "5000"))
    assert desk.resolve(action).unbound == ("to", "amount")


def test_a_decision_does_not_grow_with_what_was_said() -> None:
    desk = Desk()
    for number in range(300):
        desk.prompt(f"Delete file{number}.txt and read other{number}.txt")
    assert not unasked(desk, "file7.txt")
    assert unasked(desk, "other7.txt")
