"""How far the log is: what waits for a position, and what for a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from eventsourcing.postgres import PostgresDatastore

WAITING = """
SELECT count(*) AS waiting,
    EXTRACT(epoch FROM clock_timestamp() - min(received_at))::float AS waiting_s
FROM ledger_inbox
"""
SIGNED = """
SELECT h.size, COALESCE(c.size, 0) AS signed,
    EXTRACT(epoch FROM %s - c.signed_at)::float AS signed_s
FROM ledger_head h
LEFT JOIN (SELECT size, signed_at FROM ledger_checkpoints ORDER BY size DESC LIMIT 1) c
    ON true
"""
_STOPPED = "SELECT EXISTS (SELECT FROM ledger_stop) AS is_stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Counts of appends and events; ages in seconds, 0 where nothing waits."""

    events: int
    unplaced: int
    unplaced_s: float
    unsigned: int
    unsigned_s: float
    is_stopped: bool


def standing_of(datastore: PostgresDatastore, *, at: datetime) -> Standing:
    """Ask the log how far it is, in three statements. Raises psycopg's errors."""
    with datastore.get_connection() as connection:
        waiting = connection.execute(WAITING).fetchone()
        signed = connection.execute(SIGNED, (at,)).fetchone()
        stopped = connection.execute(_STOPPED).fetchone()
    assert waiting is not None
    assert signed is not None
    assert stopped is not None
    unsigned = signed["size"] - signed["signed"]
    return Standing(
        events=signed["size"],
        unplaced=waiting["waiting"],
        unplaced_s=waiting["waiting_s"] or 0.0,
        unsigned=unsigned,
        unsigned_s=max(0.0, signed["signed_s"] or 0.0) if unsigned else 0.0,
        is_stopped=stopped["is_stopped"],
    )
