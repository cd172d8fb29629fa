"""Who acts: principals, the chain from the root to the acting agent, and the key of a session."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Chain", "EntityKind", "EntityRef", "SessionKey"]


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
        parts = (self.tenant, self.env, self.root.kind.value, self.root.id, self.agent, self.conversation)
        return "|".join(f"{len(part)}:{part}" for part in parts)
