"""One call of a LangChain tool: decided, run, and told as LangChain tells it.

INVARIANT: of a result that is hidden, or that the rules redact, the framework gets what may be seen of it and nothing
else: no artifact, no update of the state, no exception. Where the seal holds, that is so for callbacks too.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

from bailiwick.adapters.governing import Begun, Ended, Told, aattempt, abegin, attempt, begin, refused
from bailiwick.adapters.langchain.arguments import bound_arguments, injected, same
from bailiwick.adapters.langchain.messages import Result, failed, messages_of, read, said
from bailiwick.adapters.langchain.suspending import can_suspend, suspend, use_up
from bailiwick.adapters.wiring import Wiring
from bailiwick.errors import MissingExtra
from bailiwick.guard.current import acting_in
from bailiwick.guard.session import Session

try:
    from langchain_core.messages import ToolMessage
    from langchain_core.runnables import RunnableConfig
    from langchain_core.tools import BaseTool
    from langchain_core.tools.base import _format_output
    from langgraph.types import Command, Send
except ImportError as error:
    raise MissingExtra(feature="the LangChain adapter", extra="langchain") from error

__all__ = ["Asked", "Call", "abegin_call", "begin_call", "refusal", "together", "under_way"]

_DESTINATION = "__handoff_destination"
"""Under this key of its metadata a hand-off tool of LangGraph names the agent that it hands the conversation to."""


@dataclass(slots=True, kw_only=True, eq=False)
class Asked:
    """A call as the framework wants it. `tool` None: it has none of that name. `told` is what the agent heard last.
    `args` are there once it is bound: as the tool will get them, and a copy that nobody else holds."""

    name: str
    tool: BaseTool | None
    given: Mapping[str, Any]
    call_id: str | None = None
    told: str = ""
    config: RunnableConfig = field(default_factory=lambda: RunnableConfig())
    suspend: bool = False
    args: dict[str, Any] = field(default_factory=dict)

    def bind(self) -> dict[str, Any]:
        """→ `args`. A schema runs code of the tool's: whatever it raises."""
        if not self.args:
            self.args = copy.deepcopy(bound_arguments(self.tool, self.given))
        return self.args

    def destination(self, wiring: Wiring) -> str:
        """The agent to which the tool hands the conversation and does nothing else, as the framework calls it; empty
        for a tool that the catalog knows, which is one like others."""
        to = (self.tool.metadata or {}).get(_DESTINATION) if self.tool is not None else None
        return to if isinstance(to, str) and wiring.engine.core.planes.catalog.find(self.name) is None else ""

    @property
    def suspends(self) -> bool:
        return self.suspend and not _together.get() and can_suspend(self.config)


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """A call that runs. `begun` None: nothing runs but the hand-off to `to`, which is decided already."""

    asked: Asked
    wiring: Wiring
    session: Session
    begun: Begun[Any] | None
    to: str = ""
    told: Told[Any] | None = None
    taken: bool = False

    @contextmanager
    def running(self) -> Iterator[None]:
        """Marks the block in which it runs: the seal finds the call by it."""
        token = _under_way.set(self)
        try:
            if self.begun is None:
                with acting_in(self.session):
                    yield
            else:
                with self.begun.running():
                    yield
        finally:
            _under_way.reset(token)

    def take(self, tool: BaseTool, given: Mapping[str, Any] | str) -> bool:
        """True once, for the run of this tool with what was asked for: what runs below it, or again, is another
        call."""
        if self.taken or tool is not self.asked.tool:
            return False
        if not isinstance(given, str):
            own = injected(tool, given)
            if not same({name: value for name, value in given.items() if name not in own}, self.asked.args):
                return False
        permit = self.begun.permit if self.begun is not None else None
        self.taken = permit is None or permit.claim("langchain", self.asked.name)
        return self.taken

    def input(self, given: Mapping[str, Any] | str) -> dict[str, Any] | str:
        """What the tool runs with: the decided arguments, and those that the framework put there."""
        if self.begun is None:
            return given if isinstance(given, str) else dict(given)
        if isinstance(given, str):
            return self.begun.args
        own = injected(self.asked.tool, given) if self.asked.tool is not None else ()
        return {**{name: given[name] for name in own}, **self.begun.args}

    # ── what it gave ───────────────────────────────────────────────────────────────────────────────────────────────

    def value(self, given: object) -> object:
        """The tool's function gave this → what LangChain may have of it."""
        text, wrong = self._before(given)
        if self.begun is not None:
            self.told = self.begun.returned(given, content=text, failed=wrong)
        self._handed_on(given)
        return self._after(given)

    async def avalue(self, given: object) -> object:
        """`value` without blocking the event loop."""
        text, wrong = self._before(given)
        if self.begun is not None:
            self.told = await self.begun.areturned(given, content=text, failed=wrong)
        self._handed_on(given)
        return self._after(given)

    def raised(self, error: Exception) -> Told[Any]:
        """The tool raised."""
        if self.told is None:
            self.told = self.begun.raised(error) if self.begun is not None else _open(self.session, error)
        return self.told

    async def araised(self, error: Exception) -> Told[Any]:
        """`raised` without blocking the event loop."""
        if self.told is None:
            self.told = await self.begun.araised(error) if self.begun is not None else _open(self.session, error)
        return self.told

    def broken_off(self) -> None:
        """It was given up, or waits for somebody: it may have run."""
        if self.told is None and self.begun is not None:
            self.begun.broken_off()

    async def abroken_off(self) -> None:
        """`broken_off` without blocking the event loop."""
        if self.told is None and self.begun is not None:
            await self.begun.abroken_off()

    def result(self, result: Result) -> Result:
        """What the framework made of it → what it may have."""
        if self.told is None and self.begun is not None:
            self.told = self.begun.returned(result, content=said(result), failed=failed(result))
        return self._shown(result)

    async def aresult(self, result: Result) -> Result:
        """`result` without blocking the event loop."""
        if self.told is None and self.begun is not None:
            self.told = await self.begun.areturned(result, content=said(result), failed=failed(result))
        return self._shown(result)

    def _shown(self, result: Result) -> Result:
        if self.told is not None and not self.told.open:
            return refusal(self.asked, self.told, wrong=failed(result) or self.told.refused)
        event = self.told.event_id if self.told is not None else ""
        for message in messages_of(result):
            for text in read(message):
                self.session.vouch(text, event=event)
        return result

    def _before(self, given: object) -> tuple[str, bool]:
        assert self.asked.tool is not None
        content = given
        if self.asked.tool.response_format == "content_and_artifact" and isinstance(given, tuple) and given:
            content = given[0]
        # The one place where a tool's value becomes what the model reads.
        made = _format_output(content, None, self.asked.call_id or "call", self.asked.name, "success")
        whole = made if isinstance(made, list) else [made]
        known: list[Any] = [each for each in whole if isinstance(each, ToolMessage | Command)]
        rest = [str(each) for each in whole if not isinstance(each, ToolMessage | Command)]
        return "\n".join([said(known), *rest]) if rest else said(known), failed(known)

    def _after(self, given: object) -> object:
        told = self.told
        if told is None or told.open:
            return given
        assert self.asked.tool is not None
        return (told.text, None) if self.asked.tool.response_format == "content_and_artifact" else told.text

    def _handed_on(self, given: object) -> None:
        """A result that sends the conversation to another agent is a hand-off, whatever the tool is called."""
        if self.told is not None and not self.told.open:
            return
        goes = destinations(given)
        if self.begun is None and set(goes) != {self.to}:
            gave = ", ".join(goes) or "a result"
            self.told = refused(self.session, self.asked.name, ValueError(f"it gave {gave}"))
            return
        for to in goes if self.begun is not None else ():
            if not self.wiring.knows(to):
                continue  # a node that is no agent; whoever acts there under a name is asked for then
            gone = attempt(lambda: self.session, self.asked.name, functools.partial(self._hand_over, to))
            if isinstance(gone, Told):
                self.told = gone  # whatever it is, the conversation stays here

    def _hand_over(self, to: str, session: Session) -> Session:
        return self.wiring.hand_over(session, to, message=self.asked.told)


