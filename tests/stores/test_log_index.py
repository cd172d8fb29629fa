"""The index over logs and the slices that are cut from it, on what real sessions recorded."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from bailiwick import ApprovalPending, Denied, Guard, Session
from bailiwick.audit.links import Relation, names_of
from bailiwick.audit.search_terms import parse_terms
from bailiwick.audit.slices import MAX_FAN, Direction, EndReason, Entry, Slice, cut_out
from bailiwick.audit.trace import show, why
from bailiwick.errors import StoreError, UsageError
from bailiwick.stores.log_index import LogIndex, Page
from bailiwick.stores.log_search import search_contents
from bench.forensics import write_logs, write_note
from tests.guard.store_world import POISON, make_store_world, poisoned, session_of
from tests.worlds import AGENT, LOGS, MAIL, Tool, approve, events, make_world, opened

FOUND = {"write to": "ann@customer.example"}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stranger's page named whom to mail; a helper was told and mailed; a lead approved one of the mails."""
    folder = make_world(tmp_path_factory.mktemp("story"))
    with opened(folder) as session:
        session.prompt("Please tell Ann")
        session.call("page.read", {"id": "1"}, run=Tool(FOUND).run)
        with pytest.raises(ApprovalPending) as pending:
            session.call("mail.send", MAIL, run=Tool().run)
        approve(session, pending.value.approval_id)
        session.call("mail.send", MAIL, run=Tool().run)
        with session.delegate("helper", message="Write to ann@customer.example") as helper:
            with suppress(ApprovalPending):
                helper.call("mail.send", {**MAIL, "subject": "Again"}, run=Tool().run)
            helper.model_output("I wrote to her")
        session.message("helper", "I wrote to her")
    with opened(folder, conversation="c-2") as session, pytest.raises(Denied):
        session.call("page.read", {"id": "9"}, run=Tool().run)
    return folder


@pytest.fixture
def folder(story: Path, tmp_path: Path) -> Path:
    """The story's folder, to be changed."""
    return shutil.copytree(story, tmp_path / "project")


@contextmanager
def indexed(folder: Path, name: str = "index.db") -> Iterator[LogIndex]:
    with LogIndex.open(folder / ".bailiwick" / name, folder / LOGS) as index:
        index.catch_up()
        yield index


def one(index: LogIndex, terms: str) -> Entry:
    return index.search(parse_terms(terms, now_us=0)).items[0]


def cut(
    index: LogIndex, event: Entry, direction: Direction = Direction.BACK, *, steps: int = 32, nodes: int = 50
) -> Slice:
    found = cut_out(index, event.id, direction, steps=steps, nodes=nodes)
    assert found is not None
    return index.confirmed(found)


def told(found: Slice) -> set[tuple[Relation, str, str]]:
    """(relation, argument, kind of the earlier event) of each edge."""
    kinds = {entry.id: entry.about or entry.kind for entry in found.entries}
    return {(edge.relation, edge.name, kinds[edge.earlier]) for edge in found.edges}


def test_every_event_of_every_log_is_found_in_order(folder: Path) -> None:
    with indexed(folder) as index:
        known = {event.id: event for event in events(folder)}
        assert known
        entries = index.latest(limit=1000)[0]
        assert {entry.id for entry in entries} == set(known)
        assert index.catch_up() == 0
        for entry in entries:
            event = index.event(entry.id)
            assert event == known[entry.id]
            assert (entry.kind, entry.session, entry.ts_us) == (event.kind, event.session, event.ts_us)


def test_why_leads_from_a_mail_to_the_page_and_to_the_prompt(folder: Path) -> None:
    with indexed(folder) as index:
        found = cut(index, one(index, "tool:mail.send outcome:needs_approval actor:desk-bot -actor:helper"))
    assert {
        (Relation.ARGUMENT, "to", "tool:page.read"),
        (Relation.PROMPTED, "", "user"),
        (Relation.RESULT, "", "page.read"),
    } <= told(found)
    page = next(edge for edge in found.edges if edge.name == "to")
    assert page.label is not None
    assert (page.label["integrity"], page.path) == ("untrusted", '["write to"]')
    assert (EndReason.UNTOLD, "subject") in {(end.reason, end.name) for end in found.ends}
    assert EndReason.USER in {end.reason for end in found.ends}


def test_what_was_approved_leads_to_the_approval_and_the_first_try(folder: Path) -> None:
    with indexed(folder) as index:
        found = cut(index, one(index, "tool:mail.send outcome:allow"))
        kinds = {entry.kind for entry in found.entries}
        assert {"approval.granted", "approval.requested"} <= kinds
        assert sum(entry.kind == "decision" and entry.tool == "mail.send" for entry in found.entries) == 2
        granted = one(index, "kind:approval.granted")
        (desk,) = (row for row in index.sessions().items if row.conversation == "c-1" and not row.parent)
        shown = [entry.id for entry in index.timeline(desk.session).items]
        assert granted.id in shown, "people answer outside of the session, and it is shown with it all the same"


