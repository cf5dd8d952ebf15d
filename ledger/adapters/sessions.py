"""Sessions of pages: random, kept as a hash, over when idle and over at the latest.

A session says who asks, as a bearer token does; it lives in a cookie that scripts
cannot read. Lifetimes after the OWASP Session Management Cheat Sheet and NIST SP
800-63B-4 section 2.2.3 (AAL2: at most 24 hours, an hour idle).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from eventsourcing.postgres import PostgresDatastore

from ledger.adapters.tokens import Principal
from ledger.vocabulary.codes import Role

RANDOM_BYTES = 32
SESSION_MAX = 64
IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=12)
SEEN_EVERY = timedelta(minutes=1)
"""Use is written down so often, not at each request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One that is open: who it speaks for and until when at the latest."""

    principal: Principal
    expires_at: datetime


class Sessions:
    """The table `people_sessions`."""

    def __init__(self, datastore: PostgresDatastore) -> None:
        self._datastore = datastore

    def begin(
        self, *, party_id: UUID, password_hash: str, at: datetime, instead_of: str = ""
    ) -> str | None:
        """Begin a session and end the one it takes the place of; return its secret.

        None: the password was changed since it was compared.
        """
        session = secrets.token_urlsafe(RANDOM_BYTES)
        begun = self._change(
            _BEGIN,
            {
                "session": _hash(session),
                "old": _hash(instead_of),
                "party_id": party_id,
                "hash": password_hash,
                "at": at,
                "until": at + ABSOLUTE,
            },
        )
        return session if begun else None

    def begin_linked(
        self, *, subject_index: bytes, at: datetime, instead_of: str = ""
    ) -> str | None:
        """Begin one for whom a provider has sent; None: nobody is linked to him."""
        session = secrets.token_urlsafe(RANDOM_BYTES)
        begun = self._change(
            _BEGIN_LINKED,
            {
                "session": _hash(session),
                "old": _hash(instead_of),
                "index": subject_index,
                "at": at,
                "until": at + ABSOLUTE,
            },
        )
        return session if begun else None

    def find(self, session: str, *, at: datetime) -> Session | None:
        """Return what a session opens; None if it is none, idle too long, or over."""
        if len(session) > SESSION_MAX:
            return None
        hashed = _hash(session)
        with self._datastore.get_connection() as connection:
            row = connection.execute(
                "SELECT party_id, roles, seen_at, expires_at FROM people_sessions"
                " WHERE session_sha256 = %s AND expires_at > %s AND seen_at > %s",
                (hashed, at, at - IDLE),
            ).fetchone()
        if row is None:
            return None
        if row["seen_at"] <= at - SEEN_EVERY:
            self._change(
                "UPDATE people_sessions SET seen_at = %(at)s"
                " WHERE session_sha256 = %(session)s AND seen_at < %(at)s",
                {"at": at, "session": hashed},
            )
        roles = frozenset(Role(name) for name in row["roles"])
        who = Principal(row["party_id"], None, roles, hashed.hex()[:16])
        return Session(principal=who, expires_at=row["expires_at"])

    def end(self, session: str) -> bool:
        """End one; say whether there was one."""
        return bool(
            self._change(
                "DELETE FROM people_sessions WHERE session_sha256 = %(session)s",
                {"session": _hash(session)},
            )
        )

    def clean(self, *, at: datetime, limit: int) -> int:
        """Forget those that are over; return how many."""
        return self._change(
            "DELETE FROM people_sessions WHERE session_sha256 IN ("
            " SELECT session_sha256 FROM people_sessions"
            " WHERE expires_at < %(at)s LIMIT %(limit)s)",
            {"at": at, "limit": limit},
        )

    def _change(self, statement: LiteralString, values: Mapping[str, Any]) -> int:
        with self._datastore.transaction(commit=True) as cursor:
            return cursor.execute(statement, values).rowcount


def csrf_token(session: str) -> str:
    """Return what a page of this session sends in a header, beside the cookie."""
    tag = hmac.digest(session.encode(), b"eticket-ledger csrf", "sha256")
    return urlsafe_b64encode(tag).rstrip(b"=").decode()


def _hash(session: str) -> bytes:
    return hashlib.sha256(session.encode()).digest()


# The lock on the account's row makes a change of the password wait, or be seen.
_BEGIN: LiteralString = (
    "WITH account AS (SELECT party_id, roles FROM people_logins"
    " WHERE party_id = %(party_id)s AND password_hash = %(hash)s FOR SHARE),"
    " ended AS (DELETE FROM people_sessions WHERE session_sha256 = %(old)s)"
    " INSERT INTO people_sessions (session_sha256, party_id, roles, created_at,"
    " seen_at, expires_at)"
    " SELECT %(session)s, party_id, roles, %(at)s, %(at)s, %(until)s FROM account"
)
# The lock on the link makes the erasure of its party wait, or be seen.
_BEGIN_LINKED: LiteralString = (
    "WITH account AS (SELECT party_id, roles FROM people_links"
    " WHERE subject_index = %(index)s FOR SHARE),"
    " ended AS (DELETE FROM people_sessions USING account"
    " WHERE session_sha256 = %(old)s)"
    " INSERT INTO people_sessions (session_sha256, party_id, roles, created_at,"
    " seen_at, expires_at)"
    " SELECT %(session)s, party_id, roles, %(at)s, %(at)s, %(until)s FROM account"
)
