"""`bailiwick approvals`: what waits for a person, and the person's answer."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from bailiwick.action.approval_card import card_text
from bailiwick.action.approvals import Approval, ApprovalStatus
from bailiwick.cli.output import DIR_OPTION, JSON_OPTION, console, os_user, print_json, shown, table, when
from bailiwick.errors import UsageError
from bailiwick.guard.approving import Answer, answer
from bailiwick.model.canonical import parse
from bailiwick.model.decision import Reason
from bailiwick.project import Guard, find_project, load_project
from bailiwick.project.guard import STATE_FILE
from bailiwick.stores.sqlite_state import SqliteState

__all__ = ["approvals"]

AS_OPTION = click.option(
    "--as", "approver", required=True, metavar="USER", help="Who answers: a user of directory.toml."
)
GATE_OPTION = click.option("--gate", "gates", multiple=True, help="Only this gate (repeatable). Default: all of yours.")


@click.group()
def approvals() -> None:
    """List, show and answer requests for approval.

    In the embedded tier whoever can write to the project's state folder can answer as anybody; the account of the
    operating system is recorded with each answer.
    """


@approvals.command("list")
@DIR_OPTION
@JSON_OPTION
def list_(folder: Path | None, as_json: bool) -> None:
    """List the requests that wait for an answer."""
    project = load_project(find_project(folder))
    settings = project.settings.decisions
    now_ms = time.time_ns() // 1_000_000
    with _state(project.state) as state:
        pending = [
            item
            for item in state.pending(settings.tenant, settings.env)
            if item.status_at(now_ms) is ApprovalStatus.REQUESTED
        ]
    if as_json:
        print_json([_json(item, now_ms) for item in pending])
        return
    if not pending:
        console().print("nothing waits for approval")
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


@approvals.command()
@click.argument("approval_id")
@DIR_OPTION
@JSON_OPTION
def show(approval_id: str, folder: Path | None, as_json: bool) -> None:
    """Show the card of a request: exactly what would run, for whom, and why it is asked."""
    project = load_project(find_project(folder))
    settings = project.settings.decisions
    now_ms = time.time_ns() // 1_000_000
    with _state(project.state) as state:
        found = state.get(settings.tenant, settings.env, approval_id)
    if found is None:
        raise UsageError(f"there is no request {approval_id}", hint="bailiwick approvals list")
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
def approve(approval_id: str, approver: str, gates: tuple[str, ...], folder: Path | None, as_json: bool) -> None:
    """Grant a request. It counts once for the exact call on its card. Exit code: 0 counted, 1 refused."""
    _answer(approval_id, approver, gates, folder, grant=True, as_json=as_json)


@approvals.command()
@click.argument("approval_id")
@AS_OPTION
@GATE_OPTION
@DIR_OPTION
@JSON_OPTION
def deny(approval_id: str, approver: str, gates: tuple[str, ...], folder: Path | None, as_json: bool) -> None:
    """Deny a request; one denial is enough. Exit code: 0 counted, 1 refused."""
    _answer(approval_id, approver, gates, folder, grant=False, as_json=as_json)


def _answer(
    approval_id: str, approver: str, gates: tuple[str, ...], folder: Path | None, *, grant: bool, as_json: bool
) -> None:
    given = Answer(approval_id=approval_id, approver=approver, grant=grant, gates=gates or None, os_user=os_user())
    with Guard.open(find_project(folder)) as guard:
        counted = guard.engine.run(answer(guard.engine.core, given))
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


def _state(path: Path) -> SqliteState:
    file = path / STATE_FILE
    if not file.exists():
        raise UsageError(f"nothing ran in this project yet: there is no {file}", hint="run an agent first")
    return SqliteState.open(file)


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
