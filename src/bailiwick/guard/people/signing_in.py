"""People sign in to the console with a passkey or at an identity provider, come back, leave, and sign their answers.
Pure flows; what is secret is made by the caller.

INVARIANTS:
- Whoever is let in is an active user of the directory whom nobody suspended, now; so is whoever comes back.
- A login is on record, fsynced, before it holds.
- What went wrong at a login is for the log: from outside it all looks the same.
DESIGN §5 *Identity*, *Action* (approvals).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bailiwick.guard.administration.entitled import written
from bailiwick.guard.core import Core
from bailiwick.guard.effects import Append, Flow, Now
from bailiwick.guard.handing.credentials import UserKeys
from bailiwick.guard.people.accounts import AskAccounts, fit
from bailiwick.guard.people.challenges import CHALLENGE_MS, Door, TurnedAway, away, keep, stale, taken, used_passkey
from bailiwick.guard.record import draft
from bailiwick.identity.accounts import Challenge, ConsoleSession, Passkey, Purpose
from bailiwick.identity.answer_to_sign import AnswerToSign
from bailiwick.identity.jwks import Jwks
from bailiwick.identity.keys import b64url
from bailiwick.identity.oidc import read_head, verify_user
from bailiwick.identity.oidc_login import for_login
from bailiwick.identity.oidc_settings import OidcIssuer
from bailiwick.identity.passkeys import asked_in, request_options
from bailiwick.identity.signed_answers import kept
from bailiwick.model.approver import ProofMethod, Proven
from bailiwick.model.decision import Reason
from bailiwick.model.event import EventKind
from bailiwick.model.tool import Durability

__all__ = [
    "Fresh",
    "ToSign",
    "ask_login",
    "ask_signature",
    "come_back",
    "login",
    "oidc_login",
    "sign_out",
    "signed",
]

_SEEN_MS = 5_000
"""So often at most it is noted that a session is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """A session that is to be made: the hash of its cookie, and of the one that this browser showed before."""

    id: str
    instead_of: str


def ask_login(core: Core, door: Door, *, holder: str, challenge: bytes) -> Flow[dict[str, Any]]:
    """What the browser asks a device for: any passkey of this console."""
    now_us: int = yield Now()
    yield from keep(core, Purpose.LOGIN, b64url(challenge), holder=holder, payload=b"", now_us=now_us)
    return request_options(door.party, challenge=challenge)


