"""How words fall into clauses."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.flow.clauses import MAX_CLAUSES, clause_id, clauses
from bailiwick.flow.intent import Intentions

SPLITS = {
    "Delete the draft and send the report to Bob": ["Delete the draft", "and send the report to Bob"],
    "Find INV-7, then pay it.": ["Find INV-7", "then pay it."],
    "Pay Dr. Smith $1,200.50 on Jan. 3. Also email bob@x.com the file a.pdf; don't delete anything!": [
        "Pay Dr. Smith $1,200.50 on Jan. 3.",
        "Also email bob@x.com the file a.pdf;",
        "don't delete anything!",
    ],
    "Cancel and refund order 55": ["Cancel and refund order 55"],
    "Open https://x.com/a.b?c=d. Then read it": ["Open https://x.com/a.b?c=d.", "Then read it"],
    "Reply with 'delete me, and go. Now' to Bob": ["Reply with 'delete me, and go. Now' to Bob"],
    "Send these:\n- a.pdf\n- b.pdf": ["Send these:", "a.pdf", "b.pdf"],
    "Transfer 50 EUR to Anna and 30 EUR to Ben": ["Transfer 50 EUR to Anna", "and 30 EUR to Ben"],
    "Enter for 2026-0117: bundle 2026-12-17, and for 2025-0088: close file 2026-12-01.": [
        "Enter for 2026-0117: bundle 2026-12-17",
        "and for 2025-0088: close file 2026-12-01.",
    ],
    "Enter for A-1: x 10:30, for B-2: y 11:30 and for Ann: z": [
        "Enter for A-1: x 10:30",
        "for B-2: y 11:30",
        "and for Ann: z",
    ],
    "Write a letter for Ann and for Ben": ["Write a letter for Ann and for Ben"],
    "Remind Tom to send report.pdf to Eve": ["Remind Tom", "to send report.pdf to Eve"],
    "Lösche alt.txt am 3. mai und schicke den Bericht an Bob": [
        "Lösche alt.txt am 3. mai",
        "und schicke den Bericht an Bob",
    ],
    "Busca la factura y págala": ["Busca la factura", "y págala"],
    "Envoie le rapport et supprime le brouillon": ["Envoie le rapport", "et supprime le brouillon"],
    "Take salt and pepper": ["Take salt and pepper"],
}
NEGATED = [
    "do not delete anything",
    "never send it",
    "without paying",
    "Please don't reply",
    "lösche nichts",
    "schicke die Mail nicht",
    "ohne zu bezahlen",
    "ne paie pas la facture",
    "sans payer",
    "no borres nada",
    "sin pagar",
    "nunca envíes esto",
]
NOT_NEGATED = [
    "don't forget to pay",
    "do not hesitate to reply",
    "why don't you delete it",
    "can't you send it",
    "not only delete",
    "vergiss nicht zu bezahlen",
    "n'oublie pas de payer",
    "no olvides pagar",
    "Stop the server db-2",
    "there is no hurry",
]


@pytest.mark.parametrize("text", SPLITS)
def test_clauses_end_where_they_should(text: str) -> None:
    assert [clause.text for clause in clauses(text)] == SPLITS[text]


@pytest.mark.parametrize("text", NEGATED)
def test_negation_is_marked(text: str) -> None:
    assert all(clause.negated for clause in clauses(text))


@pytest.mark.parametrize("text", NOT_NEGATED)
def test_what_only_looks_negated_is_not(text: str) -> None:
    assert not any(clause.negated for clause in clauses(text))


def test_a_negation_reaches_over_and_but_not_over_but() -> None:
    carried = clauses("Don't delete the draft and send the report")
    assert [clause.negated for clause in carried] == [True, True]
    ended = clauses("Don't delete the draft, but send the report")
    assert [clause.negated for clause in ended] == [True, False]


def test_links_and_headings() -> None:
    first, second = clauses("Find INV-7, then pay it.")
    assert (first.refers, second.refers) == ("", first.id)
    heading, item, _ = clauses("Send these:\n- a.pdf\n- b.pdf")
    assert item.under == heading.id


def test_ids_depend_on_the_words_alone() -> None:
    (one,) = clauses("  Delete   the draft ")
    (two,) = clauses("delete the draft")
    assert one.id == two.id == clause_id("DELETE THE DRAFT")
    assert len(one.id) == 16


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.sampled_from("aB ,.;:\n-\"'()1é€@/") | st.characters(), max_size=300))
def test_clauses_stand_in_order_where_they_say(text: str) -> None:
    found = clauses(text)
    assert all(text[clause.start : clause.end].strip() == clause.text.strip() for clause in found[:-1])
    assert all(one.end <= two.start for one, two in pairwise(found))
    assert all(clause.text.strip() for clause in found)


def test_more_clauses_than_are_counted_ask_for_nothing() -> None:
    found = clauses("Delete a.txt.\n" * 3 * MAX_CLAUSES)
    assert len(found) == MAX_CLAUSES
    assert found[-1].negated


def test_long_texts_are_read_in_linear_time() -> None:
    for text in ("a, " * 10_000, "and send " * 3_000, "x" * 30_000, "(" * 30_000, "ne " * 10_000, "1 EUR and " * 3_000):
        Intentions().add(text)
