"""`bailiwick policy key|build|sign|verify|activate|status`: rules as one signed file, and which of them decides."""

from __future__ import annotations

import os
import secrets
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from bailiwick.cli.output import (
    DIR_OPTION,
    FOLDER,
    JSON_OPTION,
    console,
    os_user,
    print_json,
    print_refused,
    shown,
    table,
    when,
)
from bailiwick.errors import BailiwickError, BundleError, UsageError, Where
from bailiwick.guard.administration.activating import check_bundle, unchangeable
from bailiwick.guard.administration.bundles import Activation
from bailiwick.guard.planes import Planes, PolicyMode
from bailiwick.identity.bundle_signatures import claimed_signers, sign
from bailiwick.identity.keys import PrivateKey
from bailiwick.model.bundle import ProjectBundle, read
from bailiwick.model.decision import Reason
from bailiwick.project import Guard, Project, find_project
from bailiwick.project.bundle import TESTS_FOLDER, build_bundle, load_bundle
from bailiwick.project.status import BundleStatus, bundle_status, last_sequence
from bailiwick.testing import load_tests, run

__all__ = ["BUNDLE_VERBS", "deciding_lines", "not_deciding"]

_FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
_AS = click.option("--as", "person", required=True, metavar="USER", help="Who you are: a user of directory.toml.")
_MOST = 20


@click.command()
@_FILE
@JSON_OPTION
def key(file: Path, as_json: bool) -> None:
    """Make a key of your own in FILE, or show the public part of the one that is there.

    Only you may read the file; bailiwick asks for no password. Put the line that is printed into directory.toml.
    """
    if file.exists():
        private = _private(file)
    else:
        private = PrivateKey(secrets.token_bytes(32))
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(private.pem)
    if as_json:
        print_json({"keys": [str(private.public)]})
        return
    click.echo(f'keys = ["{private.public}"]')


@click.command()
@FOLDER
@_AS
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file to write.")
@click.option("--note", default="", help="What changed, for those who sign it.")
@click.option("--sequence", type=click.IntRange(min=1), help="Its number. Default: the next after the active one's.")
@JSON_OPTION
def build(folder: Path | None, person: str, out: Path, note: str, sequence: int | None, as_json: bool) -> None:
    """Build a bundle of a project folder that loads: one file with everything that decides.

    The same folder gives the same bytes. Exit code: 0 built, 2 the folder does not load.
    """
    path = find_project(folder)
    made = build_bundle(path, sequence=sequence or last_sequence(path) + 1, author=person, note=note)
    out.write_bytes(made.encode())
    if as_json:
        print_json(_bundle_json(made))
        return
    console().print(f"bundle {made.sequence} of {made.tenant}/{made.env}, {len(made.files)} files, by {shown(person)}")
    console().print(made.digest, soft_wrap=True)


