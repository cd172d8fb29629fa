"""Entries for the tools that a source describes: deterministic, loadable, every guess with its reason beside it.

Each entry is loaded by itself before it is taken; one that does not load, or that says anything else than what was
proposed, is left out with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from bailiwick.action.catalog import load_catalog
from bailiwick.action.templates import template_problem, template_segments
from bailiwick.action.types import STANDARD_TYPES, TypeRegistry
from bailiwick.errors import ProjectError
from bailiwick.inventory.operations import MAX_OPERATIONS, MAX_TEXT, Operation, Proposal, Proposed, Skipped
from bailiwick.inventory.results import read_result
from bailiwick.inventory.schemas import ARG_NAME, Argument, argument
from bailiwick.inventory.toml_text import comment, key, value
from bailiwick.inventory.words import effect_of, stronger
from bailiwick.model.tool import Catalog, Effect, Role

__all__ = ["propose"]

_MAX_ARGS = 100
_LONGEST_ALIAS = 200
_LONGEST_DESCRIPTION = 200
_PART = re.compile(r"[^A-Za-z0-9]+")
_PATH = re.compile(r"[A-Za-z0-9_./{}-]{1,500}", re.ASCII)


def propose(area: str, operations: Iterable[Operation], *, known: Catalog | None = None) -> Proposal:
    """Entries `<area>.<operation>` in the order given, for what is not in the catalog `known` yet."""
    taken = set(known.tools) | set(known.aliases) if known else set()
    tools: list[Proposed] = []
    skipped: list[Skipped] = []
    written = 0
    for number, operation in enumerate(operations):
        if number >= MAX_OPERATIONS or written >= MAX_TEXT:
            most = f"{MAX_OPERATIONS} at once" if number >= MAX_OPERATIONS else f"{MAX_TEXT} characters of entries"
            skipped.append(Skipped(name="(all others)", why=f"more than {most}"))
            break
        name = tool_name(area, operation.name)
        if known is not None and (name in known.tools or known.find(operation.name) is not None):
            skipped.append(Skipped(name=operation.name[:_LONGEST_ALIAS], why="the catalog has it already"))
            continue
        made = _Entry(operation=operation, name=_free(name, taken), alias=_alias(operation.name, taken)).made()
        if isinstance(made, Skipped):
            skipped.append(made)
            continue
        written += len(made.text)
        taken |= {made.name, made.alias}
        tools.append(made)
    return Proposal(tools=tuple(tools), skipped=tuple(skipped))


def tool_name(area: str, name: str) -> str:
    """A name that the catalog takes."""
    parts = [_PART.sub("_", part).strip("_")[:80] for part in (area, name)]
    return f"{parts[0] or 'tools'}.{parts[1] or 'unnamed'}"


def _free(name: str, taken: Collection[str]) -> str:
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found


def _alias(name: str, taken: Collection[str]) -> str:
    return name if name not in taken and 0 < len(name) <= _LONGEST_ALIAS else ""


@dataclass(slots=True, kw_only=True)
class _Entry:
    """One entry on its way."""

    operation: Operation
    name: str
    alias: str
    args: dict[str, Argument] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    guesses: list[str] = field(default_factory=list)

    def made(self) -> Proposed | Skipped:
        self._read_args()
        effects = self._effects()
        lines = [f"[tools.{value(self.name)}]", f"proposed = true  {comment('remove when every line is reviewed')}"]
        if self.alias:
            lines.append(f"names = {value([self.alias])}")
        else:
            self.notes.append(
                f"its own name {self.operation.name!r} is taken, empty or too long: say what it is called"
            )
        lines += self._described(effects)
        lines += self._resource()
        lines += (self._argument(name, each) for name, each in self.args.items())
        lines += (comment(f"not proposed: {note}") for note in (*self.operation.unclear, *self.notes))
        lines += self._output()
        text = "\n".join(lines) + "\n"
        problem = _loads(text, self.name, self.alias)
        if problem:
            return Skipped(name=self.operation.name[:_LONGEST_ALIAS], why=f"its entry does not load: {problem}")
        return Proposed(
            name=self.name,
            alias=self.alias,
            effects=tuple(effect.value for effect in effects),
            arguments=tuple(self.args),
            guesses=tuple(self.guesses),
            text=text,
        )

    # ── effects ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _effects(self) -> tuple[Effect, ...]:
        """What it may do: the strongest of what the source says and what the name says; a write where nobody does."""
        said, named = self.operation.effect, effect_of(self.operation.name)
        effect = said if said is not None else named[0] if named else Effect.WRITE
        because = self.operation.because or (f"the word '{named[1]}' in its name" if named else "nothing says less")
        if said is not None and named is not None and stronger(said, named[0]) is not said:
            effect, because = named[0], f"{self.operation.because}, but the word '{named[1]}' in its name says more"
        if effect is Effect.PAY:
            self._guess(f"effects write, for a pay that cannot be mapped: {because}")
            self.notes.append(
                "effect pay: it may move money, and pay needs an argument of type money and a payee. Say which they are"
            )
            return (Effect.WRITE,)
        if effect is Effect.FETCH and not self._urls():
            self._guess(f"effects read, for a fetch that cannot be mapped: {because}")
            self.notes.append("effect fetch: no required argument is a url. Say fetch = { host = ... } if it opens one")
            return (Effect.READ,)
        self._guess(f"effects {effect}: {because}")
        return (effect,)

    def _described(self, effects: tuple[Effect, ...]) -> list[str]:
        lines = [f"effects = {value([each.value for each in effects])}  {comment('guess: ' + self.guesses[-1])}"]
        if Effect.SEND in effects:
            self._guess("sink external: nothing says that it stays inside")
            lines.append(f"sink = {value('external')}  {comment('guess: ' + self.guesses[-1])}")
        if effects[0] in (Effect.WRITE, Effect.DELETE):
            self._guess("change: one object at a time, for good")
            lines.append(
                f"change = {value({'count': 1, 'reversible': False})}  {comment('guess: ' + self.guesses[-1])}"
            )
        if Effect.EXECUTE in effects:
            self._guess("execute: what it runs is not known, so anything")
            mapped = {"programs": ["unknown"], "network": True, "writes": True}
            lines.append(f"execute = {value(mapped)}  {comment('guess: ' + self.guesses[-1])}")
        first = self.operation.description.strip().partition("\n")[0][:_LONGEST_DESCRIPTION]
        lines += [f"description = {value(first)}"] if first else []
        return lines

    def _urls(self) -> list[str]:
        return [
            name
            for name, each in self.args.items()
            if each.declared["type"] == "url" and not each.declared.get("optional")
        ]

    # ── arguments ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _read_args(self) -> None:
        for parameter in self.operation.parameters:
            name = parameter.name
            if ARG_NAME.fullmatch(name) is None:
                self.notes.append(f"argument {name[:80]!r}: its name cannot be written in a catalog")
            elif name in self.args:
                self.notes.append(f"argument '{name}' of the {parameter.place or 'call'}: there is one of that name")
            elif len(self.args) >= _MAX_ARGS:
                self.notes.append(f"argument '{name}': more than {_MAX_ARGS}")
            else:
                role = Role.SELECTOR if parameter.place == "path" else None
                self.args[name] = argument(
                    name, parameter.schema, self.operation.document, optional=not parameter.required, role=role
                )

    def _argument(self, name: str, made: Argument) -> str:
        for reason in (*made.because, *made.within):
            self._guess(f"{name}: {reason}")
        line = f"args.{key(name)} = {value(made.declared)}  {comment('guess: ' + '; '.join(made.because))}"
        return "\n".join((line, *(comment(f"guess within {name}: {reason}") for reason in made.within)))

    def _resource(self) -> list[str]:
        path = self.operation.path.strip("/")
        if not path:
            return []
        named = [text for text, is_name in template_segments(path) if is_name] if _PATH.fullmatch(path) else []
        if not named or template_problem(path) or not all(self._names_one(each) for each in named):
            return []
        self._guess("resource: its path")
        return [f"resource = {value(path)}  {comment('guess: its path')}"]

    def _output(self) -> list[str]:
        """All of a result taints, whatever is known of it: a schema does not say who writes which field."""
        result = read_result(self.operation.result, self.operation.result_document)
        lines = [comment("output: results count as untrusted and internal; say which fields others cannot write")]
        if result is None:
            return lines
        self._guess("output.fields: its schema")
        reason = comment("guess: " + self.guesses[-1])
        if result.records:
            lines.append(f"output.records = {value(result.records)}  {reason}")
        return [*lines, f"output.fields = {value(list(result.fields))}  {reason}"]

    def _names_one(self, name: str) -> bool:
        declared: Mapping[str, object] = self.args[name].declared if name in self.args else {}
        kind = STANDARD_TYPES.get(str(declared.get("type")))
        return kind is not None and kind.scalar and not declared.get("optional") and declared.get("role") != "content"

    def _guess(self, text: str) -> None:
        self.guesses.append(text)


def _loads(text: str, name: str, alias: str, types: TypeRegistry = STANDARD_TYPES) -> str:
    """Why the entry is not, alone, what was proposed; "" if it is."""
    try:
        catalog = load_catalog(
            [("proposed.toml", text)], levels=("public", "internal"), categories=frozenset(), types=types
        )
    except ProjectError as error:
        return "; ".join(dict.fromkeys(finding.message for finding in error.findings))[:300]
    tool = catalog.tools.get(name)
    names = (alias,) if alias else ()
    if len(catalog.tools) != 1 or tool is None or tool.names != names or not tool.proposed:
        return "it came out as something else"
    return ""
