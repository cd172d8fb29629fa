"""A call that waits for approval, for the tests of approvals and of the stores that keep them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bailiwick.action.approval_card import draw_card
from bailiwick.action.approval_vote import vote
from bailiwick.action.approvals import Approval, request
from bailiwick.action.asked import Asked
from bailiwick.errors import Where
from bailiwick.identity.directory import load_directory
from bailiwick.model.approver import ProofMethod, Proven
from bailiwick.model.call import Action, Authority, Grant, Resource
from bailiwick.model.canonical import canonical
from bailiwick.model.decision import (
    ArgFlow,
    Decision,
    FlowFacts,
    Gate,
    GateKind,
    Origin,
    Outcome,
    Plane,
    Reason,
)
from bailiwick.model.label import Integrity, Label, Readers
from bailiwick.model.principal import Chain, EntityKind, EntityRef, SessionKey
from bailiwick.model.tool import Durability, Effect, Idempotency, ToolSpec

NOW = 1_700_000_000_000
TTL = 600_000
LEVELS = ("public", "internal", "confidential", "restricted")
DIGEST = "sha256:this-call"
MEANING = "sha256:what-it-means"
LABEL = Label(sensitivity=1, integrity=Integrity.ORGANISATION, readers=Readers.of("Group::support"))

DIRECTORY = load_directory(
    "directory.toml",
    """
[groups.support]
[groups.support-leads]
parents = ["support"]
[groups.finance]
[roles.approver]

[users.alice]
groups = ["support"]
[users.lena]
groups = ["support-leads"]
[users.lars]
groups = ["support-leads"]
[users.olga]                        # owns the agent
groups = ["support-leads"]
[users.rita]                        # owns the agent that work is handed on to
groups = ["support-leads"]
[users.sven]                        # owns the service
groups = ["support-leads"]
[users.fritz]
groups = ["finance"]
roles = ["approver"]
[users.gone]
groups = ["support-leads"]
active = false

[services.nightly]
owner = "sven"
purpose = "Close stale tickets"
[agents.support-bot]
owner = "olga"
[agents.researcher]
owner = "rita"
""",
    levels=LEVELS,
)

TOOL = ToolSpec(
    name="mail.send",
    names=("send_email",),
    effects=frozenset({Effect.SEND}),
    resources=("mail.send",),
    args={},
    idempotency=Idempotency.NONE,
    durability=Durability.SYNC,
    where=Where(file="tools/mail.toml", line=1),
)


def ref(text: str) -> EntityRef:
    """`Group::support` as a reference."""
    kind, _, name = text.partition("::")
    return EntityRef(kind=EntityKind(kind), id=name)


def gate(
    id: str = "external-mail",  # noqa: A002
    kind: str = "approval",
    approvers: Iterable[str] = ("Group::support-leads",),
    quorum: int = 1,
    **more: Any,
) -> Gate:
    if "escalate_to" in more:
        more["escalate_to"] = tuple(ref(text) for text in more["escalate_to"])
    return Gate(
        id=id,
        kind=GateKind(kind),
        approvers=tuple(ref(text) for text in approvers),
        quorum=quorum,
        reason="Mail to people outside the company needs a support lead.",
        **{"text": f"sha256:{id}", **more},
    )


def authority(links: Iterable[str] = ("User::alice", "Agent::support-bot"), *, tenant: str = "acme") -> Authority:
    chain = Chain(links=tuple(ref(text) for text in links))
    agents = "/".join(link.id for link in chain.links[1:])
    return Authority(
        key=SessionKey(tenant=tenant, env="test", root=chain.root, agent=agents, conversation="c-1"),
        chain=chain,
        task="Answer ticket 4711",
        purpose="Answer ticket 4711",
        grant=Grant(),
    )


def action(**arguments: object) -> Action:
    args = arguments or {"to": ["eve@example.org"], "subject": "Your ticket", "body": "All is well."}
    return Action(
        tool=TOOL,
        args=canonical(args),
        arguments=(),
        resources=(Resource(ref=EntityRef(kind=EntityKind.RESOURCE, id="mail.send")),),
        recipients=("eve@example.org",),
    )


def decision(gates: tuple[Gate, ...] = (gate(),)) -> Decision:
    origin = Origin(content="c1", event="e1", source="kb:article-17", path="[0].text")
    return Decision(
        outcome=Outcome.NEEDS_APPROVAL,
        reasons=(Reason(plane=Plane.POLICY, code="external-mail", message="Needs a lead."),),
        tool=TOOL.name,
        digest=DIGEST,
        gates=gates,
        flow=FlowFacts(
            label=LABEL,
            session_label=LABEL,
            tainted=False,
            arguments=(ArgFlow(name="to", endorsed=False, endorsed_by=("",), origins=(origin,)),),
        ),
    )


def asked(gates: tuple[Gate, ...] = (gate(),), **changes: Any) -> Asked:
    fields: dict[str, Any] = {"digest": DIGEST, "meaning": MEANING, "gates": gates, "label": LABEL}
    return Asked(**{**fields, "unendorsed": frozenset({"to"}), **changes})


def requested(*, id: str = "apr-1", gates: tuple[Gate, ...] = (gate(),), **changes: Any) -> Approval:  # noqa: A002
    asker = changes.pop("authority", authority())
    call = changes.pop("action", action())
    bound = {name: changes.pop(name) for name in ("digest", "meaning", "label", "unendorsed") if name in changes}
    ends = changes.pop("expires_ms", NOW + TTL)
    fields: dict[str, Any] = {
        "card": draw_card(asker, call, decision(gates), LEVELS, expires_ms=ends),
        "now_ms": NOW,
        "expires_ms": ends,
    }
    return request(id=id, authority=asker, tool=call.tool.name, asked=asked(gates, **bound), **{**fields, **changes})


def proven(user: str, method: str = "claimed", os_user: str = "tester") -> Proven:
    evidence = b"signature" if method == "signed" else b""
    return Proven(user=user, method=ProofMethod(method), at_ms=NOW, os_user=os_user, evidence=evidence)


def granted(**changes: Any) -> Approval:
    answer = vote(requested(**changes), by=proven("lena"), grant=True, directory=DIRECTORY, now_ms=NOW)
    assert isinstance(answer, Approval), answer
    return answer
