"""`bailiwick policy backtest`: decides recorded history again, by other rules or by those that decided it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bailiwick.cli.audit_reading import reading
from bailiwick.cli.output import (
    DIR_OPTION,
    JSON_OPTION,
    READER_OPTION,
    console,
    counted,
    outcome_style,
    print_json,
    shown,
    when,
)
from bailiwick.errors import UsageError
from bailiwick.guard.explaining.redeciding import Coverage
from bailiwick.guard.explaining.tallying import Example, Flipped, Lost, Tally
from bailiwick.model.decision import Outcome
from bailiwick.model.duration import duration_ms
from bailiwick.project import find_project
from bailiwick.project.backtest import Backtest, Rules, backtest, rules_at_hand
from bailiwick.project.load import PROJECT_FILE

__all__ = ["SINCE_OPTION", "backtest_", "since_us"]

SINCE_OPTION = click.option(
    "--since",
    metavar="TIME",
    help="Only decisions from then on: 2026-05-01, 2026-05-01T08:00Z, or 30d for so long ago.",
)
_EXAMPLES = 3
_WORDS = {
    Coverage.BEFORE_POLICY: "refused before any rule was asked",
    Coverage.NO_SNAPSHOT: "without a snapshot",
    Coverage.ERASED: "whose snapshot was erased",
    Coverage.UNREADABLE: "whose snapshot is not readable",
    Coverage.OTHER_RULES: "by rules that are not at hand",
    Coverage.UNFIT: "that do not fit the other catalog or directory",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ran:
    """One run over history. `stopped`: by whoever started it, before the end."""

    name: str
    tally: Tally
    seconds: float
    stopped: bool

    @property
    def ok(self) -> bool:
        """Something was decided again, and all of it came out as it was."""
        found = self.tally
        return bool(found.taken_again) and not found.flips and not found.lost


@click.command("backtest")
@click.option(
    "--bundle",
    "new",
    type=click.Path(path_type=Path, exists=True),
    help="The rules to decide by: a bundle file, or a project folder.",
)
@click.option("--recorded", is_flag=True, help="Decide by the rules that decided then: all must come out the same.")
@SINCE_OPTION
@click.option("--processes", type=click.IntRange(min=1), help="How many. Default: one for little, else one per core.")
@READER_OPTION
@DIR_OPTION
@JSON_OPTION
def backtest_(
    new: Path | None,
    recorded: bool,
    since: str | None,
    processes: int | None,
    person: str | None,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Decide recorded history again, and list every decision that would be another one, the widened ones first.

    Rules and gates are decided anew; identity, arguments, labels, budgets and facts are as they were recorded. Exit
    code: 0 all the same, 1 some differ, do not fit, or nothing could be decided again; 2 it could not be run or was
    stopped.
    """
    if new is None and not recorded:
        raise click.UsageError("say by which rules: --bundle NEW, or --recorded, or both")
    project = find_project(folder)
    start = since_us(since)
    runs: list[tuple[str, Backtest]] = []
    if recorded:
        at_hand = rules_at_hand(project)
        runs.append(("recorded", Backtest(folder=project, rules=None, at_hand=at_hand, since_us=start)))
    if new is not None:
        runs.append(("new", Backtest(folder=project, rules=_rules(new, project), since_us=start)))
    with reading(project, person, reveal=False, as_json=as_json):
        ran = [_run(name, what, processes) for name, what in runs]
    if as_json:
        print_json({one.name: _json(one) for one in ran})
    else:
        for one in ran:
            _print(one)
    if any(one.stopped for one in ran):
        raise click.exceptions.Exit(2)
    if not all(one.ok for one in ran):
        raise click.exceptions.Exit(1)


