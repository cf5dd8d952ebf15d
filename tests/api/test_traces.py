"""A request belongs to its caller's trace: in the server's log, and in the ledger's."""

import json
from dataclasses import replace

import pytest

from api.app import create_app
from api.request_log import trace_of
from tests.api.callers import Callers

# The example of W3C Trace Context, section 3.2.3.
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def test_events_carry_the_trace_of_the_request_that_caused_them(callers):
    made = callers.operator.call(
        "POST",
        "/v1/parties",
        json={"kind": "person", "name": "Ida"},
        headers={"traceparent": PARENT},
    )
    assert made.status == 201, made.json
    ledger = callers.its.ledger
    (stored,) = ledger.recorder.select_notifications(made.position, 1)
    cause = ledger.mapper.to_domain_event(stored).cause
    assert cause["correlation"] == TRACE
    assert cause["command"] == made.headers["Request-Id"]


def test_the_servers_log_has_it_and_no_personal_data(installation, capsys):
    loud = replace(installation.settings, log_level="info")
    its = replace(installation, settings=loud)
    callers = Callers(create_app(its).test_client(), its)
    callers.operator.call(
        "POST",
        "/v1/parties",
        json={"kind": "person", "name": "Ida Lovelace"},
        headers={"traceparent": PARENT, "Idempotency-Key": "secret-key"},
    )
    said = capsys.readouterr().err
    (line,) = [json.loads(each) for each in said.splitlines()]
    assert (line["trace"], line["route"]) == (TRACE, "/v1/parties")
    for secret in ("Ida", "secret-key", callers.operator.token):
        assert secret not in said


@pytest.mark.parametrize(
    "header",
    [
        "",
        TRACE,
        PARENT.upper(),
        f"ff-{TRACE}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        PARENT + "-more",
        PARENT + "\n",
    ],
)
def test_what_is_no_trace_is_passed_over(header):
    assert trace_of(header) is None
