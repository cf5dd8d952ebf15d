"""A small HTTP client on a kept-alive socket: what it costs is not what is measured."""

from __future__ import annotations

import json
import socket
from typing import Any

TIMEOUT_S = 30.0
_CHUNK = 65_536


class Wire:
    """One caller of one server; opened at the first call."""

    def __init__(self, port: int, token: str = "") -> None:
        self._port = port
        self._head = f"Host: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n" + (
            f"Authorization: Bearer {token}\r\n" if token else ""
        )
        self._socket: socket.socket | None = None
        self._left = b""

    def call(self, method: str, path: str, body: Any) -> tuple[int, bytes]:
        """Send JSON (or bytes that are JSON already); return status and body."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\n{self._head}Content-Length: {len(raw)}"
        sent = self._opened()
        sent.sendall(head.encode() + b"\r\n\r\n" + raw)
        while b"\r\n\r\n" not in self._left:
            self._receive(sent)
        answer, _, self._left = self._left.partition(b"\r\n\r\n")
        first, *fields = answer.split(b"\r\n")
        named = dict(field.lower().split(b": ", 1) for field in fields)
        length = int(named[b"content-length"])
        while len(self._left) < length:
            self._receive(sent)
        told, self._left = self._left[:length], self._left[length:]
        if named.get(b"connection") == b"close":
            self.close()
        return int(first.split(b" ")[1]), told

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._left = b""

    def _opened(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(
                ("127.0.0.1", self._port), timeout=TIMEOUT_S
            )
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket

    def _receive(self, sent: socket.socket) -> None:
        chunk = sent.recv(_CHUNK)
        if not chunk:
            raise ConnectionError("the server closed the connection")
        self._left += chunk
