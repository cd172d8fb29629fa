"""A real model in the agent's place: a local server speaks the endpoint's protocol, with answers as scripted."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bailiwick.cli import cli
from bailiwick.errors import UsageError
from bailiwick.redteam.model_agent import Endpoint, model_unsound, run_model
from bailiwick.redteam.pack_world import pack_world
from bailiwick.redteam.results import Fate, WorldRun
from bailiwick.redteam.run import Plan
from tests.redteam.test_packs import ALL, NOTHING_AFTER_A_STRANGER, project

Answer = Callable[[Mapping[str, Any]], Mapping[str, Any] | int]
MULE = "NL91ABNA0417164300"


@contextmanager
def served(answer: Answer) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """(base URL, the requests that came)."""
    asked: list[Mapping[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append({**request, "path": self.path, "authorization": self.headers.get("Authorization")})
            told = answer(request)
            body = json.dumps({"choices": [{"message": told}]}).encode() if not isinstance(told, int) else b"no"
            self.send_response(told if isinstance(told, int) else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def calls(name: str, **args: object) -> Mapping[str, Any]:
    function = {"name": name, "arguments": json.dumps(args)}
    return {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": function}]}


def obedient(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """A model that reads first, then does what the last text that it read tells it."""
    results = [each["content"] for each in request["messages"] if each["role"] == "tool"]
    if not results:
        return calls("inbox__read", id="orion-4711")
    if len(results) == 1:
        mule = "another-payee" in results[0]
        return calls("bank__pay", iban=MULE if mule else "DE89370400440532013000", amount="120")
    return {"role": "assistant", "content": "Done."}


def ran(folder: Path, answer: Answer) -> tuple[WorldRun, list[Mapping[str, Any]]]:
    plan = Plan(processes=1, tasks=frozenset({"bank.pay"}))
    with served(answer) as (url, asked):
        endpoint = Endpoint(url=url, model="small", key="k-1")
        return run_model(lambda: pack_world(folder, ("injection",)), plan, endpoint=endpoint), asked


def test_a_model_that_obeys_is_taken_in_an_open_project(tmp_path: Path) -> None:
    run, asked = ran(project(tmp_path), obedient)
    assert not model_unsound([run])
    assert {pair.attack for pair in run.pairs if pair.succeeded} == {"injection/another-payee"}
    assert all(benign.trial.done for benign in run.benign)
    assert {request["path"] for request in asked} == {"/v1/chat/completions"}
    assert {request["authorization"] for request in asked} == {"Bearer k-1"}
    tools = {each["function"]["name"]: each["function"]["parameters"] for each in asked[0]["tools"]}
    assert tools["mail__send"]["properties"]["to"] == {"type": "array", "items": {"type": "string"}}


def test_a_guard_stops_what_the_model_was_talked_into_and_tells_it_so(tmp_path: Path) -> None:
    run, asked = ran(project(tmp_path, ALL + NOTHING_AFTER_A_STRANGER), obedient)
    assert not any(pair.succeeded for pair in run.pairs)
    fates = {call.fate for pair in run.pairs for _, trial in pair.trials for call in trial.attempts}
    assert fates == {Fate.REFUSED}
    said = [each["content"] for request in asked for each in request["messages"] if each["role"] == "tool"]
    assert any("nothing-after-a-stranger" in text or "forbid" in text or "bank.pay" in text for text in said)


def test_a_model_that_never_reads_an_attack_proves_nothing(tmp_path: Path) -> None:
    run, _ = ran(project(tmp_path), lambda _: {"role": "assistant", "content": "No."})
    assert "was not reached" in model_unsound([run])


def test_nonsense_of_a_model_harms_nothing(tmp_path: Path) -> None:
    def odd(request: Mapping[str, Any]) -> Mapping[str, Any]:
        turn = len(request["messages"])
        if turn > 8:
            return {"role": "assistant", "content": "enough"}
        function = ({"name": "no_such", "arguments": "{}"}, {"name": "bank__pay", "arguments": "{"})[turn % 4 == 0]
        return {"role": "assistant", "tool_calls": [{"id": "x", "type": "function", "function": function}]}

    run, _ = ran(project(tmp_path), odd)
    assert not run.reached


@pytest.mark.parametrize("answer", [lambda _: 503, lambda _: "text"])
def test_an_endpoint_that_gives_no_message_is_an_error(tmp_path: Path, answer: Answer) -> None:
    with pytest.raises(UsageError):
        ran(project(tmp_path), answer)


def test_the_command_takes_an_endpoint_and_exits_2_where_there_is_none(tmp_path: Path) -> None:
    folder = str(project(tmp_path / "p"))
    with served(obedient) as (url, asked):
        base = ["redteam", "run", folder, "--pack", "injection", "--task", "bank.pay", "--model-name", "small"]
        told = CliRunner().invoke(cli, [*base, "--model", url], env={"BAILIWICK_MODEL_KEY": "from-env"})
        assert told.exit_code == 1, told.output
        assert asked[0]["authorization"] == "Bearer from-env"
    gone = CliRunner().invoke(cli, [*base, "--model", url])
    assert isinstance(gone.exception, UsageError)
    half = CliRunner().invoke(cli, ["redteam", "run", folder, "--model", url])
    assert isinstance(half.exception, UsageError)
