"""`bailiwick accounts`: as an administrator meets it."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from bailiwick.cli import cli
from bailiwick.identity.accounts import hidden
from bailiwick.model.event import EventKind
from tests.worlds import events, make_world


def run(folder: Path, *words: str, by: str = "dora") -> Result:
    return CliRunner().invoke(cli, ["accounts", *words, "--dir", str(folder), "--as", by])


def test_an_invitation_is_printed_once_and_kept_as_a_hash(tmp_path: Path) -> None:
    make_world(tmp_path)
    told = json.loads(run(tmp_path, "invite", "bob", "--json").output)
    base, _, code = told["link"].rpartition("/")
    assert base == "http://localhost:8420/enrol"
    assert len(code) == 32
    kept = b"".join(path.read_bytes() for path in (tmp_path / ".bailiwick").rglob("*") if path.is_file())
    assert code.encode() not in kept
    assert hidden(code).encode() in kept
    listed = json.loads(run(tmp_path, "list", "--json").output)
    assert listed == {"passkeys": [], "invitations": [{"user": "bob", "expires_ms": told["expires_ms"]}]}
    (event,) = (event for event in events(tmp_path) if event.kind is EventKind.ACCOUNT_INVITED)
    assert (event.body["user"], event.body["by"], event.body["again"]) == ("bob", "dora", False)
    assert "bob" in run(tmp_path, "list").output


def test_who_may_not_gets_nothing(tmp_path: Path) -> None:
    make_world(tmp_path)
    for words in (("invite", "bob"), ("list",), ("revoke", "bob", "--reason", "x")):
        refused = run(tmp_path, *words, by="bob")
        assert refused.exit_code == 1
        assert "admin.accounts" in refused.output
        assert "enrol/" not in refused.output
    assert run(tmp_path, "invite", "nobody").exit_code == 1
    assert run(tmp_path, "invite", "gone").exit_code == 1


def test_what_is_revoked_is_told(tmp_path: Path) -> None:
    make_world(tmp_path)
    assert run(tmp_path, "list").output.strip() == "nobody has a passkey or an invitation"
    assert run(tmp_path, "revoke", "bob", "--reason", "lost").exit_code == 1
    assert run(tmp_path, "invite", "bob").exit_code == 0
    told = run(tmp_path, "revoke", "bob", "--reason", "sent to the wrong person", "--json")
    assert json.loads(told.output) == {"done": True, "user": "bob", "passkeys": 0, "invitations": 1, "sessions": 0}
    (event,) = (event for event in events(tmp_path) if event.kind is EventKind.ACCOUNT_REVOKED)
    assert event.body["reason"] == "sent to the wrong person"
