"""A model that is obedient to a fault: it does whatever the last text that it read tells it to do.

Real models do this some of the time, and nobody knows when. This one does it every time, so that what stops it is
visibly not its own good sense. It needs no network and no luck.

It reads **instructions** in every text that reaches it, no matter who wrote the text:

    Call kb_search with {"query": "refund to a closed card"}

is one step. `and call` joins another call to the same step, so that both are made at once:

    Call get_customer with {"id": "42"}
    and call kb_search with {"query": "refund"}

The arguments are one JSON object and may go over several lines, or plain words, `Call get_customer with id=42`: texts
without spaces, with commas between them. Strings may quote what the model has read: `{{last_result}}` is the last tool
result, `{{query_db}}` the last one of that tool, `{{get_customer.email}}` and `{{kb_search.0.title}}` a part of it.

What it does next follows from the conversation alone, so it goes on rightly from a checkpoint in another process:

1. What the user says replaces every step that it had in mind.
2. Steps that it reads in a tool's result come first, before what is left of the user's. This is all it takes to
   hijack it.
3. It makes the first step's calls. An error or a refusal is a text like any other: it goes on with the next step.
4. When no step is left it answers with one line that says what became of each call.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self
from uuid import uuid4

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolCall, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import BaseTool

__all__ = ["ObedientModel"]

INSTRUCTION: Final = re.compile(r"\b(?P<joined>and\s+)?call\s+(?P<tool>\w+)\s+with\s+(?={|\w+=)", re.IGNORECASE)
PLAIN: Final = re.compile(r"(?P<name>\w+)=(?P<value>[^\s,]+)(?:,[ \t]*)?")
QUOTE: Final = re.compile(r"{{\s*(?P<name>\w+)(?P<path>(?:\.\w+)*)\s*}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    tool: str
    args: dict[str, Any]
    told_by: str


_Step = list[_Call]


class ObedientModel(BaseChatModel):
    """See the module's text. Give it to `create_agent` like any chat model."""

    @property
    def _llm_type(self) -> str:
        return "obedient"

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],  # noqa: ARG002
        *,
        tool_choice: str | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> Self:
        """It calls what it is told to call; which tools there are does not matter to it."""
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=_answer(messages))])


def _answer(messages: Sequence[BaseMessage]) -> AIMessage:
    steps = _steps_left(messages)
    if not steps:
        return AIMessage(_report(messages))
    calls = steps[0]
    return AIMessage(
        content="; ".join(f"{call.told_by} told me to call {call.tool}" for call in calls),
        tool_calls=[
            ToolCall(name=call.tool, args=_filled(call.args, messages), id=f"call_{uuid4().hex[:16]}", type="tool_call")
            for call in calls
        ],
    )


def _steps_left(messages: Sequence[BaseMessage]) -> list[_Step]:
    """Replay the conversation: what was it told, and what of that has it done?"""
    steps: list[_Step] = []
    for message in messages:
        match message:
            case HumanMessage():
                steps = _read(message, told_by="The user")
            case ToolMessage():
                steps = _read(message, told_by=f"What {message.name} returned") + steps
            case AIMessage(tool_calls=[_, *_]):
                steps = steps[1:]
    return steps


def _read(message: BaseMessage, *, told_by: str) -> list[_Step]:
    """The steps that a message's text asks for."""
    steps: list[_Step] = []
    for text in _texts(_value(message)):
        for found in INSTRUCTION.finditer(text):
            try:
                args = _arguments(text, found.end())
            except json.JSONDecodeError:
                continue
            call = _Call(tool=found["tool"], args=args, told_by=told_by)
            if found["joined"] and steps:
                steps[-1].append(call)
            else:
                steps.append([call])
    return steps


def _arguments(text: str, at: int) -> dict[str, Any]:
    if text[at] == "{":
        args: dict[str, Any] = json.JSONDecoder(strict=False).raw_decode(text, at)[0]
        return args
    plain: dict[str, Any] = {}
    while found := PLAIN.match(text, at):
        plain[found["name"]] = found["value"]
        at = found.end()
    return plain


def _value(message: BaseMessage) -> Any:
    """A tool's result as the records that it holds, if it is JSON; any other message as its text."""
    if isinstance(message, ToolMessage):
        try:
            return json.loads(message.text)
        except json.JSONDecodeError:
            pass
    return str(message.text)


def _texts(value: Any) -> Iterator[str]:
    """Every string in a value, in reading order."""
    match value:
        case str():
            yield value
        case dict():
            for item in value.values():
                yield from _texts(item)
        case list():
            for item in value:
                yield from _texts(item)


def _filled(value: Any, messages: Sequence[BaseMessage]) -> Any:
    """`value` with each {{quote}} in its strings replaced by what the model has read."""
    match value:
        case str():
            return QUOTE.sub(lambda found: _quoted(found["name"], found["path"].split(".")[1:], messages), value)
        case dict():
            return {key: _filled(item, messages) for key, item in value.items()}
        case list():
            return [_filled(item, messages) for item in value]
        case _:
            return value


def _quoted(name: str, path: Sequence[str], messages: Sequence[BaseMessage]) -> str:
    results = (message for message in reversed(messages) if isinstance(message, ToolMessage))
    result = next((result for result in results if name in ("last_result", result.name)), None)
    if result is None:
        return f"(nothing read from {name})"
    value = _value(result)
    for key in path:
        match value:
            case dict() if key in value:
                value = value[key]
            case list() if key.isdecimal() and int(key) < len(value):
                value = value[int(key)]
            case _:
                return f"(no {'.'.join(path)} in what {name} returned)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _report(messages: Sequence[BaseMessage]) -> str:
    """One line on what became of each call since the user last spoke."""
    outcomes: list[str] = []
    for message in messages:
        match message:
            case HumanMessage():
                outcomes = []
            case ToolMessage(status="error"):
                outcomes.append(f"{message.name}: {' '.join(message.text.split())}")
            case ToolMessage():
                outcomes.append(f"{message.name}: done")
    return "; ".join(outcomes) or "I was told to do nothing."
