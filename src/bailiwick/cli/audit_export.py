"""`bailiwick audit export`: the record in the forms of other systems."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import click
import orjson

from bailiwick.audit.envelope import plain_of
from bailiwick.audit.exports.cloudevents import cloud_event
from bailiwick.audit.exports.ocsf import activities
from bailiwick.audit.exports.prov import provenance
from bailiwick.audit.exports.rows import row
from bailiwick.audit.exports.spans import spans
from bailiwick.audit.trace import timeline
from bailiwick.cli.audit_reading import LOG_DIR_OPTION, reading
from bailiwick.cli.out_file import OUT_PATH, new_file, not_there_yet
from bailiwick.cli.output import JSON_OPTION, READER_OPTION, console, print_json, shown
from bailiwick.errors import MissingExtra, ProjectError, UsageError
from bailiwick.model.event import Event
from bailiwick.project.load import PROJECT_FILE, find_project, load_project

__all__ = ["export"]

LINES = frozenset({"json", "cloudevents", "ocsf"})
FORMATS = ("json", "cloudevents", "ocsf", "prov", "otlp", "parquet")


@click.command("export")
@click.argument("form", metavar="FORMAT", type=click.Choice(FORMATS))
@READER_OPTION
@LOG_DIR_OPTION
@click.option("--session", help="Only this session, by its whole key.")
@click.option("--out", type=OUT_PATH, help="A new file. Default: standard output.")
@click.option("--endpoint", help="otlp: the collector, e.g. http://localhost:4318/v1/traces.")
@click.option("--timeout", type=float, default=10.0, show_default=True, help="otlp: seconds for each batch.")
@JSON_OPTION
def export(
    form: str,
    person: str | None,
    folder: Path | None,
    session: str | None,
    out: Path | None,
    endpoint: str | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Write the record as json, cloudevents or ocsf (one JSON object a line), prov (PROV-JSON) or parquet, or send it
    as OpenTelemetry spans (otlp).

    No format holds contents (arguments, results, prompts), and none of them can be verified: they are for searching
    and reading elsewhere. ocsf has decisions alone, otlp and prov only what belongs to a session. It needs the action
    admin.read_log, and is recorded. Exit code 1: refused.
    """
    _check_place(form, out, endpoint, as_json=as_json)
    effects = _effects(folder) if form == "ocsf" else None
    with reading(folder, person, reveal=False) as readers, ExitStack() as stack:
        # Closed before its readers are, whatever becomes of the file.
        recorded = stack.enter_context(closing(timeline(readers, session=session)))
        events = _there(recorded, session)
        if form == "otlp":
            assert endpoint is not None
            count, said = _send(events, endpoint, timeout), "spans sent"
        elif form == "parquet":
            assert out is not None
            count, said = _table(events, out), "events written"
        else:
            file = stack.enter_context(new_file(out)) if out else sys.stdout.buffer
            count, said = _write(_records(form, events, effects), file, lines=form in LINES), "records written"
    if as_json:
        print_json({"format": form, "count": count, "file": str(out) if out else None, "endpoint": endpoint})
        return
    console(stderr=True).print(shown(f"{count} {said}{f' to {out}' if out else ''}"), soft_wrap=True)


def _check_place(form: str, out: Path | None, endpoint: str | None, *, as_json: bool) -> None:
    if form == "otlp" and endpoint is None:
        raise UsageError("where is the collector?", hint="--endpoint http://localhost:4318/v1/traces")
    if as_json and out is None and form != "otlp":
        raise UsageError("--json tells of an export into a file", hint="--out FILE")
    if form == "parquet" and out is None:
        raise UsageError("Parquet is written into a file", hint="--out FILE")
    not_there_yet(out)


def _there(events: Iterator[Event], session: str | None) -> Iterator[Event]:
    """The same events. Raises UsageError where a session was named that has none: nothing is made of a typing error."""
    first = next(events, None)
    if first is None:
        if session is not None:
            raise UsageError(f"no session here has the key {session!r}", hint="see `bailiwick audit sessions`")
        return iter(())
    return chain((first,), events)


def _records(form: str, events: Iterable[Event], effects: Mapping[str, Collection[str]] | None) -> Iterator[object]:
    match form:
        case "cloudevents":
            yield from map(cloud_event, events)
        case "ocsf":
            yield from activities(events, effects, version=version("bailiwick"))
        case "prov":
            yield provenance(event for event in events if event.session)
        case _:
            yield from map(plain_of, events)


def _write(records: Iterable[object], file: BinaryIO, *, lines: bool) -> int:
    written = 0
    for record in records:
        file.write(orjson.dumps(record, option=0 if lines else orjson.OPT_INDENT_2) + b"\n")
        written += 1
    file.flush()
    return written


def _send(events: Iterable[Event], endpoint: str, timeout: float) -> int:
    try:
        from bailiwick.exporters import otlp
    except ImportError as error:
        raise MissingExtra(feature="sending spans", extra="otel") from error
    return otlp.send(spans(events), otlp.collector(endpoint, timeout=timeout))


def _table(events: Iterable[Event], path: Path) -> int:
    try:
        from bailiwick.exporters import parquet
    except ImportError as error:
        raise MissingExtra(feature="writing Parquet", extra="parquet") from error
    with new_file(path) as file:
        return parquet.write(map(row, events), file)


def _effects(folder: Path | None) -> Mapping[str, Collection[str]] | None:
    """The effects of each tool by the catalog as it is now; None for a copy of logs, and where it cannot be read."""
    if folder is not None and not (folder / PROJECT_FILE).is_file():
        return None
    try:
        tools = load_project(find_project(folder)).planes.catalog.tools
    except ProjectError:
        return None
    return {name: [effect.value for effect in spec.effects] for name, spec in tools.items()}
