"""Appends a second: our recorder, the library's own, and bare single-row INSERTs.

All three write rows of the same shape in one PostgreSQL, by the same number of
connections, and ours and the library's end with gapless or growing positions.

Ours answers in two ways. *Promised*: the append is committed, and a sequencer in a
process of its own gives the positions; the time until the last one has its own counts.
*Placed*: every writer waits for his position, as a caller of the doors does.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing import get_context
from threading import Event, Thread
from uuid import uuid4

import psycopg
from eventsourcing.persistence import (
    ApplicationRecorder,
    InfrastructureFactory,
    StoredEvent,
)
from eventsourcing.utils import Environment

from ledger.adapters.migrator import migrate
from ledger.log.recorder import LedgerRecorder, environment
from ledger.log.sequencer import Sequencer
from tests.benchmarks.crew import Crew, Operation
from tests.benchmarks.frame import Place, Result, database

SPELL_S = 1.0
PROCESSES_MAX = 2  # Python runs on one core a process; there may be only two.
STATE_BYTES = 300
TOPIC = "e-ticket.gift-offered"

OURS, STOCK = "bench_ours", "bench_stock"
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
    schema: str, url: str, *, promised: bool, first: int, count: int
) -> Iterator[Sequence[Operation]]:
    with _recorder(schema, url, count) as recorder:
        yield [partial(_append, recorder, promised=promised)] * count


def _append(recorder: ApplicationRecorder, *, promised: bool) -> bool:
    state = f"{time.monotonic():.6f} ".encode().ljust(STATE_BYTES, b".")
    events = [StoredEvent(uuid4(), 1, TOPIC, state)]
    if promised:
        assert isinstance(recorder, LedgerRecorder)
        recorder.append(events)
    else:
        recorder.insert_events(events)
    return True


@contextmanager
def sequencing(url: str) -> Iterator[Callable[[], None]]:
    """Sequence in a process of its own; yield what waits until all have positions."""
    process = get_context("spawn").Process(target=_sequence, args=(url,), daemon=True)
    process.start()
    try:
        with _recorder(OURS, url, 1) as recorder:
            assert isinstance(recorder, LedgerRecorder)
            yield partial(_drain, recorder)
    finally:
        process.kill()
        process.join()


def _sequence(url: str) -> None:
    with _recorder(OURS, url, 1) as recorder:
        assert isinstance(recorder, LedgerRecorder)
        Sequencer(recorder).run(Event())


def _drain(recorder: LedgerRecorder) -> None:
    while recorder.sequence() != 0:
        continue


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
        sequencing(url) as drain,
        Crew(partial(appending, promised=True), OURS, url, **size) as promised,
        Crew(partial(appending, promised=False), OURS, url, **size) as placed,
        Crew(partial(appending, promised=False), STOCK, url, **size) as stock,
        Crew(inserting, url, **size) as plain,
    ):

        def promise() -> float:
            spell = promised.work(SPELL_S)
            began = time.monotonic()
            drain()
            left_s = time.monotonic() - began
            return len(spell.latencies_s) / (spell.seconds + left_s)

        rates = place.alternate(
            {
                f"promised appends by {writers}": promise,
                f"placed appends by {writers}": lambda: placed.rate(SPELL_S),
                f"stock appends by {writers}": lambda: stock.rate(SPELL_S),
                f"inserts by {writers}": lambda: plain.rate(SPELL_S),
            }
        )
        crews = (promised, placed, stock, plain)
        names = ("promised", "placed", "stock", "insert")
        told = {
            name: (rate, crew)
            for name, rate, crew in zip(names, rates.values(), crews, strict=True)
        }
        note = f"writers: {writers} in processes: {processes}"
        return {
            f"{ours} {other}": Result(
                value=told[ours][0],
                unit="appends/s",
                baseline=told[other][0],
                n=told[ours][1].n,
                note=f"{note}; {ours} {told[ours][1].said()};"
                f" {other} {told[other][1].said()}",
            )
            for ours in ("promised", "placed")
            for other in ("stock", "insert")
        }


def visible(place: Place, writers: int) -> Result:
    """Tell how long an append takes until a subscriber has it, ours and the library's.

    Writers wait for their positions, in closed loops; a subscriber follows the log.
    """
    url = place.once(tables)
    processes = min(writers, PROCESSES_MAX)
    size = {"processes": processes, "threads": writers // processes}
    seen: dict[str, list[float]] = {OURS: [], STOCK: []}
    with (
        Crew(partial(appending, promised=False), OURS, url, **size) as ours,
        Crew(partial(appending, promised=False), STOCK, url, **size) as stock,
    ):

        def follow(schema: str, crew: Crew) -> float:
            with _recorder(schema, url, 2) as recorder, _watched(recorder) as found:
                crew.work(SPELL_S)
            seen[schema] += found
            return _percentile_ms(found, 50)

        medians = place.alternate(
            {
                f"visible appends by {writers}": lambda: follow(OURS, ours),
                f"visible stock appends by {writers}": lambda: follow(STOCK, stock),
            }
        )
    value, baseline = medians.values()
    worst = {name: _percentile_ms(found, 99) for name, found in seen.items()}
    return Result(
        value=value,
        unit="ms",
        baseline=baseline,
        n=len(seen[OURS]),
        note=f"writers: {writers}; p99 ours {worst[OURS]:.1f} ms, stock"
        f" {worst[STOCK]:.1f} ms; less is better",
    )


@contextmanager
def _watched(recorder: ApplicationRecorder) -> Iterator[list[float]]:
    """Follow the log from its end; the list gets the seconds since each append."""
    found: list[float] = []
    with recorder.subscribe(gt=recorder.max_notification_id()) as subscription:

        def watch() -> None:
            for each in subscription:
                began = float(each.state.split(b" ", 1)[0])
                found.append(time.monotonic() - began)

        watcher = Thread(target=watch)
        watcher.start()
        try:
            yield found
        finally:
            subscription.stop()
            watcher.join()


def _percentile_ms(seconds: Sequence[float], percent: int) -> float:
    ordered = sorted(seconds)
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)] * 1000


def by_1(place: Place) -> dict[str, Result]:
    return measured(place, 1)


def by_8(place: Place) -> dict[str, Result]:
    return measured(place, 8)


def by_32(place: Place) -> dict[str, Result]:
    return measured(place, 32)


def versus(
    writers: Callable[[Place], dict[str, Result]], pair: str
) -> Callable[[Place], Result]:
    """Return what compares a pair of names, ours first; writers work once a run."""
    return lambda place: place.once(writers)[pair]
