"""Users by the tokens of an identity provider (OpenID Connect Core 1.0, RFC 7519, RFC 8725).

Pure: keys and time come from the caller, a refusal is a `Reason`. INVARIANT: issuer, audience and algorithms are those
that bailiwick.toml names, whatever the token says of itself; a token that has no end, is for somebody else or names no
user of the directory says nothing. An `act` claim (RFC 8693) is kept as evidence of who else had a hand in it; it gives
nobody any authority. DESIGN §5 *Identity*.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

from bailiwick.identity.jwks import Jwks
from bailiwick.identity.keys import from_b64url
from bailiwick.identity.oidc_settings import OidcIssuer
from bailiwick.model.circumstances import Evidence, Method
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.directory import Directory
from bailiwick.model.evidence import UserEvidence

__all__ = ["TokenHead", "read_head", "verify_user"]

_LONGEST_TOKEN = 32_768
_LONGEST_HEADER = 2048
_LONGEST_TEXT = 1000
_DEEPEST_ACT = 16
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt", "application/jwt"})
_REFUSED_PARAMETERS = frozenset({"crit", "jwk", "jku", "x5c", "x5u", "b64", "zip", "enc"})
"""What would have a token say by which key, or by which rules, it is to be checked."""

Claims = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenHead:
    """What a token says of itself, unverified: enough to get the right keys, and to trust nothing by."""

    issuer: OidcIssuer
    kid: str | None
    alg: str


class _NotJson(ValueError):
    """A text is not the strict JSON that a token holds."""


def read_head(token: str, issuers: Iterable[OidcIssuer]) -> TokenHead | Reason:
    """Whose token it claims to be and which key it claims to be signed with: for the source of keys. Where one issuer
    is trusted for several audiences, the token's own decides."""
    taken = _taken_apart(token)
    if isinstance(taken, Reason):
        return taken
    header, claims = taken[:2]
    named = [issuer for issuer in issuers if issuer.issuer == claims.get("iss")]
    fitting = [issuer for issuer in named if issuer.audience in _audiences(claims)]
    if not named:
        return _reason("token-issuer", "This user token is of no trusted issuer.", "Sign in where this project says.")
    return _head(header, (fitting or named)[0])


def verify_user(
    token: str, *, issuer: OidcIssuer, keys: Jwks, directory: Directory, now_ms: int, nonce: str = ""
) -> UserEvidence | Reason:
    """Who signed in, by a token of `issuer` that one of its `keys` signed; or why it says nothing. `nonce` is what it
    must hold where it was asked for with one (Core §3.1.2.1)."""
    taken = _taken_apart(token)
    if isinstance(taken, Reason):
        return taken
    header, claims, message, signature = taken
    head = _head(header, issuer)
    if isinstance(head, Reason):
        return head
    found = keys.find(head.kid, head.alg)
    if len(found) != 1:
        return _reason(
            "token-key",
            "No key of the issuer is the one that signed this user token."
            if not found
            else "This user token does not say which of the issuer's keys signed it.",
            "Sign in again; if it stays so, check 'jwks' in bailiwick.toml.",
        )
    if not found[0].verifies(head.alg, message, signature):
        return _reason("token-signature", "The signature of this user token is not valid.", "Sign in again.")
    refused = _check_for_whom(claims, issuer) or _check_times(claims, issuer, now_ms)
    if refused is not None:
        return refused
    if nonce and claims.get("nonce") != nonce:
        return _reason("token-nonce", "This user token was made for another sign-in.", "Sign in again.")
    return _evidence(claims, issuer, directory)


def _taken_apart(token: str) -> tuple[Claims, Claims, bytes, bytes] | Reason:
    """Header, claims, what is signed, and the signature."""
    parts = token.split(".") if len(token) <= _LONGEST_TOKEN and token.isascii() else []
    if len(parts) == 5:
        return _reason(
            "token-encrypted", "This user token is encrypted.", "Have the issuer send it signed, not encrypted."
        )
    if len(parts) != 3 or len(parts[0]) > _LONGEST_HEADER:
        return _unreadable()
    header, payload, signature = (from_b64url(part) for part in parts)
    if header is None or payload is None or signature is None:
        return _unreadable()
    try:
        return _object(header), _object(payload), f"{parts[0]}.{parts[1]}".encode("ascii"), signature
    except _NotJson:
        return _unreadable()


def _object(text: bytes) -> Claims:
    """Strict JSON: no key twice, no NaN, no lone surrogates. Raises _NotJson."""
    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=_once_each, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise _NotJson(str(error)) from error
    if not isinstance(value, dict):
        raise _NotJson("not an object")
    return value


