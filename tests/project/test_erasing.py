"""Erasing what is kept about somebody: nothing of it is left in any file, and the record proves all that it did."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bailiwick import ApprovalPending, Denied, Document, Guard
from bailiwick.audit.kept import KeptHead
from bailiwick.audit.report import FolderReport, State
from bailiwick.guard.administration.erasing import SubjectOrder
from bailiwick.model.decision import Reason
from bailiwick.model.event import Event, EventKind
from bailiwick.project.erasing import Dropped, Eraser, Found
from bailiwick.stores.content_erasing import Kept
from bailiwick.stores.log_file import list_logs
from bailiwick.stores.log_reader import LogReader
from bailiwick.stores.log_verification import Against, verify_folder
from tests.worlds import FILES, LOGS, MAIL, Tool, approve, edit, events, make_world

ADMINS = """
@id("dora-erases")
permit (principal == User::"dora", action in [Action::"admin.erase", Action::"admin.hold"], resource);
"""

PROMPT = "My sister Wilhelmina Oakenshield-Barrow lives in Quarrington Lane, tell her hello"
PAGE = "Cardiology note: arrhythmia of the left chamber, Zbigniew Przybylski"
BODY = "Dear Wilhelmina, the parcel 77-1934-AX is at Thornbury station"
STEPS = ("keys", "record", "blobs", "state", "done")
WORDS = (PROMPT, PAGE, BODY, "Oakenshield", "Przybylski", "77-1934-AX", "arrhythmia")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    people = FILES["administration/people.cedar"] + ADMINS
    folder = make_world(tmp_path / "project", administration_people_cedar=people)
    for user, prompt in (("alice", PROMPT), ("bob", "Bob has a garden")):
        with (
            Guard.open(folder) as guard,
            guard.session(user=user, agent="desk-bot", task="Work", conversation="c") as session,
        ):
            session.prompt(prompt)
            page = PAGE if user == "alice" else "Roses"
            session.call("page.read", {"id": "1"}, run=Tool(page).run)
            with pytest.raises(ApprovalPending):
                session.call("mail.send", {**MAIL, "body": BODY if user == "alice" else "Hi"}, run=Tool().run)
            with pytest.raises(Denied):
                session.call("page.read", {"id": "9"}, run=Tool().run)
    return folder


def order(subject: str = "user:alice", by: str = "dora") -> SubjectOrder:
    return SubjectOrder(subject=subject, by=by, reason="she asked for it", os_user="0:test")


@contextmanager
def erasing(folder: Path) -> Iterator[Eraser]:
    with Guard.open(folder) as guard:
        yield Eraser(guard)


def erase(folder: Path, subject: str = "user:alice", by: str = "dora") -> Found | Reason:
    with erasing(folder) as eraser:
        found = eraser.count(order(subject, by))
        return (
            found if isinstance(found, Reason) else eraser.erase(order(subject, by), found, lambda _what, _many: None)
        )


def left(folder: Path, *words: str) -> list[tuple[str, str]]:
    """Which of these words stand in which files of the state folder, in any byte of them."""
    found = []
    for path in sorted(path for path in (folder / ".bailiwick").rglob("*") if path.is_file()):
        data = path.read_bytes()
        found += [(path.name, word) for word in words if word.encode() in data]
    return found


def verified(folder: Path) -> FolderReport:
    return verify_folder(folder / LOGS)


def texts(folder: Path) -> list[bytes | None]:
    """All contents of events on what was said or read, of all logs."""
    found = []
    for path in list_logs(folder / LOGS):
        with LogReader.open(path) as reader:
            said = list(reader.events(kinds=[EventKind.CONTENT_INGESTED]))
            found += [reader.content(event.id, "text") for event in said]
    return found


def erasures(folder: Path) -> list[Event]:
    return [event for event in events(folder) if event.kind is EventKind.CONTENT_ERASED]


def test_no_content_lies_in_the_logs_unsealed(folder: Path) -> None:
    assert {name for name, _ in left(folder, *WORDS)} <= {"state.db", "state.db-wal"}
    assert PROMPT.encode() in texts(folder)


def test_no_byte_of_the_person_is_left_and_every_proof_holds(folder: Path) -> None:
    assert left(folder, *WORDS), "the state keeps the user's own words, and cards, until they are erased"
    heads = {one.log: (KeptHead(*one.head, "the head before"),) for one in verified(folder).logs}
    done = erase(folder)
    assert isinstance(done, Found)
    assert (done.kept.contents > 5, done.rows > 1, len(done.keys)) == (True, True, 1)
    assert left(folder, *WORDS) == []
    digests = [hashlib.sha256(text.encode()).hexdigest() for text in (PROMPT, PAGE)]
    assert left(folder, *digests) == [], "a guess cannot be tried on what is left"
    report = verify_folder(folder / LOGS, against=Against(heads=heads))
    assert report.state is State.SOUND, report
    assert sum(one.erased for one in report.logs) == done.kept.contents
    assert [text for text in texts(folder) if text] == [b"Bob has a garden", b"Roses"]
    (event,) = erasures(folder)
    assert (event.body["subject"], event.body["by"], event.body["contents"]) == (
        "user:alice",
        "dora",
        done.kept.contents,
    )
    assert event.id == done.event


def test_who_may_not_erases_nothing(folder: Path) -> None:
    refused = erase(folder, by="bob")
    assert isinstance(refused, Reason)
    assert refused.code == "not-an-administrator"
    assert PROMPT.encode() in texts(folder)
    unknown = erase(folder, "user:nobody")
    assert isinstance(unknown, Reason)
    assert unknown.code == "unknown-subject"


def test_contents_after_an_erasure_are_under_a_new_key(folder: Path) -> None:
    erase(folder)
    with Guard.open(folder) as guard, guard.session(user="alice", agent="desk-bot", task="Work") as session:
        session.prompt("A new beginning")
    assert b"A new beginning" in texts(folder)
    again = erase(folder)
    assert isinstance(again, Found)
    assert b"A new beginning" not in texts(folder)
    assert verified(folder).state is State.SOUND


def test_a_hold_beats_an_erasure(folder: Path) -> None:
    for subject in ("user:alice", ""):
        with erasing(folder) as eraser:
            held = eraser.hold(order(subject))
            assert not isinstance(held, Reason)
        refused = erase(folder)
        assert isinstance(refused, Reason)
        assert refused.code == "on-hold"
        assert PROMPT.encode() in texts(folder)
        with erasing(folder) as eraser:
            assert not isinstance(eraser.lift(held.id, by="dora", reason="over", os_user=""), Reason)
            assert eraser.holds() == ()
    assert isinstance(erase(folder), Found)
    kinds = [event.kind for event in events(folder)]
    assert (kinds.count(EventKind.HOLD_SET), kinds.count(EventKind.HOLD_LIFTED)) == (2, 2)


def test_a_hold_that_comes_after_counting_still_beats_the_erasure(folder: Path) -> None:
    with erasing(folder) as eraser:
        found = eraser.count(order())
        assert not isinstance(found, Reason)
        assert not isinstance(eraser.hold(order()), Reason)
        refused = eraser.erase(order(), found, lambda _what, _many: None)
        assert isinstance(refused, Reason)
    assert PROMPT.encode() in texts(folder)
    assert erasures(folder) == []


def test_logs_from_a_backup_stay_unreadable(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / LOGS, tmp_path / "backup")
    erase(folder)
    shutil.rmtree(folder / LOGS)
    shutil.copytree(tmp_path / "backup", folder / LOGS)
    assert [text for text in texts(folder) if text] == [b"Bob has a garden", b"Roses"]
    assert sum(report.sealed for report in verified(folder).logs) > 5, "they are counted as not looked at"


def test_without_the_keys_all_is_verified_but_the_contents(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "auditor" / "log"
    shutil.copytree(folder / LOGS, copy)
    report = verify_folder(copy)
    assert report.state is State.SOUND, report
    assert sum(one.sealed for one in report.logs) == sum(one.contents for one in report.logs) > 10


def test_contents_that_somebody_deleted_without_an_erasure_are_missed(folder: Path) -> None:
    (path, *_) = list_logs(folder / LOGS)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM blobs")
        connection.commit()
    report = verified(folder)
    assert report.state is State.TAMPERED
    assert "content-gone" in {problem.code for problem in report.problems}


def test_another_process_that_goes_on_recording_notices(folder: Path) -> None:
    secret = "Agent Mulligan sleeps in Room 1408"
    worker = [sys.executable, "-m", "tests.project.erasing_worker", "record", str(folder), secret, "Afterwards"]
    with subprocess.Popen(worker, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "recorded\n"
        assert secret.encode() in texts(folder)
        assert isinstance(erase(folder), Found)
        assert secret.encode() not in texts(folder)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "recorded\n"
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.wait(30) == 0
    assert b"Afterwards" in texts(folder), "under a new key"
    assert left(folder, *WORDS, "Mulligan", "1408") == []
    assert verified(folder).state is State.SOUND


@pytest.mark.soak
@pytest.mark.parametrize("at", STEPS if "BAILIWICK_SOAK" in os.environ else STEPS[1:4:2])
def test_killed_in_the_middle_and_done_again(folder: Path, at: str) -> None:
    worker = [sys.executable, "-m", "tests.project.erasing_worker", "die", str(folder), at]
    assert subprocess.run(worker, timeout=60, check=False).returncode == -signal.SIGKILL
    report = verified(folder)
    assert report.state is State.SOUND, (at, report)
    with erasing(folder) as eraser:
        assert eraser.unfinished() == (() if at == "keys" else ("user:alice",))
    assert isinstance(erase(folder), Found)
    with erasing(folder) as eraser:
        assert eraser.unfinished() == ()
    assert left(folder, *WORDS) == []
    assert verified(folder).state is State.SOUND
    assert erasures(folder)


def test_a_restored_session_keeps_its_labels_and_loses_what_it_heard(folder: Path) -> None:
    erase(folder)
    with (
        Guard.open(folder) as guard,
        guard.session(user="alice", agent="desk-bot", task="Work", conversation="c") as session,
    ):
        label = session.label
        assert label.sensitivity >= 1
        assert "tool:page.read" in str(sorted(label.sources)) or label.integrity.name == "UNTRUSTED"
        with pytest.raises(Denied) as refused:
            session.call("put.none", {"id": "Quarrington"}, run=Tool().run)
        assert "chosen-by-others" in {reason.code for reason in refused.value.decision.reasons}


def test_a_call_about_a_person_goes_with_that_person(folder: Path) -> None:
    edit(
        folder,
        "tools/desk.toml",
        'output   = { sensitivity = "internal" }',
        'output   = { sensitivity = "internal", subject = true }',
    )
    with Guard.open(folder) as guard, guard.session(user="bob", agent="desk-bot", task="Work") as session:
        session.prompt("Please read page 7")
        session.call("page.read", {"id": "7"}, run=Tool("The diary of patient 7").run)
    assert isinstance(erase(folder, "pages/7"), Found)
    kept = [text for text in texts(folder) if text]
    assert b"Please read page 7" in kept
    assert b"The diary of patient 7" not in kept
    assert left(folder, "The diary of patient 7") == []
    assert verified(folder).state is State.SOUND


def test_the_retention_drops_old_contents_but_those_on_hold(folder: Path) -> None:
    newest_us = max(event.ts_us for event in events(folder))
    old = Dropped(before_ms=newest_us // 1000 + 1, contents=1)
    with erasing(folder) as eraser:
        nothing = eraser.expired(by="dora", os_user="")
        assert not isinstance(nothing, Reason)
        assert nothing.contents == 0, "nothing is half a year old"
        assert not isinstance(eraser.hold(order("user:alice")), Reason)
        done = eraser.drop(old, lambda _what, _many: None, by="dora", os_user="")
        assert done.contents > 3
    assert PROMPT.encode() in texts(folder)
    assert b"Roses" not in texts(folder)
    report = verified(folder)
    assert report.state is State.SOUND, report
    with erasing(folder) as eraser:
        assert not isinstance(eraser.hold(order("")), Reason)
        assert eraser.drop(old, lambda _what, _many: None, by="dora", os_user="").everything_held


SUBJECT = ('output   = { sensitivity = "internal" }', 'output   = { sensitivity = "internal", subject = true }')
DIARY = b"The diary of patient 7"


def about_a_patient(folder: Path, user: str = "bob") -> None:
    """Pages are people from here on, and somebody reads one."""
    edit(folder, "tools/desk.toml", *SUBJECT)
    with Guard.open(folder) as guard, guard.session(user=user, agent="desk-bot", task="Work") as session:
        session.prompt("Please read page 7")
        session.call("page.read", {"id": "7"}, run=Tool(DIARY.decode()).run)


def test_a_hold_protects_contents_that_are_about_others_as_well(folder: Path) -> None:
    about_a_patient(folder)
    with erasing(folder) as eraser:
        held = eraser.hold(order("user:bob"))
        assert not isinstance(held, Reason)
        refused = eraser.count(order("pages/7"))
        assert isinstance(refused, Reason)
        assert (refused.code, "user:bob" in refused.message) == ("on-hold", True)
        unheld = Found(kept=Kept(), rows=0, keys=(), unfinished=())
        assert isinstance(eraser.erase(order("pages/7"), unheld, lambda _what, _many: None), Reason)
        assert DIARY in texts(folder)
        assert not isinstance(eraser.count(order("user:alice")), Reason), "she shares nothing with bob"
        assert not isinstance(eraser.lift(held.id, by="dora", reason="over", os_user=""), Reason)
    assert isinstance(erase(folder, "pages/7"), Found)
    assert DIARY not in texts(folder)


def test_somebody_of_that_name_in_another_environment_is_somebody_else(folder: Path) -> None:
    edit(folder, "bailiwick.toml", 'env    = "test"', 'env    = "prod"')
    with Guard.open(folder) as guard, guard.session(user="alice", agent="desk-bot", task="Work") as session:
        session.prompt("Alice of prod")
    with erasing(folder) as eraser:
        assert not isinstance(eraser.hold(order("")), Reason)
    edit(folder, "bailiwick.toml", 'env    = "prod"', 'env    = "test"')
    assert isinstance(erase(folder), Found), "a hold in prod is none in test"
    assert b"Alice of prod" in texts(folder)
    newest_us = max(event.ts_us for event in events(folder))
    with erasing(folder) as eraser:
        old = Dropped(before_ms=newest_us // 1000 + 1, contents=1)
        assert eraser.holds() == ()
        assert eraser.drop(old, lambda _what, _many: None, by="dora", os_user="").contents > 3
    assert [text for text in texts(folder) if text] == [b"Alice of prod"]


def test_cards_and_errors_about_a_person_go_with_that_person(folder: Path) -> None:
    edit(
        folder,
        "tools/desk.toml",
        'idempotency  = "none"\noutput       = { untrusted = [] }',
        'idempotency  = "safe"\nresource = "patients/{patient}"\n'
        'args.patient = { type = "string", role = "selector" }\n'
        "output = { untrusted = [], subject = true }",
    )
    with Guard.open(folder) as guard, guard.session(user="bob", agent="desk-bot", task="Work") as session:
        measles = {**MAIL, "patient": "7", "body": "Kerrigan has the measles"}
        with pytest.raises(ApprovalPending) as asked:
            session.call("mail.send", measles, run=Tool().run)
        approve(session, asked.value.approval_id, "dora")
        session.call("mail.send", measles, run=Tool().run)
        with pytest.raises(ApprovalPending):
            session.call("mail.send", {**MAIL, "patient": "8", "body": "Nothing of note"}, run=Tool().run)

        def fails(**_: object) -> object:
            raise ValueError("Kerrigan is not at home")

        with pytest.raises(ValueError, match="not at home"):
            session.call("mail.send", {**measles, "to": ["dora@acme.example"]}, run=fails)
    assert left(folder, "Kerrigan")
    assert len([each for each in all_contents(folder) if each and b"Kerrigan" in each]) > 4
    assert isinstance(erase(folder, "patients/7"), Found)
    assert left(folder, "Kerrigan") == [], "not in the state, nor in the card of a call that was compared with that one"
    assert [each for each in all_contents(folder) if each and b"Kerrigan" in each] == []
    assert verified(folder).state is State.SOUND


def all_contents(folder: Path) -> list[bytes | None]:
    """Every content of every event, of all logs."""
    found = []
    for path in list_logs(folder / LOGS):
        with LogReader.open(path) as reader:
            found += [reader.content_of(event, role) for event in reader.events() for role in event.commitments]
    return found


def test_a_search_is_about_those_whom_it_found(folder: Path) -> None:
    edit(folder, "tools/desk.toml", SUBJECT[0], 'output = { sensitivity = "internal", subject = "patients/{id}" }')
    rows = [{"id": 7, "note": "measles"}, {"id": "8", "note": "mumps"}]
    with Guard.open(folder) as guard, guard.session(user="bob", agent="desk-bot", task="Work") as session:
        session.call("page.read", {"id": "all"}, run=Tool(rows).run)
        session.call("page.read", {"id": "some"}, run=Tool(rows[1:]).run)
        said = {"data_subject": "patients/7", "sensitivity": "public"}
        assert len(session.retrieved("kb", [Document("Patient 7 snores", said), "and nobody else"])) == 2
    found = erase(folder, "patients/7")
    assert isinstance(found, Found)
    assert found.kept.contents == 2, "the search, and the document"
    kept = b" ".join(text for text in texts(folder) if text)
    assert (b"measles" in kept, b"snores" in kept, b"mumps" in kept, b"nobody else" in kept) == (
        False,
        False,
        True,
        True,
    )
    assert verified(folder).state is State.SOUND


def test_a_key_file_that_was_replaced_is_told(folder: Path) -> None:
    assert verified(folder).warnings == ()
    (folder / ".bailiwick/keys/subjects.db").unlink()
    with Guard.open(folder):
        pass
    report = verified(folder)
    assert report.state is State.SOUND
    assert {warning.code for warning in report.warnings} == {"keys-gone"}


def test_what_is_dropped_leaves_the_disk_while_a_process_writes(folder: Path) -> None:
    with Guard.open(folder) as guard, guard.session(user="alice", agent="desk-bot", task="Work") as session:
        for number in range(40):
            session.prompt(f"{number}" * 50_000)
        newest_us = max(event.ts_us for event in events(folder))
        old = Dropped(before_ms=newest_us // 1000 + 1, contents=1)
        with erasing(folder) as eraser:
            assert eraser.drop(old, lambda _what, _many: None, by="dora", os_user="").contents > 40
        session.prompt("and on it goes")
    assert sum(file.stat().st_size for file in (folder / LOGS).iterdir()) < 40 * 50_000
    assert [text for text in texts(folder) if text] == [b"and on it goes"]
    assert verified(folder).state is State.SOUND
