"""Accounts of the directory's users on the console: their passkeys, the codes to enrol one, sessions and challenges.

An account holds no authority and no attribute: who there is, who is switched off and who may do what is asked of the
directory and the rules each time. INVARIANT: what lets somebody in (the id of a session, a code, a challenge's holder)
is kept as a hash alone, so that who reads the store can use none of it. DESIGN §5 *Identity*.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bailiwick.model.approver import ProofMethod

__all__ = [
    "AccountStore",
    "Challenge",
    "ConsoleRules",
    "ConsoleSession",
    "Invitation",
    "Passkey",
    "Purpose",
    "Revoked",
    "hidden",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleRules:
    """Where the console is, and for how long what lets somebody in is good: a session unused and in all, and an
    invitation."""

    url: str
    idle_ms: int
    session_ms: int
    invitation_ms: int


class Purpose(StrEnum):
    """What a challenge was made for. One for another purpose is none."""

    ENROL = "enrol"
    LOGIN = "login"
    SIGN = "sign"
    OIDC = "oidc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """A credential of one user: `id` is the credential's id in base64url, `public_key` its COSE bytes, `sign_count` the
    last counter that it showed (0: it has none), `event` the record of its enrolment."""

    id: str
    user: str
    public_key: bytes
    sign_count: int
    added_ms: int
    used_ms: int
    event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """Leave to enrol one passkey for `user`, once. `code` is the hash of what the person was given."""

    code: str
    user: str
    expires_ms: int
    event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSession:
    """Somebody who signed in. `id` is the hash of the cookie; `proved_ms` when they proved who they are, `seen_ms` when
    they were last seen, `ends_ms` when it is over in any case. `event` is the record of the login."""

    id: str
    user: str
    method: ProofMethod
    proved_ms: int
    seen_ms: int
    ends_ms: int
    event: str

    def live(self, now_ms: int, *, idle_ms: int) -> bool:
        """Whether it still holds: neither over nor idle, and the clock not back before its beginning."""
        return self.proved_ms <= now_ms < min(self.ends_ms, self.seen_ms + idle_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """Something to be answered once, before `expires_ms`, by the browser that it was made for (`holder`: the hash of
    its cookie). `payload` is what the maker wants back."""

    id: str
    purpose: Purpose
    holder: str
    expires_ms: int
    payload: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """How much was taken away."""

    passkeys: int
    invitations: int
    sessions: int

    def __bool__(self) -> bool:
        return bool(self.passkeys or self.invitations or self.sessions)


class AccountStore(Protocol):
    """Accounts of all tenants. What lets somebody in or shuts somebody out is durable (fsynced) when a method returns.

    Every method raises StoreError when it cannot do its work; the caller lets nobody in.
    """

    def passkey(self, tenant: str, env: str, id_: str) -> Passkey | None:
        """The passkey with this credential id."""

    def passkeys(self, tenant: str, env: str) -> tuple[Passkey, ...]:
        """All of them, by user and by when they were added."""

    def counted(self, tenant: str, env: str, old: Passkey, *, sign_count: int, used_ms: int) -> bool:
        """Note its new counter → whether the store still held `old`'s."""

    def invite(self, tenant: str, env: str, invitation: Invitation) -> None:
        """Keep an invitation; those that the user had before are gone."""

    def invitation(self, tenant: str, env: str, code: str) -> Invitation | None:
        """The invitation under the hash of a code, whether or not it has expired."""

    def invitations(self, tenant: str, env: str) -> tuple[Invitation, ...]:
        """All of them, by user."""

    def enrol(self, tenant: str, env: str, passkey: Passkey, *, leave: Invitation | ConsoleSession) -> bool:
        """Keep a passkey and use up the invitation, both or neither → False if the invitation or the session that
        allows it is gone by now, or the credential is known already."""

    def sign_in(self, tenant: str, env: str, session: ConsoleSession, *, passkey: str, instead_of: str) -> bool:
        """Keep a session; the one whose hash is `instead_of` is gone → False if the passkey that it rests on (empty:
        none) was revoked meanwhile."""

    def session(self, tenant: str, env: str, id_: str) -> ConsoleSession | None:
        """The session under the hash of a cookie, whether or not it is over."""

    def seen(self, tenant: str, env: str, id_: str, *, now_ms: int) -> None:
        """Somebody used a session. Never moves the mark back; need not survive a power loss."""

    def sign_out(self, tenant: str, env: str, id_: str) -> bool:
        """End a session → whether there was one."""

    def revoke(self, tenant: str, env: str, user: str, *, passkey: str) -> Revoked:
        """Take away a user's passkey of this id, or, where it is empty, every passkey and invitation; with either,
        every session."""

    def put_challenge(self, tenant: str, env: str, challenge: Challenge, *, now_ms: int) -> None:
        """Keep a challenge; those that have expired are forgotten."""

    def take_challenge(self, tenant: str, env: str, id_: str, *, purpose: Purpose) -> Challenge | None:
        """A challenge, at most once: of all who ask at once, in any process, one gets it. It may have expired."""


def hidden(secret: str) -> str:
    """What is kept of a secret that lets somebody in. The secrets are random and long, so a plain hash hides them."""
    return hashlib.sha256(b"bailiwick.hidden\x00" + secret.encode("utf-8", "surrogatepass")).hexdigest()
