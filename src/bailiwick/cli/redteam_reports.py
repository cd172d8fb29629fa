"""Options of `bailiwick redteam`: reports for people and for CI, and a model in the agent's place."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import orjson

from bailiwick.errors import UsageError
from bailiwick.project.load import load_project
from bailiwick.redteam.hits import Hit, hits_of
from bailiwick.redteam.model_agent import Endpoint
from bailiwick.redteam.report_html import redteam_html
from bailiwick.redteam.report_junit import redteam_junit
from bailiwick.redteam.report_sarif import redteam_sarif
from bailiwick.redteam.results import WorldRun
from bailiwick.redteam.world import World

__all__ = ["model_options", "report_options", "write_reports"]


def report_options(command: Callable[..., None]) -> Callable[..., None]:
    """--html, --junit and --sarif, each a file."""
    file = click.Path(path_type=Path, dir_okay=False)
    for name, what in (("sarif", "SARIF 2.1.0"), ("junit", "JUnit XML"), ("html", "a page for people")):
        command = click.option(f"--{name}", f"{name}_file", type=file, metavar="FILE", help=f"Write {what} there.")(
            command
        )
    return command


def model_options(command: Callable[..., None]) -> Callable[..., None]:
    """--model and what it takes, handed on as one `endpoint`."""

    @functools.wraps(command)
    def with_endpoint(*, model_url: str, model_name: str, model_key_env: str, **options: Any) -> None:
        if bool(model_url) != bool(model_name):
            raise UsageError(
                "--model and --model-name go together", hint="give the endpoint's URL and the model's name"
            )
        key = os.environ.get(model_key_env, "")
        command(endpoint=Endpoint(url=model_url, model=model_name, key=key) if model_url else None, **options)

    for option in (
        click.option(
            "--model-key-env",
            default="BAILIWICK_MODEL_KEY",
            show_default=True,
            metavar="NAME",
            help="The environment variable that holds the endpoint's key.",
        ),
        click.option("--model-name", default="", metavar="NAME", help="The model's name at that endpoint."),
        click.option(
            "--model",
            "model_url",
            default="",
            metavar="URL",
            help="An OpenAI-compatible endpoint whose model takes the place of the hijacked agent.",
        ),
    ):
        with_endpoint = option(with_endpoint)
    return with_endpoint


def write_reports(
    runs: Sequence[WorldRun],
    worlds: Sequence[Callable[[], World]],
    why_not: str,
    *,
    folder: Path | None,
    html_file: Path | None,
    junit_file: Path | None,
    sarif_file: Path | None,
) -> None:
    """Write those that were asked for. `folder`: the project that was attacked, if not each world's own."""
    if html_file is None and junit_file is None and sarif_file is None:
        return
    hits = _hits(runs, worlds, folder)
    if html_file is not None:
        html_file.write_text(redteam_html(runs, hits, why_not), encoding="utf-8")
    if junit_file is not None:
        junit_file.write_text(redteam_junit(runs, hits, why_not), encoding="utf-8")
    if sarif_file is not None:
        sarif_file.write_bytes(orjson.dumps(redteam_sarif(hits, why_not), option=orjson.OPT_INDENT_2))


def _hits(runs: Sequence[WorldRun], worlds: Sequence[Callable[[], World]], folder: Path | None) -> list[Hit]:
    found: list[Hit] = []
    for run, make in zip(runs, worlds, strict=True):
        if run.unpermitted or any(pair.succeeded for pair in run.pairs):
            world = make()
            found += hits_of(run, world, load_project(folder or world.folder).planes.catalog)
    return found
