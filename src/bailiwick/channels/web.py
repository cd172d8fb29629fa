"""Sends one message by HTTP: signed to a webhook, or to what takes Slack's messages. Needs the extra `http`.

INVARIANT: certificates are verified, redirects are not followed, proxies and settings of the environment are not read,
one attempt ends in time however slowly the other side answers, and what it answers is neither kept nor told.
"""

from __future__ import annotations

import email.utils
import http.client
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from bailiwick.action.channel_settings import Channel
from bailiwick.action.notices import Told
from bailiwick.channels.deadline import ended_after
from bailiwick.errors import MissingExtra

try:
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.exceptions import HTTPError, SSLError
except ImportError as error:
    raise MissingExtra(feature="a channel by HTTP", extra="http") from error

__all__ = ["post"]

_FAILURES = (HTTPError, OSError, http.client.HTTPException, ValueError)
_GONE, _MAX_ANSWER = 410, 65_536
_PORTS = {"http": 80, "https": 443}


def post(
    channel: Channel,
    url: str,
    body: bytes,
    *,
    headers: dict[str, str],
    folder: Path,
    now_ms: int,
    seconds: float,
) -> Told:
    """One attempt. Never raises for what the other side does."""
    parts = urlsplit(url)
    connection = _connection(channel, parts.scheme, str(parts.hostname), parts.port, folder, seconds)
    if isinstance(connection, Told):
        return connection
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with ended_after(seconds, lambda: connection.sock) as late:
        try:
            connection.connect()
            if late():
                return Told(error=_LATE)
            connection.request(
                "POST",
                target,
                body=body,
                headers={
                    "Content-Type": "application/json",
                    "User-Agent": "bailiwick",
                    "Accept-Encoding": "identity",
                    "Connection": "close",
                    **headers,
                },
                preload_content=False,
                decode_content=False,
            )
            answer = connection.getresponse()
            # Read so that the other side can end its answer in peace; thrown away.
            answer.read(_MAX_ANSWER, decode_content=False)
            status, after = answer.status, answer.headers.get("retry-after", "")
        except _FAILURES as error:
            return Told(error=_said(error, late=late()))
        finally:
            connection.close()
        if late():
            return Told(error=_LATE)
    if status // 100 == 2:
        return Told()
    retry = _retry_after_ms(after, now_ms)
    return Told(error=f"it answered {status}", retry_after_ms=retry, gone=status == _GONE)


_LATE = "it took too long"


def _connection(
    channel: Channel, scheme: str, host: str, port: int | None, folder: Path, seconds: float
) -> HTTPConnection | Told:
    if scheme == "http":
        return HTTPConnection(host, port or _PORTS[scheme], timeout=seconds)
    try:
        context = ssl.create_default_context(cafile=str(folder / channel.ca_file) if channel.ca_file else None)
    except (OSError, ssl.SSLError):
        return Told(error="the file in ca_file cannot be read")
    return HTTPSConnection(host, port or _PORTS["https"], timeout=seconds, ssl_context=context)


def _said(error: Exception, *, late: bool) -> str:
    """What went wrong, in our words: those of the library hold the address, which may be a secret."""
    if late or isinstance(error, TimeoutError):
        return _LATE
    if isinstance(error, (ssl.SSLError, SSLError)):
        return "its certificate or its TLS is not accepted"
    return f"there is no connection, or it broke off ({type(error).__name__}): see that its address and port are right"


def _retry_after_ms(text: str, now_ms: int) -> int:
    """`Retry-After`: seconds, or a date. What is neither says nothing."""
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return int(text) * 1000
    try:
        at = email.utils.parsedate_to_datetime(text)
        return max(0, int(at.timestamp() * 1000) - now_ms)
    except (ValueError, TypeError, OverflowError):
        return 0
