"""`bailiwick policy suggest`: least privilege proposed from what agents really used. Nothing is applied."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from bailiwick.cli.audit_reading import reading
from bailiwick.cli.output import DIR_OPTION, JSON_OPTION, READER_OPTION, console, print_json, shown
from bailiwick.cli.policy_backtest import SINCE_OPTION, since_us
from bailiwick.errors import UsageError
from bailiwick.guard.explaining.redeciding import Coverage
from bailiwick.project import find_project
from bailiwick.project.load import Project, load_project
from bailiwick.project.using import Usage, used
from bailiwick.testing.suggesting import Suggestion, suggest

__all__ = ["suggest_"]

_FILES = ("suggested.cedar", "suggested-tasks.toml", "suggested-tests.toml")


@click.command("suggest")
@click.option("--agent", help="Only what this agent did as the acting one.")
@SINCE_OPTION
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the three files there, instead of printing them. Not into the project's own folders.",
)
@READER_OPTION
@DIR_OPTION
@JSON_OPTION
def suggest_(
    agent: str | None, since: str | None, out: Path | None, person: str | None, folder: Path | None, as_json: bool
) -> None:
    """Propose permits for exactly what was used, tasks, and tests that pass under them; list what was granted in vain.

    The proposal quotes arguments, so it needs the actions admin.read_log and admin.reveal. Nothing of it is applied.
    Exit code: 0 proposed, 1 refused or nothing was used, 2 it could not be made.
    """
    path = find_project(folder)
    project = load_project(path)
    if agent is not None and agent not in project.planes.directory.agents:
        raise UsageError(f"directory.toml has no agent {agent!r}", hint="name one of its agents")
    if out is not None:
        _check_out(out, project)
    with reading(path, person, reveal=True, as_json=as_json):
        usage = used(path, agent=agent, since_us=since_us(since))
    if not usage.ran:
        blind = usage.decisions - usage.coverage[Coverage.TAKEN_AGAIN]
        text = f"nothing to propose: of {usage.decisions} decisions {blind} tell nothing (erased, or no rule was asked)"
        console(stderr=True).print(f"{text}, and no other one let a call through", soft_wrap=True)
        raise click.exceptions.Exit(1)
    made = suggest(project, usage, clock=time.perf_counter)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in zip(_FILES, (made.rules, made.tasks, made.tests), strict=True):
            (out / name).write_text(text, encoding="utf-8")
    if as_json:
        print_json(_json(usage, made))
    else:
        _print(usage, made, out)


def _check_out(out: Path, project: Project) -> None:
    """INVARIANT: nothing is applied: not a file lands where the project would be read from."""
    here = out.resolve()
    own = [each.resolve() for each in project.own]
    if here == project.folder.resolve() or any(here == each or each in here.parents for each in own):
        raise UsageError(f"{out} is where the project's own files are", hint="name another folder: this only proposes")


def _print(usage: Usage, made: Suggestion, out: Path | None) -> None:
    to = console()
    covered, of = usage.coverage[Coverage.TAKEN_AGAIN], usage.decisions
    if out is None:
        for text in (made.rules, made.tasks, made.tests):
            click.echo(text)
    else:
        to.print(f"written to {shown(str(out))}: {', '.join(_FILES)}", soft_wrap=True)
    to.print(
        f"from {usage.ran} calls that were let through; {of - covered} of {of} decisions tell nothing "
        f"(no rule was asked, or no snapshot), and {usage.observed} passed only because rules are observed",
        soft_wrap=True,
    )
    to.print(f"{made.passed} tests pass under the permits that are proposed")
    for each in made.untested:
        to.print(f"[yellow]no test[/] for {shown(each)}", soft_wrap=True)
    for link, tools in made.unused.items():
        to.print(f"[cyan]granted and not used[/] by {shown(str(link))}: {shown(', '.join(tools))}", soft_wrap=True)
    for what, names in (
        ("agents", made.unused_agents),
        ("zones", made.unused_zones),
        ("groups", made.unused_groups),
    ):
        if names:
            to.print(f"[cyan]{what} of which nothing was used[/]: {shown(', '.join(names))}", soft_wrap=True)


def _json(usage: Usage, made: Suggestion) -> dict[str, Any]:
    return {
        "decisions": usage.decisions,
        "ran": usage.ran,
        "observed": usage.observed,
        "coverage": {kind.value: usage.coverage[kind] for kind in Coverage if usage.coverage[kind]},
        "rules": made.rules,
        "tasks": made.tasks,
        "tests": made.tests,
        "passed": made.passed,
        "untested": list(made.untested),
        "unused": {
            "tools": {str(link): list(tools) for link, tools in made.unused.items()},
            "agents": list(made.unused_agents),
            "zones": list(made.unused_zones),
            "groups": list(made.unused_groups),
        },
    }
