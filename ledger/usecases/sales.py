"""The short way from a reservation to an owner: reserved, and paid from a purse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.application import Cause, Ledger
from ledger.ports import PersonalData
from ledger.usecases import checkout
from ledger.usecases.accounts import E_MONEY
from ledger.usecases.answers import AnswerMissing, seal_answer
from ledger.usecases.reservations import Reservation, release, reserve
from ledger.usecases.tenders import Tender

__all__ = [
    "AnswerMissing",
    "Purchase",
    "Reservation",
    "pay",
    "release",
    "reserve",
    "seal_answer",
]


@dataclass(frozen=True, slots=True)
class Purchase:
    """The tickets of a paid order; the first one by itself."""

    ticket_id: UUID
    ticket_ids: tuple[UUID, ...]
    entry_id: UUID | None
    position: int


def pay(
    ledger: Ledger,
    personal: PersonalData,
    *,
    order_id: UUID,
    entry_id: UUID,
    by: UUID,
    answers: Sequence[str | None],
    at: datetime,
    cause: Cause,
) -> Purchase:
    """Pay a reservation in e-money; the buyer owns the tickets from this commit on."""
    price = ledger.order(order_id).price.amount_minor
    done = checkout.pay_at_once(
        ledger,
        personal,
        order_id=order_id,
        by=by,
        paying=[Tender(E_MONEY, price)] if price else [],
        answers=answers,
        entry_id=entry_id,
        at=at,
        cause=cause,
    )
    return Purchase(done.ticket_ids[0], done.ticket_ids, done.entry_id, done.position)
