"""Long texts that an agent can hand in cost time in proportion to their length. Generous bounds of processor time:
they tell quadratic or exponential work from linear work, not a quick machine from a slow one."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from bailiwick.action.types import normal_address
from bailiwick.flow import encodings, intent, matching
from bailiwick.flow.naming import plain_name

_LENGTH = 60_000
_SECONDS = 2.0


def _octal(text: str) -> list[bytes]:
    return list(encodings.from_octal(text))


@pytest.mark.parametrize("piece", ["x", "1", " ", "a@", "é", "\\000 ", "0o000 ", "000 ", "\n", "-", "a/ ", " - ", "a "])
@pytest.mark.parametrize(
    "read",
    [_octal, matching._ENCODED.search, intent._ON_IT.findall, plain_name, normal_address],
    ids=["octal", "encoded", "on_it", "plain_name", "address"],
)
def test_a_long_text_is_read_in_linear_time(read: Callable[[str], object], piece: str) -> None:
    text = (piece * _LENGTH)[:_LENGTH]
    start = time.process_time()
    read(text)
    assert time.process_time() - start < _SECONDS


def test_octal_numbers_with_a_prefix_are_decoded() -> None:
    word = "attack at dawn"
    assert _octal(" ".join(f"\\{ord(char):03o}" for char in word)) == [word.encode()]
    assert _octal(" ".join(f"{ord(char):o}" for char in word)) == [word.encode()]
    assert _octal(" ".join(f"{ord(char):o}" for char in word[:12])) == [word[:12].encode()]
    assert not _octal(" ".join(f"{ord(char):o}" for char in word[:11]))
