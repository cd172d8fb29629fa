"""A witness in a process of its own, asked over HTTP: its answers, its memory, and what strangers can do to it."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bailiwick.audit.notes import parse, signed_by
from bailiwick.audit.witnessing import Answer, request_body
from bailiwick.witness.http import MAX_BODY, PATH, REQUEST_SECONDS
from bailiwick.witness.keys import read_keys
from bailiwick.witness.store import MAX_REFUSED, WitnessStore
from tests.witness.logs import TestedLog, log_of
from tests.witness.process import Running, made, running

LOG = log_of(60)


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(made(tmp_path_factory.mktemp("witness") / "w1")) as started:
        yield started


def post(at: Running, body: bytes, path: str = PATH) -> tuple[int, str, str]:
    """Status, content type and body of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", at.port, timeout=20)
    try:
        connection.request("POST", path, body=body)
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read().decode()
    finally:
        connection.close()


def raw(at: Running, data: bytes) -> bytes:
    """What the witness sends back until it closes the connection."""
    with socket.create_connection(("127.0.0.1", at.port), timeout=20) as connection:
        connection.sendall(data)
        found = b""
        while chunk := connection.recv(65536):
            found += chunk
        return found


def cosigns(at: Running, log: TestedLog, old: int, size: int) -> bool:
    status, _, body = post(at, log.body(old, size))
    if status != Answer.COSIGN:
        return False
    note = parse(log.note(size).text + "\n" + body)
    keys = [each.key for each in read_keys(at.folder)]
    signed = signed_by(note, keys)
    assert [each.key for each in signed] == keys
    assert all(abs(each.time - time.time()) < 30 for each in signed)
    return True


def seen(folder: Path) -> dict[str, int]:
    store = WitnessStore.open(folder)
    try:
        return {each.origin.rpartition("/")[2]: each.head.size for each in store.seen()}
    finally:
        store.close()


def test_it_cosigns_with_both_its_keys_what_goes_on(witness: Running) -> None:
    assert cosigns(witness, LOG, 0, 7)
    assert cosigns(witness, LOG, 7, 7)
    assert cosigns(witness, LOG, 7, 60)
    assert seen(witness.folder)["log-1"] == 60


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"old 3\n\nnothing", 400),
        (log_of(9, name="log-2", seed=7).body(0, 9), 403),
        (request_body(0, (), log_of(9).forked(1).note(9)), 409),
    ],
)
def test_everything_else_is_refused_with_its_status(witness: Running, body: bytes, status: int) -> None:
    cosigns(witness, LOG, 0, 60)
    assert post(witness, body)[0] == status
    assert seen(witness.folder)["log-1"] == 60


def test_a_log_under_another_name_is_not_found(witness: Running) -> None:
    elsewhere = TestedLog("elsewhere.test/log-1", LOG.leaves, LOG.signers)
    assert post(witness, elsewhere.body(0, 5))[0] == 404


def test_a_conflict_says_which_size_is_held(witness: Running) -> None:
    log = log_of(30, name="log-conflict")
    assert cosigns(witness, log, 0, 20)
    assert post(witness, log.body(4, 30)) == (409, "text/x.tlog.size", "20\n")
    assert cosigns(witness, log, 20, 30)


def test_a_fork_is_refused_for_ever_and_kept_as_evidence(witness: Running) -> None:
    log = log_of(30, name="log-fork")
    fork = log.forked(5)
    assert cosigns(witness, log, 0, 20)
    assert post(witness, fork.body(20, 20))[0] == 409
    for size in range(21, 28):
        assert post(witness, fork.body(20, size))[0] == 422
    assert not cosigns(witness, log, 20, 19)
    assert cosigns(witness, log, 20, 30)
    store = WitnessStore.open(witness.folder)
    kept = [each for each in store.refused() if each.origin == log.origin]
    store.close()
    assert [each.status for each in kept] == [Answer.CONFLICT, *[Answer.INCONSISTENT] * 7]
    keys = [each.key for each in log.signers]
    first = kept[0]
    for note in (first.held, first.note):
        assert signed_by(parse(note), keys)
    assert parse(first.held).checkpoint.size == parse(first.note).checkpoint.size == 20
    assert parse(first.held).checkpoint.root != parse(first.note).checkpoint.root


def test_evidence_and_foreign_lines_do_not_fill_the_disk(witness: Running) -> None:
    log = log_of(80, name="log-full")
    stranger = log_of(80, name="log-full", seed=5)
    body = request_body(0, (), log.note(10).with_lines(stranger.note(10).lines))
    assert post(witness, body)[0] == 200
    for size in range(11, 11 + MAX_REFUSED + 3):
        assert post(witness, log.forked(2).body(10, size))[0] == 422
    store = WitnessStore.open(witness.folder)
    (held,) = (each for each in store.seen() if each.origin == log.origin)
    kept = [each for each in store.refused() if each.origin == log.origin]
    store.close()
    assert len(kept) == MAX_REFUSED
    names = {(line.name, line.key_id) for line in parse(held.note).lines}
    assert not names & {(line.name, line.key_id) for line in stranger.note(10).lines}


