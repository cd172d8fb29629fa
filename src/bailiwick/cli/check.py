"""`bailiwick check`: what is wrong or doubtful in a project folder, its tests and its properties too.

Tests and conditions are read, not run and not proved: that takes `policy test`, and `policy prove` with its solver.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import IO, Any

import click
import orjson

from bailiwick.cli.check_app import check_app
from bailiwick.cli.output import FOLDER, JSON_OPTION, console, counted, finding_json, print_json, shown
from bailiwick.cli.output import findings as print_findings
from bailiwick.cli.policy_bundle import deciding_lines
from bailiwick.cli.sarif import sarif
from bailiwick.errors import Finding, ProjectError, Severity
from bailiwick.model.nearest import nearest
from bailiwick.policy.prove.condition import condition_rule
from bailiwick.policy.prove.properties import SECTION as PROPERTIES
from bailiwick.policy.rulebook import RULEBOOK, why_command
from bailiwick.project.bundle import TESTS_FOLDER
from bailiwick.project.lint import lint
from bailiwick.project.load import Project, find_project, load_project
from bailiwick.project.stray import stray_files
from bailiwick.project.texts import FolderTexts
from bailiwick.testing import load_tests

__all__ = ["check"]

UNDECIDED = "none is declared: calls of models are recorded, and any model may read what its session has seen"
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
@click.option(
    "--app",
    metavar="MODULE:ATTRIBUTE",
    help="Import this agent (or function that makes it) from the current folder, and list its tools, instead.",
)
@click.option("--why", "rule", metavar="ID", help="Say what the findings with this id mean, instead: no DIR is read.")
def check(
    folder: Path | None, as_json: bool, sarif_file: IO[bytes] | None, strict: bool, app: str | None, rule: str | None
) -> None:
    """Load a project folder and report everything that is wrong or doubtful in it: rules, catalog, directory, settings,
    the tests in tests/ and the conditions of [[properties]]. Tests are not run here, and nothing is proved.

    With --app: every tool of the agent and of those that it works through, and how far the guard reaches each. Your
    module is imported, with all that this does.

    DIR defaults to the nearest folder upwards that holds bailiwick.toml. Exit code: 0 no errors (with --strict: no
    warnings either; with --app: no gaps), 1 errors or gaps, 2 no project or no such agent.
    """
    if rule is not None:
        _print_entry(rule, as_json=as_json)
        return
    to_stdout = sarif_file is not None and sarif_file.name == "-"
    if to_stdout and as_json:
        raise click.UsageError("--json and --sarif - both want standard output: give --sarif a file.")
    path = find_project(folder)
    if app is not None:
        check_app(path, app, as_json=as_json)
        return
    project: Project | None = None
    try:
        project = load_project(path)
        found = (*_unread(project), *lint(project))
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


def _unread(project: Project) -> Iterator[Finding]:
    """What cannot be read in tests/*.toml and in the conditions of [[properties]], which no decision needs."""
    texts = FolderTexts(project.folder)
    try:
        sources = [(path, texts.read(path)) for path in texts.below(TESTS_FOLDER, "*.toml")]
        load_tests(sources, planes=project.planes)
    except ProjectError as error:
        yield from error.findings
    for each in project.settings.sections[PROPERTIES]:
        rule = condition_rule(each, project.planes.policy.enforced)
        if isinstance(rule, tuple):
            yield from rule


def _print_entry(rule: str, *, as_json: bool) -> None:
    entry = RULEBOOK.get(rule)
    if entry is None:
        near = nearest(rule, RULEBOOK, likeness=0.0)
        raise click.BadParameter(
            f"nothing is written under the id '{rule}'; did you mean '{near}'? "
            "(A finding that names no --why says all that there is.)",
            param_hint="--why",
        )
    if as_json:
        told = {"title": entry.title, "why": entry.why, "what_to_do": entry.mend}
        print_json({"id": entry.id, "severity": entry.severity.value, **told})
        return
    out = console()
    out.print(f"[bold]{shown(entry.id)}[/], {entry.severity.value}: {shown(entry.title)}.", soft_wrap=True)
    out.print(f"  why: {shown(entry.why)}", soft_wrap=True)
    out.print(f"  what to do: {shown(entry.mend)}", soft_wrap=True)


def _summary(project: Project | None) -> dict[str, Any]:
    if project is None:
        return {}
    planes = project.planes
    return {
        "tier": TIER,
        "policies": len(planes.policy.policies),
        "tools": len(planes.catalog.tools),
        "models": len(planes.catalog.models),
        "users": len(planes.directory.users),
        "agents": len(planes.directory.agents),
        "policy_digest": planes.policy.digest,
        "mode": planes.settings.mode.value,
        "observed": sorted(planes.policy.observed),
    }


def _json(finding: Finding) -> dict[str, Any]:
    return {**finding_json(finding), "why": why_command(finding.rule)}


def _print(found: Sequence[Finding]) -> None:
    """The findings in the order given, an empty line between files."""
    out = console()
    for number, (_, group) in enumerate(groupby(found, key=lambda finding: finding.where.file)):
        if number:
            out.print()
        for finding in group:
            print_findings([finding])
            if why := why_command(finding.rule):
                out.print(f"  why: {why}", soft_wrap=True)


def _conclude(path: Path, project: Project | None, counts: Counter[Severity], *, failed: bool) -> None:
    out = console()
    said = ", ".join(counted(counts[severity], severity.value) for severity in Severity if counts[severity])
    if project is None:
        out.print(f"[bold red]{said}[/] in {shown(str(path))}")
        return
    summary = _summary(project)
    word = "[bold red]failed[/]" if failed else "[green]ok[/]"
    out.print(
        f"{word}: {counted(summary['policies'], 'policy', 'policies')}, {counted(summary['tools'], 'tool')}, "
        f"{counted(summary['users'], 'user')}, {counted(summary['agents'], 'agent')}; {said or 'nothing found'}"
    )
    out.print(f"rules {summary['policy_digest']}")
    out.print(f"tier  {TIER}")
    if not summary["models"]:
        out.print(f"models {UNDECIDED}", soft_wrap=True)
    for line in deciding_lines(path, project):
        out.print(line, soft_wrap=True)
