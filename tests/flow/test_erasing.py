"""What a ledger keeps of erased contents: every label, and no word."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.flow.erasing import erased_row, event_of
from bailiwick.flow.ledger import ContentOrigin, Ledger, Seen
from bailiwick.flow.records import LedgerRow, RowKind
from bailiwick.model.label import Integrity, Label

TEXT = "Call Wilhelmina Oakenshield-Barrow on +44 20 7946 0958, and pay INV-7719"

LABELS = st.builds(
    Label,
    sensitivity=st.integers(0, 3),
    categories=st.frozensets(st.sampled_from(("pii", "phi"))),
    integrity=st.sampled_from(list(Integrity)),
)


def rebuilt(rows: list[LedgerRow]) -> Ledger:
    ledger = Ledger(top_sensitivity=3)
    for row in rows:
        ledger.apply(row)
    return ledger


@given(st.lists(st.tuples(LABELS, st.sampled_from(list(ContentOrigin))), min_size=1, max_size=5))
def test_labels_outlive_the_words(contents: list[tuple[Label, ContentOrigin]]) -> None:
    ledger = Ledger(top_sensitivity=3)
    for number, (label, origin) in enumerate(contents):
        ledger.ingest(
            Seen(origin=origin, source="s", value=f"{TEXT} {number}", label=label),
            content_id=f"c{number}",
            event_id=f"e{number}",
        )
    erased = [erased_row(row) for row in ledger.rows]
    after = rebuilt(erased)
    assert after.label == ledger.label
    assert after.marks.strict == ledger.marks.strict
    assert not after.knows(f"{TEXT} 0")
    assert [event_of(row) for row in erased] == [event_of(row) for row in ledger.rows]
    assert [erased_row(row) for row in erased] == erased, "doing it again changes nothing"
    together = b"".join(row.payload for row in erased)
    for word in (b"Wilhelmina", b"7946", b"INV-7719"):
        assert word not in together


@pytest.mark.parametrize(
    "kind", [RowKind.ENDORSED, RowKind.DECLASSIFIED, RowKind.INSPECTED, RowKind.RAN, RowKind.KNOWN]
)
def test_rows_that_only_permit_or_count_become_empty(kind: RowKind) -> None:
    row = erased_row(LedgerRow(ord=3, kind=kind, payload=b'{"value":"Wilhelmina"}'))
    assert (row.ord, row.kind, row.payload) == (3, RowKind.KNOWN, b'{"texts":[]}')


def test_what_was_written_counts_as_all_that_is_read_back() -> None:
    row = LedgerRow(ord=0, kind=RowKind.WRITTEN, payload=b'{"tool":"notes.add","written":["Wilhelmina"]}')
    assert erased_row(row).payload == b'{"tool":"notes.add","written":[],"written_all":true}'


def test_a_row_that_does_not_read_stays_unreadable_without_its_bytes() -> None:
    row = LedgerRow(ord=0, kind=RowKind.CONTENT, payload=b"Wilhelmina {")
    erased = erased_row(row)
    assert b"Wilhelmina" not in erased.payload
    with pytest.raises(Exception, match="cannot be read"):
        rebuilt([replace(erased, ord=0)])


@pytest.mark.parametrize("kind", list(RowKind))
def test_a_row_goes_with_the_event_that_it_is_of_but_for_what_ran_or_was_written(kind: RowKind) -> None:
    row = LedgerRow(ord=0, kind=kind, payload=b'{"event":"e-1"}')
    kept = kind in (RowKind.RAN, RowKind.WRITTEN)
    assert event_of(row) == ("" if kept else "e-1"), "what was asked for once must not be done twice"
