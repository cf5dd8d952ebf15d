"""Reward points: earned with a purchase, taken back with its refund.

A programme is an issuer's. Points live for a while and the oldest are spent first;
what was earned and is spent when it has to come back is told as a negative balance.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from ledger.aggregates.account import POINTS
from ledger.application import Work
from ledger.usecases import accounts
from ledger.usecases.accounts import Leg
from ledger.vocabulary.money import Money

POINTS_VALID = timedelta(days=730)


def earn(
    work: Work,
    *,
    party_id: UUID,
    programme_id: UUID,
    points: int,
    entry_id: UUID,
    reference: str,
    at: datetime,
) -> None:
    """Credit points that expire after `POINTS_VALID`; nothing if there are none."""
    ref = accounts.points_ref(party_id, programme_id)
    issued = accounts.points_issued_of(programme_id)
    accounts.move(
        work,
        entry_id=entry_id,
        legs=[
            Leg(ref, Money(points, POINTS), expires_at=at + POINTS_VALID),
            Leg(issued, Money(-points, POINTS)),
        ],
        reason="points earned",
        reference=reference,
        at=at,
    )


def take_back(
    work: Work,
    *,
    party_id: UUID,
    programme_id: UUID,
    points: int,
    entry_id: UUID,
    reference: str,
    at: datetime,
) -> None:
    """Debit points whose purchase was paid back, spent or not."""
    ref = accounts.points_ref(party_id, programme_id)
    issued = accounts.points_issued_of(programme_id)
    accounts.move(
        work,
        entry_id=entry_id,
        legs=[Leg(ref, Money(-points, POINTS)), Leg(issued, Money(points, POINTS))],
        reason="points taken back",
        reference=reference,
        at=at,
        overdraw=True,
    )
