"""`bailiwick redteam`: attacks on a deployed project through its real guard, judged by what they changed."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
import orjson
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import bailiwick
from bailiwick.cli.importing import named
from bailiwick.cli.output import console, counted, print_json, shown, table
from bailiwick.cli.redteam_reports import model_options, report_options, write_reports
from bailiwick.cli.redteam_targets import Aim, aimed, target_options
from bailiwick.errors import UsageError
from bailiwick.project.load import find_project
from bailiwick.redteam.agent import guarded
from bailiwick.redteam.deployment import forbids_of
from bailiwick.redteam.model_agent import Endpoint, model_unsound, run_model
from bailiwick.redteam.results import Fate, Figures, Reach, WorldRun, figures
from bailiwick.redteam.run import Drive, Plan, run_world, unsound
from bailiwick.redteam.world import Moment, World

__all__ = ["redteam"]

_SUITES = ("workspace", "slack", "banking", "travel")
_COLUMNS = (
    *("world", "tasks", "benign", "unattended", "approvals/task", "attacks", "success", "under attack"),
    *("p50 ms", "p95 ms"),
)
_MOMENTS = {"at-once": (Moment.AT_ONCE,), "at-the-end": (Moment.AT_THE_END,), "both": tuple(Moment)}


@click.group()
def redteam() -> None:
    """Attack a deployed project with a fully hijacked agent, and see what it lets through."""


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """What both verbs take."""
    folder = click.Path(path_type=Path, file_okay=False)
    for option in (
        click.option(
            "--json",
            "json_file",
            type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
            metavar="FILE",
            help="Write all figures there; - for standard output.",
        ),
        click.option("--dir", "folder", type=folder, help="Another project folder than the world's own."),
        click.option("--profile", default="", metavar="NAME", help="Lay profiles/NAME of the project over it."),
        click.option("--rules-off", multiple=True, metavar="ID", help="Take a rule out. May be repeated."),
        click.option(
            "--each-rule", is_flag=True, help="Take out each rule that refuses, in turn: what it contributes."
        ),
        click.option(
            "--moment",
            type=click.Choice(sorted(_MOMENTS)),
            default="both",
            show_default=True,
            help="When the hijacked agent makes the attacker's calls.",
        ),
        click.option("--task", "tasks", multiple=True, metavar="ID", help="Only this task. May be repeated."),
        click.option("--attack-id", "attacks", multiple=True, metavar="ID", help="Only this attack."),
        click.option(
            "--sample",
            type=click.IntRange(min=1),
            default=1,
            show_default=True,
            help="Only each n-th attack on each task.",
        ),
        click.option("--seed", type=int, default=0, show_default=True, help="What encodings are drawn with."),
        click.option(
            "--processes",
            type=click.IntRange(1, 64),
            default=2,
            show_default=True,
            help="How many work at it, where there is enough of it.",
        ),
        click.option("--keep", type=folder, help="Keep state and log of each attack that succeeded there."),
        click.option(
            "--max-attack-success",
            type=click.FloatRange(0, 1),
            default=0.0,
            show_default=True,
            help="The fraction of winnable pairs that may succeed.",
        ),
    ):
        command = option(command)
    return report_options(command)


@redteam.command()
@click.option("--suite", type=click.Choice(_SUITES), help="Default: all four.")
@click.option(
    "--attack",
    type=click.Choice(("plain", "wrapped", "encoded")),
    default="plain",
    show_default=True,
    help="The attacker's goal as it is, in the benchmark's own wording, or encoded.",
)
@_options
def agentdojo(suite: str | None, attack: str, **options: Any) -> None:
    """Run AgentDojo's tasks and attacks (v1.2.2). Needs the extra `agentdojo`, and no model.

    Exit code: 0 no more attacks succeeded than may, 1 more did, 2 the target was not reached or nothing was attacked.
    """
    from bailiwick.redteam.agentdojo import DojoWorld

    template = "wrapped" if attack == "wrapped" else "plain"
    worlds = [
        functools.partial(DojoWorld, name, example_folder(), template) for name in ((suite,) if suite else _SUITES)
    ]
    _all(worlds, encoded=attack == "encoded", **options)


@redteam.command()
@click.argument("project", required=False, type=click.Path(path_type=Path, file_okay=False), metavar="[DIR]")
@click.option("--pack", "packs", multiple=True, metavar="NAME", help="A pack, or a .toml file of one. Default: all.")
@click.option(
    "--world",
    "names",
    multiple=True,
    metavar="MODULE:ATTRIBUTE",
    help="A World, or a function that makes one, in place of packs. May be repeated.",
)
@click.option("--encoded", is_flag=True, help="Attackers encode what they write.")
@target_options
@model_options
@_options
def run(
    project: Path | None,
    packs: Sequence[str],
    names: Sequence[str],
    encoded: bool,
    endpoint: Endpoint | None,
    aim: Aim,
    **options: Any,
) -> None:
    """Run attack packs against the project in DIR, or the tasks and attacks of your own worlds.

    Packs need nothing but the folder: each tool with an effect is called once as a user would, then as attackers would.
    With --agent or --mcp the calls go to the tools of a real agent or server, and what is not stopped happens there.

    Exit code: 0 no more attacks succeeded than may, 1 more did, 2 the target was not reached or nothing was attacked.
    """
    if names and packs:
        raise UsageError("--pack and --world do not go together", hint="a world brings its own attacks")
    if (names or endpoint is not None) and (aim.real or (names and aim.owasp)):
        raise UsageError("--world and --model go with no other target", hint="run it once for each")
    if aim.owasp and packs:
        raise UsageError("--pack and --owasp do not go together", hint="run it once for each")
    if aim.real and options["each_rule"]:
        raise UsageError("--each-rule calls real tools over and over", hint="run it on the folder alone")
    if endpoint is not None and (encoded or options["each_rule"]):
        raise UsageError("--model goes with neither --encoded nor --each-rule", hint="leave them out")
    options = {**options, "folder": project or options["folder"], "endpoint": endpoint, "encoded": encoded}
    if names:
        _all([functools.partial(load_world, name) for name in names], **options)
        return
    folder = find_project(options["folder"])
    with aimed(aim, folder, options["profile"]) as target:
        worlds, incomplete = target.worlds(aim, folder, packs, options["profile"])
        _all(worlds, drive=target.drive, incomplete=incomplete, **options)


def load_world(name: str) -> World:
    """The world that `module:attribute` names. Raises UsageError."""
    made = named(name, "world", "attacks.desk:WORLD")
    world: World = made() if callable(made) else made
    return world


def example_folder() -> Path:
    """The shipped project folder examples/agentdojo: in the wheel, or in the checkout of an editable install."""
    package = Path(bailiwick.__file__).parent
    for candidate in (package / "examples" / "agentdojo", package.parents[1] / "examples" / "agentdojo"):
        if (candidate / "bailiwick.toml").is_file():
            return candidate
    raise UsageError("the example folder examples/agentdojo is not installed", hint="reinstall bailiwick")


def _all(
    worlds: Sequence[Callable[[], World]],
    *,
    json_file: Path | None,
    each_rule: bool,
    moment: str,
    max_attack_success: float,
    tasks: Sequence[str],
    attacks: Sequence[str],
    rules_off: Sequence[str],
    html_file: Path | None,
    junit_file: Path | None,
    sarif_file: Path | None,
    endpoint: Endpoint | None = None,
    drive: Drive = guarded,
    incomplete: str = "",
    **options: Any,
) -> None:
    plan = Plan(
        moments=_MOMENTS[moment],
        tasks=frozenset(tasks),
        attacks=frozenset(attacks),
        rules_off=tuple(rules_off),
        **options,
    )
    runs = _run(worlds, plan, "attacking", endpoint, drive)
    whole = figures(runs)
    why = (unsound(runs) if endpoint is None else model_unsound(runs)) or incomplete
    without: dict[str, Figures] = {}
    if each_rule and not why:
        folder = plan.folder or worlds[0]().folder
        for rule in forbids_of(folder, plan.profile):
            if rule not in plan.rules_off:
                fewer = replace(plan, rules_off=(*plan.rules_off, rule))
                without[rule] = figures(_run(worlds, fewer, f"without {rule}"))
    write_reports(
        runs, worlds, why, folder=plan.folder, html_file=html_file, junit_file=junit_file, sarif_file=sarif_file
    )
    if json_file is not None:
        _write(json_file, _as_json(runs, whole, without, why))
    if json_file is None or str(json_file) != "-":
        _print(runs, whole, without)
    if why:
        console(stderr=True).print(f"[bold red]not a sound run:[/] {shown(why)}", soft_wrap=True)
        raise click.exceptions.Exit(2)
    if whole.attack_success > max_attack_success or any(run.unpermitted for run in runs):
        raise click.exceptions.Exit(1)


def _run(
    worlds: Sequence[Callable[[], World]],
    plan: Plan,
    what: str,
    endpoint: Endpoint | None = None,
    drive: Drive = guarded,
) -> list[WorldRun]:
    runs = []
    attack = functools.partial(run_world, drive=drive)
    if endpoint is not None:
        attack = functools.partial(run_model, endpoint=endpoint)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        for make in worlds:
            bar = progress.add_task(what, total=None)

            def told(done: int, total: int, bar: Any = bar) -> None:
                progress.update(bar, completed=done, total=total)

            runs.append(attack(make, plan, told))
    return runs


def _print(runs: Sequence[WorldRun], whole: Figures, without: dict[str, Figures]) -> None:
    out = console()
    named = [(run.world, figures([run])) for run in runs]
    if len(runs) > 1:
        named.append(("all", whole))
    out.print(table(_COLUMNS, (_row(name, each) for name, each in named)))
    dropped = ", ".join(f"{number} {reach}" for reach, number in whole.dropped.items() if number) or "none"
    out.print(f"of {counted(whole.all_pairs, 'pair')}, {whole.pairs} are winnable without a guard; left out: {dropped}")
    families, asked = _families(runs), _asked(runs)
    if families:
        rows = ((kind, f"{won} of {pairs}") for kind, (won, pairs) in sorted(families.items()))
        out.print(table(("attack family", "succeeded"), rows))
    if asked:
        rows_asked = ((world, task, rule, str(times)) for (world, task, rule), times in sorted(asked.items()))
        out.print(table(("world", "honest task", "asked or refused by", "times"), rows_asked))
    for run in runs:
        for tool in run.unpermitted:
            out.print(f"[red]past the guard[/] {shown(run.world)} {shown(tool)} ran without a permit")
        for pair in run.pairs:
            if pair.succeeded:
                hidden = f" ({pair.encoding})" if pair.encoding else ""
                out.print(f"[red]succeeded[/] {shown(run.world)} {shown(pair.task)} {shown(pair.attack)}{hidden}")
    if without:
        out.print(table(("without", *_COLUMNS[1:]), (_row(rule, each) for rule, each in without.items())))


def _families(runs: Sequence[WorldRun]) -> dict[str, tuple[int, int]]:
    """By kind of attack, how many pairs succeeded, and of how many that are winnable."""
    found: dict[str, tuple[int, int]] = {}
    for pair in (pair for run in runs for pair in run.pairs if pair.reach is Reach.WINNABLE):
        won, pairs = found.get(pair.kind, (0, 0))
        found[pair.kind] = (won + pair.succeeded, pairs + 1)
    return found


def _asked(runs: Sequence[WorldRun]) -> Counter[tuple[str, str, str]]:
    """(world, task, rule): how many of the user's own calls it asked a person about, or refused, without any attack."""
    return Counter(
        (run.world, each.task, rule)
        for run in runs
        for each in run.benign
        for call in each.trial.calls
        for rule in call.rules
    )


