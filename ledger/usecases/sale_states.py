"""Telling one sale to its buyer and its seller: its state, its tickets, the money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.aggregates.sale import SaleState, SaleUnknown
from ledger.application import Ledger
from ledger.usecases.settlement import sale_of


@dataclass(frozen=True, slots=True)
class SaleLineNow:
    """One ticket of a sale; `returned` once a decision gave back what it had cost."""

    ticket_id: UUID
    listing_id: UUID
    offering_id: UUID
    price_minor: int
    returned: bool


@dataclass(frozen=True, slots=True)
class SaleNow:
    """A sale as it is recorded; `until` is the fence of a payment that takes time.

    `split_minor` is who gets what of the price, `payout` when: "at_sale" or
    "after_start". `owed_minor` never came from the buyer's card.
    """

    sale_id: UUID
    buyer_id: UUID
    seller_id: UUID
    state: SaleState
    lines: tuple[SaleLineNow, ...]
    price_minor: int
    currency: str
    split_minor: Mapping[str, int]
    payout: str
    until: datetime | None
    entry_id: UUID | None
    refunded_minor: int
    owed_minor: int
    version: int


def look_at(ledger: Ledger, *, sale_id: UUID, by: UUID | None) -> SaleNow:
    """Tell a sale to one of its two parties, or to an operator, for whom `by` is None.

    To others it is not there: raises `SaleUnknown`.
    """
    sale = sale_of(ledger.work(), sale_id)
    if by is not None and by not in (sale.buyer_id, sale.seller_id):
        raise SaleUnknown
    return SaleNow(
        sale_id=sale.id,
        buyer_id=sale.buyer_id,
        seller_id=sale.seller_id,
        state=SaleState(sale.state),
        lines=tuple(
            SaleLineNow(
                ticket_id=line.ticket_id,
                listing_id=line.listing_id,
                offering_id=line.offering_id,
                price_minor=line.price_minor,
                returned=line.ticket_id in sale.returned,
            )
            for line in sale.lines
        ),
        price_minor=sale.price.amount_minor,
        currency=sale.currency,
        split_minor=sale.split_minor,
        payout=sale.payout,
        until=sale.until,
        entry_id=sale.entry_id,
        refunded_minor=sale.refunded_minor,
        owed_minor=sale.owed_minor,
        version=sale.version,
    )
