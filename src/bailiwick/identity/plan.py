"""A signed plan becomes a task: the list of calls that an agent will make, signed before it makes the first.

Whoever signs it narrows what the agent may do to just these calls; the rules still decide each of them. The signer is
the user whom the plan is for, somebody whom the caller lets approve plans, or the project itself, each with a key of
their own. Pure: the time and keys come from the caller, a refusal is a `Reason`. DESIGN §5 *Identity*.

```json
{"agent": "support-bot", "calls": [{"args": {"id": "42"}, "tool": "crm.get_customer"}], "env": "prod",
 "exp": 1767225600, "iat": 1767222000, "iss": "user:alice", "jti": "…", "purpose": "Answer ticket 4711",
 "tenant": "acme", "user": "alice", "v": 1}
```
INVARIANT: a call with `args` allows these arguments, with these values, and no others; `open` names further arguments
that may have any value. Without `args` every call of the tool is planned.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bailiwick.errors import CanonicalError
from bailiwick.identity.keys import PrivateKey, PublicKey, read_signed
from bailiwick.model.call import Grant, PlannedCall
from bailiwick.model.canonical import MAX_INT, canonical, thaw
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.directory import Directory

__all__ = ["Plan", "PlannedTask", "plan_id", "plan_task", "planned_call", "sign_plan"]

_KIND = "plan"
_VERSION = 1
_LONGEST = 256 * 1024
_MOST_CALLS = 200
_LONGEST_TEXT = 4000
_SKEW_S = 60
_USER = "user:"
_TEXTS = ("iss", "tenant", "env", "purpose", "user", "agent", "jti")
_CLAIMS = frozenset({"v", "calls", "iat", "exp", *_TEXTS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is going to be signed. Times are milliseconds since the epoch."""

    tenant: str
    env: str
    user: str
    agent: str
    purpose: str
    calls: Sequence[Mapping[str, object]]
    """Each `{"tool": …}`, `{"tool": …, "args": {…}}` or with `"open": […]` besides."""
    expires_ms: int
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTask:
    """A plan that verified: the task of a session of `user` with `agent`, which holds `grant`. `signer` is the id of
    the user who signed it, "" for the project; `id` revokes it."""

    task: str
    purpose: str
    user: str
    agent: str
    grant: Grant
    signer: str
    id: str
    expires_ms: int


def sign_plan(plan: Plan, *, signer: str, key: PrivateKey, now_ms: int) -> str:
    """The plan as a signed text. `signer` is `user:<id>` with a key of this user, or the name of the project's issuer
    as the verifier knows it. Raises CanonicalError for arguments that have no canonical form."""
    return key.signed(
        _KIND,
        {
            "v": _VERSION,
            "iss": signer,
            "tenant": plan.tenant,
            "env": plan.env,
            "user": plan.user,
            "agent": plan.agent,
            "purpose": plan.purpose,
            "calls": list(plan.calls),
            "iat": now_ms // 1000,
            "exp": plan.expires_ms // 1000,
            "jti": plan.id,
        },
    )


def planned_call(written: object) -> PlannedCall | None:
    """`{"tool", "args"?, "open"?}` as a value; None if it is not that."""
    if not isinstance(written, Mapping) or not {"tool"} <= set(written) <= {"tool", "args", "open"}:
        return None
    tool, args, others = written["tool"], written.get("args"), written.get("open")
    if not _is_text(tool) or ("args" not in written and "open" in written):
        return None
    if "args" not in written:
        return PlannedCall(tool=str(tool))
    names = [] if "open" not in written else others
    if not isinstance(args, Mapping) or not isinstance(names, list) or not all(_is_text(name) for name in names):
        return None
    try:
        fixed = frozenset((name, canonical(value)) for name, value in args.items())
    except CanonicalError:
        return None
    return PlannedCall(tool=str(tool), fixed=fixed, open=frozenset(names) - set(args))


