"""A LangChain agent as the target: a factory `(guard) -> agent` makes it anew for each trial, with its own tools and
middleware. The model alone is replaced, by one that makes the user's calls and, once it has read the attacker's
text, the attacker's.

- Each call goes through the adapter as it does in life: `guard.langchain()` gives the real middleware.
- A tool counts as run when its own function runs: the function is wrapped, not what stands around it. One that runs
  while no permit is under way ran past the guard, which is a finding by itself.
- An attacker's call that came neither to the guard nor to the function was not executed, and is not counted as one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

from langchain.agents.middleware import ModelRequest, ModelResponse
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from bailiwick.adapters.langchain import GuardMiddleware
from bailiwick.adapters.langchain.model import model_name
from bailiwick.errors import ApprovalPending, BailiwickError, DidNotRun, Refused, UsageError
from bailiwick.guard.current import running_permit
from bailiwick.guard.session import Session
from bailiwick.guard.state import Permit
from bailiwick.model.tool import MODEL_TOOL
from bailiwick.project import Guard
from bailiwick.redteam.agent import Play
from bailiwick.redteam.making import TRIES
from bailiwick.redteam.oracle import Oracle
from bailiwick.redteam.pack_world import PackTrial
from bailiwick.redteam.real import Offer
from bailiwick.redteam.results import CallRecord, Fate, TrialRun
from bailiwick.redteam.target_tools import Watch, is_sync, tools_of
from bailiwick.redteam.world import Moment, Task, ToolCall, Trial

__all__ = ["AgentTarget", "Factory"]

Factory = Callable[[Any], Any]
_STEPS = 10_000
"""LangGraph's own limit is on steps of one run, and a trial is one run."""


class AgentTarget:
    """See the module. `offer` has to be set to what the agent offers before a trial is run."""

    def __init__(self, factory: Factory) -> None:
        self._factory = factory
        self.offer = Offer({}, ())

    def tools(self, guard: Guard) -> tuple[str, ...]:
        """The names of the agent's tools. Raises UsageError for what is no agent behind this guard."""
        return tuple(tool.name for tool in tools_of(self._built(guard, None)))

    def drive(self, guard: Guard, task: Task, trial: Trial, moment: Moment | None, opening: str | None) -> TrialRun:
        """One guarded trial: a conversation with an agent of its own."""
        assert isinstance(trial, PackTrial)
        script = _Script(
            trial=trial, play=Play(trial, moment, opening), oracle=Oracle(guard, trial.calls), offer=self.offer
        )
        agent = self._built(guard, script)
        messages = [("user", text) for text in (task.instructions, task.prompt, opening) if text]
        with ExitStack() as stack:
            for tool in tools_of(agent):
                stack.enter_context(Watch(tool, script))
            session = guard.session(user=task.user, agent=task.agent, task=task.purpose)
            stack.enter_context(session).prompt(task.prompt)
            if task.instructions:
                session.instructions(task.instructions)
            _talk(agent, messages, script)
        return TrialRun(
            calls=tuple(script.records),
            approvals=script.oracle.approvals,
            seen=script.play.seen,
            done=trial.useful() and not any(_refused(call) for call in script.records),
            attacked=trial.attacked(),
            unpermitted=tuple(script.unpermitted),
        )

    def _built(self, guard: Guard, script: _Script | None) -> Any:
        lent = _LentGuard(guard, _Model(script=script), script)
        try:
            agent = self._factory(lent)
        except Exception as error:
            if isinstance(error, BailiwickError):
                raise
            raise UsageError(
                f"the factory of the agent failed: {type(error).__name__}: {error!s:.200}", hint="call it by itself"
            ) from error
        if not hasattr(agent, "nodes") or not hasattr(agent, "invoke"):
            raise UsageError(
                f"the factory made no agent: {type(agent).__name__}", hint="return what create_agent returns"
            )
        if not lent.lent:
            raise UsageError(
                "the agent is not behind the guard: its factory never called guard.langchain()",
                hint="middleware=[..., guard.langchain()], with the guard that the factory is given",
            )
        return agent


def _refused(call: CallRecord) -> bool:
    return not call.attackers and call.fate is Fate.REFUSED


