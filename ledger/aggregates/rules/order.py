"""What an order's events need: paid once, in time, and back no more than was paid.

HELD ─► PAYMENT_IN_FLIGHT ─► CONFIRMED;  HELD ─► RELEASED, EXPIRED ─► PAID_LATE
"""

from __future__ import annotations

from ledger.aggregates.base import is_over
from ledger.aggregates.order import Order, OrderState
from ledger.aggregates.order.states import LINES_MAX, UNPAID
from ledger.aggregates.rules.kernel import (
    check,
    check_distinct,
    in_state,
    require_state,
    rule,
)

rule(Order.PaymentFailed)(in_state(OrderState.PAYMENT_IN_FLIGHT))
rule(Order.Released)(in_state(OrderState.HELD))
rule(Order.PaidLate)(in_state(*UNPAID))
rule(Order.Refunded)(in_state(OrderState.PAID_LATE))


@rule(Order.Reserved)
def reserved(_: None, event: Order.Reserved) -> None:
    check(0 < len(event.lines) <= LINES_MAX, "it is of no place, or of too many")
    lowest = min(min(line["price_minor"], line["fees_minor"]) for line in event.lines)
    check(lowest >= 0, "a price is negative")
    places = [(line["allotment_id"], line["place"]) for line in event.lines]
    check_distinct(places, "places")


@rule(Order.PaymentBegun)
def payment_begun(order: Order, event: Order.PaymentBegun) -> None:
    require_state(order, OrderState.HELD)
    check(not is_over(order.until, event.timestamp), "its time was over")


@rule(Order.Confirmed)
def confirmed(order: Order, event: Order.Confirmed) -> None:
    """D4, D5: the tenders sum up to the price, of which money that is late may buy a
    part. What an exchange pays is the old tickets' worth beside the tenders."""
    require_state(
        order, OrderState.HELD, OrderState.PAYMENT_IN_FLIGHT, OrderState.PAID_LATE
    )
    if order.state == OrderState.HELD:
        check(not is_over(order.until, event.timestamp), "its time was over")
    check_distinct(event.lines, "lines")
    check_distinct(event.ticket_ids, "tickets")
    check(len(event.lines) == len(event.ticket_ids), "not each line has a ticket")
    count = len(order.lines)
    check(set(event.lines) <= set(range(count)), "it has no such line")
    late = order.partial_ok and order.state == OrderState.PAID_LATE
    check(late or len(event.lines) == count, "it is not confirmed whole")
    amounts = [each["amount_minor"] for each in event.paid]
    if order.in_exchange_for is None and None not in amounts:
        price = sum(order.lines[number].total_minor for number in event.lines)
        check(sum(amounts) == price, "the tenders do not sum up to the price")


@rule(Order.RefundNoted)
def refund_noted(order: Order, event: Order.RefundNoted) -> None:
    left = sum(each.amount_minor for each in order.paid) - order.refunded_minor
    check(0 <= event.amount_minor <= left, "more than was paid goes back")


@rule(Order.Expired)
def expired(order: Order, event: Order.Expired) -> None:
    """D2: never while a payment is in flight."""
    require_state(order, OrderState.HELD)
    check(is_over(order.until, event.timestamp), "its time is not over")


@rule(Order.PlaceChanged)
def place_changed(order: Order, event: Order.PlaceChanged) -> None:
    require_state(order, OrderState.PAID_LATE)
    check(0 <= event.line < len(order.lines), "it has no such line")


@rule(Order.CaptureFailed)
def capture_failed(order: Order, event: Order.CaptureFailed) -> None:
    require_state(order, OrderState.CONFIRMED)
    check(not order.capture_failed, "it has failed before")
    check(set(event.taken_back) <= set(order.tickets), "it issued no such ticket")
