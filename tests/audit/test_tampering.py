"""DESIGN §3 promise 6: any edit, deletion, reordering, truncation or replacement shows. Cases: data/tampering.toml."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bailiwick.audit.folder import cross_check
from bailiwick.audit.merkle import leaf_hash
from bailiwick.audit.report import Report, State, StoredContent, StoredEvent
from bailiwick.audit.verify import verify
from bailiwick.errors import StoreError
from bailiwick.model.canonical import encode
from bailiwick.model.event import EventKind
from tests.audit.samples import LOG, Rows, Ticking, told

CASES = tomllib.loads((Path(__file__).parent / "data" / "tampering.toml").read_text())["case"]


def _delete(rows: Rows, seq: int) -> None:
    rows.events = [event for event in rows.events if event.seq != seq]


def _cut_rows(rows: Rows, size: int) -> None:
    rows.events = rows.events[:size]
    rows.contents = [content for content in rows.contents if content.seq < size]


def _cut(rows: Rows, size: int) -> None:
    _cut_rows(rows, size)
    rows.heads = rows.heads[:size]


def _renumber(rows: Rows) -> None:
    rows.events = [event._replace(seq=seq) for seq, event in enumerate(rows.events)]


def _swap(rows: Rows, a: int, b: int) -> None:
    rows.events[a], rows.events[b] = rows.events[b], rows.events[a]
    _renumber(rows)
    there = {a: b, b: a}
    moved = (content._replace(seq=there.get(content.seq, content.seq)) for content in rows.contents)
    rows.contents = sorted(moved, key=lambda content: content.seq)


def _repeat(rows: Rows, seq: int) -> None:
    rows.events.append(rows.events[seq])
    _renumber(rows)


def _insert(rows: Rows, seq: int) -> None:
    rows.events.insert(seq + 1, rows.events[seq])
    _renumber(rows)
    _set(rows, seq + 1, "id", "00000000-new")
    _column(rows, seq + 1, "id", "00000000-new")
    rows.contents = [content._replace(seq=content.seq + (content.seq > seq)) for content in rows.contents]


def _set(rows: Rows, seq: int, path: str, value: object) -> None:
    stored: Any = json.loads(rows.events[seq].data)
    inner, *steps = stored, *path.split(".")
    for step in steps[:-1]:
        inner = inner[step]
    inner[steps[-1]] = value
    rows.events[seq] = rows.events[seq]._replace(data=encode(stored))


def _raw(rows: Rows, seq: int, old: str, new: str) -> None:
    data = rows.events[seq].data
    assert old.encode() in data
    rows.events[seq] = rows.events[seq]._replace(data=data.replace(old.encode(), new.encode(), 1))


def _column(rows: Rows, seq: int, name: str, value: object) -> None:
    change: Any = {name: str(value).encode() if name == "leaf" else value}
    rows.events[seq] = rows.events[seq]._replace(**change)


def _leaf(rows: Rows, seq: int) -> None:
    rows.events[seq] = rows.events[seq]._replace(leaf=leaf_hash(rows.events[seq].data))


def _content(rows: Rows, seq: int, text: str) -> None:
    rows.contents = [
        content._replace(data=text.encode()) if content.seq == seq else content for content in rows.contents
    ]


def _swap_contents(rows: Rows, a: int, b: int) -> None:
    first, second = (next(content for content in rows.contents if content.seq == seq) for seq in (a, b))
    new = {a: second._replace(seq=a), b: first._replace(seq=b)}
    rows.contents = [new.get(content.seq, content) for content in rows.contents]


def _erase(rows: Rows, seq: int) -> None:
    assert any(content.seq == seq for content in rows.contents)
    rows.contents = [content for content in rows.contents if content.seq != seq]


def _slip_in(rows: Rows, seq: int, role: str) -> None:
    rows.contents = sorted([*rows.contents, StoredContent(seq, role, b"s" * 32, b"x")])


def _head(rows: Rows, size: int) -> None:
    rows.heads[size - 1] = rows.heads[size - 1]._replace(peaks=rows.heads[size - 2].peaks)


def _heads_gone(rows: Rows) -> None:
    rows.heads = []


def _append(rows: Rows, kind: str, body: dict[str, Any]) -> None:
    named = {f"@{event.seq}": event.id for event in rows.events} | {"@log": LOG}
    ticking = Ticking("tamper")
    ticking.now_us += 3_600_000_000
    draft = ticking.draft(EventKind(kind), {name: named.get(str(value), value) for name, value in body.items()})
    rows.add([replace(draft, session="new" if kind != "log.opened" else "")], ticking)


DO: dict[str, Callable[..., None]] = {
    "delete": _delete,
    "cut": _cut,
    "cut-rows": _cut_rows,
    "swap": _swap,
    "repeat": _repeat,
    "insert": _insert,
    "set": _set,
    "raw": _raw,
    "column": _column,
    "leaf": _leaf,
    "content": _content,
    "swap-contents": _swap_contents,
    "erase": _erase,
    "slip-in": _slip_in,
    "head": _head,
    "heads-gone": _heads_gone,
    "append": _append,
    "rehash": Rows.rehash,
}


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_promise_6_tampering_shows(case: dict[str, Any]) -> None:
    rows = told()
    kept = rows.head() if case.get("auditor") else None
    for verb, *values in case["do"]:
        DO[verb](rows, *values)
    report = rows.verify(kept)
    codes = {problem.code for problem in report.problems}
    if not case["find"]:
        assert report.state is State.SOUND, report.problems
    assert set(case["find"]) <= codes, report.problems
    if "seq" in case:
        assert report.problems[0].seq == case["seq"], report.problems


def _values(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every value in JSON that is no object or list, and every empty list, with its path."""
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None or not value:
        yield at, value
        return
    for step, item in items:
        yield from _values(item, (*at, step))


