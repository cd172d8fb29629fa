"""One call of a model: decided before it is made, on record when it is over. DESIGN §5 *Flow*, *Audit*.

INVARIANT: what the session does not know of a model's input taints it before the call is decided and before the model
reads it, and what a model wrote is content of the session before anybody acts on it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bailiwick.errors import StoreError, UsageError
from bailiwick.guard.answering import permitted, refusal_error
from bailiwick.guard.core import Core, Refusal
from bailiwick.guard.effects import Flow
from bailiwick.guard.model_flow import Asked, Decided, Over, decided, recorded, taken_in, wrote
from bailiwick.guard.state import SessionState
from bailiwick.model.canonical import MAX_INT
from bailiwick.model.tool import MODEL_TOOL

if TYPE_CHECKING:
    from bailiwick.guard.engine import Engine

__all__ = ["Message", "ModelCall", "text_of"]

Message = str | Mapping[str, object]
"""A text, or a message as providers' interfaces have them: a mapping whose `content` is a text or a list of blocks."""


def text_of(message: Message) -> str:
    """What a model reads of a message, as the session knows it."""
    if isinstance(message, str):
        return message
    content = message.get("content")
    if isinstance(content, str):
        return content
    if content is None:
        return json.dumps(message, sort_keys=True, default=str)
    return json.dumps(content, sort_keys=True, default=str)


class ModelCall:
    """A model call while it runs. Made by `Session.model_call`; use it as a context manager, in one thread at a time:
    `with`, or `async with` and `aoutput` so that no event loop waits. Call the model inside the block and nowhere else:
    entering it raises Denied or ApprovalPending where the model may not be called.

    `hosted` are the tools of the provider that the model may be offered, out of those that were asked for; `stripped`
    the others. `unknown` are the inputs that the session did not know and that taint it now; `event_id` is set when it
    is over."""

    def __init__(self, engine: Engine, state: SessionState, asked: Asked) -> None:
        self.unknown: tuple[str, ...] = ()
        self.hosted: tuple[str, ...] = ()
        self.event_id = ""
        self._engine = engine
        self._state = state
        self._asked = asked
        self._answer: Decided | None = None
        self._inputs: tuple[str, ...] = ()
        self._outputs: list[str] = []
        self._pieces: list[str] = []
        self._usage: dict[str, int] = {}
        self._cut_off = False
        self._entered = self._over = False

    @property
    def stripped(self) -> tuple[str, ...]:
        """The tools of the provider that were asked for and that the model must not be offered."""
        return tuple(name for name in dict.fromkeys(self._asked.hosted) if name not in self.hosted)

    # ── entering ───────────────────────────────────────────────────────────────────────────────────────────────────

    def __enter__(self) -> Self:
        reading = self._reading()
        self._inputs, self.unknown = self._engine.run(reading)
        self._go(self._engine.decide(self._deciding(), MODEL_TOOL))
        return self

    async def __aenter__(self) -> Self:
        reading = self._reading()
        self._inputs, self.unknown = await self._engine.arun(reading)
        self._go(await self._engine.adecide(self._deciding(), MODEL_TOOL))
        return self

    def _reading(self) -> Flow[tuple[tuple[str, ...], tuple[str, ...]]]:
        if self._entered:
            raise UsageError("a model call is entered once", hint="make a new one with session.model_call(...)")
        self._entered = True
        return taken_in(self._engine.core, self._state, self._asked.texts)

    def _deciding(self) -> Callable[[Core], Flow[Decided | Refusal]]:
        state, asked = self._state, self._asked
        return lambda core: decided(core, state, asked)

    def _go(self, answer: Decided | Refusal) -> None:
        if isinstance(answer, Refusal):
            raise refusal_error(answer)
        if answer.permit is not None:
            permitted(answer.permit)
        self._answer, self.hosted = answer, answer.hosted

    # ── while it runs ──────────────────────────────────────────────────────────────────────────────────────────────

    def piece(self, text: str) -> None:
        """A piece of an output that is streamed. If the call ends without `output`, the pieces are what there was of
        it, and it was cut off."""
        self._must_run()
        self._pieces.append(text)

    def output(self, text: str, *, cut_off: bool = False) -> str:
        """What the model wrote, whole or `cut_off`: content of the session from here on, as sensitive as all that it
        has seen. A model that gives several answers has several outputs. → the event that holds it."""
        return self._keep(self._engine.run(self._writing(text, cut_off=cut_off)))

    async def aoutput(self, text: str, *, cut_off: bool = False) -> str:
        """`output` without blocking the event loop."""
        return self._keep(await self._engine.arun(self._writing(text, cut_off=cut_off)))

    def usage(self, **tokens: int) -> None:
        """What the provider counted, by name: `usage(input=812, output=40)`. Budgets of tokens that count `model.call`
        are settled for `total`, or else for input and output; every other one wants `Session.report_usage`."""
        for name, count in tokens.items():
            if type(count) is not int or not 0 <= count <= MAX_INT or not name.isascii():
                raise UsageError(f"{name}={count!r} is no number of tokens", hint="give whole numbers of 0 or more")
        self._usage.update(tokens)

    def _writing(self, text: str, *, cut_off: bool) -> Flow[str]:
        self._must_run()
        self._pieces.clear()
        self._cut_off |= cut_off
        return wrote(self._engine.core, self._state, text)

    def _keep(self, event: str) -> str:
        self._outputs.append(event)
        return event

    def _must_run(self) -> None:
        if self._answer is None or self._over:
            raise UsageError("this model call does not run", hint="use `with session.model_call(...) as call:`")

    # ── leaving ────────────────────────────────────────────────────────────────────────────────────────────────────

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._pieces:
                self.output("".join(self._pieces), cut_off=True)
            self.event_id = self._engine.run(self._ending(error))
        except StoreError:
            self._lost()
            if error is None:  # else what went wrong in the call is the news
                raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._pieces:
                await self.aoutput("".join(self._pieces), cut_off=True)
            self.event_id = await self._engine.arun(self._ending(error))
        except StoreError:
            self._lost()
            if error is None:
                raise

    def _ending(self, error: BaseException | None) -> Flow[str]:
        assert self._answer is not None
        self._over = True
        over = Over(
            outcome="failed" if error is not None else "cut-off" if self._cut_off else "completed",
            error=type(error).__name__ if error is not None else "",
            usage=self._usage,
            inputs=self._inputs,
            outputs=tuple(self._outputs),
        )
        return recorded(self._engine.core, self._state, self._asked, self._answer, over)

    def _lost(self) -> None:
        """The end could not be recorded: nobody knows what became of the call."""
        self._over = True
        if self._answer is not None and self._answer.permit is not None:
            self._engine.lose(self._answer.permit)
