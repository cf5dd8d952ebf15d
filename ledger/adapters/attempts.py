"""Attempts to sign in: the more of them fail, the longer one waits for the next.

Counted for a name from an address, for a name, and for an address. A stranger who
fails at somebody's name makes strangers wait: whoever has signed in from his address
before waits for his own mistakes alone, and nobody is ever locked out.

An attempt is counted before the password is looked at and taken back if it was right,
so that a thousand at once are not a thousand free ones.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any, LiteralString

from eventsourcing.postgres import PostgresDatastore
from psycopg import Cursor
from psycopg.rows import DictRow

from ledger.errors import Denied

FORGOTTEN_AFTER = timedelta(days=1)
KNOWN_FOR = timedelta(days=90)


class SlowDown(Denied):
    code = "too_many_requests"
    says = "These are too many requests; ask again in {retry_after_s} seconds."


@dataclass(frozen=True, slots=True)
class Pace:
    """So many failures are free; then one waits 2, 4, 8 … seconds, up to `most_s`."""

    free: int
    most_s: int


HERE = Pace(free=3, most_s=900)
NAME = Pace(free=10, most_s=60)
ADDRESS = Pace(free=30, most_s=300)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One that was counted; `keys` of the name here, the name and the address."""

    here: bytes
    name: bytes
    address: bytes
    known: bool


class Attempts:
    """The table `people_attempts`."""

    def __init__(self, datastore: PostgresDatastore, *, pepper: bytes) -> None:
        self._datastore = datastore
        self._pepper = pepper

    def begin(self, *, name: str, address: str, at: datetime) -> Attempt:
        """Count an attempt. Raises `SlowDown`, and counts nothing, if it is too soon.

        Those that come at once wait for each other: rows are taken in one order.
        """
        its = Attempt(
            here=self._key("here", f"{address}\n{name}"),
            name=self._key("name", name),
            address=self._key("address", address),
            known=False,
        )
        paces = {its.here: HERE, its.name: NAME, its.address: ADDRESS}
        with self._datastore.transaction(commit=True) as cursor:
            for key in sorted(paces):
                cursor.execute(_TAKE, {"key": key, "at": at})
            rows = cursor.execute(
                "SELECT * FROM people_attempts WHERE key = ANY (%s)", (list(paces),)
            ).fetchall()
            found = {bytes(row["key"]): row for row in rows}
            known_until = found[its.here]["known_until"]
            if known_until is not None and known_until > at:
                its = Attempt(its.here, its.name, its.address, known=True)
                paces = {its.here: HERE}
            wait_s = max((found[key]["next_at"] - at).total_seconds() for key in paces)
            if wait_s <= 0:
                for key, pace in paces.items():
                    self._count(cursor, key, found[key]["failures"] + 1, pace, at)
        if wait_s > 0:
            raise SlowDown(retry_after_s=max(1, ceil(wait_s)))
        return its

    def succeeded(self, its: Attempt, *, at: datetime) -> None:
        """Take an attempt back: it was right, and from here one is known now."""
        forgiven = {its.name, its.address} if not its.known else set()
        values = {"at": at, "until": at + KNOWN_FOR}
        with self._datastore.transaction(commit=True) as cursor:
            # In the order in which `begin` takes them, or two could wait in a ring.
            for key in sorted(forgiven | {its.here}):
                statement = _KNOWN if key == its.here else _FORGIVE
                cursor.execute(statement, {"key": key, **values})

    def clean(self, *, at: datetime, limit: int) -> int:
        """Forget what has no say any more; return how much that was."""
        with self._datastore.transaction(commit=True) as cursor:
            return cursor.execute(
                "DELETE FROM people_attempts WHERE key IN (SELECT key"
                " FROM people_attempts WHERE last_at < %(before)s"
                " AND (known_until IS NULL OR known_until < %(at)s) LIMIT %(limit)s)",
                {"before": at - FORGOTTEN_AFTER, "at": at, "limit": limit},
            ).rowcount

    def _count(
        self,
        cursor: Cursor[DictRow],
        key: bytes,
        failures: int,
        pace: Pace,
        at: datetime,
    ) -> None:
        values: dict[str, Any] = {
            "key": key,
            "failures": failures,
            "at": at,
            "next_at": at + timedelta(seconds=delay_s(failures, pace)),
        }
        cursor.execute(_COUNT, values)

    def _key(self, kind: str, value: str) -> bytes:
        said = f"attempts/{kind}\n{value}".encode()
        return hmac.digest(self._pepper, said, "sha256")


def delay_s(failures: int, pace: Pace) -> int:
    """Return how long the next attempt waits after so many that failed."""
    over = failures - pace.free
    return 0 if over <= 0 else int(min(2 ** min(over, 20), pace.most_s))


_TAKE: LiteralString = (
    "INSERT INTO people_attempts AS a (key, failures, last_at, next_at)"
    " VALUES (%(key)s, 0, %(at)s, %(at)s) ON CONFLICT (key) DO UPDATE SET failures ="
    " CASE WHEN a.last_at < %(at)s - interval '1 day' THEN 0 ELSE a.failures END"
)
_COUNT: LiteralString = (
    "UPDATE people_attempts SET failures = %(failures)s, last_at = %(at)s,"
    " next_at = %(next_at)s WHERE key = %(key)s"
)
# A guess that was right does not shorten what strangers wait who guess beside it.
_FORGIVE: LiteralString = (
    "UPDATE people_attempts SET failures = greatest(failures - 1, 0)"
    " WHERE key = %(key)s"
)
_KNOWN: LiteralString = (
    "UPDATE people_attempts SET failures = 0, next_at = %(at)s,"
    " known_until = %(until)s WHERE key = %(key)s"
)
