"""DESIGN §3 promise 6 on the state folder of a real project. Cases: data/tampering_folder.toml.

Each case is verified three times: with the folder alone, with the checkpoints that an auditor kept, and with what a
witness holds. `docs/audit-integrity.md` has the table of what each of them finds.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import tomllib
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bailiwick import ApprovalPending
from bailiwick.audit.kept import by_log
from bailiwick.audit.log_signer import LogSigner
from bailiwick.audit.merkle import Frontier, leaf_hash
from bailiwick.audit.notes import KeyType, Note, NoteKey, NoteSigner, parse
from bailiwick.audit.outside import checkpoints_in, witnessed_in
from bailiwick.audit.report import FolderReport
from bailiwick.model.canonical import encode
from bailiwick.stores.log_file import list_logs, list_parents
from bailiwick.stores.log_keys import log_signer
from bailiwick.stores.log_verification import Against, verify_folder
from tests.worlds import LOGS, MAIL, Tool, approve, asked, make_world, opened

CASES = tomllib.loads((Path(__file__).parent / "data" / "tampering_folder.toml").read_text())["case"]
ORIGIN = "bailiwick.local/acme/test"
WITNESS = NoteSigner.from_seed("witness.example", KeyType.COSIGNATURE_ED25519, b"w" * 32)


@dataclass(frozen=True)
class Kept:
    """What lies outside: checkpoints of an auditor as files, what a witness would print, and the project's keys."""

    checkpoints: str
    heads: bytes
    keys: tuple[NoteKey, ...]


@dataclass(frozen=True)
class Scene:
    """A project at two moments: `early` and `now`, each with what was kept of it."""

    early: Path
    now: Path
    kept: Mapping[str, Kept]
    ids: Mapping[str, str]


def notes_in(folder: Path) -> Iterator[str]:
    """The newest checkpoint of every log."""
    for path in (*list_parents(folder), *list_logs(folder)):
        with closing(sqlite3.connect(path)) as db:
            found = db.execute("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1").fetchone()
            if found:
                yield found[0]


def kept_of(project: Path) -> Kept:
    notes = list(notes_in(project / LOGS))
    heads = []
    for text in notes:
        note = parse(text)
        point = note.checkpoint
        cosigned = Note(text=note.text, lines=(*note.lines, WITNESS.sign(note.text, 1)))
        heads.append(
            {
                "origin": point.origin,
                "size": point.size,
                "root": b64encode(point.root).decode(),
                "checkpoint": cosigned.format(),
                "at_ms": 1,
            }
        )
    keys = log_signer(project / LOGS.parent, ORIGIN, make=False).project_keys
    witness = {"witness": WITNESS.key.vkey, "keys": [WITNESS.key.vkey], "heads": heads, "refused": []}
    return Kept(checkpoints="\n".join(notes), heads=json.dumps(witness).encode(), keys=keys)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    now = make_world(tmp_path_factory.mktemp("project") / "now")
    early = now.parent / "early"
    with opened(now) as session:
        session.prompt("Please write to ann@customer.example")
        session.call("fact.read", {"id": "1"}, run=Tool("Ann is a customer").run)
    shutil.copytree(now, early)
    with opened(now) as session:
        with pytest.raises(ApprovalPending):
            session.call("mail.send", MAIL, run=Tool().run)
        assert approve(session, asked(session)[-1]).code == ""
        session.call("mail.send", MAIL, run=Tool().run)
        session.call("put.safe", {"id": "7"}, run=Tool().run)
        with opened(now, conversation="c-2") as other:
            other.call("put.safe", {"id": "8"}, run=Tool().run)
    a, b = (path.stem for path in list_logs(now / LOGS))
    (parent,) = (path.stem for path in list_parents(now / LOGS))
    kept = {"early": kept_of(early), "now": kept_of(now)}
    return Scene(early=early, now=now, kept=kept, ids={"a": a, "b": b, "parent": parent})


