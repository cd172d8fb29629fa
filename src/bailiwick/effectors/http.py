"""Makes one HTTP request: the effector for arguments of type `url` (a GET) and `http`. Needs the extra `http`.

INVARIANT: it connects to the addresses that were looked up when the call was decided, and to no others; the name is
never resolved again. The certificate must be valid for the name, the Host header says the name, proxies and settings of
the environment are not read. Redirects go as far as the catalog says (`redirects`), and each step is read as strictly
as the first URL: only for GET and HEAD, never to a weaker scheme, and another host must be of the same site (unless
`any`) and is looked up once, has public addresses alone, and is reached at those; it gets no credentials.

Nothing is decompressed: the server is asked for plain bytes, and whatever it sends is handed on as it came. The size of
the body, the time for all of it and the number of steps are limited.
"""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from bailiwick.action.types.base import Unparsable
from bailiwick.action.types.http import header_problem, secret_header
from bailiwick.action.types.url import Redirects, redirects_of, schemes_of, url_facts
from bailiwick.action.types.url_names import site_of
from bailiwick.action.types.url_reading import PORTS, Url, read_url
from bailiwick.effectors.hosts import HostLookups
from bailiwick.effectors.limits import check_count, check_seconds
from bailiwick.errors import DidNotRun, EffectorFailed, MissingExtra, UsageError
from bailiwick.guard.effectors import Decided
from bailiwick.model.lookup import SUPPOSED, Lookup, LookupKind
from bailiwick.model.tool import ArgSpec

try:
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.exceptions import HTTPError
    from urllib3.response import BaseHTTPResponse
except ImportError as error:
    raise MissingExtra(feature="the HTTP effector", extra="http") from error

