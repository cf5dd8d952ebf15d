"""The logs of one database: each a schema, with roles, keys and views of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.sql import SQL, Identifier

from ledger.errors import Conflict

CONNECT_TIMEOUT_S = 10
SCHEMA_MAX = 48

_OTHER = re.compile(r"[^a-z0-9]+")

_WITH_A_LOG = """
SELECT n.nspname::text FROM pg_namespace n
WHERE to_regclass(quote_ident(n.nspname) || '.installation') IS NOT NULL
    AND to_regclass(quote_ident(n.nspname) || '.ledger_head') IS NOT NULL
    AND has_schema_privilege(n.oid, 'USAGE')
    AND has_table_privilege(quote_ident(n.nspname) || '.installation', 'SELECT')
    AND has_table_privilege(quote_ident(n.nspname) || '.ledger_head', 'SELECT')
ORDER BY n.nspname
"""


class LogExists(Conflict):
    code = "log_exists"
    says = "There is such a log already: {origin} in the schema {schema}."


@dataclass(frozen=True, slots=True)
class FoundLog:
    """A log of the database, as its tables tell of it."""

    schema: str
    origin: str
    size: int
    created_at: datetime


def logs_of(url: str) -> list[FoundLog]:
    """Return the logs of a database that the login may read, by schema."""
    with psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S) as connection:
        schemas = [schema for (schema,) in connection.execute(_WITH_A_LOG)]
        found = []
        for schema in schemas:
            rows = connection.execute(
                SQL("SELECT origin, size, created_at FROM {}, {}").format(
                    Identifier(schema, "installation"),
                    Identifier(schema, "ledger_head"),
                )
            )
            found += [FoundLog(schema, *row) for row in rows]
    return found


def require_new(url: str, *, schema: str, origin: str) -> None:
    """Raise `LogExists` if the database has a log of that schema or origin."""
    for each in logs_of(url):
        if schema == each.schema or origin == each.origin:
            raise LogExists(origin=each.origin, schema=each.schema)


def schema_for(origin: str) -> str:
    """Return a schema's name that says of which origin it is."""
    said = _OTHER.sub("_", origin.lower()).strip("_")
    return f"log_{said}"[:SCHEMA_MAX].rstrip("_")
