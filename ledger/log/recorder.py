"""Where events are stored: the library's locked PostgreSQL recorder, made by our own.

A process opens its own connections: make the `Ledger` after a fork, not before. Tables
come from `migrations/` alone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, cast
from uuid import UUID

import psycopg
from eventsourcing import postgres
from eventsourcing.persistence import InterfaceError, OperationalError, StoredEvent
from eventsourcing.utils import Environment, retry
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg.sql import SQL, Identifier

CONNECT_TIMEOUT_S = 10
LOCK_TIMEOUT_S = 10
IDLE_IN_TRANSACTION_S = 10
IDLE_CONNECTIONS_MAX = 2

_CONNINFO = "POSTGRES_CONNINFO"

# As patient with a server that restarts as the library is.
ATTEMPTS_MAX, WAIT_S = 10, 0.2


# psycopg's pipelines can hang for ever once what is sent fills the socket's buffer
# (psycopg issues 685 and 1094). So much is sent in one, encoded several times over.
PIPELINED_MAX_BYTES = 16_384


class LedgerRecorder(postgres.PostgresApplicationRecorder):
    """Appends under the table's lock, so that positions are committed in order.

    Small appends go by the library's way, long ones by COPY, which is also faster.
    """

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Append all or nothing; return the positions in the order of the events."""
        if sum(len(event.state) for event in stored_events) <= PIPELINED_MAX_BYTES:
            said = super().insert_events(stored_events, **kwargs)
            return cast("Sequence[int] | None", said)
        return cast("Sequence[int]", self._copy_events(stored_events))

    @retry((InterfaceError, OperationalError), max_attempts=ATTEMPTS_MAX, wait=WAIT_S)
    def _copy_events(self, stored_events: Sequence[StoredEvent]) -> Sequence[int]:
        table = Identifier(self.datastore.schema, self.events_table_name)
        copying = SQL(
            "COPY {} (originator_id, originator_version, topic, state)"
            " FROM STDIN (FORMAT BINARY)"
        ).format(table)
        positions = SQL(
            "SELECT notification_id FROM {} ORDER BY notification_id DESC LIMIT %s"
        ).format(table)
        with (
            self.datastore.get_connection() as connection,
            connection.transaction(),
            connection.cursor() as cursor,
        ):
            self._lock_table(cursor)
            self._notify_channel(cursor)
            with cursor.copy(copying) as copy:
                copy.set_types(["uuid", "int8", "text", "bytea"])
                for event in stored_events:
                    copy.write_row(
                        (
                            event.originator_id,
                            event.originator_version,
                            event.topic,
                            event.state,
                        )
                    )
            # The lock is held, so the newest rows are those of this append.
            rows = cursor.execute(positions, (len(stored_events),)).fetchall()
        return [row["notification_id"] for row in reversed(rows)]

    def positions_of(self, stream_id: UUID) -> dict[int, int]:
        """Return the position of every version of one stream."""
        statement = SQL(
            "SELECT originator_version, notification_id FROM {}.{}"
            " WHERE originator_id = %s"
        ).format(Identifier(self.datastore.schema), Identifier(self.events_table_name))
        with self.datastore.get_connection() as connection:
            rows = connection.execute(statement, (stream_id,)).fetchall()
        return {row["originator_version"]: row["notification_id"] for row in rows}

    def begun_of(self, stream_ids: Collection[UUID]) -> set[UUID]:
        """Return those of the streams that have an event, in one query."""
        statement = SQL(
            "SELECT originator_id FROM {}.{}"
            " WHERE originator_id = ANY(%s) AND originator_version = 1"
        ).format(Identifier(self.datastore.schema), Identifier(self.events_table_name))
        with self.datastore.get_connection() as connection:
            rows = connection.execute(statement, (list(stream_ids),)).fetchall()
        return {row["originator_id"] for row in rows}


class LedgerFactory(postgres.PostgresFactory):
    """Builds what the library needs; it finds this class by PERSISTENCE_MODULE."""

    application_recorder_class = LedgerRecorder

    def __init__(self, env: Environment | None) -> None:
        super().__init__(env)
        # The library knows five words of an address; it may have more (TLS, options).
        arguments = self.datastore.pool.kwargs
        assert isinstance(arguments, dict)
        arguments.update(conninfo_to_dict(self.env.get(_CONNINFO) or ""))


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
        # A connection that died with the server is not handed out after its restart.
        "POSTGRES_PRE_PING": "yes",
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
