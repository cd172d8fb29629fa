"""`bailiwick audit`: why, sessions, timeline, compare, search, filters, tail."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bailiwick import ApprovalPending, Denied
from tests.cli.terminal import Said
from tests.worlds import LOGS, MAIL, Tool, decisions, events, make_world, opened

Terminal = Callable[..., Said]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two conversations: one in which a stranger's page named whom to mail, one without it."""
    folder = make_world(tmp_path_factory.mktemp("project"))
    with opened(folder) as session:
        session.prompt("Please tell Ann about the harbour")
        session.call("page.read", {"id": "1"}, run=Tool({"write to": "ann@customer.example"}).run)
        with pytest.raises(ApprovalPending):
            session.call("mail.send", MAIL, run=Tool().run)
    with opened(folder, conversation="c-2") as session:
        session.prompt("Please tell Ann about the harbour")
        with pytest.raises(Denied):
            session.call("page.read", {"id": "9"}, run=Tool().run)
    return folder


def ask(terminal: Terminal, folder: Path, *words: object) -> Said:
    return terminal("audit", *words, "--as", "bob", "--dir", folder)


def test_why_follows_a_call_back_and_a_page_forward(terminal: Terminal, folder: Path, tmp_path: Path) -> None:
    (mail,) = decisions(folder, "mail.send")
    page = next(event for event in events(folder) if event.body.get("source") == "tool:page.read")
    svg = tmp_path / "why.svg"
    said = ask(terminal, folder, "why", mail.id, "--svg", svg)
    assert said.code == 0
    assert 'argument (to ["write to"] exact): tool:page.read [untrusted, sensitivity 1]' in said.out
    assert "prompt: user: the user typed it" in said.out
    assert "mail.send: needs_approval subject: its value was found in nothing" in said.out
    assert "harbour" not in said.out
    tree = ET.fromstring(svg.read_text(encoding="utf-8"))
    assert "What led to mail.send: needs_approval" in "".join(tree.itertext())
    assert svg.stat().st_mode & 0o077 == 0
    told = ask(terminal, folder, "why", page.id, "--forward", "--json").json["slice"]
    assert (told["root"], told["direction"]) == (page.id, "forward")
    assert mail.id in {event["id"] for event in told["events"]}
    missing = ask(terminal, folder, "why", "no-such-event")
    assert (missing.code, missing.out) == (2, "")


@pytest.mark.parametrize("verb", ["why", "prove", "case", "json", "prov", "parquet"])
def test_a_file_made_of_the_log_is_for_one_alone_and_overwrites_nothing(
    terminal: Terminal, folder: Path, tmp_path: Path, verb: str
) -> None:
    (mail,) = decisions(folder, "mail.send")
    out = tmp_path / "out"
    ways: dict[str, tuple[object, ...]] = {
        "why": ("why", mail.id, "--svg"),
        "prove": ("prove", mail.id, "--out"),
        "case": ("case", mail.session, "--out"),
    }
    way = ways.get(verb, ("export", verb, "--session", mail.session, "--out"))
    who = ("--dir", folder) if verb == "prove" else ("--as", "bob", "--dir", folder)
    nowhere = terminal("audit", *way, tmp_path / "nowhere" / "out", *who)
    assert (nowhere.code, "cannot be written" in nowhere.err) == (2, True)
    assert terminal("audit", *way, out, *who).code == 0
    made = out.read_bytes()
    assert made
    assert out.stat().st_mode & 0o077 == 0
    again = terminal("audit", *way, out, *who)
    assert (again.code, "is there already" in again.err) == (2, True)
    assert out.read_bytes() == made


def test_an_export_of_a_session_that_no_log_has_makes_nothing(terminal: Terminal, folder: Path, tmp_path: Path) -> None:
    for form in ("json", "prov", "parquet"):
        said = ask(terminal, folder, "export", form, "--session", "c-1", "--out", tmp_path / "out")
        assert (said.code, "no session here has the key" in said.err) == (2, True)
    assert not (tmp_path / "out").exists()


def test_sessions_and_what_happened_in_one(terminal: Terminal, folder: Path) -> None:
    listed = ask(terminal, folder, "sessions", "--json").json
    assert [row["conversation"] for row in listed] == ["c-2", "c-1"]
    (refused,) = ask(terminal, folder, "sessions", "outcome:deny", "--json").json
    assert (refused["conversation"], refused["denied"]) == ("c-2", 1)
    told = ask(terminal, folder, "timeline", "c-1", "--json").json
    kinds = [event["kind"] for event in told["events"]]
    assert kinds[0] == "session.opened"
    assert kinds[-1] == "session.closed"
    assert "approval.requested" in kinds
    said = ask(terminal, folder, "timeline", "c-1")
    assert "untrusted, sensitivity 1" in said.out
    assert "needs_approval (external-mail)" in said.out
    several = ask(terminal, folder, "timeline", "acme")
    assert several.code == 2
    assert "part of several" in several.err


