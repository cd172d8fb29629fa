"""Which calls ran already in a session or in one that works with it, and how often words ask for one. DESIGN §5 *Flow*,
intent.

Whoever makes the user's own call a second time chooses nothing that she did not choose: every value is endorsed and the
call is asked for. What runs twice is the harm: a refill, an order, a page in the night. So what was started counts, by
the decision that let it run, and each clause of the user's own words is good for one run, or for as many as it says.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from bailiwick.flow.clauses import masked
from bailiwick.flow.words import plain_word
from bailiwick.model.call import Action
from bailiwick.model.canonical import canonical, parse
from bailiwick.model.tool import CONSEQUENTIAL, Idempotency, Role

__all__ = ["Ran", "counts", "run_key", "times"]

_KEY = 24
_NAMES_NOTHING = frozenset({Role.CONTENT, Role.QUERY})
_MANY = re.compile(
    r"""\b(?:(?P<twice>twice|zweimal|deux\ fois|dos\ veces)
      | (?P<again>(?:and|und|et|y)\ (?:once\ )?(?:again|more|another|nochmals?|noch\ einmal|encore|otra\ vez|de\ nuevo))
      | (?P<number>two|three|four|five|zwei|drei|trois|tres)\ ?(?:times|mal|fois|veces|copies))\b""",
    re.VERBOSE,
)
_NUMBERS = {"two": 2, "zwei": 2, "three": 3, "drei": 3, "trois": 3, "tres": 3, "four": 4, "five": 5}


def counts(action: Action) -> bool:
    """Whether it matters that a call is made twice."""
    tool = action.tool
    return bool(tool.effects & CONSEQUENTIAL) and tool.idempotency is Idempotency.NONE


def run_key(action: Action) -> str:
    """The same for calls that do the same thing: of one tool, with equal arguments but for content and for how it is
    to be done. Where there are no others, these count, too."""
    named = {
        each.name: _plain(each.values) for each in action.judged if each.role not in _NAMES_NOTHING and each.values
    }
    meant: object = named or parse(action.args)
    return hashlib.sha256(canonical({"tool": action.tool.name, "does": meant})).hexdigest()[:_KEY]


def _plain(values: Iterable[str]) -> list[str]:
    return sorted(" ".join(value.split()).casefold() for value in values)


def times(text: str) -> int:
    """How often a clause that asks for something asks for it."""
    found = _MANY.search(plain_word(masked(text)))
    if found is None:
        return 1
    return _NUMBERS.get(found["number"] or "", 2)


@dataclass(slots=True)
class Ran:
    """What was started, each by the events of the decisions that let it run: a row that comes by two ways counts once.
    Kept whole: it is one entry for each call that changed something."""

    _by: dict[str, set[str]] = field(default_factory=dict)

    def add(self, key: str, event: str) -> None:
        self._by.setdefault(key, set()).add(event)

    def often(self, key: str) -> int:
        return len(self._by.get(key, ()))

    @property
    def crossing(self) -> tuple[str, ...]:
        """All of it, as a delegated session is told."""
        return tuple(f"{key}{event}" for key in sorted(self._by) for event in sorted(self._by[key]))

    def take(self, crossed: Iterable[str]) -> None:
        for each in crossed:
            self.add(each[:_KEY], each[_KEY:])
