"""Whether the links of a chain are there: known, active, and trusted by the one before. DESIGN §5 *Identity*."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise

from bailiwick.model.decision import Plane, Reason
from bailiwick.model.directory import Directory
from bailiwick.model.nearest import nearest
from bailiwick.model.principal import Chain, EntityKind, EntityRef
from bailiwick.model.tool import Effect

__all__ = ["check_chain", "check_effects", "some"]


def check_chain(directory: Directory, chain: Chain) -> Reason | None:
    """Every link is in the directory and active, and each agent may hand its work to the next one, and so far."""
    refused = _check_root(directory, chain.root)
    if refused is not None:
        return refused
    agents = [link.id for link in chain.links[1:]]
    for agent in agents:
        entry = directory.agents.get(agent)
        if entry is None:
            return _unknown("agent", agent, directory.agents)
        if not entry.active:
            return _inactive("agent", agent)
    for further, (giver, holder) in zip(range(len(agents) - 2, -1, -1), pairwise(agents), strict=True):
        edges = directory.agents[giver].may_delegate_to
        edge = edges.get(holder)
        if edge is None:
            return _reason(
                "delegation-not-trusted",
                f"{giver} may not hand its work to {holder}.",
                f"It may hand it to: {some(edges)}." if edges else f"{giver} has to do its work itself.",
            )
        if further > edge.max_depth:
            return _reason(
                "delegation-too-deep",
                f"What {giver} hands to {holder} may go over {edge.max_depth} further hop(s); {chain} takes {further}.",
                f"Let an earlier agent do the work, or raise max_depth of {holder} in may_delegate_to of {giver}.",
            )
    return None


def check_effects(directory: Directory, chain: Chain, tool: str, effects: frozenset[Effect]) -> Reason | None:
    """Every edge of the chain hands on all of the tool's effects. The edges are there: `check_chain` saw to it."""
    for giver, holder in pairwise(link.id for link in chain.links[1:]):
        trusted = directory.agents[giver].may_delegate_to[holder].effects
        missing = sorted(effects - trusted)
        if missing:
            return _reason(
                "effect-not-delegated",
                f"{tool} has the effect {missing[0]}, with which {giver} does not trust {holder}.",
                f"Handed on there: {some(trusted)}.",
            )
    return None


def _check_root(directory: Directory, root: EntityRef) -> Reason | None:
    if root.kind is EntityKind.USER:
        return _check_user(directory, root.id, "user")
    service = directory.services.get(root.id)
    if service is None:
        return _unknown("service", root.id, directory.services)
    if not service.active:
        return _inactive("service", root.id)
    return _check_user(directory, service.owner, f"owner of service '{root.id}',")


def _check_user(directory: Directory, user_id: str, what: str) -> Reason | None:
    user = directory.users.get(user_id)
    if user is None:
        return _unknown(what, user_id, directory.users)
    return None if user.active else _inactive(what, user_id)


def _unknown(what: str, name: str, known: Collection[str]) -> Reason:
    near = nearest(name, known)
    kind = what.split()[0]
    return _reason(
        f"unknown-{kind}",
        f"The {what} '{name}' is not in the directory.",
        f"Did you mean '{near}'?" if near else "Add it to directory.toml, or use one that is there.",
    )


def _inactive(what: str, name: str) -> Reason:
    return _reason(
        f"inactive-{what.split()[0]}",
        f"The {what} '{name}' is switched off.",
        "Set active = true in directory.toml, if it should act again.",
    )


def some(names: Collection[str]) -> str:
    """The first of these names, for people."""
    listed = sorted(names)
    more = f" and {len(listed) - 8} more" if len(listed) > 8 else ""
    return ", ".join(listed[:8]) + more


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.IDENTITY, code=code, message=message, hint=hint)
