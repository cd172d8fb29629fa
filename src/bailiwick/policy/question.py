"""How a question reaches Cedar: the entities of a subject before one tool, what may not be asked, values and errors as
text. DESIGN §5 *Policy engine*."""

from __future__ import annotations

from collections.abc import Mapping

import cedarpy
import orjson

from bailiwick.model.call import Resource
from bailiwick.model.directory import Directory
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.policy.entities import EntityJson, Seat, Subject, agent_entities
from bailiwick.policy.parts import Part
from bailiwick.policy.slices import keys, parents
from bailiwick.policy.world import ActionDecl

__all__ = ["described", "misplaced", "plain", "seat_of", "shortened", "targets"]

_EMPTY = orjson.Fragment(b"{}")


def seat_of(subject: Subject, action: ActionDecl, part: Part) -> Seat:
    """The session's entities and the tool's zones, parsed with the tool's schema."""
    zones: list[EntityJson] = [
        {"uid": {"type": "Zone", "id": zone}, "attrs": {}, "parents": []} for zone in action.zones or ()
    ]
    entities = [*subject.entities, *zones]
    lineage = parents(entities)
    met = (key for link in subject.links for key in keys((link.kind.value, link.id), lineage))
    return Seat(
        handle=cedarpy.Entities.from_json_str(orjson.dumps(entities).decode(), part.schema),
        lineage=lineage,
        rows=part.stock.rows(met),
    )


def misplaced(resources: tuple[Resource, ...], action: ActionDecl) -> tuple[str, ...]:
    """Why these resources cannot be `action`'s."""
    if not resources:
        return ("the call names no resource",)
    seen: dict[EntityRef, tuple[str, ...]] = {}
    for resource in resources:
        ref = resource.ref
        if ref.kind is not action.resource:
            return (f"{ref} is not a {action.resource.value}",)
        if action.zones is not None and not action.zones.issuperset(resource.zones):
            return (f"{ref} lies in a zone that the catalog does not give to {action.name}",)
        if seen.setdefault(ref, resource.zones) != resource.zones:
            return (f"{ref} is given twice, in different zones",)
    return ()


def targets(
    directory: Directory, resources: Mapping[EntityRef, Resource], subject: Subject
) -> tuple[list[EntityJson], tuple[str, ...]]:
    """The entities that the resources of a request add to those of its subject, or why there are none."""
    added: list[EntityJson] = []
    for ref, resource in resources.items():
        if ref.kind is EntityKind.AGENT:
            entities, problems = agent_entities(directory, ref.id, known=subject.known)
            if problems:
                return [], tuple(problems)
            added += entities
        else:
            zones = [{"type": "Zone", "id": zone} for zone in resource.zones]
            added.append({"uid": {"type": "Resource", "id": ref.id}, "attrs": _EMPTY, "parents": zones})
    return added, ()


def plain(value: object) -> object:
    """What orjson does not take by itself: read-only mappings and sets."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"facts cannot hold a {type(value).__name__}")


def described(error: BaseException) -> str:
    return shortened(f"{type(error).__name__}: {error}")


def shortened(text: str) -> str:
    """An error text without the values of the request, which it may quote: they do not belong into the record."""
    start, end = text.find("`{"), text.rfind("}`")
    return f"{text[:start]}`…`{text[end + 2 :]}" if 0 <= start < end else text[:500]
