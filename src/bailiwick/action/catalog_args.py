"""Arguments and resources of a tool, from the catalog. DESIGN §4: an argument without a role is a target."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bailiwick.action.catalog_table import Table
from bailiwick.action.templates import template_problem, template_segments
from bailiwick.action.types.base import Option, OptionValue, SemanticType, TypeRegistry
from bailiwick.action.types.mail import EMAIL_SHAPE
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.shape import String
from bailiwick.model.tool import ArgSpec, Role

__all__ = ["read_args", "read_resources"]

_ARG_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_OWN_KEYS = ("type", "role", "optional", "recipients")


def read_args(tool: Table, types: TypeRegistry) -> dict[str, ArgSpec]:
    """The arguments that could be read; what is wrong with the others is noted."""
    args = tool.table("args")
    specs: dict[str, ArgSpec] = {}
    if args is None:
        return specs
    for name in args.data:
        table = args.table(name)
        if _ARG_NAME.fullmatch(name) is None:
            args.note("bad-arg-name", f"'{name}' cannot name an argument", name, hint="use letters, digits and '_'")
        elif table is not None:
            spec = _read_arg(name, table, types)
            if spec is not None:
                specs[name] = spec
    return specs


def _read_arg(name: str, table: Table, types: TypeRegistry) -> ArgSpec | None:
    type_name = table.string("type")
    if type_name is None:
        table.note("missing-key", f"argument '{name}' has no type", hint=f"choose from: {', '.join(sorted(types))}")
        return None
    semantic = types.get(type_name)
    if semantic is None:
        table.note("unknown-type", f"there is no type '{type_name}'", "type", hint=did_you_mean(type_name, types))
        return None
    table.refuse_unknown_keys((*_OWN_KEYS, *semantic.options), f"an argument of type {type_name}")
    role = Role.TARGET if "role" not in table.data else table.choice("role", Role, "unknown-role")
    options = _read_options(table, semantic.options)
    if role is None or options is None:
        return None
    if role not in semantic.roles:
        allowed = sorted(semantic.roles)
        table.note(
            "role-mismatch",
            f"argument '{name}' of type {type_name} cannot have the role {role}",
            "role",
            hint=f'add role = "{allowed[0]}"' if len(allowed) == 1 else f"choose from: {', '.join(allowed)}",
        )
        return None
    spec = ArgSpec(
        name=name,
        type=type_name,
        role=role,
        optional=table.boolean("optional", default=False),
        recipients=table.boolean("recipients", default=False),
        shape=semantic.shape(options, role),
        options=options,
        where=table.where(),
    )
    if spec.recipients and not can_receive(spec):
        table.note(
            "bad-recipients",
            f"argument '{name}' cannot hold recipients",
            "recipients",
            hint="recipients are targets of type email, email[], string or enum",
        )
        return None
    return spec


def can_receive(spec: ArgSpec) -> bool:
    """Whether an argument can name recipients."""
    return spec.role is Role.TARGET and (spec.shape == EMAIL_SHAPE or isinstance(spec.shape, String))


def _read_options(table: Table, options: Mapping[str, Option]) -> dict[str, OptionValue] | None:
    found: dict[str, OptionValue] = {}
    sound = True
    for key, option in options.items():
        if key not in table.data:
            if option.required:
                table.note("missing-key", f"the option '{key}' is missing", hint=f"this type needs {key} = …")
                sound = False
            continue
        value = _option_value(table.data[key], option)
        problem = f"it must be {_KINDS[option.kind]}" if value is None else option.problem(value)
        if not problem and option.needs and option.needs not in table.data:
            problem = f"it needs the option '{option.needs}' beside it"
        if problem or value is None:
            table.note("bad-option", f"the option '{key}' is wrong: {problem}", key)
            sound = False
        else:
            found[key] = value
    return found if sound else None


_KINDS: Mapping[type, str] = {str: "a string", int: "a whole number", bool: "true or false", tuple: "a list of strings"}


def _option_value(value: Any, option: Option) -> OptionValue | None:
    if option.kind is tuple:
        whole = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return tuple(value) if whole else None
    return value if type(value) is option.kind else None


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
