"""`bailiwick agents`: who there is, and the kill switches: what somebody suspended, and letting it go on."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
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
from bailiwick.errors import UsageError
from bailiwick.guard.administration.revoking import Revocation, revoke
from bailiwick.guard.administration.suspending import Order, resume, suspend, who_could_resume
from bailiwick.model.decision import Reason
from bailiwick.model.principal import SessionKey
from bailiwick.model.suspensions import NOBODY, Suspension, Suspensions, Target, TargetKind
from bailiwick.project import Guard, Project, find_project, load_project
from bailiwick.project.status import STATE_FILE
from bailiwick.stores.sqlite_state_file import StateFile
from bailiwick.stores.sqlite_suspensions import SqliteSuspensions

__all__ = ["agents"]


@click.group()
def agents() -> None:
    """List agents; suspend and resume agents, tools, users, services, sessions or everything; revoke delegations.

    A suspension holds from the next decision in every process that shares the project's state. It takes another person
    than who ordered it to resume.
    """


def _targets(command: Any) -> Any:
    """The options that say what is meant; exactly one of them."""
    for option in (
        click.option("--everything", is_flag=True, help="Every call of every agent."),
        click.option("--session", metavar="ID", help="A session, by its id or its conversation's."),
        click.option("--service", metavar="SERVICE", help="A service, and whatever acts for it."),
        click.option("--user", metavar="USER", help="A user: whatever acts for them, and what they administer."),
        click.option("--tool", metavar="TOOL", help="A tool, for everybody."),
        click.argument("agent", required=False),
    ):
        command = option(command)
    return command


@agents.command("list")
@DIR_OPTION
@JSON_OPTION
def list_(folder: Path | None, as_json: bool) -> None:
    """List every agent of directory.toml, and everything that is suspended.

    Nothing of this is governed: it is what directory.toml says, and what every process of the project has to know.
    """
    project = load_project(find_project(folder))
    held = _suspensions(project)
    known = project.planes.directory.agents
    if as_json:
        print_json(_json(project, held))
        return
    rows = [
        (
            name,
            ", ".join(agent.classes),
            agent.owner,
            "yes" if agent.active else "no",
            _told(held.by_target.get(Target(TargetKind.AGENT, name))),
        )
        for name, agent in sorted(known.items())
    ]
    console().print(table(("agent", "classes", "owner", "active", "suspended"), rows))
    others = [
        (str(one.target), _told(one))
        for target, one in sorted(held.by_target.items())
        if target.kind is not TargetKind.AGENT or target.name not in known
    ]
    if others:
        console().print()
        console().print(table(("also", "suspended"), others))


@agents.command("suspend")
@_targets
@click.option("--reason", required=True, help="Why, for whoever may resume it.")
@AS_OPTION
@DIR_OPTION
@JSON_OPTION
def suspend_(reason: str, person: str, folder: Path | None, as_json: bool, **named: Any) -> None:
    """Stop an agent (or what an option names) at once. Exit code: 0 suspended, 1 refused.

    It needs the action admin.suspend in the rules in administration/. A tool that runs already is not interrupted.
    """
    with Guard.open(find_project(folder)) as guard:
        order = Order(target=_target(guard, named), by=person, reason=reason, os_user=os_user())
        done = guard.engine.administer(lambda core: suspend(core, order))
        if isinstance(done, Reason):
            refuse(done, as_json=as_json)
        able = guard.engine.administer(functools.partial(who_could_resume, suspension=done))
    if as_json:
        print_json({"done": True, **_suspension_json(done), "may_resume": able})
        return
    console().print(f"[bold]{shown(str(done.target))}[/] is suspended", soft_wrap=True)
    if able:
        console().print(f"who may resume it: {shown(', '.join(able))}", soft_wrap=True)
    else:
        console().print("[yellow]nobody else may resume it[/]: let a rule in administration/ permit admin.resume")


@agents.command("resume")
@_targets
@click.option("--reason", default="", help="Why, for the record.")
@AS_OPTION
@DIR_OPTION
@JSON_OPTION
def resume_(reason: str, person: str, folder: Path | None, as_json: bool, **named: Any) -> None:
    """Let something go on that another person suspended. Exit code: 0 resumed, 1 refused.

    It needs the action admin.resume in the rules in administration/.
    """
    with Guard.open(find_project(folder)) as guard:
        order = Order(target=_target(guard, named), by=person, reason=reason, os_user=os_user())
        done = guard.engine.administer(lambda core: resume(core, order))
    if isinstance(done, Reason):
        refuse(done, as_json=as_json)
    if as_json:
        print_json({"done": True, "lifted": _suspension_json(done)})
        return
    console().print(f"[bold]{shown(str(done.target))}[/] may go on", soft_wrap=True)


@agents.command("revoke")
@click.argument("delegation_id", metavar="ID")
@click.option("--reason", required=True, help="Why, for the record.")
@AS_OPTION
@DIR_OPTION
@JSON_OPTION
def revoke_(delegation_id: str, reason: str, person: str, folder: Path | None, as_json: bool) -> None:
    """Revoke a delegation (the id of its record) or a signed plan. Exit code: 0 revoked, 1 refused.

    What rests on it, and whatever was handed on from it, is denied from the next decision on; this cannot be undone. It
    needs the action admin.revoke in the rules in administration/.
    """
    order = Revocation(id=delegation_id, by=person, reason=reason, os_user=os_user())
    with Guard.open(find_project(folder)) as guard:
        refused = guard.engine.administer(lambda core: revoke(core, order))
    if refused is not None:
        refuse(refused, as_json=as_json)
    if as_json:
        print_json({"done": True, "revoked": delegation_id})
        return
    console().print(f"[bold]{shown(delegation_id)}[/] is revoked", soft_wrap=True)


def _target(guard: Guard, named: Mapping[str, Any]) -> Target:
    """What the options mean. Raises click's usage error unless it is one thing."""
    given = {name: value for name, value in named.items() if value}
    if len(given) != 1:
        raise click.UsageError("name one agent, or one of --tool, --user, --service, --session, --everything")
    ((what, value),) = given.items()
    match what:
        case "everything":
            return Target(TargetKind.EVERYTHING)
        case "session":
            return Target(TargetKind.SESSION, _session(guard, value))
        case _:
            return Target(TargetKind[what.upper()], value)


