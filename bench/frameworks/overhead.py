"""The same agent with and without bailiwick: real packages, a scripted model, a tool that appends a line to a file.

The harnesses of the conformance suite build and run the agents; without bailiwick they are given a guard that does
nothing. Both take turns in one process, and the seal is off while the bare agent runs. What is timed is the whole run,
divided by its tool calls: each of them has one call of the model, which the guard records too.
"""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from tests.frameworks.asking import DONE, PROMPT
from tests.frameworks.desk import Desk
from tests.frameworks.frameworks import FRAMEWORKS, REFERENCE, harness_class, lacks
from tests.frameworks.harness import Agent, Ask, Harness, Step

__all__ = ["Overhead", "as_lines", "as_plain", "measure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """Milliseconds per tool call: medians over `rounds` runs of `calls` calls each."""

    framework: str
    rounds: int
    calls: int
    bare_ms: float
    guarded_ms: float

    @property
    def added_ms(self) -> float:
        return round(self.guarded_ms - self.bare_ms, 2)


def measure(
    place: Path, *, rounds: int, calls: int, say: Callable[[str], None], only: Sequence[str] | None = None
) -> list[Overhead]:
    """Every framework that is installed here. One whose harness fails without a guard is said, and left out."""
    found: list[Overhead] = []
    for framework in only or FRAMEWORKS:
        if framework == REFERENCE or lacks(framework):
            continue
        say(framework)
        folder = place / framework
        folder.mkdir(parents=True)
        try:
            found.append(_of(framework, Desk.make(folder), rounds, calls))
        except Exception as error:  # noqa: BLE001  one framework less to report
            say(f"{framework}: not measured: {type(error).__name__}: {error}")
    return found


def as_plain(found: list[Overhead]) -> list[dict[str, Any]]:
    """For JSON."""
    return [{**asdict(each), "added_ms": each.added_ms} for each in found]


def as_lines(found: list[Overhead]) -> Iterator[str]:
    """For people."""
    yield "Agents: milliseconds per tool call with its model call, medians: without bailiwick, with it, added"
    for each in found:
        title = FRAMEWORKS[each.framework].title
        yield f"  {title:44}{each.bare_ms:9.2f}{each.guarded_ms:9.2f}{each.added_ms:9.2f}"


def _of(framework: str, desk: Desk, rounds: int, calls: int) -> Overhead:
    taken: dict[bool, list[float]] = {True: [], False: []}
    for number in range(rounds + 1):
        for guarded in (True, False):
            spent = _run(framework, desk, calls, guarded=guarded)
            if number:  # the first round warms up
                taken[guarded].append(spent * 1000 / calls)
    bare, with_guard = statistics.median(taken[False]), statistics.median(taken[True])
    return Overhead(
        framework=framework, rounds=rounds, calls=calls, bare_ms=round(bare, 2), guarded_ms=round(with_guard, 2)
    )


def _run(framework: str, desk: Desk, calls: int, *, guarded: bool) -> float:
    """Seconds of one run. Raises RuntimeError if it did not make its calls."""
    before = len(desk.runs())
    steps: list[Step] = [*(Ask.one("read_page", id=str(100 + number)) for number in range(calls)), DONE]
    agent = Agent(script=steps, tools=desk.pick("read_page"))
    make = harness_class(framework)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if guarded:
            with desk.session(prompt=PROMPT):
                spent = _timed(make(guard=desk.guard, folder=desk.kept), agent)
            desk.guard.unseal()  # else the same agent without it would run nothing
            desk.close()
        else:
            unguarded: Any = _NoGuard()
            spent = _timed(make(guard=unguarded, folder=desk.kept), agent)
    if len(desk.runs()) - before != calls:
        raise RuntimeError(f"{len(desk.runs()) - before} calls ran, not {calls}")
    return spent


def _timed(harness: Harness, agent: Agent) -> float:
    began = perf_counter()
    ran = harness.run(agent, PROMPT, observed=False)
    spent = perf_counter() - began
    if ran.error is not None:
        raise ran.error
    return spent


class _NoGuard:
    """Gives back what it is given, or a hook of the framework's own kind that does nothing."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda given, **_: given

    def langchain(self, **_: object) -> Any:
        from langchain.agents.middleware import AgentMiddleware

        return AgentMiddleware()

    def agent_framework(self, **_: object) -> Any:
        return []

    def pydantic_ai(self, **_: object) -> Any:
        from pydantic_ai.capabilities import AbstractCapability

        return AbstractCapability()

    def google_adk(self, **_: object) -> Any:
        from google.adk.plugins.base_plugin import BasePlugin

        return BasePlugin(name="nothing")

    def strands(self, **_: object) -> Any:
        return _NoHooks()


class _NoHooks:
    def register_hooks(self, registry: object, **_: object) -> None:
        """Nothing to register."""
