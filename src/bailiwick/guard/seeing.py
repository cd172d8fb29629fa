"""What a session is told that it sees: prompts, retrieved texts, messages, the model's own words. All of it is labelled
and recorded, and later decides what an argument may be endorsed by. DESIGN §5 *Flow*."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeVar

from bailiwick.flow.ledger import ContentOrigin, Seen
from bailiwick.guard import leave
from bailiwick.guard.core import Core
from bailiwick.guard.current import running_permit
from bailiwick.guard.effects import Flow
from bailiwick.guard.engine import Engine
from bailiwick.guard.model_calls import Message, ModelCall, text_of
from bailiwick.guard.model_flow import Asked
from bailiwick.guard.retrieval import Reader, as_document, kept, reader_of, retrieve
from bailiwick.guard.spending import report
from bailiwick.guard.state import SessionState
from bailiwick.model.label import Label

__all__ = ["Seeing"]

C = TypeVar("C")


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

    def retrieved(self, source: str, chunks: Sequence[C], *, label: Label | None = None) -> list[C]:
        """What a retriever found: texts, `Document`s, or documents of LangChain or LlamaIndex, best first. → those that
        may be read, the same objects in the same order: show the model nothing else.

        A chunk is labelled by its metadata and by `label`, what you vouch for; one without either gets the label of
        what nobody vouches for. It may be read if the clearance of every link of the chain covers its level and the
        root is one of its readers; what may not is on record as `content.withheld`. A bare text without `label` says
        nothing on who may read it, and is not checked. Raises UsageError for what is no chunk, StoreError."""
        return kept(chunks, self._engine.administer(self._retrieval(source, chunks, label)))

    async def aretrieved(self, source: str, chunks: Sequence[C], *, label: Label | None = None) -> list[C]:
        """`retrieved` without blocking the event loop."""
        return kept(chunks, await self._engine.aadminister(self._retrieval(source, chunks, label)))

    @property
    def reader(self) -> Reader:
        """For whom this session retrieves, as a store's own filter needs it."""
        return reader_of(self._engine.core.planes, self._open.authority.chain)

    def _retrieval(
        self, source: str, chunks: Sequence[object], label: Label | None
    ) -> Callable[[Core], Flow[tuple[int, ...]]]:
        state, documents = self._open, [as_document(chunk) for chunk in chunks]
        return lambda core: retrieve(core, state, source, documents, label)

    @property
    @abstractmethod
    def _delegated(self) -> Sequence[SessionState]:
        """The sessions that this one delegated, as far as they are known here."""

    def message(self, source: str, text: str) -> None:
        """What another agent or system said: nobody vouches for it. What an agent says to which this session delegated
        (`source` is its id), and which its session knows (`model_output`, a result as it was shown), has the label of
        all that it has seen."""
        self._ingest(self._told(source, text) or Seen(origin=ContentOrigin.MESSAGE, source=source, value=text))

    def _told(self, source: str, text: str) -> Seen | None:
        for state in self._delegated:
            if state.authority.chain.actor.id == source:
                with state.lock:
                    said = state.ledger.told(source, text)
                if said is not None:
                    return said
        return None

    def model_input(self, texts: Sequence[str]) -> list[str]:
        """Tell the session what a model is about to read. → those texts that it did not know; they now taint it."""
        with self._open.lock:
            unknown = [text for text in texts if not self._open.ledger.knows(text)]
        for text in unknown:
            self._ingest(Seen(origin=ContentOrigin.UNKNOWN, source="unknown", value=text))
        return unknown

    def model_call(
        self,
        model: str,
        *,
        inputs: Sequence[Message],
        provider: str = "",
        tools: Sequence[str] = (),
        hosted: Sequence[str] = (),
    ) -> ModelCall:
        """One call of a model, decided (`model.call`, where the catalog declares models) and recorded: `inputs` is all
        that it reads, in order, `tools` the names of what it is offered, `hosted` those of tools that its provider
        would run. Entering it takes in what the session does not know of the inputs, as what another agent of the same
        work said or as what nobody vouches for, and raises Denied or ApprovalPending where the model may not be called.
        Offer it no tool of the provider but `call.hosted`, and say what it wrote:

            with session.model_call("a-model", inputs=[system, *messages], tools=["crm.get_customer"]) as call:
                reply = client.chat(messages)
                call.output(reply.text)
        """
        asked = Asked(
            model=model,
            provider=provider,
            texts=tuple(map(text_of, inputs)),
            tools=tuple(tools),
            hosted=tuple(hosted),
        )
        return ModelCall(self._engine, self._open, asked)

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

    def vouch(self, text: str, *, event: str = "") -> None:
        """A text made by bailiwick itself (a denial), or another rendering of a labelled result: known, adds no
        label. `event` is the one that it tells of."""
        self._engine.run(leave.vouch(self._open, text, event))

    def _ingest(self, seen: Seen) -> None:
        self._engine.run(leave.ingest(self._engine.core, self._open, seen))
