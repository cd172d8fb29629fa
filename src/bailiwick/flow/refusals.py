"""Which part of a person's own words says what is *not* to be done. DESIGN §5 *Flow*, endorsement.

"Do not send it to x@example.com" names an address, and endorses nothing. Refused are clauses that
`bailiwick.flow.clauses` finds negated, and within other clauses what follows "but not", "except", "instead of" and
their like up to the end of the clause or to "but".

Heuristic, and careful in one direction only: a value that is refused by mistake costs a question to a person.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bailiwick.flow.clauses import Clause, masked

__all__ = ["refused_spans"]

_EXCEPT = re.compile(
    r"""\b(?:
        (?:but|and|or|just|certainly|definitely)\ not | not\ (?:to|for|from|by|with|in|on|at) | except(?:ing)?(?:\ for)?
      | excluding | excludes? | apart\ from | other\ than | rather\ than | instead\ of | unlike | leave\ out | skip
      | avoid | ignore | anything\ but | anyone\ but | everyone\ but | everybody\ but | all\ but
      | (?:aber|und|oder|bloß)\ nicht | nicht\ (?:an|für|von|bei|mit|in|auf|zu) | außer | ausser | ausgenommen
      | anstelle?(?:\ von)? | (?:an)?statt
      | (?:mais|et|ou)\ pas | pas\ (?:à|a|pour|de|chez|avec) | sauf | hormis | excepté | plutôt\ que | au\ lieu\ de
      | (?:pero|y|o)\ no | no\ (?:a|para|de|con) | excepto | salvo | menos | en\ (?:vez|lugar)\ de
    )\b | [,;(–—][ ]*(?:not|nicht|pas|no)\b(?!,)""",  # noqa: RUF001
    re.VERBOSE | re.IGNORECASE,
)
_BACK_AGAIN = re.compile(r"\b(?:but|sondern|mais|sino|pero|aber|instead|stattdessen)\b", re.IGNORECASE)


def refused_spans(text: str, clauses: Sequence[Clause]) -> tuple[tuple[int, int], ...]:
    """(start, end) of every refused part of `text`, in order; `clauses` are its own."""
    plain = masked(text)
    found: list[tuple[int, int]] = []
    for clause in clauses:
        if clause.negated:
            found.append((clause.start, clause.end))
            continue
        at = clause.start
        while (mark := _EXCEPT.search(plain, at, clause.end)) is not None:
            again = _BACK_AGAIN.search(plain, mark.end(), clause.end)
            at = clause.end if again is None else again.end()
            found.append((mark.start(), at))
    return tuple(found)
