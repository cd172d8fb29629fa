"""`bailiwick audit why`: what led to an event, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from bailiwick.audit.slice_svg import picture
from bailiwick.audit.slices import MAX_NODES, MAX_STEPS, Direction, cut_out
from bailiwick.audit.trace import Why, decided, reasons
from bailiwick.audit.trace import why as trace_why
from bailiwick.cli.audit_events import event_row
from bailiwick.cli.audit_indexed import indexed
from bailiwick.cli.audit_reading import LOG_DIR_OPTION, REVEAL_OPTION, text_of
from bailiwick.cli.audit_slice import slice_json, slice_lines
from bailiwick.cli.audit_trace import decision_lines, why_json, why_lines, without_contents
from bailiwick.cli.out_file import OUT_PATH, new_file, not_there_yet
from bailiwick.cli.output import JSON_OPTION, READER_OPTION, console, print_json, shown
from bailiwick.errors import UsageError
from bailiwick.stores.log_index import LogIndex

__all__ = ["why"]


@click.command("why")
@click.argument("event_id")
@READER_OPTION
@REVEAL_OPTION
@LOG_DIR_OPTION
@click.option("--forward", is_flag=True, help="What came of it, in place of what led to it.")
@click.option("--steps", type=click.IntRange(1, 200), default=MAX_STEPS, show_default=True, help="So far from it.")
@click.option("--nodes", type=click.IntRange(1, 500), default=MAX_NODES, show_default=True, help="So many events.")
@click.option("--svg", type=OUT_PATH, help="A new file: the slice as a picture, too.")
@JSON_OPTION
def why(
    event_id: str,
    person: str | None,
    reveal: bool,
    folder: Path | None,
    forward: bool,
    steps: int,
    nodes: int,
    svg: Path | None,
    as_json: bool,
) -> None:
    """Say why a call was decided as it was, and follow what was recorded of its data back to where it came from.

    Of any other event: what led to it. With --forward: what came of it. Titles and names of what was read are contents,
    and so is what a reason quotes of the call: --reveal shows them. Exit code 1: refused.
    """
    not_there_yet(svg)
    direction = Direction.FORWARD if forward else Direction.BACK
    with indexed(folder, person, reveal=reveal, as_json=as_json) as index:
        found = cut_out(index, event_id, direction, steps=steps, nodes=nodes)
        if found is None:
            hint = "Ids of events stand in `bailiwick audit show`, in denials and in approval cards."
            raise UsageError(f"no log here has an event {event_id!r}", hint=hint)
        found = index.confirmed(found)
        told = _Told.of(index, event_id, reveal=reveal) if not forward else None
        if svg is not None:
            with new_file(svg) as file:
                file.write(picture(found).encode())
        if as_json:
            print_json({**(told.json if told else {}), "slice": slice_json(found)})
            return
        for line in (*(told.lines if told else ()), *slice_lines(found)):
            console().print(shown(line), soft_wrap=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What is said of the decision that an event belongs to."""

    lines: tuple[str, ...]
    json: dict[str, Any]

    @classmethod
    def of(cls, index: LogIndex, event_id: str, *, reveal: bool) -> _Told | None:
        """None for an event that belongs to no decision."""
        if decided(index, event_id) is None:
            return None
        trace = trace_why(index, event_id)
        return cls(lines=tuple(_lines(index, trace, reveal=reveal)), json=why_json(trace))


def _lines(index: LogIndex, trace: Why, *, reveal: bool) -> Iterator[str]:
    yield from decision_lines(
        trace.decision, reasons(index.content, trace.decision) if reveal else without_contents(trace.decision)
    )
    yield from (f"  {line}" for line in why_lines(trace, text_of(index) if reveal else lambda _: None))
    yield from (f"  then {' '.join(event_row(event))}" for event in trace.related)
