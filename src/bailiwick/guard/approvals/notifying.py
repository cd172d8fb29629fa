"""Who is told of a request by mail, what may be shown to them, and the record of what nobody could be told."""

from __future__ import annotations

from collections.abc import Iterable

from bailiwick.action.approvals import Approval
from bailiwick.action.channel_settings import APPROVERS
from bailiwick.action.notices import Claim
from bailiwick.action.types import Address, normal_address
from bailiwick.guard.administration.entitled import unfit
from bailiwick.guard.approvals.approving import may_answer
from bailiwick.guard.approvals.eligible import could_answer
from bailiwick.guard.core import Core
from bailiwick.guard.effects import Append, Flow, Now
from bailiwick.guard.planes import Planes
from bailiwick.guard.record import draft
from bailiwick.model.approver import ProofMethod, Proven
from bailiwick.model.event import EventKind
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.model.tool import Durability

__all__ = ["card_for", "mailbox", "people", "recipients", "undelivered"]


def recipients(planes: Planes, to: Iterable[str], approval: Approval, now_ms: int) -> tuple[str, ...]:
    """Ids of users and addresses, each once, in order."""
    able = (user for user in sorted(planes.directory.users) if could_answer(planes, approval, user, now_ms))
    found: list[str] = []
    for each in to:
        found += [user for user in able if mailbox(planes, user)] if each == APPROVERS else people(planes, each)
    return tuple(dict.fromkeys(found))


def people(planes: Planes, named: str) -> list[str]:
    """Who is meant by `User::…`, `Group::…` or `Role::…`, as far as they are active and have a mailbox; an address is
    itself."""
    kind, marks, name = named.partition("::")
    if not marks:
        return [named] if named != APPROVERS else []
    wanted = EntityRef(kind=EntityKind(kind), id=name)
    return [
        user
        for user in sorted(planes.directory.users)
        if (EntityRef(kind=EntityKind.USER, id=user) == wanted or wanted in planes.directory.groups_of(user))
        and unfit(planes, user) is None
        and mailbox(planes, user)
    ]


def mailbox(planes: Planes, recipient: str) -> str:
    """The address of a recipient as things are now; empty if mail to them has to stop."""
    user = planes.directory.users.get(recipient)
    if user is not None:
        found = normal_address(user.email or "") if unfit(planes, recipient) is None else None
    else:
        found = normal_address(recipient)
    return found.text if isinstance(found, Address) else ""


def card_for(core: Core, approval: Approval, recipient: str, channel: str) -> Flow[bool]:
    """Whether this recipient may be shown the card: a person of the directory, by the same question as for an
    answer, and as there it is on record."""
    if recipient not in core.planes.directory.users:
        return False
    now_us: int = yield Now()
    who = Proven(user=recipient, method=ProofMethod.CLAIMED, at_ms=now_us // 1000, os_user=f"channel {channel}")
    return (yield from may_answer(core, approval, who)) is None


def undelivered(core: Core, claim: Claim, *, error: str, gone: bool) -> Flow[None]:
    """Record that a notice is given up; `gone`: the channel's receiver wants nothing more."""
    now_us: int = yield Now()
    body: dict[str, object] = {
        "channel": claim.notice.channel,
        "approval": claim.notice.approval,
        "news": claim.notice.news.value,
        "message": claim.notice.id,
        "attempts": claim.attempt,
        "error": error,
        "gone": gone,
    }
    event = draft(core.planes, None, EventKind.CHANNEL_FAILED, body, event_id=core.new_id(), now_us=now_us)
    yield Append((event,), Durability.SYNC)
