"""Cedar entities of a session: the links of a chain, what they are in, and the task. DESIGN §5 *Policy engine*.

Cedar does not complain of an entity that it does not know: it skips the forbid that asks for its attributes. So a
`Subject` keeps its own set of known ids, and anything that refers to an id outside of it is a problem, which denies.
INVARIANT: handles are parsed with a schema that holds the action and its groups; without, a forbid on a group vanishes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import cedarpy
import orjson

from bailiwick.model.directory import Directory
from bailiwick.model.principal import Chain, EntityKind, EntityRef
from bailiwick.policy.slices import Parents, Row
from bailiwick.policy.world import NO_END

__all__ = [
    "EntityJson",
    "Seat",
    "Subject",
    "Uid",
    "adopt",
    "agent_entities",
    "build_person",
    "build_subject",
    "link_entities",
    "uid",
]

Uid = dict[str, str]
"""`{"type": …, "id": …}`: the only form in which ids reach Cedar."""

EntityJson = dict[str, object]


class Seat(NamedTuple):
    """A subject before one tool: its entities and the tool's zones as Cedar takes them, what each of these is in, and
    the tool's rules that one of its links can meet."""

    handle: cedarpy.Entities
    lineage: Parents
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """On whose behalf calls of a session are decided, as Cedar needs it; opaque to other rooms.

    Made by `PolicyEngine.subject` and valid for that engine only (`engine` is its token). `problems` denies everything.
    `seats` keeps what was prepared for each tool that the session used."""

    links: tuple[EntityRef, ...]
    engine: object
    known: frozenset[EntityRef]
    problems: tuple[str, ...]
    entities: tuple[EntityJson, ...]
    principals: tuple[Uid, ...]
    context: Mapping[str, object]
    seats: dict[str, Seat] = field(default_factory=dict)
    adopted: dict[object, Subject] = field(default_factory=dict)
    """The same as a subject of other engines over the same directory."""


def uid(ref: EntityRef) -> Uid:
    """`ref` as Cedar takes it."""
    return {"type": ref.kind.value, "id": ref.id}


def adopt(subject: Subject, engine: object) -> Subject:
    """The same as a subject of another engine over the same directory. Kept with it, since its seats cost."""
    mine = subject.adopted[engine] = replace(subject, engine=engine, seats={}, adopted={})
    return mine


def build_subject(
    directory: Directory,
    *,
    engine: object,
    chain: Chain,
    task: str,
    purpose: str,
    expires_ms: int | None,
    tools: frozenset[str] | None = None,
    zones: frozenset[str] = frozenset(),
    groups: tuple[str, ...] = (),
) -> Subject:
    """The subject of one session. Ids that the directory does not know become `problems`."""
    made = _Made(directory=directory)
    for link in chain.links:
        made.link(link, groups if link == chain.root else ())
    task_ref = EntityRef(kind=EntityKind.TASK, id=task)
    ends = NO_END if expires_ms is None else expires_ms
    scope = {"limited": tools is not None or bool(zones), "tools": sorted(tools or ()), "zones": sorted(zones)}
    made.add(task_ref, {"purpose": purpose, "expires": ends, **scope}, ())
    root = "user" if chain.root.kind is EntityKind.USER else "service"
    # Ids in context are written without Cedar's `__entity` escape: only the schema makes entities of them.
    ids = {root: uid(chain.root), "agent": uid(chain.actor), "task": uid(task_ref)}
    return Subject(
        links=chain.links,
        engine=engine,
        known=frozenset(made.known),
        problems=tuple(made.problems),
        entities=tuple(made.entities),
        principals=tuple(uid(link) for link in chain.links),
        context={} if made.unencodable(ids) else {"depth": chain.depth, **_encoded(ids)},
    )


