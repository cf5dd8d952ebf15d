"""Whom an OpenID provider knows as whom, and who is on his way to it.

A provider's name for somebody (`iss` and `sub`) is kept as a keyed hash. A browser
that leaves for the provider holds one secret; `state`, `nonce` and the PKCE verifier
are made from it, so the table opens nothing, and nobody else's browser can come back
(RFC 9700 section 2.1). Each departure is good for one return.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from eventsourcing.persistence import IntegrityError
from eventsourcing.postgres import PostgresDatastore
from psycopg.rows import DictRow

from ledger.adapters.logins import INVITATION, LoginTaken
from ledger.errors import Unknown

SECRET_BYTES = 32
SECRET_MAX = 64
AWAY = timedelta(minutes=10)
"""So long may somebody be at the provider."""

RETURN_TO_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Departure:
    """A browser's way to the provider and back; `secret` is the browser's alone."""

    secret: str = field(repr=False)

    @property
    def state(self) -> str:
        return self._made("state")

    @property
    def nonce(self) -> str:
        return self._made("nonce")

    @property
    def verifier(self) -> str:
        """The PKCE code verifier: 43 characters (RFC 7636 section 4.1)."""
        return self._made("verifier")

    def _made(self, what: str) -> str:
        tag = hmac.digest(self.secret.encode(), f"oidc {what}".encode(), "sha256")
        return urlsafe_b64encode(tag).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """What somebody set out for: a page, and an account if he was invited."""

    return_to: str
    invitation_sha256: bytes | None = field(repr=False)


class Links:
    """The tables `people_links` and `people_departures`."""

    def __init__(self, datastore: PostgresDatastore, *, pepper: bytes) -> None:
        self._datastore = datastore
        self._pepper = pepper

    def depart(
        self, *, return_to: str, at: datetime, invitation: str | None = None
    ) -> Departure:
        """Note that a browser leaves. Raises `Unknown` for what is no invitation."""
        departure = Departure(secrets.token_urlsafe(SECRET_BYTES))
        code = None if invitation is None else _sha256(invitation)
        noted = self._one(
            "INSERT INTO people_departures (secret_sha256, invitation_sha256,"
            " return_to, expires_at)"
            " SELECT %(secret)s, %(code)s, %(return_to)s, %(until)s"
            " WHERE %(code)s::bytea IS NULL OR EXISTS ("
            " SELECT FROM people_invitations"
            " WHERE invitation_sha256 = %(code)s AND expires_at > %(at)s)"
            " RETURNING 1",
            {
                "secret": _sha256(departure.secret),
                "code": code,
                "return_to": return_to,
                "at": at,
                "until": at + AWAY,
            },
        )
        if noted is None:
            raise Unknown(what=INVITATION)
        return departure

    def come_back(self, departure: Departure, *, at: datetime) -> Return | None:
        """Use a departure up; None: it is none, was used, or is over."""
        row = self._one(
            "DELETE FROM people_departures WHERE secret_sha256 = %(secret)s"
            " AND expires_at > %(at)s RETURNING return_to, invitation_sha256",
            {"secret": _sha256(departure.secret), "at": at},
        )
        return None if row is None else Return(**row)

    def link(
        self, invitation_sha256: bytes, *, issuer: str, subject: str, at: datetime
    ) -> UUID:
        """Use an invitation up; return the party that the subject is from now on.

        Raises `Unknown` if it is none any more, `LoginTaken`: it may be used still.
        """
        values = {
            "code": invitation_sha256,
            "index": self.index(issuer, subject),
            "at": at,
        }
        try:
            row = self._one(_LINK, values)
        except IntegrityError:
            raise LoginTaken from None
        if row is None:
            raise Unknown(what=INVITATION)
        return UUID(str(row["party_id"]))

    def clean(self, *, at: datetime, limit: int) -> int:
        """Forget departures that are over; return how many."""
        with self._datastore.transaction(commit=True) as cursor:
            return cursor.execute(
                "DELETE FROM people_departures WHERE secret_sha256 IN ("
                " SELECT secret_sha256 FROM people_departures"
                " WHERE expires_at < %s LIMIT %s)",
                (at, limit),
            ).rowcount

    def index(self, issuer: str, subject: str) -> bytes:
        """Return what a subject of a provider is found by."""
        # Neither an issuer's address nor what it is followed by has a line's end.
        said = f"openid subject\n{issuer}\n{subject}".encode()
        return hmac.digest(self._pepper, said, "sha256")

    def _one(
        self, statement: LiteralString, values: Mapping[str, Any]
    ) -> DictRow | None:
        with self._datastore.transaction(commit=True) as cursor:
            return cursor.execute(statement, values).fetchone()


def _sha256(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


_LINK: LiteralString = (
    "WITH used AS (DELETE FROM people_invitations"
    " WHERE invitation_sha256 = %(code)s AND expires_at > %(at)s"
    " RETURNING party_id, roles)"
    " INSERT INTO people_links (party_id, subject_index, roles, linked_at)"
    " SELECT party_id, %(index)s, roles, %(at)s FROM used RETURNING party_id"
)
