"""The HTTP service of a witness: `POST /add-checkpoint`, and nothing else. C2SP tlog-witness.

Written on the standard library, so that a witness is the core installation and one file of state (docs/adr/0028).
Nobody is authenticated but by the signature on the checkpoint, so everything that a stranger can make it do is bounded:
connections, the time that a request may take, and its size.
"""

from __future__ import annotations

import io
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from bailiwick.errors import StoreError
from bailiwick.witness.service import Reply

__all__ = ["MAX_BODY", "PATH", "WitnessServer"]

PATH = "/add-checkpoint"
MAX_BODY = 128 * 1024
"""Bytes of a request: 63 hashes and more than sixteen signatures of the longest kind."""
MAX_CONNECTIONS = 64
REQUEST_SECONDS = 20.0
"""A connection is closed if its next request is not all there after this time."""


class _Cosigner(Protocol):
    def add_checkpoint(self, data: bytes, /) -> Reply: ...


class WitnessServer(ThreadingHTTPServer):
    """Serves on a socket that listens already. Use `serve_forever` and `shutdown`."""

    daemon_threads = True
    block_on_close = False

    def __init__(
        self,
        listener: socket.socket,
        witness: _Cosigner,
        tell: Callable[[str], None],
        *,
        tls: ssl.SSLContext | None = None,
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        """`tell` is given a line for the operator about every request that a log should not have made, and about every
        failure. It may be called from any thread."""
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        # The handshake is left to the thread of the connection: one that stalls must not hold up the others.
        self.socket = (
            tls.wrap_socket(listener, server_side=True, do_handshake_on_connect=False) if tls is not None else listener
        )
        self.witness, self.tell, self.request_seconds = witness, tell, request_seconds
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread to be had
            self._free.release()
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, *_: Any) -> None:
        error = sys.exception()
        if not isinstance(error, OSError):  # else a client that went away: no concern of the witness
            self.tell(f"a request failed: {type(error).__name__}")


class _Timed(io.RawIOBase):
    """What a socket receives until a moment; after it, reading fails."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.until = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the request took too long")
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: WitnessServer
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self._raw = _Timed(self.connection)
        self.rfile = io.BufferedReader(self._raw)

    def handle_one_request(self) -> None:
        self._raw.until = time.monotonic() + self.server.request_seconds
        super().handle_one_request()

    def do_POST(self) -> None:
        if self.path != PATH:
            self._answer(404, "there is POST /add-checkpoint, and nothing else\n")
            return
        size = self.headers.get("Content-Length", "")
        if not (size.isascii() and size.isdigit()) or "Transfer-Encoding" in self.headers:
            self._answer(411, "the request has no Content-Length\n")
            return
        if len(size) > 9 or int(size) > MAX_BODY:
            self._answer(413, f"a request has at most {MAX_BODY} bytes\n")
            return
        data = self.rfile.read(int(size))
        if len(data) < int(size):
            self.close_connection = True
            return
        try:
            reply = self.server.witness.add_checkpoint(data)
        except StoreError as error:
            self.server.tell(str(error))
            self._answer(503, "the witness cannot remember anything now\n")
            return
        if reply.told:
            self.server.tell(f"{reply.origin}: {reply.told}")
        self._answer(reply.answer, reply.body, reply.content_type, keep=True)

    def do_GET(self) -> None:
        self._answer(405 if self.path == PATH else 404, "there is POST /add-checkpoint, and nothing else\n")

    def _answer(
        self, status: int, body: str, content_type: str = "text/plain; charset=utf-8", *, keep: bool = False
    ) -> None:
        """`keep`: the whole request was read, so the connection can serve another one."""
        data = body.encode()
        self.connection.settimeout(self.server.request_seconds)
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        if not keep:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(data)

    def version_string(self) -> str:
        return "bailiwick-witness"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name that the base class gave it
        """Nothing: what the operator should know is told."""