def since_us(text: str | None) -> int:
    """The time that is meant, in microseconds since the epoch; 0 for the beginning of history."""
    if text is None:
        return 0
    ago_ms = duration_ms(text)
    if ago_ms is not None:
        return max(0, time.time_ns() // 1000 - ago_ms * 1000)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no time", hint="write 2026-05-01, 2026-05-01T08:00Z or 30d") from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000_000)


def _rules(new: Path, project: Path) -> Rules:
    if not new.is_dir():
        return Rules(folder=project, bundle=new.read_bytes())
    if not (new / PROJECT_FILE).is_file():
        raise UsageError(f"{new} is not a project folder: it holds no {PROJECT_FILE}", hint="name a folder or a bundle")
    return Rules(folder=new)


def _run(name: str, what: Backtest, processes: int | None) -> _Ran:
    out = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    began, tally, stopped = time.perf_counter(), Tally(), False
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as bar:
        task = bar.add_task("records", total=None)
        found = backtest(
            what,
            processes=processes,
            seen=lambda done, total: bar.update(task, completed=done, total=total),
        )
        try:
            with closing(found) as so_far:
                for tally in so_far:  # noqa: B007 - the last one counts
                    pass
        except KeyboardInterrupt:
            stopped = True
    return _Ran(name=name, tally=tally, seconds=time.perf_counter() - began, stopped=stopped)


# ── for people ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _print(ran: _Ran) -> None:
    out, found = console(), ran.tally
    by = "by the rules that decided them" if ran.name == "recorded" else "by the new rules"
    out.print(f"[bold]{counted(found.decisions, 'decision')}[/] on record, decided again {by}", soft_wrap=True)
    if ran.stopped:
        out.print("[bold yellow]stopped early[/]: this is what was found so far")
    out.print(f"  {found.taken_again} decided again ({_percent(found)} %), {found.same} of them the same")
    for kind, word in _WORDS.items():
        if found.coverage[kind]:
            out.print(f"  {found.coverage[kind]} {word}", soft_wrap=True)
    if ran.name == "recorded":
        _print_reproduced(found)
    else:
        out.print(f"  [bold]{found.widened} widened[/], {found.narrowed} narrowed")
    for what, examples in found.ordered:
        _print_flip(what, examples)
    for lost, examples in found.ordered_lost:
        _print_lost(lost, examples)


def _print_reproduced(found: Tally) -> None:
    if not found.taken_again:
        console().print("[yellow]nothing could be decided again[/]")
    elif found.flips:
        console().print("[bold red]not reproduced[/]: these came out otherwise than they were recorded")
    else:
        console().print("[green]reproduced[/]: every one of them came out as it was recorded")


def _print_flip(what: Flipped, examples: Sequence[Example]) -> None:
    style = "bold red" if what.flip.widened else "yellow"
    was, now = _word(what.flip.was), _word(what.flip.now)
    console().print(
        f"[{style}]{was} → {now}[/] {len(examples)} of {shown(what.tool)}: "
        f"was {shown(', '.join(what.then) or '-')}, is {shown(', '.join(what.now) or '-')}",
        soft_wrap=True,
    )
    _print_examples(examples)


def _print_lost(what: Lost, examples: Sequence[Example]) -> None:
    was = Outcome(what.was)
    console().print(
        f"[cyan]{what.unfit.kind.value}[/] {len(examples)} of {shown(what.unfit.what)}: "
        f"was [{outcome_style(was)}]{_word(was)}[/], and is not known now",
        soft_wrap=True,
    )
    _print_examples(examples)


def _print_examples(examples: Sequence[Example]) -> None:
    for each in examples[:_EXAMPLES]:
        console().print(f"    {when(each.ts_us // 1000)} {each.event} {shown(each.chain)}", soft_wrap=True)
    if len(examples) > _EXAMPLES:
        console().print(f"    … and {len(examples) - _EXAMPLES} more; --json lists them")


def _word(outcome: Outcome) -> str:
    return "ask" if outcome is Outcome.NEEDS_APPROVAL else outcome.value


def _percent(found: Tally) -> str:
    """Rounded down, so that 100.0 means all."""
    share = 1000 * found.taken_again // found.decisions if found.decisions else 0
    return f"{share // 10}.{share % 10}"


# ── for scripts ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _json(ran: _Ran) -> dict[str, Any]:
    found = ran.tally
    return {
        "ok": ran.ok,
        "stopped": ran.stopped,
        "seconds": round(ran.seconds, 3),
        "records": found.events,
        "decisions": found.decisions,
        "coverage": {kind.value: found.coverage[kind] for kind in Coverage},
        "same": found.same,
        "widened": found.widened,
        "narrowed": found.narrowed,
        "flips": [
            {
                "was": what.flip.was.value,
                "now": what.flip.now.value,
                "widened": what.flip.widened,
                "tool": what.tool,
                "then_by": list(what.then),
                "now_by": list(what.now),
                "events": [each.event for each in examples],
            }
            for what, examples in found.ordered
        ],
        "unfit": [
            {
                "kind": lost.unfit.kind.value,
                "what": lost.unfit.what,
                "was": lost.was,
                "events": [each.event for each in examples],
            }
            for lost, examples in found.ordered_lost
        ],
    }
