"""What the disk alone takes: one write of a record's size, made durable. The floor under every synced decision."""

from __future__ import annotations

import os
from pathlib import Path
from time import perf_counter_ns

from bench.measure import Case

__all__ = ["bare_sync"]

SPAN = 4 * 1024 * 1024
"""Bytes that are written over and over: about what SQLite's WAL grows to between two checkpoints."""


def bare_sync(folder: Path, *, size: int) -> Case:
    """Write `size` bytes into a file of its own and fdatasync it. The file has its size beforehand and is written
    over, as a WAL is: a file that grows takes longer, because its new size has to be stored as well."""
    descriptor = os.open(folder / "bare", os.O_RDWR | os.O_CREAT, 0o600)
    os.pwrite(descriptor, os.urandom(SPAN), 0)
    os.fsync(descriptor)
    record, places = os.urandom(size), SPAN // size
    sync = getattr(os, "fdatasync", os.fsync)
    turn = 0

    def case() -> int:
        nonlocal turn
        turn = (turn + 1) % places
        began = perf_counter_ns()
        os.pwrite(descriptor, record, turn * size)
        sync(descriptor)
        return perf_counter_ns() - began

    return case
