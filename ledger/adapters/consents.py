"""What people let programs do for them: consents, their codes and refresh tokens.

    consent ── code (60 s, once) ──► refresh token ──► refresh token ──► …

Each opens once. One that comes a second time was copied by somebody, so the consent
ends with all it gave (RFC 6749 section 4.1.2, RFC 9700 section 4.14.2).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from eventsourcing.postgres import PostgresDatastore
from psycopg import Cursor
from psycopg.rows import DictRow

from ledger.vocabulary.codes import Role

RANDOM_BYTES = 32
CODE_LIFETIME = timedelta(seconds=60)
CONSENT_LIFETIME = timedelta(days=30)
LISTED_MAX = 200

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636 section 4.1.


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """One person's, to one client, to act for him in some roles."""

    consent_id: UUID
    client_id: UUID
    party_id: UUID
    roles: frozenset[Role]

    @property
    def label(self) -> str:
        """What its access tokens are called, to be found by."""
        return f"consent {self.consent_id}"


class Consents:
    """The tables `oauth_consents`, `oauth_codes` and `oauth_refresh_tokens`."""

    def __init__(self, datastore: PostgresDatastore) -> None:
        self._datastore = datastore

    def give(
        self, consent: Consent, *, redirect_uri: str, challenge: str, at: datetime
    ) -> str:
        """Note a consent; return its code."""
        code = secrets.token_urlsafe(RANDOM_BYTES)
        with self._datastore.transaction(commit=True) as cursor:
            cursor.execute(
                "INSERT INTO oauth_consents (consent_id, client_id, party_id, roles,"
                " created_at, expires_at) VALUES (%s, %s, %s, %s, %s, %s)",
                (
                    consent.consent_id,
                    consent.client_id,
                    consent.party_id,
                    sorted(consent.roles),
                    at,
                    at + CONSENT_LIFETIME,
                ),
            )
            cursor.execute(
                "INSERT INTO oauth_codes (code_sha256, consent_id, redirect_uri,"
                " challenge, expires_at) VALUES (%s, %s, %s, %s, %s)",
                (
                    _sha256(code),
                    consent.consent_id,
                    redirect_uri,
                    challenge,
                    at + CODE_LIFETIME,
                ),
            )
        return code

    def redeem(
        self,
        code: str,
        *,
        client_id: UUID,
        redirect_uri: str,
        verifier: str,
        at: datetime,
    ) -> tuple[Consent, str] | None:
        """Use a code up; return its consent and a refresh token.

        None: it opens nothing. It is over then, and so is its consent.
        """
        with self._datastore.transaction(commit=True) as cursor:
            row = cursor.execute(
                "SELECT c.*, k.redirect_uri, k.challenge, k.used_at,"
                " k.expires_at AS code_over FROM oauth_codes k"
                " JOIN oauth_consents c USING (consent_id)"
                " WHERE k.code_sha256 = %s FOR UPDATE",
                (_sha256(code),),
            ).fetchone()
            if row is None:
                return None
            if (
                row["used_at"] is not None
                or row["code_over"] <= at
                or row["client_id"] != client_id
                or row["redirect_uri"] != redirect_uri
                or not _answers(verifier, row["challenge"])
            ):
                _end(cursor, row["consent_id"], at)
                return None
            cursor.execute(
                "UPDATE oauth_codes SET used_at = %s WHERE code_sha256 = %s",
                (at, _sha256(code)),
            )
            return _consent(row), _next(cursor, row["consent_id"])

    def renew(
        self, token: str, *, client_id: UUID, at: datetime
    ) -> tuple[Consent, str] | None:
        """Use a refresh token up; return its consent and the next token.

        None: it opens nothing. One that was used ends its consent.
        """
        with self._datastore.transaction(commit=True) as cursor:
            row = cursor.execute(
                "SELECT c.*, t.used_at FROM oauth_refresh_tokens t"
                " JOIN oauth_consents c USING (consent_id)"
                " WHERE t.token_sha256 = %s AND c.client_id = %s"
                " AND c.expires_at > %s FOR UPDATE",
                (_sha256(token), client_id, at),
            ).fetchone()
            if row is None:
                return None
            if row["used_at"] is not None:
                _end(cursor, row["consent_id"], at)
                return None
            cursor.execute(
                "UPDATE oauth_refresh_tokens SET used_at = %s WHERE token_sha256 = %s",
                (at, _sha256(token)),
            )
            return _consent(row), _next(cursor, row["consent_id"])

    def take_back(self, token: str, *, at: datetime) -> None:
        """End the consent that a refresh token is of, if it is one (RFC 7009)."""
        with self._datastore.transaction(commit=True) as cursor:
            row = cursor.execute(
                "SELECT consent_id FROM oauth_refresh_tokens WHERE token_sha256 = %s",
                (_sha256(token),),
            ).fetchone()
            if row is not None:
                _end(cursor, row["consent_id"], at)

    def of_party(self, party_id: UUID, *, at: datetime) -> list[dict[str, Any]]:
        """Return what a person lets programs do: the rows, with the programs' names.

        The latest first, `LISTED_MAX` at most.
        """
        with self._datastore.get_connection() as connection:
            rows = connection.execute(
                "SELECT c.consent_id, c.client_id, k.name, c.roles, c.created_at,"
                " c.expires_at FROM oauth_consents c"
                " JOIN oauth_clients k USING (client_id)"
                " WHERE c.party_id = %s AND c.expires_at > %s"
                " ORDER BY c.created_at DESC, c.consent_id LIMIT %s",
                (party_id, at, LISTED_MAX),
            ).fetchall()
        return [dict(row) for row in rows]

    def end(self, consent_id: UUID, *, party_id: UUID, at: datetime) -> bool:
        """End a person's consent and all it gave; say whether it was there."""
        with self._datastore.transaction(commit=True) as cursor:
            row = cursor.execute(
                "SELECT FROM oauth_consents WHERE consent_id = %s AND party_id = %s"
                " FOR UPDATE",
                (consent_id, party_id),
            ).fetchone()
            if row is None:
                return False
            _end(cursor, consent_id, at)
            return True

    def stands(self, consent_id: UUID) -> bool:
        """Say whether a consent was not ended meanwhile."""
        with self._datastore.get_connection() as connection:
            found = connection.execute(
                "SELECT FROM oauth_consents WHERE consent_id = %s", (consent_id,)
            )
            return found.rowcount == 1

    def clean(self, *, at: datetime, limit: int) -> int:
        """Forget consents that are over; return how many."""
        with self._datastore.transaction(commit=True) as cursor:
            return cursor.execute(
                "DELETE FROM oauth_consents WHERE consent_id IN ("
                " SELECT consent_id FROM oauth_consents"
                " WHERE expires_at < %s LIMIT %s)",
                (at, limit),
            ).rowcount


