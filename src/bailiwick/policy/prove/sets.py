"""Sets of texts, without quantifiers.

A set is an unknown function from texts to bool, and what rules ask of sets is asked of finitely many texts: those that
the question names, and one *witness* for each test that can fail. That loses nothing: a set in a real request that
makes a test fail does so with some text, and the witness may be that text; and a solution over these texts is a real
request, with sets that hold just these. So "nothing fits" holds for sets of any texts and any size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bailiwick.policy.prove.smt import Model, Smt, Sort, Term

__all__ = ["SetLit", "Sets", "TextSet"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSet:
    """An unknown set of texts; `vocab` None: of any texts."""

    name: str
    holds: Any
    vocab: frozenset[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLit:
    """A set written out. Its elements are values (terms where it is a set of texts)."""

    elements: tuple[Any, ...]


Texts = TextSet | SetLit


class Sets:
    """The sets of one question, and all that is asked of them."""

    def __init__(self, smt: Smt) -> None:
        self._smt = smt
        self._sets: dict[str, TextSet] = {}
        self._texts: dict[object, Term] = {}
        self._tests: dict[object, tuple[Term, Callable[[Term], Term]]] = {}

    def variable(self, name: str, vocab: frozenset[str] | None) -> TextSet:
        if name not in self._sets:
            holds = self._smt.function(name, Sort.TEXT, Sort.BOOL)
            self._sets[name] = TextSet(name=name, holds=holds, vocab=vocab)
        return self._sets[name]

    def contains(self, texts: Texts, element: Term) -> Term:
        if isinstance(texts, SetLit):
            return self._smt.any(self._smt.equal(each, element) for each in texts.elements)
        self._name(element)
        return self._holds(texts, element)

    def contains_all(self, texts: Texts, others: Texts) -> Term:
        if isinstance(others, SetLit):
            return self._smt.all([self.contains(texts, each) for each in others.elements])
        return self._test(
            ("all", self._key(texts), others.name),
            lambda text: self._smt.implies(self._holds(others, text), self._element(texts, text)),
        )

    def contains_any(self, texts: Texts, others: Texts) -> Term:
        if isinstance(others, SetLit):
            return self._smt.any([self.contains(texts, each) for each in others.elements])
        if isinstance(texts, SetLit):
            return self.contains_any(others, texts)
        none = self._test(
            ("any", *sorted((texts.name, others.name))),
            lambda text: self._smt.no(self._smt.all((self._holds(others, text), self._holds(texts, text)))),
        )
        return self._smt.no(none)

    def is_empty(self, texts: Texts) -> Term:
        if isinstance(texts, SetLit):
            return not texts.elements
        return self._test(("empty", texts.name), lambda text: self._smt.no(self._holds(texts, text)))

    def equal(self, first: Texts, second: Texts) -> Term:
        return self._smt.all((self.contains_all(first, second), self.contains_all(second, first)))

    def axioms(self) -> Iterator[Term]:
        """What the terms given out mean. Ask once all of them were made."""
        texts = list(self._texts.values())
        for holds, of_each in self._tests.values():
            yield self._smt.equal(holds, self._smt.all([of_each(text) for text in texts]))
        for each in self._sets.values():
            if each.vocab is not None:
                for text in texts:
                    known = self._smt.any(self._smt.equal(text, word) for word in sorted(each.vocab))
                    yield self._smt.implies(self._holds(each, text), known)

    def read(self, name: str, model: Model) -> tuple[str, ...]:
        """The texts in the set `name` in `model`, sorted; none if nothing was asked of it."""
        if name not in self._sets:
            return ()
        given = self._sets[name]
        return tuple(sorted({model.of(text) for text in self._texts.values() if model.of(self._holds(given, text))}))

    def plain(self) -> Iterator[Term]:
        """What one would rather see in an example: sets with little in them, and texts that can be read."""
        for each in self._sets.values():
            yield self._smt.no(self._smt.any(self._holds(each, text) for text in self._texts.values()))
        for text in self._texts.values():
            if not isinstance(text, str):
                yield self._smt.all((self._smt.printable(text), self._smt.longest(text, 12)))
            for each in self._sets.values():
                yield self._smt.no(self._holds(each, text))

    def _holds(self, texts: TextSet, text: Term) -> Term:
        return texts.holds(self._smt.raised(text))

    def _element(self, texts: Texts, text: Term) -> Term:
        if isinstance(texts, TextSet):
            return self._holds(texts, text)
        return self._smt.any(self._smt.equal(each, text) for each in texts.elements)

    def _name(self, text: Term) -> None:
        self._texts.setdefault(self._smt.key(text), text)

    def _key(self, texts: Texts) -> object:
        return texts.name if isinstance(texts, TextSet) else tuple(self._smt.key(each) for each in texts.elements)

    def _test(self, key: object, of_each: Callable[[Term], Term]) -> Term:
        """A test that holds iff `of_each` text holds, with a witness of its own for where it does not."""
        if key not in self._tests:
            number = len(self._tests)
            self._name(self._smt.variable(f"witness-{number}", Sort.TEXT))
            self._tests[key] = (self._smt.variable(f"test-{number}", Sort.BOOL), of_each)
        return self._tests[key][0]
