"""What Prometheus is told: requests, commands, appends, verdicts, and how all stands.

Bugs planted one at a time, each of which made a test fail: the lane counted nothing;
a refused command was counted as done; the route was the path, ids and all; an append
was timed before it was made; a lost database ended the whole answer.
"""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

import pytest
from eventsourcing.persistence import OperationalError, StoredEvent
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from api.cli.gauges import Gauges


class Counted:
    """How much each sample has grown since this was made."""

    def __init__(self):
        self._before = self._samples()

    def __call__(self, name, **labels):
        key = name, frozenset(labels.items())
        return self._samples().get(key, 0) - self._before.get(key, 0)

    def _samples(self):
        return {
            (each.name, frozenset(each.labels.items())): each.value
            for family in REGISTRY.collect()
            for each in family.samples
        }

    def labels(self):
        return {value for _, pairs in self._samples() for _, value in pairs}


@pytest.fixture
def gauges(installation):
    """Ask once how everything stands, by name and label."""

    def ask():
        registry = CollectorRegistry()
        registry.register(Gauges(installation))
        return {
            (each.name, *each.labels.values()): each.value
            for family in registry.collect()
            for each in family.samples
        }

    return ask


def test_a_request_is_counted_by_its_route_and_never_by_its_ids(callers):
    counted = Counted()
    ticket_id = "01890000-0000-7000-8000-000000000001"
    assert callers.ada.get(f"/v1/tickets/{ticket_id}").status == 404
    route = "/v1/tickets/<uuid:ticket_id>"
    assert (
        counted("ledger_http_requests_total", method="GET", route=route, status="404")
        == 1
    )
    assert counted("ledger_http_request_seconds_count", method="GET", route=route) == 1
    assert not [each for each in counted.labels() if ticket_id in each]


def test_commands_are_counted_by_what_became_of_them(callers):
    counted, route = Counted(), "POST /v1/orders"
    order = {"offering_id": callers.offering()}
    for _ in range(2):
        callers.ada.post("/v1/orders", **order)
    callers.ben.post("/v1/orders", **order)
    callers.ada.get("/v1/orders")
    assert counted("ledger_commands_total", route=route, outcome="done") == 2
    assert counted("ledger_commands_total", route=route, outcome="sold_out") == 1
    assert "GET /v1/orders" not in counted.labels()


def test_what_nobody_routes_is_one_label_whatever_was_asked_for(callers):
    counted = Counted()
    for wild in ("/wp-login.php", "/v1/tickets/<script>"):
        callers.nobody.get(wild)
    asked = {"method": "GET", "route": "none", "status": "404"}
    assert counted("ledger_http_requests_total", **asked) == 2


def test_every_commit_is_timed_once(callers):
    counted, before = Counted(), callers.its.ledger.position()
    callers.rich(callers.ada)
    assert counted("ledger_append_seconds_count") == 1
    assert counted("ledger_append_seconds_sum") > 0
    assert callers.its.ledger.position() > before


def test_who_waits_for_what_is_told_when_it_is_asked_for(callers, gauges):
    callers.rich(callers.ada)
    told = gauges()
    assert told["ledger_database_up",] == 1
    assert told["ledger_stopped",] == 0
    assert told["ledger_events",] + told["ledger_sequencer_lag_appends",] > 0
    assert told["ledger_checkpoint_lag_events",] == told["ledger_events",]
    assert told["ledger_projection_lag_events", "wallet"] == told["ledger_events",]
    assert told["ledger_projection_lag_seconds", "wallet"] == 0  # The clock stands.
    assert told["ledger_outbox_messages", "waiting"] == 0
    assert told["ledger_outbox_age_seconds",] == 0
    assert told["ledger_job_failures", "expire"] == 0


def test_what_waits_for_its_position_is_the_lag_of_the_sequencer(installation, gauges):
    before = gauges()
    installation.ledger.recorder.append([StoredEvent(uuid4(), 1, "test", b"{}")])
    after = gauges()
    assert before["ledger_sequencer_lag_seconds",] == 0
    assert after["ledger_sequencer_lag_appends",] == 1
    assert after["ledger_sequencer_lag_seconds",] > 0
    assert after["ledger_events",] == before["ledger_events",]


def test_without_the_database_only_that_is_said(installation, gauges, monkeypatch):
    def away():
        raise OperationalError("gone")

    monkeypatch.setattr(installation.datastore, "get_connection", away)
    assert gauges() == {("ledger_database_up",): 0}


def test_what_is_told_can_be_read_by_prometheus(installation):
    registry = CollectorRegistry()
    registry.register(Gauges(installation))
    told = generate_latest(registry).decode()
    families = {each.name: each for each in text_string_to_metric_families(told)}
    assert families["ledger_events"].type == "gauge"
    assert all(each.documentation.endswith(".") for each in families.values())


def test_every_metric_stands_on_the_page_for_operators(installation):
    registry = CollectorRegistry()
    registry.register(Gauges(installation))
    families = [*REGISTRY.collect(), *registry.collect()]
    ours = {
        f"{each.name}_total" if each.type == "counter" else each.name
        for each in families
        if each.name.startswith("ledger_")
    }
    page = Path("docs/operations.md").read_text()
    assert ours == set(re.findall(r"`(ledger_[a-z_]+)`", page))
