"""Tickets issued in bulk, against a raw COPY of the very rows that the log then has."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
from eventsourcing.persistence import StoredEvent
from psycopg import sql

from ledger.aggregates.e_ticket import Terms
from ledger.aggregates.offering import Block, Category
from ledger.aggregates.party import Party
from ledger.application import Cause
from ledger.bootstrap import Installation, open_installation
from ledger.log.recorder import connect
from ledger.settings import Settings
from ledger.usecases import bulk, catalogue
from tests.benchmarks.appends import STATE_BYTES, TOPIC
from tests.benchmarks.frame import ROUNDS, Place, Result, database

TICKETS = 5_000
APPENDED = 20_000
SCHEMA = "bench_bulk"
CAUSE = Cause(actor="benchmark")
_HOUR = timedelta(hours=1)
_ROWS = (
    "SELECT originator_id, originator_version, topic, state"
    " FROM ledger_log JOIN ledger_events USING (originator_id, originator_version)"
    " WHERE position > %s ORDER BY position"
)
_TABLE = (
    "CREATE TABLE bulk_copied (LIKE ledger_events INCLUDING DEFAULTS INCLUDING INDEXES)"
)
_COPY = (
    "COPY bulk_copied (originator_id, originator_version, topic, state)"
    " FROM STDIN (FORMAT BINARY)"
)


class Stadium:
    """An installation whose issuer imports one final after the other."""

    def __init__(self, place: Place) -> None:
        settings = Settings(
            database_url=place.once(database),
            schema=SCHEMA,
            home=place.folder / "bulk",
        )
        self.its: Installation = place.enter(open_installation(settings))
        self.issuer = uuid4()
        self.fans = [uuid4() for _ in range(TICKETS)]
        everybody = [self._party(each) for each in (self.issuer, *self.fans)]
        self.its.ledger.record(*everybody, cause=CAUSE)
        datastore = place.enter(self.its.ledger_as(None)).recorder.datastore
        self.connection: psycopg.Connection[Any] = place.enter(connect(datastore))
        self.connection.execute(_TABLE)
        self.events = 0
        self.stored: list[tuple[Any, ...]] = []

    def _party(self, party_id: UUID) -> Party:
        said: dict[str, Any] = {"name_sealed": "sealed", "contact_sealed": None}
        at = datetime.now(UTC)
        return Party.register(party_id=party_id, kind="person", **said, at=at)

    def imported(self) -> float:
        """Issue a final's tickets; return how many a second."""
        at, offering_id = datetime.now(UTC), uuid4()
        catalogue.open_offering(
            self.its.ledger,
            offering_id=offering_id,
            issuer_id=self.issuer,
            title="Cup final",
            kind="admission",
            currency="EUR",
            categories=[Category("stand", 20_00)],
            blocks=[Block("stand", count=TICKETS)],
            sale_from=at,
            sale_until=at + _HOUR,
            valid_from=at,
            valid_until=at + 2 * _HOUR,
            purchase_limit=1,
            uses_limit=1,
            question=None,
            terms=Terms(),
            at=at,
            cause=CAUSE,
        )
        rows = [
            bulk.Row(line=line, reference=f"R-{line}", owner_id=fan, category="stand")
            for line, fan in enumerate(self.fans, 2)
        ]
        before = self.its.ledger.position()
        began = time.perf_counter()
        bulk.issue(
            self.its.ledger,
            self.its.personal,
            batch_id=uuid4(),
            offering_id=offering_id,
            rows=rows,
            by=self.issuer,
            at=at,
            cause=CAUSE,
        )
        took = time.perf_counter() - began
        self.events = self.its.ledger.position() - before
        return TICKETS / took

    def copied(self) -> float:
        """COPY the rows of the last import to a table of the same shape."""
        position = self.its.ledger.position() - self.events
        found = self.connection.execute(_ROWS, (position,)).fetchall()
        return TICKETS / self._copy([tuple(row.values()) for row in found])

    def _copy(self, rows: Sequence[tuple[Any, ...]]) -> float:
        """COPY rows to an empty table; return how many seconds that took."""
        self.connection.execute("TRUNCATE bulk_copied")
        began = time.perf_counter()
        with (
            self.connection.transaction(),
            self.connection.cursor() as cursor,
            cursor.copy(sql.SQL(_COPY)) as copy,
        ):
            copy.set_types(["uuid", "int8", "text", "bytea"])
            for row in rows:
                copy.write_row(row)
        return time.perf_counter() - began

    def appended(self) -> float:
        """Append events that are made already, in one go; return how many a second."""
        recorder = self.its.ledger.recorder
        events = [
            StoredEvent(uuid4(), 1, TOPIC, os.urandom(STATE_BYTES))
            for _ in range(APPENDED)
        ]
        self.stored = [
            (each.originator_id, each.originator_version, each.topic, each.state)
            for each in events
        ]
        began = time.perf_counter()
        recorder.insert_events(events)
        return APPENDED / (time.perf_counter() - began)

    def stored_by_copy(self) -> float:
        """COPY the rows that were appended last."""
        return APPENDED / self._copy(self.stored)


def append(place: Place) -> Result:
    """Append events in one go, positions and leaf hashes included."""
    stadium = place.once(Stadium)
    rates = place.alternate(
        {"bulk append": stadium.appended, "bulk copy": stadium.stored_by_copy}
    )
    return Result(
        value=rates["bulk append"],
        unit="events/s",
        baseline=rates["bulk copy"],
        n=APPENDED * ROUNDS,
        note=f"{APPENDED:,} events of {STATE_BYTES} bytes in one append, placed",
    )


def issue(place: Place) -> Result:
    """Import a stadium's tickets, a different owner each."""
    stadium = place.once(Stadium)
    rates = place.alternate({"bulk": stadium.imported, "copy": stadium.copied})
    each = stadium.events / TICKETS
    return Result(
        value=rates["bulk"],
        unit="tickets/s",
        baseline=rates["copy"],
        n=TICKETS * ROUNDS,
        note=(
            f"{TICKETS:,} tickets of as many owners, {each:.2f} events a ticket:"
            " checked, held, issued and counted; baseline: raw COPY of the same rows"
            " to a table with the same indexes, in one transaction"
        ),
    )