def _end(cursor: Cursor[DictRow], consent_id: UUID, at: datetime) -> None:
    cursor.execute("DELETE FROM oauth_consents WHERE consent_id = %s", (consent_id,))
    cursor.execute(
        "UPDATE access_tokens SET revoked_at = %s WHERE revoked_at IS NULL"
        " AND label LIKE 'consent %%' AND label = %s",
        (at, f"consent {consent_id}"),
    )


def _next(cursor: Cursor[DictRow], consent_id: UUID) -> str:
    token = secrets.token_urlsafe(RANDOM_BYTES)
    cursor.execute(
        "INSERT INTO oauth_refresh_tokens (token_sha256, consent_id) VALUES (%s, %s)",
        (_sha256(token), consent_id),
    )
    return token


def _answers(verifier: str, challenge: str) -> bool:
    """Say whether a verifier is the challenge's (RFC 7636 section 4.6, S256)."""
    if not _VERIFIER.fullmatch(verifier):
        return False
    hashed = hashlib.sha256(verifier.encode()).digest()
    made = urlsafe_b64encode(hashed).rstrip(b"=")
    return hmac.compare_digest(made, challenge.encode())


def _consent(row: Any) -> Consent:
    return Consent(
        consent_id=row["consent_id"],
        client_id=row["client_id"],
        party_id=row["party_id"],
        roles=frozenset(Role(name) for name in row["roles"]),
    )


def _sha256(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()
