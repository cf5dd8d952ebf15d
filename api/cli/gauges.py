"""How the log, the views, the outbox and the jobs stand, asked when Prometheus asks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ledger.adapters.outbox import Outbox
from ledger.bootstrap import Installation
from ledger.log.patience import DATABASE_LOST
from ledger.operation.standing import standing_of
from ledger.projections.runner import Runner


class Gauges(Collector):
    """Asks the database of one installation; without it, says only that it is away."""

    def __init__(self, installation: Installation) -> None:
        self._its = installation
        self._runner = Runner(installation.ledger)
        self._outbox_table = Outbox(installation.datastore)
        self._schedule = installation.schedule()

    def describe(self) -> Iterator[Metric]:
        """Name nothing in advance: to register is not to ask the database."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        at = self._its.clock.now()
        try:
            found = [*self._log(at), *self._views(at), *self._outbox(at), *self._jobs()]
        except DATABASE_LOST:
            found = []
        yield _one("ledger_database_up", "Whether the database answers.", bool(found))
        yield from found

    def _log(self, at: datetime) -> Iterator[Metric]:
        its = standing_of(self._its.datastore, at=at)
        yield _one("ledger_events", "Events that have a position.", its.events)
        yield _one(
            "ledger_sequencer_lag_appends",
            "Appends that wait for their positions.",
            its.unplaced,
        )
        yield _one(
            "ledger_sequencer_lag_seconds",
            "How long the oldest of them has waited.",
            its.unplaced_s,
        )
        yield _one(
            "ledger_checkpoint_lag_events",
            "Events that stand under no checkpoint yet.",
            its.unsigned,
        )
        yield _one(
            "ledger_checkpoint_age_seconds",
            "The age of the newest checkpoint, while events wait for the next.",
            its.unsigned_s,
        )
        yield _one(
            "ledger_stopped", "Whether nothing is appended any more.", its.is_stopped
        )

    def _views(self, at: datetime) -> Iterator[Metric]:
        events = _by("view", "projection_lag_events", "Events not yet in a view.")
        seconds = _by("view", "projection_lag_seconds", "The age of the first of them.")
        stopped = _by("view", "projection_stopped", "Whether a view has stopped.")
        for each in self._runner.status(at):
            events.add_metric([each.name], each.lag_events)
            seconds.add_metric([each.name], each.lag_s or 0.0)
            stopped.add_metric([each.name], each.state == "stopped")
        yield from (events, seconds, stopped)

    def _outbox(self, at: datetime) -> Iterator[Metric]:
        its = self._outbox_table.state(at=at)
        counts = _by("state", "outbox_messages", "Messages to parties, by state.")
        for state in ("waiting", "sent", "dead", "dropped"):
            counts.add_metric([state], getattr(its, state))
        yield counts
        due = its.oldest_due_at
        yield _one(
            "ledger_outbox_age_seconds",
            "How long the oldest message has been due.",
            max(0.0, (at - due).total_seconds()) if due else 0.0,
        )

    def _jobs(self) -> Iterator[Metric]:
        ended = _by("job", "job_ended_seconds", "When a job last ended, in Unix time.")
        failures = _by("job", "job_failures", "How often in a row a job has failed.")
        for each in self._schedule.status():
            if each.last.ended_at is not None:
                ended.add_metric([each.name], each.last.ended_at.timestamp())
            failures.add_metric([each.name], each.last.failures)
        yield from (ended, failures)


def _one(name: str, says: str, value: float) -> Metric:
    return GaugeMetricFamily(name, says, value=value)


def _by(label: str, name: str, says: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"ledger_{name}", says, labels=[label])
