"""Accounts on the console as administration: a person invites somebody to enrol a passkey, sees who has which, takes
them away.

The rules in `administration/` come first (`admin.accounts`), and their answer is on record before anything comes of it.
An invitation is recorded before it is good; what is taken away is gone before it is recorded, so that a full log keeps
no lost passkey in use. Who may invite can become whomever they invite: so it is an action of its own, and each
invitation is on record with who gave it.
DESIGN §5 *Identity*.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bailiwick.guard.administration.administering import authorise
from bailiwick.guard.administration.entitled import written
from bailiwick.guard.core import Core
from bailiwick.guard.effects import Append, Flow, Now
from bailiwick.guard.planes import Planes
from bailiwick.guard.ports import Ports
from bailiwick.guard.record import draft
from bailiwick.identity.accounts import AccountStore, Invitation, Passkey, Revoked
from bailiwick.identity.suspension import person_suspended
from bailiwick.model.administration import AdminAction, admin_resource
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.event import EventKind
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.tool import Durability

__all__ = ["AskAccounts", "Invite", "Listed", "Revoke", "fit", "invite", "listed", "revoke"]


@dataclass(frozen=True, slots=True)
class AskAccounts:
    """→ what the store of accounts answers; it is asked with tenant and environment."""

    planes: Planes
    question: Callable[[AccountStore, str, str], Any]

    def do(self, ports: Ports) -> object:
        settings = self.planes.settings
        return self.question(ports.accounts, settings.tenant, settings.env)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """`by` invites `user`. `code` is the hash of what the person will be given (`identity.accounts.hidden`)."""

    user: str
    by: str
    os_user: str
    code: str
    ttl_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoke:
    """`by` takes a user's passkey of this id away, or everything they have (`passkey` empty)."""

    user: str
    by: str
    os_user: str
    reason: str
    passkey: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What there is."""

    passkeys: tuple[Passkey, ...]
    invitations: tuple[Invitation, ...]


def fit(planes: Planes, user: str) -> bool:
    """Whether this person may use the console at all, now."""
    entry = planes.directory.users.get(user)
    return entry is not None and entry.active and not person_suspended(planes.suspensions, user)


def invite(core: Core, order: Invite) -> Flow[Invitation | Reason]:
    """The invitation, or why there is none. One that the user had before is good no longer."""
    refused = yield from _authorised(core, order.by, "users", order.user, os_user=order.os_user)
    if refused is not None:
        return refused
    if not fit(core.planes, order.user):
        return _reason(
            "nobody-to-invite",
            f"There is no active user '{written(order.user)}' in the directory.",
            did_you_mean(written(order.user), core.planes.directory.users, "Add them to directory.toml first."),
        )
    now_us: int = yield Now()
    keys: tuple[Passkey, ...] = yield AskAccounts(core.planes, lambda store, *whose: store.passkeys(*whose))
    event_id, ends = core.new_id(), now_us // 1000 + order.ttl_ms
    body = {
        "user": order.user,
        "by": order.by,
        "expires_ms": ends,
        "again": any(key.user == order.user for key in keys),
        "os_user": written(order.os_user),
    }
    event = draft(core.planes, None, EventKind.ACCOUNT_INVITED, body, event_id=event_id, now_us=now_us)
    yield Append((event,), Durability.SYNC)
    made = Invitation(code=order.code, user=order.user, expires_ms=ends, event=event_id)
    yield AskAccounts(core.planes, lambda store, *whose: store.invite(*whose, made))
    return made


def listed(core: Core, by: str, *, os_user: str) -> Flow[Listed | Reason]:
    """Every passkey and invitation, or why this person may not see them."""
    refused = yield from _authorised(core, by, "accounts", "", os_user=os_user)
    if refused is not None:
        return refused
    keys: tuple[Passkey, ...] = yield AskAccounts(core.planes, lambda store, *whose: store.passkeys(*whose))
    open_: tuple[Invitation, ...] = yield AskAccounts(core.planes, lambda store, *whose: store.invitations(*whose))
    return Listed(passkeys=keys, invitations=open_)


def revoke(core: Core, order: Revoke) -> Flow[Revoked | Reason]:
    """What was taken away, or why nothing was. It holds from the next request of the console on. Also for a user who
    is in the directory no longer."""
    refused = yield from _authorised(core, order.by, "users", order.user, os_user=order.os_user)
    if refused is not None:
        return refused
    gone: Revoked = yield AskAccounts(
        core.planes, lambda store, *whose: store.revoke(*whose, order.user, passkey=order.passkey)
    )
    if not gone:
        return _reason(
            "nothing-to-revoke",
            f"'{written(order.user)}' has nothing of the kind.",
            "See `bailiwick accounts list`.",
        )
    now_us: int = yield Now()
    body: dict[str, object] = {
        "user": written(order.user),
        "by": order.by,
        "reason": written(order.reason),
        "passkeys": gone.passkeys,
        "invitations": gone.invitations,
        "sessions": gone.sessions,
        "os_user": written(order.os_user),
    }
    if order.passkey:
        body["credential"] = written(order.passkey)
    event = draft(core.planes, None, EventKind.ACCOUNT_REVOKED, body, event_id=core.new_id(), now_us=now_us)
    yield Append((event,), Durability.SYNC)
    return gone


def _authorised(core: Core, by: str, kind: str, name: str, *, os_user: str) -> Flow[Reason | None]:
    return (
        yield from authorise(
            core,
            by,
            action=AdminAction.ACCOUNTS,
            resource=admin_resource(kind, name),
            own=by == name,
            os_user=os_user,
        )
    )


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.IDENTITY, code=code, message=message, hint=hint)
