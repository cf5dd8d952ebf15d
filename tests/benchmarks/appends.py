"""Appends a second: our recorder, the library's own, and bare single-row INSERTs.

All three write rows of the same shape to tables with the same two indexes, in one
PostgreSQL, by the same number of connections.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from uuid import uuid4

import psycopg
from eventsourcing.persistence import (
    ApplicationRecorder,
    InfrastructureFactory,
    StoredEvent,
)
from eventsourcing.postgres import PostgresApplicationRecorder
from eventsourcing.utils import Environment

from ledger.adapters.migrator import migrate
from ledger.log.recorder import LedgerRecorder, environment
from tests.benchmarks.crew import Crew, Operation
from tests.benchmarks.frame import Place, Result, database

SPELL_S = 1.0
PROCESSES_MAX = 2  # Python runs on one core a process; there may be only two.
STATE_BYTES = 300
TOPIC = "e-ticket.gift-offered"

OURS, STOCK = "bench_ours", "bench_stock"
# As long as this is so, about 1.0 against the stock recorder is all there is to expect.
_STOCK = PostgresApplicationRecorder._insert_stored_events
_IS_STOCK = LedgerRecorder._insert_stored_events is _STOCK
SAME = "ours appends by the stock recorder's code; " if _IS_STOCK else ""
_PLAIN_TABLE = (
    "CREATE TABLE bench_plain.events (originator_id uuid NOT NULL,"
    " originator_version bigint NOT NULL, topic text, state bytea,"
    " notification_id bigserial UNIQUE,"
    " PRIMARY KEY (originator_id, originator_version))"
)
_PLAIN_INSERT = (
    "INSERT INTO bench_plain.events (originator_id, originator_version, topic, state)"
    " VALUES (%s, 1, %s, %s)"
)


def tables(place: Place) -> str:
    """Make the three schemas; return the server's address."""
    url = place.once(database)
    migrate(url, schema=OURS)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA bench_stock")
        connection.execute("CREATE SCHEMA bench_plain")
        connection.execute(_PLAIN_TABLE)
    # The library makes its tables when opened, which two processes cannot do at once.
    with _recorder(STOCK, url, 1, create_table="yes"):
        return url


@contextmanager
def _recorder(
    schema: str, url: str, threads: int, *, create_table: str = "no"
) -> Iterator[ApplicationRecorder]:
    """Open ours as an installation has it, or the stock one with its own defaults."""
    given = environment(url, schema, threads)
    if schema == STOCK:
        given |= {
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "CREATE_TABLE": create_table,
            "POSTGRES_POOL_SIZE": str(threads),
            "POSTGRES_MAX_OVERFLOW": "0",
            "POSTGRES_PRE_PING": "no",
        }
    factory = InfrastructureFactory.construct(Environment("ledger", given))
    recorder = factory.application_recorder()
    yield recorder
    factory.close()


@contextmanager
def appending(
    schema: str, url: str, *, first: int, count: int
) -> Iterator[Sequence[Operation]]:
    with _recorder(schema, url, count) as recorder:
        yield [partial(_append, recorder)] * count


def _append(recorder: ApplicationRecorder) -> bool:
    recorder.insert_events([StoredEvent(uuid4(), 1, TOPIC, os.urandom(STATE_BYTES))])
    return True


@contextmanager
def inserting(url: str, *, first: int, count: int) -> Iterator[Sequence[Operation]]:
    with ExitStack() as opened:
        connections = [
            opened.enter_context(psycopg.connect(url, autocommit=True))
            for _ in range(count)
        ]
        yield [partial(_insert, connection) for connection in connections]


def _insert(connection: psycopg.Connection) -> bool:
    values = (uuid4(), TOPIC, os.urandom(STATE_BYTES))
    connection.execute(_PLAIN_INSERT, values, prepare=True)
    return True


def measured(place: Place, writers: int) -> dict[str, Result]:
    """Compare ours with both others at so many writers."""
    url = place.once(tables)
    processes = min(writers, PROCESSES_MAX)
    size = {"processes": processes, "threads": writers // processes}
    with (
        Crew(appending, OURS, url, **size) as ours,
        Crew(appending, STOCK, url, **size) as stock,
        Crew(inserting, url, **size) as plain,
    ):
        rates = place.alternate(
            {
                f"append by {writers}": lambda: ours.rate(SPELL_S),
                f"stock append by {writers}": lambda: stock.rate(SPELL_S),
                f"insert by {writers}": lambda: plain.rate(SPELL_S),
            }
        )
        value, *others = rates.values()
        note = f"writers: {writers} in processes: {processes}; {SAME}ours {ours.said()}"
        return {
            name: Result(
                value=value,
                unit="appends/s",
                baseline=other,
                n=ours.n,
                note=f"{note}; {name} {crew.said()}",
            )
            for name, other, crew in zip(
                ("stock", "insert"), others, (stock, plain), strict=True
            )
        }


def by_1(place: Place) -> dict[str, Result]:
    return measured(place, 1)


def by_8(place: Place) -> dict[str, Result]:
    return measured(place, 8)


def by_32(place: Place) -> dict[str, Result]:
    return measured(place, 32)


def versus(
    writers: Callable[[Place], dict[str, Result]], other: str
) -> Callable[[Place], Result]:
    """Return what measures ours against `other`; writers work once a run."""
    return lambda place: place.once(writers)[other]
