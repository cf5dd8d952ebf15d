"""Selling a ticket on: money and title move in one commit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.application import Cause, Ledger
from ledger.ports import PersonalData
from ledger.usecases import accounts
from ledger.usecases.sales import seal_answer
from ledger.vocabulary.money import Money, split


@dataclass(frozen=True, slots=True)
class ListedTicket:
    listing_id: UUID
    cap_minor: int
    position: int


def list_ticket(
    ledger: Ledger,
    *,
    ticket_id: UUID,
    listing_id: UUID,
    by: UUID,
    price_minor: int,
    to: UUID | None,
    until: datetime,
    at: datetime,
    cause: Cause,
) -> ListedTicket:
    """Offer a ticket for sale, to everybody or to one named purchaser."""
    if to is not None:
        ledger.party(to)
    ticket = ledger.ticket(ticket_id)
    ticket.list_for_resale(
        listing_id=listing_id, by=by, price_minor=price_minor, to=to, until=until, at=at
    )
    position = ledger.record(ticket, cause=cause)
    return ListedTicket(listing_id, ticket.resale_cap_minor, position)


def unlist(
    ledger: Ledger,
    *,
    ticket_id: UUID,
    listing_id: UUID,
    by: UUID,
    at: datetime,
    cause: Cause,
) -> int:
    ticket = ledger.ticket(ticket_id)
    ticket.unlist(listing_id=listing_id, by=by, at=at)
    return ledger.record(ticket, cause=cause)


@dataclass(frozen=True, slots=True)
class Sale:
    sale_id: UUID
    entry_id: UUID | None
    split_minor: dict[str, int]
    position: int


def buy(
    ledger: Ledger,
    personal: PersonalData,
    *,
    ticket_id: UUID,
    listing_id: UUID,
    sale_id: UUID,
    entry_id: UUID,
    by: UUID,
    answer: str | None,
    at: datetime,
    cause: Cause,
) -> Sale:
    """Buy a listed ticket with e-money: seller, issuer and title in one commit."""
    ticket = ledger.ticket(ticket_id)
    listing = ticket.require_listing(listing_id, by, at)
    seller_id, price = ticket.owner_id, Money(listing.price_minor, ticket.currency)
    royalty = ticket.terms.royalty_percent
    to_seller, to_issuer = split(price.amount_minor, [100 - royalty, royalty])
    shares = {"seller": to_seller, "royalty": to_issuer}
    ticket.resell(
        listing_id=listing_id,
        sale_id=sale_id,
        entry_id=entry_id if price.amount_minor else None,
        by=by,
        split_minor=shares,
        check_sealed=seal_answer(
            personal, holder_id=by, question=ticket.question, answer=answer
        ),
        at=at,
    )
    money = accounts.pay(
        ledger,
        entry_id=entry_id,
        payer_id=by,
        price=price,
        to_purses={seller_id: to_seller},
        to_names={accounts.revenue_of(ticket.issuer_id, price.currency): to_issuer},
        reason="resale",
        reference=f"sale/{sale_id}",
        at=at,
    )
    position = ledger.record(ticket, *money, cause=cause)
    return Sale(sale_id, entry_id if money else None, shares, position)
