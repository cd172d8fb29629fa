"""Approvals as bytes and back: the form in which every store keeps them.

INVARIANT: `decode(encode(a)) == a`, and equal approvals have equal bytes, so that a store may compare bytes for its
compare-and-set. Bytes that do not decode exactly are refused: a store that was damaged holds no approval.
"""

from __future__ import annotations

from typing import Any

from bailiwick.action.approvals import Approval, ApprovalStatus, Vote
from bailiwick.errors import CanonicalError
from bailiwick.model.canonical import canonical, parse
from bailiwick.model.decision import Gate, GateKind
from bailiwick.model.label import Integrity, Label
from bailiwick.model.principal import Chain, EntityKind, EntityRef

__all__ = ["decode", "encode"]

_VERSION = 1


def encode(approval: Approval) -> bytes:
    """Canonical JSON of the whole approval. Raises CanonicalError for a text that has no encoding."""
    label = approval.label
    return canonical(
        {
            "v": _VERSION,
            "id": approval.id,
            "tenant": approval.tenant,
            "env": approval.env,
            "session": approval.session,
            "digest": approval.digest,
            "tool": approval.tool,
            "chain": [_ref(link) for link in approval.chain.links],
            "task": approval.task,
            "policy_digest": approval.policy_digest,
            "gates": [
                [gate.id, gate.kind.value, [_ref(ref) for ref in gate.approvers], gate.quorum, gate.reason]
                for gate in approval.gates
            ],
            "label": {
                "sensitivity": label.sensitivity,
                "categories": sorted(label.categories),
                "readers": None if label.readers is None else sorted(label.readers),
                "integrity": int(label.integrity),
                "sources": sorted(label.sources),
                "author": label.author,
            },
            "card": approval.card.decode("utf-8"),
            "card_digest": approval.card_digest,
            "requested_ms": approval.requested_ms,
            "expires_ms": approval.expires_ms,
            "status": approval.status.value,
            "votes": [
                [vote.gate, vote.approver, vote.granted, vote.at_ms, vote.os_user, vote.card_digest]
                for vote in approval.votes
            ],
        }
    )


def decode(data: bytes) -> Approval:
    """The approval that `data` encodes. Raises CanonicalError if it encodes none."""
    try:
        approval = _decode(parse(data))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise CanonicalError(f"these bytes are no approval: {error}") from error
    if encode(approval) != data:
        raise CanonicalError("these bytes are no approval: they are not in canonical form")
    return approval


def _decode(raw: Any) -> Approval:
    if raw["v"] != _VERSION:
        raise ValueError(f"version {raw['v']} is not known")
    label = raw["label"]
    return Approval(
        id=raw["id"],
        tenant=raw["tenant"],
        env=raw["env"],
        session=raw["session"],
        digest=raw["digest"],
        tool=raw["tool"],
        chain=Chain(links=tuple(_unref(link) for link in raw["chain"])),
        task=raw["task"],
        policy_digest=raw["policy_digest"],
        gates=tuple(
            Gate(
                id=gate_id,
                kind=GateKind(kind),
                approvers=tuple(_unref(ref) for ref in approvers),
                quorum=quorum,
                reason=reason,
            )
            for gate_id, kind, approvers, quorum, reason in raw["gates"]
        ),
        label=Label(
            sensitivity=label["sensitivity"],
            categories=frozenset(label["categories"]),
            readers=None if label["readers"] is None else frozenset(label["readers"]),
            integrity=Integrity(label["integrity"]),
            sources=frozenset(label["sources"]),
            author=label["author"],
        ),
        card=raw["card"].encode("utf-8"),
        card_digest=raw["card_digest"],
        requested_ms=raw["requested_ms"],
        expires_ms=raw["expires_ms"],
        status=ApprovalStatus(raw["status"]),
        votes=tuple(
            Vote(gate=gate, approver=approver, granted=granted, at_ms=at_ms, os_user=os_user, card_digest=digest)
            for gate, approver, granted, at_ms, os_user, digest in raw["votes"]
        ),
    )


def _ref(ref: EntityRef) -> list[str]:
    return [ref.kind.value, ref.id]


def _unref(raw: Any) -> EntityRef:
    kind, name = raw
    return EntityRef(kind=EntityKind(kind), id=name)
