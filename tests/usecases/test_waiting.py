"""Those who wait are served before the public, in their order, and nobody twice."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from ledger.aggregates.allotment import SoldOut
from ledger.aggregates.allowance import LimitReached
from ledger.aggregates.offering import (
    Block,
    Category,
    NotOnSale,
    OfferingCancelled,
)
from ledger.aggregates.waiting_list import NotWaiting, WaitingList
from ledger.application import attempt
from ledger.usecases import catalogue, reservations, stock, waiting
from ledger.usecases.reservations import Reservation
from ledger.usecases.stock import LineFirst, StockCount
from ledger.vocabulary.ids import waiting_list_id
from tests.domain.examples import ALICE, BOB, CAROL, HOUR, ISSUER, NOON
from tests.usecases.town import CAUSE, Town, fresh

TEN_MINUTES = timedelta(seconds=reservations.HOLD_S)
PROMISE = timedelta(seconds=waiting.PROMISE_S)


class Queue(Town):
    """A town in which people wait."""

    orders: Sequence[Reservation] = ()

    def wait(self, by, *, count=1, category=None, at=NOON):
        return waiting.join(
            self.ledger,
            self.desk,
            offering_id=self.offering_id,
            party_id=by,
            count=count,
            category=category,
            at=at,
            cause=CAUSE,
        )

    def look(self, by, *, at=NOON):
        return waiting.look(
            self.ledger,
            self.desk,
            offering_id=self.offering_id,
            party_id=by,
            at=at,
            cause=CAUSE,
        )

    def leave(self, by, *, at=NOON):
        return waiting.leave(
            self.ledger,
            self.desk,
            offering_id=self.offering_id,
            party_id=by,
            at=at,
            cause=CAUSE,
        )

    def release(self, order, by=ALICE, *, at=NOON):
        return reservations.release(
            self.ledger,
            self.desk,
            order_id=order.order_id,
            by=by,
            at=at,
            cause=CAUSE,
        )

    def list(self):
        return self.ledger.find(WaitingList, waiting_list_id(self.offering_id))


@pytest.fixture
def queue(installation):
    """Three places, all held by Alice until ten minutes past noon."""
    town = Queue(installation, places=["A1", "A2", "A3"], purchase_limit=3)
    town.orders = [town.reserve() for _ in range(3)]
    return town


def promised(standing):
    return [place.place for each in standing.promises for place in each.places]


def test_what_is_given_up_goes_to_the_first_in_line_and_not_to_the_public(queue):
    assert queue.wait(BOB).before == 0
    assert queue.wait(CAROL).before == 1
    queue.release(queue.orders[1])
    assert promised(queue.look(BOB)) == ["A2"]
    assert queue.look(CAROL).before == 0
    for stranger in (CAROL, ISSUER):
        with pytest.raises(SoldOut):
            queue.reserve(stranger)
    assert queue.reserve(BOB).place == "A2"
    assert queue.look(BOB).promises == []


def test_what_runs_out_goes_to_who_waits_even_if_the_public_comes_first(queue):
    queue.wait(BOB, count=2)
    after = NOON + TEN_MINUTES
    assert queue.reserve(CAROL, at=after).place == "A3"
    assert promised(queue.look(BOB, at=after)) == ["A1", "A2"]
    bought = queue.reserve(BOB, count=2, at=after)
    assert [each.place for each in bought.places] == ["A1", "A2"]


def test_a_promise_that_is_not_taken_goes_to_the_next_without_a_scheduler(queue):
    queue.wait(BOB)
    queue.wait(CAROL)
    queue.pay(queue.orders[1].order_id)
    queue.pay(queue.orders[2].order_id)
    queue.release(queue.orders[0])
    over = NOON + PROMISE
    with pytest.raises(SoldOut):
        queue.reserve(ISSUER, at=over - timedelta(seconds=1))
    with pytest.raises(SoldOut):
        queue.reserve(BOB, at=over)
    assert queue.look(BOB, at=over).before is None
    assert promised(queue.look(CAROL, at=over)) == ["A1"]
    assert queue.reserve(CAROL, at=over).place == "A1"


def test_a_group_is_promised_what_there_is_and_stays_first_for_the_rest(queue):
    queue.wait(BOB, count=2)
    queue.wait(CAROL)
    queue.release(queue.orders[0])
    assert promised(queue.look(BOB)) == ["A1"]
    assert queue.look(BOB).before == 0
    queue.release(queue.orders[1])
    assert sorted(promised(queue.look(BOB))) == ["A1", "A2"]
    assert promised(queue.look(CAROL)) == []
    with pytest.raises(SoldOut):
        queue.reserve(BOB, count=3)
    one = queue.reserve(BOB, count=3, partial_ok=True)
    assert len(one.places) == 1


def test_who_leaves_gives_his_promise_to_the_next(queue):
    queue.wait(BOB)
    queue.wait(CAROL)
    queue.release(queue.orders[0])
    queue.leave(BOB)
    assert promised(queue.look(CAROL)) == ["A1"]
    with pytest.raises(NotWaiting):
        queue.leave(BOB)


def test_more_places_go_to_who_waits_first(queue):
    queue.wait(BOB)
    catalogue.open_more(
        queue.ledger,
        offering_id=queue.offering_id,
        by=ISSUER,
        blocks=[Block(None, ("B1", "B2"))],
        at=NOON,
        cause=CAUSE,
    )
    assert queue.reserve(CAROL).place == "B2"
    assert queue.reserve(BOB).place == "B1"


def test_who_joins_while_something_is_free_is_promised_it_at_once(installation):
    queue = Queue(installation, places=["A1", "A2"])
    assert promised(queue.wait(BOB)) == ["A1"]
    assert queue.reserve(CAROL).place == "A2"
    assert stock.count(queue.ledger, queue.offering_id) == StockCount(2, 0, 2, 0)
    over = NOON + PROMISE
    counted = stock.count(queue.ledger, queue.offering_id, at=over)
    assert counted == StockCount(2, 2, 0, 0)


def test_a_named_place_that_came_free_is_not_for_the_public_either(queue):
    queue.wait(BOB)
    queue.wait(CAROL)
    queue.release(queue.orders[0])
    with pytest.raises(SoldOut):
        queue.reserve(ISSUER, places=["A1"], partial_ok=True)


def test_nobody_waits_for_more_than_he_may_buy_or_for_what_is_over(queue):
    with pytest.raises(LimitReached):
        queue.wait(BOB, count=4)
    with pytest.raises(NotOnSale):
        queue.wait(BOB, at=NOON + 24 * HOUR)
    catalogue.cancel_offering(
        queue.ledger,
        offering_id=queue.offering_id,
        by=ISSUER,
        reason="Fire",
        at=NOON,
        cause=CAUSE,
    )
    with pytest.raises(OfferingCancelled):
        queue.wait(BOB)


def test_who_waits_buys_in_the_presale_and_the_public_does_not(installation):
    queue = Queue(
        installation,
        places=["A1", "A2"],
        sale_from=NOON + HOUR,
        presale_from=NOON - HOUR,
    )
    assert queue.wait(BOB).before == 0
    assert queue.wait(CAROL).before == 1
    with pytest.raises(NotOnSale):
        queue.reserve(ALICE)
    assert queue.reserve(CAROL).place == "A1"
    assert queue.look(BOB).before == 0
    assert queue.look(CAROL).before is None
    with pytest.raises(NotOnSale):
        queue.reserve(CAROL)


def test_each_category_has_its_own_line(installation):
    queue = Queue(
        installation,
        currency="EUR",
        categories=[Category("Stalls", 0), Category("Circle", 0)],
        blocks=[Block("Stalls", ("A1",)), Block("Circle", count=2)],
    )
    queue.reserve(category="Stalls")
    queue.wait(BOB, category="Stalls")
    assert queue.reserve(CAROL, category="Circle").place == "1"
    with pytest.raises(SoldOut) as refused:
        queue.reserve(CAROL, category="Stalls")
    assert refused.value.code == "sold_out"


def test_the_refusal_names_who_is_first_by_the_event_alone(queue):
    queue.wait(BOB)
    work = queue.ledger.work()
    offering = work.ledger.offering(queue.offering_id)
    with pytest.raises(LineFirst) as refused:
        stock.hold(
            work,
            queue.desk,
            offering=offering,
            order_id=fresh(),
            count=1,
            category=None,
            place=None,
            together=False,
            until=NOON + 2 * TEN_MINUTES,
            at=NOON + TEN_MINUTES,
        )
    assert refused.value.because == (f"{queue.list().id}/2",)


def test_places_released_at_the_same_moment_are_promised_once_each(installation):
    queue = Queue(installation, places=[f"A{n}" for n in range(12)])
    buyers, waiters = [[fresh() for _ in range(12)] for _ in range(2)]
    orders = [queue.reserve(each) for each in buyers]
    for each in waiters:
        queue.wait(each)

    def release(order, by):
        # All in two allotments: whoever is overtaken again and again asks once more.
        return attempt(lambda: attempt(lambda: queue.release(order, by)))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(release, orders, buyers))
    standings = [queue.look(each) for each in waiters]
    places = [place for each in standings for place in promised(each)]
    assert [len(promised(each)) for each in standings] == [1] * 12
    assert sorted(places) == sorted(f"A{n}" for n in range(12))
    assert stock.count(queue.ledger, queue.offering_id) == StockCount(12, 0, 12, 0)


def test_two_who_have_promises_and_a_crowd_that_has_none(installation):
    """Redeeming races with the public; everybody ends with what is his."""
    queue = Queue(installation, places=["A1", "A2"], purchase_limit=2)
    orders = [queue.reserve() for _ in range(2)]
    queue.wait(BOB)
    queue.wait(CAROL)
    for order in orders:
        queue.release(order)

    def ask(by):
        try:
            return by, attempt(lambda: queue.reserve(by)).place
        except SoldOut:
            return by, None

    asking = [fresh() for _ in range(6)] + [BOB, CAROL] + [fresh() for _ in range(6)]
    with ThreadPoolExecutor(7) as pool:
        outcomes = dict(pool.map(ask, asking))
    won = {by for by, place in outcomes.items() if place}
    assert won == {BOB, CAROL}
    assert {outcomes[BOB], outcomes[CAROL]} == {"A1", "A2"}
