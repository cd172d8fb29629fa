"""Takes a call as the framework made it and says what it would do: `Action`, or the `Reason` why it is refused.

DESIGN §2 step 2 and §4. A tool that is not in the catalog, an argument that is not declared, missing, of another type
or without a canonical form, and a call whose facts exceed what the tool is declared for are refused here, before any
policy. INVARIANT: `Action.args` are the canonical bytes of exactly the arguments that were parsed; the runner gives
the tool what those bytes say and nothing else. An optional argument may be left out or null: it has no facts either
way, while the tool receives what was written.
"""

from __future__ import annotations

from collections.abc import Mapping

from bailiwick.action.interfaces import interface_facts, recipients_of
from bailiwick.action.templates import render, template_segments
from bailiwick.action.types import STANDARD_TYPES, Surroundings, TypeRegistry, Unparsable
from bailiwick.action.types.base import Beyond
from bailiwick.errors import CanonicalError
from bailiwick.model.call import Action, ArgFacts, Call, Resource
from bailiwick.model.canonical import canonical
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.lookup import Lookup
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.model.tool import ArgSpec, Catalog, ToolSpec

__all__ = ["lookups", "parse_call"]


def parse_call(
    catalog: Catalog, call: Call, *, around: Surroundings, types: TypeRegistry = STANDARD_TYPES
) -> Action | Reason:
    """What `call` would do. `types` is the registry that the catalog was loaded with. Pure; never raises.

    Codes of the Reason: unknown-tool, unreviewed-tool, undeclared-argument, missing-argument, not-canonical,
    exceeds-effects, empty-selector, and those of the types (docs/errors.md lists them).
    """
    tool = catalog.find(call.tool)
    if tool is None:
        return _refused(
            "unknown-tool",
            f"There is no tool {call.tool!r:.100} in the catalog.",
            "Use one of the tools that you were given, by its exact name.",
        )
    problem = _unreviewed(tool) or _names_problem(tool, call.args)
    if problem is not None:
        return problem
    try:
        args = canonical(call.args)
    except CanonicalError as error:
        return _not_canonical(tool, call.args, error, types)
    found: dict[str, ArgFacts] = {}
    for name, spec in tool.args.items():
        value = call.args.get(name)
        if value is None:
            continue
        parsed = types[spec.type].parse(value, spec, around)
        if isinstance(parsed, Unparsable):
            return _unparsable(tool, spec, parsed, types)
        if parsed.beyond:
            problem = _exceeding(tool, spec, parsed.beyond)
            if problem is not None:
                return problem
        found[name] = ArgFacts(
            name=name,
            role=spec.role,
            facts=parsed.facts,
            values=parsed.values,
            text=parsed.text,
            parts=parsed.parts,
        )
    resources = _resources(tool, found)
    if isinstance(resources, Reason):
        return resources
    judged = {part.name: part for each in found.values() for part in (each.parts or ())} | found
    recipients = recipients_of(tool, judged)
    return Action(
        tool=tool,
        args=args,
        arguments=tuple(found.values()),
        resources=resources,
        interfaces=interface_facts(tool, judged, recipients) if tool.interface else {},
        recipients=recipients[0],
        recipients_external=recipients[1],
        found={each: around.found[each] for each in lookups(catalog, call, types=types) if each in around.found},
        carried=call.carried,
    )


def lookups(catalog: Catalog, call: Call, *, types: TypeRegistry = STANDARD_TYPES) -> tuple[Lookup, ...]:
    """What has to be looked up before `call` can be parsed, each once. Pure; never raises."""
    tool = catalog.find(call.tool)
    if tool is None or tool.proposed:
        return ()
    asked: dict[Lookup, None] = {}
    for name, spec in tool.args.items():
        value = call.args.get(name)
        if value is not None:
            asked.update(dict.fromkeys(types[spec.type].asks(value, spec)))
    return tuple(asked)


def _unreviewed(tool: ToolSpec) -> Reason | None:
    if not tool.proposed:
        return None
    return _refused(
        "unreviewed-tool",
        f"What the catalog says of {tool.name} was guessed, and nobody has reviewed it yet.",
        "Do without it; the operator reviews its entry and removes `proposed = true`.",
    )


def _names_problem(tool: ToolSpec, args: Mapping[str, object]) -> Reason | None:
    for name in args:
        if name not in tool.args:
            return _refused(
                "undeclared-argument",
                f"{tool.name} takes no argument {name!r:.60}.",
                f"It takes: {_signature(tool)}.",
            )
    for name, spec in tool.args.items():
        if not spec.optional and args.get(name) is None:
            return _refused(
                "missing-argument", f"{tool.name} needs the argument '{name}'.", f"It takes: {_signature(tool)}."
            )
    return None


def _signature(tool: ToolSpec) -> str:
    shown = [f"{name} ({spec.type}{', optional' if spec.optional else ''})" for name, spec in tool.args.items()]
    return ", ".join(shown) or "no arguments"


def _not_canonical(tool: ToolSpec, args: Mapping[str, object], error: CanonicalError, types: TypeRegistry) -> Reason:
    """Names the argument at fault, if it is one alone."""
    for name, value in args.items():
        try:
            canonical(value)
        except CanonicalError as own:
            spec = tool.args[name]
            return _refused(
                "not-canonical",
                f"Argument '{name}' of {tool.name} has no exact form: {_one_line(own)}.",
                f"'{name}' takes {types[spec.type].accepts(spec)}.",
            )
    return _refused(
        "not-canonical", f"The arguments of {tool.name} have no exact form: {_one_line(error)}.", error.hint
    )


def _one_line(error: CanonicalError) -> str:
    return ascii(str(error)).strip("'\"")[:200]


def _unparsable(tool: ToolSpec, spec: ArgSpec, found: Unparsable, types: TypeRegistry) -> Reason:
    return _refused(
        found.code,
        f"Argument '{spec.name}' of {tool.name} {found.problem}.",
        f"'{spec.name}' takes {types[spec.type].accepts(spec)}.",
    )


def _exceeding(tool: ToolSpec, spec: ArgSpec, beyond: tuple[Beyond, ...]) -> Reason | None:
    """A refusal if the parser saw what the tool is not declared for."""
    excess = [item for item in beyond if item.effect not in tool.effects]
    if not excess:
        return None
    saw = "; ".join(f"{item.saw} (effect: {item.effect})" for item in excess[:3])
    more = f" and {len(excess) - 3} more" if len(excess) > 3 else ""
    declared = ", ".join(sorted(tool.effects))
    return _refused(
        "exceeds-effects",
        f"In argument '{spec.name}' the parser saw {saw}{more}, but {tool.name} is declared for {declared} only.",
        f"Leave out what is not {declared}.",
    )


def _resources(tool: ToolSpec, found: Mapping[str, ArgFacts]) -> tuple[Resource, ...] | Reason:
    values = {name: facts.values[0] for name, facts in found.items() if facts.values}
    ids: dict[str, None] = {}
    for template in tool.resources:
        if "{" in template:
            named = (text for text, is_name in template_segments(template) if is_name)
            empty = next((name for name in named if not values.get(name)), None)
            if empty is not None:
                return _refused(
                    "empty-selector",
                    f"Argument '{empty}' of {tool.name} is empty, but it says which object is meant.",
                    f"Give '{empty}' a value.",
                )
            template = render(template, values)
        ids[template] = None
    return tuple(Resource(ref=EntityRef(kind=EntityKind.RESOURCE, id=each), zones=tool.zones) for each in ids)


def _refused(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.ACTION, code=code, message=message, hint=hint)
