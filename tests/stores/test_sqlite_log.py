"""The writer: order, durability, one log per process, a stop at the first failure. DESIGN §3 promises 1, 5."""

from __future__ import annotations

import os
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from bailiwick.audit.kept import KeptHead
from bailiwick.audit.log import EventLog
from bailiwick.audit.report import State
from bailiwick.errors import LogUnavailable, StoreError
from bailiwick.model.event import Content, EventKind, Receipt
from bailiwick.model.tool import Durability
from bailiwick.stores.log_file import is_held, list_logs, log_path
from bailiwick.stores.log_reader import LogReader
from bailiwick.stores.log_verification import verify_folder
from bailiwick.stores.sqlite_log import SqliteLog
from tests.audit.samples import Ticking, allowed, story
from tests.stores.log_process import clock, draft, open_log

CLOSED = EventKind.SESSION_CLOSED
ROOT = Path(__file__).parents[2]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    with open_log(tmp_path / "logs") as opened:
        yield opened


def add(log: SqliteLog, count: int = 1, durability: Durability = Durability.BUFFERED) -> None:
    log.append([draft("s", {"decisions": 1}, CLOSED) for _ in range(count)], durability)


def sound(log: SqliteLog) -> None:
    with LogReader.open(log.path) as reader:
        report = reader.verify()
    assert report.state is State.SOUND, report
    assert report.head == log.head()


def raw(log: SqliteLog) -> sqlite3.Connection:
    return sqlite3.connect(log.path, isolation_level=None)


def test_a_log_is_an_event_log(log: SqliteLog) -> None:
    port: EventLog = log
    assert port.log_id.startswith("log-")


def test_what_was_appended_is_read_back(log: SqliteLog) -> None:
    ticking = Ticking()
    drafts = [one for one in story(ticking) if one.kind is not EventKind.LOG_OPENED]
    receipts = log.append(drafts, Durability.SYNC)
    assert [receipt.seq for receipt in receipts] == list(range(1, len(drafts) + 1))
    events = list(log.events())
    assert [event.id for event in events[1:]] == [one.id for one in drafts] == [one.event_id for one in receipts]
    assert events[0].kind is EventKind.LOG_OPENED
    assert events[0].body == {"log": log.log_id, "build": "test"}
    call = next(one for one in drafts if one.kind is EventKind.DECISION and one.contents)
    assert log.content(call.id, "args") == b'{"to":["eve@example.com"]}'
    assert log.content(call.id, "text") is None
    assert log.content("none", "args") is None
    assert log.event("none") is None
    found = log.event(call.id)
    assert found is not None
    assert found.body["permit"] == "prm-1"
    kinds = [event.kind for event in log.events(kinds=[EventKind.APPROVAL_GRANTED, EventKind.APPROVAL_DENIED])]
    assert kinds == [EventKind.APPROVAL_GRANTED, EventKind.APPROVAL_DENIED]
    assert {event.session for event in log.events(session="")} == {""}
    assert [event.seq for event in log.events(after_seq=20)] == list(range(21, len(events)))
    sound(log)


def test_a_receipt_names_the_leaf_that_is_in_the_log(log: SqliteLog) -> None:
    (receipt,) = log.append([draft("s")], Durability.SYNC)
    with closing(raw(log)) as connection:
        (leaf,) = connection.execute("SELECT leaf FROM events WHERE seq = ?", (receipt.seq,)).fetchone()
    assert receipt.leaf == "sha256:" + leaf.hex()
    assert receipt.log == log.log_id


def test_nothing_to_append_is_nothing(log: SqliteLog) -> None:
    assert log.append([], Durability.SYNC) == ()
    assert log.head()[0] == 1


