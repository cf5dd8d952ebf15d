"""E-mail by SMTP (RFC 5321), over TLS unless the mail server is this very machine.

    smtps://user:password@mail.example:465   TLS from the first byte (RFC 8314)
    smtp://user:password@mail.example:587    STARTTLS, without which nothing is sent
    smtp+plain://localhost:25                no TLS: for a relay on this machine

What a server says may repeat the address, so of a refusal only its number is told.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Self
from urllib.parse import unquote, urlsplit

from ledger.ports import Destination, Message, Undelivered

TIMEOUT_S = 10.0
"""For each answer of the server; a message needs about eight."""

ADDRESS_MAX = 254
PORTS = {"smtps": 465, "smtp": 587, "smtp+plain": 25}
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
# RFC 5321 allows more; what could end a line or begin another address does not pass.
_PART = r"[^\s@<>(),:;\\\"\x00-\x1f\x7f]"
_ADDRESS = re.compile(rf"{_PART}{{1,64}}@{_PART}{{1,189}}")
_PERMANENT = 500


class BadServer(ValueError):
    """The URL of a mail server cannot be used; `str()` says why, without a secret."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed over, and as whom."""

    scheme: str
    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read `smtps://`, `smtp://` or `smtp+plain://`. Raises `BadServer`."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise BadServer("it is no URL") from None
        if parts.scheme not in PORTS or not parts.hostname:
            raise BadServer("it begins with smtps://, smtp:// or smtp+plain://")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise BadServer("it ends with the port")
        if (parts.username is None) != (parts.password is None):
            raise BadServer("a user has a password")
        if parts.scheme == "smtp+plain" and parts.hostname not in _THIS_MACHINE:
            raise BadServer("without TLS, mail goes to this machine alone")
        return cls(
            parts.scheme,
            parts.hostname,
            port or PORTS[parts.scheme],
            None if parts.username is None else unquote(parts.username),
            None if parts.password is None else unquote(parts.password),
        )


def is_address(text: str) -> bool:
    """Say whether mail could be sent to this."""
    return len(text) <= ADDRESS_MAX and _ADDRESS.fullmatch(text) is not None


class Mail:
    """Delivers messages by e-mail. Implements `ledger.ports.Channel`."""

    def __init__(
        self,
        server: MailServer,
        *,
        sender: str,
        tls: ssl.SSLContext | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._server = server
        self._sender = sender
        self._tls = tls or ssl.create_default_context()
        self._timeout_s = timeout_s

    def deliver(self, message: Message, to: Destination, *, at: datetime) -> None:
        """Hand a message over to the mail server. Raises `Undelivered`."""
        if not is_address(to.address):
            raise Undelivered("the contact is no e-mail address", for_good=True)
        mail = self._written(message, to.address, at)
        try:
            self._send(mail)
        except smtplib.SMTPRecipientsRefused as refused:
            number = next(iter(refused.recipients.values()))[0]
            raise _refused("the recipient", number) from None
        except smtplib.SMTPSenderRefused as refused:
            raise Undelivered(_said("the sender", refused.smtp_code)) from None
        except smtplib.SMTPDataError as refused:
            raise _refused("the message", refused.smtp_code) from None
        except smtplib.SMTPNotSupportedError:
            raise Undelivered("the mail server lacks TLS, login or UTF-8") from None
        except smtplib.SMTPAuthenticationError as refused:
            raise Undelivered(_said("the login", refused.smtp_code)) from None
        except smtplib.SMTPResponseException as refused:
            raise Undelivered(_said("the connection", refused.smtp_code)) from None
        except (OSError, smtplib.SMTPException) as error:
            what = type(error).__name__
            raise Undelivered(f"the mail server did not answer: {what}") from None

    def _send(self, mail: EmailMessage) -> None:
        server = self._server
        with ExitStack() as closing:
            opened = self._opened()
            closing.callback(opened.close)
            if server.scheme == "smtp":
                opened.starttls(context=self._tls)
            if server.user is not None and server.password is not None:
                opened.login(server.user, server.password)
            opened.send_message(mail)
            with suppress(OSError, smtplib.SMTPException):
                opened.quit()  # It has the message: what it says now changes nothing.

    def _opened(self) -> smtplib.SMTP:
        server, name = self._server, _domain(self._sender)
        if server.scheme == "smtps":
            return smtplib.SMTP_SSL(
                server.host,
                server.port,
                local_hostname=name,
                timeout=self._timeout_s,
                context=self._tls,
            )
        return smtplib.SMTP(
            server.host, server.port, local_hostname=name, timeout=self._timeout_s
        )

    def _written(self, message: Message, address: str, at: datetime) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = self._sender
        mail["To"] = address
        mail["Subject"] = message.subject
        mail["Date"] = format_datetime(at)
        mail["Message-ID"] = f"<{message.message_id}@{_domain(self._sender)}>"
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday's answer.
        mail.set_content(message.text)
        return mail


def _domain(sender: str) -> str:
    return sender.rpartition("@")[2].strip("> ")


def _refused(what: str, number: int) -> Undelivered:
    return Undelivered(_said(what, number), for_good=number >= _PERMANENT)


def _said(what: str, number: int) -> str:
    return f"the mail server refused {what} ({number})"
