"""Terms and questions for the solver: the only place where z3 is spoken.

A term is a Python `bool`, `int` or `str` where its value is known, else an expression of z3. What is known is worked
out here, so that rules that cannot matter never reach the solver. INVARIANT: an answer `NONE` is only ever given where
z3 proved that nothing fits; time that ran out, and whatever z3 gives up on, is `UNKNOWN`.

Answers depend on the question alone: every run has a context of its own and a fixed seed. (Only a timeout depends on
the machine, and it gives UNKNOWN.)
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from bailiwick.errors import MissingExtra
from bailiwick.policy.prove.globs import Pattern, TooMany, matches, relation, text_for

try:
    import z3  # type: ignore[import-untyped]
except ImportError as error:
    raise MissingExtra(feature="proving", extra="prove") from error

__all__ = [
    "LARGEST",
    "SMALLEST",
    "WILDCARD",
    "Found",
    "Likes",
    "Model",
    "Question",
    "Smt",
    "Sort",
    "Term",
    "Unsupported",
]

Term = Any
"""`bool | int | str`, or an expression of z3 (which has no types of its own)."""

LARGEST, SMALLEST = 2**63 - 1, -(2**63)
"""Cedar's Long."""

WILDCARD = None
"""In a pattern: any text."""

_HIGHEST_CHAR = 0x2FFFF
_SEED = 20261120
_MOST_ROUNDS = 20


class Unsupported(Exception):
    """Something that is not translated, so no answer can be given."""


class Sort(Enum):
    """What a variable can be."""

    BOOL = "Bool"
    INT = "Int"
    TEXT = "String"


