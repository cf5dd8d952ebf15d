"""Places for the rows of an import: found, kept, and sold with the tickets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from ledger.aggregates.allotment import Allotment, SoldOut
from ledger.aggregates.offering import Offering
from ledger.application import Work
from ledger.usecases import stock_search
from ledger.usecases.bulk.rows import Layout, Row


class NotEnough(SoldOut):
    says = "The category has {missing} places too few for the rows without a place."


def chosen(
    work: Work,
    *,
    offering: Offering,
    rows: Sequence[Row],
    named: Layout,
    at: datetime,
) -> list[str]:
    """Return a place for each row: its own, or a free one that is not `named`.

    Raises `NotEnough`.
    """
    any_will_do = [row for row in rows if row.place is None]
    wanted = Counter(offering.category(row.category).name for row in any_will_do)
    found = {
        category: iter(_free(work, offering, category, count, named, at))
        for category, count in wanted.items()
    }
    return [
        row.place or next(found[offering.category(row.category).name]) for row in rows
    ]


def _free(
    work: Work,
    offering: Offering,
    category: str | None,
    count: int,
    named: Layout,
    at: datetime,
) -> list[str]:
    """Return so many free places of a category, in their order."""
    found: list[str] = []
    for number, its_category, _ in offering.sizes():
        if its_category == category and len(found) < count:
            part = stock_search.allotment(work, offering, number, at)
            stock_search.settle(work, part, at)
            found += [place for place in part.free if (category, place) not in named]
    if len(found) < count:
        raise NotEnough(missing=count - len(found))
    return found[:count]


def by_part(
    work: Work,
    *,
    offering: Offering,
    layout: Layout,
    rows: Sequence[Row],
    places: Sequence[str],
    at: datetime,
) -> list[tuple[Allotment, list[int]]]:
    """Sort rows, by their indexes, by the part of the stock they have places in."""
    indexes: dict[int, list[int]] = {}
    for index, (row, place) in enumerate(zip(rows, places, strict=True)):
        number = layout[offering.category(row.category).name, place]
        indexes.setdefault(number, []).append(index)
    found = []
    for number, mine in sorted(indexes.items()):
        part = stock_search.allotment(work, offering, number, at)
        stock_search.settle(work, part, at)
        found.append((part, mine))
    return found


def holds(
    part: Allotment, batch_id: UUID, places: Collection[str] | None = None
) -> bool:
    """Say whether the batch holds all of these places; without them, any at all."""
    mine = {place for place, hold in part.held.items() if hold.holder_id == batch_id}
    return bool(mine) if places is None else mine >= set(places)
