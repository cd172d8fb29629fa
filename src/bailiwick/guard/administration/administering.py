"""Whether a person may do something to bailiwick itself: asked of the rules in `administration/`, and recorded.

Reading the log, revealing what it keeps, answering requests, suspending, activating: every flow that does one of these
begins with `authorise` and goes on only where it gives None. INVARIANT: the answer is on record before anything comes
of it, an allow fsynced; where it cannot be recorded the flow ends with the log's error, and nothing is done.

Who the person is, is a claim in the embedded tier; the account of the operating system is recorded beside it.
DESIGN §5 *State and scale*, promise 1.
"""

from __future__ import annotations

from bailiwick.guard.administration.entitled import asked, unfit, written
from bailiwick.guard.core import Core
from bailiwick.guard.effects import Append, Flow, Now
from bailiwick.guard.planes import Planes
from bailiwick.guard.record import draft
from bailiwick.model.administration import AdminAction
from bailiwick.model.circumstances import CLAIMED, Evidence
from bailiwick.model.decision import Outcome, Plane, Reason, Verdict
from bailiwick.model.event import EventKind
from bailiwick.model.tool import Durability

__all__ = ["authorise"]


def authorise(
    core: Core,
    person: str,
    *,
    action: AdminAction,
    resource: str,
    os_user: str,
    own: bool = False,
    evidence: Evidence = CLAIMED,
    about: str = "",
) -> Flow[Reason | None]:
    """None if the person may, else why not. `resource` is as `admin_resource` gives it; `own`: what it is done to was
    made or asked for by the same person; `os_user` is the account that the order came from. `about` is what of the
    resource they look at (a session of the log, an event), for the record: no rule reads it."""
    now_us: int = yield Now()
    refused = unfit(core.planes, person)
    verdict: Verdict | None = None
    if refused is None:
        verdict = asked(core.planes, person, action, resource, now_us // 1000, own=own, evidence=evidence)
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
    if about:
        body["about"] = written(about)
    event = draft(core.planes, None, EventKind.ADMIN_DECIDED, body, event_id=core.new_id(), now_us=now_us)
    yield Append((event,), Durability.SYNC if refused is None else Durability.BUFFERED)
    return refused


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
