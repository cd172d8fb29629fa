"""Arguments and resources of a tool, from the catalog. DESIGN §4: an argument without a role is a target."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bailiwick.action.catalog_table import Table
from bailiwick.action.templates import template_problem, template_segments
from bailiwick.action.types.base import Option, OptionValue, SemanticType, TypeRegistry
from bailiwick.action.types.json_schema import as_json
from bailiwick.action.types.mail import EMAIL_SHAPE
from bailiwick.action.types.objects import MAX_DEPTH, MAX_FIELDS, ObjectListType, ObjectType, fields_shape
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.shape import Bool, Record, String, StringSet
from bailiwick.model.tool import ArgSpec, Role

__all__ = ["read_args", "read_resources"]

_ARG_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_OWN_KEYS = ("type", "role", "optional", "recipients")


def read_args(tool: Table, types: TypeRegistry, schemas: Mapping[str, str]) -> dict[str, ArgSpec]:
    """The arguments that could be read; what is wrong with the others is noted. `schemas` are the texts of the files
    that an option may name, by path."""
    args = tool.table("args")
    if args is None:
        return {}
    reader = _ArgReader(types=types, schemas=schemas)
    found = {spec.name: spec for spec in reader.read_all(args, "argument")}
    for spec in found.values():
        if len(fields := list(spec.judged())) > MAX_FIELDS:
            args.note("too-many-fields", f"argument '{spec.name}' has {len(fields)} fields", spec.name, hint=_FEWER)
    return found


_FEWER = f"an argument has at most {MAX_FIELDS} fields, in objects within objects too"


@dataclass(frozen=True, slots=True, kw_only=True)
class _ArgReader:
    """Reads the arguments of a tool, or the fields of the object `within` ("" for arguments, else `order.`)."""

    types: TypeRegistry
    schemas: Mapping[str, str]
    within: str = ""
    depth: int = 0
    many: bool = False

    def read_all(self, tables: Table, what: str) -> Iterator[ArgSpec]:
        for name in tables.data:
            table = tables.table(name)
            if _ARG_NAME.fullmatch(name) is None:
                tables.note("bad-arg-name", f"'{name}' cannot name an {what}", name, hint="use letters, digits and '_'")
            elif table is not None:
                spec = self._read(name, table)
                if spec is not None:
                    yield spec

    def _read(self, name: str, table: Table) -> ArgSpec | None:
        type_name = table.string("type")
        if type_name is None:
            known = ", ".join(sorted(self.types))
            table.note("missing-key", f"argument '{self.within}{name}' has no type", hint=f"choose from: {known}")
            return None
        semantic = self.types.get(type_name)
        if semantic is None:
            hint = did_you_mean(type_name, self.types)
            table.note("unknown-type", f"there is no type '{type_name}'", "type", hint=hint)
            return None
        if isinstance(semantic, ObjectType | ObjectListType):
            return self._object(name, table, semantic)
        return self._value(name, table, semantic)

    def _value(self, name: str, table: Table, semantic: SemanticType) -> ArgSpec | None:
        table.refuse_unknown_keys((*_OWN_KEYS, *semantic.options), f"an argument of type {semantic.name}")
        role = Role.TARGET if "role" not in table.data else table.choice("role", Role, "unknown-role")
        options = _read_options(table, semantic.options, self.schemas)
        if role is None or options is None:
            return None
        if role not in semantic.roles:
            allowed = sorted(semantic.roles)
            table.note(
                "role-mismatch",
                f"argument '{self.within}{name}' of type {semantic.name} cannot have the role {role}",
                "role",
                hint=f'add role = "{allowed[0]}"' if len(allowed) == 1 else f"choose from: {', '.join(allowed)}",
            )
            return None
        spec = ArgSpec(
            name=f"{self.within}{name}",
            type=semantic.name,
            role=role,
            optional=table.boolean("optional", default=False),
            recipients=table.boolean("recipients", default=False),
            shape=semantic.shape(options, role),
            options=options,
            many=self.many,
            where=table.where(),
        )
        if spec.recipients and not can_receive(spec):
            table.note(
                "bad-recipients",
                f"argument '{spec.name}' cannot hold recipients",
                "recipients",
                hint="recipients are targets of type email, email[], string, string[], enum or enum[]",
            )
            return None
        return spec

    def _object(self, name: str, table: Table, semantic: ObjectType | ObjectListType) -> ArgSpec | None:
        table.refuse_unknown_keys(
            ("type", "optional", "fields", *semantic.options), f"an argument of type {semantic.name}"
        )
        optional = table.boolean("optional", default=False)
        options = _read_options(table, semantic.options, self.schemas)
        fields = self._fields(name, table, many=self.many or isinstance(semantic, ObjectListType))
        if options is None or not fields:
            return None
        judged = [part for each in fields for part in each.judged()]
        return ArgSpec(
            name=f"{self.within}{name}",
            type=semantic.name,
            # Its fields are judged. As a whole it is shown to nobody who may not see the content in it.
            role=Role.CONTENT if any(each.role is Role.CONTENT for each in judged) else Role.TARGET,
            optional=optional,
            shape=fields_shape(fields) if isinstance(semantic, ObjectType) else semantic.shape(options, Role.TARGET),
            options=options,
            fields=fields,
            many=self.many,
            where=table.where(),
        )

    def _fields(self, name: str, table: Table, *, many: bool) -> tuple[ArgSpec, ...]:
        if not table.data.get("fields"):
            hint = 'declare them: fields.iban = { type = "string" }; for an object of any fields there is the type json'
            table.note("missing-key", f"argument '{self.within}{name}' declares no fields", hint=hint)
            return ()
        if self.depth >= MAX_DEPTH:
            hint = f"at most {MAX_DEPTH} objects stand within each other; below that there is the type json"
            table.note("too-deep", f"argument '{self.within}{name}' is nested too deeply", hint=hint)
            return ()
        fields = table.table("fields")
        if fields is None:
            return ()
        inner = replace(self, within=f"{self.within}{name}.", depth=self.depth + 1, many=many)
        found = tuple(inner.read_all(fields, "field"))
        return found if len(found) == len(fields.data) else ()


def can_receive(spec: ArgSpec) -> bool:
    """Whether an argument can name recipients."""
    if spec.role is not Role.TARGET:
        return False
    if not isinstance(spec.shape, Record):
        return isinstance(spec.shape, String)
    values, external = spec.shape.field("values"), spec.shape.field("external")
    several = values is not None and isinstance(values.shape, StringSet)
    return spec.shape == EMAIL_SHAPE or (several and (external is None or isinstance(external.shape, Bool)))


def _read_options(
    table: Table, options: Mapping[str, Option], schemas: Mapping[str, str]
) -> dict[str, OptionValue] | None:
    found: dict[str, OptionValue] = {}
    sound = True
    for key, option in options.items():
        if key not in table.data:
            if option.required:
                table.note("missing-key", f"the option '{key}' is missing", hint=f"this type needs {key} = …")
                sound = False
            continue
        value, problem = _option_value(table.data[key], option, schemas)
        problem = problem or ("" if value is None else option.problem(value))
        if not problem and option.needs and option.needs not in table.data:
            problem = f"it needs the option '{option.needs}' beside it"
        if problem or value is None:
            table.note("bad-option", f"the option '{key}' is wrong: {problem}", key)
            sound = False
        else:
            found[key] = value
    return found if sound else None


_KINDS: Mapping[type, str] = {
    str: "a string",
    int: "a whole number",
    bool: "true or false",
    tuple: "a list of strings",
    dict: "a table, or the path of a file in schemas/",
}


def _option_value(value: Any, option: Option, schemas: Mapping[str, str]) -> tuple[OptionValue | None, str]:
    """(the value, what is wrong with it)"""
    wrong = f"it must be {_KINDS[option.kind]}"
    if option.kind is dict:
        return _json_value(value, schemas) if isinstance(value, str | dict) else (None, wrong)
    if option.kind is tuple:
        whole = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return (tuple(value), "") if whole else (None, wrong)
    return (value, "") if isinstance(value, str | int) and type(value) is option.kind else (None, wrong)


def _json_value(value: str | dict[str, Any], schemas: Mapping[str, str]) -> tuple[OptionValue | None, str]:
    """A table, or what stands in a file, as JSON text."""
    if isinstance(value, str):
        if value not in schemas:
            hint = f" (the project has {', '.join(sorted(schemas)[:10])})" if schemas else ""
            return None, f"the project has no file {value!r:.100} in schemas/{hint}"
        text = schemas[value]
    else:
        try:
            text = json.dumps(value)
        except (TypeError, ValueError):
            return None, "it holds something that JSON has no form for"
    whole, problem = as_json(text)
    return (None, problem) if problem else (whole, "")


def read_resources(tool: Table, name: str, args: Mapping[str, ArgSpec], types: TypeRegistry) -> tuple[str, ...]:
    """The resource templates; without any, the tool's own name."""
    templates = tool.one_or_more_strings("resource")
    if templates is None:
        return (name,)
    several = isinstance(tool.data.get("resource"), list)
    for index, template in enumerate(templates):
        keys = ("resource", index) if several else ("resource",)
        problem = template_problem(template)
        if problem:
            tool.note("bad-resource", f"resource '{template}' {problem}", *keys, hint="placeholders look like {id}")
            continue
        for placeholder in (text for text, is_name in template_segments(template) if is_name):
            _check_placeholder(tool, keys, placeholder, args, types)
    return templates


def _check_placeholder(
    tool: Table, keys: tuple[str | int, ...], placeholder: str, args: Mapping[str, ArgSpec], types: TypeRegistry
) -> None:
    spec = args.get(placeholder)
    declared = tool.data.get("args")
    if spec is None:
        if isinstance(declared, dict) and placeholder in declared:
            return  # what is wrong with the argument has been noted already
        tool.note("bad-resource", f"no argument is called '{placeholder}'", *keys, hint=did_you_mean(placeholder, args))
    elif spec.optional:
        tool.note(
            "bad-resource",
            f"argument '{placeholder}' is optional, so it cannot name a resource",
            *keys,
            hint="make it required, or leave it out of the resource",
        )
    elif not _names_one_thing(spec, types[spec.type]):
        tool.note(
            "bad-resource",
            f"argument '{placeholder}' is no single short value, so it cannot name a resource",
            *keys,
            hint="use a required string, enum, long or email that is not content",
        )


def _names_one_thing(spec: ArgSpec, semantic: SemanticType) -> bool:
    return semantic.scalar and spec.role is not Role.CONTENT
