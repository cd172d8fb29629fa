"""Requests that should be denied, made from real ones, to see whether people read what they approve.

The card is that of a call that was approved and used before, but its first recipient is an address at a look-alike
domain outside of the organisation. INVARIANT: it is bound to a digest that is not that of any call (of random bytes, in
a domain of its own), and `Approval.planted` keeps every store and every decision from letting it lift anything. Nothing
that a page or a command shows of it says what it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace

from bailiwick.action.approval_card import card_arguments, differing
from bailiwick.action.approvals import Approval, ApprovalStatus, card_digest
from bailiwick.errors import CanonicalError
from bailiwick.model.canonical import Json, canonical, parse, thaw
from bailiwick.model.decision import GateKind
from bailiwick.model.principal import SessionKey

__all__ = ["can_be_source", "ended", "is_left_in", "planted_of"]

_ENDINGS = ("net", "co", "info")


def can_be_source(item: Approval) -> bool:
    """Whether a request looks just as real once more: it was used, and asked independent people about a recipient."""
    return (
        item.status is ApprovalStatus.CONSUMED
        and not item.planted
        and all(gate.kind is GateKind.APPROVAL for gate in item.gates)
        and bool(_victim(item))
    )


def planted_of(
    source: Approval,
    *,
    id: str,  # noqa: A002  (the field's own name)
    entropy: bytes,
    now_ms: int,
    domains: Collection[str],
) -> Approval | None:
    """The planted request, None if none can be made of this one. `entropy` are at least 32 random bytes, `domains` the
    organisation's own."""
    victim, key = _victim(source), SessionKey.read(source.session)
    found = _read(source.card)
    if not victim or key is None or found is None or len(entropy) < 32:
        return None
    card = _swapped({name: thaw(value) for name, value in found.items()}, victim, _alike(victim, domains))
    assert isinstance(card, dict)
    digest = _digest(b"digest", entropy)
    expires_ms = now_ms + source.expires_ms - source.requested_ms
    arguments = {name: thaw(value) for name, value in card_arguments(source.card).items()}
    names = differing(card_arguments(source.card), card_arguments(canonical(card)))
    if not names:
        return None
    card |= {
        "digest": digest,
        "expires_ms": expires_ms,
        "before": {
            "approval": source.id,
            "at_ms": source.requested_ms,
            "changed": names,
            "was": {name: arguments[name] for name in names if name in arguments},
        },
    }
    card.pop("edit", None)
    drawn = canonical(card)
    elsewhere = replace(key, conversation=hashlib.sha256(b"conversation" + entropy).hexdigest()[:32])
    return replace(
        source,
        id=id,
        session=elsewhere.id,
        asked=replace(source.asked, digest=digest, meaning=_digest(b"meaning", entropy), parts=()),
        card=drawn,
        card_digest=card_digest(drawn),
        requested_ms=now_ms,
        expires_ms=expires_ms,
        scope=b"",
        planted=True,
        edit_of="",
        status=ApprovalStatus.REQUESTED,
        votes=(),
        edited=b"",
        edited_by="",
        successor="",
    )


def ended(voted: Approval) -> Approval:
    """A planted request that somebody answered: over, whatever they said."""
    return replace(voted, status=ApprovalStatus.DENIED)


def is_left_in(item: Approval, args: Mapping[str, object]) -> bool:
    """Whether somebody who edits a planted request to these arguments keeps its address, or one at its domain."""
    _, _, domain = _victim(item).partition("@")
    return domain.casefold() in canonical(args).decode("utf-8").casefold()


def _digest(what: bytes, entropy: bytes) -> str:
    return "sha256:" + hashlib.sha256(b"bailiwick.planted\x00" + what + b"\x00" + entropy).hexdigest()


def _victim(item: Approval) -> str:
    """The first address that the call went to."""
    found = _read(item.card)
    recipients = found.get("recipients") if found is not None else None
    for each in recipients if isinstance(recipients, list) else ():
        if isinstance(each, str) and each.count("@") == 1 and "." in each.partition("@")[2]:
            return each
    return ""


def _alike(address: str, domains: Collection[str]) -> str:
    """The same name at a domain that reads much like the address's own and is not the organisation's."""
    name, _, domain = address.partition("@")
    flat = domain.replace(".", "-")
    outside = (f"{flat}.{ending}" for ending in _ENDINGS)
    return f"{name}@{next((each for each in outside if each not in domains), f'x-{flat}.org')}"


def _read(card: bytes) -> dict[str, Json] | None:
    try:
        found = parse(card)
    except CanonicalError:
        return None
    return dict(found) if isinstance(found, dict) else None


def _swapped(value: object, old: str, new: str) -> object:
    if isinstance(value, dict):
        return {name: _swapped(item, old, new) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_swapped(item, old, new) for item in value]
    return value.replace(old, new) if isinstance(value, str) else value
