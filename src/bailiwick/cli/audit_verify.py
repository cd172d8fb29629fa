"""`bailiwick audit verify`: is the record whole?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from bailiwick.audit.kept import KeptHead, by_log, log_of
from bailiwick.audit.notes import KeyType, NoteKey
from bailiwick.audit.outside import checkpoints_in, witnessed_in
from bailiwick.audit.report import FolderReport, Problem, Report, State
from bailiwick.cli.audit_reading import log_folder
from bailiwick.cli.output import FOLDER, JSON_OPTION, console, counted, print_json, shown
from bailiwick.errors import NoteError, UsageError
from bailiwick.project import find_project
from bailiwick.project.load import PROJECT_FILE, load_settings
from bailiwick.stores.log_file import list_logs, list_parents
from bailiwick.stores.log_keys import log_signer
from bailiwick.stores.log_verification import Against, verify_folder

__all__ = ["verify"]

_EXIT = {State.SOUND: 0, State.TAMPERED: 1, State.UNREADABLE: 2}
_WHOSE = {
    "given": "checkpoints were checked with the keys that were given",
    "own": "checkpoints were checked with the project's own key: who replaced the logs may have replaced it with them",
    "none": "who signed the checkpoints was not checked: there is no key beside the logs, and none was given",
}
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_STYLE = {State.SOUND: "green", State.TAMPERED: "bold red", State.UNREADABLE: "bold yellow"}


@click.command("verify")
@FOLDER
@click.option(
    "--expect",
    "expected",
    multiple=True,
    metavar="LOG=SIZE:ROOT",
    help="A head that was kept elsewhere (repeatable), as this command prints it.",
)
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    type=_FILE,
    help="Signed checkpoints that were kept elsewhere (repeatable), as `bailiwick audit checkpoint` prints them.",
)
@click.option(
    "--witness",
    "witnesses",
    multiple=True,
    type=_FILE,
    help="What a witness holds (repeatable): the output of `bailiwick witness heads --json`.",
)
@click.option(
    "--key",
    "vkeys",
    multiple=True,
    metavar="VKEY",
    help="A key of the logs or of a witness that you kept (repeatable). Without one, the project's own key is taken.",
)
@JSON_OPTION
def verify(
    folder: Path | None,
    expected: tuple[str, ...],
    checkpoints: tuple[Path, ...],
    witnesses: tuple[Path, ...],
    vkeys: tuple[str, ...],
    as_json: bool,
) -> None:
    """Check every record of every log: bytes, order, tree, contents, that decisions and outcomes fit together, and that
    the folder holds the logs that its parent log knows.

    DIR is a project folder or a folder of logs. Exit code: 0 sound, 1 tampered with or incomplete, 2 unreadable.

    Who can write the files and has the project's key can make all of it anew. Only what was kept elsewhere shows that:
    --expect, --checkpoint with a --key that you kept, or --witness.
    """
    logs = log_folder(folder)
    keys, whose = _keys(logs, vkeys, witnesses)
    heads, contradicted, others = _outside(checkpoints, witnesses, keys, _ours(folder, logs, keys, whose))
    heads = [*heads, *map(_head, expected)]
    report = verify_folder(logs, against=Against(heads=by_log(heads), keys=keys))
    report = replace(report, problems=(*report.problems, *contradicted), warnings=(*report.warnings, *others))
    if as_json:
        print_json({**_report_json(report), "signatures": whose, "keys": [key.vkey for key in keys]})
    else:
        _print_report(report)
        console().print(_WHOSE[whose], soft_wrap=True)
    raise click.exceptions.Exit(_EXIT[report.state])


def _keys(logs: Path, vkeys: tuple[str, ...], witnesses: tuple[Path, ...]) -> tuple[tuple[NoteKey, ...], str]:
    """The keys to check signatures with, and whose they are."""
    given = tuple(_key(vkey) for vkey in vkeys)
    of_witnesses = "".join(path.read_text("utf-8", "replace") for path in witnesses)
    if any(key.kind is not KeyType.COSIGNATURE_ED25519 and f'"{key.vkey}"' not in of_witnesses for key in given):
        return given, "given"
    own = log_signer(logs.parent, "own", make=False).project_keys
    return (*given, *own), "own" if own else "none"


def _key(vkey: str) -> NoteKey:
    try:
        return NoteKey.parse(vkey)
    except NoteError as error:
        told = f"{error}: a line that `bailiwick audit keys` or `bailiwick witness init` printed, not a file of them"
        raise click.BadParameter(told, param_hint="--key") from error


def _ours(folder: Path | None, logs: Path, keys: tuple[NoteKey, ...], whose: str) -> Callable[[str], bool]:
    """Whether a log of this origin should be in the folder: it is there, or is called as the keys that were given are,
    or as the project is. Where none of these is known, every log should."""
    names = {key.name for key in keys} if whose == "given" else set()
    if not names and (folder is None or (folder / PROJECT_FILE).is_file()):
        names = {load_settings(find_project(folder)).log_origin}
    here = {path.stem for path in (*list_logs(logs), *list_parents(logs))}
    return lambda origin: not names or log_of(origin) in here or not names.isdisjoint(_names_of(origin))


def _names_of(origin: str) -> tuple[str, str]:
    return origin, origin.rpartition("/")[0]


def _outside(
    checkpoints: tuple[Path, ...],
    witnesses: tuple[Path, ...],
    keys: tuple[NoteKey, ...],
    ours: Callable[[str], bool],
) -> tuple[list[tuple[str, KeptHead]], list[Problem], list[Problem]]:
    """Heads to hold the logs against, what speaks against them already, and what was left out."""
    heads: list[tuple[str, KeptHead]] = []
    contradicted: list[Problem] = []
    others: list[Problem] = []
    try:
        for path in checkpoints:
            found = tuple(checkpoints_in(path.read_text("utf-8"), keys, path.name))
            if not found:
                raise NoteError(f"{path.name} holds no checkpoint")
            heads += found
        for path in witnesses:
            said = witnessed_in(path.read_bytes(), keys, path.name, ours)
            heads += said.heads
            contradicted += said.contradicted
            others += said.others
    except (NoteError, OSError, UnicodeError) as error:
        hint = error.hint if isinstance(error, NoteError) else "give the file as it was printed"
        raise UsageError(f"this cannot be held against the logs: {error}", hint=hint) from error
    return heads, contradicted, others


def _head(text: str) -> tuple[str, KeptHead]:
    log, _, head = text.partition("=")
    size, _, root = head.partition(":")
    if not log or not size.isdecimal() or not root.startswith("sha256:"):
        raise click.BadParameter(f"{text!r} is not LOG=SIZE:sha256:…", param_hint="--expect")
    return log, KeptHead(int(size), root, "the auditor's head")


def _print_report(report: FolderReport) -> None:
    out = console()
    for one in (*report.logs, *report.parents):
        out.print(
            f"[{_STYLE[one.state]}]{one.state.value:<11}[/] {shown(one.log)}: {one.head[0]} records", soft_wrap=True
        )
        out.print(f"            head {shown(one.log)}={one.head[0]}:{one.head[1]}", soft_wrap=True)
        if one.checked:
            out.print(f"            as {shown('; '.join(dict.fromkeys(one.checked)))} has it", soft_wrap=True)
        if one.unreadable:
            out.print(f"            {shown(one.unreadable)}", soft_wrap=True)
        for problem in one.problems:
            _print_problem(problem, "bold red")
        if one.more:
            out.print(f"            and {one.more} more")
        for problem in one.warnings:
            _print_problem(problem, "yellow")
        if one.sealed:
            out.print(f"            {one.sealed} of {one.contents} contents were not looked at: no keys for them here")
        if one.erased:
            out.print(f"            {one.erased} of {one.contents} contents are no longer there")
    for problem in (*report.problems, *report.warnings):
        _print_problem(problem, "bold red" if problem in report.problems else "yellow")
    for call in report.unknown:
        out.print(
            f"[yellow]unknown[/]     {shown(call.tool)} may have run: decision {shown(call.decision)} "
            f"{'was given up' if call.given_up else 'has no outcome'} (record {call.seq} of {shown(call.log)})",
            soft_wrap=True,
        )
    total = sum(one.head[0] for one in report.logs)
    out.print(
        f"[{_STYLE[report.state]}]{report.state.value}[/]: {counted(total, 'record')} in "
        f"{counted(len(report.logs), 'log')}, {counted(len(report.unknown), 'call')} of unknown outcome"
    )


def _print_problem(problem: Problem, style: str) -> None:
    where = "" if problem.seq is None else f"record {problem.seq} "
    event = f"({problem.event}) " if problem.event else ""
    message = problem.message
    if where and message.startswith(where):  # it names the record itself, with or without its event
        message = message.removeprefix(where).removeprefix(event.strip()).lstrip(": ")
    console().print(
        f"            [{style}]{shown(where + event)}[/]{shown(message)} \\[{problem.code}]", soft_wrap=True
    )


def _report_json(report: FolderReport) -> dict[str, Any]:
    def problem(item: Problem) -> dict[str, Any]:
        return {"code": item.code, "message": item.message, "seq": item.seq, "event": item.event}

    def log(one: Report) -> dict[str, Any]:
        return {
            "log": one.log,
            "state": one.state.value,
            "records": one.head[0],
            "root": one.head[1],
            "problems": [problem(item) for item in one.problems],
            "more_problems": one.more,
            "warnings": [problem(item) for item in one.warnings],
            "unreadable": one.unreadable,
            "erased_contents": one.erased,
            "sealed_contents": one.sealed,
            "kinds": dict(one.kinds),
            "checkpoints": one.checkpoints,
            "signed": one.signed,
            "checked": list(one.checked),
        }

    return {
        "state": report.state.value,
        "logs": [log(one) for one in report.logs],
        "parents": [log(one) for one in report.parents],
        "problems": [problem(item) for item in report.problems],
        "warnings": [problem(item) for item in report.warnings],
        "unknown": [
            {
                "log": call.log,
                "seq": call.seq,
                "decision": call.decision,
                "permit": call.permit,
                "tool": call.tool,
                "given_up": call.given_up,
            }
            for call in report.unknown
        ],
    }
