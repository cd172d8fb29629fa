"""Names of tools, zones and budgets, as a program writes them: aliases become the catalog's names, unknown ones are
refused.

A scope that names a tool which does not exist would lock its session out, or ask a person for nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from bailiwick.model.budget import Budget, BudgetShares
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.tool import BUILT_IN, Catalog

__all__ = ["known_names", "unknown_budget"]

_BUILT_IN = tuple(sorted(BUILT_IN))


Names = frozenset[str] | None


def known_names(
    catalog: Catalog, tools: Collection[str] | None, zones: Collection[str] | None
) -> tuple[Names, Names] | Reason:
    """Tools by their catalog names, and zones, each None for None; or which of them does not exist."""
    known, places = _known_tools(catalog, tools), _known_zones(catalog, zones)
    if isinstance(known, Reason):
        return known
    return places if isinstance(places, Reason) else (known, places)


def _known_tools(catalog: Catalog, names: Collection[str] | None) -> Names | Reason:
    if names is None:
        return None
    if isinstance(names, str | bytes):
        return _no_list("tools")
    found: set[str] = set()
    for name in names:
        spec = catalog.find(name)
        if spec is None and name not in _BUILT_IN:
            hint = did_you_mean(str(name), (*catalog.tools, *_BUILT_IN))
            return _reason("unknown-tool", f"There is no tool '{name}'.", f"{hint[:1].upper()}{hint[1:]}")
        found.add(name if spec is None else spec.name)
    return frozenset(found)


def _known_zones(catalog: Catalog, names: Collection[str] | None) -> Names | Reason:
    if names is None:
        return None
    if isinstance(names, str | bytes):
        return _no_list("zones")
    for name in names:
        if name not in catalog.zones:
            hint = did_you_mean(str(name), catalog.zones)
            return _reason("unknown-zone", f"There is no zone '{name}'.", f"{hint[:1].upper()}{hint[1:]}")
    return frozenset(names)


def unknown_budget(budgets: Iterable[Budget], named: BudgetShares) -> Reason | None:
    """Which of the named budgets does not exist: a share of it would bound nothing."""
    known = [budget.name for budget in budgets]
    for name, _ in named:
        if name not in known:
            hint = did_you_mean(name, known, "bailiwick.toml declares no budget")
            return _reason("unknown-budget", f"There is no budget '{name}'.", f"{hint[:1].upper()}{hint[1:]}.")
    return None


def _no_list(what: str) -> Reason:
    return _reason("bad-scope", f"{what} is one text, not a list.", f"Pass a list: {what}=[...].")


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.IDENTITY, code=code, message=message, hint=hint)
