"""A log as its file says, read without bailiwick: SQLite, JSON, SHA-256, and RFC 9162 written out once more."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["RawLog", "read_raw", "read_raw_folder"]


@dataclass(frozen=True)
class RawLog:
    """`events` in order, each as the object that its bytes say."""

    name: str
    events: tuple[dict[str, Any], ...]

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["kind"] == kind]


def read_raw_folder(folder: Path) -> list[RawLog]:
    """Every log of a folder that no process writes."""
    return [read_raw(path) for path in sorted(folder.glob("log-*.db"))]


def read_raw(path: Path) -> RawLog:
    """One log. Nothing of it is opened in place. Fails where it is not what a log has to be."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / path.name
        for name in (path.name, f"{path.name}-wal"):
            if (path.parent / name).exists():
                shutil.copyfile(path.parent / name, Path(scratch) / name)
        with closing(sqlite3.connect(copy)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            rows = connection.execute("SELECT seq, data, leaf FROM events ORDER BY seq").fetchall()
            head = connection.execute("SELECT size, peaks FROM heads ORDER BY size DESC").fetchone()
    events = tuple(json.loads(data) for _, data, _ in rows)
    assert [seq for seq, _, _ in rows] == list(range(len(rows))) == [event["seq"] for event in events]
    assert {event["log"] for event in events} == {path.stem}
    leaves = [hashlib.sha256(b"\x00" + data).digest() for _, data, _ in rows]
    assert leaves == [leaf for _, _, leaf in rows]
    assert head[0] == len(rows)
    assert _folded([head[1][at : at + 32] for at in range(0, len(head[1]), 32)]) == _root(leaves)
    return RawLog(path.stem, events)


def _root(leaves: Sequence[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + _root(leaves[:split]) + _root(leaves[split:])).digest()


def _folded(peaks: Sequence[bytes]) -> bytes:
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = hashlib.sha256(b"\x01" + peak + root).digest()
    return root
