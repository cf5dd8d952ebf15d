"""Counting what a party holds, owns and resells of an offering, inside a commit.

Steps for others' commands: each works on the caller's `Work` and records nothing.
Whoever moves a title or ends a ticket calls `moved`; whoever reserves calls `taken`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from ledger.aggregates.allowance import Allowance
from ledger.aggregates.base import is_over
from ledger.aggregates.offering import Offering
from ledger.aggregates.order import Order, OrderState
from ledger.application import Work
from ledger.vocabulary.ids import allowance_id


def taken(
    work: Work,
    *,
    offering_id: UUID,
    party_id: UUID,
    order_id: UUID,
    count: int,
    limit: int,
    until: datetime,
    at: datetime,
) -> None:
    """Let an order hold `count` for a party. Raises `LimitReached`.

    Live holds and owned tickets count; orders whose time is over end here and do not.
    """
    allowance = _counted(work, offering_id, party_id, at)
    for overdue in allowance.overdue(at):
        if not _is_alive(work, overdue, at):
            allowance.release(order_id=overdue, at=at)
    allowance.hold(order_id=order_id, count=count, limit=limit, until=until, at=at)


def given_back(
    work: Work, *, offering_id: UUID, party_id: UUID, order_id: UUID, at: datetime
) -> None:
    """Count an order no more: released, expired, or its payment failed."""
    allowance = work.find(Allowance, allowance_id(offering_id, party_id))
    if allowance is not None:
        allowance.release(order_id=order_id, at=at)


def bought(
    work: Work,
    *,
    offering_id: UUID,
    party_id: UUID,
    order_id: UUID,
    ticket_ids: Collection[UUID],
    at: datetime,
) -> None:
    """Turn what an order held into owned tickets; what it held beyond them is over."""
    allowance = _counted(work, offering_id, party_id, at)
    allowance.buy(order_id=order_id, ticket_ids=ticket_ids, at=at)


def moved(
    work: Work,
    *,
    offering_id: UUID,
    ticket_id: UUID,
    from_id: UUID | None,
    to_id: UUID | None,
    at: datetime,
    resold: bool = False,
    limit: int | None = None,
) -> None:
    """Follow a title from one party to another; None where it begins or ends.

    With `resold` the seller's resales count, up to `limit` (`limit_of`). Raises
    `ResaleLimitReached`.
    """
    if from_id is not None and resold:
        seller = _counted(work, offering_id, from_id, at)
        seller.resell(ticket_id=ticket_id, limit=limit, at=at)
    elif from_id is not None:
        before = work.find(Allowance, allowance_id(offering_id, from_id))
        if before is not None:
            before.lose(ticket_id=ticket_id, at=at)
    if to_id is not None:
        after = _counted(work, offering_id, to_id, at)
        after.gain(ticket_id=ticket_id, at=at)


def unsold(
    work: Work, *, offering_id: UUID, ticket_id: UUID, seller_id: UUID, at: datetime
) -> None:
    """Let a resale that was undone count no more for who had sold."""
    seller = work.find(Allowance, allowance_id(offering_id, seller_id))
    if seller is not None:
        seller.undo_resale(ticket_id=ticket_id, at=at)


def limit_of(work: Work, offering_id: UUID) -> int | None:
    """Return an offering's purchase limit; None for one that is not of this ledger."""
    offering = work.find(Offering, offering_id)
    return None if offering is None else offering.purchase_limit


def _is_alive(work: Work, order_id: UUID, at: datetime) -> bool:
    """Say whether an order still holds something; a payment in flight keeps it."""
    order = work.find(Order, order_id)
    if order is None:
        return False
    if order.state == OrderState.HELD and is_over(order.until, at):
        order.expire(at=at)
    return not order.has_ended


def _counted(work: Work, offering_id: UUID, party_id: UUID, at: datetime) -> Allowance:
    stream_id = allowance_id(offering_id, party_id)
    found = work.find(Allowance, stream_id)
    if found is not None:
        return found
    return work.add(
        Allowance.begin(
            allowance_id=stream_id, offering_id=offering_id, party_id=party_id, at=at
        )
    )
