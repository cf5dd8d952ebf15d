"""From a paid order to tickets: money, places and titles in the caller's commit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from ledger.aggregates.e_ticket import ETicket
from ledger.aggregates.offering import Offering, OfferingCancelled
from ledger.aggregates.order import Order, OrderState, Paid
from ledger.application import Work
from ledger.errors import Unknown
from ledger.usecases import accounts, allowances, points, stock, tenders
from ledger.usecases.accounts import Leg
from ledger.usecases.reservations import places_of
from ledger.usecases.tenders import Tender
from ledger.vocabulary.ids import line_ticket_id, order_entry_id, retry_id
from ledger.vocabulary.money import Money, split


def confirm(
    work: Work,
    order: Order,
    parts: Sequence[Tender],
    sealed: Sequence[str | None],
    *,
    purpose_id: UUID,
    entry_id: UUID,
    held: bool,
    at: datetime,
    lines: Sequence[int] | None = None,
) -> None:
    """Take the money, confirm the order and issue its tickets; all `lines` if None.

    `sealed` are the holder's answers, one for each line. What was `held` for the
    purpose is taken, else what is there. Raises what refuses any of these.
    """
    offering = offering_of(work, order)
    if offering.cancelled_version:
        raise OfferingCancelled(
            reason=offering.cancelled_because,
            because=offering.names(offering.cancelled_version),
        )
    numbers = list(range(len(order.lines))) if lines is None else list(lines)
    ticket_ids = [line_ticket_id(order.id, number) for number in numbers]
    if order.state != OrderState.PAID_LATE:
        places = places_of(order)
        sold = ticket_ids[: len(places)]
        stock.sell(work, order_id=order.id, places=places, ticket_ids=sold, at=at)
    paid = _take(
        work, order, offering, parts, purpose_id, entry_id=entry_id, held=held, at=at
    )
    order.confirm(
        lines=numbers,
        ticket_ids=ticket_ids,
        paid=paid,
        entry_id=entry_id if paid else None,
        at=at,
    )
    allowances.bought(
        work,
        offering_id=offering.id,
        party_id=order.buyer_id,
        order_id=order.id,
        ticket_ids=ticket_ids,
        at=at,
    )
    earned = _earn(work, order, offering, parts, numbers, at)
    _issue(work, order, offering, numbers, parts, sealed, earned, at)


def _take(
    work: Work,
    order: Order,
    offering: Offering,
    parts: Sequence[Tender],
    purpose_id: UUID,
    *,
    entry_id: UUID,
    held: bool,
    at: datetime,
) -> list[Paid]:
    price = Money(sum(part.amount_minor for part in parts), order.currency)
    if not price.amount_minor:
        return []
    return tenders.capture(
        work,
        purpose_id=purpose_id,
        payer_id=order.buyer_id,
        tenders=parts,
        currency=order.currency,
        programme_id=offering.issuer_id,
        entry_id=entry_id,
        credits=[Leg(accounts.revenue_of(offering.issuer_id, order.currency), price)],
        reason="purchase",
        reference=f"order/{order.id}",
        held=held,
        at=at,
    )


def _earn(
    work: Work,
    order: Order,
    offering: Offering,
    parts: Sequence[Tender],
    numbers: Sequence[int],
    at: datetime,
) -> list[int]:
    """Credit what the purchase earns, and say how much of it each ticket has earned.

    Points earn none.
    """
    money = sum(part.amount_minor for part in parts if part.kind != tenders.BY_POINTS)
    earned = _shared(money * offering.earn_points_per_100 // 100, order, numbers)
    points.earn(
        work,
        party_id=order.buyer_id,
        programme_id=offering.issuer_id,
        points=sum(earned),
        entry_id=order_entry_id(order.id, "earned"),
        reference=f"order/{order.id}",
        at=at,
    )
    return earned


def _issue(
    work: Work,
    order: Order,
    offering: Offering,
    numbers: Sequence[int],
    parts: Sequence[Tender],
    sealed: Sequence[str | None],
    earned: Sequence[int],
    at: datetime,
) -> None:
    spent = _shared(sum(part.points for part in parts), order, numbers)
    together = offering.terms.together and len(numbers) > 1
    for index, number in enumerate(numbers):
        line = order.lines[number]
        work.add(
            ETicket.issue(
                ticket_id=line_ticket_id(order.id, number),
                order_id=order.id,
                offering_id=offering.id,
                issuer_id=offering.issuer_id,
                owner_id=order.buyer_id,
                kind=offering.kind,
                title=offering.title,
                right=line.place,
                category=line.category,
                not_before=offering.valid_from,
                not_after=offering.valid_until,
                price_minor=line.price_minor,
                fees_minor=line.fees_minor,
                currency=order.currency,
                uses_limit=offering.uses_limit,
                uses_unit=offering.uses_unit,
                terms=offering.terms,
                question=offering.question,
                check_sealed=sealed[number],
                group_id=order.id if together else None,
                group_size=len(numbers) if together else 1,
                points_spent=spent[index],
                points_earned=earned[index],
                at=at,
            )
        )


def offering_of(work: Work, order: Order) -> Offering:
    return work.get(Offering, order.offering_id, Unknown(what="offering"))


def purpose_of(order: Order) -> UUID:
    """Return what an order's tenders are held for now.

    A payment that failed may be followed by another, which is another purpose: news of
    the one do not touch the other.
    """
    return retry_id(order.id, order.payments_failed)


def _shared(total: int, order: Order, numbers: Sequence[int]) -> list[int]:
    """Divide points over the lines by their prices; the sum is exact."""
    weights = [order.lines[number].total_minor for number in numbers]
    return split(total, weights) if any(weights) else [0] * len(numbers)
