"""`bailiwick explain`: why a call would be decided as it is."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from bailiwick.cli.output import FOLDER, JSON_OPTION, console, decision_json, outcome_style, print_json, shown
from bailiwick.guard.opening import OpenRequest
from bailiwick.guard.preview import Preview, preview
from bailiwick.model.call import Call
from bailiwick.project.load import find_project, load_project

__all__ = ["explain"]


@click.command()
@FOLDER
@click.option("--user", help="On whose behalf the agent acts.")
@click.option("--service", help="The service that the agent acts for, instead of a user.")
@click.option("--agent", required=True, help="The acting agent.")
@click.option("--task", required=True, help="A task of directory.toml, or a purpose in plain words.")
@click.option("--tool", required=True, help="The tool, by its catalog name or an alias.")
@click.option("--args", "args_json", default="{}", show_default=True, help="The arguments, a JSON object.")
@click.option("--prompt", multiple=True, help="What the user said before (repeatable): endorses the values in it.")
@click.option("--unknown", multiple=True, help="A text of unknown origin that the agent has read: taints the session.")
@JSON_OPTION
def explain(
    folder: Path | None,
    user: str | None,
    service: str | None,
    agent: str,
    task: str,
    tool: str,
    args_json: str,
    prompt: tuple[str, ...],
    unknown: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say how a call would be decided as the first one of a new session, and which policies decide at which link.

    Nothing is recorded and nobody is asked. Exit code: 0 whatever the answer, 2 if there is none.
    """
    if (user is None) == (service is None):
        raise click.UsageError("name --user or --service, one of them")
    project = load_project(find_project(folder))
    request = OpenRequest(user=user, service=service, agent=agent, task=task, conversation="explain")
    what = Preview(request=request, call=Call(tool=tool, args=_arguments(args_json)), prompts=prompt, unknown=unknown)
    decision = preview(project.planes, what, time.time_ns() // 1000)
    if as_json:
        print_json(decision_json(decision))
        return
    head, *rest = decision.explain().splitlines()
    console().print(f"[bold {outcome_style(decision.outcome)}]{shown(head)}[/]")
    for line in rest:
        console().print(shown(line), soft_wrap=True)


def _arguments(text: str) -> dict[str, object]:
    try:
        given = json.loads(text, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"not a JSON object: {error}", param_hint="--args") from None
    if not isinstance(given, dict):
        raise click.BadParameter("must be a JSON object", param_hint="--args")
    return given


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key stands twice in the same object")
    return made
