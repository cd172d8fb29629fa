"""Who signed a bundle: compact JWS over its digest, by the keys that people have in the directory.

INVARIANT: the directory is the one that holds already, never the one in the bundle: else whoever writes a bundle could
name the keys that it is signed by. Each signature in a bundle has to hold; one that does not is refused, not passed
over, since somebody thought that it counts. DESIGN §5 *Keys*.
"""

from __future__ import annotations

from bailiwick.errors import UsageError
from bailiwick.identity.keys import PrivateKey, PublicKey, SignedText, read_signed
from bailiwick.model.bundle import ProjectBundle
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.directory import Directory
from bailiwick.model.nearest import did_you_mean

__all__ = ["claimed_signers", "sign", "signers"]

KIND = "bundle"
_LONGEST = 2_000


def sign(bundle: ProjectBundle, *, by: str, key: PrivateKey, directory: Directory) -> ProjectBundle:
    """`bundle` with the signature of this person, in place of an earlier one of theirs. Raises UsageError if the
    directory does not know the key as theirs."""
    user = directory.users.get(by)
    if user is None:
        raise UsageError(
            f"there is no user {by!r} in the directory that holds",
            hint=did_you_mean(by, directory.users),
        )
    if str(key.public) not in user.keys:
        owners = sorted(name for name, each in directory.users.items() if str(key.public) in each.keys)
        if owners:
            raise UsageError(
                f"this is the key of {', '.join(owners)}, not of {by}",
                hint=f"sign with {by}'s own key, or, if you are {owners[0]}, as {owners[0]}",
            )
        raise UsageError(
            f"the directory that holds does not know this key as {by}'s",
            hint=f'a bundle that is signed by others has to bring it first: [users.{by}] keys = ["{key.public}"]',
        )
    others = [text for text in bundle.signatures if _claims(text) != (bundle.digest, by)]
    return bundle.signed((*others, key.signed(KIND, {"bundle": bundle.digest, "by": by})))


def claimed_signers(bundle: ProjectBundle) -> tuple[str, ...]:
    """Who is said to have signed it. Nothing is checked."""
    return tuple(sorted({claims[1] for text in bundle.signatures if (claims := _claims(text)) is not None}))


def signers(bundle: ProjectBundle, directory: Directory) -> tuple[str, ...] | Reason:
    """The people who signed it, sorted; or which signature does not hold, and why."""
    found: set[str] = set()
    for number, text in enumerate(bundle.signatures, 1):
        signed = read_signed(KIND, text, longest=_LONGEST)
        claims = _claims(text)
        if signed is None or claims is None:
            return _bad(f"Signature {number} is none over a bundle.")
        of, by = claims
        if of != bundle.digest:
            return _bad(f"The signature of {by} is over another bundle.")
        user = directory.users.get(by)
        if user is None or not user.active:
            return _bad(f"{by} signed it, who is not (or no longer) an active user of the directory that holds.")
        if not any(_made_by(signed, key) for key in user.keys):
            return _bad(f"The signature of {by} was not made with a key that the directory that holds knows as theirs.")
        if by in found:
            return _bad(f"{by} signed it twice.")
        found.add(by)
    return tuple(sorted(found))


def _made_by(signed: SignedText, key: str) -> bool:
    public = PublicKey.parse(key)
    return public is not None and signed.by(public)


def _claims(text: str) -> tuple[str, str] | None:
    """The digest and the person that a signature is about."""
    signed = read_signed(KIND, text, longest=_LONGEST)
    if signed is None or signed.claims.keys() != {"bundle", "by"}:
        return None
    of, by = signed.claims["bundle"], signed.claims["by"]
    return (of, by) if isinstance(of, str) and isinstance(by, str) else None


def _bad(message: str) -> Reason:
    return Reason(
        plane=Plane.IDENTITY,
        code="bundle-signature",
        message=message,
        hint="Sign it again (bailiwick policy sign), or get the file again from whoever signed it.",
    )