class Attack:
    """Does to a copy what a case says."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        self._scene = scene
        self.project = shutil.copytree(scene.now, folder / "copy")
        self.folder = self.project / LOGS

    def path(self, log: str) -> Path:
        return self.folder / f"{self._scene.ids[log]}.db"

    @contextmanager
    def db(self, log: str) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path(log))) as db:
            yield db
            db.commit()

    def signer(self) -> LogSigner:
        return log_signer(self.folder.parent, ORIGIN, make=False)

    # --- records

    def column(self, log: str, seq: int, name: str, value: object) -> None:
        with self.db(log) as db:
            db.execute(f"UPDATE events SET {name} = ? WHERE seq = ?", (value, seq))

    def bytes(self, log: str, seq: int, old: str, new: str) -> None:
        with self.db(log) as db:
            (data,) = db.execute("SELECT data FROM events WHERE seq = ?", (seq,)).fetchone()
            assert old.encode() in data
            db.execute("UPDATE events SET data = ? WHERE seq = ?", (data.replace(old.encode(), new.encode(), 1), seq))

    def set(self, log: str, seq: int, path: str, value: object) -> None:
        with self.db(log) as db:
            (data,) = db.execute("SELECT data FROM events WHERE seq = ?", (seq,)).fetchone()
            stored: Any = json.loads(data)
            inner, *steps = stored, *path.split(".")
            for step in steps[:-1]:
                inner = inner[step]
            assert inner[steps[-1]] != value
            inner[steps[-1]] = value
            db.execute("UPDATE events SET data = ? WHERE seq = ?", (encode(stored), seq))

    def set_kind(self, log: str, kind: str, path: str, value: object) -> None:
        with self.db(log) as db:
            (seq,) = db.execute("SELECT min(seq) FROM events WHERE kind = ?", (kind,)).fetchone()
        self.set(log, seq, path, value)

    def delete(self, log: str, seq: int) -> None:
        with self.db(log) as db:
            if seq < 0:
                (seq,) = db.execute("SELECT max(seq) FROM events").fetchone()
            db.execute("DELETE FROM events WHERE seq = ?", (seq,))

    def cut(self, log: str, size: int) -> None:
        with self.db(log) as db:
            db.execute("DELETE FROM events WHERE seq >= ?", (size,))
            db.execute("DELETE FROM contents WHERE seq >= ?", (size,))

    def insert(self, log: str, seq: int) -> None:
        """A record like another one, with an id of its own, at the end of its session."""
        with self.db(log) as db:
            (data,) = db.execute("SELECT data FROM events WHERE seq = ?", (seq,)).fetchone()
            (last,) = db.execute("SELECT max(seq) FROM events").fetchone()
            stored = json.loads(data)
            event_id = stored["id"][:-4] + "0000"
            (ord_,) = db.execute("SELECT max(ord) + 1 FROM events WHERE session = ?", (stored["session"],)).fetchone()
            db.execute("UPDATE events SET seq = seq + ? WHERE seq > ?", (1000, last - 1))
            db.execute("UPDATE contents SET seq = seq + ? WHERE seq > ?", (1000, last - 1))
            stored |= {"id": event_id, "ord": ord_, "commitments": {}, "seq": last}
            row = (last, event_id, stored["session"], ord_, stored["kind"], stored["ts_us"], encode(stored), b"")
            db.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            db.execute("UPDATE events SET seq = seq - ? WHERE seq > ?", (999, last))
            db.execute("UPDATE contents SET seq = seq - ? WHERE seq > ?", (999, last))

    def swap(self, log: str, one: int, two: int) -> None:
        with self.db(log) as db:
            for old, new in ((one, -1), (two, one), (-1, two)):
                db.execute("UPDATE events SET seq = ? WHERE seq = ?", (new, old))
                db.execute("UPDATE contents SET seq = ? WHERE seq = ?", (new, old))

    def empty(self, log: str) -> None:
        with self.db(log) as db:
            for table in ("events", "contents", "heads", "checkpoints", "nodes"):
                db.execute(f"DELETE FROM {table}")

    # --- hashes and signatures

    def rehash(self, log: str) -> Frontier:
        """Numbers, columns, leaves and heads made anew."""
        with self.db(log) as db:
            rows = db.execute("SELECT seq, data FROM events ORDER BY seq").fetchall()
            tree, ords = Frontier(), dict[str, int]()
            for number, (seq, data) in enumerate(rows):
                stored = json.loads(data)
                ord_ = ords.get(stored["session"], 0)
                ords[stored["session"]] = ord_ + 1
                stored |= {"seq": number, "log": self._scene.ids[log], "ord": -1 - ord_}
                db.execute("UPDATE contents SET seq = ? WHERE seq = ?", (number, seq))
                if "previous" in stored["body"]:
                    stored["body"]["previous"] = {"root": "sha256:" + tree.root.hex(), "size": tree.size}
                plain = encode(stored | {"ord": ord_})
                leaf = leaf_hash(plain)
                tree = tree.extended([leaf])
                values = (number, stored["id"], stored["session"], -1 - ord_, stored["ts_us"], plain, leaf, seq)
                db.execute(
                    "UPDATE events SET seq=?, id=?, session=?, ord=?, ts_us=?, data=?, leaf=? WHERE seq = ?",
                    values,
                )
            db.execute("UPDATE events SET ord = -1 - ord")
            db.execute("DELETE FROM heads")
            db.execute("INSERT INTO heads VALUES (?, ?)", (tree.size, tree.to_bytes()))
        return tree

    def renew(self, log: str) -> None:
        tree = self.rehash(log)
        with self.db(log) as db:
            sizes = [size for (size,) in db.execute("SELECT size FROM checkpoints ORDER BY size")]
            leaves = [leaf for (leaf,) in db.execute("SELECT leaf FROM events ORDER BY seq")]
            db.execute("DELETE FROM checkpoints")
            for size in sorted({min(size, tree.size) for size in sizes} | {tree.size}):
                root = Frontier().extended(leaves[:size]).root
                note = self.signer().sign(self._scene.ids[log], size, root)
                db.execute("INSERT INTO checkpoints VALUES (?, ?)", (size, note))

    def adopt(self, log: str) -> None:
        """Make the parent say of a log what it holds now."""
        with closing(sqlite3.connect(self.path(log))) as db:
            leaves = [leaf for (leaf,) in db.execute("SELECT leaf FROM events ORDER BY seq")]
        with self.db("parent") as db:
            for seq, data in db.execute("SELECT seq, data FROM events ORDER BY seq").fetchall():
                stored = json.loads(data)
                if stored["session"] != self._scene.ids[log]:
                    continue
                size = min(stored["body"].get("size", 1), len(leaves))
                root = "sha256:" + Frontier().extended(leaves[:size]).root.hex()
                stored["body"] |= {"first": root} if "first" in stored["body"] else {"size": size, "root": root}
                db.execute("UPDATE events SET data = ? WHERE seq = ?", (encode(stored), seq))
        self.renew("parent")

    def forget(self, log: str) -> None:
        with self.db("parent") as db:
            db.execute("DELETE FROM events WHERE session = ?", (self._scene.ids[log],))
        self.renew("parent")

    def checkpoint(self, log: str, how: str) -> None:
        with self.db(log) as db:
            size, note = db.execute("SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1").fetchone()
            parsed = parse(note)
            if how == "all":
                db.execute("DELETE FROM checkpoints")
            elif how in ("newest", "first"):
                pick = "max" if how == "newest" else "min"
                if how == "first":  # the one that the auditor has
                    size = parse(self._kept_note(log)).checkpoint.size
                    db.execute("DELETE FROM checkpoints WHERE size = ?", (size,))
                else:
                    db.execute(f"DELETE FROM checkpoints WHERE size = (SELECT {pick}(size) FROM checkpoints)")
            else:
                text = parsed.text
                if how == "text":
                    text = text.replace(text.split("\n")[2], b64encode(b"r" * 32).decode())
                    forged = Note(text=text, lines=parsed.lines)
                else:
                    other = NoteSigner.from_seed(parsed.lines[0].name, KeyType.ED25519, b"o" * 32)
                    forged = Note(text=text, lines=(other.sign(text),))
                db.execute("UPDATE checkpoints SET note = ? WHERE size = ?", (forged.format(), size))

    def _kept_note(self, log: str) -> str:
        with closing(sqlite3.connect(self._scene.early / LOGS / self.path(log).name)) as db:
            note: str = db.execute("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1").fetchone()[0]
            return note

    def key(self) -> None:
        for file in (self.folder.parent / "keys").glob("log-*.pem"):
            file.unlink()
        log_signer(self.folder.parent, ORIGIN)

    # --- contents and files

    def blob(self, log: str) -> None:
        with self.db(log) as db:
            db.execute("UPDATE blobs SET data = zeroblob(length(data)) WHERE rowid = (SELECT min(rowid) FROM blobs)")

    def swap_blobs(self, log: str) -> None:
        with self.db(log) as db:
            (one, first), (two, second), *_ = db.execute("SELECT address, data FROM blobs ORDER BY rowid").fetchall()
            db.execute("UPDATE blobs SET data = ? WHERE address = ?", (second, one))
            db.execute("UPDATE blobs SET data = ? WHERE address = ?", (first, two))

    def remove(self, log: str) -> None:
        for file in self.folder.glob(f"{self._scene.ids[log]}*"):
            file.unlink()

    def early(self, log: str) -> None:
        self.remove(log)
        shutil.copy(self._scene.early / LOGS / self.path(log).name, self.path(log))

    def early_all(self) -> None:
        shutil.rmtree(self.folder.parent)
        shutil.copytree(self._scene.early / LOGS.parent, self.folder.parent)

    def swap_files(self, one: str, two: str) -> None:
        beside = self.folder / "beside"
        self.path(one).rename(beside)
        self.path(two).rename(self.path(one))
        beside.rename(self.path(two))

    def rename(self, log: str) -> None:
        self.path(log).rename(self.folder / f"{self._scene.ids[log][:-4]}0000.db")

    def replace(self, log: str) -> None:
        """Another log of the same project, with this one's name."""
        with self.db(log) as db:
            db.execute("DELETE FROM contents")
            for seq, data in db.execute("SELECT seq, data FROM events").fetchall():
                stored = json.loads(data) | {"task": "another", "commitments": {}}
                db.execute("UPDATE events SET data = ? WHERE seq = ?", (encode(stored), seq))
        self.renew(log)

    def plant(self) -> None:
        other = make_world(self.project.parent / "other")
        with opened(other) as session:
            session.call("fact.read", {"id": "1"}, run=Tool().run)
        (path,) = list_logs(other / LOGS)
        shutil.copy(path, self.folder / path.name)

    def go_on(self) -> None:
        with opened(self.project, conversation="c-9") as session:
            session.call("put.safe", {"id": "9"}, run=Tool().run)


