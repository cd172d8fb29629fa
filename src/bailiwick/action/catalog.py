"""Loads the tool catalog (`tools/*.toml`) into `model.tool.Catalog`. DESIGN §4 *Catalog*.

Everything that is wrong in all files is reported at once, each with file and line. Unknown keys are errors: a misspelt
`untrusted` must not mean its default. Defaults are the careful ones:

- an argument without `role` is a target; `bailiwick.action.catalog_output` and `catalog_flow` say what results and
  flows are without a declaration;
- `sink`: a send goes `external`, an execute `exec`; `idempotency`: `safe` for a tool that only reads, else `none`;
- `durability`: `buffered` for a tool that only reads, else `sync`; a consequential tool cannot be set to `buffered`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from bailiwick.action.catalog_args import read_args, read_resources
from bailiwick.action.catalog_flow import FLOW_KEYS, audience_declaration, read_flows
from bailiwick.action.catalog_interfaces import INTERFACE_KEYS, read_interfaces
from bailiwick.action.catalog_models import ModelLoader, model_declaration
from bailiwick.action.catalog_output import Vocabulary, output_declaration, read_output
from bailiwick.action.catalog_table import Table
from bailiwick.action.types import STANDARD_TYPES, TypeRegistry
from bailiwick.errors import Finding, ProjectError, Where
from bailiwick.model.canonical import digest
from bailiwick.model.toml_lines import TomlText
from bailiwick.model.tool import (
    BUILT_IN,
    CONSEQUENTIAL,
    ArgSpec,
    Catalog,
    Durability,
    Effect,
    Idempotency,
    Sink,
    ToolSpec,
)

__all__ = ["declaration", "load_catalog"]

_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+")
_TOOL_KEYS = (
    *("names", "effects", "sink", "resource", "zones", "args", "output", "idempotency", "durability", "description"),
    "proposed",
    *FLOW_KEYS,
    *INTERFACE_KEYS,
)
_READ_ONLY = frozenset({Effect.READ})
_NOTHING: Mapping[str, str] = MappingProxyType({})


def load_catalog(
    files: Sequence[tuple[str, str]],
    *,
    levels: tuple[str, ...],
    categories: frozenset[str],
    types: TypeRegistry = STANDARD_TYPES,
    schemas: Mapping[str, str] = _NOTHING,
    sources: Mapping[str, str] = _NOTHING,
) -> Catalog:
    """The catalog that `files` ((path, text) each) declare together. `levels` are the sensitivity levels, lowest first.
    `schemas` are the files that arguments may name, by path; `sources` say what the project's own types are, by name:
    the catalog's digest covers both.

    Raises ProjectError with every Finding: TOML that cannot be read, unknown keys, effects, types, roles, levels or
    categories (each with what was probably meant), names that are taken, resources without their argument, effects that
    cannot be mapped.
    """
    findings: list[Finding] = []
    loader = _Loader(levels=levels, categories=categories, types=types, schemas=schemas, findings=findings)
    modelling = ModelLoader(levels=levels, categories=categories)
    for path, text in files:
        try:
            toml = TomlText.parse(path, text)
        except ProjectError as error:
            findings.extend(error.findings)
            continue
        top = Table(toml, (), toml.data, findings)
        loader.file(top)
        modelling.file(top)
    aliases = loader.aliases()
    if findings:
        raise ProjectError(sorted(findings, key=lambda finding: (finding.where.file, finding.where.line)))
    tools, models = loader.tools, modelling.models
    return Catalog(
        tools=MappingProxyType(tools),
        aliases=MappingProxyType(aliases),
        zones=frozenset(
            (
                *(zone for tool in tools.values() for zone in tool.zones),
                *(zone for model in models.values() for zone in model.zones),
            )
        ),
        digest=digest(
            "bailiwick.catalog.v3",
            [
                [declaration(tools[name]) for name in sorted(tools)],
                [model_declaration(models[name]) for name in sorted(models)],
                sorted(sources.items()),
            ],
        ),
        models=MappingProxyType(models),
    )


@dataclasses.dataclass(kw_only=True)
class _Loader:
    levels: tuple[str, ...]
    categories: frozenset[str]
    types: TypeRegistry
    schemas: Mapping[str, str]
    findings: list[Finding]
    tools: dict[str, ToolSpec] = dataclasses.field(default_factory=dict)
    _declared: dict[str, Where] = dataclasses.field(default_factory=dict)
    """Every tool name seen, also of tools that did not load."""
    _names: list[tuple[str, str, Table, int]] = dataclasses.field(default_factory=list)

    def file(self, top: Table) -> None:
        top.refuse_unknown_keys(("tools", "models"), "a catalog file")
        tools = top.table("tools")
        for name in tools.data if tools is not None else ():
            assert tools is not None
            table = tools.table(name)
            if table is None:
                continue
            tool = self._tool(name, table) if self._check_name(name, table) else None
            if tool is not None:
                self.tools[name] = tool

    def _check_name(self, name: str, table: Table) -> bool:
        """False if there is no use in reading the table: it is there twice, or a dotted name without quotes made a
        table of tables of it."""
        if name in self._declared:
            hint = f"it is also in {self._declared[name]}"
            table.note("duplicate-tool", f"the tool '{name}' is declared twice", hint=hint)
            return False
        if name in BUILT_IN:
            table.note("reserved-tool-name", f"'{name}' is built in", hint="give the tool another name")
        elif _TOOL_NAME.fullmatch(name) is None:
            inner = next(iter(table.data), "")
            if (
                inner
                and "effects" not in table.data
                and isinstance(table.data[inner], dict)
                and inner not in _TOOL_KEYS
            ):
                hint = f'write the name in quotes: [tools."{name}.{inner}"]'
                table.note("bad-tool-name", f"'{name}' is no tool", hint=hint)
                return False
            table.note(
                "bad-tool-name",
                f"'{name}' cannot name a tool: a name has parts joined by dots, of letters, digits, '_' and '-'",
                hint=f'write it with quotes, as in [tools."{_example_name(name)}"]',
            )
        self._declared.setdefault(name, table.where())
        return True

    def aliases(self) -> dict[str, str]:
        """What frameworks call the tools. Notes names that are taken."""
        found: dict[str, str] = {}
        for alias, tool, table, index in self._names:
            other = alias if alias in self._declared and alias != tool else found.get(alias)
            if other is not None:
                table.note(
                    "duplicate-name",
                    f"'{alias}' already stands for {other}",
                    "names",
                    index,
                    hint="each name can stand for one tool only",
                )
            else:
                found[alias] = tool
        return found

    def _tool(self, name: str, table: Table) -> ToolSpec | None:
        before = len(self.findings)
        table.refuse_unknown_keys(_TOOL_KEYS, "a tool")
        names = table.strings("names") or ()
        self._names.extend((alias, name, table, index) for index, alias in enumerate(names))
        effects = self._effects(table)
        args = read_args(table, self.types, self.schemas)
        resources = read_resources(table, name, args, self.types)
        output = read_output(table, args, Vocabulary(levels=self.levels, categories=self.categories))
        flows = read_flows(table, args)
        if len(self.findings) == before:  # mapping arguments that could not be read would only add noise
            interface = read_interfaces(table, effects, args, self.types)
            args = _with_recipients(args, interface.get(Effect.SEND, {}).get("recipients", ()))
        else:
            interface = {}
        sink = table.choice("sink", Sink, "unknown-sink") or _default_sink(effects)
        if Effect.SEND in effects and sink is Sink.NONE:
            table.note("bad-sink", "a tool that sends has a sink", "sink", hint='say "internal" or "external"')
        tool = ToolSpec(
            name=name,
            names=names,
            effects=effects,
            sink=sink,
            resources=resources,
            zones=table.strings("zones") or (),
            args=MappingProxyType(args),
            output=output,
            interface=MappingProxyType(interface),
            idempotency=table.choice("idempotency", Idempotency, "unknown-idempotency")
            or (Idempotency.SAFE if effects == _READ_ONLY else Idempotency.NONE),
            durability=self._durability(table, effects),
            description=table.string("description") or "",
            together=flows.together,
            asks=flows.asks,
            audience=flows.audience,
            store=flows.store,
            proposed=table.boolean("proposed", default=False),
            where=table.where(),
        )
        return tool if len(self.findings) == before else None

    def _effects(self, table: Table) -> frozenset[Effect]:
        names = table.strings("effects")
        if not names:
            if "effects" not in table.data or names == ():
                table.note(
                    "no-effects", "the tool says no effects", "effects", hint=f"choose from: {', '.join(Effect)}"
                )
            return frozenset()
        found = (table.member(name, Effect, "unknown-effect", "effects", index) for index, name in enumerate(names))
        return frozenset(effect for effect in found if effect is not None)

    def _durability(self, table: Table, effects: frozenset[Effect]) -> Durability:
        chosen = table.choice("durability", Durability, "unknown-durability")
        if chosen is Durability.BUFFERED and effects & CONSEQUENTIAL:
            table.note(
                "buffered-effect",
                f"a tool that may {' and '.join(sorted(effects & CONSEQUENTIAL))} cannot be buffered",
                "durability",
                hint="a decision about an effect is on disk before the effect happens: leave durability out",
            )
        return chosen or (Durability.BUFFERED if effects == _READ_ONLY else Durability.SYNC)


def _default_sink(effects: frozenset[Effect]) -> Sink:
    if Effect.SEND in effects:
        return Sink.EXTERNAL
    return Sink.EXEC if Effect.EXECUTE in effects else Sink.NONE


def _with_recipients(args: Mapping[str, ArgSpec], recipients: object) -> dict[str, ArgSpec]:
    """The arguments with `recipients` set on those, or on their fields, that the interface of a send maps."""
    names = frozenset(recipients) if isinstance(recipients, tuple) else frozenset()
    return {name: _receiving(spec, names) for name, spec in args.items()} if names else dict(args)


def _receiving(spec: ArgSpec, names: frozenset[str]) -> ArgSpec:
    fields = tuple(_receiving(each, names) for each in spec.fields)
    return dataclasses.replace(spec, recipients=spec.recipients or spec.name in names, fields=fields)


def _example_name(name: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_") or "tool"
    return f"area.{plain}"


def declaration(tool: ToolSpec) -> dict[str, object]:
    """All of a declaration but its place in the files, for the catalog's digest."""
    return {
        "name": tool.name,
        "names": tool.names,
        "effects": sorted(effect.value for effect in tool.effects),
        "sink": tool.sink.value,
        "resources": tool.resources,
        "zones": tool.zones,
        "args": [_declared(arg) for arg in tool.args.values()],
        "output": output_declaration(tool.output),
        "flows": [tool.together, tool.asks, audience_declaration(tool.audience), tool.store],
        "interface": [[effect.value, sorted(mapping.items())] for effect, mapping in sorted(tool.interface.items())],
        "idempotency": tool.idempotency.value,
        "durability": tool.durability.value,
        "description": tool.description,
        "proposed": tool.proposed,
    }


def _declared(arg: ArgSpec) -> list[object]:
    options = sorted(arg.options.items())
    fields = [_declared(each) for each in arg.fields]
    return [arg.name, arg.type, arg.role.value, arg.optional, arg.recipients, options, fields]
