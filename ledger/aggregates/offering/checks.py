"""What makes sense as an offering, and what does not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ledger.aggregates.e_ticket.content import check_right
from ledger.aggregates.offering.layout import Block, places_in
from ledger.aggregates.offering.refusals import BadOffering

PLACES_MAX = 100_000
CATEGORIES_MAX = 50
TITLE_MAX = 120
CATEGORY_MAX = 40
REASON_MAX = 200
POINTS_PER_100_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Category:
    """A kind of place and its price; `name` is None where there is one price."""

    name: str | None
    price_minor: int
    fees_minor: int = 0


def check_points(earned: int, value_minor: int, percent: int) -> None:
    if not 0 <= earned <= POINTS_PER_100_MAX:
        raise BadOffering(says=f"100 minor units earn 0 to {POINTS_PER_100_MAX}.")
    if value_minor < 1 or not 0 <= percent <= 100:
        raise BadOffering(says="A point pays at least 1, points pay 0 to 100 per cent.")


def check_categories(categories: Sequence[Category]) -> None:
    names = [each.name for each in categories]
    if not 0 < len(names) <= CATEGORIES_MAX or len(set(names)) != len(names):
        raise BadOffering(says=f"1 to {CATEGORIES_MAX} categories, each named once.")
    if None in names and len(names) > 1:
        raise BadOffering(says="Where there are several categories, each has a name.")
    for name in names:
        if name is not None and not 0 < len(name) <= CATEGORY_MAX:
            raise BadOffering(says=f"A category has 1 to {CATEGORY_MAX} characters.")
    if min(min(each.price_minor, each.fees_minor) for each in categories) < 0:
        raise BadOffering(says="A price is not negative, nor are fees.")


def check_blocks(
    blocks: Sequence[Block], categories: Collection[str | None], before: Sequence[Block]
) -> None:
    """Raise `BadOffering` unless every place has a category and a name of its own."""
    everything = [*before, *blocks]
    if not blocks or sum(places_in(block) for block in everything) > PLACES_MAX:
        raise BadOffering(says=f"1 to {PLACES_MAX} places, each named once.")
    for block in blocks:
        if block.category not in categories:
            raise BadOffering(says=f"There is no price category {block.category}.")
        if places_in(block) < 1 or (
            block.names and block.count not in (0, places_in(block))
        ):
            raise BadOffering(says="A block has one place or more, named or counted.")
        for name in block.names:
            check_right(name)
    names = [name for block in everything for name in block.names]
    free = any(not block.names for block in everything)
    if len(set(names)) != len(names) or (free and any(map(str.isdigit, names))):
        raise BadOffering(says=f"1 to {PLACES_MAX} places, each named once.")
