"""Stock: whatever buyers do, no place is sold twice and none disappears."""

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.aggregates.offering import (
    HoldUnknown,
    LimitReached,
    NotOnSale,
    PlaceTaken,
    SoldOut,
)
from ledger.errors import Refusal
from tests.domain.examples import ALICE, BOB, HOUR, NOON, an_offering

BUYERS = st.sampled_from([UUID(int=n) for n in range(10, 14)])
ORDERS = st.sampled_from([UUID(int=n) for n in range(300, 306)])
STEPS = st.one_of(
    st.tuples(st.just("hold"), ORDERS, BUYERS),
    st.tuples(st.just("release"), ORDERS, BUYERS),
    st.tuples(st.just("sell"), ORDERS, BUYERS),
)


@given(st.lists(st.tuples(STEPS, st.sampled_from([0, 30, 600])), max_size=40))
def test_free_held_and_sold_places_are_always_the_places_opened(steps):
    offering = an_offering(purchase_limit=2)
    at = NOON
    for (name, order_id, buyer_id), passes_s in steps:
        at += timedelta(seconds=passes_s)
        sold_before = dict(offering.sold)
        try:
            if name == "hold":
                offering.hold(
                    order_id=order_id,
                    buyer_id=buyer_id,
                    place=None,
                    until=at + timedelta(seconds=600),
                    at=at,
                )
            elif name == "release":
                offering.release(order_id=order_id, at=at)
            else:
                offering.sell(order_id=order_id, ticket_id=order_id, at=at)
        except Refusal:
            pass
        places = [*offering.free, *offering.held, *offering.sold]
        assert sorted(places) == ["A1", "A2", "A3"]
        assert sold_before.items() <= offering.sold.items()


def hold(offering, *, order, by=ALICE, place=None, at=NOON):
    return offering.hold(
        order_id=UUID(int=order),
        buyer_id=by,
        place=place,
        until=at + timedelta(seconds=600),
        at=at,
    )


def test_a_hold_whose_time_is_over_is_free_for_the_next_buyer_without_a_scheduler():
    offering = an_offering(places=["A1"])
    hold(offering, order=1)
    with pytest.raises(SoldOut):
        hold(offering, order=2, by=BOB)
    assert hold(offering, order=2, by=BOB, at=NOON + timedelta(seconds=600)) == "A1"


def test_a_late_payment_finds_no_place():
    offering = an_offering()
    hold(offering, order=1)
    with pytest.raises(HoldUnknown):
        offering.sell(
            order_id=UUID(int=1),
            ticket_id=UUID(int=9),
            at=NOON + timedelta(seconds=600),
        )


def test_live_holds_and_tickets_count_towards_the_purchase_limit():
    offering = an_offering(purchase_limit=1)
    hold(offering, order=1)
    with pytest.raises(LimitReached):
        hold(offering, order=2)


def test_a_named_place_is_held_once():
    offering = an_offering()
    hold(offering, order=1, place="A2")
    with pytest.raises(PlaceTaken):
        hold(offering, order=2, by=BOB, place="A2")


def test_nothing_is_sold_before_or_after_the_sale():
    for at in (NOON - 2 * HOUR, NOON + 24 * HOUR):
        with pytest.raises(NotOnSale):
            hold(an_offering(), order=1, at=at)
