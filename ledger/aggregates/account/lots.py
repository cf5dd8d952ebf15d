"""Points that came in together and expire together; the first to expire go first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ledger.aggregates.base import is_over


@dataclass(frozen=True, slots=True)
class Lot:
    """Points that came in together and expire together."""

    points: int
    expires_at: datetime | None

    def is_over(self, at: datetime) -> bool:
        return self.expires_at is not None and is_over(self.expires_at, at)


def points_in(lots: Sequence[Lot]) -> int:
    return sum(lot.points for lot in lots)


def in_order(lots: Sequence[Lot]) -> tuple[Lot, ...]:
    """First to expire comes first; what never expires, last."""
    ending = [lot for lot in lots if lot.expires_at is not None]
    lasting = [lot for lot in lots if lot.expires_at is None]
    return (*sorted(ending, key=_end_of), *lasting)


def _end_of(lot: Lot) -> datetime:
    assert lot.expires_at is not None
    return lot.expires_at


def take(lots: Sequence[Lot], points: int) -> tuple[tuple[Lot, ...], tuple[Lot, ...]]:
    """Take points from the first lots, as many as there are; return them, and the
    rest."""
    taken, left = [], []
    for lot in lots:
        here = min(lot.points, max(0, points))
        points -= here
        if here:
            taken.append(replace(lot, points=here))
        if lot.points > here:
            left.append(replace(lot, points=lot.points - here))
    return tuple(taken), tuple(left)