def _other(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return value[:-1] + ("x" if value[-1:] != "x" else "y")
        case _:
            return ["x"] if value == [] else "x"


@pytest.mark.parametrize("kind", EventKind)
def test_promise_6_every_field_of_every_kind_is_covered(kind: EventKind) -> None:
    """Flip each value in turn: the record is named; and if its hash was made anew, a kept head still tells."""
    clean = told()
    kept = clean.head()
    seq = max(event.seq for event in clean.events if event.kind == kind.value)
    stored = json.loads(clean.events[seq].data)
    paths = list(_values(stored))
    assert len(paths) >= 14
    for path, value in paths:
        changed = json.loads(clean.events[seq].data)
        inner = changed
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = _other(value)
        row = clean.events[seq]._replace(data=encode(changed))
        report = verify(_with(clean, row), clean.heads, clean.contents, log=LOG)
        assert (report.problems[0].code, report.problems[0].seq) == ("changed", seq), path
        rows = Rows(events=list(_with(clean, row)), heads=clean.heads, contents=clean.contents)
        rows.rehash()
        codes = {problem.code for problem in rows.verify(kept).problems}
        assert "replaced" in codes, path


def _with(rows: Rows, row: StoredEvent) -> list[StoredEvent]:
    return [*rows.events[: row.seq], row, *rows.events[row.seq + 1 :]]


@pytest.mark.parametrize("size", range(1, 24))
def test_a_head_kept_earlier_covers_its_beginning_and_no_more(size: int) -> None:
    """The auditor's head of any moment fits the log that went on, and tells if anything below it was changed."""
    before = told()
    _cut(before, size)
    kept = before.head()
    assert told().verify(kept).state is State.SOUND
    rows = told()
    _set(rows, size - 1, "task", "another")
    rows.rehash()
    assert {problem.code for problem in rows.verify(kept).problems} == {"replaced"}
    if size < 23:
        later = told()
        _set(later, 22, "task", "another")
        later.rehash()
        assert later.verify(kept).state is State.SOUND


def test_problems_are_counted_when_there_are_too_many_to_list() -> None:
    ticking, rows = Ticking(), Rows()
    drafts = [ticking.draft(EventKind.SESSION_CLOSED, {"decisions": 1}) for _ in range(150)]
    opening = ticking.draft(EventKind.LOG_OPENED, {"log": LOG, "build": "t"}, session="")
    rows.add([opening, *drafts], ticking)
    rows.events = [event._replace(leaf=b"x" * 32) for event in rows.events]
    report = rows.verify()
    assert len(report.problems) == 100
    assert report.more > 50


def test_a_clock_set_back_is_a_warning_and_a_little_disorder_is_not() -> None:
    for back_us, warned in ((1_900_000, False), (3_600_000_000, True)):
        ticking, rows = Ticking(), Rows()
        rows.add([ticking.draft(EventKind.LOG_OPENED, {"log": LOG, "build": "t"}, session="")], ticking)
        ticking.now_us -= back_us
        rows.add([ticking.draft(EventKind.SESSION_CLOSED, {"decisions": 1})], ticking)
        report = rows.verify()
        assert report.state is State.SOUND
        assert [warning.code for warning in report.warnings] == ["clock-back"] * warned


def test_every_record_is_accounted_for() -> None:
    rows = told()
    report = rows.verify()
    assert sum(report.kinds.values()) == report.head[0] == len(rows.events)
    assert set(report.kinds) == set(EventKind)
    assert (report.sessions, report.contents, report.erased) == (2, 4, 0)
    _erase(rows, 10)
    assert (rows.verify().contents, rows.verify().erased) == (3, 1)
    assert report.head == rows.head()


def test_a_call_without_an_outcome_is_unknown_until_somebody_reconciles_it() -> None:
    rows = told()
    _cut(rows, 13)
    assert rows.verify().unknown == ()
    rows = told()
    _cut(rows, 19)  # four calls permitted, one failed, one cancelled
    unknown = rows.verify().unknown
    assert [(call.permit, call.given_up) for call in unknown] == [("prm-3", True), ("prm-4", False), ("prm-5", False)]
    assert unknown[0].tool == "mail.send"
    assert [call.permit for call in told().verify().unknown] == ["prm-3"], "a run that was given up may have run"


def test_a_store_that_fails_midway_makes_the_log_unreadable_and_keeps_what_was_found() -> None:
    def failing(rows: Rows) -> Iterator[StoredEvent]:
        yield from rows.events[:5]
        raise StoreError("the disk has gone")

    rows = told()
    report = verify(failing(rows), rows.heads, rows.contents, log=LOG)
    assert report.state is State.UNREADABLE
    assert "the disk has gone (after record 4)" in report.unreadable
    _set(rows, 2, "task", "another")
    report = verify(failing(rows), rows.heads, rows.contents, log=LOG)
    assert report.state is State.TAMPERED
    assert report.unreadable
    assert report.problems[0].seq == 2


# --- between logs


def of(rows: Rows) -> Report:
    """The report of a log without its folder: nobody asks for the parent that it names."""
    return replace(rows.verify(), parents=frozenset())


def test_an_approval_used_in_two_logs_is_found() -> None:
    report = of(told())
    both = cross_check([report, replace(report, log="log-other")])
    assert both.state is State.TAMPERED
    assert [problem.code for problem in both.problems] == ["approval-twice"]
    assert cross_check([report]).state is State.SOUND


def test_an_approval_that_nobody_granted_is_found() -> None:
    rows = told()
    _set(rows, 8, "body.approval", "apr-9")
    rows.rehash()
    assert [problem.code for problem in cross_check([of(rows)]).problems] == ["approval-without-grant"]


def test_a_call_reconciled_in_another_log_is_not_unknown() -> None:
    rows = told()
    _cut(rows, 20)  # all but the reconciliation of prm-5 and what follows
    report = of(rows)
    assert [call.permit for call in cross_check([report]).unknown] == ["prm-3", "prm-5"]
    left = cross_check([report, replace(told().verify(), relations=told().verify().relations)]).unknown
    assert {call.permit for call in left} == {"prm-3"}
