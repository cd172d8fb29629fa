"""The Messages API as far as Claude Code asks it, from a script: Claude Code itself is the real program."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.frameworks.harness import Ask, Say, Step

__all__ = ["ScriptedApi"]


@dataclass(slots=True, kw_only=True)
class ScriptedApi:
    """Answers as the agents' scripts say. An agent is known by `marker(name)` in its system prompt; whatever else asks
    (for a title and the like) is told "done"."""

    scripts: dict[str, list[Step]] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    offered: dict[str, tuple[str, ...]] = field(default_factory=dict)
    read: list[str] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)
    calls: int = 0
    address: str = ""
    door: threading.Lock = field(default_factory=threading.Lock)

    @staticmethod
    def marker(name: str) -> str:
        return f"<agent {name}>"

    @contextmanager
    def serving(self) -> Iterator[ScriptedApi]:
        """Answer on a port of this machine until the block ends."""
        api = self

        class Handler(_Handler):
            asked = api

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.address = f"http://127.0.0.1:{server.server_port}"
            try:
                yield self
            finally:
                server.shutdown()

    def answer(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The blocks of the next message."""
        with self.door:
            system = json.dumps(body.get("system", ""))
            name = next((each for each in self.scripts if self.marker(each) in system), "")
            if not name or not body.get("tools"):
                return [{"type": "text", "text": "done"}]
            self.calls += 1
            self.offered[name] = tuple(str(tool.get("name")) for tool in body["tools"])
            self._note(body["messages"])
            script = self.scripts[name]
            step = script.pop(0) if script else Say("done")
            text = [{"type": "text", "text": step.text}] if step.text else []
            return text + [
                {"type": "tool_use", "id": f"toolu_{name}_{self.calls}_{at}", "name": tool, "input": dict(args)}
                for at, (tool, args) in enumerate(step.calls if isinstance(step, Ask) else ())
            ]

    def _note(self, messages: list[Mapping[str, Any]]) -> None:
        self.read.append(json.dumps(messages))
        for message in messages:
            content = message.get("content")
            for block in content if isinstance(content, list) else ():
                if isinstance(block, Mapping) and block.get("type") == "tool_result":
                    self._told_of(block)

    def _told_of(self, block: Mapping[str, Any]) -> None:
        if block["tool_use_id"] not in self.answered:
            self.answered.add(block["tool_use_id"])
            content = block.get("content")
            texts = [each.get("text", "") for each in content] if isinstance(content, list) else [str(content)]
            self.told.append("\n".join(texts))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked: ScriptedApi

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as the base calls it
        """Say nothing."""

    def do_GET(self) -> None:
        self._send(b"{}", "application/json")

    do_HEAD = do_GET  # noqa: N815  as the base calls it

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
        if "count_tokens" in self.path or not self.path.startswith("/v1/messages"):
            self._send(b'{"input_tokens": 1}', "application/json")
            return
        blocks = self.asked.answer(body)
        reason = "tool_use" if any(block["type"] == "tool_use" for block in blocks) else "end_turn"
        message = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": body.get("model", ""),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 10, "output_tokens": 5},
        }
        if not body.get("stream"):
            whole = {**message, "content": blocks, "stop_reason": reason}
            self._send(json.dumps(whole).encode(), "application/json")
            return
        events = [
            {"type": "message_start", "message": message},
            *(event for at, block in enumerate(blocks) for event in _streamed(at, block)),
            {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 5}},
            {"type": "message_stop"},
        ]
        lines = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
        self._send(lines.encode(), "text/event-stream")

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _streamed(at: int, block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    empty: dict[str, Any] = {"type": "text", "text": ""}
    delta: dict[str, Any] = {"type": "text_delta", "text": block.get("text", "")}
    if block["type"] != "text":
        empty = {"type": "tool_use", "id": block["id"], "name": block["name"], "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    yield {"type": "content_block_start", "index": at, "content_block": empty}
    yield {"type": "content_block_delta", "index": at, "delta": delta}
    yield {"type": "content_block_stop", "index": at}
