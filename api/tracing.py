"""Where OpenTelemetry is configured: one span a request, one for what it appends.

    caller's span ──traceparent──► POST /v1/taps ──► append
                                        └── in batches, OTLP/HTTP ──► collector

The standard variables (OTEL_EXPORTER_OTLP_ENDPOINT and its like) switch it on and say
where to; without them nothing of OpenTelemetry is imported. Spans bear routes, statuses
and codes: no address, no query, no body and no id of a person, ticket or card.
"""

from __future__ import annotations

import time
from contextlib import suppress
from importlib.util import find_spec
from threading import Thread
from typing import TYPE_CHECKING

from werkzeug.wsgi import ClosingIterator

from ledger.settings import SettingsError, traces_wanted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

SERVICE = "eticket-ledger"
LAST_SEND_TIMEOUT_S = 3.0
SERVER_ERROR_MIN = 500
NS_PER_S = 1_000_000_000
_EXPORTER = "opentelemetry.exporter.otlp.proto.http"
# Anything else is somebody's invention, which would make names without end.
_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}
)

_tracing: Tracing | None = None


def wanted() -> bool:
    """Tell whether the environment asks for traces.

    Raises SettingsError if it does and the packages of the extra `otel` are missing.
    """
    if not traces_wanted():
        return False
    with suppress(ModuleNotFoundError):  # Of a package above it.
        if find_spec(_EXPORTER) is not None:
            return True
    raise SettingsError(
        "OTEL_EXPORTER_OTLP_ENDPOINT asks for traces, but the packages for them are not"
        " installed: install eticket-ledger[otel], or set OTEL_TRACES_EXPORTER=none."
    )


def start() -> Tracing | None:
    """Begin to trace in this process, after the fork, if it is `wanted`."""
    global _tracing
    if _tracing is None and wanted():
        _tracing = Tracing(_exporting())
    return _tracing


def answered(*, method: str, route: str | None, status: int, code: str | None) -> None:
    """Say on the request's span what became of it; `route` is without ids."""
    if _tracing is not None:
        _tracing.answered(method=method, route=route, status=status, code=code)


def appended(seconds: float) -> None:
    """The log took in one command's events, just now."""
    if _tracing is not None:
        _tracing.appended(seconds)


class Tracing:
    """The spans of one process."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry import trace
        from opentelemetry.trace.propagation import tracecontext

        self._trace = trace
        self._provider = provider
        self._tracer = provider.get_tracer(SERVICE)
        self._context = tracecontext.TraceContextTextMapPropagator()

    def around(self, application: WSGIApplication) -> WSGIApplication:
        """Give every request of `application` a span, which ends with the answer."""

        def traced(
            environ: WSGIEnvironment, start_response: StartResponse
        ) -> Iterable[bytes]:
            span = self._begin(environ)
            try:
                with self._in(span):
                    answer = application(environ, start_response)
            except BaseException:
                span.end()
                raise
            return ClosingIterator(answer, span.end)

        return traced

    def answered(
        self, *, method: str, route: str | None, status: int, code: str | None
    ) -> None:
        span = self._trace.get_current_span()
        if not span.is_recording():
            return
        named = method if method in _METHODS else "HTTP"
        span.update_name(f"{named} {route}" if route else named)
        span.set_attribute("http.response.status_code", status)
        if route:
            span.set_attribute("http.route", route)
        if code:
            span.set_attribute("ledger.code", code)
        if status >= SERVER_ERROR_MIN:
            span.set_attribute("error.type", code or str(status))
            span.set_status(self._trace.StatusCode.ERROR)

    def appended(self, seconds: float) -> None:
        if not self._trace.get_current_span().is_recording():
            return
        now = time.time_ns()
        began = now - round(seconds * NS_PER_S)
        self._tracer.start_span("append", start_time=began).end(now)

    def stop(self) -> None:
        """Send what is left, for a moment: no collector holds up the end."""
        global _tracing
        if _tracing is self:
            _tracing = None
        last = Thread(target=self._provider.shutdown, daemon=True)
        last.start()
        last.join(LAST_SEND_TIMEOUT_S)

    def _in(self, span: Span) -> AbstractContextManager[Span]:
        # What an error says may be about somebody: the log has it, the span has not.
        return self._trace.use_span(
            span, record_exception=False, set_status_on_exception=False
        )

    def _begin(self, environ: WSGIEnvironment) -> Span:
        """Begin as a child of the caller's span, if it is told (W3C Trace Context)."""
        said = {
            name: environ[variable]
            for name, variable in (
                ("traceparent", "HTTP_TRACEPARENT"),
                ("tracestate", "HTTP_TRACESTATE"),
            )
            if variable in environ
        }
        method = environ["REQUEST_METHOD"]
        known = method in _METHODS
        return self._tracer.start_span(
            method if known else "HTTP",
            context=self._context.extract(said),
            kind=self._trace.SpanKind.SERVER,
            attributes={
                "http.request.method": method if known else "_OTHER",
                "url.scheme": environ["wsgi.url_scheme"],
            },
        )


def _exporting() -> TracerProvider:
    """Return a provider that sends in batches; the SDK reads the rest of OTEL_*."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = Resource({"service.name": SERVICE})
    provider = TracerProvider(
        resource=named.merge(OTELResourceDetector().detect()), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
