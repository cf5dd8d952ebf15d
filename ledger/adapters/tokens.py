"""Bearer tokens: random, shown once, stored as a hash, and over at a set time.

A token says who asks and as what. It is looked up by its SHA-256 alone, so neither
the table nor a backup of it opens any door, and no comparison leaks a prefix.
"""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import LiteralString
from uuid import UUID

from eventsourcing.postgres import PostgresDatastore
from psycopg.sql import SQL, Composed, Identifier

from ledger.errors import Malformed
from ledger.vocabulary.codes import Role

PREFIX = "etl_"
RANDOM_BYTES = 32
TOKEN_MAX = 64
LIFETIME_MAX_S = 366 * 24 * 3600
LABEL_MAX = 80


class BadToken(Malformed):
    code = "malformed"
    says = "{says}"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request speaks for. `credential` names the token in the log, safely."""

    party_id: UUID | None
    device_id: UUID | None
    roles: frozenset[Role]
    credential: str


class TokenStore:
    """The table `access_tokens`."""

    def __init__(self, datastore: PostgresDatastore) -> None:
        self._datastore = datastore

    def issue(
        self,
        *,
        party_id: UUID | None,
        device_id: UUID | None,
        roles: Iterable[Role],
        lifetime_s: int,
        label: str = "",
        at: datetime,
    ) -> tuple[str, datetime]:
        """Make a token; return it, for the only time, and when it is over."""
        names = sorted(set(roles))
        if not names:
            raise BadToken(says="A token has at least one role.")
        if party_id is None and device_id is None:
            raise BadToken(says="A token speaks for a party, a device or both.")
        if not 0 < lifetime_s <= LIFETIME_MAX_S:
            raise BadToken(says=f"A token lives 1 to {LIFETIME_MAX_S} seconds.")
        if len(label) > LABEL_MAX:
            raise BadToken(says=f"A label has at most {LABEL_MAX} characters.")
        token = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
        expires_at = at + timedelta(seconds=lifetime_s)
        self._execute(
            "INSERT INTO {} (token_sha256, party_id, device_id, roles, label,"
            " created_at, expires_at) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (_hash(token), party_id, device_id, names, label, at, expires_at),
        )
        return token, expires_at

    def find(self, token: str, *, at: datetime) -> Principal | None:
        """Return whom a token speaks for; None for a wrong, revoked or expired one."""
        if not token.startswith(PREFIX) or len(token) > TOKEN_MAX:
            return None
        hashed = _hash(token)
        with self._datastore.get_connection() as connection:
            row = connection.execute(
                self._sql(
                    "SELECT party_id, device_id, roles FROM {} WHERE token_sha256 = %s"
                    " AND revoked_at IS NULL AND expires_at > %s"
                ),
                (hashed, at),
            ).fetchone()
        if row is None:
            return None
        roles = frozenset(Role(name) for name in row["roles"])
        return Principal(row["party_id"], row["device_id"], roles, hashed.hex()[:16])

    def revoke(self, token: str, *, at: datetime) -> bool:
        """End a token now; say whether it was a token that still opened something."""
        return bool(
            self._execute(
                "UPDATE {} SET revoked_at = %s WHERE token_sha256 = %s"
                " AND revoked_at IS NULL AND expires_at > %s",
                (at, _hash(token), at),
            )
        )

    def revoke_device(self, device_id: UUID, *, at: datetime) -> int:
        """End every token of a device; return how many there were."""
        return self._execute(
            "UPDATE {} SET revoked_at = %s WHERE device_id = %s AND revoked_at IS NULL",
            (at, device_id),
        )

    def clean(self, *, before: datetime, limit: int) -> int:
        """Forget tokens that have opened nothing since a time; return how many."""
        return self._execute(
            "DELETE FROM {0} WHERE token_sha256 IN (SELECT token_sha256 FROM {0}"
            " WHERE least(expires_at, revoked_at) < %s LIMIT %s)",
            (before, limit),
        )

    def _execute(self, statement: LiteralString, values: tuple[object, ...]) -> int:
        with self._datastore.transaction(commit=True) as cursor:
            return cursor.execute(self._sql(statement), values).rowcount

    def _sql(self, statement: LiteralString) -> Composed:
        table = Identifier(self._datastore.schema, "access_tokens")
        return SQL(statement).format(table)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
