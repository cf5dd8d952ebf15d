"""An order: held, paid once, expired only while no payment is in flight."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.aggregates.order import (
    BadOrder,
    NoPayment,
    Order,
    OrderClosed,
    OrderExpired,
    OrderState,
    OrderStillHeld,
    OrderUnknown,
    Paid,
    PaymentInFlight,
    RefundExceeds,
)
from ledger.errors import Refusal
from ledger.vocabulary.money import Money
from tests.domain.examples import ALICE, BOB, NOON, OFFERING, ORDER
from tests.log.test_events import golden_aggregates

PART, ENTRY = UUID(int=850), UUID(int=851)
TICKETS = [UUID(int=860 + n) for n in range(2)]
UNTIL = NOON + timedelta(minutes=10)
FENCE = NOON + timedelta(minutes=15)


def a_line(place: str = "A1", price_minor: int = 4_000) -> dict[str, Any]:
    return {
        "allotment_id": PART,
        "place": place,
        "category": None,
        "price_minor": price_minor,
        "fees_minor": 100,
    }


def an_order(*lines, **given_) -> Order:
    said: dict[str, Any] = {
        "order_id": ORDER,
        "offering_id": OFFERING,
        "buyer_id": ALICE,
        "lines": lines or [a_line("A1"), a_line("A2")],
        "currency": "EUR",
        "until": UNTIL,
        "partial_ok": False,
        "at": NOON,
    }
    return Order.reserve(**(said | given_))


def begin(order, *, by=ALICE, at=NOON) -> None:
    order.begin_payment(
        by=by, tenders=[], answers_sealed=[None, None], fence_until=FENCE, at=at
    )


def confirm(order, lines=(0, 1), *, at=NOON, **more) -> None:
    paid = [Paid("e-money", 8_200)]
    tickets = [TICKETS[number] for number in lines]
    order.confirm(
        lines=lines, ticket_ids=tickets, paid=paid, entry_id=ENTRY, at=at, **more
    )


def late(order) -> None:
    begin(order)
    order.fail_payment(reason="given up", at=FENCE)
    order.note_late_payment(at=FENCE)


def test_an_order_costs_what_its_lines_do_fees_included():
    assert an_order().price == Money(8_200, "EUR")


@pytest.mark.parametrize("count", [0, 51])
def test_an_order_has_some_lines_but_not_too_many(count):
    with pytest.raises(BadOrder):
        an_order(lines=[a_line(f"A{n}") for n in range(count)])


def test_each_ticket_knows_its_line_and_a_line_without_one_says_so():
    order = an_order(partial_ok=True)
    late(order)
    confirm(order, [1], at=FENCE)
    assert order.tickets == (None, TICKETS[1])
    assert order.line_of(TICKETS[1]).place == "A2"


def test_it_is_paid_by_its_buyer_before_its_time_is_over():
    order = an_order()
    with pytest.raises(OrderUnknown):
        confirm(order, by=BOB)
    with pytest.raises(OrderExpired) as refused:
        confirm(order, at=UNTIL)
    assert refused.value.because == (f"{ORDER}/1",)
    confirm(order)
    with pytest.raises(OrderClosed):
        confirm(order)


def test_expiry_never_fires_while_a_payment_is_in_flight():
    order = an_order()
    with pytest.raises(OrderStillHeld):
        order.expire(at=NOON)
    begin(order)
    for at in (UNTIL, FENCE, FENCE + timedelta(days=1)):
        with pytest.raises(PaymentInFlight):
            order.expire(at=at)
    assert not order.has_ended
    confirm(order, at=FENCE + timedelta(days=1))
    assert order.state == OrderState.CONFIRMED


def test_from_its_fence_on_a_payment_without_an_answer_is_in_doubt():
    order = an_order()
    assert not order.is_in_doubt(FENCE)
    begin(order)
    assert not order.is_in_doubt(FENCE - timedelta(seconds=1))
    assert order.is_in_doubt(FENCE)


def test_a_payment_that_failed_in_time_leaves_the_places_held():
    order = an_order()
    begin(order)
    order.fail_payment(reason="declined", at=NOON)
    assert (order.state, order.failed_because) == (OrderState.HELD, "declined")
    begin(order)
    order.fail_payment(reason="declined", at=UNTIL)
    assert (order.state, order.payments_failed) == (OrderState.EXPIRED, 2)
    with pytest.raises(NoPayment):
        order.fail_payment(reason="declined", at=UNTIL)


def test_late_money_confirms_or_goes_back_and_ends_it():
    order = an_order()
    late(order)
    assert order.has_ended
    order.refund(reason="no place left", at=FENCE)
    for again in (order.note_late_payment, order.expire):
        with pytest.raises(OrderClosed):
            again(at=FENCE)


def test_late_money_may_buy_another_place_at_the_price_that_was_quoted():
    order = an_order()
    with pytest.raises(OrderClosed):
        order.change_places({0: (PART, "B9")}, at=NOON)
    late(order)
    before = order.price
    order.change_places({0: (PART, "B9")}, at=FENCE)
    assert [line.place for line in order.lines] == ["B9", "A2"]
    assert order.price == before


def test_no_more_is_paid_back_than_was_paid():
    order = an_order()
    confirm(order)
    order.note_refund(amount_minor=8_000, entry_id=ENTRY, at=NOON)
    with pytest.raises(RefundExceeds):
        order.note_refund(amount_minor=201, entry_id=ENTRY, at=NOON)


@pytest.mark.parametrize(
    ("taken_back", "state"),
    [(TICKETS, OrderState.REFUNDED), (TICKETS[:1], OrderState.CONFIRMED)],
)
def test_a_capture_that_failed_is_noted_once(taken_back, state):
    order = an_order()
    confirm(order)
    left = [Paid("e-money", 4_100)]
    noted: dict[str, Any] = {
        "taken_back": taken_back,
        "left": left,
        "entry_id": ENTRY,
        "at": NOON,
    }
    order.fail_capture(**noted)
    assert (order.state, order.paid, order.refunded_minor) == (state, (left[0],), 0)
    with pytest.raises(OrderClosed):
        order.fail_capture(**noted)


AT = st.sampled_from([NOON, UNTIL, FENCE])
STEPS = st.tuples(
    st.sampled_from(
        ["begin", "fail", "confirm", "release", "expire", "late", "refund"]
    ),
    AT,
)
DOES = {
    "begin": lambda order, at: begin(order, at=at),
    "fail": lambda order, at: order.fail_payment(reason="declined", at=at),
    "confirm": lambda order, at: confirm(order, at=at),
    "release": lambda order, at: order.release(by=ALICE, at=at),
    "expire": lambda order, at: order.expire(at=at),
    "late": lambda order, at: order.note_late_payment(at=at),
    "refund": lambda order, at: order.refund(reason="too late", at=at),
}
MAY = {
    OrderState.HELD: {
        OrderState.PAYMENT_IN_FLIGHT,
        OrderState.CONFIRMED,
        OrderState.RELEASED,
        OrderState.EXPIRED,
        OrderState.PAID_LATE,
    },
    OrderState.PAYMENT_IN_FLIGHT: {
        OrderState.HELD,
        OrderState.EXPIRED,
        OrderState.CONFIRMED,
    },
    OrderState.RELEASED: {OrderState.PAID_LATE},
    OrderState.EXPIRED: {OrderState.PAID_LATE},
    OrderState.PAID_LATE: {OrderState.CONFIRMED, OrderState.REFUNDED},
    OrderState.CONFIRMED: set(),
    OrderState.REFUNDED: set(),
}


@given(st.lists(STEPS, max_size=12))
def test_an_order_goes_its_ways_and_no_other(steps):
    order = an_order()
    for name, at in steps:
        before = deepcopy(order)
        try:
            DOES[name](order, at)
        except Refusal:
            assert order == before
        else:
            assert order.state in MAY[before.state]
            assert name != "expire" or at >= UNTIL
    replayed: Order | None = None
    for event in order.collect_events():
        replayed = event.mutate(replayed)
    assert replayed is not None
    assert vars(replayed) == vars(order) | {"_pending_events": []}


def test_an_order_of_the_first_version_reads_as_one_of_a_single_line():
    """As it was stored first: one place, paid whole by one tender."""
    (order,) = [each for each in golden_aggregates() if each.id == ORDER]
    assert isinstance(order, Order)
    (line,) = order.lines
    assert (line.allotment_id, line.place, line.total_minor) == (None, "A2", 4_000)
    assert (order.state, order.partial_ok) == (OrderState.CONFIRMED, False)
    assert order.paid == (Paid("e-money", 4_000),)
    assert len(order.tickets) == 1
