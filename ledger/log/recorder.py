"""Where events are stored: appended without a lock, read by position.

An append is one round trip and has no positions yet. The sequencer gives them, in
batches, to what is committed, so a reader by position never passes over an event that
is committed later. Whoever wants his position at once sequences himself, if nobody
else is at it: many writers then share one batch.

A process opens its own connections: make the `Ledger` after a fork, not before. Tables
and functions come from `migrations/` alone.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeVar, cast
from uuid import UUID

import psycopg
from eventsourcing import postgres
from eventsourcing.persistence import (
    ApplicationRecorder,
    Notification,
    PersistenceError,
    StoredEvent,
    Subscription,
)
from eventsourcing.utils import Environment
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg.sql import SQL, Identifier

from ledger.errors import Conflict
from ledger.log.arrays import Bigints, Byteas, Column, Texts, Uuids
from ledger.log.patience import DATABASE_LOST, patiently
from ledger.log.subscription import PositionSubscription

CONNECT_TIMEOUT_S = 10
LOCK_TIMEOUT_S = 10
IDLE_IN_TRANSACTION_S = 10
IDLE_CONNECTIONS_MAX = 2

_CONNINFO = "POSTGRES_CONNINFO"

# Of migrations/0008_sequenced_log.sql.
STOPPED, CARRIED_OUT = "LG001", "LG002"

_APPEND = "SELECT ledger_append(%s, %s, %s, %s, %s, %s, %s)"
_APPEND_ONE = "SELECT ledger_append_one(%s, %s, %s, %s, %s, %s, %s)"
_PLACE = "SELECT ledger_place(%s, %s) AS position"
_SEQUENCE = "SELECT ledger_sequence() AS events"
_SIZE = "SELECT size FROM ledger_head"
# The order of the log leads; the planner is not to think of anything else.
_BY_POSITION = """
SELECT l.position, l.originator_id, l.originator_version, e.topic, e.state
FROM ledger_log l, LATERAL (
    SELECT topic, state FROM ledger_events
    WHERE originator_id = l.originator_id AND originator_version = l.originator_version
    OFFSET 0
) e
WHERE l.position BETWEEN %(first)s AND %(last)s
    AND (%(topics)s::text[] IS NULL OR e.topic = ANY(%(topics)s))
ORDER BY l.position LIMIT %(limit)s
"""
_POSITIONS = """
SELECT originator_version, position FROM ledger_log WHERE originator_id = %s
"""
_BEGUN = """
SELECT originator_id FROM ledger_events
WHERE originator_id = ANY(%s) AND originator_version = 1
"""
_LEAF_HASHES = """
SELECT leaf_hash FROM ledger_log WHERE position BETWEEN %s AND %s ORDER BY position
"""
_STORED = """
SELECT count(*) AS count FROM ledger_events
    JOIN unnest(%s::uuid[], %s::bigint[], %s::text[], %s::bytea[])
        AS mine (originator_id, originator_version, topic, state)
    USING (originator_id, originator_version, topic, state)
"""
_COMMAND = """
SELECT request, originator_id, originator_version FROM ledger_commands
WHERE actor = %s AND key = %s
"""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a caller asked for, under a key of his own: it is carried out once."""

    actor: str
    key: str
    request: bytes
    """SHA-256 of what was asked for, in one form."""


@dataclass(frozen=True)
class Placed(Notification):
    """A stored event and its position, `id`."""

    originator_id: UUID


class CommandRepeated(Exception):
    """The actor's key was used before: nothing was appended.

    `same` says whether it stood for the same request then, `stream_id` and `version`
    which event that command recorded last.
    """

    def __init__(self, *, same: bool, stream_id: UUID, version: int) -> None:
        super().__init__("the command was carried out before")
        self.same = same
        self.stream_id = stream_id
        self.version = version


class LogStopped(Conflict):
    """Nothing is appended any more until an operator has decided."""

    code = "log_stopped"
    says = "{says}"


