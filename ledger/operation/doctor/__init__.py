"""An examination of a log and of what it stands on, changing nothing.

Each check has a file of its own kind; each says one line, and what to do. One that
cannot be made says so: it is no sign of health.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial

import psycopg
from eventsourcing.persistence import PersistenceError
from psycopg import IsolationLevel
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from ledger.adapters.roles import CONNECT_TIMEOUT_S
from ledger.application import Ledger
from ledger.clock import Clock
from ledger.log.recorder import environment
from ledger.operation.doctor import grants, jobs, sequence, surroundings, tree, views
from ledger.operation.doctor.findings import Finding, Patient, State, fail
from ledger.settings import Settings

__all__ = ["Finding", "State", "examine"]

POOL_SIZE = 2


def examine(
    settings: Settings, url: str, *, clock: Clock, deep: bool
) -> Iterator[Finding]:
    """Examine an installation as it stands; with `deep` every leaf and tile is hashed.

    `url` is the operator's own, without a role.
    """
    yield from _made("migrations", surroundings.examine_migrations, settings, url)
    yield from _made("disk", surroundings.examine_disk, settings)
    try:
        psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S).close()
        with _seen(settings, url, at=clock.now(), deep=deep) as patient:
            yield from _examined(patient, clock)
    except psycopg.Error as error:
        yield _not_made("database", error)


def _examined(patient: Patient, clock: Clock) -> Iterator[Finding]:
    checks: tuple[tuple[str, Callable[[Patient], Iterable[Finding]]], ...] = (
        ("keys", _keys),
        (grants.CHECK, grants.examine),
        ("clock", partial(surroundings.examine_clock, clock=clock)),
        ("connections", surroundings.examine_connections),
        (sequence.CHECK, sequence.examine),
        (tree.CHECK, tree.examine),
        ("checkpoint", views.examine_publisher),
        ("writing", views.examine_writing),
        ("inbox", views.examine_inbox),
        (views.CHECK, views.examine),
        (jobs.CHECK, jobs.examine),
    )
    for name, check in checks:
        yield from _made(name, _within, patient, check)


def _within(
    patient: Patient, check: Callable[[Patient], Iterable[Finding]]
) -> list[Finding]:
    """Make a check that leaves the moment to those after it, should it fail."""
    with patient.connection.transaction():
        return list(check(patient))


def _keys(patient: Patient) -> Iterator[Finding]:
    row = patient.ask_one("SELECT keys_fingerprint FROM installation")
    return surroundings.examine_keys(patient.settings, row[0] if row else None)


def _made(
    name: str, check: Callable[..., Iterable[Finding]], *given: object
) -> list[Finding]:
    try:
        return list(check(*given))
    # A damaged log breaks checks in ways that are not foreseen: the others are made.
    except (psycopg.Error, PersistenceError, LookupError, ValueError) as error:
        return [_not_made(name, error)]


def _not_made(name: str, error: Exception) -> Finding:
    said = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    return fail(name, f"cannot be examined: {said}", "See to what comes before it.")


@contextmanager
def _seen(
    settings: Settings, url: str, *, at: datetime, deep: bool
) -> Iterator[Patient]:
    """One moment of the database; statements that fail leave the others theirs."""
    ledger = Ledger(environment(url, settings.schema, POOL_SIZE))
    try:
        with psycopg.connect(
            url, row_factory=dict_row, connect_timeout=CONNECT_TIMEOUT_S
        ) as connection:
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            path = SQL("SET search_path TO {}").format(Identifier(settings.schema))
            connection.execute(path)
            yield Patient(
                settings=settings,
                url=url,
                connection=connection,
                ledger=ledger,
                at=at,
                deep=deep,
            )
    finally:
        ledger.close()
