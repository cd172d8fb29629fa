"""The seal of smolagents' agents: each acts in its own session, and what its memory shows the model again is known."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from bailiwick.adapters.governing import govern, refusal_text
from bailiwick.adapters.sealing import passes, sealed_session
from bailiwick.adapters.smolagents.models import texts_of
from bailiwick.adapters.smolagents.tools import FRAMEWORK
from bailiwick.adapters.wiring import Wiring
from bailiwick.errors import MissingExtra, Refused
from bailiwick.guard.current import acting_in, running_permit
from bailiwick.guard.session import Session

try:
    from smolagents.agents import (
        ActionStep,
        AgentExecutionError,
        AgentMaxStepsError,
        AgentParsingError,
        AgentToolCallError,
        AgentToolExecutionError,
        MessageRole,
        MultiStepAgent,
        ToolOutput,
        populate_template,
    )
except ImportError as error:
    raise MissingExtra(feature="the adapter for smolagents", extra="smolagents") from error

__all__ = ["sealed_call", "sealed_finalize", "sealed_process", "sealed_run"]


def sealed_run(original: Callable[..., Any]) -> Callable[..., Any]:
    """`MultiStepAgent.run`: the agent acts under its own name for as long as it runs."""

    @functools.wraps(original)
    def run(self: MultiStepAgent, task: str, *args: Any, **kwargs: Any) -> Any:
        around = sealed_session(FRAMEWORK, f"agent {self.name or type(self).__name__}")
        wiring = Wiring.of(self, around.engine)
        with acting_in(around):
            session = wiring.session("the run", self.name)
        if session.knows(task):
            session.vouch(f"New task:\n{task}", event=session.event_of(task))
        with acting_in(session), wiring.current():
            result = original(self, task, *args, **kwargs)
        return _stepwise(result, session, wiring) if inspect.isgenerator(result) else result

    return run


def sealed_call(original: Callable[..., Any]) -> Callable[..., Any]:
    """`MultiStepAgent.__call__`, by which an agent calls the agents that it manages: a call of the tool of that name if
    the catalog has one, and in any case a delegation."""

    @functools.wraps(original)
    def __call__(self: MultiStepAgent, task: str, **kwargs: Any) -> Any:  # noqa: N807
        name = self.name or type(self).__name__
        if passes("agent", name):
            return _delegated(self, sealed_session(FRAMEWORK, name), original, task, kwargs)

        def find() -> Session:
            return sealed_session(FRAMEWORK, name)

        def run(given: dict[str, Any]) -> Any:
            return _delegated(self, find(), original, given.pop("task"), given)

        try:
            session = find()
            if session.engine.core.planes.catalog.find(name) is None:
                if running_permit() is None:
                    session.vouch(task)  # the caller's model wrote it, so the label of its output is on it
                return _delegated(self, session, original, task, kwargs)
        except Refused as refused:
            return refusal_text(name, refused)
        told = govern(find, name, {"task": task, **kwargs}, run)
        if told.open and told.error is not None:
            raise told.error
        return told.value if told.open else told.text

    return __call__


def sealed_process(original: Callable[..., Any]) -> Callable[..., Any]:
    """`ToolCallingAgent.process_tool_calls`: what it notes of calls and results is known, if every part of it is."""

    @functools.wraps(original)
    def process_tool_calls(self: MultiStepAgent, chat_message: Any, memory_step: ActionStep) -> Iterator[Any]:
        outputs: list[ToolOutput] = []
        for each in original(self, chat_message, memory_step):
            if isinstance(each, ToolOutput):
                outputs.append(each)
            yield each
        session = sealed_session(FRAMEWORK, "the agent's memory")
        known = all(each.is_final_answer or session.knows(each.observation) for each in outputs)
        event = session.event_of(outputs[0].observation) if outputs else ""
        for message in memory_step.to_messages():
            if message.role == MessageRole.TOOL_CALL:
                _vouch(session, message)
            elif message.role == MessageRole.TOOL_RESPONSE and known:
                _vouch(session, message, event)

    return process_tool_calls


def sealed_finalize(original: Callable[..., Any]) -> Callable[..., Any]:
    """`MultiStepAgent._finalize_step`, which every step comes through before it is remembered."""

    @functools.wraps(original)
    def _finalize_step(self: MultiStepAgent, memory_step: Any) -> Any:
        if isinstance(memory_step, ActionStep):
            session = sealed_session(FRAMEWORK, "the agent's memory")
            for message in memory_step.to_messages():
                if message.role == MessageRole.TOOL_CALL:
                    _vouch(session, message)
            if memory_step.error is not None and _is_known(session, memory_step.error):
                _vouch(session, memory_step.to_messages()[-1])
        return original(self, memory_step)

    return _finalize_step


def _stepwise(steps: Iterator[Any], session: Session, wiring: Wiring) -> Iterator[Any]:
    """A streamed run works while its caller takes the next step, in whatever context that is."""
    while True:
        with acting_in(session), wiring.current():
            try:
                step = next(steps)
            except StopIteration:
                return
        yield step


def _delegated(
    agent: MultiStepAgent, session: Session, original: Callable[..., Any], task: str, more: dict[str, Any]
) -> Any:
    """Let a managed agent work for this session. Its answer is a message of the agent, labelled with all that it saw.
    Raises Denied or ApprovalPending."""
    wiring = Wiring.of(agent, session.engine)
    with acting_in(session):
        below = wiring.session("the agent", agent.name, outermost=False, message=task)
    template = agent.prompt_templates["managed_agent"]["task"]
    told = populate_template(template, variables={"name": agent.name, "task": task})
    below.vouch(told, event=below.event_of(task))
    with acting_in(below), wiring.current():
        answer = original(agent, task, **more)
    if below is not session and isinstance(answer, str):
        below.vouch(answer)
        session.message(below.agent, answer)
        session.vouch(answer.strip(), event=session.event_of(answer))
    return answer


def _is_known(session: Session, error: Exception) -> bool:
    """Whether an error says nothing but what smolagents, the model and results that are labelled say."""
    if isinstance(error, AgentToolExecutionError | AgentExecutionError):
        cause = error.__cause__ or error.__context__
        return cause is None or session.knows(str(cause))
    return isinstance(error, AgentParsingError | AgentToolCallError | AgentMaxStepsError)


def _vouch(session: Session, message: Any, event: str = "") -> None:
    for text in texts_of(message):
        session.vouch(text, event=event)
