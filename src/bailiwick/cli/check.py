"""`bailiwick check`: what is wrong or doubtful in a project folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import IO, Any

import click
import orjson

from bailiwick.cli.output import FOLDER, JSON_OPTION, console, finding_json, print_json, shown
from bailiwick.cli.output import findings as print_findings
from bailiwick.cli.policy_bundle import deciding_lines
from bailiwick.cli.sarif import sarif
from bailiwick.errors import Finding, ProjectError, Severity
from bailiwick.policy.rulebook import page_of
from bailiwick.project.lint import lint
from bailiwick.project.load import Project, find_project, load_project
from bailiwick.project.stray import stray_files

__all__ = ["check"]

TIER = "embedded: holds against anything the model does, not against the agent's own code"


@click.command()
@FOLDER
@JSON_OPTION
@click.option(
    "--sarif",
    "sarif_file",
    type=click.File("wb", lazy=True),
    help="Write the findings as SARIF 2.1.0 to this file; - for standard output, and nothing else there.",
)
@click.option("--strict", is_flag=True, help="Warnings fail too. Notes never do.")
def check(folder: Path | None, as_json: bool, sarif_file: IO[bytes] | None, strict: bool) -> None:
    """Load a project folder and report everything that is wrong or doubtful in it.

    DIR defaults to the nearest folder upwards that holds bailiwick.toml. Exit code: 0 no errors (with --strict: no
    warnings either), 1 errors, 2 no project.
    """
    to_stdout = sarif_file is not None and sarif_file.name == "-"
    if to_stdout and as_json:
        raise click.UsageError("--json and --sarif - both want standard output: give --sarif a file.")
    path = find_project(folder)
    project: Project | None = None
    try:
        project = load_project(path)
        found = lint(project)
    except ProjectError as error:
        found = (*error.findings, *stray_files(path))
    counts = Counter(finding.severity for finding in found)
    failed = bool(counts[Severity.ERROR] or (strict and counts[Severity.WARNING]))
    if sarif_file is not None:
        sarif_file.write(orjson.dumps(sarif(found), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    if as_json:
        print_json({"ok": not failed, **_summary(project), "findings": [_json(finding) for finding in found]})
    elif not to_stdout:
        _print(found)
        _conclude(path, project, counts, failed=failed)
    if failed:
        raise click.exceptions.Exit(1)


def _summary(project: Project | None) -> dict[str, Any]:
    if project is None:
        return {}
    planes = project.planes
    return {
        "tier": TIER,
        "policies": len(planes.policy.policies),
        "tools": len(planes.catalog.tools),
        "users": len(planes.directory.users),
        "agents": len(planes.directory.agents),
        "policy_digest": planes.policy.digest,
        "mode": planes.settings.mode.value,
        "observed": sorted(planes.policy.observed),
    }


def _json(finding: Finding) -> dict[str, Any]:
    return {**finding_json(finding), "page": page_of(finding.rule)}


def _print(found: Sequence[Finding]) -> None:
    """The findings in the order given, an empty line between files."""
    out = console()
    for number, (_, group) in enumerate(groupby(found, key=lambda finding: finding.where.file)):
        if number:
            out.print()
        for finding in group:
            print_findings([finding])
            if page := page_of(finding.rule):
                out.print(f"  why: {page}", soft_wrap=True)


def _conclude(path: Path, project: Project | None, counts: Counter[Severity], *, failed: bool) -> None:
    out = console()
    said = ", ".join(f"{counts[severity]} {severity.value}(s)" for severity in Severity if counts[severity])
    if project is None:
        out.print(f"[bold red]{said}[/] in {shown(str(path))}")
        return
    summary = _summary(project)
    word = "[bold red]failed[/]" if failed else "[green]ok[/]"
    out.print(
        f"{word}: {summary['policies']} policies, {summary['tools']} tools, {summary['users']} users, "
        f"{summary['agents']} agents; {said or 'nothing found'}"
    )
    out.print(f"rules {summary['policy_digest']}")
    out.print(f"tier  {TIER}")
    for line in deciding_lines(path, project):
        out.print(line, soft_wrap=True)
