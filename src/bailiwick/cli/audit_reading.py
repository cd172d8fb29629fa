"""Opening logs to be read by a person: asked of the rules in `administration/`, and on record before anything is shown.

A folder of logs that is not where its project keeps them (a backup, an auditor's copy) has no rules that could be
asked and no log that the reading could go into. It is shown to whoever holds it, with a word of warning: they can read
its files anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from bailiwick.audit.trace import EventGraph
from bailiwick.cli.audit_trace import Content
from bailiwick.cli.output import console, os_user, refuse, shown
from bailiwick.errors import UsageError
from bailiwick.guard.administration.administering import authorise
from bailiwick.model.administration import AdminAction, admin_resource
from bailiwick.model.decision import Reason
from bailiwick.project import Guard, find_project
from bailiwick.project.load import PROJECT_FILE, load_settings
from bailiwick.project.status import LOG_FOLDER
from bailiwick.stores.log_file import list_logs
from bailiwick.stores.log_reader import LogReader

__all__ = ["LOG_DIR_OPTION", "REVEAL_OPTION", "log_folder", "path_of_logs", "reading", "text_of", "unasked"]

REVEAL_OPTION = click.option(
    "--reveal",
    is_flag=True,
    help="Contents too (arguments, results, prompts, cards). It needs the action admin.reveal beside admin.read_log.",
)
LOG_DIR_OPTION = click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="The project folder, or a copy of its logs, which no rules govern. Default: the nearest project upwards.",
)


@contextmanager
def reading(
    folder: Path | None, person: str | None, *, reveal: bool, as_json: bool = False
) -> Iterator[Sequence[LogReader]]:
    """The logs of a project (or a copy of logs), once it is on record that `person` reads them. Ends the command with
    code 1 if the rules refuse it."""
    project = _project_of(folder)
    if project is None:
        console(stderr=True).print(
            f"[yellow]note:[/] {shown(str(folder))} is a copy of logs without its project: no rules say who may read "
            "it, and nobody records that you do",
            soft_wrap=True,
        )
        with unasked(folder) as readers:
            yield readers
        return
    _some(path_of_logs(project))
    if person is None:
        raise UsageError("reading the log is governed: say who you are", hint="--as USER, or BAILIWICK_AS=USER")
    with Guard.open(project) as guard:
        refused = _ask(guard, person, AdminAction.READ_LOG)
        if refused is None and reveal:
            refused = _ask(guard, person, AdminAction.REVEAL)
        if refused is not None:
            refuse(refused, as_json=as_json)
        with unasked(project) as readers:
            yield readers


@contextmanager
def unasked(folder: Path | None) -> Iterator[Sequence[LogReader]]:
    """The logs, opened. For what shows nothing of them."""
    with ExitStack() as stack:
        yield [stack.enter_context(LogReader.open(path)) for path in _some(log_folder(folder))]


def text_of(graph: EventGraph) -> Content:
    """Looks up the text of a recorded content."""
    return lambda event_id: graph.content(event_id, "text")


def path_of_logs(project: Path) -> Path:
    """Where a project folder keeps its logs, read from bailiwick.toml alone."""
    return project / load_settings(project).state_path / LOG_FOLDER


def log_folder(folder: Path | None) -> Path:
    """The folder of logs that `folder` is, or that the project there keeps."""
    if folder is not None and not (folder / PROJECT_FILE).is_file():
        return folder
    return path_of_logs(find_project(folder))


def _ask(guard: Guard, person: str, action: AdminAction) -> Reason | None:
    log = admin_resource("log")
    return guard.engine.administer(lambda core: authorise(core, person, action=action, resource=log, os_user=os_user()))


def _project_of(folder: Path | None) -> Path | None:
    """The project whose logs are meant; None for a copy of logs. A project's own log folder is governed by whatever
    way it is named."""
    if folder is None or (folder / PROJECT_FILE).is_file():
        return find_project(folder)
    here = folder.resolve()
    for above in here.parents:
        if (above / PROJECT_FILE).is_file() and path_of_logs(above).resolve() == here:
            return above
    return None


def _some(logs: Path) -> Sequence[Path]:
    paths = list_logs(logs)
    if not paths:
        raise UsageError(f"there is no log in {logs}", hint="run an agent first, or name another --dir")
    return paths
