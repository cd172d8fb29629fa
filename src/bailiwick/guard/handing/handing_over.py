"""A delegation for an agent in another process: decided and recorded here, carried over as a token. DESIGN §5.

The session of the other agent is stored before the token is made, with the label of all that its delegator has seen; so
the process that opens it with the token starts from there. The token's last link has the id of the record.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bailiwick.audit.events import evidence_body
from bailiwick.guard.core import Core, Refusal
from bailiwick.guard.effects import Append, Flow, Now
from bailiwick.guard.handing.credentials import OwnIssuer, signed_in
from bailiwick.guard.handing.delegation import DelegationRequest, delegate_flow, refuse_delegation
from bailiwick.guard.ports import Issuer
from bailiwick.guard.record import draft
from bailiwick.guard.state import SessionState
from bailiwick.identity.chain_token import mint
from bailiwick.identity.keys import PublicKey
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.event import EventKind
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.model.tool import Durability

__all__ = ["Handed", "hand_over", "prove_anew"]

SHORTEST_MS = 1000


@dataclass(frozen=True, slots=True)
class Handed:
    """A delegation token, and the id that revokes it."""

    token: str
    id: str


def hand_over(core: Core, session: SessionState, request: DelegationRequest, ttl_ms: int) -> Flow[Handed | Refusal]:
    """A token that lets agent `request.to` act in another process for at most `ttl_ms`, with the key that the directory
    names."""
    now_us: int = yield Now()
    entry = core.planes.directory.agents.get(request.to)
    keys = [key for text in (entry.keys if entry else ()) if (key := PublicKey.parse(text)) is not None]
    if entry is not None and not keys:
        return (yield from refuse_delegation(core, session, request, _no_key(request.to), now_us))
    if refused := _cannot_cross(session, ttl_ms):
        return (yield from refuse_delegation(core, session, request, refused, now_us))
    child = yield from delegate_flow(core, session, replace(request, ttl_ms=request.ttl_ms or ttl_ms))
    if isinstance(child, Refusal):
        return child
    assert child.credential is not None
    issuer: Issuer = yield OwnIssuer()
    ids = [*child.credential.ids]
    ids = [core.new_id() for _ in range(child.authority.chain.depth + 1 - len(ids))] + ids
    token = mint(
        child.authority,
        issuer=issuer.name,
        key=issuer.key,
        holder=keys[0],
        now_ms=now_us // 1000,
        expires_ms=now_us // 1000 + ttl_ms,
        new_id=iter(ids).__next__,
    )
    if isinstance(token, Reason):
        return (yield from refuse_delegation(core, session, request, token, now_us))
    return Handed(token=token, id=child.credential.event)


def prove_anew(core: Core, session: SessionState, token: str) -> Flow[Reason | None]:
    """The user behind this session signed in again: from now on rules read that evidence. → why it does not count."""
    now_us: int = yield Now()
    found = yield from signed_in(core.planes, token, now_us // 1000)
    if isinstance(found, Reason):
        return found
    root = session.authority.chain.root
    if root != EntityRef(kind=EntityKind.USER, id=found.user):
        return Reason(
            plane=Plane.IDENTITY,
            code="token-of-another",
            message=f"This user token is of {found.user}, and the session is for {root.id}.",
            hint="Have the session's own user sign in.",
        )
    event = draft(
        core.planes,
        session,
        EventKind.SESSION_PROVED,
        {"evidence": evidence_body(found.evidence)},
        event_id=core.new_id(),
        now_us=now_us,
    )
    yield Append((event,), Durability.BUFFERED)
    session.evidenced(found.evidence)
    return None


def _cannot_cross(session: SessionState, ttl_ms: int) -> Reason | None:
    """What a token cannot carry. The other process does not know how the user signed in: rules there see a user whom
    the program named. That must not take anybody out of a group that a rule forbids something to."""
    if ttl_ms < SHORTEST_MS:
        return Reason(
            plane=Plane.IDENTITY,
            code="token-too-short",
            message="A delegation token is good for a second at least.",
            hint="Give a longer ttl_ms.",
        )
    groups = session.around.evidence.groups
    if not groups:
        return None
    return Reason(
        plane=Plane.IDENTITY,
        code="groups-do-not-cross",
        message=f"The identity provider puts the user into {', '.join(groups)}, and a token does not carry that.",
        hint="Put the user into these groups in directory.toml, or delegate within this process.",
    )


def _no_key(agent: str) -> Reason:
    return Reason(
        plane=Plane.IDENTITY,
        code="no-agent-key",
        message=f"Agent {agent} has no key of its own, so it cannot prove itself in another process.",
        hint=f"Name its public key under 'keys' of [agents.{agent}] in directory.toml.",
    )