def _talk(agent: Any, messages: Sequence[tuple[str, str]], script: _Script) -> None:
    """Until the script is through. A tool that raises ends a run of the agent; a hijacked agent goes on."""
    asynchronous = any(not is_sync(tool) for tool in tools_of(agent))
    while not script.through:
        before = script.turns
        config = {"recursion_limit": _STEPS, "configurable": {"thread_id": f"redteam-{uuid4()}"}}
        given: Any = {"messages": list(messages)}
        if getattr(agent, "checkpointer", None) is None:
            del config["configurable"]
        try:
            if asynchronous:
                asyncio.run(agent.ainvoke(given, config))
            else:
                agent.invoke(given, config)
        except Exception as error:
            if isinstance(error, BailiwickError) and not isinstance(error, Refused | DidNotRun):
                raise
            if isinstance(error, Refused) and error.decision.tool == MODEL_TOOL:
                _model_refused(script, error)
                return
            script.broke(str(error))
        else:
            script.broke("")
        if script.turns == before:
            raise UsageError(
                "the agent never came to ask its model, so it was not reached",
                hint="list guard.langchain() in the middleware of the agent that the factory returns",
            )


def _model_refused(script: _Script, refused: Refused) -> None:
    """A model that may not be asked any more makes no more calls, hijacked or not."""
    if not script.turns:
        raise UsageError(
            f"the agent's model may not be asked at all: {refused.decision.sentence()}",
            hint="permit model.call to this chain, and declare the agent's model",
        )
    script.broke(str(refused))
    script.through = True


# ── what happens ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True, kw_only=True)
class _Script:
    """Whose call is next, and what became of the one that is under way."""

    trial: PackTrial
    play: Play
    oracle: Oracle
    offer: Offer
    records: list[CallRecord] = field(default_factory=list)
    unpermitted: list[str] = field(default_factory=list)
    through: bool = False
    turns: int = 0
    now: tuple[ToolCall, bool] | None = None
    _calls: Iterator[tuple[ToolCall, bool]] | None = None
    _tries: int = 0
    _asked: tuple[str, ...] = ()
    _began_ns: int = 0
    waited_us: int = 0
    refused: Refused | None = None
    event: str = ""
    ran: bool = False

    def turn(self, messages: Sequence[BaseMessage]) -> AIMessage:
        """The model's next message."""
        self.turns += 1
        told = messages[-1] if messages else None
        if self.now is not None and isinstance(told, ToolMessage):
            self._settle(str(told.text), failed=told.status == "error")
        if self.now is None:
            self._calls = self._calls or self.play.calls()
            self.now = next(self._calls, None)
            self._tries, self._asked = 0, ()
        if self.now is None:
            self.through = True
            return AIMessage("Done.")
        self._tries += 1
        self.refused, self.event, self.ran, self.waited_us = None, "", False, 0
        call, _ = self.now
        name = self.offer.names.get(call.tool, call.tool)
        asked: Any = {"name": name, "args": dict(call.args), "id": uuid4().hex, "type": "tool_call"}
        return AIMessage("", tool_calls=[asked])

    def broke(self, error: str) -> None:
        """The run of the agent ended with a call under way."""
        if self.now is not None:
            self._settle(error, failed=True)

    def began(self, tool: str) -> None:
        """A tool's own function runs."""
        permit = running_permit()
        if permit is None:
            self.unpermitted.append(tool)
        else:
            self.event = permit.event_id
        if self.now is not None and not self.ran and self.offer.names.get(self.now[0].tool) == tool:
            self.ran = True
            self.trial.tools[self.now[0].tool](**self.now[0].args)

    def _settle(self, text: str, *, failed: bool) -> None:
        assert self.now is not None
        call, attackers = self.now
        if self.ran:
            self._record(Fate.FAILED if failed else Fate.APPROVED if self._asked else Fate.RAN, rules=self._asked)
            if not attackers:
                self.oracle.made(call)
        elif isinstance(self.refused, ApprovalPending) and self._tries < TRIES:
            if self.oracle.asked(call, self.refused.approval_id, attackers=attackers):
                self._asked += tuple(gate.id for gate in self.refused.decision.gates)
                return
            self._record(Fate.REFUSED)
        elif self.refused is not None:
            self._record(Fate.REFUSED)
        elif self.waited_us or not attackers:
            self._record(Fate.FAILED)
        self.play.saw(text)
        self.now = None

    def _record(self, fate: Fate, rules: tuple[str, ...] = ()) -> None:
        assert self.now is not None
        call, attackers = self.now
        why, event = "", self.event
        if fate is Fate.REFUSED and self.refused is not None:
            decision = self.refused.decision
            gates = tuple(gate.id for gate in decision.gates)
            rules = gates or tuple(reason.code for reason in decision.reasons)
            why, event = decision.sentence(), self.refused.event_id
        self.records.append(
            CallRecord(
                tool=call.tool, attackers=attackers, fate=fate, rules=rules, why=why, event=event,
                latency_us=self.waited_us,
            )
        )  # fmt: skip

    def decided(self, began_ns: int, refused: Refused | None) -> None:
        """The guard was asked, and answered."""
        self.waited_us = max(1, (time.perf_counter_ns() - began_ns) // 1000)
        self.refused = refused


# ── what is put around the agent ────────────────────────────────────────────────────────────────────────────────────


class _LentGuard:
    """The guard that a factory is given: its middleware asks the script instead of the model."""

    def __init__(self, guard: Guard, model: _Model, script: _Script | None) -> None:
        self._guard, self._model, self._script = guard, model, script
        self.lent = 0

    def langchain(self, **how: Any) -> GuardMiddleware:
        self.lent += 1
        return _Hijacked(self._guard.langchain(**how), self._model, self._script)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._guard, name)


