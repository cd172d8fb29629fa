"""`bailiwick approvals`: what waits for a person, and the person's answer."""

from __future__ import annotations

import json
import signal
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from bailiwick.action.approval_card import card_arguments, card_text
from bailiwick.action.approvals import Approval, ApprovalStatus
from bailiwick.action.grouping import Group, group_of, grouped
from bailiwick.action.remember import Remember, read_remember
from bailiwick.cli.approvals_standing import opened_project, revoke, standing, stats
from bailiwick.cli.channels import print_sent, print_start
from bailiwick.cli.output import (
    AS_OPTION,
    DIR_OPTION,
    JSON_OPTION,
    claimed,
    console,
    print_json,
    print_refused,
    refuse,
    shown,
    table,
    when,
)
from bailiwick.errors import UsageError
from bailiwick.guard.approvals.approving import Answer, answer, may_answer, may_look, pending, seen_by, withdrawn
from bailiwick.model.canonical import canonical, parse, thaw
from bailiwick.model.decision import Reason
from bailiwick.project import Guard, find_project
from bailiwick.project.notifying import dispatcher_of, notifying

__all__ = ["approvals"]

LONGEST = 120

GATE_OPTION = click.option("--gate", "gates", multiple=True, help="Only this gate (repeatable). Default: all of yours.")


EDIT_OPTION = click.option(
    "--edit",
    "edits",
    multiple=True,
    metavar="NAME=JSON",
    help="Approve with this argument instead (repeatable); null leaves it out.",
)


REMEMBER_OPTION = click.option(
    "--remember",
    default="",
    metavar="count=N,ttl=TIME[,open=ARG+ARG][,scope=task]",
    help="Let N calls like this one run without asking, for so long: in this conversation, or in the whole task.",
)


@click.group()
def approvals() -> None:
    """List, show, answer and withdraw requests for approval.

    A card shows what the call would do, contents and all. So whoever wants to see or answer one must be a permitted
    reader of it and needs the action admin.approve on its tool, in the rules in administration/ (not to confirm a call
    of their own, nor to see and withdraw what was asked on their behalf); to answer, the gate has to name them too.

    In the embedded tier whoever can write to the project's state folder can answer as anybody; the account of the
    operating system is recorded with each answer.
    """


for verb in (standing, revoke, stats):
    approvals.add_command(verb)


@approvals.command("list")
@AS_OPTION
@DIR_OPTION
@JSON_OPTION
def list_(person: str, folder: Path | None, as_json: bool) -> None:
    """List the requests that wait for an answer and that you may see. The rest is counted."""
    now_ms = time.time_ns() // 1_000_000
    with opened_project(folder) as guard:
        found = guard.engine.administer(lambda core: pending(core, claimed(person)))
    groups = grouped(found.visible)
    if as_json:
        print_json([_grouped_json(group, item, now_ms) for group in groups for item in group.members])
        return
    hidden = found.hidden
    more = f"; {hidden} that {shown(person)} may not see" if hidden else ""
    if not found.visible:
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
            group_mark(group, item),
        )
        for group in groups
        for item in group.members
    ]
    columns = ("id", "tool", "for whom, through whom", "gates", "requested", "expires", "like others")
    console().print(table(columns, rows))
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
    with opened_project(folder) as guard:
        settings = guard.project.settings.decisions
        found = guard.state.get(settings.tenant, settings.env, approval_id)
        if found is None:
            raise UsageError(f"there is no request {approval_id}", hint="bailiwick approvals list")
        refused = guard.engine.administer(lambda core: may_look(core, found, claimed(person)))
    if refused is not None:
        refuse(refused, as_json=as_json)
    if as_json:
        print_json(_json(found, now_ms))
        return
    console().print(f"[bold]{shown(found.id)}[/] is {found.status_at(now_ms).value}, expires {when(found.expires_ms)}")
    console().print(escape(card_text(found.card)), soft_wrap=True)
    for vote in found.votes:
        word = "granted" if vote.granted else "denied"
        how = f"{shown(vote.approver)} ({vote.method.value})"
        console().print(f"{how} {word} {shown(vote.gate)} at {when(vote.at_ms)}")
    if found.status is ApprovalStatus.EDITED:
        now = found.successor or "a call that needs no approval"
        console().print(f"edited by {shown(found.edited_by)}; what took its place is {shown(now)}")