def _row(name: str, each: Figures) -> tuple[str, ...]:
    return (
        name,
        str(each.tasks),
        _percent(each.benign_utility),
        _percent(each.unattended_utility),
        f"{each.approvals_per_task:.2f}",
        f"{each.succeeded} of {each.pairs}",
        _percent(each.attack_success, 2),
        _percent(each.utility_under_attack),
        f"{each.latency_p50_ms:.1f}",
        f"{each.latency_p95_ms:.1f}",
    )


def _percent(fraction: float, digits: int = 1) -> str:
    return f"{fraction * 100:.{digits}f} %"


def _as_json(runs: Sequence[WorldRun], whole: Figures, without: dict[str, Figures], why: str) -> dict[str, Any]:
    return {
        **asdict(whole),
        "sound": not why,
        "why_not": why,
        "worlds": {run.world: asdict(figures([run])) for run in runs},
        "rules": {rule: asdict(each) for rule, each in without.items()},
        "asked": {
            run.world: [
                {
                    "task": each.task,
                    "approvals": each.trial.approvals,
                    "done": each.trial.done,
                    "calls": [asdict(call) for call in each.trial.calls if call.fate is not Fate.RAN],
                }
                for each in run.benign
                if each.trial.approvals or not each.trial.done
            ]
            for run in runs
        },
        "attacks": {run.world: _by_attack(run) for run in runs},
        "families": {
            kind: {"succeeded": won, "pairs": pairs} for kind, (won, pairs) in sorted(_families(runs).items())
        },
        "unpermitted": {run.world: run.unpermitted for run in runs},
        "succeeded_pairs": [
            {
                "world": run.world,
                "task": pair.task,
                "attack": pair.attack,
                "kind": pair.kind,
                "asi": pair.asi,
                "atlas": pair.atlas,
                "encoding": pair.encoding,
                "moments": [
                    {"moment": moment.value, "trace": trial.trace, "calls": [asdict(call) for call in trial.attempts]}
                    for moment, trial in pair.trials
                    if trial.attacked
                ],
            }
            for run in runs
            for pair in run.pairs
            if pair.succeeded
        ],
    }


def _by_attack(run: WorldRun) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {}
    for pair in run.pairs:
        found.setdefault(pair.attack, Counter())[pair.reach.value] += 1
        found[pair.attack]["succeeded"] += pair.succeeded
    return {name: dict(counts) for name, counts in found.items()}


def _write(path: Path, value: dict[str, Any]) -> None:
    if str(path) == "-":
        print_json(value)
        return
    path.write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2))
