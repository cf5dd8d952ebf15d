"""Personal data in events: sealed under a key of the person's own.

Each subject has an AES-256-GCM key, kept in the table `subject_keys`, wrapped by a
key-encryption key that may be elsewhere and whose name stands beside it. Destroying the
wrapped key erases the person from the log, its replicas and its backups, while every
event stays what it was, to the byte.
"""

from __future__ import annotations

import base64
import logging
import secrets
from collections.abc import Mapping
from typing import LiteralString
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from eventsourcing.postgres import PostgresDatastore
from psycopg.rows import DictRow
from psycopg.sql import SQL, Composed, Identifier

from ledger.errors import Conflict
from ledger.ports import KeyEncryption

REWRAP_BATCH = 500

_KEY_BITS = 256
_NONCE_LENGTH = 12

_log = logging.getLogger(__name__)

# One step along the index for each name, however many keys there are.
_ONE_OF_EACH = """
WITH RECURSIVE found AS (
    (SELECT kek, subject_id FROM {0} WHERE wrapped IS NOT NULL
        ORDER BY kek, subject_id LIMIT 1)
    UNION ALL
    SELECT later.kek, later.subject_id FROM found, LATERAL (
        SELECT kek, subject_id FROM {0} WHERE wrapped IS NOT NULL AND kek > found.kek
            ORDER BY kek, subject_id LIMIT 1
    ) AS later
)
SELECT kek, subject_id, wrapped FROM found JOIN {0} USING (kek, subject_id)
"""
_TO_REWRAP = """
SELECT subject_id, kek, wrapped FROM {} WHERE wrapped IS NOT NULL AND kek = ANY(%s)
ORDER BY kek, subject_id LIMIT %s FOR UPDATE SKIP LOCKED
"""


class SubjectErased(Conflict):
    code = "unknown"
    says = "The person was erased; nothing more can be said about them."


class SubjectCipher:
    """Implements `ledger.ports.PersonalData` on the table `subject_keys`."""

    def __init__(
        self, datastore: PostgresDatastore, *, key_encryption: KeyEncryption
    ) -> None:
        self._datastore = datastore
        self._keys = key_encryption

    def seal(self, subject_id: UUID, text: str) -> str:
        """Return base64 of nonce and ciphertext. Raises `SubjectErased`."""
        key = self._key(subject_id) or self._new_key(subject_id)
        nonce = secrets.token_bytes(_NONCE_LENGTH)
        sealed = AESGCM(key).encrypt(nonce, text.encode(), subject_id.bytes)
        return base64.b64encode(nonce + sealed).decode()

    def open(self, subject_id: UUID, sealed: str) -> str | None:
        """Return the text, or None once the subject's key is destroyed or lost.

        Lost: after a restore without it, what is sealed next gets a new key, which does
        not open what was sealed before. Nor does any key open another's words.
        """
        key = self._key(subject_id)
        if key is None:
            return None
        raw = base64.b64decode(sealed)
        nonce, ciphertext = raw[:_NONCE_LENGTH], raw[_NONCE_LENGTH:]
        try:
            text = AESGCM(key).decrypt(nonce, ciphertext, subject_id.bytes)
        except InvalidTag:
            _log.warning("the key of %s does not open what is said of it", subject_id)
            return None
        return text.decode()

    def destroy(self, subject_id: UUID) -> None:
        """Destroy a subject's key for ever; done twice, it stays destroyed.

        No event changes, so every proof still holds; what was sealed reads as None.
        """
        with self._datastore.transaction(commit=True) as cursor:
            cursor.execute(
                self._sql(
                    "INSERT INTO {} (subject_id, wrapped, created_at)"
                    " VALUES (%s, NULL, now())"
                    " ON CONFLICT (subject_id) DO UPDATE SET wrapped = NULL"
                ),
                (subject_id,),
            )

    def is_destroyed(self, subject_id: UUID) -> bool | None:
        """Say whether a subject's key was destroyed; None: there never was one."""
        with self._datastore.get_connection() as connection:
            row = connection.execute(
                self._sql(
                    "SELECT wrapped IS NULL AS gone FROM {} WHERE subject_id = %s"
                ),
                (subject_id,),
            ).fetchone()
        return None if row is None else bool(row["gone"])

    def wrapped_by(self) -> Mapping[str, int]:
        """Count the subjects' keys that each key-encryption key wraps."""
        with self._datastore.get_connection() as connection:
            rows = connection.execute(
                self._sql(
                    "SELECT kek, count(*) AS keys FROM {} WHERE wrapped IS NOT NULL"
                    " GROUP BY kek ORDER BY kek"
                )
            ).fetchall()
        return {row["kek"]: row["keys"] for row in rows}

    def check(self) -> None:
        """Unwrap one key of each key-encryption key in use.

        Raises what the keyring refuses by: a wrong or missing key is found here, not at
        the first person whose name is asked for.
        """
        with self._datastore.get_connection() as connection:
            rows = connection.execute(self._sql(_ONE_OF_EACH)).fetchall()
        for row in rows:
            self._unwrap(row)

    def rewrap(self, *, limit: int = REWRAP_BATCH) -> int:
        """Move some keys to the newest key-encryption key; return how many: 0 is done.

        Beside writers: a key that is destroyed meanwhile stays destroyed.
        """
        others = [name for name in self.wrapped_by() if name != self._keys.newest]
        if not others:
            return 0
        with self._datastore.transaction(commit=True) as cursor:
            rows = cursor.execute(self._sql(_TO_REWRAP), (others, limit)).fetchall()
            cursor.executemany(
                self._sql("UPDATE {} SET kek = %s, wrapped = %s WHERE subject_id = %s"),
                [
                    (
                        *self._wrap(self._unwrap(row), row["subject_id"]),
                        row["subject_id"],
                    )
                    for row in rows
                ],
            )
        return len(rows)

    def _key(self, subject_id: UUID) -> bytes | None:
        with self._datastore.get_connection() as connection:
            row = connection.execute(
                self._sql(
                    "SELECT subject_id, kek, wrapped FROM {} WHERE subject_id = %s"
                ),
                (subject_id,),
            ).fetchone()
        if row is None or row["wrapped"] is None:
            return None
        return self._unwrap(row)

    def _new_key(self, subject_id: UUID) -> bytes:
        """Store a fresh key, unless another writer was first; return the stored one."""
        fresh = AESGCM.generate_key(_KEY_BITS)
        with self._datastore.transaction(commit=True) as cursor:
            cursor.execute(
                self._sql(
                    "INSERT INTO {} (subject_id, kek, wrapped, created_at)"
                    " VALUES (%s, %s, %s, now()) ON CONFLICT DO NOTHING"
                ),
                (subject_id, *self._wrap(fresh, subject_id)),
            )
        key = self._key(subject_id)
        if key is None:
            raise SubjectErased
        return key

    def _wrap(self, key: bytes, subject_id: UUID) -> tuple[str, bytes]:
        return self._keys.wrap(key, about=subject_id.bytes)

    def _unwrap(self, row: DictRow) -> bytes:
        wrapped, about = bytes(row["wrapped"]), row["subject_id"].bytes
        return self._keys.unwrap(row["kek"], wrapped, about=about)

    def _sql(self, statement: LiteralString) -> Composed:
        table = Identifier(self._datastore.schema, "subject_keys")
        return SQL(statement).format(table)
