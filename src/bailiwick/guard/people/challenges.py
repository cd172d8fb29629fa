"""Challenges to passkeys, and what becomes of the answers: what enrolling, signing in and signing an answer share.

INVARIANT: a challenge counts once, for its purpose, in the browser that asked for it, before it expires; it is used up
before anything of the answer is looked at. DESIGN §5 *Identity*.
"""

from __future__ import annotations

from dataclasses import dataclass

from bailiwick.guard.administration.entitled import written
from bailiwick.guard.core import Core
from bailiwick.guard.effects import Append, Flow, Now
from bailiwick.guard.people.accounts import AskAccounts
from bailiwick.guard.record import draft
from bailiwick.identity.accounts import Challenge, ConsoleRules, Passkey, Purpose
from bailiwick.identity.keys import from_b64url
from bailiwick.identity.passkeys import Assertion, RelyingParty, read_assertion, user_handle, verify_assertion
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.event import EventKind
from bailiwick.model.tool import Durability

__all__ = [
    "CHALLENGE_MS",
    "Door",
    "TurnedAway",
    "away",
    "handle_of",
    "keep",
    "record_refusal",
    "stale",
    "taken",
    "used_passkey",
]

CHALLENGE_MS = 300_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where people come in."""

    party: RelyingParty
    rules: ConsoleRules


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnedAway:
    """Why somebody was not let in, or an answer not taken, and what is known of who it was."""

    what: Purpose
    reason: Reason
    user: str = ""
    credential: str = ""


def record_refusal(core: Core, away: TurnedAway, *, address: str, more: int) -> Flow[None]:
    """Put on record that somebody was not let in, and that `more` before were not recorded."""
    now_us: int = yield Now()
    body: dict[str, object] = {
        "what": away.what.value,
        "code": away.reason.code,
        "message": written(away.reason.message),
        "address": written(address),
    }
    optional = {"user": written(away.user), "credential": written(away.credential), "more": more}
    body |= {name: value for name, value in optional.items() if value}
    event = draft(core.planes, None, EventKind.ACCOUNT_REFUSED, body, event_id=core.new_id(), now_us=now_us)
    yield Append((event,), Durability.BUFFERED)


def used_passkey(
    core: Core, door: Door, what: Purpose, answer: object, *, challenge: bytes, now_ms: int, user: str = ""
) -> Flow[tuple[Passkey, Assertion] | TurnedAway]:
    """The passkey that answered this challenge, its counter moved on. It must be `user`'s, where one is named."""
    read = read_assertion(answer)
    if isinstance(read, Reason):
        return TurnedAway(what=what, reason=read, user=user)
    known: Passkey | None = yield AskAccounts(core.planes, lambda store, *whose: store.passkey(*whose, read.id))
    if known is None or (user and known.user != user):
        return away(what, "unknown-passkey", "This passkey is none of theirs.", "Use another passkey.", user=user)
    count = verify_assertion(
        read, party=door.party, challenge=challenge, passkey=known, handle=handle_of(core, known.user)
    )
    if isinstance(count, Reason):
        return TurnedAway(what=what, reason=count, user=known.user, credential=known.id)
    moved: bool = yield AskAccounts(
        core.planes, lambda store, *whose: store.counted(*whose, known, sign_count=count, used_ms=now_ms)
    )
    if moved:
        return known, read
    return away(
        what,
        "passkey-changed",
        "This passkey was used or revoked at the same moment.",
        "Try again.",
        user=known.user,
        credential=known.id,
    )


def keep(core: Core, purpose: Purpose, id_: str, *, holder: str, payload: bytes, now_us: int) -> Flow[None]:
    now_ms = now_us // 1000
    row = Challenge(id=id_, purpose=purpose, holder=holder, expires_ms=now_ms + CHALLENGE_MS, payload=payload)
    yield AskAccounts(core.planes, lambda store, *whose: store.put_challenge(*whose, row, now_ms=now_ms))


def taken(
    core: Core, purpose: Purpose, id_: str, *, holder: str, now_us: int
) -> Flow[tuple[bytes, bytes] | TurnedAway]:
    """The challenge of this id with its payload, used up."""
    row: Challenge | None = yield AskAccounts(
        core.planes, lambda store, *whose: store.take_challenge(*whose, id_, purpose=purpose)
    )
    challenge = from_b64url(id_)
    if row is None or row.holder != holder or now_us // 1000 >= row.expires_ms or challenge is None:
        return stale(purpose)
    return challenge, row.payload


def stale(what: Purpose) -> TurnedAway:
    return away(what, "challenge-gone", "This was asked too long ago, elsewhere, or answered before.", "Begin again.")


def handle_of(core: Core, user: str) -> bytes:
    settings = core.planes.settings
    return user_handle(settings.tenant, settings.env, user)


def away(what: Purpose, code: str, message: str, hint: str, *, user: str = "", credential: str = "") -> TurnedAway:
    reason = Reason(plane=Plane.IDENTITY, code=code, message=message, hint=hint)
    return TurnedAway(what=what, reason=reason, user=user, credential=credential)
