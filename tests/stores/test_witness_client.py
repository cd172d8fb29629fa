"""Asking witnesses: a quorum of several, of which some are down, lie, hang or talk without end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bailiwick.audit.notes import KeyType, Note, NoteSigner, parse, signed_by
from bailiwick.audit.ports import Cosigned
from bailiwick.audit.witness_settings import WitnessDecl
from bailiwick.errors import StoreError, Where
from bailiwick.stores import witness_client
from bailiwick.stores.witness_client import TRIES, WitnessClients
from tests.witness.logs import TestedLog, log_of, signer
from tests.witness.process import Running, made, running, running_all

WHERE = Where(file="bailiwick.toml")
KEYS = (
    signer("witness.test/liar", KeyType.COSIGNATURE_ED25519, 5),
    signer("witness.test/liar", KeyType.COSIGNATURE_MLDSA44, 5),
)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Running]]:
    folder = tmp_path_factory.mktemp("three")
    with running_all([made(folder / name) for name in ("w1", "w2", "w3")]) as started:
        yield started


def clients(witnesses: Sequence[WitnessDecl], quorum: int, timeout_s: float = 5.0) -> WitnessClients:
    return WitnessClients(witnesses, quorum=quorum, timeout_s=timeout_s, window_s=5.0)


def ask(asked: WitnessClients, log: TestedLog, size: int) -> Cosigned:
    return asked.cosign(log.note(size).format(), size, lambda old: log.proof(old, size))


@contextmanager
def closed_port() -> Iterator[WitnessDecl]:
    """The address of a witness that is down."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    yield declared(port, "down")


def declared(port: int, name: str = "liar") -> WitnessDecl:
    keys = tuple(each.key for each in KEYS)
    return WitnessDecl(name=name, url=f"http://127.0.0.1:{port}", keys=keys, where=WHERE)


