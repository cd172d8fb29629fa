"""`bailiwick init`: a new project, or proposed catalog entries for tools that exist elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bailiwick.cli.output import JSON_OPTION, console, counted, print_json, shown
from bailiwick.errors import UsageError, Where
from bailiwick.inventory import Operation, Proposal, propose
from bailiwick.inventory.adding import add_to, known_tools, write_new
from bailiwick.inventory.mcp_server import read_mcp
from bailiwick.inventory.openapi import read_openapi
from bailiwick.inventory.python_source import read_python
from bailiwick.inventory.scaffold import scaffold
from bailiwick.project.load import PROJECT_FILE

__all__ = ["init"]

_PROPOSED = "tools/proposed.toml"


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False), metavar="[DIR]")
@click.option(
    "--from-openapi",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Propose an entry for each operation of an OpenAPI description (JSON, or YAML with the extra openapi).",
)
@click.option(
    "--from-mcp",
    metavar="COMMAND|URL",
    help="Propose an entry for each tool of an MCP server. A COMMAND is started for it, in quotes.",
)
@click.option(
    "--from-python",
    metavar="FILE|MODULE",
    help="Propose an entry for each function of a Python file. It is read, never imported.",
)
@click.option("--area", help="What the names of the proposed tools begin with. Default: what the source calls itself.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help=f"Write the entries to a new file instead of {_PROPOSED} of the project; - for standard output.",
)
@JSON_OPTION
def init(
    folder: Path | None,
    from_openapi: Path | None,
    from_mcp: str | None,
    from_python: str | None,
    area: str | None,
    output: str | None,
    as_json: bool,
) -> None:
    """Make a project in DIR (default: here) that loads and denies everything. Nothing is ever written over.

    With --from-…: propose catalog entries for tools that exist elsewhere, and add those that the catalog of the project
    in DIR does not have yet. Names, effects, types and roles are guesses, each with its reason beside it. Every entry
    says `proposed = true`: until a person has removed that, each call of its tool is denied.

    Exit code: 0 done, 2 it could not be.
    """
    sources: list[Callable[[], tuple[str, tuple[Operation, ...]]]] = []
    if from_openapi is not None:
        sources.append(lambda: read_openapi(from_openapi))
    if from_mcp is not None:
        sources.append(lambda: read_mcp(from_mcp))
    if from_python is not None:
        sources.append(lambda: read_python(from_python))
    if len(sources) > 1:
        raise click.UsageError("One source at a time: --from-openapi, --from-mcp or --from-python.")
    here = folder or Path()
    if not sources:
        if area is not None or output is not None:
            raise click.UsageError("--area and --output go with --from-openapi, --from-mcp or --from-python.")
        _new(here, as_json=as_json)
        return
    if output == "-" and as_json:
        raise click.UsageError("--json and --output - both want standard output.")
    is_project = (here / PROJECT_FILE).is_file()
    if output is None and not is_project:
        raise UsageError(
            f"{here} is not a project folder: it holds no {PROJECT_FILE}",
            hint="make one with `bailiwick init`, or name a file with -o",
            where=Where(file=str(here)),
        )
    known = known_tools(here) if is_project else None
    title, operations = sources[0]()
    proposal = propose(area or title, operations, known=known)
    place = _write(here, output, proposal)
    if as_json:
        print_json({"file": place, **_json(proposal)})
    elif output == "-":
        click.echo(proposal.text, nl=False)
    else:
        _print(proposal, place)


def _new(folder: Path, *, as_json: bool) -> None:
    made = scaffold(folder)
    if as_json:
        print_json({"folder": str(folder), "files": list(made)})
        return
    out = console()
    for path in made:
        out.print(f"wrote {shown(str(folder / path))}", soft_wrap=True)
    out.print(f"It denies everything. Look: bailiwick check {shown(str(folder))}", soft_wrap=True)


def _write(folder: Path, output: str | None, proposal: Proposal) -> str:
    if output == "-" or (not proposal.tools and output is None):
        return ""
    if output is not None:
        write_new(Path(output), proposal)
        return output
    add_to(folder, _PROPOSED, proposal)
    return str(folder / _PROPOSED)


def _json(proposal: Proposal) -> dict[str, Any]:
    return {
        "proposed": [
            {
                "tool": tool.name,
                "name": tool.alias or None,
                "effects": list(tool.effects),
                "arguments": list(tool.arguments),
                "guesses": list(tool.guesses),
            }
            for tool in proposal.tools
        ],
        "skipped": [{"name": each.name, "why": each.why} for each in proposal.skipped],
    }


def _print(proposal: Proposal, place: str) -> None:
    out = console()
    for tool in proposal.tools:
        out.print(f"proposed {shown(tool.name)}: {', '.join(tool.effects)}", soft_wrap=True)
    for each in proposal.skipped:
        out.print(f"[yellow]skipped[/] {shown(each.name)}: {shown(each.why)}", soft_wrap=True)
    if not proposal.tools:
        out.print("nothing to propose")
        return
    out.print(
        f"{counted(len(proposal.tools), 'entry', 'entries')} in {shown(place)}: guessed, and denied until reviewed."
    )
    out.print("Check each line against what the tool does, then remove its `proposed = true`.", soft_wrap=True)
