"""An answer to a request for approval that a passkey signed: what a gate marked `@phishing_resistant` asks for.

The challenge of the assertion is a hash of the whole answer (`AnswerToSign`): so it is good for one call, one card, one
word, once, and an auditor can check it years later from the log alone: the public key and the console's origin stand in
the event `account.enrolled`, the evidence with the vote. DESIGN §5 *Action* (approvals).
"""

from __future__ import annotations

from dataclasses import asdict

from bailiwick.errors import CanonicalError
from bailiwick.identity.answer_to_sign import AnswerToSign
from bailiwick.identity.keys import b64url, from_b64url
from bailiwick.identity.passkeys import Assertion, RelyingParty, verify_signature
from bailiwick.model.canonical import canonical, encode, parse
from bailiwick.model.decision import Plane, Reason

__all__ = ["kept", "verify_signed_answer"]


def kept(answer: AnswerToSign, assertion: Assertion, *, party: RelyingParty) -> bytes:
    """What is kept of a signed answer, as canonical JSON: all that `verify_signed_answer` needs."""
    return canonical(
        {
            "answer": asdict(answer),
            "rp": {"id": party.id, "origin": party.origin},
            "credential": assertion.id,
            "authenticator_data": b64url(assertion.authenticator_data),
            "client_data": b64url(assertion.client_data),
            "signature": b64url(assertion.signature),
        }
    )


def verify_signed_answer(
    evidence: bytes, public_key: bytes, *, credential: str, party: RelyingParty
) -> AnswerToSign | Reason:
    """What was signed with this credential at this console, from what was kept of it; or why the evidence proves
    nothing. The caller compares the answer with what the log says of it, and asks the log whose the credential was
    then. (That the nonce was used once and that the counter grew was looked at when the answer was given.)"""
    try:
        written = parse(evidence)
        if not isinstance(written, dict) or encode(written) != evidence or set(written) != _KEPT:
            return _unreadable()
        fields = dict(written["answer"])  # type: ignore[arg-type]
        answer = AnswerToSign(**{**fields, "gates": tuple(fields["gates"])})  # type: ignore[arg-type]
        if encode(asdict(answer)) != encode(fields):
            return _unreadable()
        client, data, signature = (_bytes(written[name]) for name in ("client_data", "authenticator_data", "signature"))
    except (CanonicalError, ValueError, KeyError, TypeError):
        return _unreadable()
    if written["credential"] != credential or written["rp"] != {"id": party.id, "origin": party.origin}:
        return Reason(
            plane=Plane.IDENTITY,
            code="evidence-of-another",
            message="This was signed with another passkey, or at another console.",
            hint="See account.enrolled in the log: whose passkey it is, and where it was enrolled.",
        )
    assertion = Assertion(id=credential, client_data=client, authenticator_data=data, signature=signature)
    refused = verify_signature(assertion, party=party, challenge=answer.challenge, public_key=public_key)
    return refused if isinstance(refused, Reason) else answer


_KEPT = frozenset({"answer", "rp", "credential", "authenticator_data", "client_data", "signature"})


def _bytes(text: object) -> bytes:
    found = from_b64url(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError("not base64url")
    return found


def _unreadable() -> Reason:
    return Reason(
        plane=Plane.IDENTITY,
        code="bad-evidence",
        message="This is no evidence of a signed answer that can be read.",
        hint="Compare it with the content of the event: `bailiwick audit verify`.",
    )