def _session(guard: Guard, named: str) -> str:
    """The id of the session that is meant by its own id or by its conversation's."""
    if SessionKey.read(named) is not None:
        return named
    settings = guard.project.settings.decisions
    found = guard.state.sessions_of(settings.tenant, settings.env, named)
    # A session stops with the one that it was delegated from.
    outer = [key for key in found if "/" not in key.agent]
    if len(outer) == 1:
        return outer[0].id
    if not outer:
        raise UsageError(f"no session has the conversation {named!r}", hint="see `bailiwick audit show`")
    raise UsageError(
        f"{len(outer)} sessions have the conversation {named!r}: {', '.join(key.id for key in outer)}",
        hint="name one of them by its id",
    )


def _suspensions(project: Project) -> Suspensions:
    """What is suspended now; nothing is where nothing ran yet."""
    if not (project.state / STATE_FILE).exists():
        return NOBODY
    settings = project.settings.decisions
    file = StateFile.open(project.state / STATE_FILE)
    try:
        return SqliteSuspensions(file).suspensions(settings.tenant, settings.env)
    finally:
        file.close()


def _told(one: Suspension | None) -> str:
    return "" if one is None else f"since {when(one.at_ms)} by {one.by}: {one.reason}"


def _json(project: Project, held: Suspensions) -> dict[str, Any]:
    return {
        "agents": [
            {
                "agent": name,
                "classes": agent.classes,
                "owner": agent.owner,
                "active": agent.active,
                "suspended": Target(TargetKind.AGENT, name) in held.by_target,
            }
            for name, agent in sorted(project.planes.directory.agents.items())
        ],
        "suspended": [_suspension_json(one) for _, one in sorted(held.by_target.items())],
        "read_ms": time.time_ns() // 1_000_000,
    }


def _suspension_json(one: Suspension) -> dict[str, Any]:
    return {
        "kind": one.target.kind.value,
        "name": one.target.name,
        "by": one.by,
        "at_ms": one.at_ms,
        "reason": one.reason,
        "event": one.event,
    }
