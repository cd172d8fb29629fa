"""What the log takes: one record made durable, one only committed, how many a process writes with many callers, and how
fast it all is verified.

`python -m bench.log`: the figures of the log alone, on one real decision with its contents.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from time import perf_counter, perf_counter_ns

from bailiwick import Guard, Session
from bailiwick.guard.together import Together
from bailiwick.model.event import Draft
from bailiwick.model.tool import Durability
from bailiwick.project.clock import fresh_id, now_us
from bailiwick.stores.sqlite_log import SqliteLog
from bench.conditions import conditions, load
from bench.desk import Desk, look_ups, open_desk
from bench.disk import bare_sync
from bench.measure import Case, Figure, take_turns
from bench.planes import decision_record, record_size
from bench.project import write_project
from bench.verifying import measure_verify

__all__ = ["IN_FLIGHT", "LogFigures", "measure_log"]

READ, READ_SYNCED = "crm.get_customer", "crm.get_customer_synced"
BARE, SYNC, BUFFERED = "bare fdatasync", "append, sync", "append, buffered"
IN_FLIGHT = 64
"""Callers that wait for the log at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFigures:
    """`rates` are events (of `calls`: decisions) in a second, `bytes` of the log's file for each decision."""

    figures: dict[str, Figure]
    rates: dict[str, float]
    record_bytes: int
    bytes_per_decision: int

    @property
    def targets(self) -> tuple[tuple[str, float, float], ...]:
        """(what, aim, measured), in microseconds."""
        bare = self.figures[BARE].p50_us
        return (
            ("append, sync: 1.2 x bare fdatasync + 250", round(1.2 * bare + 250, 1), self.figures[SYNC].p50_us),
            ("append, buffered", 150.0, self.figures[BUFFERED].p50_us),
        )


