"""One projection following the log: many may stand by, one follows.

STANDING BY ── the lock is free ──► FOLLOWING ── an event does not fit ──► STOPPED
     ▲                                  │                                     │
     └──── the connection is lost ◄─────┘        the stop is cleared ─────────┘

One connection holds the lock and writes the rows, so who lost the lock cannot write.
NOTIFY is a hint that may be missed: the log is polled as well.
"""

from __future__ import annotations

import logging
import time
from threading import Event

from psycopg import Connection
from psycopg.rows import DictRow
from psycopg.sql import SQL, Identifier

from ledger.application import Ledger
from ledger.log.recorder import connect
from ledger.projections import locks
from ledger.projections.base import BookmarkMoved, View
from ledger.projections.intake import TRANSIENT, Intake, Stopped
from ledger.projections.pages import Pages
from ledger.projections.registry import AnyProjection

BATCH_MAX = 500
GATHER_S = 0.04
"""Under load so much time's events are taken in together; the first one never waits."""

IDLE_MIN_S = 0.02
IDLE_MAX_S = 0.5
STANDBY_S = 1.0
RETRY_MIN_S = 0.1
RETRY_MAX_S = 5.0
ROW_LOCK_TIMEOUT_S = 5

_log = logging.getLogger(__name__)


class Follower:
    """Keeps one view up to date, for as long as it is run."""

    def __init__(
        self,
        ledger: Ledger,
        projection: AnyProjection,
        *,
        pages: Pages | None = None,
        batch_max: int = BATCH_MAX,
    ) -> None:
        """`pages` may be shared by all followers of a process."""
        self._ledger = ledger
        self._pages = pages or Pages(ledger)
        self._batch_max = batch_max
        self.intake = Intake(projection, event_of=self._pages.event)
        self._position: int | None = None
        self.view: View = projection.view
        self.name = projection.name

    def run(self, stop: Event) -> None:
        """Follow until `stop` is set; reconnect when the connection is lost."""
        retry_s = RETRY_MIN_S
        while not stop.is_set():
            try:
                with connect(self.view.datastore) as connection:
                    self._pages.forget()
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
        if self._position is None:
            self._position = self.view.position()
        found = self._pages.after(self._position, self._batch_max)
        before, self._position = self._position, None
        try:
            self.intake.take_in(found, connection)
        except BookmarkMoved:
            return 1  # The view was rebuilt meanwhile: look again from there.
        self._position = found[-1].id if found else before
        return len(found)

    def _take_turns(self, connection: Connection[DictRow], stop: Event) -> None:
        # Listen before the first read, else what comes between the two is missed.
        channel = Identifier(self._ledger.recorder.channel_name)
        connection.execute(SQL("LISTEN {}").format(channel))
        connection.execute(
            "SELECT set_config('lock_timeout', %s, false)", (f"{ROW_LOCK_TIMEOUT_S}s",)
        )
        # A commit that a crash takes back takes the bookmark back with it.
        connection.execute("SET synchronous_commit TO off")
        while not stop.is_set():
            if not locks.take(connection, self.lock_key):
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
        self._position = None
        while not stop.is_set():
            began_s = time.monotonic()
            taken = self.step(connection)
            if taken:
                idle_s = IDLE_MIN_S
                if taken < self._batch_max:
                    stop.wait(max(0.0, began_s + GATHER_S - time.monotonic()))
            else:
                for _ in connection.notifies(timeout=idle_s, stop_after=1):
                    pass
                idle_s = min(idle_s * 2, IDLE_MAX_S)
            if not cleared:  # What another version stumbled over fits this one.
                cleared = True
                self._clear_stop(connection)

    @property
    def lock_key(self) -> int:
        return locks.key(locks.FOLLOWING, self.view.datastore.schema, self.name)

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
        locks.give_back(connection, self.lock_key)
        while not stop.wait(STANDBY_S):
            row = connection.execute(
                "SELECT 1 FROM projection_stops WHERE name = %s", (self.name,)
            ).fetchone()
            if row is None:
                return

    def _clear_stop(self, connection: Connection[DictRow]) -> None:
        connection.execute("DELETE FROM projection_stops WHERE name = %s", (self.name,))