class LedgerRecorder(postgres.PostgresApplicationRecorder):
    """Events of one log. Differs from what it derives from as this room's head says."""

    def __init__(self, datastore: postgres.PostgresDatastore, **kwargs: Any) -> None:
        super().__init__(datastore, **kwargs)
        self.channel_name = channel(datastore.schema)
        self.on_append: Callable[[float], None] = lambda _: None
        """Is told how many seconds each append took."""

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int]:
        """Append all or nothing; return the positions in the order of the events.

        `command` makes it happen once (`append`). Raises `IntegrityError` when one of
        the versions is taken or the one before it is missing.
        """
        if not stored_events:
            return []
        self.append(stored_events, command=kwargs.get("command"))
        last = stored_events[-1]
        position = self.place_of(last.originator_id, last.originator_version)
        return list(range(position - len(stored_events) + 1, position + 1))

    def select_events(
        self, originator_id: UUID | str, **which: Any
    ) -> Sequence[StoredEvent]:
        """Return a stream's events, those the library's keywords (`gt`, …) choose.

        The library would repeat a statement that was out of time.
        """
        once = postgres.PostgresApplicationRecorder.select_events.__wrapped__
        return self._patiently(lambda: once(self, originator_id, **which))

    def append(
        self, stored_events: Sequence[StoredEvent], *, command: Command | None = None
    ) -> None:
        """Append all or nothing, in one round trip, without waiting for positions.

        Raises `IntegrityError` as `insert_events`, `LogStopped`, and `CommandRepeated`.
        """
        query, given = _statement(stored_events)
        asked = (command.actor, command.key, command.request) if command else [None] * 3
        in_doubt = False

        def attempt() -> None:
            nonlocal in_doubt
            try:
                self._rows(query, (*given, *asked))
            except DATABASE_LOST:
                in_doubt = True
                raise
            except PersistenceError as error:
                # What was cut off may have been committed: then it is our own events
                # that are in the way.
                if not (in_doubt and self._are_stored(stored_events)):
                    raise self._meant(error, command) from error

        began = perf_counter()
        self._patiently(attempt)
        self.on_append(perf_counter() - began)

    def place_of(self, stream_id: UUID | str, version: int) -> int:
        """Return the position of a committed event, sequencing it if nobody has yet.

        Raises LookupError if there is no such event.
        """
        (row,) = self._select(_PLACE, (stream_id, version))
        position: int | None = row["position"]
        if position is None:
            raise LookupError(f"stream {stream_id} has no version {version}")
        return position

    def repeated(self, command: Command) -> CommandRepeated | None:
        """Return what is raised if the command came now; None if it is a new one."""
        rows = self._select(_COMMAND, (command.actor, command.key))
        return _repeated(command, rows[0]) if rows else None

    def sequence(self) -> int | None:
        """Sequence a batch; return how many events, None if another is at it."""
        (row,) = self._select(_SEQUENCE, ())
        given: int | None = row["events"]
        return given

    def size(self) -> int:
        """Return how many events have a position, which is the last position."""
        (row,) = self._select(_SIZE, ())
        size: int = row["size"]
        return size

    def max_notification_id(self) -> int | None:
        return self.size() or None

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Placed]:
        """Return events in the order of the log, from `start` to `stop`."""
        first = (start or 0) + (start is not None and not inclusive_of_start)
        last = 2**62 if stop is None else stop
        if not topics:  # No gaps: so many events are so many positions.
            last = min(last, max(first, 1) + limit - 1)
        values = {
            "first": first,
            "last": last,
            "topics": list(topics) or None,
            "limit": limit,
        }
        return [
            Placed(
                id=row["position"],
                originator_id=row["originator_id"],
                originator_version=row["originator_version"],
                topic=row["topic"],
                state=row["state"],
            )
            for row in self._select(_BY_POSITION, values)
        ]

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription[ApplicationRecorder]:
        """Return events after `gt` for ever, as they get positions."""
        return PositionSubscription(self, gt, topics, listen=self.listen)

    def positions_of(self, stream_id: UUID) -> dict[int, int]:
        """Return the position of every version of one stream that has one."""
        rows = self._select(_POSITIONS, (stream_id,))
        return {row["originator_version"]: row["position"] for row in rows}

    def begun_of(self, stream_ids: Collection[UUID]) -> set[UUID]:
        """Return those of the streams that have an event, in one query."""
        rows = self._select(_BEGUN, (list(stream_ids),))
        return {row["originator_id"] for row in rows}

    def leaf_hashes(self, first_position: int, limit: int) -> list[bytes]:
        """Return the RFC 6962 leaf hashes of so many events, or of as many as are."""
        last = first_position + limit - 1
        rows = self._select(_LEAF_HASHES, (first_position, last))
        return [row["leaf_hash"] for row in rows]

    def listen(self) -> Connection[DictRow]:
        """Open a connection that is notified when the log has grown."""
        connection = connect(self.datastore)
        connection.execute(SQL("LISTEN {}").format(Identifier(self.channel_name)))
        return connection

    def _select(
        self, query: str, values: Sequence[object] | Mapping[str, object]
    ) -> list[DictRow]:
        return self._patiently(lambda: self._rows(query, values))

    def _rows(
        self,
        query: str,
        values: Sequence[object] | Mapping[str, object],
    ) -> list[DictRow]:
        with (
            self.datastore.get_connection() as connection,
            connection.cursor(binary=True) as cursor,
        ):
            return cursor.execute(query.encode(), values, prepare=True).fetchall()

    def _patiently(self, attempt: Callable[[], _T]) -> _T:
        return patiently(self.datastore, attempt)

    def _are_stored(self, events: Sequence[StoredEvent]) -> bool:
        (row,) = self._rows(_STORED, _columns(events))
        return bool(row["count"] == len(events))

    def _meant(self, error: PersistenceError, command: Command | None) -> Exception:
        """Return what the database's refusal of an append means to the caller."""
        said = error.__cause__
        assert isinstance(said, psycopg.Error)
        if said.sqlstate == STOPPED:
            return LogStopped(says=said.diag.message_primary)
        if said.sqlstate == CARRIED_OUT and command is not None:
            (row,) = self._rows(_COMMAND, (command.actor, command.key))
            return _repeated(command, row)
        return error


