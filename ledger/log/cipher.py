"""Personal data in events: sealed under a key of the person's own.

Each subject has an AES-256-GCM key, kept wrapped by the installation's key-encryption
key in the table `subject_keys`. Destroying the wrapped key erases the person from the
log, its replicas and its backups, while every event stays what it was, to the byte.
"""

from __future__ import annotations

import base64
import secrets
from typing import LiteralString
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from eventsourcing.postgres import PostgresDatastore
from psycopg.sql import SQL, Composed, Identifier

from ledger.errors import Conflict

_KEY_BITS = 256
_NONCE_LENGTH = 12


class SubjectErased(Conflict):
    code = "unknown"
    says = "The person was erased; nothing more can be said about them."


class SubjectCipher:
    """Implements `ledger.ports.PersonalData` on the table `subject_keys`."""

    def __init__(self, datastore: PostgresDatastore, *, key_encryption: bytes) -> None:
        self._datastore = datastore
        self._wrapper = AESGCM(key_encryption)

    def seal(self, subject_id: UUID, text: str) -> str:
        """Return base64 of nonce and ciphertext. Raises `SubjectErased`."""
        key = self._key(subject_id) or self._new_key(subject_id)
        nonce = secrets.token_bytes(_NONCE_LENGTH)
        sealed = AESGCM(key).encrypt(nonce, text.encode(), subject_id.bytes)
        return base64.b64encode(nonce + sealed).decode()

    def open(self, subject_id: UUID, sealed: str) -> str | None:
        """Return the text, or None once the subject's key is destroyed."""
        key = self._key(subject_id)
        if key is None:
            return None
        raw = base64.b64decode(sealed)
        nonce, ciphertext = raw[:_NONCE_LENGTH], raw[_NONCE_LENGTH:]
        return AESGCM(key).decrypt(nonce, ciphertext, subject_id.bytes).decode()

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

    def _key(self, subject_id: UUID) -> bytes | None:
        with self._datastore.get_connection() as connection:
            row = connection.execute(
                self._sql("SELECT wrapped FROM {} WHERE subject_id = %s"), (subject_id,)
            ).fetchone()
        if row is None or row["wrapped"] is None:
            return None
        wrapped = bytes(row["wrapped"])
        nonce, ciphertext = wrapped[:_NONCE_LENGTH], wrapped[_NONCE_LENGTH:]
        return self._wrapper.decrypt(nonce, ciphertext, subject_id.bytes)

    def _new_key(self, subject_id: UUID) -> bytes:
        """Store a fresh key, unless another writer was first; return the stored one."""
        nonce = secrets.token_bytes(_NONCE_LENGTH)
        fresh = AESGCM.generate_key(_KEY_BITS)
        wrapped = nonce + self._wrapper.encrypt(nonce, fresh, subject_id.bytes)
        with self._datastore.transaction(commit=True) as cursor:
            cursor.execute(
                self._sql(
                    "INSERT INTO {} (subject_id, wrapped, created_at)"
                    " VALUES (%s, %s, now()) ON CONFLICT DO NOTHING"
                ),
                (subject_id, wrapped),
            )
        key = self._key(subject_id)
        if key is None:
            raise SubjectErased
        return key

    def _sql(self, statement: LiteralString) -> Composed:
        table = Identifier(self._datastore.schema, "subject_keys")
        return SQL(statement).format(table)
