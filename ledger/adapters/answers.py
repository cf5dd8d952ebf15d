"""What commands were answered: the same key with the same request, the same answer.

    begin ──► New ──► keep      the answer is stored before it is sent
                 └──► let_go    it came to nothing: the key is free again
          ├─► Kept              it was answered before
          ├─► InFlight          it is being carried out just now
          └─► AnotherRequest    the key stands for something else

A key is known here by its hash alone, and an answer is sealed under a key made from
it: whoever reads the table learns nothing. That a command has one effect does not rest
on this table but on the log, which takes a key once (`ledger.log.recorder.Command`).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from eventsourcing.postgres import PostgresDatastore
from psycopg.sql import SQL, Composed, Identifier

LEASE_S = 60
"""How long a command may take before another attempt at it may begin."""

KEPT_S = 24 * 3600
"""How long an answer is kept."""

_KEY_LENGTH, _NONCE_LENGTH = 32, 12

_BEGIN = """
WITH mine AS (
    INSERT INTO {answers} AS kept (actor, key, request, started_at, lease_until)
    VALUES (%(actor)s, %(key)s, %(request)s, %(at)s, %(until)s)
    ON CONFLICT (actor, key) DO UPDATE
        SET lease_until = EXCLUDED.lease_until, attempt = kept.attempt + 1
        WHERE kept.sealed IS NULL AND kept.lease_until <= %(at)s
            AND kept.request = EXCLUDED.request
    RETURNING attempt, started_at, request, NULL::bytea AS sealed, lease_until
)
SELECT begun.*, done.request AS recorded, originator_id, originator_version FROM (
    SELECT true AS new, mine.* FROM mine
    UNION ALL
    SELECT false, attempt, started_at, request, sealed, lease_until FROM {answers}
        WHERE actor = %(actor)s AND key = %(key)s AND NOT EXISTS (SELECT FROM mine)
) AS begun LEFT JOIN {commands} AS done
    ON done.actor = %(actor)s AND done.key = %(key)s
"""
_KEEP = """
UPDATE {answers} SET sealed = %(sealed)s
WHERE actor = %(actor)s AND key = %(key)s AND attempt = %(attempt)s
    AND started_at = %(started_at)s
"""
_FREE = """
DELETE FROM {answers} WHERE actor = %(actor)s AND key = %(key)s
    AND attempt = %(attempt)s AND started_at = %(started_at)s AND sealed IS NULL
"""
_CLEAN = "DELETE FROM {answers} WHERE started_at < %(before)s"


@dataclass(frozen=True, slots=True)
class Asked:
    """A command under its actor's key; `request` is the SHA-256 of what it asks."""

    actor: str
    key: str = field(repr=False)
    request: bytes = field(repr=False)

    @property
    def key_hash(self) -> str:
        """The key's name wherever it is stored."""
        return hashlib.sha256(self.key.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class New:
    """To be carried out now, by whoever asked. `attempt` counts from 1.

    Once more from 1 if the key was free in between: then `started_at` is another.

    `recorded` is set if the log has the key already: the stream and version of the
    last event then. Its answer was lost, or is not kept any more.
    """

    asked: Asked
    attempt: int
    started_at: datetime
    recorded: tuple[UUID, int] | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What it was answered."""

    answer: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class InFlight:
    """Somebody is at it; if he is not any more, it may be begun again then."""

    until: datetime


@dataclass(frozen=True, slots=True)
class AnotherRequest:
    """The actor has used the key for another request."""


class AnswerStore:
    """The table `stored_answers`."""

    def __init__(self, datastore: PostgresDatastore, *, pepper: bytes) -> None:
        """`pepper` is a secret of the installation, for keys that can be guessed."""
        self._datastore = datastore
        self._pepper = pepper

    def begin(
        self, asked: Asked, *, at: datetime
    ) -> New | Kept | InFlight | AnotherRequest:
        """Begin a command, or tell what has become of it. One round trip."""
        until = at + timedelta(seconds=LEASE_S)
        values = self._values(asked, request=asked.request, at=at, until=until)
        row = None
        while row is None:  # Freed in the same moment: then it can be begun.
            with self._datastore.get_connection() as connection:
                row = connection.execute(self._sql(_BEGIN), values).fetchone()
        if not row["new"] and bytes(row["request"]) != asked.request:
            return AnotherRequest()
        if row["sealed"] is not None:
            return Kept(self._open(asked, bytes(row["sealed"])))
        if not row["new"]:
            return InFlight(row["lease_until"])
        new = New(asked, row["attempt"], row["started_at"])
        if row["recorded"] is None:
            return new
        new = replace(new, recorded=(row["originator_id"], row["originator_version"]))
        if bytes(row["recorded"]) == asked.request:
            return new
        self.let_go(new)
        return AnotherRequest()

    def keep(self, new: New, answer: bytes) -> None:
        """Store an answer, unless another attempt has begun since."""
        nonce = secrets.token_bytes(_NONCE_LENGTH)
        sealed = nonce + self._cipher(new.asked).encrypt(
            nonce, answer, new.asked.request
        )
        self._execute(_KEEP, {**self._values_of(new), "sealed": sealed})

    def let_go(self, new: New) -> None:
        """Forget a command that was not carried out."""
        self._execute(_FREE, self._values_of(new))

    def clean(self, *, at: datetime) -> int:
        """Forget answers that were kept long enough; return how many."""
        return self._execute(_CLEAN, {"before": at - timedelta(seconds=KEPT_S)})

    def _open(self, asked: Asked, sealed: bytes) -> bytes:
        nonce, ciphertext = sealed[:_NONCE_LENGTH], sealed[_NONCE_LENGTH:]
        return self._cipher(asked).decrypt(nonce, ciphertext, asked.request)

    def _cipher(self, asked: Asked) -> AESGCM:
        info = f"eticket-ledger/answer\n{asked.actor}".encode()
        derived = HKDF(SHA256(), _KEY_LENGTH, self._pepper, info)
        return AESGCM(derived.derive(asked.key.encode()))

    def _values_of(self, new: New) -> dict[str, object]:
        return self._values(new.asked, attempt=new.attempt, started_at=new.started_at)

    def _values(self, asked: Asked, **more: object) -> dict[str, object]:
        return {"actor": asked.actor, "key": asked.key_hash, **more}

    def _execute(self, statement: LiteralString, values: Mapping[str, Any]) -> int:
        with self._datastore.get_connection() as connection:
            return connection.execute(self._sql(statement), values).rowcount

    def _sql(self, statement: LiteralString) -> Composed:
        schema = self._datastore.schema
        return SQL(statement).format(
            answers=Identifier(schema, "stored_answers"),
            commands=Identifier(schema, "ledger_commands"),
        )
