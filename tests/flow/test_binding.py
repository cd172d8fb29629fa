"""Values that belong together, and endorsed values that do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from bailiwick.errors import Where
from bailiwick.flow.backing import Backing, BackingKind
from bailiwick.flow.binding import groups, unbound
from bailiwick.flow.clauses import clauses
from bailiwick.flow.intent import Intentions
from bailiwick.model.tool import ArgSpec, Effect, Role, ToolSpec
from tests.flow.helpers import Desk, arg, call, tool

PAY = tool("bank.pay", Effect.PAY, interface={Effect.PAY: {"payee": "iban", "amount": "amount"}})
GROUPED = replace(PAY, together=(("amount", "iban", "reference"),))
ROLES = {
    "iban": Role.TARGET,
    "amount": Role.VALUE,
    "reference": Role.SELECTOR,
    "user": Role.TARGET,
    "mail": Role.TARGET,
}


def words(prompt: str, *needles: str) -> Backing:
    """Words that stand in the clauses of `prompt` that hold one of `needles`."""
    found = [clause.id for clause in clauses(prompt) if any(needle in clause.text for needle in needles)]
    return Backing(by="words", kind=BackingKind.WORDS, clauses=frozenset(found))


def field(prompt: str, needle: str, *records: str) -> Backing:
    """A field of the last of `records`, the way to which begins where `needle` stands."""
    way = words(prompt, needle)
    return replace(way, kind=BackingKind.FIELD, record=records[-1], chain=frozenset(records))


def broken(prompt: str, given: Mapping[str, tuple[str, Backing | None]], spec: ToolSpec = PAY) -> tuple[str, ...]:
    said = Intentions()
    said.add(prompt)
    arguments = [arg(name, ROLES[name], value) for name, (value, _) in given.items()]
    ways = {name: [[backing] if backing else []] for name, (_, backing) in given.items()}
    return unbound(call(spec, *arguments), ways, said)


TWO = "Pay the invoices INV-7 and INV-8"
ANN = "Transfer 50 EUR to Anna and 30 EUR to Ben"

BOUND = {
    "one record": (TWO, ("acct", field(TWO, "INV-7", "i7")), ("900", field(TWO, "INV-7", "i7"))),
    "invoice, vendor, account": (TWO, ("acct", field(TWO, "INV-7", "i7", "v")), ("900", field(TWO, "INV-7", "i7"))),
    "amount in words": ("Pay 50 EUR to Anna", ("acct", field("Pay 50 EUR to Anna", "Anna", "a")), ("50", None)),
    "two payments, first": (ANN, ("anna", field(ANN, "Anna", "a")), ("50", words(ANN, "50"))),
    "two payments, second": (ANN, ("ben", field(ANN, "Ben", "b")), ("30", words(ANN, "30"))),
    "a pronoun": (
        "Find the account of Anna. Send her 50 EUR.",
        ("anna", field("Find the account of Anna. Send her 50 EUR.", "Anna", "a")),
        ("50", words("Find the account of Anna. Send her 50 EUR.", "50")),
    ),
    "a released amount": (
        TWO,
        ("acct", field(TWO, "INV-7", "i7")),
        ("1", Backing(by="a person", kind=BackingKind.PERSON)),
    ),
}
LOOSE = {
    "wrong amount": (TWO, ("acct", field(TWO, "INV-7", "i7", "v")), ("9000", None)),
    "amount of another invoice": (TWO, ("acct", field(TWO, "INV-7", "i7", "v")), ("80", field(TWO, "INV-8", "i8"))),
    "another invoice of the same vendor": (
        TWO,
        ("acct", field(TWO, "INV-7", "i7", "v")),
        ("80", field(TWO, "INV-7", "i7", "v", "i9")),
    ),
    "swapped, first": (ANN, ("anna", field(ANN, "Anna", "a")), ("30", words(ANN, "30"))),
    "swapped, second": (ANN, ("ben", field(ANN, "Ben", "b")), ("50", words(ANN, "50"))),
    "one of two amounts in a clause": (
        "Pay INV-7 of 90 EUR less 20 EUR",
        ("acct", field("Pay INV-7 of 90 EUR less 20 EUR", "INV-7", "i7")),
        ("20", words("Pay INV-7 of 90 EUR less 20 EUR", "20")),
    ),
    "amount from another request": (
        "Pay INV-7. My limit is 5000 EUR.",
        ("acct", field("Pay INV-7. My limit is 5000 EUR.", "INV-7", "i7")),
        ("5000", words("Pay INV-7. My limit is 5000 EUR.", "5000")),
    ),
    "unendorsed payee": (ANN, ("eve", None), ("50", words(ANN, "50"))),
}


@pytest.mark.parametrize("name", BOUND)
def test_a_payee_with_her_own_amount_is_bound(name: str) -> None:
    prompt, payee, amount = BOUND[name]
    assert broken(prompt, {"iban": payee, "amount": amount}) == ()


@pytest.mark.parametrize("name", LOOSE)
def test_a_payee_with_another_amount_is_unbound(name: str) -> None:
    prompt, payee, amount = LOOSE[name]
    assert broken(prompt, {"iban": payee, "amount": amount}) == ("iban", "amount")


def test_the_way_back_does_not_make_another_invoice_the_first() -> None:
    """The vendor was looked up again from an invoice that only she led to."""
    ways = {
        "iban": [[field(TWO, "INV-7", "i7", "v"), field(TWO, "INV-7", "i7", "v", "i9", "v2")]],
        "amount": [[field(TWO, "INV-7", "i7", "v", "i9")]],
    }
    action = call(PAY, arg("iban", Role.TARGET, "acct"), arg("amount", Role.VALUE, "80"))
    assert unbound(action, ways, Intentions()) == ("iban", "amount")


def test_a_reference_of_another_invoice_is_unbound_though_words_name_both() -> None:
    payee, amount = ("acct", field(TWO, "INV-7", "i7")), ("900", field(TWO, "INV-7", "i7"))
    right = ("INV-7", field(TWO, "INV-7", "i7"))
    wrong = ("INV-8", field(TWO, "INV-8", "i8"))
    assert broken(TWO, {"iban": payee, "amount": amount, "reference": right}, GROUPED) == ()
    assert broken(TWO, {"iban": payee, "amount": amount, "reference": wrong}, GROUPED) == (
        "iban",
        "amount",
        "reference",
    )


def test_absent_arguments_do_not_count() -> None:
    assert broken(TWO, {"iban": ("acct", field(TWO, "INV-7", "i7"))}) == ()
    assert broken(TWO, {"amount": ("9", None)}, GROUPED) == ()


def test_groups_of_other_tools_hold_too() -> None:
    spec = replace(tool("chat.invite", Effect.WRITE), together=(("user", "mail"),))
    prompt = "Invite Dora and Eve"
    dora, dora_mail = field(prompt, "Dora", "d"), field(prompt, "Dora", "d")
    assert broken(prompt, {"user": ("Dora", dora), "mail": ("d@x.com", dora_mail)}, spec) == ()
    assert broken(prompt, {"user": ("Dora", dora), "mail": ("e@x.com", field(prompt, "Eve", "e"))}, spec) == (
        "user",
        "mail",
    )


def test_a_payment_without_declared_groups_binds_payee_and_amount() -> None:
    assert groups(PAY) == (("iban", "amount"),)
    assert groups(GROUPED) == (("iban", "amount", "reference"),)
    assert groups(tool("mail.send", Effect.SEND)) == ()


def test_another_choice_than_the_one_that_was_named_is_unbound() -> None:
    values = ("solved", "duplicate", "rejected")
    spec = ArgSpec(name="resolution", type="enum", role=Role.VALUE, options={"values": values}, where=Where(file="x"))
    close = replace(tool("tickets.close", Effect.WRITE), args={"resolution": spec}, asks=("close",))

    def found(prompt: str, resolution: str) -> tuple[str, ...]:
        desk = Desk()
        desk.prompt(prompt)
        ticket = arg("ticket", Role.SELECTOR, "T-402")
        return desk.resolve(call(close, ticket, arg("resolution", Role.VALUE, resolution))).unbound

    assert found("Close T-402 as solved.", "rejected") == ("resolution",)
    assert found("Close T-402 as solved.", "solved") == ()
    assert found("Close T-402.", "rejected") == (), "nobody named any"
    assert found("T-401 was rejected. Close T-402.", "solved") == (), "another clause"


# ── what clauses give themselves ─────────────────────────────────────────────────────────────────────────────────────

RENEW = replace(tool("rx.renew", Effect.WRITE), together=(("rx", "dose_mg", "days"),))
REPO = replace(tool("forge.close", Effect.WRITE), together=(("repo", "number"),))
SLOTS = replace(tool("appt.book", Effect.WRITE), together=(("slot", "person"),))


def said(prompt: str) -> Intentions:
    found = Intentions()
    found.add(prompt)
    return found


@pytest.mark.parametrize(
    ("prompt", "amount", "bound"),
    [
        ("Refund the lamp on 20417, 39.90, it came broken", "39.90", True),
        ("Refund the lamp on 20417, 39.90, it came broken", "288.90", False),
        ("Refund 40 on order 20417", "288.90", False),
        ("Refund €40 on order 20417", "288.90", False),
        ("Refund order 20417", "288.90", True),
        ("Refund 20417 please", "288.90", True),
        ("Refund order 20417 of 3 lamps", "288.90", True),
        ("Refund 288.9 on 20417", "288.90", True),
        ("Refund order 20417. On 20452 refund 12.00", "288.90", True),
    ],
)
def test_the_amount_that_the_clause_names_is_the_only_one(prompt: str, amount: str, bound: bool) -> None:
    payee = field(prompt, "20417", "o1")
    behind = [field(prompt, "20417", "o1"), *([words(prompt, amount)] if amount in prompt else [])]
    action = call(PAY, arg("iban", Role.TARGET, "20417"), arg("amount", Role.VALUE, amount))
    found = unbound(action, {"iban": [[payee]], "amount": [behind]}, said(prompt))
    assert found == (() if bound else ("iban", "amount"))


@pytest.mark.parametrize(
    ("prompt", "dose", "days", "in_record", "bound"),
    [
        ("Renew RX-301, 500 mg, 90 days", "500", "90", False, True),
        ("Renew RX-301, 500 mg, 90 days", "90", "500", False, False),
        ("Renew RX-301, 500mg for 90 days", "90", "500", True, False),
        ("Renew RX-301, same dose, 90 days", "500", "90", True, True),
        ("Renew RX-301, same dose, 90 days", "500", "500", True, False),
        ("Renew RX-301, 90 days", "90", "90", False, False),
        ("Renew RX-301, 90 mg, 90 days", "90", "90", False, True),
        ("Renew RX-301 with 500 and 90", "500", "90", False, True),
    ],
)
def test_a_number_fills_the_argument_of_its_unit(
    prompt: str, dose: str, days: str, in_record: bool, bound: bool
) -> None:
    def behind(value: str) -> list[Backing]:
        named = [words(prompt, value)] if value in prompt else []
        return [*named, field(prompt, "RX-301", "r1")] if in_record and value == "500" else named

    ways = {"rx": [[words(prompt, "RX-301"), field(prompt, "RX-301", "r1")]], "dose_mg": [behind(dose)]}
    arguments = (arg("rx", Role.SELECTOR, "RX-301"), arg("dose_mg", Role.VALUE, dose), arg("days", Role.VALUE, days))
    found = unbound(call(RENEW, *arguments), {**ways, "days": [behind(days)]}, said(prompt))
    assert found == (() if bound else ("rx", "dose_mg", "days"))


def test_records_that_were_read_do_not_take_back_what_one_clause_names() -> None:
    prompt = "Book 20490 into S-2501"
    ways = {
        "slot": [[words(prompt, "S-2501"), field(prompt, "S-2501", "slots")]],
        "person": [[words(prompt, "20490"), field(prompt, "20490", "people")]],
    }
    action = call(SLOTS, arg("slot", Role.SELECTOR, "S-2501"), arg("person", Role.TARGET, "20490"))
    assert unbound(action, ways, said(prompt)) == ()
    prompt = "Book 20490 into S-2501. Cancel S-2602."
    ways["slot"] = [[words(prompt, "S-2602"), field(prompt, "S-2602", "slots")]]
    action = call(SLOTS, arg("slot", Role.SELECTOR, "S-2602"), arg("person", Role.TARGET, "20490"))
    assert unbound(action, ways, said(prompt)) == ("slot", "person")


@pytest.mark.parametrize(
    ("repo", "fetched_by", "read", "bound"),
    [
        ("docs", "repo=docs", False, True),
        ("docs", "repo=docs", True, True),
        ("core", "repo=docs", False, False),
        ("core", "repo=docs", True, False),
        ("docs", "", False, True),
        ("docs", "", True, False),
    ],
)
def test_a_record_goes_with_the_arguments_that_fetched_it(repo: str, fetched_by: str, read: bool, bound: bool) -> None:
    prompt = "Close all issues labelled stale in docs and in core"
    number = replace(field(prompt, "stale", "i1"), within=frozenset({fetched_by} - {""}))
    anchor = [words(prompt, repo), *([field(prompt, repo, "other")] if read else [])]
    action = call(REPO, arg("repo", Role.SELECTOR, repo), arg("number", Role.SELECTOR, "402"))
    found = unbound(action, {"repo": [anchor], "number": [[number]]}, said(prompt))
    assert found == (() if bound else ("repo", "number"))


@pytest.mark.parametrize(
    ("prompt", "name", "zone", "endorsed"),
    [
        ("Point status.example.com at 203.0.113.40", "status", "example.com", True),
        ("Point status.example.com at 203.0.113.40", "www", "example.com", False),
        ("Point status.example.com at 203.0.113.40", "status", "example.org", False),
        ("Point status.example.com.evil at 203.0.113.40", "status", "example.com", False),
        ("Point status.example.com at 203.0.113.40, not api.example.com", "api", "example.com", False),
    ],
)
def test_a_name_that_a_tool_takes_apart(prompt: str, name: str, zone: str, endorsed: bool) -> None:
    desk = Desk()
    desk.prompt(prompt)
    dns = replace(tool("dns.set", Effect.WRITE), together=(("zone", "name", "value"),), asks=("point",))
    arguments = (arg("zone", Role.SELECTOR, zone), arg("name", Role.SELECTOR, name))
    flow = desk.resolve(call(dns, *arguments, arg("value", Role.TARGET, "203.0.113.40")))
    assert flow.unendorsed == (() if endorsed else ("zone", "name"))
    assert flow.unbound == (() if endorsed else ("zone", "name", "value"))
    assert flow.unasked is not endorsed