def test_sessions_are_compared(terminal: Terminal, folder: Path) -> None:
    said = ask(terminal, folder, "compare", "c-1", "c-2")
    assert said.code == 0
    told = ask(terminal, folder, "compare", "c-1", "c-2", "--json").json["steps"]
    sides = [(step["side"], (step["first"] or step["second"])["about"]) for step in told]
    assert sides == [
        ("both", "user"),
        ("changed", "page.read"),
        ("first", "tool:page.read"),
        ("first", "mail.send"),
    ]


def test_search_and_saved_filters(terminal: Terminal, folder: Path) -> None:
    (found,) = ask(terminal, folder, "search", "tool:mail.*", "kind:decision", "--json").json
    assert found["outcome"] == "needs_approval"
    assert ask(terminal, folder, "search", "tol:x").code == 2
    hidden = ask(terminal, folder, "search", "harbour")
    assert hidden.code == 2
    assert "--reveal" in hidden.err
    prompts = ask(terminal, folder, "search", "HARBOUR", "kind:content", "--reveal", "--json").json
    assert [event["origin"] for event in prompts] == ["prompt", "prompt"]
    assert terminal("audit", "search", "harbour", "--reveal", "--as", "dora", "--dir", folder).code == 1

    assert terminal("audit", "filters", "save", "refused", "outcome:deny", "--dir", folder).code == 0
    assert terminal("audit", "filters", "save", "bad", "outcome:maybe", "--dir", folder).code == 2
    assert terminal("audit", "filters", "save", "../x", "outcome:deny", "--dir", folder).code == 2
    assert terminal("audit", "filters", "list", "--dir", folder, "--json").json == {"refused": "outcome:deny"}
    kept = ask(terminal, folder, "search", "--filter", "refused", "kind:decision", "--json").json
    assert [event["tool"] for event in kept] == ["page.read"]
    assert terminal("audit", "filters", "drop", "refused", "--dir", folder).code == 0
    assert terminal("audit", "filters", "drop", "refused", "--dir", folder).code == 2


@pytest.mark.parametrize(
    "words", [("sessions",), ("timeline", "c-1"), ("compare", "c-1", "c-2"), ("search", "kind:decision"), ("tail",)]
)
def test_reading_is_asked_of_the_rules_and_on_record(terminal: Terminal, folder: Path, words: tuple[str, ...]) -> None:
    before = len(events(folder))
    refused = terminal("audit", *words, "--as", "alice", "--dir", folder)
    assert (refused.code, "refused" in refused.out) == (1, True)
    assert terminal("audit", *words, "--dir", folder).code == 2
    assert ask(terminal, folder, *words).code == 0
    looked = [event for event in events(folder)[before:] if event.body.get("action") == "admin.read_log"]
    assert sorted(str(event.body["outcome"]) for event in looked) == ["allow", "deny"]


def test_a_copy_of_logs_is_indexed_without_a_trace_in_it(terminal: Terminal, folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder / LOGS, tmp_path / "copy")
    before = sorted(path.name for path in copy.iterdir())
    told = terminal("audit", "sessions", "--dir", copy, "--json")
    assert len(told.json) == 2
    assert "copy of logs" in told.err
    assert sorted(path.name for path in copy.iterdir() if not path.name.endswith(("-wal", "-shm"))) == [
        name for name in before if not name.endswith(("-wal", "-shm"))
    ]


def follow(folder: Path) -> subprocess.Popen[str]:
    words = ["tail", "kind:session.opened", "--follow", "--last", "1", "--json", "--as", "bob", "--dir", str(folder)]
    command = [sys.executable, "-c", "from bailiwick.cli import main; main()", "audit", *words]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def test_tail_follows_other_processes_and_ends_at_ctrl_c(folder: Path, tmp_path: Path) -> None:
    project = shutil.copytree(folder, tmp_path / "project")
    tail = follow(project)
    assert tail.stdout is not None
    assert json.loads(tail.stdout.readline())["kind"] == "session.opened"
    with opened(project, conversation="c-3"):
        pass
    assert "c-3" in json.loads(tail.stdout.readline())["session"]
    tail.send_signal(signal.SIGINT)
    out, err = tail.communicate(timeout=30)
    assert (tail.returncode, out, err) == (0, "", "")


def test_tail_ends_when_nobody_reads_on(folder: Path, tmp_path: Path) -> None:
    project = shutil.copytree(folder, tmp_path / "project")
    tail = follow(project)
    assert tail.stdout is not None
    assert tail.stderr is not None
    tail.stdout.readline()
    tail.stdout.close()
    with opened(project, conversation="c-3"):
        pass
    assert tail.wait(30) == 0
    assert tail.stderr.read() == ""
    tail.stderr.close()
