"""A small organisation for the tests of authority."""

from __future__ import annotations

from dataclasses import replace

from bailiwick.identity.authority import open_authority
from bailiwick.identity.directory import load_directory
from bailiwick.model.call import Authority
from bailiwick.model.decision import Reason
from bailiwick.model.directory import AgentEntry, DelegationEdge, Directory

NOW = 1_700_000_000_000
HOUR = 3_600_000

DIRECTORY = load_directory(
    "directory.toml",
    """
[users.alice]
[users.bob]
[users.gone]
active = false

[services.nightly]
owner = "bob"
purpose = "Close stale tickets"
[services.orphaned]
owner = "gone"
purpose = "Close stale tickets"
[services.off]
owner = "bob"
purpose = "Close stale tickets"
active = false

[agents.support-bot.may_delegate_to]
researcher = { effects = ["read", "send", "delegate"], max_depth = 2 }
writer     = { effects = ["read", "send", "delegate"], max_depth = 1 }
retired    = { effects = ["read"] }
[agents.researcher.may_delegate_to]
writer     = { effects = ["read", "send"], max_depth = 1 }
leaf       = { effects = ["read"] }
support-bot = { effects = ["read"] }
[agents.writer.may_delegate_to]
researcher = { effects = ["read"], max_depth = 1 }
leaf       = { effects = ["read"] }
support-bot = { effects = ["read"] }
[agents.leaf]
[agents.retired]
active = false

[tasks.answer-ticket]
purpose = "Answer one ticket"
tools = ["crm.get", "mail.send", "web.search", "agent.delegate"]
zones = ["crm", "web"]
ttl = "1h"
""",
    levels=("public", "internal"),
)


def opened(
    *,
    directory: Directory = DIRECTORY,
    user: str | None = "alice",
    service: str | None = None,
    agent: str = "support-bot",
    task: str = "Help a customer",
    conversation: str = "c-1",
    tenant: str = "acme",
    now_ms: int = NOW,
    started_ms: int | None = None,
) -> Authority | Reason:
    return open_authority(
        directory,
        tenant=tenant,
        env="test",
        user=user,
        service=service,
        agent=agent,
        task=task,
        conversation=conversation,
        now_ms=now_ms,
        started_ms=started_ms,
    )


def given(answer: Authority | Reason) -> Authority:
    assert isinstance(answer, Authority), answer
    return answer


def refused(answer: Authority | Reason | None) -> Reason:
    assert isinstance(answer, Reason), answer
    return answer


def with_agent(directory: Directory, name: str, **changes: object) -> Directory:
    entry: AgentEntry = replace(directory.agents[name], **changes)  # type: ignore[arg-type]
    return replace(directory, agents={**directory.agents, name: entry})


def without_edge(directory: Directory, giver: str, holder: str) -> Directory:
    edges = {name: edge for name, edge in directory.agents[giver].may_delegate_to.items() if name != holder}
    return with_agent(directory, giver, may_delegate_to=edges)


def with_edge(directory: Directory, giver: str, holder: str, **changes: object) -> Directory:
    edges = directory.agents[giver].may_delegate_to
    changed: DelegationEdge = replace(edges[holder], **changes)  # type: ignore[arg-type]
    return with_agent(directory, giver, may_delegate_to={**edges, holder: changed})
