"""`bailiwick check --app`: how far the guard reaches the tools of an agent, as its own program makes it."""

from __future__ import annotations

import functools
import inspect
from pathlib import Path

import click

from bailiwick.adapters.coverage import Coverage, CoveredTool, Reach, coverage_of
from bailiwick.cli.importing import named, users_own
from bailiwick.cli.output import console, counted, print_json, shown, table
from bailiwick.errors import UsageError
from bailiwick.project.load import load_project

__all__ = ["check_app"]

COLUMNS = ("agent", "tool", "reach", "catalog", "note")


def check_app(folder: Path, name: str, *, as_json: bool) -> None:
    """Print the coverage of the agent that `name` names, and end with 1 if there is a gap. Raises UsageError,
    MissingExtra, ProjectError."""
    catalog = load_project(folder).planes.catalog
    agent = _agent(name)
    with users_own(f"{name} could not be looked at", "an adapter reads its tools, and runs none"):
        covered = coverage_of(agent, catalog)
    if as_json:
        print_json({"ok": not covered.gaps, **covered.as_json()})
    else:
        _print(covered, name)
    if covered.gaps:
        raise click.exceptions.Exit(1)


def _agent(name: str) -> object:
    """The agent, or what the function of that name makes."""
    made: object = named(name, "agent", "shop.agent:agent")
    if not (inspect.isroutine(made) or isinstance(made, functools.partial)):
        return made
    plain = "give an agent, or a plain function without arguments that makes it"
    with users_own(f"{name} could not be called", plain):
        needed = [
            each.name
            for each in inspect.signature(made).parameters.values()
            if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
        ]
        if needed or inspect.iscoroutinefunction(made):
            what = f"takes {', '.join(needed)}" if needed else "is a coroutine function"
            raise UsageError(f"{name} {what}", hint=plain)
        agent: object = made()
    if inspect.iscoroutine(agent):
        agent.close()
        raise UsageError(f"{name} gives a coroutine", hint=plain)
    return agent


def _print(covered: Coverage, name: str) -> None:
    out = console()
    if covered.tools:
        out.print(table(COLUMNS, (_row(tool) for tool in covered.tools)))
    count = {reach: sum(tool.reach is reach for tool in covered.tools) for reach in Reach}
    said = ", ".join(f"{number} {reach.value}" for reach, number in count.items() if number)
    word = f"[bold red]{counted(len(covered.gaps), 'gap')}[/]" if covered.gaps else "[green]ok[/]"
    out.print(f"{word}: {counted(len(covered.tools), 'tool')} of {shown(name)}, {said or 'nothing to enforce'}")


def _row(tool: CoveredTool) -> tuple[str, ...]:
    return tool.agent, tool.tool, tool.reach.value, tool.catalog or "-", tool.note
