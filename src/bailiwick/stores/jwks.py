"""Where an identity provider's keys come from: a file of the project, or an https address, kept for a while.

INVARIANT: keys older than `max_age_ms` are never used, so a provider that cannot be reached ends trust in its tokens
after that time. A key id that is not known asks anew, at most once per `cooldown_ms`: tokens of strangers cannot make
this process hammer the provider. Redirects are not followed: keys come from where the project says.
DESIGN §5 *Identity*.
"""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bailiwick.errors import StoreError, UsageError
from bailiwick.identity.jwks import Jwks
from bailiwick.identity.oidc_settings import allowed_url

__all__ = ["JwksSource"]

_MOST_BYTES = 256 * 1024
_CHUNK = 16 * 1024


class JwksSource:
    """The keys of one provider. Safe to use from many threads: one fetches, the others go on with what there is."""

    def __init__(
        self,
        location: str,
        *,
        folder: Path,
        clock_ms: Callable[[], int],
        ttl_ms: int = 300_000,
        max_age_ms: int = 3_600_000,
        cooldown_ms: int = 10_000,
        timeout_s: float = 5.0,
    ) -> None:
        """`location` is an address or a path relative to `folder`. Keys are fetched again when they are `ttl_ms` old.
        `clock_ms` must not go back (`time.monotonic`)."""
        if "://" in location and not allowed_url(location):
            raise UsageError(
                f"keys cannot be fetched from {location}", hint="use https (http is for this machine alone)"
            )
        self._location = location
        self._read = self._fetch if "://" in location else (lambda: _from_file(folder / location))
        self._clock_ms = clock_ms
        self._ttl_ms, self._max_age_ms, self._cooldown_ms = ttl_ms, max_age_ms, cooldown_ms
        self._timeout_s = timeout_s
        self._fetching = threading.Lock()
        self._held: tuple[Jwks, int] | None = None
        self._tried_ms: int | None = None
        self._failed = ""

    def keys(self, kid: str | None = None) -> Jwks:
        """The keys now, with the one of this id among them if the provider has it. Raises StoreError when there are
        none young enough to be used; the caller denies."""
        held = self._held
        if held is None or self._wants_more(held, kid):
            usable = held is not None and self._usable(held)
            # Who has keys to go on with does not wait for somebody else's fetch.
            if self._fetching.acquire(blocking=not usable):
                try:
                    self._renew(kid)
                finally:
                    self._fetching.release()
        held = self._held
        if held is None or not self._usable(held):
            raise StoreError(
                f"the keys of the identity provider cannot be had from {self._location}: {self._failed}",
                hint="check 'jwks' in bailiwick.toml and the provider; nobody can sign in meanwhile",
            )
        return held[0]

    def _wants_more(self, held: tuple[Jwks, int], kid: str | None) -> bool:
        known = kid is None or any(key.kid == kid for key in held[0].keys)
        return not known or self._clock_ms() - held[1] >= self._ttl_ms

    def _usable(self, held: tuple[Jwks, int]) -> bool:
        return self._clock_ms() - held[1] < self._max_age_ms

    def _renew(self, kid: str | None) -> None:
        """Read the keys, unless somebody did while we waited, or it was tried a moment ago. Called with the lock."""
        held, now_ms = self._held, self._clock_ms()
        if held is not None and not self._wants_more(held, kid):
            return
        if self._tried_ms is not None and now_ms - self._tried_ms < self._cooldown_ms:
            return
        self._tried_ms = now_ms
        try:
            found = Jwks.parse(self._read())
        except (OSError, HTTPException, ValueError) as error:
            self._failed = str(error) or type(error).__name__
            return
        if found is None or not found.keys:
            self._failed = "there is no set of usable keys"
            return
        # The age counts from before the fetch, so that a slow answer is not younger than it is.
        self._held, self._failed = (found, now_ms), ""

    def _fetch(self) -> bytes:
        """What is at the address. Raises OSError, HTTPException or ValueError."""
        until = time.monotonic() + self._timeout_s
        proxies: dict[str, str] | None = {} if urlsplit(self._location).scheme == "http" else None
        opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler(proxies))
        request = urllib.request.Request(self._location, headers={"Accept": "application/json"})  # noqa: S310  checked
        found = bytearray()
        with opener.open(request, timeout=self._timeout_s) as answer:
            while chunk := answer.read1(_CHUNK):
                found += chunk
                if len(found) > _MOST_BYTES:
                    raise ValueError(f"the answer is longer than {_MOST_BYTES} bytes")
                if time.monotonic() > until:
                    raise ValueError(f"the answer took longer than {self._timeout_s} seconds")
        return bytes(found)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_named: Any) -> None:
        """Follow none: the answer that redirects is an error."""


def _from_file(path: Path) -> bytes:
    with path.open("rb") as file:
        found = file.read(_MOST_BYTES + 1)
    if len(found) > _MOST_BYTES:
        raise ValueError(f"the file is longer than {_MOST_BYTES} bytes")
    return found