def test_who_edits_a_call_has_a_say_on_it_and_is_where_its_approval_leads() -> None:
    """Where an editor's word is enough, nobody else grants the edited call."""
    edited = {"approval": "apr-1", "successor": "apr-2"}
    assert set(names_of("approval.edited", edited)) == {"asked:apr-2", "approval:apr-2"}
    assert names_of("approval.edited", {**edited, "successor": ""}) == (), "it needs none"


def test_a_hand_over_is_followed_to_where_its_words_came_from(folder: Path) -> None:
    with indexed(folder) as index:
        found = cut(index, one(index, "tool:mail.send actor:helper"))
    assert {
        (Relation.ARGUMENT, "to", "helper"),
        (Relation.ARGUMENT, "message", "tool:page.read"),
        (Relation.RESULT, "", "page.read"),
    } <= told(found), "the mail's address stood in the message, and there it came from the page"


def test_what_a_sub_agent_said_leads_into_its_session(folder: Path) -> None:
    with indexed(folder) as index:
        found = cut(index, one(index, "kind:content.ingested origin:message source:helper"))
        (said,) = (edge for edge in found.edges if edge.relation is Relation.SAID)
        entry = index.entry(said.earlier)
        assert entry is not None
        assert (entry.origin, entry.actor[-1]) == ("model", 'Agent::"helper"')
        assert (entry.id, EndReason.MODEL) in {(end.event, end.reason) for end in found.ends}


def test_forward_is_backward_turned_around(folder: Path) -> None:
    with indexed(folder) as index:
        every = [entry.id for entry in index.latest(limit=1000)[0]]
        back = {edge for event in every for edge in index.edges_back(event) if edge.earlier in every}
        forward = {edge for event in every for edge in index.edges_forward(event)}
        assert back == forward
        assert back
        page = one(index, "kind:content.ingested source:tool:page.read")
        came = cut(index, page, Direction.FORWARD)
    assert {entry.tool for entry in came.entries if entry.kind == "decision"} >= {"mail.send"}
    assert any(entry.actor[-1:] == ('Agent::"helper"',) for entry in came.entries), "across the hand-over"


def test_a_slice_that_is_cut_says_so(folder: Path) -> None:
    with indexed(folder) as index:
        mail = one(index, "tool:mail.send outcome:allow")
        small = cut(index, mail, nodes=2)
        assert len(small.entries) == 2
        assert small.cut > 0
        near = cut(index, mail, steps=1)
        assert EndReason.STEPS in {end.reason for end in near.ends}


def test_an_event_of_another_folder_ends_the_trace(folder: Path) -> None:
    with indexed(folder) as index:
        mail = one(index, "tool:mail.send outcome:allow")
    with sqlite3.connect(folder / ".bailiwick/index.db") as raw:
        raw.execute("DELETE FROM events WHERE kind = (SELECT n FROM words WHERE word = 'content.ingested')")
    with LogIndex.open(folder / ".bailiwick/index.db", folder / LOGS) as index:
        found = cut_out(index, mail.id, Direction.BACK)
        assert found is not None
        assert EndReason.NOT_HERE in {end.reason for end in found.ends}


def test_an_index_that_was_changed_is_not_believed(folder: Path) -> None:
    with indexed(folder) as index:
        mail = one(index, "tool:mail.send outcome:allow")
    with sqlite3.connect(folder / ".bailiwick/index.db") as raw:
        raw.execute("UPDATE edges SET path = '[7]' WHERE path <> ''")
    with indexed(folder) as index, pytest.raises(StoreError, match="says other links"):
        cut(index, mail)
    for file in (folder / ".bailiwick").glob("index.db*"):
        file.unlink()
    with indexed(folder) as index:
        cut(index, mail)


@pytest.mark.parametrize("harm", ["garbage", "another version"])
def test_an_index_that_is_none_is_made_anew(folder: Path, harm: str) -> None:
    with indexed(folder) as index:
        count = len(index.latest(limit=1000)[0])
    path = folder / ".bailiwick/index.db"
    if harm == "garbage":
        path.write_bytes(b"no database " * 500)
    else:
        with sqlite3.connect(path) as raw:
            raw.execute("PRAGMA user_version = 99")
    with indexed(folder) as index:
        assert len(index.latest(limit=1000)[0]) == count


