"""Reading stored logs: beside a writer, from copies, and from files that were damaged. DESIGN §3 promise 6."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bailiwick.audit.kept import KeptHead
from bailiwick.audit.report import State
from bailiwick.audit.search_terms import Query
from bailiwick.audit.trace import show, timeline, why
from bailiwick.errors import StoreError, UsageError
from bailiwick.model.event import EventKind
from bailiwick.model.tool import Durability
from bailiwick.stores.log_file import list_logs, log_path
from bailiwick.stores.log_index import LogIndex
from bailiwick.stores.log_reader import LogReader
from bailiwick.stores.log_verification import Against, verify_folder
from bailiwick.stores.sqlite_log import SqliteLog
from tests.audit.samples import Ticking, story
from tests.stores.log_process import draft, open_log


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """The file of a closed log that holds the story."""
    with open_log(tmp_path / "logs") as log:
        _tell(log)
    return log.path


def _tell(log: SqliteLog) -> None:
    for one in story(Ticking()):
        if one.kind is not EventKind.LOG_OPENED:
            log.append([one], Durability.BUFFERED)


def _verify(path: Path) -> State:
    with LogReader.open(path) as reader:
        return reader.verify().state


def test_a_log_is_verified_while_it_is_written(tmp_path: Path) -> None:
    with open_log(tmp_path) as log, LogReader.open(log.path) as reader:
        for size in range(2, 30):
            log.append([draft("s")], Durability.BUFFERED)
            report = reader.verify()
            assert report.state is State.SOUND
            assert report.head == reader.head() == log.head()
            assert report.head[0] == size


def test_reading_holds_nobody_up(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.append([draft("s") for _ in range(5)], Durability.BUFFERED)
        with LogReader.open(log.path) as reader:
            events = reader.events()
            next(events)
            log.append([draft("s")], Durability.SYNC)
            assert len(list(events)) == 5


def test_a_copy_of_an_open_log_is_complete(tmp_path: Path) -> None:
    with open_log(tmp_path / "logs") as log:
        _tell(log)
        copy = log_path(tmp_path, log.log_id)
        with LogReader.open(log.path) as reader:
            reader.copy(copy)
        assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [copy.name]
        with LogReader.open(copy) as reader:
            report = reader.verify([KeptHead(*log.head(), "kept")])
            assert report.state is State.SOUND
            assert report.head == log.head()
        log.append([draft("s")], Durability.SYNC)


def test_promise_6_each_flipped_byte_of_an_event_is_found_and_the_record_named(stored: Path) -> None:
    """The event's bytes are looked up in the file, and one of them is flipped, at several places."""
    whole = stored.read_bytes()
    with closing(sqlite3.connect(f"file:{stored}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT seq, data FROM events WHERE kind != 'log.opened'").fetchall()
    for seq, data in rows[:: len(rows) // 5]:
        assert data in whole
        for offset in (0, 40, len(data) - 1):
            flipped = bytearray(data)
            flipped[offset] ^= 1
            stored.write_bytes(whole.replace(data, flipped))
            with LogReader.open(stored) as reader:
                report = reader.verify()
                assert report.state is State.TAMPERED
                assert report.problems[0].seq == seq
                assert report.problems[0].code == "changed"
                with pytest.raises(StoreError, match=f"record {seq} of log-.* is not what was written"):
                    list(reader.events())


def test_any_flipped_byte_is_found_or_changes_nothing_that_was_recorded(stored: Path) -> None:
    """Flip one byte in every few hundred of the file: it is tampered, unreadable, or says the same as before."""
    whole = stored.read_bytes()
    before = _content(stored)
    states = []
    for at in range(0, len(whole), 397):
        flipped = bytearray(whole)
        flipped[at] ^= 0x20
        stored.write_bytes(flipped)
        report = verify_folder(stored.parent)
        states.append(report.state)
        if report.state is State.SOUND:
            assert _content(stored) == before, at
    assert states.count(State.TAMPERED) > 10


def _content(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        queries = (
            "SELECT * FROM events ORDER BY seq",
            "SELECT * FROM contents LEFT JOIN blobs USING (address) ORDER BY seq, role",
        )
        return [row for query in queries for row in connection.execute(query)]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda whole: b"", id="empty"),
        pytest.param(lambda whole: b"not a database, and long enough to be looked at " * 100, id="garbage"),
        pytest.param(lambda whole: whole[: len(whole) // 2], id="torn"),
        pytest.param(lambda whole: whole[:100], id="header only"),
        pytest.param(lambda whole: b"\0" * 4096 + whole[4096:], id="first page gone"),
        pytest.param(lambda whole: whole[:4096] + b"\xff" * (len(whole) - 4096), id="all but the first page gone"),
    ],
)
def test_a_file_that_cannot_be_read_is_unreadable_and_not_tampered(
    stored: Path, damage: Callable[[bytes], bytes]
) -> None:
    stored.write_bytes(damage(stored.read_bytes()))
    report = verify_folder(stored.parent)
    assert report.state is State.UNREADABLE, report
    assert report.logs[0].unreadable
    assert report.logs[0].log == stored.stem


def test_another_database_is_not_taken_for_a_log(tmp_path: Path) -> None:
    path = tmp_path / "log-x.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE events (seq)")
    with pytest.raises(StoreError, match="not a log of format"):
        LogReader.open(path)
    with pytest.raises(StoreError, match="there is no log"):
        LogReader.open(tmp_path / "log-y.db")


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("DELETE FROM events WHERE seq = 5", "missing"),
        ("DELETE FROM events WHERE seq > 20", "cut-off"),
        ("UPDATE events SET ts_us = 'soon' WHERE seq = 5", None),
        ("UPDATE events SET session = 'other' WHERE seq = 5", "index-differs"),
        ("UPDATE events SET session = CAST(x'ff' AS TEXT) WHERE seq = 5", "index-differs"),
        ("UPDATE events SET kind = CAST(x'ff' AS TEXT) WHERE seq = 5", "index-differs"),
        ("UPDATE events SET data = CAST('text' AS BLOB) WHERE seq = 5", "changed"),
        (
            "UPDATE blobs SET data = x'00' WHERE address = (SELECT address FROM contents WHERE seq = 3)",
            "content-changed",
        ),
        ("UPDATE contents SET salt = CAST(salt || x'00' AS BLOB) WHERE seq = 3", "content-changed"),
        ("UPDATE contents SET role = 'other' WHERE seq = 3", "stray-content"),
        ("UPDATE contents SET role = CAST(x'ff' AS TEXT) WHERE seq = 3", "stray-content"),
        ("INSERT INTO contents VALUES (-1, 'x', x'00', x'00', '')", "stray-content"),
        ("UPDATE heads SET peaks = zeroblob(length(peaks)) WHERE size = (SELECT max(size) FROM heads)", "head-differs"),
        ("INSERT INTO heads VALUES (1000, x'00')", "head-damaged"),
        ("DELETE FROM heads", "uncovered"),
    ],
)
def test_promise_6_tampering_with_the_tables_shows(stored: Path, sql: str, code: str | None) -> None:
    with closing(sqlite3.connect(stored, isolation_level=None)) as connection:
        if code is None:
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(sql)
            return
        connection.execute(sql)
    with LogReader.open(stored) as reader:
        report = reader.verify()
    if code == "head-damaged":
        code = "cut-off"
    assert code in {problem.code for problem in report.problems}, report.problems