def login(core: Core, door: Door, answer: object, *, holder: str, fresh: Fresh) -> Flow[ConsoleSession | TurnedAway]:
    """The session of whoever holds the passkey."""
    now_us: int = yield Now()
    found = yield from taken(core, Purpose.LOGIN, asked_in(answer), holder=holder, now_us=now_us)
    if isinstance(found, TurnedAway):
        return found
    used = yield from used_passkey(core, door, Purpose.LOGIN, answer, challenge=found[0], now_ms=now_us // 1000)
    if isinstance(used, TurnedAway):
        return used
    passkey, _assertion = used
    body = {"credential": passkey.id}
    return (yield from _let_in(core, door, passkey.user, ProofMethod.PASSKEY, body, fresh=fresh, now_us=now_us))


def oidc_login(
    core: Core, door: Door, issuer: OidcIssuer, token: str, *, nonce: str, fresh: Fresh
) -> Flow[ConsoleSession | TurnedAway]:
    """The session of whoever the provider's ID token, asked for with this nonce, is about."""
    now_us: int = yield Now()
    asked = for_login(issuer)
    head = read_head(token, (asked,))
    if isinstance(head, Reason):
        return TurnedAway(what=Purpose.OIDC, reason=head)
    keys: Jwks = yield UserKeys(asked, head.kid)
    found = verify_user(
        token, issuer=asked, keys=keys, directory=core.planes.directory, now_ms=now_us // 1000, nonce=nonce
    )
    if isinstance(found, Reason):
        return TurnedAway(what=Purpose.OIDC, reason=found)
    if found.evidence.actors:
        return away(
            Purpose.OIDC,
            "login-by-actor",
            "Somebody else had a hand in this sign-in.",
            "Sign in yourself.",
            user=found.user,
        )
    body = {"issuer": found.evidence.issuer, "subject": found.evidence.subject}
    return (yield from _let_in(core, door, found.user, ProofMethod.OIDC, body, fresh=fresh, now_us=now_us))


def _let_in(
    core: Core, door: Door, user: str, method: ProofMethod, body: Mapping[str, str], *, fresh: Fresh, now_us: int
) -> Flow[ConsoleSession | TurnedAway]:
    if not fit(core.planes, user):
        what = Purpose.LOGIN if method is ProofMethod.PASSKEY else Purpose.OIDC
        return away(what, "account-closed", f"'{user}' is no active user.", "Somebody else has to do it.", user=user)
    event_id, now_ms = core.new_id(), now_us // 1000
    event = draft(
        core.planes,
        None,
        EventKind.ACCOUNT_SIGNED_IN,
        {"user": user, "method": method.value, **{key: written(value) for key, value in body.items()}},
        event_id=event_id,
        now_us=now_us,
    )
    yield Append((event,), Durability.SYNC)
    session = ConsoleSession(
        id=fresh.id,
        user=user,
        method=method,
        proved_ms=now_ms,
        seen_ms=now_ms,
        ends_ms=now_ms + door.rules.session_ms,
        event=event_id,
    )
    stored: bool = yield AskAccounts(
        core.planes,
        lambda store, *whose: store.sign_in(
            *whose, session, passkey=body.get("credential", ""), instead_of=fresh.instead_of
        ),
    )
    if not stored:
        return away(Purpose.LOGIN, "passkey-changed", "This passkey was revoked just now.", "Use another.", user=user)
    return session


def come_back(core: Core, door: Door, session_id: str, *, by_itself: bool = False) -> Flow[ConsoleSession | None]:
    """The session under the hash of a cookie, if it holds now. `by_itself`: a page asked, and nobody used it."""
    now_us: int = yield Now()
    now_ms = now_us // 1000
    found: ConsoleSession | None = yield AskAccounts(
        core.planes, lambda store, *whose: store.session(*whose, session_id)
    )
    if found is None or now_ms < found.proved_ms:
        return None
    if not found.live(now_ms, idle_ms=door.rules.idle_ms) or not fit(core.planes, found.user):
        # So that it does not hold again when the clock goes back, or when they are let on again.
        yield AskAccounts(core.planes, lambda store, *whose: store.sign_out(*whose, session_id))
        return None
    if not by_itself and now_ms - found.seen_ms >= min(_SEEN_MS, door.rules.idle_ms // 4):
        yield AskAccounts(core.planes, lambda store, *whose: store.seen(*whose, session_id, now_ms=now_ms))
    return found


def sign_out(core: Core, session: ConsoleSession) -> Flow[None]:
    """The session is over, whether or not that can be recorded."""
    yield AskAccounts(core.planes, lambda store, *whose: store.sign_out(*whose, session.id))
    now_us: int = yield Now()
    body = {"user": session.user, "login": session.event}
    event = draft(core.planes, None, EventKind.ACCOUNT_SIGNED_OUT, body, event_id=core.new_id(), now_us=now_us)
    yield Append((event,), Durability.BUFFERED)


def ask_signature(core: Core, session: ConsoleSession, nonce: str) -> Flow[tuple[int, tuple[Passkey, ...]]]:
    """Until when an answer with this nonce may be signed, and with which passkeys."""
    now_us: int = yield Now()
    yield from keep(core, Purpose.SIGN, nonce, holder=session.id, payload=b"", now_us=now_us)
    known: tuple[Passkey, ...] = yield AskAccounts(core.planes, lambda store, *whose: store.passkeys(*whose))
    return now_us // 1000 + CHALLENGE_MS, tuple(each for each in known if each.user == session.user)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToSign:
    """An answer but for what its challenge adds: see `AnswerToSign`."""

    approval: str
    action: str
    card: str
    gates: tuple[str, ...]
    grant: bool
    edited: str
    remember: str

    def by(self, core: Core, user: str, *, nonce: str, expires_ms: int) -> AnswerToSign:
        settings = core.planes.settings
        return AnswerToSign(
            tenant=settings.tenant,
            env=settings.env,
            approval=self.approval,
            action=self.action,
            card=self.card,
            gates=tuple(sorted(set(self.gates))),
            grant=self.grant,
            edited=self.edited,
            remember=self.remember,
            user=user,
            nonce=nonce,
            expires_ms=expires_ms,
        )


def signed(
    core: Core, door: Door, session: ConsoleSession, said: ToSign, *, nonce: str, answer: object
) -> Flow[Proven | TurnedAway]:
    """The person of this session, proven by a passkey's signature over exactly this answer."""
    now_us: int = yield Now()
    row: Challenge | None = yield AskAccounts(
        core.planes, lambda store, *whose: store.take_challenge(*whose, nonce, purpose=Purpose.SIGN)
    )
    now_ms = now_us // 1000
    if row is None or row.holder != session.id or now_ms >= row.expires_ms:
        return stale(Purpose.SIGN)
    whole = said.by(core, session.user, nonce=nonce, expires_ms=row.expires_ms)
    used = yield from used_passkey(
        core, door, Purpose.SIGN, answer, challenge=whole.challenge, now_ms=now_ms, user=session.user
    )
    if isinstance(used, TurnedAway):
        return used
    evidence = kept(whole, used[1], party=door.party)
    return Proven(user=session.user, method=ProofMethod.SIGNED, at_ms=now_ms, evidence=evidence)
