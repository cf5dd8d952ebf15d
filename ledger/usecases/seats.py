"""Where the places of an offering are, for who chooses one: part by part.

What stands here is read from the streams, so it is true, but a moment old: only a
reservation keeps a place.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.aggregates.allotment import Allotment
from ledger.aggregates.offering import Offering
from ledger.application import Ledger, Work
from ledger.errors import Unknown
from ledger.ports import StockDesk
from ledger.usecases import stock_search
from ledger.usecases.stock import Fate, StockCount, fate
from ledger.vocabulary.ids import allotment_id

PAGE_MAX = 200


@dataclass(frozen=True, slots=True)
class Seat:
    place: str
    category: str | None
    state: Fate


@dataclass(frozen=True, slots=True)
class SeatPage:
    """Whole parts; `next` is the last one shown, None if it is the last of all."""

    seats: tuple[Seat, ...]
    next: int | None


def show(
    ledger: Ledger,
    *,
    offering_id: UUID,
    at: datetime,
    after: int = 0,
    category: str | None = None,
) -> SeatPage:
    """Tell the places behind part `after`, about `PAGE_MAX` of them, in their order.

    Of one category, if it is named. A hold whose time is over counts as free. Raises
    `Unknown` and `CategoryUnknown`.
    """
    work = ledger.work()
    offering = work.get(Offering, offering_id, Unknown(what="offering"))
    rest = _parts(offering, after, category)
    numbers = [number for number, _ in _page(rest)]
    work.fetch(*(allotment_id(offering_id, number) for number in numbers))
    parts = [stock_search.allotment(work, offering, each, at) for each in numbers]
    work.fetch(*{kept.holder_id for part in parts for kept in part.held.values()})
    seats = tuple(seat for part in parts for seat in _seats(work, part, at))
    return SeatPage(seats, numbers[-1] if len(numbers) < len(rest) else None)


def count(
    desk: StockDesk, offering: Offering, *, at: datetime
) -> dict[str | None, StockCount]:
    """Count an offering's places by category, in the order of its categories."""
    known = desk.count_by_category(stock_search.layout(offering), at=at)
    capacity = dict.fromkeys(offering.categories, 0)
    for _, category, size in offering.sizes():
        capacity[category] += size
    counted = {}
    for name, places in capacity.items():
        free, held = known.get(name, (0, 0))
        counted[name] = StockCount(places, free, held, places - free - held)
    return counted


def _parts(
    offering: Offering, after: int, category: str | None
) -> list[tuple[int, int]]:
    """Return number and size of the parts that are left to be shown."""
    only = None if category is None else offering.category(category).name
    return [
        (number, size)
        for number, its, size in offering.sizes()
        if number > after and only in (None, its)
    ]


def _page(rest: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the first parts: at least one, as long as they fit in a page."""
    sums = itertools.accumulate(size for _, size in rest)
    fitting = sum(places <= PAGE_MAX for places in sums)
    return rest[: max(1, fitting)]


def _seats(work: Work, part: Allotment, at: datetime) -> Iterator[Seat]:
    for place in part.places:
        state: Fate = "sold" if place in part.sold else "free"
        if place in part.held:
            state = fate(work, part, place, part.held[place], at)
        yield Seat(place, part.category, state)
