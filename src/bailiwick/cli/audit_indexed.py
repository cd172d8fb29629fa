"""The index over the logs, opened for a person who was asked about in the rules, as in `audit_reading`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.progress import Progress

from bailiwick.audit.search_terms import Query, parse_terms
from bailiwick.audit.slices import Entry
from bailiwick.cli.audit_events import at_time
from bailiwick.cli.audit_reading import log_folder, reading
from bailiwick.cli.output import console
from bailiwick.errors import UsageError
from bailiwick.model.decision import Outcome
from bailiwick.project import find_project
from bailiwick.project.load import PROJECT_FILE, load_settings
from bailiwick.project.status import INDEX_FILE
from bailiwick.stores.log_index import LogIndex, SessionRow
from bailiwick.stores.saved_filters import SavedFilters

__all__ = ["entry_json", "entry_row", "indexed", "query_of", "saved_filters", "session_of"]


@contextmanager
def indexed(
    folder: Path | None, person: str | None, *, reveal: bool = False, as_json: bool = False
) -> Iterator[LogIndex]:
    """The index, caught up, once it is on record that `person` reads the logs. A copy of logs without its project is
    indexed in a temporary file: nothing is written beside it."""
    with reading(folder, person, reveal=reveal, as_json=as_json):
        pass
    logs, state = log_folder(folder), _state_of(folder)
    with tempfile.TemporaryDirectory() as elsewhere:
        path = (Path(elsewhere) if state is None else state) / INDEX_FILE
        with LogIndex.open(path, logs) as index:
            _catch_up(index)
            yield index


def _catch_up(index: LogIndex) -> None:
    """With a sign of life on a terminal where it takes long: the first time, in a project with long logs."""
    if index.catch_up(at_most=20_000) < 20_000:
        return
    out = console(stderr=True)
    with Progress(console=out, transient=True, disable=not out.is_terminal) as progress:
        task = progress.add_task("indexing the logs", total=None)
        index.catch_up(progress=lambda count: progress.advance(task, count))


def _state_of(folder: Path | None) -> Path | None:
    """The state folder of the project that is meant; None for a copy of logs."""
    if folder is not None and not (folder / PROJECT_FILE).is_file():
        return _around(folder.resolve())
    project = find_project(folder)
    return project / load_settings(project).state_path


def _around(logs: Path) -> Path | None:
    """The state folder, where `logs` is the log folder of a project."""
    for above in logs.parents:
        if (above / PROJECT_FILE).is_file() and logs.parent == (above / load_settings(above).state_path).resolve():
            return logs.parent
    return None


def saved_filters(folder: Path | None) -> SavedFilters:
    """The filters that the project keeps. Raises UsageError for a copy of logs, which has none."""
    state = _state_of(folder)
    if state is None:
        raise UsageError("a copy of logs has no saved filters", hint="name the project folder with --dir")
    return SavedFilters(state)


def query_of(terms: tuple[str, ...], saved: str | None, folder: Path | None) -> Query:
    """The search that was typed, joined with the one that was kept under the name `saved`."""
    kept = saved_filters(folder).terms(saved) if saved is not None else ""
    text = " ".join((kept, *(_again(term) for term in terms)))
    return parse_terms(text, now_us=time.time_ns() // 1000)


def _again(term: str) -> str:
    """A word with spaces was quoted in the shell: it is one term."""
    if '"' in term or not any(map(str.isspace, term)):
        return term
    name, colon, value = term.partition(":")
    return f'{name}:"{value}"' if colon and name.removeprefix("-").isidentifier() else f'"{term}"'


def session_of(index: LogIndex, part: str) -> SessionRow:
    """The session that is meant: its key, or any part that no other one has. Raises UsageError."""
    exact = index.session(part)
    if exact is not None:
        return exact
    found = index.like(part)
    if not found:
        raise UsageError(f"no session here has {part!r} in its key", hint="see `bailiwick audit sessions`")
    if len(found) > 1:
        keys = ", ".join(row.session for row in found)
        raise UsageError(f"{part!r} is part of several sessions' keys", hint=f"say more of it: {keys}")
    return found[0]


def entry_row(entry: Entry) -> tuple[str, ...]:
    """Time, id, kind, what it is about, outcome."""
    outcome = entry.outcome or entry.origin
    if entry.observed:
        outcome += ", WOULD DENY" if entry.observed == "would_deny" else ", WOULD ASK"
    if entry.outcome in (Outcome.DENY, Outcome.NEEDS_APPROVAL) and entry.policies:
        outcome += f" ({', '.join(entry.policies)})"
    return at_time(entry.ts_us), entry.id, entry.kind, entry.about, outcome


def entry_json(entry: Entry) -> dict[str, object]:
    """An entry for --json."""
    return {
        "id": entry.id,
        "log": entry.log,
        "seq": entry.seq,
        "kind": entry.kind,
        "ts_us": entry.ts_us,
        "session": entry.session,
        "task": entry.task,
        "actor": list(entry.actor),
        "about": entry.about,
        "tool": entry.tool,
        "outcome": entry.outcome,
        "observed": entry.observed,
        "origin": entry.origin,
        "policies": list(entry.policies),
        "label": entry.label,
    }
