"""Opening what is sold."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from ledger.aggregates.e_ticket import Terms
from ledger.aggregates.offering import Offering
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
    price: Money,
    places: list[str],
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
) -> int:
    """Open an offering with its stock; return the position in the log."""
    offering = Offering.open(
        offering_id=offering_id,
        issuer_id=issuer_id,
        title=title,
        kind=kind,
        price=price,
        places=places,
        sale_from=sale_from,
        sale_until=sale_until,
        valid_from=valid_from,
        valid_until=valid_until,
        purchase_limit=purchase_limit,
        uses_limit=uses_limit,
        question=question,
        terms=terms,
        at=at,
    )
    return ledger.record(offering, cause=cause)
