"""Who runs which job: one process at a time, for as long as its connection lives.

    nobody ── take the lock ── is it due? ── run, fence + 1 ── write what came of it
                                  └─ no: give the lock back

The lock is of a database session, so a process that is killed gives it back by dying.
Should a process lose its connection and work on, whoever follows has a higher fence,
and what the first one has to say is not written any more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, TypeAlias

import psycopg
from eventsourcing.postgres import PostgresDatastore
from psycopg import Connection

SLACK = 0.8
"""A job is due a little early: a clock's tick more or less must not skip it."""

SAID_MAX = 300
DONE, FAILED = "done", "failed"

Connect: TypeAlias = Callable[[], Connection[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """What is known of one job; `running` says that somebody has its lock now."""

    name: str
    running: bool
    runner: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: str | None = None
    count: int | None = None
    said: str | None = None
    failures: int = 0


class Turn:
    """One run of a job, for whoever has its lock."""

    def __init__(self, name: str, fence: int, is_held: Callable[[], bool]) -> None:
        self.name = name
        self.fence = fence
        self._is_held = is_held

    def is_held(self) -> bool:
        """Say whether the lock is still ours: ask between steps."""
        return self._is_held()


class JobDesk:
    """The table `job_runs` and the jobs' locks. One connection holds all of them.

    Within a process nobody may ask for the same job twice at once: one session can
    take its own lock again.
    """

    def __init__(
        self, datastore: PostgresDatastore, connect: Connect, *, runner: str
    ) -> None:
        """`runner` names this process to people."""
        self._datastore = datastore
        self._connect = connect
        self._runner = runner
        self._connection: Connection[Any] | None = None
        self._opening = Lock()

    def close(self) -> None:
        """Give all locks back."""
        with self._opening:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def turn(
        self, name: str, *, at: datetime, every: timedelta | None
    ) -> Iterator[Turn | None]:
        """Have a job to oneself; None if others have it, or it is not due.

        `every` is how often it is due; None: now. Raises psycopg's errors.
        """
        connection = self._session()
        key = self._key(name)
        taken = connection.execute(
            "SELECT 1 WHERE pg_try_advisory_lock(%s)", (key,)
        ).fetchone()
        if taken is None:
            yield None
            return
        try:
            fence = self._begin(name, at, every)
            if fence is None:
                yield None
            else:
                yield Turn(name, fence, lambda: _is_alive(connection))
        finally:
            # Lost with its session, it is given back already.
            with suppress(psycopg.Error):
                connection.execute("SELECT pg_advisory_unlock(%s)", (key,))

    def end(
        self, turn: Turn, outcome: str, *, count: int, said: str | None, at: datetime
    ) -> bool:
        """Write what came of a run; False if another run was begun since."""
        with self._datastore.transaction(commit=True) as cursor:
            cursor.execute(
                "UPDATE job_runs SET ended_at = %s, outcome = %s, count = %s,"
                " said = %s,"
                " failures = CASE WHEN %s = 'failed' THEN failures + 1 ELSE 0 END"
                " WHERE name = %s AND fence = %s",
                (
                    at,
                    outcome,
                    count,
                    said and said[:SAID_MAX],
                    outcome,
                    turn.name,
                    turn.fence,
                ),
            )
            return cursor.rowcount == 1

    def state(self, name: str) -> JobState:
        """Tell of a job, whoever runs it."""
        with self._datastore.get_connection() as connection:
            row = connection.execute(
                "SELECT runner, started_at, ended_at, outcome, count, said, failures"
                " FROM job_runs WHERE name = %s",
                (name,),
            ).fetchone()
            held = connection.execute(
                "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted"
                " AND objsubid = 1 AND database ="
                " (SELECT oid FROM pg_database WHERE datname = current_database())"
                " AND (classid::bigint << 32 | objid::bigint) = %s LIMIT 1",
                (self._key(name),),
            ).fetchone()
        return JobState(name=name, running=held is not None, **(row or {}))

    def _begin(self, name: str, at: datetime, every: timedelta | None) -> int | None:
        due = at if every is None else at - every * SLACK
        with self._datastore.transaction(commit=True) as cursor:
            row = cursor.execute(
                "INSERT INTO job_runs (name, fence, runner, started_at)"
                " VALUES (%(name)s, 1, %(runner)s, %(at)s)"
                " ON CONFLICT (name) DO UPDATE SET fence = job_runs.fence + 1,"
                " runner = excluded.runner, started_at = excluded.started_at"
                # A start to come was written by a clock that was wrong.
                " WHERE %(now)s OR job_runs.started_at <= %(due)s"
                " OR job_runs.started_at > %(at)s RETURNING fence",
                {
                    "name": name,
                    "runner": self._runner,
                    "at": at,
                    "due": due,
                    "now": every is None,
                },
            ).fetchone()
        return None if row is None else int(row["fence"])

    def _session(self) -> Connection[Any]:
        with self._opening:
            if self._connection is None or self._connection.closed:
                self._connection = self._connect()
                # A machine that vanishes says no goodbye: its locks go after this.
                self._connection.execute(
                    "SELECT set_config('tcp_keepalives_idle', '10', false),"
                    " set_config('tcp_keepalives_interval', '5', false),"
                    " set_config('tcp_keepalives_count', '3', false)"
                )
            return self._connection

    def _key(self, name: str) -> int:
        text = f"eticket-ledger job {self._datastore.schema} {name}"
        digest = hashlib.sha256(text.encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)


def _is_alive(connection: Connection[Any]) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True
