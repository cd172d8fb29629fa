"""How much one call takes from a budget: before it runs, and by what it returned. DESIGN §5 *Action*."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any, assert_never, cast

from bailiwick.errors import Finding
from bailiwick.model.budget import Budget, BudgetUnit
from bailiwick.model.call import Action, Facts
from bailiwick.model.canonical import MAX_INT
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.tool import BUILT_IN, Catalog, Effect, ToolSpec

__all__ = ["budget_findings", "charge", "rows_in"]


"""Handing work on, and widening a task."""


def charge(budget: Budget, action: Action) -> int | Reason:
    """How much a call takes before anything is known of its outcome; why it cannot be counted, if it cannot."""
    match budget.counts:
        case BudgetUnit.CALLS:
            return 1
        case BudgetUnit.MONEY:
            return _money(budget, action)
        case BudgetUnit.ROWS:
            return _rows(budget, action)
        case BudgetUnit.BYTES | BudgetUnit.TOKENS:
            return budget.expect
        case _ as unreachable:
            assert_never(unreachable)


def _money(budget: Budget, action: Action) -> int | Reason:
    sums = _sums(action)
    if sums is None:
        return _reason(
            "budget-amount",
            f"Nothing says how much money this {action.tool.name} call is about.",
            "Leave it to a person.",
        )
    minor, currency = sums
    if currency != budget.currency:
        return _reason(
            "budget-currency",
            f"The budget {budget.name} is in {budget.currency}, and this call is about {currency}.",
            f"Nothing is converted: use {budget.currency}, or declare a budget in {currency}.",
        )
    if not 0 <= minor <= MAX_INT:
        return _reason("budget-amount", f"The amount of this call cannot be counted in {budget.name}.", "Use less.")
    return minor


def _sums(action: Action) -> tuple[int, str] | None:
    """The amount of a payment, else of the only argument that is money."""
    pay = action.interfaces.get(Effect.PAY.value)
    if pay is not None:
        return cast(int, pay["amount_minor"]), cast(str, pay["currency"])
    sums = _money_arguments(action.tool)
    found = [cast(Facts, each.facts) for each in action.judged if each.name in sums]
    return (cast(int, found[0]["minor"]), cast(str, found[0]["currency"])) if len(found) == 1 else None


def _money_arguments(tool: ToolSpec) -> frozenset[str]:
    return frozenset(name for name, spec in tool.judged().items() if spec.type == "money")


def _rows(budget: Budget, action: Action) -> int:
    """The LIMIT of the only query, where it has one; else what is expected."""
    specs = action.tool.judged()
    queries = [each.facts for each in action.judged if each.name in specs and specs[each.name].type == "sql"]
    if len(queries) == 1 and isinstance(queries[0], Mapping):
        limit = queries[0].get("limit")
        if type(limit) is int and 0 <= limit < MAX_INT:  # MAX_INT: nothing limits it
            return limit
    return budget.expect


def rows_in(value: object) -> int | None:
    """How many rows a result has: entries of a list, or of all lists in a record and in records within it; a record
    without a list is one row. None: nobody can say, because of a text or of what can be read only once."""
    if isinstance(value, list):
        return len(value)
    if isinstance(value, tuple):  # perhaps of rows, perhaps of the rows and what is said of them
        return max(len(value), sum(len(each) for each in value if isinstance(each, list)))
    if isinstance(value, Mapping):
        return _rows_of_record(value)
    return 0 if value is None else None


def _rows_of_record(record: Mapping[Any, object]) -> int | None:
    lists: list[int] = []
    waiting, seen = [record], {id(record)}
    while waiting:
        for each in waiting.pop().values():
            if isinstance(each, Mapping):
                if id(each) not in seen:
                    seen.add(id(each))
                    waiting.append(each)
            elif isinstance(each, list | tuple | Set):
                lists.append(len(each))
            elif isinstance(each, Iterable) and not isinstance(each, str | bytes):
                return None
    return sum(lists) if lists else 1


# ── what is declared ─────────────────────────────────────────────────────────────────────────────────────────────────


def budget_findings(budgets: Iterable[Budget], catalog: Catalog) -> Iterator[Finding]:
    """What is wrong with budgets once the tools are known."""
    known = frozenset(catalog.tools) | BUILT_IN
    for budget in budgets:
        for name in sorted(budget.tools - known):
            yield Finding(
                rule="unknown-tool",
                message=f"the budget '{budget.name}' counts calls of '{name}', which is no tool of the catalog",
                where=budget.where,
                hint="name a tool of tools/*.toml by its catalog name",
            )
        if budget.counts is not BudgetUnit.MONEY:
            continue
        counted = [tool.name for tool in catalog.tools.values() if budget.counts_calls_of(tool) and not _has_sum(tool)]
        counted += sorted(BUILT_IN if Effect.DELEGATE in budget.effects else BUILT_IN & budget.tools)
        for name in counted:
            yield Finding(
                rule="budget-without-amount",
                message=f"the budget '{budget.name}' counts money, and nothing says how much a call of {name} is about",
                where=budget.where,
                hint="a tool that it counts has the effect pay, or one required argument of type money",
            )


def _has_sum(tool: ToolSpec) -> bool:
    sums = _money_arguments(tool)
    required = [name for name in sums if name in tool.args and not tool.args[name].optional]  # an object can be missing
    return Effect.PAY in tool.effects or (len(sums) == 1 and len(required) == 1)


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.ACTION, code=code, message=message, hint=hint)
