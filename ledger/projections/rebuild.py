"""A view derived anew beside the one that is read, then put in its place.

    BEGIN ──► FILL, many commits ──► few events behind ──► SWAP, one short transaction
      ▲          │     ▲
      │          └─────┘ killed: it goes on from its own bookmark
      └── the code or the tables are others now: it starts over

The view that is read is followed all the while. The same SQL fills the new tables: they
have the same names in a second schema, which this connection looks into first. Only
the swap makes readers wait, and never for longer than `SWAP_LOCK_TIMEOUT_S` at a time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import ModuleType

import psycopg
from psycopg import Connection
from psycopg.rows import DictRow
from psycopg.sql import SQL, Identifier

from ledger import aggregates, projections, vocabulary
from ledger.application import Ledger
from ledger.errors import Conflict, Denied
from ledger.log.recorder import connect
from ledger.log.snapshots import code_fingerprint
from ledger.projections import locks
from ledger.projections.base import LIVE, Bookmark
from ledger.projections.intake import TRANSIENT, Intake, Stopped, passes
from ledger.projections.registry import AnyProjection

BATCH_MAX = 2_000
SWAP_EVENTS_MAX = 500  # Taken in while the follower waits.
SWAP_LOCK_TIMEOUT_S = 0.2
SWAP_ATTEMPTS_MAX = 300
SWAP_PAUSE_S = 0.3  # Between two attempts: those who read come first.
RETRIES_MAX = 30
RETRY_S = 0.5

# Whatever these hold may decide what a view makes of an event.
CODE: tuple[ModuleType, ...] = (aggregates, projections, vocabulary)

BESIDE = Bookmark(
    begin="SELECT 1 FROM projection_rebuilds WHERE name = %s",
    hold="SELECT position FROM projection_rebuilds WHERE name = %s FOR UPDATE",
    move="UPDATE projection_rebuilds SET position = %s WHERE name = %s",
)

_log = logging.getLogger(__name__)


class RebuildRunning(Conflict):
    code = "rebuild_running"
    says = "The view {name} is being rebuilt already; wait until that has ended."


class RebuildStopped(Conflict):
    code = "rebuild_stopped"
    says = (
        "The view {name} cannot be rebuilt: the event at position {position} ({event})"
        " does not fit, {error}. The view that is read stays as it is; mend the code"
        " and rebuild again."
    )


class RebuildHeldUp(Conflict):
    code = "rebuild_held_up"
    says = (
        "The view {name} is rebuilt but not in place, for somebody keeps a transaction"
        " on it open. What was done is kept: end that transaction and rebuild again."
    )


class WorkroomMissing(Denied):
    code = "workroom_missing"
    says = (
        "The owner of the log's tables may not make the schema in which views are"
        " rebuilt; have an administrator run {sql} once."
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rebuild has come; `events_s` is its pace since it was last begun."""

    name: str
    done: int
    total: int
    events_s: float


