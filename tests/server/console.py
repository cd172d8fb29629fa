"""A console that really listens, a client that knocks, and a browser that looks."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from typing import Any

import urllib3
import uvicorn
from starlette.types import ASGIApp

from bailiwick import Guard
from bailiwick.server.app import create_app
from bailiwick.server.pages import Pages
from tests.server.door import SESSION, SignedIn

__all__ = ["Console", "listening", "serving"]


@dataclass(frozen=True)
class Console:
    """A console that runs; `origin` is what a browser types."""

    origin: str
    guard: Guard

    def get(self, path: str, by: str = "", **headers: str) -> urllib3.BaseHTTPResponse:
        return knock(self.origin, "GET", path, headers={**_cookie(by), **headers})

    def post(self, path: str, by: str, form: Mapping[str, str], **headers: str) -> urllib3.BaseHTTPResponse:
        """As the browser sends a form of the console's own page."""
        ours = {"Sec-Fetch-Site": "same-origin", "Origin": "null"}
        return knock(self.origin, "POST", path, headers={**_cookie(by), **ours, **headers}, fields=dict(form))

    def form(self, path: str, by: str) -> dict[str, str]:
        """The hidden fields of the page's form for an answer."""
        page = self.get(path, by).data.decode()
        form = page[page.index("/answer") :]
        return {
            name: unescape(value)
            for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form)
        }

    def answer(self, approval: str, by: str, word: str, **changed: str) -> urllib3.BaseHTTPResponse:
        path = f"/approvals/{approval}"
        return self.post(f"{path}/answer", by, {**self.form(path, by), "word": word, **changed})


def knock(origin: str, method: str, path: str, **how: Any) -> urllib3.BaseHTTPResponse:
    with urllib3.PoolManager(retries=False) as pool:
        if "fields" in how:
            how["encode_multipart"] = False
        return pool.request(method, origin + path, redirect=False, timeout=20, **how)


def _cookie(by: str) -> dict[str, str]:
    return {"Cookie": f"{SESSION}={by}"} if by else {}


@contextmanager
def listening(make: Any) -> Iterator[str]:
    """Serve the application that `make` gives for an origin, on a free port. → the origin"""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        origin = f"http://localhost:{listener.getsockname()[1]}"
        app: ASGIApp = make(origin)
        server = _Server(
            uvicorn.Config(app, ws="none", lifespan="off", proxy_headers=False, server_header=False, log_config=None)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            assert server.ready.wait(20)
            yield origin
        finally:
            server.should_exit = True
            thread.join(20)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@contextmanager
def serving(guard: Guard) -> Iterator[Console]:
    """The console of an open project."""
    pages = Pages(project="acme/test")

    def make(origin: str) -> ASGIApp:
        return create_app(guard, door=SignedIn(), pages=pages, origin=origin)

    with listening(make) as origin:
        yield Console(origin, guard)
