"""The witness itself: takes a submission, judges it, remembers the head, and only then gives the cosignatures away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bailiwick.audit.notes import Note, NoteKey, NoteSigner
from bailiwick.audit.witnessing import SIZE_TYPE, Answer, Submission, TreeHead, judge, keys_for
from bailiwick.errors import NoteError
from bailiwick.witness.store import Seen, WitnessStore

__all__ = ["Reply", "Witness"]

TRIES = 3
"""So often a submission is judged anew because another one came first; after that the client is told to ask again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is answered. `told` is for the witness's operator: empty where nothing is amiss."""

    answer: Answer
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"
    origin: str = ""
    told: str = ""


class Witness:
    """Threads may share it."""

    def __init__(self, store: WitnessStore, signers: tuple[NoteSigner, ...], clock_ms: Callable[[], int]) -> None:
        """`signers` make cosignatures, all under the witness's name; `clock_ms` is the time since the epoch."""
        self._store, self._signers, self._clock_ms = store, signers, clock_ms

    def add_checkpoint(self, data: bytes) -> Reply:
        """Answer a request. Raises StoreError: then nothing was cosigned."""
        try:
            asked = Submission.parse(data)
        except NoteError as error:
            return Reply(answer=Answer.MALFORMED, body=f"{error}\n")
        keys = keys_for(asked.checkpoint.origin, self._store.trusted(asked.checkpoint.origin))
        held = self._store.head(asked.checkpoint.origin)
        for _ in range(TRIES):
            answer = judge(asked, keys, held)
            if answer is not Answer.COSIGN:
                return self._refused(asked, keys, answer, held)
            signed = self._cosigned(asked, keys, held)
            if signed is not None:
                return signed
            held = self._store.head(asked.checkpoint.origin)
        return _conflict(asked, held, told="")

    def _cosigned(self, asked: Submission, keys: tuple[NoteKey, ...], held: TreeHead) -> Reply | None:
        """The cosignatures, of a head that is on disk; None if another head is held by now."""
        now_ms = self._clock_ms()
        text = asked.note.text
        lines = tuple(signer.sign(text, now_ms // 1000) for signer in self._signers)
        note = _only(asked.note, keys).with_lines(lines).format()
        seen = Seen(origin=asked.checkpoint.origin, head=asked.head, note=note, at_ms=now_ms)
        if not self._store.advance(seen, held):
            return None
        body = "".join(f"{line.format()}\n" for line in lines)
        return Reply(answer=Answer.COSIGN, body=body, origin=asked.checkpoint.origin)

    def _refused(self, asked: Submission, keys: tuple[NoteKey, ...], answer: Answer, held: TreeHead) -> Reply:
        origin = asked.checkpoint.origin
        match answer:
            case Answer.UNKNOWN:
                return Reply(answer=answer, body="no key is trusted for this log\n")
            case Answer.UNTRUSTED:
                told = "a checkpoint that none of the trusted keys signed"
                return Reply(answer=answer, body=f"{told}\n", origin=origin, told=told)
            case Answer.CONFLICT:
                return _conflict(asked, held, told=self._contradicts(asked, keys, held))
            case Answer.INCONSISTENT:
                self._store.refuse(origin, answer, _only(asked.note, keys).format(), self._clock_ms())
                told = f"{asked.head.size} events that do not begin with the {held.size} that were cosigned"
                return Reply(answer=answer, body=f"{told}\n", origin=origin, told=told)
        return Reply(answer=Answer.MALFORMED, body="the old size is above that of the checkpoint\n", origin=origin)

    def _contradicts(self, asked: Submission, keys: tuple[NoteKey, ...], held: TreeHead) -> str:
        """Two signed roots for one size are proof of a fork. (Another old size alone is a client that asks.)"""
        if asked.head.size != held.size or asked.head.root == held.root:
            return ""
        note = _only(asked.note, keys).format()
        self._store.refuse(asked.checkpoint.origin, Answer.CONFLICT, note, self._clock_ms())
        return f"another root for {held.size} events than the one that was cosigned: the log was forked"


def _only(note: Note, keys: tuple[NoteKey, ...]) -> Note:
    """The note with the lines of these keys alone: what else a client put there is not kept for it."""
    known = {(key.name, key.key_id) for key in keys}
    return Note(text=note.text, lines=tuple(line for line in note.lines if (line.name, line.key_id) in known))


def _conflict(asked: Submission, held: TreeHead, *, told: str) -> Reply:
    return Reply(
        answer=Answer.CONFLICT, body=f"{held.size}\n", content_type=SIZE_TYPE, origin=asked.checkpoint.origin, told=told
    )
