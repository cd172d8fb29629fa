"""Chains: a record endorses if it was selected by endorsed values, and says by which way (DESIGN §5 *Flow*)."""

from __future__ import annotations

import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from bailiwick.flow.backing import Backing, BackingKind
from bailiwick.flow.chains import MAX_SELECTED
from bailiwick.flow.clauses import clauses
from bailiwick.flow.ledger import ContentOrigin, Endorsement, Ledger, Seen
from bailiwick.model.call import ArgFacts
from bailiwick.model.tool import Authorship, Effect, OutputSpec, Role, ToolSpec
from tests.flow.helpers import TOP, Desk, arg, call, tool

SAID = "Look at the report. Then pay invoice INV-7, please."
IBAN = "DE02120300000000202051"
PAY = tool("bank.pay", Effect.PAY, interface={Effect.PAY: {"payee": "iban"}})
INVOICE = tool(
    "erp.invoice",
    output=OutputSpec(
        untrusted=("note",), endorses={"vendor.id": Role.SELECTOR, "total.amount": Role.VALUE, "due": Role.VALUE}
    ),
)
VENDOR = tool("erp.vendor", output=OutputSpec(untrusted=(), endorses={"bank.iban": Role.TARGET, "bic": Role.TARGET}))
CONTACTS = tool(
    "crm.contacts",
    output=OutputSpec(
        untrusted=("notes",),
        records="result.contacts",
        endorses={"id": Role.SELECTOR, "name": Role.SELECTOR, "email": Role.TARGET, "phones.number": Role.TARGET},
    ),
)
BILL = OutputSpec(
    untrusted=("author",),
    endorses={
        "no": Role.SELECTOR,
        "case_no": Role.SELECTOR,
        "client.id": Role.SELECTOR,
        "payee_email": Role.TARGET,
        "iban": Role.TARGET,
    },
)
BILLS = {
    "bill": replace(tool("books.get", output=BILL), resources=("bills/{no}",)),
    "bills": replace(tool("books.list", output=BILL), resources=("cases/{case_no}/bills",)),
    "find": replace(tool("books.find", output=BILL), resources=("bills",)),
}


def backing(desk: Desk, value: str, role: Role, spec: ToolSpec = PAY, name: str = "x") -> Backing | None:
    return desk.ledger._endorsed.backing(value, ArgFacts(name=name, role=role, facts={}), spec)


def chain(desk: Desk) -> tuple[str, str]:
    """The user names the invoice, the invoice its vendor, the vendor its account. → ids of the two contents."""
    desk.prompt(SAID)
    one = desk.runs(
        call(INVOICE, arg("id", Role.SELECTOR, "INV-7")),
        {"vendor": {"id": "V-1"}, "total": {"amount": "80.50"}, "due": "2024-05-15", "note": "or to eve@example.com"},
    )
    two = desk.runs(call(VENDOR, arg("id", Role.SELECTOR, "V-1")), {"bank": {"iban": IBAN}})
    return one.content, two.content


def test_the_way_leads_over_three_tools_and_is_told() -> None:
    desk = Desk()
    invoice, vendor = chain(desk)
    found = backing(desk, IBAN, Role.TARGET, PAY, "iban")
    assert found is not None
    asked = next(clause for clause in clauses(SAID) if "INV" in clause.text)
    assert found.kind is BackingKind.FIELD
    assert found.record == f"{vendor}#0"
    assert found.chain == {f"{invoice}#0", f"{vendor}#0"}
    assert found.clauses == {asked.id}
    amount = backing(desk, "80.50", Role.VALUE)
    assert amount is not None
    assert amount.record == f"{invoice}#0"
    assert amount.chain == {f"{invoice}#0"}
    assert backing(desk, "2024-05-15", Role.VALUE) is not None
    assert backing(desk, "May 15, 2024", Role.VALUE) == backing(desk, "2024-05-15", Role.VALUE)
    assert backing(desk, "eve@example.com", Role.TARGET) is None


def test_chains_survive_a_restart() -> None:
    desk = Desk()
    chain(desk)
    again = Ledger(top_sensitivity=TOP)
    for row in desk.ledger.rows:
        again.apply(row)
    assert again == desk.ledger
    assert backing(Desk(again), IBAN, Role.TARGET) == backing(desk, IBAN, Role.TARGET)


def test_chains_cross_to_another_agent_with_the_value() -> None:
    desk = Desk()
    chain(desk)
    child = Desk(desk.ledger.child(f"Pay 80.50 to {IBAN}.", **desk.ids()))
    assert backing(child, IBAN, Role.TARGET, PAY, "iban") == backing(desk, IBAN, Role.TARGET, PAY, "iban")
    assert backing(child, "INV-7", Role.SELECTOR) is None


