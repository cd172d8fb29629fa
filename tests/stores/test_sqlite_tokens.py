"""Nonces count once, in any number of processes and after a restart; revocations hold."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bailiwick.errors import StoreError
from bailiwick.stores.sqlite_state_file import StateFile
from bailiwick.stores.sqlite_tokens import SqliteReplay, SqliteRevocations

NOW = 1_700_000_000_000
END = NOW + 60_000


def seen(store: SqliteReplay, nonce: str, *, expires_ms: int = END, now_ms: int = NOW, tenant: str = "acme") -> bool:
    return store.seen(tenant, "test", nonce, expires_ms=expires_ms, now_ms=now_ms)


def test_a_nonce_is_new_once_also_after_a_restart(tmp_path: Path) -> None:
    file = StateFile.open(tmp_path / "state.db")
    assert [seen(SqliteReplay(file), nonce) for nonce in ("n", "n", "m")] == [False, True, False]
    file.close()
    again = SqliteReplay(StateFile.open(tmp_path / "state.db"))
    assert seen(again, "n")
    assert not seen(again, "n", tenant="other")


def test_what_expired_is_forgotten_and_yet_never_new_again(tmp_path: Path) -> None:
    file = StateFile.open(tmp_path / "state.db")
    store = SqliteReplay(file)
    assert seen(store, "late", expires_ms=NOW)
    for number in range(20):
        assert not seen(store, f"n{number}")
    assert not seen(store, "next", expires_ms=END + 60_000, now_ms=END)
    with file.use() as connection:
        assert connection.execute("SELECT nonce FROM nonces").fetchall() == [("next",)]
    # The clock goes back to where the forgotten ones were good.
    assert seen(store, "n3")
    assert seen(store, "never used", expires_ms=END)
    assert not seen(store, "newer", expires_ms=END + 1)


def test_of_50_threads_with_one_nonce_one_is_first(tmp_path: Path) -> None:
    store, gate = SqliteReplay(StateFile.open(tmp_path / "state.db")), threading.Barrier(50)

    def ask(_: int) -> bool:
        gate.wait(30)
        return seen(store, "n")

    with ThreadPoolExecutor(50) as pool:
        assert sorted(pool.map(ask, range(50))) == [False] + [True] * 49


RACER = f"""
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from bailiwick.stores.sqlite_state_file import StateFile
from bailiwick.stores.sqlite_tokens import SqliteReplay

store = SqliteReplay(StateFile.open(Path(sys.argv[1]), busy_timeout_ms=30_000))
print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(10) as pool:
    answers = pool.map(lambda _: store.seen("acme", "test", "n", expires_ms={END}, now_ms={NOW}), range(10))
    print(sum(not seen for seen in answers))
"""


def test_of_50_racers_in_5_processes_with_one_nonce_one_is_first(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RACER, str(tmp_path / "state.db")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    racers = [subprocess.Popen(command, **pipes) for _ in range(5)]  # type: ignore[call-overload]
    assert [racer.stdout.readline() for racer in racers] == ["ready\n"] * 5
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    first = [int(racer.communicate(timeout=60)[0]) for racer in racers]
    assert sorted(first) == [0, 0, 0, 0, 1]


def test_a_store_that_is_gone_raises_and_never_answers(tmp_path: Path) -> None:
    file = StateFile.open(tmp_path / "state.db")
    file.close()
    with pytest.raises(StoreError):
        seen(SqliteReplay(file), "n")
    with pytest.raises(StoreError):
        SqliteRevocations(file).revoked("acme", "test", ["x"])


def test_revocations_hold_in_every_process_that_shares_the_file(tmp_path: Path) -> None:
    here = SqliteRevocations(StateFile.open(tmp_path / "state.db"))
    there = SqliteRevocations(StateFile.open(tmp_path / "state.db"))
    assert here.revoke("acme", "test", "jti-1", at_ms=NOW, event="ev-1")
    assert not there.revoke("acme", "test", "jti-1", at_ms=NOW, event="ev-2")
    many = [f"jti-{number}" for number in range(2000)]
    assert there.revoked("acme", "test", many) == {"jti-1"}
    assert there.revoked("other", "test", many) == frozenset()
    assert there.revoked("acme", "test", ()) == frozenset()
