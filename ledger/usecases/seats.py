"""Where the places of an offering are, for who chooses one: part by part.

What stands here is read from the streams, so it is true, but a moment old: only a
reservation keeps a place.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import cast
from uuid import UUID

from ledger.aggregates.allotment import Allotment
from ledger.aggregates.base import Recorded
from ledger.aggregates.offering import Offering
from ledger.aggregates.order import Order
from ledger.application import Ledger
from ledger.ports import StockDesk
from ledger.usecases import audit, stock_search
from ledger.usecases.audit import When, streams_at
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
    when: When = None,
) -> SeatPage:
    """Tell the places behind part `after`, about `PAGE_MAX` of them, in their order.

    Of one category, if it is named; as it was `when`, if that is said. A hold whose
    time is over counts as free. Raises `Unknown`, `CategoryUnknown` and what
    `audit.stream_at` raises.
    """
    offering, load = ledger.offering(offering_id), ledger.load
    if when is not None:
        offering, its = audit.stream_at(ledger, Offering, offering_id, when=when)
        load = partial(streams_at, ledger, position=its.position)
        at = when if isinstance(when, datetime) else its.at or at
    rest = _parts(offering, after, category)
    numbers = [number for number, _ in _page(rest)]
    known = load([allotment_id(offering_id, number) for number in numbers])
    parts = [
        cast("Allotment | None", known.get(allotment_id(offering_id, number)))
        or stock_search.begun(offering, number, at)
        for number in numbers
    ]
    holders = load({kept.holder_id for part in parts for kept in part.held.values()})
    seats = tuple(seat for part in parts for seat in _seats(part, holders, at))
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


def _seats(
    part: Allotment, holders: Mapping[UUID, Recorded], at: datetime
) -> Iterator[Seat]:
    for place in part.places:
        state: Fate = "sold" if place in part.sold else "free"
        kept = part.held.get(place)
        if kept is not None:
            order = cast("Order | None", holders.get(kept.holder_id))
            state = fate(order, part, place, kept, at)
        yield Seat(place, part.category, state)
