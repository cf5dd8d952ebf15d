"""A lane of its own for what every gate waits for: a good card at a machine.

    POST /v1/taps ──► one statement ──► judged good? ──► answered here
                                             └─ no ────► the application, as ever

It answers what the application would, to the byte; whatever is not plain (another
header, another verdict, a limit, a failure) goes to the application untouched, which
judges it anew. So there is one place that refuses, and this is not it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from api import metrics
from api.limits import Limits, address_of
from api.openapi.routes import read_json
from api.positions import recorded
from api.request_log import RequestLog, trace_of
from api.v1.taps import MACHINES, ROUTE, answer_of
from ledger.aggregates.medium import Reading, judge
from ledger.clock import Clock, new_id
from ledger.errors import Refusal
from ledger.log.patience import DATABASE_LOST
from ledger.projections.gate import Gate
from ledger.vocabulary.medium_record import (
    SLOT_ENTRY_LENGTH,
    SLOTS_MAX,
    STAMP_LENGTH,
    UID_LENGTH,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

BODY_MAX = 1024
_SIZES = {
    "uid": UID_LENGTH,
    "stamp": STAMP_LENGTH,
    "slots": SLOTS_MAX * SLOT_ENTRY_LENGTH,
}
_JSON = "application/json"
# What the application reads, and this does not.
_NOT_PLAIN = (
    "HTTP_AT_LEAST_POSITION",
    "HTTP_IDEMPOTENCY_KEY",
    "HTTP_IF_MATCH",
    "HTTP_TRANSFER_ENCODING",
    "HTTP_WANT_RECEIPT",
)


class Lane:
    """Stands before the application, and answers in its place where it can."""

    def __init__(
        self,
        application: WSGIApplication,
        gate: Gate,
        limits: Limits,
        log: RequestLog,
        clock: Clock,
    ) -> None:
        self._application = application
        self._gate = gate
        self._limits = limits
        self._log = log
        self._clock = clock

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        if environ["PATH_INFO"] == ROUTE and environ["REQUEST_METHOD"] == "POST":
            answer = self._answered(environ, start_response)
            if answer is not None:
                return answer
        return self._application(environ, start_response)

    def _answered(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes] | None:
        began = time.perf_counter()
        body = _plain(environ)
        if body is None:
            return None
        told = self._told(environ, body)
        if told is None:
            environ["wsgi.input"] = BytesIO(body)
            return None
        answer, position = told
        said = (
            json.dumps(answer, sort_keys=True, separators=(",", ":")).encode() + b"\n"
        )
        request_id = str(new_id())
        headers = {
            "Content-Type": _JSON,
            "Content-Length": str(len(said)),
            **recorded(position),
            "Request-Id": request_id,
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
        start_response("200 OK", list(headers.items()))
        self._log.answered(
            request_id=request_id,
            trace=trace_of(environ.get("HTTP_TRACEPARENT", "")),
            method="POST",
            route=ROUTE,
            status=200,
            code=None,
            began=began,
        )
        return [said]

    def _told(
        self, environ: WSGIEnvironment, body: bytes
    ) -> tuple[dict[str, Any], int] | None:
        """Return what a good card is told of, and as of which position."""
        reading = _reading(body)
        scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if reading is None or scheme.lower() != "bearer":
            return None
        if not self._limits.hear(address_of(environ.get("REMOTE_ADDR"))):
            return None
        try:
            asked = self._gate.asked(
                token=token.strip(), uid=reading.uid, at=self._clock.now()
            )
        except DATABASE_LOST:
            return None
        if asked is None or asked.device_id is None or not asked.roles & MACHINES:
            return None
        judged = judge(reading, asked.known, asked.slots, asked.tickets)
        told_of = {slot.ticket_id for slot in judged.slots}
        if judged.code is not None or not told_of <= asked.purposes.keys():
            return None
        if not self._limits.admit(str(asked.device_id)):
            return None
        metrics.judged(judged.verdict)
        return answer_of(judged, asked.purposes.__getitem__), asked.position


def _plain(environ: WSGIEnvironment) -> bytes | None:
    """Return the body of a plain request; None leaves everything unread."""
    length = environ.get("CONTENT_LENGTH", "")
    if (
        environ.get("QUERY_STRING")
        or environ.get("CONTENT_TYPE") != _JSON
        or any(name in environ for name in _NOT_PLAIN)
        or not (length.isascii() and length.isdigit() and int(length) <= BODY_MAX)
    ):
        return None
    body: bytes = environ["wsgi.input"].read(int(length))
    return body


def _reading(body: bytes) -> Reading | None:
    try:
        said = read_json(body)
        raw = {name: _bytes(said[name], size) for name, size in _SIZES.items()}
        return Reading.parse(**raw) if len(said) == len(_SIZES) else None
    except (Refusal, LookupError, TypeError, ValueError):
        return None


def _bytes(text: Any, size: int) -> bytes:
    if not isinstance(text, str) or text.lower() != text or len(text) != 2 * size:
        raise ValueError
    raw = bytes.fromhex(text)
    if len(raw) != size:  # It lets spaces pass.
        raise ValueError
    return raw
