"""The calls of a pack's attack on one tool of a catalog, given the call that the user wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bailiwick.model.tool import ArgSpec, Catalog, Effect, Role, ToolSpec
from bailiwick.redteam.packs import Before, Template
from bailiwick.redteam.samples import WAYS, attackers, in_pieces, users
from bailiwick.redteam.world import Task, ToolCall

__all__ = ["READS", "calls_of", "is_secret", "is_strict", "said", "user_args"]

READS = frozenset({Effect.READ})
_HIGH = 3
"""The level from which a record counts as a secret."""


def calls_of(template: Template, task: Task, *, catalog: Catalog, helpers: Mapping[str, str]) -> Sequence[ToolCall]:
    """The attacker's calls, given the user's; none where the attack does not fit."""
    own = task.calls[-1]
    tool = catalog.tools[own.tool]
    if template.other_tool:
        return _other_action(catalog, template, tool, own)
    if not template.fits(tool):
        return ()
    changed = {name: _changed(template, spec, own.args.get(name)) for name, spec in tool.args.items()}
    args = {**own.args, **{name: value for name, value in changed.items() if value is not None}}
    if args == own.args:
        return ()
    return _with_before(catalog, helpers, template, task, ToolCall(tool=own.tool, args=args))


def _changed(template: Template, spec: ArgSpec, own: object) -> object:
    way = template.way(spec)
    if not way or (own is None and way not in ("secret", "attacker")) or (spec.optional and own is None):
        return None
    made = WAYS[way](spec, own if own is not None else users(spec))
    return [made] if spec.type.endswith("[]") and not isinstance(made, list) else made


def _with_before(
    catalog: Catalog, helpers: Mapping[str, str], template: Template, task: Task, call: ToolCall
) -> Sequence[ToolCall]:
    match template.before:
        case Before.NOTHING:
            return (call,)
        case Before.SECRET | Before.REPEAT:
            read = next((each for each in catalog.tools.values() if is_secret(each) and each.effects <= READS), None)
            first = () if read is None else (ToolCall(tool=read.name, args=_secret_args(read)),)
            return (
                ()
                if read is None
                else (*first, *(_pieces(catalog, call) if template.before is Before.REPEAT else (call,)))
            )
        case Before.LOOKUP:
            roles = {Role(role) for role in template.change if role in list(Role)}
            book = next((each for each in catalog.tools.values() if roles & set(each.output.endorses.values())), None)
            asked = {} if book is None else {arg.name: attackers(arg) for arg in book.args.values() if not arg.optional}
            return () if book is None else (ToolCall(tool=book.name, args=asked), call)
        case Before.LAUNDER:
            return _laundered(catalog, call)
        case Before.DELEGATE:
            other = helpers.get(task.agent)
            return (
                () if other is None else (ToolCall(tool=call.tool, args=call.args, by=other, message=said(call.args)),)
            )


def _pieces(catalog: Catalog, call: ToolCall) -> tuple[ToolCall, ...]:
    tool = catalog.tools[call.tool]
    texts = [name for name, spec in tool.args.items() if spec.role is Role.CONTENT and name in call.args]
    if not texts:
        return ()
    return tuple(ToolCall(tool=call.tool, args={**call.args, **dict.fromkeys(texts, part)}) for part in in_pieces())


def _laundered(catalog: Catalog, call: ToolCall) -> Sequence[ToolCall]:
    """Write the values by a tool that keeps texts, read them by one that shares its store, then the call."""
    tools = catalog.tools.values()
    for write in tools:
        texts = [name for name, arg in write.args.items() if arg.role is Role.CONTENT]
        read = next((each for each in tools if each.effects <= READS and _store(each) == _store(write)), None)
        if Effect.WRITE in write.effects and texts and read is not None and write.name != call.tool:
            args = {**user_args(write), **dict.fromkeys(texts, said(call.args))}
            return (ToolCall(tool=write.name, args=args), ToolCall(tool=read.name, args=user_args(read)), call)
    return ()


def _store(tool: ToolSpec) -> str:
    return tool.store or (tool.resources[0].partition("/")[0] if tool.resources else "")


def _other_action(catalog: Catalog, template: Template, tool: ToolSpec, own: ToolCall) -> Sequence[ToolCall]:
    """A call of another tool with one of the effects, whose only required selector or target is the user's object."""
    objects = {name: own.args.get(name) for name, spec in tool.args.items() if spec.role is Role.SELECTOR}
    for other in sorted(catalog.tools.values(), key=lambda each: each.name):
        needed = [arg for arg in other.args.values() if not arg.optional and arg.role in (Role.SELECTOR, Role.TARGET)]
        if other.name == tool.name or not other.effects & template.effects or len(needed) != 1:
            continue
        value = objects.get(needed[0].name)
        if isinstance(value, str) and needed[0].type == "string":
            return (ToolCall(tool=other.name, args={**user_args(other), needed[0].name: value}),)
    return ()


def user_args(tool: ToolSpec) -> Mapping[str, object]:
    return {arg.name: users(arg) for arg in tool.args.values() if not arg.optional}


def said(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {said(each)}" for name, each in value.items())
    return ", ".join(map(said, value)) if isinstance(value, list) else str(value)


def is_secret(tool: ToolSpec) -> bool:
    """Whether a tool returns, or can return, what is of a high level by its declaration."""
    output = tool.output
    rules = any(is_strict(rule.sensitivity, rule.categories) for rule in output.labels)
    return rules or bool(output.level_from) or is_strict(output.sensitivity, output.categories)


def is_strict(level: int, categories: frozenset[str]) -> bool:
    return level >= _HIGH or bool(categories & {"phi", "mnpi", "secret"})


def _secret_args(tool: ToolSpec) -> Mapping[str, object]:
    """A call that returns it: the values that a label asks of arguments, and the attacker's for others."""
    args = {arg.name: attackers(arg) for arg in tool.args.values() if not arg.optional}
    for rule in tool.output.labels:
        if is_strict(rule.sensitivity, rule.categories):
            named = {name.removeprefix("args."): globs for name, globs in rule.when.items() if name.startswith("args.")}
            return {**args, **{name: globs[0].replace("*", "x").replace("?", "x") for name, globs in named.items()}}
    return args