def destinations(given: object) -> tuple[str, ...]:
    """The nodes of the graph above to which a tool's result sends the conversation."""
    found: list[str] = []
    for each in given if isinstance(given, list | tuple) else (given,):
        if isinstance(each, Command) and each.goto:
            goto = each.goto if isinstance(each.goto, list | tuple) else (each.goto,)
            found += [to.node if isinstance(to, Send) else str(to) for to in goto]
    return tuple(found)


def begin_call(wiring: Wiring, find: Callable[[], Session], asked: Asked) -> Call | Told[Any]:
    """Decide it, and where a person is asked and the run can wait, wait. → the call, or why it does not run."""

    def step(session: Session) -> Call | Told[Any]:
        if to := asked.destination(wiring):
            wiring.hand_over(session, to, message=asked.told)
            return Call(asked=asked, wiring=wiring, session=session, begun=None, to=to)
        begun = begin(lambda: session, asked.name, asked.bind)
        return _ready(wiring, asked, begun) if isinstance(begun, Begun) else begun

    while True:
        answer = attempt(find, asked.name, step)
        if isinstance(answer, Call) or answer.ended is not Ended.PENDING or not asked.suspends:
            return answer
        suspend(answer)


async def abegin_call(wiring: Wiring, find: Callable[[], Awaitable[Session]], asked: Asked) -> Call | Told[Any]:
    """`begin_call` without blocking the event loop."""

    async def step(session: Session) -> Call | Told[Any]:
        if to := asked.destination(wiring):
            await wiring.ahand_over(session, to, message=asked.told)
            return Call(asked=asked, wiring=wiring, session=session, begun=None, to=to)
        begun = await abegin(lambda: session, asked.name, asked.bind)
        return _ready(wiring, asked, begun) if isinstance(begun, Begun) else begun

    while True:
        answer = await aattempt(find, asked.name, step)
        if isinstance(answer, Call) or answer.ended is not Ended.PENDING or not asked.suspends:
            return answer
        suspend(answer)


def refusal(asked: Asked, told: Told[Any], *, wrong: bool = True) -> ToolMessage:
    """INVARIANT: nothing of what the tool gave back is in here."""
    status: Literal["success", "error"] = "error" if wrong else "success"
    message = ToolMessage(content=told.text, name=asked.name, tool_call_id=asked.call_id or "", status=status)
    told.shown_as(*read(message))
    return message


@contextmanager
def together() -> Iterator[None]:
    """Marks the block in which one task of a graph runs several calls. INVARIANT: none of them suspends it: when it is
    resumed all of them would run again."""
    token = _together.set(True)
    try:
        yield
    finally:
        _together.reset(token)


def under_way() -> Call | None:
    """The call that this thread or task runs."""
    return _under_way.get()


def _ready(wiring: Wiring, asked: Asked, begun: Begun[Any]) -> Call:
    if asked.suspends and begun.permit.decision.approved:
        use_up(asked.config)
    return Call(asked=asked, wiring=wiring, session=begun.session, begun=begun)


def _open(session: Session, error: Exception) -> Told[Any]:
    return Told(ended=Ended.FAILED, text=str(error), open=True, error=error, session=session)


_under_way: ContextVar[Call | None] = ContextVar("bailiwick_langchain_call", default=None)
_together: ContextVar[bool] = ContextVar("bailiwick_langchain_together", default=False)
