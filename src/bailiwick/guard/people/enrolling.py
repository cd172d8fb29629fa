"""A person enrols a passkey: invited by an administrator, or right after a login with another passkey of theirs.

INVARIANT: the passkey becomes that of the user who was invited or is signed in, whatever the answer says; an invitation
is used up with the passkey it brings, both or neither. It is on record, fsynced, before it counts: with its public key,
so that what it signs can be verified from the log. DESIGN §5 *Identity*.
"""

from __future__ import annotations

from typing import Any

from bailiwick.guard.core import Core
from bailiwick.guard.effects import Append, Flow, Now
from bailiwick.guard.people.accounts import AskAccounts, fit
from bailiwick.guard.people.challenges import Door, TurnedAway, away, handle_of, keep, taken
from bailiwick.guard.record import draft
from bailiwick.identity.accounts import ConsoleSession, Invitation, Passkey, Purpose
from bailiwick.identity.keys import b64url
from bailiwick.identity.passkeys import asked_in, creation_options, verify_enrolment
from bailiwick.model.approver import ProofMethod
from bailiwick.model.decision import Reason
from bailiwick.model.event import EventKind
from bailiwick.model.tool import Durability

__all__ = ["ask_enrolment", "enrol", "invited"]

_FRESH_MS = 300_000
"""So long a login counts as fresh."""


def invited(core: Core, code: str) -> Flow[Invitation | TurnedAway]:
    """The invitation under the hash of a code, if it is good now."""
    now_us: int = yield Now()
    found: Invitation | None = yield AskAccounts(core.planes, lambda store, *whose: store.invitation(*whose, code))
    if found is None or now_us // 1000 >= found.expires_ms or not fit(core.planes, found.user):
        return away(Purpose.ENROL, "no-invitation", "This invitation is not good (any more).", "Ask for another one.")
    return found


def ask_enrolment(
    core: Core, door: Door, who: Invitation | ConsoleSession, *, holder: str, challenge: bytes
) -> Flow[dict[str, Any] | TurnedAway]:
    """What the browser asks a device for. Who has a passkey adds another one only right after they used it."""
    now_us: int = yield Now()
    refused = _not_fresh(who, now_us // 1000)
    if refused is not None:
        return refused
    yield from keep(core, Purpose.ENROL, b64url(challenge), holder=holder, payload=_for_whom(who), now_us=now_us)
    known: tuple[Passkey, ...] = yield AskAccounts(core.planes, lambda store, *whose: store.passkeys(*whose))
    return creation_options(
        door.party,
        user=who.user,
        handle=handle_of(core, who.user),
        challenge=challenge,
        known=[each for each in known if each.user == who.user],
    )


def enrol(
    core: Core, door: Door, who: Invitation | ConsoleSession, answer: object, *, holder: str
) -> Flow[Passkey | TurnedAway]:
    """The new passkey of an invited person, or of one who is signed in."""
    now_us: int = yield Now()
    found = yield from taken(core, Purpose.ENROL, asked_in(answer), holder=holder, now_us=now_us)
    if isinstance(found, TurnedAway):
        return found
    challenge, payload = found
    refused = _not_fresh(who, now_us // 1000)
    if refused is not None or payload != _for_whom(who) or not fit(core.planes, who.user):
        return refused or away(Purpose.ENROL, "no-invitation", "This was asked for by somebody else.", "Begin again.")
    made = verify_enrolment(answer, party=door.party, challenge=challenge)
    if isinstance(made, Reason):
        return TurnedAway(what=Purpose.ENROL, reason=made, user=who.user)
    known: Passkey | None = yield AskAccounts(core.planes, lambda store, *whose: store.passkey(*whose, made.id))
    if known is not None:
        return _used_before()
    event_id, now_ms = core.new_id(), now_us // 1000
    passkey = Passkey(
        id=made.id,
        user=who.user,
        public_key=made.public_key,
        sign_count=made.sign_count,
        added_ms=now_ms,
        used_ms=0,
        event=event_id,
    )
    body = {
        "user": who.user,
        "credential": made.id,
        "public_key": b64url(made.public_key),
        "rp": door.party.id,
        "origin": door.party.origin,
        "by": who.event,
    }
    event = draft(core.planes, None, EventKind.ACCOUNT_ENROLLED, body, event_id=event_id, now_us=now_us)
    yield Append((event,), Durability.SYNC)
    won: bool = yield AskAccounts(core.planes, lambda store, *whose: store.enrol(*whose, passkey, leave=who))
    # Where two were at it at once, the record speaks of a passkey that never counted; the refusal after it says so.
    return passkey if won else _used_before()


def _used_before() -> TurnedAway:
    return away(
        Purpose.ENROL, "enrolled-already", "This invitation or this passkey was used before.", "Ask for another one."
    )


def _not_fresh(who: Invitation | ConsoleSession, now_ms: int) -> TurnedAway | None:
    if isinstance(who, Invitation):
        expired = now_ms >= who.expires_ms
        return (
            away(Purpose.ENROL, "no-invitation", "This invitation is not good any more.", "Ask for another one.")
            if expired
            else None
        )
    if who.method is ProofMethod.PASSKEY and now_ms - who.proved_ms < _FRESH_MS:
        return None
    return away(
        Purpose.ENROL,
        "login-not-fresh",
        "Another passkey is added only right after a login with a passkey.",
        "Sign in again with your passkey, and add it then. Without one, ask for an invitation.",
    )


def _for_whom(who: Invitation | ConsoleSession) -> bytes:
    return who.event.encode()
