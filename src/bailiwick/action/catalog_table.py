"""Reads one table of a catalog file: typed values, every error noted with its line, nothing raised.

A value that is wrong is noted and answered with None, so that one pass finds everything that is wrong in a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, TypeVar

from bailiwick.errors import Finding, Where
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.toml_lines import TomlText

__all__ = ["Table"]

E = TypeVar("E", bound=StrEnum)


class Table:
    """A TOML table at `path` of a file. `findings` is shared by all tables of a load."""

    def __init__(
        self, text: TomlText, path: tuple[str | int, ...], data: dict[str, Any], findings: list[Finding]
    ) -> None:
        self.data = data
        self._text = text
        self._path = path
        self._findings = findings

    def where(self, *keys: str | int) -> Where:
        return self._text.where(*self._path, *keys)

    def note(self, rule: str, message: str, *keys: str | int, hint: str = "") -> None:
        """Notes an error at `keys` below this table."""
        self._findings.append(Finding(rule=rule, message=message, where=self.where(*keys), hint=hint))

    def refuse_unknown_keys(self, known: Iterable[str], what: str) -> None:
        choices = tuple(known)
        for key in self.data:
            if key not in choices:
                self.note("unknown-key", f"{what} has no key '{key}'", key, hint=did_you_mean(key, choices))

    def table(self, key: str) -> Table | None:
        """The table at `key`; None if there is none or it is something else (which is noted)."""
        value = self.data.get(key)
        if isinstance(value, dict):
            return Table(self._text, (*self._path, key), value, self._findings)
        if value is not None:
            self.note("wrong-value", f"'{key}' must be a table", key, hint=f"write {key} = {{ … }}")
        return None

    def section(self, key: str) -> Table | None:
        """The table at `key`, an empty one if there is none; None if it is something else (which is noted)."""
        if key in self.data:
            return self.table(key)
        return Table(self._text, (*self._path, key), {}, self._findings)

    def tables(self, key: str) -> list[Table]:
        """The list of tables at `key`; empty if there is none. What is no table is noted and left out."""
        value = self.data.get(key, [])
        if not isinstance(value, list):
            self.note("wrong-value", f"'{key}' must be a list of tables", key, hint=f"write {key} = [{{ … }}]")
            return []
        found: list[Table] = []
        for index, item in enumerate(value):
            if isinstance(item, dict):
                found.append(Table(self._text, (*self._path, key, index), item, self._findings))
            else:
                self.note("wrong-value", f"each of '{key}' must be a table", key, index)
        return found

    def string(self, key: str) -> str | None:
        value = self.data.get(key)
        if value is None or (isinstance(value, str) and value):
            return value
        self.note("wrong-value", f"'{key}' must be a string that is not empty", key)
        return None

    def boolean(self, key: str, *, default: bool) -> bool:
        value = self.data.get(key, default)
        if isinstance(value, bool):
            return value
        self.note("wrong-value", f"'{key}' must be true or false", key)
        return default

    def strings(self, key: str) -> tuple[str, ...] | None:
        """A list of strings that are not empty; None if the key is absent or wrong."""
        value = self.data.get(key)
        if value is None:
            return None
        if isinstance(value, list) and all(isinstance(item, str) and item for item in value):
            return tuple(value)
        self.note(
            "wrong-value", f"'{key}' must be a list of strings that are not empty", key, hint=f'write {key} = ["…"]'
        )
        return None

    def one_or_more_strings(self, key: str) -> tuple[str, ...] | None:
        """A string, or a list of at least one."""
        value = self.data.get(key)
        if isinstance(value, str) and value:
            return (value,)
        found = self.strings(key)
        if found == ():
            self.note("wrong-value", f"'{key}' is an empty list", key)
            return None
        return found

    def choice(self, key: str, enum: type[E], rule: str) -> E | None:
        """A member of `enum` by its value; None if the key is absent or wrong."""
        value = self.string(key)
        return None if value is None else self.member(value, enum, rule, key)

    def member(self, value: str, enum: type[E], rule: str, *keys: str | int) -> E | None:
        try:
            return enum(value)
        except ValueError:
            self.note(
                rule, f"there is no {rule.removeprefix('unknown-')} '{value}'", *keys, hint=did_you_mean(value, [*enum])
            )
            return None

    def known(self, values: Sequence[str], choices: Iterable[str], rule: str, key: str) -> None:
        """Notes each of `values` (the list at `key`) that is not one of `choices`."""
        allowed = frozenset(choices)
        for index, value in enumerate(values):
            if value not in allowed:
                what = rule.removeprefix("unknown-")
                self.note(rule, f"there is no {what} '{value}'", key, index, hint=did_you_mean(value, allowed))
