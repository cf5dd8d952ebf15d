"""A test's own corner of the database server."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """An empty PostgreSQL schema; both addresses are of the same server."""

    url: str
    """Its search path leads to the schema."""

    server_url: str
    """Without a search path, as LEDGER_DATABASE_URL gives it."""

    schema: str
