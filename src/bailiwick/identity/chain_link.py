"""One link of a delegation token: its claims as a value, read by a closed schema. DESIGN §5 *Identity*.

The claims follow draft-niyikiza-oauth-attenuating-agent-tokens in shape: who it is for and through whom, what is
granted, how deep, until when (`exp`), the key of the holder (`cnf`, RFC 7800), the hash of the link before it (`par`)
and an id to revoke it by (`jti`). INVARIANT: a claim that is missing, unknown or of the wrong type makes the link
unreadable; nothing in it has a default.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from bailiwick.identity.keys import PublicKey, SignedText, read_signed
from bailiwick.model.budget import share_of
from bailiwick.model.call import Grant, PlannedCall
from bailiwick.model.canonical import MAX_INT
from bailiwick.model.principal import EntityKind, EntityRef

__all__ = ["KIND", "Link", "claims_of", "grant_of", "planned_calls", "read_link", "written_grant"]

KIND = "delegation"
LONGEST_LINK = 65_536
_VERSION = 1
_LONGEST_TEXT = 4000
_MOST_NAMES = 1000
_ROOTS: Mapping[str, EntityKind] = {"user": EntityKind.USER, "service": EntityKind.SERVICE}
_TEXTS = ("iss", "sub", "tenant", "env", "agent", "task", "purpose", "conversation", "jti")
_NUMBERS = ("depth", "max_depth", "iat", "exp")
_GRANT = ("tools", "zones", "expires_ms", "calls", "budgets")
_CLAIMS = frozenset({"v", "grant", "cnf", *_TEXTS, *_NUMBERS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """`agent` holds `grant` from the link before (the issuer for the first one), and proves it with `holder`. Times are
    seconds since the epoch, as in every JWT; `grant.expires_ms` is milliseconds."""

    issuer: str
    root: EntityRef
    tenant: str
    env: str
    agent: str
    task: str
    purpose: str
    grant: Grant
    conversation: str
    depth: int
    max_depth: int
    issued_s: int
    expires_s: int
    holder: PublicKey
    parent: str | None
    """Hash of the link before; None for the first."""
    id: str


def claims_of(link: Link) -> dict[str, object]:
    """The claims that say `link`."""
    root = next(word for word, kind in _ROOTS.items() if kind is link.root.kind)
    return {
        "v": _VERSION,
        "iss": link.issuer,
        "sub": f"{root}:{link.root.id}",
        "tenant": link.tenant,
        "env": link.env,
        "agent": link.agent,
        "task": link.task,
        "purpose": link.purpose,
        "grant": written_grant(link.grant),
        "conversation": link.conversation,
        "depth": link.depth,
        "max_depth": link.max_depth,
        "iat": link.issued_s,
        "exp": link.expires_s,
        "cnf": {"jwk": link.holder.jwk},
        "jti": link.id,
    } | ({} if link.parent is None else {"par": link.parent})


def read_link(text: str) -> tuple[Link, SignedText] | None:
    """The link that `text` says, its signature not looked at yet; None if it is not one to the letter."""
    signed = read_signed(KIND, text, longest=LONGEST_LINK)
    if signed is None or set(signed.claims) - {"par"} != _CLAIMS or signed.claims["v"] != _VERSION:
        return None
    claims = signed.claims
    if type(claims["v"]) is not int or not all(_is_text(claims[name]) for name in _TEXTS):
        return None
    if not all(_is_number(claims[name]) for name in _NUMBERS) or "/" in claims["agent"]:
        return None
    parent = claims.get("par")
    if "par" in claims and not _is_text(parent):
        return None
    grant, root, holder = grant_of(claims["grant"]), _root(claims["sub"]), _holder(claims["cnf"])
    if grant is None or root is None or holder is None:
        return None
    link = Link(
        issuer=claims["iss"],
        root=root,
        tenant=claims["tenant"],
        env=claims["env"],
        agent=claims["agent"],
        task=claims["task"],
        purpose=claims["purpose"],
        grant=grant,
        conversation=claims["conversation"],
        depth=claims["depth"],
        max_depth=claims["max_depth"],
        issued_s=claims["iat"],
        expires_s=claims["exp"],
        holder=holder,
        parent=parent,
        id=claims["jti"],
    )
    return link, signed


def written_grant(grant: Grant) -> dict[str, object]:
    """A grant as JSON: `calls` hold each fixed argument as the text of its canonical bytes."""
    calls = None
    if grant.calls is not None:
        calls = [
            {
                "tool": call.tool,
                "fixed": {name: value.decode("utf-8") for name, value in sorted(call.fixed)},
                "open": None if call.open is None else sorted(call.open),
            }
            for call in grant.calls
        ]
    return {
        "tools": None if grant.tools is None else sorted(grant.tools),
        "zones": sorted(grant.zones),
        "expires_ms": grant.expires_ms,
        "calls": calls,
        "budgets": dict(grant.budgets),
    }


def grant_of(written: object) -> Grant | None:
    """The grant that `written_grant` wrote; None if it is none."""
    if not isinstance(written, dict) or set(written) != set(_GRANT):
        return None
    tools, zones, end, calls, budgets = (written[key] for key in _GRANT)
    planned = None if calls is None else planned_calls(calls)
    wrong = (
        (tools is not None and not _are_names(tools))
        or not _are_names(zones)
        or (end is not None and not _is_number(end))
        or (calls is not None and planned is None)
        or not _are_shares(budgets)
    )
    if wrong:
        return None
    return Grant(
        tools=None if tools is None else frozenset(tools),
        zones=frozenset(zones),
        expires_ms=end,
        calls=planned,
        budgets=share_of(budgets),
    )


def planned_calls(written: object) -> tuple[PlannedCall, ...] | None:
    if not isinstance(written, list) or len(written) > _MOST_NAMES:
        return None
    calls: list[PlannedCall] = []
    for each in written:
        if not isinstance(each, dict) or set(each) != {"tool", "fixed", "open"} or not _is_text(each["tool"]):
            return None
        fixed, others = each["fixed"], each["open"]
        if not isinstance(fixed, dict) or not all(type(value) is str for value in fixed.values()):
            return None
        if others is not None and not _are_names(others):
            return None
        calls.append(
            PlannedCall(
                tool=each["tool"],
                fixed=frozenset((name, value.encode("utf-8")) for name, value in fixed.items()),
                open=None if others is None else frozenset(others),
            )
        )
    return tuple(calls)


def _root(sub: str) -> EntityRef | None:
    word, colon, name = sub.partition(":")
    kind = _ROOTS.get(word)
    return EntityRef(kind=kind, id=name) if kind is not None and colon and name else None


def _holder(cnf: Any) -> PublicKey | None:
    return PublicKey.from_jwk(cnf["jwk"]) if isinstance(cnf, dict) and set(cnf) == {"jwk"} else None


def _is_text(value: object) -> bool:
    return type(value) is str and 0 < len(value) <= _LONGEST_TEXT


def _is_number(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_INT


def _are_shares(value: object) -> bool:
    """At most so much of each named budget."""
    if not isinstance(value, dict) or len(value) > _MOST_NAMES:
        return False
    return all(_is_text(name) and _is_number(share) for name, share in value.items())


def _are_names(value: object) -> bool:
    """A list of different texts, in order: one set has one form."""
    if not isinstance(value, list) or len(value) > _MOST_NAMES or not all(_is_text(name) for name in value):
        return False
    return _ascending(value)


def _ascending(names: Collection[str]) -> bool:
    return sorted(set(names)) == list(names)
