"""Splitting files into rules: no character is lost, and Cedar agrees about what is a rule."""

from __future__ import annotations

import cedarpy
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.policy.text import split, tokens

RULES = st.sampled_from(
    [
        '@id("a;b") permit (principal, action, resource);',
        'forbid (principal, action, resource) when { "\\";//" == "\\\\" };',
        "permit (principal,\naction, // c; d\nresource) unless { context.x };",
        'forbid (principal, action, resource) when { context.a like "*;\\*" && context["b;"] };',
    ]
)
GAPS = st.sampled_from(["", "\n", " // plain; comment\n", '\n// "quote\n', "\t\n\n"])


@given(st.lists(st.tuples(GAPS, RULES), max_size=6), GAPS)
@settings(max_examples=60, deadline=None)
def test_the_pieces_are_the_rules_in_order(parts: list[tuple[str, str]], end: str) -> None:
    text = "".join(gap + rule for gap, rule in parts) + end
    pieces = split("a.cedar", text)
    assert [piece.text for piece in pieces] == [rule for _, rule in parts]
    assert len(cedarpy.policies_to_pst(text).static_policies) == len(pieces)
    for piece in pieces:
        assert text.splitlines()[piece.where.line - 1].strip()


@given(st.text(alphabet='abc";\\/\n {}@=&:', max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_character_is_lost(text: str) -> None:
    found = list(tokens(text))
    rest = text
    for token in reversed(found):
        assert text[token.start : token.end] == token.text
        assert text.count("\n", 0, token.start) + 1 == token.line
        rest = rest[: token.start] + rest[token.end :]
    assert all(not line.split("//")[0].strip() for line in rest.split("\n"))
    assert [token for piece in split("a", text) for token in piece.tokens] == found
