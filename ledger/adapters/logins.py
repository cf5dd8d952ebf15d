"""Who has an account, by which name and password; invitations and resets that open one.

A login name is looked up by a keyed hash and stands here sealed under its party's key:
neither a backup nor a reader of the table learns it, and erasing the party erases it.
Codes are shown once and kept as hashes. Roles are those of the invitation.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import unicodedata
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from eventsourcing.persistence import IntegrityError
from eventsourcing.postgres import PostgresDatastore
from psycopg.rows import DictRow

from ledger.errors import Conflict, Unknown
from ledger.ports import PersonalData
from ledger.vocabulary.codes import Role

CODE_BYTES = 32
CODE_MAX = 64
INVITATION_MAX_S = 30 * 24 * 3600
RESET_LIFETIME = timedelta(minutes=30)
RESETS_APART = timedelta(minutes=2)
"""So far apart are two letters to one person, whoever asks."""

PASSWORD_RESET = "password_reset"  # noqa: S105, a kind of letter
INVITATION, RESET = "invitation", "open password reset"


class LoginTaken(Conflict):
    code = "login_taken"
    says = "This party has an account already, or another has this login name."


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One account. `index` is what its name is found by."""

    party_id: UUID
    roles: frozenset[Role]
    password_hash: str = field(repr=False)


class Logins:
    """The tables `people_logins`, `people_invitations` and `people_resets`."""

    def __init__(
        self, datastore: PostgresDatastore, personal: PersonalData, *, pepper: bytes
    ) -> None:
        self._datastore = datastore
        self._personal = personal
        self._pepper = pepper

    def invite(
        self, *, party_id: UUID, roles: Iterable[Role], lifetime_s: int, at: datetime
    ) -> tuple[str, datetime]:
        """Make an invitation; return it, for the only time, and when it is over.

        It takes the place of those that the party had before.
        """
        code = secrets.token_urlsafe(CODE_BYTES)
        until = at + timedelta(seconds=lifetime_s)
        values = {
            "code": _sha256(code),
            "party_id": party_id,
            "roles": sorted(set(roles)),
            "at": at,
            "until": until,
        }
        with self._datastore.transaction(commit=True) as cursor:
            cursor.execute(
                "DELETE FROM people_invitations WHERE party_id = %(party_id)s", values
            )
            cursor.execute(
                "INSERT INTO people_invitations (invitation_sha256, party_id, roles,"
                " created_at, expires_at)"
                " VALUES (%(code)s, %(party_id)s, %(roles)s, %(at)s, %(until)s)",
                values,
            )
        return code, until

    def invited(self, code: str, *, at: datetime) -> UUID:
        """Return the party that an invitation is for. Raises `Unknown`."""
        row = self._one(
            "SELECT party_id FROM people_invitations"
            " WHERE invitation_sha256 = %(code)s AND expires_at > %(at)s",
            {"code": _sha256(code), "at": at},
        )
        if row is None:
            raise Unknown(what=INVITATION)
        return UUID(str(row["party_id"]))

    def open(
        self, code: str, *, login_name: str, password_hash: str, at: datetime
    ) -> UUID:
        """Use an invitation up; return the party whose account is open now.

        Raises `Unknown` if it is none any more, `LoginTaken`: it may be used still.
        """
        party_id = self.invited(code, at=at)
        values = {
            "code": _sha256(code),
            "index": self.index(login_name),
            "sealed": self._personal.seal(party_id, folded(login_name)),
            "hash": password_hash,
            "at": at,
        }
        try:
            row = self._one(_OPEN, values)
        except IntegrityError:
            raise LoginTaken from None
        if row is None:
            raise Unknown(what=INVITATION)
        return party_id

    def find(self, login_name: str) -> Login | None:
        return _login(
            self._one(
                "SELECT * FROM people_logins WHERE name_index = %(index)s",
                {"index": self.index(login_name)},
            )
        )

    def of(self, party_id: UUID) -> Login | None:
        return _login(
            self._one(
                "SELECT * FROM people_logins WHERE party_id = %(id)s", {"id": party_id}
            )
        )

    def name_of(self, party_id: UUID) -> str | None:
        """Return a party's login name; None: it has no account, or was erased."""
        row = self._one(
            "SELECT name_sealed FROM people_logins WHERE party_id = %(id)s",
            {"id": party_id},
        )
        return (
            None if row is None else self._personal.open(party_id, row["name_sealed"])
        )

    def rehash(self, its: Login, password_hash: str) -> None:
        """Keep the same password by other parameters, unless it was changed since."""
        self._one(
            "UPDATE people_logins SET password_hash = %(new)s WHERE party_id = %(id)s"
            " AND password_hash = %(old)s RETURNING party_id",
            {"id": its.party_id, "old": its.password_hash, "new": password_hash},
        )

    def change(self, its: Login, password_hash: str, *, at: datetime) -> int | None:
        """Set another password; end all sessions, resets and consents.

        Return how many sessions that were.

        None: it was changed by somebody else meanwhile.
        """
        row = self._one(
            _CHANGE,
            {
                "id": its.party_id,
                "old": its.password_hash,
                "new": password_hash,
                "at": at,
            },
        )
        return None if row is None else int(row["ended"])

    def ask_reset(self, login_name: str, *, reset_id: UUID, at: datetime) -> None:
        """Note a reset and the letter that carries its code, if the name is known.

        The statements are the same for a name that is not, and so is what is said.
        """
        values = {
            "id": reset_id,
            "code": _sha256(self.reset_code(reset_id)),
            "index": self.index(login_name),
            "at": at,
            "until": at + RESET_LIFETIME,
            "lately": at - RESETS_APART,
            "kind": PASSWORD_RESET,
        }
        with self._datastore.transaction(commit=True) as cursor:
            cursor.execute(_ASK, values)
            cursor.execute(_LETTER, values)

    def reset_code(self, reset_id: UUID) -> str:
        """Return a reset's code, made anew for its letter: it is kept nowhere."""
        tag = hmac.digest(self._pepper, b"reset\n" + reset_id.bytes, "sha256")
        return urlsafe_b64encode(tag).rstrip(b"=").decode()

    def resetting(self, code: str, *, at: datetime) -> Login:
        """Return whose password a code may set. Raises `Unknown`."""
        found = _login(
            self._one(
                "SELECT l.* FROM people_resets r JOIN people_logins l USING (party_id)"
                " WHERE r.code_sha256 = %(code)s AND r.expires_at > %(at)s",
                {"code": _sha256(code), "at": at},
            )
        )
        if found is None:
            raise Unknown(what=RESET)
        return found

    def index(self, login_name: str) -> bytes:
        """Return what a login name is found by: a keyed hash of its folded form."""
        said = f"login name\n{folded(login_name)}".encode()
        return hmac.digest(self._pepper, said, "sha256")

    def clean(self, *, at: datetime, limit: int) -> int:
        """Forget invitations and resets that are over; return how many."""
        with self._datastore.transaction(commit=True) as cursor:
            return sum(
                cursor.execute(statement, (at, limit)).rowcount for statement in _CLEAN
            )

    def _one(
        self, statement: LiteralString, values: Mapping[str, Any]
    ) -> DictRow | None:
        with self._datastore.transaction(commit=True) as cursor:
            return cursor.execute(statement, values).fetchone()


