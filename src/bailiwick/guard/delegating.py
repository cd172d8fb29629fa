"""Handing work to other agents, and in whose session an agent of a framework acts. DESIGN §5 *Identity*.

A framework knows its agents by name and runs them inside of one another; the guard knows a chain of sessions. `acting`
finds the session that belongs to an agent, so that each of its calls is decided for it, under its caller's authority.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Self, TypeVar

from bailiwick.guard.answering import refusal_error
from bailiwick.guard.core import Core, Refusal
from bailiwick.guard.current import running_permit
from bailiwick.guard.effects import Flow
from bailiwick.guard.handing.chains import between
from bailiwick.guard.handing.delegation import DelegationRequest, delegate_flow
from bailiwick.guard.handing.handing_over import Handed, hand_over
from bailiwick.guard.model_flow import heard
from bailiwick.guard.releasing import Releasing
from bailiwick.guard.state import SessionState
from bailiwick.identity.scope import taken_away
from bailiwick.model.budget import NO_SHARES, share_of
from bailiwick.model.call import ALL, Grant
from bailiwick.model.tool import DELEGATE_TOOL

__all__ = ["Delegating"]


class Delegating(Releasing):
    """The part of a `Session` that other agents act through."""

    @abstractmethod
    def _child(self, state: SessionState) -> Self:
        """The session that was just delegated."""

    @abstractmethod
    def seen_by_running_tool(self) -> None:
        """Whatever this session has seen is part of the result of the tool that runs here, if it is another's."""

    @property
    @abstractmethod
    def above(self) -> Self | None:
        """The session that delegated this one, as far as it is known here."""

    @property
    @abstractmethod
    def below(self) -> tuple[Self, ...]:
        """The open sessions that this one delegated, oldest first."""

    def delegate(
        self,
        agent: str,
        *,
        tools: Collection[str] | None = None,
        zones: Collection[str] | None = None,
        ttl_ms: int | None = None,
        message: str = "",
        budgets: Mapping[str, int] = NO_SHARES,
    ) -> Self:
        """A narrower session for another agent, itself a decision (`agent.delegate`). `message` is what it is told:
        values in it that are endorsed here stay endorsed there, nothing else does. `budgets` are shares: at most so
        much of each. Raises Denied or ApprovalPending."""
        request = DelegationRequest(
            to=agent, tools=tools, zones=zones, ttl_ms=ttl_ms, message=message, budgets=share_of(budgets)
        )
        return self._delegated_to(self._engine.decide(self._delegating(request), DELEGATE_TOOL))

    async def adelegate(
        self,
        agent: str,
        *,
        tools: Collection[str] | None = None,
        zones: Collection[str] | None = None,
        ttl_ms: int | None = None,
        message: str = "",
        budgets: Mapping[str, int] = NO_SHARES,
    ) -> Self:
        """`delegate` without blocking the event loop."""
        request = DelegationRequest(
            to=agent, tools=tools, zones=zones, ttl_ms=ttl_ms, message=message, budgets=share_of(budgets)
        )
        return self._delegated_to(await self._engine.adecide(self._delegating(request), DELEGATE_TOOL))

    def delegate_token(
        self,
        agent: str,
        *,
        tools: Collection[str] | None = None,
        zones: Collection[str] | None = None,
        ttl_ms: int = 3_600_000,
        message: str = "",
        budgets: Mapping[str, int] = NO_SHARES,
    ) -> Handed:
        """`delegate` for an agent that runs in another process with a key of its own, which directory.toml names. It
        opens its session with `Guard.session(delegation=handed.token, key=...)`, on the same state. The token is good
        for `ttl_ms`, and `handed.id` revokes it. Raises Denied or ApprovalPending."""
        request = DelegationRequest(
            to=agent, tools=tools, zones=zones, ttl_ms=ttl_ms, message=message, budgets=share_of(budgets)
        )
        state = self._open
        answer = self._engine.decide(lambda core: hand_over(core, state, request, ttl_ms), DELEGATE_TOOL)
        if isinstance(answer, Refusal):
            raise refusal_error(answer)
        return answer

    def acting(self, agent: str, *, message: str = "") -> Self:
        """The session in which `agent` acts for this one. It is this one, one above it (work that goes back), or one
        that was delegated to it; where there is none, or where `message` tells it something new, it is delegated now,
        with all the authority that its delegator (this one, if it is the first time) has and that agent may have, and
        no more than this process gave it before. Where it acted through others in this conversation, also in another
        process, they are asked first: the chain stays what it was. What nobody knows of `message` taints whoever hands
        it on, and so the agent. Raises Denied or ApprovalPending."""
        acts, seen = self, self._seen_here(agent)
        for each in (*_way(() if seen else self._engine.decide(self._between(agent), DELEGATE_TOOL)), agent):
            acts = acts._acting_next(each, message)
        return acts

    async def aacting(self, agent: str, *, message: str = "") -> Self:
        """`acting` without blocking the event loop."""
        acts, seen = self, self._seen_here(agent)
        for each in (*_way(() if seen else await self._engine.adecide(self._between(agent), DELEGATE_TOOL)), agent):
            acts = await acts._aacting_next(each, message)
        return acts

    @property
    def agent(self) -> str:
        """The id of the acting agent."""
        return self._open.authority.chain.actor.id

    @property
    def root(self) -> Self:
        """The session at the top of the chain, as far as it is known here."""
        return self if self.above is None else self.above.root

    def knows(self, text: str) -> bool:
        """Whether exactly this text is content of the session."""
        with self._open.lock:
            return self._open.ledger.knows(text)

    def event_of(self, text: str) -> str:
        """The event that holds exactly this text; empty where none does."""
        with self._open.lock:
            return self._open.ledger.event_of(text) or ""

    def _seen_here(self, agent: str) -> bool:
        """Whether this process knows in which session the agent acts."""
        return self._up_to(agent) is not None or self._below_for(agent) is not None

    def _between(self, agent: str) -> Callable[[Core], Flow[tuple[str, ...]]]:
        state = self._open
        return lambda _core: between(state, agent)

    def _acting_next(self, agent: str, message: str) -> Self:
        found, flow = self._acting(agent, message)
        return self._acts(found, None if flow is None else self._engine.decide(flow, DELEGATE_TOOL))

    async def _aacting_next(self, agent: str, message: str) -> Self:
        found, flow = self._acting(agent, message)
        return self._acts(found, None if flow is None else await self._engine.adecide(flow, DELEGATE_TOOL))

    def _acting(self, agent: str, message: str) -> tuple[Self, _Telling | None]:
        """The session that the agent has, or that of whoever hands work on to it, and what is to happen first."""
        above, found = self._up_to(agent), self._below_for(agent)
        has = above or found
        if has is not None and (has is self or not message or has.knows(message)):
            return has, None
        if above is not None:
            return above, above._hearing(message, by=self._open)  # noqa: SLF001  of its own class
        # INVARIANT: an agent that is told something new keeps the chain that it acts through, and what it was left
        # with.
        delegator = self if found is None or found.above is None else found.above
        request = DelegationRequest(
            to=agent,
            tools=None,
            zones=None,
            ttl_ms=None,
            message=message,
            at_most=ALL if found is None else found._left_with,  # noqa: SLF001  of its own class
        )
        return delegator, delegator._hearing(message, by=self._open, then=request)  # noqa: SLF001  of its own class

    def _hearing(self, message: str, *, by: SessionState, then: DelegationRequest | None = None) -> _Telling:
        """This session is told it by another one of the same work (or by itself), and hands it on."""
        state, permit = self._open, running_permit()

        def hearing(core: Core) -> Flow[SessionState | Refusal | None]:
            yield from heard(core, state, message, by=by, permit=permit)
            return None if then is None else (yield from delegate_flow(core, state, then))

        return hearing

    @property
    def _left_with(self) -> Grant:
        return taken_away(self._open.authority)

    def _acts(self, found: Self, answer: SessionState | Refusal | None) -> Self:
        if answer is not None:
            return found._delegated_to(answer)
        if found is not self:
            found.seen_by_running_tool()
        return found

    def _up_to(self, agent: str) -> Self | None:
        """This session, or the nearest one above it in which the agent acts."""
        above: Self | None = self
        while above is not None:
            if above.agent == agent:
                return above
            above = above.above
        return None

    def _below_for(self, agent: str) -> Self | None:
        return next((below for below in _newest_first(self) if below.agent == agent), None)

    def _delegating(self, request: DelegationRequest) -> Callable[[Core], Flow[SessionState | Refusal]]:
        state = self._open
        return lambda core: delegate_flow(core, state, request)

    def _delegated_to(self, answer: SessionState | Refusal) -> Self:
        if isinstance(answer, Refusal):
            raise refusal_error(answer)
        return self._child(answer)


def _way(answer: tuple[str, ...] | Refusal) -> tuple[str, ...]:
    if isinstance(answer, Refusal):
        raise refusal_error(answer)
    return answer


_Telling = Callable[[Core], Flow[SessionState | Refusal | None]]
D = TypeVar("D", bound=Delegating)


def _newest_first(session: D) -> Iterator[D]:
    for child in reversed(session.below):
        yield child
        yield from _newest_first(child)
