"""Do the tests notice a mistake in the rules? Each mutant of the rules is put what the tests asked; one that every test
still agrees with has *survived*, and the test that is missing is looked for and written out.

Score = killed / (killed + survived). INVARIANT: a missing test is only written where the engine itself decided that
call differently under the mutant; pasted into its file, it kills the mutant. DESIGN §4 *tests*.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from bailiwick.guard.explaining.rehearsal import OtherRules, Rehearsed
from bailiwick.guard.planes import Planes
from bailiwick.model.decision import Decision
from bailiwick.policy.mutants import Mutant, mutants_of
from bailiwick.testing.candidates import Candidate, Candidates
from bailiwick.testing.expected import Expected, TestFile
from bailiwick.testing.run import Ran, by_link, complaints, deciding
from bailiwick.testing.write import Shown, case_toml

__all__ = ["Missing", "Mutation", "Survivor", "mutate"]


MOST_TRIED = 500
"""Calls that are tried for one survivor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survivor:
    """A mutant that no test notices, and that no call among `tried` would show either, if there is no `Missing`."""

    mutant: Mutant
    tried: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A test that kills `mutants`: `toml` is to be added at the end of `file`."""

    file: str
    toml: str
    mutants: tuple[Mutant, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """`invalid` mutants would not load; `missing` and `unshown` are the survivors, with and without a test for them."""

    killed: int
    invalid: int
    missing: tuple[Missing, ...]
    unshown: tuple[Survivor, ...]

    @property
    def survived(self) -> int:
        return sum(len(each.mutants) for each in self.missing) + len(self.unshown)

    @property
    def score(self) -> float:
        """Percent of the valid mutants that some test notices; 100 if there is none."""
        valid = self.killed + self.survived
        return 100 * self.killed / valid if valid else 100.0


def mutate(
    planes: Planes,
    files: Sequence[TestFile],
    results: Sequence[Ran],
    *,
    started: Callable[[int], object] = lambda total: total,
    tried: Callable[[], object] = lambda: None,
) -> Mutation:
    """Put every mutant what `results` (all of them passed) asked. `started` hears how many there are, `tried` of
    each."""
    mutants = mutants_of(planes.policy)
    started(len(mutants))
    search = _Search(planes=planes, candidates=Candidates(planes=planes, files=files))
    killed = invalid = 0
    for mutant in mutants:
        engine = mutant.engine(planes.policy)
        touched = mutant.touches(planes.policy)
        if engine is None:
            invalid += 1
            tried()
            continue
        mutated = OtherRules(planes=replace(planes, policy=engine))
        if _notices(results, mutated, touched):
            killed += 1
        else:
            search.add(mutant, mutated, touched)
        tried()
    return Mutation(killed=killed, invalid=invalid, missing=search.missing(), unshown=tuple(search.unshown))


def _notices(results: Sequence[Ran], mutated: OtherRules, touched: frozenset[str]) -> bool:
    """Whether some test fails under the mutant."""
    return any(
        complaints(ran.case.expected, ran.rehearsed.under(mutated)) for ran in results if _asks(ran.rehearsed, touched)
    )


def _asks(rehearsed: Rehearsed, touched: frozenset[str]) -> bool:
    asked = (step.judged.request for step in rehearsed.steps)
    return any(request is not None and request.tool in touched for request in asked)


def _judged(rehearsed: Rehearsed) -> bool:
    """Whether a test of it could pass: not if a fact is missing that the rules read."""
    return not complaints(Expected(outcome=rehearsed.decision.outcome), rehearsed.decision)


@dataclass(slots=True, kw_only=True)
class _Search:
    """Looks for calls that show survivors; one call may show several."""

    planes: Planes
    candidates: Candidates
    found: dict[Candidate, list[tuple[Mutant, Shown]]] = field(default_factory=dict)
    unshown: list[Survivor] = field(default_factory=list)

    def add(self, mutant: Mutant, mutated: OtherRules, touched: frozenset[str]) -> None:
        """Take the first call that shows the mutant, one whose outcome shows it before all others."""
        count = 0
        best: tuple[Shown, Candidate] | None = None
        for candidate in self.candidates:
            rehearsed = self.candidates.rehearsed(candidate)
            if not _asks(rehearsed, touched) or not _judged(rehearsed):
                continue
            if count == MOST_TRIED:
                break
            count += 1
            shown = _shown(rehearsed.decision, rehearsed.under(mutated))
            if shown is not None and (best is None or shown < best[0]):
                best = (shown, candidate)
                if shown is Shown.OUTCOME:
                    break
        if best is None:
            self.unshown.append(Survivor(mutant=mutant, tried=count))
        else:
            self.found.setdefault(best[1], []).append((mutant, best[0]))

    def missing(self) -> tuple[Missing, ...]:
        declared: set[tuple[str, str]] = set()
        made: list[Missing] = []
        for candidate, killed in self.found.items():
            decision = self.candidates.rehearsed(candidate).decision
            toml = case_toml(candidate, decision, shown={shown for _, shown in killed}, declared=declared)
            made.append(Missing(file=candidate.file.path, toml=toml, mutants=tuple(mutant for mutant, _ in killed)))
        return tuple(made)


def _shown(before: Decision, after: Decision) -> Shown | None:
    """What tells two decisions on a call apart, the plainest first; None if nothing does."""
    if before.outcome is not after.outcome:
        return Shown.OUTCOME
    if deciding(before) != deciding(after):
        return Shown.RULES
    return Shown.LINKS if by_link(before) != by_link(after) else None
