"""The parent of a folder's logs: what it is told, and that a crash at any instant leaves it and the logs whole."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bailiwick.audit.log_signer import LogSigner
from bailiwick.audit.merkle import verify_consistency
from bailiwick.audit.notes import KeyType, NoteSigner, parse
from bailiwick.audit.ports import ConsistencyProof, Cosigned, LogParts
from bailiwick.audit.report import FolderReport, State
from bailiwick.errors import ParentUnavailable
from bailiwick.model.event import EventKind
from bailiwick.model.tool import Durability
from bailiwick.stores.log_file import LogLock, list_logs, list_parents
from bailiwick.stores.log_proofs import LogProofs
from bailiwick.stores.log_reader import LogReader
from bailiwick.stores.log_recovery import Owner, create
from bailiwick.stores.log_verification import verify_folder
from bailiwick.stores.parent_log import SqliteParentLog
from bailiwick.stores.sqlite_log import SqliteLog
from tests.stores.log_process import clock, draft

KILLS = 300 if os.environ.get("BAILIWICK_SOAK") else 12
SIGNER = LogSigner("example.org/acme", [NoteSigner.from_seed("key", KeyType.ED25519, b"k" * 32).private])
OWNER = Owner(tenant="acme", env="prod", build="test")


class Cosigner:
    """A witness in this process: cosigns what continues what it saw, while it answers."""

    def __init__(self) -> None:
        self.answers = True
        self.seen: dict[str, tuple[int, bytes]] = {}
        self._key = NoteSigner.from_seed("w.example", KeyType.COSIGNATURE_ED25519, b"w" * 32)

    timeout_s = 1.0
    window_s = 5.0

    def close(self) -> None:
        """Nothing is open."""

    def cosign(self, note: str, size: int, proof: ConsistencyProof, /) -> Cosigned:
        if not self.answers:
            return Cosigned(lines=(), enough=False, refused=("w.example does not answer",))
        checkpoint = parse(note).checkpoint
        old, root = self.seen.get(checkpoint.origin, (0, b""))
        if old:
            assert verify_consistency(
                old_size=old, old_root=root, new_size=size, new_root=checkpoint.root, proof=proof(old)
            )
        self.seen[checkpoint.origin] = (size, checkpoint.root)
        return Cosigned(lines=(self._key.sign(parse(note).text, 1).format(),), enough=True)


def parent_of(folder: Path, witness: Cosigner | None = None, owner: Owner = OWNER) -> SqliteParentLog:
    return SqliteParentLog(folder, owner, clock=clock, entropy=os.urandom, signer=SIGNER, witnesses=witness)


def opened(folder: Path, witness: Cosigner | None = None, owner: Owner = OWNER) -> SqliteLog:
    return SqliteLog.open(
        folder,
        build="test",
        tenant=owner.tenant,
        env=owner.env,
        clock=clock,
        entropy=os.urandom,
        parts=LogParts(parent=parent_of(folder, witness, owner), signer=SIGNER),
    )


def said(folder: Path) -> Sequence[tuple[str, object]]:
    (path,) = list_parents(folder)
    with LogReader.open(path) as reader:
        return [(event.kind.value, event.body.get("size", 1)) for event in reader.events(after_seq=0)]


def codes(report: FolderReport) -> set[str]:
    inside = {problem.code for one in (*report.logs, *report.parents) for problem in one.problems}
    return inside | {problem.code for problem in report.problems}


def test_birth_close_and_continuing_are_recorded_before_anything_else(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        assert said(tmp_path) == [("log.born", 1)]
        log.append([draft("s")], Durability.SYNC)
    assert said(tmp_path) == [("log.born", 1), ("log.committed", 2)]
    with opened(tmp_path) as log:
        assert said(tmp_path)[2:] == [("log.committed", 2)]
    assert said(tmp_path)[3:] == [("log.committed", 4)], "it was opened, and a call looked for"
    report = verify_folder(tmp_path)
    assert report.state is State.SOUND
    assert (len(report.logs), len(report.parents)) == (1, 1)
    assert report.logs[0].parents == {report.parents[0].log}


def test_one_parent_for_all_processes_and_threads_of_a_folder(tmp_path: Path) -> None:
    logs: list[SqliteLog] = []
    threads = [threading.Thread(target=lambda: logs.append(opened(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for log in logs:
        log.close()
    assert len(list_parents(tmp_path)) == 1
    assert [kind for kind, _ in said(tmp_path)].count("log.born") == 8
    assert verify_folder(tmp_path).state is State.SOUND


def test_each_tenants_environment_has_its_own_parent(tmp_path: Path) -> None:
    other = Owner(tenant="other", env="prod", build="test")
    for owner in (OWNER, other, OWNER, other):
        opened(tmp_path, owner=owner).close()
    assert len(list_parents(tmp_path)) == 2
    assert verify_folder(tmp_path).state is State.SOUND


def test_a_log_that_was_made_and_not_born_is_a_crash_and_the_next_process_has_it_born(tmp_path: Path) -> None:
    parent = parent_of(tmp_path)
    path, lock = create(tmp_path, OWNER, clock=clock, entropy=os.urandom, parent=parent.name())
    lock.release()
    report = verify_folder(tmp_path)
    assert report.state is State.SOUND
    assert [warning.code for warning in report.warnings] == ["unborn"]
    with opened(tmp_path) as log:
        assert log.path == path
        assert said(tmp_path) == [("log.born", 1)]
    report = verify_folder(tmp_path)
    assert (report.state, report.warnings) == (State.SOUND, ())


def test_a_born_log_that_is_not_there_was_removed(tmp_path: Path) -> None:
    with opened(tmp_path) as log, opened(tmp_path) as other:
        paths = (log.path, other.path)
    for path in (paths[1], paths[1].with_suffix(".lock")):
        path.unlink()
    report = verify_folder(tmp_path)
    assert codes(report) == {"gone"}
    (gone,) = (one for one in report.logs if one.problems)
    assert gone.log == paths[1].stem
    opened(tmp_path).close()
    assert codes(verify_folder(tmp_path)) == {"gone"}, "it stays shown"


def test_a_log_set_back_is_not_continued(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        with LogReader.open(log.path) as reader:
            reader.copy(tmp_path / "early")
        log.append([draft("s")], Durability.SYNC)
        path = log.path
    (tmp_path / "early").rename(path)
    with opened(tmp_path) as log:
        assert log.path != path
        ((skipped, why),) = log.skipped
        assert skipped == path
        assert "had come to 2" in why
    assert codes(verify_folder(tmp_path)) == {"rolled-back"}


def test_a_log_that_the_parent_does_not_know_is_not_continued(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with SqliteLog.open(tmp_path / "b", build="t", tenant="acme", env="prod", clock=clock, entropy=os.urandom) as log:
        log.append([draft("s")], Durability.SYNC)
        path = log.path
    planted = tmp_path / path.name
    path.rename(planted)
    (known,) = (found for found in list_logs(tmp_path) if found != planted)
    held = LogLock.take(known)
    assert held is not None
    with opened(tmp_path) as log:
        assert log.path != planted
        assert [skipped for skipped, _ in log.skipped] == [planted]
    held.release()
    assert codes(verify_folder(tmp_path)) == {"unknown-log"}


@pytest.mark.parametrize("gone", [True, False])
def test_what_no_log_says_is_no_tampering_while_one_cannot_be_read(tmp_path: Path, gone: bool) -> None:
    """A full disk, say, keeps the parent from being read: nobody planted the log that it knows."""
    with opened(tmp_path) as log:
        log.append([draft("s")], Durability.SYNC)
    (parent,) = list_parents(tmp_path)
    if gone:
        parent.unlink()
    else:
        parent.write_bytes(b"no database" * 1000)
    found = verify_folder(tmp_path)
    assert found.state is (State.TAMPERED if gone else State.UNREADABLE), found
    assert codes(found) == ({"parent-gone", "unknown-log"} if gone else set())
    assert "unknown-log" in {warning.code for warning in found.warnings} or gone


def test_a_process_that_ended_before_it_had_made_its_log_is_not_taken_for_a_removed_one(tmp_path: Path) -> None:
    opened(tmp_path).close()
    (path,) = list_logs(tmp_path)
    ended = LogLock.take(path.with_stem(f"{path.stem[:-1]}x"))
    assert ended is not None
    ended.release()
    report = verify_folder(tmp_path)
    assert (report.state, [warning.code for warning in report.warnings]) == (State.SOUND, ["unborn"])
    (parent,) = list_parents(tmp_path)
    parent.unlink()
    assert "log-gone" in {warning.code for warning in verify_folder(tmp_path).warnings}


def test_a_parent_that_cannot_be_read_just_now_gets_no_second_one_beside_it(tmp_path: Path) -> None:
    """A full disk, say, or too many open files: what it knows is still needed."""
    opened(tmp_path).close()
    (parent,) = list_parents(tmp_path)
    beside = parent.with_name(f"{parent.name}-wal")
    beside.mkdir()
    with pytest.raises(ParentUnavailable):
        opened(tmp_path)
    beside.rmdir()
    assert list_parents(tmp_path) == (parent,)
    with opened(tmp_path) as log:
        assert log.skipped == ()
    assert verify_folder(tmp_path).state is State.SOUND


def test_giving_a_log_up_does_not_wait_for_whoever_keeps_the_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stopped process, say: the next one that continues the log says how far it had come."""
    monkeypatch.setattr("bailiwick.stores.parent_log.WAIT_AT_END", 0.05)
    log = opened(tmp_path)
    kept = LogLock.take(tmp_path / "parent.db")
    assert kept is not None
    began = time.monotonic()
    log.close()
    assert time.monotonic() - began < 10
    kept.release()
    assert said(tmp_path) == [("log.born", 1)]
    with opened(tmp_path) as again:
        assert again.path == log.path
    assert verify_folder(tmp_path).state is State.SOUND


