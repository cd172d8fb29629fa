"""The closed schema of every event: which fields each kind has, and what they hold.

DESIGN §5 *Audit*. A field that is not listed here is refused when an event is written and reported when a log is
verified, so nothing is stored that nobody thought of. Bodies never hold argument values, results or prompts: those are
contents, and the event commits to them. To add a field, add it as optional; anything else is a new ENVELOPE_VERSION
with an upcaster (`bailiwick.audit.upcast`).

The bodies, `?` marking optional fields:

    log.opened          log, build, previous? {root, size}: the head that this process found
    log.recovered       unknown: decisions without an outcome, by event id; from_seq, to_seq: where they were looked for
    policy.activated    policy_digest, catalog_digest, directory_digest, policies: how many, mode?, observed?: rules
                        that are only observed, bundle?, sequence?: the bundle that they are from; where somebody
                        activated it also author, signers, by, tests, os_user?
    policy.refused      by, bundle, sequence, code, message, os_user?: an attempt to activate a bundle
    session.opened      agent, root, conversation, purpose, restored, evidence?
    session.proved      evidence: the user signed in anew
    session.closed      decisions: how many
    content.ingested    content, source, label, origin, decision?: the call whose result it is, fields? [{path, label}]
    content.withheld    source, kept: how many chunks of a retrieval could be read, withheld: how many not, documents:
                        the first of these, by the store's id or the digest of their text, each with label and why
    delegation.granted  to, tools (null: all), zones, expires_ms?, depth, child_session, budgets? [{budget, share}]: at
                        most so much of each
    delegation.revoked  id: of a delegation.granted, or of a plan; by, reason, os_user?
    task.narrowed       tools (null: all that it had), zones (none: all that it had), expires_ms?: what is kept
    task.widened        tools, zones, expires_ms?: what is added; decision: the approved one
    decision            tool, outcome, digest, reasons, links, gates, approved, arguments, policy_digest,
                        catalog_digest, durability, flow?, effect_key?, permit?, permit_expires_ms?, idempotency?,
                        latency_us?, omitted?: so many entries of long lists, observed? {outcome, reasons, rules}:
                        what rules that are only observed would have decided, obligations? {redact, mask, drop}: what
                        is taken out of the result
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
                        policy_digest: of the rules in administration/, os_user?
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

from bailiwick.audit.shapes import Bool, Choice, Int, Items, Nullable, Rec, Shape, Text
from bailiwick.model.approver import ProofMethod
from bailiwick.model.decision import Outcome, Plane
from bailiwick.model.event import EventKind
from bailiwick.model.label import Integrity
from bailiwick.model.suspensions import TargetKind
from bailiwick.model.tool import Durability, Idempotency

__all__ = ["BODIES", "ENVELOPE", "LABEL", "ORIGINS", "body_fault"]

ORIGINS = frozenset({"prompt", "instructions", "retrieved", "result", "message", "model", "unknown"})
"""How content came into a session."""

_TEXT, _INT, _BOOL = Text(), Int(), Bool()
_TEXTS = Items(_TEXT)


def _rec(required: Mapping[str, Shape], **optional: Shape) -> Rec:
    return Rec(required, optional)


def _texts(*names: str) -> dict[str, Shape]:
    return dict.fromkeys(names, _TEXT)


LABEL = _rec(
    {
        "sensitivity": _INT,
        "categories": _TEXTS,
        "readers": Nullable(Items(_TEXTS)),
        "integrity": Choice(frozenset(level.name.lower() for level in Integrity)),
        "sources": _TEXTS,
        "author": Nullable(_TEXT),
    }
)

_REASON = _rec({"plane": Choice(frozenset(Plane)), "code": _TEXT}, message=_TEXT, hint=_TEXT)
_LINK = _rec({**_texts("link", "resource"), "allowed": _BOOL, "policies": _TEXTS, "errors": _TEXTS})
_FLOW = _rec(
    {
        **dict.fromkeys(
            (
                *("tainted", "unasked", "repeated", "misquoted", "opaque"),
                *("recipients_external", "recipients_outside_readers", "recipients_are_readers"),
            ),
            _BOOL,
        ),
        **dict.fromkeys(
            (
                *("unendorsed", "unendorsed_values", "by_colleague", "unbound", "undictated"),
                *("categories", "session_categories"),
            ),
            _TEXTS,
        ),
        "sensitivity": _INT,
        "session_sensitivity": _INT,
        "label": LABEL,
    }
)
_ORIGIN = _rec(_texts("content", "event", "source", "path", "how"))
_ARGUMENT = _rec({"name": _TEXT, "endorsed": _BOOL, "endorsed_by": _TEXTS, "origins": Items(_ORIGIN)})

_DECISION = _rec(
    {
        **_texts("tool", "digest", "policy_digest", "catalog_digest"),
        "outcome": Choice(frozenset(Outcome)),
        "reasons": Items(_REASON),
        "links": Items(_LINK),
        "gates": _TEXTS,
        "approved": Items(_rec(_texts("gate", "approval"))),
        "arguments": Items(_ARGUMENT),
        "durability": Choice(frozenset(Durability)),
    },
    flow=_FLOW,
    effect_key=_TEXT,
    permit=_TEXT,
    permit_expires_ms=_INT,
    idempotency=Choice(frozenset(Idempotency)),
    latency_us=_INT,
    obligations=_rec(dict.fromkeys(("redact", "mask", "drop"), _TEXTS)),
    omitted=_INT,
    observed=_rec(
        {
            "outcome": Choice(frozenset({Outcome.DENY, Outcome.NEEDS_APPROVAL})),
            "reasons": Items(_REASON),
            "rules": _TEXTS,
        }
    ),
)

_SAID: dict[str, Shape] = {"gates": _TEXTS, "os_user": _TEXT, "evidence": _TEXT}
_REMEMBER = _rec({"count": _INT, "ttl_ms": _INT, "open": _TEXTS, "task_wide": _BOOL})
_CHECK = _rec(_texts("approval", "by", "method"), os_user=_TEXT, evidence=_TEXT)
_EVIDENCE = _rec({**_texts("method", "issuer", "subject"), "strong": _BOOL, "actors": _TEXTS}, at_ms=_INT)
"""How a user is known."""
_ENDED = _rec(_texts("decision", "permit"))
_RELEASED = Items(_rec({**_texts("what", "of"), "count": _INT}))
_ENFORCED: dict[str, Shape] = {"enforced_used": _TEXTS, "enforced_unused": _TEXTS}
_SWITCH: dict[str, Shape] = {"target": Choice(frozenset(TargetKind)), **_texts("name", "by")}

BODIES: Mapping[EventKind, Rec] = MappingProxyType(
    {
        EventKind.LOG_OPENED: _rec(_texts("log", "build"), previous=_rec({"root": _TEXT, "size": _INT})),
        EventKind.LOG_RECOVERED: _rec({"unknown": _TEXTS, "from_seq": _INT, "to_seq": _INT}),
        EventKind.POLICY_ACTIVATED: _rec(
            {**_texts("policy_digest", "catalog_digest", "directory_digest"), "policies": _INT},
            mode=_TEXT,
            observed=_TEXTS,
            bundle=_TEXT,
            sequence=_INT,
            author=_TEXT,
            signers=_TEXTS,
            by=_TEXT,
            tests=_TEXT,
            os_user=_TEXT,
        ),
        EventKind.POLICY_REFUSED: _rec({**_texts("by", "bundle", "code", "message"), "sequence": _INT}, os_user=_TEXT),
        EventKind.SESSION_OPENED: _rec(
            {**_texts("agent", "root", "conversation", "purpose"), "restored": _BOOL}, evidence=_EVIDENCE
        ),
        EventKind.SESSION_PROVED: _rec({"evidence": _EVIDENCE}),
        EventKind.SESSION_CLOSED: _rec({"decisions": _INT}),
        EventKind.CONTENT_INGESTED: _rec(
            {**_texts("content", "source"), "label": LABEL, "origin": Choice(ORIGINS)},
            decision=_TEXT,
            fields=Items(_rec({"path": _TEXT, "label": LABEL})),
        ),
        EventKind.CONTENT_WITHHELD: _rec(
            {
                "source": _TEXT,
                "kept": _INT,
                "withheld": _INT,
                "documents": Items(
                    _rec(
                        {
                            "document": _TEXT,
                            "label": LABEL,
                            "why": Choice(frozenset({"clearance", "readers", "stopped"})),
                        }
                    )
                ),
            }
        ),
        EventKind.DELEGATION_GRANTED: _rec(
            {**_texts("to", "child_session"), "tools": Nullable(_TEXTS), "zones": _TEXTS, "depth": _INT},
            expires_ms=_INT,
            budgets=Items(_rec({"budget": _TEXT, "share": _INT})),
        ),
        EventKind.DELEGATION_REVOKED: _rec(_texts("id", "by", "reason"), os_user=_TEXT),
        EventKind.TASK_NARROWED: _rec({"tools": Nullable(_TEXTS), "zones": _TEXTS}, expires_ms=_INT),
        EventKind.TASK_WIDENED: _rec({"tools": Nullable(_TEXTS), "zones": _TEXTS, "decision": _TEXT}, expires_ms=_INT),
        EventKind.LABEL_DECLASSIFIED: _rec(
            {
                **_texts("decision", "data"),
                "of": Choice(frozenset({"content", "handle", "source"})),
                "recipients": _TEXTS,
                "readers": _TEXTS,
                "before": LABEL,
                "after": LABEL,
            }
        ),
        EventKind.VALUE_ENDORSED: _rec(_texts("decision", "role", "before", "after")),
        EventKind.HANDLE_INSPECTED: _rec(
            {**_texts("decision", "handle", "answer"), "millibits": _INT, "before": LABEL, "after": LABEL}
        ),
        EventKind.DECISION: _DECISION,
        EventKind.APPROVAL_REQUESTED: _rec(
            {**_texts("approval", "digest", "tool", "decision"), "gates": _TEXTS, "expires_ms": _INT}
        ),
        EventKind.APPROVAL_GRANTED: _rec(_texts("approval", "by", "method"), **_SAID, remember=_REMEMBER),
        EventKind.APPROVAL_DENIED: _rec(_texts("approval", "by", "method"), **_SAID),
        EventKind.APPROVAL_REFUSED: _rec(
            _texts("approval", "code", "message"), by=_TEXT, method=_TEXT, os_user=_TEXT, evidence=_TEXT
        ),
        EventKind.APPROVAL_EXPIRED: _rec(_texts("approval")),
        EventKind.APPROVAL_WITHDRAWN: _rec(_texts("approval"), by=_TEXT, os_user=_TEXT, code=_TEXT),
        EventKind.APPROVAL_EDITED: _rec(
            {**_texts("approval", "by", "method", "successor", "digest"), "gates": _TEXTS},
            os_user=_TEXT,
            evidence=_TEXT,
        ),
        EventKind.APPROVAL_REMEMBERED: _rec(
            {
                **_texts("grant", "approval", "tool", "for_session", "for_task"),
                "open": _TEXTS,
                "count": _INT,
                "expires_ms": _INT,
                "by": _TEXTS,
            }
        ),
        EventKind.APPROVAL_FORGOTTEN: _rec(
            {**_texts("grant", "approval"), "why": Choice(frozenset({"revoked", "expired"}))},
            by=_TEXT,
            method=_TEXT,
            os_user=_TEXT,
        ),
        EventKind.APPROVAL_PLANTED: _rec(_texts("approval", "digest", "tool", "made_from", "for")),
        EventKind.APPROVAL_CHECK_PASSED: _CHECK,
        EventKind.APPROVAL_CHECK_FAILED: _CHECK,
        EventKind.ACTION_COMPLETED: _rec(
            _texts("decision", "permit"),
            result_content=_TEXT,
            label=LABEL,
            released=_RELEASED,
            handle=_TEXT,
            **_ENFORCED,
        ),
        EventKind.ACTION_FAILED: _rec(_texts("decision", "permit", "error"), released=_RELEASED, **_ENFORCED),
        EventKind.ACTION_CANCELLED: _rec(_texts("decision", "permit"), error=_TEXT, **_ENFORCED),
        EventKind.ACTION_EXPIRED: _ENDED,
        EventKind.ACTION_RECONCILED: _rec(
            {**_texts("decision", "by"), "as": Choice(frozenset({"ran", "did-not-run"}))},
            permit=_TEXT,
            note=_TEXT,
            os_user=_TEXT,
        ),
        EventKind.BUDGET_SET: _rec(
            {**_texts("budget", "owner", "by", "reason"), "before": _INT, "after": _INT}, os_user=_TEXT
        ),
        EventKind.BUDGET_REFUSED: _rec(_texts("budget", "owner", "by", "code", "message"), order=_TEXT, os_user=_TEXT),
        EventKind.ADMIN_DECIDED: _rec(
            {
                **_texts("by", "action", "resource", "policy_digest"),
                "own": _BOOL,
                "outcome": Choice(frozenset({Outcome.ALLOW, Outcome.DENY})),
                "policies": _TEXTS,
                "codes": _TEXTS,
            },
            os_user=_TEXT,
        ),
        EventKind.SWITCH_SUSPENDED: _rec({**_SWITCH, "reason": _TEXT}, os_user=_TEXT),
        EventKind.SWITCH_RESUMED: _rec({**_SWITCH, "suspension": _TEXT}, reason=_TEXT, os_user=_TEXT),
        EventKind.SWITCH_REFUSED: _rec({**_SWITCH, **_texts("code", "message")}, order=_TEXT, os_user=_TEXT),
        EventKind.ACCOUNT_INVITED: _rec({**_texts("user", "by"), "expires_ms": _INT, "again": _BOOL}, os_user=_TEXT),
        EventKind.ACCOUNT_ENROLLED: _rec(_texts("user", "credential", "public_key", "rp", "origin", "by")),
        EventKind.ACCOUNT_SIGNED_IN: _rec(
            {"user": _TEXT, "method": Choice(frozenset(ProofMethod))}, credential=_TEXT, issuer=_TEXT, subject=_TEXT
        ),
        EventKind.ACCOUNT_SIGNED_OUT: _rec(_texts("user", "login")),
        EventKind.ACCOUNT_REFUSED: _rec(
            {"what": Choice(frozenset({"enrol", "login", "sign", "oidc"})), **_texts("code", "message")},
            user=_TEXT,
            credential=_TEXT,
            address=_TEXT,
            more=_INT,
        ),
        EventKind.ACCOUNT_REVOKED: _rec(
            {**_texts("user", "by", "reason"), **dict.fromkeys(("passkeys", "invitations", "sessions"), _INT)},
            credential=_TEXT,
            os_user=_TEXT,
        ),
        EventKind.CHANNEL_FAILED: _rec(
            {**_texts("channel", "approval", "news", "message", "error"), "attempts": _INT, "gone": _BOOL}
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
            if type(commitment) is not str or not commitment.startswith("hmac-sha256:"):
                return f".{role} is not a commitment"
        return None


ENVELOPE: Rec = _rec(
    {
        **dict.fromkeys(("v", "seq", "ord", "ts_us"), _INT),
        **_texts("id", "log", "tenant", "env", "session", "task"),
        "kind": Choice(frozenset(EventKind)),
        "actor": _TEXTS,
        "parents": _TEXTS,
        "commitments": _Commitments(),
        "body": _Object(),
    }
)
"""Every field of a stored event. Its `body` is checked by its kind: see `body_fault`."""


def body_fault(kind: EventKind, body: object) -> str | None:
    """What is wrong with a body (plain JSON, as `canonical_json` returns it); None if it fits its kind."""
    wrong = BODIES[kind].fault(body)
    return None if wrong is None else f"{kind.value}{wrong}"
