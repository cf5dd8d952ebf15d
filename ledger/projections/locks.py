"""Who follows a view and who rebuilds it: one of each at a time, whoever stands by.

The locks belong to a session: when its process is gone, so are they.
"""

from __future__ import annotations

import hashlib
from typing import Any

from psycopg import Connection

FOLLOWING = "projection"
REBUILDING = "rebuild of projection"


def key(what: str, schema: str, name: str) -> int:
    """Return the number by which the database knows a lock on a view."""
    text = f"eticket-ledger {what} {schema} {name}"
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def take(connection: Connection[Any], lock_key: int) -> bool:
    """Take a lock, if it is free, until the connection ends."""
    row = connection.execute(
        "SELECT 1 WHERE pg_try_advisory_lock(%s)", (lock_key,)
    ).fetchone()
    return row is not None


def give_back(connection: Connection[Any], lock_key: int) -> None:
    connection.execute("SELECT pg_advisory_unlock(%s)", (lock_key,))


def is_held(connection: Connection[Any], lock_key: int) -> bool:
    """Say whether any session of this database holds a lock."""
    row = connection.execute(
        "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted"
        " AND objsubid = 1 AND database ="
        " (SELECT oid FROM pg_database WHERE datname = current_database())"
        " AND (classid::bigint << 32 | objid::bigint) = %s LIMIT 1",
        (lock_key,),
    ).fetchone()
    return row is not None