def test_a_batch_is_written_whole_or_not_at_all(log: SqliteLog) -> None:
    fine, bad = draft("s"), replace(draft("s"), body={"decisions": "many"})
    with pytest.raises(LogUnavailable, match="schema") as caught:
        log.append([fine, bad], Durability.SYNC)
    assert "bailiwick.audit.schema" in caught.value.hint
    twice = draft("s")
    with pytest.raises(LogUnavailable, match="same id"):
        log.append([fine, twice, twice], Durability.SYNC)
    assert log.head()[0] == 1
    log.append([fine, twice], Durability.SYNC)
    with pytest.raises(LogUnavailable, match="same id"):
        log.append([twice], Durability.SYNC)
    assert log.head()[0] == 3
    assert not log.broken
    sound(log)


def test_another_tenants_event_is_refused(log: SqliteLog) -> None:
    with pytest.raises(LogUnavailable, match="does not belong"):
        log.append([replace(draft("s"), tenant="other")], Durability.SYNC)
    assert log.head()[0] == 1


# --- durability


def test_sync_returns_when_the_event_is_durable(log: SqliteLog) -> None:
    for _ in range(20):
        (receipt,) = log.append([draft("s")], Durability.SYNC)
        assert log.flushed > receipt.seq


def test_buffered_becomes_durable_within_50_ms(log: SqliteLog) -> None:
    """The median of twenty, each measured from before its append: the thread waits 20 ms, the disk takes the rest."""
    took = []
    for _ in range(20):
        start = time.monotonic()
        (receipt,) = log.append([draft("s")], Durability.BUFFERED)
        assert log.wait_flushed(receipt.seq + 1, timeout=10)
        took.append(time.monotonic() - start)
    assert statistics.median(took) < 0.05


def test_close_makes_what_is_buffered_durable(log: SqliteLog) -> None:
    add(log, 5)
    log.close()
    assert log.flushed == 6
    with pytest.raises(LogUnavailable, match="closed"):
        add(log)
    log.close()


def test_a_wal_that_was_removed_is_noticed_before_anything_is_acknowledged(log: SqliteLog) -> None:
    add(log, durability=Durability.SYNC)
    Path(f"{log.path}-wal").unlink()
    with pytest.raises(LogUnavailable, match="fsynced"):
        add(log, durability=Durability.SYNC)
    with pytest.raises(LogUnavailable, match="fsynced"):
        add(log)
    assert log.broken
    with pytest.raises(LogUnavailable):
        log.close()
    assert not is_held(log.path)


# --- threads


