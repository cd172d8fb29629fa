"""Identifiers in texts: what is one and what is not, and that no text makes looking for them slow."""

from __future__ import annotations

import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.flow.identifier_kinds import KINDS
from bailiwick.flow.identifiers import DETECTED, find

CASES = tomllib.loads((Path(__file__).parent / "data/identifiers.toml").read_text(encoding="utf-8"))["case"]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_identifiers_are_told_from_what_looks_like_them(case: dict[str, Any]) -> None:
    text = case["text"]
    assert [[hit.kind, text[hit.start : hit.end]] for hit in find(text)] == case["find"]


def test_every_kind_has_a_case() -> None:
    shown = {kind for case in CASES for kind, _ in case["find"]}
    assert {kind.name for kind in KINDS} - shown == {"slack-webhook", "vendor-token"}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("https://hooks.slack.com/services/T0123/B4567/abcdefghijklmnop", "slack-webhook"),
        ("npm_0123456789abcdefghijABCDEFGHIJ012345", "vendor-token"),
        ("hf_0123456789abcdefghijABCDEFGHIJ0123", "vendor-token"),
        ("123456789:AA0123456789abcdefghijABCDEFGHIJ012", "vendor-token"),
        ("dop_v1_" + "0123456789abcdef" * 4, "vendor-token"),
    ],
)
def test_further_keys(text: str, kind: str) -> None:
    assert kind in {hit.kind for hit in find(text)}


def test_only_the_categories_that_are_asked_for_are_found() -> None:
    text = "password: hunter2, 4111 1111 1111 1111, ann@example.com"
    assert {hit.category for hit in find(text)} == {"secret", "pci", "pii"}
    assert {hit.category for hit in find(text, {"pci", "mnpi"})} == {"pci"}
    assert find(text, ()) == ()
    assert {"secret", "pci", "pii", "phi"} == DETECTED


@given(st.text(alphabet="4111 -\u200b\uff14é\u0130\u212apassword:x@.", max_size=60))
def test_places_are_those_of_the_text_as_it_came(text: str) -> None:
    for hit in find(f"{text} 4111111111111111 {text}"):
        assert 0 <= hit.start < hit.end <= 2 * len(text) + 18


HOSTILE = {
    "digits": "1",
    "digits in groups": "1111 ",
    "a card after the other": "4111 1111 1111 1111 ",
    "plus and digits": "+1 2",
    "dots and letters": "a.",
    "at signs": "a@",
    "mail names": "a%",
    "domains": "a@b.",
    "words that announce": "password ",
    "announced again and again": "password is ",
    "colons": "password: ",
    "codes": "your code ",
    "code for code": "verification code verification ",
    "links": "https://a/",
    "a long link": "/reset?token=",
    "schemes": "a://",
    "credentials in links": "a://b:c",
    "begin": "-----BEGIN PRIVATE KEY-----\n",
    "tokens": "eyJa",
    "tokens with dots": "eyJabcdefgh.",
    "bearer": "bearer ",
    "base64": "Bearer abcd",
    "brackets": "((((",
    "phrase": "seed phrase abandon ",
    "birthdays": "born 1.",
    "accounts": "account number ",
    "diagnoses": "diagnosed with ",
    "letters": "AB12",
    "spaces": " ",
    "quotes": "'\"",
    "marks": "é\u200b",
}


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE.keys())
def test_no_text_makes_it_slow(unit: str) -> None:
    def took(size: int) -> float:
        text = (unit * (size // len(unit) + 1))[:size]
        best = float("inf")
        for _ in range(2):
            before = time.process_time()
            find(text)
            best = min(best, time.process_time() - before)
        return best

    took(1_000)
    # Eight times the text: a square would take 64 times as long.
    assert took(32_000) < 24 * took(4_000) + 0.02
