"""Where a person is still spoken of outside the log, and forgetting it there.

The log and the views hold ids and sealed text. What could hold a person's own words in
clear, or let somebody in, is emptied when the person is erased.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from eventsourcing.postgres import PostgresDatastore
from psycopg import Connection
from psycopg.rows import DictRow
from psycopg.sql import SQL, Identifier

# The log itself: its events are never changed, and what they seal is counted apart.
_OF_THE_LOG = ("ledger_events", "ledger_log", "ledger_tiles", "schema_migrations")

_TABLES = """
SELECT table_name AS name FROM information_schema.tables
WHERE table_schema = %s AND table_type = 'BASE TABLE' AND table_name <> ALL(%s)
    AND has_table_privilege(
        quote_ident(table_schema) || '.' || quote_ident(table_name), 'SELECT'
    )
ORDER BY table_name
"""
_FORGET = (
    # The label is whatever somebody wrote.
    "UPDATE {}.access_tokens SET label = NULL, revoked_at = coalesce(revoked_at, now())"
    " WHERE party_id = %(id)s",
    "DELETE FROM {}.webhook_subscriptions WHERE party_id = %(id)s",
    "DELETE FROM {}.stored_answers WHERE actor = %(id)s::text",
    "DELETE FROM {}.case_evidence WHERE subject_id = %(id)s",
    "DELETE FROM {}.people_logins WHERE party_id = %(id)s",
    "DELETE FROM {}.people_sessions WHERE party_id = %(id)s",
    "DELETE FROM {}.people_invitations WHERE party_id = %(id)s",
    "DELETE FROM {}.people_resets WHERE party_id = %(id)s",
    "DELETE FROM {}.oauth_consents WHERE party_id = %(id)s",
    "DELETE FROM {}.people_links WHERE party_id = %(id)s",
)


@dataclass(frozen=True, slots=True)
class Named:
    """So many rows of a table name the person's id, which by itself tells nothing."""

    table: str
    rows: int


class Traces:
    """The tables of one log, as far as this login may read them."""

    def __init__(self, datastore: PostgresDatastore) -> None:
        self._datastore = datastore

    def forget(self, subject_id: UUID) -> None:
        """Empty what could hold the person's words, and end what lets them in."""
        with self._datastore.transaction(commit=True) as cursor:
            for statement in _FORGET:
                query = SQL(statement).format(Identifier(self._datastore.schema))
                cursor.execute(query, {"id": subject_id})

    def left(self, subject_id: UUID) -> Sequence[Named]:
        """Return which tables name the person, and how often. Reads all of them."""
        schema = self._datastore.schema
        with self._datastore.get_connection() as connection:
            names = connection.execute(_TABLES, (schema, list(_OF_THE_LOG))).fetchall()
            found = [
                Named(each["name"], self._count(connection, each["name"], subject_id))
                for each in names
            ]
        return [each for each in found if each.rows]

    def _count(
        self, connection: Connection[DictRow], table: str, subject_id: UUID
    ) -> int:
        named = SQL("SELECT count(*) AS rows FROM {} AS t WHERE t::text LIKE %s")
        query = named.format(Identifier(self._datastore.schema, table))
        row = connection.execute(query, (f"%{subject_id}%",)).fetchone()
        return 0 if row is None else int(row["rows"])