def test_requests_at_once_never_take_a_log_back(witness: Running) -> None:
    log = log_of(60, name="log-race")
    fork = log.forked(40)
    assert cosigns(witness, log, 0, 1)
    cosigned: list[tuple[bool, int]] = []

    def climb(which: TestedLog, step: int) -> None:
        size = 1
        while size < 60:
            status, _, body = post(witness, which.body(size, min(60, size + step)))
            if status == Answer.COSIGN:
                size = min(60, size + step)
                cosigned.append((which is fork, size))
            elif status == Answer.CONFLICT and int(body) > size:
                size = int(body)
            else:
                return

    threads = [threading.Thread(target=climb, args=(which, step)) for which in (log, fork) for step in (1, 3, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen(witness.folder)["log-race"] == 60
    beyond = {forked for forked, size in cosigned if size > 40}
    assert len(beyond) == 1, "two trees of which neither begins the other were cosigned"


def test_it_remembers_over_a_restart(tmp_path: Path) -> None:
    folder = made(tmp_path / "w1")
    with running(folder) as first:
        assert cosigns(first, LOG, 0, 30)
        first.kill()
    with running(folder, first.port) as again:
        assert post(again, LOG.body(0, 20))[2] == "30\n"
        assert post(again, LOG.forked(3).body(30, 40))[0] == 422
        assert cosigns(again, LOG, 30, 40)


def test_what_was_stored_before_a_kill_is_held_although_nobody_was_told(tmp_path: Path) -> None:
    folder = made(tmp_path / "w1")
    with running(folder, die=True) as first, pytest.raises((http.client.HTTPException, OSError)):
        post(first, LOG.body(0, 30))
    assert seen(folder) == {"log-1": 30}
    with running(folder) as again:
        assert post(again, LOG.forked(3).body(0, 30)) == (409, "text/x.tlog.size", "30\n")
        assert post(again, LOG.forked(3).body(30, 30))[0] == 409
        assert cosigns(again, LOG, 30, 30)


# ── strangers ──────────────────────────────────────────────────────────────────────────────────────────────────────

HEADERS = b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\n"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (HEADERS + b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1), b"413"),
        (HEADERS + b"Content-Length: 99999999999999999999\r\n\r\n", b"413"),
        (HEADERS + b"\r\n", b"411"),
        (HEADERS + b"Content-Length: -1\r\n\r\n", b"411"),
        (HEADERS + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
        (b"GET /add-checkpoint HTTP/1.1\r\nHost: w\r\n\r\n", b"405"),
        (b"GET /witness.db HTTP/1.1\r\nHost: w\r\n\r\n", b"404"),
        (b"POST /../add-checkpoint HTTP/1.1\r\nContent-Length: 0\r\n\r\n", b"404"),
        (b"DELETE / HTTP/1.1\r\nHost: w\r\n\r\n", b"501"),
        (b"POST " + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (HEADERS + b"X: " + b"x" * 70_000 + b"\r\n\r\n", b"431"),
        (HEADERS + b"X: y\r\n" * 200 + b"\r\n", b"431"),
        (b"\x16\x03\x01 this is no HTTP\r\n\r\n", b"400"),
    ],
)
def test_what_is_no_request_is_answered_and_the_connection_closed(witness: Running, data: bytes, status: bytes) -> None:
    answer = raw(witness, data)
    assert status in answer.split(b"\r\n", 1)[0] or answer.startswith(b"<!DOCTYPE")
    assert b"Python" not in answer.partition(b"\r\n\r\n")[0]


def test_a_request_that_never_ends_is_cut_off(witness: Running) -> None:
    begun = time.monotonic()
    assert raw(witness, HEADERS + b"Content-Length: 10\r\n\r\nold") == b""
    assert time.monotonic() - begun < REQUEST_SECONDS


def test_idle_connections_do_not_shut_others_out_for_long(witness: Running) -> None:
    idle = [socket.create_connection(("127.0.0.1", witness.port)) for _ in range(80)]
    try:
        log = log_of(3, name="log-idle")
        until = time.monotonic() + 15
        while time.monotonic() < until:
            try:
                if cosigns(witness, log, 0, 3):
                    break
            except (OSError, http.client.HTTPException):
                continue
        assert seen(witness.folder)["log-idle"] == 3
    finally:
        for each in idle:
            each.close()


def test_one_connection_serves_many_requests(witness: Running) -> None:
    log = log_of(20, name="log-alive")
    connection = http.client.HTTPConnection("127.0.0.1", witness.port, timeout=20)
    connection.connect()
    before = connection.sock
    for size in range(1, 20):
        connection.request("POST", PATH, body=log.body(size - 1, size))
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        assert connection.sock is before
    connection.close()
