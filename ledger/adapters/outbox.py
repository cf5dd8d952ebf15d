"""The outbox: who is still to be told what, kept until it is told or given up.

    waiting ── leased ── sent
       ▲         ├────── dropped: nobody to reach, or nothing to say any more
       │         └────── dead: it failed too often, or for good
       └── it failed, or who had the lease died: due again later

What was noted stays noted once: by event, recipient, kind and way. A lease has an id;
who comes back with another than the row's changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, LiteralString
from uuid import UUID

from eventsourcing.postgres import PostgresDatastore
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

EMAIL, WEBHOOK = "email", "webhook"
CHANNELS = (EMAIL, WEBHOOK)
SAID_MAX = 300


class NotificationKind(StrEnum):
    """What a party can be told."""

    GIFT_OFFERED = "gift_offered"
    GIFT_ACCEPTED = "gift_accepted"
    GIFT_DECLINED = "gift_declined"
    SOLD = "sold"
    MODIFIED = "modified"
    CARD_STALE = "card_stale"
    CASE_OPENED = "case_opened"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One party is told one thing; `detail` holds ids, amounts and times alone."""

    position: int
    party_id: UUID
    kind: str
    about_id: UUID
    detail: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A notification on its way to one target, leased to whoever holds this."""

    notification: Notification
    channel: str
    target_id: UUID
    attempts: int
    """How many there were, this one included."""

    lease_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """A delivery that was given up; `said` tells why."""

    position: int
    party_id: UUID
    kind: str
    channel: str
    target_id: UUID
    attempts: int
    settled_at: datetime
    said: str | None


@dataclass(frozen=True, slots=True)
class OutboxState:
    """How much is in which state; `oldest_due_at` of what waits and could be sent."""

    waiting: int
    sent: int
    dead: int
    dropped: int
    oldest_due_at: datetime | None


class Outbox:
    """The table `outbox`, and the bookmark of the policy that fills it."""

    def __init__(self, datastore: PostgresDatastore) -> None:
        self._datastore = datastore

    def note(
        self,
        notifications: Sequence[Notification],
        *,
        policy: str,
        after: int,
        upto: int,
    ) -> bool:
        """Take notifications in and move a policy's bookmark, or neither.

        False: the bookmark is no longer at `after`, somebody else was first.
        """
        with self._datastore.transaction(commit=True) as cursor:
            cursor.execute(
                "SELECT FROM policy_tracking WHERE name = %s AND position = %s"
                " FOR UPDATE",
                (policy, after),
            )
            if cursor.rowcount != 1:
                return False
            for each in notifications:
                cursor.execute(_NOTE, _values(each))
            cursor.execute(
                "UPDATE policy_tracking SET position = %s WHERE name = %s",
                (upto, policy),
            )
        return True

    def claim(
        self,
        *,
        lease_id: UUID,
        lease_s: float,
        at: datetime,
        channels: Collection[str] = CHANNELS,
    ) -> Delivery | None:
        """Lease the delivery that is due longest; it counts as an attempt.

        One at a time to one target, so that a slow one holds up nobody else. What
        others have leased is not waited for. None: nothing is due.
        """
        rows = self._change(
            _CLAIM,
            {
                "at": at,
                "channels": list(channels),
                "lease_id": lease_id,
                "leased_until": at + timedelta(seconds=lease_s),
            },
        )
        if not rows:
            return None
        row = rows[0]
        notification = Notification(
            position=row["position"],
            party_id=row["party_id"],
            kind=row["kind"],
            about_id=row["about_id"],
            detail=row["detail"],
            at=row["at"],
        )
        return Delivery(
            notification=notification,
            channel=row["channel"],
            target_id=row["target_id"],
            attempts=row["attempts"],
            lease_id=lease_id,
        )

    def settle(
        self, its: Delivery, state: str, *, said: str | None = None, at: datetime
    ) -> bool:
        """End a delivery: `sent`, `dead` or `dropped`; False if it is not ours now."""
        return self._end(
            its,
            _SETTLE,
            {"state": state, "at": at, "said": said},
        )

    def put_off(self, its: Delivery, *, until: datetime, said: str) -> bool:
        """Try a delivery again later; False if it is not ours any more."""
        return self._end(
            its,
            _PUT_OFF,
            {"until": until, "said": said},
        )

    def revive(self, *, at: datetime) -> int:
        """Have everything that was given up tried anew; return how much it is."""
        rows = self._change(
            "UPDATE outbox SET state = 'waiting', settled_at = NULL, attempts = 0,"
            " due_at = %(at)s WHERE state = 'dead' RETURNING position",
            {"at": at},
        )
        return len(rows)

    def clean(self, *, before: datetime, limit: int) -> int:
        """Forget what was settled before a time; return how much that was."""
        rows = self._change(
            "DELETE FROM outbox WHERE ctid IN (SELECT ctid FROM outbox"
            " WHERE state <> 'waiting' AND settled_at < %(before)s"
            " ORDER BY settled_at LIMIT %(limit)s) RETURNING position",
            {"before": before, "limit": limit},
        )
        return len(rows)

    def state(self, *, at: datetime) -> OutboxState:
        """Count what is in which state."""
        with self._datastore.get_connection() as connection:
            row = connection.execute(
                "SELECT count(*) FILTER (WHERE state = 'waiting') AS waiting,"
                " count(*) FILTER (WHERE state = 'sent') AS sent,"
                " count(*) FILTER (WHERE state = 'dead') AS dead,"
                " count(*) FILTER (WHERE state = 'dropped') AS dropped,"
                " min(due_at) FILTER (WHERE state = 'waiting' AND due_at <= %s)"
                " AS oldest_due_at FROM outbox",
                (at,),
            ).fetchone()
        assert row is not None
        return OutboxState(**row)

    def dead(self, *, limit: int = 100) -> list[Stuck]:
        """Return what was given up, the newest first."""
        with self._datastore.get_connection() as connection:
            rows = connection.execute(
                "SELECT position, party_id, kind, channel, target_id, attempts,"
                " settled_at, said FROM outbox WHERE state = 'dead'"
                " ORDER BY settled_at DESC, position DESC LIMIT %s",
                (limit,),
            ).fetchall()
        return [Stuck(**row) for row in rows]

    def _end(
        self, its: Delivery, statement: LiteralString, values: dict[str, Any]
    ) -> bool:
        if values["said"] is not None:
            values["said"] = values["said"][:SAID_MAX]
        key = {
            "position": its.notification.position,
            "party_id": its.notification.party_id,
            "kind": its.notification.kind,
            "target_id": its.target_id,
            "lease_id": its.lease_id,
        }
        return bool(self._change(statement, values | key))

    def _change(
        self, statement: LiteralString, values: Mapping[str, Any]
    ) -> list[DictRow]:
        with self._datastore.transaction(commit=True) as cursor:
            return cursor.execute(statement, values).fetchall()


# By mail to the party, and to each of its subscriptions that want it.
_NOTE: LiteralString = (
    "INSERT INTO outbox (position, party_id, kind, about_id, detail, at, due_at,"
    " channel, target_id) SELECT %(position)s, %(party_id)s, %(kind)s, %(about_id)s,"
    " %(detail)s, %(at)s, %(at)s, way.channel, way.target_id FROM ("
    " SELECT 'email' AS channel, %(party_id)s::uuid AS target_id UNION ALL"
    " SELECT 'webhook', subscription_id FROM webhook_subscriptions"
    " WHERE party_id = %(party_id)s AND since_position < %(position)s"
    " AND ended_at IS NULL AND (kinds IS NULL OR %(kind)s = ANY (kinds))) AS way"
    " ON CONFLICT DO NOTHING"
)

# The order leads: each row is looked at when its turn comes, and the first that may be
# sent ends the search. OFFSET 0 keeps the planner from joining all that waits first.
_CLAIM: LiteralString = (
    "UPDATE outbox SET attempts = attempts + 1, lease_id = %(lease_id)s,"
    " leased_until = %(leased_until)s"
    " WHERE (position, party_id, kind, target_id) = ("
    " SELECT position, party_id, kind, target_id FROM outbox o"
    " WHERE state = 'waiting' AND due_at <= %(at)s AND channel = ANY (%(channels)s)"
    " AND (leased_until IS NULL OR leased_until <= %(at)s)"
    " AND NOT EXISTS (SELECT FROM webhook_subscriptions s"
    " WHERE s.subscription_id = o.target_id AND s.quiet_until > %(at)s"
    " OFFSET 0)"
    " AND NOT EXISTS (SELECT FROM outbox l WHERE l.target_id = o.target_id"
    " AND l.state = 'waiting' AND l.leased_until > %(at)s OFFSET 0)"
    " ORDER BY due_at, position LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING *"
)

_SETTLE: LiteralString = (
    "UPDATE outbox SET state = %(state)s, settled_at = %(at)s, said = %(said)s,"
    " lease_id = NULL, leased_until = NULL"
    " WHERE position = %(position)s AND party_id = %(party_id)s AND kind = %(kind)s"
    " AND target_id = %(target_id)s AND lease_id = %(lease_id)s RETURNING position"
)

_PUT_OFF: LiteralString = (
    "UPDATE outbox SET due_at = %(until)s, said = %(said)s,"
    " lease_id = NULL, leased_until = NULL"
    " WHERE position = %(position)s AND party_id = %(party_id)s AND kind = %(kind)s"
    " AND target_id = %(target_id)s AND lease_id = %(lease_id)s RETURNING position"
)


def _values(each: Notification) -> dict[str, Any]:
    return {
        "position": each.position,
        "party_id": each.party_id,
        "kind": each.kind,
        "about_id": each.about_id,
        "detail": Jsonb(dict(each.detail)),
        "at": each.at,
    }
