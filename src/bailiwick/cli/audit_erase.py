"""`bailiwick audit erase` and `audit retain`: taking away what is kept about somebody, and what is older than the
retention."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bailiwick.cli.output import (
    AS_OPTION,
    DIR_OPTION,
    JSON_OPTION,
    console,
    counted,
    os_user,
    print_json,
    refuse,
    shown,
    when,
)
from bailiwick.errors import UsageError
from bailiwick.guard.administration.erasing import SubjectOrder
from bailiwick.model.decision import Reason
from bailiwick.project import Guard, find_project
from bailiwick.project.erasing import Eraser, Found, Told

__all__ = ["erase", "retain", "subject_named"]

_DOING = {
    "keys": "destroying keys",
    "record": "recording it",
    "blobs": "deleting contents",
    "state": "rewriting the state",
    "contents": "dropping contents",
    "done": "marking it as done",
}
_YES = click.option("--yes", is_flag=True, help="Do not ask.")
_DRY = click.option("--dry-run", is_flag=True, help="Only say what would go.")

REMAINS = (
    "what remains: events, which name who acted, on which task, with which tools and resources, and digests; "
    "see docs/erasure.md"
)


def subject_named(text: str) -> str:
    """A subject as it was typed: a bare name is a user's, with a slash it is a resource's."""
    if not text or not text.isprintable() or len(text) > 500:
        raise UsageError("a subject has a name", hint="user:ID, service:ID, or what the catalog calls somebody")
    return text if ":" in text or "/" in text or text == "project" else f"user:{text}"


@click.command("erase")
@click.option("--subject", required=True, help="Who: user:ID (or just ID), service:ID, or a subject of the catalog.")
@click.option("--reason", required=True, help="Why, for the record.")
@AS_OPTION
@_DRY
@_YES
@DIR_OPTION
@JSON_OPTION
def erase(subject: str, reason: str, person: str, dry_run: bool, yes: bool, folder: Path | None, as_json: bool) -> None:
    """Erase what is kept about somebody: their keys, so that no copy of the logs can be read, and the contents.

    It needs the action admin.erase in the rules in administration/. Every proof over the log stays valid, and the
    erasure is itself an event. Events stay: they name who acted. Interrupted, it is finished by running it again.
    Exit code: 0 done, 1 refused.
    """
    order = SubjectOrder(subject=subject_named(subject), by=person, reason=reason, os_user=os_user())
    with Guard.open(find_project(folder)) as guard:
        eraser = Eraser(guard)
        found = eraser.count(order)
        if isinstance(found, Reason):
            refuse(found, as_json=as_json)
        if not as_json:
            _print_found(order.subject, found)
        if not dry_run:
            _confirm(f"Erase this for good, for {order.subject}?", yes=yes, as_json=as_json)
            with _progress(found.kept.blobs, quiet=as_json) as told:
                done = eraser.erase(order, found, told)
            if isinstance(done, Reason):
                refuse(done, as_json=as_json)
            found = done
    if as_json:
        print_json({"subject": order.subject, "done": not dry_run, **_found_json(found)})
    elif not dry_run:
        console().print(f"[green]erased[/], recorded as {found.event}", soft_wrap=True)
        console().print(REMAINS, soft_wrap=True)


@click.command("retain")
@AS_OPTION
@_DRY
@_YES
@DIR_OPTION
@JSON_OPTION
def retain(person: str, dry_run: bool, yes: bool, folder: Path | None, as_json: bool) -> None:
    """Drop contents that are older than the setting audit.retention, but those on hold. Records stay.

    It needs the action admin.erase on `expired` in the rules in administration/. Run it daily. Exit code: 0 done (also
    if nothing is that old), 1 refused.
    """
    with Guard.open(find_project(folder)) as guard:
        eraser = Eraser(guard)
        found = eraser.expired(by=person, os_user=os_user())
        if isinstance(found, Reason):
            refuse(found, as_json=as_json)
        if not as_json:
            what = f"{counted(found.contents, 'content')} from before {when(found.before_ms)}"
            console().print("a hold on everything stands: nothing is dropped" if found.everything_held else what)
        if found.contents and not dry_run:
            _confirm("Drop them for good?", yes=yes, as_json=as_json)
            with _progress(found.contents, quiet=as_json) as told:
                found = eraser.drop(found, told, by=person, os_user=os_user())
            if not as_json:
                console().print(f"[green]dropped[/] {counted(found.contents, 'content')}, recorded as {found.event}")
    if as_json:
        print_json(
            {
                "done": not dry_run,
                "before_ms": found.before_ms,
                "contents": found.contents,
                "everything_held": found.everything_held,
                "event": found.event or None,
            }
        )


def _print_found(subject: str, found: Found) -> None:
    kept = found.kept
    console().print(
        f"[bold]{shown(subject)}[/]: {counted(kept.contents, 'content')} in {counted(kept.blobs, 'blob')} "
        f"({kept.size} bytes), of {counted(len(kept.sessions), 'session')} in {counted(kept.logs, 'log')}; "
        f"{counted(found.rows, 'row')} of the state",
        soft_wrap=True,
    )
    if found.unfinished:
        console().print("[yellow]an erasure of this subject was interrupted; this one finishes it[/]")


def _found_json(found: Found) -> dict[str, object]:
    kept = found.kept
    return {
        "contents": kept.contents,
        "blobs": kept.blobs,
        "bytes": kept.size,
        "sessions": len(kept.sessions),
        "logs": kept.logs,
        "state_rows": found.rows,
        "keys": list(found.keys),
        "interrupted": list(found.unfinished),
        "event": found.event or None,
    }


def _confirm(question: str, *, yes: bool, as_json: bool) -> None:
    if yes:
        return
    if as_json:
        raise UsageError("with --json nobody can be asked", hint="say --yes, or --dry-run")
    click.confirm(question, abort=True)


@contextmanager
def _progress(total: int, *, quiet: bool) -> Iterator[Told]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True, disable=quiet) as progress:
        bar = progress.add_task("", total=total or None)

        def told(doing: str, many: int) -> None:
            progress.update(bar, description=_DOING[doing], advance=many)

        yield told
