"""Where the text of a call was seen before: runs and values of known contents in its arguments, as they are, decoded,
and together with what went to the same sink before. DESIGN §5 *Flow*, evidence.

`Matcher` is what a session keeps, `Matching` answers for one call. Texts are in memory alone: rows hold none of them.
In a session that was restored they are read again (`wanted`, `supply`); what cannot be leaves it incomplete.

What one sink was handed in several calls, or several arguments of one, is searched as one text, so that no splitting
hides a run. Of each sink the end is kept: as much as a run across the next boundary can need.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from bailiwick.flow.ciphers import strange, wordless
from bailiwick.flow.codecs import Decodings, decodings
from bailiwick.flow.fragments import MAX_PIECE, Fragment, FragmentIndex, Pieces
from bailiwick.flow.normal import normal
from bailiwick.flow.opaque import is_opaque
from bailiwick.flow.origins import MAX_ORIGINS, MORE_PLACES, AtomIndex, inside
from bailiwick.flow.part_labels import PartLabels
from bailiwick.flow.pieces import pieces
from bailiwick.flow.records import NO_ROW, ContentOrigin, ContentRecord
from bailiwick.flow.runs import SHORT, Background, Found, RunIndex
from bailiwick.model.call import Action, ArgFacts
from bailiwick.model.decision import Origin
from bailiwick.model.label import Label
from bailiwick.model.tool import CONSEQUENTIAL, Role, Sink

__all__ = ["MAX_MISSES", "MAX_SEARCHED_TEXT", "MAX_SINKS", "TAIL", "Matcher", "Matching", "hands_over"]

MAX_SEARCHED_TEXT = 131_072
"""Characters of one argument that are searched; a longer one counts as opaque."""
TAIL = 4_096
"""Characters that are kept of what a sink was handed."""
ENOUGH = 512
"""Characters after which it does not matter any more what a sink was handed before."""
MAX_SINKS = 1_024
MAX_MISSES = 3
"""Times that a text is asked for in vain before it counts as lost."""
_TO = "to"
_TOLD_BACKWARDS = 7
"""Characters of an exact value that is looked for backwards."""
_NEAR = 512
"""Characters before a boundary that a run across it is looked for in."""
_ENCODED = re.compile(r"\d[A-Za-z]|[a-z][A-Z]|[A-Z]{2}[a-z]|%[0-9A-Fa-f]{2}|\\[ux]|\d{2}[\s,]\d{2}|[.-]{2}")


@dataclass(slots=True)
class _Sink:
    """`texts` are the ends of what it was handed, by argument: a subject between two pieces of a text keeps nothing
    apart. It is whole, unless something was handed to it that is not known."""

    texts: dict[str, str] = field(default_factory=dict)
    pieces: Pieces = field(default_factory=Pieces)
    whole: bool = True


@dataclass(slots=True)
class Matcher:
    """The contents of one session, as far as their texts are known, and what its sinks were handed."""

    atoms: AtomIndex = field(default_factory=AtomIndex)
    runs: RunIndex = field(default_factory=RunIndex, compare=False)
    _fragments: FragmentIndex = field(default_factory=FragmentIndex, compare=False)
    _contents: list[ContentRecord] = field(default_factory=list, compare=False)
    _wanted: dict[str, int] = field(default_factory=dict, compare=False)
    _misses: dict[str, int] = field(default_factory=dict, compare=False)
    _lost: bool = field(default=False, compare=False)
    _unseen: bool = field(default=False, compare=False)
    _sinks: dict[tuple[str, ...], _Sink] = field(default_factory=dict, compare=False)

    def know(self, words: str, background: Background) -> None:
        """What everybody may know, and the words that a session begins with, are evidence of nothing."""
        self.runs.set_background(background)
        self.runs.add_public(words)
        self.atoms.add_own(words)

    def expect(self, record: ContentRecord) -> None:
        """A content that the session has seen; its text is still to come."""
        self.atoms.add(record)
        if record.words:
            self.runs.add_public(record.words)
        if record.origin is not ContentOrigin.MODEL and not record.hidden:
            self._wanted[record.content] = len(self._contents)
            self._contents.append(replace(record, atoms=(), texts=(), words="", row=NO_ROW))

    def wanted(self, action: Action) -> Mapping[str, str]:
        """Contents that somebody may not read whose text is not known, and the event that recorded each, for a call
        that hands something on."""
        if not self._wanted or not _sinks(action):
            return {}
        records = (self._contents[number] for number in self._wanted.values())
        return {record.content: record.event for record in records if not _bare(record.label)}

    def supply(self, content: str, value: object) -> None:
        """What `content` holds: a text, or a JSON-like value."""
        number = self._wanted.pop(content, None)
        if number is None:
            return
        record = self._contents[number]
        parts = list(pieces(value, PartLabels.of(record.label, record.parts).at))
        readable = [part for part in parts if part is not None]
        whole = self.runs.add(number, readable)
        text = self.runs.text_of(number)
        if text is not None and not _bare(record.label):
            self._fragments.add(text)
        self._lost = self._lost or not whole or len(readable) < len(parts)

    def missed(self, content: str) -> None:
        """The text of `content` could not be had. Another process may still be writing it; after MAX_MISSES it is
        given up."""
        if content in self._wanted:
            self._misses[content] = self._misses.get(content, 0) + 1
            if self._misses[content] >= MAX_MISSES:
                del self._wanted[content]
                self._lost = True

    def complete(self, action: Action) -> bool:
        """True iff all that the session has seen could be searched for, and all that the call's sinks hold is known."""
        known = not self._lost and all(_bare(self._contents[number].label) for number in self._wanted.values())
        return known and all(
            self._sinks[key].whole if key in self._sinks else key[0] != _TO or not self._unseen
            for key in _sinks(action)
        )

    def handed(self, action: Action) -> None:
        """A call handed its arguments to its tool."""
        given = [(argument.name, text) for argument in action.judged for text in _content(argument)]
        fragments = [each for _, text in given for each in self.fragments(text)]
        length = sum(len(normal(text)) for _, text in given)
        for key in _sinks(action):
            sink = self._sinks.setdefault(key, _Sink(whole=key[0] != _TO or not self._unseen))
            for name, text in given:
                before = sink.texts.get(name, "")
                sink.texts[name] = f"{before}\n{text}"[-TAIL:] if before else text[-TAIL:]
            sink.pieces.take(tuple(fragments))
            sink.whole = sink.whole or length >= ENOUGH
        while len(self._sinks) > MAX_SINKS:
            self._sinks.pop(next(iter(self._sinks)))

    def handed_unseen(self, tool: str) -> None:
        """A call of `tool` handed it something that is not known here."""
        self._sinks[(tool,)] = _Sink(whole=False)
        self._unseen = True
        for key, sink in self._sinks.items():
            sink.whole = sink.whole and key[0] != _TO

    def before(self, action: Action) -> tuple[Mapping[str, str], ...]:
        """The ends of what the call's sinks were handed before, by argument."""
        return tuple(self._sinks[key].texts for key in _sinks(action) if key in self._sinks)

    def fragments(self, text: str) -> tuple[Fragment, ...]:
        """Short pieces of known texts, in a text that says little else."""
        return self._fragments.find(normal(text), self.runs.is_public) if len(text) <= 4 * MAX_PIECE else ()

    def added_up(self, action: Action, fragments: tuple[Fragment, ...]) -> Iterator[Fragment]:
        """Those of `fragments` that are evidence, with what the call's sinks were handed before."""
        for key in _sinks(action):
            yield from (self._sinks[key].pieces if key in self._sinks else Pieces()).with_more(fragments)

    def origin(self, content: int, path: str, how: str) -> Origin:
        record = self._contents[content]
        return Origin(content=record.content, event=record.event, source=record.source, path=path, how=how)


