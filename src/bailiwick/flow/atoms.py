"""Exact values in content: what a later argument can be traced back to. DESIGN §5 *Flow*, origins.

An atom is a whole leaf of a JSON value (a string, a number), or inside a text a mail address, a URL and its host, a run
of five or more digits, an identifier that mixes letters and digits, or an IBAN. Each has a path: `[3].email` for a
leaf, `[3].notes@120` for something found at character 120 of a text, `@120` where the whole content is a text.

Atoms explain; they permit and forbid nothing. They are compared in NFKC and lower case without invisible characters,
and kept as a short digest, so that an index holds no content.

Bounded: at most MAX_ATOMS per content, MAX_SCAN characters scanned, MAX_LEAF characters per leaf, MAX_NESTING levels.
What goes beyond is marked `truncated`: origins may then be missing. Labels do not depend on it.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

import orjson

from bailiwick.flow.tokens import ibans_from

__all__ = [
    "MAX_ATOMS",
    "MAX_LEAF",
    "MAX_NESTING",
    "MAX_SCAN",
    "Atoms",
    "atom_key",
    "atoms",
    "decoded",
    "inner",
    "step",
]

MAX_ATOMS = 4_096
MAX_SCAN = 1_048_576
MAX_LEAF = 512
MAX_NESTING = 32

_KEY_DIGITS = 16
_SHORTEST_LEAF = 2
_LONGEST_KEY = 64
_MAX_WORD = 64

# Candidates are found by a character that they must hold, then widened: scanning for that is many times faster than
# trying a pattern at every word, and takes time linear in the text whatever it holds.
_DIGIT = re.compile(r"\d")
_WORD = re.compile(r"[\w-]{1,128}")
_DOMAIN = re.compile(r"[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_SCHEMES = ("http", "https", "ftp", "ws", "wss", "file")
_URL_REST = re.compile(r"""[^\s<>"'`\\]{1,2000}""")
_URL_HOST = re.compile(r"[^/?#]*")
_IBAN_GROUPS = re.compile(r"\b[A-Za-z]{2}\d{2}(?: [A-Za-z0-9]{4}){2,7}(?: [A-Za-z0-9]{1,3}\b)?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Atoms:
    """(atom, path) in the order in which they were found, each atom with its first path."""

    found: tuple[tuple[str, str], ...]
    truncated: bool = False


def atom_key(value: str) -> str:
    """By what indexes know an atom: the first hex digits of the SHA-256 of `value` as atoms are compared."""
    if not value.isascii():
        value = "".join(
            char for char in unicodedata.normalize("NFKC", value) if unicodedata.category(char) not in ("Cf", "Cs")
        )
    return hashlib.sha256(value.strip().lower().encode("utf-8")).hexdigest()[:_KEY_DIGITS]


def decoded(value: object) -> object:
    """`value`, or what it says if it is a string that holds a JSON object or array."""
    if not isinstance(value, str) or len(value) > MAX_SCAN or value.lstrip()[:1] not in ("{", "["):
        return value
    try:
        parsed: object = orjson.loads(value)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return value
    return parsed


def atoms(value: object, limit: int = MAX_ATOMS) -> Atoms:
    """The atoms of a text or a JSON-like value (also of JSON in strings). Anything else counts as truncated."""
    return _Walk(limit).run(value)


class _Walk:
    """One pass over a value, with what is left of the limits."""

    __slots__ = ("_found", "_left", "_limit", "_truncated")

    def __init__(self, limit: int) -> None:
        self._found: dict[str, str] = {}
        self._limit = limit
        self._left = MAX_SCAN
        self._truncated = False

    def run(self, value: object) -> Atoms:
        todo: list[tuple[object, str, int]] = [(value, "", 0)]
        while todo and len(self._found) < self._limit:
            node, path, depth = todo.pop()
            below = list(self._visit(node, path, depth))
            if below and depth >= MAX_NESTING:
                self._truncated = True
            else:
                todo.extend(reversed(below))
        truncated = self._truncated or bool(todo)
        return Atoms(found=tuple(self._found.items()), truncated=truncated)

    def _visit(self, node: object, path: str, depth: int) -> Iterator[tuple[object, str, int]]:
        match node:
            case None | bool():
                return
            case str():
                parsed = decoded(node)
                if parsed is node:
                    self._text(node, path)
                else:
                    yield parsed, path, depth + 1
            case int() | float() | Decimal():
                self._leaf(str(node), path)
            case Mapping():
                for key, item in node.items():
                    name = str(key) if isinstance(key, str | int) else "?"
                    self._text(name, f"{path}{step(name)}", whole=False)
                    yield item, f"{path}{step(name)}", depth + 1
            case list() | tuple():
                for at, item in enumerate(node):
                    yield item, f"{path}[{at}]", depth + 1
            case _:
                self._truncated = True

    def _leaf(self, text: str, path: str) -> None:
        text = text.strip()
        if _SHORTEST_LEAF <= len(text) <= MAX_LEAF:
            self._add(text, path)

    def _text(self, text: str, path: str, *, whole: bool = True) -> None:
        if len(text) > self._left:
            text, self._truncated = text[: self._left], True
        self._left -= len(text)
        if whole:
            self._leaf(text, path)
        for atom, at in inner(text):
            if len(self._found) >= self._limit:
                self._truncated = True
                return
            self._add(atom, f"{path}@{at}")

    def _add(self, atom: str, path: str) -> None:
        self._found.setdefault(atom, path)


def inner(text: str) -> Iterator[tuple[str, int]]:
    """(atom, position) of every address, long number and identifier inside a plain text."""
    if not text.isascii():
        text = "".join(char for char in text if unicodedata.category(char) != "Cf")
    mails = list(_mails(text)) if "@" in text else []
    yield from mails
    if "://" in text:
        yield from _urls(text)
    digit = _DIGIT.search(text)
    if digit is None:
        return
    passed = 0
    while digit is not None:
        start = _widened(text, digit.start(), _MAX_WORD)
        match = _WORD.match(text, start)
        end = digit.end() if match is None else match.end()
        word = text[start:end].strip("-_")
        letters = any(map(str.isalpha, word))
        if 4 <= len(word) <= _MAX_WORD and (letters or sum(map(str.isdigit, word)) >= 5):
            # A part of a mail address says less than the address, and occurs in others.
            while passed < len(mails) and mails[passed][1] + len(mails[passed][0]) <= start:
                passed += 1
            if passed == len(mails) or end <= mails[passed][1]:
                yield word, start
        digit = _DIGIT.search(text, end)
    for groups in _IBAN_GROUPS.finditer(text):
        for iban in ibans_from(groups.group().split()):
            yield iban, groups.start()


def _mails(text: str) -> Iterator[tuple[str, int]]:
    at = text.find("@")
    while at >= 0:
        start = _widened(text, at, _MAX_WORD, also=".+")
        domain = _DOMAIN.match(text, at + 1)
        if domain is not None and start < at:
            yield text[start : domain.end()], start
        at = text.find("@", at + 1)


def _urls(text: str) -> Iterator[tuple[str, int]]:
    at = text.find("://")
    while at >= 0:
        start, end = _widened(text, at, 5), at + 3
        rest = _URL_REST.match(text, end) if text[start:at].lower() in _SCHEMES else None
        if rest is not None:
            end = rest.end()
            found = rest.group().rstrip(".,;:!?)]}")
            yield f"{text[start:at]}://{found}", start
            host = _URL_HOST.match(found)
            if host is not None:
                yield host.group().rpartition("@")[2], start
        at = text.find("://", end)


def _widened(text: str, at: int, most: int, also: str = "") -> int:
    """Where the run of word characters (and `-` and `also`) that ends before `at` begins, at most `most` before it."""
    start = at
    while (
        start > 0
        and at - start < most
        and (text[start - 1].isalnum() or text[start - 1] in "-_" or text[start - 1] in also)
    ):
        start -= 1
    return start


def step(name: str) -> str:
    """The part of a path that leads into a field."""
    if _NAME.fullmatch(name):
        return f".{name}"
    shown = name[:_LONGEST_KEY].encode("utf-8", "replace").decode("utf-8").replace('"', "'")
    return f'["{shown}"]'