def folded(login_name: str) -> str:
    """Return a login name as it is compared: case and width do not matter."""
    return unicodedata.normalize("NFKC", login_name).casefold().strip()


def _login(row: DictRow | None) -> Login | None:
    if row is None:
        return None
    return Login(
        party_id=row["party_id"],
        roles=frozenset(Role(name) for name in row["roles"]),
        password_hash=row["password_hash"],
    )


def _sha256(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()


_OPEN: LiteralString = (
    "WITH used AS (DELETE FROM people_invitations"
    " WHERE invitation_sha256 = %(code)s AND expires_at > %(at)s"
    " RETURNING party_id, roles)"
    " INSERT INTO people_logins (party_id, name_index, name_sealed, roles,"
    " password_hash, opened_at, changed_at)"
    " SELECT party_id, %(index)s, %(sealed)s, roles, %(hash)s, %(at)s, %(at)s FROM used"
    " RETURNING party_id"
)
_CHANGE: LiteralString = (
    "WITH changed AS (UPDATE people_logins SET password_hash = %(new)s,"
    " changed_at = %(at)s WHERE party_id = %(id)s AND password_hash = %(old)s"
    " RETURNING party_id),"
    " resets AS (DELETE FROM people_resets USING changed"
    " WHERE people_resets.party_id = changed.party_id),"
    " consents AS (DELETE FROM oauth_consents USING changed"
    " WHERE oauth_consents.party_id = changed.party_id),"
    " tokens AS (UPDATE access_tokens t SET revoked_at = %(at)s FROM changed"
    " WHERE t.party_id = changed.party_id AND t.revoked_at IS NULL"
    " AND t.label LIKE 'consent %%'),"
    " sessions AS (DELETE FROM people_sessions USING changed"
    " WHERE people_sessions.party_id = changed.party_id RETURNING 1)"
    " SELECT (SELECT count(*) FROM sessions) AS ended FROM changed"
)
_ASK: LiteralString = (
    "INSERT INTO people_resets (reset_id, code_sha256, party_id, created_at,"
    " expires_at) SELECT %(id)s, %(code)s, party_id, %(at)s, %(until)s"
    " FROM people_logins l WHERE name_index = %(index)s AND NOT EXISTS ("
    " SELECT FROM people_resets r WHERE r.party_id = l.party_id"
    " AND r.created_at > %(lately)s)"
)
# Its target is the reset itself: each has a letter of its own.
_LETTER: LiteralString = (
    "INSERT INTO outbox (position, party_id, kind, about_id, detail, at, due_at,"
    " channel, target_id) SELECT (SELECT size FROM ledger_head), party_id, %(kind)s,"
    " reset_id, '{}', %(at)s, %(at)s, 'email', reset_id FROM people_resets"
    " WHERE reset_id = %(id)s"
)
_CLEAN: tuple[LiteralString, ...] = (
    "DELETE FROM people_invitations WHERE invitation_sha256 IN ("
    " SELECT invitation_sha256 FROM people_invitations WHERE expires_at < %s LIMIT %s)",
    "DELETE FROM people_resets WHERE reset_id IN ("
    " SELECT reset_id FROM people_resets WHERE expires_at < %s LIMIT %s)",
)
