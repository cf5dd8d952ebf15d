"""One projection following the log: many may stand by, one follows.

STANDING BY ── the lock is free ──► FOLLOWING ── an event does not fit ──► STOPPED
     ▲                                  │                                     │
     └──── the connection is lost ◄─────┘        the stop is cleared ─────────┘

One connection holds the lock and writes the rows, so who lost the lock cannot write.
NOTIFY is a hint that may be missed: the log is polled as well.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from threading import Event

import psycopg
from eventsourcing.persistence import (
    InterfaceError,
    Notification,
    OperationalError,
    Tracking,
)
from psycopg import Connection
from psycopg.rows import DictRow
from psycopg.sql import SQL, Identifier

from ledger.application import Ledger
from ledger.log.recorder import connect
from ledger.projections.base import BookmarkMoved, View
from ledger.projections.registry import AnyProjection

BATCH_MAX = 500
IDLE_MIN_S = 0.02
IDLE_MAX_S = 0.5
STANDBY_S = 1.0
RETRY_MIN_S = 0.1
RETRY_MAX_S = 5.0
ROW_LOCK_TIMEOUT_S = 5
ERROR_MAX = 500

# These pass: the server went away, or somebody holds a row for a while.
TRANSIENT = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    OperationalError,
    InterfaceError,
)

_log = logging.getLogger(__name__)


class Stopped(Exception):
    """An event does not fit the view; its cause says why."""

    def __init__(self, position: int, error: Exception) -> None:
        said = f"{type(error).__name__} at position {position}: {error}"
        super().__init__(said[:ERROR_MAX])
        self.position = position


class Follower:
    """Keeps one view up to date, for as long as it is run."""

    def __init__(self, ledger: Ledger, projection: AnyProjection) -> None:
        self._ledger = ledger
        self._projection = projection
        self.view: View = projection.view
        self.name = projection.name

    def run(self, stop: Event) -> None:
        """Follow until `stop` is set; reconnect when the connection is lost."""
        retry_s = RETRY_MIN_S
        while not stop.is_set():
            try:
                with connect(self.view.datastore) as connection:
                    self._take_turns(connection, stop)
            except TRANSIENT as error:
                _log.warning("projection %s lost its way: %s", self.name, error)
                stop.wait(retry_s)
                retry_s = min(retry_s * 2, RETRY_MAX_S)
            else:
                retry_s = RETRY_MIN_S

    def step(self, connection: Connection[DictRow]) -> int:
        """Take the next events in, in one commit; return how many there were.

        Raises `Stopped` at an event that does not fit; those before it are kept.
        """
        found = self._ledger.recorder.select_notifications(
            self.view.position(), BATCH_MAX, inclusive_of_start=False
        )
        try:
            self._take_in(found, connection)
        except BookmarkMoved:
            return 1  # The view was rebuilt meanwhile: look again from there.
        except Stopped:
            for each in found:
                self._take_in([each], connection)
        return len(found)

    def _take_in(
        self, found: Sequence[Notification], connection: Connection[DictRow]
    ) -> None:
        if found:
            with self.view.together(connection):
                for each in found:
                    self.process(each)

    def process(self, found: Notification) -> None:
        """Take one event in, within the view's open transaction. Raises `Stopped`."""
        try:
            event = self._ledger.mapper.to_domain_event(found)
            self._projection.process_event(event, Tracking(self.name, found.id))
        except (BookmarkMoved, *TRANSIENT):
            raise
        except Exception as error:
            raise Stopped(found.id, error) from error

    def _take_turns(self, connection: Connection[DictRow], stop: Event) -> None:
        # Listen before the first read, else what comes between the two is missed.
        channel = Identifier(self._ledger.recorder.channel_name)
        connection.execute(SQL("LISTEN {}").format(channel))
        connection.execute(
            "SELECT set_config('lock_timeout', %s, false)", (f"{ROW_LOCK_TIMEOUT_S}s",)
        )
        while not stop.is_set():
            if not self._try_lock(connection):
                stop.wait(STANDBY_S)
                continue
            try:
                self._follow(connection, stop)
            except Stopped as stopped:
                _log.exception(
                    "projection %s stopped at position %s", self.name, stopped.position
                )
                self._await_clearance(connection, stopped, stop)

    def _follow(self, connection: Connection[DictRow], stop: Event) -> None:
        idle_s, cleared = IDLE_MIN_S, False
        while not stop.is_set():
            if self.step(connection):
                idle_s = IDLE_MIN_S
            else:
                for _ in connection.notifies(timeout=idle_s, stop_after=1):
                    pass
                idle_s = min(idle_s * 2, IDLE_MAX_S)
            if not cleared:  # What another version stumbled over fits this one.
                cleared = True
                self._clear_stop(connection)

    def _try_lock(self, connection: Connection[DictRow]) -> bool:
        row = connection.execute(
            "SELECT pg_try_advisory_lock(%s) AS got", (self.lock_key,)
        ).fetchone()
        return bool(row and row["got"])

    @property
    def lock_key(self) -> int:
        schema = self.view.datastore.schema
        text = f"eticket-ledger projection {schema} {self.name}"
        digest = hashlib.sha256(text.encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)

    def _await_clearance(
        self, connection: Connection[DictRow], stopped: Stopped, stop: Event
    ) -> None:
        """Say publicly what is wrong; go on when a rebuild has cleared it."""
        connection.execute(
            "INSERT INTO projection_stops (name, position, error) VALUES (%s, %s, %s)"
            " ON CONFLICT (name) DO UPDATE SET position = excluded.position,"
            " error = excluded.error, stopped_at = now()",
            (self.name, stopped.position, str(stopped)),
        )
        connection.execute("SELECT pg_advisory_unlock(%s)", (self.lock_key,))
        while not stop.wait(STANDBY_S):
            row = connection.execute(
                "SELECT 1 FROM projection_stops WHERE name = %s", (self.name,)
            ).fetchone()
            if row is None:
                return

    def _clear_stop(self, connection: Connection[DictRow]) -> None:
        connection.execute("DELETE FROM projection_stops WHERE name = %s", (self.name,))