def test_an_index_that_cannot_be_opened_just_now_is_not_thrown_away(folder: Path) -> None:
    with indexed(folder):
        pass
    beside = folder / ".bailiwick/index.db-wal"
    beside.mkdir()
    with pytest.raises(StoreError, match="cannot be used"), indexed(folder):
        pass
    beside.rmdir()
    with LogIndex.open(folder / ".bailiwick/index.db", folder / LOGS) as index:
        assert index.catch_up() == 0


def test_a_log_that_was_removed_is_forgotten(folder: Path) -> None:
    with Guard.open(folder) as first, Guard.open(folder) as second:
        with second.session(user="alice", agent=AGENT, task="Work", conversation="c-9") as session:
            session.prompt("Hello")
        assert first.log.log_id != second.log.log_id
    with indexed(folder) as index:
        assert index.like("c-9")
        gone = one(index, "kind:content.ingested origin:prompt").log
        for file in (folder / LOGS).glob(f"{gone}*"):
            file.unlink()
        index.catch_up()
        assert not index.like("c-9")
        assert len(index.latest(limit=1000)[0]) == len(events(folder))


def test_what_is_followed_goes_on_after_a_log_was_removed(folder: Path) -> None:
    """All is indexed anew then, with fewer events: those that were handed out are not again, and none is skipped."""
    with Guard.open(folder) as first:
        with Guard.open(folder) as second, second.session(user="alice", agent=AGENT, task="Work") as session:
            session.prompt("Hello")
        gone = second.log.log_id
        with indexed(folder) as index:
            _, place = index.latest()
            for file in (folder / LOGS).glob(f"{gone}*"):
                file.unlink()
            for text in ("one", "two"):
                with first.session(user="alice", agent=AGENT, task="Work", conversation="c-5") as session:
                    session.prompt(text)
                index.catch_up()
                fresh, place = index.latest(after=place)
                kinds = [entry.kind for entry in fresh]
                assert kinds == ["session.opened", "content.ingested", "session.closed"]
            assert index.latest(after=place) == ([], place)


_CATCH_UP = """
import sys
from pathlib import Path
from bailiwick.stores.log_index import LogIndex
with LogIndex.open(Path(sys.argv[1]), Path(sys.argv[2])) as index:
    index.catch_up()
"""


def test_processes_that_catch_up_at_once_index_every_event_once(folder: Path) -> None:
    path = folder / ".bailiwick/shared.db"
    workers = [subprocess.Popen([sys.executable, "-c", _CATCH_UP, path, folder / LOGS]) for _ in range(3)]
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    with indexed(folder, "shared.db") as index:
        found = [entry.id for entry in index.latest(limit=1000)[0]]
        assert sum(row.events for row in index.sessions().items) == sum(bool(event.session) for event in events(folder))
    assert sorted(found) == sorted(event.id for event in events(folder))


def test_nothing_of_a_content_is_in_the_index(folder: Path) -> None:
    with indexed(folder):
        pass
    stored = b"".join(file.read_bytes() for file in (folder / ".bailiwick").glob("index.db*"))
    for content in (b"Please tell Ann", b"ann@customer.example", b"Good morning", b"I wrote to her"):
        assert content not in stored


@pytest.mark.parametrize(
    ("terms", "count"),
    [
        ("tool:mail.send", 5),
        ("tool:mail.* kind:decision", 3),
        ("kind:decision outcome:deny", 1),
        ("outcome:deny outcome:needs_approval", 3),
        ("kind:decision -tool:mail.send -outcome:deny", 2),
        ("policy:external-mail", 3),
        ("policy:page-9-is-closed", 1),
        ("actor:helper kind:decision", 1),
        ("actor:Agent::helper kind:decision", 1),
        ("actor:nobody", 0),
        ("tool:no.such", 0),
        ("source:tool:page.read", 1),
        ("kind:approval", 3),
        ("until:2001-01-01", 0),
    ],
)
def test_terms_find_what_they_say(folder: Path, terms: str, count: int) -> None:
    with indexed(folder) as index:
        found = index.search(parse_terms(terms, now_us=0)).items
        assert len(found) == count, [(entry.kind, entry.about, entry.outcome) for entry in found]
        every = index.latest(limit=1000)[0]
        assert {entry.id for entry in index.matching(parse_terms(terms, now_us=0), every)} == {e.id for e in found}


def test_pages_hold_everything_once(folder: Path) -> None:
    with indexed(folder) as index:
        for query in (parse_terms(text, now_us=0) for text in ("", "kind:decision kind:content", "actor:alice")):
            whole, parts = index.search(query, limit=1000).items, list[Entry]()
            page: Page[Entry] = Page(items=())
            while True:
                page = index.search(query, limit=3, before=page.next)
                parts += page.items
                if page.next is None:
                    break
            assert tuple(parts) == whole


