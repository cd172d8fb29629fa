"""The project's own signing key, and the keys of the identity providers that it trusts.

The signing key lies in the state folder, readable by its owner alone, and is made when it is first needed. Who can read
it can make delegations: in the embedded tier that is whoever can write the state anyway. DESIGN §5 *Keys*.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from pathlib import Path

from bailiwick.errors import StoreError, UsageError
from bailiwick.guard.ports import Issuer
from bailiwick.identity.jwks import Jwks
from bailiwick.identity.keys import PrivateKey, PublicKey
from bailiwick.identity.oidc_settings import OidcIssuer
from bailiwick.identity.signatures import KnownSignatures
from bailiwick.stores.jwks import JwksSource

__all__ = ["ProjectKeys"]

KEY_FILE = "issuer.pem"


class ProjectKeys:
    """The `Keys` of one Guard. Threads may share it."""

    def __init__(self, *, folder: Path, state: Path, name: str) -> None:
        """`folder` is the project's, `state` where its key lies, `name` what its tokens say as their issuer."""
        self._folder, self._state, self._name = folder, state, name
        self._issuer: Issuer | None = None
        self._providers: dict[str, JwksSource] = {}
        self._known = KnownSignatures()
        self._lock = threading.Lock()

    def of_provider(self, issuer: OidcIssuer, kid: str | None) -> Jwks:
        with self._lock:
            source = self._providers.get(issuer.jwks)
            if source is None:
                source = JwksSource(issuer.jwks, folder=self._folder, clock_ms=_monotonic_ms)
                self._providers[issuer.jwks] = source
        return source.keys(kid)

    def issuer(self) -> Issuer:
        with self._lock:
            if self._issuer is None:
                self._issuer = Issuer(name=self._name, key=_own_key(self._state / KEY_FILE))
            return self._issuer

    def verifies(self, key: PublicKey, message: bytes, signature: bytes) -> bool:
        return self._known(key, message, signature)


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _own_key(path: Path) -> PrivateKey:
    try:
        if not path.exists():
            _make(path)
        return PrivateKey.parse(path.read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError, UsageError) as error:
        raise StoreError(
            f"the signing key {path} cannot be used: {error}",
            hint="restore it, or move it away: then a new one is made, and no delegation made before holds",
        ) from error


def _make(path: Path) -> None:
    """Written beside its place and linked to it, so that of several processes that make it at once all use one."""
    beside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    file = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(file, "w", encoding="ascii") as out:
            out.write(PrivateKey(secrets.token_bytes(32)).pem)
            out.flush()
            os.fsync(out.fileno())
        try:
            path.hardlink_to(beside)
        except FileExistsError:
            return
    finally:
        beside.unlink()
