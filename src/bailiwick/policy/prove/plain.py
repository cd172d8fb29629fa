"""The plainest example: a solver gives any values that fit, a person wants to see only what matters.

Wishes (somebody declared, false, nothing, zero, a short text) are granted where the finding still holds with them, in
order and as many at a time as will go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bailiwick.policy.prove.call import AnyCall
from bailiwick.policy.prove.people import People
from bailiwick.policy.prove.sets import TextSet
from bailiwick.policy.prove.smt import Found, Model, Question, Smt, Term
from bailiwick.policy.world import NO_END, Bool, Level, Long

__all__ = ["NOON_MS", "plainest"]

NOON_MS = 1_767_614_400_000
"""Monday, 5 January 2026, 12:00 UTC: when an example plays, if the rules do not care."""

_WISH_STEPS = 200_000
_MOST_QUESTIONS = 60


def plainest(smt: Smt, question: Question, people: People, call: AnyCall, model: Model, terms: Sequence[Term]) -> Model:
    """A model of `terms` with as many wishes granted as there was patience for."""
    granted, left = list(terms), _MOST_QUESTIONS
    todo = [list(_wishes(smt, people, call))]
    while todo and left > 0:
        wishes = todo.pop()
        left -= 1
        found, better = question.ask((*granted, *wishes), steps=_WISH_STEPS)
        if found is Found.SOME and better is not None:
            granted += wishes
            model = better
        elif len(wishes) > 1:
            half = len(wishes) // 2
            todo += [wishes[half:], wishes[:half]]
    return model


def _wishes(smt: Smt, people: People, call: AnyCall) -> Iterator[Term]:
    yield people.equal(call.agent, call.actor)
    yield smt.equal(call.depth, 0)
    for entity in (call.root, call.agent, call.actor, call.task):
        yield people.declared(entity)
    yield smt.equal(call.expires, NO_END)
    yield smt.equal(call.purpose, "")
    for term in call.optional():
        yield smt.no(term)
    yield from call.sets.plain()
    for place in call.places.values():
        if isinstance(place.term, TextSet):
            continue
        if place.path == ("now",):
            yield smt.equal(place.term, NOON_MS)
        elif isinstance(place.type, Bool):
            yield smt.no(place.term)
        elif isinstance(place.type, Long | Level):
            yield smt.equal(place.term, 0)
            for bound in (10, 100, 1_000, 10_000, 1_000_000):
                yield smt.all((place.term <= bound, place.term >= -bound))
        else:
            yield smt.printable(place.term)
            for length in (0, 1, 4, 12, 30):
                yield smt.longest(place.term, length)
    for entity in (call.root, call.agent, call.actor):
        yield from people.plain(entity)
