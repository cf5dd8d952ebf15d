"""Keys by which devices sign who they are: public, several for each, revoked for good.

    enrolled ── used in assertions ──► revoked

An assertion is used once: by device and `jti`, until it would be too old anyway.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from eventsourcing.postgres import PostgresDatastore
from psycopg.types.json import Jsonb

from ledger.errors import Conflict

KEYS_MAX = 8
"""So many that are not revoked may a device have."""


class TooManyKeys(Conflict):
    code = "limit"
    says = "A device has at most {most} signing keys; revoke one."


class KeyRevoked(Conflict):
    code = "revoked"
    says = "This key was revoked, which is for good; make another."


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """`jwk` is public; `kid` its thumbprint (RFC 7638)."""

    kid: str
    jwk: Mapping[str, Any]
    enrolled_at: datetime
    revoked_at: datetime | None


class SigningKeys:
    """The tables `device_signing_keys` and `device_assertions`."""

    def __init__(self, datastore: PostgresDatastore) -> None:
        self._datastore = datastore

    def enrol(
        self, device_id: UUID, *, kid: str, jwk: Mapping[str, str], at: datetime
    ) -> None:
        """Trust a key from now on; again: nothing is changed.

        Raises `KeyRevoked` and `TooManyKeys`.
        """
        with self._datastore.transaction(commit=True) as cursor:
            # One at a time for each device, so that two do not both find room.
            cursor.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
                (f"signing keys of {device_id}",),
            )
            kept = cursor.execute(
                "SELECT kid, revoked_at FROM device_signing_keys WHERE device_id = %s",
                (device_id,),
            ).fetchall()
            for row in kept:
                if row["kid"] == kid and row["revoked_at"] is not None:
                    raise KeyRevoked
                if row["kid"] == kid:
                    return
            if sum(row["revoked_at"] is None for row in kept) >= KEYS_MAX:
                raise TooManyKeys(most=KEYS_MAX)
            cursor.execute(
                "INSERT INTO device_signing_keys (device_id, kid, jwk, enrolled_at)"
                " VALUES (%s, %s, %s, %s)",
                (device_id, kid, Jsonb(dict(jwk)), at),
            )

    def of(self, device_id: UUID) -> Sequence[SigningKey]:
        """Return a device's keys, the oldest first, revoked ones as well."""
        with self._datastore.get_connection() as connection:
            rows = connection.execute(
                "SELECT kid, jwk, enrolled_at, revoked_at FROM device_signing_keys"
                " WHERE device_id = %s ORDER BY enrolled_at, kid",
                (device_id,),
            ).fetchall()
        return [SigningKey(**row) for row in rows]

    def revoke(self, device_id: UUID, kid: str, *, at: datetime) -> bool:
        """End a key; say whether the device has it."""
        return bool(
            self._change(
                "UPDATE device_signing_keys SET revoked_at = COALESCE(revoked_at, %s)"
                " WHERE device_id = %s AND kid = %s",
                (at, device_id, kid),
            )
        )

    def use(self, device_id: UUID, jti: str, *, expires_at: datetime) -> bool:
        """Use an assertion up; False: it was used before."""
        used = hashlib.sha256(f"{device_id}\n{jti}".encode()).digest()
        return bool(
            self._change(
                "INSERT INTO device_assertions (assertion_sha256, expires_at)"
                " VALUES (%s, %s) ON CONFLICT DO NOTHING",
                (used, expires_at),
            )
        )

    def clean(self, *, at: datetime, limit: int) -> int:
        """Forget assertions that are too old to come again; return how many."""
        return self._change(
            "DELETE FROM device_assertions WHERE assertion_sha256 IN ("
            " SELECT assertion_sha256 FROM device_assertions"
            " WHERE expires_at < %s LIMIT %s)",
            (at, limit),
        )

    def _change(self, statement: LiteralString, values: Sequence[object]) -> int:
        with self._datastore.transaction(commit=True) as cursor:
            return cursor.execute(statement, values).rowcount
