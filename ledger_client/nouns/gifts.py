"""Gift offers: an owner offers, and who is asked accepts or declines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ledger_client.calls import Calls
from ledger_client.reading import read


@dataclass(frozen=True, slots=True)
class GiftMade:
    """An offer that stands until then; its terms' hash is what is accepted."""

    offer_id: UUID
    until: datetime
    terms_hash: str


@dataclass(frozen=True, slots=True)
class Gift:
    """An offer as who is asked sees it.

    `exposed_until`: a machine without the line may serve the giver's card until then.
    """

    offer_id: UUID
    title: str
    right: str
    terms_hash: str
    until: datetime
    state: str
    exposed_until: datetime | None
    message: str | None


@dataclass(frozen=True, slots=True)
class GiftAccepted:
    epoch: int
    exposed_until: datetime | None


class GiftOffers:
    """`/v1/tickets/{ticket_id}/gift-offers`"""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def offer(
        self,
        ticket_id: UUID,
        *,
        to_party_id: UUID,
        until: datetime | None = None,
        message: str | None = None,
        key: str | None = None,
        if_match: str | None = None,
    ) -> GiftMade:
        """Offer a ticket to another party; nobody else can have it meanwhile."""
        body: dict[str, Any] = {"to_party_id": str(to_party_id)}
        if until is not None:
            body["until"] = until.isoformat()
        if message is not None:
            body["message"] = message
        path = f"/v1/tickets/{ticket_id}/gift-offers"
        reply = self._calls.command("POST", path, body, key=key, if_match=if_match)
        return read(GiftMade, reply.said)

    def get(self, ticket_id: UUID, offer_id: UUID) -> Gift:
        return read(Gift, self._calls.get(_path(ticket_id, offer_id)).said)

    def accept(
        self,
        ticket_id: UUID,
        offer_id: UUID,
        *,
        terms_hash: str,
        answer: str | None = None,
        key: str | None = None,
    ) -> GiftAccepted:
        """Accept; `terms_hash` says which terms were read, `answer` the asked word."""
        body = {"terms_hash": terms_hash}
        if answer is not None:
            body["answer"] = answer
        path = f"{_path(ticket_id, offer_id)}/acceptance"
        return read(GiftAccepted, self._calls.command("POST", path, body, key=key).said)

    def decline(self, ticket_id: UUID, offer_id: UUID) -> None:
        self._calls.command("POST", f"{_path(ticket_id, offer_id)}/decline")

    def withdraw(self, ticket_id: UUID, offer_id: UUID) -> None:
        self._calls.command("POST", f"{_path(ticket_id, offer_id)}/withdrawal")


def _path(ticket_id: UUID, offer_id: UUID) -> str:
    return f"/v1/tickets/{ticket_id}/gift-offers/{offer_id}"
