"""Making visible what time has ended, and going on with what was left half done.

Nothing depends on it: every command judges deadlines itself. Each function looks at one
thing and returns when to look at it again, None if there is nothing more to tidy. Done
twice, or by two at once, it has one effect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from ledger.adapters.deadlines import DeadlineKind
from ledger.aggregates.base import is_over
from ledger.aggregates.gift import Gift
from ledger.aggregates.order import Order
from ledger.aggregates.order.states import OrderState
from ledger.aggregates.payment import Payment
from ledger.aggregates.sale import Sale
from ledger.aggregates.sale.states import SaleState
from ledger.aggregates.waiting_list import WaitingList
from ledger.application import Cause, Ledger, TicketUnknown, attempt
from ledger.ports import PaymentProvider, StockDesk
from ledger.usecases import (
    checkout,
    gift_lines,
    gifts,
    payouts,
    reservations,
    sale_payments,
    waiting,
)

LATER = timedelta(hours=1)
"""When to look again at what only something else can end."""

SOON = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Tools:
    """What tidying needs beside the time."""

    ledger: Ledger
    desk: StockDesk
    provider: PaymentProvider


Tidy: TypeAlias = Callable[[Tools, UUID, datetime, Cause], datetime | None]


def tidy_order(
    tools: Tools, order_id: UUID, at: datetime, cause: Cause
) -> datetime | None:
    """Expire a reservation that was not paid; a payment in flight keeps it alive."""
    ledger = tools.ledger

    def expire() -> Order:
        work = ledger.work()
        order = work.order(order_id)
        if order.state == OrderState.HELD and is_over(order.until, at):
            order.expire(at=at)
            reservations.let_go(work, order, at=at)
            work.record(cause)
        return order

    order = attempt(expire)
    if order.state == OrderState.EXPIRED:
        waiting.serve(
            ledger, tools.desk, offering_id=order.offering_id, at=at, cause=cause
        )
    if order.state == OrderState.HELD:
        return order.until
    return at + SOON if order.state == OrderState.PAYMENT_IN_FLIGHT else None


def tidy_lock(
    tools: Tools, ticket_id: UUID, at: datetime, cause: Cause
) -> datetime | None:
    """End a ticket's offer, listing or lease whose time is over."""

    def settle() -> datetime | None:
        work = tools.ledger.work()
        ticket = work.ticket(ticket_id)
        ticket.settle_lock(at)
        if ticket.pending_events:
            gift_lines.go_on(work, [ticket_id], at=at)
            work.record(cause)
        return ticket.lock.until

    try:
        return attempt(settle)
    except TicketUnknown:
        return None


def tidy_gift(
    tools: Tools, offer_id: UUID, at: datetime, cause: Cause
) -> datetime | None:
    """End the lines of a gift whose time is over; a suspended one waits."""
    attempt(
        lambda: gifts.note_ends(tools.ledger, offer_id=offer_id, at=at, cause=cause)
    )
    gift = tools.ledger.find(Gift, offer_id)
    if gift is None or not gift.pending:
        return None
    return gift.until if gift.until > at else at + LATER


def tidy_promises(
    tools: Tools, list_id: UUID, at: datetime, cause: Cause
) -> datetime | None:
    """Offer places that were promised and not taken to the next in line."""
    ledger = tools.ledger
    line = ledger.find(WaitingList, list_id)
    if line is None:
        return None
    waiting.serve(ledger, tools.desk, offering_id=line.offering_id, at=at, cause=cause)
    line = ledger.find(WaitingList, list_id)
    left = [each.until for each in line.promises.values()] if line else []
    return min((until for until in left if until > at), default=None)


def resume_payment(
    tools: Tools, payment_id: UUID, at: datetime, cause: Cause
) -> datetime | None:
    """Ask the provider again what became of a payment, and let its order follow."""
    ledger = tools.ledger
    payment = ledger.find(Payment, payment_id)
    if payment is None:
        return None
    if payment.order_id is not None:
        checkout.advance(
            ledger,
            tools.desk,
            tools.provider,
            order_id=payment.order_id,
            at=at,
            cause=cause,
        )
    else:
        sale_payments.advance(
            ledger, tools.provider, sale_id=payment.purpose_id, at=at, cause=cause
        )
    payment = ledger.find(Payment, payment_id)
    return at + SOON if payment is not None and payment.outstanding else None


def pay_out(tools: Tools, sale_id: UUID, at: datetime, cause: Cause) -> datetime | None:
    """Pay the seller once nothing forbids it any more."""

    def pay() -> SaleState | None:
        work = tools.ledger.work()
        sale = work.find(Sale, sale_id)
        if sale is None:
            return None
        if sale.state == SaleState.TITLE_MOVED and payouts.pay_out_if_due(
            work, sale, at=at
        ):
            work.record(cause)
        return SaleState(sale.state)

    return at + LATER if attempt(pay) == SaleState.TITLE_MOVED else None


EXPIRING: Mapping[DeadlineKind, Tidy] = {
    DeadlineKind.ORDER: tidy_order,
    DeadlineKind.LOCK: tidy_lock,
    DeadlineKind.GIFT: tidy_gift,
    DeadlineKind.PROMISE: tidy_promises,
}
RESUMING: Mapping[DeadlineKind, Tidy] = {
    DeadlineKind.PAYMENT: resume_payment,
    DeadlineKind.PAYOUT: pay_out,
}