@approvals.command()
@click.argument("approval_id")
@AS_OPTION
@GATE_OPTION
@EDIT_OPTION
@REMEMBER_OPTION
@DIR_OPTION
@JSON_OPTION
def approve(
    approval_id: str,
    person: str,
    gates: tuple[str, ...],
    edits: tuple[str, ...],
    remember: str,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Grant a request. It counts once for the exact call on its card. With --edit the call is approved with other
    arguments: the edited call is decided anew and gets a request of its own, on which your yes counts; the call as it
    was does not run. With --remember calls like this one may run without asking again, see `bailiwick approvals
    standing`. Exit code: 0 counted, 1 refused."""
    asked = read_remember(remember) if remember else None
    if remember and asked is None:
        given = {part.partition("=")[0].strip() for part in remember.split(",")}
        missing = " and ".join(each for each in ("count", "ttl") if each not in given)
        what = f"has no {missing}" if missing else "cannot be read"
        raise UsageError(f"--remember {remember} {what}", hint="as in --remember count=5,ttl=2h,open=body")
    _answer(approval_id, person, gates, folder, grant=True, edits=edits, as_json=as_json, remember=asked)


@approvals.command()
@click.argument("approval_id")
@AS_OPTION
@GATE_OPTION
@DIR_OPTION
@JSON_OPTION
def deny(approval_id: str, person: str, gates: tuple[str, ...], folder: Path | None, as_json: bool) -> None:
    """Deny a request; one denial is enough. Exit code: 0 counted, 1 refused."""
    _answer(approval_id, person, gates, folder, grant=False, edits=(), as_json=as_json)


@approvals.command()
@click.argument("approval_id")
@AS_OPTION
@DIR_OPTION
@JSON_OPTION
def withdraw(approval_id: str, person: str, folder: Path | None, as_json: bool) -> None:
    """Take back a request that was made on your behalf, also one that was granted. Exit code: 0 withdrawn, 1
    refused."""
    with opened_project(folder) as guard:
        told = guard.engine.administer(lambda core: withdrawn(core, approval_id, claimed(person)))
    _told(told, as_json=as_json)


@approvals.command()
@AS_OPTION
@click.option("--most", type=click.IntRange(1, 10_000), default=50, show_default=True, help="So many, the newest.")
@DIR_OPTION
@JSON_OPTION
def history(person: str, most: int, folder: Path | None, as_json: bool) -> None:
    """List what became of requests that you may see, the oldest first. The rest is counted."""
    now_ms = time.time_ns() // 1_000_000
    with opened_project(folder) as guard:
        settings = guard.project.settings.decisions
        found = guard.state.history(settings.tenant, settings.env, most)
        seen = guard.engine.administer(lambda core: seen_by(core, found, claimed(person)))
    hidden = len(found) - len(seen)
    if as_json:
        print_json([_json(item, now_ms) for item in seen])
        return
    rows = [
        (
            item.id,
            item.status_at(now_ms).value,
            item.tool,
            str(item.chain),
            _who_answered(item),
            when(item.requested_ms),
        )
        for item in seen
    ]
    if rows:
        console().print(table(("id", "became", "tool", "for whom, through whom", "who answered", "requested"), rows))
    else:
        console().print("nothing was asked that you may see")
    if hidden:
        console().print(f"and {hidden} that {shown(person)} may not see")


@approvals.command()
@click.option("--once", is_flag=True, help="Send what is due now, and end.")
@DIR_OPTION
@JSON_OPTION
def notify(once: bool, folder: Path | None, as_json: bool) -> None:
    """Send what [channels] ask for, as `bailiwick serve` does, until Ctrl-C or SIGTERM. Several may run at once.
    It says what it serves, and prints a line (with --json an object) for each attempt.

    Exit code with --once: 0 all that was due arrived, 1 something did not (it is tried again when it is due).
    """
    with Guard.open(find_project(folder)) as guard:
        if not once:
            ended = threading.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: ended.set())
            print_start(guard, as_json=as_json)
            with notifying(guard, lambda claim, told: print_sent(claim, told, as_json=as_json)):
                ended.wait()
            return
        done = dispatcher_of(guard).once()
    if as_json:
        print_json({"arrived": done.arrived, "failed": done.failed})
    else:
        console().print(f"{done.arrived} arrived, {done.failed} did not")
    raise click.exceptions.Exit(1 if done.failed else 0)


def _answer(
    approval_id: str,
    person: str,
    gates: tuple[str, ...],
    folder: Path | None,
    *,
    grant: bool,
    edits: tuple[str, ...],
    as_json: bool,
    remember: Remember | None = None,
) -> None:
    changes = _changes(edits)
    with Guard.open(find_project(folder)) as guard:
        edited = _edited(guard, approval_id, person, changes, as_json=as_json) if changes else None
        given = Answer(
            approval_id=approval_id,
            by=claimed(person),
            grant=grant,
            gates=gates or None,
            edited=edited,
            remember=remember,
        )
        counted = guard.engine.administer(lambda core: answer(core, given))
    _told(counted, as_json=as_json)


def _told(told: Approval | Reason, *, as_json: bool) -> None:
    if isinstance(told, Reason):
        if as_json:
            print_json({"counted": False, "code": told.code, "message": told.message, "hint": told.hint})
        else:
            print_refused(told)
        raise click.exceptions.Exit(1)
    if as_json:
        print_json({"counted": True, **_json(told, time.time_ns() // 1_000_000)})
        return
    console().print(f"{shown(told.id)} is [bold]{told.status.value}[/]")
    if told.edit_of:
        console().print(f"it takes the place of {shown(told.edit_of)}: the agent is told what changed")


def _changes(edits: tuple[str, ...]) -> dict[str, object]:
    """Arguments by name, as --edit gives them."""
    changes: dict[str, object] = {}
    for edit in edits:
        name, sign, text = edit.partition("=")
        try:
            value = json.loads(text, parse_float=Decimal) if name and sign else None
        except ValueError as error:
            raise UsageError(f"--edit {edit}: {error}", hint="write name=JSON, a text in quotes") from error
        if not (name and sign) or name in changes:
            raise UsageError(f"--edit {edit} does not name one argument", hint="write name=JSON, each name once")
        changes[name] = value
    return changes


def _edited(
    guard: Guard, approval_id: str, person: str, changes: dict[str, object], *, as_json: bool
) -> dict[str, object]:
    """All arguments of a request with these changes; null takes one away."""
    settings = guard.project.settings.decisions
    found = guard.state.get(settings.tenant, settings.env, approval_id)
    if found is None:
        raise UsageError(f"there is no request {approval_id}", hint="bailiwick approvals list")
    refused = guard.engine.administer(lambda core: may_answer(core, found, claimed(person)))
    if refused is not None:
        refuse(refused, as_json=as_json)
    asked = {name: thaw(value) for name, value in card_arguments(found.card).items()}
    return {name: value for name, value in {**asked, **changes}.items() if value is not None}


def _who_answered(item: Approval) -> str:
    voted = ", ".join(dict.fromkeys(vote.approver for vote in item.votes))
    return ", ".join(filter(None, (voted, f"edited by {item.edited_by}" if item.edited_by else "")))


def _grouped_json(group: Group, item: Approval, now_ms: int) -> dict[str, Any]:
    members = [each.id for each in group.members]
    return {**_json(item, now_ms), "group_members": members, "group_differing": list(group.differing)}


def group_mark(group: Group, item: Approval) -> str:
    """What is different in this one from the others of its group."""
    if len(group.members) == 1:
        return ""
    text = canonical({name: thaw(value) for name, value in group.differences[item.id].items()}).decode("utf-8")
    return f"{group.id}: {text if len(text) <= LONGEST else text[:LONGEST] + '…'}"


def _json(item: Approval, now_ms: int) -> dict[str, Any]:
    edited = parse(item.edited) if item.edited else None
    return {
        "id": item.id,
        "group": group_of(item),
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
            {
                "gate": vote.gate,
                "by": vote.approver,
                "granted": vote.granted,
                "at_ms": vote.at_ms,
                "method": vote.method.value,
                **({"remember": vote.remember.written()} if vote.remember is not None else {}),
            }
            for vote in item.votes
        ],
        **({"edited": edited, "edited_by": item.edited_by, "successor": item.successor} if edited is not None else {}),
        **({"edit_of": item.edit_of} if item.edit_of else {}),
    }
