"""What the verbs share: where to print, how a table, a decision and an error look, and what --json gives."""

from __future__ import annotations

import getpass
import os
import shutil
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bailiwick.action.approval_card import visible
from bailiwick.errors import BailiwickError, Finding, ProjectError, Severity
from bailiwick.model.approver import ProofMethod, Proven
from bailiwick.model.decision import Decision, Observed, Outcome, Reason

__all__ = [
    "AS_OPTION",
    "DIR_OPTION",
    "FOLDER",
    "JSON_OPTION",
    "READER_OPTION",
    "claimed",
    "console",
    "counted",
    "decision_json",
    "fail",
    "finding_json",
    "findings",
    "os_user",
    "outcome_style",
    "own_name",
    "print_json",
    "refuse",
    "shown",
    "shown_text",
    "table",
    "when",
]

FOLDER = click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False), metavar="[DIR]")
DIR_OPTION = click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="The project folder. Default: the nearest one upwards.",
)
JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
_WHO = "Who you are: a user of directory.toml. Your account of the operating system is recorded beside it."
AS_OPTION = click.option(
    "--as", "person", metavar="USER", required=True, envvar="BAILIWICK_AS", show_envvar=True, help=_WHO
)
READER_OPTION = click.option("--as", "person", metavar="USER", envvar="BAILIWICK_AS", show_envvar=True, help=_WHO)
"""As AS_OPTION, for verbs that can also be used on logs that nobody governs."""

_STYLES = {Outcome.ALLOW: "green", Outcome.DENY: "red", Outcome.NEEDS_APPROVAL: "yellow"}

_SEVERITY_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}


def console(*, stderr: bool = False) -> Console:
    """A console on the present stdout (or stderr): colours on a terminal, plain text elsewhere, never cut off, and no
    `:name:` turned into a picture."""
    plain = Console(stderr=stderr, highlight=False, emoji=False)
    if not plain.is_terminal:
        return Console(stderr=stderr, highlight=False, emoji=False, soft_wrap=True, width=200)
    return plain


def shown(text: str) -> str:
    """A text that somebody else may have chosen (a tool's name, a title, a reason), on one line: no markup, and nothing
    that a terminal would obey or hide."""
    return escape(visible(text))


def shown_text(text: str) -> str:
    """As `shown`, for a text of several lines: those after the first are marked, so that none passes for one of
    ours."""
    return "\n  | ".join(shown(line) for line in text.split("\n"))


def own_name() -> str:
    """How a person calls this command from here: by its name, or by its path where it is not on the path."""
    return "bailiwick" if shutil.which("bailiwick") or not Path(sys.argv[0]).is_file() else sys.argv[0]


def counted(number: int, one: str, many: str = "") -> str:
    """A number of things, in words: `1 tool`, `2 tools`, `0 policies`."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def outcome_style(outcome: Outcome) -> str:
    """The colour of an outcome."""
    return _STYLES[outcome]


def fail(error: BailiwickError) -> None:
    """Print what went wrong, where, and what to do, to stderr."""
    out = console(stderr=True)
    if isinstance(error, ProjectError):
        findings(error.findings, stderr=True)
        return
    out.print(f"[bold red]error:[/] {shown_text(str(error))}", soft_wrap=True)
    if error.where is not None:
        out.print(f"  where: {shown(str(error.where))}", soft_wrap=True)
    if error.hint:
        out.print(f"  what to do: {shown_text(error.hint)}", soft_wrap=True)


def findings(found: Iterable[Finding], *, stderr: bool = False) -> None:
    """Print findings, one block each."""
    out = console(stderr=stderr)
    for finding in found:
        style, word = _SEVERITY_STYLES[finding.severity], finding.severity.value
        out.print(
            f"{shown(str(finding.where))}: [{style}]{word}:[/] {shown_text(finding.message)} \\[{finding.rule}]",
            soft_wrap=True,
        )
        if finding.hint:
            out.print(f"  what to do: {shown_text(finding.hint)}", soft_wrap=True)


def print_refused(reason: Reason) -> None:
    """What was refused, why, and what to do."""
    said = " ".join(filter(None, (shown(reason.message), shown(reason.hint))))
    console().print(f"[red]refused[/]: {said}", soft_wrap=True)


def refuse(reason: Reason, *, as_json: bool = False) -> NoReturn:
    """Say that the rules on administration, or what stands in their way, refuse it. Exit code 1."""
    if as_json:
        print_json({"done": False, "code": reason.code, "message": reason.message, "hint": reason.hint})
    else:
        print_refused(reason)
    raise click.exceptions.Exit(1)


def finding_json(finding: Finding) -> dict[str, Any]:
    """A finding for --json."""
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "file": finding.where.file,
        "line": finding.where.line,
        "message": finding.message,
        "hint": finding.hint,
    }


def decision_json(decision: Decision) -> dict[str, Any]:
    """A decision for --json."""
    links = decision.verdict.links if decision.verdict else ()
    return {
        "outcome": decision.outcome.value,
        "tool": decision.tool,
        "digest": decision.digest,
        "reasons": [
            {"plane": item.plane.value, "code": item.code, "message": item.message, "hint": item.hint}
            for item in decision.reasons
        ],
        "links": [
            {
                "link": str(link.link),
                "resource": str(link.resource),
                "allowed": link.allowed,
                "policies": list(link.policies),
                "missing_permit": not link.allowed and not link.policies and not link.errors,
                "errors": list(link.errors),
            }
            for link in links
        ],
        **({"observed": _observed_json(decision.observed)} if decision.observed else {}),
        "gates": [
            {
                "id": gate.id,
                "kind": gate.kind.value,
                "quorum": gate.quorum,
                "approvers": [str(ref) for ref in gate.approvers],
                "reason": gate.reason,
            }
            for gate in decision.gates
        ],
    }


def _observed_json(observed: Observed) -> dict[str, Any]:
    return {
        "outcome": observed.outcome.value,
        "reasons": [{"code": item.code, "message": item.message} for item in observed.reasons],
        "rules": list(observed.rules),
    }


def print_json(value: object) -> None:
    """Print a value as JSON, indented, keys as given."""
    click.echo(orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2).decode("utf-8"))


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    """A plain table; cells are `shown`."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(shown(cell) for cell in row))
    return made


def os_user() -> str:
    """The account of the operating system, as `uid:name`."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "?"
    return f"{os.getuid()}:{name}"


def claimed(person: str) -> Proven:
    """Whoever sits at this machine says that they are this person."""
    return Proven(user=person, method=ProofMethod.CLAIMED, at_ms=time.time_ns() // 1_000_000, os_user=os_user())


def when(ms: int) -> str:
    """Milliseconds since the epoch as UTC to the second."""
    return datetime.fromtimestamp(ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M:%SZ")