def codes(report: FolderReport) -> set[str]:
    inside = {problem.code for one in (*report.logs, *report.parents) for problem in one.problems}
    return inside | {problem.code for problem in report.problems}


def verified(attack: Attack, kept: Kept | None, *, how: str) -> FolderReport:
    """As the CLI does it: with the project's own key alone, or with what lies outside."""
    if kept is None:
        keys = attack.signer().project_keys
        return verify_folder(attack.folder, against=Against(keys=keys))
    if how == "kept":
        heads = by_log(checkpoints_in(kept.checkpoints, kept.keys, "kept.txt"))
    else:
        heads = by_log(witnessed_in(kept.heads, (*kept.keys, WITNESS.key), "heads.json").heads)
    return verify_folder(attack.folder, against=Against(heads=heads, keys=kept.keys))


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_promise_6_what_is_done_to_a_project_shows(case: dict[str, Any], scene: Scene, tmp_path: Path) -> None:
    attack = Attack(scene, tmp_path)
    for verb, *values in case["do"]:
        do: Callable[..., None] = getattr(attack, verb.replace("-", "_"))
        do(*values)
    alone = case["alone"]
    kept = case.get("kept", alone)
    last = report = verified(attack, None, how="alone")
    assert set(alone) <= codes(report), report
    assert bool(alone) == bool(codes(report)), report
    for how, due, moment in (
        ("kept", kept, case.get("auditor", "now")),
        ("witness", case.get("witness", kept), "now"),
    ):
        found = verified(attack, scene.kept[moment], how=how)
        if how == "witness":
            due = [code for code in due if code != "checkpoint-gone"] if "witness" not in case else due
        assert set(due) <= codes(found), (how, found)
        assert bool(due) == bool(codes(found)) or how == "witness", (how, found)
        last = found
    if "first" in case:
        (log,) = (one for one in last.logs if one.log == scene.ids[case["do"][0][1]])
        assert log.problems[0].seq == case["first"], log.problems


def test_every_attack_is_found_by_a_checkpoint_or_a_witness_that_is_kept_elsewhere() -> None:
    attacks = [case for case in CASES if case["do"] not in ([], [["go-on"]])]
    assert len(attacks) >= 35
    for case in attacks:
        assert case["alone"] or case.get("kept") or case.get("witness"), case["name"]
