"""TOML with line numbers: which line of a file holds a given key.

The standard parser says what a file means, not where; every message about a project folder names file and line. So
the text is read twice: by `tomllib` for the data, and by a small scanner for the places of its keys. INVARIANT: the
scanner only ever answers *where*; what a file means is `tomllib`'s word alone, and the scanner sees no text that it
refused. DESIGN §3.2, §4.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bailiwick.errors import Finding, ProjectError, Where

__all__ = ["TomlText"]

Path = tuple[str | int, ...]

_ERROR_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SCALAR = re.compile(r"[^,\]}#\r\n]*")
_STRINGS = (
    re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}', re.DOTALL),
    re.compile(r"'''(?:[^']|'(?!''))*'{3,5}", re.DOTALL),
    re.compile(r'"(?:[^"\\]|\\.)*"'),
    re.compile(r"'[^']*'"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TomlText:
    """A TOML file as data, and the line of each of its keys."""

    path: str
    data: dict[str, Any]
    lines: Mapping[Path, int] = field(repr=False)

    @classmethod
    def parse(cls, path: str, text: str) -> TomlText:
        """Reads `text`, the content of the file `path` (used in messages alone).

        Raises ProjectError with one Finding `toml-syntax` if it is not TOML.
        """
        if _LONE_SURROGATE.search(text):
            raise ProjectError([_syntax(path, text, "a character is not valid Unicode (a lone surrogate)")])
        try:
            data = tomllib.loads(text)
            return cls(path=path, data=data, lines=_Scanner(text.replace("\r\n", "\n")).scan())
        except tomllib.TOMLDecodeError as error:
            raise ProjectError([_syntax(path, text, str(error))]) from error
        except RecursionError as error:
            raise ProjectError([_syntax(path, text, "nested too deeply")]) from error

    def where(self, *keys: str | int) -> Where:
        """The line on which the key path `keys` is written (an integer is the index in an array); the nearest table
        above it if it is not written anywhere, the file as a whole if there is none."""
        for end in range(len(keys), 0, -1):
            line = self.lines.get(keys[:end])
            if line is not None:
                return Where(file=self.path, line=line)
        return Where(file=self.path)


def _syntax(path: str, text: str, message: str) -> Finding:
    found = _ERROR_LINE.search(message)
    line = int(found.group(1)) if found else max(1, text.count("\n") + (not text.endswith("\n")))
    said = _ERROR_LINE.sub("", message).strip()
    return Finding(
        rule="toml-syntax",
        message=f"this is not valid TOML: {said[:1].lower()}{said[1:]}",
        where=Where(file=path, line=line),
        hint="strings stand in quotes; a key may be set only once; see https://toml.io",
    )


class _Scanner:
    """Walks TOML that is known to be valid and notes on which line each key path first stands."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._pos = 0
        self._counted = 0
        self._line = 1
        self._found: dict[Path, int] = {}
        self._tables: dict[Path, int] = {}
        """How many `[[...]]` entries each array of tables has so far."""

    def scan(self) -> Mapping[Path, int]:
        prefix: Path = ()
        self._skip_blank()
        while self._pos < len(self._text):
            if self._text.startswith("[", self._pos):
                prefix = self._header()
            else:
                self._pair(prefix)
            self._skip_blank()
        return self._found

    def _header(self) -> Path:
        line = self._here()
        array = self._text.startswith("[[", self._pos)
        self._pos += 2 if array else 1
        path: Path = ()
        keys = self._key()
        for depth, key in enumerate(keys):
            path = (*path, key)
            self._found.setdefault(path, line)
            if array and depth == len(keys) - 1:
                self._tables[path] = self._tables.get(path, 0) + 1
            if path in self._tables:
                path = (*path, self._tables[path] - 1)
                self._found.setdefault(path, line)
        self._found[path] = line
        self._skip_blank()
        self._pos += 2 if array else 1
        return path

    def _pair(self, prefix: Path) -> None:
        line = self._here()
        path = prefix
        for key in self._key():
            path = (*path, key)
            self._found.setdefault(path, line)
        self._pos += 1  # the equals sign
        self._skip_blank()
        self._value(path)

    def _value(self, path: Path) -> None:
        match self._text[self._pos : self._pos + 1]:
            case "[":
                self._items(path, closing="]")
            case "{":
                self._items(path, closing="}")
            case '"' | "'":
                self._string()
            case _:
                found = _SCALAR.match(self._text, self._pos)
                assert found is not None
                self._pos = found.end()

    def _items(self, path: Path, *, closing: str) -> None:
        self._pos += 1
        index = 0
        while True:
            self._skip_blank()
            char = self._text[self._pos : self._pos + 1]
            if char in (closing, ""):
                self._pos += 1
                return
            if char == ",":
                self._pos += 1
            elif closing == "]":
                self._found.setdefault((*path, index), self._here())
                self._value((*path, index))
                index += 1
            else:
                self._pair(path)

    def _key(self) -> list[str]:
        keys: list[str] = []
        while True:
            self._skip_blank()
            if self._text[self._pos : self._pos + 1] in ('"', "'"):
                (key,) = tomllib.loads(f"{self._string()}=0")
            else:
                found = _BARE_KEY.match(self._text, self._pos)
                assert found is not None
                key, self._pos = found.group(), found.end()
            keys.append(key)
            self._skip_blank()
            if not self._text.startswith(".", self._pos):
                return keys
            self._pos += 1

    def _string(self) -> str:
        for pattern in _STRINGS:
            found = pattern.match(self._text, self._pos)
            if found is not None:
                self._pos = found.end()
                return found.group()
        raise AssertionError("tomllib accepted a string that has no end")

    def _skip_blank(self) -> None:
        found = _BLANK.match(self._text, self._pos)
        assert found is not None
        self._pos = found.end()

    def _here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._pos)
        self._counted = self._pos
        return self._line
