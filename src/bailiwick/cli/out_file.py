"""Files that a verb makes of the log: nothing is overwritten, and they are for the person alone who asked, as the log
is. Whoever is to have one too is given it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from bailiwick.errors import StoreError, UsageError

__all__ = ["OUT_PATH", "new_file", "not_there_yet"]

OUT_PATH = click.Path(path_type=Path, dir_okay=False)


def not_there_yet(path: Path | None) -> None:
    """Said before the log is read: a reading is on record. Raises UsageError."""
    if path is not None and os.path.lexists(path):
        raise UsageError(f"{path} is there already", hint="Nothing is overwritten: name another file.")


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Raises StoreError where it cannot be written, or came there meanwhile; what was written by then is left there."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
    except OSError as error:
        why = error.strerror or error
        raise StoreError(f"{path} cannot be written: {why}", hint="Is there room, and may you write there?") from error
