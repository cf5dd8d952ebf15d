"""Listings: an owner asks a price, and somebody buys. All amounts are minor units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ledger_client.calls import Calls
from ledger_client.reading import read


@dataclass(frozen=True, slots=True)
class ListingMade:
    listing_id: UUID
    cap_minor: int


@dataclass(frozen=True, slots=True)
class Listing:
    """A listing as it is now; its price is never above `cap_minor`."""

    listing_id: UUID
    price_minor: int
    cap_minor: int
    currency: str
    until: datetime
    state: str
    version: int
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class ListingShown:
    """One line of the market."""

    listing_id: UUID
    ticket_id: UUID
    position: int
    offering_id: UUID
    title: str
    right: str
    category: str | None
    price_minor: int
    currency: str
    to_party_id: UUID | None
    until: datetime
    state: str


@dataclass(frozen=True, slots=True)
class Split:
    """Who gets what of a price."""

    seller_minor: int
    royalty_minor: int
    platform_minor: int = 0
    tax_minor: int = 0


@dataclass(frozen=True, slots=True)
class Sold:
    sale_id: UUID
    entry_id: UUID | None
    split: Split


class Listings:
    """`/v1/listings` and `/v1/tickets/{ticket_id}/listings`"""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def market(self, *, offering_id: UUID | None = None) -> Iterator[ListingShown]:
        """Yield what is for sale to the caller, newest first."""
        query = {"offering_id": offering_id}
        return self._calls.list_of(
            ListingShown, "/v1/listings", "listings", query=query
        )

    def offer(
        self,
        ticket_id: UUID,
        *,
        price_minor: int,
        to_party_id: UUID | None = None,
        until: datetime | None = None,
        key: str | None = None,
        if_match: str | None = None,
    ) -> ListingMade:
        """Ask a price for a ticket, of everybody or of one party."""
        body: dict[str, Any] = {"price_minor": price_minor}
        if to_party_id is not None:
            body["to_party_id"] = str(to_party_id)
        if until is not None:
            body["until"] = until.isoformat()
        path = f"/v1/tickets/{ticket_id}/listings"
        reply = self._calls.command("POST", path, body, key=key, if_match=if_match)
        return read(ListingMade, reply.said)

    def get(self, ticket_id: UUID, listing_id: UUID) -> Listing:
        reply = self._calls.get(_path(ticket_id, listing_id))
        return read(Listing, {**reply.said, "etag": reply.etag})

    def reprice(
        self,
        ticket_id: UUID,
        listing_id: UUID,
        *,
        price_minor: int,
        if_match: str | None = None,
    ) -> ListingMade:
        path, body = (
            f"{_path(ticket_id, listing_id)}/price",
            {"price_minor": price_minor},
        )
        return read(
            ListingMade,
            self._calls.command("PUT", path, body, if_match=if_match).said,
        )

    def end(
        self, ticket_id: UUID, listing_id: UUID, *, if_match: str | None = None
    ) -> None:
        """Take a ticket off the market."""
        self._calls.command("DELETE", _path(ticket_id, listing_id), if_match=if_match)

    def buy(
        self,
        ticket_id: UUID,
        listing_id: UUID,
        *,
        answer: str | None = None,
        key: str | None = None,
        if_match: str | None = None,
    ) -> Sold:
        """Buy from the purse. `if_match` of the listing keeps its price as seen."""
        body = {} if answer is None else {"answer": answer}
        path = f"{_path(ticket_id, listing_id)}/purchase"
        reply = self._calls.command("POST", path, body, key=key, if_match=if_match)
        return read(Sold, reply.said)


def _path(ticket_id: UUID, listing_id: UUID) -> str:
    return f"/v1/tickets/{ticket_id}/listings/{listing_id}"