def _once_each(pairs: list[tuple[str, object]]) -> Claims:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _NotJson("a key occurs twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise _NotJson(f"{name} is no JSON")


def _head(header: Claims, issuer: OidcIssuer) -> TokenHead | Reason:
    alg, kid, typ = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not isinstance(alg, str) or alg not in issuer.algorithms:
        return _reason(
            "token-algorithm",
            f"This user token is not signed with {' or '.join(issuer.algorithms)}.",
            "Have the issuer sign with one of these, or name its algorithm in bailiwick.toml.",
        )
    refused = sorted(_REFUSED_PARAMETERS & set(header))
    if refused:
        return _reason("token-header", f"The header of this user token holds '{refused[0]}'.", "Sign in again.")
    if not isinstance(typ, str) or typ.lower() not in _TYPES:
        return _reason("token-type", "This token is not one that says who a user is.", "Pass the token of a sign-in.")
    if kid is not None and not isinstance(kid, str):
        return _unreadable()
    return TokenHead(issuer=issuer, kid=kid, alg=alg)


def _check_for_whom(claims: Claims, issuer: OidcIssuer) -> Reason | None:
    if claims.get("iss") != issuer.issuer:
        return _reason("token-issuer", "This user token is of another issuer.", "Sign in where this project says.")
    audiences, party = _audiences(claims), claims.get("azp")
    if issuer.audience not in audiences:
        return _reason("token-audience", "This user token is for another audience.", "Sign in to this service.")
    if party is None and (len(audiences) > 1 or issuer.clients):
        return _reason("token-party", "This user token does not say which client it was made for.", "Sign in again.")
    if party is not None and party not in (issuer.clients or (issuer.audience,)):
        return _reason(
            "token-party",
            "This user token was made for a client that this project does not know.",
            "If the client may sign people in here, add it to 'clients' of the issuer in bailiwick.toml.",
        )
    return None


def _audiences(claims: Claims) -> tuple[str, ...]:
    given = claims.get("aud")
    listed = given if isinstance(given, list) else [given]
    return tuple(name for name in listed if isinstance(name, str)) if all(isinstance(n, str) for n in listed) else ()


def _check_times(claims: Claims, issuer: OidcIssuer, now_ms: int) -> Reason | None:
    times = {name: _ms(claims[name]) for name in ("exp", "iat", "nbf", "auth_time") if name in claims}
    if None in times.values() or "exp" not in times or "iat" not in times:
        return _reason("token-times", "This user token does not say from when to when it is good.", "Sign in again.")
    known = {name: value for name, value in times.items() if value is not None}
    if now_ms >= known["exp"] + issuer.leeway_ms:
        return _reason("token-expired", "This user token has expired.", "Sign in again.")
    if any(value > now_ms + issuer.leeway_ms for name, value in known.items() if name != "exp"):
        return _reason(
            "token-from-the-future", "This user token is not good yet.", "Set the clocks of both machines right."
        )
    signed_in_ms = known.get("auth_time", known["iat"])
    if issuer.max_age_ms is not None and now_ms - signed_in_ms > issuer.max_age_ms + issuer.leeway_ms:
        return _reason("token-too-old", "The sign-in behind this user token is too long ago.", "Sign in again.")
    return None


def _ms(value: object) -> int | None:
    """Seconds since the epoch, as JWT writes them, in milliseconds; None if it is no such number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 2**43:
        return None
    return math.floor(value * 1000)


def _evidence(claims: Claims, issuer: OidcIssuer, directory: Directory) -> UserEvidence | Reason:
    subject, actors = claims.get("sub"), _actors(claims)
    if not _is_text(subject) or actors is None:
        return _unreadable()
    user = _user(claims, issuer, directory)
    if isinstance(user, Reason):
        return user
    signed_in, ends = _ms(claims.get("auth_time", claims["iat"])), _ms(claims["exp"])
    if signed_in is None or ends is None:
        return _unreadable()
    methods, level = claims.get("amr"), claims.get("acr")
    strong = (isinstance(methods, list) and any(isinstance(m, str) and m in issuer.strong_amr for m in methods)) or (
        isinstance(level, str) and level in issuer.strong_acr
    )
    return UserEvidence(
        user=user,
        provider=issuer.name,
        evidence=Evidence(
            method=Method.OIDC,
            at_ms=signed_in,
            strong=strong,
            issuer=issuer.issuer,
            subject=str(subject),
            actors=actors,
        ),
        groups=_groups(claims, issuer, directory),
        expires_ms=ends,
    )


def _user(claims: Claims, issuer: OidcIssuer, directory: Directory) -> str | Reason:
    value = claims.get(issuer.user_claim)
    if not _is_text(value):
        return _reason(
            "token-user",
            f"This user token has no '{issuer.user_claim}' to know the user by.",
            "Have the issuer send it, or name another claim as 'user' in bailiwick.toml.",
        )
    if issuer.user_claim == "email" and issuer.verified_email and claims.get("email_verified") is not True:
        return _reason(
            "token-user",
            "The issuer does not say that it verified the mail address in this user token.",
            "Have it verified; where only the issuer itself can set addresses, write user.verified = false.",
        )
    entry = directory.user_by_email(str(value)) if issuer.match_email else directory.users.get(str(value))
    if entry is None:
        return _reason(
            "token-user",
            f"Nobody in the directory has the {'address' if issuer.match_email else 'id'} of this user token.",
            "Add the user to directory.toml.",
        )
    return entry.id


def _groups(claims: Claims, issuer: OidcIssuer, directory: Directory) -> tuple[str, ...]:
    given = claims.get(issuer.groups_claim) if issuer.groups_claim else None
    listed = given if isinstance(given, list) else [given]
    mapped = {issuer.groups.get(name) for name in listed if isinstance(name, str)}
    return tuple(sorted(group for group in mapped if group is not None and group in directory.groups))


def _actors(claims: Claims) -> tuple[str, ...] | None:
    """The subjects of nested `act` claims, outermost first; None if they make no sense."""
    found: list[str] = []
    act = claims.get("act")
    while act is not None:
        subject = act.get("sub") if isinstance(act, dict) else None
        if not _is_text(subject) or len(found) >= _DEEPEST_ACT:
            return None
        found.append(str(subject))
        act = act.get("act")
    return tuple(found)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_TEXT


def _unreadable() -> Reason:
    return _reason("bad-token", "This is no user token that can be read.", "Pass the token as the issuer sent it.")


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.IDENTITY, code=code, message=message, hint=hint)
