"""Opaque handles: a name that the model sees in place of a content, and what stands in a call in place of the name.
DESIGN §5 *Flow*.

A reference is the name alone (`h-…`), or with the way to a part (`h-….lines[0].total`), as a whole argument or a whole
leaf of one; inside a longer text of a content it stands in double braces (`{{h-….body}}`).

INVARIANT: what describes a content (`Handle.shown`) holds nothing that the content says: the tool, its shape, its
length, and of its fields the names that the catalog knows. What was never shown cannot be retold, so it raises no mark
of the session; its label goes wherever the value goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import orjson

from bailiwick.flow.atoms import decoded
from bailiwick.model.label import Label
from bailiwick.model.tool import OutputSpec

__all__ = [
    "NAME",
    "NOTHING",
    "Handle",
    "HandleKind",
    "Nothing",
    "Reference",
    "crossing",
    "describe",
    "named_in",
    "part_of",
    "references",
    "substituted",
]

NAME = r"h-[a-z2-7]{16}"
"""What a handle is called: 80 random bits."""
_WAY = r"(?:\.[A-Za-z_][A-Za-z0-9_-]{0,99}|\[[0-9]{1,6}\]){0,16}"
_WHOLE = re.compile(rf"\s*(?P<name>{NAME})(?P<way>{_WAY})\s*\Z")
_INSIDE = re.compile(rf"\{{\{{\s*(?P<name>{NAME})(?P<way>{_WAY})\s*\}}\}}")
_ANY = re.compile(rf"(?<![A-Za-z0-9-]){NAME}(?![A-Za-z0-9-])")
_STEP = re.compile(r"\.(?P<field>[^.\[\]]+)|\[(?P<at>[0-9]+)\]")
_DEEPEST = 32


class HandleKind(StrEnum):
    """The shape of what a handle stands for."""

    TEXT = "text"
    RECORD = "record"
    LIST = "list"
    VALUE = "value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handle:
    """A content that the model does not see. `event` is the audit event under which its text is kept; `plain` that the
    tool returned a text (so that the whole of it is that text); `fields` are names of the catalog that it has,
    `length` is in characters, `count` in records."""

    name: str
    content: str
    event: str
    tool: str
    kind: HandleKind
    plain: bool
    length: int
    count: int
    fields: tuple[str, ...]
    label: Label

    @property
    def shown(self) -> str:
        """What the model sees in its place."""
        told: dict[str, object] = {"handle": self.name, "tool": self.tool, "kind": self.kind.value}
        if self.kind is HandleKind.LIST:
            told["count"] = self.count
        if self.fields:
            told["fields"] = list(self.fields)
        return orjson.dumps({**told, "length": self.length}).decode()

    def __str__(self) -> str:
        return self.shown


def describe(
    name: str, value: object, text: str, *, tool: str, output: OutputSpec, label: Label, content: str, event: str
) -> Handle:
    """The handle of a result; `text` is the form in which a model would have been shown it."""
    inner = decoded(value)
    records = inner if isinstance(inner, list | tuple) else (inner,)
    match inner:
        case Mapping():
            kind = HandleKind.RECORD
        case list() | tuple():
            kind = HandleKind.LIST
        case str():
            kind = HandleKind.TEXT
        case _:
            kind = HandleKind.VALUE
    there = {key for record in records if isinstance(record, Mapping) for key in record}
    return Handle(
        name=name,
        content=content,
        event=event,
        tool=tool,
        kind=kind,
        plain=isinstance(value, str),
        length=len(text),
        count=len(records) if kind is HandleKind.LIST else 1,
        fields=tuple(sorted(_declared(output) & there)),
        label=label,
    )


def _declared(output: OutputSpec) -> frozenset[str]:
    """The names of fields that the catalog itself writes: whoever wrote the content chose none of them."""
    names = {*(output.untrusted or ()), *output.endorses, output.level_from, output.readers_from}
    names |= {rule.path for rule in output.labels}
    if output.author is not None:
        names.add(output.author.field)
    return frozenset(part for name in names for part in name.replace("[]", "").split(".") if part)


@dataclass(frozen=True, slots=True)
class Reference:
    """A handle's name where it stands in an argument, the way to a part of it, and whether it is a longer text that it
    stands in."""

    argument: str
    name: str
    way: str
    inside: bool


def references(args: Mapping[str, object]) -> tuple[Reference, ...]:
    """Every reference in the arguments of a call, each once."""
    found: dict[Reference, None] = {}
    for argument, value in args.items():
        for leaf in _leaves(value):
            if whole := _WHOLE.match(leaf):
                found[Reference(argument, whole["name"], whole["way"], inside=False)] = None
            else:
                for each in _INSIDE.finditer(leaf):
                    found[Reference(argument, each["name"], each["way"], inside=True)] = None
    return tuple(found)


def named_in(text: str) -> frozenset[str]:
    """Every name of a handle that stands in a text."""
    return frozenset(_ANY.findall(text))


def substituted(value: object, values: Mapping[tuple[str, str], object]) -> object:
    """`value` with what its references stand for: `values` by name and way."""
    match value:
        case str():
            if whole := _WHOLE.match(value):
                return values[whole["name"], whole["way"]]
            return _INSIDE.sub(lambda each: _worded(values[each["name"], each["way"]]), value)
        case Mapping():
            return {key: substituted(item, values) for key, item in value.items()}
        case list() | tuple():
            return [substituted(item, values) for item in value]
        case _:
            return value


class Nothing:
    """There is no such part."""


NOTHING = Nothing()


def part_of(handle: Handle, text: str, way: str) -> object | Nothing:
    """What a reference stands for in the kept `text` of a handle; NOTHING if there is no such part."""
    value: object = text if handle.plain and not way else _read(text)
    for step in _STEP.finditer(way):
        value = decoded(value)
        if step["at"] is not None:
            if not isinstance(value, list) or int(step["at"]) >= len(value):
                return NOTHING
            value = value[int(step["at"])]
        elif isinstance(value, Mapping) and step["field"] in value:
            value = value[step["field"]]
        else:
            return NOTHING
    return value


def _read(text: str) -> object:
    try:
        parsed: object = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return text
    return parsed


def _worded(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()


def _leaves(value: object, depth: int = 0) -> Iterator[str]:
    items: Iterable[object] = ()
    match value:
        case str():
            yield value
        case Mapping():
            items = value.values()
        case list() | tuple():
            items = value
        case _:
            return
    if depth < _DEEPEST:
        for item in items:
            yield from _leaves(item, depth + 1)


def crossing(handles: Mapping[str, Handle], message: str) -> tuple[Handle, ...]:
    """The handles that a hand-over message names."""
    return tuple(handles[name] for name in sorted(named_in(message)) if name in handles)
