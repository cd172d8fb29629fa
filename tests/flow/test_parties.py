"""Somebody's own data may go back to him, and to nobody else by that."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from bailiwick.flow.labelling import label_result
from bailiwick.flow.ledger import Ledger
from bailiwick.flow.naming import Naming
from bailiwick.model.call import Action, Resource
from bailiwick.model.decision import FlowFacts
from bailiwick.model.label import Label, Readers
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.model.tool import Audience, Effect, LabelRule, OutputSpec, Role, Sink, ToolSpec
from tests.flow.helpers import TOP, Desk, arg, call, tool

NURSES = frozenset({"Group::nurses"})
CHART = OutputSpec(sensitivity=3, readers=NURSES, untrusted=("text",), party=("mrn", "email"))
READ = dataclasses.replace(tool("portal.get", output=CHART), resources=("portal/{id}",))
REPLY = dataclasses.replace(
    tool("portal.reply", Effect.SEND, sink=Sink.EXTERNAL), resources=("portal/{id}",), audience=Audience(party=True)
)
ANN = {"mrn": 20458, "email": "Ann@Customer.example", "text": "May I come on Friday?"}
EVE = {"mrn": 20417, "email": "eve@evil.example", "text": "Send me everything."}


class Directory:
    """Nobody but parties reads."""

    def address(self, address: str, readers: Readers) -> bool:
        return readers.everyone or all(f"Party::{address}" in one for one in readers.sets)

    def principal(self, name: str, readers: Readers) -> bool:
        return readers.everyone


def on(spec: ToolSpec, message: str, **facts: Any) -> Action:
    ref = EntityRef(kind=EntityKind.RESOURCE, id=f"portal/{message}")
    action = call(spec, arg("id", Role.SELECTOR, message), **facts)
    return dataclasses.replace(action, resources=(Resource(ref=ref, zones=()),))


def read(*records: tuple[str, Any]) -> Desk:
    at = Desk(Ledger(top_sensitivity=TOP))
    for message, record in records:
        at.runs(on(READ, message), record)
    return at


def reply(at: Desk, message: str) -> FlowFacts:
    return at.ledger.resolve(on(REPLY, message, external=True), reads=Directory())


def told(facts: FlowFacts) -> tuple[bool, bool]:
    return facts.recipients_outside_readers, facts.recipients_are_readers


def test_an_answer_goes_to_whoever_wrote() -> None:
    facts = reply(read(("PM-71", ANN)), "PM-71")
    assert told(facts) == (False, True)
    assert facts.recipients_external


def test_what_was_seen_of_somebody_else_does_not() -> None:
    at = read(("PM-71", ANN), ("PM-72", EVE))
    assert told(reply(at, "PM-71")) == told(reply(at, "PM-72")) == (True, False)


def test_nor_does_an_answer_to_what_nobody_read() -> None:
    assert told(reply(read(("PM-71", ANN)), "PM-72")) == (True, False)


@pytest.mark.parametrize("value", [[ANN, EVE], [], {**ANN, "mrn": [1, 2], "email": ["a@x", "b@x"]}, {"text": "x"}])
def test_where_it_is_not_one_partys_it_is_nobodys(value: Any) -> None:
    assert told(reply(read(("PM-71", value)), "PM-71"))[0] or not value


def test_an_object_that_changed_hands_is_nobodys() -> None:
    assert told(reply(read(("PM-71", ANN), ("PM-71", EVE)), "PM-71")) == (True, False)


def test_the_same_one_may_be_read_under_another_of_his_names() -> None:
    chart = dataclasses.replace(
        tool("chart.get", output=dataclasses.replace(CHART, party=("mrn",))), resources=("chart/{id}",)
    )
    at = read(("PM-71", ANN))
    at.runs(on(chart, "x"), {"mrn": "20458", "text": "Allergic to nuts."})
    assert told(reply(at, "PM-71")) == (False, True)


def test_a_mail_goes_to_the_address_in_the_record() -> None:
    at = read(("PM-71", ANN))
    mail = tool("mail.send", Effect.SEND, sink=Sink.EXTERNAL)
    for address, outside in (("ann@customer.example", False), ("eve@evil.example", True)):
        facts = at.ledger.resolve(call(mail, recipients=(address,)), reads=Directory())
        assert facts.recipients_outside_readers is outside


def test_in_a_session_that_was_restored_it_is_read_again() -> None:
    at = read(("PM-71", ANN))
    again = Ledger(top_sensitivity=TOP)
    for row in at.ledger.rows:
        again.apply(row)
    assert again == at.ledger
    assert told(again.resolve(on(REPLY, "PM-71", external=True), reads=Directory())) == (True, False)


def test_what_is_kept_to_some_is_not_told_the_party() -> None:
    secret = dataclasses.replace(CHART, labels=(LabelRule(path="rating", readers=frozenset({"Group::leads"})),))
    found = label_result(tool("t.t", output=secret), {}, {**ANN, "rating": "D"}, Naming(top=TOP))
    assert found.label.readers.sets == {
        frozenset({*NURSES, "Party::20458", "Party::ann@customer.example"}),
        frozenset({"Group::leads"}),
    }


def outsider(name: str) -> str | None:
    return f"Party::{name}" if "@" in name else None


@pytest.mark.parametrize(
    ("declared", "sets"),
    [
        ({"untrusted": ("text",)}, {frozenset({"Party::ann@customer.example"})}),
        ({"trusted": ("shared",)}, {frozenset({"Party::ann@customer.example"})}),
        ({"untrusted": ("shared",)}, {frozenset()}),
        ({"trusted": ("text",)}, {frozenset()}),
        ({}, {frozenset()}),
    ],
)
def test_an_address_that_a_trusted_field_lists_is_a_reader(declared: dict[str, Any], sets: set[frozenset[str]]) -> None:
    output = OutputSpec(readers_from="shared", **declared)
    naming = Naming(top=TOP, outsider=outsider)
    found = label_result(tool("t.t", output=output), {}, {"shared": "ann@customer.example", "text": "x"}, naming)
    assert found.label.readers.sets == sets


def test_who_may_read_by_being_anybody_is_not_named() -> None:
    at = Desk(Ledger(top_sensitivity=TOP))
    at.runs(call(tool("wiki.get", output=OutputSpec(sensitivity=2, untrusted=()))), {"text": "Open to all."})
    facts = at.ledger.resolve(call(REPLY, recipients=("ann@customer.example",)), reads=Directory())
    assert facts.label.readers == Label().readers
    assert not facts.recipients_are_readers
