"""Reading the tables of a TOML file: typed fields, each problem noted with its file and line, reading goes on.

INVARIANT: whatever an accessor hands out for a field that is wrong, a finding was noted; so a directory is built only
if there is none. A key that no accessor asked for is unknown and refused: a misspelt `actve = false` must not leave an
agent on.
DESIGN §4 (what a user writes).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from bailiwick.errors import Finding
from bailiwick.model.canonical import MAX_INT
from bailiwick.model.directory import Attribute, Scalar
from bailiwick.model.duration import duration_ms
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.shape import BOOL, LONG, STRING, Bool, Long, Shape
from bailiwick.model.toml_lines import TomlText

__all__ = ["Entry", "Problems"]

_LONGEST_ID = 200
_LONGEST_TEXT = 1000
_LONGEST_TTL_MS = 366 * 86_400_000
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_SHORTEST_TTL_MS = 1000
_SHAPES: Mapping[str, Shape] = MappingProxyType({"string": STRING, "long": LONG, "bool": BOOL})
_ATTRIBUTE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)
_CEDAR_WORDS = frozenset({"true", "false", "if", "then", "else", "in", "is", "like", "has"})


def _id_problem(name: str) -> str | None:
    """Why `name` cannot be the id of an entity; None if it can. Invisible characters would let two ids look alike."""
    if not name.strip():
        return "is empty"
    if len(name) > _LONGEST_ID:
        return f"is longer than {_LONGEST_ID} characters"
    if any(unicodedata.category(char) in _UNPRINTABLE for char in name):
        return "holds a control or invisible character"
    if name != name.strip():
        return "begins or ends with a space"
    if unicodedata.normalize("NFC", name) != name:
        return "is not in Unicode normal form (NFC)"
    if name.startswith("__"):
        return "begins with '__', which Cedar keeps for itself"
    if '"' in name or "\\" in name or "::" in name:
        return 'holds a quote, a backslash or "::", which stand around ids in rules'
    return None


def _shown(ms: int) -> str:
    return "a second" if ms == _SHORTEST_TTL_MS else f"{ms} ms"


@dataclass(slots=True)
class Problems:
    """Collects the findings of one file."""

    text: TomlText
    found: list[Finding] = field(default_factory=list)

    def note(self, rule: str, message: str, *keys: str | int, hint: str = "") -> None:
        self.found.append(Finding(rule=rule, message=message, where=self.text.where(*keys), hint=hint))

    def tables(self, section: str, *, refuse: str = "") -> dict[str, Mapping[str, Any]]:
        """The entries of `[section.<id>]` by id; what has an unusable id or is no table is noted and left out.
        `refuse` holds further characters that an id of this section must not have."""
        table = self.text.data.get(section, {})
        if not isinstance(table, dict):
            self.note("wrong-type", f"'{section}' is not a table", section, hint=f"write [{section}.<name>]")
            return {}
        entries: dict[str, Mapping[str, Any]] = {}
        for name, entry in table.items():
            problem = _id_problem(name) or next((f"holds '{char}'" for char in refuse if char in name), None)
            if problem is not None:
                self.note(
                    "bad-id", f"the id {name!r} in [{section}] {problem}", section, name, hint="choose another id"
                )
            elif not isinstance(entry, dict):
                self.note(
                    "wrong-type", f"'{section}.{name}' is not a table", section, name, hint=f"write [{section}.{name}]"
                )
            else:
                entries[name] = entry
        return entries


@dataclass(slots=True)
class Entry:
    """One table, read field by field. Call `done` at the end: it refuses the keys that nobody asked for."""

    problems: Problems
    path: tuple[str | int, ...]
    table: Mapping[str, Any]
    asked: set[str] = field(default_factory=set)

    @property
    def title(self) -> str:
        return ".".join(map(str, self.path))

    def note(self, rule: str, message: str, *keys: str | int, hint: str = "") -> None:
        self.problems.note(rule, message, *self.path, *keys, hint=hint)

    def _get(self, key: str) -> Any:
        self.asked.add(key)
        return self.table.get(key)

    def _wrong(self, key: str, wanted: str) -> None:
        value = self.table[key]
        kind = {bool: "a boolean", int: "a number", float: "a float", str: "a text", list: "a list"}.get(type(value))
        self.note(
            "wrong-type", f"'{key}' of {self.title} is {kind or 'something else'}", key, hint=f"it must be {wanted}"
        )

    def string(self, key: str, default: str = "", *, required: bool = False) -> str:
        value = self._get(key)
        if value is None:
            if required:
                self.note("missing-key", f"{self.title} has no '{key}'", hint=f'add {key} = "..."')
            return default
        if type(value) is not str:
            self._wrong(key, "a text in quotes")
            return default
        if required and not value.strip():
            self.note("missing-key", f"'{key}' of {self.title} is empty", key, hint=f'add {key} = "..."')
        if len(value) > _LONGEST_TEXT or any(unicodedata.category(char) in _UNPRINTABLE for char in value):
            self.note(
                "bad-text",
                f"'{key}' of {self.title} is too long or holds control or invisible characters",
                key,
                hint=f"use one line of at most {_LONGEST_TEXT} plain characters",
            )
        return value

    def integer(self, key: str, default: int = 0, *, low: int = -MAX_INT, high: int = MAX_INT) -> int:
        value = self._get(key)
        if value is None:
            return default
        if type(value) is not int:
            self._wrong(key, "a whole number")
            return default
        if not low <= value <= high:
            self.note(
                "out-of-range", f"'{key}' of {self.title} is {value}", key, hint=f"it must be from {low} to {high}"
            )
        return value

    def boolean(self, key: str, *, default: bool) -> bool:
        value = self._get(key)
        if value is None:
            return default
        if type(value) is not bool:
            self._wrong(key, "true or false, without quotes")
            return default
        return value

    def clearance(self, levels: tuple[str, ...]) -> int:
        """A sensitivity level by name or index; 0, the lowest, if it is not said."""
        value = self._get("clearance")
        if value is None:
            return 0
        if type(value) is str:
            if value in levels:
                return levels.index(value)
            self.note(
                "unknown-level",
                f"{self.title} has the clearance '{value}', which is no level of bailiwick.toml",
                "clearance",
                hint=did_you_mean(value, levels, f"levels, from low to high: {', '.join(levels)}"),
            )
            return 0
        if type(value) is not int:
            self._wrong("clearance", f"one of {', '.join(levels)}, or its index")
            return 0
        return self.integer("clearance", low=0, high=max(len(levels) - 1, 0))

    def names(self, key: str, known: Collection[str] | None, what: str) -> tuple[str, ...] | None:
        """A list of names, each of them known (None: any), without repetition; None if the key is not there."""
        value = self._get(key)
        if value is None:
            return None
        if not isinstance(value, list):
            self._wrong(key, f"a list of names ({what}) in brackets")
            return ()
        names: list[str] = []
        for index, name in enumerate(value):
            if type(name) is not str or not name:
                self.note(
                    "wrong-type", f"'{key}' of {self.title} holds something that is not a name", key, index,
                    hint=f"each {what} is a name in quotes",
                )  # fmt: skip
            elif name in names:
                self.note("repeated", f"{self.title} names {what} '{name}' twice", key, index, hint="remove one")
            else:
                self.check_known(name, known, what, key, index)
                names.append(name)
        return tuple(names)

    def check_known(self, name: str, known: Collection[str] | None, what: str, *keys: str | int) -> None:
        if known is not None and name not in known:
            self.note(
                f"unknown-{what}",
                f"{self.title} names the {what} '{name}', which is not declared",
                *keys,
                hint=did_you_mean(name, known),
            )

    def duration_ms(self, key: str, default: int, *, shortest_ms: int = _SHORTEST_TTL_MS) -> int:
        """`"90s"`, `"1h30m"`, `"2d"` as milliseconds; at least `shortest_ms`, at most 366 days."""
        value = self._get(key)
        if value is None:
            return default
        total = duration_ms(value) or 0
        if not shortest_ms <= total <= _LONGEST_TTL_MS:
            self.note(
                "bad-duration",
                f"'{key}' of {self.title} is no duration between {_shown(shortest_ms)} and 366 days",
                key,
                hint='write it like "45s", "30m", "1h30m" or "2d"',
            )
            return default
        return total

    def attributes(self, declared: Iterable[Attribute]) -> dict[str, Scalar]:
        """The values of the attributes that [attributes.<kind>] declares."""
        values: dict[str, Scalar] = {}
        for attribute in declared:
            name = attribute.name
            if name not in self.table:
                self.asked.add(name)
                if not attribute.optional:
                    self.note(
                        "missing-attribute",
                        f"{self.title} has no '{name}', which every entry must have",
                        hint=f"set it, or declare it optional with a '?': {name} = \"string?\"",
                    )
            elif isinstance(attribute.shape, Bool):
                values[name] = self.boolean(name, default=False)
            elif isinstance(attribute.shape, Long):
                values[name] = self.integer(name)
            else:
                values[name] = self.string(name)
        return values

    def declaration(self, name: str, reserved: Collection[str] = ()) -> Attribute | None:
        """`department = "string?"`: an attribute that this table declares, named `name`."""
        if name in reserved:
            self.note("reserved-attribute", f"'{name}' is a key of bailiwick's own", name, hint="choose another name")
            return None
        if not _ATTRIBUTE_NAME.fullmatch(name) or name in _CEDAR_WORDS:
            self.note(
                "bad-id", f"'{name}' cannot be the name of an attribute", name, hint="use ASCII letters, digits and '_'"
            )
            return None
        written = self.string(name)
        shape = _SHAPES.get(written.removesuffix("?"))
        if shape is None:
            self.note(
                "unknown-type",
                f"attribute '{name}' has the type '{written}'",
                name,
                hint="types: string, long, bool; with a '?' at its end the attribute is optional",
            )
            return None
        return Attribute(name=name, shape=shape, optional=written.endswith("?"))

    def done(self) -> None:
        for key in self.table:
            if key not in self.asked:
                self.note(
                    "unknown-key", f"{self.title} has an unknown key '{key}'", key, hint=did_you_mean(key, self.asked)
                )