class _Model(BaseChatModel):
    """Says what the script says, whatever it reads. It goes by the name of the agent's own model: that is the one whose
    calls are decided."""

    script: Any
    stands_for: tuple[str, str] = ("", "")

    @property
    def _llm_type(self) -> str:
        return "hijacked"

    def bind_tools(self, *_: Any, **__: Any) -> _Model:
        return self

    def in_place_of(self, model: BaseChatModel) -> _Model:
        """The same, by the name of `model`."""
        return self.model_copy(update={"stands_for": model_name(model, {})})

    def _get_ls_params(self, stop: list[str] | None = None, **_: Any) -> LangSmithParams:  # noqa: ARG002
        name, provider = self.stands_for
        return LangSmithParams(ls_model_name=name, ls_provider=provider)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **_: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self.script.turn(messages))])


class _Hijacked(GuardMiddleware):
    """The adapter's middleware as it is, before another model, and with the guard's answers noted."""

    def __init__(self, own: GuardMiddleware, model: _Model, script: _Script | None) -> None:
        # A suspended run is no trial: the model is told, and makes its call again.
        super().__init__(own.wiring, agent=own.agent, suspend=False)
        self._model, self._script = model, script

    @property
    def name(self) -> str:
        return GuardMiddleware.__name__

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        return super().wrap_model_call(self._hijacked(request), handler)

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        return await super().awrap_model_call(self._hijacked(request), handler)

    def _hijacked(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        return request.override(model=self._model.in_place_of(request.model), response_format=None)

    def _bound_session(self, what: str, told: str = "") -> Session:
        return self._noted(super()._bound_session(what, told))

    async def _abound_session(self, what: str, told: str = "") -> Session:
        return self._noted(await super()._abound_session(what, told))

    def _noted(self, session: Session) -> Session:
        return session if self._script is None else cast(Session, _Noted(session, self._script))


class _Noted:
    """A session whose answers are noted on their way."""

    def __init__(self, session: Session, script: _Script) -> None:
        self._session, self._script = session, script

    def enter(self, tool: str, args: dict[str, object]) -> Permit:
        began = time.perf_counter_ns()
        try:
            permit = self._session.enter(tool, args)
        except Refused as refused:
            self._script.decided(began, refused)
            raise
        self._script.decided(began, None)
        return permit

    async def aenter(self, tool: str, args: dict[str, object]) -> Permit:
        began = time.perf_counter_ns()
        try:
            permit = await self._session.aenter(tool, args)
        except Refused as refused:
            self._script.decided(began, refused)
            raise
        self._script.decided(began, None)
        return permit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)
