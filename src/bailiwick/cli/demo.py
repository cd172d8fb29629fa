"""`bailiwick demo`: a support desk with a real database, real mail and an agent that obeys whoever spoke last."""

from __future__ import annotations

import importlib
import shutil
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

import bailiwick
from bailiwick.cli.output import JSON_OPTION, console, own_name, print_json, shown
from bailiwick.errors import MissingExtra, UsageError
from bailiwick.project import Guard

__all__ = ["demo", "example_folder"]


@click.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="An empty or new folder, where everything is left. Default: a new one under the temporary directory.",
)
@click.option("--auto-approve", is_flag=True, help="Let the demo play the approver too. Always so without a terminal.")
@click.option(
    "--model", "model_name", metavar="NAME|URL[#NAME]", help="A real model, OpenAI-compatible, as the agent's."
)
@click.option(
    "--smtp-port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port of the demo's own mail server on 127.0.0.1. Default: a free one.",
)
@JSON_OPTION
def demo(folder: Path | None, auto_approve: bool, model_name: str | None, smtp_port: int, as_json: bool) -> None:
    """Run the support desk in examples/support through all four planes. Needs no network. Takes some seconds.

    Exit code: 0 every scene came out as it should, 1 one did not (a real model may do something else).
    """
    _check_packages()
    target = _prepare(folder)
    scenes = _load_scenes(target)
    out = console(stderr=as_json)
    out.print(f"[bold]bailiwick demo[/], left in {shown(str(target))}", soft_wrap=True)
    interactive = sys.stdin.isatty() and sys.stdout.isatty() and not auto_approve and not as_json
    started = time.monotonic()
    with out.status("building the desk: 3 000 customers, 40 articles, a mail server ..."):
        stage = scenes.Stage.build(target, out=out, interactive=interactive, model_name=model_name, smtp_port=smtp_port)
    try:
        with Guard.open(target) as guard:
            results = scenes.play(stage, guard)
        results += scenes.verify_and_flip(stage)
    finally:
        stage.close()
    failed = [result for result in results if not result.as_expected]
    if as_json:
        print_json({"dir": str(target), "ok": not failed, "lines": [asdict(result) for result in results]})
    out.print()
    out.print(f"{len(results) - len(failed)} of {len(results)} as expected, {time.monotonic() - started:.0f} s")
    out.print(f"everything is in {shown(str(target))}: mailbox.mbox, drafts/, .bailiwick/log/; now try", soft_wrap=True)
    out.print(f"  {shown(own_name())} audit verify {shown(str(target))}", soft_wrap=True)
    if stage.look_up:
        why = f"audit why {stage.look_up} --as bob --reveal --dir {target}"
        out.print(f"  {shown(own_name())} {shown(why)}", soft_wrap=True)
    if failed:
        raise click.exceptions.Exit(1)


def example_folder() -> Path:
    """The shipped project folder examples/support: in the wheel, or in the checkout of an editable install."""
    package = Path(bailiwick.__file__).parent
    for candidate in (package / "examples" / "support", package.parents[1] / "examples" / "support"):
        if (candidate / "bailiwick.toml").is_file():
            return candidate
    raise UsageError("the example folder examples/support is not installed", hint="reinstall bailiwick")


def _prepare(folder: Path | None) -> Path:
    if folder is None:
        target = Path(tempfile.mkdtemp(prefix="bailiwick-demo-"))
    else:
        target = folder.resolve()
        if target.exists() and any(target.iterdir()):
            raise UsageError(
                f"{target} is not empty",
                hint="name an empty or a new one: what an earlier demo left there stays as it is",
            )
        target.mkdir(parents=True, exist_ok=True)
    skip = shutil.ignore_patterns("__pycache__", ".bailiwick", "*.db", "*.mbox")
    shutil.copytree(example_folder(), target, dirs_exist_ok=True, ignore=skip)
    return target


def _load_scenes(target: Path) -> Any:
    """The scenes need the desk's own code, which lies in the project folder like a user's would."""
    sys.path.insert(0, str(target))
    return importlib.import_module("bailiwick.cli.demo_scenes")


def _check_packages() -> None:
    for package in ("langchain", "aiosmtpd"):
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise MissingExtra(feature="the demo", extra="demo") from error