def test_a_text_that_is_none_is_found_wherever_it_stands(tmp_path: Path) -> None:
    with open_log(tmp_path / "logs") as log:
        log.append([draft("s") for _ in range(700)], Durability.BUFFERED)
    with closing(sqlite3.connect(log.path, isolation_level=None)) as connection:
        connection.execute("UPDATE events SET session = CAST(x'ff' AS TEXT) WHERE seq IN (300, 600)")
    with LogReader.open(log.path) as reader:
        report = reader.verify()
    assert [problem.seq for problem in report.problems if problem.code == "index-differs"] == [300, 600]
    assert (report.head[0], report.unreadable) == (701, "")


def test_an_index_that_hides_a_record_is_found(stored: Path) -> None:
    with closing(sqlite3.connect(stored, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = 'CREATE INDEX events_kind ON events (kind) WHERE seq < 0'"
            " WHERE name = 'events_kind'"
        )
    with closing(sqlite3.connect(stored, isolation_level=None)) as connection:
        connection.execute("REINDEX events_kind")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = 'CREATE INDEX events_kind ON events (kind)' WHERE name = 'events_kind'"
        )
    with LogReader.open(stored) as reader:
        report = reader.verify()
    assert {problem.code for problem in report.problems} == {"storage"}
    assert "missing from index events_kind" in report.problems[0].message


