"""Giving back what was paid for tickets of an order, to the tenders that paid."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from ledger.aggregates.order import Order, Paid
from ledger.application import Work
from ledger.usecases import points, tenders
from ledger.usecases.accounts import Leg
from ledger.usecases.confirming import offering_of
from ledger.vocabulary.ids import step_id
from ledger.vocabulary.money import Money


def refund_order_lines(
    work: Work,
    *,
    order: Order,
    ticket_ids: Sequence[UUID],
    amount: Money,
    entry_id: UUID,
    debits: Sequence[Leg],
    reason: str,
    at: datetime,
) -> list[Paid]:
    """Pay back an amount for tickets of an order; return what went to which tender.

    `debits` say who gives it, as negative legs. Points that the tickets earned are
    taken back; what was spent of them meanwhile is told as a negative balance.
    """
    if not amount.amount_minor:
        return []
    programme_id = offering_of(work, order).issuer_id
    parts = tenders.refund(
        work,
        purpose_id=order.id,
        payer_id=order.buyer_id,
        paid=order.paid,
        already_refunded_minor=order.refunded_minor,
        amount=amount,
        programme_id=programme_id,
        entry_id=entry_id,
        debits=debits,
        reason=reason,
        reference=f"order/{order.id}",
        at=at,
    )
    order.note_refund(amount_minor=amount.amount_minor, entry_id=entry_id, at=at)
    earned = sum(work.ticket(ticket_id).points_earned for ticket_id in ticket_ids)
    points.take_back(
        work,
        party_id=order.buyer_id,
        programme_id=programme_id,
        points=earned,
        entry_id=step_id(entry_id, 0),
        reference=f"order/{order.id}",
        at=at,
    )
    return parts
