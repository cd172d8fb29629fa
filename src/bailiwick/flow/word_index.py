"""Where whole values stand in somebody's own words, and in which of their clauses. DESIGN §5 *Flow*, endorsement.

Tokens, and what counts as a whole value, are those of `bailiwick.flow.tokens`; numbers, dates and times that are
written otherwise are found by their form (`bailiwick.flow.values`). A mention in a clause that says what is *not* to be
done is found too, and marked: it endorses nothing.

INVARIANT: a lookup costs at most MAX_PLACES * MAX_VALUE_WORDS comparisons, however much was said.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from bailiwick.flow.backing import BackingKind
from bailiwick.flow.clauses import clauses
from bailiwick.flow.refusals import refused_spans
from bailiwick.flow.tokens import (
    MAX_VALUE,
    MAX_VALUE_WORDS,
    STRIPPED_AFTER,
    STRIPPED_BEFORE,
    core,
    folded,
    glued,
    host_of,
    specific,
    stands,
)
from bailiwick.flow.values import forms_in

__all__ = ["MAX_PLACES", "Mention", "WordIndex"]

MAX_PLACES = 32
"""Places remembered per token: the first ones. A value whose every word is more common than that may go unrecognised.
"""

_TOKEN = re.compile(r"\S+")
_NEAR = 80
_RUNS = re.compile(
    r"""\b(?:run|execute|exec|start|query|command|führe|ausführen|starte|befehl|abfrage|lance|exécute|commande|requête
      |ejecuta|corre|comando|consulta)
      (?:[ ](?:the|this|following|shell|sql|bash|command|query|statement|script|den|die|das|befehl|abfrage|la|le|el
      |commande|requête|comando|consulta)){0,3}[ ]?:?[ ]*$""",
    re.VERBOSE | re.IGNORECASE,
)
_PROSE = re.compile(r"[ \t]*(?:and|then|please|und|dann|danach|bitte|et|puis|ensuite|y|luego|después)\b", re.IGNORECASE)
_SPANS = re.compile(r"`([^`\n]+)`|\"([^\"\n]+)\"|“([^“”\n]+)”|«([^«»\n]+)»|(?<!\w)'([^'\n]+)'(?!\w)")


@dataclass(frozen=True, slots=True)
class Mention:
    """One place in which a value stands. `clauses` are the ids of those that it stands in; `refused` that one of them
    says what is not to be done: then it endorses nothing."""

    by: str
    kind: BackingKind
    clauses: frozenset[str]
    refused: bool = False


@dataclass(frozen=True, slots=True)
class _Place:
    """In which clauses a token stands, and whether what they say is not to be done."""

    clauses: frozenset[str] = frozenset()
    refused: bool = False


@dataclass(frozen=True, slots=True)
class _Line:
    """A run of tokens, each with its place."""

    by: str
    kind: BackingKind
    chunks: tuple[str, ...]
    places: tuple[_Place, ...]

    def mention(self, start: int, end: int) -> Mention:
        found = self.places[start:end]
        within = frozenset().union(*(place.clauses for place in found))
        return Mention(self.by, self.kind, within, any(place.refused for place in found))


@dataclass(slots=True)
class WordIndex:
    """Own words of one or more texts, each with the sentence that says whose they are (`by`).

    Texts are given in `cleaned` form. A run never crosses a line break."""

    _lines: list[_Line] = field(default_factory=list)
    _places: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    _folded: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    _commands: dict[str, Mention] = field(default_factory=dict)
    _hosts: dict[str, Mention] = field(default_factory=dict)
    _forms: dict[str, list[Mention]] = field(default_factory=dict)
    _durations: dict[str, None] = field(default_factory=dict)
    _texts: dict[str, str] = field(default_factory=dict)

    def add(self, text: str, by: str, kind: BackingKind = BackingKind.WORDS) -> None:
        """All that `text` names: its tokens, and its lines and quoted spans as commands."""
        parts = _Parts(text)
        self._texts.update((clause, said) for clause, said in parts.texts(text) if clause not in self._texts)
        for start, end in _command_spans(text):
            if not parts.refuses(start):
                self.add_command(text[start:end], by, kind, parts.ids(start, end))
        at = 0
        for line in text.split("\n"):
            found = [(token.group(), at + token.start()) for token in _TOKEN.finditer(line)]
            words, places = [word for word, _ in found], tuple(parts.at(place) for _, place in found)
            if words:
                self._add_line(_Line(by, kind, tuple(map(folded, words)), places))
            for number, part in glued(words):
                self._add_line(_Line(by, kind, (folded(part),), places[number : number + 1]))
            at += len(line) + 1
        for form, start, end in forms_in(text):
            self._add_form(form, Mention(by, kind, parts.ids(start, end), parts.refuses(start)))

    def add_run(
        self,
        words: tuple[str, ...],
        by: str,
        kind: BackingKind = BackingKind.WORDS,
        clauses: frozenset[str] = frozenset(),
    ) -> None:
        """One run of tokens, as it stands."""
        places = (_Place(clauses),) * len(words)
        self._add_line(_Line(by, kind, tuple(map(folded, words)), places))
        for form, _, _ in forms_in(" ".join(words)):
            self._add_form(form, Mention(by, kind, clauses))

    def add_command(
        self,
        command: str,
        by: str,
        kind: BackingKind = BackingKind.WORDS,
        clauses: frozenset[str] = frozenset(),
    ) -> None:
        if specific(command):
            self._commands.setdefault(command, Mention(by, kind, clauses))

    def _add_line(self, line: _Line) -> None:
        for at, chunk in enumerate(line.chunks):
            for places in (
                self._places.setdefault(core(chunk), []),
                self._folded.setdefault(core(chunk).casefold(), []),
            ):
                if len(places) < MAX_PLACES:
                    places.append((len(self._lines), at))
            mention = line.mention(at, at + 1)
            if "://" in chunk and not mention.refused:
                self._hosts.setdefault(host_of(chunk), mention)
        self._lines.append(line)

    def _add_form(self, form: str, mention: Mention) -> None:
        places = self._forms.setdefault(form, [])
        if len(places) < MAX_PLACES:
            places.append(mention)
        if form.startswith("u:") and len(self._durations) < MAX_PLACES:
            self._durations[form] = None

    def names(self, value: str) -> str:
        """By what the whole `value` is named; empty if by nothing, or if it is too generic to name anything."""
        if len(value) > MAX_VALUE or not specific(value):
            return ""
        return self.occurs(value)

    def host(self, host: str) -> Mention | None:
        """By what a link to `host` (lower case) is given."""
        return self._hosts.get(host)

    def command(self, command: str) -> Mention | None:
        """By what `command` is given exactly and as a whole."""
        return self._commands.get(command.strip()) if specific(command.strip()) else None

    def occurs(self, value: str) -> str:
        """As `names`, without asking whether the value is specific."""
        return next((mention.by for mention in self.mentions(value) if not mention.refused), "")

    def mentions(self, value: str, *, any_case: bool = False) -> tuple[Mention, ...]:
        """Every place in which the whole `value` stands, refused ones too; generic values as any other. `any_case`: in
        capitals or not, as people write names."""
        words = value.split(" ")
        if len(words) > MAX_VALUE_WORDS:
            return ()
        words = [word.casefold() if any_case else folded(word) for word in words]
        index = self._folded if any_case else self._places
        rarest: tuple[int, list[tuple[int, int]]] | None = None
        for at, word in enumerate(words):
            places = index.get(core(word))
            if places is None:
                return ()
            if rarest is None or len(places) < len(rarest[1]):
                rarest = (at, places)
        if rarest is None:
            return ()
        offset, places = rarest
        found: list[Mention] = []
        for number, at in places:
            line, start = self._lines[number], at - offset
            chunks = line.chunks[max(start, 0) : start + len(words)]
            if start >= 0 and stands(tuple(map(str.casefold, chunks)) if any_case else chunks, words):
                found.append(line.mention(start, start + len(words)))
        return tuple(found)

    def mentions_of_forms(self, parts: tuple[tuple[str, ...], ...]) -> tuple[Mention, ...]:
        """Every place in which a number, date or time stands that is written otherwise (`values.needed_forms`).

        Of a value that has parts (a date and a time) each must be said in the same clause, or be the only one said."""
        found = [tuple(each for form in part for each in self._forms.get(form, ())) for part in parts]
        if len(found) < 2 or not all(found):
            return found[0] if len(found) == 1 else ()
        within = [frozenset().union(*(each.clauses for each in part)) for part in found]
        if not frozenset.intersection(*within) and not all(self._only(part) for part in parts):
            return ()
        return tuple(each for part in found for each in part)

    def lasting(self) -> Iterator[tuple[int, tuple[Mention, ...]]]:
        """(minutes, where it is said) of every duration."""
        for form in self._durations:
            yield int(form.removeprefix("u:")), tuple(self._forms[form])

    def _only(self, part: tuple[str, ...]) -> bool:
        said = {form for form in self._forms if form[0] == part[0][0]}
        return len(said) == 1

    def texts(self, clauses: Iterable[str]) -> tuple[str, ...]:
        """What the clauses with these ids say, less what is not to be used; of another session's, nothing."""
        return tuple(self._texts[each] for each in sorted(clauses) if each in self._texts)

    def crossing(self, message: WordIndex) -> tuple[list[tuple[str, Mention]], list[tuple[str, Mention]]]:
        """What both this index and `message` name: (maximal runs, commands), each with its mention here."""
        runs: dict[str, Mention] = {}
        for line in message._lines:
            done = 0
            for start in range(len(line.chunks)):
                found = self._longest(line.chunks, start)
                if found is not None and found[1] > done:
                    done = found[1]
                    runs.setdefault(found[0], found[2])
        commands = [(text, self._commands[text]) for text in message._commands if text in self._commands]
        return list(runs.items()), commands

    def _longest(self, chunks: tuple[str, ...], start: int) -> tuple[str, int, Mention] | None:
        """INVARIANT: a run stays within one clause, so that whoever words the message cannot make two of them one."""
        longest, begun = None, frozenset[frozenset[str]]()
        for end in range(start + 1, min(len(chunks), start + MAX_VALUE_WORDS) + 1):
            run = " ".join(chunks[start:end]).lstrip(STRIPPED_BEFORE).rstrip(STRIPPED_AFTER)
            found = self.mentions(run) if run else ()
            if not found or any(mention.refused for mention in found):
                break
            if longest is None:
                begun = frozenset(mention.clauses for mention in found)
            within = [mention for mention in found if mention.clauses in begun]
            if not within:
                break
            clauses_of = frozenset().union(*(mention.clauses for mention in within))
            longest = (run, end, replace(within[0], clauses=clauses_of))
        return longest