@dataclass(slots=True)
class _Answer:
    """What was found in one argument."""

    origins: dict[Origin, None] = field(default_factory=dict)
    labels: dict[Label, None] = field(default_factory=dict)
    opaque: bool = False


class Matching:
    """The evidence on one call: `bailiwick.flow.origins.Evidence`. Each argument is searched once."""

    __slots__ = ("_action", "_answers", "_matcher", "_parted", "_read")

    def __init__(self, matcher: Matcher, action: Action) -> None:
        self._matcher = matcher
        self._action = action
        self._answers: dict[str, _Answer] = {}
        self._parted: dict[str, _Answer] | None = None
        self._read: dict[str, Decodings] = {}

    @property
    def complete(self) -> bool:
        return self._matcher.atoms.complete and self._matcher.complete(self._action)

    def origins(self, argument: ArgFacts) -> tuple[Origin, ...]:
        found = dict.fromkeys(self._matcher.atoms.origins(argument))
        exact = {(origin.content, origin.path.partition("@")[0]) for origin in found}
        for origin in self._answer(argument).origins:
            # A value that was found as a whole already is not told of again.
            if origin.how != "exact" or (origin.content, origin.path.partition("@")[0]) not in exact:
                found[origin] = None
        return tuple(found)[:MAX_ORIGINS]

    def label(self, argument: ArgFacts) -> Label | None:
        labels = dict(self._answer(argument).labels)
        exact = self._matcher.atoms.label(argument)
        if exact is not None:
            labels[exact] = None
        return functools.reduce(Label.join, labels) if labels else None

    def opaque(self, argument: ArgFacts) -> bool:
        """True iff part of the argument cannot be read: enciphered, or too long to be searched."""
        return self._answer(argument).opaque

    def _answer(self, argument: ArgFacts) -> _Answer:
        answer = self._answers.get(argument.name)
        if answer is None:
            answer = self._answers[argument.name] = _Answer()
            for text in _texts(argument):
                self._search(answer, text)
            if argument.role is Role.CONTENT:
                answer.opaque = answer.opaque or is_opaque(argument.text)
            parted = self._parts().get(argument.name)
            if parted is not None:
                answer.origins |= parted.origins
                answer.labels |= parted.labels
        return answer

    def _search(self, answer: _Answer, text: str) -> None:
        if len(text) > MAX_SEARCHED_TEXT:
            text, answer.opaque = text[:MAX_SEARCHED_TEXT], True
        self._take(answer, self._matcher.runs.find(normal(text)), "")
        said = self._decoded(text)
        answer.opaque = answer.opaque or said.cut
        for each in said.found:
            how = " ".join(each.chain)
            values = each.chain[-1] not in ("caesar", "reversed-order")
            self._take(answer, self._matcher.runs.find(normal(each.text), values=values), f"{how} ")
            if each.read or each.chain[-1] == "reversed":
                # A short number backwards is as often another one.
                exact = tuple(value for value in inside(each.text) if each.read or len(value) >= _TOLD_BACKWARDS)
                answer.origins |= dict.fromkeys(self._matcher.atoms.seen(exact, f"{how} exact"))
                label = self._matcher.atoms.label_of(exact)
                if label is not None:
                    answer.labels[label] = None

    def _decoded(self, text: str) -> Decodings:
        if text not in self._read:
            self._read[text] = decodings(text)
        return self._read[text]

    def _take(self, answer: _Answer, found: Found, how: str, across: int = -1) -> None:
        """`across` is where a run has to reach beyond on both sides (-1: anywhere)."""
        for run in found.runs:
            if across >= 0 and not run.start < across < run.end:
                continue
            if len(answer.origins) < MAX_ORIGINS:
                first, last = run.place
                kind = "part" if across >= 0 else "exact" if run.whole else "run"
                origin = self._matcher.origin(run.content, f"{run.piece.path}@{first}-{last}", f"{how}{kind}")
                answer.origins[origin] = None
            else:
                answer.origins[MORE_PLACES] = None
            if run.piece.label is not None:
                answer.labels[run.piece.label] = None
        for start, end, label in found.beyond:
            if across < 0 or start < across < end:
                answer.origins[MORE_PLACES] = None
                answer.labels[label] = None

    def _parts(self) -> Mapping[str, _Answer]:
        """What only shows in several arguments together, or together with what the sink was handed before."""
        if self._parted is None:
            self._parted = {}
            given = [
                (argument.name, text) for argument in self._action.judged for text in _content(argument) if text.strip()
            ]
            if len(given) > 1:
                self._join("", given)
            for before in self._matcher.before(self._action):
                for name, text in given:
                    if name in before:
                        self._join(before[name], [(name, text)])
                if given and given[0][0] not in before and before:
                    self._join("\n".join(before.values())[-TAIL:], given)
            self._add_up(given)
        return self._parted

    def _add_up(self, given: list[tuple[str, str]]) -> None:
        by_name = {name: self._matcher.fragments(text) for name, text in given}
        together = tuple(each for fragments in by_name.values() for each in fragments)
        enough = dict.fromkeys(self._matcher.added_up(self._action, together)) if together else {}
        for name, fragments in by_name.items():
            for each in fragments:
                if each in enough:
                    self._take_fragment(self._parted_answer(name), each)

    def _take_fragment(self, answer: _Answer, fragment: Fragment) -> None:
        for run in fragment.of.runs(fragment.start, fragment.end):
            first, last = run.place
            answer.origins[self._matcher.origin(run.content, f"{run.piece.path}@{first}-{last}", "part")] = None
            if run.piece.label is not None:
                answer.labels[run.piece.label] = None

    def _parted_answer(self, name: str) -> _Answer:
        assert self._parted is not None
        return self._parted.setdefault(name, _Answer())

    def _join(self, before: str, given: list[tuple[str, str]]) -> None:
        form, ends = normal(before[-_NEAR:]), list[int]()
        for _, text in given:
            ends.append(len(form))
            form += normal(text[:MAX_SEARCHED_TEXT])
        found = self._matcher.runs.find(form)
        for end, (name, _) in zip(ends, given, strict=True):
            self._take(self._parted_answer(name), found, "", across=end)
        # Pieces of something encoded decode to nothing by themselves.
        if not any(map(_maybe_encoded, (text for _, text in given))):
            return
        joined = before + "".join(text[:MAX_SEARCHED_TEXT] for _, text in given)
        alone = {each.text for _, text in given for each in self._decoded(text[:MAX_SEARCHED_TEXT]).found}
        last = self._parted_answer(given[-1][0])
        for each in decodings(joined, 2).found:
            if each.read and each.text not in alone:
                self._take_parts(last, self._matcher.runs.find(normal(each.text)), " ".join(each.chain))

    def _take_parts(self, answer: _Answer, found: Found, how: str) -> None:
        single = _Answer()
        self._take(single, found, f"{how} ")
        for origin in single.origins:
            kind = origin.how.rpartition(" ")[2]
            answer.origins[
                Origin(
                    content=origin.content,
                    event=origin.event,
                    source=origin.source,
                    path=origin.path,
                    how=f"{how} part" if kind in ("run", "exact") else origin.how,
                )
            ] = None
        answer.labels |= single.labels


