"""`bailiwick accounts`: who can sign in to the console with which passkey, inviting people, taking passkeys away."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

import click

from bailiwick.cli.output import (
    AS_OPTION,
    DIR_OPTION,
    JSON_OPTION,
    console,
    os_user,
    print_json,
    refuse,
    shown,
    table,
    when,
)
from bailiwick.guard.people.accounts import Invite, Listed, Revoke, invite, listed, revoke
from bailiwick.identity.accounts import hidden
from bailiwick.model.decision import Reason
from bailiwick.project import Guard, find_project

__all__ = ["accounts"]

_CODE_BYTES = 24


@click.group()
def accounts() -> None:
    """Invite people to enrol a passkey for the console, list passkeys, and revoke them.

    It needs the action admin.accounts in the rules in administration/. Whoever may invite somebody can also use the
    invitation themselves and answer in that person's name: give it to few, and to nobody who asks for approvals. Each
    invitation is in the log, with who gave it.
    """


@accounts.command("invite")
@click.argument("user")
@AS_OPTION
@DIR_OPTION
@JSON_OPTION
def invite_(user: str, person: str, folder: Path | None, as_json: bool) -> None:
    """Print a link with which USER can enrol one passkey, once. Exit code: 0 invited, 1 refused.

    Also for somebody who lost theirs: revoke that one, and invite them again. The link is not kept anywhere; bring it
    to them on a way that only they can read.
    """
    code = secrets.token_urlsafe(_CODE_BYTES)
    with Guard.open(find_project(folder)) as guard:
        rules = guard.project.settings.console
        order = Invite(user=user, by=person, os_user=os_user(), code=hidden(code), ttl_ms=rules.invitation_ms)
        done = guard.engine.administer(lambda core: invite(core, order))
    if isinstance(done, Reason):
        refuse(done, as_json=as_json)
    link = f"{rules.url}/enrol/{code}"
    if as_json:
        print_json({"done": True, "user": done.user, "link": link, "expires_ms": done.expires_ms})
        return
    console().print(f"for [bold]{shown(done.user)}[/], once, until {when(done.expires_ms)}:", soft_wrap=True)
    console().print(link, soft_wrap=True, markup=False, highlight=False)


@accounts.command("list")
@AS_OPTION
@DIR_OPTION
@JSON_OPTION
def list_(person: str, folder: Path | None, as_json: bool) -> None:
    """List every passkey and every open invitation. Exit code 1: refused."""
    with Guard.open(find_project(folder)) as guard:
        found = guard.engine.administer(lambda core: listed(core, person, os_user=os_user()))
        active = {name for name, user in guard.project.planes.directory.users.items() if user.active}
    if isinstance(found, Reason):
        refuse(found, as_json=as_json)
    if as_json:
        print_json(_json(found))
        return
    now_ms = time.time_ns() // 1_000_000
    keys = [
        (
            key.user if key.user in active else f"{key.user} (no active user)",
            key.id,
            when(key.added_ms),
            when(key.used_ms) if key.used_ms else "never",
        )
        for key in found.passkeys
    ]
    waiting = [(each.user, when(each.expires_ms)) for each in found.invitations if each.expires_ms > now_ms]
    if keys:
        console().print(table(("user", "passkey", "enrolled", "last used"), keys))
    if waiting:
        console().print(table(("invited", "until"), waiting))
    if not keys and not waiting:
        console().print("nobody has a passkey or an invitation")


@accounts.command("revoke")
@click.argument("user")
@click.option("--passkey", default="", metavar="ID", help="Only this one. Default: all, and open invitations.")
@click.option("--reason", required=True, help="Why, for the log.")
@AS_OPTION
@DIR_OPTION
@JSON_OPTION
def revoke_(user: str, passkey: str, reason: str, person: str, folder: Path | None, as_json: bool) -> None:
    """Take passkeys away from USER, and end their logins. Exit code: 0 revoked, 1 refused.

    It does not keep somebody out who signs in at an identity provider: suspend them (bailiwick agents suspend --user),
    or switch them off in directory.toml.
    """
    with Guard.open(find_project(folder)) as guard:
        order = Revoke(user=user, by=person, os_user=os_user(), reason=reason, passkey=passkey)
        done = guard.engine.administer(lambda core: revoke(core, order))
    if isinstance(done, Reason):
        refuse(done, as_json=as_json)
    counts = {"passkeys": done.passkeys, "invitations": done.invitations, "sessions": done.sessions}
    if as_json:
        print_json({"done": True, "user": user, **counts})
        return
    told = ", ".join(f"{name}: {count}" for name, count in counts.items())
    console().print(f"revoked of [bold]{shown(user)}[/]: {told}", soft_wrap=True)


def _json(found: Listed) -> dict[str, object]:
    return {
        "passkeys": [
            {"user": key.user, "id": key.id, "added_ms": key.added_ms, "used_ms": key.used_ms} for key in found.passkeys
        ],
        "invitations": [{"user": each.user, "expires_ms": each.expires_ms} for each in found.invitations],
    }
