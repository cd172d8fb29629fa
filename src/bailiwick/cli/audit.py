"""`bailiwick audit`: is the record whole, what does it say, and why was a call decided as it was."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import click

from bailiwick.action.ports import Resolution
from bailiwick.audit.report import FolderReport, Head, Problem, State
from bailiwick.audit.trace import find, reasons, timeline
from bailiwick.audit.trace import show as trace_show
from bailiwick.audit.trace import why as trace_why
from bailiwick.cli.audit_reading import (
    LOG_DIR_OPTION,
    REVEAL_OPTION,
    log_folder,
    path_of_logs,
    reading,
    text_of,
    unasked,
)
from bailiwick.cli.audit_why import (
    decision_lines,
    event_json,
    event_row,
    why_json,
    why_lines,
    without_contents,
)
from bailiwick.cli.output import (
    AS_OPTION,
    DIR_OPTION,
    FOLDER,
    JSON_OPTION,
    READER_OPTION,
    console,
    counted,
    os_user,
    print_json,
    refuse,
    shown,
    shown_text,
    table,
)
from bailiwick.errors import UsageError
from bailiwick.guard.administration.reconciling import Finding, reconcile
from bailiwick.model.decision import Reason
from bailiwick.project import Guard, find_project
from bailiwick.stores.log_file import is_held, log_path
from bailiwick.stores.log_reader import verify_folder

__all__ = ["audit"]

_EXIT = {State.SOUND: 0, State.TAMPERED: 1, State.UNREADABLE: 2}
_STYLE = {State.SOUND: "green", State.TAMPERED: "bold red", State.UNREADABLE: "bold yellow"}


@click.group()
def audit() -> None:
    """Verify, show and explain the audit log.

    Showing and explaining needs the action admin.read_log in the rules in administration/, contents admin.reveal too,
    and is recorded. Verifying needs nothing: it shows no record, and an auditor can do it with the logs alone.
    """


@audit.command("verify")
@FOLDER
@click.option(
    "--expect",
    "expected",
    multiple=True,
    metavar="LOG=SIZE:ROOT",
    help="A head that was kept elsewhere (repeatable). It alone shows a log that was replaced or cut and re-written.",
)
@JSON_OPTION
def verify_(folder: Path | None, expected: tuple[str, ...], as_json: bool) -> None:
    """Check every record of every log: bytes, order, tree, contents, and that decisions and outcomes fit together.

    DIR is a project folder or a folder of logs. Exit code: 0 sound, 1 tampered with or incomplete, 2 unreadable.

    Without --expect this finds every change that does not rewrite the tree too. Who can write the file can replace
    all of it; only a head kept elsewhere shows that.
    """
    report = verify_folder(log_folder(folder), dict(_head(text) for text in expected))
    if as_json:
        print_json(_report_json(report))
    else:
        _print_report(report)
    raise click.exceptions.Exit(_EXIT[report.state])


@audit.command("show")
@click.argument("event_id", required=False)
@READER_OPTION
@REVEAL_OPTION
@LOG_DIR_OPTION
@click.option("--session", help="Only this session: any part of its key.")
@click.option("--would-deny", is_flag=True, help="Only calls that passed since their rules are only observed.")
@click.option("--last", type=click.IntRange(min=1), default=40, show_default=True, help="So many of the latest events.")
@JSON_OPTION
def show_(
    event_id: str | None,
    person: str | None,
    reveal: bool,
    folder: Path | None,
    session: str | None,
    would_deny: bool,
    last: int,
    as_json: bool,
) -> None:
    """Show one event, with its contents if they are asked for, or the latest events. Exit code 1: refused."""
    with reading(folder, person, reveal=reveal, as_json=as_json) as readers:
        if event_id is None:
            every = timeline(readers, last=last if session is None and not would_deny else None)
            chosen = (event for event in every if session is None or session in event.session)
            events = deque((event for event in chosen if not would_deny or "observed" in event.body), maxlen=last)
            if as_json:
                print_json([event_json(event) for event in events])
            else:
                console().print(table(("time", "id", "kind", "what", "outcome"), map(event_row, events)))
            return
        found = trace_show(readers, event_id)
    if as_json:
        texts = {role: _text(data) for role, data in found.contents.items()} if reveal else {}
        withheld = [] if reveal else list(found.contents)
        related = [event_json(event) for event in found.related]
        print_json({**event_json(found.event), "contents": texts, "withheld": withheld, "related": related})
        return
    console().print_json(data=event_json(found.event), ensure_ascii=True)
    for role, data in found.contents.items():
        text = shown_text(_text(data)) if reveal else "[dim](withheld; --reveal shows it)[/]"
        console().print(f"[bold]{shown(role)}[/]: {text}", soft_wrap=True)
    for event in found.related:
        console().print(f"related: {shown(' '.join(event_row(event)))}", soft_wrap=True)


@audit.command("why")
@click.argument("event_id")
@READER_OPTION
@REVEAL_OPTION
@LOG_DIR_OPTION
@JSON_OPTION
def why_(event_id: str, person: str | None, reveal: bool, folder: Path | None, as_json: bool) -> None:
    """Say why a call was decided as it was, and which content each argument's values came from.

    Titles and names of what was read are contents, and so is what a reason quotes of the call: --reveal shows them.
    Exit code 1: refused.
    """
    with reading(folder, person, reveal=reveal, as_json=as_json) as readers:
        trace = trace_why(readers, event_id)
        if as_json:
            print_json(why_json(trace))
            return
        lines = [
            *decision_lines(
                trace.decision, reasons(readers, trace.decision) if reveal else without_contents(trace.decision)
            ),
            *(f"  {line}" for line in why_lines(trace, text_of(readers) if reveal else lambda _: None)),
        ]
    lines += [f"  then {' '.join(event_row(event))}" for event in trace.related]
    for line in lines:
        console().print(shown(line), soft_wrap=True)


@audit.command("reconcile")
@click.argument("event_id")
@click.option("--ran", "resolution", flag_value=Resolution.RAN.value, help="It ran: the effect is there.")
@click.option("--did-not-run", "resolution", flag_value=Resolution.DID_NOT_RUN.value, help="It did not run.")
@AS_OPTION
@click.option("--note", default="", help="What was looked at.")
@DIR_OPTION
@JSON_OPTION
def reconcile_(
    event_id: str, resolution: str | None, person: str, note: str, folder: Path | None, as_json: bool
) -> None:
    """Say what became of a call that may have run, so that it is no longer blocked. Exit code 1: refused.

    EVENT_ID is the decision's, as `audit verify` lists it. It needs the action admin.reconcile in administration/.
    """
    if resolution is None:
        raise click.UsageError("say --ran or --did-not-run")
    path = find_project(folder)
    with Guard.open(path) as guard:
        with unasked(path) as readers:
            _reader, event = find(readers, event_id)
        logs = path_of_logs(path)
        unknown = {
            call.decision
            for call in verify_folder(logs).unknown
            if call.log == guard.log.log_id or not is_held(log_path(logs, call.log))  # else it is running just now
        }
        # A run that was given up has its outcome in the log (cancelled), and may have run all the same.
        unknown |= {row.decision_event for row in guard.in_doubt()}
        if event.id not in unknown:
            raise UsageError(f"the outcome of {event.id} is not in doubt", hint="see `bailiwick audit verify`")
        found = Finding(decision=event, resolution=Resolution(resolution), by=person, os_user=os_user(), note=note)
        recorded = guard.engine.administer(lambda core: reconcile(core, found))
    if isinstance(recorded, Reason):
        refuse(recorded, as_json=as_json)
    if as_json:
        print_json({"done": True, "event": recorded})
        return
    console().print(f"recorded as {recorded}")


def _head(text: str) -> tuple[str, Head]:
    log, _, head = text.partition("=")
    size, _, root = head.partition(":")
    if not log or not size.isdecimal() or not root.startswith("sha256:"):
        raise click.BadParameter(f"{text!r} is not LOG=SIZE:sha256:…", param_hint="--expect")
    return log, (int(size), root)


def _print_report(report: FolderReport) -> None:
    out = console()
    for one in report.logs:
        out.print(
            f"[{_STYLE[one.state]}]{one.state.value:<11}[/] {shown(one.log)}: {one.head[0]} records", soft_wrap=True
        )
        out.print(f"            head {shown(one.log)}={one.head[0]}:{one.head[1]}", soft_wrap=True)
        if one.unreadable:
            out.print(f"            {shown(one.unreadable)}", soft_wrap=True)
        for problem in one.problems:
            _print_problem(problem, "bold red")
        if one.more:
            out.print(f"            and {one.more} more")
        for problem in one.warnings:
            _print_problem(problem, "yellow")
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
    console().print(
        f"            [{style}]{shown(where + event)}[/]{shown(problem.message)} \\[{problem.code}]", soft_wrap=True
    )


def _report_json(report: FolderReport) -> dict[str, Any]:
    def problem(item: Problem) -> dict[str, Any]:
        return {"code": item.code, "message": item.message, "seq": item.seq, "event": item.event}

    return {
        "state": report.state.value,
        "logs": [
            {
                "log": one.log,
                "state": one.state.value,
                "records": one.head[0],
                "root": one.head[1],
                "problems": [problem(item) for item in one.problems],
                "more_problems": one.more,
                "warnings": [problem(item) for item in one.warnings],
                "unreadable": one.unreadable,
                "erased_contents": one.erased,
                "kinds": dict(one.kinds),
            }
            for one in report.logs
        ],
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


def _text(data: bytes | None) -> str:
    return "(no longer there)" if data is None else data.decode("utf-8", "replace")
