"""A small organisation for the tests of authority."""

from __future__ import annotations

from dataclasses import replace

from bailiwick.identity.authority import open_authority
from bailiwick.identity.directory import load_directory
from bailiwick.model.call import Authority
from bailiwick.model.decision import Reason
from bailiwick.model.directory import AgentEntry, Directory

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

[agents.support-bot]
max_depth = 3
[agents.researcher]
max_depth = 2
[agents.writer]
max_depth = 1
[agents.leaf]
max_depth = 0
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
