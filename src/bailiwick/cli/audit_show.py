"""`bailiwick audit show`: one event with all that belongs to it, or the latest ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from bailiwick.audit.envelope import plain_of
from bailiwick.audit.search_terms import Query
from bailiwick.audit.slices import Entry
from bailiwick.audit.trace import show as trace_show
from bailiwick.cli.audit_events import event_row
from bailiwick.cli.audit_indexed import indexed, session_of
from bailiwick.cli.audit_reading import LOG_DIR_OPTION, REVEAL_OPTION
from bailiwick.cli.output import JSON_OPTION, READER_OPTION, console, print_json, shown, shown_text, table
from bailiwick.stores.log_index import LogIndex

__all__ = ["show"]


@click.command("show")
@click.argument("event_id", required=False)
@READER_OPTION
@REVEAL_OPTION
@LOG_DIR_OPTION
@click.option("--session", help="Only this session: its key, or any part that no other has.")
@click.option("--would-deny", is_flag=True, help="Only calls that passed since their rules are only observed.")
@click.option("--last", type=click.IntRange(min=1), default=40, show_default=True, help="So many of the latest events.")
@JSON_OPTION
def show(
    event_id: str | None,
    person: str | None,
    reveal: bool,
    folder: Path | None,
    session: str | None,
    would_deny: bool,
    last: int,
    as_json: bool,
) -> None:
    """Show one event, with its contents if they are asked for, or the latest events. Exit code 1: refused."""
    with indexed(folder, person, reveal=reveal, as_json=as_json) as index:
        if event_id is None:
            entries = _latest(index, session, last, would_deny=would_deny)
            events = [event for entry in entries if (event := index.event(entry.id)) is not None]
            if as_json:
                print_json([plain_of(event) for event in events])
            else:
                console().print(table(("time", "id", "kind", "what", "outcome"), map(event_row, events)))
            return
        found = trace_show(index, event_id)
    if as_json:
        texts = {role: _text(data) for role, data in found.contents.items()} if reveal else {}
        withheld = [] if reveal else list(found.contents)
        related = [plain_of(event) for event in found.related]
        print_json({**plain_of(found.event), "contents": texts, "withheld": withheld, "related": related})
        return
    console().print_json(data=plain_of(found.event), ensure_ascii=True)
    for role, data in found.contents.items():
        text = shown_text(_text(data)) if reveal else "[dim](withheld; --reveal shows it)[/]"
        console().print(f"[bold]{shown(role)}[/]: {text}", soft_wrap=True)
    for event in found.related:
        console().print(f"related: {shown(' '.join(event_row(event)))}", soft_wrap=True)


def _latest(index: LogIndex, session: str | None, last: int, *, would_deny: bool) -> Iterator[Entry]:
    """So many of the latest events, oldest first."""
    wanted: dict[str, tuple[str, ...]] = {}
    if session is not None:
        wanted["session"] = (session_of(index, session).session,)
    if would_deny:
        wanted["outcome"] = ("would_deny", "would_ask")
    return reversed(index.search(Query(wanted=wanted), limit=last).items)


def _text(data: bytes | None) -> str:
    return "(no longer there)" if data is None else data.decode("utf-8", "replace")