class LedgerFactory(postgres.PostgresFactory):
    """Builds what the library needs; it finds this class by PERSISTENCE_MODULE."""

    application_recorder_class = LedgerRecorder

    def __init__(self, env: Environment | None) -> None:
        super().__init__(env)
        # The library knows five words of an address; it may have more (TLS, options).
        pool = self.datastore.pool
        assert isinstance(pool.kwargs, dict)
        pool.kwargs.update(conninfo_to_dict(self.env.get(_CONNINFO) or ""))
        # And it asks the server before each use of a connection.
        self.datastore.pool = postgres.ConnectionPool(
            connection_class=Connection[DictRow],
            kwargs=pool.kwargs,
            min_size=pool.min_size,
            max_size=pool.max_size,
            open=False,
            configure=self.datastore.after_connect_func(),
            timeout=pool.timeout,
            max_lifetime=pool.max_lifetime,
            check=look_at,
        )


def _statement(events: Sequence[StoredEvent]) -> tuple[str, Sequence[Any]]:
    """Return what appends events, and its first values."""
    if len(events) > 1:
        return _APPEND, _columns(events)
    (event,) = events
    values = event.originator_id, event.originator_version, event.topic, event.state
    return _APPEND_ONE, values


def _repeated(command: Command, row: DictRow) -> CommandRepeated:
    return CommandRepeated(
        same=row["request"] == command.request,
        stream_id=row["originator_id"],
        version=row["originator_version"],
    )


def _columns(events: Sequence[StoredEvent]) -> Sequence[Column]:
    return (
        Uuids([cast("UUID", each.originator_id) for each in events]),
        Bigints([each.originator_version for each in events]),
        Texts([each.topic for each in events]),
        Byteas([each.state for each in events]),
    )


def look_at(connection: Connection[Any]) -> None:
    """See that the server has not closed a connection; ask it only if it said a word.

    An idle connection has nothing to read; at its end it has.
    """
    said, _, _ = select.select([connection.fileno()], [], [], 0)
    if said:
        postgres.ConnectionPool.check_connection(connection)


def channel(schema: str) -> str:
    """Return the channel that is notified when a log has grown."""
    return f"{schema}_log"


def environment(url: str, schema: str, pool_size: int) -> dict[str, str]:
    """Return the library's settings for a log in `schema` of the database at `url`.

    The search path of every connection leads to the schema. A process holds at most
    `pool_size` connections, fewer when it is idle.
    """
    given = conninfo_to_dict(url)
    options = f"{given.get('options') or ''} -c search_path={schema}".strip()
    kept = min(pool_size, IDLE_CONNECTIONS_MAX)
    return {
        "PERSISTENCE_MODULE": __name__,
        _CONNINFO: make_conninfo(url, options=options),
        "POSTGRES_DBNAME": str(given.get("dbname") or ""),
        "POSTGRES_HOST": str(given.get("host") or ""),
        "POSTGRES_PORT": str(given.get("port") or ""),
        "POSTGRES_USER": str(given.get("user") or ""),
        "POSTGRES_PASSWORD": str(given.get("password") or ""),
        "POSTGRES_SCHEMA": schema,
        "POSTGRES_POOL_SIZE": str(kept),
        "POSTGRES_MAX_OVERFLOW": str(pool_size - kept),
        "POSTGRES_CONNECT_TIMEOUT": str(CONNECT_TIMEOUT_S),
        "POSTGRES_LOCK_TIMEOUT": str(LOCK_TIMEOUT_S),
        "POSTGRES_IDLE_IN_TRANSACTION_SESSION_TIMEOUT": str(IDLE_IN_TRANSACTION_S),
        "CREATE_TABLE": "no",
    }


def connect(datastore: postgres.PostgresDatastore) -> Connection[DictRow]:
    """Open a connection beside the pool, for what lasts: locks, notifications."""
    arguments = datastore.pool.kwargs
    assert isinstance(arguments, dict)
    given = {name: each for name, each in arguments.items() if name != "row_factory"}
    return psycopg.connect(
        **given,
        row_factory=dict_row,
        autocommit=True,
        connect_timeout=CONNECT_TIMEOUT_S,
    )
