"""Whole values in a person's own words: what she named, exactly as she named it. DESIGN §5 *Flow*, endorsement.

A value is endorsed by a text in which it stands as a run of whole tokens. Tokens are what lies between white space;
around a run brackets, quotes, emphasis, `#` and closing punctuation may stand, and nothing else. So `4711` is named by
"ticket #4711." and `47` is not; `a@b.com` is not named by `xa@b.com`, `a@b.com.evil` or a link that contains it.

What is compared with what:
- the text is `cleaned` (NFKC, invisible characters gone); the value must already be in NFKC and printable, since what
  reaches the tool is the value: a name in full-width digits or with a zero-width character in it is another name;
- mail addresses are compared in lower case, URLs with scheme and host in lower case, all else exactly. `lower`, not
  `casefold`: the latter makes `ß` and `ss` the same mailbox;
- IBANs are also found when they are written in groups or in lower case;
- tokens glued by `; | < > "` or a comma (unless between digits), and the right side of `name=value` and `name:value`,
  count as tokens of their own; in a URL none of that applies;
- commands must be the whole text, a whole line, or a whole span in back-ticks or quotes.

INVARIANT: a lookup costs at most MAX_PLACES * MAX_VALUE_WORDS comparisons, however much was said.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = [
    "MAX_COMMAND",
    "MAX_PLACES",
    "MAX_VALUE",
    "MAX_VALUE_WORDS",
    "WordIndex",
    "folded",
    "iban_in",
    "ibans_from",
    "specific",
]

MAX_VALUE = 512
"""Characters of a value that can be endorsed."""
MAX_VALUE_WORDS = 32
MAX_COMMAND = 16_384
"""Characters of a command that can be endorsed."""
MAX_PLACES = 32
"""Places remembered per token: the first ones. A value whose every word is more common than that may go unrecognised.
"""

_LEAD = frozenset("([{<\"'“‘«„‚`*_#¿¡")  # noqa: RUF001 - quotation marks are meant
_TRAIL = frozenset(")]}>\"'”’»“`*_.,;:!?")  # noqa: RUF001
_STRIP_LEAD, _STRIP_TRAIL = "".join(_LEAD), "".join(_TRAIL)
_STRIP_BOTH = _STRIP_LEAD + _STRIP_TRAIL
_TWO_CHARACTERS = re.compile(r"[^\W_](?s:.*?)[^\W_]")
_GLUE = re.compile(r"[<>;|\"“”«»]|(?<!\d),|,(?!\d)")
_NAMED = re.compile(r"[A-Za-z_]{1,32}[=:]([^=:&/?]+)")
_SPANS = re.compile(r"`([^`\n]+)`|\"([^\"\n]+)\"|“([^“”\n]+)”|«([^«»\n]+)»|(?<!\w)'([^'\n]+)'(?!\w)")
_IBAN_LENGTH = 34
_IBAN_START = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{0,30}")
_REFUSED_KINDS = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

# What a sentence holds anyway, or what means "as much as you can reach": it names nothing.
_GENERIC = frozenset(
    """
    all any anyone anything both each every everybody everyone everything nobody none nothing some somebody something
    null nil nan undefined unknown default other others true false yes no on off ok okay enabled disabled
    first last latest newest oldest next previous recent current new old same it its itself
    a an the this that these those and or not if then than but so as at by for from in into of onto over to up with
    is are was were be been do does did done has have had can could may might must shall should will would
    i me my mine myself we us our ours you your yours he him his she her hers they them their theirs
    who what which when where why how here there now please thanks thank hi hello dear just only also
    alle alles jede jeder jedes der die das den dem ein eine und oder nicht ist sind mit von zu für bitte mir mich
    le la les un une des et ou de du tout tous toute toutes el los las una y o todo todos por para
    """.split()
)


def specific(value: str) -> bool:
    """True if `value` can name something: printable, in NFKC, not too long, at least two letters or digits, and not
    made of generic words alone ('all', '*', 'true', 'the latest' ...)."""
    if len(value) > MAX_COMMAND or not _plain(value) or not _TWO_CHARACTERS.search(value):
        return False
    return any(word.strip(_STRIP_BOTH).casefold() not in _GENERIC for word in value.split())


def folded(token: str) -> str:
    """A token as it is compared: mail addresses and the scheme and host of URLs in lower case, all else as it is."""
    scheme = token.find("://")
    if scheme >= 0:
        end = next((at for at in range(scheme + 3, len(token)) if token[at] in "/?#"), len(token))
        return token[:end].lower() + token[end:]
    return token.lower() if "@" in token else token


def iban_in(words: list[str]) -> Iterator[str]:
    """The IBANs, compact and in upper case, that runs of `words` spell (ISO 13616 check digits hold)."""
    for start in range(len(words)):
        yield from ibans_from(words[start : start + _IBAN_LENGTH])


def ibans_from(words: list[str]) -> Iterator[str]:
    """As `iban_in`, for runs that begin with the first word."""
    run = ""
    for at, word in enumerate(words):
        part = word.strip(_STRIP_BOTH).upper()
        if not (part.isascii() and part.isalnum()) or len(run) + len(part) > _IBAN_LENGTH:
            return
        if at == 0 and not _IBAN_START.fullmatch(part):
            return
        run += part
        if len(run) >= 15 and _iban_valid(run):
            yield run


def _iban_valid(compact: str) -> bool:
    return int("".join(str(int(char, 36)) for char in compact[4:] + compact[:4])) % 97 == 1


def _plain(value: str) -> bool:
    if value.isascii():
        return value.isprintable() or all(char.isprintable() or char in "\n\t" for char in value)
    return unicodedata.is_normalized("NFKC", value) and not any(
        char == "\ufffd" or (char not in "\n\t" and unicodedata.category(char) in _REFUSED_KINDS) for char in value
    )


def _host(chunk: str) -> str:
    authority = re.split(r"[/?#\\]", chunk.partition("://")[2], maxsplit=1)[0]
    return _core(authority.rpartition("@")[2].partition(":")[0]).lower()


def _core(chunk: str) -> str:
    return chunk.lstrip(_STRIP_LEAD).rstrip(_STRIP_TRAIL)


@dataclass(slots=True)
class WordIndex:
    """Own words of one or more texts, each with the sentence that says whose they are (`by`).

    Texts are given in `cleaned` form. A run never crosses a line break."""

    _lines: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    _places: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    _commands: dict[str, str] = field(default_factory=dict)
    _hosts: dict[str, str] = field(default_factory=dict)

    def add(self, text: str, by: str) -> None:
        """All that `text` names: its tokens, and its lines and quoted spans as commands."""
        if text.strip():
            self.add_command(text.strip(), by)
        for line in text.split("\n"):
            words = line.split()
            if not words:
                continue
            self.add_command(line.strip(), by)
            self.add_run(tuple(words), by)
            for part in _parts(words):
                self.add_run((part,), by)
        for span in _SPANS.finditer(text):
            self.add_command(next(group for group in span.groups() if group is not None).strip(), by)

    def add_run(self, words: tuple[str, ...], by: str) -> None:
        """One run of tokens, as it stands."""
        chunks = tuple(folded(word) for word in words)
        for at, chunk in enumerate(chunks):
            places = self._places.setdefault(_core(chunk), [])
            if len(places) < MAX_PLACES:
                places.append((len(self._lines), at))
            if "://" in chunk:
                self._hosts.setdefault(_host(chunk), by)
        self._lines.append((by, chunks))

    def add_command(self, command: str, by: str) -> None:
        if specific(command):
            self._commands.setdefault(command, by)

    def names(self, value: str) -> str:
        """By what the whole `value` is named; empty if by nothing, or if it is too generic to name anything."""
        if len(value) > MAX_VALUE or not specific(value):
            return ""
        return self.occurs(value)

    def names_host(self, host: str) -> str:
        """By what a link to `host` (lower case) is given; empty if by nothing."""
        return self._hosts.get(host, "")

    def names_command(self, command: str) -> str:
        """By what `command` is given exactly and as a whole; empty if by nothing."""
        return self._commands.get(command.strip(), "") if specific(command.strip()) else ""

    def occurs(self, value: str) -> str:
        """As `names`, without asking whether the value is specific."""
        words = value.split(" ")
        if len(words) > MAX_VALUE_WORDS:
            return ""
        words = [folded(word) for word in words]
        rarest: tuple[int, list[tuple[int, int]]] | None = None
        for at, word in enumerate(words):
            places = self._places.get(_core(word))
            if places is None:
                return ""
            if rarest is None or len(places) < len(rarest[1]):
                rarest = (at, places)
        if rarest is None:
            return ""
        offset, places = rarest
        for line, at in places:
            by, chunks = self._lines[line]
            if at >= offset and _stands(chunks[at - offset : at - offset + len(words)], words):
                return by
        return ""

    def crossing(self, message: WordIndex) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """What both this index and `message` name: (maximal runs, commands), each with this index's `by`."""
        runs: dict[str, str] = {}
        for _, chunks in message._lines:
            done = 0
            for start in range(len(chunks)):
                run, end, by = self._longest(chunks, start)
                if end > done:
                    done = end
                    runs.setdefault(run, by)
        commands = [(text, self._commands[text]) for text in message._commands if text in self._commands]
        return list(runs.items()), commands

    def _longest(self, chunks: tuple[str, ...], start: int) -> tuple[str, int, str]:
        found = ("", 0, "")
        for end in range(start + 1, min(len(chunks), start + MAX_VALUE_WORDS) + 1):
            run = " ".join(chunks[start:end]).lstrip(_STRIP_LEAD).rstrip(_STRIP_TRAIL)
            by = self.occurs(run) if run else ""
            if not by:
                break
            found = (run, end, by)
        return found


def _stands(chunks: tuple[str, ...], words: list[str]) -> bool:
    """True if `chunks` are `words`, but for soft punctuation before the first and after the last."""
    if len(chunks) != len(words):
        return False
    if len(words) == 1:
        at = chunks[0].find(words[0])
        return at >= 0 and _LEAD.issuperset(chunks[0][:at]) and _TRAIL.issuperset(chunks[0][at + len(words[0]) :])
    first, last = chunks[0], chunks[-1]
    return (
        first.endswith(words[0])
        and _LEAD.issuperset(first[: len(first) - len(words[0])])
        and list(chunks[1:-1]) == words[1:-1]
        and last.startswith(words[-1])
        and _TRAIL.issuperset(last[len(words[-1]) :])
    )


def _parts(words: list[str]) -> Iterator[str]:
    """Tokens within glued words, and IBANs written in groups."""
    for word in words:
        if "://" in word:
            continue
        pieces = [piece for piece in _GLUE.split(word) if piece]
        if len(pieces) > 1:
            yield from pieces
        for piece in pieces:
            named = _NAMED.fullmatch(piece.lstrip(_STRIP_LEAD))
            if named is not None:
                yield named.group(1)
    yield from iban_in(words)
