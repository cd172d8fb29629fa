"""Addresses in outgoing text, disguised and not. The tables are data/addresses.toml."""

from __future__ import annotations

import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.flow.addresses import MAX_FOUND, addresses_in
from bailiwick.model.tool import Effect, Role
from tests.flow.helpers import Desk, arg, call, tool

CASES = tomllib.loads((Path(__file__).parent / "data" / "addresses.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES["address"], ids=lambda case: case["name"])
def test_an_address_is_found_however_it_is_written(case: dict[str, Any]) -> None:
    assert case["found"] in addresses_in(case["text"])
    assert case["found"] in addresses_in(f"Hello Bob,\n\nas promised: {case['text']}\n\nKind regards\nAnna")


@pytest.mark.parametrize("case", CASES["none"], ids=lambda case: case["text"][:24])
def test_texts_without_addresses_have_none(case: dict[str, Any]) -> None:
    assert addresses_in(case["text"]) == ()


@pytest.mark.parametrize(
    ("text", "endorsed"),
    [
        ("The page is https://acme.com/start, as you said.", True),
        ("The page is https://acme.com/start?id=7, as you said.", True),
        ("The page is https://acme.com/start?id=8, as you said.", False),
        ("The page is https://acme.com/collect?d=secret.", False),
        ("The page is acme dot com.", True),
        ("The page is evil dot com.", False),
        ("Write to bob [at] evil [dot] com.", False),
        ("Write to nobody.", True),
    ],
)
def test_addresses_in_a_text_that_leaves_need_endorsement(text: str, endorsed: bool) -> None:
    desk = Desk()
    desk.prompt("Tell Anna that the page is https://acme.com/start or https://acme.com/start?id=7")
    flow = desk.resolve(call(tool("mail.send", Effect.SEND), arg("body", Role.CONTENT, text=text)))
    assert flow.arguments[0].endorsed is endorsed


@given(st.text(max_size=400))
def test_it_never_fails(text: str) -> None:
    assert len(addresses_in(text)) <= MAX_FOUND


@pytest.mark.parametrize(
    "text",
    [
        "a." * 30_000,
        "a@" * 30_000,
        "http://" * 10_000,
        "dot " * 20_000,
        "a b " * 20_000,
        "<a " * 20_000,
        "de89 " * 20_000,
    ],
    ids=lambda text: text[:6],
)
def test_no_text_takes_long(text: str) -> None:
    began = time.thread_time()
    addresses_in(text)
    assert time.thread_time() - began < 2.0
