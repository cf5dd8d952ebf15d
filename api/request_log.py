"""One line a request, and one count: no names, no bodies, no tokens, no query."""

from __future__ import annotations

import re
import time

from structlog.stdlib import BoundLogger

from api import metrics, tracing

_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-[0-9a-f]{2}"
)


class RequestLog:
    """Is told what became of each request, wherever it was answered."""

    def __init__(self, log: BoundLogger) -> None:
        self._log = log

    def answered(
        self,
        *,
        request_id: str,
        trace: str | None,
        method: str,
        route: str | None,
        status: int,
        code: str | None,
        began: float,
    ) -> None:
        """`route` is the template, without ids; `began` is of `time.perf_counter`."""
        seconds = time.perf_counter() - began
        metrics.answered(
            method=method, route=route, status=status, code=code, seconds=seconds
        )
        tracing.answered(method=method, route=route, status=status, code=code)
        self._log.info(
            "request",
            request=request_id,
            trace=trace,
            method=method,
            route=route,
            status=status,
            code=code,
            ms=round(seconds * 1000, 2),
        )


def trace_of(traceparent: str) -> str | None:
    """Return the trace id of a W3C Trace Context header (section 3.2), if it is one."""
    found = _TRACEPARENT.fullmatch(traceparent)
    trace = found["trace"] if found and found["parent"] != "0" * 16 else None
    return trace if trace != "0" * 32 else None
