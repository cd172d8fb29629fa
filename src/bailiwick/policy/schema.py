"""The Cedar schema of a project, rendered from its `World`. Its shape is a contract that rules rely on (DESIGN §4).

Every group holds one sentinel action (`send:none`) beside the tools, so that general rules validate in a project
without such tools. INVARIANT: group actions have no `appliesTo` and sentinels are no tools: neither can be requested.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import assert_never

from bailiwick.model.administration import ADMIN_GROUP
from bailiwick.model.tool import HIGH_IMPACT, Effect
from bailiwick.policy.world import (
    ANCESTORS,
    CONSEQUENTIAL_GROUP,
    HIGH_IMPACT_GROUP,
    ActionDecl,
    Bool,
    Level,
    Long,
    Ref,
    Str,
    StrSet,
    Struct,
    Type,
    World,
    group_ancestors,
)

__all__ = ["quote", "render", "render_for"]

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_RESERVED = frozenset({"true", "false", "if", "then", "else", "in", "is", "like", "has", "__cedar"})


def render(world: World) -> str:
    """The whole schema: what rules are validated and requests are checked against."""
    return _render(world, world.actions.values(), Effect)


def render_for(world: World, action: str, context: Struct | None = None) -> str:
    """The same schema with one action and its groups only, with `context` if given. Entity handles of a session are
    parsed with it, since Cedar copies every action of the schema into the handle: a catalog of 500 tools would cost
    0.2 ms a call."""
    decl = world.actions[action]
    effects = [effect for effect in Effect if effect.value in decl.groups]
    return _render(world, (decl if context is None else replace(decl, context=context),), effects)


def _render(world: World, actions: Iterable[ActionDecl], effects: Iterable[Effect]) -> str:
    lines = ["// Generated from the tool catalog and the directory. Do not edit.", ""]
    for kind in ANCESTORS:
        above = ANCESTORS[kind]
        inside = f" in [{', '.join(parent.value for parent in above)}]" if above else ""
        attrs = world.attributes[kind]
        body = f" = {_type(attrs)}" if attrs.attrs else ""
        lines.append(f"entity {kind.value}{inside}{body};")
    lines += ["", f"action {quote(CONSEQUENTIAL_GROUP)};"]
    lines.append(f"action {quote(HIGH_IMPACT_GROUP)} in [{quote(CONSEQUENTIAL_GROUP)}];")
    for effect in effects:
        parents = group_ancestors(effect) - {effect.value}
        parent = HIGH_IMPACT_GROUP if effect in HIGH_IMPACT else CONSEQUENTIAL_GROUP
        lines.append(f"action {quote(effect.value)}{f' in [{quote(parent)}]' if parents else ''};")
    actions = tuple(actions)
    if any(ADMIN_GROUP in action.groups for action in actions):
        lines.append(f"action {quote(ADMIN_GROUP)};")
    lines += [_action(action) for action in actions]
    return "\n".join(lines) + "\n"


def _action(action: ActionDecl) -> str:
    principals = ", ".join(kind.value for kind in action.principals)
    inside = f" in [{', '.join(quote(group) for group in action.groups)}]" if action.groups else ""
    return (
        f"\naction {quote(action.name)}{inside} appliesTo {{\n"
        f"  principal: [{principals}], resource: [{action.resource.value}],\n"
        f"  context: {_type(action.context)},\n}};"
    )


def _type(given: Type) -> str:
    match given:
        case Bool():
            return "Bool"
        case Long() | Level():
            return "Long"
        case Str():
            return "String"
        case StrSet():
            return "Set<String>"
        case Ref(kind):
            return kind.value
        case Struct(attrs):
            fields = (f"{_name(name)}{'?' if a.optional else ''}: {_type(a.type)}" for name, a in attrs.items())
            return "{" + ", ".join(fields) + "}"
        case _ as unreachable:
            assert_never(unreachable)


def _name(name: str) -> str:
    return name if _PLAIN.match(name) and name not in _RESERVED else quote(name)


def quote(text: str) -> str:
    """`text` as a Cedar string literal."""
    safe = (f"\\{char}" if char in '\\"' else char if char.isprintable() else f"\\u{{{ord(char):x}}}" for char in text)
    return '"' + "".join(safe) + '"'
