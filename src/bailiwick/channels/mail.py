"""Sends one mail to one person, by the project's SMTP server.

INVARIANT: where TLS is asked for, nothing is said before it stands and the certificate was verified; a server that does
not offer it gets no mail. Headers are made by the standard library's own policy, which refuses line breaks.
"""

from __future__ import annotations

import smtplib
import ssl
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from pathlib import Path

from bailiwick.action.channel_settings import Smtp, SmtpTls
from bailiwick.action.notices import Told
from bailiwick.channels.deadline import ended_after
from bailiwick.channels.secrets import read_secret

__all__ = ["mail", "send"]

_READY = 220


def mail(smtp: Smtp, to: str, *, subject: str, lines: list[str], message_id: str, at_ms: int) -> EmailMessage:
    """A mail of plain text. Its id is the same at every attempt. Raises ValueError for what no header can hold."""
    made = EmailMessage(policy=SMTP_POLICY)
    made["From"] = Address(addr_spec=smtp.sender)
    made["To"] = Address(addr_spec=to)
    made["Subject"] = subject
    made["Date"] = format_datetime(datetime.fromtimestamp(at_ms / 1000, tz=UTC))
    made["Message-ID"] = f"<{message_id}@{smtp.sender.rpartition('@')[2]}>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content("\n".join(lines) + "\n", cte="quoted-printable")
    return made


def send(smtp: Smtp, message: EmailMessage, *, folder: Path, seconds: float) -> Told:
    """One attempt. Never raises for what the server does."""
    try:
        context = ssl.create_default_context(cafile=str(folder / smtp.ca_file) if smtp.ca_file else None)
    except (OSError, ssl.SSLError):
        return Told(error="the file in ca_file of [smtp] cannot be read")
    password = read_secret(smtp.password, folder) if smtp.user else ""
    server = _client(smtp, context, seconds)
    with ended_after(seconds, lambda: server.sock) as late:
        try:
            return _sent(server, smtp, message, context, password)
        except smtplib.SMTPRecipientsRefused as error:
            code = next(iter(error.recipients.values()), (0, b""))[0]
            return Told(error=f"it refused the recipient ({code})", final=500 <= code < 600)
        except smtplib.SMTPAuthenticationError as error:
            return Told(error=f"it refused the user or the password ({error.smtp_code})")
        except smtplib.SMTPNotSupportedError:
            return Told(error="it does not offer what [smtp] asks for (STARTTLS, a login)")
        except smtplib.SMTPResponseException as error:
            return Told(error=f"it answered {error.smtp_code}")
        except ssl.SSLError:
            return Told(error="its certificate or its TLS is not accepted")
        except (OSError, smtplib.SMTPException, MessageError, ValueError) as error:
            slow = late() or isinstance(error, TimeoutError)
            return Told(error="it took too long" if slow else f"the mail could not be sent ({type(error).__name__})")
        finally:
            server.close()


class _Client(smtplib.SMTP):
    """Knows its server from the beginning (it is whom the certificate has to name), and connects when it is told to:
    so the time that it may take covers the greeting too."""

    def connect(self, *_: object, **__: object) -> tuple[int, bytes]:
        """What the constructor calls."""
        return _READY, b""

    def begin(self, smtp: Smtp) -> int:
        """Connect → the code of the greeting."""
        return super().connect(smtp.host, smtp.port)[0]


class _TlsClient(_Client, smtplib.SMTP_SSL):
    """Speaks TLS from the first byte."""


def _client(smtp: Smtp, context: ssl.SSLContext, seconds: float) -> _Client:
    name = smtp.sender.rpartition("@")[2]  # what it says of itself; the default asks the DNS
    if smtp.tls is SmtpTls.IMPLICIT:
        return _TlsClient(smtp.host, smtp.port, local_hostname=name, timeout=seconds, context=context)
    return _Client(smtp.host, smtp.port, local_hostname=name, timeout=seconds)


def _sent(server: _Client, smtp: Smtp, message: EmailMessage, context: ssl.SSLContext, password: str) -> Told:
    code = server.begin(smtp)
    if code != _READY:
        return Told(error=f"it answered {code}")
    if smtp.tls is SmtpTls.STARTTLS:
        server.starttls(context=context)
    if smtp.user:
        server.login(smtp.user, password)
    server.send_message(message)
    return Told()
