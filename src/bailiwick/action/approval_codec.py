"""Approvals as bytes and back: the form in which every store keeps them.

INVARIANT: `decode(encode(a)) == a`, and equal approvals have equal bytes, so that a store may compare bytes for its
compare-and-set. Bytes that do not decode exactly are refused: a store that was damaged holds no approval.
"""

from __future__ import annotations

from typing import Any

from bailiwick.action.approvals import Approval, ApprovalStatus, Vote
from bailiwick.action.asked import Asked
from bailiwick.action.remember import Remember
from bailiwick.errors import CanonicalError
from bailiwick.model.approver import ProofMethod
from bailiwick.model.canonical import canonical, parse
from bailiwick.model.decision import Gate, GateKind
from bailiwick.model.label import Integrity, Label, Readers
from bailiwick.model.principal import Chain, EntityKind, EntityRef

__all__ = ["decode", "encode"]

_VERSION = 4


def encode(approval: Approval) -> bytes:
    """Canonical JSON of the whole approval. Raises CanonicalError for a text that has no encoding."""
    asked = approval.asked
    return canonical(
        {
            "v": _VERSION,
            "id": approval.id,
            "tenant": approval.tenant,
            "env": approval.env,
            "session": approval.session,
            "tool": approval.tool,
            "chain": [_ref(link) for link in approval.chain.links],
            "task": approval.task,
            "asked": {
                "digest": asked.digest,
                "meaning": asked.meaning,
                "gates": [_gate(gate) for gate in asked.gates],
                "label": _label(asked.label),
                "unendorsed": sorted(asked.unendorsed),
                "by_colleague": sorted(asked.by_colleague),
                "unbound": sorted(asked.unbound),
                "unasked": asked.unasked,
                "repeated": asked.repeated,
                "undictated": sorted(asked.undictated),
                "misquoted": asked.misquoted,
                "parts": [list(part) for part in asked.parts],
            },
            "card": approval.card.decode("utf-8"),
            "card_digest": approval.card_digest,
            "requested_ms": approval.requested_ms,
            "expires_ms": approval.expires_ms,
            "status": approval.status.value,
            "votes": [_vote(vote) for vote in approval.votes],
            "proof": approval.proof.value,
            "around": approval.around.decode("utf-8"),
            "scope": approval.scope.decode("utf-8"),
            "planted": approval.planted,
            "edit_of": approval.edit_of,
            "edited": approval.edited.decode("utf-8"),
            "edited_by": approval.edited_by,
            "successor": approval.successor,
        }
    )


def _label(label: Label) -> dict[str, object]:
    return {
        "sensitivity": label.sensitivity,
        "categories": sorted(label.categories),
        "readers": label.readers.lists,
        "integrity": int(label.integrity),
        "sources": sorted(label.sources),
        "author": label.author,
    }


def _unlabel(raw: Any) -> Label:
    return Label(
        sensitivity=raw["sensitivity"],
        categories=frozenset(raw["categories"]),
        readers=Readers.listed(raw["readers"]),
        integrity=Integrity(raw["integrity"]),
        sources=frozenset(raw["sources"]),
        author=raw["author"],
    )


def _gate(gate: Gate) -> dict[str, object]:
    return {
        "id": gate.id,
        "kind": gate.kind.value,
        "approvers": [_ref(ref) for ref in gate.approvers],
        "quorum": gate.quorum,
        "reason": gate.reason,
        "text": gate.text,
        "phishing_resistant": gate.phishing_resistant,
        "escalate_to": [_ref(ref) for ref in gate.escalate_to],
        "escalate_after_ms": gate.escalate_after_ms,
        "ttl_ms": gate.ttl_ms,
        "no_standing": gate.no_standing,
    }


def _ungate(raw: Any) -> Gate:
    return Gate(
        id=raw["id"],
        kind=GateKind(raw["kind"]),
        approvers=tuple(_unref(ref) for ref in raw["approvers"]),
        quorum=raw["quorum"],
        reason=raw["reason"],
        text=raw["text"],
        phishing_resistant=raw["phishing_resistant"],
        escalate_to=tuple(_unref(ref) for ref in raw["escalate_to"]),
        escalate_after_ms=raw["escalate_after_ms"],
        ttl_ms=raw["ttl_ms"],
        no_standing=raw["no_standing"],
    )


def _vote(vote: Vote) -> dict[str, object]:
    return {
        "gate": vote.gate,
        "approver": vote.approver,
        "granted": vote.granted,
        "at_ms": vote.at_ms,
        "os_user": vote.os_user,
        "card_digest": vote.card_digest,
        "method": vote.method.value,
        "evidence": vote.evidence,
        "remember": None if vote.remember is None else vote.remember.written(),
    }


def _unvote(raw: Any) -> Vote:
    return Vote(
        gate=raw["gate"],
        approver=raw["approver"],
        granted=raw["granted"],
        at_ms=raw["at_ms"],
        os_user=raw["os_user"],
        card_digest=raw["card_digest"],
        method=ProofMethod(raw["method"]),
        evidence=raw["evidence"],
        remember=None if raw["remember"] is None else _unremember(raw["remember"]),
    )


def _unremember(raw: Any) -> Remember:
    return Remember(count=raw["count"], ttl_ms=raw["ttl_ms"], open=frozenset(raw["open"]), task_wide=raw["task_wide"])


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
    asked = raw["asked"]
    return Approval(
        id=raw["id"],
        tenant=raw["tenant"],
        env=raw["env"],
        session=raw["session"],
        tool=raw["tool"],
        chain=Chain(links=tuple(_unref(link) for link in raw["chain"])),
        task=raw["task"],
        asked=Asked(
            digest=asked["digest"],
            meaning=asked["meaning"],
            gates=tuple(_ungate(gate) for gate in asked["gates"]),
            label=_unlabel(asked["label"]),
            unendorsed=frozenset(asked["unendorsed"]),
            by_colleague=frozenset(asked["by_colleague"]),
            unbound=frozenset(asked["unbound"]),
            unasked=asked["unasked"],
            repeated=asked["repeated"],
            undictated=frozenset(asked["undictated"]),
            misquoted=asked["misquoted"],
            parts=tuple((name, part) for name, part in asked["parts"]),
        ),
        card=raw["card"].encode("utf-8"),
        card_digest=raw["card_digest"],
        requested_ms=raw["requested_ms"],
        expires_ms=raw["expires_ms"],
        status=ApprovalStatus(raw["status"]),
        votes=tuple(_unvote(vote) for vote in raw["votes"]),
        proof=ProofMethod(raw["proof"]),
        around=raw["around"].encode("utf-8"),
        scope=raw["scope"].encode("utf-8"),
        planted=raw["planted"],
        edit_of=raw["edit_of"],
        edited=raw["edited"].encode("utf-8"),
        edited_by=raw["edited_by"],
        successor=raw["successor"],
    )


def _ref(ref: EntityRef) -> list[str]:
    return [ref.kind.value, ref.id]


def _unref(raw: Any) -> EntityRef:
    kind, name = raw
    return EntityRef(kind=EntityKind(kind), id=name)
