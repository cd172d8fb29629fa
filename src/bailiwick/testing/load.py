"""tests/*.toml as values. Nothing in a test file is skipped: a name that is not declared, a key that nobody reads, a
part that no test uses, an expectation that is given twice and a file that tests nothing are findings with their line.

A matrix expects a denial of every cell that its `expect` does not list. A `[[case]]` may say more of a cell of a matrix
(which rules, which reason), but not another outcome. DESIGN §3 promise 2, §4 *tests*.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from bailiwick.errors import Finding, ProjectError, Where
from bailiwick.guard.planes import Planes
from bailiwick.model.decision import Outcome
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.toml_entries import Entry, Problems
from bailiwick.model.toml_lines import TomlText
from bailiwick.testing.expected import PLAIN, Asked, Case, Context, Expected, NamedCall, Principal, TestFile
from bailiwick.testing.read import Reader, clock_of

__all__ = ["load_tests"]

_KEYS = ("now", "principals", "calls", "contexts", "matrix", "case")
_SECTIONS = ("principals", "calls", "contexts")
_OUTCOMES = ", ".join(f'"{outcome}"' for outcome in Outcome)

T = TypeVar("T")


def load_tests(sources: Sequence[tuple[str, str]], *, planes: Planes) -> tuple[TestFile, ...]:
    """The test files of a project, each given by its path and text. Raises ProjectError with every finding."""
    findings: list[Finding] = []
    files: list[TestFile] = []
    for path, text in sources:
        try:
            files.append(_file(path, text, planes))
        except ProjectError as error:
            findings += error.findings
    if findings:
        raise ProjectError(findings)
    return tuple(files)


def _file(path: str, text: str, planes: Planes) -> TestFile:
    problems = Problems(text=TomlText.parse(path, text))
    data = problems.text.data
    for key in data:
        if key not in _KEYS:
            problems.note("unknown-key", f"a test file has no '{key}'", key, hint=did_you_mean(key, _KEYS))
    now_us = None
    if "now" in data:
        now_us = clock_of(problems, data["now"], "now")
    else:
        hint = 'write now = "2026-03-02T10:15:00Z" at the top: tests never read the real clock'
        problems.note("missing-clock", "this file of tests has no 'now'", hint=hint)
    reader = Reader(planes=planes, problems=problems, now_us=now_us or 0)
    parts = _Parts(
        problems=problems,
        planes=planes,
        now_us=now_us or 0,
        principals=reader.principals(),
        calls=reader.calls(),
        contexts=reader.contexts(),
    )
    cases = parts.cases()
    if not cases and not problems.found:
        hint = "add a [[matrix]] or a [[case]], or remove the file"
        problems.note("no-tests", "this file tests nothing", hint=hint)
    if not problems.found:
        parts.note_unused(cases)
    if problems.found:
        raise ProjectError(problems.found)
    return TestFile(
        path=path,
        now_us=now_us or 0,
        principals=parts.principals,
        calls=parts.calls,
        contexts=parts.contexts,
        cases=cases,
    )


@dataclass(slots=True, kw_only=True)
class _Parts:
    """The declared names of a file, and its tests being read."""

    problems: Problems
    planes: Planes
    now_us: int
    principals: Mapping[str, Principal]
    calls: Mapping[str, NamedCall]
    contexts: Mapping[str, Context]
    known: dict[tuple[str, str, str], Case] = field(default_factory=dict)
    """The cells of matrices, and then of cases."""

    def cases(self) -> tuple[Case, ...]:
        """Every cell of every matrix, then every case."""
        found: list[Case] = []
        names: set[str] = set()
        for index, table in self._tables("matrix"):
            entry = Entry(problems=self.problems, path=("matrix", index), table=table)
            found += self._matrix(entry, index, names)
        detailed: dict[tuple[str, str, str], Case] = {}
        for index, table in self._tables("case"):
            case = self._case(index, table)
            if case is not None and self._agrees(case, detailed):
                detailed[case.asked.key] = case
                found.append(case)
        return tuple(found)

    def note_unused(self, cases: Collection[Case]) -> None:
        used = {
            "principals": {case.asked.principal.name for case in cases},
            "calls": {case.asked.call.name for case in cases},
            "contexts": {case.asked.context.name for case in cases},
        }
        for section in _SECTIONS:
            for name in self.problems.text.data.get(section, {}):
                if name not in used[section]:
                    message = f"[{section}.{name}] is used by no test"
                    self.problems.note("unused-part", message, section, name, hint="use it in a test, or remove it")

    def _tables(self, key: str) -> Iterator[tuple[int, Mapping[str, object]]]:
        given = self.problems.text.data.get(key, [])
        if not isinstance(given, list) or any(not isinstance(each, dict) for each in given):
            self.problems.note("wrong-type", f"'{key}' is not a list of tables", key, hint=f"write [[{key}]]")
            return
        yield from enumerate(given)

    # ── matrices ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _matrix(self, entry: Entry, index: int, names: set[str]) -> Iterator[Case]:
        told = _Told(entry=entry, problems=self.problems, path=("matrix", index))
        name = entry.string("name")
        if not name.strip():
            told.note("missing-key", "a matrix has no 'name'", hint='add name = "…": reports call its cells by it')
        elif name in names:
            told.note("repeated", f"two matrices are called '{name}'", "name", hint="give each a name of its own")
        names.add(name)
        principals = told.chosen("principals", self.principals, "principal")
        calls = told.chosen("calls", self.calls, "call")
        context = self._context(entry, told)
        expect = self._expect(entry, told, principals, calls)
        told.done()
        for principal in principals:
            for call in calls:
                asked = self._asked(principal, call, context)
                outcome = expect.get((principal.name, call.name), Outcome.DENY)
                case = Case(
                    file=self.problems.text.path,
                    group=name,
                    name=asked.title,
                    where=told.where("expect", principal.name, call.name),
                    asked=asked,
                    expected=Expected(outcome=outcome),
                )
                first = self.known.setdefault(asked.key, case)
                if first is not case:
                    message = f"{asked.title} is in '{name}' and in the matrix at {first.where}"
                    told.note("duplicate-expectation", message, hint="say once what is expected of it")
                yield case

    def _expect(
        self, entry: Entry, told: _Told, principals: Sequence[Principal], calls: Sequence[NamedCall]
    ) -> dict[tuple[str, str], Outcome]:
        entry.asked.add("expect")
        given = entry.table.get("expect", {})
        found: dict[tuple[str, str], Outcome] = {}
        if not isinstance(given, dict):
            hint = 'write expect = { alice = { mail-customer = "allow" } }'
            told.note("wrong-type", "'expect' is not a table", "expect", hint=hint)
            return {}
        own, theirs = {each.name for each in principals}, {each.name for each in calls}
        for who, cells in given.items():
            if who not in own:
                message = f"'expect' names '{who}', which is no principal of this matrix"
                told.note("outside-matrix", message, "expect", who, hint=did_you_mean(who, own))
            if not isinstance(cells, dict):
                hint = f'write {who} = {{ some-call = "allow" }}'
                told.note("wrong-type", f"what is expected of '{who}' is not a table", "expect", who, hint=hint)
                continue
            for what, outcome in cells.items():
                if what not in theirs:
                    message = f"'expect' names '{what}', which is no call of this matrix"
                    told.note("outside-matrix", message, "expect", who, what, hint=did_you_mean(what, theirs))
                found[(who, what)] = told.outcome(outcome, "expect", who, what)
        return found

    # ── cases ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _case(self, index: int, table: Mapping[str, object]) -> Case | None:
        entry = Entry(problems=self.problems, path=("case", index), table=table)
        told = _Told(entry=entry, problems=self.problems, path=("case", index))
        name = entry.string("name")
        principal = told.one("principal", self.principals)
        call = told.one("call", self.calls)
        context = self._context(entry, told)
        entry.asked.add("outcome")
        if "outcome" not in table:
            told.note("missing-key", "a case has no 'outcome'", hint=f"it is one of {_OUTCOMES}")
        expected = Expected(
            outcome=told.outcome(table.get("outcome", Outcome.DENY.value), "outcome"),
            policies=told.ids("policies", self.planes.policy.policies, "rule"),
            reason=entry.string("reason"),
            gates=told.ids("gates", self.planes.policy.policies, "rule"),
            links=self._links(entry, told, principal),
        )
        told.done()
        if principal is None or call is None:
            return None
        asked = self._asked(principal, call, context)
        return Case(
            file=self.problems.text.path,
            group="",
            name=name or asked.title,
            where=told.where(),
            asked=asked,
            expected=expected,
        )

    def _agrees(self, case: Case, detailed: Mapping[tuple[str, str, str], Case]) -> bool:
        """Whether the case may stand beside what is said of its cell already; notes it if not."""
        other = detailed.get(case.asked.key)
        if other is not None:
            message = f"{case.asked.title} has a case already, at {other.where}"
            self.problems.found.append(
                Finding(rule="duplicate-expectation", message=message, where=case.where, hint="join the two")
            )
            return False
        cell = self.known.get(case.asked.key)
        if cell is not None and cell.expected.outcome is not case.expected.outcome:
            message = (
                f"{case.asked.title} should be '{case.expected.outcome}' here, and '{cell.expected.outcome}' in the "
                f"matrix at {cell.where}"
            )
            hint = "say the same in both; a cell that a matrix does not list is expected to be denied"
            self.problems.found.append(Finding(rule="contradiction", message=message, where=case.where, hint=hint))
            return False
        return True

    def _links(self, entry: Entry, told: _Told, principal: Principal | None) -> Mapping[str, frozenset[str]]:
        entry.asked.add("links")
        given = entry.table.get("links", {})
        if not isinstance(given, dict) or any(not isinstance(each, list) for each in given.values()):
            hint = 'write links = { alice = ["support-staff"], support-bot = [] }'
            told.note("wrong-type", "'links' is not a table of lists of rules", "links", hint=hint)
            return {}
        chain = _links_of(principal) if principal else given.keys()
        for link, names in given.items():
            if link not in chain:
                message = f"'links' names '{link}', which is no link of the chain"
                told.note("unknown-link", message, "links", link, hint=did_you_mean(link, chain))
            for name in names:
                told.known(name, self.planes.policy.policies, "rule", "links", link)
        return {link: frozenset(names) for link, names in given.items()}

    # ── both ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _context(self, entry: Entry, told: _Told) -> Context:
        return told.one("context", self.contexts) or PLAIN if "context" in entry.table else PLAIN

    def _asked(self, principal: Principal, call: NamedCall, context: Context) -> Asked:
        now_us = self.now_us if context.now_us is None else context.now_us
        return Asked(principal=principal, call=call, context=context, now_us=now_us)


def _links_of(principal: Principal) -> tuple[str, ...]:
    root = principal.user or principal.service or ""
    return (root, principal.agent, *(each.to for each in principal.delegations))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """One `[[matrix]]` or `[[case]]`: `entry` reads its keys, findings are told at its own line."""

    entry: Entry
    problems: Problems
    path: tuple[str, int]

    def note(self, rule: str, message: str, *keys: str | int, hint: str = "") -> None:
        self.problems.note(rule, message, *self.path, *keys, hint=hint)

    def where(self, *keys: str | int) -> Where:
        return self.problems.text.where(*self.path, *keys)

    def known(self, name: object, known: Collection[str], what: str, *keys: str | int) -> bool:
        if isinstance(name, str) and name in known:
            return True
        message = f"there is no {what} {name!r}"
        self.note(f"unknown-{what}", message, *keys, hint=did_you_mean(str(name), known))
        return False

    def one(self, key: str, known: Mapping[str, T]) -> T | None:
        """The declared part that `key` names."""
        name = self.entry.string(key)
        if not name:
            self.note("missing-key", f"a {self.path[0]} has no '{key}'", key, hint=f'add {key} = "…"')
            return None
        return known[name] if self.known(name, known, key, key) else None

    def chosen(self, key: str, known: Mapping[str, T], what: str) -> tuple[T, ...]:
        """The declared parts that a list names. (There is no word for all of them: what is declared later must not
        join a matrix unseen.)"""
        self.entry.asked.add(key)
        given = self.entry.table.get(key, [])
        names = given if isinstance(given, list) else [given]
        if not names:
            self.note("empty-matrix", f"a matrix without {key} tests nothing", key, hint=f'add {key} = ["…"]')
        found: dict[str, T] = {}
        for index, name in enumerate(names):
            if isinstance(name, str) and name in found:
                self.note("repeated", f"'{key}' names '{name}' twice", key, index, hint="remove one")
            elif self.known(name, known, what, key, index):
                found[name] = known[name]
        return tuple(found.values())

    def ids(self, key: str, known: Collection[str], what: str) -> frozenset[str] | None:
        self.entry.asked.add(key)
        given = self.entry.table.get(key)
        if given is None:
            return None
        if not isinstance(given, list):
            self.note("wrong-type", f"'{key}' is not a list", key, hint=f'write {key} = ["…"]')
            return None
        return frozenset(name for index, name in enumerate(given) if self.known(name, known, what, key, index))

    def outcome(self, given: object, *keys: str | int) -> Outcome:
        if isinstance(given, str) and given in set(Outcome):
            return Outcome(given)
        self.note("unknown-outcome", f"{given!r} is no outcome", *keys, hint=f"it is one of {_OUTCOMES}")
        return Outcome.DENY

    def done(self) -> None:
        for key in self.entry.table:
            if key not in self.entry.asked:
                hint = did_you_mean(key, self.entry.asked)
                self.note("unknown-key", f"a {self.path[0]} has no '{key}'", key, hint=hint)
