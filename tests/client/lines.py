"""Lines that break: a server that says what it is told, and a wire that is cut.

`Scripted` answers from a list and keeps what it was asked. `Wire` stands between a
client and a real server and loses what a network loses: the request, or half of the
answer to a request that the server has carried out.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

from werkzeug.wrappers import Request, Response

from ledger_client import Retries

LOST, CUT, WHOLE = "lost", "cut", "whole"
_CHUNK = 1 << 16


@dataclass(slots=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str | None:
        return self.headers.get("Idempotency-Key")


@dataclass(slots=True)
class Scripted:
    """Answers (status, headers, body), each once and the last one for ever."""

    answers: list[tuple[int, dict[str, str], Any]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    def says(self, *answers: tuple[int, dict[str, str], Any]) -> None:
        self.answers[:], self.asked[:] = answers, []

    def __call__(self, environ: Any, start: Any) -> Any:
        request = Request(environ)
        headers = dict(request.headers)
        path = request.full_path.removesuffix("?")
        self.asked.append(Asked(request.method, path, headers, request.get_data()))
        at = min(len(self.asked), len(self.answers)) - 1
        status, told, body = self.answers[at]
        raw = body if isinstance(body, str | bytes) else json.dumps(body)
        answer = Response(raw, status=status, headers=told)
        return answer(environ, start)


@dataclass(slots=True)
class Rest:
    """Sleeps at once, and remembers for how long; chance is always the same."""

    waited: list[float] = field(default_factory=list)

    def retries(self, *, chance: float = 0.5, **more: Any) -> Retries:
        return Retries(sleep=self.waited.append, chance=lambda: chance, **more)


@contextmanager
def wire(to_url: str, faults: list[str]) -> Iterator[str]:
    """Yield the address of a wire; `faults` are taken one a connection, then none."""
    host, port = to_url.removeprefix("http://").split(":")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        carrier = Thread(
            target=_carry, args=(listening, (host, int(port)), faults), daemon=True
        )
        carrier.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            carrier.join()


def _carry(listening: socket.socket, to: tuple[str, int], faults: list[str]) -> None:
    while True:
        try:
            near, _ = listening.accept()
        except OSError:
            return
        with near:
            fault = faults.pop(0) if faults else WHOLE
            request = _request(near)
            if fault == LOST:
                continue
            answer = _exchanged(to, request)
            near.sendall(answer[: len(answer) - 5] if fault == CUT else answer)


def _request(near: socket.socket) -> bytes:
    """Read one request, and ask that its connection be closed after it."""
    said = b""
    while b"\r\n\r\n" not in said:
        said += near.recv(_CHUNK)
    head, _, body = said.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in lines if line.lower()[:15] == _LENGTH), 0
    )
    while len(body) < length:
        body += near.recv(_CHUNK)
    return b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body


_LENGTH = b"content-length:"


def _exchanged(to: tuple[str, int], request: bytes) -> bytes:
    with socket.create_connection(to, timeout=30) as far:
        far.sendall(request)
        answer = b""
        while chunk := far.recv(_CHUNK):
            answer += chunk
    return answer
