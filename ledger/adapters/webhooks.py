"""Webhooks as Standard Webhooks 1.0 describes them: signed, and safe to send.

    webhook-id: msg_…             the same whenever it is sent again
    webhook-timestamp: 1767268800 when it is sent, in Unix seconds
    webhook-signature: v1,…       base64 of HMAC-SHA256 over "id.timestamp.body";
                                  two, with a space between, while a secret is rotated

A receiver names the URL, so it could name one of our own network: see `addresses`. The
connection goes to the address that was judged, TLS is checked against the name, no
redirect is followed, of the answer only the status is read, and all of it has one
deadline.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from threading import Timer
from typing import Self
from urllib.parse import urlsplit

from ledger.adapters.addresses import (
    Forbidden,
    Resolver,
    check_host,
    public_addresses,
    resolve_by_system,
)
from ledger.ports import Destination, Message, Undelivered

TOTAL_S = 15.0
CONNECT_TIMEOUT_S = 5.0
ADDRESSES_MAX = 3
URL_MAX = 2_000
HTTPS_PORT, HTTP_PORT = 443, 80
LOOPBACK = "localhost"


class BadUrl(ValueError):
    """Nothing is sent to such a URL; `str()` says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart and found fit to be called."""

    secure: bool
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str, *, loopback: bool = False) -> Self:
        """Check a URL's form; `loopback` lets http to this machine pass.

        Raises `BadUrl`.
        """
        if not (url.isascii() and url.isprintable() and len(url) <= URL_MAX):
            raise BadUrl(f"a URL has at most {URL_MAX} printable ASCII characters")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise BadUrl("it is no URL") from None
        if not host or " " in url or "\\" in url:
            raise BadUrl("it is no URL")
        if parts.username is not None or parts.fragment:
            raise BadUrl("a URL holds neither a user nor a fragment")
        local = loopback and host in (LOOPBACK, "127.0.0.1", "::1")
        if parts.scheme != "https" and not (local and parts.scheme == "http"):
            raise BadUrl("a URL begins with https://")
        if not local:
            try:
                check_host(host)
            except Forbidden as forbidden:
                raise BadUrl(str(forbidden)) from None
        secure = parts.scheme == "https"
        query = f"?{parts.query}" if parts.query else ""
        default = HTTPS_PORT if secure else HTTP_PORT
        return cls(secure, host, port or default, f"{parts.path or '/'}{query}")


class Webhooks:
    """Delivers messages to URLs. Implements `ledger.ports.Channel`."""

    def __init__(
        self,
        *,
        user_agent: str,
        loopback: bool = False,
        resolve: Resolver = resolve_by_system,
        tls: ssl.SSLContext | None = None,
        total_s: float = TOTAL_S,
    ) -> None:
        """`loopback` is for development and tests: this machine may be called."""
        self._user_agent = user_agent
        self._loopback = loopback
        self._resolve = resolve
        self._tls = tls or ssl.create_default_context()
        self._total_s = total_s

    def deliver(self, message: Message, to: Destination, *, at: datetime) -> None:
        """Post a message, signed. Raises `Undelivered`."""
        try:
            target = Target.parse(to.address, loopback=self._loopback)
            addresses = public_addresses(
                target.host, target.port, self._resolve, loopback=self._loopback
            )
        except (BadUrl, Forbidden) as refused:
            raise Undelivered(f"nothing is sent there: {refused}") from None
        except (OSError, UnicodeError):
            raise Undelivered("the host has no address") from None
        headers = {
            "Host": _host_of(target),
            "Content-Type": "application/json",
            "User-Agent": self._user_agent,
            **signed(message, to.keys, at=at),
        }
        try:
            status = self._post(target, addresses, message.body, headers)
        except (OSError, http.client.HTTPException) as error:
            raise Undelivered(f"nobody answered: {type(error).__name__}") from None
        _judge(status)

    def _post(
        self,
        target: Target,
        addresses: Sequence[str],
        body: bytes,
        headers: dict[str, str],
    ) -> int:
        """Send one request to an address that was judged; return the status."""
        with _connected(addresses, target.port) as opened:
            connected = opened
            if target.secure:
                connected = self._tls.wrap_socket(
                    opened,
                    server_hostname=target.host,
                    do_handshake_on_connect=False,  # Under the deadline, below.
                )
            with connected, _ends_after(self._total_s, connected):
                connected.settimeout(self._total_s)
                if isinstance(connected, ssl.SSLSocket):
                    connected.do_handshake()
                asked = http.client.HTTPConnection(target.host, target.port)
                asked.sock = connected
                asked.request("POST", target.path, body=body, headers=headers)
                return asked.getresponse().status


def _connected(addresses: Sequence[str], port: int) -> socket.socket:
    """Connect to the first address that answers. Raises OSError."""
    *first, last = addresses[:ADDRESSES_MAX]
    for each in first:
        with suppress(OSError):
            return socket.create_connection((each, port), CONNECT_TIMEOUT_S)
    return socket.create_connection((last, port), CONNECT_TIMEOUT_S)


def signed(message: Message, keys: Sequence[bytes], *, at: datetime) -> dict[str, str]:
    """Return the three headers by which a receiver knows that it is from us."""
    timestamp = str(int(at.timestamp()))
    said = f"{message.message_id}.{timestamp}.".encode() + message.body
    each = (hmac.new(key, said, hashlib.sha256).digest() for key in keys)
    return {
        "webhook-id": message.message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(
            f"v1,{base64.b64encode(mac).decode()}" for mac in each
        ),
    }


@contextmanager
def _ends_after(seconds: float, connected: socket.socket) -> Iterator[None]:
    """Cut a connection at a deadline, however slowly the other side goes on."""

    def cut() -> None:
        with suppress(OSError):  # Not TLS's own shutdown: that is another thread's.
            socket.socket.shutdown(connected, socket.SHUT_RDWR)

    timer = Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _host_of(target: Target) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    default = HTTPS_PORT if target.secure else HTTP_PORT
    return host if target.port == default else f"{host}:{target.port}"


def _judge(status: int) -> None:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return
    if status == HTTPStatus.GONE:
        raise Undelivered("the receiver says that it is gone (410)", gone=True)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        raise Undelivered(f"the answer was a redirect ({status}), none is followed")
    raise Undelivered(f"the answer was {status}")
