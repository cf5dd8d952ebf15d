"""Programs that people may let act for them: public clients (RFC 6749 section 2.1).

A client keeps no secret. It is known by its exact redirect URIs (RFC 9700 section 2.1);
of one on the person's own machine the port may differ (RFC 8252 section 7.3).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from eventsourcing.postgres import PostgresDatastore

from ledger.errors import Conflict, Malformed
from ledger.vocabulary.codes import Role

CLIENTS_MAX = 500
REDIRECTS_MAX = 10
REDIRECT_MAX = 500

_HTTPS = re.compile(r"https://[0-9A-Za-z.-]{1,255}(:[0-9]{1,5})?/[!-\"$-\[\]-~]*")
_LOOPBACK = re.compile(
    r"(http://(?:127\.0\.0\.1|\[::1\]))(:[0-9]{1,5})?(/[!-\"$-\[\]-~]*)"
)


class BadRedirect(Malformed):
    code = "bad_redirect_uri"
    says = "A redirect URI is https://…/, or http://127.0.0.1/… of the own machine."


class TooManyClients(Conflict):
    code = "too_many_clients"
    says = "There are {most} clients, which is the most."


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """A program; `roles` are those it may act in for a person that has them."""

    client_id: UUID
    name: str
    redirect_uris: tuple[str, ...]
    roles: frozenset[Role]
    created_at: datetime

    def goes_back_to(self, redirect_uri: str) -> bool:
        asked = _portless(redirect_uri)
        return redirect_uri in self.redirect_uris or (
            asked is not None
            and asked in {_portless(each) for each in self.redirect_uris}
        )


class OAuthClients:
    """The table `oauth_clients`."""

    def __init__(self, datastore: PostgresDatastore) -> None:
        self._datastore = datastore

    def register(self, client: OAuthClient) -> None:
        """Keep a new client. Raises `BadRedirect`, `TooManyClients`."""
        for uri in client.redirect_uris:
            if not (_HTTPS.fullmatch(uri) or _LOOPBACK.fullmatch(uri)):
                raise BadRedirect
        with self._datastore.transaction(commit=True) as cursor:
            kept = cursor.execute(
                "INSERT INTO oauth_clients (client_id, name, redirect_uris, roles,"
                " created_at) SELECT %s, %s, %s, %s, %s"
                " WHERE (SELECT count(*) FROM oauth_clients) < %s",
                (
                    client.client_id,
                    client.name,
                    list(client.redirect_uris),
                    sorted(client.roles),
                    client.created_at,
                    CLIENTS_MAX,
                ),
            ).rowcount
        if not kept:
            raise TooManyClients(most=CLIENTS_MAX)

    def find(self, client_id: UUID) -> OAuthClient | None:
        found = self._read(client_id)
        return found[0] if found else None

    def all(self) -> Sequence[OAuthClient]:
        """Return all, the oldest first."""
        return self._read(None)

    def remove(self, client_id: UUID) -> bool:
        """Remove one, its consents and their tokens; say whether it was there."""
        with self._datastore.transaction(commit=True) as cursor:
            cursor.execute(
                "UPDATE access_tokens SET revoked_at = now() WHERE revoked_at IS NULL"
                " AND label LIKE 'consent %%' AND label IN ("
                " SELECT 'consent ' || consent_id FROM oauth_consents"
                " WHERE client_id = %s)",
                (client_id,),
            )
            return bool(
                cursor.execute(
                    "DELETE FROM oauth_clients WHERE client_id = %s", (client_id,)
                ).rowcount
            )

    def _read(self, client_id: UUID | None) -> list[OAuthClient]:
        with self._datastore.get_connection() as connection:
            rows = connection.execute(
                "SELECT client_id, name, redirect_uris, roles, created_at"
                " FROM oauth_clients WHERE %s::uuid IS NULL OR client_id = %s"
                " ORDER BY created_at, client_id",
                (client_id, client_id),
            ).fetchall()
        return [
            OAuthClient(
                client_id=row["client_id"],
                name=row["name"],
                redirect_uris=tuple(row["redirect_uris"]),
                roles=frozenset(Role(name) for name in row["roles"]),
                created_at=row["created_at"],
            )
            for row in rows
        ]


def _portless(uri: str) -> tuple[str, str] | None:
    """Return a loopback redirect without its port; None for any other."""
    found = _LOOPBACK.fullmatch(uri)
    return None if found is None else (found[1], found[3])
