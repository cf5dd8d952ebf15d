"""Where an offering's places are: blocks of places, cut into parts.

A block is cut into equal parts, numbered on from those before it, and the cut is stored
with the block: a part never moves, whatever tomorrow's code thinks a good size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

PARTS_AIMED_AT = 128
PART_MIN, PART_MAX = 10, 100


@dataclass(frozen=True, slots=True)
class Block:
    """Places that are opened together, all of one category.

    Either named ones, in the order in which they stand beside each other, or `count`
    free ones, which are numbered on from those that the category has.
    """

    category: str | None
    names: tuple[str, ...] = ()
    count: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """What one allotment begins with."""

    number: int
    category: str | None
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Laid:
    """A block in the layout: its first part's number, its first free place's number."""

    block: Block
    part_size: int
    number: int
    first: int

    @property
    def parts(self) -> int:
        return -(-self.block.count // self.part_size)

    def places(self, part: int) -> tuple[str, ...]:
        begin = part * self.part_size
        end = min(begin + self.part_size, self.block.count)
        if self.block.names:
            return self.block.names[begin:end]
        return tuple(str(self.first + index) for index in range(begin, end))

    def index_of(self, place: str) -> int | None:
        if self.block.names:
            return self.block.names.index(place) if place in self.block.names else None
        if not (place.isascii() and place.isdigit() and place == str(int(place))):
            return None
        index = int(place) - self.first
        return index if 0 <= index < self.block.count else None


def places_in(block: Block) -> int:
    return len(block.names) or block.count


def stored(blocks: Sequence[Block]) -> list[dict[str, Any]]:
    """Blocks as they stand in an event; the cut is stored, so that it never moves."""
    total = sum(places_in(block) for block in blocks)
    part_size = min(max(-(-total // PARTS_AIMED_AT), PART_MIN), PART_MAX)
    return [
        {
            "category": block.category,
            "names": list(block.names),
            "count": places_in(block),
            "part_size": part_size,
        }
        for block in blocks
    ]
