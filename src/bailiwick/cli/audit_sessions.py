"""`bailiwick audit sessions`, `timeline` and `compare`: what agents did, session by session."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import click

from bailiwick.audit.comparing import Compared, Side, Step, compare
from bailiwick.audit.slice_svg import label_in_words
from bailiwick.audit.slices import Entry
from bailiwick.cli.audit_events import at_time
from bailiwick.cli.audit_indexed import entry_json, entry_row, indexed, query_of, session_of
from bailiwick.cli.audit_reading import LOG_DIR_OPTION
from bailiwick.cli.output import JSON_OPTION, READER_OPTION, console, counted, print_json, shown, table
from bailiwick.stores.log_index import Cursor, LogIndex, SessionRow

__all__ = ["FILTER_OPTION", "compare_sessions", "sessions", "timeline"]

FILTER_OPTION = click.option("--filter", "saved", metavar="NAME", help="And what this saved filter asks for.")
_SIDES = {Side.BOTH: "", Side.CHANGED: "~", Side.FIRST: "<", Side.SECOND: ">"}


@click.command("sessions")
@click.argument("terms", nargs=-1)
@READER_OPTION
@LOG_DIR_OPTION
@FILTER_OPTION
@click.option("--last", type=click.IntRange(1, 1000), default=40, show_default=True, help="So many of the latest.")
@JSON_OPTION
def sessions(
    terms: tuple[str, ...], person: str | None, folder: Path | None, saved: str | None, last: int, as_json: bool
) -> None:
    """List sessions with at least one event that TERMS find (see `audit search`), the latest first. Exit code 1:
    refused."""
    query = query_of(terms, saved, folder)
    with indexed(folder, person, as_json=as_json) as index:
        found = index.sessions(query, limit=last).items
    if as_json:
        print_json([asdict(row) for row in found])
        return
    columns = ("last", "who", "agent", "purpose", "calls", "denied", "asked", "session")
    console().print(table(columns, map(_session_row, found)))


def _session_row(row: SessionRow) -> tuple[str, ...]:
    agent = f"{row.agent} (delegated)" if row.parent else row.agent
    counts = (str(row.decisions), str(row.denied), str(row.asked))
    return at_time(row.last_us), row.root, agent, row.purpose, *counts, row.session


@click.command("timeline")
@click.argument("session")
@READER_OPTION
@LOG_DIR_OPTION
@click.option("--most", type=click.IntRange(1, 100_000), default=1_000, show_default=True, help="So many events.")
@JSON_OPTION
def timeline(session: str, person: str | None, folder: Path | None, most: int, as_json: bool) -> None:
    """Show everything of a session in order: contents with their labels, decisions, outcomes, approvals, delegations.

    SESSION is its key as `audit sessions` lists it, or any part of it that no other one has. Exit code 1: refused.
    """
    with indexed(folder, person, as_json=as_json) as index:
        row = session_of(index, session)
        entries = list(islice(_entries(index, row.session), most))
        children = index.children(row.session)
    if as_json:
        told = [asdict(child) for child in children]
        print_json({"session": asdict(row), "events": [entry_json(entry) for entry in entries], "delegated": told})
        return
    out = console()
    out.print(f"{shown(row.root)} → {shown(row.agent)}: {shown(row.purpose)}", soft_wrap=True)
    columns = ("time", "id", "kind", "what", "outcome", "label")
    out.print(table(columns, ((*entry_row(entry), label_in_words(entry.label)) for entry in entries)))
    for child in children:
        out.print(f"delegated to {shown(child.agent)}: session {shown(child.session)}", soft_wrap=True)
    if row.events > len(entries):
        out.print(f"and {row.events - len(entries)} more (--most)")


def _entries(index: LogIndex, session: str) -> Iterator[Entry]:
    after: Cursor | None = None
    while True:
        page = index.timeline(session, after=after)
        yield from page.items
        after = page.next
        if after is None:
            return


@click.command("compare")
@click.argument("first")
@click.argument("second")
@READER_OPTION
@LOG_DIR_OPTION
@click.option("--all", "everything", is_flag=True, help="Also what both did alike.")
@JSON_OPTION
def compare_sessions(
    first: str, second: str, person: str | None, folder: Path | None, everything: bool, as_json: bool
) -> None:
    """Compare two sessions step by step: where they did the same, and where they parted. Exit code 1: refused.

    Marks: `<` only in FIRST, `>` only in SECOND, `~` in both, decided or labelled otherwise.
    """
    with indexed(folder, person, as_json=as_json) as index:
        rows = [session_of(index, part) for part in (first, second)]
        found = compare(*(_entries(index, row.session) for row in rows))
    if as_json:
        print_json(_compared_json(rows, found))
        return
    steps = [step for step in found.steps if everything or step.side is not Side.BOTH]
    lines = ((_SIDES[step.side], _what(step.first), _what(step.second)) for step in steps)
    console().print(table(("", rows[0].session, rows[1].session), lines))
    counts = {side: found.count(side) for side in Side}
    console().print(
        f"{counted(counts[Side.BOTH], 'step')} alike, {counts[Side.CHANGED]} otherwise, {counts[Side.FIRST]} only in "
        f"the first, {counts[Side.SECOND]} only in the second{'; only the first steps were compared' * found.cut}"
    )


def _compared_json(rows: list[SessionRow], found: Compared) -> dict[str, object]:
    def side(entry: Entry | None) -> object:
        return None if entry is None else entry_json(entry)

    def told(step: Step) -> dict[str, object]:
        return {"side": step.side.value, "first": side(step.first), "second": side(step.second)}

    return {
        "first": asdict(rows[0]),
        "second": asdict(rows[1]),
        "steps": [told(step) for step in found.steps],
        "cut": found.cut,
    }


def _what(entry: Entry | None) -> str:
    if entry is None:
        return ""
    label = label_in_words(entry.label)
    return " ".join(filter(None, (*entry_row(entry)[2:], f"[{label}]" if label else "")))
