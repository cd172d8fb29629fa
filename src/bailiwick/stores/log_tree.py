"""The Merkle tree of a log in its file: leaves beside the records, roots over full tiles in `nodes`, and the
checkpoints. DESIGN §5 *Audit*.

INVARIANT: a checkpoint that was signed stays. Only the newest one and the newest that enough witnesses cosigned keep
all their signature lines; the others keep the log's Ed25519 line, since what covers them was signed with every key.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bailiwick.audit import notes
from bailiwick.audit.merkle import Frontier, root_of
from bailiwick.audit.notes import Note
from bailiwick.audit.tiles import WIDTH, Node, frontier_of

__all__ = ["TREE_TABLES", "Made", "StoredNote", "add_checkpoints", "add_cosigned", "hashes", "newest", "tree_at"]

TREE_TABLES = (
    """CREATE TABLE nodes (
        level INTEGER NOT NULL, number INTEGER NOT NULL, hash BLOB NOT NULL,
        PRIMARY KEY (level, number)) STRICT, WITHOUT ROWID""",
    "CREATE TABLE checkpoints (size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT",
)

WITNESSED = "witnessed"
"""Key in `meta`: the size of the newest checkpoint that enough witnesses cosigned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredNote:
    """A checkpoint as it is stored."""

    size: int
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """New checkpoints, oldest first, and the roots over tiles that became full under them."""

    notes: tuple[StoredNote, ...]
    nodes: tuple[Node, ...]


def hashes(connection: sqlite3.Connection, level: int, first: int, count: int) -> Sequence[bytes]:
    """`count` hashes of a tile level from number `first` on (`tiles.Hashes`). Fewer if the log does not hold them. A
    root that no checkpoint has stored yet is made from its tile. Raises sqlite3.Error."""
    if level == 0:
        rows = connection.execute(
            "SELECT leaf FROM events WHERE seq >= ? AND seq < ? ORDER BY seq", (first, first + count)
        )
        return [leaf for (leaf,) in rows]
    query = "SELECT number, hash FROM nodes WHERE level = ? AND number >= ? AND number < ?"
    known = dict(connection.execute(query, (level, first, first + count)))
    found: list[bytes] = []
    for number in range(first, first + count):
        node = known.get(number)
        if node is None:
            tile = hashes(connection, level - 1, number * WIDTH, WIDTH)
            if len(tile) < WIDTH:
                break
            node = root_of(tile)
        found.append(node)
    return found


def tree_at(connection: sqlite3.Connection, size: int) -> Frontier:
    """The tree over the first `size` records. Raises StoreError if they are not there, sqlite3.Error."""
    return frontier_of(lambda level, first, count: hashes(connection, level, first, count), size)


def newest(connection: sqlite3.Connection, *, witnessed: bool = False) -> StoredNote | None:
    """The newest checkpoint, or the newest that enough witnesses cosigned; None if there is none."""
    query = "SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1"
    if witnessed:
        query = f"""SELECT size, note FROM checkpoints
            WHERE size = (SELECT CAST(value AS INTEGER) FROM meta WHERE key = '{WITNESSED}')"""  # noqa: S608
    row = connection.execute(query).fetchone()
    return StoredNote(size=row[0], note=row[1]) if row else None


def add_checkpoints(connection: sqlite3.Connection, made: Made, superseded: StoredNote | None) -> None:
    """Store what was made, and slim the one that was the newest (if it is not the newest cosigned one). In the
    caller's transaction."""
    connection.executemany(
        "INSERT INTO nodes VALUES (?, ?, ?)", [(node.level, node.index, node.hash) for node in made.nodes]
    )
    *older, last = made.notes
    rows = [(item.size, _slim(item.note)) for item in older] + [(last.size, last.note)]
    connection.executemany("INSERT INTO checkpoints VALUES (?, ?)", rows)
    _slimmed(connection, [superseded] if superseded else [])


def add_cosigned(connection: sqlite3.Connection, cosigned: StoredNote, superseded: StoredNote | None) -> None:
    """Store a checkpoint with the lines of its witnesses, and slim the one that was the newest with enough of them. In
    the caller's transaction."""
    connection.execute("UPDATE checkpoints SET note = ? WHERE size = ?", (cosigned.note, cosigned.size))
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (WITNESSED, str(cosigned.size)))
    _slimmed(connection, [superseded] if superseded else [])


def _slimmed(connection: sqlite3.Connection, stored: Iterable[StoredNote]) -> None:
    connection.executemany(
        "UPDATE checkpoints SET note = ? WHERE size = ?", [(_slim(item.note), item.size) for item in stored]
    )


def _slim(note: str) -> str:
    """The note with its first line alone: the Ed25519 signature of the log."""
    whole = notes.parse(note)
    return Note(text=whole.text, lines=whole.lines[:1]).format()