def plan_task(
    token: str,
    directory: Directory,
    *,
    tenant: str,
    env: str,
    issuers: Mapping[str, Collection[PublicKey]],
    revoked: Collection[str],
    now_ms: int,
    approvers: Collection[str] = (),
) -> PlannedTask | Reason:
    """The task that a signed plan describes, or why there is none.

    `issuers` are the project's own keys by name; `revoked` holds ids that were revoked, `plan_id(token)` among them if
    it was; `approvers` the users who may sign plans for others. The session is
    then opened for the plan's user and agent, and its authority narrowed by the task's grant (`Grant.narrowed`).
    """
    signed = read_signed(_KIND, token, longest=_LONGEST)
    if signed is None or set(signed.claims) != _CLAIMS:
        return _unreadable()
    claims = signed.claims
    numbers = all(type(claims[name]) is int and 0 <= claims[name] <= MAX_INT for name in ("v", "iat", "exp"))
    if not numbers or claims["v"] != _VERSION or not all(_is_text(claims[name]) for name in _TEXTS):
        return _unreadable()
    keys = _keys_of(claims["iss"], directory, issuers)
    if not any(signed.by(key) for key in keys):
        return _reason(
            "plan-not-trusted",
            "This plan is not signed by a key of anybody whom the directory knows.",
            "Sign it with a key that stands under 'keys' of the user in directory.toml.",
        )
    refused = _check_signer(claims["iss"], claims["user"], directory, approvers) or _check_standing(
        claims, tenant=tenant, env=env, revoked=revoked, now_ms=now_ms
    )
    if refused is not None:
        return refused
    calls = _calls(claims["calls"])
    if calls is None:
        return _unreadable()
    expires_ms = claims["exp"] * 1000
    return PlannedTask(
        task=f"plan {claims['jti']}",
        purpose=claims["purpose"],
        user=claims["user"],
        agent=claims["agent"],
        grant=Grant(tools=frozenset(call.tool for call in calls), calls=calls, expires_ms=expires_ms),
        signer=claims["iss"].removeprefix(_USER) if claims["iss"].startswith(_USER) else "",
        id=claims["jti"],
        expires_ms=expires_ms,
    )


def plan_id(token: str) -> str | Reason:
    """The id to ask the store of revocations for. Nothing of the plan is trusted yet."""
    signed = read_signed(_KIND, token, longest=_LONGEST)
    found = signed.claims.get("jti") if signed is not None else None
    return found if isinstance(found, str) else _unreadable()


def _keys_of(iss: str, directory: Directory, issuers: Mapping[str, Collection[PublicKey]]) -> Collection[PublicKey]:
    """The keys that `iss` may sign with. A user's name never stands for an issuer's."""
    if not iss.startswith(_USER):
        return issuers.get(iss, ())
    user = directory.users.get(iss.removeprefix(_USER))
    if user is None or not user.active:
        return ()
    return [key for written in user.keys if (key := PublicKey.parse(written)) is not None]


def _check_signer(iss: str, user: str, directory: Directory, approvers: Collection[str]) -> Reason | None:
    signer = iss.removeprefix(_USER) if iss.startswith(_USER) else ""
    if user not in directory.users:
        return _reason(
            "unknown-user", f"The user '{user}' of this plan is not in the directory.", "Add the user to it."
        )
    if signer and signer != user and signer not in approvers:
        return _reason(
            "plan-by-another", f"{signer} signed this plan for {user}, and may not.", f"Have {user} sign the plan."
        )
    return None


def _check_standing(
    claims: Mapping[str, object], *, tenant: str, env: str, revoked: Collection[str], now_ms: int
) -> Reason | None:
    made_s, end_s, id_ = claims["iat"], claims["exp"], claims["jti"]
    assert isinstance(made_s, int)
    assert isinstance(end_s, int)
    assert isinstance(id_, str)
    if (claims["tenant"], claims["env"]) != (tenant, env):
        return _reason("plan-elsewhere", "This plan is for another tenant or environment.", "Have one signed for here.")
    if now_ms >= end_s * 1000:
        return _reason("plan-expired", "The time of this plan is over.", "Have a new one signed.")
    if made_s > now_ms // 1000 + _SKEW_S:
        return _reason("plan-from-the-future", "This plan was signed later than now.", "Set the clocks right.")
    if id_ in revoked:
        return _reason("plan-revoked", "This plan was revoked.", "Stop, and ask whoever signed it.")
    return None


def _calls(written: object) -> tuple[PlannedCall, ...] | None:
    if not isinstance(written, list) or not 0 < len(written) <= _MOST_CALLS:
        return None
    try:
        calls = [planned_call(thaw(each)) for each in written]
    except ArithmeticError:  # a tagged decimal that is none
        return None
    whole = [call for call in calls if call is not None]
    return tuple(dict.fromkeys(whole)) if len(whole) == len(calls) else None


def _is_text(value: object) -> bool:
    return type(value) is str and 0 < len(value) <= _LONGEST_TEXT


def _unreadable() -> Reason:
    return _reason("bad-plan", "This is no signed plan that can be read.", "Make one with sign_plan().")


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.IDENTITY, code=code, message=message, hint=hint)
