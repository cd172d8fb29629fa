"""`bailiwick audit hold`: legal holds. What is on hold is neither erased nor dropped for its age."""

from __future__ import annotations

from pathlib import Path

import click

from bailiwick.cli.audit_erase import subject_named
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
from bailiwick.guard.administration.erasing import SubjectOrder
from bailiwick.model.decision import Reason
from bailiwick.project import Guard, find_project
from bailiwick.project.erasing import Eraser
from bailiwick.stores.subject_keys import Hold

__all__ = ["hold"]

_REASON = click.option("--reason", required=True, help="Why, for the record.")


@click.group()
def hold() -> None:
    """Forbid that contents are erased or dropped: set, lift and list legal holds.

    Setting and lifting need the action admin.hold in the rules in administration/, and are recorded.
    """


@hold.command("set")
@click.option("--subject", help="Whose contents: user:ID (or just ID), service:ID, or a subject of the catalog.")
@click.option("--everything", is_flag=True, help="All contents of the project.")
@_REASON
@AS_OPTION
@DIR_OPTION
@JSON_OPTION
def set_(subject: str | None, everything: bool, reason: str, person: str, folder: Path | None, as_json: bool) -> None:
    """Set a hold, which stands at once. Exit code: 0 set, 1 refused."""
    if (subject is None) != everything:
        raise UsageError("say whose contents are held", hint="--subject ID, or --everything")
    named = "" if subject is None else subject_named(subject)
    with Guard.open(find_project(folder)) as guard:
        eraser = Eraser(guard)
        made = eraser.hold(SubjectOrder(subject=named, by=person, reason=reason, os_user=os_user()))
        known = everything or named in eraser.subjects()
    _told(made, "held", as_json=as_json)
    if not known and not isinstance(made, Reason):
        text = f"[yellow]note:[/] nothing is kept about {shown(named)} so far: is it written like this?"
        console(stderr=True).print(text, soft_wrap=True)


@hold.command("lift")
@click.argument("hold_id")
@_REASON
@AS_OPTION
@DIR_OPTION
@JSON_OPTION
def lift(hold_id: str, reason: str, person: str, folder: Path | None, as_json: bool) -> None:
    """Lift the hold HOLD_ID. Exit code: 0 lifted, 1 refused."""
    with Guard.open(find_project(folder)) as guard:
        lifted = Eraser(guard).lift(hold_id, by=person, reason=reason, os_user=os_user())
    _told(lifted, "lifted", as_json=as_json)


@hold.command("list")
@DIR_OPTION
@JSON_OPTION
def list_(folder: Path | None, as_json: bool) -> None:
    """List the holds that stand. Exit code 0."""
    with Guard.open(find_project(folder)) as guard:
        holds = Eraser(guard).holds()
    if as_json:
        print_json({"holds": [_json(each) for each in holds]})
    elif not holds:
        console().print("nothing is on hold")
    else:
        rows = [(each.id, each.subject, each.by, when(each.at_us // 1000), each.reason) for each in holds]
        console().print(table(("id", "on", "by", "since", "reason"), rows))


def _told(done: Hold | Reason, what: str, *, as_json: bool) -> None:
    if isinstance(done, Reason):
        refuse(done, as_json=as_json)
    if as_json:
        print_json({"done": True, **_json(done)})
        return
    console().print(f"{what}: [bold]{shown(done.subject)}[/] ({done.id})", soft_wrap=True)


def _json(one: Hold) -> dict[str, object]:
    return {"id": one.id, "subject": one.subject, "by": one.by, "at_ms": one.at_us // 1000, "reason": one.reason}
