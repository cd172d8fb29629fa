"""Search terms: what they mean, and what is said of those that mean nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.audit.search_terms import TERMS, parse_terms
from bailiwick.errors import UsageError

NOW = 1_800_000_000_000_000
DAY = 86_400_000_000


def test_terms_are_collected_by_name() -> None:
    query = parse_terms('tool:mail.send tool:web.* -outcome:allow since:2d until:30m "Acme Ltd" harbour', now_us=NOW)
    assert query.wanted == {"tool": ("mail.send", "web.*")}
    assert query.unwanted == {"outcome": ("allow",)}
    assert (query.since_us, query.until_us) == (NOW - 2 * DAY, NOW - 1_800_000_000)
    assert query.texts == ("Acme Ltd", "harbour")
    assert parse_terms('source:"tool:crm find"', now_us=NOW).wanted == {"source": ("tool:crm find",)}
    assert parse_terms("since:2026-11-20T12:00+02:00", now_us=NOW).since_us == 1_795_168_800_000_000


@pytest.mark.parametrize(
    ("terms", "message", "hint"),
    [
        ("tol:mail.send", "there is no term tol:", "did you mean tool:?"),
        ("outcome:alow", "there is no outcome 'alow'", "did you mean outcome:allow?"),
        ("kind:descision", "there is no kind 'descision'", "did you mean kind:decision?"),
        ("origin:web", "there is no origin 'web'", "it is one of"),
        ("tool:", "tool: has no value", "catalog name"),
        ('tool:""', "tool: has no value", "catalog name"),
        ("since:tomorrow", "since:tomorrow is no time", "an age"),
        ("since:1d since:2d", "since: stands twice", "once"),
        ("-since:1d", "-since: means nothing", "bound the time"),
        ("since:1d until:2d", "since: is not before until:", "nothing lies between"),
        ("-harbour", "only terms can be left out", "-outcome:allow"),
        ("x", "at least two characters", "write more"),
        ('"unclosed', "this is no term", "name:value"),
        (" ".join(["tool:a"] * 40), "at most 32 terms", "leave some out"),
        ("a" * 3000, "at most 2000 characters", "leave terms out"),
    ],
)
def test_what_means_nothing_is_told(terms: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as told:
        parse_terms(terms, now_us=NOW)
    assert message in str(told.value)
    assert hint in told.value.hint


@given(st.text(max_size=80))
def test_any_text_is_a_query_or_an_error_of_ours(text: str) -> None:
    try:
        query = parse_terms(text, now_us=NOW)
    except UsageError:
        return
    assert set(query.wanted) | set(query.unwanted) <= set(TERMS)
