"""Texts that can be read, and texts that cannot. The tables are data/opaque.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.flow.opaque import is_opaque

CASES = tomllib.loads((Path(__file__).parent / "data" / "opaque.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES["plain"], ids=lambda case: case["text"][:24])
def test_what_people_write_can_be_read(case: dict[str, Any]) -> None:
    assert not is_opaque(case["text"])


@pytest.mark.parametrize("case", CASES["opaque"], ids=lambda case: case["name"])
def test_what_is_enciphered_or_packed_cannot(case: dict[str, Any]) -> None:
    assert is_opaque(case["text"])


@given(st.binary(min_size=48, max_size=400))
def test_bytes_in_hexadecimal_cannot_be_read(data: bytes) -> None:
    text = data.hex()
    assert is_opaque(f"see {text} there") or len(set(text)) < 10 or len(text) in (32, 40, 56, 64) or text.isdigit()


@given(st.text(max_size=600))
def test_it_never_fails(text: str) -> None:
    assert is_opaque(text) in (True, False)
