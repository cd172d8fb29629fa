"""Whether a call that names no object is the one that a clause asks for. DESIGN §5 *Flow*, intent.

"Add an event on 14 May" asks for an event, and not for any other than that one. So something of the call has to stand
in the clause: a plain value, a day, or the words of what it is called by. A day that the clause names must be the
call's. What a call holds besides is not looked at: a person who wants a note written leaves the words to the agent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from bailiwick.flow.backing import Backing
from bailiwick.flow.tokens import specific
from bailiwick.flow.values import forms_in
from bailiwick.flow.words import ASKING, plain_word, stem
from bailiwick.model.call import Action, ArgFacts
from bailiwick.model.tool import Role

__all__ = ["begun", "on_its_day", "says_something", "titled"]

_PLAIN = frozenset({Role.VALUE, Role.QUERY})
_TITLE = 200
"""Characters of a text that somebody may have called something by."""
_SHARED = 2
"""Words in common with a longer text."""
_WORD = re.compile(r"[^\W\d_]{3,}")
_COMMON = frozenset(
    stem(word)
    for word in """
    and for with from that this then new old next last first second same latest following other one two day week month
    year time way end list about into our your his her its their the all any also please just now
    und mit für von aus pour avec dans les des con para por una los las der die das den dem ein eine einen
    """.split()
)
_ASKING = frozenset(stem(plain_word(word)) for words in ASKING.values() for word in words)


def says_something(action: Action) -> bool:
    """Whether a call holds anything that words could have named."""
    return any(_texts(action)) or any(specific(value) for each in _plain(action) for value in each.values)


def begun(action: Action, ways: Mapping[str, Sequence[Sequence[Backing]]]) -> frozenset[str]:
    """The clauses in which the ways to the plain values of a call begin."""
    behind = (each for argument in _plain(action) for each in ways.get(argument.name, ()))
    return frozenset(start for each in behind for way in each for start in way.clauses)


def on_its_day(text: str, action: Action) -> bool | None:
    """Whether a call is for a day that a clause names; None if the one or the other names none."""
    given = {day for each in _plain(action) for value in each.values for day in _days(value)}
    said = _days(text)
    return any(_same(one, other) for one in said for other in given) if said and given else None


def titled(text: str, action: Action) -> bool:
    """Whether a clause has the words of the first text of a call: half of them, or several."""
    title = next(_texts(action), "")
    ours, asks = _words(text), _ASKING | {stem(word) for phrase in action.tool.asks or () for word in phrase.split()}
    whole = _words(title)
    telling = whole - asks
    if not telling:
        # "Schedule a meeting": it is called by what was asked for, and by nothing else.
        return bool(whole) and whole <= ours
    shared = len(telling & ours)
    return shared >= _SHARED or (shared * 2 >= len(telling) and len(title) <= _TITLE)


def _plain(action: Action) -> Iterator[ArgFacts]:
    return (each for each in action.judged if each.role in _PLAIN)


def _texts(action: Action) -> Iterator[str]:
    return (each.text for each in action.judged if each.role is Role.CONTENT and each.text.strip())


@lru_cache(maxsize=1024)
def _days(text: str) -> frozenset[str]:
    return frozenset(form[2:] for form, _, _ in forms_in(text[:1000]) if form.startswith("d:"))


def _same(one: str, other: str) -> bool:
    """A day without a year is that day of any year."""
    return one == other or (one[-5:] == other[-5:] and 5 in (len(one), len(other)))


@lru_cache(maxsize=1024)
def _words(text: str) -> frozenset[str]:
    return frozenset(stem(word) for word in _WORD.findall(plain_word(text[:4096]))) - _COMMON
