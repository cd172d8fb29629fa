"""The seal of LlamaIndex's agents: each acts in its own session, whichever task of the workflow it works in."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from bailiwick.adapters.llama_index.tools import FRAMEWORK
from bailiwick.adapters.sealing import sealed_session
from bailiwick.adapters.wiring import Wiring
from bailiwick.errors import MissingExtra
from bailiwick.guard.current import acting_in
from bailiwick.guard.session import Session

try:
    from llama_index.core.agent import AgentWorkflow, ReActAgent
    from llama_index.core.agent.react.types import ActionReasoningStep, ResponseReasoningStep
    from llama_index.core.agent.workflow.base_agent import BaseWorkflowAgent
    from llama_index.core.base.llms.types import ChatMessage, MessageRole
    from llama_index.core.workflow import Context
except ImportError as error:
    raise MissingExtra(feature="the LlamaIndex adapter", extra="llama-index") from error

__all__ = ["looked_up", "sealed_run", "sealed_workflow_call"]


def looked_up(original: Callable[..., Any]) -> Callable[..., Any]:
    """`BaseWorkflowAgent.__getattribute__`: each kind of agent has a `take_step` of its own."""

    @functools.wraps(original)
    def __getattribute__(self: BaseWorkflowAgent, name: str) -> Any:  # noqa: N807
        value = original(self, name)
        if name == "take_step":
            return _sealed_step(self, value)
        return _sealed_call(self, value) if name == "_call_tool" else value

    return __getattribute__


def sealed_run(original: Callable[..., Any]) -> Callable[..., Any]:
    """`run` of an agent or of a workflow of agents: what it starts works under its wiring."""

    @functools.wraps(original)
    def run(self: BaseWorkflowAgent | AgentWorkflow, *args: Any, **kwargs: Any) -> Any:
        session = sealed_session(FRAMEWORK, f"agent {getattr(self, 'name', type(self).__name__)}")
        with Wiring.of(self, session.engine).current():
            return original(self, *args, **kwargs)

    return run


def sealed_workflow_call(original: Callable[..., Any]) -> Callable[..., Any]:
    """`AgentWorkflow._call_tool`: it is the current agent of the workflow that calls."""

    @functools.wraps(original)
    async def _call_tool(self: AgentWorkflow, ctx: Context, tool: Any, tool_input: dict[str, Any]) -> Any:
        name = await ctx.store.get("current_agent_name")
        with acting_in(await _acting(name, outermost=name == self.root_agent)):
            return await original(self, ctx, tool, tool_input)

    return _call_tool


def _sealed_call(agent: BaseWorkflowAgent, call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    async def sealed(*args: Any, **kwargs: Any) -> Any:
        with acting_in(await _acting(_name(agent))):
            return await call(*args, **kwargs)

    return sealed


def _sealed_step(agent: BaseWorkflowAgent, take_step: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(take_step)
    async def sealed(ctx: Context, llm_input: Any, tools: Any, memory: Any) -> Any:
        root = getattr(ctx, "_workflow", None)
        outermost = _name(agent) == root.root_agent if isinstance(root, AgentWorkflow) else None
        session = await _acting(_name(agent), outermost=outermost, message=_told(llm_input))
        with acting_in(session):
            if isinstance(agent, ReActAgent):
                _vouch_header(session, agent, tools)
            output = await take_step(ctx, llm_input, tools, memory)
            if isinstance(agent, ReActAgent):
                await _vouch_reasoning(session, agent, ctx)
        return output

    return sealed


async def _acting(name: str, *, outermost: bool | None = None, message: str = "") -> Session:
    """Raises Denied for an agent that nobody knows, or that may not be handed this work."""
    session = sealed_session(FRAMEWORK, f"agent {name}")
    wiring = Wiring.around(session.engine)
    return await wiring.asession("the agent", name, outermost=outermost, message=message)


def _told(messages: Sequence[ChatMessage]) -> str:
    """What an agent was told last, by a person or by the agent that called it."""
    told = (each.content for each in reversed(messages) if each.role is MessageRole.USER and each.content)
    return next(told, "") or ""


def _name(agent: BaseWorkflowAgent) -> str:
    """An agent that was given no name has LlamaIndex's."""
    unnamed = type(agent).model_fields["name"].default
    return "" if agent.name == unnamed else agent.name


def _vouch_header(session: Session, agent: ReActAgent, tools: Any) -> None:
    """LlamaIndex's own words about the tools, around a system prompt that the developer vouches for."""
    instructions = Wiring.around(session.engine).instructions
    if not agent.system_prompt or agent.system_prompt in instructions:
        header = agent.formatter.format(tools, chat_history=[])[0].content
        session.instructions_once(header or "")


async def _vouch_reasoning(session: Session, agent: ReActAgent, ctx: Context) -> None:
    """What the model wrote, in the form in which a ReActAgent shows it again."""
    for step in await ctx.store.get(agent.reasoning_key, default=[]):
        if isinstance(step, ActionReasoningStep | ResponseReasoningStep):
            session.vouch(step.get_content())