def _maybe_encoded(text: str) -> bool:
    """True iff part of a text could be a piece of something encoded."""
    return _ENCODED.search(text) is not None or not text.isascii() or wordless(text) or bool(strange(text))


def _bare(label: Label) -> bool:
    """True iff the label keeps nothing from anybody."""
    return label.sensitivity == 0 and not label.categories and label.readers.everyone


def _texts(argument: ArgFacts) -> tuple[str, ...]:
    texts = (argument.text,) if argument.text else argument.values
    return tuple(text for text in texts if len(text) >= SHORT)


def _content(argument: ArgFacts) -> tuple[str, ...]:
    """What an argument hands on: texts, not the values that say where to or which one."""
    if argument.role in (Role.CONTENT, Role.VALUE, Role.QUERY):
        return (argument.text,) if argument.text else argument.values
    return ()


def hands_over(action: Action) -> bool:
    """True iff a call hands its texts to somebody or something."""
    return bool(_sinks(action))


def _sinks(action: Action) -> tuple[tuple[str, ...], ...]:
    """What a call hands its texts to: its tool, and there each of its recipients."""
    tool = action.tool
    if tool.sink is Sink.NONE and not tool.effects & CONSEQUENTIAL:
        return ()
    return ((tool.name,), *((_TO, address) for address in action.recipients))
