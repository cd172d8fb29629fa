"""The closed schema of every event: which fields each kind has, and what they hold.

DESIGN §5 *Audit*. A field that is not listed here is refused when an event is written and reported when a log is
verified, so nothing is stored that nobody thought of. Bodies never hold argument values, results or prompts: those are
contents, and the event commits to them. To add a field, add it as optional; anything else is a new ENVELOPE_VERSION
with an upcaster (`bailiwick.audit.upcast`).

The bodies, `?` marking optional fields:

    log.opened          log, build, previous? {root, size}: the head that this process found, parent?: the log that
                        knows of this one
    log.recovered       unknown: decisions without an outcome, by event id; from_seq, to_seq: where they were looked for
    log.born            log, first: the leaf hash of its opening (in a parent log, as the next)
    log.committed       log, size, root: so far it has come; closed: its process gave it up in order
    policy.activated    policy_digest, catalog_digest, directory_digest, policies: how many, mode?, observed?: rules
                        that are only observed, bundle?, sequence?: the bundle that they are from; where somebody
                        activated it also author, signers, by, tests, os_user?
    policy.refused      by, bundle, sequence, code, message, os_user?: an attempt to activate a bundle
    session.opened      agent, root, conversation, purpose, restored, evidence?
    session.proved      evidence: the user signed in anew
    session.closed      decisions: how many
    content.ingested    content, source, label, origin, decision?: the call whose result it is, fields? [{path, label}],
                        read_back?: decisions of calls that wrote some of it, said_in?: the event of another session
                        that holds it
    content.erased      subject, by, reason, keys: ids of those that were destroyed, contents: how many, rows: of the
                        state, os_user?
    content.dropped     by, before_ms: all of earlier events that nobody holds, contents: how many, os_user?
    hold.set            hold: its id, subject, by, reason, os_user?
    hold.lifted         hold, subject, by, reason, os_user?
    content.withheld    source, kept: how many chunks of a retrieval could be read, withheld: how many not, documents:
                        the first of these, by the store's id or their number, each with label and why
    model.context       inputs, after?, kept?: a part of what a model is given, for the model.called that builds on it
    model.called        model, provider, inputs: the events that hold what it was given, in order, behind the parts
                        that it has from an earlier call; after?: that one's event, kept? [{from, to}]: which of its
                        inputs; tools?: offered, by name (none: those of `after`), omitted?: so many more; hosted?:
                        tools of the provider that it was offered, stripped?: and not; outputs: the
                        events that hold what it wrote; outcome: "completed" | "cut-off" | "failed", usage? [{of,
                        tokens}], error?: the exception's type name alone
    delegation.granted  to, tools (null: all), zones, expires_ms?, depth, child_session, budgets? [{budget, share}]: at
                        most so much of each, origins?: where values of the message were seen
    delegation.revoked  id: of a delegation.granted, or of a plan; by, reason, os_user?
    task.narrowed       tools (null: all that it had), zones (none: all that it had), expires_ms?: what is kept
    task.widened        tools, zones, expires_ms?: what is added; decision: the approved one
    decision            tool, outcome, digest, reasons, links, gates, approved, arguments, policy_digest,
                        catalog_digest, durability, flow?, effect_key?, permit?, permit_expires_ms?, idempotency?,
                        latency_us?, omitted?: so many entries of long lists, observed? {outcome, reasons, rules}:
                        what rules that are only observed would have decided, obligations? {redact, mask, drop}: what
                        is taken out of the result, carried? [{content, arguments}]: contents that the model never saw
    label.declassified  decision, data, of: "content" | "handle" | "source", recipients, readers, before, after: its
                        label as it is, and for these recipients; in this session alone
    value.endorsed      decision, role, before: on whose authority it stood (empty: nobody's), after
    handle.inspected    decision, handle, answer: its form, millibits: what it may tell, before: the handle's label,
                        after: the answer's
    approval.requested  approval, digest, tool, gates, expires_ms, decision
    approval.granted    approval, by, method, gates?, os_user?, evidence?: digest of what proves that it was they,
                        remember? {count, ttl_ms, open, task_wide}: what they want to hold for calls like this one
    approval.denied     approval, by, method, gates?, os_user?, evidence?
    approval.refused    approval, by?, method?, code, message, os_user?, evidence?: an attempt to grant, deny, edit or
                        withdraw that did not count
    approval.expired    approval: nobody decided in time, or nobody used it; when it was first seen to be over
    approval.withdrawn  approval, by?: the user; nobody: the session that had asked; os_user?, code?: why
    approval.edited     approval, by, method, os_user?, evidence?, successor: the approval of the edited call (empty: it
                        needs none), digest: of that call, gates: those that the editor granted for it
    approval.remembered grant: a standing grant, approval: the request whose yes gave it, tool, for_session (empty: each
                        conversation of the task), for_task, open: arguments that may differ, count, expires_ms, by
    approval.forgotten  grant, approval, why: "revoked" | "expired", by?, method?, os_user?
    approval.planted    approval: a request for no call at all, digest, tool, made_from: an approval, for: who looked
    approval.check_passed approval: a planted one, by, method, os_user?, evidence?: they denied it
    approval.check_failed approval, by, method, os_user?, evidence?: they granted it; nothing ran
    action.completed    decision, permit, result_content?, label?, enforced_used?, enforced_unused?: arguments that an
                        effector was bound to, by whether the tool used it; released? [{what, of, count}]: what
                        obligations took out of the result, handle?: by which name the model knows a hidden one
    action.failed       decision, permit, enforced_used?, enforced_unused?, error: the exception's type name alone, or
                        "reported": the tool answered so; released?
    action.cancelled    decision, permit, enforced_used?, enforced_unused?, error?: given up, or stopped by an exception
                        of this type; it may have run
    action.expired      decision, permit: handed out and never started
    action.reconciled   decision, as: "ran" | "did-not-run", by, permit?, note?, os_user?
    budget.set          budget, owner: whose count, by, reason, before, after: what counts as used, os_user?
    budget.refused      budget, owner, by, code, message, order?: the event of an order that came too late and changed
                        nothing, os_user?
    admin.decided       by, action, resource, own, outcome: "allow" | "deny", policies, codes: of its reasons,
                        policy_digest: of the rules in administration/, os_user?, about?: what of it was looked at
    switch.suspended    target: "agents" | "tools" ..., name (empty for everything), by, reason, os_user?
    switch.resumed      target, name, by, suspension: the event that this lifts, reason?, os_user?
    switch.refused      target, name, by, code, message, order?: the event of an order that came too late and changed
                        nothing, os_user?
    account.invited     user, by, expires_ms, again: they had passkeys, os_user?: leave to enrol one
    account.enrolled    user, credential, public_key, rp, origin: of the console; by: the invitation or the login that
                        it rests on, an event
    account.signed_in   user, method, credential?, issuer?, subject?: of the identity provider
    account.signed_out  user, login: an event
    account.refused     what: "enrol" | "login" | "sign" | "oidc", code, message, user?, credential?, address?, more?:
                        so many before it were not recorded
    account.revoked     user, by, reason, passkeys, invitations, sessions: how many, credential?: the only one, os_user?
    channel.failed      channel, approval, news, message: its id, attempts, error, gone: its receiver wants nothing
                        more; people could not be told of a request

A reason is {plane, code, message?, hint?}. The action plane's quote the call's own arguments, so their words are the
content `reasons` of the event. A label is {sensitivity, categories, readers (null: everyone; else lists of which each
reader is in every one), integrity, sources,
author (null: nobody in particular)}. `gates`, `unknown` and `zones` are lists of ids; `decision` is always an event
id, `approval` an approval's, `content` a content's. Times are `_ms` or `_us` since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bailiwick.audit.schema_parts import (
    BOOL,
    CHECK,
    DECISION,
    ENDED,
    ENFORCED,
    EVIDENCE,
    INT,
    LABEL,
    ORIGIN,
    ORIGINS,
    PARTS,
    RELEASED,
    REMEMBER,
    SAID,
    SWITCH,
    TEXT,
    TEXTS,
    rec,
    texts,
)
from bailiwick.audit.shapes import Choice, Items, Nullable, Rec
from bailiwick.model.approver import ProofMethod
from bailiwick.model.decision import Outcome
from bailiwick.model.event import EventKind

__all__ = ["BODIES", "COMMITMENT", "ENVELOPE", "body_fault"]

COMMITMENT = "hmac-sha256:"
"""What the commitment to a content begins with."""

BODIES: Mapping[EventKind, Rec] = MappingProxyType(
    {
        EventKind.LOG_OPENED: rec(texts("log", "build"), previous=rec({"root": TEXT, "size": INT}), parent=TEXT),
        EventKind.LOG_BORN: rec(texts("log", "first")),
        EventKind.LOG_COMMITTED: rec({**texts("log", "root"), "size": INT, "closed": BOOL}),
        EventKind.LOG_RECOVERED: rec({"unknown": TEXTS, "from_seq": INT, "to_seq": INT}),
        EventKind.POLICY_ACTIVATED: rec(
            {**texts("policy_digest", "catalog_digest", "directory_digest"), "policies": INT},
            mode=TEXT,
            observed=TEXTS,
            bundle=TEXT,
            sequence=INT,
            author=TEXT,
            signers=TEXTS,
            by=TEXT,
            tests=TEXT,
            os_user=TEXT,
        ),
        EventKind.POLICY_REFUSED: rec({**texts("by", "bundle", "code", "message"), "sequence": INT}, os_user=TEXT),
        EventKind.SESSION_OPENED: rec(
            {**texts("agent", "root", "conversation", "purpose"), "restored": BOOL}, evidence=EVIDENCE
        ),
        EventKind.SESSION_PROVED: rec({"evidence": EVIDENCE}),
        EventKind.SESSION_CLOSED: rec({"decisions": INT}),
        EventKind.CONTENT_INGESTED: rec(
            {**texts("content", "source"), "label": LABEL, "origin": Choice(ORIGINS)},
            decision=TEXT,
            fields=Items(rec({"path": TEXT, "label": LABEL})),
            read_back=TEXTS,
            said_in=TEXT,
        ),
        EventKind.CONTENT_ERASED: rec(
            {**texts("subject", "by", "reason"), "keys": TEXTS, "contents": INT, "rows": INT}, os_user=TEXT
        ),
        EventKind.CONTENT_DROPPED: rec({"by": TEXT, "before_ms": INT, "contents": INT}, os_user=TEXT),
        EventKind.HOLD_SET: rec(texts("hold", "subject", "by", "reason"), os_user=TEXT),
        EventKind.HOLD_LIFTED: rec(texts("hold", "subject", "by", "reason"), os_user=TEXT),
        EventKind.CONTENT_WITHHELD: rec(
            {
                "source": TEXT,
                "kept": INT,
                "withheld": INT,
                "documents": Items(
                    rec(
                        {
                            "document": TEXT,
                            "label": LABEL,
                            "why": Choice(frozenset({"clearance", "readers", "stopped"})),
                        }
                    )
                ),
            }
        ),
        EventKind.MODEL_CONTEXT: rec({"inputs": TEXTS}, after=TEXT, kept=PARTS),
        EventKind.MODEL_CALLED: rec(
            {
                **texts("model", "provider"),
                **dict.fromkeys(("inputs", "outputs"), TEXTS),
                "outcome": Choice(frozenset({"completed", "cut-off", "failed"})),
            },
            after=TEXT,
            kept=PARTS,
            tools=TEXTS,
            omitted=INT,
            hosted=TEXTS,
            stripped=TEXTS,
            usage=Items(rec({"of": TEXT, "tokens": INT})),
            error=TEXT,
        ),
        EventKind.DELEGATION_GRANTED: rec(
            {**texts("to", "child_session"), "tools": Nullable(TEXTS), "zones": TEXTS, "depth": INT},
            expires_ms=INT,
            budgets=Items(rec({"budget": TEXT, "share": INT})),
            origins=Items(ORIGIN),
        ),
        EventKind.DELEGATION_REVOKED: rec(texts("id", "by", "reason"), os_user=TEXT),
        EventKind.TASK_NARROWED: rec({"tools": Nullable(TEXTS), "zones": TEXTS}, expires_ms=INT),
        EventKind.TASK_WIDENED: rec({"tools": Nullable(TEXTS), "zones": TEXTS, "decision": TEXT}, expires_ms=INT),
        EventKind.LABEL_DECLASSIFIED: rec(
            {
                **texts("decision", "data"),
                "of": Choice(frozenset({"content", "handle", "source"})),
                "recipients": TEXTS,
                "readers": TEXTS,
                "before": LABEL,
                "after": LABEL,
            }
        ),
        EventKind.VALUE_ENDORSED: rec(texts("decision", "role", "before", "after")),
        EventKind.HANDLE_INSPECTED: rec(
            {**texts("decision", "handle", "answer"), "millibits": INT, "before": LABEL, "after": LABEL}
        ),
        EventKind.DECISION: DECISION,
        EventKind.APPROVAL_REQUESTED: rec(
            {**texts("approval", "digest", "tool", "decision"), "gates": TEXTS, "expires_ms": INT}
        ),
        EventKind.APPROVAL_GRANTED: rec(texts("approval", "by", "method"), **SAID, remember=REMEMBER),
        EventKind.APPROVAL_DENIED: rec(texts("approval", "by", "method"), **SAID),
        EventKind.APPROVAL_REFUSED: rec(
            texts("approval", "code", "message"), by=TEXT, method=TEXT, os_user=TEXT, evidence=TEXT
        ),
        EventKind.APPROVAL_EXPIRED: rec(texts("approval")),
        EventKind.APPROVAL_WITHDRAWN: rec(texts("approval"), by=TEXT, os_user=TEXT, code=TEXT),
        EventKind.APPROVAL_EDITED: rec(
            {**texts("approval", "by", "method", "successor", "digest"), "gates": TEXTS},
            os_user=TEXT,
            evidence=TEXT,
        ),
        EventKind.APPROVAL_REMEMBERED: rec(
            {
                **texts("grant", "approval", "tool", "for_session", "for_task"),
                "open": TEXTS,
                "count": INT,
                "expires_ms": INT,
                "by": TEXTS,
            }
        ),
        EventKind.APPROVAL_FORGOTTEN: rec(
            {**texts("grant", "approval"), "why": Choice(frozenset({"revoked", "expired"}))},
            by=TEXT,
            method=TEXT,
            os_user=TEXT,
        ),
        EventKind.APPROVAL_PLANTED: rec(texts("approval", "digest", "tool", "made_from", "for")),
        EventKind.APPROVAL_CHECK_PASSED: CHECK,
        EventKind.APPROVAL_CHECK_FAILED: CHECK,
        EventKind.ACTION_COMPLETED: rec(
            texts("decision", "permit"),
            result_content=TEXT,
            label=LABEL,
            released=RELEASED,
            handle=TEXT,
            **ENFORCED,
        ),
        EventKind.ACTION_FAILED: rec(texts("decision", "permit", "error"), released=RELEASED, **ENFORCED),
        EventKind.ACTION_CANCELLED: rec(texts("decision", "permit"), error=TEXT, **ENFORCED),
        EventKind.ACTION_EXPIRED: ENDED,
        EventKind.ACTION_RECONCILED: rec(
            {**texts("decision", "by"), "as": Choice(frozenset({"ran", "did-not-run"}))},
            permit=TEXT,
            note=TEXT,
            os_user=TEXT,
        ),
        EventKind.BUDGET_SET: rec(
            {**texts("budget", "owner", "by", "reason"), "before": INT, "after": INT}, os_user=TEXT
        ),
        EventKind.BUDGET_REFUSED: rec(texts("budget", "owner", "by", "code", "message"), order=TEXT, os_user=TEXT),
        EventKind.ADMIN_DECIDED: rec(
            {
                **texts("by", "action", "resource", "policy_digest"),
                "own": BOOL,
                "outcome": Choice(frozenset({Outcome.ALLOW, Outcome.DENY})),
                "policies": TEXTS,
                "codes": TEXTS,
            },
            os_user=TEXT,
            about=TEXT,
        ),
        EventKind.SWITCH_SUSPENDED: rec({**SWITCH, "reason": TEXT}, os_user=TEXT),
        EventKind.SWITCH_RESUMED: rec({**SWITCH, "suspension": TEXT}, reason=TEXT, os_user=TEXT),
        EventKind.SWITCH_REFUSED: rec({**SWITCH, **texts("code", "message")}, order=TEXT, os_user=TEXT),
        EventKind.ACCOUNT_INVITED: rec({**texts("user", "by"), "expires_ms": INT, "again": BOOL}, os_user=TEXT),
        EventKind.ACCOUNT_ENROLLED: rec(texts("user", "credential", "public_key", "rp", "origin", "by")),
        EventKind.ACCOUNT_SIGNED_IN: rec(
            {"user": TEXT, "method": Choice(frozenset(ProofMethod))}, credential=TEXT, issuer=TEXT, subject=TEXT
        ),
        EventKind.ACCOUNT_SIGNED_OUT: rec(texts("user", "login")),
        EventKind.ACCOUNT_REFUSED: rec(
            {"what": Choice(frozenset({"enrol", "login", "sign", "oidc"})), **texts("code", "message")},
            user=TEXT,
            credential=TEXT,
            address=TEXT,
            more=INT,
        ),
        EventKind.ACCOUNT_REVOKED: rec(
            {**texts("user", "by", "reason"), **dict.fromkeys(("passkeys", "invitations", "sessions"), INT)},
            credential=TEXT,
            os_user=TEXT,
        ),
        EventKind.CHANNEL_FAILED: rec(
            {**texts("channel", "approval", "news", "message", "error"), "attempts": INT, "gone": BOOL}
        ),
    }
)
"""Kind → shape of its body. Every kind has one (tested)."""


class _Object:
    """Any object: the body, whose shape depends on the kind."""

    def fault(self, value: object) -> str | None:
        return None if type(value) is dict else " is not an object"


class _Commitments:
    """An object of any roles, each with a commitment."""

    def fault(self, value: object) -> str | None:
        if type(value) is not dict:
            return " is not an object"
        for role, commitment in value.items():
            if type(role) is not str or not role.isascii():
                return " has a role that is not an ASCII text"
            if type(commitment) is not str or not commitment.startswith(COMMITMENT):
                return f".{role} is not a commitment"
        return None


ENVELOPE: Rec = rec(
    {
        **dict.fromkeys(("v", "seq", "ord", "ts_us"), INT),
        **texts("id", "log", "tenant", "env", "session", "task"),
        "kind": Choice(frozenset(EventKind)),
        "actor": TEXTS,
        "parents": TEXTS,
        "commitments": _Commitments(),
        "body": _Object(),
    }
)
"""Every field of a stored event. Its `body` is checked by its kind: see `body_fault`."""


def body_fault(kind: EventKind, body: object) -> str | None:
    """What is wrong with a body (plain JSON, as `canonical_json` returns it); None if it fits its kind."""
    wrong = BODIES[kind].fault(body)
    return None if wrong is None else f"{kind.value}{wrong}"