class Found(Enum):
    """What the solver said to a question."""

    NONE = "none"
    SOME = "some"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Values under which the question's terms hold."""

    smt: Smt
    values: Any

    def of(self, term: Term) -> Any:
        """The value of `term`: a bool, int or str."""
        if not z3.is_expr(term):
            return term
        value = self.values.eval(term, model_completion=True)
        if z3.is_bool(value):
            return bool(z3.is_true(value))
        if z3.is_int_value(value):
            return value.as_long()
        if z3.is_string_value(value):
            return self.smt.text_of(value)
        raise Unsupported(f"the solver gave no value for {term}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Likes:
    """The patterns that a text is compared with, and the atom that stands for each."""

    term: Term
    atoms: dict[Pattern, Term] = field(default_factory=dict)


class Smt:
    """Makes terms, all in one context of z3."""

    def __init__(self) -> None:
        self._context = z3.Context()
        self.likes: dict[object, Likes] = {}
        self.lemmas: list[Term] = []
        self._any_text = z3.Star(z3.AllChar(z3.ReSort(z3.StringSort(self._context))))

    def variable(self, name: str, sort: Sort) -> Term:
        match sort:
            case Sort.BOOL:
                return z3.Bool(name, self._context)
            case Sort.INT:
                return z3.Int(name, self._context)
            case Sort.TEXT:
                return z3.String(name, self._context)

    def function(self, name: str, argument: Sort, result: Sort) -> Any:
        """An unknown function, to be called with one z3 term (see `raised`)."""
        return z3.Function(name, self._sort(argument), self._sort(result))

    def _sort(self, sort: Sort) -> Any:
        match sort:
            case Sort.BOOL:
                return z3.BoolSort(self._context)
            case Sort.INT:
                return z3.IntSort(self._context)
            case Sort.TEXT:
                return z3.StringSort(self._context)

    def raised(self, term: Term) -> Any:
        """`term` as an expression of z3."""
        if z3.is_expr(term):
            return term
        if isinstance(term, bool):
            return z3.BoolVal(term, self._context)
        if isinstance(term, int):
            return z3.IntVal(term, self._context)
        return z3.StringVal(_escaped(term), self._context)

    def key(self, term: Term) -> object:
        """Equal for terms that are the same expression."""
        return ("z3", term.get_id()) if z3.is_expr(term) else (type(term).__name__, term)

    def all(self, terms: Iterable[Term]) -> Term:
        kept = []
        for term in terms:
            if term is False:
                return False
            if term is not True:
                kept.append(term)
        return True if not kept else kept[0] if len(kept) == 1 else z3.And(*kept)

    def any(self, terms: Iterable[Term]) -> Term:
        kept = []
        for term in terms:
            if term is True:
                return True
            if term is not False:
                kept.append(term)
        return False if not kept else kept[0] if len(kept) == 1 else z3.Or(*kept)

    def no(self, term: Term) -> Term:
        return not term if isinstance(term, bool) else z3.Not(term)

    def implies(self, first: Term, second: Term) -> Term:
        return self.any((self.no(first), second))

    def choose(self, condition: Term, yes: Term, no: Term) -> Term:
        """`yes` where `condition` holds, else `no`: two terms of one sort."""
        if isinstance(condition, bool):
            return yes if condition else no
        return z3.If(condition, self.raised(yes), self.raised(no))

    def equal(self, first: Term, second: Term) -> Term:
        if not z3.is_expr(first) and not z3.is_expr(second):
            return type(first) is type(second) and first == second
        return self.raised(first) == self.raised(second)

    def less(self, first: Term, second: Term) -> Term:
        return first < second

    def less_eq(self, first: Term, second: Term) -> Term:
        return first <= second

    def outside_long(self, term: Term) -> Term:
        """Whether a number is none that Cedar has."""
        return self.any((term < SMALLEST, term > LARGEST))

    def like(self, term: Term, pattern: Sequence[str | None]) -> Term:
        """Whether a text fits a pattern of texts and WILDCARDs: an atom, whose meaning `Question` sees to."""
        mine = tuple(pattern)
        if isinstance(term, str):
            return matches(mine, term)
        likes = self.likes.setdefault(self.key(term), Likes(term=term))
        if mine not in likes.atoms:
            atom = z3.Bool(f"{term} like {mine}", self._context)
            for other, holds in likes.atoms.items():
                self.lemmas += self._related(mine, atom, other, holds)
            likes.atoms[mine] = atom
        return likes.atoms[mine]

    def meanings(self) -> Iterator[Term]:
        """What the atoms of `like` mean, for the solver itself."""
        for likes in self.likes.values():
            for pattern, atom in likes.atoms.items():
                yield atom == self._like(likes.term, pattern)

    def _like(self, term: Term, pattern: Pattern) -> Term:
        """The solver is much better at beginnings and ends than at patterns."""
        match pattern:
            case (None, str(end)):
                return z3.SuffixOf(self.raised(end), term)
            case (str(begin), None):
                return z3.PrefixOf(self.raised(begin), term)
            case (str(begin), None, str(end)):
                long = z3.Length(term) >= len(begin) + len(end)
                return z3.And(z3.PrefixOf(self.raised(begin), term), z3.SuffixOf(self.raised(end), term), long)
            case (None, str(middle), None):
                return z3.Contains(term, self.raised(middle))
            case _:
                return self._fits(term, [self._any_text if part is None else self._literal(part) for part in pattern])

    def _related(self, mine: Pattern, fits: Term, other: Pattern, holds: Term) -> Iterator[Term]:
        found = relation(mine, other)
        if found.within:
            yield self.implies(fits, holds)
        if found.around:
            yield self.implies(holds, fits)
        if found.apart:
            yield self.no(self.all((fits, holds)))

    def printable(self, term: Term) -> Term:
        """Whether a text holds nothing but plain ASCII, for examples that people read."""
        signs = (self._literal(char) for char in " @.-/_")
        return z3.InRe(self.raised(term), z3.Star(z3.Union(self._letters(), *signs)))

    def _letters(self) -> Any:
        ends = ((z3.StringVal(low, self._context), z3.StringVal(high, self._context)) for low, high in _PLAIN)
        return z3.Union(*(z3.Range(low, high) for low, high in ends))

    def longest(self, term: Term, length: int) -> Term:
        """Whether a text has at most `length` characters."""
        return z3.Length(self.raised(term)) <= length

    def _literal(self, text: str) -> Any:
        return z3.Re(z3.StringVal(_escaped(text), self._context))

    def _fits(self, term: Term, parts: list[Any]) -> Term:
        whole = parts or [self._literal("")]
        return z3.InRe(self.raised(term), whole[0] if len(whole) == 1 else z3.Concat(*whole))

    def question(self, *, timeout_ms: int) -> Question:
        return Question(self, self._context, timeout_ms=timeout_ms)

    def text_of(self, value: Any) -> str:
        """A text of z3, character by character: its printed form cannot be read back without doubt."""
        length = z3.Z3_get_string_length(self._context.ref(), value.as_ast())
        chars = (ctypes.c_uint * length)()
        z3.Z3_get_string_contents(self._context.ref(), value.as_ast(), length, chars)
        return "".join(map(chr, chars))


class Question:
    """Terms that hold, and asking whether something fits them."""

    def __init__(self, smt: Smt, context: Any, *, timeout_ms: int) -> None:
        self._smt = smt
        self._solver = z3.Solver(ctx=context)
        self._solver.set("random_seed", _SEED)
        self._timeout_ms = timeout_ms
        self.hold(smt.lemmas)

    def hold(self, terms: Iterable[Term]) -> None:
        """From here on, these hold."""
        for term in terms:
            if term is not True:
                self._solver.add(self._smt.raised(term))

    def ask(self, terms: Iterable[Term], *, steps: int = 0) -> tuple[Found, Model | None]:
        """Whether values exist under which `terms` hold too. `steps` bounds the solver's work (0: by time alone), the
        same on every machine."""
        asked = self._smt.all(terms)
        if asked is False:
            return Found.NONE, None
        self._solver.set("timeout", self._timeout_ms)
        self._solver.set("rlimit", steps)
        self._solver.push()
        try:
            self._solver.add(self._smt.raised(asked))
            return self._ask()
        except z3.Z3Exception:
            return Found.UNKNOWN, None
        finally:
            self._solver.pop()

    def _ask(self) -> tuple[Found, Model | None]:
        """First as if patterns meant nothing but what they have to do with each other, which is far easier: where
        nothing fits then, nothing fits. What does fit gets texts that fit its patterns; only where that fails does the
        solver have to look for texts itself."""
        if not self._smt.likes:
            return self._check()
        for _ in range(_MOST_ROUNDS):
            found, model = self._check()
            if model is None:
                return found, None
            texts = self._texts(model)
            if texts is None:
                break
            if all(isinstance(text, str) for _, text in texts):
                found, better = self._checked([self._is(likes, str(text)) for likes, text in texts])
                if better is not None:
                    return found, better
                break
            self._solver.add(*(term for _, term in texts if not isinstance(term, str)))
        return self._checked(list(self._smt.meanings()))

    def _texts(self, model: Model) -> list[tuple[Likes, Term]] | None:
        """For each text that is compared with patterns: one that fits as `model` has it, or, where there is none, the
        term that this cannot be. None: it would take too long."""
        found: list[tuple[Likes, Term]] = []
        for likes in self._smt.likes.values():
            wanted = {pattern: bool(model.of(atom)) for pattern, atom in likes.atoms.items()}
            try:
                text = text_for(wanted)
            except TooMany:
                return None
            never = self._smt.any(
                self._smt.no(atom) if wanted[pattern] else atom for pattern, atom in likes.atoms.items()
            )
            found.append((likes, never if text is None else text))
        return found

    def _is(self, likes: Likes, text: str) -> Term:
        fits = [self._smt.equal(atom, matches(pattern, text)) for pattern, atom in likes.atoms.items()]
        return self._smt.all((self._smt.equal(likes.term, text), *fits))

    def _checked(self, terms: list[Term]) -> tuple[Found, Model | None]:
        """As `_check`, with these too."""
        self._solver.push()
        try:
            self._solver.add(*map(self._smt.raised, terms))
            return self._check()
        finally:
            self._solver.pop()

    def _check(self) -> tuple[Found, Model | None]:
        answer = self._solver.check()
        if answer == z3.unsat:
            return Found.NONE, None
        if answer == z3.sat:
            return Found.SOME, Model(smt=self._smt, values=self._solver.model())
        return Found.UNKNOWN, None


_PLAIN = (("a", "z"), ("A", "Z"), ("0", "9"))


def _escaped(text: str) -> str:
    """`text` as z3 reads it. Raises Unsupported for characters that z3 does not have."""
    if any(ord(char) > _HIGHEST_CHAR for char in text):
        raise Unsupported("a text with characters beyond U+2FFFF")
    return "".join(char if " " <= char <= "~" and char != "\\" else f"\\u{{{ord(char):x}}}" for char in text)
