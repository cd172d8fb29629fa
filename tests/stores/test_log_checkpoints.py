"""Checkpoints: how far apart they are, what they cost, and that none is signed that does not continue the one before.
DESIGN §5 *Audit*; docs/audit-proofs.md."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from bailiwick.audit import notes
from bailiwick.audit.log_signer import LogSigner
from bailiwick.audit.merkle import Frontier, leaf_hash, verify_consistency
from bailiwick.audit.notes import KeyType, NoteSigner, signed_by
from bailiwick.audit.ports import ConsistencyProof, Cosigned, LogParts
from bailiwick.errors import LogUnavailable, StoreError
from bailiwick.model.event import EventKind
from bailiwick.model.tool import Durability
from bailiwick.stores.log_checkpoints import AFTER, Checkpoints, Resumed
from bailiwick.stores.log_file import connect, create_tables
from bailiwick.stores.log_keys import log_signer
from bailiwick.stores.log_proofs import LogProofs
from bailiwick.stores.log_tree import hashes, newest
from bailiwick.stores.sqlite_log import SqliteLog
from tests.stores.log_process import clock, draft

ORIGIN = "logs.example.com/test"
ROOT = Path(__file__).parents[2]


class Witness:
    """A witness within the process: it cosigns what continues what it saw, and remembers what it was asked."""

    timeout_s = 2.0
    window_s = 5.0

    def __init__(self, name: str = "witness.example.com/w1") -> None:
        self.signer = NoteSigner.from_seed(name, KeyType.COSIGNATURE_ED25519, os.urandom(32))
        self.seen = (0, b"")
        self.asked = 0
        self.answers = True

    def close(self) -> None:
        """Nothing is open."""

    def cosign(self, note: str, size: int, proof: ConsistencyProof, /) -> Cosigned:
        self.asked += 1
        if not self.answers:
            return Cosigned(lines=(), enough=False, refused=("it does not answer",))
        text = notes.parse(note)
        old, root = self.seen
        assert not old or verify_consistency(
            old_size=old, old_root=root, new_size=size, new_root=text.checkpoint.root, proof=proof(old)
        )
        self.seen = (size, text.checkpoint.root)
        return Cosigned(lines=(self.signer.sign(text.text, 1_700_000_000).format(),), enough=True)


class CountedSigner(LogSigner):
    """Counts what it signs."""

    signed = 0

    def sign(self, log: str, size: int, root: bytes, /) -> str:
        self.signed += 1
        return super().sign(log, size, root)


class Bench:
    """A host without a log, so that time and work are ours."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "log-bench.db"
        self.db = create_tables(self.path)
        self.flushed: list[int] = []
        self.failed: list[str] = []

    def put(self, hashed: Sequence[bytes]) -> Sequence[bytes]:
        """Records with these leaf hashes, as far as a proof looks at them."""
        (size,) = self.db.execute("SELECT count(*) FROM events").fetchone()
        rows = [(seq, f"e{seq}", "s", seq, "k", 0, b"", leaf) for seq, leaf in enumerate(hashed, size)]
        self.db.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        return hashed

    def flush(self, size: int, /) -> None:
        self.flushed.append(size)

    def amend(self, change: Callable[[sqlite3.Connection], None], /) -> None:
        change(self.db)

    def fail(self, why: str, /) -> None:
        self.failed.append(why)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def leaves(begin: int, count: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(begin, begin + count)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    host = Bench(tmp_path)
    yield host
    host.db.close()


def made_of(host: Bench, signer: LogSigner, time: Clock, witness: Witness | None = None) -> Checkpoints:
    """The checkpoints of a host, without their threads."""
    made = Checkpoints(host, Resumed(tree=Frontier(), waiting=()), signer=signer, witnesses=witness, clock=time)
    made.stop()
    return made


def counted(folder: Path) -> CountedSigner:
    log_signer(folder, ORIGIN)
    return CountedSigner.of_pems(ORIGIN, [file.read_bytes() for file in sorted((folder / "keys").iterdir())])


def sizes(database: sqlite3.Connection) -> list[int]:
    return [size for (size,) in database.execute("SELECT size FROM checkpoints ORDER BY size")]


def open_log(folder: Path, witness: Witness | None = None, *, signer: LogSigner | None = None) -> SqliteLog:
    parts = LogParts(signer=signer or log_signer(folder, ORIGIN), witnesses=witness)
    return SqliteLog.open(
        folder / "log", build="test", tenant="acme", env="prod", clock=clock, entropy=os.urandom, parts=parts
    )


def add(log: SqliteLog, count: int, durability: Durability = Durability.BUFFERED) -> None:
    log.append([draft("s", {"decisions": 1}, EventKind.SESSION_CLOSED) for _ in range(count)], durability)


# --- how far apart


def test_a_checkpoint_is_due_within_a_second_of_the_oldest_event_that_waits(bench: Bench, tmp_path: Path) -> None:
    time = Clock()
    made = made_of(bench, counted(tmp_path), time)
    assert made.due(time.now) > 3600
    made.committed(leaves(0, 1))
    time.now += 0.5
    made.committed(leaves(1, 1))
    assert made.due(time.now) == pytest.approx(AFTER - 0.5)
    time.now += AFTER - 0.5
    assert made.due(time.now) <= 0
    assert AFTER < 1


def test_a_checkpoint_is_due_at_once_when_256_events_wait(bench: Bench, tmp_path: Path) -> None:
    time = Clock()
    made = made_of(bench, counted(tmp_path), time)
    made.committed(leaves(0, 255))
    assert made.due(time.now) > 0
    made.committed(leaves(255, 1))
    assert made.due(time.now) <= 0


def test_checkpoints_are_never_more_than_256_events_apart_and_cost_one_signing_for_256_events(
    bench: Bench, tmp_path: Path
) -> None:
    signer, time = counted(tmp_path), Clock()
    made = made_of(bench, signer, time)
    at = 0
    for count in (1, 255, 700, 256, 0, 3000, 1):
        made.committed(leaves(at, count))
        at += count
        made.make()
        assert made.size == at
    there = [0, *sizes(bench.db)]
    assert there[-1] == at
    assert max(b - a for a, b in pairwise(there)) <= 256
    assert signer.signed == len(there) - 1 <= at // 256 + 7
    assert bench.flushed == [1, 256, 956, 1212, 4212, 4213]


def test_nothing_is_signed_that_is_not_durable_first(bench: Bench, tmp_path: Path) -> None:
    signer = counted(tmp_path)
    made = made_of(bench, signer, Clock())

    def refuse(size: int) -> None:
        raise LogUnavailable("the disk is gone")

    bench.flush = refuse  # type: ignore[method-assign]
    made.committed(leaves(0, 3))
    with pytest.raises(LogUnavailable):
        made.make()
    assert (signer.signed, sizes(bench.db)) == (0, [])


def test_every_checkpoint_is_kept_and_only_the_newest_keeps_its_long_signatures(bench: Bench, tmp_path: Path) -> None:
    signer = counted(tmp_path)
    made = made_of(bench, signer, Clock())
    for number in range(5):
        made.committed(leaves(number, 1))
        made.make()
    rows = bench.db.execute("SELECT size, note FROM checkpoints ORDER BY size").fetchall()
    assert [size for size, _ in rows] == [1, 2, 3, 4, 5]
    for size, text in rows:
        note = notes.parse(text)
        by = {signed.key.kind for signed in signed_by(note, signer.keys("log-bench"))}
        assert by == ({KeyType.ED25519, KeyType.COSIGNATURE_MLDSA44} if size == 5 else {KeyType.ED25519})
        assert note.checkpoint.root == Frontier().extended(leaves(0, size)).root
        assert len(text) < 400 or size == 5


def test_the_newest_cosigned_checkpoint_keeps_its_witnesses(bench: Bench, tmp_path: Path) -> None:
    witness, signer = Witness(), counted(tmp_path)
    made = made_of(bench, signer, Clock(), witness)
    for number in range(4):
        made.committed(bench.put(leaves(number, 1)))
        made.make()
        if number < 2:
            assert made.ask()
    assert (made.size, made.witnessed) == (4, 2)
    lines = {size: len(notes.parse(text).lines) for size, text in bench.db.execute("SELECT * FROM checkpoints")}
    assert lines == {1: 1, 2: 3, 3: 1, 4: 2}
    stored = newest(bench.db, witnessed=True)
    assert stored is not None
    assert stored.size == 2
    assert signed_by(notes.parse(stored.note), [witness.signer.key])


def test_how_long_events_wait_for_their_witnesses_is_never_said_too_short(bench: Bench, tmp_path: Path) -> None:
    witness, time = Witness(), Clock()
    made = made_of(bench, counted(tmp_path), time, witness)
    nothing_waits = made.unwitnessed_since
    assert nothing_waits is None
    made.committed(leaves(0, 1))
    time.now += 0.05
    made.committed(leaves(1, 1))  # counts with the one before: not younger than it is
    time.now += 1
    made.committed(leaves(2, 1))
    assert made.unwitnessed_since == 1000.0
    made.make()
    witness.answers = False
    assert not made.ask()
    assert (made.unwitnessed_since, made.refused) == (1000.0, ("it does not answer",))
    witness.answers = True
    time.now += 1
    made.committed(leaves(3, 1))
    assert made.ask()  # over the three that were signed
    assert made.unwitnessed_since == time.now


def test_what_an_earlier_process_left_uncosigned_counts_as_too_old(bench: Bench, tmp_path: Path) -> None:
    start = Resumed(tree=Frontier().extended(leaves(0, 3)), waiting=tuple(leaves(3, 2)))
    made = Checkpoints(bench, start, signer=counted(tmp_path), witnesses=Witness(), clock=Clock())
    made.stop()
    assert made.unwitnessed_since == float("-inf")


# --- over a real log


def test_a_log_is_covered_and_cosigned_by_itself(tmp_path: Path) -> None:
    witness = Witness()
    with open_log(tmp_path, witness) as log:
        assert log.checkpoints is not None
        add(log, 300)
        assert log.checkpoints.wait_witnessed(301, 5.0)
        assert log.checkpoints.size == log.checkpoints.witnessed == 301
        with LogProofs.open(log.path) as proofs:
            note = proofs.checkpoint()
        assert note is not None
        assert note.checkpoint.origin == f"{ORIGIN}/{log.log_id}"
        assert note.checkpoint.root.hex() == log.head()[1].removeprefix("sha256:")
    assert witness.seen[0] == 301


def test_closing_covers_all_there_is(tmp_path: Path) -> None:
    witness = Witness()
    with open_log(tmp_path, witness) as log:
        add(log, 5)
        head = log.head()
    with closing(connect(log.path, read_only=True)) as database:
        assert sizes(database)[-1] == head[0] == witness.seen[0]
    with LogProofs.open(log.path) as proofs:
        note = proofs.checkpoint()
    assert note is not None
    assert len(note.lines) == 3


def test_without_witnesses_nothing_is_ever_witnessed(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        assert log.checkpoints is not None
        assert log.checkpoints.wait(1, 5.0)
        assert not log.checkpoints.wait_witnessed(1, 5.0)
        assert log.checkpoints.unwitnessed_since is None


def test_a_log_that_cannot_be_signed_takes_no_record(tmp_path: Path) -> None:
    class Broken(LogSigner):
        def sign(self, log: str, size: int, root: bytes, /) -> str:
            raise StoreError("the key is gone")

    log_signer(tmp_path, ORIGIN)
    pems = [file.read_bytes() for file in sorted((tmp_path / "keys").iterdir())]
    log = open_log(tmp_path, signer=Broken.of_pems(ORIGIN, pems))
    assert log.checkpoints is not None
    assert not log.checkpoints.wait(1, 5.0)
    with pytest.raises(LogUnavailable, match="the key is gone"):
        add(log, 1)
    log.close()
    with open_log(tmp_path) as again:
        assert again.path == log.path
    with closing(connect(log.path, read_only=True)) as database:
        assert sizes(database)[-1] == again.head()[0]


def test_a_killed_process_leaves_events_without_a_checkpoint_and_the_next_one_covers_them(tmp_path: Path) -> None:
    program = (
        "import os, sys, threading\n"
        "from pathlib import Path\n"
        "from tests.stores.test_log_checkpoints import ORIGIN, Durability, LogSigner, add, log_signer, open_log\n"
        "committed = threading.Event()\n"
        "class Killed(LogSigner):\n"
        "    def sign(self, log, size, root, /):\n"
        "        committed.wait()\n"
        "        os.kill(os.getpid(), 9)\n"
        "folder = Path(sys.argv[1])\n"
        "log_signer(folder, ORIGIN)\n"
        "pems = [file.read_bytes() for file in sorted((folder / 'keys').iterdir())]\n"
        "log = open_log(folder, signer=Killed.of_pems(ORIGIN, pems))\n"
        "add(log, 600, Durability.SYNC)\n"
        "print(log.head()[1], flush=True)\n"
        "committed.set()\n"
        "threading.Event().wait()\n"
    )
    ended = subprocess.run(  # our own interpreter and our own program
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    (path,) = (tmp_path / "log").glob("log-*.db")
    with closing(connect(path, read_only=True)) as database:
        assert sizes(database) == []
    with open_log(tmp_path) as log:
        assert log.path == path
    with closing(connect(path, read_only=True)) as database:
        there = [0, *sizes(database)]
        tree = Frontier().extended(hashes(database, 0, 0, 601))
        assert "sha256:" + tree.root.hex() == ended.stdout.strip()
        assert database.execute("SELECT count(*) FROM nodes").fetchone() == (2,)
    assert there[-1] == log.head()[0]
    assert max(b - a for a, b in pairwise(there)) <= 256


# --- nothing is signed that does not continue


def _sql(*statements: str) -> Callable[[sqlite3.Connection, Path], None]:
    def change(database: sqlite3.Connection, folder: Path) -> None:
        for statement in statements:
            database.execute(statement)

    return change


def _cut_to_half(database: sqlite3.Connection, folder: Path) -> None:
    """A truncation with the head made anew, as whoever can write the file would do it."""
    for table, column in (("events", "seq"), ("heads", "size - 1")):
        database.execute(f"DELETE FROM {table} WHERE {column} >= 100")  # our own names
    tree = Frontier().extended(hashes(database, 0, 0, 100))
    database.execute("DELETE FROM heads WHERE size >= 100")
    database.execute("INSERT INTO heads VALUES (100, ?)", (tree.to_bytes(),))


def _other_keys(database: sqlite3.Connection, folder: Path) -> None:
    shutil.rmtree(folder / "keys")


REFUSED: dict[str, tuple[Callable[[sqlite3.Connection, Path], None], str]] = {
    "records were cut off": (_cut_to_half, "last checkpoint"),
    "the note is none": (_sql("UPDATE checkpoints SET note = 'x'"), "last checkpoint is none"),
    "the note is filed elsewhere": (_sql("UPDATE checkpoints SET size = size - 1 WHERE size > 150"), "last checkpoint"),
    "signed with another key": (_other_keys, "not signed with this project's key"),
    "the root over a tile was changed": (_sql("UPDATE nodes SET hash = zeroblob(32)"), "last checkpoint"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_log_that_does_not_continue_its_last_checkpoint_is_not_signed_on(tmp_path: Path, name: str) -> None:
    change, why = REFUSED[name]
    with open_log(tmp_path) as log:
        add(log, 300)
    before = log.path
    with closing(sqlite3.connect(before, isolation_level=None)) as database:
        change(database, tmp_path)
        kept = sizes(database)
    with open_log(tmp_path) as log:
        assert log.path != before
        assert [(path, why in reason) for path, reason in log.skipped] == [(before, True)], log.skipped
    with closing(connect(before, read_only=True)) as database:
        assert sizes(database) == kept


# --- keys


def test_the_keys_are_made_once_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    made = log_signer(tmp_path, ORIGIN)
    files = sorted((tmp_path / "keys").iterdir())
    assert [file.name for file in files] == ["log-ed25519.pem", "log-mldsa44.pem"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert log_signer(tmp_path, ORIGIN).project_keys == made.project_keys
    assert len({key.public for key in made.project_keys}) == 2


def test_threads_that_make_the_keys_at_once_all_use_the_same(tmp_path: Path) -> None:
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(log_signer(tmp_path, ORIGIN).project_keys)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(map(str, found))) == 1
    assert len(list((tmp_path / "keys").iterdir())) == 2


@pytest.mark.parametrize("text", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", b"\xff"])
def test_a_damaged_key_is_not_replaced_by_a_new_one(tmp_path: Path, text: bytes) -> None:
    log_signer(tmp_path, ORIGIN)
    (tmp_path / "keys" / "log-ed25519.pem").write_bytes(text)
    with pytest.raises(StoreError, match="cannot be used"):
        log_signer(tmp_path, ORIGIN)


def test_the_two_kinds_of_key_are_not_taken_for_each_other(tmp_path: Path) -> None:
    made = log_signer(tmp_path, ORIGIN)
    note = notes.parse(made.sign("log-1", 1, leaf_hash(b"")))
    assert [line.name for line in note.lines] == [f"{ORIGIN}/log-1"] * 2
    keys: Sequence[notes.NoteKey] = made.keys("log-1")
    assert [signed.key.kind for signed in signed_by(note, keys)] == [KeyType.ED25519, KeyType.COSIGNATURE_MLDSA44]
    assert signed_by(note, made.keys("log-2")) == ()
    assert [key.renamed(f"{ORIGIN}/log-1") for key in made.project_keys] == list(keys)