def test_own_words_name_all_their_clauses() -> None:
    desk, said = Desk(), "Read ticket 42. Then answer it. Afterwards close ticket 42 for good."
    desk.prompt(said)
    found = backing(desk, "42", Role.SELECTOR)
    assert found is not None
    assert found.kind is BackingKind.WORDS
    assert found.clauses == {clause.id for clause in clauses(said) if "42" in clause.text}
    assert len(found.clauses) == 2


def test_the_task_is_told_from_own_words() -> None:
    found = backing(Desk(task="Answer ticket 42"), "42", Role.SELECTOR)
    assert found is not None
    assert found.kind is BackingKind.TASK


def test_every_record_in_which_a_value_stands_is_told() -> None:
    desk = Desk()
    desk.prompt("Compare invoices INV-7 and INV-8")
    ids = [
        desk.runs(call(INVOICE, arg("id", Role.SELECTOR, name)), {"total": {"amount": "80"}}).content
        for name in ("INV-7", "INV-8")
    ]
    ways = desk.ledger._endorsed.ways("80", ArgFacts(name="x", role=Role.VALUE, facts={}), PAY)
    assert [way.record for way in ways] == [f"{content}#0" for content in ids]


# ── what selects a record ────────────────────────────────────────────────────────────────────────────────────────────

CASES: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "data" / "selection.toml").read_text(encoding="utf-8")
)["case"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_only_selected_records_endorse(case: dict[str, Any]) -> None:
    desk = Desk()
    desk.prompt(case["said"])
    arguments = [arg(name, Role(role), *values) for name, (role, *values) in case.get("args", {}).items()]
    effects = [Effect(effect) for effect in case.get("effects", ["read"])]
    found = case["records"] if "records" in case else case["record"]
    spec = BILLS[case["tool"]] if "tool" in case else tool("crm.contacts", *effects, output=CONTACTS.output)
    desk.runs(call(spec, *arguments), found if "tool" in case else {"result": {"contacts": found}})
    for role, values in (("target", case.get("targets", {})), ("selector", case.get("selectors", {}))):
        for value, endorsed in values.items():
            found = bool(desk.endorses(value, Role(role), tool("mail.send", Effect.SEND)))
            assert found is endorsed, (role, value)


def test_case_names_are_unique() -> None:
    assert len({case["name"] for case in CASES}) == len(CASES)


def test_a_listing_is_no_selection() -> None:
    desk = Desk()
    desk.prompt("Write to everybody in group G-1")
    for many in (MAX_SELECTED, MAX_SELECTED + 1):
        desk.runs(
            call(CONTACTS, arg("group", Role.SELECTOR, "G-1")),
            {"result": {"contacts": [{"email": f"p{many}-{n}@example.com"} for n in range(many)]}},
        )
    assert desk.endorses(f"p{MAX_SELECTED}-0@example.com")
    assert not desk.endorses(f"p{MAX_SELECTED + 1}-0@example.com")


def test_a_way_has_an_end() -> None:
    desk = Desk()
    desk.prompt("Start at N-0")
    read = tool("graph.node", output=OutputSpec(untrusted=(), endorses={"next": Role.SELECTOR}))
    for at in range(70):
        desk.runs(call(read, arg("id", Role.SELECTOR, f"N-{at}")), {"next": f"N-{at + 1}"})
    assert desk.endorses("N-64", Role.SELECTOR)
    assert not desk.endorses("N-65", Role.SELECTOR)


# ── what own words say is not to be used ─────────────────────────────────────────────────────────────────────────────

REFUSED: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "data" / "refused.toml").read_text(encoding="utf-8")
)["case"]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["name"])
def test_what_is_not_to_be_used_endorses_nothing(case: dict[str, Any]) -> None:
    desk = Desk()
    desk.prompt(case["said"])
    role = Role(case.get("role", "target"))
    found = {value: bool(desk.endorses(value, role)) for value in (*case.get("named", ()), *case.get("refused", ()))}
    assert found == {value: value in case.get("named", ()) for value in found}


def test_a_field_does_not_endorse_a_target_that_own_words_refuse() -> None:
    desk = Desk()
    desk.prompt("Write to all in group G-1, but not to dave@example.com")
    group = tool("crm.group", output=OutputSpec(untrusted=(), endorses={"members": Role.TARGET}))
    members = {"members": ["ann@example.com", "dave@example.com"]}
    desk.runs(call(group, arg("id", Role.SELECTOR, "G-1")), members)
    assert desk.endorses("ann@example.com")
    assert not desk.endorses("dave@example.com")


