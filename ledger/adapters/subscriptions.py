"""Where parties have their notifications sent, and the secrets that sign them.

A secret is shown once, when it is drawn, and kept wrapped by the installation's
key-encryption key. While one is rotated, what is sent is signed by both.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from eventsourcing.postgres import PostgresDatastore
from psycopg.rows import DictRow

PREFIX = "whsec_"  # Standard Webhooks: then base64 of 24 to 64 bytes.
SECRET_LENGTH = 32
_NONCE_LENGTH = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """Where one party has its notifications sent; `kinds` None: all of them."""

    subscription_id: UUID
    party_id: UUID
    url: str
    kinds: tuple[str, ...] | None
    created_at: datetime
    failures: int
    """How often in a row nothing could be delivered."""

    quiet_until: datetime | None
    ended_at: datetime | None
    """When the receiver said that it is gone."""


class Subscriptions:
    """The table `webhook_subscriptions`."""

    def __init__(self, datastore: PostgresDatastore, *, key_encryption: bytes) -> None:
        self._datastore = datastore
        self._wrapper = AESGCM(key_encryption)

    def create(
        self,
        *,
        subscription_id: UUID,
        party_id: UUID,
        url: str,
        kinds: Collection[str] | None,
        since_position: int,
        at: datetime,
    ) -> str:
        """Note a subscription; return its secret, for the only time."""
        secret = secrets.token_bytes(SECRET_LENGTH)
        self._change(
            "INSERT INTO webhook_subscriptions (subscription_id, party_id, url, kinds,"
            " since_position, secret, created_at) VALUES (%(subscription_id)s,"
            " %(party_id)s, %(url)s, %(kinds)s, %(since)s, %(secret)s, %(at)s)"
            " RETURNING subscription_id",
            {
                "subscription_id": subscription_id,
                "party_id": party_id,
                "url": url,
                "kinds": None if kinds is None else sorted(set(kinds)),
                "since": since_position,
                "secret": self._wrap(subscription_id, secret),
                "at": at,
            },
        )
        return _shown(secret)

    def of_party(self, party_id: UUID) -> Sequence[Subscription]:
        """Return a party's subscriptions, the oldest first."""
        rows = self._read(
            "SELECT * FROM webhook_subscriptions WHERE party_id = %(party_id)s"
            " ORDER BY created_at, subscription_id",
            {"party_id": party_id},
        )
        return [_subscription(row) for row in rows]

    def find(self, subscription_id: UUID) -> Subscription | None:
        rows = self._read(
            "SELECT * FROM webhook_subscriptions"
            " WHERE subscription_id = %(subscription_id)s",
            {"subscription_id": subscription_id},
        )
        return _subscription(rows[0]) if rows else None

    def keys(self, subscription_id: UUID, *, at: datetime) -> tuple[bytes, ...]:
        """Return the secrets that sign now, the newest first; none if it is gone."""
        rows = self._read(
            "SELECT secret, CASE WHEN old_until > %(at)s THEN old_secret END AS old"
            " FROM webhook_subscriptions WHERE subscription_id = %(subscription_id)s",
            {"subscription_id": subscription_id, "at": at},
        )
        if not rows:
            return ()
        wrapped = [rows[0]["secret"], rows[0]["old"]]
        return tuple(
            self._unwrap(subscription_id, bytes(each))
            for each in wrapped
            if each is not None
        )

    def rotate(self, subscription_id: UUID, *, old_until: datetime) -> str | None:
        """Draw a new secret; the old one signs as well for a while. None: no such."""
        secret = secrets.token_bytes(SECRET_LENGTH)
        rows = self._change(
            "UPDATE webhook_subscriptions SET old_secret = secret,"
            " old_until = %(old_until)s, secret = %(secret)s"
            " WHERE subscription_id = %(subscription_id)s RETURNING subscription_id",
            {
                "subscription_id": subscription_id,
                "old_until": old_until,
                "secret": self._wrap(subscription_id, secret),
            },
        )
        return _shown(secret) if rows else None

    def delete(self, subscription_id: UUID, *, at: datetime) -> bool:
        """Forget a subscription, and what still waits for it; False: no such."""
        with self._datastore.transaction(commit=True) as cursor:
            cursor.execute(
                "DELETE FROM webhook_subscriptions WHERE subscription_id = %s",
                (subscription_id,),
            )
            if cursor.rowcount != 1:
                return False
            cursor.execute(
                "UPDATE outbox SET state = 'dropped', settled_at = %s,"
                " said = 'the subscription was deleted', lease_id = NULL,"
                " leased_until = NULL WHERE target_id = %s AND state = 'waiting'",
                (at, subscription_id),
            )
        return True

    def answered(self, subscription_id: UUID) -> None:
        """Note that something arrived: nothing else need wait."""
        self._change(
            "UPDATE webhook_subscriptions SET failures = 0, quiet_until = NULL"
            " WHERE subscription_id = %(subscription_id)s AND failures > 0"
            " RETURNING subscription_id",
            {"subscription_id": subscription_id},
        )

    def failed(self, subscription_id: UUID, *, quiet_until: datetime) -> None:
        """Note that nobody answered: nothing is sent there before a time."""
        self._change(
            "UPDATE webhook_subscriptions SET failures = failures + 1,"
            " quiet_until = %(quiet_until)s"
            " WHERE subscription_id = %(subscription_id)s RETURNING subscription_id",
            {"subscription_id": subscription_id, "quiet_until": quiet_until},
        )

    def end(self, subscription_id: UUID, *, at: datetime) -> None:
        """Note that the receiver is gone: nothing new is noted for it."""
        self._change(
            "UPDATE webhook_subscriptions SET ended_at = %(at)s"
            " WHERE subscription_id = %(subscription_id)s AND ended_at IS NULL"
            " RETURNING subscription_id",
            {"subscription_id": subscription_id, "at": at},
        )

    def _wrap(self, subscription_id: UUID, secret: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE_LENGTH)
        return nonce + self._wrapper.encrypt(nonce, secret, _bound_to(subscription_id))

    def _unwrap(self, subscription_id: UUID, wrapped: bytes) -> bytes:
        nonce, ciphertext = wrapped[:_NONCE_LENGTH], wrapped[_NONCE_LENGTH:]
        return self._wrapper.decrypt(nonce, ciphertext, _bound_to(subscription_id))

    def _read(self, query: LiteralString, values: Mapping[str, Any]) -> list[DictRow]:
        with self._datastore.get_connection() as connection:
            return connection.execute(query, values).fetchall()

    def _change(
        self, statement: LiteralString, values: Mapping[str, Any]
    ) -> list[DictRow]:
        with self._datastore.transaction(commit=True) as cursor:
            return cursor.execute(statement, values).fetchall()


def _bound_to(subscription_id: UUID) -> bytes:
    return b"eticket-ledger webhook " + subscription_id.bytes


def _shown(secret: bytes) -> str:
    return PREFIX + base64.b64encode(secret).decode()


def _subscription(row: DictRow) -> Subscription:
    return Subscription(
        subscription_id=row["subscription_id"],
        party_id=row["party_id"],
        url=row["url"],
        kinds=None if row["kinds"] is None else tuple(row["kinds"]),
        created_at=row["created_at"],
        failures=row["failures"],
        quiet_until=row["quiet_until"],
        ended_at=row["ended_at"],
    )