def test_a_changed_content_is_not_handed_out(stored: Path) -> None:
    with LogReader.open(stored) as reader:
        event = next(reader.events(kinds=[EventKind.CONTENT_INGESTED]))
        assert reader.content(event.id, "text") == b"Please write to eve@example.com"
    with closing(sqlite3.connect(stored, isolation_level=None)) as connection:
        connection.execute("UPDATE blobs SET data = x'00'")
    with LogReader.open(stored) as reader, pytest.raises(StoreError, match="content 'text' of record 3"):
        reader.content(event.id, "text")


def test_a_log_in_a_folder_where_nothing_can_be_put_beside_it_is_read(stored: Path) -> None:
    Path(f"{stored}-shm").mkdir()  # SQLite cannot make its shared memory there
    assert _verify(stored) is State.SOUND


# --- folders


def test_a_folder_without_logs_is_not_sound(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no log"):
        verify_folder(tmp_path)
    with pytest.raises(StoreError, match="there is no log"):
        verify_folder(tmp_path / "none")


def test_a_log_that_was_removed_is_missed_if_its_head_was_kept(stored: Path) -> None:
    with LogReader.open(stored) as reader:
        kept = Against(heads={reader.log_id: (KeptHead(*reader.head(), "the auditor's head"),)})
    assert verify_folder(stored.parent, against=kept).state is State.SOUND
    with open_log(stored.parent) as same, open_log(stored.parent):
        assert same.path == stored
    stored.unlink()
    report = verify_folder(stored.parent)
    assert report.state is State.SOUND
    assert [warning.code for warning in report.warnings] == ["log-gone"]
    report = verify_folder(stored.parent, against=kept)
    assert report.state is State.TAMPERED
    assert [problem.code for log in report.logs for problem in log.problems] == ["gone"]


def test_a_log_that_was_replaced_by_another_is_found(stored: Path, tmp_path: Path) -> None:
    with LogReader.open(stored) as reader:
        kept = Against(heads={reader.log_id: (KeptHead(*reader.head(), "the auditor's head"),)})
    with open_log(tmp_path / "elsewhere") as other:
        _tell(other)
    shutil.copy(other.path, stored)
    report = verify_folder(stored.parent)
    assert "foreign" in {problem.code for problem in report.logs[0].problems}
    assert "replaced" in {problem.code for problem in verify_folder(stored.parent, against=kept).logs[0].problems}


# --- trace


@pytest.fixture
def graph(stored: Path) -> Iterator[LogIndex]:
    """The story's log, and another in which a person answered for one of its calls."""
    with open_log(stored.parent) as _held, open_log(stored.parent) as other:
        other.append([draft("another", {"decisions": 0}, EventKind.SESSION_CLOSED)], Durability.SYNC)
        with LogIndex.open(stored.parent.parent / "index.db", stored.parent) as index:
            index.catch_up()
            yield index


def _first(graph: LogIndex, kind: EventKind) -> str:
    return graph.search(Query(wanted={"kind": (kind.value,)}), limit=100).items[-1].id


def _call(graph: LogIndex) -> str:
    found = graph.search(Query(wanted={"kind": ("decision",), "outcome": ("allow",)}), limit=100).items
    return next(entry.id for entry in reversed(found) if graph.edges_forward(entry.id))


def test_why_leads_from_each_argument_to_where_its_value_was_seen(graph: LogIndex) -> None:
    told = why(graph, _call(graph))
    assert told.decision.body["tool"] == "mail.send"
    (argument,) = told.arguments
    assert (argument.name, argument.endorsed, argument.endorsed_by) == ("to", True, ("user",))
    (origin,) = argument.origins
    assert (origin.source, origin.path, origin.how) == ("user", "", "exact")
    assert origin.event is not None
    assert origin.event.body["content"] == "c-1"
    assert origin.event.body["label"]["sources"] == ["kb:article-17", "user"]  # type: ignore[index]
    assert [event.id for event in told.heard] == [origin.event.id]
    assert [event.kind for event in told.related] == [
        EventKind.APPROVAL_REQUESTED,
        EventKind.APPROVAL_REFUSED,
        EventKind.APPROVAL_GRANTED,
        EventKind.ACTION_COMPLETED,
        EventKind.CONTENT_INGESTED,
        EventKind.APPROVAL_REMEMBERED,
        EventKind.APPROVAL_FORGOTTEN,
    ]


@pytest.mark.parametrize(
    "kind",
    [EventKind.ACTION_COMPLETED, EventKind.ACTION_FAILED, EventKind.APPROVAL_REQUESTED, EventKind.APPROVAL_GRANTED],
)
def test_why_is_answered_from_what_followed(graph: LogIndex, kind: EventKind) -> None:
    assert why(graph, _first(graph, kind)).decision.kind is EventKind.DECISION


def test_show_gives_an_event_its_contents_and_what_belongs_to_it(graph: LogIndex) -> None:
    shown = show(graph, _call(graph))
    assert shown.contents == {"args": b'{"to":["eve@example.com"]}'}
    assert EventKind.ACTION_COMPLETED in {event.kind for event in shown.related}
    outcome = show(graph, _first(graph, EventKind.ACTION_COMPLETED))
    assert outcome.related[0].id == shown.event.id
    alone = show(graph, _first(graph, EventKind.POLICY_ACTIVATED))
    assert (alone.contents, alone.related) == ({}, ())


def test_the_timeline_merges_the_logs_by_time(tmp_path: Path) -> None:
    with open_log(tmp_path) as first, open_log(tmp_path) as second:
        written = [log.append([draft(log.log_id)], Durability.BUFFERED)[0] for log in (first, second) * 3]
        events = list(timeline([first, second], kinds=[EventKind.DECISION]))
        assert [event.id for event in events] == [receipt.event_id for receipt in written]
        assert {event.log for event in timeline([first, second], session=second.log_id)} == {second.log_id}


def test_questions_that_have_no_answer_say_so(graph: LogIndex) -> None:
    with pytest.raises(UsageError, match="no log here has an event") as caught:
        why(graph, "none")
    assert "audit show" in caught.value.hint
    with pytest.raises(UsageError, match="belongs to no decision"):
        why(graph, _first(graph, EventKind.POLICY_ACTIVATED))


def test_the_latest_events_are_read_without_the_others(tmp_path: Path) -> None:
    """A log may hold millions; looking at its end must not read it all."""
    for _ in range(2):
        with open_log(tmp_path) as log, open_log(tmp_path) as other:
            for one in (log, other):
                one.append([draft("s") for _ in range(20)], Durability.BUFFERED)
    readers = [LogReader.open(path) for path in list_logs(tmp_path)]
    every = list(timeline(readers))
    for last in (1, 7, 1000):
        seen = list(timeline(readers, last=last))
        assert seen[-last:] == every[-last:]
        assert len(seen) <= last * len(readers)
    for reader in readers:
        reader.close()