@click.command("sign")
@_FILE
@_AS
@click.option("--key", "key_file", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Your key.")
@DIR_OPTION
@JSON_OPTION
def sign_(file: Path, person: str, key_file: Path, folder: Path | None, as_json: bool) -> None:
    """Add your signature to a bundle: you looked at it, and it may be activated.

    The directory that holds at present has to know your key. Exit code: 0 signed, 2 not.
    """
    status = bundle_status(find_project(folder))
    made = sign(_read(file), by=person, key=_private(key_file), directory=status.project.planes.directory)
    file.write_bytes(made.encode())
    if as_json:
        print_json(_bundle_json(made))
        return
    console().print(f"bundle {made.sequence} is signed by {shown(', '.join(claimed_signers(made)))}")


@click.command()
@_FILE
@DIR_OPTION
@JSON_OPTION
def verify(file: Path, folder: Path | None, as_json: bool) -> None:
    """Say what is in a bundle, who signed it, and whether it could be activated here.

    Exit code: 0 it could, 1 it could not, 2 it is no bundle.
    """
    status = bundle_status(find_project(folder))
    bundle = _read(file)
    planes = load_bundle(status.project.folder, bundle).planes
    told = check_bundle(status.project.planes, bundle, time.time_ns() // 1_000_000)
    refused = told if isinstance(told, Reason) else unchangeable(status.project.planes, planes)
    failed, tests = _tested(bundle, planes)
    if as_json:
        print_json(
            {
                **_bundle_json(bundle),
                "mode": planes.settings.mode.value,
                "observed": sorted(planes.policy.observed),
                "tests": tests,
                "failed": failed,
                "ok": refused is None and not failed,
                **_reason_json(refused),
            }
        )
    else:
        _print_bundle(bundle, planes)
        _print_tests(failed, tests)
        if refused is None and not failed:
            console().print(f"[green]could be activated[/]: signed by {shown(', '.join(told))}")  # type: ignore[arg-type]
        elif refused is not None:
            _print_refused(refused)
    if refused is not None or failed:
        raise click.exceptions.Exit(1)


@click.command()
@_FILE
@_AS
@click.option("--no-tests", is_flag=True, help="Do not run the bundle's tests first. That is recorded.")
@DIR_OPTION
@JSON_OPTION
def activate(file: Path, person: str, no_tests: bool, folder: Path | None, as_json: bool) -> None:
    """Let the rules of a bundle take over, in every process that shares the state, from the next decision on.

    Exit code: 0 it holds, 1 refused or its tests fail, 2 it is no bundle or does not load.
    """
    path = find_project(folder)
    bundle = _read(file)
    failed, tests = ([], "skipped") if no_tests else _tested(bundle, load_bundle(path, bundle).planes)
    if failed:
        if as_json:
            print_json({"activated": False, "code": "tests-fail", "failed": failed})
        else:
            _print_tests(failed, tests)
        raise click.exceptions.Exit(1)
    with Guard.for_activation(path) as guard:
        told = guard.activate(bundle, by=person, tests=tests, os_user=os_user())
    if isinstance(told, Reason):
        if as_json:
            print_json({"activated": False, **_reason_json(told)})
        else:
            _print_refused(told)
        raise click.exceptions.Exit(1)
    if as_json:
        print_json({"activated": True, **_activation_json(told)})
        return
    _print_tests(failed, tests)
    console().print(f"[green]bundle {told.sequence} holds[/], in mode {told.mode}; recorded as {told.event}")


@click.command()
@DIR_OPTION
@JSON_OPTION
def status(folder: Path | None, as_json: bool) -> None:
    """Say what decides: which bundle, since when, by whom; or the folder. And whether the folder says the same."""
    found = bundle_status(find_project(folder))
    if as_json:
        print_json(
            {
                "decides": "bundle" if found.active else "folder",
                "required": found.project.planes.settings.bundles.required,
                "mode": found.project.planes.settings.mode.value,
                "observed": sorted(found.project.planes.policy.observed),
                "differing": list(found.differing),
                "active": _activation_json(found.active) if found.active else None,
                "pending": _activation_json(found.pending) if found.pending else None,
                "history": [_activation_json(each) for each in found.history],
            }
        )
        return
    for line in status_lines(found):
        console().print(line, soft_wrap=True)
    if found.history:
        rows = [
            (str(each.sequence), when(each.at_ms), each.by, each.author, ", ".join(each.signers), each.mode, each.note)
            for each in found.history[-_MOST:]
        ]
        console().print(table(("bundle", "activated", "by", "author", "signed by", "mode", "note"), rows))


BUNDLE_VERBS = (key, build, sign_, verify, activate, status)


def status_lines(found: BundleStatus) -> list[str]:
    """What decides, in a few lines of markup."""
    settings = found.project.planes.settings
    lines: list[str] = []
    if found.active is not None:
        lines.append(f"[bold]bundle {found.active.sequence} decides[/], not the files of the folder")
        if found.differing:
            named = ", ".join(found.differing[:_MOST])
            lines.append(f"[yellow]the folder differs[/] from it in {shown(named)}")
        else:
            lines.append("the folder says the same")
    elif settings.bundles.required:
        lines.append("[bold red]nothing decides[/]: a bundle is required and none was activated, so nothing runs")
    else:
        lines.append("the files of the folder decide: no bundle was activated")
    if found.pending is not None:
        lines.append(
            f"[yellow]an activation of bundle {found.pending.sequence} is under way[/], or its process ended; the next "
            "opening settles it"
        )
    return lines + observing_lines(found.project.planes)


def deciding_lines(path: Path, project: Project) -> list[str]:
    """What whoever looks at a folder has to know, in markup: that a bundle decides instead, that nothing may, or that
    rules are only observed. Nothing where the folder decides as it is written."""
    try:
        if last_sequence(path):
            return status_lines(bundle_status(path))
    except BailiwickError as error:
        return [f"[yellow]it is not known what decides[/]: {shown(str(error))}"]
    if project.planes.settings.bundles.required:
        return [
            "[yellow]a bundle is required and none was activated[/], so nothing runs",
            *observing_lines(project.planes),
        ]
    return observing_lines(project.planes)


def not_deciding(path: Path, project: Project) -> str:
    """Why an answer from the folder's files is not what would be decided; "" where the folder decides."""
    try:
        if last_sequence(path):
            found = bundle_status(path)
            number = found.active.sequence if found.active else 0
            named = ", ".join(found.differing[:_MOST])
            same = f"the folder differs from it in {named}" if found.differing else "the folder says the same"
            return f"bundle {number} decides, and this is about the files of the folder; {same}"
    except BailiwickError as error:
        return f"this is about the files of the folder, and it is not known what decides: {error}"
    if project.planes.settings.bundles.required:
        return "a bundle is required and none was activated, so nothing runs; this is about the files of the folder"
    return ""


def observing_lines(planes: Planes) -> list[str]:
    """That there are rules which deny nothing, in markup; nothing where all are enforced."""
    if planes.settings.mode is PolicyMode.OBSERVE:
        return ["[bold yellow]OBSERVE MODE[/]: what the rules would deny is recorded, and passes"]
    if planes.policy.observed:
        return [
            f"[bold yellow]only observed[/], so they deny nothing: {shown(', '.join(sorted(planes.policy.observed)))}"
        ]
    return []


def _read(file: Path) -> ProjectBundle:
    try:
        return read(file.read_bytes())
    except BundleError as error:
        raise BundleError(str(error), hint=error.hint, where=Where(file=str(file))) from error


def _private(file: Path) -> PrivateKey:
    try:
        return PrivateKey.parse(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise UsageError("this is no private key in PEM or JWK", hint="make one: bailiwick policy key FILE") from None


def _tested(bundle: ProjectBundle, planes: Planes) -> tuple[list[str], str]:
    """The titles of the bundle's tests that fail, and what became of them. They test the rules as they are when they
    are enforced, also where the bundle has them observed."""
    sources = [(file.path, file.text) for file in bundle.files if file.path.startswith(f"{TESTS_FOLDER}/")]
    if not sources:
        return [], "none"
    enforced = replace(planes, settings=replace(planes.settings, mode=PolicyMode.ENFORCE))
    cases = [case for file in load_tests(sources, planes=enforced) for case in file.cases]
    failed = [ran.case.title for ran in run(enforced, cases, clock=time.perf_counter) if not ran.passed]
    return failed, "failed" if failed else "passed"


def _print_bundle(bundle: ProjectBundle, planes: Planes) -> None:
    out = console()
    out.print(f"bundle {bundle.sequence} of {bundle.tenant}/{bundle.env}, {len(bundle.files)} files")
    out.print(bundle.digest, soft_wrap=True)
    out.print(f"author {shown(bundle.author)}, signatures: {shown(', '.join(claimed_signers(bundle)) or 'none')}")
    if bundle.note:
        out.print(f"note   {shown(bundle.note)}", soft_wrap=True)
    for line in observing_lines(planes):
        out.print(line, soft_wrap=True)


def _print_tests(failed: list[str], tests: str) -> None:
    words = {"passed": "its tests pass", "none": "it has no tests", "skipped": "[yellow]its tests were not run[/]"}
    console().print(words.get(tests, f"[bold red]{len(failed)} of its tests fail[/]:"))
    for title in failed[:_MOST]:
        console().print(f"  {shown(title)}", soft_wrap=True)


def _print_refused(reason: Reason) -> None:
    print_refused(reason)


def _reason_json(reason: Reason | None) -> dict[str, Any]:
    return {} if reason is None else {"code": reason.code, "message": reason.message, "hint": reason.hint}


def _bundle_json(bundle: ProjectBundle) -> dict[str, Any]:
    return {
        "digest": bundle.digest,
        "sequence": bundle.sequence,
        "tenant": bundle.tenant,
        "env": bundle.env,
        "author": bundle.author,
        "note": bundle.note,
        "files": [file.path for file in bundle.files],
        "signed": list(claimed_signers(bundle)),
    }


def _activation_json(item: Activation) -> dict[str, Any]:
    return {
        "sequence": item.sequence,
        "digest": item.digest,
        "author": item.author,
        "signers": list(item.signers),
        "by": item.by,
        "at_ms": item.at_ms,
        "mode": item.mode,
        "tests": item.tests,
        "note": item.note,
        "event": item.event,
    }
