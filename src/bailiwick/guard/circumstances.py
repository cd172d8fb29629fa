"""What holds around a call, as the guard puts it together: the environment that was declared, facts of providers, and
both as the decision's snapshot keeps them (`bailiwick.guard.snapshots`). DESIGN §5 *Audit*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from bailiwick.errors import CanonicalError, FactUnavailable
from bailiwick.guard.effectors import Effector, keeping
from bailiwick.guard.effects import Flow, ReadFact
from bailiwick.guard.planes import Planes
from bailiwick.guard.ports import Ports
from bailiwick.model.call import Action, Fact, Resource
from bailiwick.model.canonical import Json, canonical_json, encode
from bailiwick.model.circumstances import (
    NO_USE,
    Circumstances,
    Evidence,
    FactDecl,
    FactReading,
    FactScope,
    Gathered,
    Usage,
)
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.directory import Attribute
from bailiwick.model.lookup import NOTHING_FOUND, SUPPOSED, Found
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.principal import Chain, EntityKind, EntityRef
from bailiwick.model.shape import fits
from bailiwick.policy.information import FactQuestion

__all__ = [
    "EffectorsOf",
    "check_environment",
    "checked",
    "gather",
    "joined",
    "subjects_of",
    "written_evidence",
    "written_gathered",
]

_NOTHING: Mapping[str, Json] = MappingProxyType({})


def check_environment(declared: Sequence[Attribute], given: Mapping[str, Fact]) -> Reason | None:
    """Why a session cannot be opened in the environment that was given; None if it can."""
    known = {attribute.name: attribute for attribute in declared}
    for name in given:
        if name not in known:
            hint = did_you_mean(name, known, "declare it in [environment] of bailiwick.toml, or leave it out")
            return _reason("environment-unknown", f"The environment has no attribute '{name}'.", hint)
    for attribute in declared:
        name = attribute.name
        if name not in given:
            if not attribute.optional:
                message = f"The environment's '{name}' was not given."
                return _reason("environment-missing", message, f"Open the session with environment={{'{name}': ...}}.")
        elif not fits(attribute.shape, given[name]):
            message = f"The environment's '{name}' is no {type(attribute.shape).__name__.lower()}."
            return _reason("environment-type", message, "Give a value of the type in [environment] of bailiwick.toml.")
    return None


@dataclass(frozen=True, slots=True)
class EffectorsOf:
    """→ the effectors that are bound to arguments of a tool in this process."""

    at_once: ClassVar[bool] = True
    tool: str

    def do(self, ports: Ports) -> Mapping[str, Effector]:
        return ports.effectors.of(self.tool)


def gather(planes: Planes, chain: Chain, action: Action, usage: Mapping[str, Usage] = NO_USE) -> Flow[Gathered]:
    """What has to be asked outside for this call, with the use of budgets that its rules read. Raises
    FactUnavailable."""
    facts = yield from facts_of(planes, chain, action)
    bound: Mapping[str, Effector] = yield EffectorsOf(action.tool.name)
    given = frozenset(argument.name for argument in action.arguments)
    return Gathered(facts=facts, usage=usage, enforced=frozenset(keeping(bound, action.tool, given)))


def facts_of(planes: Planes, chain: Chain, action: Action) -> Flow[Mapping[str, FactReading]]:
    """The facts that the rules of this tool read, of this call. Raises FactUnavailable."""
    names = planes.policy.names_read("facts", action.tool.name)
    found: dict[str, FactReading] = {}
    for fact in planes.settings.facts if names else ():
        if fact.name in names:
            readings: list[FactReading] = []
            for about in subjects_of(fact, chain, action.resources):
                reading: FactReading = yield ReadFact(FactQuestion(fact=fact, about=about))
                readings.append(reading)
            found[fact.name] = joined(fact, readings)
    return found


def subjects_of(fact: FactDecl, chain: Chain, resources: Sequence[Resource]) -> tuple[EntityRef | None, ...]:
    """Of whom or what the fact is asked for this call. Raises FactUnavailable where there is nobody of the kind."""
    match fact.scope:
        case FactScope.GLOBAL:
            return (None,)
        case FactScope.AGENT:
            return (chain.actor,)
        case FactScope.RESOURCE:
            return tuple(dict.fromkeys(resource.ref for resource in resources))
        case FactScope.USER:
            if chain.root.kind is not EntityKind.USER:
                raise FactUnavailable(
                    f"Fact {fact.name} is about a user, and {chain.root.id} is a service",
                    hint="A rule for services cannot read it.",
                )
            return (chain.root,)


def joined(fact: FactDecl, readings: Sequence[FactReading]) -> FactReading:
    """One reading of all: the value that all have, as old as the oldest. Raises FactUnavailable if they differ."""
    first = readings[0]
    if any(reading.value != first.value for reading in readings):
        raise FactUnavailable(
            f"Fact {fact.name} differs between the objects of this call", hint="Make one call for each of them."
        )
    return FactReading(value=first.value, read_ms=min(reading.read_ms for reading in readings))


def written_gathered(around: Circumstances, found: Found = NOTHING_FOUND) -> Mapping[str, Json]:
    """What was asked outside for one call, as canonical values; what there is none of is left out. Raises
    FactUnavailable for what has no canonical form."""
    if not (around.facts or around.usage or around.enforced or found):
        return _NOTHING
    given = {
        "facts": {
            name: {"value": _plain(reading.value), "read_ms": reading.read_ms} for name, reading in around.facts.items()
        },
        "usage": {name: [usage.used, usage.after] for name, usage in around.usage.items()},
        "enforced": sorted(around.enforced),
        "found": _answers(found),
    }
    return checked({name: value for name, value in given.items() if value})


def checked(value: Mapping[str, object]) -> Mapping[str, Json]:
    """`value` in canonical form. Raises FactUnavailable if it has none."""
    try:
        plain = canonical_json(value)
        encode(plain)
    except CanonicalError as error:
        raise FactUnavailable(f"A fact cannot be recorded: {error}", hint=error.hint) from error
    assert isinstance(plain, dict)
    return plain


def written_evidence(evidence: Evidence) -> dict[str, object]:
    """How the user is known, as canonical values. The groups are those that rules on the user went by."""
    return {
        "method": evidence.method.value,
        "at_ms": evidence.at_ms,
        "strong": evidence.strong,
        "issuer": evidence.issuer,
        "subject": evidence.subject,
        "actors": list(evidence.actors),
        "groups": list(evidence.groups),
    }


def _answers(found: Found) -> list[object]:
    """What was looked up. `supposed`: nobody was asked, the call could not run whatever the answer."""
    return [
        {
            "kind": each.kind.value,
            "name": each.name,
            "below": each.below,
            "answers": list(found[each]),
            "supposed": not SUPPOSED.isdisjoint(found[each]),
        }
        for each in sorted(found, key=lambda lookup: (lookup.kind.value, lookup.below, lookup.name))
    ]


def _plain(value: Fact) -> object:
    return sorted(value) if isinstance(value, tuple) else value


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.IDENTITY, code=code, message=message, hint=hint)
