"""What the lists of offerings and orders tell is what the streams say.

Planted and caught: a failed payment told as under way; a payment under way told as
over; what went back counted after a card that never paid; an order undone though one of
its tickets stays; another's orders in one's list; categories in another order once one
was repriced; a cancelled offering on sale; every issuer's where one's are asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from ledger.aggregates.e_ticket import Terms
from ledger.aggregates.offering import Block, Category, Offering
from ledger.aggregates.order import Order, OrderState, Paid
from ledger.application import Ledger
from ledger.projections.offerings import OfferingsView
from ledger.projections.orders import OrdersView
from tests.domain.examples import ALICE, BOB, HOUR, ISSUER, NOON, OFFERING
from tests.projections.following import catch_up
from tests.usecases.market import CAUSE, fresh

FENCE = NOON + timedelta(minutes=15)
MINUTE = timedelta(minutes=1)


def an_order() -> Order:
    line: dict[str, Any] = {
        "allotment_id": fresh(),
        "category": None,
        "price_minor": 40_00,
        "fees_minor": 2_00,
    }
    return Order.reserve(
        order_id=fresh(),
        offering_id=OFFERING,
        buyer_id=ALICE,
        lines=[line | {"place": place} for place in ("A", "B")],
        currency="EUR",
        until=NOON + HOUR,
        partial_ok=False,
        at=NOON,
    )


def begun(order: Order) -> Order:
    order.begin_payment(
        by=ALICE, tenders=[], answers_sealed=[], fence_until=FENCE, at=NOON
    )
    return order


def paid(order: Order) -> Order:
    order.confirm(
        lines=[0, 1],
        ticket_ids=[fresh(), fresh()],
        paid=[Paid("card", 84_00)],
        entry_id=fresh(),
        at=NOON,
    )
    return order


def refunded(order: Order) -> Order:
    paid(order).note_refund(amount_minor=42_00, entry_id=fresh(), at=NOON)
    return order


def late(order: Order) -> Order:
    order.release(by=ALICE, at=NOON)
    order.note_late_payment(at=NOON)
    return order


def failed(order: Order) -> Order:
    begun(order).fail_payment(reason="declined", at=NOON)
    return order


def uncaptured(order: Order, *, tickets: int) -> Order:
    """The card never paid for what was refunded in part already."""
    refunded(order).fail_capture(
        taken_back=[each for each in order.tickets if each][:tickets],
        left=[],
        entry_id=fresh(),
        at=NOON,
    )
    return order


def undone(order: Order) -> Order:
    late(order).refund(reason="sold out", at=NOON)
    return order


STORIES: dict[str, Callable[[Order], Order]] = {
    "held": lambda order: order,
    "paying": begun,
    "failed": failed,
    "paid": paid,
    "refunded": refunded,
    "late": late,
    "paid-after-all": lambda order: paid(late(order)),
    "given-back": undone,
    "one-taken-back": lambda order: uncaptured(order, tickets=1),
    "all-taken-back": lambda order: uncaptured(order, tickets=2),
}


def test_an_order_is_listed_as_its_stream_says(ledger: Ledger):
    orders = [story(an_order()) for story in STORIES.values()]
    for order in orders:
        ledger.record(order, cause=CAUSE)
    catch_up(ledger, "orders")
    view = OrdersView(ledger.recorder.datastore)
    listed = {line.order_id: line for line in view.of_buyer(ALICE, at=NOON)}
    for name, order in zip(STORIES, orders, strict=True):
        line = listed[order.id]
        issued = 0 if order.entry_id is None else 2
        assert (line.state, line.places, line.price_minor, line.refunded_minor) == (
            order.state,
            2,
            84_00,
            order.refunded_minor,
        ), name
        assert line.tickets == issued, name
    assert view.of_buyer(BOB, at=NOON) == []
    assert len(view.of_offering(OFFERING, at=NOON)) == len(STORIES)
    newest, *rest = view.of_offering(OFFERING, at=NOON, limit=2)
    assert newest.order_id == orders[-1].id
    assert view.of_offering(OFFERING, at=NOON, before=newest.position, limit=1) == rest


def test_only_a_reservation_that_waits_for_nothing_is_over_with_its_time(
    ledger: Ledger,
):
    waiting, paying = an_order(), begun(an_order())
    for order in (waiting, paying):
        ledger.record(order, cause=CAUSE)
    catch_up(ledger, "orders")
    view = OrdersView(ledger.recorder.datastore)

    def states(at) -> dict[UUID, str]:
        return {line.order_id: line.state for line in view.of_buyer(ALICE, at=at)}

    assert states(NOON + HOUR - MINUTE)[waiting.id] == OrderState.HELD
    later = states(NOON + HOUR)
    assert later == {
        waiting.id: OrderState.EXPIRED,
        paying.id: OrderState.PAYMENT_IN_FLIGHT,
    }


@pytest.fixture
def offering() -> Offering:
    return Offering.open(
        offering_id=fresh(),
        issuer_id=ISSUER,
        title="Hamlet",
        kind="admission",
        currency="EUR",
        categories=[Category("Stalls", 60_00), Category("Balcony", 25_00, 1_00)],
        blocks=[Block("Stalls", ("A1", "A2")), Block("Balcony", count=30)],
        sale_from=NOON,
        sale_until=NOON + 8 * HOUR,
        valid_from=NOON,
        valid_until=NOON + 6 * HOUR,
        purchase_limit=4,
        uses_limit=1,
        question=None,
        terms=Terms(),
        at=NOON,
    )


def test_an_offering_is_listed_as_its_stream_says(ledger: Ledger, offering: Offering):
    offering.extend(by=ISSUER, blocks=[Block("Stalls", ("B1",))], at=NOON)
    offering.reprice(
        by=ISSUER, category="Stalls", price_minor=70_00, fees_minor=3_00, at=NOON
    )
    ledger.record(offering, cause=CAUSE)
    catch_up(ledger, "offerings")
    view = OfferingsView(ledger.recorder.datastore)
    (line,) = view.listed(issuer_id=ISSUER)
    assert [Category(**each) for each in line.categories] == [
        Category("Stalls", 70_00, 3_00),
        Category("Balcony", 25_00, 1_00),
    ]
    assert list(offering.categories.values()) == [
        Category(**each) for each in line.categories
    ]
    assert (line.capacity, line.title, line.cancelled_at) == (33, "Hamlet", None)
    assert view.listed(issuer_id=ALICE) == []


def test_an_offering_is_on_sale_from_its_first_moment_to_its_last(
    ledger: Ledger, offering: Offering
):
    ledger.record(offering, cause=CAUSE)

    def on_sale(hours: float) -> bool:
        catch_up(ledger, "offerings")
        view = OfferingsView(ledger.recorder.datastore)
        return bool(view.listed(on_sale_at=NOON + hours * HOUR))

    # What is valid no longer is not sold, whatever the sale's own end.
    told = [on_sale(hours) for hours in (-0.1, 0, 5.9, 6, 8)]
    assert told == [False, True, True, False, False]
    offering.cancel(by=ISSUER, reason="flooded", at=NOON + 2 * HOUR)
    ledger.record(offering, cause=CAUSE)
    assert [on_sale(hours) for hours in (1.9, 2, 3)] == [True, False, False]
