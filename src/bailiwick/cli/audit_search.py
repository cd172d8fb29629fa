"""`bailiwick audit search`, `filters` and `tail`: finding events, keeping what one looks for, watching them come."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import orjson

from bailiwick.action.approval_card import visible
from bailiwick.audit.search_terms import TERMS, Query, parse_terms
from bailiwick.audit.slices import Entry
from bailiwick.cli.audit_indexed import entry_json, entry_row, indexed, query_of, saved_filters
from bailiwick.cli.audit_reading import LOG_DIR_OPTION, REVEAL_OPTION
from bailiwick.cli.audit_sessions import FILTER_OPTION
from bailiwick.cli.output import DIR_OPTION, JSON_OPTION, READER_OPTION, console, counted, print_json, shown, table
from bailiwick.errors import UsageError
from bailiwick.stores.log_index import LogIndex
from bailiwick.stores.log_search import MAX_LOOKED_AT, search_contents

__all__ = ["filters", "search", "tail"]

POLL = 0.25
"""Seconds between two looks at the logs."""
_COLUMNS = ("time", "id", "kind", "what", "outcome")
_EPILOG = "\b\nTerms:\n" + "\n".join(f"  {f'{name}:':<9} {meaning}" for name, meaning in TERMS.items())


@click.command("search", epilog=_EPILOG)
@click.argument("terms", nargs=-1)
@READER_OPTION
@REVEAL_OPTION
@LOG_DIR_OPTION
@FILTER_OPTION
@click.option("--last", type=click.IntRange(1, 1000), default=40, show_default=True, help="So many of the latest.")
@JSON_OPTION
def search(
    terms: tuple[str, ...],
    person: str | None,
    reveal: bool,
    folder: Path | None,
    saved: str | None,
    last: int,
    as_json: bool,
) -> None:
    """Find events, the latest first: `audit search tool:mail.send outcome:deny since:7d`.

    Several values of one name mean any of them, different names all of them, `-name:value` leaves out. Words without a
    name are looked for in contents, which takes --reveal. Exit code 1: refused.
    """
    query = query_of(terms, saved, folder)
    if query.texts and not reveal:
        raise UsageError("words without a name are looked for in contents", hint="add --reveal, or write name:value")
    note = ""
    with indexed(folder, person, reveal=reveal and bool(query.texts), as_json=as_json) as index:
        if query.texts:
            found = search_contents(index, query, limit=last)
            items = found.items
            if found.next is not None and len(items) < last:
                note = f"only the contents of the latest {MAX_LOOKED_AT} of these events were looked at"
            elif found.gone:
                note = f"{counted(found.gone, 'content')} of those looked at are no longer there"
        else:
            items = index.search(query, limit=last).items
    if as_json:
        print_json([entry_json(entry) for entry in items])
    else:
        console().print(table(_COLUMNS, map(entry_row, items)))
    if note:
        console(stderr=True).print(f"[yellow]note:[/] {shown(note)}", soft_wrap=True)


@click.command("tail")
@click.argument("terms", nargs=-1)
@READER_OPTION
@LOG_DIR_OPTION
@FILTER_OPTION
@click.option("--last", type=click.IntRange(0, 1000), default=10, show_default=True, help="Begin so far back.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what is written from now on, until Ctrl-C.")
@JSON_OPTION
def tail(
    terms: tuple[str, ...],
    person: str | None,
    folder: Path | None,
    saved: str | None,
    last: int,
    follow: bool,
    as_json: bool,
) -> None:
    """Show the latest events that TERMS find (see `audit search`), oldest first; with --json one object a line.

    What comes is read from the logs of all processes of the project. Exit code 1: refused.
    """
    query = query_of(terms, saved, folder)
    if query.texts:
        raise UsageError("contents are not followed", hint="use terms such as tool: and outcome:, or `audit search`")
    with indexed(folder, person, as_json=as_json) as index:
        try:
            for entry in _coming(index, query, last, follow=follow):
                line = (
                    orjson.dumps(entry_json(entry)).decode() if as_json else "  ".join(map(visible, entry_row(entry)))
                )
                click.echo(line)
                sys.stdout.flush()
        except KeyboardInterrupt:
            return
        except BrokenPipeError:
            # Whoever read has gone. Python writes what is left at its end: to nowhere, so that it does not complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _coming(index: LogIndex, query: Query, last: int, *, follow: bool) -> Iterator[Entry]:
    _, place = index.latest(limit=1)
    if last:
        yield from reversed(index.search(query, limit=last).items)
    while follow:
        index.catch_up()
        fresh, place = index.latest(limit=500, after=place)
        yield from index.matching(query, fresh)
        if not fresh:
            time.sleep(POLL)


@click.group("filters")
def filters() -> None:
    """Keep searches under a name, for --filter and the console."""


@filters.command("save")
@click.argument("name")
@click.argument("terms", nargs=-1, required=True)
@DIR_OPTION
@JSON_OPTION
def save(name: str, terms: tuple[str, ...], folder: Path | None, as_json: bool) -> None:
    """Keep TERMS under NAME, in place of what was kept under it."""
    text = " ".join(terms)
    parse_terms(text, now_us=time.time_ns() // 1000)
    saved_filters(folder).save(name, text)
    if as_json:
        print_json({"saved": name, "terms": text})
        return
    console().print(f"saved {shown(name)}: {shown(text)}", soft_wrap=True)


@filters.command("list")
@DIR_OPTION
@JSON_OPTION
def list_(folder: Path | None, as_json: bool) -> None:
    """List the saved searches."""
    found = saved_filters(folder).all()
    if as_json:
        print_json(dict(found))
        return
    console().print(table(("name", "terms"), found.items()))


@filters.command("drop")
@click.argument("name")
@DIR_OPTION
@JSON_OPTION
def drop(name: str, folder: Path | None, as_json: bool) -> None:
    """Forget the search of this name."""
    saved_filters(folder).drop(name)
    if as_json:
        print_json({"dropped": name})
        return
    console().print(f"dropped {shown(name)}", soft_wrap=True)