def test_words_are_looked_for_in_contents(folder: Path) -> None:
    with indexed(folder) as index:
        found = search_contents(index, parse_terms('"ANN@customer.example" kind:content', now_us=0))
        assert [entry.about for entry in found.items] == ["tool:page.read"]
        assert found.next is None
        nothing = search_contents(index, parse_terms('"no such words"', now_us=0))
        assert (nothing.items, nothing.next) == ((), None)
        first = search_contents(index, parse_terms("customer.example", now_us=0), limit=1)
        rest = search_contents(index, parse_terms("customer.example", now_us=0), before=first.next)
        every = search_contents(index, parse_terms("customer.example", now_us=0))
        assert (*first.items, *rest.items) == every.items


def test_what_is_read_back_leads_to_the_call_that_wrote_it(tmp_path: Path) -> None:
    folder = make_store_world(tmp_path)
    with Guard.open(folder) as guard:
        with session_of(guard, "alice") as session:
            poisoned(session)
            session.call("note.save", {"title": "plan-1", "text": POISON}, run=Tool().run)
        with session_of(guard, "alice") as session:
            session.call("note.read", {"title": "plan-1"}, run=Tool({"text": POISON}).run)
    with indexed(folder) as index:
        found = cut(index, one(index, "kind:content.ingested source:tool:note.read"))
        assert (Relation.READ_BACK, "", "note.save") in told(found)
        wrote = one(index, "tool:note.save")
        came = cut(index, wrote, Direction.FORWARD)
    assert "tool:note.read" in {entry.about for entry in came.entries}, "into a session that came later"


def test_sessions_are_listed_with_what_they_did(folder: Path) -> None:
    with indexed(folder) as index:
        rows = {(row.agent, row.conversation): row for row in index.sessions().items}
        desk, helper = rows[AGENT, "c-1"], rows["helper", "c-1"]
        assert (helper.parent, [row.session for row in index.children(desk.session)]) == (
            desk.session,
            [helper.session],
        )
        assert (rows[AGENT, "c-2"].denied, desk.closed) == (1, True)
        refused = index.sessions(parse_terms("outcome:deny", now_us=0)).items
        assert [row.conversation for row in refused] == ["c-2"]
        with pytest.raises(UsageError):
            parse_terms("agent:helper", now_us=0)


def _work(index: LogIndex, event: str) -> int:
    """Steps of SQLite's machine that a slice takes, in hundreds."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    index._db.set_progress_handler(count, 100)
    cut_out(index, event, Direction.BACK)
    why(index, event)
    show(index, event)
    index.search(parse_terms("tool:mail.send outcome:deny", now_us=0), limit=5)
    index._db.set_progress_handler(None, 0)
    return steps


def test_the_work_does_not_grow_with_what_follows_from_an_event(tmp_path: Path) -> None:
    """One note that was written once, and is read back by every session since."""
    counts = []
    for size in (40, 400):
        folder = tmp_path / str(size)
        note, _last = write_note(folder, size)
        with LogIndex.open(tmp_path / f"{size}.db", folder) as index:
            index.catch_up()
            counts.append(_work(index, note))
            came = cut_out(index, note, Direction.FORWARD, nodes=500)
            assert came is not None
            assert ("action.completed" in {event.kind.value for event in why(index, note).related}) is True
            assert (EndReason.FAN in {end.reason for end in came.ends}) is (size > MAX_FAN)
    assert counts[1] < 2 * counts[0] + 20, counts


def test_the_work_of_a_question_does_not_grow_with_the_history(tmp_path: Path) -> None:
    counts = []
    for size in (1_000, 8_000):
        folder = tmp_path / str(size)
        ids = write_logs(folder, size, logs=2)
        with LogIndex.open(tmp_path / f"{size}.db", folder) as index:
            index.catch_up()
            counts.append(sum(_work(index, event) for event in ids[20:40]) / 20)
    assert counts[1] < 2 * counts[0] + 20, counts


def open_session(guard: Guard) -> Session:
    return guard.session(user="alice", agent=AGENT, task="Work", conversation="c-5")


def test_what_is_written_meanwhile_is_followed(folder: Path) -> None:
    with indexed(folder) as index, Guard.open(folder) as guard:
        index.catch_up()
        _, place = index.latest()
        with open_session(guard) as session:
            session.prompt("Hello")
        index.catch_up()
        fresh, place = index.latest(after=place)
        assert "session.opened" in [entry.kind for entry in fresh]
        assert index.latest(after=place)[0] == []