__all__ = ["HttpAnswer", "HttpEffector", "HttpLimits", "HttpRequest"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FOLLOWING = ("GET", "HEAD")
_CHUNK = 65_536
_FAILURES = (HTTPError, OSError, http.client.HTTPException)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """`max_bytes` of a body, `seconds` for the request with all its redirects, `max_redirects`."""

    max_bytes: int = 10_000_000
    seconds: float = 30.0
    max_redirects: int = 5

    def __post_init__(self) -> None:
        check_count("max_bytes", self.max_bytes)
        check_seconds(self.seconds)
        check_count("max_redirects", self.max_redirects, least=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """What the server said. `url` and `address` are where it came from in the end; `body` as it was sent, also where
    `headers` say that it is encoded."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    url: str
    address: str

    def header(self, name: str) -> str:
        """The first header of this name, empty if there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")


class HttpEffector:
    """Sends what was decided. `ca_file` holds the certificates to trust instead of the system's; `hosts` looks up where
    redirects lead."""

    def __init__(
        self,
        *,
        limits: HttpLimits | None = None,
        ca_file: str | Path | None = None,
        hosts: HostLookups | None = None,
    ) -> None:
        self._limits = limits or HttpLimits()
        self._context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
        self._hosts = hosts or HostLookups()

    def problem(self, spec: ArgSpec) -> str:
        return "" if spec.type in ("url", "http") else f"is of type {spec.type}, not url or http"

    def handle(self, decided: Decided) -> HttpRequest:
        return HttpRequest(decided=decided, limits=self._limits, context=self._context, hosts=self._hosts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One request: where it goes, at which addresses, with what."""

    url: Url
    addresses: tuple[str, ...]
    method: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True, kw_only=True)
class HttpRequest:
    """One decided request. It is sent once; whoever asks again gets the same answer."""

    decided: Decided
    limits: HttpLimits
    context: ssl.SSLContext
    hosts: HostLookups
    _answer: HttpAnswer | None = None
    _sent: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, *, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        """Send it and read the answer. `headers` are the tool's own (its key); they cannot stand in for those that were
        decided, and go to the first host alone.

        Raises DidNotRun if nothing was sent, EffectorFailed if something was and there is no whole answer, UsageError
        for wrong headers and once the call is over."""
        self.decided.begin()
        with self._lock:
            if self._answer is None:
                if self._sent:
                    raise EffectorFailed("this request was sent before, and its answer is lost", hint=_ONCE)
                first = self._first(headers or {})
                self._answer = self._follow(first, own=frozenset(name.lower() for name in headers or {}))
            return self._answer

    def _first(self, own: Mapping[str, str]) -> _Step:
        """What was decided, made a request. It was parsed before, from the same bytes."""
        value: Any = self.decided.value
        given: Mapping[str, Any] = {"method": "GET", "url": value} if isinstance(value, str) else value
        url = read_url(str(given["url"]), schemes_of(self.decided.spec))
        assert isinstance(url, Url)
        headers = {str(name): str(text) for name, text in (given.get("headers") or {}).items()}
        for name, text in own.items():
            if problem := header_problem(name, text):
                raise UsageError(f"the request has {problem}", hint="leave it out")
            if name.lower() in (each.lower() for each in headers):
                raise UsageError(f"the header {name} was decided with the call", hint="send it as it is")
        return _Step(
            url=url,
            addresses=self._pinned(url),
            method=str(given["method"]),
            headers={**headers, **own},
            body=str(given.get("body") or "").encode(),
        )

    def _pinned(self, url: Url) -> tuple[str, ...]:
        if url.address is not None:
            return (str(url.address),)
        addresses = self.decided.found.get(Lookup(kind=LookupKind.HOST, name=url.host), ())
        if not addresses or not SUPPOSED.isdisjoint(addresses):
            raise DidNotRun(f"no address of {url.host} was decided", hint="make the call anew")
        return addresses

    # ── redirects ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _follow(self, step: _Step, own: frozenset[str]) -> HttpAnswer:
        until = time.monotonic() + self.limits.seconds
        first = step
        for _ in range(self.limits.max_redirects + 1):
            answer = self._exchange(step, until)
            target = answer.header("location")
            rule = redirects_of(self.decided.spec)
            if answer.status not in _REDIRECTS or not target or rule is Redirects.NONE:
                return answer
            if step.method not in _FOLLOWING:
                return answer
            step = self._next(first, step, target, rule, own)
        raise EffectorFailed(
            f"{first.url.host} redirected more than {self.limits.max_redirects} times", hint="raise max_redirects"
        )

    def _next(self, first: _Step, step: _Step, target: str, rule: Redirects, own: frozenset[str]) -> _Step:
        """The request that a redirect asks for. Raises EffectorFailed where it must not be made."""
        url = read_url(urljoin(step.url.text, target), schemes_of(self.decided.spec))
        if isinstance(url, Unparsable):
            raise _stopped(f"leads to a URL that {url.problem}")
        if step.url.scheme == "https" and url.scheme != "https":
            raise _stopped("leads from https to http")
        if url.port not in (PORTS[url.scheme], first.url.port):
            raise _stopped(f"leads to port {url.port}")
        if url.host == first.url.host:
            addresses = first.addresses
        else:
            if rule is Redirects.SAME_SITE and (url.address or site_of(url.host) != site_of(first.url.host)):
                raise _stopped("leads to another site")
            addresses = self._public(url)
        headers = dict(first.headers)
        if url.authority != first.url.authority or url.scheme != first.url.scheme:
            headers = {
                name: text for name, text in headers.items() if name.lower() not in own and not secret_header(name)
            }
        return _Step(url=url, addresses=addresses, method=step.method, headers=headers, body=b"")

    def _public(self, url: Url) -> tuple[str, ...]:
        """The addresses of a host that a redirect leads to, looked up once."""
        found = {} if url.address else self.hosts.addresses((url.host,))
        answers = {Lookup(kind=LookupKind.HOST, name=name): addresses for name, addresses in found.items()}
        facts = url_facts(url, answers)
        if isinstance(facts, Unparsable):
            raise _stopped(f"{facts.problem}")
        if facts["private"]:
            raise _stopped("leads to an address that is not public")
        return (str(url.address),) if url.address else found[url.host]

    # ── one exchange ───────────────────────────────────────────────────────────────────────────────────────────────

    def _exchange(self, step: _Step, until: float) -> HttpAnswer:
        connection, address = self._connected(step, until)
        self._sent = True
        with _ended_at(connection, until):
            try:
                connection.request(
                    step.method,
                    step.url.request_target,
                    body=step.body or None,
                    headers={
                        "Accept-Encoding": "identity",
                        "User-Agent": "bailiwick",
                        **step.headers,
                        "Host": step.url.authority,
                        "Connection": "close",
                    },
                    preload_content=False,
                    decode_content=False,
                )
                response = connection.getresponse()
                body = self._body(response, until)
            except _FAILURES as error:
                late = time.monotonic() >= until
                what = f"took longer than {self.limits.seconds} s" if late else f"broke off: {error}"
                raise EffectorFailed(f"the exchange with {step.url.host} {what}", hint=_ONCE) from error
            finally:
                connection.close()
        return HttpAnswer(
            status=response.status,
            headers=tuple((name, value) for name, value in response.headers.items()),
            body=body,
            url=step.url.text,
            address=address,
        )

    def _connected(self, step: _Step, until: float) -> tuple[HTTPConnection, str]:
        """A connection to the first of the addresses that takes one. For https, the certificate has been checked."""
        said: Exception | None = None
        for address in step.addresses:
            left = until - time.monotonic()
            if left <= 0:
                break
            connection = self._connection(step.url, address, left)
            try:
                with _ended_at(connection, until):
                    connection.connect()
            except _FAILURES as error:
                connection.close()
                said = error
            else:
                return connection, address
        why = f"cannot connect to {step.url.host}: {said or 'out of time'}"
        if self._sent:
            raise EffectorFailed(why, hint=_ONCE) from said
        raise DidNotRun(why, hint="nothing was sent") from said

    def _connection(self, url: Url, address: str, timeout: float) -> HTTPConnection:
        if url.scheme == "http":
            return HTTPConnection(address, url.port, timeout=timeout)
        name = url.host.strip("[]")
        return HTTPSConnection(address, url.port, timeout=timeout, ssl_context=self.context, server_hostname=name)

    def _body(self, response: BaseHTTPResponse, until: float) -> bytes:
        parts: list[bytes] = []
        size = 0
        while part := response.read1(_CHUNK, decode_content=False):
            size += len(part)
            if size > self.limits.max_bytes:
                raise EffectorFailed(
                    f"the answer has more than {self.limits.max_bytes} bytes", hint="ask for less, or raise max_bytes"
                )
            parts.append(part)
            if time.monotonic() >= until:
                break
        # What `_ended_at` cut off may look whole: headers and bodies can end where the connection does.
        if time.monotonic() >= until:
            raise EffectorFailed(f"the answer took longer than {self.limits.seconds} s", hint=_ONCE)
        return b"".join(parts)


_ONCE = "the request may have been carried out"


def _stopped(why: str) -> EffectorFailed:
    return EffectorFailed(f"a redirect {why}", hint="ask for the URL itself, so that it is decided")


@contextmanager
def _ended_at(connection: HTTPConnection, until: float) -> Iterator[None]:
    """Ends the connection at `until`, however slowly the other side goes on: its timeout is for each read alone."""

    def end() -> None:
        sock = connection.sock
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(2)

    timer = threading.Timer(max(0.0, until - time.monotonic()), end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
