"""Tickets that an issuer gives without a sale: for guests, the press, a prize.

They take places like any other and count as their owner's, but no purchase limit
refuses them. Nothing was paid, so nothing is refunded and the resale cap is nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.aggregates.base import is_over
from ledger.aggregates.grant import Grant
from ledger.aggregates.offering import (
    NotTheIssuer,
    Offering,
    OfferingCancelled,
    OfferingOver,
)
from ledger.aggregates.party import Party
from ledger.application import Cause, Ledger, Work
from ledger.errors import Unknown
from ledger.ports import PersonalData, StockDesk
from ledger.usecases import allowances, issuing, stock
from ledger.usecases.stock import HeldPlace


@dataclass(frozen=True, slots=True)
class Granted:
    """Tickets and their places, in the same order."""

    ticket_ids: tuple[UUID, ...]
    places: tuple[str, ...]
    position: int


def grant(
    ledger: Ledger,
    desk: StockDesk,
    personal: PersonalData,
    *,
    grant_id: UUID,
    offering_id: UUID,
    by: UUID,
    to: UUID,
    ticket_ids: Sequence[UUID],
    at: datetime,
    cause: Cause,
    category: str | None = None,
    place: str | None = None,
    together: bool = False,
    answers: Sequence[str | None] = (),
) -> Granted:
    """Give a party one ticket for each of `ticket_ids`, as the issuer.

    Possible before the sale and after it, while what is offered is valid. Those that
    the terms keep together are one group, named `grant_id`. The same grant again
    changes nothing and is answered alike. Raises `SoldOut`, `PlaceTaken`,
    `NotTheIssuer`, `OfferingOver`, `OfferingCancelled`, `GrantDiffers`.
    """
    work = ledger.work()
    offering = work.get(Offering, offering_id, Unknown(what="offering"))
    if by != offering.issuer_id:
        raise NotTheIssuer(because=offering.names(1))
    work.get(Party, to, Unknown(what="party"))
    before = work.find(Grant, grant_id)
    if before is not None:
        before.require_same(offering_id=offering_id, to=to, ticket_ids=ticket_ids)
        return Granted(before.ticket_ids, before.places, work.reached())
    require_given(offering, at)
    places = stock.take(
        work,
        desk,
        offering=offering,
        count=len(ticket_ids),
        category=category,
        place=place,
        together=together,
        ticket_ids=ticket_ids,
        at=at,
    )
    noted = give_within(
        work,
        personal,
        offering=offering,
        grant_id=grant_id,
        to=to,
        ticket_ids=ticket_ids,
        places=places,
        answers=answers,
        at=at,
    )
    return Granted(noted.ticket_ids, noted.places, work.record(cause))


def give_within(
    work: Work,
    personal: PersonalData,
    *,
    offering: Offering,
    grant_id: UUID,
    to: UUID,
    ticket_ids: Sequence[UUID],
    places: Sequence[HeldPlace],
    at: datetime,
    answers: Sequence[str | None] = (),
) -> Grant:
    """Issue tickets for places that were taken, and note it, in the caller's commit."""
    issuing.issue(
        work,
        personal,
        offering=offering,
        places=places,
        ticket_ids=ticket_ids,
        owner_id=to,
        source="grant",
        group_id=grant_id,
        answers=answers,
        for_nothing=True,
        at=at,
    )
    for ticket_id in ticket_ids:
        allowances.moved(
            work,
            offering_id=offering.id,
            ticket_id=ticket_id,
            from_id=None,
            to_id=to,
            at=at,
        )
    return work.add(
        Grant.give(
            grant_id=grant_id,
            offering_id=offering.id,
            issuer_id=offering.issuer_id,
            to=to,
            ticket_ids=ticket_ids,
            places=[held.place for held in places],
            at=at,
        )
    )


@dataclass(frozen=True, slots=True)
class GrantNow:
    """What was given to whom; tickets and places in the same order."""

    grant_id: UUID
    offering_id: UUID
    issuer_id: UUID
    to_party_id: UUID
    ticket_ids: tuple[UUID, ...]
    places: tuple[str, ...]


def look_at(ledger: Ledger, *, grant_id: UUID, by: UUID | None) -> GrantNow:
    """Tell a grant to its issuer, to whom it was made, or to an auditor (None).

    To others it is not there: raises `Unknown`.
    """
    given = ledger.find(Grant, grant_id)
    if given is None or by not in (None, given.issuer_id, given.to_party_id):
        raise Unknown(what="grant")
    return GrantNow(
        grant_id=given.id,
        offering_id=given.offering_id,
        issuer_id=given.issuer_id,
        to_party_id=given.to_party_id,
        ticket_ids=given.ticket_ids,
        places=given.places,
    )


def require_given(offering: Offering, at: datetime) -> None:
    """Raise unless what is offered is still to be had: not cancelled, not over."""
    if offering.cancelled_version:
        raise OfferingCancelled(
            reason=offering.cancelled_because,
            because=offering.names(offering.cancelled_version),
        )
    if is_over(offering.valid_until, at):
        raise OfferingOver(
            valid_until=offering.valid_until.isoformat(), because=offering.names(1)
        )
