"""Where events are stored: the library's locked PostgreSQL recorder, made by our own.

A process opens its own connections: make the `Ledger` after a fork, not before. Tables
come from `migrations/` alone.
"""

from __future__ import annotations

from uuid import UUID

import psycopg
from eventsourcing import postgres
from eventsourcing.utils import Environment
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg.sql import SQL, Identifier

CONNECT_TIMEOUT_S = 10
LOCK_TIMEOUT_S = 10
IDLE_IN_TRANSACTION_S = 10
IDLE_CONNECTIONS_MAX = 2

_CONNINFO = "POSTGRES_CONNINFO"


class LedgerRecorder(postgres.PostgresApplicationRecorder):
    """Appends under the table's lock, so that positions are committed in order."""

    def positions_of(self, stream_id: UUID) -> dict[int, int]:
        """Return the position of every version of one stream."""
        statement = SQL(
            "SELECT originator_version, notification_id FROM {}.{}"
            " WHERE originator_id = %s"
        ).format(Identifier(self.datastore.schema), Identifier(self.events_table_name))
        with self.datastore.get_connection() as connection:
            rows = connection.execute(statement, (stream_id,)).fetchall()
        return {row["originator_version"]: row["notification_id"] for row in rows}


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
