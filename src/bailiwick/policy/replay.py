"""Questions that rules were asked before, put to rules again: the same, or others over another catalog or directory.

A question fits other rules if everything in it is still what they are asked about. Where it does not, it cannot be put
to them (`Unfit`), and what they would have said is not known. `Replay.key` is all that the rules can read of a
question: with equal keys they answer the same. INVARIANT: that is so by construction, since the key holds the context
exactly as Cedar is given it (`parts`), the entities by what they are made of, and the resources. DESIGN §5 *Policy
engine*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import orjson

from bailiwick.model.call import Resource
from bailiwick.model.principal import EntityKind
from bailiwick.policy.engine import PolicyEngine
from bailiwick.policy.parts import kept, misfit
from bailiwick.policy.question import plain
from bailiwick.policy.request import PolicyRequest, context_of
from bailiwick.policy.scope import template_matches

__all__ = ["Replay", "Unfit", "UnfitKind"]

_SECTIONS = {"args": "ARGUMENT", "environment": "ENVIRONMENT"}


class UnfitKind(StrEnum):
    """Why a question cannot be put to these rules."""

    TOOL = "tool-gone"
    PRINCIPAL = "principal-gone"
    RESOURCE = "resource-changed"
    ARGUMENT = "argument-changed"
    ENVIRONMENT = "environment-changed"
    CONTEXT = "context-changed"
    NOT_RECORDED = "not-recorded"
    """The rules read a fact or the use of a budget that nobody asked for then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """`what` names it: the tool, the principal, the argument ..."""

    kind: UnfitKind
    what: str


class Replay:
    """Fits questions to one engine's rules."""

    def __init__(self, engine: PolicyEngine) -> None:
        self._engine = engine
        # The task is an entity that context alone leads to, unless a rule names one.
        self._names_task = any("Task::" in info.text for info in engine.policies.values())

    def fitted(self, request: PolicyRequest) -> PolicyRequest | Unfit:
        """The question as these rules are asked it: with those facts and counts alone that they read, and resources in
        the zones of their catalog."""
        engine, tool = self._engine, request.tool
        action, part = engine.actions.get(tool), engine.part(tool)
        if action is None or part is None:
            return Unfit(kind=UnfitKind.TOOL, what=tool)
        if request.subject.problems:
            return Unfit(kind=UnfitKind.PRINCIPAL, what=request.subject.problems[0])
        if unlike := self._elsewhere(request.resources, action.resource, action.templates):
            return Unfit(kind=UnfitKind.RESOURCE, what=f"{tool}: {unlike}")
        around = request.around
        facts, usage = engine.names_read("facts", tool), engine.names_read("usage", tool)
        if unknown := sorted((facts - around.facts.keys()) | (usage - around.usage.keys())):
            return Unfit(kind=UnfitKind.NOT_RECORDED, what=f"{tool}: {unknown[0]}")
        around = replace(
            around,
            facts={name: around.facts[name] for name in facts},
            usage={name: around.usage[name] for name in usage},
        )
        zones = action.zones
        request = replace(
            request,
            around=around,
            resources=request.resources
            if zones is None or action.resource is not EntityKind.RESOURCE
            else tuple(_in_zones(each, zones) for each in request.resources),
        )
        context = {**context_of(request, engine.hours), "approved": ()}
        if part.fits(context):
            return request
        path = misfit(action.context, part.context, context)
        kind = UnfitKind[_SECTIONS.get(path[0] if path else "", "CONTEXT")]
        return Unfit(kind=kind, what=f"{tool}: {'.'.join(path)}")

    def key(self, request: PolicyRequest) -> bytes | None:
        """All that the rules can read of a question, but for what its links are in: that is the directory's own, of the
        links and the groups that somebody proved to be in. None for one that Cedar would not take."""
        engine = self._engine
        part = engine.part(request.tool)
        approved = sorted(request.approved & engine.policies.keys())
        context = {**context_of(request, engine.hours), "approved": approved}
        if part is None or request.subject.problems or not part.fits(context):
            return None
        task = request.subject.entities[-1] if self._names_task or "task" in part.context.attrs else None
        return orjson.dumps(
            [
                request.tool,
                request.subject.principals,
                request.around.evidence.groups,
                task,
                [[each.ref.kind.value, each.ref.id, each.zones] for each in request.resources],
                approved,
                kept(part.context, context),
            ],
            default=plain,
        )

    def _elsewhere(self, resources: Sequence[Resource], kind: EntityKind, templates: Sequence[str]) -> str:
        """The first resource that no call of the tool has any more; "" if there is none."""
        for resource in resources:
            ref = resource.ref
            if ref.kind is not kind:
                return str(ref)
            if kind is EntityKind.AGENT and ref.id not in self._engine.world.entities[EntityKind.AGENT]:
                return str(ref)
            if templates and not any(template_matches(template, ref.id) for template in templates):
                return str(ref)
        return ""


def _in_zones(resource: Resource, zones: frozenset[str]) -> Resource:
    return resource if zones == set(resource.zones) else replace(resource, zones=tuple(sorted(zones)))
