"""Reserving from real streams: several places, prices kept, holds that run out."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest

from ledger.aggregates.allotment import Allotment, PlaceTaken, SoldOut
from ledger.aggregates.allowance import LimitReached
from ledger.aggregates.offering import (
    Block,
    Category,
    NotOnSale,
    Offering,
    OfferingCancelled,
)
from ledger.aggregates.order import Order, OrderState
from ledger.application import attempt
from ledger.errors import Refusal
from ledger.log.replay import Replay
from ledger.usecases import allowances, catalogue, reservations, stock
from ledger.usecases.stock import StockCount
from ledger.vocabulary.ids import allotment_id
from tests.domain.examples import ALICE, BOB, CAROL, HOUR, ISSUER, NOON, a_ticket
from tests.log.test_events import golden
from tests.usecases.town import CAUSE, Town, fresh

TEN_MINUTES = timedelta(seconds=reservations.HOLD_S)
HALL = {
    "currency": "EUR",
    "categories": [Category("Stalls", 6_000, 250), Category("Circle", 3_000, 0)],
    "blocks": [
        Block("Stalls", tuple(f"{row}{n}" for row in "AB" for n in range(1, 7))),
        Block("Circle", count=15),
    ],
    "purchase_limit": 6,
}


@pytest.fixture
def hall(installation):
    """Twelve stalls in two rows (parts of ten and two), fifteen in the circle."""
    return Town(installation, **HALL)


def counted(town, at=None):
    told = stock.count(town.ledger, town.offering_id, at=at)
    assert told.free + told.held + told.sold == told.capacity
    return told


def names(reservation):
    return [each.place for each in reservation.places]


def take(town, *ticket_ids, category="Circle", place=None):
    """Sell places without an order, to tickets that exist."""
    work = town.ledger.work()
    offering = work.find(Offering, town.offering_id)
    held = stock.take(
        work,
        town.desk,
        offering=offering,
        count=len(ticket_ids),
        category=category,
        place=place,
        ticket_ids=ticket_ids,
        at=NOON,
    )
    for each, ticket_id in zip(held, ticket_ids, strict=True):
        work.add(
            a_ticket(
                ticket_id=ticket_id,
                order_id=None,
                offering_id=town.offering_id,
                right=each.place,
                category=each.category,
            )
        )
    work.record(CAUSE)
    return held


def give_back(town, ticket_id):
    work = town.ledger.work()
    found = stock.return_place(
        work, offering_id=town.offering_id, ticket_id=ticket_id, at=NOON
    )
    work.record(CAUSE)
    return found


def test_several_places_are_held_in_one_order_at_their_prices(hall):
    order = hall.reserve(count=3, category="Stalls")
    assert names(order) == ["A1", "A2", "A3"]
    assert order.price.amount_minor == 3 * 6_250
    assert counted(hall) == StockCount(27, 24, 3, 0)


def test_a_group_sits_together_or_not_at_all(hall):
    hall.reserve(places=["A4"])
    group = hall.reserve(BOB, count=5, category="Stalls", together=True)
    assert names(group) == ["A5", "A6", "B1", "B2", "B3"]
    with pytest.raises(SoldOut):
        hall.reserve(CAROL, count=4, category="Stalls", together=True)
    assert names(hall.reserve(CAROL, count=4, category="Stalls")) == [
        "A1",
        "A2",
        "A3",
        "B4",
    ]


def test_fewer_places_will_do_only_for_who_says_so(hall):
    hall.reserve(BOB, count=6, category="Stalls")
    hall.reserve(CAROL, count=4, category="Stalls")
    with pytest.raises(SoldOut):
        hall.reserve(count=3, category="Stalls")
    assert names(hall.reserve(count=3, category="Stalls", partial_ok=True)) == [
        "B5",
        "B6",
    ]
    hall.reserve(count=4, category="Circle")
    with pytest.raises(LimitReached):
        hall.reserve(count=1, category="Circle")


def test_named_places_are_all_held_or_none(hall):
    hall.reserve(BOB, places=["A2"])
    with pytest.raises(PlaceTaken):
        hall.reserve(places=["A1", "A2", "7"])
    assert counted(hall).held == 1
    some = hall.reserve(places=["A1", "A2", "7"], partial_ok=True)
    assert names(some) == ["A1", "7"]
    assert some.price.amount_minor == 6_250 + 3_000


def test_the_price_quoted_at_the_hold_is_kept(hall):
    before = hall.reserve(category="Circle")
    catalogue.reprice(
        hall.ledger,
        offering_id=hall.offering_id,
        by=ISSUER,
        category="Circle",
        price_minor=9_900,
        fees_minor=100,
        at=NOON,
        cause=CAUSE,
    )
    assert hall.ledger.order(before.order_id).price.amount_minor == 3_000
    assert hall.reserve(category="Circle").price.amount_minor == 10_000


def test_what_is_cancelled_or_not_on_sale_is_not_reserved(hall):
    with pytest.raises(NotOnSale):
        hall.reserve(category="Circle", at=NOON + 24 * HOUR)
    catalogue.cancel_offering(
        hall.ledger,
        offering_id=hall.offering_id,
        by=ISSUER,
        reason="Fire",
        at=NOON,
        cause=CAUSE,
    )
    with pytest.raises(OfferingCancelled):
        hall.reserve(category="Circle")


def test_a_hold_that_ran_out_is_found_by_the_next_buyer_and_recorded(installation):
    town = Town(installation, places=["A1"])
    late = town.reserve()
    with pytest.raises(SoldOut):
        town.reserve(BOB, at=NOON + TEN_MINUTES - timedelta(seconds=1))
    assert counted(town, at=NOON + TEN_MINUTES) == StockCount(1, 1, 0, 0)
    assert town.reserve(BOB, at=NOON + TEN_MINUTES).place == "A1"
    assert town.ledger.order(late.order_id).state == OrderState.EXPIRED
    assert counted(town) == StockCount(1, 0, 1, 0)


def test_what_was_paid_is_booked_and_never_given_away(installation):
    town = Town(installation, places=["A1", "A2"])
    ticket_id = town.buy()
    lost = town.reserve(BOB)
    assert counted(town) == StockCount(2, 0, 1, 1)
    after = NOON + TEN_MINUTES
    assert town.reserve(CAROL, at=after).place == "A2"
    with pytest.raises(SoldOut):
        town.reserve(BOB, at=after)
    part = town.ledger.find(Allotment, allotment_id(town.offering_id, 1))
    assert part is not None
    assert part.sold["A1"].ticket_id == ticket_id
    assert town.ledger.order(lost.order_id).state == OrderState.EXPIRED


def test_a_payment_in_flight_keeps_its_place_and_its_share_however_long(installation):
    town = Town(installation, places=["A1"], purchase_limit=1)
    held = town.reserve()
    order = town.ledger.order(held.order_id)
    order.begin_payment(
        by=ALICE,
        tenders=[],
        answers_sealed=[],
        fence_until=NOON + TEN_MINUTES,
        at=NOON,
    )
    town.ledger.record(order, cause=CAUSE)
    later = NOON + 5 * HOUR
    with pytest.raises(SoldOut):
        town.reserve(BOB, at=later)
    with pytest.raises(LimitReached):
        town.reserve(at=later)
    assert counted(town, at=later) == StockCount(1, 0, 1, 0)


def test_a_payment_and_a_buyer_of_the_same_place_never_both_win(installation):
    """One pays in the last second; the other comes by when the time is over."""
    town = Town(installation, places=["A1"], purchase_limit=100)
    town.top_up(ALICE, 100_000)
    outcomes: Counter[str] = Counter()
    for _ in range(8):
        held = town.reserve()

        def pay(order_id=held.order_id):
            return town.pay(order_id, at=NOON + TEN_MINUTES - timedelta(seconds=1))

        def come_by():
            return town.reserve(BOB, at=NOON + TEN_MINUTES)

        won = [name for name, each in at_once(pay=pay, come_by=come_by) if each]
        assert len(won) == 1
        outcomes.update(won)
        free_it(town)
    assert outcomes.total() == 8


def at_once(**commands):
    """Run commands together; tell for each what it gave, None for a refusal."""

    def run(name):
        try:
            return name, attempt(commands[name])
        except Refusal:
            return name, None

    with ThreadPoolExecutor(len(commands)) as pool:
        return list(pool.map(run, commands))


def free_it(town):
    """Whoever has A1 gives it back."""
    part = town.ledger.find(Allotment, allotment_id(town.offering_id, 1))
    order = town.ledger.order(part.held["A1"].holder_id)
    if order.state == OrderState.CONFIRMED:
        assert give_back(town, order.tickets[0])
    else:
        reservations.release(
            town.ledger, town.desk, order_id=order.id, by=BOB, at=NOON, cause=CAUSE
        )


def test_an_order_that_ended_in_this_commit_leaves_its_place_to_it(installation):
    """Money for an order that waited for none: it may take its own place again."""
    town = Town(installation, places=["A1"])
    held = town.reserve()
    work = town.ledger.work()
    order = work.order(held.order_id)
    order.note_late_payment(at=NOON)
    offering = work.find(Offering, town.offering_id)
    assert offering is not None
    again = stock.take(
        work,
        town.desk,
        offering=offering,
        count=1,
        category=None,
        place="A1",
        ticket_ids=[fresh()],
        at=NOON,
    )
    assert [each.place for each in again] == ["A1"]


def test_a_released_order_gives_place_and_share_back(installation):
    town = Town(installation, places=["A1"], purchase_limit=1)
    held = town.reserve()
    reservations.release(
        town.ledger, town.desk, order_id=held.order_id, by=ALICE, at=NOON, cause=CAUSE
    )
    assert counted(town) == StockCount(1, 1, 0, 0)
    assert town.reserve().place == "A1"


def test_the_limit_holds_when_one_buyer_asks_from_everywhere_at_once(installation):
    town = Town(installation, places=[f"A{n}" for n in range(40)], purchase_limit=3)

    def ask(_):
        try:
            return attempt(lambda: town.reserve())
        except Refusal as refusal:
            return refusal.code

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(ask, range(24)))
    won = [each for each in outcomes if not isinstance(each, str)]
    assert 1 <= len(won) <= 3
    assert counted(town).held == len(won)


def test_places_are_taken_without_an_order_and_given_back_once(hall):
    tickets = [fresh(), fresh()]
    places = take(hall, *tickets)
    assert [each.place for each in places] == ["1", "2"]
    assert counted(hall) == StockCount(27, 25, 0, 2)
    assert give_back(hall, tickets[0])
    assert not give_back(hall, tickets[0])
    assert counted(hall) == StockCount(27, 26, 0, 1)


def test_a_place_is_given_back_even_if_the_ticket_says_another_by_now(hall):
    ticket_id = fresh()
    take(hall, ticket_id, category="Stalls", place="B6")
    ticket = hall.ledger.ticket(ticket_id)
    ticket.modify(by=ISSUER, changes={"right": "A1"}, reason="moved", at=NOON)
    hall.ledger.record(ticket, cause=CAUSE)
    assert give_back(hall, ticket_id)
    assert counted(hall).free == 27


def test_a_bought_place_is_given_back_booked_or_not(installation):
    town = Town(installation, places=["A1"])
    ticket_id = town.buy()
    assert give_back(town, ticket_id)
    assert counted(town) == StockCount(1, 1, 0, 0)
    assert town.reserve(BOB).place == "A1"
    assert not give_back(town, ticket_id)


def test_a_ticket_of_no_place_gives_none_back(hall):
    ticket = a_ticket(ticket_id=fresh(), order_id=None, offering_id=hall.offering_id)
    hall.ledger.record(ticket, cause=CAUSE)
    assert not give_back(hall, ticket.id)
    assert not give_back(hall, UUID(int=1))


def test_more_places_can_be_opened_while_it_is_on_sale(installation):
    town = Town(installation, places=["A1"])
    town.reserve()
    with pytest.raises(SoldOut):
        town.reserve(BOB)
    catalogue.open_more(
        town.ledger,
        offering_id=town.offering_id,
        by=ISSUER,
        blocks=[Block(None, ("A2",))],
        at=NOON,
        cause=CAUSE,
    )
    assert town.reserve(BOB).place == "A2"
    assert counted(town) == StockCount(2, 0, 2, 0)


def test_a_gift_moves_no_stock_but_counts_for_the_recipient(installation):
    town = Town(installation, purchase_limit=1)
    ticket_id = town.buy()
    before = counted(town)
    work = town.ledger.work()
    allowances.moved(
        work,
        offering_id=town.offering_id,
        ticket_id=ticket_id,
        from_id=ALICE,
        to_id=BOB,
        at=NOON,
    )
    work.record(CAUSE)
    assert counted(town) == before
    town.reserve(ALICE)
    with pytest.raises(LimitReached):
        town.reserve(BOB)


def test_an_offering_of_version_1_sells_on_what_it_had_left(hall, golden_offering):
    """Its stream said who had A1 and A2; what it had left is in allotments now."""
    offering, order_id = golden_offering
    assert list(offering.taken_before) == ["A2"]
    work = hall.ledger.work()
    before = Order.reserve(
        order_id=order_id,
        offering_id=offering.id,
        buyer_id=ALICE,
        lines=[
            {
                "allotment_id": None,
                "place": "A2",
                "category": None,
                "price_minor": 4_000,
                "fees_minor": 0,
            }
        ],
        currency="EUR",
        until=NOON + TEN_MINUTES,
        partial_ok=False,
        at=NOON,
    )
    work.add(before)
    ticket_id = fresh()
    before.confirm(lines=[0], ticket_ids=[ticket_id], paid=[], entry_id=None, at=NOON)
    work.add(offering)
    held = stock.take(
        work,
        hall.desk,
        offering=offering,
        count=2,
        category=None,
        place=None,
        ticket_ids=[fresh(), fresh()],
        at=NOON + HOUR,
    )
    assert [each.place for each in held] == ["A1", "A3"]
    work.add(
        a_ticket(
            ticket_id=ticket_id, order_id=order_id, offering_id=offering.id, right="X"
        )
    )
    assert stock.return_place(
        work, offering_id=offering.id, ticket_id=ticket_id, at=NOON + HOUR
    )


@pytest.fixture
def golden_offering():
    """The offering of version 1 as the golden events tell it, and who has A2."""
    replay = Replay()
    stream_id = UUID(int=0x65)
    for event in golden():
        if event.originator_id == stream_id:
            replay.apply(event)
    return replay.present(stream_id), UUID(int=0x66)
