"""Whether a person may do something to bailiwick itself: asked of the rules in `administration/`, and recorded.

Reading the log, revealing what it keeps, answering requests, suspending, activating: every flow that does one of these
begins with `authorise` and goes on only where it gives None. INVARIANT: the answer is on record before anything comes
of it, an allow fsynced; where it cannot be recorded the flow ends with the log's error, and nothing is done.

Who the person is, is a claim in the embedded tier; the account of the operating system is recorded beside it.
DESIGN §5 *State and scale*, promise 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from bailiwick.guard.core import Core
from bailiwick.guard.effects import Append, Flow, Now
from bailiwick.guard.planes import Planes
from bailiwick.guard.record import draft
from bailiwick.identity.suspension import person_suspended
from bailiwick.model.administration import AdminAction
from bailiwick.model.circumstances import CLAIMED, Evidence
from bailiwick.model.decision import Outcome, Plane, Reason, Verdict
from bailiwick.model.event import EventKind
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.model.tool import Durability
from bailiwick.policy.request import AdminRequest

__all__ = ["authorise", "is_own", "others_who_may", "written"]

MAX_TEXT = 500


def authorise(
    core: Core,
    person: str,
    *,
    action: AdminAction,
    resource: str,
    os_user: str,
    own: bool = False,
    evidence: Evidence = CLAIMED,
) -> Flow[Reason | None]:
    """None if the person may, else why not. `resource` is as `admin_resource` gives it; `own`: what it is done to was
    made or asked for by the same person; `os_user` is the account that the order came from."""
    now_us: int = yield Now()
    refused = _not_fit(core.planes, person)
    verdict: Verdict | None = None
    if refused is None:
        verdict = _asked(core.planes, person, action, resource, now_us // 1000, own=own, evidence=evidence)
        if verdict.outcome is not Outcome.ALLOW:
            refused = _why(core.planes, person, action, resource, verdict)
    links = verdict.links if verdict else ()
    body: dict[str, object] = {
        "by": written(person),
        "action": action.value,
        "resource": written(resource),
        "own": own,
        "outcome": Outcome.ALLOW.value if refused is None else Outcome.DENY.value,
        "policies": [name for link in links for name in link.policies],
        "codes": [] if refused is None else [refused.code],
        "policy_digest": core.planes.administration.digest,
        "os_user": written(os_user),
    }
    event = draft(core.planes, None, EventKind.ADMIN_DECIDED, body, event_id=core.new_id(), now_us=now_us)
    yield Append((event,), Durability.SYNC if refused is None else Durability.BUFFERED)
    return refused


def is_own(planes: Planes, person: str, links: Iterable[str]) -> bool:
    """Whether a chain (its links as texts) acts for this person: for the user, or for a service that they own."""
    owned = (name for name, entry in planes.directory.services.items() if entry.owner == person)
    mine = {str(EntityRef(kind=EntityKind.SERVICE, id=name)) for name in owned}
    return not (mine | {str(EntityRef(kind=EntityKind.USER, id=person))}).isdisjoint(links)


def others_who_may(
    planes: Planes, action: AdminAction, resource: str, *, but: str, now_ms: int, most: int = 3
) -> tuple[str, ...]:
    """Some of those who could do it now, `but` apart."""
    able = (
        user
        for user in sorted(planes.directory.users)
        if user != but
        and _not_fit(planes, user) is None
        and _asked(planes, user, action, resource, now_ms).outcome is Outcome.ALLOW
    )
    return tuple(islice(able, most))


def written(text: str, longest: int = MAX_TEXT) -> str:
    """A text that somebody typed, so that an event can hold it."""
    return text[:longest].encode("utf-8", "replace").decode("utf-8")


def _asked(
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


def _not_fit(planes: Planes, person: str) -> Reason | None:
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


def _why(planes: Planes, person: str, action: AdminAction, resource: str, verdict: Verdict) -> Reason:
    (link,) = verdict.links
    if verdict.reasons and (link.policies or link.errors):
        return verdict.reasons[0]
    rule = f'permit (principal == User::"{person}", action == Action::"{action.value}", resource);'
    if not planes.administration.policies:
        return Reason(
            plane=Plane.POLICY,
            code="no-administration",
            message=f"This project has no rules on administration, so nobody may do {action.value}.",
            hint=f'Write them into administration/people.cedar, for example: @id("{person}") {rule}',
        )
    return Reason(
        plane=Plane.POLICY,
        code="not-an-administrator",
        message=f"No rule in administration/ lets {person} do {action.value} on {resource}.",
        hint=f"Somebody else has to do it; or a rule is added there, for example: {rule}",
    )
