"""Mail that is really sent: over SMTP to a server on this machine, which keeps what it gets in an mbox file.

The server answers 250 only once the message is in the file, so whoever has sent a mail can read it there.
"""

from __future__ import annotations

import asyncio
import mailbox
import smtplib
import socket
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import make_msgid
from pathlib import Path
from types import TracebackType
from typing import Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

__all__ = ["MailServer", "PortInUse", "Received", "compose", "deliver", "received"]

HOST = "127.0.0.1"


class PortInUse(OSError):
    """Somebody else listens where the mail server was to listen."""

    def __init__(self, port: int) -> None:
        super().__init__(
            f"port {port} on {HOST} is in use, so the mail server cannot listen there; "
            "give another port, or 0 to take any free one"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One delivered message. `recipients` are those of the SMTP envelope: who really got it."""

    sender: str
    recipients: tuple[str, ...]
    subject: str
    body: str


class MailServer:
    """An SMTP server on 127.0.0.1, running while the `with` block runs. Port 0 takes any free port."""

    def __init__(self, mbox: Path, *, port: int = 0) -> None:
        try:
            self._socket = socket.create_server((HOST, port))
        except OSError as error:
            raise PortInUse(port) from error
        self.port: int = self._socket.getsockname()[1]
        self._controller = _Controller(_Keeper(mbox), self._socket, port=self.port)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._controller.stop()


def compose(sender: str, to: Sequence[str], subject: str, body: str) -> EmailMessage:
    """A plain-text message. Raises ValueError for a header with a line break in it."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Subject"] = subject
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    message.set_content(body)
    return message


def deliver(message: EmailMessage, *, port: int) -> None:
    """Hand a message to the mail server. Raises OSError or smtplib.SMTPException when it does not take it."""
    with smtplib.SMTP(HOST, port, timeout=10) as smtp:
        smtp.send_message(message)


def received(mbox: Path) -> tuple[Received, ...]:
    """Every message that the mail server kept, oldest first."""
    if not mbox.exists():
        return ()
    with closing(mailbox.mbox(mbox, create=False)) as box:
        return tuple(_read(box.get_bytes(key)) for key in box.iterkeys())


def _read(raw: bytes) -> Received:
    message = message_from_bytes(raw, policy=policy.default)
    body = message.get_body(("plain",))
    return Received(
        sender=str(message["X-Envelope-From"]),
        recipients=tuple(str(message["X-Envelope-To"]).split(", ")),
        subject=str(message["Subject"]),
        body=body.get_content() if body is not None else "",
    )


class _Keeper:
    """Writes each message to the mbox, locked and flushed before the client hears of success."""

    def __init__(self, mbox: Path) -> None:
        self._mbox = mbox

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, N802
        message = mailbox.mboxMessage(message_from_bytes(envelope.original_content or b"", policy=policy.default))
        message["X-Envelope-From"] = envelope.mail_from or ""
        message["X-Envelope-To"] = ", ".join(envelope.rcpt_tos)
        with closing(mailbox.mbox(self._mbox)) as box:
            box.lock()
            box.add(message)
            box.flush()
        return "250 kept"


class _Controller(Controller):
    """aiosmtpd's own controller on a socket that is bound already, so that a port in use shows at once."""

    def __init__(self, handler: _Keeper, listening: socket.socket, *, port: int) -> None:
        self._listening = listening
        super().__init__(handler, hostname=HOST, port=port)

    def _create_server(self) -> asyncio.Future[asyncio.AbstractServer]:
        return asyncio.ensure_future(
            self.loop.create_server(self._factory_invoker, sock=self._listening), loop=self.loop
        )
