"""Planted requests: now and then, where an administrator switched it on (`approvals.check_rate`), somebody who looks at
what waits for them finds one that should be denied.

The log says from the start what it is (`approval.planted`), and what became of it; whoever grants it is told at once.
INVARIANT: it never becomes a granted approval (`bailiwick.action.planted`). DESIGN §5 *Action*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bailiwick.action.approval_vote import may_lift
from bailiwick.action.approvals import Approval
from bailiwick.action.planted import can_be_source, ended, planted_of
from bailiwick.guard.administration.entitled import is_own, may, written
from bailiwick.guard.approvals.eligible import not_reader, stale
from bailiwick.guard.approvals.stopped import check_asked
from bailiwick.guard.core import Core
from bailiwick.guard.effects import Append, CompareAndSet, Flow, SaveApproval
from bailiwick.guard.ports import Ports
from bailiwick.guard.record import card_content, draft
from bailiwick.model.administration import AdminAction, admin_resource
from bailiwick.model.approver import Proven
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.event import Content, EventKind
from bailiwick.model.tool import Durability

__all__ = ["CHECK_PASSED", "ApprovalHistory", "check_answered", "maybe_plant"]

_RECENT = 200


@dataclass(frozen=True, slots=True)
class _Entropy:
    count: int

    def do(self, ports: Ports) -> bytes:
        return ports.entropy(self.count)


@dataclass(frozen=True, slots=True)
class ApprovalHistory:
    """→ the newest `most` requests, whatever became of them, oldest first."""

    tenant: str
    env: str
    most: int

    def do(self, ports: Ports) -> tuple[Approval, ...]:
        return ports.approvals.history(self.tenant, self.env, self.most)


def maybe_plant(core: Core, by: Proven, visible: Sequence[Approval], now_us: int) -> Flow[Approval | None]:
    """A planted request for whoever looks at `visible`, stored; None if this is not the moment. One at a time: of two
    who look at once one gets it, and of the other the log has an attempt."""
    planes, settings = core.planes, core.planes.settings
    if settings.check_rate <= 0 or any(item.planted for item in visible):
        return None
    drawn: bytes = yield _Entropy(40)
    if int.from_bytes(drawn[:8], "big") >= settings.check_rate * 2**64:
        return None
    history: Sequence[Approval] = yield ApprovalHistory(settings.tenant, settings.env, _RECENT)
    for source in reversed(history):
        if not can_be_source(source) or not _for(core, source, by.user, now_us // 1000):
            continue
        made = planted_of(
            source,
            id=f"apr-{core.new_id()[-12:]}",
            entropy=drawn[8:],
            now_ms=now_us // 1000,
            domains=planes.organisation.domains,
        )
        if made is None:
            continue
        body = {
            "approval": made.id,
            "digest": made.digest,
            "tool": made.tool,
            "made_from": source.id,
            "for": written(by.user),
        }
        event = draft(
            planes,
            None,
            EventKind.APPROVAL_PLANTED,
            body,
            event_id=core.new_id(),
            now_us=now_us,
            contents=(card_content(made),),
        )
        yield Append((event,), Durability.SYNC)
        stored: bool = yield SaveApproval(made, most_open=1)
        return made if stored else None
    return None


def _for(core: Core, source: Approval, person: str, now_ms: int) -> bool:
    """Whether this person could answer such a request just now, so that nothing but the card gives it away."""
    planes = core.planes
    own = is_own(planes, person, (str(link) for link in source.chain.links))
    return (
        may(planes, person, AdminAction.APPROVE, admin_resource("tools", source.tool), now_ms=now_ms, own=own)
        and not_reader(planes, source.label, person) is None
        and stale(planes, source) is None
        and check_asked(planes.suspensions, source, directory=planes.directory) is None
        and any(
            may_lift(gate, person, chain=source.chain, directory=planes.directory, escalated=False) is None
            for gate in source.gates
        )
    )


def check_answered(
    core: Core, found: Approval, voted: Approval, by: Proven, now_us: int
) -> Flow[Approval | Reason | None]:
    """What somebody is told who answered a planted request: of a no the request as denied, of a yes what it was. None:
    somebody else answered at the same moment."""
    failed = any(vote.granted for vote in voted.votes)
    kind = EventKind.APPROVAL_CHECK_FAILED if failed else EventKind.APPROVAL_CHECK_PASSED
    body: dict[str, object] = {
        "approval": found.id,
        "by": written(by.user),
        "method": by.method.value,
        "os_user": written(by.os_user),
    }
    if by.evidence:
        body["evidence"] = by.evidence_digest
    contents = (Content(role="evidence", data=by.evidence),) if by.evidence else ()
    event = draft(core.planes, None, kind, body, event_id=core.new_id(), now_us=now_us, contents=contents)
    yield Append((event,), Durability.SYNC)
    over = ended(voted)
    won: bool = yield CompareAndSet(found, over)
    if not won:
        return None
    return _FAILED if failed else over


_FAILED = Reason(
    plane=Plane.ACTION,
    code="check-failed",
    message="This request was planted to see whether cards are read, and you approved it. Nothing runs.",
    hint="Its recipient was changed to a look-alike address: compare what differs from the last approved call.",
)
CHECK_PASSED = Reason(
    plane=Plane.ACTION,
    code="check-passed",
    message="This request was planted to see whether cards are read, and you changed what was wrong. Nothing runs.",
    hint="Nothing is left to do.",
)
