"""Who acts: principals, the chain from the root to the acting agent, and the key of a session."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Chain", "EntityKind", "EntityRef", "SessionKey"]

_KEY_PARTS = 6


class EntityKind(StrEnum):
    """The Cedar entity types that bailiwick generates; the value is the Cedar type name."""

    USER = "User"
    SERVICE = "Service"
    AGENT = "Agent"
    GROUP = "Group"
    ROLE = "Role"
    AGENT_CLASS = "AgentClass"
    TASK = "Task"
    RESOURCE = "Resource"
    ZONE = "Zone"
    ACTION = "Action"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityRef:
    """One Cedar entity. Passed as a structure everywhere; never pasted into policy text."""

    kind: EntityKind
    id: str

    def __str__(self) -> str:
        return f'{self.kind.value}::"{self.id}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """root (User or Service) → agent → … → acting agent.

    INVARIANT: the first link is a User or a Service, every further link an Agent, and no agent occurs twice.
    """

    links: tuple[EntityRef, ...]

    def __post_init__(self) -> None:
        root, *agents = self.links
        if root.kind not in (EntityKind.USER, EntityKind.SERVICE):
            raise ValueError(f"a chain starts with a user or a service, not {root}")
        if not agents or any(link.kind is not EntityKind.AGENT for link in agents):
            raise ValueError("after its root a chain holds agents only, at least one")
        if len({link.id for link in agents}) != len(agents):
            raise ValueError("an agent occurs twice in the chain")

    @property
    def root(self) -> EntityRef:
        return self.links[0]

    @property
    def actor(self) -> EntityRef:
        return self.links[-1]

    @property
    def depth(self) -> int:
        """0 for the root's own agent, 1 for an agent that it delegated to, and so on."""
        return len(self.links) - 2

    def extended(self, agent_id: str) -> Chain:
        """The chain with one more agent. Raises ValueError on a cycle."""
        return Chain(links=(*self.links, EntityRef(kind=EntityKind.AGENT, id=agent_id)))

    def __str__(self) -> str:
        return " → ".join(link.id for link in self.links)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionKey:
    """What a session is stored under. A restored conversation with the same key gets its labels back.

    `agent` is the path of agent ids from the root to the actor, joined by `/`, so that a sub-agent's session is its
    own.
    """

    tenant: str
    env: str
    root: EntityRef
    agent: str
    conversation: str

    @property
    def id(self) -> str:
        """A stable text form, used as key in stores. Each part follows its length, so no two keys read alike."""
        return f"{self.of_root}{len(self.agent)}:{self.agent}|{len(self.conversation)}:{self.conversation}"

    @property
    def of_root(self) -> str:
        """What the ids of all sessions of this root begin with."""
        parts = (self.tenant, self.env, self.root.kind.value, self.root.id)
        return "".join(f"{len(part)}:{part}|" for part in parts)

    @classmethod
    def read(cls, text: str) -> SessionKey | None:
        """The key whose `id` is `text`; None if there is none."""
        parts: list[str] = []
        rest = text
        while rest:
            size, _, rest = rest.partition(":")
            if not size.isdecimal():
                return None
            parts.append(rest[: int(size)])
            rest = rest[int(size) :].removeprefix("|")
        if len(parts) != 6 or parts[2] not in (EntityKind.USER, EntityKind.SERVICE):
            return None
        tenant, env, kind, name, agent, conversation = parts
        root = EntityRef(kind=EntityKind(kind), id=name)
        key = cls(tenant=tenant, env=env, root=root, agent=agent, conversation=conversation)
        return key if key.id == text else None

    @classmethod
    def parse(cls, text: str) -> SessionKey | None:
        """The key whose `id` is `text`; None if there is none."""
        parts: list[str] = []
        at = 0
        while at < len(text) or len(parts) < _KEY_PARTS:
            length, colon, _ = text[at : at + 20].partition(":")
            if not colon or not (length.isascii() and length.isdigit()):
                return None
            begin = at + len(length) + 1
            end = begin + int(length)
            parts.append(text[begin:end])
            at = end + 1
        if len(parts) != _KEY_PARTS or parts[2] not in set(EntityKind):
            return None
        tenant, env, kind, root, agent, conversation = parts
        root_ref = EntityRef(kind=EntityKind(kind), id=root)
        key = cls(tenant=tenant, env=env, root=root_ref, agent=agent, conversation=conversation)
        return key if key.id == text else None

    def delegated_from(self, other: SessionKey) -> bool:
        """Whether this session was handed on from `other`, directly or further."""
        own, above = (self.tenant, self.env, self.root), (other.tenant, other.env, other.root)
        return own == above and self.conversation == other.conversation and self.agent.startswith(f"{other.agent}/")
