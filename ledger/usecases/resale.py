"""Selling tickets on: listed at a price under the cap, and bought.

A sale that purse and points pay is one commit: the money goes to escrow, the titles
move, and what is due is paid out. A card takes longer: see `sale_payments`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.aggregates.party import Party
from ledger.application import Cause, Ledger
from ledger.errors import Malformed, Unknown
from ledger.ports import PersonalData
from ledger.usecases import payouts, settlement
from ledger.usecases.settlement import Wanted
from ledger.usecases.tenders import CARD, Tender


class NotAtOnce(Malformed):
    code = "malformed"
    says = "A card takes more than one commit; begin the sale with its payment."


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
    work = ledger.work()
    if to is not None:
        work.get(Party, to, Unknown(what="party"))
    ticket = settlement.ticket_of(work, ticket_id, at)
    ticket.list_for_resale(
        listing_id=listing_id, by=by, price_minor=price_minor, to=to, until=until, at=at
    )
    return ListedTicket(listing_id, ticket.resale_cap_minor, work.record(cause))


def reprice(
    ledger: Ledger,
    *,
    ticket_id: UUID,
    listing_id: UUID,
    by: UUID,
    price_minor: int,
    at: datetime,
    cause: Cause,
) -> ListedTicket:
    """Ask another price, under the cap in force now."""
    work = ledger.work()
    ticket = settlement.ticket_of(work, ticket_id, at)
    ticket.reprice(listing_id=listing_id, by=by, price_minor=price_minor, at=at)
    return ListedTicket(listing_id, ticket.resale_cap_minor, work.record(cause))


def unlist(
    ledger: Ledger,
    *,
    ticket_id: UUID,
    listing_id: UUID,
    by: UUID,
    at: datetime,
    cause: Cause,
) -> int:
    """Take a listing down, unless a purchaser's payment is under way."""
    work = ledger.work()
    ticket = settlement.ticket_of(work, ticket_id, at)
    ticket.unlist(listing_id=listing_id, by=by, at=at)
    return work.record(cause)


@dataclass(frozen=True, slots=True)
class Bought:
    """`split_minor` is who gets what of the price; `entry_id` the escrow posting."""

    sale_id: UUID
    entry_id: UUID | None
    split_minor: dict[str, int]
    state: str
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
) -> Bought:
    """Buy one listed ticket with e-money: money and title in one commit."""
    return buy_together(
        ledger,
        personal,
        wanted=[Wanted(ticket_id, listing_id, answer)],
        sale_id=sale_id,
        entry_id=entry_id,
        by=by,
        at=at,
        cause=cause,
    )


def buy_together(
    ledger: Ledger,
    personal: PersonalData,
    *,
    wanted: Sequence[Wanted],
    sale_id: UUID,
    entry_id: UUID,
    by: UUID,
    at: datetime,
    cause: Cause,
    offered: Sequence[Tender] | None = None,
) -> Bought:
    """Buy listed tickets of one seller with e-money and points: all or none.

    Without `offered` the purchaser's purse pays the whole price.
    """
    if any(tender.kind == CARD for tender in offered or ()):
        raise NotAtOnce
    work = ledger.work()
    sale = settlement.begin(
        work,
        personal,
        sale_id=sale_id,
        by=by,
        wanted=wanted,
        offered=offered,
        until=None,
        at=at,
    )
    settlement.settle(work, sale, entry_id=entry_id, at=at)
    payouts.pay_out_if_due(work, sale, at=at)
    return Bought(
        sale_id, sale.entry_id, sale.split_minor, sale.state, work.record(cause)
    )
