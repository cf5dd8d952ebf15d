"""How fast the log is read back: all of it, and the stream of one ticket."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import DictRow, dict_row

from ledger.application import Ledger
from ledger.log.recorder import connect
from ledger.log.snapshots import EVENTS_BETWEEN
from tests.benchmarks.frame import ROUNDS, Place, Result
from tests.benchmarks.town import EVENTS_LONG, EVENTS_SHORT, town

PAGE = 1_000
MINUTE_S = 60
LOADS = 200

_SELECT = (
    "SELECT * FROM ledger_log JOIN ledger_events"
    " USING (originator_id, originator_version)"
    " WHERE position > %s ORDER BY position LIMIT %s"
)


def replay(place: Place) -> Result:
    """Decode every event and apply it to its aggregate, in one thread."""
    ledger = place.once(town).installation.ledger
    counted = ledger.position()
    with connect(ledger.recorder.datastore) as connection:
        rates = place.alternate(
            {
                "replay": lambda: counted / _timed(_replayed, ledger),
                "select": lambda: counted / _timed(_selected, connection),
            }
        )
    return Result(
        value=rates["replay"] * MINUTE_S,
        unit="events/min",
        baseline=rates["select"] * MINUTE_S,
        n=counted * ROUNDS,
        note=(
            f"all {counted:,} events, mapper and mutate in one thread, by the clock;"
            f" baseline: the plain select of the same rows, {PAGE:,} a page"
        ),
    )


def load(place: Place) -> Result:
    """Load a ticket with a long history and one with a short one."""
    its = place.once(town)
    ledger = its.installation.ledger
    times = place.alternate(
        {
            "long": lambda: _load_ms(ledger, its.long_ticket),
            "short": lambda: _load_ms(ledger, its.short_ticket),
        }
    )
    return Result(
        value=times["long"],
        unit="ms",
        baseline=times["short"],
        n=LOADS * ROUNDS,
        note=(
            f"{EVENTS_LONG} events against {EVENTS_SHORT}; a snapshot and the"
            f" {EVENTS_BETWEEN - 1} events after it, the most there can be"
        ),
    )


def _replayed(ledger: Ledger) -> None:
    aggregates: dict[UUID, Any] = {}
    position = 0
    while page := ledger.recorder.select_notifications(
        position, PAGE, inclusive_of_start=False
    ):
        for each in page:
            event: Any = ledger.mapper.to_domain_event(each)
            stream = event.originator_id
            aggregates[stream] = event.mutate(aggregates.get(stream))
        position = page[-1].id


def _selected(connection: psycopg.Connection[DictRow]) -> None:
    for _ in pages(connection):
        continue


def pages(connection: psycopg.Connection[DictRow]) -> Iterator[list[DictRow]]:
    position = 0
    with connection.cursor(row_factory=dict_row) as cursor:
        while page := cursor.execute(_SELECT, (position, PAGE)).fetchall():
            yield page
            position = page[-1]["position"]


def _timed(work: Any, *given: Any) -> float:
    began = time.perf_counter()
    work(*given)
    return time.perf_counter() - began


def _load_ms(ledger: Ledger, ticket_id: UUID) -> float:
    began = time.perf_counter()
    for _ in range(LOADS):
        ledger.ticket(ticket_id)
    return (time.perf_counter() - began) / LOADS * 1000
