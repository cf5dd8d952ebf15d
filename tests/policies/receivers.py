"""Servers on loopback that take what is sent: webhooks over HTTP and TLS, and mail."""

from __future__ import annotations

import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOOK = "hooks.example.org"


@dataclass
class Receiver:
    """An HTTP server that notes what comes, and answers with `status`."""

    port: int
    status: int = 204
    location: str | None = None
    taken: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def receiving(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    its = Receiver(0)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            its.taken.append(
                (self.path, dict(self.headers.items()), self.rfile.read(length))
            )
            self.send_response(its.status)
            if its.location:
                self.send_header("Location", its.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """Whoever does not trust the certificate hangs up."""

    with Server(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        its.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield its
        finally:
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class Trust:
    """A certificate for some names, and who trusts it."""

    server: ssl.SSLContext
    client: ssl.SSLContext


def trust(folder: Path, *names: str, at: datetime) -> Trust:
    """Make a certificate for names and loopback, and contexts for both sides."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    said: list[x509.GeneralName] = [x509.DNSName(each) for each in names]
    said.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(at - timedelta(days=1))
        .not_valid_after(at + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(said), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / f"{names[0] if names else 'nobody'}.pem"
    public = certificate.public_bytes(serialization.Encoding.PEM)
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + public
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return Trust(server, ssl.create_default_context(cadata=public.decode()))


@dataclass
class Mailbox:
    """A mail server that keeps what comes, unless it is told to refuse."""

    port: int = 0
    refuse_recipient: str | None = None
    refuse_message: str | None = None
    letters: list[tuple[str, list[str], bytes]] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)
    over_tls: list[bool] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802, the library's name
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if self.refuse_recipient:
            return f"{self.refuse_recipient} {address} is not here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802, the library's name
        self, _server: Any, session: Any, envelope: Any
    ) -> str:
        if self.refuse_message:
            return f"{self.refuse_message} no"
        self.over_tls.append(session.ssl is not None)
        self.letters.append(
            (envelope.mail_from, envelope.rcpt_tos, bytes(envelope.content))
        )
        return "250 OK"


@contextmanager
def mailbox(
    tls: ssl.SSLContext | None = None, *, login: tuple[str, str] | None = None
) -> Iterator[Mailbox]:
    """A real SMTP server; with `tls` it offers STARTTLS, and asks for it."""
    its = Mailbox()

    def authenticate(
        _server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any
    ) -> AuthResult:
        its.logins.append((given.login, given.password))
        expected = tuple(each.encode() for each in login or ())
        success = (given.login, given.password) == expected
        return AuthResult(success=success, handled=success)

    class OnAnyPort(Controller):
        def _trigger_server(self) -> None:
            """Learn which port it was given, before it is first called."""
            assert self.server is not None
            self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
            super()._trigger_server()

        def factory(self) -> SMTP:
            return SMTP(
                self.handler,
                hostname="mail.example.org",
                tls_context=tls,
                require_starttls=tls is not None,
                authenticator=authenticate if login else None,
                auth_required=login is not None,
            )

    controller = OnAnyPort(its, hostname="127.0.0.1", port=0)
    controller.start()
    its.port = controller.port
    try:
        yield its
    finally:
        controller.stop()
