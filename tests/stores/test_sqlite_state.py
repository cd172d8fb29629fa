"""What is particular to SQLite: several processes, kill -9, fsync, forks, and every way in which a file can fail."""

from __future__ import annotations

import os
import resource
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from bailiwick.action.approvals import consume
from bailiwick.action.ports import Resolution
from bailiwick.errors import StoreError
from bailiwick.flow.records import LedgerRow, RowKind
from bailiwick.model.tool import Idempotency
from bailiwick.stores.sqlite_state import SqliteState
from bailiwick.stores.sqlite_state_file import SCHEMA_VERSION
from tests.action.approval_sample import authority, granted, requested

from .test_sqlite_state_contract import EFFECT, begun, chain, key, opened

RACER = Path(__file__).parent / "consume_approval.py"
ROW = LedgerRow(ord=-1, kind=RowKind.CONTENT, payload=b"seen")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteState]:
    with SqliteState.open(path) as opened_store:
        yield opened_store


def raw(path: Path, statement: str, *values: object) -> None:
    """Somebody else's hands in the file."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement, values)
    connection.close()


def racer(path: Path, threads: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, str(RACER), str(path), str(threads), authority().key.id],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def grant_one(store: SqliteState) -> None:
    store.save(requested())
    assert store.compare_and_set(requested(), granted())


def test_promise_4_of_fifty_consumers_in_four_processes_one_wins(store: SqliteState, path: Path) -> None:
    grant_one(store)
    racers = [racer(path, threads) for threads in (13, 13, 12, 12)]
    for process in racers:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60)[0].split() for process in racers]
    assert [int(tried) for tried, _ in answers] == [13, 13, 12, 12]
    assert sum(int(won) for _, won in answers) == 1
    assert store.get("acme", "test", "apr-1") == consume(granted())


def test_what_was_written_survives_kill_9(store: SqliteState, path: Path) -> None:
    grant_one(store)
    process = racer(path, 0)
    process.communicate("go\n", timeout=60)
    assert process.returncode == -9
    assert store.get("acme", "test", "apr-1") == consume(granted())
    assert [each.permit_id for each in store.in_doubt("effect")] == ["p-1"]
    assert [each.payload for each in store.load("s", -1)] == [b"seen"]


def test_approvals_sessions_and_reconciliations_are_fsynced_and_the_rest_is_not(store: SqliteState) -> None:
    said: list[str] = []
    with store._file.use() as connection:
        connection.set_trace_callback(said.append)

    def level_of(act: Callable[[], object]) -> str:
        said.clear()
        act()
        writes = [n for n, text in enumerate(said) if text.split()[0] in ("INSERT", "UPDATE", "DELETE")]
        assert writes
        pragmas = [text for text in said[: writes[-1]] if text.startswith("PRAGMA synchronous")]
        return pragmas[-1].partition("=")[2]

    assert level_of(lambda: store.save(requested())) == "FULL"
    assert level_of(lambda: store.compare_and_set(requested(), granted())) == "FULL"
    assert level_of(lambda: store.compare_and_set(granted(), consume(granted()))) == "FULL"
    assert level_of(lambda: opened(store)) == "FULL"
    assert level_of(lambda: begun(store, "p-1")) == "NORMAL"
    assert level_of(lambda: store.append("s", [ROW])) == "NORMAL"
    assert level_of(lambda: store.resolve("p-1", Resolution.RAN)) == "FULL"
    assert level_of(lambda: store.finish("p-1")) == "NORMAL"


def test_the_file_is_its_owners_alone(store: SqliteState, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with store._file.use() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_processes_that_make_the_file_together_make_one_file(path: Path) -> None:
    code = "import sys; from bailiwick.stores.sqlite_state import SqliteState; SqliteState.open(sys.argv[1]).close()"
    makers = [subprocess.Popen([sys.executable, "-c", code, str(path)], stderr=subprocess.PIPE) for _ in range(4)]
    assert [(maker.communicate(timeout=60)[1], maker.returncode) for maker in makers] == [(b"", 0)] * 4


def _removed(path: Path) -> None:
    path.unlink()


def _renamed(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))


def _restored(path: Path) -> None:
    """A backup, put back under a running process."""
    backup = path.with_name("backup.db")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)
    backup.replace(path)


@pytest.mark.parametrize("happens", [_removed, _renamed, _restored])
def test_a_file_that_lost_its_name_is_not_used_any_more(
    store: SqliteState, path: Path, happens: Callable[[Path], None]
) -> None:
    """Else two processes could each use the same approval, in files of which each knows one."""
    old = granted()
    store.save(requested())
    happens(path)
    for use in (lambda: store.compare_and_set(old, consume(old)), lambda: store.in_doubt(EFFECT)):
        with pytest.raises(StoreError, match="removed or replaced"):
            use()


def test_a_forked_child_must_open_its_own(store: SqliteState) -> None:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            store.get("acme", "test", "apr-1")
        except StoreError as error:
            status = 0 if "forked" in str(error) and error.hint else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    store.save(requested())


def folder(path: Path) -> None:
    path.mkdir()


def no_database(path: Path) -> None:
    path.write_bytes(b"this is a text file, not a database" * 100)


def other_database(path: Path) -> None:
    raw(path, "CREATE TABLE customers (id INTEGER)")


def newer_version(path: Path) -> None:
    SqliteState.open(path).close()
    raw(path, f"UPDATE state_version SET version = {SCHEMA_VERSION + 1}")


def no_version(path: Path) -> None:
    SqliteState.open(path).close()
    raw(path, "DELETE FROM state_version")


@pytest.mark.parametrize(
    ("make", "message", "hint"),
    [
        (folder, "unable to open", "check that it is a file"),
        (no_database, "file is not a database", "move it away"),
        (other_database, "no state store of bailiwick", "another file"),
        (newer_version, f"has version {SCHEMA_VERSION + 1}; this bailiwick reads version {SCHEMA_VERSION}", "newer"),
        (no_version, "has version none", "version of bailiwick"),
    ],
)
def test_a_file_that_is_no_state_store_is_refused(
    make: Callable[[Path], None], message: str, hint: str, path: Path
) -> None:
    make(path)
    with pytest.raises(StoreError, match=message) as caught:
        SqliteState.open(path)
    assert hint in caught.value.hint


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no folder") as caught:
        SqliteState.open(tmp_path / "nowhere" / "state.db")
    assert str(tmp_path / "nowhere") in caught.value.hint


WRITES: list[Callable[[SqliteState], object]] = [
    lambda store: store.save(requested(id="apr-2")),
    lambda store: store.compare_and_set(granted(), consume(granted())),
    lambda store: opened(store, task="Another"),
    lambda store: begun(store, "p-2"),
    lambda store: store.finish("p-1"),
    lambda store: store.append("s", [ROW]),
    lambda store: store.append("s", [ROW, ROW]),
]


@contextmanager
def held(store: SqliteState, path: Path) -> Iterator[None]:
    """Another process is in the middle of a long write."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.close()


