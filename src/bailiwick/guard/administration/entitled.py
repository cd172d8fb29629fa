"""Whether the rules in `administration/` would let a person do something. Pure, and on no record, since nothing comes
of the answer: what is done goes through `bailiwick.guard.administration.administering`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import assert_never

from bailiwick.guard.planes import Planes
from bailiwick.identity.suspension import person_suspended
from bailiwick.model.administration import AdminAction
from bailiwick.model.approver import ProofMethod
from bailiwick.model.circumstances import CLAIMED, Evidence, Method
from bailiwick.model.decision import Outcome, Plane, Reason, Verdict
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.policy.request import AdminRequest

__all__ = ["as_known", "asked", "is_own", "may", "others_who_may", "unfit", "written"]

MAX_TEXT = 500


def is_own(planes: Planes, person: str, links: Iterable[str]) -> bool:
    """Whether a chain (its links as texts) acts for this person: for the user, or for a service that they own."""
    owned = (name for name, entry in planes.directory.services.items() if entry.owner == person)
    mine = {str(EntityRef(kind=EntityKind.SERVICE, id=name)) for name in owned}
    return not (mine | {str(EntityRef(kind=EntityKind.USER, id=person))}).isdisjoint(links)


def as_known(method: ProofMethod, at_ms: int) -> Evidence:
    """What rules on administration read of somebody who proved so, and then, who they are."""
    match method:
        case ProofMethod.CLAIMED:
            return CLAIMED
        case ProofMethod.OIDC:
            return Evidence(method=Method.OIDC, at_ms=at_ms)
        case ProofMethod.PASSKEY | ProofMethod.SIGNED:
            # A passkey is something that they have, and is asked to see that it is they who hold it.
            return Evidence(method=Method.PASSKEY, at_ms=at_ms, strong=True)
        case _:  # pragma: no cover
            assert_never(method)


def may(
    planes: Planes,
    person: str,
    action: AdminAction,
    resource: str,
    *,
    now_ms: int,
    own: bool = False,
    evidence: Evidence = CLAIMED,
) -> bool:
    """Whether the rules would let this person do it now. Nothing comes of the answer by itself, so it is not on
    record."""
    return unfit(planes, person) is None and (
        asked(planes, person, action, resource, now_ms, own=own, evidence=evidence).outcome is Outcome.ALLOW
    )


def others_who_may(
    planes: Planes, action: AdminAction, resource: str, *, but: str, now_ms: int, most: int = 3
) -> tuple[str, ...]:
    """Some of those who could do it now, `but` apart."""
    able = (
        user
        for user in sorted(planes.directory.users)
        if user != but and may(planes, user, action, resource, now_ms=now_ms)
    )
    return tuple(islice(able, most))


def written(text: str, longest: int = MAX_TEXT) -> str:
    """A text that somebody typed, so that an event can hold it."""
    return text[:longest].encode("utf-8", "replace").decode("utf-8")


def asked(
    planes: Planes,
    person: str,
    action: AdminAction,
    resource: str,
    now_ms: int,
    *,
    own: bool = False,
    evidence: Evidence = CLAIMED,
) -> Verdict:
    engine = planes.administration
    return engine.decide(
        AdminRequest(
            subject=engine.person(person),
            action=action,
            resource=resource,
            now_ms=now_ms,
            evidence=evidence,
            own=own,
        )
    )


def unfit(planes: Planes, person: str) -> Reason | None:
    """Why this person administers nothing, whatever the rules say."""
    user = planes.directory.users.get(person)
    if user is None:
        return Reason(
            plane=Plane.IDENTITY,
            code="unknown-person",
            message=f"There is no user '{written(person)}' in the directory.",
            hint=did_you_mean(written(person), planes.directory.users, "Act as a user of directory.toml."),
        )
    if not user.active:
        return Reason(
            plane=Plane.IDENTITY,
            code="inactive-person",
            message=f"The user '{person}' is switched off.",
            hint="Another person has to do it.",
        )
    if person_suspended(planes.suspensions, person):
        return Reason(
            plane=Plane.IDENTITY,
            code="suspended-person",
            message=f"The user '{person}' is suspended.",
            hint="Another person has to do it, or resume them first.",
        )
    return None
