"""What is known of a log before it is continued, and how a new one comes into being.

A process that ends without closing its log leaves it unclean. Whoever opens it next looks for calls that were permitted
and have no outcome, and records them in `log.recovered`, again at every opening until somebody reconciles them. So the
records since the last `log.opened` tell all: what the process before found unknown, what it permitted, and what became
of it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from bailiwick.audit.envelope import place, read, seal
from bailiwick.audit.events import new_id
from bailiwick.audit.log import Clock, Entropy
from bailiwick.audit.merkle import Frontier, leaf_hash
from bailiwick.audit.relations import ENDS, settles
from bailiwick.audit.report import StoredEvent
from bailiwick.errors import CanonicalError, StoreError
from bailiwick.model.event import Draft, Event, EventKind
from bailiwick.stores.log_file import (
    LogLock,
    connect,
    create_tables,
    is_held,
    lock_path,
    log_path,
    sound_tail,
    sync_folder,
    write,
)
from bailiwick.stores.log_reader import LogReader

__all__ = [
    "Found",
    "Owner",
    "create",
    "examine",
    "left_open",
    "make",
    "not_reconciled",
    "opening_of",
    "reopening",
]

PER_EVENT = 500
"""So many unknown decisions fit into one `log.recovered`."""

_CALLS = (EventKind.LOG_RECOVERED, EventKind.DECISION, EventKind.ACTION_RECONCILED, *sorted(ENDS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose log it is, and who writes in it: a log holds events of one tenant's environment."""

    tenant: str
    env: str
    build: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A sound log as it was found: `first` is the leaf hash of its opening, `opened` the seq of the last one,
    `unresolved` are calls without an outcome."""

    frontier: Frontier
    first: bytes
    tenant: str
    env: str
    clean: bool
    opened: int
    unresolved: tuple[Event, ...]


def create(folder: Path, owner: Owner, *, clock: Clock, entropy: Entropy, parent: str = "") -> tuple[Path, LogLock]:
    """A new log that holds its `log.opened`, durable, and the lock on it. `parent` is the parent log that it names.
    Raises StoreError, OSError."""
    path = log_path(folder, f"log-{new_id(clock(), entropy(10))}")
    lock = LogLock.take(path)
    if lock is None:
        raise StoreError(f"{path} is held by somebody else", hint="Two logs got the same id: try again.")
    try:
        make(path, owner, clock=clock, entropy=entropy, parent=parent)
    except StoreError:
        if not path.exists():
            with suppress(OSError):  # a lock without its log would look as if one was removed
                lock_path(path).unlink(missing_ok=True)
        lock.release()
        raise
    return path, lock


def make(path: Path, owner: Owner, *, clock: Clock, entropy: Entropy, parent: str = "") -> None:
    """Make the file of a log that holds its `log.opened`, durable under its name. Raises StoreError."""
    now_us = clock()
    body: dict[str, object] = {"log": path.stem, "build": owner.build}
    if parent:
        body["parent"] = parent
    fresh = path.with_suffix(".new")
    try:
        with closing(create_tables(fresh)) as connection:
            draft = _draft(owner, EventKind.LOG_OPENED, body, now_us, entropy)
            data = place(seal(draft, entropy), log=path.stem, seq=0, ord_=0)
            leaf = leaf_hash(data)
            row = StoredEvent(0, draft.id, draft.session, 0, draft.kind.value, now_us, data, leaf)
            connection.execute("INSERT INTO meta VALUES ('clean', '1')")
            write(connection, [row], [], Frontier().extended([leaf]))
        fresh.rename(path)
        sync_folder(path.parent)
    except (sqlite3.Error, OSError) as error:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        text = f"no log can be made in {path.parent}: {error}"
        raise StoreError(text, hint="Is the disk full or read-only?") from error


def examine(path: Path, connection: sqlite3.Connection) -> Found:
    """Check that a log can be continued, and find the calls that it left open. Raises StoreError, sqlite3.Error."""
    frontier = sound_tail(path, connection)
    first = opening_of(path, connection)
    (leaf,) = connection.execute("SELECT leaf FROM events WHERE seq = 0").fetchone()
    clean, opened = _clean(connection), _opened(connection)
    unresolved = () if clean else _unresolved(path, connection, opened)
    return Found(
        frontier=frontier,
        first=leaf,
        tenant=first.tenant,
        env=first.env,
        clean=clean,
        opened=opened,
        unresolved=unresolved,
    )


def opening_of(path: Path, connection: sqlite3.Connection) -> Event:
    """The first record of a log. Raises StoreError if it is not its own opening."""
    first = next(_events(path, connection, "seq = 0", ()), None)
    if first is None or first.kind is not EventKind.LOG_OPENED or first.log != path.stem:
        raise StoreError(f"{path} does not begin with its own opening", hint="Was the file renamed or replaced?")
    return first


def _clean(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT value FROM meta WHERE key = 'clean'").fetchone() == ("1",))


def _opened(connection: sqlite3.Connection) -> int:
    query = "SELECT max(seq) FROM events WHERE kind = ?"
    return int(connection.execute(query, (EventKind.LOG_OPENED.value,)).fetchone()[0])


def _unresolved(path: Path, connection: sqlite3.Connection, opened: int) -> tuple[Event, ...]:
    marks = ", ".join("?" * len(_CALLS))
    open_: dict[str, Event | None] = {}
    for event in _events(path, connection, f"seq > ? AND kind IN ({marks})", (opened, *_CALLS)):
        if event.kind is EventKind.LOG_RECOVERED:
            open_.update(dict.fromkeys(_ids(event.body["unknown"])))
        elif event.kind is EventKind.DECISION:
            if "permit" in event.body:
                open_[event.id] = event
        elif event.kind is EventKind.ACTION_RECONCILED or _settled(event, open_):
            open_.pop(str(event.body["decision"]), None)
    found: list[Event] = []
    for event_id, known in open_.items():
        decision = known or next(_events(path, connection, "id = ?", (event_id,)), None)
        if decision is not None:
            found.append(decision)
    return tuple(found)


def _settled(end: Event, open_: Mapping[str, Event | None]) -> bool:
    decision = open_.get(str(end.body["decision"]))
    return settles(end.kind, decision.body["idempotency"] if decision else None)


def _ids(value: object) -> Sequence[str]:
    assert isinstance(value, list)
    return value


def _events(path: Path, connection: sqlite3.Connection, where: str, values: Iterable[object]) -> Iterator[Event]:
    query = f"SELECT data FROM events WHERE {where} ORDER BY seq"  # noqa: S608  # `where` is ours; values are parameters
    for (data,) in connection.execute(query, tuple(values)):
        try:
            yield read(data)
        except CanonicalError as error:
            raise StoreError(f"{path} holds a record that is no event: {error}", hint=error.hint) from error


def left_open(paths: Sequence[Path], owner: Owner) -> tuple[Event, ...]:
    """The calls that processes which are gone left open in these logs and nobody reconciled in one of them.

    A log in use has an owner who answers for it. What cannot be read says nothing; whether a log is sound is not asked,
    because what it says can only block a call here, never permit one."""
    found: list[Event] = []
    for path in paths:
        if is_held(path):
            continue
        try:
            with closing(connect(path, read_only=True)) as connection:
                left = _left(path, connection, owner)
        except (StoreError, sqlite3.Error):
            continue
        if not is_held(path):  # else its new owner wrote while it was read, and answers for it
            found += left
    return not_reconciled(found, paths)


def _left(path: Path, connection: sqlite3.Connection, owner: Owner) -> tuple[Event, ...]:
    first = next(_events(path, connection, "seq = 0", ()), None)
    if first is None or (first.tenant, first.env) != (owner.tenant, owner.env) or _clean(connection):
        return ()
    return _unresolved(path, connection, _opened(connection))


def not_reconciled(events: Iterable[Event], paths: Iterable[Path]) -> tuple[Event, ...]:
    """Those decisions of which no log of `paths` says that somebody found out what became of the call."""
    events = tuple(events)
    done = _reconciled_in(paths) if events else frozenset()
    return tuple(event for event in events if event.id not in done)


def _reconciled_in(paths: Iterable[Path]) -> frozenset[str]:
    """Decisions whose outcome somebody recorded by hand, in any of these logs. Unreadable logs say nothing."""
    found: set[str] = set()
    for path in paths:
        try:
            with LogReader.open(path) as reader:
                found.update(
                    str(event.body["decision"]) for event in reader.events(kinds=[EventKind.ACTION_RECONCILED])
                )
        except StoreError:
            continue
    return frozenset(found)


def reopening(path: Path, found: Found, owner: Owner, *, clock: Clock, entropy: Entropy) -> Iterator[Draft]:
    """What is recorded when an existing log is continued."""
    now_us = clock()
    size = found.frontier.size
    previous = {"root": "sha256:" + found.frontier.root.hex(), "size": size}
    yield _draft(
        owner,
        EventKind.LOG_OPENED,
        {"log": path.stem, "build": owner.build, "previous": previous},
        now_us,
        entropy,
    )
    if found.clean and not found.unresolved:
        return
    unknown = [event.id for event in found.unresolved]
    for at in range(0, max(len(unknown), 1), PER_EVENT):
        body = {"unknown": unknown[at : at + PER_EVENT], "from_seq": found.opened, "to_seq": size - 1}
        yield _draft(owner, EventKind.LOG_RECOVERED, body, now_us, entropy)


def _draft(owner: Owner, kind: EventKind, body: dict[str, object], now_us: int, entropy: Entropy) -> Draft:
    return Draft(id=new_id(now_us, entropy(10)), kind=kind, ts_us=now_us, tenant=owner.tenant, env=owner.env, body=body)