def measure_log(folder: Path, *, n: int, seconds: float) -> LogFigures:
    """Single appends beside the bare disk, n of each in turns; then for so many `seconds` each: the log with IN_FLIGHT
    callers as threads and as tasks, and whole decisions through `aenter`."""
    with Guard.open(write_project(folder / "log")) as guard, open_desk(guard, documents=100) as desk:
        draft = decision_record(desk, READ_SYNCED, look_ups())
        log = guard.log
        assert isinstance(log, SqliteLog)
        size = record_size(desk, READ_SYNCED, look_ups())
        figures = take_turns(
            {
                BARE: bare_sync(folder, size=size),
                SYNC: _append(log, draft, Durability.SYNC),
                BUFFERED: _append(log, draft, Durability.BUFFERED),
            },
            n=n,
        )
        rates = {
            f"events/s, sync, {IN_FLIGHT} threads": _threads(log, draft, Durability.SYNC, seconds),
            f"events/s, sync, {IN_FLIGHT} tasks": asyncio.run(_tasks(log, draft, Durability.SYNC, seconds)),
            f"events/s, buffered, {IN_FLIGHT} tasks": asyncio.run(_tasks(log, draft, Durability.BUFFERED, seconds)),
            f"events/s, sync, {IN_FLIGHT} in one append": _together(log, draft, seconds),
            f"decisions/s, sync, {IN_FLIGHT} calls of aenter": asyncio.run(_decisions(desk, seconds)),
        }
        per_decision = _bytes_of(desk, log, rounds=max(200, n // 4))
    return LogFigures(figures=figures, rates=rates, record_bytes=size, bytes_per_decision=per_decision)


def _append(log: SqliteLog, draft: Draft, durability: Durability) -> Case:
    def case() -> int:
        fresh = replace(draft, id=fresh_id(), ts_us=now_us())
        began = perf_counter_ns()
        log.append((fresh,), durability)
        return perf_counter_ns() - began

    return case


def _threads(log: SqliteLog, draft: Draft, durability: Durability, seconds: float) -> float:
    done = count()
    until = perf_counter() + seconds

    def work() -> None:
        while perf_counter() < until:
            log.append((replace(draft, id=fresh_id()),), durability)
            next(done)

    began = perf_counter()
    threads = [threading.Thread(target=work) for _ in range(IN_FLIGHT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return round(next(done) / (perf_counter() - began))


async def _tasks(log: SqliteLog, draft: Draft, durability: Durability, seconds: float) -> float:
    """The log as the async driver asks it."""
    done = count()
    until = perf_counter() + seconds

    together = Together()
    with ThreadPoolExecutor(8) as executor:

        async def work() -> None:
            while perf_counter() < until:
                fresh = replace(draft, id=fresh_id())
                await together.append(log, (fresh,), durability, executor)
                next(done)

        began = perf_counter()
        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
        return round(next(done) / (perf_counter() - began))


def _together(log: SqliteLog, draft: Draft, seconds: float) -> float:
    until, began, done = perf_counter() + seconds, perf_counter(), 0
    while perf_counter() < until:
        log.append(tuple(replace(draft, id=fresh_id()) for _ in range(IN_FLIGHT)), Durability.SYNC)
        done += IN_FLIGHT
    return round(done / (perf_counter() - began))


async def _decisions(desk: Desk, seconds: float) -> float:
    """Whole decisions, not only their records."""
    done, arguments = count(), look_ups()
    until = perf_counter() + seconds

    async def work(session: Session) -> None:
        while perf_counter() < until:
            desk.withdraw(await session.aenter(READ_SYNCED, arguments()))
            next(done)

    began = perf_counter()
    await asyncio.gather(*(work(desk.session) for _ in range(IN_FLIGHT)))
    return round(next(done) / (perf_counter() - began))


def _bytes_of(desk: Desk, log: SqliteLog, *, rounds: int) -> int:
    """How much the log's file grows for each decision, with its contents, indexes and tree."""
    decide = desk.enter(READ_SYNCED, look_ups())
    before = _pages(log)
    for _ in range(rounds):
        decide()
    return round((_pages(log) - before) / rounds)


def _pages(log: SqliteLog) -> int:
    with log._commit_lock:
        (pages,), (size,) = (log._db.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
    return int(pages) * int(size)


@contextmanager
def _place(folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        yield Path(place)


def main(say: Callable[[str], None] = print) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.log", description="Measure what the log takes.")
    parser.add_argument("--dir", type=Path, default=Path(__file__).parent / "out", help="on which disk to measure")
    parser.add_argument("-n", type=int, default=2000, help="single appends of each kind")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each rate")
    parser.add_argument("--records", type=int, default=200_000, help="of the log that is verified")
    parser.add_argument("--runs", type=int, default=5, help="so often it is verified")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with _place(options.dir) as place:
        told = conditions(place)
        measured = measure_log(place, n=options.n, seconds=options.seconds)
        verified = measure_verify(place, records=options.records, runs=options.runs)
        told["load after"] = load()
    if options.json:
        plain = {
            "conditions": told,
            "figures": {name: figure.plain() for name, figure in measured.figures.items()},
            "rates": measured.rates,
            "record_bytes": measured.record_bytes,
            "bytes_per_decision": measured.bytes_per_decision,
            "verify": asdict(verified),
        }
        json.dump(plain, sys.stdout, indent=2)
        return
    for name, text in told.items():
        say(f"{name:12}{text}")
    for name, taken in measured.figures.items():
        say(f"  {name:44}{taken.p50_us:9.1f} µs {taken.p95_us:9.1f} {taken.p05_us:9.1f}   n={taken.n}")
    for name, rate in measured.rates.items():
        say(f"  {name:44}{rate:9.0f}")
    say(f"  {'bytes of one decision, as recorded':44}{measured.record_bytes:9}")
    say(f"  {'bytes of one decision, in the file':44}{measured.bytes_per_decision:9}")
    for how, rate in verified.rates.items():
        said = f"{verified.records} records verified, {how}"
        say(f"  {said:44}{rate:9} in a second of processor time")
    for name, aim, value in measured.targets:
        say(f"  {name:44}{value:9.1f} µs, aim {aim:g}: {'met' if value <= aim else 'MISSED'}")


if __name__ == "__main__":
    main()
