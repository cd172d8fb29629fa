"""What a source says of one tool, and what is proposed for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bailiwick.model.tool import Effect

__all__ = ["MAX_OPERATIONS", "MAX_TEXT", "Operation", "Parameter", "Proposal", "Proposed", "Skipped"]

MAX_OPERATIONS = 1_000
"""Operations of one source."""
MAX_TEXT = 2 * 1024 * 1024
"""Characters of the entries that are made of one source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One argument as the source describes it: `schema` is a JSON Schema, resolved against the source's `document`;
    `place` says where it goes (path, query, header, body ...)."""

    name: str
    schema: Any
    required: bool = False
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One tool as its source describes it. `effect` is what the source says outright (an HTTP method, an annotation),
    `because` in which words; `result` is the JSON Schema of what it returns, None if there is none; `unclear` is what
    could not be read, `document` what references in the schemas of its arguments lead into, and `result_document` in
    that of its result."""

    name: str
    description: str = ""
    effect: Effect | None = None
    because: str = ""
    path: str = ""
    parameters: tuple[Parameter, ...] = ()
    result: Any = None
    unclear: tuple[str, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict)
    result_document: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """An entry of a catalog, as TOML with a comment beside each guess."""

    name: str
    alias: str
    effects: tuple[str, ...]
    arguments: tuple[str, ...]
    guesses: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A tool that is not proposed, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Everything that a source comes to."""

    tools: tuple[Proposed, ...]
    skipped: tuple[Skipped, ...]

    @property
    def text(self) -> str:
        return "\n".join(tool.text for tool in self.tools)
