"""`bailiwick policy diff` and `bailiwick policy prove`: what a change grants, and what rules can never allow.

The solver is an extra and takes a moment to load, so it is imported by the verb that needs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bailiwick.cli.output import FOLDER, JSON_OPTION, console, print_json, shown
from bailiwick.cli.policy_changes import declared_changes, unseen_changes
from bailiwick.project.load import Project, find_project, load_project

if TYPE_CHECKING:
    from bailiwick.policy.prove.diff import Diff, Finding
    from bailiwick.policy.prove.people import Newcomer
    from bailiwick.policy.prove.proving import Proof
    from bailiwick.policy.prove.witness import Answer, Case, Side

__all__ = ["diff", "prove"]

_TIMEOUT = click.option(
    "--timeout",
    type=click.FloatRange(min=0.01, max=3600),
    default=10.0,
    show_default=True,
    help="Seconds for each question to the solver. What takes longer needs review.",
)
_OLD = click.Path(path_type=Path, file_okay=False, exists=True)
_TITLES = {
    "newly-allowed": ("bold red", "newly allowed"),
    "newly-with-approval": ("yellow", "newly allowed with an approval"),
    "approval-weaker": ("yellow", "allowed with a weaker approval than before"),
    "needs-review": ("magenta", "needs review"),
    "newly-denied": ("dim", "no longer allowed"),
}
_LEVELS = ("denied", "allowed once approved", "allowed")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_STYLES = {"proved": "green", "refuted": "bold red", "needs-review": "magenta"}


@click.command()
@click.argument("old", type=_OLD, metavar="OLD")
@click.argument("new", required=False, type=click.Path(path_type=Path, file_okay=False), metavar="[NEW]")
@_TIMEOUT
@JSON_OPTION
def diff(old: Path, new: Path | None, timeout: float, as_json: bool) -> None:
    """Say what the rules of NEW grant that those of OLD did not, each with a call that shows it.

    OLD and NEW are project folders; NEW defaults to the nearest one upwards. Needs the extra `prove`. Exit code: 0
    nothing new is granted, 1 something is or needs review, 2 it could not be answered.
    """
    from bailiwick.policy.prove.diff import Change, compare

    before, after = load_project(find_project(old)), load_project(find_project(new))
    found = compare(_side(before), _side(after), timeout_ms=int(timeout * 1000))
    declared = (Change(what=what, review=False) for what in declared_changes(before, after))
    unseen = (Change(what=what, review=True) for what in unseen_changes(before, after))
    found = replace(found, changes=(*found.changes, *declared, *unseen))
    if as_json:
        print_json(_diff_json(found))
    else:
        _print_diff(found)
    if not found.grants_nothing:
        raise click.exceptions.Exit(1)


@click.command()
@FOLDER
@_TIMEOUT
@JSON_OPTION
def prove(folder: Path | None, timeout: float, as_json: bool) -> None:
    """Prove the [[properties]] of bailiwick.toml for every call that the rules could ever be asked about.

    Needs the extra `prove`. Exit code: 0 all are proved, 1 one is refuted or needs review, 2 they could not be read.
    """
    from bailiwick.policy.prove.proving import Result
    from bailiwick.policy.prove.proving import prove as proofs_of

    project = load_project(find_project(folder))
    properties = project.settings.sections["properties"]
    proofs = proofs_of(_side(project), properties, timeout_ms=int(timeout * 1000))
    if as_json:
        print_json({"ok": all(each.result is Result.PROVED for each in proofs), "properties": _proofs_json(proofs)})
    else:
        _print_proofs(proofs)
    if any(each.result is not Result.PROVED for each in proofs):
        raise click.exceptions.Exit(1)


def _side(project: Project) -> Side:
    from bailiwick.policy.prove.witness import Side

    return Side(engine=project.planes.policy.enforced, directory=project.planes.directory)


def _print_diff(found: Diff) -> None:
    out = console()
    for finding in found.findings:
        style, title = _TITLES[finding.kind.value]
        out.print(f"[{style}]{title}[/]: {shown(finding.tool)}, for {_article(finding.principal.value)}")
        if finding.why:
            out.print(f"  why     {shown(finding.why)}")
        if finding.case is not None and finding.before is not None and finding.after is not None:
            _print_case(finding.case)
            out.print(f"  before  {shown(_said(finding.before))}")
            out.print(f"  after   {shown(_said(finding.after))}")
            for way in finding.weaker:
                out.print(f"  weaker  {shown(way)}", soft_wrap=True)
            if finding.kind.grants and not finding.why:
                out.print(f"  reach   {_reach(whole=finding.whole)}")
    for change in found.changes:
        out.print(f"[{'magenta' if change.review else 'dim'}]also changed[/]: {shown(change.what)}")
    grave = sum(each.kind.grants for each in found.findings) + sum(each.review for each in found.changes)
    asked = f"{found.asked} tool(s) compared, {found.same} the same as before"
    if found.grants_nothing:
        out.print(f"[green]nothing new is granted[/]: {asked}")
    else:
        out.print(f"[bold red]{grave} finding(s)[/]: {asked}")


def _reach(*, whole: bool) -> str:
    if whole:
        return "the whole call: the other links of this chain are permitted too"
    return "this link only: no chain was found whose other links are permitted too"


def _print_proofs(proofs: tuple[Proof, ...]) -> None:
    out = console()
    for proof in proofs:
        style = _STYLES[proof.result.value]
        out.print(
            f"[{style}]{proof.result.value}[/]: {shown(proof.property.name)}  ({shown(str(proof.property.where))})"
        )
        if proof.why:
            out.print(f"  why     {shown(proof.why)}")
        if proof.case is not None and proof.answer is not None:
            _print_case(proof.case)
            out.print(f"  Cedar   {shown(_said(proof.answer))}")
            out.print(f"  reach   {_reach(whole=proof.whole)}")
    if not proofs:
        out.print("no properties are declared: write [[properties]] into bailiwick.toml")


def _print_case(case: Case) -> None:
    out = console()
    out.print(f"  chain   {shown(str(case.chain))}, of which {shown(str(case.link))} was asked")
    out.print(f"  call    {shown(case.tool)} on {shown(case.resource.id)}")
    for name, value in _facts(case).items():
        out.print(f"  where   {shown(name)} is {shown(_text(value))}")
    for line in _time(case):
        out.print(f"  time    {shown(line)}")
    for each in case.newcomers:
        out.print(f"  who     {shown(_who(each))}")


def _time(case: Case) -> Iterator[str]:
    """When it is, where rules look at the hours; what it is called before and after a change of `[hours]`."""
    said = [_hour(each) for each in case.hours]
    if len(set(said)) == 1:
        yield said[0]
    elif said:
        yield from (f"{what}: {text}" for what, text in zip(("before", "after"), said, strict=True))


def _hour(hours: Mapping[str, object]) -> str:
    match hours:
        case {"weekday": int(weekday), "minute": int(minute), "working": working}:
            time = f"{_DAYS[weekday - 1]} {minute // 60:02}:{minute % 60:02} (minute {minute})"
            return f"{time}, {'working time' if working else 'not working time'}"
        case _:
            return "no [hours] are declared, so it is never working time"


def _facts(case: Case) -> dict[str, object]:
    """What the rules looked at in this call."""
    found = dict(case.shown)
    if case.approved:
        found["context.approved"] = tuple(sorted(case.approved))
    return found


def _who(newcomer: Newcomer) -> str:
    inside = [f"in {ref}" for ref in newcomer.direct]
    facts = [f"{name} {_text(value)}" for name, value in newcomer.attrs.items()]
    return f"{newcomer.ref} stands for anybody new: {', '.join([*inside, *facts]) or 'nothing special'}"


def _text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value}"'
        case tuple():
            return "[" + ", ".join(_text(each) for each in value) + "]"
        case _:
            return str(value)


def _said(answer: Answer) -> str:
    rules = " and ".join(f'"{name}"' for name in answer.policies)
    level = _LEVELS[answer.level]
    if answer.errors:
        return f"{level}: {answer.errors[0]}"
    return f"{level} by {rules}" if rules else f"{level}: no rule permits it"


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'AEIOU' and kind != 'User' else 'a'} {kind.lower()}"


def _diff_json(found: Diff) -> dict[str, Any]:
    return {
        "ok": found.grants_nothing,
        "compared": found.asked,
        "unchanged": found.same,
        "findings": [_finding_json(each) for each in found.findings],
        "changes": [{"what": each.what, "review": each.review} for each in found.changes],
    }


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind.value,
        "tool": finding.tool,
        "principal": finding.principal.value,
        "whole_call": finding.whole,
        "why": finding.why,
        "weaker": list(finding.weaker),
        "before": _answer_json(finding.before),
        "after": _answer_json(finding.after),
        "example": _case_json(finding.case),
    }


def _proofs_json(proofs: tuple[Proof, ...]) -> list[dict[str, Any]]:
    return [
        {
            "name": proof.property.name,
            "result": proof.result.value,
            "file": proof.property.where.file,
            "line": proof.property.where.line,
            "whole_call": proof.whole,
            "why": proof.why,
            "answer": _answer_json(proof.answer),
            "example": _case_json(proof.case),
        }
        for proof in proofs
    ]


def _answer_json(answer: Answer | None) -> dict[str, Any] | None:
    if answer is None:
        return None
    return {"level": answer.level.name.lower(), "policies": list(answer.policies), "gates": list(answer.gates)}


def _case_json(case: Case | None) -> dict[str, Any] | None:
    if case is None:
        return None
    return {
        "tool": case.tool,
        "chain": [str(ref) for ref in case.chain.links],
        "link": str(case.link),
        "resource": str(case.resource),
        "approved": sorted(case.approved),
        "facts": dict(_plain(case.shown)),
        "now_ms": case.now_ms,
        "hours": [dict(each) for each in case.hours],
        "newcomers": [
            {
                "who": str(each.ref),
                "in": [str(ref) for ref in each.direct],
                "attributes": dict(each.attrs),
            }
            for each in case.newcomers
        ],
    }


def _plain(facts: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in facts.items():
        yield name, list(value) if isinstance(value, tuple) else value
