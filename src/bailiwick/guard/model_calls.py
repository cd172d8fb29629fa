"""One call of a model, on record: what it was given, what it was offered, what it said. DESIGN §5 *Audit*.

INVARIANT: what the session does not know of a model's input taints it before the model reads it, and what a model wrote
is content of the session before anybody acts on it. The record of the call itself is written when it is over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bailiwick.audit.events import cut
from bailiwick.audit.model_calls import Given, continued
from bailiwick.errors import StoreError, UsageError
from bailiwick.flow.ledger import ContentOrigin, Seen
from bailiwick.guard.core import Core
from bailiwick.guard.effects import Append, Flow, Now
from bailiwick.guard.leave import ingest
from bailiwick.guard.record import draft
from bailiwick.guard.state import SessionState
from bailiwick.model.canonical import MAX_INT
from bailiwick.model.event import EventKind
from bailiwick.model.tool import Durability

if TYPE_CHECKING:
    from bailiwick.guard.engine import Engine

__all__ = ["Message", "ModelCall", "text_of"]

Message = str | Mapping[str, object]
"""A text, or a message as providers' interfaces have them: a mapping whose `content` is a text or a list of blocks."""

MAX_TOOLS = 300
MAX_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Over:
    """How a call ended."""

    outcome: str
    error: str
    usage: Mapping[str, int]
    outputs: tuple[str, ...]


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
    """A model call while it runs. Made by `Session.model_call`; use it as a context manager, in one thread at a time.

    `unknown` are the inputs that the session did not know and that taint it now; `event_id` is set when it is over."""

    def __init__(
        self,
        engine: Engine,
        state: SessionState,
        *,
        model: str,
        provider: str,
        inputs: Sequence[Message],
        tools: Sequence[str],
    ) -> None:
        self.unknown: tuple[str, ...] = ()
        self.event_id = ""
        self._engine = engine
        self._state = state
        self._model, self._provider = model, provider
        self._texts = tuple(map(text_of, inputs))
        self._tools = tuple(tools)
        self._inputs: tuple[str, ...] = ()
        self._outputs: list[str] = []
        self._pieces: list[str] = []
        self._usage: dict[str, int] = {}
        self._cut_off = False
        self._entered = self._over = False

    def __enter__(self) -> Self:
        if self._entered:
            raise UsageError("a model call is entered once", hint="make a new one with session.model_call(...)")
        self._entered = True
        self._inputs, self.unknown = self._engine.run(_read(self._engine.core, self._state, self._texts))
        return self

    def piece(self, text: str) -> None:
        """A piece of an output that is streamed. If the call ends without `output`, the pieces are what there was of
        it, and it was cut off."""
        self._must_run()
        self._pieces.append(text)

    def output(self, text: str, *, cut_off: bool = False) -> str:
        """What the model wrote, whole or `cut_off`: content of the session from here on, as sensitive as all that it
        has seen. A model that gives several answers has several outputs. → the event that holds it."""
        self._must_run()
        self._pieces.clear()
        self._cut_off |= cut_off
        self._outputs.append(self._engine.run(_wrote(self._engine.core, self._state, text)))
        return self._outputs[-1]

    def usage(self, **tokens: int) -> None:
        """What the provider counted, by name: `usage(input=812, output=40)`."""
        for name, count in tokens.items():
            if type(count) is not int or not 0 <= count <= MAX_INT or not name.isascii():
                raise UsageError(f"{name}={count!r} is no number of tokens", hint="give whole numbers of 0 or more")
        self._usage.update(tokens)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._pieces:
                self.output("".join(self._pieces), cut_off=True)
            outcome = "failed" if error is not None else "cut-off" if self._cut_off else "completed"
            over = _Over(
                outcome=outcome,
                error=type(error).__name__ if error is not None else "",
                usage=self._usage,
                outputs=tuple(self._outputs),
            )
            self._over = True
            self.event_id = self._engine.run(self._record(self._engine.core, over))
        except StoreError:
            if error is None:  # else what went wrong in the call is the news
                raise

    def _must_run(self) -> None:
        if not self._entered or self._over:
            raise UsageError("this model call does not run", hint="use `with session.model_call(...) as call:`")

    def _record(self, core: Core, over: _Over) -> Flow[str]:
        now_us: int = yield Now()
        session = self._state
        with session.lock:
            before = session.given
        *lots, (event_id, own) = continued(before, self._inputs, core.new_id)
        same_tools = "after" in own and before is not None and not lots and before.tools == self._tools
        body = {
            **own,
            "model": cut(self._model, MAX_NAME),
            "provider": cut(self._provider, MAX_NAME),
            "outputs": list(over.outputs),
            "outcome": over.outcome,
            **({} if same_tools else _offered(self._tools)),
            **(
                {"usage": [{"of": name, "tokens": over.usage[name]} for name in sorted(over.usage)]}
                if over.usage
                else {}
            ),
            **({"error": cut(over.error, MAX_NAME)} if over.error else {}),
        }
        kinds = [EventKind.MODEL_CONTEXT] * len(lots) + [EventKind.MODEL_CALLED]
        bodies = [*lots, (event_id, body)]
        drafts = [
            draft(core.planes, session, kind, told, event_id=number, now_us=now_us)
            for kind, (number, told) in zip(kinds, bodies, strict=True)
        ]
        yield Append(drafts, Durability.BUFFERED)
        # Only what is on record is built upon.
        with session.lock:
            session.given = Given(event=event_id, inputs=self._inputs, tools=self._tools)
        return event_id


def _offered(tools: Sequence[str]) -> dict[str, object]:
    body: dict[str, object] = {"tools": [cut(name, MAX_NAME) for name in tools[:MAX_TOOLS]]}
    if len(tools) > MAX_TOOLS:
        body["omitted"] = len(tools) - MAX_TOOLS
    return body


def _read(core: Core, session: SessionState, texts: Sequence[str]) -> Flow[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Take in what the session does not know of `texts`. → the event of each, and those that were not known."""
    events: list[str] = []
    unknown: list[str] = []
    for text in texts:
        with session.lock:
            event = session.ledger.event_of(text)
        if event is None:
            seen = Seen(origin=ContentOrigin.UNKNOWN, source="unknown", value=text)
            event = (yield from ingest(core, session, seen)).event_id
            unknown.append(text)
        events.append(event)
    return tuple(events), tuple(unknown)


def _wrote(core: Core, session: SessionState, text: str) -> Flow[str]:
    source = f"agent:{session.authority.chain.actor.id}"
    left = yield from ingest(core, session, Seen(origin=ContentOrigin.MODEL, source=source, value=text))
    return left.event_id
