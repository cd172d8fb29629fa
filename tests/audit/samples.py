"""A small log in memory: events of every kind, which belong together, and the rows that a store would hold of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bailiwick.audit.envelope import place, seal
from bailiwick.audit.events import content_body, decision_body, delegation_body, evidence_body, label_body, new_id
from bailiwick.audit.kept import KeptHead
from bailiwick.audit.merkle import Frontier, leaf_hash
from bailiwick.audit.report import Head, Report, StoredContent, StoredEvent, StoredHead
from bailiwick.audit.verify import verify
from bailiwick.model.call import Carried, Grant
from bailiwick.model.circumstances import Evidence, Method
from bailiwick.model.decision import (
    ArgFlow,
    Decision,
    FlowFacts,
    Gate,
    GateKind,
    LinkVerdict,
    Observed,
    Origin,
    Outcome,
    Plane,
    Reason,
    Verdict,
)
from bailiwick.model.event import Content, Draft, EventKind
from bailiwick.model.label import Integrity, Label, Readers
from bailiwick.model.obligation import Obligations
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.model.tool import Idempotency

LOG = "log-01900000-0000-7000-8000-000000000000"
START_US = 1_700_000_000_000_000
SESSION = "4:acme|4:prod|4:User|5:alice|11:support-bot|2:c1"
LABEL = Label(
    sensitivity=2,
    categories=frozenset({"pii"}),
    readers=Readers.of("Group::support"),
    integrity=Integrity.UNTRUSTED,
    sources=frozenset({"kb:article-17", "user"}),
    author="bob",
)


def entropy_of(seed: str) -> bytes:
    return hashlib.sha512(seed.encode()).digest()


class Ticking:
    """A clock that goes on by a millisecond at each look, and randomness that is the same in every run."""

    def __init__(self, seed: str = "") -> None:
        self.now_us = START_US
        self._seed = seed
        self._drawn = 0

    def clock(self) -> int:
        self.now_us += 1000
        return self.now_us

    def entropy(self, count: int, /) -> bytes:
        self._drawn += 1
        return entropy_of(f"{self._seed}{self._drawn}")[:count]

    def draft(
        self,
        kind: EventKind,
        body: Mapping[str, object],
        *,
        session: str = SESSION,
        contents: Sequence[Content] = (),
        parents: Sequence[str] = (),
        tenant: str = "acme",
    ) -> Draft:
        now_us = self.clock()
        return Draft(
            id=new_id(now_us, self.entropy(10)),
            kind=kind,
            ts_us=now_us,
            tenant=tenant,
            env="prod",
            session=session,
            task="ticket 4711",
            actor=('User::"alice"', 'Agent::"support-bot"') if session else (),
            parents=tuple(parents),
            body=body,
            contents=tuple(contents),
        )


def decision(
    outcome: Outcome = Outcome.ALLOW, *, approved: Mapping[str, str] | None = None, prompt: str = "evt-prompt"
) -> Decision:
    user = EntityRef(kind=EntityKind.USER, id="alice")
    target = EntityRef(kind=EntityKind.RESOURCE, id="crm/customers/42")
    gate = Gate(
        id="external-mail",
        kind=GateKind.APPROVAL,
        approvers=(EntityRef(kind=EntityKind.GROUP, id="support-leads"),),
        quorum=1,
    )
    origin = Origin(content="c-1", event=prompt, source="user", path="")
    return Decision(
        outcome=outcome,
        reasons=(Reason(plane=Plane.POLICY, code="external-mail", message="Mail needs a lead.", hint="Ask one."),),
        tool="mail.send",
        digest="sha256:" + "a" * 64,
        obligations=Obligations(redact=frozenset({"pii"})),
        verdict=Verdict(
            outcome=outcome,
            links=(LinkVerdict(link=user, resource=target, allowed=True, policies=("staff",), errors=("none",)),),
            policy_digest="sha256:" + "b" * 64,
        ),
        flow=FlowFacts(
            label=LABEL,
            session_label=LABEL,
            tainted=True,
            unendorsed=("cc",),
            arguments=(ArgFlow(name="to", endorsed=True, endorsed_by=("user",), origins=(origin,)),),
        ),
        gates=(gate,) if outcome is Outcome.NEEDS_APPROVAL else (),
        approved=approved,
        observed=Observed(
            outcome=Outcome.DENY,
            reasons=(Reason(plane=Plane.POLICY, code="trial", message="Not at night."),),
            rules=("trial",),
        )
        if outcome is Outcome.ALLOW
        else None,
    )


def allowed(permit: str, *, approval: str = "", prompt: str = "evt-prompt") -> dict[str, object]:
    """The body of a decision that hands out `permit`."""
    return decision_body(
        decision(approved={"external-mail": approval} if approval else None, prompt=prompt),
        permit_id=permit,
        permit_expires_ms=START_US // 1000 + 60_000,
        catalog_digest="sha256:" + "c" * 64,
        latency_us=120,
        idempotency=Idempotency.NONE,
        effect_key="4:acme|4:prod|sha256:" + "d" * 64,
        carried=[Carried(handle="h-1", content="c-1", source="tool:crm", label=LABEL, arguments=frozenset({"body"}))],
    )


def asked() -> dict[str, object]:
    """The body of a decision that needs approval."""
    return decision_body(
        decision(Outcome.NEEDS_APPROVAL),
        permit_id=None,
        permit_expires_ms=None,
        catalog_digest="sha256:" + "c" * 64,
        latency_us=None,
        idempotency=None,
        effect_key=None,
    )


def story(ticking: Ticking) -> list[Draft]:
    """At least one event of every kind, in an order that makes sense; every optional field occurs."""
    kind, draft = EventKind, ticking.draft
    text = Content(role="text", data=b"Please write to eve@example.com")
    prompt = draft(
        kind.CONTENT_INGESTED,
        content_body(content="c-1", source="user", label=LABEL, origin="prompt", fields={"[0]": LABEL}),
        contents=[text],
    )
    ask = draft(kind.DECISION, asked())
    call = draft(
        kind.DECISION,
        allowed("prm-1", approval="apr-1", prompt=prompt.id),
        contents=[Content(role="args", data=b'{"to":["eve@example.com"]}')],
        parents=[prompt.id],
    )
    result = content_body(
        content="c-2",
        source="tool:mail.send",
        label=LABEL,
        origin="result",
        decision=call.id,
        read_back=[ask.id],
        said_in=prompt.id,
    )
    others = [draft(kind.DECISION, allowed(f"prm-{number}")) for number in range(2, 6)]
    failed, cancelled, expired, lost = (other.id for other in others)
    how = {"method": "signed", "os_user": "carol", "evidence": "sha256:" + "e" * 64}
    answer = {"approval": "apr-1", "by": "User::carol", "gates": ["external-mail"], **how}
    kept = {"enforced_used": ["sql"], "enforced_unused": ["path"]}
    ended = {"decision": call.id, "permit": "prm-1"}
    switch = {"target": "agents", "name": "support-bot", "by": "carol", "os_user": "carol"}
    suspension = draft(kind.SWITCH_SUSPENDED, {**switch, "reason": "Odd mails."}, session="")
    return [
        draft(kind.LOG_OPENED, {"log": LOG, "build": "test", "parent": "parent-1"}, session=""),
        draft(
            kind.POLICY_ACTIVATED,
            {
                "policy_digest": "sha256:b",
                "catalog_digest": "sha256:c",
                "directory_digest": "sha256:d",
                "policies": 5,
                "mode": "enforce",
                "observed": ["trial"],
                "bundle": "sha256:e",
                "sequence": 2,
                "author": "alice",
                "signers": ["alice", "bob"],
                "by": "bob",
                "tests": "passed",
                "os_user": "carol",
            },
            session="",
        ),
        draft(
            kind.SESSION_OPENED,
            {
                "agent": "support-bot",
                "root": "User::alice",
                "conversation": "c1",
                "purpose": "help",
                "restored": False,
                "evidence": evidence_body(Evidence()),
            },
        ),
        prompt,
        draft(
            kind.DELEGATION_GRANTED,
            delegation_body(
                to="researcher",
                grant=Grant(
                    tools=frozenset({"web.search"}),
                    zones=frozenset({"web"}),
                    expires_ms=5,
                    budgets=(("searches", 3),),
                ),
                depth=1,
                child_session="child",
                origins=[Origin(content="c-1", event=prompt.id, source="user", path="@12")],
            ),
        ),
        ask,
        draft(
            kind.APPROVAL_REQUESTED,
            {
                "approval": "apr-1",
                "digest": "sha256:a",
                "tool": "mail.send",
                "gates": ["external-mail"],
                "expires_ms": 9,
                "decision": ask.id,
            },
            contents=[Content(role="card", data=b"Send mail?")],
        ),
        draft(
            kind.APPROVAL_REFUSED,
            {"approval": "apr-1", "code": "own-call", "message": "Not your own.", "by": "User::alice", **how},
            session="",
        ),
        draft(
            kind.APPROVAL_GRANTED,
            {**answer, "remember": {"count": 5, "ttl_ms": 7_200_000, "open": ["body"], "task_wide": True}},
            session="",
        ),
        draft(kind.APPROVAL_DENIED, {**answer, "approval": "apr-2"}, session=""),
        call,
        draft(
            kind.ACTION_COMPLETED,
            {
                **ended,
                "result_content": "c-2",
                "label": label_body(LABEL),
                "released": [{"what": "redact", "of": "iban", "count": 2}],
                "handle": "h-aaaaaaaaaaaaaaaa",
                **kept,
            },
        ),
        draft(kind.CONTENT_INGESTED, result, contents=[Content(role="text", data=b"queued")]),
        *others,
        draft(
            kind.ACTION_FAILED,
            {
                "decision": failed,
                "permit": "prm-2",
                "error": "SMTPException",
                "released": [{"what": "drop", "of": "ssn", "count": 1}],
                **kept,
            },
        ),
        draft(kind.ACTION_CANCELLED, {"decision": cancelled, "permit": "prm-3", "error": "TimeoutError", **kept}),
        draft(kind.ACTION_EXPIRED, {"decision": expired, "permit": "prm-4"}),
        draft(kind.LOG_RECOVERED, {"unknown": [lost], "from_seq": 0, "to_seq": 3}, session=""),
        draft(
            kind.ACTION_RECONCILED,
            {"decision": lost, "permit": "prm-5", "as": "ran", "by": "User::carol", "note": "seen", "os_user": "carol"},
            session="",
        ),
        draft(
            kind.POLICY_REFUSED,
            {
                "by": "bob",
                "bundle": "sha256:e",
                "sequence": 2,
                "code": "bundle-not-newer",
                "message": "The bundle has sequence 2, and 2 is active already.",
                "os_user": "carol",
            },
            session="",
        ),
        draft(
            kind.ADMIN_DECIDED,
            {
                "by": "carol",
                "action": "admin.suspend",
                "resource": "agents/support-bot",
                "own": False,
                "outcome": "allow",
                "policies": ["stopping"],
                "codes": [],
                "policy_digest": "sha256:e",
                "os_user": "carol",
                "about": "one call",
            },
            session="",
        ),
        suspension,
        draft(
            kind.SWITCH_RESUMED,
            {**switch, "by": "vera", "suspension": suspension.id, "reason": "It was the mail server."},
            session="",
        ),
        draft(
            kind.SWITCH_REFUSED,
            {**switch, "code": "suspension-changed", "message": "Somebody else was faster.", "order": suspension.id},
            session="",
        ),
        draft(
            kind.SESSION_PROVED,
            {"evidence": evidence_body(Evidence(method=Method.OIDC, at_ms=4, issuer="https://idp", subject="00u"))},
        ),
        draft(kind.DELEGATION_REVOKED, {"id": "d-1", "by": "carol", "reason": "over", "os_user": "0"}),
        draft(kind.TASK_NARROWED, {"tools": ["mail.send"], "zones": [], "expires_ms": 7}),
        draft(
            kind.POLICY_REFUSED,
            {
                "by": "carol",
                "bundle": "sha256:b",
                "sequence": 2,
                "code": "bundle-signer",
                "message": "No.",
                "os_user": "1",
            },
        ),
        draft(kind.TASK_WIDENED, {"tools": None, "zones": ["web"], "expires_ms": 8, "decision": ask.id}),
        draft(
            kind.ACCOUNT_INVITED,
            {"user": "bob", "by": "carol", "expires_ms": 9, "again": False, "os_user": "carol"},
            session="",
        ),
        draft(
            kind.ACCOUNT_ENROLLED,
            {
                "user": "bob",
                "credential": "Y3JlZA",
                "public_key": "pQ",
                "rp": "console.example",
                "origin": "https://console.example",
                "by": ask.id,
            },
            session="",
        ),
        draft(kind.ACCOUNT_SIGNED_IN, {"user": "bob", "method": "passkey", "credential": "Y3JlZA"}, session=""),
        draft(
            kind.ACCOUNT_SIGNED_IN,
            {"user": "dora", "method": "oidc", "issuer": "https://idp", "subject": "00u"},
            session="",
        ),
        draft(kind.ACCOUNT_SIGNED_OUT, {"user": "bob", "login": ask.id}, session=""),
        draft(
            kind.ACCOUNT_REFUSED,
            {
                "what": "login",
                "code": "passkey-counter",
                "message": "The counter of this passkey went back.",
                "user": "bob",
                "credential": "Y3JlZA",
                "address": "192.0.2.7",
                "more": 4,
            },
            session="",
        ),
        draft(
            kind.ACCOUNT_REVOKED,
            {
                "user": "bob",
                "by": "carol",
                "reason": "lost",
                "passkeys": 1,
                "invitations": 0,
                "sessions": 2,
                "credential": "Y3JlZA",
                "os_user": "carol",
            },
            session="",
        ),
        draft(kind.APPROVAL_EXPIRED, {"approval": "apr-2"}, session=""),
        draft(
            kind.APPROVAL_REMEMBERED,
            {
                "grant": "std-1",
                "approval": "apr-1",
                "tool": "mail.send",
                "for_session": "",
                "for_task": "Answer ticket 4711",
                "open": ["body"],
                "count": 5,
                "expires_ms": 1_700_000_000_000,
                "by": ["carol"],
            },
            session="",
        ),
        draft(
            kind.APPROVAL_FORGOTTEN,
            {
                "grant": "std-1",
                "approval": "apr-1",
                "why": "revoked",
                "by": "alice",
                "method": "claimed",
                "os_user": "alice",
            },
            session="",
        ),
        draft(
            kind.APPROVAL_PLANTED,
            {
                "approval": "apr-6",
                "digest": "sha256:" + "f" * 64,
                "tool": "mail.send",
                "made_from": "apr-1",
                "for": "carol",
            },
            session="",
        ),
        *(
            draft(
                each,
                {
                    "approval": "apr-6",
                    "by": "carol",
                    "method": "signed",
                    "os_user": "",
                    "evidence": "sha256:" + "e" * 64,
                },
                session="",
            )
            for each in (kind.APPROVAL_CHECK_PASSED, kind.APPROVAL_CHECK_FAILED)
        ),
        draft(kind.APPROVAL_WITHDRAWN, {"approval": "apr-3", "by": "alice", "os_user": "alice"}, session=""),
        draft(kind.APPROVAL_WITHDRAWN, {"approval": "apr-5", "code": "approval-under-other-rules"}),
        draft(
            kind.APPROVAL_EDITED,
            {
                "approval": "apr-4",
                "by": "carol",
                "method": "signed",
                "os_user": "",
                "evidence": "sha256:" + "e" * 64,
                "successor": "apr-5",
                "digest": "sha256:" + "d" * 64,
                "gates": ["external-mail"],
            },
            session="",
        ),
        draft(
            kind.BUDGET_SET,
            {
                "budget": "mails_per_day",
                "owner": "User::alice",
                "by": "bob",
                "reason": "A newsletter.",
                "before": 50,
                "after": 0,
                "os_user": "bob",
            },
            session="",
        ),
        draft(
            kind.BUDGET_REFUSED,
            {
                "budget": "mails_per_day",
                "owner": "User::alice",
                "by": "bob",
                "code": "budget-changed",
                "message": "No.",
                "os_user": "bob",
                "order": ask.id,
            },
            session="",
        ),
        draft(
            kind.CHANNEL_FAILED,
            {
                "channel": "ops",
                "approval": "apr-1",
                "news": "requested",
                "message": "msg_1",
                "attempts": 12,
                "error": "it answered 500",
                "gone": False,
            },
            session="",
        ),
        draft(
            kind.CONTENT_WITHHELD,
            {
                "source": "kb",
                "kept": 3,
                "withheld": 1,
                "documents": [{"document": "kb-17", "label": label_body(LABEL), "why": "clearance"}],
            },
        ),
        draft(
            kind.LABEL_DECLASSIFIED,
            {
                "decision": ask.id,
                "of": "source",
                "data": "tool:crm.get_customer",
                "recipients": ["bob@acme.example"],
                "readers": ["Group::support"],
                "before": label_body(LABEL),
                "after": label_body(LABEL),
            },
        ),
        draft(
            kind.VALUE_ENDORSED,
            {"decision": ask.id, "role": "target", "before": "", "after": "a person (apr-1)"},
        ),
        draft(
            kind.HANDLE_INSPECTED,
            {
                "decision": ask.id,
                "handle": "h-aaaaaaaaaaaaaaaa",
                "answer": "boolean",
                "millibits": 1000,
                "before": label_body(LABEL),
                "after": label_body(LABEL),
            },
        ),
        draft(kind.LOG_BORN, {"log": "log-b", "first": "sha256:a"}, session="log-b"),
        draft(kind.LOG_COMMITTED, {"log": "log-b", "size": 1, "root": "sha256:a", "closed": True}, session="log-b"),
        draft(kind.MODEL_CONTEXT, {"inputs": [ask.id], "after": ask.id, "kept": [{"from": 0, "to": 1}]}),
        draft(
            kind.MODEL_CALLED,
            {
                "model": "a-model",
                "provider": "a-provider",
                "after": ask.id,
                "kept": [{"from": 0, "to": 1}],
                "inputs": [ask.id],
                "tools": ["crm.get_customer"],
                "omitted": 1,
                "hosted": ["web_search"],
                "stripped": ["code_interpreter"],
                "outputs": [ask.id],
                "outcome": "failed",
                "usage": [{"of": "input", "tokens": 12}],
                "error": "TimeoutError",
            },
        ),
        draft(
            kind.CONTENT_ERASED,
            {
                "subject": "user:alice",
                "by": "carol",
                "reason": "she asked for it",
                "keys": ["00000000000000aa"],
                "contents": 3,
                "rows": 2,
                "os_user": "carol",
            },
        ),
        draft(kind.CONTENT_DROPPED, {"by": "carol", "before_ms": 1, "contents": 1, "os_user": "carol"}),
        draft(
            kind.HOLD_SET,
            {"hold": "hld-1", "subject": "user:alice", "by": "carol", "reason": "a lawsuit", "os_user": "carol"},
        ),
        draft(
            kind.HOLD_LIFTED,
            {"hold": "hld-1", "subject": "user:alice", "by": "carol", "reason": "it is over", "os_user": "carol"},
        ),
        draft(kind.SESSION_CLOSED, {"decisions": 6}),
    ]


@dataclass
class Rows:
    """What a store holds of a log."""

    events: list[StoredEvent] = field(default_factory=list)
    heads: list[StoredHead] = field(default_factory=list)
    contents: list[StoredContent] = field(default_factory=list)

    def add(self, drafts: Sequence[Draft], ticking: Ticking) -> None:
        """Append each draft in a commit of its own."""
        for draft in drafts:
            sealed = seal(draft, ticking.entropy)
            seq = len(self.events)
            ord_ = sum(event.session == draft.session for event in self.events)
            data = place(sealed, log=LOG, seq=seq, ord_=ord_)
            row = StoredEvent(seq, draft.id, draft.session, ord_, draft.kind, draft.ts_us, data, leaf_hash(data))
            self.events.append(row)
            self.contents += (StoredContent(seq, kept.role, kept.salt, kept.data) for kept in sealed.contents)
            self.cover()

    def cover(self) -> None:
        frontier = self.frontier()
        self.heads.append(StoredHead(frontier.size, frontier.to_bytes()))

    def frontier(self) -> Frontier:
        return Frontier().extended(event.leaf for event in self.events)

    def head(self) -> Head:
        frontier = self.frontier()
        return frontier.size, "sha256:" + frontier.root.hex()

    def rehash(self) -> None:
        """What somebody does who can write the file and knows how it is made: every hash anew."""
        self.events = [event._replace(leaf=leaf_hash(event.data)) for event in self.events]
        frontier, self.heads = Frontier(), []
        for event in self.events:
            frontier = frontier.extended([event.leaf])
            self.heads.append(StoredHead(frontier.size, frontier.to_bytes()))

    def verify(self, expected: Head | None = None) -> Report:
        kept = [] if expected is None else [KeptHead(*expected, "the auditor's head")]
        return verify(self.events, self.heads, self.contents, log=LOG, kept=kept)


def told() -> Rows:
    """The story as rows."""
    ticking, rows = Ticking(), Rows()
    rows.add(story(ticking), ticking)
    return rows
