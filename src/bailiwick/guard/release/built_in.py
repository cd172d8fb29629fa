"""Built-in actions that let something out on purpose: what they have in common. DESIGN §5 *Flow*.

They are decided as calls of tools are, but no catalog declares them and no model can make them: only the program that
holds the session. They lie in no effect group, so a rule has to name them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bailiwick.errors import Where
from bailiwick.guard.core import Core, Refusal
from bailiwick.guard.decide import deny
from bailiwick.guard.effects import Append, Flow
from bailiwick.guard.record import decision_draft, outcome_draft
from bailiwick.guard.spending import over
from bailiwick.guard.state import Permit, SessionState
from bailiwick.model.administration import admin_resource
from bailiwick.model.call import Action, ArgFacts, Carried, Resource
from bailiwick.model.canonical import canonical
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.event import Draft, EventKind, Receipt
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.model.tool import Durability, Idempotency, OutputSpec, ToolSpec

__all__ = ["action_of", "built_in", "ended", "named", "not_named", "refused", "undone"]


def built_in(name: str, resource: str, description: str) -> ToolSpec:
    """The declaration of a built-in action."""
    return ToolSpec(
        name=name,
        names=(),
        effects=frozenset(),
        resources=(resource,),
        args={},
        output=OutputSpec(untrusted=()),
        idempotency=Idempotency.SAFE,
        durability=Durability.SYNC,
        description=description,
        where=Where(file="(built in)"),
    )


def action_of(
    spec: ToolSpec,
    args: Mapping[str, object],
    arguments: tuple[ArgFacts, ...],
    resource: tuple[str, str],
    carried: tuple[Carried, ...] = (),
) -> Action:
    """A built-in action as rules decide on it. INVARIANT: all that it does stands in `args`, because an approval binds
    to them and shows nothing else."""
    ref = EntityRef(kind=EntityKind.RESOURCE, id=admin_resource(*resource))
    return Action(tool=spec, args=canonical(args), arguments=arguments, resources=(Resource(ref=ref),), carried=carried)


def named(core: Core, permit: Permit) -> bool:
    """Whether a permit that names the action let it through for every link, or a person did. INVARIANT: a permit for
    everything is none for this; where rules are only observed, they still have to permit it."""
    verdict, naming = permit.decision.verdict, core.planes.policy.naming(permit.action.tool.name)
    by_rules = verdict is not None and all(
        link.allowed and not naming.isdisjoint(link.policies) for link in verdict.links
    )
    return by_rules or bool(permit.decision.approved)


def not_named(tool: str) -> Reason:
    return Reason(
        plane=Plane.POLICY,
        code="release-not-named",
        message=f"No rule permits {tool} by its name.",
        hint=f'Write one for each link: permit (…, action == Action::"{tool}", resource);',
    )


def ended(core: Core, session: SessionState, permit: Permit, now_us: int, *, kind: EventKind) -> Draft:
    """What became of it."""
    return outcome_draft(core.planes, session, kind, permit, event_id=core.new_id(), now_us=now_us, extra={})


def undone(core: Core, session: SessionState, permit: Permit, reason: Reason, now_us: int) -> Flow[Refusal]:
    """A permit that comes to nothing after all."""
    session.drop(permit)
    yield Append((ended(core, session, permit, now_us, kind=EventKind.ACTION_EXPIRED),), Durability.SYNC)
    yield from over(permit, ran=False)
    return (yield from refused(core, session, permit.action.tool.name, reason, now_us))


def refused(core: Core, session: SessionState, tool: str, reason: Reason, now_us: int) -> Flow[Refusal]:
    """Record that it is not done, and why."""
    decision = deny(tool, reason)
    event_id = core.new_id()
    record = decision_draft(
        core.planes, session, decision, event_id=event_id, now_us=now_us, args=b"", permit=None, latency_us=0
    )
    receipts: Sequence[Receipt] = yield Append((record,), Durability.BUFFERED)
    session.receipts.extend(receipts)
    return Refusal(decision=decision, event_id=event_id, receipt=receipts[0])
