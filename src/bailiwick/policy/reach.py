"""Whom of the directory a scope reaches, and who is left to approve. Exact for the directory as it stands.

Conditions are not looked at, but for those on what the principal is or lies in: `reaches-nobody` reads them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from cedarpy import pst

from bailiwick.model.decision import Gate
from bailiwick.model.directory import Directory
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.policy.goals import Goal
from bailiwick.policy.shadow import Constraint, Hierarchy
from bailiwick.policy.tree import literals

__all__ = ["People"]

_PRINCIPAL = pst.Var(name="principal")
Refs = frozenset[EntityRef]


class People:
    """The users, services and agents of a directory, and what each of them is in. Those who are switched off are left
    out, unless `everybody`; so is a service whose owner is, since it cannot start anything. Any user may be in a group
    of `claimed`, which signing in can put them into; who approves is asked of the directory alone."""

    def __init__(
        self,
        directory: Directory,
        hierarchy: Hierarchy,
        *,
        everybody: bool = False,
        claimed: frozenset[str] = frozenset(),
    ) -> None:
        self._directory = directory
        users = [name for name, user in directory.users.items() if everybody or user.active]
        agents = [entry for entry in directory.agents.values() if everybody or entry.active]
        services = [
            entry
            for entry in directory.services.values()
            if everybody or (entry.active and entry.owner in directory.users and directory.users[entry.owner].active)
        ]
        found: defaultdict[tuple[str, str], set[EntityRef]] = defaultdict(set)
        for name in users:
            ref = EntityRef(kind=EntityKind.USER, id=name)
            for above in (ref, *directory.groups_of(name)):
                found[above.kind.value, above.id].add(ref)
        for service in services:
            ref = EntityRef(kind=EntityKind.SERVICE, id=service.id)
            found[ref.kind.value, ref.id].add(ref)
        for agent in agents:
            ref = EntityRef(kind=EntityKind.AGENT, id=agent.id)
            classes = (each for name in agent.classes for each in hierarchy.above(EntityKind.AGENT_CLASS.value, name))
            for key in (
                (EntityKind.AGENT.value, agent.id),
                *((EntityKind.AGENT_CLASS.value, name) for name in classes),
            ):
                found[key].add(ref)
        self._members = {key: frozenset(refs) for key, refs in found.items()}
        for name in claimed:
            for each in hierarchy.above(EntityKind.GROUP.value, name):
                found[EntityKind.GROUP.value, each] |= {EntityRef(kind=EntityKind.USER, id=user) for user in users}
        self._within = {key: frozenset(refs) for key, refs in found.items()}
        self.all: Refs = frozenset().union(*self._within.values())
        self._of_kind = {
            kind: frozenset(ref for ref in self.all if ref.kind is kind)
            for kind in (EntityKind.USER, EntityKind.SERVICE, EntityKind.AGENT)
        }
        self.agents: Refs = self._of_kind[EntityKind.AGENT]
        self.roots: Refs = self.all - self.agents

    def of(self, constraint: Constraint) -> Refs:
        """Whom `constraint` on the principal lets through."""
        match constraint:
            case pst.ScopeEq(entity=pst.EntityUid() as uid):
                return self._named(uid) if str(uid.type) in self._of_kind else frozenset()
            case pst.ScopeIn(entity=pst.EntityUid() as uid):
                return self._named(uid)
            case pst.ScopeIs(entity_type=of):
                return self._are(str(of))
            case pst.ScopeIsIn(entity_type=of, entity=pst.EntityUid() as uid):
                return self._are(str(of)) & self._named(uid)
            case _:
                return self.all

    def fitting(self, constraint: Constraint, goals: Iterable[Goal]) -> Refs:
        """As `of`, without those whom a goal on the principal alone shuts out."""
        left = self.of(constraint)
        for goal in goals:
            named = self._asked(goal.expr)
            if named is not None:
                left = left & named if goal.truth else left - named
        return left

    def independent(self, gate: Gate, involved: Iterable[EntityRef]) -> frozenset[str]:
        """The users who could approve `gate` for a chain of `involved`."""
        shut_out = {owner for ref in involved for owner in self._answers(ref)}
        able = (self._members.get((ref.kind.value, ref.id), frozenset()) for ref in gate.approvers)
        return frozenset(ref.id for refs in able for ref in refs) - shut_out

    def _answers(self, ref: EntityRef) -> Iterator[str]:
        match ref.kind:
            case EntityKind.USER:
                yield ref.id
            case EntityKind.SERVICE:
                yield self._directory.services[ref.id].owner
            case _:
                yield self._directory.agents[ref.id].owner

    def _named(self, uid: pst.EntityUid) -> Refs:
        return self._within.get((str(uid.type), uid.id), frozenset())

    def _are(self, of: str) -> Refs:
        return next((refs for kind, refs in self._of_kind.items() if kind.value == of), frozenset())

    def _asked(self, expr: pst.Expr) -> Refs | None:
        """Of whom `expr` is true; None if it asks for anything else than what the principal is or lies in."""
        match expr:
            case pst.BinaryOp(op="in", left=left, right=right) if left == _PRINCIPAL:
                return self._union(literals(right))
            case pst.BinaryOp(op="eq", left=left, right=pst.EntityLit(value=uid)) if left == _PRINCIPAL:
                return self._named(uid) if str(uid.type) in self._of_kind else frozenset()
            case pst.Is(base=base, entity_type=of, in_expr=in_expr) if base == _PRINCIPAL:
                inside = self.all if in_expr is None else self._union(literals(in_expr))
                return None if inside is None else self._are(str(of)) & inside
            case _:
                return None

    def _union(self, items: Iterable[pst.Expr]) -> Refs | None:
        named: set[EntityRef] = set()
        for item in items:
            if not isinstance(item, pst.EntityLit):
                return None
            named |= self._named(item.value)
        return frozenset(named)
