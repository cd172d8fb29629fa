"""What only shows between the logs of a folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from bailiwick.audit.checkpoints import CHECKPOINTS_APART
from bailiwick.audit.kept import KeptHead
from bailiwick.audit.leftovers import unaccounted
from bailiwick.audit.report import FolderReport, Problem, Report

__all__ = ["cross_check", "heads_in"]


def heads_in(reports: Iterable[Report]) -> Mapping[str, tuple[KeptHead, ...]]:
    """What parent logs committed to, by log."""
    found: dict[str, tuple[KeptHead, ...]] = {}
    for report in reports:
        for log, heads in (report.family.heads if report.family else {}).items():
            found[log] = (*found.get(log, ()), *heads)
    return found


def cross_check(
    reports: Iterable[Report],
    warnings: Iterable[Problem] = (),
    *,
    parents: Iterable[Report] = (),
    known_now: frozenset[str] = frozenset(),
) -> FolderReport:
    """What only shows between logs: one that its parent does not know, an approval used in two of them or never
    granted, a standing grant used more often than it says, a call reconciled elsewhere.

    `known_now`: logs that were born since `parents` were read. What none of them says is a warning where one of them
    could not be read: it may say it."""
    logs, parents = tuple(reports), tuple(parents)
    reconciled = {decision for report in logs for decision in report.relations.reconciled}
    problems: list[Problem] = []
    unsaid: list[Problem] = []
    for problem in _approvals(logs):
        (problems if problem.code == "approval-twice" else unsaid).append(problem)
    for problem in _standing(logs):
        (problems if problem.code == "standing-overused" else unsaid).append(problem)
    unsaid += unaccounted(logs)
    family, unborn = _against_parents(parents, logs, known_now)
    for problem in family:
        (unsaid if problem.code == "unknown-log" else problems).append(problem)
    if not any(report.unreadable for report in (*logs, *parents)):
        problems, unsaid = [*problems, *unsaid], []
    unknown = tuple(call for report in logs for call in report.unknown if call.decision not in reconciled)
    late = _late(parents, logs)
    return FolderReport(
        logs=logs,
        parents=parents,
        problems=tuple(problems),
        warnings=(*warnings, *unsaid, *unborn, *late),
        unknown=unknown,
    )


def _approvals(logs: Sequence[Report]) -> Iterator[Problem]:
    granted = {approval for report in logs for approval in report.relations.granted}
    used: dict[str, str] = {}
    for report in logs:
        for approval, decision in report.relations.approvals.items():
            if approval in used:
                text = f"approval {approval} was used twice, by {used[approval]} and {decision}"
                yield Problem(code="approval-twice", message=text, event=decision)
            used[approval] = decision
            if approval not in granted:
                text = f"{decision} used approval {approval}, and no log records who granted it"
                yield Problem(code="approval-without-grant", message=text, event=decision)


def _standing(logs: Iterable[Report]) -> Iterator[Problem]:
    given: dict[str, int] = {}
    uses: Counter[str] = Counter()
    for report in logs:
        given |= report.relations.standing
        uses.update(report.relations.standing_uses)
    for grant, used in sorted(uses.items()):
        if grant not in given:
            text = f"standing grant {grant} was used, and no log records who gave it"
            yield Problem(code="standing-without-grant", message=text)
        elif used > given[grant]:
            text = f"standing grant {grant} was used {used} times, and is for {given[grant]}"
            yield Problem(code="standing-overused", message=text)


def _against_parents(
    parents: Sequence[Report], logs: Sequence[Report], known_now: frozenset[str]
) -> tuple[list[Problem], list[Problem]]:
    known = {log for report in parents if report.family for log in report.family.children} | known_now
    problems, warnings = [*_parents(parents, logs), *_uncovered(parents, logs)], []
    for report in logs:
        if report.log in known or not (parents or report.parents):
            continue
        if report.head[0] > 1:
            text = f"no parent log knows of {report.log}: it was put there, or the parent was set back"
            problems.append(Problem(code="unknown-log", message=text))
        elif report.head[0]:
            text = f"{report.log} was made and not yet born: a process ended there; it holds its opening alone"
            warnings.append(Problem(code="unborn", message=text))
    return problems, warnings


def _parents(parents: Sequence[Report], logs: Sequence[Report]) -> Iterator[Problem]:
    there = {report.log for report in parents}
    named = {parent: report.log for report in logs for parent in report.parents}
    for parent, log in sorted(named.items()):
        if parent not in there:
            yield Problem(code="parent-gone", message=f"the parent log {parent} is gone; {log} was born under it")
    owners: dict[tuple[str, str], str] = {}
    for report in parents:
        if report.owner in owners:
            text = f"{owners[report.owner]} and {report.log} are both the parent of {'/'.join(report.owner)}"
            yield Problem(code="several-parents", message=text)
        owners[report.owner] = report.log


def _uncovered(parents: Sequence[Report], logs: Sequence[Report]) -> Iterator[Problem]:
    """A log is closed after its last record got a checkpoint, in a project that signs them."""
    covered = {report.log: (report.head[0], report.covered) for report in logs}
    for parent in parents:
        children = parent.family.children.values() if parent.family and parent.checkpoints else ()
        for child in children:
            size, reach = covered.get(child.log, (0, 0))
            if child.closed and reach < child.size <= size:
                text = f"{child.log} was closed with {child.size} records; its checkpoints reach {reach}"
                yield Problem(code="checkpoint-gone", message=text, seq=reach)


def _late(parents: Sequence[Report], logs: Iterable[Report]) -> Iterator[Problem]:
    """Logs whose end has no checkpoint. A process that writes much and is killed leaves such a one too."""
    if not any(parent.checkpoints for parent in parents):
        return
    for report in logs:
        size, reach = report.head[0], report.covered
        if size - reach > CHECKPOINTS_APART:
            text = f"no checkpoint covers records {reach} to {size - 1} of {report.log}: killed there, or some removed?"
            yield Problem(code="checkpoint-late", message=text, seq=reach)
