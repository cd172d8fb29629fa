"""`bailiwick audit verify` with what was kept elsewhere, as the other commands print it."""

from __future__ import annotations

import json
import shutil
import sqlite3
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bailiwick.audit.notes import KeyType, NoteSigner, parse
from bailiwick.stores.log_file import list_logs, list_parents
from tests.cli.terminal import Said
from tests.worlds import LOGS, Tool, edit, make_world, opened

Run = Callable[..., Said]
COSIGNING = (KeyType.COSIGNATURE_ED25519, KeyType.COSIGNATURE_MLDSA44)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = make_world(tmp_path / "project")
    with opened(folder) as session:
        session.call("fact.read", {"id": "1"}, run=Tool().run)
    return folder


def test_it_says_with_whose_key_checkpoints_were_checked(terminal: Run, project: Path) -> None:
    told = terminal("audit", "verify", project)
    assert told.code == 0, told.out
    assert "the project's own key" in " ".join(told.out.split())
    assert list_parents(project / LOGS)[0].stem in told.out
    shutil.rmtree(project / ".bailiwick" / "keys")
    told = terminal("audit", "verify", project / LOGS)
    assert told.code == 0, told.out
    assert "was not checked" in " ".join(told.out.split())


def test_checkpoints_as_they_are_printed_show_a_folder_set_back(terminal: Run, project: Path, tmp_path: Path) -> None:
    early = shutil.copytree(project, tmp_path / "early")
    with opened(project) as session:
        session.call("fact.read", {"id": "2"}, run=Tool().run)
    kept = tmp_path / "kept.txt"
    kept.write_text(terminal("audit", "checkpoint", project).out)
    keys = json.loads(terminal("audit", "keys", project, "--json").out)
    vkey = next(key for key in _texts(keys) if key.startswith("bailiwick.local/") and "+" in key)
    assert terminal("audit", "verify", project, "--checkpoint", kept, "--key", vkey).code == 0
    shutil.rmtree(project / LOGS)
    shutil.copytree(early / LOGS, project / LOGS)
    assert terminal("audit", "verify", project).code == 0, "nothing in the folder tells"
    told = terminal("audit", "verify", project, "--checkpoint", kept, "--key", vkey, "--json")
    assert told.code == 1
    report = json.loads(told.out)
    assert report["signatures"] == "given"
    assert "truncated" in {problem["code"] for log in report["logs"] for problem in log["problems"]}


def test_a_file_that_is_no_checkpoint_or_of_another_key_is_refused(
    terminal: Run, project: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.txt"
    kept.write_text("hello\n")
    assert terminal("audit", "verify", project, "--checkpoint", kept).code == 2
    kept.write_text("")
    assert terminal("audit", "verify", project, "--checkpoint", kept).code == 2
    kept.write_text(terminal("audit", "checkpoint", project).out)
    other = make_world(tmp_path / "other")
    with opened(other) as session:
        session.call("fact.read", {"id": "1"}, run=Tool().run)
    told = terminal("audit", "verify", other, "--checkpoint", kept)
    assert told.code == 2
    assert "not signed by a key that was given" in " ".join(told.err.split())
    assert terminal("audit", "verify", project, "--key", "nonsense").code == 2


def test_a_witness_of_many_projects_does_not_make_the_logs_of_others_missed(
    terminal: Run, project: Path, tmp_path: Path
) -> None:
    """Also with nothing of it but its ML-DSA key, which is of the type that logs have too."""
    other = make_world(tmp_path / "other")
    edit(other, "bailiwick.toml", "[labels]", '[audit]\norigin = "other.example"\n[labels]')
    with opened(other) as session:
        session.call("fact.read", {"id": "1"}, run=Tool().run)
    witness = [NoteSigner.from_seed("w.example", kind, b"w" * 32) for kind in COSIGNING]
    heads = []
    for folder in (project, other):
        for printed in json.loads(terminal("audit", "checkpoint", folder, "--json").out):
            note = parse(printed["note"])
            point, lines = note.checkpoint, [signer.sign(note.text, 1) for signer in witness]
            root = b64encode(point.root).decode()
            entry = {"origin": point.origin, "size": point.size, "root": root}
            heads.append({**entry, "checkpoint": note.with_lines(lines).format()})
    vkeys = [signer.key.vkey for signer in witness]
    held = tmp_path / "heads.json"
    held.write_text(json.dumps({"witness": vkeys[0], "keys": vkeys, "heads": heads}))
    (vkey, *_) = json.loads(terminal("audit", "keys", project, "--json").out)["keys"]
    for keys in ((), ("--key", vkey), ("--key", vkeys[1]), ("--key", vkeys[0], "--key", vkeys[1])):
        told = terminal("audit", "verify", project, "--witness", held, *keys, "--json")
        assert told.code == 0, told.out
        report = json.loads(told.out)
        assert [(one["code"], "other.example" in one["message"]) for one in report["warnings"]] == [
            ("other-project", True)
        ]
        assert all("witness w.example" in one["checked"] for one in (*report["logs"], *report["parents"]))
    copy = shutil.copytree(project / LOGS, tmp_path / "copy")
    assert terminal("audit", "verify", copy, "--witness", held, "--key", vkey).code == 0
    assert terminal("audit", "verify", copy, "--witness", held).code == 1, "nothing says whose logs these are"
    for path in (project / LOGS).iterdir():
        path.unlink()
    with opened(project) as session:
        session.call("fact.read", {"id": "1"}, run=Tool().run)
    told = terminal("audit", "verify", project, "--witness", held, "--json")
    assert told.code == 1
    assert "gone" in {problem["code"] for log in json.loads(told.out)["logs"] for problem in log["problems"]}


def test_the_first_record_that_differs_is_named(terminal: Run, project: Path) -> None:
    (path,) = list_logs(project / LOGS)
    with closing(sqlite3.connect(path)) as db:
        (data,) = db.execute("SELECT data FROM events WHERE seq = 3").fetchone()
        db.execute("UPDATE events SET data = ? WHERE seq = 3", (data.replace(b'"task":"', b'"task":"x'),))
        db.commit()
    told = terminal("audit", "verify", project, "--json")
    assert told.code == 1
    (log,) = json.loads(told.out)["logs"]
    assert (log["problems"][0]["code"], log["problems"][0]["seq"]) == ("changed", 3)


def _texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []
