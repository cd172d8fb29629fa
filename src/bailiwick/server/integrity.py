"""Verification for the console: done by a thread of its own, so that no page waits for it, and kept until a page is
asked for that is newer.

INVARIANT: the head that was verified last is held against the next verification as one that was kept elsewhere, so that
nothing that this process has once verified can be rewritten under it unnoticed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bailiwick.audit.kept import KeptHead
from bailiwick.audit.log_signer import LogSigner
from bailiwick.audit.notes import NoteKey, signed_by
from bailiwick.audit.report import FolderReport, Report, State
from bailiwick.audit.witness_settings import WitnessDecl, WitnessRules
from bailiwick.errors import BailiwickError
from bailiwick.stores.log_file import log_path
from bailiwick.stores.log_keys import log_signer
from bailiwick.stores.log_proofs import LogProofs
from bailiwick.stores.log_verification import Against, verify_folder

__all__ = ["Proof", "Verified", "Verifier"]

FRESH_MS = 60_000
"""A result is shown for so long before the logs are verified anew."""
_SOURCE = "what this console verified before"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The newest checkpoint of a log: over how many records (None: there is none), whether the project's key signed it,
    and which witnesses cosigned it, each with when (ms); `wrong` if a signature on it is not true."""

    covers: int | None = None
    signed: bool = False
    witnesses: tuple[tuple[str, int], ...] = ()
    wrong: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was found, when it was begun and done (ms), or why it could not be."""

    report: FolderReport | None
    begun_ms: int
    done_ms: int
    failed: str = ""
    proofs: Mapping[str, Proof] = field(default_factory=dict)


class Verifier:
    """Verifies the logs of one folder. Threads may share it."""

    def __init__(self, folder: Path, clock_ms: Callable[[], int], witnessing: WitnessRules | None = None) -> None:
        self._folder, self._clock_ms = folder, clock_ms
        self._witnessing = witnessing or WitnessRules()
        self._lock = threading.Lock()
        self._last: Verified | None = None
        self._since_ms: int | None = None
        self._heads: dict[str, tuple[KeptHead, ...]] = {}

    def latest(self) -> tuple[Verified | None, int | None]:
        """What was found last (None: nothing yet), and since when it is being verified anew (None: it is not). Never
        waits; what is older than FRESH_MS is verified anew in the background."""
        with self._lock:
            now_ms = self._clock_ms()
            stale = self._last is None or not self._last.done_ms <= now_ms < self._last.done_ms + FRESH_MS
            if stale and self._since_ms is None:
                self._since_ms = now_ms
                # It only reads: where the process ends meanwhile, nothing is lost.
                threading.Thread(target=self._run, name="bailiwick-verify", daemon=True).start()
            return self._last, self._since_ms

    def _run(self) -> None:
        begun_ms = self._clock_ms()
        report: FolderReport | None = None
        proofs: Mapping[str, Proof] = {}
        failed = "The verification itself failed; the server's log says why."
        try:
            signer = log_signer(self._folder.parent, "own", make=False)
            against = Against(heads=dict(self._heads), keys=signer.project_keys)
            report = verify_folder(self._folder, against=against)
            proofs = {one.log: self._proof(one, signer) for one in (*report.logs, *report.parents)}
            failed = ""
        except (BailiwickError, OSError) as error:
            report, failed = None, str(error)
        finally:
            with self._lock:
                if report is not None:
                    self._heads.update(_sound((*report.logs, *report.parents)))
                done_ms = self._clock_ms()
                self._last = Verified(report=report, begun_ms=begun_ms, done_ms=done_ms, failed=failed, proofs=proofs)
                self._since_ms = None

    def _proof(self, one: Report, signer: LogSigner) -> Proof:
        try:
            with LogProofs.open(log_path(self._folder, one.log)) as proofs:
                note = proofs.checkpoint()
            if note is None:
                return Proof()
            # Whoever made the log named it: the name in its checkpoint is the one that the key signed under.
            own = (key.renamed(note.checkpoint.origin) for key in signer.project_keys)
            at = {signed.key: signed.time for signed in signed_by(note, (*own, *self._witness_keys()))}
            by = ((each.name, _cosigned_ms(each, at)) for each in self._witnessing.witnesses)
            return Proof(
                covers=note.checkpoint.size,
                signed=any(key.name == note.checkpoint.origin for key in at),
                witnesses=tuple((name, ms) for name, ms in by if ms is not None),
            )
        except BailiwickError as error:
            return Proof(wrong=str(error))

    def _witness_keys(self) -> Iterable[NoteKey]:
        return (key for each in self._witnessing.witnesses for key in each.keys)


def _cosigned_ms(witness: WitnessDecl, at: Mapping[NoteKey, int]) -> int | None:
    """When a witness cosigned: with every one of its keys, or not at all."""
    return min(at[key] for key in witness.keys) * 1000 if all(key in at for key in witness.keys) else None


def _sound(reports: Iterable[Report]) -> Mapping[str, tuple[KeptHead, ...]]:
    return {one.log: (KeptHead(*one.head, _SOURCE),) for one in reports if one.state is State.SOUND}
