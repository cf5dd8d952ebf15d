"""Patience with a database that is away a moment, and none with one that says no."""

from __future__ import annotations

from collections.abc import Callable
from time import sleep
from typing import TypeVar

import psycopg
from eventsourcing.persistence import InterfaceError, OperationalError
from eventsourcing.postgres import PostgresDatastore

_T = TypeVar("_T")

# As patient with a server that restarts as the library is.
ATTEMPTS_MAX, WAIT_S = 10, 0.2

DATABASE_LOST = (InterfaceError, OperationalError)
"""Whether a command was recorded is unknown then."""

# The server is there, and would say so again.
_FOR_GOOD = psycopg.errors.QueryCanceled, psycopg.errors.ProgramLimitExceeded


def patiently(datastore: PostgresDatastore, attempt: Callable[[], _T]) -> _T:
    """Try again when the server went away, with connections that are alive.

    What the server refused for good, or had no time for, is not tried again.
    """
    for _ in range(ATTEMPTS_MAX - 1):
        try:
            return attempt()
        except DATABASE_LOST as error:
            if isinstance(error.__cause__, _FOR_GOOD):
                raise
            sleep(WAIT_S)
            datastore.pool.check()
    return attempt()


def took_too_long(error: BaseException) -> bool:
    """Say whether an error of storage means that a statement was out of time."""
    return isinstance(error.__cause__, psycopg.errors.QueryCanceled)