class Rebuild:
    """One rebuild of one view, for the thread that runs it."""

    def __init__(
        self,
        ledger: Ledger,
        projection: AnyProjection,
        *,
        code: str | None = None,
        batch_max: int = BATCH_MAX,
    ) -> None:
        """`code` stands for all that fills the view; by default it is the sources'."""
        self._ledger = ledger
        self._view = projection.view
        self.intake = Intake(projection, event_of=ledger.mapper.to_domain_event)
        self._code = code
        self._batch_max = batch_max
        self._swap_events_max = min(batch_max, SWAP_EVENTS_MAX)
        self._position = 0
        self._done = 0
        self._began_s = 0.0

    @property
    def name(self) -> str:
        name: str = self._view.name
        return name

    @property
    def lock_key(self) -> int:
        return locks.key(locks.REBUILDING, self._view.datastore.schema, self.name)

    def run(self, tell: Callable[[Progress], None]) -> int:
        """Derive the view anew; return up to which position.

        `tell` is called after each commit. Raises `RebuildRunning`, `RebuildStopped`,
        `RebuildHeldUp`, `WorkroomMissing`; the view that is read is as it was then.
        """
        retries = 0
        while True:
            self._done = 0
            try:
                with (
                    connect(self._view.datastore) as connection,
                    self._alone(connection),
                ):
                    return self._run(connection, tell)
            except Stopped as stopped:
                self._note(stopped)
                raise RebuildStopped(
                    name=self.name,
                    position=stopped.position,
                    event=stopped.event,
                    error=stopped.error,
                ) from stopped
            except RebuildRunning:  # Our own session may not have ended yet.
                if not retries or retries == RETRIES_MAX:
                    raise
            except TRANSIENT as error:
                if retries == RETRIES_MAX or not passes(error):
                    raise
                _log.warning("rebuild of %s lost its way: %s", self.name, error)
            retries = 1 if self._done else retries + 1
            time.sleep(RETRY_S)

    def abandon(self) -> None:
        """Throw away what was rebuilt so far. Raises `RebuildRunning`."""
        with connect(self._view.datastore) as connection, self._alone(connection):
            connection.execute("SELECT projection_rebuild_drop(%s)", (self.name,))

    def _run(
        self, connection: Connection[DictRow], tell: Callable[[Progress], None]
    ) -> int:
        self._position = self._begin(connection)
        self._began_s = time.monotonic()
        for attempt in range(SWAP_ATTEMPTS_MAX):
            while self._fill(connection, tell):
                pass
            if not attempt:
                connection.execute(
                    "SELECT projection_rebuild_analyze(%s)", (self.name,)
                )
            try:
                reached = self._swap(connection)
            except psycopg.errors.LockNotAvailable:
                time.sleep(SWAP_PAUSE_S)
                continue
            if reached is not None:
                return reached
        raise RebuildHeldUp(name=self.name)

    @contextmanager
    def _alone(self, connection: Connection[DictRow]) -> Iterator[None]:
        if not locks.take(connection, self.lock_key):
            raise RebuildRunning(name=self.name)
        try:
            yield
        finally:
            # The server may take its time to see that a connection is gone.
            with suppress(psycopg.Error):
                locks.give_back(connection, self.lock_key)

    def _begin(self, connection: Connection[DictRow]) -> int:
        """Find or make the new tables; from here on they come before the old ones."""
        try:
            row = connection.execute(
                "SELECT projection_rebuild_begin(%s, %s) AS position",
                (self.name, self._code or code_fingerprint(*CODE).hex()),
            ).fetchone()
        except psycopg.errors.InsufficientPrivilege:
            self._require_workroom(connection)
            raise
        assert row is not None
        path = SQL("SET search_path TO {}, {}")
        home = Identifier(self._view.datastore.schema)
        connection.execute(path.format(Identifier(self._workroom), home))
        # A commit that a crash takes back takes the bookmark back with it.
        connection.execute("SET synchronous_commit TO off")
        return int(row["position"])

    @property
    def _workroom(self) -> str:
        return f"{self._view.datastore.schema}-anew"

    def _require_workroom(self, connection: Connection[DictRow]) -> None:
        rows = connection.execute(
            "SELECT tableowner::text AS owner FROM pg_tables"
            " WHERE schemaname = current_schema() AND tablename = 'projection_tables'"
            " AND to_regnamespace(quote_ident(%s)) IS NULL",
            (self._workroom,),
        ).fetchall()
        for row in rows:
            make = SQL("CREATE SCHEMA {} AUTHORIZATION {}")
            names = Identifier(self._workroom), Identifier(row["owner"])
            raise WorkroomMissing(sql=make.format(*names).as_string(connection))

    def _fill(
        self, connection: Connection[DictRow], tell: Callable[[Progress], None]
    ) -> bool:
        """Take the next events in, in one commit; say whether there are many more."""
        found = self._ledger.recorder.select_notifications(
            self._position, self._batch_max, inclusive_of_start=False
        )
        self.intake.take_in(found, connection, BESIDE)
        if found:
            self._position = found[-1].id
            self._done += len(found)
        total = max(self._position, self._ledger.recorder.size())
        took_s = max(time.monotonic() - self._began_s, 1e-6)
        tell(Progress(self.name, self._position, total, self._done / took_s))
        return total - self._position > self._swap_events_max

    def _swap(self, connection: Connection[DictRow]) -> int | None:
        """Take the last events in and put the new tables in place, in one commit.

        Returns the position, None if too many events have come meanwhile.
        """
        with connection.transaction():
            connection.execute("SET LOCAL synchronous_commit TO DEFAULT")
            connection.execute(
                "SELECT set_config('lock_timeout', %s, true)",
                (f"{SWAP_LOCK_TIMEOUT_S}s",),
            )
            # Whoever follows waits from here on, and goes on from the new bookmark.
            connection.execute(LIVE.begin, (self.name,))
            connection.execute(LIVE.hold, (self.name,))
            last = self._ledger.recorder.select_notifications(
                self._position, self._swap_events_max + 1, inclusive_of_start=False
            )
            if len(last) > self._swap_events_max:
                return None
            self.intake.take_in(last, connection, BESIDE)
            row = connection.execute(
                "SELECT projection_rebuild_swap(%s) AS position", (self.name,)
            ).fetchone()
        assert row is not None
        return int(row["position"])

    def _note(self, stopped: Stopped) -> None:
        """Let the status say why the rebuild ended."""
        with connect(self._view.datastore) as connection:
            connection.execute(
                "UPDATE projection_rebuilds SET error = %s WHERE name = %s",
                (str(stopped), self.name),
            )
