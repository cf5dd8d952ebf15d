"""People sign in: by an invitation first, by name and password from then on.

    invited ── open_account ──► account ── sign_in ──► session
                                  ▲   │
        set_by_code ── ask_reset ─┘   └─ change_password: every session ends

Whether a name is known shows neither in what is said nor in how long it takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.adapters.attempts import Attempts
from ledger.adapters.logins import Login, Logins
from ledger.adapters.passwords import Passwords, require_good
from ledger.adapters.sessions import Sessions
from ledger.application import Ledger
from ledger.errors import Denied, Overtaken, Unknown
from ledger.vocabulary.codes import Role


class WrongPassword(Denied):
    code = "wrong_password"
    says = "The login name or the password is wrong."


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """What signing in works with; one for a process."""

    logins: Logins
    sessions: Sessions
    attempts: Attempts
    passwords: Passwords

    def clean(self, at: datetime, limit: int) -> int:
        """Forget what is over; return how much that was."""
        return (
            self.logins.clean(at=at, limit=limit)
            + self.sessions.clean(at=at, limit=limit)
            + self.attempts.clean(at=at, limit=limit)
        )


def invite(
    ledger: Ledger,
    people: People,
    *,
    party_id: UUID,
    roles: Iterable[Role],
    lifetime_s: int,
    at: datetime,
) -> tuple[str, datetime]:
    """Invite a party; return the code, shown this once, and when it is over."""
    ledger.party(party_id)
    return people.logins.invite(
        party_id=party_id, roles=roles, lifetime_s=lifetime_s, at=at
    )


def open_account(
    people: People, *, invitation: str, login_name: str, password: str, at: datetime
) -> UUID:
    """Open an account; return its party. Raises `BadPassword`, `LoginTaken`."""
    people.logins.invited(invitation, at=at)  # Nothing is hashed for a guess.
    require_good(password, login_name=login_name)
    return people.logins.open(
        invitation,
        login_name=login_name,
        password_hash=people.passwords.hash(password),
        at=at,
    )


def sign_in(
    people: People,
    *,
    login_name: str,
    password: str,
    address: str,
    instead_of: str,
    at: datetime,
) -> str:
    """Begin a session; return its secret. Raises `WrongPassword` or `SlowDown`."""
    name = people.logins.index(login_name).hex()
    attempt = people.attempts.begin(name=name, address=address, at=at)
    login = people.logins.find(login_name)
    kept = None if login is None else login.password_hash
    if not people.passwords.fits(kept, password) or login is None:
        raise WrongPassword
    people.attempts.succeeded(attempt, at=at)
    session = people.sessions.begin(
        party_id=login.party_id,
        password_hash=login.password_hash,
        instead_of=instead_of,
        at=at,
    )
    if session is None:
        raise WrongPassword  # It was changed while it was compared.
    if people.passwords.outdated(login.password_hash):
        people.logins.rehash(login, people.passwords.hash(password))
    return session


def change_password(
    people: People,
    *,
    party_id: UUID,
    current: str,
    new: str,
    address: str,
    at: datetime,
) -> int:
    """Change one's own password; return how many sessions that ended."""
    login = people.logins.of(party_id)
    if login is None:
        raise Unknown(what="account of yours")
    attempt = people.attempts.begin(name=str(party_id), address=address, at=at)
    if not people.passwords.fits(login.password_hash, current):
        raise WrongPassword
    people.attempts.succeeded(attempt, at=at)
    return _set(people, login, new, at)


def ask_reset(people: People, *, login_name: str, reset_id: UUID, at: datetime) -> None:
    """Have a code sent to whoever has this login name, if somebody has it."""
    people.logins.ask_reset(login_name, reset_id=reset_id, at=at)


def set_by_code(people: People, *, code: str, new: str, at: datetime) -> int:
    """Set a password by the code of a letter; return how many sessions that ended."""
    return _set(people, people.logins.resetting(code, at=at), new, at)


def _set(people: People, login: Login, new: str, at: datetime) -> int:
    name = people.logins.name_of(login.party_id)
    require_good(new, login_name=name or "")
    ended = people.logins.change(login, people.passwords.hash(new), at=at)
    if ended is None:
        raise Overtaken
    return ended
