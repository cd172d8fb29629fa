"""Asks the witnesses that a project names to cosign its checkpoints. C2SP tlog-witness, the client's side.

All are asked at once, each by a thread of its own that keeps its connection; whoever asks waits for the quorum and no
longer than the time set. A witness is believed nothing but a true signature over this checkpoint: what it answers is
bounded in size and time, redirects are not followed, and the size that it says it holds only chooses the proof that it
is sent.

INVARIANT: a witness counts only if every key that the settings name for it signed this very checkpoint, now.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from queue import Empty, SimpleQueue
from socket import SHUT_RDWR
from urllib.parse import urlsplit

from bailiwick.audit.notes import Note, NoteKey, parse, signed_by
from bailiwick.audit.ports import ConsistencyProof, Cosigned
from bailiwick.audit.witness_settings import WitnessDecl
from bailiwick.audit.witnessing import Answer, request_body
from bailiwick.errors import NoteError, StoreError

__all__ = ["WitnessClients"]

MAX_ANSWER = 64 * 1024
"""Bytes: more than sixteen signatures of the longest kind."""
SKEW_S = 600
"""A cosignature's time may be so far from ours."""
TRIES = 16
"""So often one witness is asked about one checkpoint, each time with the size that it said it holds. Processes that
begin at once have heads of their parent cosigned in any order, so an honest one may hold another size each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One request to one witness. `until` is by the monotonic clock."""

    old_size: int
    body: bytes
    until: float
    answers: SimpleQueue[_Said]
    tries: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What came of a job: the status and the body of an answer, or why there is none."""

    peer: _Peer
    job: _Job
    status: int = 0
    body: bytes = b""
    failed: str = ""


class WitnessClients:
    """The `Witnesses` of a project. Threads may share it; a forked child may not use it."""

    def __init__(
        self,
        witnesses: Sequence[WitnessDecl],
        *,
        quorum: int,
        timeout_s: float,
        window_s: float,
        clock_s: Callable[[], int] = lambda: int(time.time()),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`quorum` of them must cosign, within `timeout_s`; see the port for `window_s`. `clock_s` is the time since
        the epoch; `tls` whom to trust, if not the system's authorities."""
        self._peers = tuple(_Peer(witness, tls) for witness in witnesses)
        self.timeout_s, self.window_s = timeout_s, window_s
        self._quorum, self._clock_s = quorum, clock_s

    def cosign(self, note: str, size: int, proof: ConsistencyProof, /) -> Cosigned:
        """Ask them all about this checkpoint. `proof` is asked in the calling thread alone. Raises nothing: a witness
        that cannot be asked is one that did not cosign."""
        asked = parse(note)
        until = time.monotonic() + self.timeout_s
        answers: SimpleQueue[_Said] = SimpleQueue()
        round_ = _Round(note=asked, size=size, proof=proof, now_s=self._clock_s())
        waiting = set(self._peers)
        for peer in self._peers:
            said = round_.ask(peer, peer.cosigned(round_.origin), until=until, answers=answers)
            if said:
                waiting.discard(peer)
        while waiting and len(round_.lines) < self._quorum:
            try:
                said_now = answers.get(timeout=max(0.0, until - time.monotonic()))
            except Empty:
                break
            if round_.take(said_now):
                waiting.discard(said_now.peer)
        for peer in waiting:
            if len(round_.lines) < self._quorum:
                round_.refused[peer.name] = f"did not answer within {self.timeout_s:g} s"
            peer.give_up_late()
        return Cosigned(
            lines=tuple(line for lines in round_.lines.values() for line in lines),
            enough=len(round_.lines) >= self._quorum,
            refused=tuple(f"the witness {name} {why}" for name, why in round_.refused.items()),
        )

    def close(self) -> None:
        """Ask nobody any more. What is under way is given up."""
        for peer in self._peers:
            peer.close()


class _Round:
    """One checkpoint, and what each witness said to it."""

    def __init__(self, *, note: Note, size: int, proof: ConsistencyProof, now_s: int) -> None:
        self.origin = note.checkpoint.origin
        self.lines: dict[str, tuple[str, ...]] = {}
        self.refused: dict[str, str] = {}
        self._note, self._size, self._proof, self._now_s = note, size, proof, now_s

    def ask(self, peer: _Peer, held: int, *, until: float, answers: SimpleQueue[_Said], tries: int = 1) -> bool:
        """Send it on its way, with the proof from what the witness holds. → whether that was refused right here."""
        if held > self._size:
            self.refused[peer.name] = (
                f"has cosigned {held} events of {self.origin}, which has {self._size} now: it was rolled back"
            )
            return True
        try:
            proof = self._proof(held) if 0 < held < self._size else ()
        except StoreError as error:
            self.refused[peer.name] = f"cannot be shown what follows the {held} events that it cosigned: {error}"
            return True
        body = request_body(held, proof, self._note)
        peer.submit(_Job(old_size=held, body=body, until=until, answers=answers, tries=tries))
        return False

    def take(self, said: _Said) -> bool:
        """Take in an answer. → whether the witness is done with: cosigned or refused."""
        peer, job = said.peer, said.job
        if said.failed:
            self.refused[peer.name] = said.failed
            return True
        if said.status == Answer.COSIGN:
            self._take_cosigned(peer, said.body)
            return True
        if said.status != Answer.CONFLICT:
            self.refused[peer.name] = _meaning(said.status, self.origin)
            return True
        held = _size(said.body)
        if held is None:
            self.refused[peer.name] = "answered with no size that it holds"
            return True
        if held == job.old_size:
            forked = held == self._size
            self.refused[peer.name] = (
                f"has cosigned another tree of {held} events of {self.origin}: the log was changed, forked or replaced"
                if forked
                else "answered with a conflict that is none"
            )
            return True
        if held < peer.cosigned(self.origin):
            self.refused[peer.name] = f"has forgotten what it cosigned of {self.origin}: it holds {held} events"
            return True
        if job.tries >= TRIES:
            self.refused[peer.name] = "says another size each time that it is asked"
            return True
        return self.ask(peer, held, until=job.until, answers=job.answers, tries=job.tries + 1)

    def _take_cosigned(self, peer: _Peer, body: bytes) -> None:
        lines = _verified(body, self._note, peer.keys, self._now_s)
        if isinstance(lines, str):
            self.refused[peer.name] = lines
            return
        peer.has_cosigned(self.origin, self._size)
        self.lines[peer.name] = lines


