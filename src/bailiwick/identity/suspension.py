"""Kill switches: whether somebody has stopped this chain, tool or session, or everything. DESIGN §5 *Identity*.

INVARIANT: one suspended link stops the whole chain, and a suspended session stops those that were delegated from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from bailiwick.model.call import Authority
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.directory import Directory
from bailiwick.model.principal import Chain, EntityKind, SessionKey
from bailiwick.model.suspensions import Suspension, Suspensions, Target, TargetKind

__all__ = ["check_stopped", "check_suspended", "person_suspended"]

_KINDS: Mapping[EntityKind, TargetKind] = MappingProxyType(
    {
        EntityKind.AGENT: TargetKind.AGENT,
        EntityKind.USER: TargetKind.USER,
        EntityKind.SERVICE: TargetKind.SERVICE,
    }
)


def check_suspended(
    suspensions: Suspensions, authority: Authority, tool: str, *, directory: Directory
) -> Reason | None:
    """Why a call of `tool` is stopped; None if nobody stopped it."""
    return check_stopped(suspensions, authority.chain, authority.key, tool, directory=directory)


def check_stopped(
    suspensions: Suspensions, chain: Chain, key: SessionKey | None, tool: str, *, directory: Directory
) -> Reason | None:
    """`check_suspended` for a chain and its session (None: it is not known)."""
    if not suspensions.by_target:
        return None
    found = suspensions.hit(_targets(chain, key, tool, directory))
    if found is None:
        return None
    match found.target.kind:
        case TargetKind.EVERYTHING:
            what = "Every call"
        case TargetKind.SESSION:
            what = "This session"
        case kind:
            what = f"{kind.value.removesuffix('s').capitalize()} {found.target.name}"
    return Reason(
        plane=Plane.IDENTITY,
        code="suspended",
        message=f"{what} is suspended.",
        hint="Stop, and tell the person you work for; somebody other than who suspended it can resume it.",
    )


def person_suspended(suspensions: Suspensions, user: str) -> Suspension | None:
    """The suspension of this person. (That everything is suspended stops nobody from administering: somebody has to
    resume it.)"""
    return suspensions.hit([Target(TargetKind.USER, user)])


def _targets(chain: Chain, key: SessionKey | None, tool: str, directory: Directory) -> Iterator[Target]:
    """Everything whose suspension stops this call."""
    yield Target(TargetKind.EVERYTHING)
    for link in chain.links:
        yield Target(_KINDS[link.kind], link.id)
        # A service acts on its owner's responsibility, as one whose owner is not active does not act either.
        if link.kind is EntityKind.SERVICE and (entry := directory.services.get(link.id)):
            yield Target(TargetKind.USER, entry.owner)
    yield Target(TargetKind.TOOL, tool)
    if key is not None:
        agents = [link.id for link in chain.links[1:]]
        for count in range(1, len(agents)):
            yield Target(TargetKind.SESSION, replace(key, agent="/".join(agents[:count])).id)
        yield Target(TargetKind.SESSION, key.id)
