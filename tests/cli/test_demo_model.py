"""`bailiwick demo --model`: a model behind an OpenAI-compatible endpoint works at the desk, and is governed too."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

SELECT = {"sql": "SELECT count(*) AS n FROM customers"}


class _Endpoint(BaseHTTPRequestHandler):
    """Answers chat completions: whatever is asked, one query of the database, and then a sentence."""

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        names = {tool["function"]["name"] for tool in request.get("tools", [])}
        done = request["messages"][-1]["role"] == "tool" or "query_db" not in names
        message: dict[str, Any] = {"role": "assistant", "content": "There are customers."}
        if not done:
            call = {"name": "query_db", "arguments": json.dumps(SELECT)}
            message = {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "call-1", "type": "function", "function": call}],
            }
        body = json.dumps(
            {
                "id": "chat-1",
                "object": "chat.completion",
                "created": 0,
                "model": request["model"],
                "choices": [{"index": 0, "finish_reason": "stop" if done else "tool_calls", "message": message}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it
        """Nothing on stderr."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Endpoint) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1#scripted"
        server.shutdown()
        thread.join()


def test_a_model_behind_an_endpoint_is_governed_too(endpoint: str, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "bailiwick",
        "demo",
        "--model",
        endpoint,
        "--json",
        "--dir",
        str(tmp_path / "demo"),
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert run.returncode == 0, run.stderr
    lines = json.loads(run.stdout)["lines"]
    outcomes = {(line["what"].rsplit(": ", 1)[-1].rstrip(")"), line["outcome"]) for line in lines}
    # alice's support-bot may count customers; nobody's office-bot may.
    assert ("db.query", "allow") in outcomes
    assert ("db.query", "deny") in outcomes
