"""What the words of a user reach in records: fields that the catalog trusts, titles, short ids, known payees, links."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bailiwick.flow.ledger import Ledger
from bailiwick.flow.tokens import without_scheme
from bailiwick.model.tool import Authorship, Effect, OutputSpec, Role
from tests.flow.helpers import TOP, Desk, arg, call, tool

FIND = replace(
    tool(
        "drive.find", output=OutputSpec(trusted=("id", "owner"), endorses={"id": Role.SELECTOR, "owner": Role.TARGET})
    ),
    resources=("drive",),
)
APPEND = replace(tool("drive.append", Effect.WRITE), resources=("drive/{id}",))
DELETE = replace(tool("drive.delete", Effect.DELETE), resources=("drive/{id}",))
REFUND = replace(tool("desk.refund", Effect.WRITE), resources=("desk/{id}",))
HISTORY = tool(
    "bank.history",
    output=OutputSpec(trusted=("from", "to", "amount"), endorses={"from": Role.TARGET, "amount": Role.VALUE}),
)
PAY = tool("bank.pay", Effect.PAY, interface={Effect.PAY: {"payee": "payee"}})
IBAN, OTHER = "DE02120300000000202051", "GB29NWBK60161331926819"
SAID = "Add two lines to team plan.docx, and to the grocery list."


def files(*titles: str) -> list[dict[str, str]]:
    return [{"id": f"{at + 3}", "title": title, "owner": "eve@example.com"} for at, title in enumerate(titles)]


def found(said: str, query: str, *titles: str) -> Desk:
    desk = Desk()
    desk.prompt(said)
    desk.runs(call(FIND, arg("query", Role.QUERY, query)), files(*titles))
    return desk


def selects(desk: Desk, value: str) -> bool:
    return desk.endorses(value, Role.SELECTOR, APPEND) != ""


@pytest.mark.parametrize(
    ("query", "titles", "selected"),
    [
        ("team plan.docx", ["team plan.docx"], True),
        ("plan.docx", ["budget.docx", "team plan.docx"], False),
        ("team plan.docx", ["team plan.docx", "team plan.docx"], False),
        ("team plan.docx", ["team plan.docx.exe"], False),
        ("team plan.docx", ["About team plan.docx"], False),
        ("Q3", ["team plan.docx"], False),
        ("list", ["grocery-list.docx"], True),
        ("list", ["Grocery_List.md"], True),
        ("list", ["lines"], False),
    ],
)
def test_a_record_can_be_selected_by_its_whole_title(query: str, titles: list[str], selected: bool) -> None:
    assert selects(found(SAID, query, *titles), "3") is selected


def test_a_title_that_others_can_write_gives_nothing_but_the_id() -> None:
    desk = found(SAID, "team plan.docx", "team plan.docx")
    assert selects(desk, "3")
    assert desk.endorses("eve@example.com") == ""


def test_a_query_that_nobody_named_selects_nothing_by_title() -> None:
    """Whoever picks the query picks which of two files of one name is seen."""
    assert not selects(found(SAID, "owner:eve", "team plan.docx"), "3")


def test_an_id_of_one_character_holds_in_its_own_store_and_never_for_a_deletion() -> None:
    desk = found(SAID, "team plan.docx", "team plan.docx")
    assert desk.endorses("3", Role.SELECTOR, APPEND)
    assert desk.endorses("3", Role.SELECTOR, REFUND) == ""
    assert desk.endorses("3", Role.SELECTOR, DELETE) == ""
    assert desk.endorses("4", Role.SELECTOR, APPEND) == ""
    assert desk.endorses("3", Role.TARGET, APPEND) == ""


def test_what_the_organisation_called_so_may_be_an_everyday_word() -> None:
    for trusted, selected in ((("id", "title"), True), (("id",), False)):
        desk = Desk()
        desk.prompt("Please update my rent payment.")
        output = OutputSpec(trusted=trusted, endorses={"id": Role.SELECTOR})
        desk.runs(call(replace(FIND, output=output)), [{"id": "S-7", "title": "Rent"}, {"id": "S-8", "title": "Gym"}])
        assert selects(desk, "S-7") is selected
        assert not selects(desk, "S-8")


@pytest.mark.parametrize(
    ("output", "endorsed"),
    [
        (OutputSpec(trusted=("a",), endorses={"a": Role.TARGET}), True),
        (OutputSpec(trusted=("a",), endorses={"a.b": Role.TARGET}), True),
        (OutputSpec(trusted=("b",), endorses={"a": Role.TARGET}), False),
        (OutputSpec(trusted=("b",), endorses={"a.b": Role.TARGET}), False),
        (OutputSpec(trusted=("rows.a",), records="rows", endorses={"a": Role.TARGET}), True),
        (OutputSpec(endorses={"a": Role.TARGET}), False),
    ],
)
def test_only_trusted_fields_endorse(output: OutputSpec, endorsed: bool) -> None:
    desk = Desk()
    desk.prompt("Write to customer C-1")
    value: object = {"a": {"b": "ann@example.com"}} if "a.b" in output.endorses else {"a": "ann@example.com"}
    desk.runs(
        call(tool("crm.get", output=output), arg("id", Role.SELECTOR, "C-1")),
        {"rows": value} if output.records else value,
    )
    assert bool(desk.endorses("ann@example.com")) is endorsed


def test_a_payee_who_is_named_and_was_paid_before_is_known() -> None:
    desk = Desk()
    desk.prompt(f"Refund {IBAN}, please, and not what is on the letter: {OTHER}.")
    payments = [{"from": IBAN, "amount": "10"}, {"from": IBAN, "amount": "20"}, {"from": "FR1420041010050500013M02606"}]
    desk.runs(call(HISTORY, arg("n", Role.QUERY, "100")), payments)
    payee = [
        desk.resolve(call(PAY, arg("payee", Role.TARGET, iban))).arguments[0].endorsed
        for iban in (IBAN, OTHER, "FR1420041010050500013M02606")
    ]
    assert payee == [True, False, False]
    assert desk.endorses("20", Role.VALUE, PAY) == ""


def test_what_a_title_selected_survives_a_restart() -> None:
    desk = found(SAID, "team plan.docx", "team plan.docx")
    again = Ledger(top_sensitivity=TOP)
    for row in desk.ledger.rows:
        again.apply(row)
    assert again == desk.ledger
    assert selects(Desk(again), "3")


@pytest.mark.parametrize(
    ("said", "url", "endorsed"),
    [
        ("Read www.example.com/a, please", "https://www.example.com/a", True),
        ("Read www.example.com, please", "https://www.example.com/", True),
        ("Post it to www.example.com.They expect it", "https://www.example.com", True),
        ("Read www.example.com, please", "http://www.example.com", False),
        ("Read www.example.com, please", "https://www.example.com/a", False),
        ("Read www.example.com, please", "https://www.example.com?q=1", False),
        ("Read www.example.com, please", "https://www.example.com:8443", False),
        ("Read www.example.com, please", "https://www.example.com@evil.example", False),
        ("Read www.example.com, please", "https://www.example.com\\@evil.example", False),
        ("Read www.example.com.evil.example", "https://www.example.com", False),
        ("Do not open www.example.com.", "https://www.example.com", False),
        ("Open example", "https://example", False),
    ],
)
def test_a_link_is_named_without_its_scheme(said: str, url: str, endorsed: bool) -> None:
    desk = Desk()
    desk.prompt(said)
    assert bool(desk.endorses(url, Role.TARGET, tool("web.get", Effect.FETCH))) is endorsed


def test_without_scheme_is_empty_for_all_else() -> None:
    assert without_scheme("https://a.example/") == "a.example"
    assert [without_scheme(url) for url in ("a.example", "http://a.example", "https://a", "https://u@a.example")] == [
        ""
    ] * 4


def test_whom_a_prompt_names_need_not_be_the_author() -> None:
    chat = tool("chat.read", output=OutputSpec(trusted=("from",), author=Authorship(field="from", unless=())))
    desk = Desk()
    desk.prompt("Find what somebody wrote in lunch-talk about a restaurant, and tell Bob.")
    desk.runs(
        call(chat, arg("channel", Role.SELECTOR, "lunch-talk")),
        [{"from": "Bob", "text": "hello"}, {"from": "Ann", "text": "I liked www.good-food.example."}],
        colleagues={"Bob", "Ann"}.__contains__,
    )
    assert desk.endorses("https://www.good-food.example", Role.TARGET, tool("web.get", Effect.FETCH))
    assert desk.endorses("https://www.bad-food.example", Role.TARGET, tool("web.get", Effect.FETCH)) == ""


@pytest.mark.parametrize(
    ("said", "value", "endorsed"),
    [
        ("Book a table on 2024-05-19 at 12:00 for one hour.", "2024-05-19 13:00", True),
        ("Book a 90-minute slot on 2024-05-19 at 23:00.", "2024-05-20T00:30", True),
        ("Reserviere am 19.05.2024 um 12:00 zwei Stunden.", "2024-05-19 14:00", True),
        ("Book a table on 2024-05-19 at 12:00 for one hour.", "2024-05-19 14:00", False),
        ("Book a table on 2024-05-19 at 12:00 for one hour.", "2024-05-20 13:00", False),
        ("Book a table on 2024-05-19 at 12:00 for one hour.", "13:00", False),
        ("Book a table on 2024-05-19 at 12:00.", "2024-05-19 13:00", False),
        ("Book a table on 2024-05-19 at 12:00. Bob spoke for one hour.", "2024-05-19 13:00", False),
        ("Do not book a table on 2024-05-19 at 12:00 for one hour.", "2024-05-19 13:00", False),
        ("Book a table on 2024-05-19 at 12:00 for one hour.", "not a time", False),
        ("Book a table on 2024-05-19 at 12:00 for one hour.", "0001-01-01 00:00", False),
    ],
)
def test_what_has_a_beginning_and_a_length_has_an_end(said: str, value: str, endorsed: bool) -> None:
    desk = Desk()
    desk.prompt(said)
    assert bool(desk.endorses(value, Role.VALUE, tool("calendar.add", Effect.WRITE))) is endorsed
    assert desk.endorses(value, Role.SELECTOR, tool("calendar.add", Effect.WRITE)) == ""


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("Create an event with Sarah at noon. Her email address is sarah@example.com.", True),
        ("Schedule it for Sarah. The recipient is sarah@example.com.", False),
        ("Create an event with Ann at noon. Bob's manager is sarah@example.com.", False),
        ("Read the plan. Her email address is sarah@example.com.", False),
    ],
)
def test_a_sentence_that_tells_an_address_goes_with_the_request_before_it(said: str, asked: bool) -> None:
    desk = Desk()
    desk.prompt(said)
    spec = replace(tool("calendar.add", Effect.WRITE), asks=("create",))
    assert desk.resolve(call(spec, arg("to", Role.TARGET, "sarah@example.com"))).unasked is not asked
