"""Opening what is sold, and changing it: more places, other prices, the end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from ledger.aggregates.e_ticket import Terms
from ledger.aggregates.e_ticket.states import UsesUnit
from ledger.aggregates.offering import BadOffering, Block, Category, Offering
from ledger.application import Cause, Ledger
from ledger.vocabulary.money import Money
from ledger.vocabulary.sealed_ticket import Kind


def open_offering(
    ledger: Ledger,
    *,
    offering_id: UUID,
    issuer_id: UUID,
    title: str,
    kind: Kind,
    sale_from: datetime,
    sale_until: datetime,
    valid_from: datetime,
    valid_until: datetime,
    purchase_limit: int,
    uses_limit: int,
    question: int | None,
    terms: Terms,
    at: datetime,
    cause: Cause,
    price: Money | None = None,
    places: Sequence[str] = (),
    currency: str | None = None,
    categories: Sequence[Category] = (),
    blocks: Sequence[Block] = (),
    uses_unit: UsesUnit = "count",
    presale_from: datetime | None = None,
    earn_points_per_100: int = 0,
    point_value_minor: int = 1,
    max_points_percent: int = 100,
) -> int:
    """Open an offering with its stock; return the position in the log.

    Either all `places` are named and cost one `price`, or `categories` give prices in
    a `currency` and `blocks` their places. Raises `BadOffering`.
    """
    if (price is None) == (currency is None):
        raise BadOffering(says="Give one price with places, or categories with blocks.")
    if price is not None:
        currency = price.currency
        categories = [Category(None, price.amount_minor)]
        blocks = [Block(None, tuple(places))]
    offering = Offering.open(
        offering_id=offering_id,
        issuer_id=issuer_id,
        title=title,
        kind=kind,
        currency=currency or "",
        categories=categories,
        blocks=blocks,
        sale_from=sale_from,
        sale_until=sale_until,
        presale_from=presale_from,
        valid_from=valid_from,
        valid_until=valid_until,
        purchase_limit=purchase_limit,
        uses_limit=uses_limit,
        uses_unit=uses_unit,
        question=question,
        terms=terms,
        earn_points_per_100=earn_points_per_100,
        point_value_minor=point_value_minor,
        max_points_percent=max_points_percent,
        at=at,
    )
    return ledger.record(offering, cause=cause)


def open_more(
    ledger: Ledger,
    *,
    offering_id: UUID,
    by: UUID,
    blocks: Sequence[Block],
    at: datetime,
    cause: Cause,
) -> int:
    """Open more places. Those who wait are served before the public, as always."""
    offering = ledger.offering(offering_id)
    offering.extend(by=by, blocks=blocks, at=at)
    return ledger.record(offering, cause=cause)


def reprice(
    ledger: Ledger,
    *,
    offering_id: UUID,
    by: UUID,
    category: str | None,
    price_minor: int,
    fees_minor: int,
    at: datetime,
    cause: Cause,
) -> int:
    """Change a price; what is reserved already keeps the one that was quoted."""
    offering = ledger.offering(offering_id)
    offering.reprice(
        by=by,
        category=category,
        price_minor=price_minor,
        fees_minor=fees_minor,
        at=at,
    )
    return ledger.record(offering, cause=cause)


def cancel_offering(
    ledger: Ledger,
    *,
    offering_id: UUID,
    by: UUID,
    reason: str,
    at: datetime,
    cause: Cause,
) -> int:
    """Sell nothing more of an offering."""
    offering = ledger.offering(offering_id)
    offering.cancel(by=by, reason=reason, at=at)
    return ledger.record(offering, cause=cause)
