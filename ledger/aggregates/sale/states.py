"""Where a sale stands, what it is of, and why something cannot be done with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from ledger.errors import Conflict, Malformed, Missing

LINES_MAX = 20


class SaleUnknown(Missing):
    code = "unknown"
    says = "There is no such sale."


class SaleStands(Conflict):
    code = "already_sold"
    says = "The sale is {state} already."


class NotOneSale(Malformed):
    code = "malformed"
    says = "A sale is of 1 to {lines_max} different tickets of one {what}."


class LineReturned(Conflict):
    code = "already_reversed"
    says = "What was paid for the ticket {ticket_id} was given back already."


class ShareExceeded(Conflict):
    code = "limit"
    says = "Of the seller's share {left_minor} minor units are left in escrow."


class SaleState(StrEnum):
    INITIATED = "INITIATED"
    FUNDS_HELD = "FUNDS_HELD"
    ESCROWED = "ESCROWED"
    TITLE_MOVED = "TITLE_MOVED"
    PAID_OUT = "PAID_OUT"
    CLOSED = "CLOSED"
    ABORTED = "ABORTED"
    REFUNDED = "REFUNDED"
    REVERSED = "REVERSED"
    CLAWBACK = "CLAWBACK"


OPEN = (SaleState.INITIATED, SaleState.FUNDS_HELD)
PAID_OUT = (SaleState.PAID_OUT, SaleState.CLOSED)


@dataclass(frozen=True, slots=True)
class Line:
    """One ticket of a sale, its price, and who has which share of it.

    `title_version` is the event of the ticket by which its title moved; 0 before.
    """

    ticket_id: UUID
    listing_id: UUID
    offering_id: UUID
    issuer_id: UUID
    price_minor: int
    split_minor: Mapping[str, int]
    check_sealed: str | None = field(default=None, repr=False)
    title_version: int = 0

    def as_dict(self) -> dict[str, Any]:
        names = ("ticket_id", "listing_id", "offering_id", "issuer_id", "price_minor")
        return {
            **{name: getattr(self, name) for name in names},
            "split_minor": dict(self.split_minor),
            "check_sealed": self.check_sealed,
        }
