"""`bailiwick approvals standing | revoke | stats`: what is remembered of people's answers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from bailiwick.cli.output import (
    AS_OPTION,
    DIR_OPTION,
    JSON_OPTION,
    claimed,
    console,
    print_json,
    refuse,
    shown,
    table,
    when,
)
from bailiwick.errors import UsageError
from bailiwick.guard.approvals.approvers import approvers
from bailiwick.guard.approvals.forgetting import SeenGrant, revoke_standing, standing_grants
from bailiwick.model.canonical import thaw
from bailiwick.model.decision import Reason
from bailiwick.project import Guard, find_project
from bailiwick.project.clock import now_us
from bailiwick.project.load import load_settings
from bailiwick.project.status import STATE_FILE

__all__ = ["opened_project", "revoke", "standing", "stats"]


@click.command()
@AS_OPTION
@DIR_OPTION
@JSON_OPTION
def standing(person: str, folder: Path | None, as_json: bool) -> None:
    """List the standing grants that you gave, that are used on your behalf, or whose tool you may answer for, also
    those that are over."""
    with opened_project(folder) as guard:
        found = guard.engine.administer(lambda core: standing_grants(core, claimed(person)))
    now_ms = now_us() // 1000
    if as_json:
        print_json([_json(each, now_ms) for each in found])
        return
    rows = [
        (
            each.grant.id,
            _state(each, now_ms),
            each.grant.tool,
            str(each.grant.chain),
            f"{each.grant.used} of {each.grant.count}",
            ", ".join(sorted(each.grant.open)) or "nothing",
            when(each.grant.expires_ms),
            ", ".join(each.grant.by),
        )
        for each in found
    ]
    if not rows:
        console().print("nothing is remembered that you may see")
        return
    columns = ("id", "is", "tool", "for whom, through whom", "used", "may differ", "until", "given by")
    console().print(table(columns, rows))


@click.command()
@click.argument("grant_id")
@AS_OPTION
@DIR_OPTION
@JSON_OPTION
def revoke(grant_id: str, person: str, folder: Path | None, as_json: bool) -> None:
    """End a standing grant: from the next decision on people are asked again. Exit code: 0 revoked, 1 refused."""
    with opened_project(folder) as guard:
        told = guard.engine.administer(lambda core: revoke_standing(core, grant_id, claimed(person)))
    if isinstance(told, Reason):
        refuse(told, as_json=as_json)
    if as_json:
        print_json({"id": told.id, "state": told.state.value, "used": told.used})
    else:
        console().print(f"{shown(told.id)} is [bold]{told.state.value}[/], after {told.used} of {told.count} uses")


@click.command()
@AS_OPTION
@DIR_OPTION
@JSON_OPTION
def stats(person: str, folder: Path | None, as_json: bool) -> None:
    """Show of each approver how many requests they answered, how fast, how often with yes, and how often they granted
    one that was planted. It needs the action admin.read_approvers in the rules in administration/."""
    with opened_project(folder) as guard:
        told = guard.engine.administer(lambda core: approvers(core, claimed(person)))
    if isinstance(told, Reason):
        refuse(told, as_json=as_json)
    if as_json:
        print_json([asdict(each) for each in told])
        return
    rows = [
        (
            each.person,
            str(each.answers),
            str(each.yes),
            _seconds(each.median_ms),
            _seconds(each.p90_ms),
            str(each.checks),
            str(each.checks_failed),
        )
        for each in told
    ]
    if rows:
        columns = ("who", "answers", "yes", "half within", "nine in ten within", "checks", "of these approved")
        console().print(table(columns, rows))
    else:
        console().print("nobody answered a request yet")


def _seconds(ms: int | None) -> str:
    return "" if ms is None else f"{ms / 1000:.1f} s"


def _state(each: SeenGrant, now_ms: int) -> str:
    return each.grant.state_at(now_ms).value if each.grant.left else "used up"


def _json(each: SeenGrant, now_ms: int) -> dict[str, Any]:
    grant = each.grant
    return {
        "id": grant.id,
        "state": _state(each, now_ms),
        "approval": grant.approval,
        "tool": grant.tool,
        "chain": [str(link) for link in grant.chain.links],
        "task": grant.task,
        "scope": "conversation" if grant.session else "task",
        "gates": list(each.gates),
        "open": sorted(grant.open),
        "arguments": None if each.arguments is None else thaw(each.arguments),
        "count": grant.count,
        "used": grant.used,
        "since_ms": grant.since_ms,
        "expires_ms": grant.expires_ms,
        "by": list(grant.by),
    }


def opened_project(folder: Path | None) -> Guard:
    """The project, open, so that whoever looks is on record. Raises UsageError where nothing ran yet."""
    path = find_project(folder)
    file = path / load_settings(path).state_path / STATE_FILE
    if not file.exists():
        raise UsageError(f"nothing ran in this project yet: there is no {file}", hint="run an agent first")
    return Guard.open(path)
