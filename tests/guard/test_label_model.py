"""Promise 7 (DESIGN §3) under random traces: no label is lost on the way through sessions, stores, memory, handles,
sub-agents and restarts, and none is made up.

What must hold is told by sets of secrets (`tests.guard.label_model`), not by labels. Every failure names the seed of
its trace: `walk(seed, ...)` is that trace again.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.guard.label_folder import make_label_world
from tests.guard.label_plane import in_memory, walk
from tests.guard.label_world import Walk

SOAK = os.environ.get("BAILIWICK_SOAK") == "1"
TRACES = 1_000_000 if SOAK else 1_000
BATCH = 10_000 if SOAK else 500
GUARDED = 2_000 if SOAK else 16
STEPS = 40 if SOAK else 25


def batch(first: int) -> tuple[Counter[str], list[str]]:
    """(what was met, what went wrong) in BATCH traces."""
    met: Counter[str] = Counter()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder, in_memory(Path(folder)) as shelf:
        for seed in range(first, first + BATCH):
            try:
                walk(seed, shelf, met)
            except AssertionError as error:
                wrong.append(f"trace {seed}: {error}")
    return met, wrong


@pytest.mark.soak
def test_promise_7_no_trace_through_the_flow_plane_loses_a_label_or_makes_one_up() -> None:
    met: Counter[str] = Counter()
    starts = range(0, TRACES, BATCH)
    if SOAK:
        with multiprocessing.get_context("spawn").Pool() as pool:
            for found, wrong in pool.imap_unordered(batch, starts):
                assert wrong == []
                met += found
                print(f"{met['traces']:,} traces", file=sys.stderr)
    else:
        for first in starts:
            found, wrong = batch(first)
            assert wrong == []
            met += found
    assert met["traces"] == TRACES
    assert min(met["allowed"], met["denied"]) > TRACES, "both happen: it is no test of a guard that only says no"


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_promise_7_long_traces_hold_as_well(seed: int, steps: int) -> None:
    """Here hypothesis looks for the shortest trace that fails."""
    with tempfile.TemporaryDirectory() as folder, in_memory(Path(folder)) as shelf:
        walk(seed, shelf, Counter(), exactly=steps)


@pytest.mark.soak
def test_promise_7_no_trace_through_the_whole_guard_loses_a_label_or_makes_one_up(tmp_path: Path) -> None:
    met: Counter[str] = Counter()
    for seed in range(GUARDED):
        folder = tmp_path / str(seed)
        folder.mkdir()
        make_label_world(folder)
        with ExitStack() as undo:
            trace = Walk(folder, random.Random(seed), met, undo)
            try:
                for _ in range(STEPS):
                    trace.step()
            except AssertionError as error:
                raise AssertionError(f"trace {seed}") from error
    assert min(met["allowed"], met["denied"]) > GUARDED // 2
