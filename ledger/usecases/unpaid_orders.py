"""Orders whose payment came to nothing: before the tickets were issued, or after.

Before, what is held in purses is free again, in reverse, and the order is held as it
was, or over. After, when a card that was authorised cannot be captured for good, the
sale is undone as far as it is still as it was sold: those tickets end, their places
and the points they earned go back, and what else was paid for them goes back too. What
was used or passed on meanwhile stays with whoever has it, and the purchaser owes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from ledger.aggregates.e_ticket import ETicket, Life, LockKind
from ledger.aggregates.order import Order, Paid
from ledger.aggregates.payment import Payment
from ledger.application import Work
from ledger.usecases import (
    accounts,
    allowances,
    gift_lines,
    points,
    reservations,
    stock,
    tenders,
)
from ledger.usecases.accounts import E_MONEY, Leg
from ledger.usecases.confirming import offering_of, purpose_of
from ledger.usecases.tenders import CARD, Tender
from ledger.vocabulary.ids import order_entry_id
from ledger.vocabulary.money import Money


def undo(work: Work, order: Order, *, reason: str, at: datetime) -> None:
    """Nothing was paid: free what is held, and hold the order on or end it."""
    tenders.undo(
        work,
        purpose_id=purpose_of(order),
        payer_id=order.buyer_id,
        tenders=[Tender.from_dict(tender) for tender in order.tenders],
        currency=order.currency,
        programme_id=offering_of(work, order).issuer_id,
        reason=reason,
        at=at,
    )
    order.fail_payment(reason=reason, at=at)
    if order.has_ended:
        reservations.let_go(work, order, at=at)


def uncapture(work: Work, order: Order, payment: Payment, *, at: datetime) -> None:
    """The card never paid: take back what can be, and note what is owed."""
    tickets = [work.ticket(each) for each in order.tickets if each is not None]
    taken = [ticket for ticket in tickets if _is_as_sold(ticket, order)]
    for ticket in taken:
        _take_back(work, order, ticket, at)
    gift_lines.go_on(work, [ticket.id for ticket in taken], at=at)
    worth = sum(order.line_of(ticket.id).total_minor for ticket in taken)
    left = tenders.left_of(order.paid, refunded_minor=order.refunded_minor)
    others = [each for each in left if each.kind != CARD]
    missing = sum(each.amount_minor for each in left if each.kind == CARD)
    owed = max(0, missing - worth)
    others_minor = sum(each.amount_minor for each in others)
    back = min(others_minor, max(0, worth - missing))
    entry_id = order_entry_id(order.id, "uncaptured")
    _reverse(work, order, payment, missing, owed, entry_id=entry_id, at=at)
    others = _give_back(work, order, others, back, at)
    debt = [Paid(E_MONEY, owed)] if owed else []
    order.fail_capture(
        taken_back=[ticket.id for ticket in taken],
        left=[*others, *debt],
        entry_id=entry_id,
        at=at,
    )


def _is_as_sold(ticket: ETicket, order: Order) -> bool:
    unused = ticket.uses.redeemed == ticket.uses.reversed
    never_moved = ticket.owner_id == order.buyer_id and ticket.title_version == 1
    printing = ticket.print_serial is not None or ticket.dead_serials
    return ticket.life == Life.OWNED and never_moved and unused and not printing


def _take_back(work: Work, order: Order, ticket: ETicket, at: datetime) -> None:
    reason = "the card did not pay"
    if ticket.lock.kind == LockKind.NONE and not ticket.holds:
        ticket.void(reason=reason, at=at)
    else:  # Whatever it is offered to or kept for gives way.
        ticket.revoke(reason=reason, decision_id=order.id, at=at)
    allowances.moved(
        work,
        offering_id=order.offering_id,
        ticket_id=ticket.id,
        from_id=order.buyer_id,
        to_id=None,
        at=at,
    )
    stock.return_place(work, offering_id=order.offering_id, ticket_id=ticket.id, at=at)
    points.take_back(
        work,
        party_id=order.buyer_id,
        programme_id=ticket.issuer_id,
        points=ticket.points_earned,
        entry_id=order_entry_id(order.id, f"unearned/{ticket.id}"),
        reference=f"order/{order.id}",
        at=at,
    )


def _reverse(
    work: Work,
    order: Order,
    payment: Payment,
    missing: int,
    owed: int,
    *,
    entry_id: UUID,
    at: datetime,
) -> None:
    """Take the card's part out of the books; what is owed becomes the buyer's debt."""
    currency = order.currency
    issuer_id = offering_of(work, order).issuer_id
    accounts.move(
        work,
        entry_id=entry_id,
        legs=[
            Leg(
                accounts.card_clearing_of(payment.provider, currency),
                Money(missing, currency),
            ),
            Leg(
                accounts.revenue_of(issuer_id, currency),
                Money(owed - missing, currency),
            ),
            Leg(accounts.purse_ref(order.buyer_id, currency), Money(-owed, currency)),
        ],
        reason="card not captured",
        reference=f"order/{order.id}",
        at=at,
        overdraw=True,
    )


def _give_back(
    work: Work, order: Order, others: Sequence[Paid], amount_minor: int, at: datetime
) -> list[Paid]:
    """Pay back to points and e-money; return what is left of what they paid."""
    if not amount_minor:
        return list(others)
    issuer_id = offering_of(work, order).issuer_id
    revenue = accounts.revenue_of(issuer_id, order.currency)
    tenders.refund(
        work,
        purpose_id=order.id,
        payer_id=order.buyer_id,
        paid=others,
        already_refunded_minor=0,
        amount=Money(amount_minor, order.currency),
        programme_id=issuer_id,
        entry_id=order_entry_id(order.id, "uncaptured/others"),
        debits=[Leg(revenue, Money(-amount_minor, order.currency))],
        reason="card not captured",
        reference=f"order/{order.id}",
        at=at,
    )
    return tenders.left_of(others, refunded_minor=amount_minor)
