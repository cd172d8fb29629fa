"""Standing grants as people see them: who sees which, and who ends them.

Seen by those who gave one, by the user on whose behalf it is used, and by whoever may answer requests of its tool; any
of them may end it: that only narrows. It holds from the next decision on. DESIGN §5 *Action*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bailiwick.action.approval_card import card_arguments
from bailiwick.action.approvals import Approval
from bailiwick.action.standing import GrantState, StandingGrant
from bailiwick.guard.administration.administering import authorise
from bailiwick.guard.administration.entitled import is_own, unfit, written
from bailiwick.guard.approvals.eligible import not_reader
from bailiwick.guard.approvals.remembering import EndGrant, seen_over
from bailiwick.guard.core import Core
from bailiwick.guard.effects import Append, Flow, GetApproval, Now
from bailiwick.guard.ports import Ports
from bailiwick.guard.record import draft
from bailiwick.model.administration import AdminAction, admin_resource
from bailiwick.model.approver import Proven
from bailiwick.model.canonical import Json
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.event import EventKind
from bailiwick.model.tool import Durability

__all__ = ["SeenGrant", "revoke_standing", "standing_grants"]

MOST = 500


@dataclass(frozen=True, slots=True)
class _Newest:
    tenant: str
    env: str

    def do(self, ports: Ports) -> tuple[StandingGrant, ...]:
        return ports.remembered.newest(self.tenant, self.env, MOST)


@dataclass(frozen=True, slots=True)
class _Find:
    tenant: str
    env: str
    id: str

    def do(self, ports: Ports) -> StandingGrant | None:
        return ports.remembered.find(self.tenant, self.env, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenGrant:
    """A grant as somebody may see it: `arguments` are those that stay as they were, None where they may not read the
    card."""

    grant: StandingGrant
    arguments: dict[str, Json] | None
    gates: tuple[str, ...]


def standing_grants(core: Core, by: Proven) -> Flow[tuple[SeenGrant, ...]]:
    """The standing grants that this person may see, the newest first, also those that are over."""
    settings = core.planes.settings
    now_us: int = yield Now()
    found: Sequence[StandingGrant] = yield _Newest(settings.tenant, settings.env)
    found = yield from seen_over(core.planes, core.new_id, found, now_us)
    tools: dict[tuple[str, bool], bool] = {}
    visible: list[SeenGrant] = []
    for grant in reversed(found):
        asked = (grant.tool, _concerns(core, grant, by.user))
        if asked not in tools:
            tools[asked] = (yield from _may(core, grant, by)) is None
        if tools[asked]:
            source: Approval | None = yield GetApproval(settings.tenant, settings.env, grant.approval)
            visible.append(_seen(core, grant, source, by.user))
    return tuple(visible)


def revoke_standing(core: Core, grant_id: str, by: Proven) -> Flow[StandingGrant | Reason]:
    """The grant as ended, or why it is not."""
    settings = core.planes.settings
    now_us: int = yield Now()
    grant: StandingGrant | None = yield _Find(settings.tenant, settings.env, grant_id)
    refused = _unknown(grant_id) if grant is None else (yield from _may(core, grant, by))
    if grant is None or refused is not None:
        assert refused is not None
        return refused
    (grant,) = yield from seen_over(core.planes, core.new_id, (grant,), now_us)
    if grant.state is not GrantState.ACTIVE:
        return _over(grant)
    body = {
        "grant": grant.id,
        "approval": grant.approval,
        "why": GrantState.REVOKED.value,
        "by": written(by.user),
        "method": by.method.value,
        "os_user": written(by.os_user),
    }
    event = draft(core.planes, None, EventKind.APPROVAL_FORGOTTEN, body, event_id=core.new_id(), now_us=now_us)
    yield Append((event,), Durability.SYNC)
    yield EndGrant(grant, GrantState.REVOKED)
    return (yield _Find(settings.tenant, settings.env, grant_id)) or grant


def _concerns(core: Core, grant: StandingGrant, person: str) -> bool:
    return person in grant.by or is_own(core.planes, person, (str(link) for link in grant.chain.links))


def _may(core: Core, grant: StandingGrant, by: Proven) -> Flow[Reason | None]:
    if _concerns(core, grant, by.user):
        return unfit(core.planes, by.user)
    return (
        yield from authorise(
            core,
            by.user,
            action=AdminAction.APPROVE,
            resource=admin_resource("tools", grant.tool),
            os_user=by.os_user,
        )
    )


def _seen(core: Core, grant: StandingGrant, source: Approval | None, person: str) -> SeenGrant:
    if source is None or not_reader(core.planes, source.label, person) is not None:
        gates = () if source is None else tuple(gate.id for gate in source.gates)
        return SeenGrant(grant=grant, arguments=None, gates=gates)
    shown = {name: value for name, value in card_arguments(source.card).items() if name not in grant.open}
    return SeenGrant(grant=grant, arguments=shown, gates=tuple(gate.id for gate in source.gates))


def _unknown(grant_id: str) -> Reason:
    return _reason(
        "unknown-standing-grant",
        f"There is no standing grant {written(grant_id)}.",
        "See `bailiwick approvals standing`.",
    )


def _over(grant: StandingGrant) -> Reason:
    return _reason("standing-over", f"Standing grant {grant.id} is {grant.state.value} already.", "Nothing is left.")


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.ACTION, code=code, message=message, hint=hint)