class _Peer:
    """One witness, its connection, and what is known of it. Its thread sends one request after the other."""

    def __init__(self, witness: WitnessDecl, tls: ssl.SSLContext | None) -> None:
        parts = urlsplit(witness.url)
        self.name, self.keys = witness.name, witness.keys
        self._host, self._port = parts.hostname or "", parts.port
        self._path = f"{parts.path.rstrip('/')}/add-checkpoint"
        self._secure, self._tls = parts.scheme == "https", tls
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._connection: HTTPConnection | None = None
        self._until = 0.0
        self._closed = False
        self._cosigned: dict[str, int] = {}

    def cosigned(self, origin: str) -> int:
        """The size that it cosigned last, as far as this process knows. Asking with another one than it holds is
        answered with the right one."""
        return self._cosigned.get(origin, 0)

    def has_cosigned(self, origin: str, size: int) -> None:
        self._cosigned[origin] = max(size, self._cosigned.get(origin, 0))

    def submit(self, job: _Job) -> None:
        with self._lock:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._work, name=f"witness-{self.name}", daemon=True)
                self._thread.start()
        self._jobs.put(job)

    def close(self) -> None:
        with self._lock:
            self._closed = True
        self._jobs.put(None)
        self._until = 0.0
        self.give_up_late()

    def give_up_late(self) -> None:
        """End a request whose time is over. It may be one that answers byte by byte, so that no read times out."""
        connection = self._connection
        if connection is not None and self._until <= time.monotonic() and connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(SHUT_RDWR)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if time.monotonic() >= job.until:
                said = _Said(peer=self, job=job, failed="was still busy with an earlier checkpoint")
            else:
                said = self._sent(job)
            job.answers.put(said)
        self._disconnect()

    def _sent(self, job: _Job) -> _Said:
        reused = self._connection is not None
        try:
            try:
                status, body = self._exchange(job)
            except (OSError, HTTPException):
                if not reused:
                    raise
                self._disconnect()  # it was kept open, and may have been closed on the other side meanwhile
                status, body = self._exchange(job)
        except (OSError, HTTPException, ValueError) as error:
            self._disconnect()
            return _Said(peer=self, job=job, failed=f"could not be asked: {_why(error)}")
        return _Said(peer=self, job=job, status=status, body=body)

    def _exchange(self, job: _Job) -> tuple[int, bytes]:
        """Status and body of the answer. Raises OSError, HTTPException or ValueError."""
        left = job.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        connection = self._connected(left)
        self._until = job.until
        headers = {"Content-Type": "text/plain; charset=utf-8", "Accept": "*/*"}
        connection.request("POST", self._path, body=job.body, headers=headers)
        answer = connection.getresponse()
        body = _bounded(answer, job.until)
        if answer.will_close:
            self._disconnect()
        return answer.status, body

    def _connected(self, timeout_s: float) -> HTTPConnection:
        if self._connection is None:
            if self._secure:
                context = self._tls or ssl.create_default_context()
                self._connection = HTTPSConnection(self._host, self._port, timeout=timeout_s, context=context)
            else:
                self._connection = HTTPConnection(self._host, self._port, timeout=timeout_s)
        self._connection.timeout = timeout_s
        if self._connection.sock is not None:
            self._connection.sock.settimeout(timeout_s)
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(OSError):
                connection.close()


def _bounded(answer: HTTPResponse, until: float) -> bytes:
    found = bytearray()
    while chunk := answer.read1(MAX_ANSWER):
        found += chunk
        if len(found) > MAX_ANSWER:
            raise ValueError(f"its answer is longer than {MAX_ANSWER} bytes")
        if time.monotonic() > until:
            raise TimeoutError("timed out")
    return bytes(found)


def _verified(body: bytes, note: Note, keys: Sequence[NoteKey], now_s: int) -> tuple[str, ...] | str:
    """The cosignatures of these keys in an answer, or why they do not count."""
    try:
        said = parse(note.text.encode() + b"\n" + body)
        signed = signed_by(said, keys)
    except NoteError as error:
        return f"gave no cosignature: {error}"
    if {each.key for each in signed} != set(keys):
        return "did not cosign with the keys that the settings name for it"
    if any(abs(each.time - now_s) > SKEW_S for each in signed):
        return f"cosigned with a time that is more than {SKEW_S // 60} minutes from ours"
    known = {(key.name, key.key_id) for key in keys}
    return tuple(line.format() for line in said.lines if (line.name, line.key_id) in known)


def _size(body: bytes) -> int | None:
    digits = body.removesuffix(b"\n")
    return int(digits) if digits.isdigit() and len(digits) <= 19 else None


def _meaning(status: int, origin: str) -> str:
    match status:
        case Answer.UNKNOWN:
            return f"does not know the log {origin}: its operator has to add it"
        case Answer.UNTRUSTED:
            return f"does not trust the key that signed {origin}: its operator has to add it"
        case Answer.INCONSISTENT:
            return f"says that {origin} does not go on from what it cosigned: the log was changed, forked or replaced"
    return f"answered with status {status}"


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__