@contextmanager
def answering(answer: Callable[[bytes, socket.socket], None]) -> Iterator[WitnessDecl]:
    """A server that reads one request on each connection and leaves the rest to `answer`."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve(connection: socket.socket) -> None:
            with connection:
                data = b""
                while b"\r\n\r\n" not in data or (b"\n\xe2\x80\x94 " not in data or not data.endswith(b"\n")):
                    chunk = connection.recv(65536)
                    if not chunk:
                        return
                    data += chunk
                try:
                    answer(data.partition(b"\r\n\r\n")[2], connection)
                except OSError:
                    return

        def accept() -> None:
            while not stop.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield declared(listener.getsockname()[1])
        finally:
            stop.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def reply(status: int, body: bytes, headers: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n%s\r\n%s" % (status, len(body), headers, body)


def lines(note: Note, signers: Sequence[NoteSigner], at: int | None = None) -> bytes:
    moment = int(time.time()) if at is None else at
    return "".join(f"{each.sign(note.text, moment).format()}\n" for each in signers).encode()


def submitted(body: bytes) -> Note:
    return parse(body.partition(b"\n\n")[2])


# ── a quorum ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_all_cosign_and_their_lines_verify(three: list[Running]) -> None:
    log = log_of(20, name="log-all")
    with closing(clients([each.declared for each in three], quorum=3)) as asked:
        for size in (5, 5, 6, 20):
            said = ask(asked, log, size)
            assert said.enough, said
            assert not said.refused
            note = parse(log.note(size).format() + "".join(f"{line}\n" for line in said.lines))
            keys = [key for each in three for key in each.declared.keys]
            assert {each.key for each in signed_by(note, keys)} == set(keys)


def test_one_that_is_down_does_not_stop_two_of_three(three: list[Running]) -> None:
    log = log_of(20, name="log-down")
    with closed_port() as down:
        two = [each.declared for each in three[:2]]
        with closing(clients([*two, down], quorum=2)) as asked:
            assert ask(asked, log, 5).enough
            assert ask(asked, log, 9).enough
        with closing(clients([*two, down], quorum=3)) as asked:
            said = ask(asked, log, 12)
            assert not said.enough
            assert len(said.lines) == 4
            assert said.refused == ("the witness down could not be asked: [Errno 111] Connection refused",)


def test_one_that_hangs_costs_nothing_while_the_others_make_the_quorum(three: list[Running]) -> None:
    log = log_of(20, name="log-hang")
    released = threading.Event()

    def hang(_body: bytes, _connection: socket.socket) -> None:
        released.wait()

    with answering(hang) as hangs:
        with closing(clients([each.declared for each in three[:2]] + [hangs], quorum=2, timeout_s=20)) as asked:
            begun = time.monotonic()
            assert all(ask(asked, log, size).enough for size in range(5, 15))
            assert time.monotonic() - begun < 10
        released.set()


def test_the_size_that_a_witness_holds_is_learnt_from_it(three: list[Running]) -> None:
    log = log_of(30, name="log-learn")
    declared_ = [three[0].declared]
    with closing(clients(declared_, quorum=1)) as first:
        assert ask(first, log, 17).enough
    with closing(clients(declared_, quorum=1)) as later:
        assert ask(later, log, 30).enough


def test_a_log_that_was_rolled_back_is_told_so(three: list[Running]) -> None:
    log = log_of(30, name="log-back")
    declared_ = [three[0].declared]
    with closing(clients(declared_, quorum=1)) as asked:
        assert ask(asked, log, 30).enough
    for fresh in (True, False):
        with closing(clients(declared_, quorum=1)) as asked:
            if not fresh:
                assert ask(asked, log, 30).enough
            said = ask(asked, log, 20)
            assert not said.enough
            assert not said.lines
            assert "has cosigned 30 events" in said.refused[0]
            assert "rolled back" in said.refused[0]


@pytest.mark.parametrize("size", [20, 25])
def test_a_log_that_was_forked_is_told_so(three: list[Running], size: int) -> None:
    log = log_of(30, name=f"log-forked-{size}")
    with closing(clients([three[0].declared], quorum=1)) as asked:
        assert ask(asked, log, 20).enough
        said = ask(asked, log.forked(3), size)
    assert not said.enough
    assert "changed, forked or replaced" in said.refused[0]


def test_a_restarted_witness_is_asked_again_on_a_new_connection(tmp_path: Path) -> None:
    log = log_of(30)
    with running(made(tmp_path / "w1")) as first, closing(clients([first.declared], quorum=1)) as asked:
        assert ask(asked, log, 5).enough
        first.kill()
        assert not ask(asked, log, 6).enough
        with running(first.folder, first.port):
            assert ask(asked, log, 7).enough


def test_one_that_forgot_what_it_cosigned_does_not_count(tmp_path: Path) -> None:
    log = log_of(30)
    with running(made(tmp_path / "w1")) as first, closing(clients([first.declared], quorum=1)) as asked:
        assert ask(asked, log, 20).enough
        first.kill()
        for path in first.folder.glob("witness.db*"):
            path.unlink()
        keys = {path.name: path.read_bytes() for path in first.folder.iterdir()}
        other = made(tmp_path / "again")
        for name, data in keys.items():
            (other / name).write_bytes(data)
        with running(other, first.port):
            said = ask(asked, log, 25)
    assert not said.enough
    assert "has forgotten" in said.refused[0]


def test_a_proof_that_cannot_be_made_is_a_refusal(three: list[Running]) -> None:
    log = log_of(30, name="log-no-proof")

    def broken(_old: int) -> tuple[bytes, ...]:
        raise StoreError("the file is gone")

    with closing(clients([three[0].declared], quorum=1)) as asked:
        assert ask(asked, log, 10).enough
        said = asked.cosign(log.note(20).format(), 20, broken)
    assert not said.enough
    assert "the file is gone" in said.refused[0]


def test_threads_may_ask_at_the_same_time_about_different_logs(three: list[Running]) -> None:
    logs = [log_of(12, name=f"log-thread-{number}") for number in range(4)]
    enough: list[bool] = []
    with closing(clients([each.declared for each in three], quorum=3, timeout_s=20)) as asked:

        def climb(log: TestedLog) -> None:
            enough.extend(ask(asked, log, size).enough for size in range(1, 13, 3))

        threads = [threading.Thread(target=climb, args=(log,)) for log in logs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert enough == [True] * 16


# ── witnesses that lie ─────────────────────────────────────────────────────────────────────────────────────────────

OTHER = tuple(replace(each, private=signer("x", each.kind, 6).private) for each in KEYS)
LOG = log_of(30)
NOW = int(time.time())

LIES: dict[str, tuple[Callable[[Note], bytes], str]] = {
    "another key under the same name": (lambda note: reply(200, lines(note, OTHER)), "did not cosign with the keys"),
    "one of the two keys alone": (lambda note: reply(200, lines(note, KEYS[:1])), "did not cosign with the keys"),
    "another root": (lambda _: reply(200, lines(LOG.forked(2).note(20), KEYS)), "not over this text"),
    "another size": (lambda _: reply(200, lines(LOG.note(19), KEYS)), "not over this text"),
    "a time long ago": (lambda note: reply(200, lines(note, KEYS, NOW - 7200)), "minutes from ours"),
    "no time": (lambda note: reply(200, lines(note, KEYS, 0)), "minutes from ours"),
    "a time to come": (lambda note: reply(200, lines(note, KEYS, NOW + 7200)), "minutes from ours"),
    "the log's own lines": (lambda note: reply(200, lines(note, LOG.signers)), "did not cosign with the keys"),
    "nothing": (lambda _: reply(200, b""), "gave no cosignature"),
    "text": (lambda _: reply(200, b"<html>all is well</html>"), "gave no cosignature"),
    "bytes": (lambda _: reply(200, bytes(range(256))), "gave no cosignature"),
    "another note": (lambda note: reply(200, b"\nx\n\n" + lines(note, KEYS)), "gave no cosignature"),
    "a line without its end": (lambda note: reply(200, lines(note, KEYS)[:-1]), "gave no cosignature"),
    "a huge body": (lambda _: reply(200, b"x" * 1_000_000), "longer than"),
    "a huge header": (lambda _: reply(200, b"", b"X: " + b"x" * 100_000 + b"\r\n"), "could not be asked"),
    "many headers": (lambda _: reply(200, b"", b"X: y\r\n" * 500), "could not be asked"),
    "no HTTP": (lambda _: b"SSH-2.0-x\r\n", "could not be asked"),
    "a closed connection": (lambda _: b"", "could not be asked"),
    "half an answer": (lambda note: reply(200, lines(note, KEYS))[:-90], "gave no cosignature"),
    "a redirect": (lambda _: reply(307, b"", b"Location: http://127.0.0.1:1/\r\n"), "status 307"),
    "a failure": (lambda _: reply(503, b"busy"), "status 503"),
    "not found": (lambda _: reply(404, b""), "does not know the log"),
    "forbidden": (lambda _: reply(403, b""), "does not trust the key"),
    "unprocessable": (lambda _: reply(422, b""), "changed, forked or replaced"),
    "a conflict that is none": (lambda _: reply(409, b"0\n"), "a conflict that is none"),
    "a conflict without a size": (lambda _: reply(409, b""), "no size"),
    "a conflict with a word": (lambda _: reply(409, b"-3\n"), "no size"),
    "a conflict with an endless number": (lambda _: reply(409, b"9" * 5000), "no size"),
    "a size beyond the log": (lambda _: reply(409, b"21\n"), "rolled back"),
    "the same conflict for ever": (lambda _: reply(409, b"7\n"), "a conflict that is none"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_witness_that_lies_does_not_count(name: str) -> None:
    lie, why = LIES[name]
    with (
        answering(lambda body, connection: connection.sendall(lie(submitted(body)))) as liar,
        closing(clients([liar], quorum=1)) as asked,
    ):
        said = ask(asked, LOG, 20)
    assert not said.enough
    assert not said.lines
    assert len(said.refused) == 1
    assert why in said.refused[0]


def test_a_witness_that_names_another_size_each_time_is_not_asked_for_ever() -> None:
    asked_with: list[bytes] = []

    def another(body: bytes, connection: socket.socket) -> None:
        asked_with.append(body.split(b"\n", 1)[0])
        connection.sendall(reply(409, b"%d\n" % len(asked_with)))

    with answering(another) as liar, closing(clients([liar], quorum=1)) as asked:
        said = ask(asked, LOG, 20)
    assert asked_with == [b"old %d" % size for size in range(TRIES)]
    assert "another size each time" in said.refused[0]


@pytest.mark.parametrize("part", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 X\r\n\r\nx"])
def test_a_witness_that_talks_without_end_is_given_up_in_time(part: bytes) -> None:
    pace = threading.Event()

    def drip(_body: bytes, connection: socket.socket) -> None:
        while not pace.wait(0.02):
            connection.sendall(part)

    with answering(drip) as liar, closing(clients([liar], quorum=1, timeout_s=0.5)) as asked:
        begun = time.monotonic()
        for _ in range(2):
            said = ask(asked, LOG, 20)
            assert not said.enough
            assert said.refused
        assert time.monotonic() - begun < 5


def test_lines_of_strangers_in_an_answer_are_not_handed_on() -> None:
    def more(body: bytes, connection: socket.socket) -> None:
        note = submitted(body)
        connection.sendall(reply(200, lines(note, KEYS) + lines(note, OTHER)))

    with answering(more) as witness, closing(clients([witness], quorum=1)) as asked:
        said = ask(asked, LOG, 20)
    assert said.enough
    assert len(said.lines) == 2
    assert witness_client.MAX_ANSWER < 1_000_000
