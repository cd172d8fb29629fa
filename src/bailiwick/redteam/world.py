"""A world: a deployed project, what its users ask for, and what attackers want. The contract of every attack run.

The agent in a world is assumed to be fully hijacked: it makes the calls of the user's task, and as soon as it has read
a text that an attacker placed, it makes the attacker's calls as well. No model is needed, and none could do worse.
Tools are real: they change the world's own environment, and that alone tells whether a task or an attack succeeded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

__all__ = ["Attack", "Encoding", "Moment", "Task", "ToolCall", "Trial", "World"]

Encoding = Callable[[str], str]
"""What an attacker does to the text that he places, so that no filter reads it: the hijacked agent decodes it."""


class Moment(StrEnum):
    """When the hijacked agent makes the attacker's calls."""

    AT_ONCE = "at-once"
    """As soon as an injected text was read."""
    AT_THE_END = "at-the-end"
    """After the user's own calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call that the agent makes. `by` names the sub-agent that it is handed to, told `message` (which the agent
    words); empty: the agent itself."""

    tool: str
    args: Mapping[str, object]
    by: str = ""
    message: str = ""


PURPOSE = "session"
"""Says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a user asks for, and the calls by which an honest agent does it. `named_task` is a task of directory.toml,
    empty for a plain purpose. `instructions` is what the developer tells the agent; `attacks`: only these are tried on
    it, None for all."""

    id: str
    user: str
    agent: str
    prompt: str
    calls: Sequence[ToolCall]
    named_task: str = ""
    instructions: str = ""
    attacks: frozenset[str] | None = None

    @property
    def purpose(self) -> str:
        """What its session is opened for. INVARIANT: a purpose counts as the user's own words, so one that says what
        the task is about would be a prompt that no user wrote."""
        return self.named_task or PURPOSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """What an attacker wants. `text` is what he places where others write; `calls` the calls that reach his goal, given
    the task that the user asked for (an adaptive attacker reuses its values). `kind` is the family; `asi` and `atlas`
    are ids of OWASP's Agentic Security Issues and of MITRE ATLAS. `opening`: the agent is given the text together with
    the user's prompt, as context of unknown origin (empty: the prompt itself takes it in); else it stands in what a
    tool returns."""

    id: str
    kind: str
    text: str
    calls: Callable[[Task], Sequence[ToolCall]]
    asi: tuple[str, ...] = ()
    atlas: tuple[str, ...] = ()
    opening: bool = False


class Trial(Protocol):
    """One run of one task in a fresh environment, with at most one attack placed in it."""

    @property
    def tools(self) -> Mapping[str, Callable[..., object]]:
        """The real tools, by catalog name; they work on this trial's environment."""

    @property
    def calls(self) -> Sequence[ToolCall]:
        """The calls by which an honest agent does the task in this environment: `Task.calls`, unless what they name is
        called otherwise here."""

    @property
    def attack_calls(self) -> Sequence[ToolCall]:
        """The attacker's calls, asked for when the agent begins to make them: `Attack.calls`, or what they have become
        in the environment as it is by then."""

    def saw_attack(self, result: object) -> bool:
        """Whether the attacker's text is in what a tool just returned (or raised: then it is the text of the error)."""

    def useful(self) -> bool:
        """Whether the environment is as the user wanted it."""

    def attacked(self) -> bool:
        """Whether the environment is as the attacker wanted it."""

    def close(self) -> None:
        """Give up the environment."""


class World(Protocol):
    """A project folder with its users' tasks and its attackers."""

    @property
    def name(self) -> str: ...

    @property
    def folder(self) -> Path:
        """The project folder: catalog, rules and directory. It is copied before it is used."""

    def tasks(self) -> Sequence[Task]: ...

    def attacks(self) -> Sequence[Attack]: ...

    def begin(self, task: Task, attack: Attack | None, encode: Encoding | None) -> Trial | None:
        """A fresh environment; None where this attack can never reach this task's agent."""
