"""Patterns of `like` against Python's own matching, on every short text."""

from __future__ import annotations

import re
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.policy.prove.globs import Pattern, TooMany, matches, relation, text_for

TEXTS = ["".join(chars) for length in range(6) for chars in product("abz", repeat=length)]
"""`z` stands for any character that no pattern names."""
PATTERNS = st.lists(st.sampled_from(["a", "b", "ab", None]), max_size=4).map(tuple)


def fits(pattern: Pattern, text: str) -> bool:
    return re.fullmatch("".join(".*" if part is None else re.escape(part) for part in pattern), text) is not None


@settings(max_examples=60, deadline=None)
@given(first=PATTERNS, second=PATTERNS)
def test_relations_are_those_of_the_texts(first: Pattern, second: Pattern) -> None:
    found = [(fits(first, text), fits(second, text)) for text in TEXTS]
    assert [(matches(first, text), matches(second, text)) for text in TEXTS] == found
    related = relation(first, second)
    if related.within:
        assert all(other for one, other in found if one)
    if related.around:
        assert all(one for one, other in found if other)
    if related.apart:
        assert not any(one and other for one, other in found)


@settings(max_examples=60, deadline=None)
@given(first=PATTERNS, second=PATTERNS, one=st.booleans(), other=st.booleans())
def test_a_text_is_found_iff_there_is_one(first: Pattern, second: Pattern, one: bool, other: bool) -> None:
    if first == second:
        return
    try:
        text = text_for({first: one, second: other})
    except TooMany:
        return
    if text is None:
        assert not any(fits(first, each) is one and fits(second, each) is other for each in TEXTS)
        related = relation(first, second)
        assert {(True, False): related.within, (False, True): related.around, (True, True): related.apart}.get(
            (one, other), True
        )
    else:
        assert (fits(first, text), fits(second, text)) == (one, other)