def test_a_parent_that_was_removed_shows_and_a_running_process_takes_no_new_one(tmp_path: Path) -> None:
    parent = parent_of(tmp_path)
    parts = LogParts(parent=parent, signer=SIGNER)
    log = SqliteLog.open(tmp_path, build="t", tenant="acme", env="prod", clock=clock, entropy=os.urandom, parts=parts)
    (path,) = list_parents(tmp_path)
    path.unlink()
    with pytest.raises(ParentUnavailable, match="is gone"):
        parent.closed(log.log_id, 1, b"r" * 32)
    log.close()
    assert codes(verify_folder(tmp_path)) == {"parent-gone"}
    opened(tmp_path).close()
    assert "parent-gone" in codes(verify_folder(tmp_path))


def test_a_parent_whose_end_is_not_sound_is_left_and_shown(tmp_path: Path) -> None:
    opened(tmp_path).close()
    (path,) = list_parents(tmp_path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE events SET data = CAST(replace(data, 'log.born', 'log.bark') AS BLOB) WHERE seq = 1")
        db.commit()
    opened(tmp_path).close()
    assert len(list_parents(tmp_path)) == 2
    assert {"changed", "several-parents"} <= codes(verify_folder(tmp_path))


def test_a_birth_is_witnessed_before_the_log_is_given_out_and_continuing_goes_without(tmp_path: Path) -> None:
    witness = Cosigner()
    witness.answers = False
    for _ in range(3):
        with pytest.raises(ParentUnavailable, match="does not answer"):
            opened(tmp_path, witness)
    assert len(list_logs(tmp_path)) == 1, "the next attempt takes the log of the first"
    witness.answers = True
    opened(tmp_path, witness).close()
    (path,) = list_parents(tmp_path)
    assert witness.seen[f"example.org/acme/{path.stem}"][0] == 3
    witness.answers = False
    opened(tmp_path, witness).close()
    assert verify_folder(tmp_path).state is State.SOUND
    witness.answers = True
    opened(tmp_path, witness).close()
    assert witness.seen[f"example.org/acme/{path.stem}"][0] == 7
    report = verify_folder(tmp_path)
    assert report.state is State.SOUND
    assert report.parents[0].checkpoints == 4


def test_whoever_waits_for_a_witness_holds_up_nobody(tmp_path: Path) -> None:
    """While one process asks, others take logs of their own; the head that one of them had cosigned counts for all."""
    others: list[SqliteLog] = []

    class Slow(Cosigner):
        def cosign(self, note: str, size: int, proof: ConsistencyProof, /) -> Cosigned:
            if not others:
                others.append(opened(tmp_path, witness))
                return Cosigned(lines=(), enough=False, refused=("w.example holds a later head",))
            return super().cosign(note, size, proof)

    witness = Cosigner()
    with opened(tmp_path, Slow()) as log:
        assert log.log_id != others[0].log_id
        (parent,) = list_parents(tmp_path)
        assert witness.seen[f"example.org/acme/{parent.stem}"][0] == 3, "both births"
    others[0].close()
    assert verify_folder(tmp_path).state is State.SOUND


def test_a_head_that_was_overtaken_is_asked_about_again_and_one_that_was_refused_is_not(tmp_path: Path) -> None:
    asked: list[int] = []

    class Overtaken(Cosigner):
        def cosign(self, note: str, size: int, proof: ConsistencyProof, /) -> Cosigned:
            asked.append(size)
            if len(asked) > 1:
                return super().cosign(note, size, proof)
            with pytest.raises(ParentUnavailable):
                opened(tmp_path, Deaf())
            return Cosigned(lines=(), enough=False)

    class Deaf(Cosigner):
        def cosign(self, *_: object) -> Cosigned:
            asked.append(0)
            return Cosigned(lines=(), enough=False)

    opened(tmp_path, Overtaken()).close()
    assert asked[:3] == [2, 0, 3]
    assert verify_folder(tmp_path).state is State.SOUND


def test_a_log_whose_checkpoints_failed_is_not_said_to_be_closed(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append([draft("s")], Durability.SYNC)
    log.fail("no space left on device")
    log.close()
    assert said(tmp_path) == [("log.born", 1)]
    assert verify_folder(tmp_path).state is State.SOUND
    opened(tmp_path).close()
    assert verify_folder(tmp_path).state is State.SOUND


def test_an_end_that_no_checkpoint_covers_is_said(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append([draft("s") for _ in range(600)], Durability.SYNC)
    assert log.checkpoints is not None
    assert log.checkpoints.wait(601, 10)
    assert verify_folder(tmp_path).warnings == ()
    log._let_go()  # as a process that is killed does
    with closing(sqlite3.connect(log.path)) as db:
        db.execute("DELETE FROM checkpoints WHERE size > 256")
        db.commit()
    report = verify_folder(tmp_path)
    assert [(warning.code, warning.seq) for warning in report.warnings] == [("checkpoint-late", 256)]
    assert report.state is State.SOUND


def test_nothing_is_told_to_the_parent_or_an_auditor_that_a_loss_of_power_could_take_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log's WAL is synced in between, as it is then: records of a process that was killed, and checkpoints."""
    synced: dict[str, int] = {}
    told: list[tuple[int, int]] = []

    def datasync(file: int) -> None:
        os.fdatasync(file)
        synced[Path(f"/proc/self/fd/{file}").readlink().name] = os.fstat(file).st_size

    def tell(log: str) -> None:
        wal = tmp_path / f"{log}.db-wal"
        told.append((synced.get(wal.name, 0), wal.stat().st_size))

    class Told(SqliteParentLog):
        def admit(self, log: str, *head: Any) -> None:
            tell(log)
            super().admit(log, *head)

        def closed(self, log: str, *head: Any) -> None:
            tell(log)
            super().closed(log, *head)

    monkeypatch.setattr("bailiwick.stores.log_sync._datasync", datasync)
    command = [sys.executable, "-m", "tests.stores.test_parent_log", str(tmp_path), "buffered"]
    root, pipe = Path(__file__).parents[2], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=root) as killed:
        assert killed.stdout is not None
        killed.stdout.readline()
        killed.kill()
    (path,) = list_logs(tmp_path)
    parent = Told(tmp_path, OWNER, clock=clock, entropy=os.urandom, signer=SIGNER)
    parts = LogParts(parent=parent, signer=SIGNER)
    log = SqliteLog.open(tmp_path, build="t", tenant="acme", env="prod", clock=clock, entropy=os.urandom, parts=parts)
    assert log.path == path
    with LogReader.open(path):  # so that closing leaves the WAL as it is
        log.append([draft("s")], Durability.BUFFERED)
        log.close()
        synced.clear()
        with LogProofs.open(path) as proofs:
            assert proofs.checkpoint() is not None
        tell(path.stem)
    assert len(told) == 3
    assert all(safe == size > 0 for safe, size in told), told


@pytest.mark.parametrize("kind", [EventKind.LOG_BORN, EventKind.LOG_COMMITTED])
def test_nothing_else_belongs_into_a_parent(tmp_path: Path, kind: EventKind) -> None:
    with opened(tmp_path) as log:
        event = next(iter(log.events()))
    (path,) = list_parents(tmp_path)
    with LogReader.open(path) as reader:
        assert {found.kind for found in reader.events()} == {
            EventKind.LOG_OPENED,
            EventKind.LOG_BORN,
            EventKind.LOG_COMMITTED,
        }
        (first, *_) = (found for found in reader.events() if found.kind is kind)
    assert (first.body["log"], first.session) == (event.log, event.log)


def test_kill_at_any_instant_leaves_parent_and_logs_whole(tmp_path: Path) -> None:
    """A process opens, appends and closes one log after the other until it is killed."""
    chance = random.Random(6)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.stores.test_parent_log", str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as forking:
        assert forking.stdin is not None
        assert forking.stdout is not None
        for number in range(KILLS):
            forking.stdin.write(f"{chance.uniform(0, 0.3) if number else 3.0}\n".encode())
            forking.stdin.flush()
            assert forking.stdout.readline() == b"killed\n"
            report = verify_folder(tmp_path)
            assert report.state is State.SOUND, (number, report.problems, [one.problems for one in report.parents])
    assert len(list_parents(tmp_path)) == 1
    with opened(tmp_path) as log:
        assert log.skipped == ()


def test_a_copy_of_the_folder_verifies_as_the_folder_does(tmp_path: Path) -> None:
    opened(tmp_path / "a").close()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert verify_folder(tmp_path / "b").state is State.SOUND


def _busy(folder: Path) -> None:
    held: list[SqliteLog] = []
    while True:
        log = opened(folder)
        log.append([draft("s")], Durability.SYNC)
        if len(held) < 3:
            held.append(log)
        else:
            log.close()


def main() -> None:
    """For each line, a number of seconds: fork a child that is busy, and kill it after them. `buffered`: leave a record
    that nobody waited for, and say so."""
    if sys.argv[2:] == ["buffered"]:
        log = opened(Path(sys.argv[1]))
        log.append([draft("s")], Durability.BUFFERED)
        print("written", flush=True)
        sys.stdin.read()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _busy(Path(sys.argv[1]))
        time.sleep(float(line))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        print("killed", flush=True)


if __name__ == "__main__":
    main()
