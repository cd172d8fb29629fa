"""`bailiwick policy test`: runs a project's tests of its rules, and says what they leave untested."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import groupby
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from bailiwick.cli.output import FOLDER, JSON_OPTION, console, decision_json, print_json, shown
from bailiwick.errors import UsageError, Where
from bailiwick.guard.planes import Planes
from bailiwick.policy.mutants import Mutant
from bailiwick.project.load import find_project, load_project
from bailiwick.testing import Coverage, Mutation, Ran, TestFile, junit, load_tests, measure, mutate, run

__all__ = ["test"]

_TESTS = "tests"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    """Everything that was asked for. `short` says which thresholds were missed."""

    results: tuple[Ran, ...]
    coverage: Coverage | None
    mutation: Mutation | None
    short: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.short and all(ran.passed for ran in self.results)


@click.command()
@FOLDER
@click.option("--file", "files", multiple=True, metavar="NAME", help="Only this file of tests/ (repeatable).")
@click.option("--filter", "pattern", help="Only tests whose title holds this text, or matches it as a pattern with *.")
@click.option("--junit", "junit_file", type=click.Path(path_type=Path, dir_okay=False), help="Write JUnit XML there.")
@click.option("--coverage", is_flag=True, help="Say which rules and conditions no test exercises.")
@click.option("--mutate", "mutation", is_flag=True, help="Say which mistakes in the rules no test would notice.")
@click.option("--min-coverage", type=click.FloatRange(0, 100), help="Fail below this percentage. Implies --coverage.")
@click.option("--min-score", type=click.FloatRange(0, 100), help="Fail below this percentage. Implies --mutate.")
@JSON_OPTION
def test(
    folder: Path | None,
    files: tuple[str, ...],
    pattern: str | None,
    junit_file: Path | None,
    coverage: bool,
    mutation: bool,
    min_coverage: float | None,
    min_score: float | None,
    as_json: bool,
) -> None:
    """Run the tests of a project's rules, tests/*.toml.

    Each test is a call, decided by identity, catalog, flow and rules as it would be in production; nothing is recorded
    and nobody is asked. Exit code: 0 all passed, 1 some failed or a threshold was missed, 2 they could not be run.
    """
    project = load_project(find_project(folder))
    tests = load_tests(_sources(project.folder, files), planes=project.planes)
    if pattern is not None and (mutation or min_score is not None):
        raise click.UsageError("--mutate judges all tests together: leave --filter out")
    results = run(project.planes, _chosen(tests, pattern), clock=time.perf_counter)
    if junit_file is not None:
        junit_file.write_text(junit(results), encoding="utf-8")
    passed = all(ran.passed for ran in results)
    measured = measure(project.planes, results) if coverage or min_coverage is not None else None
    # A test that fails already would seem to notice every mutant.
    mutated = _mutated(project.planes, tests, results) if passed and (mutation or min_score is not None) else None
    report = _Report(
        results=results, coverage=measured, mutation=mutated, short=_short(measured, mutated, min_coverage, min_score)
    )
    if as_json:
        print_json(_json(report))
    else:
        _print(report, unmutated=mutated is None and (mutation or min_score is not None))
    if not report.ok:
        raise click.exceptions.Exit(1)


def _sources(folder: Path, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The chosen files of tests/ with their texts."""
    found = {path.name: path for path in sorted((folder / _TESTS).glob("*.toml"))}
    if not found:
        where = Where(file=str(folder / _TESTS))
        raise UsageError("this project has no tests: there is no tests/*.toml", hint="write one", where=where)
    for name in names:
        if Path(name).name not in found:
            raise UsageError(f"tests/ has no file {name}", hint=f"there are: {', '.join(found)}")
    chosen = {Path(name).name for name in names} or found.keys()
    try:
        return tuple((f"{_TESTS}/{name}", path.read_text("utf-8")) for name, path in found.items() if name in chosen)
    except UnicodeDecodeError as error:
        raise UsageError(f"a file of tests/ is not UTF-8: {error.reason}", hint="save it as UTF-8") from None


def _chosen(tests: Sequence[TestFile], pattern: str | None) -> tuple[Any, ...]:
    cases = tuple(case for file in tests for case in file.cases)
    if pattern is None:
        return cases
    chosen = tuple(case for case in cases if pattern in case.title or fnmatchcase(case.title, pattern))
    if not chosen:
        raise UsageError(f"no test has a title like {pattern!r}", hint="without --filter all titles are printed")
    return chosen


