"""The session that an agent runs in: the public way to put calls through the planes.

A session is found through a ContextVar, so that adapters and decorated tools need no plumbing. What the guard cannot
decide it denies: `bailiwick.guard.engine` is the one place that catches everything, around both drivers.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from bailiwick.errors import StoreError, UsageError
from bailiwick.guard import leave
from bailiwick.guard.answering import arguments, claimed, opened, permitted, refusal_error, warn_of_unused
from bailiwick.guard.approvals.approving import withdrawn
from bailiwick.guard.core import Refusal
from bailiwick.guard.current import entered, left, running, running_permit
from bailiwick.guard.decide import deny
from bailiwick.guard.delegating import Delegating
from bailiwick.guard.engine import Engine
from bailiwick.guard.handing.handing_over import prove_anew
from bailiwick.guard.handing.scoping import ScopeRequest, narrow_flow, widen_flow
from bailiwick.guard.leave import Left
from bailiwick.guard.opening import OPEN_TOOL, OpenRequest, open_session, rebind
from bailiwick.guard.state import Permit, SessionState
from bailiwick.model.call import Call
from bailiwick.model.decision import Decision, Reason
from bailiwick.model.event import Receipt
from bailiwick.model.label import Label
from bailiwick.model.tool import WIDEN_TOOL

__all__ = ["Session"]

T = TypeVar("T")


class Session(Delegating):
    """One conversation of one agent for one root principal. Made by `Guard.session`; use it as a context manager.

    Calls may come from several threads or tasks, each of which may enter the session to make it its own current one. It
    is opened when it is first entered, and closed when it was left as often as it was entered: permits that nobody
    started expire then, runs that nobody reported stay in doubt."""

    def __init__(self, engine: Engine, request: OpenRequest, *, conversation_given: bool) -> None:
        self._engine = engine
        self._request = request
        self._settled = conversation_given
        self._state: SessionState | None = None
        self._inside = 0
        self._children: list[Session] = []
        self._parent: Session | None = None
        self._handed_to: list[SessionState] = []
        self._door = threading.Lock()

    @property
    def _delegated(self) -> Sequence[SessionState]:
        return tuple(self._handed_to)

    @property
    def above(self) -> Session | None:
        return self._parent

    @property
    def below(self) -> tuple[Session, ...]:
        return tuple(child for child in tuple(self._children) if not child.closed)

    def _child(self, state: SessionState) -> Session:
        child = Session(self._engine, self._request, conversation_given=True)
        child._state, child._parent = state, self
        self._handed_to.append(state)
        self._children.append(child)
        child.seen_by_running_tool()
        return child

    # ── opening and closing ────────────────────────────────────────────────────────────────────────────────────────

    def __enter__(self) -> Self:
        with self._door:
            if self._state is None:
                answer = self._engine.decide(lambda core: open_session(core, self._request), OPEN_TOOL)
                self._state = opened(answer)
            self._inside += 1
        self.seen_by_running_tool()
        entered(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        left(self)
        with self._door:
            self._inside -= 1
            if self._inside:
                return
        try:
            self.close()
        except StoreError:
            if error is None:  # else what went wrong in the block is the news; this comes of it, or adds nothing to it
                raise

    def close(self) -> None:
        """End the session and those that it delegated; every later call is denied. The stored labels stay for the next
        session of this conversation."""
        while self._children:
            self._children.pop().close()
        if self._state is not None and not self._state.closed:
            try:
                self._engine.run(leave.close(self._engine.core, self._state))
            except BaseException:
                with self._state.lock:
                    out = tuple(self._state.permits.values())
                self._engine.lose(*out)
                raise

    def rebind(self, conversation: str) -> None:
        """Use the framework's conversation id from here on. Adapters call this; it is allowed once, and only where the
        session was opened without one. Raises Denied if another conversation is bound already."""
        if conversation == self.conversation:
            self._settled = True
            return
        if self._settled:
            raise UsageError(
                f"this session belongs to conversation {self.conversation!r}, the framework runs {conversation!r}",
                hint="open the session with conversation=<the framework's thread id>, one session per thread",
            )
        request = replace(self._request, conversation=conversation)
        state = self._open
        moved = self._engine.decide(lambda core: rebind(core, state, request), OPEN_TOOL)
        self._request, self._state, self._settled = request, opened(moved), True

    # ── calls ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def check(self, tool: str, args: Mapping[str, object]) -> Decision:
        """What would be decided about this call now. Pure and repeatable; never asks a person."""
        state, call = self._open, Call(tool=tool, args=args)
        answer = self._engine.decide(lambda core: core.check(state, call), tool)
        return answer.decision if isinstance(answer, Refusal) else answer

    async def acheck(self, tool: str, args: Mapping[str, object]) -> Decision:
        """`check` without blocking the event loop."""
        state, call = self._open, Call(tool=tool, args=args)
        answer = await self._engine.adecide(lambda core: core.check(state, call), tool)
        return answer.decision if isinstance(answer, Refusal) else answer

    @property
    def receipts(self) -> tuple[Receipt, ...]:
        """Where in the log the decisions of this session stand, the latest 1,000 of them, oldest first. Keep one where
        the log cannot be written: its leaf must be in the log for ever."""
        return tuple(self._open.receipts)

    def enter(self, tool: str, args: Mapping[str, object]) -> Permit:
        """Decide a call and record the decision. Raises Denied or ApprovalPending. Start the permit before the tool
        runs."""
        self.seen_by_running_tool()
        state, call = self._open, Call(tool=tool, args=args)
        return permitted(self._engine.decide(lambda core: core.enter(state, call), tool))

    async def aenter(self, tool: str, args: Mapping[str, object]) -> Permit:
        """`enter` without blocking the event loop."""
        self.seen_by_running_tool()
        state, call = self._open, Call(tool=tool, args=args)
        return permitted(await self._engine.adecide(lambda core: core.enter(state, call), tool))

    def start(self, permit: Permit) -> dict[str, Any]:
        """Claim a permit for its one run. → the arguments to run with, rebuilt from the bytes that were digested.
        Raises Denied if it expired, was used, or was withdrawn."""
        state = self._open
        told = self._engine.decide(lambda core: leave.start(core, state, permit), permit.action.tool.name)
        claimed(permit, told)
        return arguments(permit)

    def leave(self, permit: Permit, value: object) -> Left:
        """The tool returned `value`: label and record it. Raises OutcomeUnrecorded if that cannot be stored."""
        left = self._engine.recorded(leave.completed(self._engine.core, self._open, permit, value), permit)
        warn_of_unused(permit)
        return left

    def failed(self, permit: Permit, error: BaseException | str) -> Left:
        """The tool raised, or answered with an error text; what the error says is untrusted content."""
        return self._engine.recorded(leave.failed(self._engine.core, self._open, permit, error), permit)

    def cancelled(self, permit: Permit) -> None:
        """The run was given up: the call may have run."""
        self._engine.recorded(leave.cancelled(self._engine.core, self._open, permit), permit)

    async def astart(self, permit: Permit) -> dict[str, Any]:
        """`start` without blocking the event loop."""
        state = self._open
        told = await self._engine.adecide(lambda core: leave.start(core, state, permit), permit.action.tool.name)
        claimed(permit, told)
        return arguments(permit)

    async def aleave(self, permit: Permit, value: object) -> Left:
        """`leave` without blocking the event loop."""
        left = await self._engine.arecorded(leave.completed(self._engine.core, self._open, permit, value), permit)
        warn_of_unused(permit)
        return left

    async def afailed(self, permit: Permit, error: BaseException | str) -> Left:
        """`failed` without blocking the event loop."""
        return await self._engine.arecorded(leave.failed(self._engine.core, self._open, permit, error), permit)

    async def acancelled(self, permit: Permit) -> None:
        """`cancelled`, written even though this task is being cancelled itself."""
        await self._engine.arecorded(leave.cancelled(self._engine.core, self._open, permit), permit)

    def call(self, tool: str, args: Mapping[str, object], run: Callable[..., T]) -> T:
        """Put one call through the planes and run it: `run(**arguments)`. → what it returned; where the rules oblige to
        take something out, what is left, and where its results are hidden, the `Handle` that a model may be shown
        (`str(handle)`). Raises Denied, ApprovalPending, OutcomeUnrecorded, or what `run` raises."""
        if inspect.iscoroutinefunction(run):
            raise UsageError(f"{tool} is given a coroutine function", hint="use `await session.acall(...)` for it")
        permit = self.enter(tool, args)
        given = self.start(permit)
        try:
            with running(permit):
                value = run(**given)
        except Exception as error:
            self.failed(permit, error)
            raise
        except BaseException:
            self.cancelled(permit)
            raise
        return _for_caller(self.leave(permit, value), value)

    async def acall(self, tool: str, args: Mapping[str, object], run: Callable[..., Awaitable[T]]) -> T:
        """`call` for a coroutine function."""
        permit = await self.aenter(tool, args)
        given = await self.astart(permit)
        try:
            with running(permit):
                value = await run(**given)
        except Exception as error:
            await self.afailed(permit, error)
            raise
        except BaseException:
            await self.acancelled(permit)
            raise
        return _for_caller(await self.aleave(permit, value), value)

    def authenticate(self, user_token: str) -> None:
        """The session's own user signed in anew: rules that ask for fresh or strong evidence read this sign-in from the
        next decision on. Raises Denied where the token is not good, or somebody else's."""
        state = self._open
        told = self._engine.decide(lambda core: prove_anew(core, state, user_token), OPEN_TOOL)
        if isinstance(told, Reason):
            told = self._engine.record_refusal(deny(OPEN_TOOL, told))
        if isinstance(told, Refusal):
            raise refusal_error(told)

    def narrow(
        self,
        *,
        tools: Collection[str] | None = None,
        zones: Collection[str] | None = None,
        ttl_ms: int | None = None,
    ) -> None:
        """Keep only these tools and zones of the task, and only for so long, from the next decision on: in this
        session, after a restart, and in every session that was delegated from it. Raises UsageError, StoreError."""
        request = ScopeRequest(tools=tools, zones=zones, ttl_ms=ttl_ms)
        state = self._open
        told = self._engine.run(self._engine.now(lambda core: narrow_flow(core, state, request)))
        if told is not None:
            raise UsageError(told.message, hint=told.hint)

    def widen(
        self,
        *,
        tools: Collection[str] | None = None,
        zones: Collection[str] | None = None,
        ttl_ms: int | None = None,
    ) -> None:
        """Add to what the task may do, itself a decision (`task.widen`) that takes a person's approval: the first time
        this raises ApprovalPending, or Denied; the same call again, once that was granted, widens."""
        request = ScopeRequest(tools=tools, zones=zones, ttl_ms=ttl_ms)
        state = self._open
        answer = self._engine.decide(lambda core: widen_flow(core, state, request), WIDEN_TOOL)
        if isinstance(answer, Refusal):
            raise refusal_error(answer)

    def withdraw(self, approval_id: str) -> None:
        """Take back a request for approval that this session made, also one that was granted. Closing a session
        withdraws nothing: its user may come back. Raises UsageError, StoreError."""
        state = self._open
        told = self._engine.administer(lambda core: withdrawn(core, approval_id, state))
        if isinstance(told, Reason):
            raise UsageError(told.message, hint=told.hint)

    @property
    def engine(self) -> Engine:
        """The engine of the Guard that made the session, for adapters."""
        return self._engine

    def belongs_to(self, engine: Engine) -> bool:
        """True iff the session was made by the Guard with this engine."""
        return engine is self._engine

    # ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def id(self) -> str:
        """The key that the session is stored under, as text."""
        return self._open.authority.key.id

    @property
    def closed(self) -> bool:
        """Whether it can decide nothing: not opened yet, or over."""
        return self._state is None or self._state.closed

    @property
    def conversation(self) -> str:
        return self._request.conversation

    @property
    def chain(self) -> tuple[str, ...]:
        """The chain from the root to the acting agent, e.g. `('User::"alice"', 'Agent::"support-bot"')`."""
        return tuple(str(link) for link in self._open.authority.chain.links)

    @property
    def label(self) -> Label:
        """The join of the labels of everything that this session has seen."""
        with self._open.lock:
            return self._open.ledger.label

    # ── inside ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _open(self) -> SessionState:
        if self._state is None:
            raise UsageError(
                "the session is not open", hint="use it as a context manager: with guard.session(...) as session:"
            )
        return self._state

    def seen_by_running_tool(self) -> None:
        """INVARIANT: what this session sees while a tool of another one runs it is part of that tool's result."""
        permit = running_permit()
        if permit is not None and self._state is not None and permit.id not in self._state.permits:
            permit.within.setdefault(self, lambda: self.label)


def _for_caller(left: Left, value: T) -> T:
    """What whoever called may have. (Of a hidden result that is no T but its handle, as `call` says.)"""
    return cast("T", left.value) if left.sealed else value
