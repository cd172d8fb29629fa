"""The scenarios themselves: an agent without a guard, or with half of one, must fail them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from bailiwick import Session
from bailiwick.adapters.coverage import Coverage
from bailiwick.adapters.governing import Ended, Told
from tests.frameworks.asking import Make
from tests.frameworks.desk import Desk, new_desk
from tests.frameworks.frameworks import FRAMEWORKS
from tests.frameworks.harness import Agent, Ask, Harness, Ran, Say, ToolFn
from tests.frameworks.harness_plain import PlainHarness, _Loop, _run_tool
from tests.frameworks.scenarios import SCENARIOS, title
from tests.frameworks.table import TABLE

HARMLESS = frozenset(
    # What the guard must not spoil.
    {"thread_is_the_conversation", "restored_thread_stays_clean", "words_of_the_caller", "clean_handoff"}
)


class Bare(PlainHarness):
    """The plain loop without a guard: it runs whatever its model asks for."""

    def retrieve(self, documents: Sequence[tuple[str, Mapping[str, Any]]], query: str) -> Sequence[str]:
        return [text for text, _ in documents]

    def coverage(self, agent: Agent) -> Coverage:
        return Coverage(framework="plain", tools=())

    def _model(self, agent: Agent, step: Ask | Say, talk: list[str], loop: _Loop) -> None:
        loop.model_calls += 1
        loop.offered = (*(tool.__name__ for tool in agent.tools), *(hosted.kind for hosted in agent.hosted))
        talk.append(step.text if isinstance(step, Say) else json.dumps(step.calls))

    def _handed_on(self, agent: Agent, name: str, talk: list[str], loop: _Loop) -> str | None:
        return self._talk(next(each for each in agent.hands_to if each.name == name), [talk[0]], loop)

    def _nested(self, agent: Agent, loop: _Loop, input: str) -> str:  # noqa: A002
        return self._talk(agent, [input], loop)

    def _call(self, find: Callable[[], Session], tool: ToolFn, name: str, args: Mapping[str, Any]) -> Told[Any]:
        try:
            value = _run_tool(tool, dict(args))
        except Exception as error:
            return Told(ended=Ended.FAILED, text=f"Error: {error}", open=True, error=error)
        return Told(ended=Ended.COMPLETED, text=str(value), open=True, value=value)


@dataclass(frozen=True)
class Here(Make):
    """Harnesses of one class, also where another process was asked for: the guard is opened anew."""

    made: type[Harness] = Bare

    def __call__(self, desk: Desk) -> Harness:
        return self.made(guard=desk.guard, folder=desk.kept)

    def elsewhere(self, desk: Desk, do: str, agent: Agent, *, thread: str, **more: Any) -> Ran:
        desk.close()
        harness = self(desk)
        with desk.session(prompt=more.get("prompt", ""), conversation=more["conversation"]):
            if do == "resume":
                return harness.resume(agent, more["state"], thread=thread)
            return harness.run(agent, more["prompt"], thread=thread)


@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name not in HARMLESS])
def test_no_scenario_holds_without_a_guard(scenario: str) -> None:
    with new_desk() as desk, pytest.raises((AssertionError, KeyError, ValueError)):
        SCENARIOS[scenario](Here("bare"), desk)


def test_each_scenario_says_what_it_shows() -> None:
    titles = [title(scenario) for scenario in SCENARIOS.values()]
    assert len(titles) == len(set(titles)) >= 24
    assert all(text and not text.endswith(".") for text in titles)


def test_the_table_has_every_framework_and_every_scenario() -> None:
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    assert list(table) == list(FRAMEWORKS)
    for framework, cells in table.items():
        assert list(cells) == list(SCENARIOS), f"python -m tests.frameworks.table {framework}"
