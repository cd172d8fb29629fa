"""Which tools the permits of a project reach for whom: what somebody may use at all, whatever conditions say."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from cedarpy import pst

from bailiwick.model.directory import Directory
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.policy.engine import PolicyEngine
from bailiwick.policy.reach import People
from bailiwick.policy.scope import action_fits, resource_fits
from bailiwick.policy.shadow import Hierarchy
from bailiwick.policy.world import ActionDecl
from bailiwick.policy.write import cedar_text

__all__ = ["Permits", "granted"]


class Permits:
    """What the permits of a project ask for beside who makes a call and of which tool."""

    def __init__(self, engine: PolicyEngine, directory: Directory) -> None:
        self._actions = engine.actions
        self._people = People(directory, Hierarchy(directory), everybody=True)
        rules = engine.bundle.policy_set.to_pst().static_policies
        self._permits = {name: rule for name, rule in rules.items() if rule.effect == "permit"}

    def asking(self, link: EntityRef, tool: str, names: Collection[str]) -> str | None:
        """The condition under which one of the permits `names` lets `link` use `tool`; "" for none, None if not one of
        them does any more. INVARIANT: a permit for this link and tool with this condition gives nothing that those do
        not give."""
        action = self._actions.get(tool)
        asked: dict[str, None] = {}
        for name in sorted(names & self._permits.keys()) if action is not None else ():
            rule = self._permits[name]
            assert action is not None
            if not (action_fits(rule.action, action) and resource_fits(rule.resource, action)):
                continue
            claimed = link not in self._people.of(rule.principal)
            if claimed and (link.kind is not EntityKind.USER or not isinstance(rule.principal, pst.ScopeIn)):
                continue
            # A user whom the directory does not have in a group may have been put into it by signing in.
            parts = [_scope("principal", rule.principal)] if claimed else []
            parts += _asks(rule, action)
            if not parts:
                return ""
            asked[" && ".join(parts)] = None
        return " || ".join(asked) or None


def _asks(rule: pst.Template, action: ActionDecl) -> Iterator[str]:
    match rule.resource:
        case pst.ScopeAny() | pst.ScopeIs():
            pass
        case pst.ScopeIn(entity=pst.EntityUid(type=of)) if str(of) == EntityKind.ZONE and action.zones is not None:
            pass  # it fits, and each resource of the tool lies in all of its zones
        case _:
            yield _scope("resource", rule.resource)
    for clause in rule.clauses:
        yield f"{'!' if isinstance(clause, pst.Unless) else ''}({cedar_text(clause.expr)})"


def _scope(what: str, constraint: pst.PrincipalOrResourceConstraint) -> str:
    match constraint:
        case pst.ScopeEq(entity=pst.EntityUid() as uid):
            return f"{what} == {cedar_text(pst.EntityLit(uid))}"
        case pst.ScopeIn(entity=pst.EntityUid() as uid):
            return f"{what} in {cedar_text(pst.EntityLit(uid))}"
        case pst.ScopeIsIn(entity_type=of, entity=pst.EntityUid() as uid):
            return f"{what} is {of} in {cedar_text(pst.EntityLit(uid))}"
        case _:
            raise AssertionError(constraint)


def granted(engine: PolicyEngine, directory: Directory, who: Iterable[EntityRef]) -> Mapping[EntityRef, frozenset[str]]:
    """For each of `who` the tools that the scope of some permit lets through for it. Conditions and forbids are not
    looked at: this is what is granted, not what would be allowed."""
    people = People(directory, Hierarchy(directory), everybody=True)
    permits = [rule for rule in engine.bundle.policy_set.to_pst().static_policies.values() if rule.effect == "permit"]
    found: dict[EntityRef, set[str]] = {ref: set() for ref in who}
    for rule in permits:
        reached = people.of(rule.principal)
        tools = {
            name
            for name, action in engine.actions.items()
            if action_fits(rule.action, action) and resource_fits(rule.resource, action)
        }
        for ref in found.keys() & reached:
            found[ref] |= tools
    return {ref: frozenset(tools) for ref, tools in found.items()}