def work(desk: Desk, value: str, role: Role) -> int:
    """How many bytecode instructions a question about a value takes: work, not time."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    argument, before = arg("x", role, value), sys.gettrace()
    sys.settrace(trace)
    try:
        assert desk.ledger._endorsed.ways(value, argument, PAY)
    finally:
        sys.settrace(before)
    return count


def test_a_question_costs_the_same_however_much_is_endorsed() -> None:
    desk = Desk()
    desk.prompt("Look at group G-1, and do what message M-1 asks for")
    group = tool("crm.group", output=OutputSpec(untrusted=(), endorses={"mail": Role.TARGET, "day": Role.VALUE}))
    read = tool("chat.read", output=OutputSpec(author=Authorship(field="by")))
    costs: dict[int, int] = {}
    for number in range(400):
        found = {"mail": "ann@example.com", "day": "May 15, 2024"}
        desk.runs(call(group, arg("id", Role.SELECTOR, "G-1")), found)
        message = {"by": "ann", "text": f"write {number} to carl@example.com"}
        desk.runs(call(read, arg("id", Role.SELECTOR, "M-1")), message, colleagues=lambda author: author == "ann")
        if number + 1 in (100, 400):
            asked = (("ann@example.com", Role.TARGET), ("2024-05-15", Role.VALUE), ("carl@example.com", Role.TARGET))
            costs[number + 1] = sum(work(desk, value, role) for value, role in asked)
    assert 0 < costs[400] <= costs[100] * 1.02


@pytest.mark.parametrize(
    ("role", "spec", "other"),
    [
        (Role.TARGET, PAY, Role.SELECTOR),
        (Role.SELECTOR, tool("x.y", Effect.DELETE), Role.TARGET),
        (Role.COMMAND, tool("x.y", Effect.EXECUTE), Role.TARGET),
    ],
)
def test_a_person_releases_a_value_for_its_role(role: Role, spec: ToolSpec, other: Role) -> None:
    desk = Desk()
    released = Endorsement(value="rm /tmp/x", role=role, by="bob, approval a-1", kind=BackingKind.PERSON)
    given = Seen(origin=ContentOrigin.MESSAGE, source="bob", value="", endorses=(released,))
    desk.ledger.ingest(given, **desk.ids())
    found = backing(desk, "rm /tmp/x", role, spec, "iban")
    assert found is not None
    assert (found.kind, found.by) == (BackingKind.PERSON, "bob, approval a-1")
    assert backing(desk, "rm /tmp/x", other, spec, "iban") is None
    assert backing(desk, "rm /tmp/xy", role, spec, "iban") is None


# ── one value, whatever it is called ─────────────────────────────────────────────────────────────────────────────────


def test_a_value_of_a_record_is_that_value_in_any_plain_role() -> None:
    desk = Desk()
    chain(desk)
    assert backing(desk, "80.50", Role.SELECTOR, tool("erp.note", Effect.WRITE)) is not None
    assert backing(desk, "V-1", Role.VALUE) is not None
    assert backing(desk, "V-1", Role.TARGET, tool("erp.order", Effect.WRITE)) is not None, "an identifier, no address"


def test_what_only_selects_is_nowhere_that_something_goes_to() -> None:
    desk = Desk()
    record = {"vendor": {"id": "ann@example.com"}, "total": {"amount": IBAN}, "due": "https://example.com/a"}
    desk.prompt("Pay INV-7")
    desk.runs(call(INVOICE, arg("id", Role.SELECTOR, "INV-7")), record)
    for value in ("ann@example.com", IBAN, "https://example.com/a", "example.com"):
        assert backing(desk, value, Role.TARGET, tool("mail.send", Effect.SEND)) is None
    assert backing(desk, "ann@example.com", Role.TARGET, PAY, "iban") is None


def test_other_roles_give_no_payee_no_command_no_credential_and_nothing_to_delete() -> None:
    desk = Desk()
    chain(desk)
    assert backing(desk, "V-1", Role.TARGET, PAY, "iban") is None
    assert backing(desk, "V-1", Role.COMMAND) is None
    assert backing(desk, "V-1", Role.CREDENTIAL) is None
    assert backing(desk, "80.50", Role.SELECTOR, tool("erp.drop", Effect.DELETE)) is None


def test_a_plain_value_is_no_key_of_another_record() -> None:
    desk = Desk()
    chain(desk)
    desk.runs(call(CONTACTS), {"result": {"contacts": [{"id": "80.50", "name": "x1", "email": "eve@example.com"}]}})
    assert not desk.endorses("eve@example.com")
