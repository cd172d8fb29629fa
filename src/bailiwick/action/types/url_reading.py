"""Reads a URL strictly: what urllib, requests, curl and browsers do not all read alike is refused, not guessed.

The grammar is RFC 3986 with the WHATWG URL standard's special schemes in mind: ASCII letters of the RFC alone, `//`
and a host always, nothing before an `@`, a `/` before any `?` or `#`, hosts as plain names or as addresses in their
one usual notation, no dot segments and no encoded slashes. Two such URLs with the same parts are fetched alike.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import unquote_to_bytes

from bailiwick.action.types.base import Unparsable
from bailiwick.action.types.url_addresses import read_address
from bailiwick.action.types.url_names import normal_host

__all__ = ["MAX_URL", "PORTS", "Url", "read_url"]

MAX_URL = 8192
PORTS = {"http": 80, "https": 443}

_FORM = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(//)?([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL)
_LETTERS = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_LETTERS_LATER = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_CONTROLS = re.compile(r"[\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]")
_HIDDEN_IN_PATH = re.compile(r"%(?:2f|5c|00|0a|0d|09|7f)", re.IGNORECASE)
_UNRESERVED = re.compile(r"%(2d|2e|5f|7e|3[0-9]|[46][1-9a-f]|[57][0-9a])", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    """A URL in parts. `host` is a name in ASCII, an IPv4 address, or an IPv6 address in brackets; `path` as it was
    written, `clean_path` with plain letters decoded and empty segments left out: what rules compare. `query` is
    without its `?`, None where there is none. `address` is set where the host is one."""

    scheme: str
    host: str
    port: int
    path: str
    query: str | None
    fragment: str
    address: IPv4Address | IPv6Address | None

    @property
    def authority(self) -> str:
        """Host, and the port unless it is the scheme's own: what a Host header says."""
        return self.host if self.port == PORTS.get(self.scheme) else f"{self.host}:{self.port}"

    @property
    def request_target(self) -> str:
        """What a request line says."""
        return (self.path or "/") + ("" if self.query is None else f"?{self.query}")

    @property
    def clean_path(self) -> str:
        plain = _UNRESERVED.sub(lambda found: chr(int(found.group(1), 16)), self.path)
        return re.sub("/{2,}", "/", plain) or "/"

    @property
    def text(self) -> str:
        """The URL with scheme, host and port in their one form; the rest as it was written."""
        rest = self.path + ("" if self.query is None else f"?{self.query}") + self.fragment
        return f"{self.scheme}://{self.authority}{rest}"


def read_url(text: str, schemes: Collection[str]) -> Url | Unparsable:
    """The parts of a URL with one of these schemes (of those in PORTS)."""
    if len(text) > MAX_URL:
        return Unparsable(problem=f"has {len(text)} characters", code="too-long")
    if _CONTROLS.search(text) or "\\" in text:
        return Unparsable(problem="holds white space, a backslash or a character that nobody sees", code="not-a-url")
    parts = _FORM.fullmatch(text)
    if parts is None:
        return Unparsable(problem="does not begin with a scheme such as https://", code="not-a-url")
    scheme, slashes, authority, path, query, fragment = (part or "" for part in parts.groups())
    if scheme.lower() not in schemes:
        return Unparsable(problem=f"has the scheme {scheme.lower()!r:.20}", code="scheme-not-allowed")
    if not slashes:
        return Unparsable(problem="has no '//' after its scheme", code="not-a-url")
    problem = _rest_problem(path, query, fragment)
    if problem:
        return Unparsable(problem=problem, code="not-a-url")
    found = _host(authority)
    if isinstance(found, Unparsable):
        return found
    host, address, port = found
    return Url(
        scheme=scheme.lower(),
        host=host,
        port=port or PORTS[scheme.lower()],
        path=path,
        query=query[1:] if query else None,
        fragment=fragment,
        address=address,
    )


def _rest_problem(path: str, query: str, fragment: str) -> str:
    """What is wrong with all that comes after the host."""
    if not path and (query or fragment):
        return "has a '?' or '#' straight after its host; write a '/' between them"
    letters = _LETTERS.fullmatch(path), _LETTERS_LATER.fullmatch(query[1:]), _LETTERS_LATER.fullmatch(fragment[1:])
    if not all(letters):
        return "holds characters that have to be percent-encoded, or a '%' that encodes nothing"
    if _HIDDEN_IN_PATH.search(path):
        return "hides a slash or a control character in its path (%2F, %5C, %00 …)"
    if any(unquote_to_bytes(segment).partition(b";")[0] in (b".", b"..") for segment in path.split("/")):
        return "has '.' or '..' as a part of its path"
    if "%25" in path:
        return "has a path that is encoded twice (%25)"
    return ""


def _host(authority: str) -> tuple[str, IPv4Address | IPv6Address | None, int] | Unparsable:
    """→ host, its address if it is one, port (0: none was written)."""
    if "@" in authority:
        return Unparsable(problem="has a user name before its host (…@)", code="userinfo")
    if authority.startswith("["):
        inner, bracket, rest = authority[1:].partition("]")
        name, colon, port = (inner, ":", rest[1:]) if rest.startswith(":") else (inner, "", rest)
        if not bracket or (port and not colon):
            return Unparsable(problem="has an address that is not written like [2001:db8::1]", code="not-a-url")
        found: tuple[str, IPv4Address | IPv6Address | None] | Unparsable = _literal_6(name)
    else:
        name, colon, port = authority.partition(":")
        found = _name_or_literal_4(name)
    if isinstance(found, Unparsable):
        return found
    if colon and (_PORT.fullmatch(port) is None or int(port) > 65535):
        return Unparsable(problem="has a port that is no plain number between 1 and 65535", code="not-a-url")
    return (*found, int(port) if colon else 0)


def _literal_6(text: str) -> tuple[str, IPv6Address] | Unparsable:
    address = read_address(text)
    if not isinstance(address, IPv6Address):
        return Unparsable(
            problem="has an IPv6 address that is not plain (no zones, no abbreviations of its own)", code="not-a-url"
        )
    embeds = address.ipv4_mapped or address.sixtofour or address.teredo or "." in text or int(address) >> 32 == 0
    if (embeds and int(address) > 1) or address.exploded.startswith(("0064:ff9b:", "0000:0000:0000:0000:ffff:0000:")):
        return Unparsable(problem="has an IPv6 address with an IPv4 address in it", code="not-a-url")
    return f"[{address.compressed}]", address


def _name_or_literal_4(name: str) -> tuple[str, IPv4Address | None] | Unparsable:
    if not name:
        return Unparsable(problem="has no host", code="not-a-url")
    if "%" in name:
        return Unparsable(problem="has a percent-encoded host", code="not-a-url")
    # A last label that is a number makes the whole an IPv4 address to browsers and to inet_aton, and a name to others.
    if _NUMBER.fullmatch(name.rstrip(".").rpartition(".")[2].lower()):
        address = read_address(name)
        if not isinstance(address, IPv4Address):
            return Unparsable(problem="has a host in numbers that is not written like 192.0.2.1", code="not-a-url")
        return str(address), address
    host = normal_host(name)
    if not host:
        return Unparsable(
            problem="has a host that not everybody reads as the same name; write it in plain letters, or as xn--…",
            code="not-a-url",
        )
    return host, None