@contextmanager
def read_only(store: SqliteState, path: Path) -> Iterator[None]:
    with store._file.use() as connection:
        connection.execute("PRAGMA query_only=1")
    yield
    with store._file.use() as connection:
        connection.execute("PRAGMA query_only=0")


@contextmanager
def failing_disk(store: SqliteState, path: Path) -> Iterator[None]:
    """The operating system refuses every write to a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def dump(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    lines = list(connection.iterdump())
    connection.close()
    return lines


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(
    ("fault", "hint"), [(held, "another process"), (read_only, "cannot be written"), (failing_disk, "disk failed")]
)
def test_promise_1_fail_closed_when_the_store_cannot_write(
    write: Callable[[SqliteState], object],
    fault: Callable[[SqliteState, Path], AbstractContextManager[None]],
    hint: str,
    path: Path,
) -> None:
    with SqliteState.open(path, busy_timeout_ms=20) as store:
        grant_one(store)
        opened(store)
        begun(store, "p-1")
        before = dump(path)
        with fault(store, path), pytest.raises(StoreError) as caught:
            write(store)
        assert hint in caught.value.hint
        assert dump(path) == before
        write(store)
        assert dump(path) != before


def test_promise_1_fail_closed_when_the_disk_is_full(store: SqliteState) -> None:
    with store._file.use() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={pages}")
    big = LedgerRow(ord=-1, kind=RowKind.CONTENT, payload=bytes(100_000))
    with pytest.raises(StoreError, match="full") as caught:
        store.append("s", [ROW, big])
    assert "make room" in caught.value.hint
    assert store.load("s", -1) == ()


@pytest.mark.parametrize(
    ("damage", "read"),
    [
        ("UPDATE approvals SET body = x'7b7d'", lambda store: store.get("acme", "test", "apr-1")),
        ("UPDATE approvals SET status = 'requested'", lambda store: store.pending("acme", "test")),
        ("UPDATE approvals SET session = 's'", lambda store: store.by_session("s")),
        ("UPDATE approvals SET digest = 'd'", lambda store: store.by_digest("acme", "test", "d")),
        ("UPDATE sessions SET chain = '[]'", opened),
        ("UPDATE sessions SET chain = 'x'", lambda store: store.get_session(key())),
        ("""UPDATE sessions SET chain = '[["User","bob"],["Agent","support-bot"]]'""", opened),
        ("DELETE FROM session_tasks", opened),
        ("UPDATE in_flight SET idempotency = 'maybe'", lambda store: store.in_doubt(EFFECT)),
        ("UPDATE ledger SET kind = 'rumour'", lambda store: store.load("s", -1)),
    ],
)
def test_promise_1_fail_closed_when_other_hands_wrote_in_the_file(
    damage: str, read: Callable[[SqliteState], object], store: SqliteState, path: Path
) -> None:
    grant_one(store)
    opened(store)
    begun(store, "p-1")
    store.append("s", [ROW])
    read(store)
    raw(path, damage)
    with pytest.raises(StoreError, match="damaged") as caught:
        read(store)
    assert caught.value.hint


@pytest.mark.parametrize(
    "write",
    [
        lambda store: store.append("half a \ud83d pair", [ROW]),
        lambda store: store.begin(
            EFFECT,
            permit_id="p",
            decision_event="e",
            log_id="l",
            tool="t",
            idempotency=Idempotency.NONE,
            now_ms=2**70,
        ),
        lambda store: store.save(requested(meaning="half a \ud83d pair")),
        lambda store: store.open_session(key(), chain=chain(), task="\ud83d", purpose="", now_ms=1),
    ],
)
def test_values_that_sqlite_cannot_hold_are_refused(write: Callable[[SqliteState], object], store: SqliteState) -> None:
    with pytest.raises(StoreError):
        write(store)
