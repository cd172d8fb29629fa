"""`bailiwick witness`: made, told of a project, served, and asked by an auditor."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bailiwick import Guard
from bailiwick.witness.keys import read_keys
from tests.cli.terminal import Said
from tests.cli.test_serve import write_certificate
from tests.witness.logs import PROJECT, log_of, signer
from tests.witness.process import made, running
from tests.witness.test_service import cosigns, post
from tests.worlds import AGENT, Tool, edit, make_world

Terminal = Callable[..., Said]
SCRIPT = "from bailiwick.cli import main; main()"
NAME = "witness.test/w1"


@contextmanager
def served(folder: Path, *options: str | Path) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """The command in a process of its own, and what it printed."""
    arguments = ["witness", "serve", "--dir", str(folder), "--port", "0", "--json", *map(str, options)]
    command = [sys.executable, "-u", "-c", SCRIPT, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = ""
            while not said.endswith("}\n"):
                line = process.stdout.readline()
                assert line, process.stderr.read() if process.stderr else ""
                said += line
            yield process, json.loads(said)
        finally:
            process.kill()


def test_from_init_to_what_an_auditor_is_given(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness, project = tmp_path / "w1", make_world(tmp_path / "project")
    vkeys = terminal("witness", "init", "--dir", witness, "--name", NAME, "--json").json["keys"]
    assert [vkey.partition("+")[0] for vkey in vkeys] == [NAME, NAME]
    logs = terminal("audit", "keys", project, "--json").json["keys"]
    added = terminal("witness", "add-log", "--dir", witness, "--children", *logs, "--json")
    assert (added.code, added.json["added"]) == (0, len(logs))
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    write_certificate(cert, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    with served(witness, "--host", "localhost", "--tls-cert", cert, "--tls-key", key) as (process, said):
        assert said["keys"] == vkeys
        assert said["url"].startswith("https://localhost:")
        settings = f'[witnesses.w1]\nurl = "{said["url"]}"\nkey = {json.dumps(vkeys)}\n\n[org]'
        edit(project, "bailiwick.toml", "[org]", settings)
        edit(project, "tools/desk.toml", 'names       = ["put_none"]', 'durability  = "witnessed"')
        with Guard.open(project) as guard, guard.session(user="alice", agent=AGENT, task="Work") as session:
            session.call("put.none", {"id": "1"}, run=Tool().run)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    held = terminal("witness", "heads", "--dir", witness, "--json")
    assert held.code == 0
    assert {each["origin"].rpartition("/")[2].partition("-")[0] for each in held.json["heads"]} == {"log", "parent"}
    assert held.json["refused"] == held.json["unproven"] == []
    kept = tmp_path / "heads.json"
    kept.write_text(held.out)
    assert terminal("audit", "verify", project, "--witness", kept).code == 0
    shutil.rmtree(project / ".bailiwick" / "log")
    with pytest.MonkeyPatch.context() as later:
        later.delenv("SSL_CERT_FILE")
        edit(project, "bailiwick.toml", settings, "[org]")
        edit(project, "tools/desk.toml", 'durability  = "witnessed"', 'names       = ["put_none"]')
        with Guard.open(project):
            pass
    assert terminal("audit", "verify", project).code == 0, "nothing beside a log shows that another one was there"
    assert terminal("audit", "verify", project, "--witness", kept).code == 1


@pytest.mark.parametrize("size", [20, 25])
def test_what_was_refused_is_shown_and_a_fork_is_said_to_be_one(terminal: Terminal, tmp_path: Path, size: int) -> None:
    folder, log = made(tmp_path / "w1"), log_of(30)
    with running(folder) as started:
        assert cosigns(started, log, 0, 20)
        post(started, log.forked(3).body(20, size))
    forked = size == 20
    said = terminal("witness", "heads", "--dir", folder, "--json")
    assert said.code == (1 if forked else 0)
    assert len(said.json["refused"]) == (1 if forked else 0)
    assert len(said.json["unproven"]) == (0 if forked else 1)
    shown = terminal("witness", "heads", "--dir", folder)
    assert ("forked" if forked else "not shown to go on") in shown.out
    assert f"{PROJECT}/log-1" in shown.out


def test_a_key_that_was_removed_speaks_for_no_log(terminal: Terminal, tmp_path: Path) -> None:
    folder, vkey = made(tmp_path / "w1"), signer(PROJECT).key.vkey
    with running(folder) as started:
        assert cosigns(started, log_of(5), 0, 3)
        assert terminal("witness", "remove-log", "--dir", folder, vkey).out == "1 key removed.\n"
        assert post(started, log_of(5).body(3, 5))[0] == 404
        assert terminal("witness", "add-log", "--dir", folder, "--children", vkey).code == 0
        assert cosigns(started, log_of(5), 3, 5)
    assert terminal("witness", "remove-log", "--dir", folder, signer("x").key.vkey, "--json").code == 1


def test_its_secrets_are_its_owners_alone_and_are_never_printed(terminal: Terminal, tmp_path: Path) -> None:
    folder = tmp_path / "w1"
    said = [terminal("witness", "init", "--dir", folder, "--name", NAME), terminal("witness", "heads", "--dir", folder)]
    secrets = [each.skey.rpartition("+")[2] for each in read_keys(folder)]
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
    for each in said:
        assert each.code == 0
        assert "PRIVATE" not in each.out + each.err
        assert not any(secret in each.out + each.err for secret in secrets)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["init", "--dir", "HERE", "--name", "w2"], "is there already"),
        (["init", "--dir", "NEW", "--name", "a b"], "cannot be called"),
        (["init", "--dir", "NEW", "--name", "a+b"], "cannot be called"),
        (["heads", "--dir", "NEW"], "cannot be used"),
        (["add-log", "--dir", "NEW", "VKEY"], "there is no witness"),
        (["add-log", "--dir", "HERE", "x"], "name+id+base64"),
        (["add-log", "--dir", "HERE", "OWN"], "of a witness"),
        (["serve", "--dir", "NEW"], "cannot be used"),
        (["serve", "--dir", "HERE", "--tls-cert", "FILE"], "a certificate needs its key"),
        (["serve", "--dir", "HERE", "--tls-cert", "FILE", "--tls-key", "FILE"], "cannot be used"),
        (["serve", "--dir", "HERE", "--host", "203.0.113.1"], "cannot listen"),
    ],
)
def test_what_cannot_be_is_said_with_what_to_do(
    terminal: Terminal, tmp_path: Path, arguments: list[str], told: str
) -> None:
    folder = made(tmp_path / "w1")
    file = tmp_path / "file"
    file.write_text("no certificate")
    words = {
        "HERE": str(folder),
        "NEW": str(tmp_path / "new"),
        "VKEY": signer(PROJECT).key.vkey,
        "OWN": read_keys(folder)[0].key.vkey,
        "FILE": str(file),
    }
    said = terminal("witness", *(words.get(each, each) for each in arguments))
    assert said.code == 2
    assert told in said.err
    assert "what to do: " in said.err


def test_keys_that_were_exchanged_are_not_used(terminal: Terminal, tmp_path: Path) -> None:
    folder = made(tmp_path / "w1")
    one, other = folder / "witness-ed25519.key", folder / "witness-mldsa44.key"
    other.write_bytes(one.read_bytes())
    said = terminal("witness", "heads", "--dir", folder)
    assert said.code == 2
    assert "of another type" in said.err
