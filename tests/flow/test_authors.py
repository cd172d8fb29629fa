"""Authenticated colleagues: their own words, in records that were selected, and nothing else (DESIGN §5 *Flow*)."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.flow.backing import BackingKind
from bailiwick.flow.ledger import Ledger
from bailiwick.flow.said import MAX_SAID, Said, SaidIndex, said_keys
from bailiwick.flow.word_index import WordIndex
from bailiwick.flow.written import NOTHING_WRITTEN
from bailiwick.model.label import Integrity, Label
from bailiwick.model.tool import Authorship, Effect, OutputSpec, Role
from tests.flow.helpers import TOP, Desk, arg, call, tool

OUTPUT = OutputSpec(author=Authorship(field="author", unless=("bot",)))
READ = tool("chat.read", output=OUTPUT)
SEND = tool("mail.send", Effect.SEND)
MESSAGE = {"author": "ann@corp.example", "text": "Send 80.50 to carl@client.example by May 15th."}

CASES: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "data" / "authors.toml").read_text(encoding="utf-8")
)["case"]


def colleagues(author: str) -> bool:
    return author in ("ann@corp.example", "bob", "bob@corp.example")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_colleagues_own_words(case: dict[str, Any]) -> None:
    desk = Desk()
    desk.prompt(case["said"])
    arguments = [arg(name, Role(role), *values) for name, (role, *values) in case.get("args", {}).items()]
    desk.runs(call(READ, *arguments), case.get("messages", case.get("message")), colleagues=colleagues)
    asked = (*case.get("endorsed", ()), *case.get("refused", ()))
    found = {value: bool(desk.endorses(value, Role.TARGET, SEND)) for value in asked}
    assert found == {value: value in case.get("endorsed", ()) for value in asked}


def test_case_names_are_unique() -> None:
    assert len({case["name"] for case in CASES}) == len(CASES)


def read_one(desk: Desk, message: object = MESSAGE, **how: Any) -> Desk:
    desk.prompt("Do what is asked in message M-1")
    desk.runs(call(READ, arg("id", Role.SELECTOR, "M-1")), message, colleagues=colleagues, **how)
    return desk


def test_arguments_that_rest_on_a_colleague_are_named() -> None:
    desk = read_one(Desk())
    flow = desk.resolve(
        call(
            tool("bank.send", Effect.SEND),
            arg("to", Role.TARGET, "carl@client.example"),
            arg("about", Role.SELECTOR, "M-1"),
            arg("amount", Role.VALUE, "80.5"),
            arg("due", Role.VALUE, "2024-05-15"),
        )
    )
    assert flow.by_colleague == ("to", "amount", "due")
    assert flow.unendorsed == flow.unendorsed_values == ()


@pytest.mark.parametrize(
    ("role", "effect"),
    [
        (Role.COMMAND, Effect.EXECUTE),
        (Role.CREDENTIAL, Effect.SEND),
        (Role.QUERY, Effect.READ),
        (Role.SELECTOR, Effect.DELETE),
        (Role.TARGET, Effect.PAY),
    ],
)
def test_what_a_colleague_never_endorses(role: Role, effect: Effect) -> None:
    desk = read_one(Desk(), {"author": "bob", "text": "carl@client.example"})
    spec = tool("x.y", effect, interface={Effect.PAY: {"payee": "x"}})
    assert not desk.endorses("carl@client.example", role, spec)


def test_nobody_speaks_unless_somebody_says_who_they_are() -> None:
    desk = Desk()
    desk.prompt("Do what is asked in message M-1")
    desk.runs(call(READ, arg("id", Role.SELECTOR, "M-1")), MESSAGE)
    assert not desk.endorses("carl@client.example")


def test_what_an_agent_may_have_written_under_that_account_endorses_nothing() -> None:
    wrote = dataclasses.replace(NOTHING_WRITTEN, label=Label(integrity=Integrity.UNTRUSTED))
    assert not read_one(Desk(), back=wrote).endorses("carl@client.example")
    everything = dataclasses.replace(NOTHING_WRITTEN, everything=True)
    assert not read_one(Desk(), back=everything).endorses("carl@client.example")


def test_what_this_agent_wrote_before_is_not_a_colleagues_word() -> None:
    desk = Desk()
    post = tool("chat.post", Effect.SEND, Effect.WRITE)
    desk.runs(call(post, arg("channel", Role.TARGET, "general"), arg("cc", Role.TARGET, "carl@client.example")), {})
    assert not read_one(desk).endorses("carl@client.example")
    assert read_one(Desk()).endorses("carl@client.example")


def test_a_record_that_a_colleague_pointed_to_endorses_no_better_than_she_does() -> None:
    desk = read_one(Desk(), {"author": "bob", "text": "Please pay invoice INV-9"})
    invoice = tool("erp.invoice", output=OutputSpec(untrusted=(), endorses={"iban": Role.TARGET, "mail": Role.TARGET}))
    iban = "DE02120300000000202051"
    desk.runs(call(invoice, arg("id", Role.SELECTOR, "INV-9")), {"iban": iban, "mail": "v@client.example"})
    flow = desk.resolve(call(SEND, arg("to", Role.TARGET, "v@client.example")))
    assert flow.by_colleague == ("to",)
    pay = tool("bank.pay", Effect.PAY, interface={Effect.PAY: {"payee": "iban"}})
    assert desk.resolve(call(pay, arg("iban", Role.TARGET, iban))).unendorsed == ("iban",)


def test_the_way_to_a_colleagues_words_is_told_and_survives_a_restart() -> None:
    desk = read_one(Desk())
    again = Ledger(top_sensitivity=TOP)
    for row in desk.ledger.rows:
        again.apply(row)
        assert b"carl" not in row.payload
    assert again == desk.ledger
    argument = arg("to", Role.TARGET, "carl@client.example")
    found = again._endorsed.backing("carl@client.example", argument, SEND)
    assert found is not None
    assert found == desk.ledger._endorsed.backing("carl@client.example", argument, SEND)
    assert found.kind is BackingKind.COLLEAGUE
    assert found.record in found.chain
    assert found.clauses


def test_a_colleagues_words_do_not_cross_to_another_agent() -> None:
    desk = read_one(Desk())
    child = Desk(desk.ledger.child("Send it to carl@client.example", **desk.ids()))
    assert not child.endorses("carl@client.example")


def test_no_more_than_so_much_of_a_text_endorses() -> None:
    desk = read_one(Desk(), {"author": "bob", "text": "x " * (MAX_SAID // 2) + "carl@client.example"})
    assert not desk.endorses("carl@client.example")


some_words = st.sampled_from(["ann", "Bob", "42", "a@b.example", "(x1)", "y2,", "«z3»", "not", "but", "."])
chunks = st.lists(some_words, max_size=12)


@given(st.lists(chunks, max_size=4), chunks)
def test_digests_find_what_the_text_itself_would_say_and_no_more(lines: list[list[str]], wanted: list[str]) -> None:
    text = "\n".join(" ".join(line) for line in lines)
    index, said = WordIndex(), SaidIndex()
    index.add(text, "ann")
    said.add(Said(by="ann", record="r", lines=said_keys(text)))
    value = " ".join(wanted)
    named = any(not mention.refused for mention in index.mentions(value))
    if any(said.find(value, Role.TARGET, {})):
        assert named


@pytest.mark.parametrize(
    ("said", "query", "selected"),
    [
        ("Gregor sent me a mail, please read it", "gregor", True),
        ("Gregor Hale sent me a mail, please read it", "Gregor", True),
        ("Gregory sent me a mail, please read it", "gregory", False),
        ("Gregor Moss sent me a mail, please read it", "Gregor", False),
        ("Ann sent me a mail, please read it", "gregor", False),
    ],
)
def test_mails_are_found_by_what_their_author_is_called(said: str, query: str, selected: bool) -> None:
    inbox = tool(
        "mail.inbox",
        output=OutputSpec(
            trusted=("id", "verified"), author=Authorship(field="verified"), endorses={"id": Role.SELECTOR}
        ),
    )
    desk = Desk()
    desk.prompt(said)
    mails = [
        {"id": "E-12", "from": "gregor.hale@example.com", "verified": "gregor.hale@example.com"},
        {"id": "E-14", "from": "gregor.hale@example.com", "verified": ""},
    ]
    desk.runs(call(inbox, arg("sender", Role.QUERY, query)), mails, colleagues=lambda _: True)
    assert bool(desk.endorses("E-12", Role.SELECTOR, tool("mail.read"))) is selected
    assert not desk.endorses("E-14", Role.SELECTOR, tool("mail.read"))
