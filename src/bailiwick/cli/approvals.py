"""`bailiwick approvals`: what waits for a person, and the person's answer."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from bailiwick.action.approval_card import card_text
from bailiwick.action.approvals import Approval, ApprovalStatus
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
from bailiwick.errors import UsageError
from bailiwick.guard.approving import Answer, answer, may_answer
from bailiwick.model.canonical import parse
from bailiwick.model.decision import Reason
from bailiwick.project import Guard, find_project
from bailiwick.project.load import load_settings
from bailiwick.project.status import STATE_FILE

__all__ = ["approvals"]

GATE_OPTION = click.option("--gate", "gates", multiple=True, help="Only this gate (repeatable). Default: all of yours.")


@click.group()
def approvals() -> None:
    """List, show and answer requests for approval.

    A card shows what the call would do, contents and all. So whoever wants to see or answer one needs the action
    admin.approve on its tool, in the rules in administration/; to answer, the gate has to name them too.

    In the embedded tier whoever can write to the project's state folder can answer as anybody; the account of the
    operating system is recorded with each answer.
    """


@approvals.command("list")
@AS_OPTION
@DIR_OPTION
@JSON_OPTION
def list_(person: str, folder: Path | None, as_json: bool) -> None:
    """List the requests that wait for an answer and that you may see. The rest is counted."""
    now_ms = time.time_ns() // 1_000_000
    with _opened(folder) as guard:
        settings = guard.project.settings.decisions
        waiting = [
            item
            for item in guard.state.pending(settings.tenant, settings.env)
            if item.status_at(now_ms) is ApprovalStatus.REQUESTED
        ]
        pending = _visible(guard, waiting, person)
    if as_json:
        print_json([_json(item, now_ms) for item in pending])
        return
    hidden = len(waiting) - len(pending)
    more = f"; {hidden} that {shown(person)} may not see" if hidden else ""
    if not pending:
        console().print(f"nothing waits for approval{more}")
        return
    rows = [
        (
            item.id,
            item.tool,
            str(item.chain),
            ", ".join(gate.id for gate in item.gates),
            when(item.requested_ms),
            when(item.expires_ms),
        )
        for item in pending
    ]
    console().print(table(("id", "tool", "for whom, through whom", "gates", "requested", "expires"), rows))
    if hidden:
        console().print(f"and {hidden} that {shown(person)} may not see")


@approvals.command()
@click.argument("approval_id")
@AS_OPTION
@DIR_OPTION
@JSON_OPTION
def show(approval_id: str, person: str, folder: Path | None, as_json: bool) -> None:
    """Show the card of a request: exactly what would run, for whom, and why it is asked. Exit code 1: refused."""
    now_ms = time.time_ns() // 1_000_000
    with _opened(folder) as guard:
        settings = guard.project.settings.decisions
        found = guard.state.get(settings.tenant, settings.env, approval_id)
        if found is None:
            raise UsageError(f"there is no request {approval_id}", hint="bailiwick approvals list")
        refused = _ask(guard, found, person)
    if refused is not None:
        refuse(refused, as_json=as_json)
    if as_json:
        print_json(_json(found, now_ms))
        return
    console().print(f"[bold]{shown(found.id)}[/] is {found.status_at(now_ms).value}, expires {when(found.expires_ms)}")
    console().print(escape(card_text(found.card)), soft_wrap=True)
    for vote in found.votes:
        word = "granted" if vote.granted else "denied"
        console().print(f"{shown(vote.approver)} {word} {shown(vote.gate)} at {when(vote.at_ms)}")


@approvals.command()
@click.argument("approval_id")
@AS_OPTION
@GATE_OPTION
@DIR_OPTION
@JSON_OPTION
def approve(approval_id: str, person: str, gates: tuple[str, ...], folder: Path | None, as_json: bool) -> None:
    """Grant a request. It counts once for the exact call on its card. Exit code: 0 counted, 1 refused."""
    _answer(approval_id, person, gates, folder, grant=True, as_json=as_json)


@approvals.command()
@click.argument("approval_id")
@AS_OPTION
@GATE_OPTION
@DIR_OPTION
@JSON_OPTION
def deny(approval_id: str, person: str, gates: tuple[str, ...], folder: Path | None, as_json: bool) -> None:
    """Deny a request; one denial is enough. Exit code: 0 counted, 1 refused."""
    _answer(approval_id, person, gates, folder, grant=False, as_json=as_json)


def _answer(
    approval_id: str, person: str, gates: tuple[str, ...], folder: Path | None, *, grant: bool, as_json: bool
) -> None:
    given = Answer(approval_id=approval_id, approver=person, grant=grant, gates=gates or None, os_user=os_user())
    with Guard.open(find_project(folder)) as guard:
        counted = guard.engine.administer(lambda core: answer(core, given))
    if isinstance(counted, Reason):
        if as_json:
            print_json({"counted": False, "code": counted.code, "message": counted.message, "hint": counted.hint})
        else:
            console().print(f"[red]refused[/]: {shown(counted.message)} {shown(counted.hint)}", soft_wrap=True)
        raise click.exceptions.Exit(1)
    if as_json:
        print_json({"counted": True, **_json(counted, time.time_ns() // 1_000_000)})
        return
    console().print(f"{shown(counted.id)} is [bold]{counted.status.value}[/]")


def _opened(folder: Path | None) -> Guard:
    """The project, open, so that whoever looks is on record. Raises UsageError where nothing ran yet."""
    path = find_project(folder)
    file = path / load_settings(path).state_path / STATE_FILE
    if not file.exists():
        raise UsageError(f"nothing ran in this project yet: there is no {file}", hint="run an agent first")
    return Guard.open(path)


def _ask(guard: Guard, item: Approval, person: str) -> Reason | None:
    return guard.engine.administer(lambda core: may_answer(core, item, person, os_user=os_user()))


def _visible(guard: Guard, waiting: list[Approval], person: str) -> list[Approval]:
    """Those requests that the person may answer, asked once for each tool and whether it is for themselves."""
    may: dict[tuple[str, bool], bool] = {}
    visible: list[Approval] = []
    for item in waiting:
        asked = (item.tool, any(link.id == person for link in item.chain.links))
        if asked not in may:
            may[asked] = _ask(guard, item, person) is None
        if may[asked]:
            visible.append(item)
    return visible


def _json(item: Approval, now_ms: int) -> dict[str, Any]:
    return {
        "id": item.id,
        "status": item.status_at(now_ms).value,
        "tool": item.tool,
        "chain": [str(link) for link in item.chain.links],
        "task": item.task,
        "digest": item.digest,
        "gates": [gate.id for gate in item.gates],
        "requested_ms": item.requested_ms,
        "expires_ms": item.expires_ms,
        "card": parse(item.card),
        "votes": [
            {"gate": vote.gate, "by": vote.approver, "granted": vote.granted, "at_ms": vote.at_ms}
            for vote in item.votes
        ],
    }
