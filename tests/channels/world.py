"""A project with channels, a request that waits in it, and servers that get what is sent."""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

from bailiwick import ApprovalPending, Guard, Session
from bailiwick.action.notices import ChannelState
from bailiwick.channels.dispatcher import Dispatcher
from bailiwick.project.notifying import dispatcher_of
from tests.worlds import AGENT, MAIL, Clock, Tool, edit, make_world, with_ports

__all__ = [
    "NOW_US",
    "SECRET",
    "Mailbox",
    "World",
    "email_channel",
    "mailing",
    "project",
    "request",
    "secret",
    "webhook_channel",
    "world",
]

NOW_US = 1_800_000_000_000_000


def secret(letter: str) -> str:
    return "whsec_" + base64.b64encode(letter.encode() * 32).decode()


SECRET = secret("k")


def webhook_channel(port: int, more: str = "", *, name: str = "ops") -> str:
    url = f"http://127.0.0.1:{port}/hook"
    return f'\n[channels.{name}]\nkind = "webhook"\nurl = "{url}"\nsecret_env = "HOOK_SECRET"\n{more}\n'


def email_channel(port: int, more: str = 'to = ["approvers"]', *, tls: str = "none", smtp: str = "") -> str:
    return (
        f'\n[smtp]\nhost = "localhost"\nport = {port}\ntls = "{tls}"\nfrom = "bailiwick@acme.example"\n{smtp}\n'
        f'\n[channels.leads]\nkind = "email"\n{more}\n'
    )


def project(folder: Path, channels: str) -> Path:
    """Bob and dora have mailboxes; carol, who is a lead too, has none."""
    make_world(folder)
    for name in ("bob", "dora"):
        edit(folder, "directory.toml", f"[users.{name}]\n", f'[users.{name}]\nemail = "{name}@acme.example"\n')
    edit(folder, "bailiwick.toml", "[permits]", f"{channels}\n[permits]")
    return folder


def request(session: Session, **args: Any) -> str:
    """The id of a request for approval."""
    with pytest.raises(ApprovalPending) as pending:
        session.call("mail.send", {**MAIL, **args}, run=Tool().run)
    return pending.value.approval_id


@dataclass(frozen=True)
class World:
    """An open project with alice's session, a clock that the test sets, and a dispatcher without chance."""

    folder: Path
    guard: Guard
    session: Session
    clock: Clock
    dispatcher: Dispatcher

    def state(self, name: str) -> ChannelState:
        return self.guard.outbox.state("acme", "test", name)


@contextmanager
def world(folder: Path, channels: str, *, gate: str = "") -> Iterator[World]:
    project(folder, channels)
    if gate:
        edit(folder, "policies/desk.cedar", '@approvers("Group::leads")', gate)
    clock = Clock(NOW_US)
    with Guard.open(folder) as guard:
        with_ports(guard, clock=clock)
        dispatcher = replace(dispatcher_of(guard), chance=lambda: 1.0)
        with guard.session(user="alice", agent=AGENT, task="Work", conversation="c-1") as session:
            yield World(folder, guard, session, clock, dispatcher)


class Mailbox:
    """What an SMTP server took; `refuses` are addresses that it answers 550, `busy` how often it answers 451."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.to: list[list[str]] = []
        self.encrypted: list[bool] = []
        self.refuses: set[str] = set()
        self.busy = 0

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if address in self.refuses:
            return "550 No such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.busy:
            self.busy -= 1
            return "451 Later"
        made = message_from_bytes(envelope.content, policy=default)
        assert isinstance(made, EmailMessage)
        self.mails.append(made)
        self.to.append(list(envelope.rcpt_tos))
        assert server.transport is not None
        self.encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
        return "250 OK"


@contextmanager
def mailing(
    *, context: ssl.SSLContext | None = None, password: str = "", implicit: bool = False
) -> Iterator[tuple[Mailbox, int]]:
    """A server on this machine → what it gets, and its port. With a context it takes mail only after STARTTLS, or
    speaks TLS from the first byte."""
    box = Mailbox()

    def allowed(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data.password == password.encode(), handled=False)

    options: dict[str, Any] = {"tls_context": context, "require_starttls": True} if context and not implicit else {}
    if implicit:
        options = {"ssl_context": context}
    if password:
        options |= {"authenticator": allowed, "auth_required": True, "auth_require_tls": context is not None}
    controller = Controller(box, hostname="localhost", port=0, **options)
    # The controller knocks at its own port to begin: it has to be known before.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        controller.port = free.getsockname()[1]
    controller.start()
    try:
        yield box, controller.port
    finally:
        controller.stop()
