"""The content of evidence, sealed under its giver's key: the log has its hash.

Erasing the giver erases it; what it was for ever shows in the hash.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import LiteralString
from uuid import UUID

from eventsourcing.postgres import PostgresDatastore
from psycopg.sql import SQL, Composed, Identifier

from ledger.ports import PersonalData


class EvidenceStore:
    """The table `case_evidence`."""

    def __init__(self, datastore: PostgresDatastore, personal: PersonalData) -> None:
        self._datastore = datastore
        self._personal = personal

    def keep(
        self, *, case_id: UUID, evidence_id: UUID, subject_id: UUID, content: bytes
    ) -> None:
        """Keep a piece of evidence; said again, nothing changes."""
        sealed = self._personal.seal(subject_id, b64encode(content).decode())
        with self._datastore.get_connection() as connection:
            connection.execute(
                self._sql(
                    "INSERT INTO {} (evidence_id, case_id, subject_id, sealed)"
                    " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"
                ),
                (evidence_id, case_id, subject_id, sealed),
            )

    def find(self, *, case_id: UUID, evidence_id: UUID) -> bytes | None:
        """Return the content; None if it was never kept, or its giver was erased."""
        with self._datastore.get_connection() as connection:
            row = connection.execute(
                self._sql(
                    "SELECT subject_id, sealed FROM {}"
                    " WHERE evidence_id = %s AND case_id = %s"
                ),
                (evidence_id, case_id),
            ).fetchone()
        if row is None:
            return None
        text = self._personal.open(row["subject_id"], row["sealed"])
        return None if text is None else b64decode(text)

    def _sql(self, statement: LiteralString) -> Composed:
        table = Identifier(self._datastore.schema, "case_evidence")
        return SQL(statement).format(table)
