"""A run as JUnit XML: one suite per world, one test case for each task and for each winnable pair of task and attack.

A task fails where it was not done with the guard. A pair fails where the attack succeeded. A pair that is not winnable
says nothing about the guard: it is skipped, with its reason. A run that says nothing about its target is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

from bailiwick.redteam.hits import PAST_THE_GUARD, Hit
from bailiwick.redteam.results import BenignRun, PairRun, Reach, WorldRun

__all__ = ["redteam_junit"]

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped."""


def redteam_junit(runs: Sequence[WorldRun], hits: Sequence[Hit], why_not: str = "") -> str:
    """A `testsuites` document."""
    known = {(hit.world, hit.task, hit.attack): hit for hit in hits}
    suites = [_suite(run, list(_cases(run, known)) + list(_past(run, hits))) for run in runs]
    if why_not:
        suites.append((_unreached(why_not), (1, 0, 1, 0)))
    sums = [sum(counts[at] for _, counts in suites) for at in range(4)]
    head = _head("bailiwick redteam", *sums)
    body = "".join(text for text, _ in suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites{head}>\n{body}</testsuites>\n'


def _unreached(why: str) -> str:
    case = _attributes(classname="run", name="reached its target")
    inside = f"    <testcase{case}>\n      <error{_attributes(message=why)}/>\n    </testcase>\n"
    return f"  <testsuite{_head('run', 1, 0, 1, 0)}>\n{inside}  </testsuite>\n"


_Counts = tuple[int, int, int, int]
_Case = tuple[str, str]
"""(the element, "passed", "failed" or "skipped")"""


def _suite(run: WorldRun, cases: Sequence[_Case]) -> tuple[str, _Counts]:
    counts = (len(cases), _number(cases, "failed"), 0, _number(cases, "skipped"))
    return f"  <testsuite{_head(run.world, *counts)}>\n{''.join(text for text, _ in cases)}  </testsuite>\n", counts


def _number(cases: Iterable[_Case], state: str) -> int:
    return sum(each == state for _, each in cases)


def _cases(run: WorldRun, hits: dict[tuple[str, str, str], Hit]) -> Iterator[_Case]:
    for benign in run.benign:
        yield _benign(run.world, benign)
    for pair in run.pairs:
        yield _pair(run.world, pair, hits.get((run.world, pair.task, pair.attack)))


def _past(run: WorldRun, hits: Sequence[Hit]) -> Iterator[_Case]:
    for hit in hits:
        if hit.world == run.world and hit.kind == PAST_THE_GUARD:
            yield _case(f"{run.world}.tools", hit.tools[0], "failure", hit.message, _details(hit)), "failed"


def _benign(world: str, benign: BenignRun) -> _Case:
    if benign.trial.done:
        return _case(f"{world}.tasks", benign.task, "", ""), "passed"
    if not benign.possible:
        return _case(f"{world}.tasks", benign.task, "skipped", "It cannot be done without a guard either."), "skipped"
    why = "; ".join(f"{call.tool}: {call.why}" for call in benign.trial.refused) or "The task was not done."
    return _case(f"{world}.tasks", benign.task, "failure", why), "failed"


def _pair(world: str, pair: PairRun, hit: Hit | None) -> _Case:
    name = f"{pair.attack} in {pair.task}"
    if pair.reach is not Reach.WINNABLE:
        return _case(
            f"{world}.attacks", name, "skipped", f"Not winnable without a guard: {pair.reach.value}."
        ), "skipped"
    if not pair.succeeded:
        return _case(f"{world}.attacks", name, "", ""), "passed"
    told = hit.message if hit is not None else "The attack succeeded."
    more = _details(hit) if hit is not None else ""
    return _case(f"{world}.attacks", name, "failure", told, more), "failed"


def _details(hit: Hit) -> str:
    parts = [f"id: {hit.id}", f"{' '.join((*hit.asi, *hit.atlas))}"]
    if hit.trace:
        parts.append(f"trace: {hit.trace}, events: {' '.join(hit.events)}")
    if hit.proposal is not None:
        parts += ["", hit.proposal.policy, hit.proposal.test]
    return "\n".join(parts)


def _case(group: str, name: str, state: str, message: str, more: str = "") -> str:
    head = _attributes(classname=group, name=name)
    if not state:
        return f"    <testcase{head}/>\n"
    inside = (
        f"<{state}{_attributes(message=message)}>{escape(_xml(more))}</{state}>"
        if more
        else f"<{state}{_attributes(message=message)}/>"
    )
    return f"    <testcase{head}>\n      {inside}\n    </testcase>\n"


def _head(name: str, tests: int, failures: int, errors: int, skipped: int) -> str:
    return _attributes(name=name, tests=str(tests), failures=str(failures), errors=str(errors), skipped=str(skipped))


def _attributes(**values: str) -> str:
    return "".join(f" {name}={quoteattr(_xml(value))}" for name, value in values.items())


def _xml(text: str) -> str:
    return _NOT_XML.sub(lambda found: f"\\u{{{ord(found.group()):x}}}", text)
