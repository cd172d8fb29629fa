"""Tools that no chain can ever call, because a permit is missing for all of it or for one side."""

from __future__ import annotations

from collections.abc import Iterator

from bailiwick.errors import Finding, Where
from bailiwick.model.tool import Catalog
from bailiwick.policy.bundle import PolicyEffect
from bailiwick.policy.rulebook import severity_of
from bailiwick.policy.shadow import Scoped
from bailiwick.policy.whole import Whole

__all__ = ["tool_findings"]


def tool_findings(whole: Whole, catalog: Catalog) -> Iterator[Finding]:
    """For each tool of the catalog (and for `agent.delegate`, if a permit names it) what keeps it from being called.

    In a directory without active agents, or without anybody to start one, nothing is said of sides: no tool can be
    called, whatever the rules."""
    by_action: dict[str, Scoped] = {}
    for each in whole.rules:
        if each.rule.effect is PolicyEffect.PERMIT:
            for name in each.reached:
                by_action.setdefault(name, each)
    for tool in catalog.tools.values():
        if tool.name not in by_action:
            yield _without(tool.name, tool.where)
    if not (whole.people.agents and whole.people.roots):
        return
    for action in whole.world.actions.values():
        permit = by_action.get(action.name)
        if permit is not None and not action.sentinel:
            listed = catalog.tools.get(action.name)
            yield from _one_sided(whole, action.name, listed.where if listed else permit.rule.where, permit)


def _one_sided(whole: Whole, tool: str, where: Where, permit: Scoped) -> Iterator[Finding]:
    permitted = whole.permitted[tool]
    closed = whole.closed.get(tool, frozenset())
    sides = (("user or service", whole.people.roots), ("agent", whole.people.agents))
    missing = [what for what, side in sides if not side & permitted and not side <= closed]
    lacking = [what for what, side in sides if not side & permitted]
    if not missing:
        return
    what = " and no ".join(lacking)
    yield Finding(
        rule="tool-out-of-reach",
        message=f"no chain can call {tool}: {permit.rule.name()} permits it, but no active {what} has a permit",
        where=where,
        hint=f"every link needs one: permit it to the {lacking[0]} who is to call it, or take it out of the permit",
        severity=severity_of("tool-out-of-reach"),
    )


def _without(tool: str, where: Where) -> Finding:
    return Finding(
        rule="tool-without-permit",
        message=f"no permit reaches {tool}: every call of it is denied",
        where=where,
        hint="permit it to the people and the agents who need it, or take it out of the catalog",
        severity=severity_of("tool-without-permit"),
    )
