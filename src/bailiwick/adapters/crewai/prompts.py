"""Of what CrewAI's prompts are made: it pastes the developer's texts, the user's and results into one message.

`pieces` takes a message apart again, so that each part is to the session what it is: CrewAI's own wording and the texts
of the crew (vouched for by whoever protected it), and everything between them, which the session knows or does not.
INVARIANT: nothing is left out: the pieces of a message are all of it, but for blanks and punctuation between them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bailiwick.errors import MissingExtra
from bailiwick.guard.model_calls import text_of

try:
    from crewai.utilities.agent_utils import extract_tool_call_info
    from crewai.utilities.i18n import I18N_DEFAULT
except ImportError as error:
    raise MissingExtra(feature="the CrewAI adapter", extra="crewai") from error

__all__ = ["CUT", "Piece", "Wording", "called", "read"]

_PLACEHOLDER = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}|\nObservation:")
_SHORTEST = 10
"""Letters that a piece of wording has at least: a shorter one could stand anywhere in somebody's text."""
_JOINTS = ("\nObservation:", "\nCurrent Task:", "\n\nCurrent Date:")
"""Shorter wording that CrewAI puts between parts."""
_WORD = re.compile(r"[A-Za-z0-9_]")
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_]+")
_NOT_BETWEEN = re.compile(r"[^ \n\t.,:;!?'\"`()\[\]{}#*-]")
"""What does not stand between two parts."""
_MOST_SIGNS, _SIGNS_FOR_A_NAME = 6, 4
_OPENING = r"\AYou are "
CUT = "\nObservation:"
"""What a model writes from here on is CrewAI's to write: it cuts it off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a message; `vouched`: it is CrewAI's wording, or the crew's."""

    text: str
    vouched: bool


@dataclass(slots=True, kw_only=True)
class Wording:
    """The texts that a developer vouches for by protecting a crew."""

    texts: frozenset[str] = field(default_factory=lambda: frozenset(_own_wording()))
    names: frozenset[str] = frozenset()
    """Of tools: CrewAI lists them."""
    _compiled: tuple[frozenset[str], re.Pattern[str]] | None = None

    def add(self, *templates: str) -> None:
        """Take in texts; what CrewAI fills in for `{name}` is not part of them."""
        self.texts |= {chunk for template in templates for chunk in _chunks(template, shortest=1)}

    def add_tool(self, name: str, description: str, formatted: str) -> None:
        """Take in what CrewAI says of a tool."""
        self.add(description)
        self.texts |= {formatted}
        self.names |= {name}

    def pieces(self, message: str, values: Iterable[str], known: Callable[[str], bool]) -> list[Piece]:
        """`values` are texts that were pasted in whole (the inputs of a kickoff): they are not taken apart."""
        whole = sorted({value for value in values if _letters(value) and known(value)}, key=len, reverse=True)
        found: list[Piece] = []
        for part in re.split("(" + "|".join(map(re.escape, (*whole, CUT))) + ")", message):
            if part in whole:
                found.append(Piece(text=part, vouched=False))
            else:
                found += self._part(part, known)
        return _merged(found)

    def _part(self, text: str, known: Callable[[str], bool]) -> list[Piece]:
        """Wording alone is nobody else's, though another session may know it; then what is known as a whole."""
        split = list(self._split(text, known))
        if all(piece.vouched for piece in split):
            return split
        whole = next((each for each in (text, text.strip()) if known(each)), None)
        return split if whole is None else [Piece(text=whole, vouched=False)]

    def _split(self, text: str, known: Callable[[str], bool]) -> Iterator[Piece]:
        at = 0
        for match in self._pattern().finditer(text):
            yield from self._between(text[at : match.start()], known)
            yield Piece(text=match.group(), vouched=True)
            at = match.end()
        yield from self._between(text[at:], known)

    def _between(self, text: str, known: Callable[[str], bool]) -> Iterator[Piece]:
        """What stands between two pieces of wording, without the blanks around it if it is known so."""
        if self._joins(text):
            if text:
                yield Piece(text=text, vouched=True)
        else:
            yield Piece(text=text if known(text) else text.strip(), vouched=False)

    def _joins(self, text: str) -> bool:
        """Whether this is how CrewAI goes from one part to the next: a few blanks and points, or a list of tools.
        INVARIANT: a text that could tell a model anything does not: no signs in place of letters, no Morse, nothing
        that is not to be seen."""
        names = [name for name in _NOT_A_NAME.split(text) if name]
        between = "".join(_NOT_BETWEEN.sub("", text).split())
        return (
            _NOT_BETWEEN.sub("", text) == _WORD.sub("", text)
            and len(set(names)) == len(names)
            and self.names.issuperset(names)
            and len(between) <= _MOST_SIGNS + _SIGNS_FOR_A_NAME * len(names)
        )

    def _pattern(self) -> re.Pattern[str]:
        compiled, texts = self._compiled, self.texts
        if compiled is None or compiled[0] is not texts:
            longest_first = sorted(texts, key=len, reverse=True)
            compiled = texts, re.compile("|".join((_OPENING, *map(re.escape, longest_first))))
            self._compiled = compiled
        return compiled[1]


def read(message: Mapping[str, Any]) -> str:
    """What a model reads of a message, as `called` writes the calls that it made itself."""
    calls = message.get("tool_calls")
    if message.get("role") == "assistant" and isinstance(calls, list) and not message.get("content"):
        return called(calls)
    return text_of({"content": message["content"]}) if message.get("content") is not None else text_of(message)


def called(calls: Sequence[Any]) -> str:
    """A model's tool calls as a text, the same for every provider's form."""
    told = [info for call in calls if (info := extract_tool_call_info(call)) is not None]
    return json.dumps([[name, _arguments(given)] for _, name, given in told], sort_keys=True, default=str)


def _arguments(given: object) -> object:
    if not isinstance(given, str):
        return given
    try:
        return json.loads(given)
    except ValueError:
        return given


def _merged(pieces: Sequence[Piece]) -> list[Piece]:
    merged: list[Piece] = []
    for piece in pieces:
        if merged and merged[-1].vouched and piece.vouched:
            merged[-1] = Piece(text=merged[-1].text + piece.text, vouched=True)
        else:
            merged.append(piece)
    return merged


def _own_wording() -> Iterator[str]:
    for group in I18N_DEFAULT._prompts.values():  # noqa: SLF001  it has no way to list them
        for told in group.values():
            texts = told.values() if isinstance(told, Mapping) else (told,)
            for text in texts:
                yield from _chunks(str(text), shortest=_SHORTEST)
    yield from _JOINTS


def _chunks(template: str, *, shortest: int) -> Iterator[str]:
    for chunk in _PLACEHOLDER.split(template):
        if len(_letters(chunk)) >= shortest:
            yield chunk
            if len(_letters(chunk)) >= _SHORTEST:
                yield chunk.strip()


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text))
