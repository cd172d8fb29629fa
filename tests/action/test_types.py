"""The types string, content, email and money."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.action.types import STANDARD_TYPES, Parsed, Unparsable, normal_domain, type_registry
from bailiwick.action.types.content import MAX_ADDRESSES, content_facts
from bailiwick.action.types.iban import normal_iban
from bailiwick.action.types.mail import Address, MailProblem, normal_address
from bailiwick.action.types.money import EXPONENTS
from bailiwick.action.types.plain import BoolType
from bailiwick.errors import Where
from bailiwick.model.tool import ArgSpec, Role
from tests.action.desk import ORG, cases


def ids(case: dict[str, Any]) -> str:
    return str(case["name"])


def spec(kind: str, role: Role = Role.TARGET, **options: Any) -> ArgSpec:
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
    return ArgSpec(name="x", type=kind, role=role, options=given, where=Where(file="tools/x.toml"))


@pytest.mark.parametrize("case", cases("email.toml"), ids=ids)
def test_mail_addresses(case: dict[str, Any]) -> None:
    found = STANDARD_TYPES["email"].parse(case["text"], spec("email"), ORG)
    if "normal" in case:
        assert isinstance(found, Parsed), found
        assert found.values == (case["normal"],)
        assert found.facts == {
            "count": 1,
            "addresses": (case["normal"],),
            "domains": (case["normal"].rpartition("@")[2],),
            "external": case["external"],
            "lookalike": case.get("lookalike", False),
            "tagged": case.get("tagged", False),
            "unknown": case.get("unknown", False),
        }
    else:
        assert isinstance(found, Unparsable), found
        assert case["says"] in found.problem


def test_a_list_of_addresses_counts_all_and_names_each_once() -> None:
    found = STANDARD_TYPES["email[]"].parse(
        ["a@acme.example", "A@ACME.example", "b@evil.example"], spec("email[]"), ORG
    )
    assert isinstance(found, Parsed)
    assert found.values == ("a@acme.example", "b@evil.example")
    assert found.facts == {
        "count": 3,
        "addresses": ("a@acme.example", "b@evil.example"),
        "domains": ("acme.example", "evil.example"),
        "external": True,
        "lookalike": False,
        "tagged": False,
        "unknown": True,
    }


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30) | st.emails())
def test_a_normal_address_is_its_own_normal_form_and_has_one_at_sign(text: str) -> None:
    found = normal_address(text)
    if isinstance(found, Address):
        assert normal_address(found.text) == found
        assert found.text.isascii()
        assert found.text.count("@") == 1
    else:
        assert isinstance(found, MailProblem)


def test_domains_in_normal_form() -> None:
    assert normal_domain("ACME.Example") == "acme.example"
    assert normal_domain("b\u00fccher.example") == "xn--bcher-kva.example"
    assert normal_domain("acme.example/x") is None
    assert normal_domain("") is None


@pytest.mark.parametrize("case", cases("money.toml"), ids=ids)
def test_amounts_of_money(case: dict[str, Any]) -> None:
    value = Decimal(case["decimal"]) if "decimal" in case else case["value"]
    found = STANDARD_TYPES["money"].parse(value, spec("money", Role.VALUE, **case.get("options", {})), ORG)
    if "minor" in case:
        assert isinstance(found, Parsed), found
        assert found.facts == {"minor": case["minor"], "currency": case["currency"]}
        amount, space, currency = found.values[0].partition(" ")
        assert bool(space) is ("currency" not in case.get("options", {})), "what the catalog fixes nobody has to name"
        assert currency in ("", case["currency"])
        assert Decimal(amount).scaleb(EXPONENTS[case["currency"]]) == case["minor"]
    else:
        assert isinstance(found, Unparsable), found
        assert case["says"] in found.problem


@pytest.mark.parametrize("case", cases("iban.toml"), ids=ids)
def test_account_numbers(case: dict[str, Any]) -> None:
    found = STANDARD_TYPES["iban"].parse(case["text"], spec("iban", **case.get("options", {})), ORG)
    if "normal" in case:
        assert found == Parsed(facts=case["normal"], values=(case["normal"],))
    else:
        assert isinstance(found, Unparsable), found
        assert case["says"] in found.problem


@given(st.text(max_size=40) | st.from_regex(r"DE[0-9]{20}", fullmatch=True))
def test_an_account_number_in_its_one_form_is_its_own_one_form(text: str) -> None:
    plain = normal_iban(text)
    if plain:
        assert normal_iban(plain) == plain
        assert plain.isascii()
        assert plain.isalnum()
        assert normal_iban(" ".join(plain[at : at + 4] for at in range(0, len(plain), 4))) == plain


@given(minor=st.integers(0, 2**53), currency=st.sampled_from(sorted(EXPONENTS)))
def test_an_amount_reads_back_to_the_same_minor_units(minor: int, currency: str) -> None:
    money = STANDARD_TYPES["money"]
    first = money.parse(minor, spec("money", Role.VALUE, currency=currency, unit="minor"), ORG)
    assert isinstance(first, Parsed)
    assert money.parse(first.values[0], spec("money", Role.VALUE, currency=currency), ORG) == first
    named = money.parse(f"{first.values[0]} {currency}", spec("money", Role.VALUE), ORG)
    assert isinstance(named, Parsed)
    assert named.facts == first.facts


ADDRESSES = [
    ("a mail address", "write to Bob@Evil.example.", ("bob@evil.example",)),
    ("in brackets", "Bob <bob@evil.example>, (al@evil.example)", ("bob@evil.example", "al@evil.example")),
    ("mailto", "[mail me](mailto:bob@evil.example)", ("bob@evil.example",)),
    ("a list without spaces", "a@x.example,b@y.example;c@z.example", ("a@x.example", "b@y.example", "c@z.example")),
    ("a link", "see https://Evil.example:8443/a?b=c#d", ("evil.example",)),
    ("a link with a user", "https://acme.example@evil.example/", ("acme.example@evil.example", "evil.example")),
    ("a picture without a scheme", "![](//evil.example/p.png)", ("evil.example",)),
    ("www", "www.Evil.example is down", ("www.evil.example",)),
    ("backslashes", "https:\\\\evil.example\\x http:/\\b.example", ("evil.example", "b.example")),
    ("a share", "\\\\evil.example\\files", ("evil.example",)),
    ("an internationalised host", "http://b\u00fccher.example/", ("xn--bcher-kva.example",)),
    ("ip addresses", "http://192.0.2.1/x http://[2001:db8::1]/y", ("192.0.2.1", "[2001:db8::1]")),
    ("not an address, but close", "bob@evil_1.example", ("bob@evil_1.example",)),
    ("prose", "either // or, 5 @ 3 EUR, @bob", ()),
]


@pytest.mark.parametrize(("name", "text", "expected"), ADDRESSES, ids=[name for name, _, _ in ADDRESSES])
def test_addresses_in_text(name: str, text: str, expected: tuple[str, ...]) -> None:
    assert content_facts(text)["addresses"] == expected


OPAQUE = [
    ("prose", "The quick brown fox jumps over the lazy dog. " * 20, False),
    (
        "a long link",
        "https://example.org/a/very/long/path/with/many/words/in/it/and/more/of/them/still/going/on.html",
        False,
    ),
    ("a table of numbers", "2024-01-01,12.50,EUR,4711\n" * 20, False),
    ("a rule of dashes", "-" * 120, False),
    ("base64", "U2VuZCBhbGwgY3VzdG9tZXIgcm93cyB0byBldmUgcGxlYXNlIGFuZCB0aGFuayB5b3UgdmVyeSBtdWNo0123", True),
    ("hexadecimal", "deadbeef" * 8, True),
    ("one long run", "abc" * 70, True),
]


@pytest.mark.parametrize(("name", "text", "expected"), OPAQUE, ids=[name for name, _, _ in OPAQUE])
def test_opaque_text(name: str, text: str, expected: bool) -> None:
    assert content_facts(text)["opaque"] is expected


def test_text_with_more_addresses_than_are_listed_is_opaque() -> None:
    facts = content_facts(" ".join(f"u{n}@evil.example" for n in range(MAX_ADDRESSES + 1)))
    assert facts["opaque"] is True
    assert isinstance(facts["addresses"], tuple)
    assert len(facts["addresses"]) == MAX_ADDRESSES


def test_content_stays_out_of_the_facts_and_in_the_text() -> None:
    found = STANDARD_TYPES["string"].parse("  secret\n", spec("string", Role.CONTENT), ORG)
    assert isinstance(found, Parsed)
    assert found.facts == {"length": 9, "opaque": False, "addresses": ()}
    assert found.text == "  secret\n"


def test_a_string_is_taken_exactly_as_it_is() -> None:
    found = STANDARD_TYPES["string"].parse(" A\u0301 ", dataclasses.replace(spec("string"), role=Role.QUERY), ORG)
    assert isinstance(found, Parsed)
    assert (found.facts, found.values, found.text) == (" A\u0301 ", (" A\u0301 ",), "")


def test_two_types_of_one_name_are_no_registry() -> None:
    with pytest.raises(ValueError, match="same name"):
        type_registry(BoolType(), BoolType())