def _mutated(planes: Planes, tests: Sequence[TestFile], results: tuple[Ran, ...]) -> Mutation:
    with _progress() as bar:
        task = bar.add_task("mutants", total=None)
        return mutate(
            planes,
            tests,
            results,
            started=lambda total: bar.update(task, total=total),
            tried=lambda: bar.advance(task),
        )


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on a terminal, nothing elsewhere; gone when it is done."""
    out = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as bar:
        yield bar


def _short(
    coverage: Coverage | None, mutation: Mutation | None, least_coverage: float | None, least_score: float | None
) -> tuple[str, ...]:
    found: list[str] = []
    if coverage and least_coverage is not None and coverage.percent < least_coverage:
        found.append(f"coverage {coverage.percent:.1f} % is below --min-coverage {least_coverage:g}")
    if least_score is not None and mutation is not None and mutation.score < least_score:
        found.append(f"mutation score {mutation.score:.1f} % is below --min-score {least_score:g}")
    return tuple(found)


# ── for people ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _print(report: _Report, *, unmutated: bool) -> None:
    out = console()
    for file, of_file in groupby(report.results, key=lambda ran: ran.case.file):
        out.print(f"[bold]{shown(file)}[/]", soft_wrap=True)
        for group, cells in groupby(of_file, key=lambda ran: ran.case.group or ran.case.name):
            _print_group(group, list(cells))
    failed = sum(not ran.passed for ran in report.results)
    style = "bold red" if failed else "green"
    out.print(f"[{style}]{len(report.results) - failed} passed, {failed} failed[/]")
    if report.coverage is not None:
        _print_coverage(report.coverage)
    if report.mutation is not None:
        _print_mutation(report.mutation)
    if unmutated:
        out.print("no mutants were tried: tests that fail already would seem to notice every mistake")
    for text in report.short:
        out.print(f"[bold red]{shown(text)}[/]")


def _print_group(group: str, results: Sequence[Ran]) -> None:
    out = console()
    failed = [ran for ran in results if not ran.passed]
    cells = f" ({len(results)} cells)" if results[0].case.group else ""
    out.print(f"  {'[bold red]FAILED[/]' if failed else '[green]ok[/]'} {shown(group)}{cells}", soft_wrap=True)
    for ran in failed:
        out.print(f"    {shown(str(ran.case.where))}: {shown(ran.case.asked.title)}", soft_wrap=True)
        for text in ran.wrong:
            out.print(f"      {shown(text)}", soft_wrap=True)
        out.print(f"      {shown(ran.decision.sentence())}", soft_wrap=True)


def _print_coverage(coverage: Coverage) -> None:
    out = console()
    outcomes = 2 * len(coverage.conditions)
    out.print(
        f"coverage {coverage.percent:.1f} %: {coverage.decided} of {len(coverage.rules)} rules decided, "
        f"{coverage.outcomes} of {outcomes} outcomes of conditions seen"
    )
    for rule in coverage.rules:
        if rule.missing:
            out.print(f"  {shown(str(rule.where))}: {shown(rule.id)} {rule.missing}", soft_wrap=True)
        for one in coverage.conditions:
            if one.rule == rule.id and one.missing:
                where, text = shown(str(one.where)), shown(one.text)
                out.print(f"  {where}: {shown(rule.id)}: `{text}` is {one.missing}", soft_wrap=True)


def _print_mutation(mutation: Mutation) -> None:
    out = console()
    out.print(
        f"mutation score {mutation.score:.1f} %: {mutation.killed} killed, {mutation.survived} survived, "
        f"{mutation.invalid} would not load"
    )
    for each in mutation.missing:
        out.print("[yellow]survived[/]")
        for mutant in each.mutants:
            out.print(f"  {shown(_mutant(mutant))}", soft_wrap=True)
        out.print(f"  missing test, for the end of {shown(each.file)}:", soft_wrap=True)
        for line in each.toml.splitlines():
            out.print(f"    {shown(line)}" if line else "", soft_wrap=True)
    if mutation.unshown:
        out.print("[yellow]survived, and no call was found that shows it[/]")
    for survivor in mutation.unshown:
        out.print(f"  {shown(_mutant(survivor.mutant))}", soft_wrap=True)
        out.print(f"    no distinguishing call among {survivor.tried} tried")


def _mutant(mutant: Mutant) -> str:
    return f"{mutant.where}: {mutant.rule}: {mutant.change}"


# ── for scripts ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _json(report: _Report) -> dict[str, Any]:
    told: dict[str, Any] = {
        "ok": report.ok,
        "passed": sum(ran.passed for ran in report.results),
        "failed": sum(not ran.passed for ran in report.results),
        "short": list(report.short),
        "tests": [
            {
                "file": ran.case.where.file,
                "line": ran.case.where.line,
                "title": ran.case.title,
                "principal": ran.case.asked.principal.name,
                "call": ran.case.asked.call.name,
                "context": ran.case.asked.context.name,
                "expected": ran.case.expected.outcome.value,
                "passed": ran.passed,
                "wrong": list(ran.wrong),
                "decision": decision_json(ran.decision),
            }
            for ran in report.results
        ],
    }
    if report.coverage is not None:
        told["coverage"] = _coverage_json(report.coverage)
    if report.mutation is not None:
        told["mutation"] = _mutation_json(report.mutation)
    return told


def _coverage_json(coverage: Coverage) -> dict[str, Any]:
    return {
        "percent": round(coverage.percent, 2),
        "rules": [
            {
                "id": rule.id,
                "file": rule.where.file,
                "line": rule.where.line,
                "scope": rule.scope,
                "decided": rule.decided,
            }
            for rule in coverage.rules
        ],
        "conditions": [
            {
                "rule": one.rule,
                "file": one.where.file,
                "line": one.where.line,
                "text": one.text,
                "whole": one.whole,
                "true": one.true,
                "false": one.false,
            }
            for one in coverage.conditions
        ],
    }


def _mutation_json(mutation: Mutation) -> dict[str, Any]:
    return {
        "score": round(mutation.score, 2),
        "killed": mutation.killed,
        "survived": mutation.survived,
        "invalid": mutation.invalid,
        "missing": [
            {"file": each.file, "toml": each.toml, "mutants": [_mutant_json(mutant) for mutant in each.mutants]}
            for each in mutation.missing
        ],
        "unshown": [{**_mutant_json(each.mutant), "tried": each.tried} for each in mutation.unshown],
    }


def _mutant_json(mutant: Mutant) -> dict[str, Any]:
    return {"rule": mutant.rule, "file": mutant.where.file, "line": mutant.where.line, "change": mutant.change}