def build_person(directory: Directory, *, engine: object, user: str) -> Subject:
    """The subject of one person who acts by themselves."""
    made = _Made(directory=directory)
    ref = EntityRef(kind=EntityKind.USER, id=user)
    made.link(ref)
    entry = directory.users.get(user)
    if entry is not None and not entry.active:
        made.problems.append(f"{ref} is not active")
    ids = {"user": uid(ref)}
    return Subject(
        links=(ref,),
        engine=engine,
        known=frozenset(made.known),
        problems=tuple(made.problems),
        entities=tuple(made.entities),
        principals=(uid(ref),),
        context={} if made.unencodable(ids) else _encoded(ids),
    )


def _encoded(ids: Mapping[str, Uid]) -> dict[str, object]:
    """Encoded once, since they stand in the context of every call."""
    return {name: orjson.Fragment(orjson.dumps(each)) for name, each in ids.items()}


def link_entities(directory: Directory, ref: EntityRef) -> list[EntityJson]:
    """`ref` with all that it is in, as a link of a chain; nothing if the directory does not know it."""
    made = _Made(directory=directory)
    made.link(ref)
    return made.entities


def agent_entities(
    directory: Directory, agent: str, *, known: frozenset[EntityRef]
) -> tuple[list[EntityJson], list[str]]:
    """Entities of `agent` and its classes beyond those that are `known`, and problems with them."""
    made = _Made(directory=directory, known=set(known))
    made.link(EntityRef(kind=EntityKind.AGENT, id=agent))
    return made.entities, made.problems


@dataclass(slots=True, kw_only=True)
class _Made:
    """Entities being collected, each once."""

    directory: Directory
    known: set[EntityRef] = field(default_factory=set)
    entities: list[EntityJson] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def link(self, ref: EntityRef, groups: tuple[str, ...] = ()) -> None:
        """Add a user, service or agent with all that it is in; a user also with `groups` beside their own."""
        match ref.kind:
            case EntityKind.USER if user := self.directory.users.get(ref.id):
                inside = self.closure(EntityKind.GROUP, (*user.groups, *groups), self.directory.groups)
                roles = self.closure(EntityKind.ROLE, user.roles, self.directory.roles)
                attrs = {"active": user.active, "level": user.level, "clearance": user.clearance}
                self.add(ref, {**user.attributes, **attrs}, (*dict.fromkeys(inside), *roles))
            case EntityKind.SERVICE if service := self.directory.services.get(ref.id):
                attrs = {"active": service.active, "clearance": service.clearance}
                words = {"owner": service.owner, "purpose": service.purpose}
                self.add(ref, {**service.attributes, **attrs, **words}, ())
            case EntityKind.AGENT if agent := self.directory.agents.get(ref.id):
                classes = self.closure(EntityKind.AGENT_CLASS, agent.classes, self.directory.classes)
                attrs = {"active": agent.active, "clearance": agent.clearance}
                self.add(ref, {**agent.attributes, **attrs, "owner": agent.owner}, classes)
            case _:
                self.problems.append(f"{ref} is not in the directory")

    def closure(
        self, kind: EntityKind, direct: Iterable[str], parents: Mapping[str, tuple[str, ...]]
    ) -> tuple[EntityRef, ...]:
        """Add every entity of `kind` that `direct` leads to; return the direct ones."""
        todo = list(direct)
        while todo:
            name = todo.pop()
            ref = EntityRef(kind=kind, id=name)
            if ref in self.known:
                continue
            if name not in parents:
                self.problems.append(f"{ref} is not in the directory")
                continue
            self.add(ref, {}, tuple(EntityRef(kind=kind, id=parent) for parent in parents[name]))
            todo.extend(parents[name])
        return tuple(EntityRef(kind=kind, id=name) for name in direct)

    def add(self, ref: EntityRef, attrs: Mapping[str, object], parents: tuple[EntityRef, ...]) -> None:
        if ref not in self.known:
            self.known.add(ref)
            self.entities.append({"uid": uid(ref), "attrs": dict(attrs), "parents": [uid(above) for above in parents]})

    def unencodable(self, value: object) -> bool:
        """Note whether `value` cannot be JSON (a lone surrogate in an id)."""
        try:
            orjson.dumps(value)
        except orjson.JSONEncodeError as error:
            self.problems.append(f"an id cannot be encoded: {error}")
            return True
        return False
