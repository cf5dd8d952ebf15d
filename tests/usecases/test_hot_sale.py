"""A hot sale: many buyers at once, not one place too many, and few who must ask twice.

Real threads on PostgreSQL, each with purchases of its own from the reservation to the
ticket. What is counted as retried is every time a command was overtaken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from ledger.aggregates.allotment import SoldOut
from ledger.aggregates.offering import Block, Category
from ledger.application import attempt
from ledger.bootstrap import Installation, open_installation
from ledger.errors import Overtaken
from ledger.settings import Settings
from ledger.usecases import sales, stock
from ledger.usecases.stock import StockCount
from tests.databases import Database
from tests.domain.examples import NOON
from tests.usecases.conftest import StoppedClock
from tests.usecases.town import CAUSE, Town, fresh

BUYERS = 64
PURCHASES = 24
RETRIED_MAX_PERCENT = 5


@pytest.fixture
def installation(database: Database, tmp_path: Path) -> Iterator[Installation]:
    """One with connections for many at once."""
    settings = Settings(
        database_url=database.server_url,
        home=tmp_path,
        schema=database.schema,
        pool_size=20,
    )
    with open_installation(settings, clock=StoppedClock()) as opened:
        yield opened


class Crowd:
    """Many buyers of one offering, each of them a thread; counts what they do."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.commands: list[None] = []
        self.overtaken: list[None] = []
        self.ids = [[fresh() for _ in range(601)] for _ in range(BUYERS)]

    def all_do(self, does: Callable[[int], list[Any]]) -> list[Any]:
        with ThreadPoolExecutor(BUYERS) as pool:
            return [each for many in pool.map(does, range(BUYERS)) for each in many]

    def buys(self, buyer: int, times: int) -> list[str]:
        """Buy one place after the other, or until nothing is left; return them."""
        mine = iter(self.ids[buyer])
        me, places = next(mine), []
        try:
            for _ in range(times):
                places.append(self._buy(me, order_id=next(mine), entry_id=next(mine)))
        except SoldOut:
            pass
        return places

    def _buy(self, me: UUID, *, order_id: UUID, entry_id: UUID) -> str:
        held = self._counted(lambda: self._reserve(order_id, me))
        self._counted(lambda: self._pay(order_id, entry_id, me))
        return str(held.place)

    def _reserve(self, order_id, me):
        return sales.reserve(
            self.town.ledger,
            self.town.desk,
            order_id=order_id,
            offering_id=self.town.offering_id,
            buyer_id=me,
            at=NOON,
            cause=CAUSE,
        )

    def _pay(self, order_id, entry_id, me):
        return sales.pay(
            self.town.ledger,
            self.town.personal,
            order_id=order_id,
            entry_id=entry_id,
            by=me,
            answers=[None],
            at=NOON,
            cause=CAUSE,
        )

    def _counted(self, command):
        def told():
            try:
                return command()
            except Overtaken:
                self.overtaken.append(None)
                raise

        self.commands.append(None)
        return attempt(told)

    @property
    def retried_percent(self) -> float:
        return 100 * len(self.overtaken) / len(self.commands)


def free_of_charge(places: int) -> dict[str, Any]:
    """An offering that costs nothing: the buyers need no purses."""
    return {
        "currency": "EUR",
        "categories": [Category(None, 0)],
        "blocks": [Block(None, count=places)],
        "purchase_limit": 10_000,
    }


def test_many_buyers_of_ten_thousand_places_hardly_ever_meet(installation):
    crowd = Crowd(Town(installation, **free_of_charge(10_000)))
    places = crowd.all_do(lambda buyer: crowd.buys(buyer, PURCHASES))
    assert len(set(places)) == len(places) == BUYERS * PURCHASES
    assert stock.count(installation.ledger, crowd.town.offering_id) == StockCount(
        10_000, 10_000 - len(places), 0, len(places)
    )
    assert crowd.retried_percent < RETRIED_MAX_PERCENT


def test_the_last_places_go_to_somebody_each_and_the_rest_are_told(installation):
    crowd = Crowd(Town(installation, **free_of_charge(300)))
    places = crowd.all_do(lambda buyer: crowd.buys(buyer, 300))
    assert len(set(places)) == len(places) == 300
    assert stock.count(installation.ledger, crowd.town.offering_id) == StockCount(
        300, 0, 0, 300
    )
    assert crowd.retried_percent < RETRIED_MAX_PERCENT
