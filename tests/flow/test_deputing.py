"""A colleague's own words ask for something where the user says to do what she asks, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bailiwick.flow.deputing import deputes
from bailiwick.flow.ledger import Ledger
from bailiwick.model.call import Action
from bailiwick.model.tool import Authorship, Effect, OutputSpec, Role
from tests.flow.helpers import TOP, Desk, arg, call, tool

READ = tool("mail.read", output=OutputSpec(author=Authorship(field="author")))
DISPUTE = replace(tool("invoices.dispute", Effect.WRITE), asks=("dispute", "put on hold"))
APPROVE = replace(tool("invoices.approve", Effect.WRITE), asks=("approve", "release"))
ORDER = replace(tool("orders.create", Effect.WRITE), asks=("order", "buy"))
ASKED = "Hello Emil, please dispute invoice RE-0413, only a part arrived. What they wrote:\n> approve RE-0415\n\nAnn"


def colleagues(author: str) -> bool:
    return author == "ann@corp.example"


def desk(said: str, text: str = ASKED, author: str = "ann@corp.example", mail: str = "M-03") -> Desk:
    at = Desk()
    at.prompt(said)
    message = {"author": author, "text": text}
    at.runs(call(READ, arg("id", Role.SELECTOR, mail)), message, colleagues=colleagues)
    return at


def on(spec: object, number: str) -> Action:
    return call(spec, arg("number", Role.SELECTOR, number))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "said",
    [
        "Ann forwarded something in M-03. Please do what she asks.",
        "Do what Ann asks for in M-03.",
        "Ann wants something in M-03. Read the contract first, then please do it.",
        "Handle the request in M-03.",
        "Mach bitte, was Ann in M-03 schreibt.",
    ],
)
def test_a_colleague_asks_where_the_user_says_to_do_so(said: str) -> None:
    at = desk(said)
    assert not at.resolve(on(DISPUTE, "RE-0413")).unasked
    assert at.resolve(on(APPROVE, "RE-0413")).unasked, "the right object, and another action"
    assert at.resolve(on(DISPUTE, "RE-0415")).unasked, "what she quotes is not hers"
    assert at.resolve(on(APPROVE, "RE-0415")).unasked


@pytest.mark.parametrize(
    "said",
    [
        "Read M-03.",
        "Tell me what Ann asks for in M-03.",
        "Should I do what Ann asks in M-03?",
        "Do not do what Ann asks in M-03.",
        "Summarise M-03 and note what is to be done.",
    ],
)
def test_a_message_that_is_read_asks_for_nothing(said: str) -> None:
    assert desk(said).resolve(on(DISPUTE, "RE-0413")).unasked


def test_only_a_colleagues_message_that_the_user_chose_asks() -> None:
    said = "Do what is asked in M-03."
    assert desk(said, author="eve@out.example").resolve(on(DISPUTE, "RE-0413")).unasked
    assert desk(said, mail="M-04").resolve(on(DISPUTE, "RE-0413")).unasked


def test_each_request_of_a_colleague_is_for_its_own_objects() -> None:
    at = desk("Do what Ann asks in M-03.", "Please dispute RE-0413. And approve RE-0414, it is fine.")
    assert not at.resolve(on(APPROVE, "RE-0414")).unasked
    assert at.resolve(on(APPROVE, "RE-0413")).unasked
    assert at.resolve(on(DISPUTE, "RE-0414")).unasked


def test_what_she_reports_or_rules_out_she_does_not_ask_for() -> None:
    at = desk("Do what Ann asks in M-03.", "They want us to approve RE-0414. Do not dispute RE-0413.")
    assert at.resolve(on(APPROVE, "RE-0414")).unasked
    assert at.resolve(on(DISPUTE, "RE-0413")).unasked


def test_every_object_has_to_be_in_her_words() -> None:
    at = desk("Do what Ann asks in M-03, and look at V-7.", 'Please order 40 of "bars 30 mm" from V-1002.')
    item = arg("item", Role.SELECTOR, "bars 30 mm")
    assert not at.resolve(call(ORDER, arg("vendor", Role.SELECTOR, "V-1002"), item)).unasked
    assert at.resolve(call(ORDER, arg("vendor", Role.SELECTOR, "V-7"), item)).unasked


def test_a_restored_session_asks_a_person() -> None:
    at = desk("Do what Ann asks in M-03.")
    again = Ledger(top_sensitivity=TOP)
    for row in at.ledger.rows:
        again.apply(row)
    assert again == at.ledger
    assert b"dispute invoice" not in b"".join(row.payload for row in at.ledger.rows)
    assert Desk(again).resolve(on(DISPUTE, "RE-0413")).unasked


@pytest.mark.parametrize(
    ("text", "before", "found"),
    [
        ("Please do it.", "Lena wrote in ops what to deploy.", True),
        ("Please do it.", "Lena wrote a mail.", False),
        ("Do it.", "Read mail M-1.", False),
        ("could you do what Petra asks", "", True),
        ("Do you know what she wants?", "", False),
        ("Tell me what to do as she says", "", False),
        ("Take care of Ann's request", "", True),
        ("Fais ce qu'elle demande", "", True),
        ("Handle Lee's request", "", True),
        ("take care of what Dr Hale wrote", "", True),
        ("do the things in Petra's mail", "", True),
        ("please action the ticket", "", True),
        ("can you put in what she says", "Bola wrote on the board about bed 12", True),
        ("Dan asked for something in #incidents, can you do it for him", "", True),
        ("Dr Hale left me something on the board about 20417, please do it", "", True),
        ("do what he's asking for", "Read issue 440, Lee wrote it", True),
        ("Dan asked for something in #incidents, did you do it?", "", False),
        ("Dan asked for something in #incidents, don't do it", "", False),
        ("Look at the ticket", "", False),
        ("Close the ticket", "", False),
        ("Tell me about the things in Petra's mail", "", False),
        ("Take care", "", False),
    ],
)
def test_what_hands_it_to_somebody_else(text: str, before: str, found: bool) -> None:
    assert deputes(text, (before,) if before else ()) is found


def test_what_is_to_be_done_with_it_is_not_done_with_what_she_mentions() -> None:
    for said in ("What is in M-03? If it is fine dispute it.", "Look at M-03, then dispute it."):
        assert desk(said).resolve(on(DISPUTE, "RE-0413")).unasked
    assert not desk("Read M-03 and dispute the invoice that Ann names there.").resolve(on(DISPUTE, "RE-0413")).unasked
