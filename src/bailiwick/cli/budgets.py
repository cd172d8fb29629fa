"""`bailiwick budgets`: how much of each budget is used, and setting a count."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import click

from bailiwick.cli.output import (
    AS_OPTION,
    DIR_OPTION,
    JSON_OPTION,
    console,
    os_user,
    print_json,
    refuse,
    shown,
    table,
    when,
)
from bailiwick.guard.administration.budgeting import Counted, Setting, Viewer, counts, set_count
from bailiwick.model.budget import Budget
from bailiwick.model.decision import Reason
from bailiwick.project import Guard, find_project

__all__ = ["budgets"]


@click.group()
def budgets() -> None:
    """List how much of each budget is used, and set counts anew.

    Budgets are declared in bailiwick.toml. Who may see or set counts is decided by the rules in administration/.
    """


@budgets.command("list")
@AS_OPTION
@DIR_OPTION
@JSON_OPTION
def list_(person: str, folder: Path | None, as_json: bool) -> None:
    """List each budget, what is used of it by whom, and when some of that frees. Exit code: 0, or 1 refused.

    It needs the action admin.read_usage in the rules in administration/.
    """
    viewer = Viewer(by=person, os_user=os_user())
    found: list[tuple[Budget, tuple[Counted, ...]]] = []
    with Guard.open(find_project(folder)) as guard:
        for budget in guard.engine.ports.holding.latest.settings.budgets:
            told = guard.engine.administer(functools.partial(counts, budget=budget, viewer=viewer))
            if isinstance(told, Reason):
                refuse(told, as_json=as_json)
            found.append((budget, told))
    if as_json:
        print_json({"budgets": [_json(budget, told) for budget, told in found]})
        return
    if not found:
        console().print("no budget is declared in bailiwick.toml")
        return
    rows = [row for budget, told in found for row in _rows(budget, told)]
    console().print(table(("budget", "counts", "per", "window", "of", "used", "limit", "frees from"), rows))


@budgets.command("reset")
@click.argument("name")
@click.option("--of", "owner", required=True, metavar="OWNER", help="Whose count, as `budgets list` shows it.")
@click.option("--to", default=0, show_default=True, metavar="N", help="What is to count as used.")
@click.option("--reason", required=True, help="Why, for the record.")
@AS_OPTION
@DIR_OPTION
@JSON_OPTION
def reset(name: str, owner: str, to: int, reason: str, person: str, folder: Path | None, as_json: bool) -> None:
    """Set a count: to nothing, or to a number. Exit code: 0 set, 1 refused.

    It needs the action admin.set_usage in the rules in administration/. What calls that are under way took counts for
    nothing any more, unless they turn out to use more than was expected.
    """
    order = Setting(budget=name, owner=owner, to=to, by=person, reason=reason, os_user=os_user())
    with Guard.open(find_project(folder)) as guard:
        done = guard.engine.administer(lambda core: set_count(core, order))
    if isinstance(done, Reason):
        refuse(done, as_json=as_json)
    if as_json:
        print_json({"done": True, "budget": name, **_counted_json(done)})
        return
    console().print(f"[bold]{shown(name)}[/] of {shown(done.owner)} counts {done.used} as used", soft_wrap=True)


def _rows(budget: Budget, told: tuple[Counted, ...]) -> list[tuple[str, ...]]:
    fixed = (budget.name, _unit(budget), budget.per.value, _window(budget))
    limit = "" if budget.limit is None else str(budget.limit)
    if not told:
        return [(*fixed, "nobody yet", "0", limit, "")]
    return [
        (*fixed, each.owner, str(each.used), limit, "" if each.frees_ms is None else when(each.frees_ms))
        for each in told
    ]


def _unit(budget: Budget) -> str:
    return f"{budget.counts.value} ({budget.currency} minor units)" if budget.currency else budget.counts.value


def _window(budget: Budget) -> str:
    if budget.window_ms is None:
        return ""
    for name, length in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if budget.window_ms % length == 0:
            return f"{budget.window_ms // length}{name}"
    return f"{budget.window_ms}ms"


def _json(budget: Budget, told: tuple[Counted, ...]) -> dict[str, Any]:
    return {
        "budget": budget.name,
        "counts": budget.counts.value,
        "currency": budget.currency or None,
        "per": budget.per.value,
        "window_ms": budget.window_ms,
        "limit": budget.limit,
        "used": [_counted_json(each) for each in told],
    }


def _counted_json(each: Counted) -> dict[str, Any]:
    return {"of": each.owner, "used": each.used, "frees_ms": each.frees_ms}
