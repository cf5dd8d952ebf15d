"""Following the log for the outbox, and what came of it."""

from __future__ import annotations

from typing import Any, LiteralString

from ledger.adapters.outbox import Notification, Outbox
from ledger.adapters.tracking import Tracking
from ledger.application import Ledger
from ledger.policies.following import Notifying, PolicyFollower


def outbox(ledger: Ledger) -> Outbox:
    return Outbox(ledger.recorder.datastore)


def follower(ledger: Ledger, batch_max: int = 500) -> PolicyFollower[Notification]:
    tracking = Tracking(ledger.recorder.datastore)
    policy = Notifying(ledger, outbox(ledger))
    return PolicyFollower(ledger, tracking, policy, batch_max=batch_max)


def rows(ledger: Ledger, query: LiteralString, *values: object) -> list[Any]:
    with ledger.recorder.datastore.get_connection() as connection:
        return connection.execute(query, values).fetchall()


def change(ledger: Ledger, statement: LiteralString, *values: object) -> None:
    with ledger.recorder.datastore.transaction(commit=True) as cursor:
        cursor.execute(statement, values)


def told(ledger: Ledger) -> list[tuple[Any, ...]]:
    """Who is told what, in order."""
    found = rows(
        ledger,
        "SELECT position, party_id, kind, about_id, detail::text, at, channel,"
        " target_id FROM outbox ORDER BY position, party_id, kind, target_id",
    )
    return [tuple(row.values()) for row in found]


def forget(ledger: Ledger) -> None:
    """Have the policy begin again at the log's beginning, what it kept in its place."""
    change(ledger, "UPDATE policy_tracking SET position = 0")
