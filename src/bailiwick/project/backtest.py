"""Recorded history decided again: by the rules that decided it, or by others. DESIGN §5 *Audit*.

Nothing is written, and no tool, provider or person is asked. Logs are read in parts, by several processes where there
is much of them; what each finds is added up. `redeciding` says what is decided anew and what is held as recorded.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import Empty
from typing import Any

from bailiwick.errors import BailiwickError, StoreError
from bailiwick.guard.explaining.redeciding import Coverage, Flip, Redecider, effect
from bailiwick.guard.explaining.tallying import Example, Flipped, Lost, Tally
from bailiwick.guard.planes import Planes
from bailiwick.model.bundle import read
from bailiwick.model.decision import Outcome
from bailiwick.policy.replay import Unfit
from bailiwick.project.bundle import load_bundle
from bailiwick.project.history import Part, Past, PastReader, codes, parts_of
from bailiwick.project.load import load_project, load_settings
from bailiwick.project.status import LOG_FOLDER, STATE_FILE
from bailiwick.stores.sqlite_bundles import SqliteBundles
from bailiwick.stores.sqlite_state_file import StateFile

__all__ = ["Backtest", "Rules", "backtest", "rules_at_hand"]

WAIT_S = 1.0
FEW_RECORDS = 20_000
"""Up to so many, starting other processes takes longer than deciding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Where rules are: a project folder, or a bundle with the folder whose state they are over."""

    folder: Path
    bundle: bytes | None = None

    def load(self) -> Planes:
        """Raises ProjectError, BundleError."""
        loaded = load_project(self.folder) if self.bundle is None else load_bundle(self.folder, read(self.bundle))
        return loaded.planes


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """What is to be decided again: the history of the project in `folder` from `since_us` on, by `rules`, or (None)
    each decision by the rules that decided it, if they are among those `at_hand`."""

    folder: Path
    rules: Rules | None
    at_hand: tuple[Rules, ...] = ()
    since_us: int = 0


def rules_at_hand(folder: Path) -> tuple[Rules, ...]:
    """The rules of a project that recorded decisions can be compared with: the folder's, then those of bundles that
    were activated here, the newest first. Raises StoreError."""
    settings = load_settings(folder)
    path = folder / settings.state_path / STATE_FILE
    found = [Rules(folder=folder)]
    if path.exists():
        with ExitStack() as undo:
            file = StateFile.open(path)
            undo.callback(file.close)
            bundles, (tenant, env) = SqliteBundles(file), (settings.decisions.tenant, settings.decisions.env)
            history = reversed(bundles.history(tenant, env))
            found += [Rules(folder=folder, bundle=bundles.data(tenant, env, each.sequence)) for each in history]
    return tuple(found)


def backtest(what: Backtest, *, processes: int | None = None, seen: Callable[[int, int], None]) -> Generator[Tally]:
    """What was found so far, again and again; the last one is of everything. `seen` is told how many records of how
    many were read. To stop early, stop iterating. Raises StoreError and whatever loading the rules raises."""
    settings = load_settings(what.folder)
    parts = parts_of(what.folder / settings.state_path / LOG_FOLDER)
    total = sum(part.end - part.begin for part in parts)
    if processes is None:
        processes = 1 if total <= FEW_RECORDS else os.cpu_count() or 1
    found = Tally()
    seen(0, total)
    with ExitStack() as undo:
        if processes == 1:
            worker = undo.enter_context(_Worker(what))
            tallies: Iterator[Tally] = map(worker.take, parts)
        else:
            pool = undo.enter_context(_Pool(what, min(processes, len(parts) or 1)))
            tallies = pool.take(parts)
        for tally in tallies:
            found.add(tally)
            seen(found.events, total)
            yield found
    yield found


class _Worker:
    """Decides parts again. Rules are loaded when the first decision asks for them."""

    def __init__(self, what: Backtest) -> None:
        settings = load_settings(what.folder).decisions
        self._past = PastReader(tenant=settings.tenant, env=settings.env, since_us=what.since_us)
        self._by = None if what.rules is None else Redecider(planes=what.rules.load())
        self._left = list(what.at_hand)
        self._known: dict[str, Redecider | None] = {}

    def __enter__(self) -> _Worker:
        self._past.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._past.__exit__(*error)

    def take(self, part: Part) -> Tally:
        found = Tally(events=part.end - part.begin)
        before = self._remembered()
        for past in self._past.decisions(part):
            found.decisions += 1
            found.coverage[self._taken(past, found)] += 1
        found.remembered = self._remembered() - before
        return found

    def _remembered(self) -> int:
        deciders = [*self._known.values(), self._by]
        return sum(each.remembered for each in deciders if each is not None)

    def _taken(self, past: Past, found: Tally) -> Coverage:
        if past.question is None or past.taken is None:
            return past.coverage
        by = self._by or self._deciding(past.taken.deciding)
        if by is None:
            return Coverage.OTHER_RULES
        was = Outcome(str(past.event.body["outcome"]))
        example = Example(ts_us=past.event.ts_us, event=past.event.id, chain=" → ".join(past.event.actor))
        ruling = by.rule(past.taken, past.question)
        if isinstance(ruling, Unfit):
            found.lose(Lost(unfit=ruling, was=was.value), example)
            return Coverage.UNFIT
        now = effect(was, past.question, ruling)
        if now is was:
            found.same += 1
        else:
            then = tuple(dict.fromkeys(codes(past.event)))
            what = Flipped(flip=Flip(was=was, now=now), tool=past.question.tool, then=then, now=ruling.why)
            found.flipped(what, example)
        return Coverage.TAKEN_AGAIN

    def _deciding(self, digest: str) -> Redecider | None:
        """Who decides by the rules of this digest. Rules that do not load any more are not at hand."""
        while digest not in self._known and self._left:
            try:
                decider = Redecider(planes=self._left.pop(0).load())
            except BailiwickError:
                continue
            self._known.setdefault(decider.planes.deciding_digest, decider)
        return self._known.setdefault(digest, None)


@dataclass(slots=True, kw_only=True)
class _Job:
    """What a process is started with. (Queues of multiprocessing have no type that could be named before it runs.)"""

    what: Backtest
    parts: Any
    found: Any


def _work(job: _Job) -> None:
    """A process of its own: takes parts until there are none."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one that started it says when to stop
    try:
        with _Worker(job.what) as worker:
            while (part := job.parts.get()) is not None:
                job.found.put(worker.take(part))
    except BailiwickError as error:
        job.found.put(f"{error}")


@dataclass(slots=True)
class _Pool:
    """Several processes. They are ended with it, whatever they are at."""

    what: Backtest
    count: int
    _running: list[BaseProcess] = field(default_factory=list)

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._running:
            each.terminate()
        for each in self._running:
            each.join()

    def take(self, parts: Sequence[Part]) -> Iterator[Tally]:
        """What they find, in no order. Raises StoreError where one of them fails."""
        # Not forked: this process has threads of its own, and open files.
        spawning = multiprocessing.get_context("spawn")
        job = _Job(what=self.what, parts=spawning.Queue(), found=spawning.Queue())
        for part in parts:
            job.parts.put(part)
        for _ in range(self.count):
            job.parts.put(None)
            process = spawning.Process(target=_work, args=(job,), daemon=True)
            process.start()
            self._running.append(process)
        for _ in parts:
            found = self._next(job)
            if isinstance(found, str):
                raise StoreError(f"history could not be decided again: {found}", hint="run it with --processes 1")
            yield found

    def _next(self, job: _Job) -> Tally | str:
        while True:
            try:
                found: Tally | str = job.found.get(timeout=WAIT_S)
            except Empty:
                if any(each.exitcode not in (None, 0) for each in self._running):
                    return "a process ended by itself"
            else:
                return found
