"""`bailiwick channels` and `bailiwick approvals notify`: how channels do, and trying them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.channels.world import SECRET, project, request, webhook_channel
from tests.cli.terminal import Said
from tests.effectors.web import Reply, Web, serving
from tests.worlds import edit, make_world, opened

Terminal = Callable[..., Said]
SCRIPT = "from bailiwick.cli import main; main()"


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as web:
        yield web


@pytest.fixture
def folder(tmp_path: Path, web: Web) -> Path:
    return project(tmp_path, webhook_channel(web.port))


def test_what_waits_is_sent_and_listed(terminal: Terminal, folder: Path, web: Web) -> None:
    with opened(folder) as session:
        request(session)
    web.replies["/hook"] = Reply(status=500)
    failed = terminal("approvals", "notify", "--once", "--dir", folder, "--json")
    assert (failed.code, failed.json) == (1, {"arrived": 0, "failed": 1})
    (listed,) = terminal("channels", "list", "--dir", folder, "--json").json["channels"]
    assert (listed["queued"], listed["last_error"], listed["failing_ms"] is None) == (1, "it answered 500", False)
    shown = terminal("channels", "list", "--dir", folder)
    assert shown.code == 0
    for part in ("ops", "webhook", "fails since", "it answered 500"):
        assert part in shown.out
    assert terminal("approvals", "notify", "--once", "--dir", folder).out == "0 arrived, 0 did not\n"


def test_a_test_message_is_sent_at_once(terminal: Terminal, folder: Path, web: Web) -> None:
    assert terminal("channels", "test", "ops", "--dir", folder).out == "ops: arrived\n"
    assert json.loads(web.seen[0].body)["type"] == "channel.test"
    web.replies["/hook"] = Reply(status=404)
    failed = terminal("channels", "test", "ops", "--dir", folder, "--json")
    assert (failed.code, failed.json) == (1, {"sent": [{"to": "ops", "error": "it answered 404"}]})
    unknown = terminal("channels", "test", "opps", "--dir", folder)
    assert unknown.code == 2
    assert "ops" in unknown.err


def test_the_address_of_slack_is_told_to_nobody(
    terminal: Terminal, tmp_path: Path, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project(tmp_path, '[channels.chat]\nkind = "slack"\nurl_env = "SLACK"\n')
    monkeypatch.setenv("SLACK", f"http://127.0.0.1:{web.port}/services/T/B/hidden-part")
    assert terminal("channels", "test", "chat", "--dir", folder).code == 0
    assert web.seen[0].target == "/services/T/B/hidden-part"
    assert "webhook-signature" not in web.seen[0].headers
    web.replies["/services/T/B/hidden-part"] = Reply(status=403)
    monkeypatch.setenv("SLACK", "http://hooks.example.com/services/T/B/hidden-part")
    refused = terminal("channels", "test", "chat", "--dir", folder)
    assert refused.code == 1
    assert "hidden-part" not in refused.out + refused.err


def test_without_channels_there_is_nothing_to_do(terminal: Terminal, tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    assert "no channel" in terminal("channels", "list", "--dir", folder).out
    assert terminal("approvals", "notify", "--once", "--dir", folder).code == 0
    said = terminal("channels", "test", "ops", "--dir", folder)
    assert said.code == 2
    assert "declare [channels.ops] in bailiwick.toml, see docs/channels.md" in said.err


def test_a_failure_says_what_to_do(terminal: Terminal, folder: Path, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOOK_SECRET")
    said = terminal("channels", "test", "ops", "--dir", folder)
    assert said.code == 1
    assert "there is no secret in the variable HOOK_SECRET: set it where" in said.out
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    edit(folder, "bailiwick.toml", f":{web.port}/", ":1/")
    said = terminal("channels", "test", "ops", "--dir", folder)
    assert "there is no connection" in said.out
    assert "see that its address and port are right" in said.out


@pytest.mark.parametrize("verb", [("approvals", "notify", "--dir"), ("serve", "--port", "0")])
def test_they_are_served_beside_the_console_and_alone_until_the_end(
    folder: Path, web: Web, verb: tuple[str, ...]
) -> None:
    arrived = threading.Event()

    class Telling(dict[str, Reply]):
        def get(self, key: str, default: object = None) -> Reply:
            arrived.set()
            return Reply()

    web.replies = Telling()
    with opened(folder) as session:
        asked = request(session)
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *verb, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert arrived.wait(30)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            assert process.stderr is not None
            assert process.stderr.read() == b""
            assert process.stdout is not None
            told = process.stdout.read().decode().splitlines()
        finally:
            process.kill()
    (seen,) = web.seen
    assert json.loads(seen.body)["data"]["approval"] == asked
    if "notify" in verb:
        assert told == ["serving ops; ends with Ctrl-C", f"ops: requested {asked}: arrived"]


def test_a_channel_that_cannot_load_is_said_with_its_line(terminal: Terminal, folder: Path) -> None:
    edit(folder, "bailiwick.toml", 'kind = "webhook"', 'kind = "webhok"')
    said = terminal("channels", "list", "--dir", folder)
    assert said.code == 2
    assert "bailiwick.toml:" in said.err
    assert said.err.count("what to do:") == 1, "what follows from a wrong kind is not said"