def test_threads_commit_together_in_order(log: SqliteLog) -> None:
    """Sixteen threads, mixed durability: each finds its own events in the order in which it wrote them."""
    got: dict[str, list[tuple[int, str]]] = defaultdict(list)
    failed: list[BaseException] = []
    start = threading.Barrier(16)

    def write(session: str, durability: Durability) -> None:
        try:
            start.wait()
            for step in range(25):
                receipts = log.append([draft(session) for _ in range(1 + step % 3)], durability)
                got[session] += ((receipt.seq, receipt.event_id) for receipt in receipts)
                if durability is Durability.SYNC:
                    assert log.flushed > receipts[-1].seq
        except (AssertionError, StoreError) as error:
            failed.append(error)

    how = [Durability.SYNC, Durability.BUFFERED]
    threads = [
        threading.Thread(target=write, args=(f"s{number % 8}-{number}", how[number % 2])) for number in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    for session, acknowledged in got.items():
        events = list(log.events(session=session))
        assert [(event.seq, event.id) for event in events] == acknowledged
        assert [event.ord for event in events] == list(range(len(events)))
    assert log.head()[0] == 1 + sum(map(len, got.values()))
    with closing(raw(log)) as connection:
        (commits,) = connection.execute("SELECT count(*) FROM heads").fetchone()
    assert commits < 16 * 25, "no two threads ever shared a commit"
    sound(log)


def test_a_bad_draft_of_one_thread_does_not_harm_the_others(log: SqliteLog) -> None:
    taken = draft("s")
    log.append([taken], Durability.BUFFERED)
    start = threading.Barrier(8)
    refused: list[str] = []

    def write(number: int) -> None:
        start.wait()
        for _ in range(20):
            try:
                log.append([taken if number == 0 else draft(f"s{number}")], Durability.BUFFERED)
            except LogUnavailable as error:
                refused.append(str(error))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 20
    assert all("same id" in text for text in refused)
    assert log.head()[0] == 2 + 7 * 20
    sound(log)


def test_many_sessions_are_counted_each_from_where_it_was(log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bailiwick.stores.log_batch.MAX_ORDS", 3)
    for step in range(3):
        for number in range(8):
            log.append([draft(f"s{number}")], Durability.BUFFERED)
        assert [event.ord for event in log.events(session="s5")] == list(range(step + 1))
    sound(log)


# --- failures


def test_a_full_disk_breaks_the_log_until_it_is_opened_again(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log._db.execute(f"PRAGMA max_page_count = {log._db.execute('PRAGMA page_count').fetchone()[0] + 8}")
    acknowledged: list[Receipt] = []

    def fill() -> None:
        for _ in range(1000):
            acknowledged.extend(log.append([draft("s")], Durability.SYNC))

    with pytest.raises(LogUnavailable, match="disk is full") as caught:
        fill()
    assert "free the disk" in caught.value.hint
    assert acknowledged
    assert log.broken
    log._db.execute("PRAGMA max_page_count = 1000000")
    with pytest.raises(LogUnavailable, match="disk is full"):
        add(log)  # there is room now, and still nothing: a record might be missing before it
    sound(log)
    with pytest.raises(LogUnavailable):
        log.append([draft("s")], Durability.BUFFERED)
    log.close()
    with open_log(tmp_path) as again:
        assert again.path == log.path
        assert {receipt.event_id for receipt in acknowledged} <= {event.id for event in again.events()}
        add(again)
        sound(again)


def test_a_log_that_could_not_be_made_leaves_nothing_behind(tmp_path: Path) -> None:
    """A lock without its log would look as if a log had been removed."""
    given: list[bytes] = []

    def entropy(count: int, /) -> bytes:
        if given:
            raise OSError("no more")
        given.append(bytes(count))
        return given[0]

    with pytest.raises(StoreError, match="no log can be made"):
        SqliteLog.open(tmp_path, build="test", tenant="acme", env="test", clock=clock, entropy=entropy)
    assert list(tmp_path.iterdir()) == []


def test_everybody_waiting_hears_of_a_failure(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log._db.execute(f"PRAGMA max_page_count = {log._db.execute('PRAGMA page_count').fetchone()[0] + 20}")
    acknowledged: list[str] = []
    heard: list[str] = []

    def write(number: int) -> None:
        try:
            for _ in range(500):
                acknowledged.extend(one.event_id for one in log.append([draft(f"s{number}")], Durability.SYNC))
        except LogUnavailable as error:
            heard.append(str(error))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(heard) == 8
    assert set(acknowledged) <= {event.id for event in log.events()}
    sound(log)
    log.close()


def test_a_failure_in_another_thread_does_not_tear_what_is_written_just_now(tmp_path: Path) -> None:
    """A sync or a checkpoint fails while a transaction is open: it is written whole or not at all."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for number in range(10):
            log = open_log(tmp_path / str(number))

            def write(log: SqliteLog = log) -> None:
                with suppress(LogUnavailable):
                    while True:
                        log.append([draft("s") for _ in range(20)], Durability.BUFFERED)

            writer = threading.Thread(target=write)
            writer.start()
            while not log._db.in_transaction:
                pass
            log.fail("its sync failed")
            writer.join()
            sound(log)
            with suppress(LogUnavailable):  # what was buffered may not be durable, and it says so
                log.close()
            with open_log(tmp_path / str(number)) as again:
                assert (again.path, again.skipped) == (log.path, ())
    finally:
        sys.setswitchinterval(interval)


def test_somebody_else_who_writes_into_the_file_breaks_the_log(log: SqliteLog) -> None:
    add(log)
    with closing(raw(log)) as connection:
        connection.execute(
            "INSERT INTO events SELECT seq + 1, 'x', 'x', 0, kind, 0, data, leaf FROM events WHERE seq = 1"
        )
    with pytest.raises(LogUnavailable, match="somebody else"):
        add(log)
    assert log.broken
    log.close()


def test_a_forked_child_cannot_write_and_does_not_keep_the_log_held(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    add(log)
    told, tell = os.pipe()
    end, ending = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - the child's coverage is not recorded
        os.close(ending)
        try:
            add(log)
            os.write(tell, b"appended")
        except LogUnavailable as error:
            os.write(tell, str(error).encode())
        log.close()
        os.read(end, 1)
        os._exit(0)
    try:
        assert b"forked" in os.read(told, 1000)
        add(log)
        assert is_held(log.path)
        sound(log)
        log.close()
        assert not is_held(log.path)
        with open_log(tmp_path) as again:
            assert again.path == log.path
    finally:
        for descriptor in (ending, end, told, tell):
            os.close(descriptor)
        os.waitpid(child, 0)


# --- one log per process


def test_two_openings_of_one_folder_are_two_logs(tmp_path: Path) -> None:
    with open_log(tmp_path) as first, open_log(tmp_path) as second:
        assert first.path != second.path
        assert list_logs(tmp_path) == tuple(sorted((first.path, second.path)))
        assert is_held(first.path)
        assert is_held(second.path)
    assert not is_held(first.path)
    assert not is_held(log_path(tmp_path, "log-none"))


def test_two_processes_that_open_one_folder_have_two_logs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.stores.log_process", str(tmp_path), "hold"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        theirs = other.stdout.readline().strip()
        with open_log(tmp_path) as mine:
            assert theirs.startswith("log-")
            assert mine.log_id != theirs
            assert is_held(log_path(tmp_path, theirs))
        other.stdin.close()
    assert not is_held(log_path(tmp_path, theirs))
    assert verify_folder(tmp_path).state is State.SOUND


def test_a_log_is_continued_and_says_what_it_found(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.append([draft("s", {"decisions": 1}, CLOSED)], Durability.SYNC)
        size, root = log.head()
    with open_log(tmp_path) as again:
        assert again.path == log.path
        assert again.unresolved == ()
        assert again.skipped == ()
        again.append([draft("s", {"decisions": 2}, CLOSED)], Durability.SYNC)
        assert [event.ord for event in again.events(session="s")] == [0, 1]
        kinds = [event.kind for event in again.events()]
        assert kinds == [EventKind.LOG_OPENED, CLOSED, EventKind.LOG_OPENED, CLOSED]
        opened = list(again.events())[2]
        assert opened.body["previous"] == {"root": root, "size": size}
        sound(again)


def test_another_tenants_log_is_left_alone(tmp_path: Path) -> None:
    with open_log(tmp_path) as mine:
        add(mine)
        head = mine.head()
    with SqliteLog.open(tmp_path, build="t", tenant="other", env="prod", clock=clock, entropy=os.urandom) as theirs:
        assert theirs.path != mine.path
        assert theirs.skipped == ()
    with LogReader.open(mine.path) as reader:
        assert reader.head() == head


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("DELETE FROM events WHERE seq = 2", "missing"),
        ("DELETE FROM events WHERE seq >= 3", "last head"),
        ("DELETE FROM heads", "last head"),
        ("UPDATE events SET data = CAST(data || 'x' AS BLOB) WHERE seq = 2", "changed"),
        ("UPDATE events SET leaf = zeroblob(32) WHERE seq = 2", "changed"),
        ("UPDATE heads SET peaks = zeroblob(length(peaks)) WHERE size = 4", "last head"),
        ("UPDATE heads SET peaks = zeroblob(5) WHERE size = 4", "head is damaged"),
        ("PRAGMA user_version = 99", "format"),
        ("DROP TABLE heads", "no such table"),
    ],
)
def test_a_log_that_is_not_sound_is_not_continued(tmp_path: Path, damage: str, says: str) -> None:
    with open_log(tmp_path) as log:
        for _ in range(3):
            add(log)
    with closing(raw(log)) as connection:
        connection.execute(damage)
    with open_log(tmp_path) as other:
        assert other.path != log.path
        ((skipped, why),) = other.skipped
        assert skipped == log.path
        assert says in why
    assert not is_held(log.path)


def test_a_renamed_log_is_not_continued(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        add(log)
    log.path.rename(log_path(tmp_path, "log-0000"))
    with open_log(tmp_path) as other:
        assert "own opening" in other.skipped[0][1]


def test_a_long_log_is_continued_from_its_last_heads(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        for _ in range(300):
            add(log)
    with open_log(tmp_path) as again:
        assert again.path == log.path
        sound(again)


def test_a_folder_that_cannot_be_written_is_said_to_be_one(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(StoreError, match="no log can be opened") as caught:
        open_log(blocked / "logs")
    assert caught.value.hint


def test_the_files_are_for_their_owner_alone(log: SqliteLog) -> None:
    add(log)
    for path in log.path.parent.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path


# --- recovery


def test_promise_5_calls_without_an_outcome_are_found_at_every_opening_until_reconciled(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    done, lost, denied = draft("s"), draft("s"), draft("s", _without_permit())
    log.append([done, lost, denied], Durability.SYNC)
    ended = {"decision": done.id, "permit": done.body["permit"]}
    log.append([draft("s", ended, EventKind.ACTION_COMPLETED)], Durability.SYNC)
    log.close()
    for opening in range(2):
        with open_log(tmp_path) as again:
            assert [event.id for event in again.unresolved] == [lost.id]
            assert again.unresolved[0].body["permit"] == lost.body["permit"]
            recovered = list(again.events(kinds=[EventKind.LOG_RECOVERED]))
            assert len(recovered) == opening + 1
            assert recovered[-1].body["unknown"] == [lost.id]
            sound(again)
    with open_log(tmp_path) as again:
        seen = {"decision": lost.id, "as": "did-not-run", "by": "User::carol"}
        again.append([draft("", seen, EventKind.ACTION_RECONCILED)], Durability.SYNC)
    for _ in range(2):
        with open_log(tmp_path) as again:
            assert again.unresolved == ()
    with LogReader.open(log.path) as reader:
        assert len(list(reader.events(kinds=[EventKind.LOG_RECOVERED]))) == 3
        assert reader.verify().unknown == ()


def test_a_call_reconciled_in_another_log_is_resolved(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        lost = draft("s")
        log.append([lost], Durability.SYNC)
        with open_log(tmp_path) as other:
            seen = {"decision": lost.id, "as": "ran", "by": "User::carol"}
            other.append([draft("", seen, EventKind.ACTION_RECONCILED)], Durability.SYNC)
    assert verify_folder(tmp_path).unknown == ()
    with open_log(tmp_path) as again:
        assert again.path == log.path
        assert again.unresolved == ()


def test_more_unknown_calls_than_fit_into_one_event_are_all_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bailiwick.stores.log_recovery.PER_EVENT", 4)
    with open_log(tmp_path) as log:
        drafts = [draft("s") for _ in range(10)]
        log.append(drafts, Durability.SYNC)
    for _ in range(2):
        with open_log(tmp_path) as again:
            assert [event.id for event in again.unresolved] == [one.id for one in drafts]
    with LogReader.open(log.path) as reader:
        assert len(list(reader.events(kinds=[EventKind.LOG_RECOVERED]))) == 6


def _without_permit() -> dict[str, object]:
    body = allowed("x")
    del body["permit"]
    return body


def test_erasing_a_content_leaves_every_proof_valid(log: SqliteLog) -> None:
    kept = draft("s")
    log.append([replace(kept, contents=(Content(role="text", data=b"Alice Smith"),))], Durability.SYNC)
    head = log.head()
    with closing(raw(log)) as connection:
        connection.execute("DELETE FROM contents")
    assert log.content(kept.id, "text") is None
    with LogReader.open(log.path) as reader:
        report = reader.verify([KeptHead(*head, "kept")])
    assert report.state is State.SOUND
    assert report.erased == 1