class _Parts:
    """The clauses of a text by position."""

    __slots__ = ("_clauses", "_refused", "_starts")

    def __init__(self, text: str) -> None:
        self._clauses = clauses(text)
        self._starts = [clause.start for clause in self._clauses]
        self._refused = refused_spans(text, self._clauses)

    def at(self, place: int) -> _Place:
        number = bisect_right(self._starts, place) - 1
        if number < 0 or place >= self._clauses[number].end:
            return _Place(refused=self.refuses(place))
        return _Place(frozenset({self._clauses[number].id}), self.refuses(place))

    def texts(self, text: str) -> Iterator[tuple[str, str]]:
        """(id, text) of each clause, without what is not to be used."""
        for clause in self._clauses:
            said = list(text[clause.start : clause.end])
            for start, end in self._refused:
                for at in range(max(start, clause.start), min(end, clause.end)):
                    said[at - clause.start] = " "
            yield clause.id, "".join(said)

    def refuses(self, place: int) -> bool:
        return any(start <= place < end for start, end in self._refused)

    def ids(self, start: int, end: int) -> frozenset[str]:
        return frozenset(each.id for each in self._clauses if each.start < end and start < each.end)


def _command_spans(text: str) -> Iterator[tuple[int, int]]:
    """What may be a command: the whole text, each block of lines that stands alone, each span in back-ticks, and in
    quotes after a word such as "run". A line of a block is a part of a command, and so are quotes within one."""
    yield _stripped(text, 0, len(text))
    yield from _blocks(text)
    for span in _SPANS.finditer(text):
        group = span.lastindex or 0
        if group == 1 or _RUNS.search(text, max(span.start() - _NEAR, 0), span.start()):
            yield _stripped(text, span.start(group), span.end(group))


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Lines up to an empty one, one that introduces what follows by a colon, or one that goes on in prose."""
    start, at = -1, 0
    for line in (*text.split("\n"), ""):
        ends = not line.strip() or _PROSE.match(line) is not None
        if start >= 0 and ends:
            yield _stripped(text, start, at)
            start = -1
        if line.rstrip().endswith(":"):
            start = -1
        elif start < 0 and not ends:
            start = at
        at = min(at + len(line) + 1, len(text))


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip())
