"""What agents really used, read from recorded history: calls that rules or people let through, by whom, on what.

Calls that passed only because rules are observed are no use: nobody permitted them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bailiwick.guard.explaining.recorded import Question, Taken
from bailiwick.guard.explaining.redeciding import Coverage
from bailiwick.model.canonical import parse
from bailiwick.model.decision import Outcome
from bailiwick.model.event import Event
from bailiwick.model.principal import EntityRef
from bailiwick.project.history import Past, PastReader, parts_of
from bailiwick.project.load import load_settings
from bailiwick.project.status import LOG_FOLDER

__all__ = ["MANY", "Bounds", "Example", "Usage", "Use", "Work", "used"]

MANY = 5
"""Up to so many resources, or values of an argument, are named one by one."""
MAX_NAMED = 10_000


@dataclass(slots=True, kw_only=True)
class Bounds:
    """What the facts of one argument were. `low` and `high` of numbers, `values` of texts."""

    low: int | None = None
    high: int | None = None
    values: set[str] = field(default_factory=set)

    def see(self, value: object) -> None:
        if isinstance(value, bool):
            self.values.add(str(value).lower())
        elif isinstance(value, int):
            self.low = value if self.low is None else min(self.low, value)
            self.high = value if self.high is None else max(self.high, value)
        elif isinstance(value, str) and len(self.values) <= MAX_NAMED:
            self.values.add(value)


@dataclass(slots=True, kw_only=True)
class Use:
    """How one link used one tool."""

    count: int = 0
    resources: set[EntityRef] = field(default_factory=set)
    bounds: dict[str, Bounds] = field(default_factory=dict)
    """By the path of a fact: `amount.minor`."""
    permits: set[str] = field(default_factory=set)
    """The permits that let it through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A call that ran, with the environment and the facts that there were. `args` None: they were erased."""

    event: str
    question: Question
    taken: Taken
    args: Mapping[str, object] | None


@dataclass(slots=True, kw_only=True)
class Work:
    """What one agent did as the acting one. `longest_us`: between the first and the last call of a session."""

    tools: Counter[str] = field(default_factory=Counter)
    first_us: int = 0
    last_us: int = 0
    sessions: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def longest_us(self) -> int:
        return max((last - first for first, last in self.sessions.values()), default=0)


@dataclass(slots=True, kw_only=True)
class Usage:
    """All of it. `examples` has one call for each chain, task and tool."""

    decisions: int = 0
    ran: int = 0
    coverage: Counter[Coverage] = field(default_factory=Counter)
    observed: int = 0
    uses: dict[tuple[EntityRef, str], Use] = field(default_factory=dict)
    work: dict[str, Work] = field(default_factory=dict)
    examples: dict[tuple[tuple[EntityRef, ...], str, str], Example] = field(default_factory=dict)

    def see(self, past: Past, question: Question, taken: Taken) -> bool:
        """Count a call that was let through → whether it is the first of its chain, task and tool."""
        tool, links, at = question.tool, taken.chain.links, past.event.ts_us
        facts = list(_facts((), question.args))
        permits = _permits(past.event)
        self.ran += 1
        for link in links:
            use = self.uses.setdefault((link, tool), Use())
            use.count += 1
            use.permits |= permits.get(str(link), set())
            if len(use.resources) < MAX_NAMED:
                use.resources.update(each.ref for each in question.resources)
            for path, value in facts:
                use.bounds.setdefault(path, Bounds()).see(value)
        work = self.work.setdefault(taken.chain.actor.id, Work(first_us=at))
        work.tools[tool] += 1
        work.first_us, work.last_us = min(work.first_us, at), max(work.last_us, at)
        first, last = work.sessions.get(past.event.session, (at, at))
        work.sessions[past.event.session] = min(first, at), max(last, at)
        return (links, taken.task, tool) not in self.examples


def used(folder: Path, *, agent: str | None = None, since_us: int = 0) -> Usage:
    """What was used in the project in `folder`, by chains in which `agent` acts. Raises StoreError."""
    settings = load_settings(folder)
    owner = settings.decisions
    found = Usage()
    with PastReader(tenant=owner.tenant, env=owner.env, since_us=since_us) as reader:
        for part in parts_of(folder / settings.state_path / LOG_FOLDER):
            for past in reader.decisions(part):
                _count(found, reader, past, agent)
    return found


def _count(found: Usage, reader: PastReader, past: Past, agent: str | None) -> None:
    question, taken = past.question, past.taken
    if agent is not None and (past.event.actor[-1:] != (f'Agent::"{agent}"',)):
        return
    found.decisions += 1
    found.coverage[past.coverage] += 1
    if question is None or taken is None or past.event.body["outcome"] != Outcome.ALLOW.value:
        return
    if "observed" in past.event.body:
        found.observed += 1
        return
    if found.see(past, question, taken):
        data = reader.args(past)
        args = None if data is None else parse(data)
        key = (taken.chain.links, taken.task, question.tool)
        found.examples[key] = Example(
            event=past.event.id, question=question, taken=taken, args=args if isinstance(args, dict) else None
        )


def _permits(decision: Event) -> Mapping[str, set[str]]:
    """The permits that let a call through, by the links that they did it for."""
    found: dict[str, set[str]] = {}
    links: Any = decision.body["links"]
    for link in links:
        found.setdefault(link["link"], set()).update(link["policies"])
    return found


def _facts(path: tuple[str, ...], value: object) -> Iterable[tuple[str, object]]:
    """Every single value of facts with its path."""
    if isinstance(value, Mapping):
        for name, below in value.items():
            yield from _facts((*path, str(name)), below)
    elif isinstance(value, list | tuple):
        for each in value:
            yield ".".join(path), each
    else:
        yield ".".join(path), value
