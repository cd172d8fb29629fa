"""Searches that people keep by a name, in a project's state: `<state>/filters.json`. The command line and the console
share them."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import orjson

from bailiwick.errors import StoreError, UsageError

__all__ = ["FILTERS_FILE", "SavedFilters"]

FILTERS_FILE = "filters.json"
MAX_FILTERS = 200
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class SavedFilters:
    """The filters of one state folder. Safe for several processes. Methods raise StoreError."""

    def __init__(self, state: Path) -> None:
        self._path = state / FILTERS_FILE

    def all(self) -> Mapping[str, str]:
        """Name → terms, by name."""
        try:
            found = orjson.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, orjson.JSONDecodeError) as error:
            raise self._damaged(str(error)) from error
        if not isinstance(found, dict) or not all(isinstance(terms, str) for terms in found.values()):
            raise self._damaged("it is no object of texts")
        return dict(sorted(found.items()))

    def terms(self, name: str) -> str:
        """What was kept under this name. Raises UsageError: nothing was."""
        found = self.all()
        if name not in found:
            raise UsageError(f"there is no filter {name!r}", hint=f"there are: {', '.join(found) or 'none'}")
        return found[name]

    def save(self, name: str, terms: str) -> None:
        """Keep `terms` under this name, in place of what was. The caller has parsed them. Raises UsageError."""
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} is no name of a filter", hint="letters, digits, '.', '_' and '-', at most 64")
        with self._held():
            found = {**self.all(), name: terms}
            if len(found) > MAX_FILTERS:
                raise UsageError(f"there are {MAX_FILTERS} filters already", hint="drop one first")
            self._write(found)

    def drop(self, name: str) -> None:
        """Forget it. Raises UsageError: there is none."""
        with self._held():
            self.terms(name)
            self._write({kept: terms for kept, terms in self.all().items() if kept != name})

    @contextmanager
    def _held(self) -> Iterator[None]:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._damaged(str(error)) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _write(self, filters: Mapping[str, str]) -> None:
        fresh = self._path.with_suffix(".new")
        try:
            fresh.write_bytes(orjson.dumps(filters, option=orjson.OPT_INDENT_2))
            fresh.chmod(0o600)
            fresh.replace(self._path)
        except OSError as error:
            raise self._damaged(str(error)) from error

    def _damaged(self, why: str) -> StoreError:
        return StoreError(f"{self._path} cannot be used: {why}", hint="It holds saved searches only: delete it.")
