"""The disk budget: effects are denied beyond it, and what is refused is still recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from bailiwick import Denied, Guard
from bailiwick.errors import LogUnavailable
from bailiwick.model.event import EventKind
from bailiwick.stores.log_room import LogRoom
from tests.worlds import Tool, events, make_world


def test_there_is_room_up_to_the_budget(tmp_path: Path) -> None:
    (tmp_path / "log-a.db").write_bytes(b"x" * 100)
    assert LogRoom(tmp_path, 101)() == ""
    assert "audit.disk_budget is 100" in LogRoom(tmp_path, 100)()
    assert "nobody can tell" in LogRoom(tmp_path / "log-a.db", 100)(), "what cannot be looked at has no room"


def test_beyond_the_budget_effects_are_denied_and_refusals_recorded(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    with (folder / "bailiwick.toml").open("a") as settings:
        settings.write("\n[audit]\ndisk_budget = 10\n")
    with Guard.open(folder) as guard, guard.session(user="alice", agent="desk-bot", task="Work") as session:
        (folder / ".bailiwick" / "log" / "ballast").write_bytes(b"\0" * 10_000_000)
        tool = Tool()
        session.prompt("Please put Ann")
        with pytest.raises((Denied, LogUnavailable)):
            session.call("put.safe", {"id": "Ann"}, run=tool.run)
        assert tool.runs == []
        with pytest.raises(Denied):
            session.call("page.read", {"id": "9"}, run=tool.run)
    refused = [event for event in events(folder) if event.kind is EventKind.DECISION]
    assert any(event.body["outcome"] == "deny" for event in refused)
