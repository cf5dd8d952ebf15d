"""What is to be looked at when: hints for tidying up, drawn from the log.

A hint that is wrong costs a look. What was looked at goes, or is due again later; if
the log has said something new of it meanwhile, that stands.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from eventsourcing.postgres import PostgresDatastore

SAID_MAX = 300


class DeadlineKind(StrEnum):
    """What it is that has a deadline; `about_id` is its stream."""

    ORDER = "order"
    LOCK = "lock"
    GIFT = "gift"
    PROMISE = "promise"
    PAYMENT = "payment"
    PAYOUT = "payout"


@dataclass(frozen=True, slots=True)
class Change:
    """A deadline that the log sets, or ends where `due_at` is None."""

    kind: DeadlineKind
    about_id: UUID
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Due:
    """Something to look at; `tries` is how often it could not be tidied."""

    kind: DeadlineKind
    about_id: UUID
    due_at: datetime
    tries: int


class Deadlines:
    """The table `deadlines`, and the bookmark of the policy that fills it."""

    def __init__(self, datastore: PostgresDatastore) -> None:
        self._datastore = datastore

    def note(
        self, changes: Sequence[Change], *, policy: str, after: int, upto: int
    ) -> bool:
        """Take changes in, in their order, and move a policy's bookmark, or neither.

        False: the bookmark is no longer at `after`, somebody else was first.
        """
        last = {(each.kind, each.about_id): each for each in changes}
        with self._datastore.transaction(commit=True) as cursor:
            cursor.execute(
                "INSERT INTO policy_tracking (name, position) VALUES (%s, 0)"
                " ON CONFLICT DO NOTHING",
                (policy,),
            )
            cursor.execute(
                "SELECT FROM policy_tracking WHERE name = %s AND position = %s"
                " FOR UPDATE",
                (policy, after),
            )
            if cursor.rowcount != 1:
                return False
            for each in last.values():
                if each.due_at is None:
                    cursor.execute(
                        "DELETE FROM deadlines WHERE kind = %s AND about_id = %s",
                        (each.kind, each.about_id),
                    )
                    continue
                cursor.execute(
                    "INSERT INTO deadlines (kind, about_id, due_at) VALUES (%s, %s, %s)"
                    " ON CONFLICT (kind, about_id) DO UPDATE SET"
                    " due_at = excluded.due_at, tries = 0, said = NULL",
                    (each.kind, each.about_id, each.due_at),
                )
            cursor.execute(
                "UPDATE policy_tracking SET position = %s WHERE name = %s",
                (upto, policy),
            )
        return True

    def due(
        self, kinds: Collection[DeadlineKind], *, at: datetime, limit: int
    ) -> list[Due]:
        """Return what is to be looked at by now, the oldest first."""
        with self._datastore.get_connection() as connection:
            rows = connection.execute(
                "SELECT kind, about_id, due_at, tries FROM deadlines"
                " WHERE due_at <= %s AND kind = ANY (%s)"
                " ORDER BY due_at, kind, about_id LIMIT %s",
                (at, list(kinds), limit),
            ).fetchall()
        return [
            Due(DeadlineKind(row["kind"]), row["about_id"], row["due_at"], row["tries"])
            for row in rows
        ]

    def done(self, due: Due, *, again_at: datetime | None) -> None:
        """Forget a deadline, or look at it again at a time."""
        with self._datastore.transaction(commit=True) as cursor:
            if again_at is None:
                cursor.execute(
                    "DELETE FROM deadlines WHERE kind = %s AND about_id = %s"
                    " AND due_at = %s",
                    (due.kind, due.about_id, due.due_at),
                )
                return
            cursor.execute(
                "UPDATE deadlines SET due_at = %s, tries = 0, said = NULL"
                " WHERE kind = %s AND about_id = %s AND due_at = %s",
                (again_at, due.kind, due.about_id, due.due_at),
            )

    def put_off(self, due: Due, *, until: datetime, said: str) -> None:
        """Try again later; `said` is why it could not be tidied."""
        with self._datastore.transaction(commit=True) as cursor:
            cursor.execute(
                "UPDATE deadlines SET due_at = %s, tries = tries + 1, said = %s"
                " WHERE kind = %s AND about_id = %s AND due_at = %s",
                (until, said[:SAID_MAX], due.kind, due.about_id, due.due_at),
            )
