"""A person signed in by name and password, as at a page of the ledger's own.

For programs that a person types a password into anyway, such as a terminal. A program
that acts for people who are not before it asks for their consent (RFC 6749, 4.1).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.cookies import CookieError, SimpleCookie
from uuid import UUID

from ledger_client.connection import TIMEOUT_S, Answer, Connection
from ledger_client.problems import Unreachable
from ledger_client.reading import read_answer

COOKIES = ("__Host-session", "session")
"""The session's name over TLS, and over plain http on this machine."""

SESSIONS = "/v1/sessions"
CURRENT = f"{SESSIONS}/current"


@dataclass(frozen=True, slots=True)
class PersonSession:
    """Who is signed in, and what shows it with every request."""

    party_id: UUID
    expires_at: datetime
    """At the latest; half an hour without a request ends it before."""
    cookie: str = field(repr=False)
    csrf_token: str = field(repr=False)

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the header fields that a `Client` takes instead of a token."""
        return {"Cookie": self.cookie, "CSRF-Token": self.csrf_token}


def sign_in(
    base_url: str,
    login_name: str,
    password: str,
    *,
    timeout_s: float = TIMEOUT_S,
    ca_file: str | None = None,
) -> PersonSession:
    """Begin a session; it is asked for once.

    Raises `Problem` (a wrong name or password, or too many of them), `Unreachable`,
    and `AddressRefused` as `Connection` does.
    """
    connection = Connection(base_url, timeout_s=timeout_s, ca_file=ca_file)
    body = {"login_name": login_name, "password": password}
    answer = connection.ask(
        "POST",
        SESSIONS,
        body=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    said = read_answer(answer)
    try:
        return PersonSession(
            party_id=UUID(said["party_id"]),
            expires_at=datetime.fromisoformat(said["expires_at"]),
            cookie=_cookie(answer),
            csrf_token=str(said["csrf_token"]),
        )
    except (KeyError, TypeError, ValueError, CookieError) as error:
        raise Unreachable("The answer holds no session.") from error


def sign_out(
    base_url: str,
    session: PersonSession,
    *,
    timeout_s: float = TIMEOUT_S,
    ca_file: str | None = None,
) -> None:
    """End the session. Raises `Problem` (it is over already) and `Unreachable`."""
    connection = Connection(
        base_url, session.headers, timeout_s=timeout_s, ca_file=ca_file
    )
    read_answer(connection.ask("DELETE", CURRENT))


def _cookie(answer: Answer) -> str:
    """Return the session as it is sent back (RFC 6265, section 4.2.1)."""
    given = SimpleCookie(answer.headers["Set-Cookie"])
    for name in COOKIES:
        if name in given and given[name].value:
            return f"{name}={given[name].coded_value}"
    raise KeyError(COOKIES[0])
