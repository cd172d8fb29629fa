"""What a session is told that it sees: prompts, retrieved texts, messages, the model's own words. All of it is labelled
and recorded, and later decides what an argument may be endorsed by. DESIGN §5 *Flow*."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from bailiwick.flow.ledger import ContentOrigin, Seen
from bailiwick.guard import leave
from bailiwick.guard.current import running_permit
from bailiwick.guard.engine import Engine
from bailiwick.guard.spending import report
from bailiwick.guard.state import SessionState
from bailiwick.model.label import Label

__all__ = ["Seeing"]


class Seeing(ABC):
    """The part of a `Session` that takes content in."""

    _engine: Engine

    @property
    @abstractmethod
    def _open(self) -> SessionState:
        """The state of the session; raises UsageError unless it was opened."""

    def prompt(self, text: str) -> None:
        """What the root principal typed: trusted, and the root of endorsement."""
        self._ingest(Seen(origin=ContentOrigin.PROMPT, source="user", value=text))

    def instructions(self, text: str) -> None:
        """What the developer tells the model (a system prompt): trusted, endorses nothing."""
        self._ingest(Seen(origin=ContentOrigin.INSTRUCTIONS, source="instructions", value=text))

    def instructions_once(self, text: str) -> None:
        """`instructions`, unless the session knows this text already."""
        with self._open.lock:
            known = self._open.ledger.knows(text)
        if not known:
            self.instructions(text)

    def retrieved(self, source: str, chunks: Sequence[str], *, label: Label | None = None) -> list[str]:
        """Texts that a retriever found, in order, labelled as untrusted unless `label` says better. → the same
        texts."""
        for number, chunk in enumerate(chunks):
            self._ingest(Seen(origin=ContentOrigin.RETRIEVED, source=f"{source}#{number}", value=chunk, label=label))
        return list(chunks)

    def message(self, source: str, text: str) -> None:
        """What another agent or system said: nobody vouches for it."""
        self._ingest(Seen(origin=ContentOrigin.MESSAGE, source=source, value=text))

    def model_input(self, texts: Sequence[str]) -> list[str]:
        """Tell the session what a model is about to read. → those texts that it did not know; they now taint it."""
        with self._open.lock:
            unknown = [text for text in texts if not self._open.ledger.knows(text)]
        for text in unknown:
            self._ingest(Seen(origin=ContentOrigin.UNKNOWN, source="unknown", value=text))
        return unknown

    def model_output(self, text: str) -> None:
        """What the model wrote: as sensitive as all that it had seen, and endorsing nothing."""
        self._ingest(
            Seen(origin=ContentOrigin.MODEL, source=f"agent:{self._open.authority.chain.actor.id}", value=text)
        )

    def report_usage(self, *, tokens: int) -> None:
        """So many tokens were used. Budgets that count the governed call of this session that runs just now are settled
        for them with its outcome; on every other budget of tokens they count at once. Raises UsageError for what is no
        number of tokens, StoreError."""
        self._engine.run(report(self._engine.core.planes, self._open, running_permit(), tokens))

    def vouch(self, text: str) -> None:
        """A text made by bailiwick itself (a denial), or another rendering of a labelled result: known, adds no
        label."""
        self._engine.run(leave.vouch(self._open, text))

    def _ingest(self, seen: Seen) -> None:
        self._engine.run(leave.ingest(self._engine.core, self._open, seen))
