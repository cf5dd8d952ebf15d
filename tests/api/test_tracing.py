"""Where OpenTelemetry is configured, a collector is sent one span a request.

Bugs planted one at a time, each of which made a test fail: the span began without the
caller's as its parent; its name was the path, ids and all; a failure of the server left
its status unset; the words of an error went onto the span; what was appended hung
outside the request; OpenTelemetry was imported at the top.
"""

from __future__ import annotations

import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from uuid import uuid4

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from werkzeug.test import Client

from api import tracing
from ledger.settings import SettingsError, traces_wanted

# The example of W3C Trace Context, section 3.2.3.
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
ASKS = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


class Collector(ThreadingHTTPServer):
    """Takes spans by OTLP over HTTP, on a loopback port of its own."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Heard)
        self.spans, self.services, self.raw = [], set(), b""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Heard(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.path == "/v1/traces"
        self.server.raw += body
        for of_service in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.server.services |= {
                each.value.string_value
                for each in of_service.resource.attributes
                if each.key == "service.name"
            }
            for scope in of_service.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def collector():
    with Collector() as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


class Traced:
    """Asks an application while it is traced, and takes what arrives of that."""

    def __init__(self, traces, collector):
        self._traces = traces
        self._collector = collector

    def __call__(self, application, method, path, **more):
        client = Client(self._traces.around(application))
        answer = client.open(path, method=method, **more)
        answer.get_data()
        answer.close()
        return answer

    def sent(self):
        self._traces.stop()
        return {span.name: span for span in self._collector.spans}


@pytest.fixture
def traced(collector, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    traces = tracing.start()
    assert traces is not None
    yield Traced(traces, collector)
    traces.stop()


def attributes(span):
    return {
        each.key: each.value.string_value or each.value.int_value
        for each in span.attributes
    }


def test_a_command_is_a_child_of_its_callers_span_and_what_it_appends_one_of_its_own(
    traced, callers, collector
):
    answer = traced(
        callers.client.application,
        "POST",
        "/v1/parties?secret=4711",
        json={"kind": "person", "name": "Ida"},
        headers={**PARENT, "Authorization": f"Bearer {callers.operator.token}"},
    )
    assert answer.status_code == 201
    spans = traced.sent()
    assert set(spans) == {"POST /v1/parties", "append"}
    asked, appended = spans["POST /v1/parties"], spans["append"]
    assert (asked.trace_id.hex(), asked.parent_span_id.hex()) == (TRACE, CALLER)
    assert asked.kind == Span.SPAN_KIND_SERVER
    assert attributes(asked) == {
        "http.request.method": "POST",
        "http.response.status_code": 201,
        "http.route": "/v1/parties",
        "url.scheme": "http",
    }
    assert appended.trace_id == asked.trace_id
    assert appended.parent_span_id == asked.span_id
    assert asked.start_time_unix_nano <= appended.start_time_unix_nano
    assert appended.end_time_unix_nano <= asked.end_time_unix_nano
    assert collector.services == {"eticket-ledger"}
    told = (b"4711", b"Ida", answer.json["party_id"].encode())
    assert not [each for each in told if each in collector.raw]


def test_a_refusal_bears_its_code_and_no_id_and_without_a_caller_it_is_a_root(
    traced, callers, collector
):
    missing = str(uuid4())
    answer = traced(
        callers.client.application,
        "GET",
        f"/v1/parties/{missing}",
        headers={"Authorization": f"Bearer {callers.operator.token}"},
    )
    assert answer.status_code == 404
    (span,) = traced.sent().values()
    assert span.name == "GET /v1/parties/<uuid:party_id>"
    assert span.parent_span_id == b""
    assert attributes(span)["ledger.code"] == answer.json["code"]
    assert span.status.code == Status.STATUS_CODE_UNSET
    assert missing.encode() not in collector.raw


def test_invented_methods_and_addresses_make_no_names(traced, callers, collector):
    answer = traced(callers.client.application, "BREW", "/v1/coffee")
    assert answer.status_code in {401, 404, 405}
    assert set(traced.sent()) == {"HTTP"}
    assert b"BREW" not in collector.raw
    assert b"coffee" not in collector.raw


def test_a_failure_of_the_server_is_an_error_and_its_words_stay_in_the_log(
    traced, collector
):
    def failing(environ, start_response):
        tracing.answered(method="GET", route="/v1/x", status=500, code="internal_error")
        raise RuntimeError("Ada's name")

    with pytest.raises(RuntimeError):
        traced(failing, "GET", "/v1/x")
    span = traced.sent()["GET /v1/x"]
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert attributes(span)["error.type"] == "internal_error"
    assert b"Ada" not in collector.raw


def test_without_a_collector_requests_are_answered_and_the_end_is_soon(
    traced, callers, collector, monkeypatch
):
    monkeypatch.setattr(tracing, "LAST_SEND_TIMEOUT_S", 0.1)
    collector.server_close()
    answer = traced(callers.client.application, "GET", "/health/live")
    assert answer.status_code == 200
    assert traced.sent() == {}


def test_an_endpoint_switches_it_on_and_the_standards_switches_off():
    assert traces_wanted(ASKS)
    for none in (
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
        ASKS | {"OTEL_SDK_DISABLED": "TRUE"},
        ASKS | {"OTEL_TRACES_EXPORTER": "none"},
    ):
        assert not traces_wanted(none)
    for other in (
        {"OTEL_TRACES_EXPORTER": "zipkin"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ):
        with pytest.raises(SettingsError, match="must be"):
            traces_wanted(ASKS | other)


def run(code, **environ):
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_an_endpoint_nothing_of_opentelemetry_is_imported():
    said = run(
        "import sys, api.cli, api.cli.web, api.tracing\n"
        "assert api.tracing.start() is None\n"
        "print([name for name in sys.modules if 'opentelemetry' in name])"
    )
    assert said.stdout == "[]\n", said.stderr


def test_with_one_and_without_the_packages_serve_says_what_to_install():
    said = run(
        "import sys\n"
        "sys.modules['opentelemetry'] = None\n"
        "sys.argv = ['ledgerctl', 'serve']\n"
        "from api.cli import main\n"
        "main()",
        **ASKS,
    )
    assert said.returncode == 2
    assert "install eticket-ledger[otel]" in said.stderr
    assert "Traceback" not in said.stderr
