"""Money that comes for an order nobody waits for any more.

The provider took it although the order had been given up, or its time was over. If the
places are still there, or others of their category, the purchaser has what he paid for;
if not, or the limit, the offering or the price forbid it, the money goes back. What is
sold to somebody else stays sold.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from ledger.aggregates.base import is_over
from ledger.aggregates.order import Order, OrderState
from ledger.aggregates.payment import Payment
from ledger.application import Work
from ledger.errors import Conflict, Malformed
from ledger.ports import StockDesk
from ledger.usecases import allowances, confirming, stock
from ledger.usecases.confirming import offering_of
from ledger.usecases.tenders import CARD, Tender
from ledger.vocabulary.ids import line_ticket_id, order_entry_id


def come_late(
    work: Work, desk: StockDesk, order: Order, payment: Payment, *, at: datetime
) -> None:
    """Let captured money buy the places after all, or go back.

    An order that is held still is paid whole or waits on: a part of its price ends
    nothing that its buyer may yet pay for.
    """
    card = payment.amount.amount_minor
    if order.state == OrderState.HELD and not is_over(order.until, at):
        if card == order.price.amount_minor:
            _confirm(work, order, payment, list(range(len(order.lines))), at)
        else:
            give_back(order, payment, card, at=at)
        return
    order.note_late_payment(at=at)
    # What can be had is tried in a work of its own: nothing stays of what fails there.
    found = _retake(work.ledger.work(), desk, order, card, at)
    if not found:
        order.refund(reason="the money came too late", at=at)
        give_back(order, payment, card, at=at)
        return
    places = _retake(work, desk, order, card, at)
    order.change_places(places, at=at)
    worth = sum(order.lines[number].total_minor for number in places)
    _confirm(work, order, payment, sorted(places), at)
    if card > worth:
        give_back(order, payment, card - worth, at=at)


def give_back(
    order: Order, payment: Payment, amount_minor: int, *, at: datetime
) -> None:
    """Want money back on the card that no entry ever told of: nothing is posted.

    What came in and what goes out meet in the provider's account alone.
    """
    refund_id = order_entry_id(order.id, f"late/{payment.id}")
    payment.request_refund(refund_id=refund_id, amount_minor=amount_minor, at=at)


def _confirm(
    work: Work, order: Order, payment: Payment, lines: list[int], at: datetime
) -> None:
    worth = sum(order.lines[number].total_minor for number in lines)
    sealed = order.answers_sealed or (None,) * len(order.lines)
    confirming.confirm(
        work,
        order,
        [Tender(CARD, worth, instrument=payment.instrument)],
        sealed,
        purpose_id=payment.purpose_id,
        entry_id=order_entry_id(order.id, "late"),
        held=False,
        lines=lines,
        at=at,
    )


def _retake(
    work: Work, desk: StockDesk, order: Order, card: int, at: datetime
) -> dict[int, tuple[UUID, str]]:
    """Sell places for as many lines as the money is enough for; none if too few.

    Its own place if it is free, else another of the category.
    """
    offering = offering_of(work, order)
    found: dict[int, tuple[UUID, str]] = {}
    for number, line in enumerate(order.lines):
        taken = None
        if not offering.cancelled_version and line.total_minor <= card:
            taken = _take(work, desk, order, number, at)
        if taken is not None:
            found[number] = taken
            card -= line.total_minor
    whole = len(found) == len(order.lines)
    enough = whole or (order.partial_ok and not offering.terms.together)
    if not found or not enough or not _is_within_limit(work, order, len(found), at):
        return {}
    return found


def _take(
    work: Work, desk: StockDesk, order: Order, number: int, at: datetime
) -> tuple[UUID, str] | None:
    line = order.lines[number]
    for place in (line.place, None):
        try:
            (held,) = stock.take(
                work,
                desk,
                offering=offering_of(work, order),
                count=1,
                category=line.category,
                place=place,
                ticket_ids=[line_ticket_id(order.id, number)],
                at=at,
            )
        except (Conflict, Malformed):
            continue
        return held.allotment_id, held.place
    return None


def _is_within_limit(work: Work, order: Order, count: int, at: datetime) -> bool:
    try:
        allowances.taken(
            work,
            offering_id=order.offering_id,
            party_id=order.buyer_id,
            order_id=order.id,
            count=count,
            limit=offering_of(work, order).purchase_limit,
            until=at + timedelta(seconds=1),
            at=at,
        )
    except Conflict:
        return False
    return True
