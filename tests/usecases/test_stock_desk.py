"""The desk is a hint: whatever it loses comes back, and no place is lost with it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from ledger.adapters import stock_desk
from ledger.adapters.roles import DatabaseRole, speaking_as
from ledger.aggregates.allotment import Allotment, SoldOut
from ledger.aggregates.offering import Block, Category
from ledger.application import Ledger
from ledger.log.recorder import environment
from ledger.ports import StockState, StockWish
from ledger.usecases import reservations, stock, stock_search
from ledger.usecases.stock import StockCount
from ledger.vocabulary.ids import allotment_id
from tests.domain.examples import ALICE, BOB, NOON
from tests.usecases.town import CAUSE, Town, fresh

TEN_MINUTES = timedelta(seconds=reservations.HOLD_S)
SEATS = {
    "currency": "EUR",
    "categories": [Category(None, 0)],
    "blocks": [Block(None, count=25)],
    "purchase_limit": 100,
}


@pytest.fixture
def town(installation):
    """Twenty-five places in parts of ten, ten and five."""
    return Town(installation, **SEATS)


def sql(installation, statement):
    with (
        installation.ledger_as(None) as ledger,  # The owner: it alters tables.
        ledger.recorder.datastore.get_connection() as connection,
    ):
        return connection.execute(statement)


def deaf(installation):
    """The same ledger in a process that dies before it tells the desk."""
    settings = installation.settings
    url = speaking_as(installation.url, settings.schema, DatabaseRole.APP)
    return Ledger(environment(url, settings.schema, 4))


def seen(town, at=NOON):
    """What the desk believes: places free and held."""
    offering = town.ledger.offering(town.offering_id)
    return town.desk.count(stock_search.layout(offering), at=at)


def first_part(town):
    return town.ledger.find(Allotment, allotment_id(town.offering_id, 1))


def state_of(part, *, version, free):
    return StockState(
        offering_id=part.offering_id,
        number=part.number,
        category=part.category,
        allotment_id=part.id,
        version=version,
        free=free,
        longest_run=free,
        holders=frozenset(),
    )


def test_the_desk_knows_what_was_held_sold_and_given_up(town):
    assert seen(town) == (25, 0)
    held = town.reserve(count=3)
    assert seen(town) == (22, 3)
    assert seen(town, at=NOON + TEN_MINUTES) == (25, 0)
    town.pay(held.order_id)
    assert seen(town, at=NOON + TEN_MINUTES) == (22, 0)
    other = town.reserve(BOB, count=2)
    reservations.release(
        town.ledger, town.desk, order_id=other.order_id, by=BOB, at=NOON, cause=CAUSE
    )
    assert seen(town) == (22, 0)


def test_a_named_place_is_known_to_the_desk_before_any_was_looked_for(installation):
    town = Town(installation, places=["A1", "A2"])
    town.reserve(places=["A2"])
    assert seen(town) == (1, 1)


def test_sold_out_is_told_without_loading_any_of_the_stock(town):
    town.reserve(count=25)
    work = town.ledger.work()
    with pytest.raises(SoldOut):
        stock.hold(
            work,
            town.desk,
            offering=work.ledger.offering(town.offering_id),
            order_id=fresh(),
            count=1,
            category=None,
            place=None,
            together=False,
            until=NOON + TEN_MINUTES,
            at=NOON,
        )
    assert work.touched(Allotment) == []


def test_a_desk_that_was_emptied_is_laid_out_anew(installation, town):
    first = town.reserve(count=20)
    sql(installation, "DELETE FROM stock_desk")
    sql(installation, "DELETE FROM stock_holds")
    rest = [town.reserve(BOB).place for _ in range(5)]
    assert len({*rest, *(each.place for each in first.places)}) == 25
    with pytest.raises(SoldOut):
        town.reserve(BOB)
    assert stock.count(town.ledger, town.offering_id) == StockCount(25, 0, 25, 0)


def test_a_place_freed_unheard_is_found_when_nobody_has_looked_for_long(
    installation, town
):
    """A crash between the commit and the telling; the desk believes it is full."""
    full = town.reserve(count=25)
    dying = deaf(installation)
    try:
        reservations.release(
            dying, town.desk, order_id=full.order_id, by=ALICE, at=NOON, cause=CAUSE
        )
    finally:
        dying.close()
    with pytest.raises(SoldOut):
        town.reserve(BOB)
    sql(
        installation,
        "UPDATE stock_desk SET seen_at = seen_at - interval '1 second'"
        f" * {stock_desk.RECHECK_S}",
    )
    assert len(town.reserve(BOB, count=20).places) == 20


def test_a_hold_made_unheard_only_costs_a_look(installation, town):
    dying = deaf(installation)
    try:
        reservations.reserve(
            dying,
            town.desk,
            order_id=fresh(),
            offering_id=town.offering_id,
            buyer_id=ALICE,
            count=25,
            at=NOON,
            cause=CAUSE,
        )
    finally:
        dying.close()
    assert seen(town) == (25, 0)
    sql(installation, "UPDATE stock_desk SET busy_until = '-infinity'")
    with pytest.raises(SoldOut):
        town.reserve(BOB)
    assert seen(town) == (0, 0)


def test_a_lease_whose_command_died_is_not_waited_for_long(installation, monkeypatch):
    """The only allotment is leased; a buyer waits a while and then tries it."""
    monkeypatch.setattr(stock_desk, "WAIT_MAX_S", 0.05)
    monkeypatch.setattr(stock_desk, "NAP_S", 0.01)
    town = Town(installation, places=["A1"])
    town.reserve()
    sql(
        installation,
        "UPDATE stock_desk SET free = 1, busy_until = 'infinity', version = 0",
    )
    with pytest.raises(SoldOut):
        town.reserve(BOB)


def test_two_commands_at_once_are_led_to_two_allotments(town):
    offering = town.ledger.offering(town.offering_id)
    wish = StockWish(stock_search.layout(offering), None, count=1, together=False)
    with ThreadPoolExecutor(3) as pool:
        claimed = pool.map(lambda _: town.desk.claim(wish, without=(), at=NOON), "abc")
        assert sorted(claimed) == [1, 2, 3]


def test_an_older_word_does_not_overrule_a_newer_one(installation, town):
    town.reserve(count=10)
    part = first_part(town)
    town.desk.tell([state_of(part, version=part.version - 1, free=10)])
    assert seen(town) == (15, 10)


def test_a_desk_that_cannot_be_told_does_not_undo_what_was_committed(
    installation, town, caplog
):
    town.reserve()
    part = first_part(town)
    sql(installation, "ALTER TABLE stock_desk RENAME TO elsewhere")
    try:
        town.desk.tell([state_of(part, version=part.version, free=10)])
    finally:
        sql(installation, "ALTER TABLE elsewhere RENAME TO stock_desk")
    assert "was not told" in caplog.text
