"""`bailiwick check`: what is wrong with a project folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bailiwick.cli.output import FOLDER, JSON_OPTION, console, finding_json, findings, print_json, shown
from bailiwick.errors import ProjectError
from bailiwick.project.load import find_project, load_project

__all__ = ["check"]

TIER = "embedded: holds against anything the model does, not against the agent's own code"


@click.command()
@FOLDER
@JSON_OPTION
def check(folder: Path | None, as_json: bool) -> None:
    """Load a project folder and report everything that is wrong with it.

    DIR defaults to the nearest folder upwards that holds bailiwick.toml. Exit code: 0 no errors, 1 errors, 2 no
    project.
    """
    path = find_project(folder)
    try:
        project = load_project(path)
    except ProjectError as error:
        if as_json:
            print_json({"ok": False, "findings": [finding_json(finding) for finding in error.findings]})
        else:
            findings(error.findings)
            console().print(f"[bold red]{len(error.findings)} error(s)[/] in {shown(str(path))}")
        raise click.exceptions.Exit(1) from None
    planes = project.planes
    summary: dict[str, Any] = {
        "ok": True,
        "tier": TIER,
        "policies": len(planes.policy.policies),
        "tools": len(planes.catalog.tools),
        "users": len(planes.directory.users),
        "agents": len(planes.directory.agents),
        "policy_digest": planes.policy.digest,
        "findings": [finding_json(finding) for finding in project.warnings],
    }
    if as_json:
        print_json(summary)
        return
    findings(project.warnings)
    console().print(
        f"[green]ok[/]: {summary['policies']} policies, {summary['tools']} tools, {summary['users']} users, "
        f"{summary['agents']} agents; {len(project.warnings)} warning(s)"
    )
    console().print(f"rules {planes.policy.digest}")
    console().print(f"tier  {TIER}")
