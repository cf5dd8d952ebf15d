"""A server whose callers have half a second, for test_slow_callers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from api.cli.worker import Worker

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LIMIT_S = 0.5


class Hurried(Worker):
    limit_s = LIMIT_S


def application(
    environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """Say how long the body was."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield f"{len(body)} bytes\n".encode()
