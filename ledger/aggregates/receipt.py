"""A shop's receipt: it redeems once, whichever coupon that is.

free ── claimed by a session ──► CLAIMED ── redeemed ──► REDEEMED, for ever
              ▲                     │
              └─ released, time over┘

The stream's id is computed from the shop and the receipt's number.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded, is_over
from ledger.errors import Conflict


class ReceiptRedeemed(Conflict):
    code = "already_used"
    says = "The receipt {receipt} has redeemed a coupon before."


class ReceiptInUse(Conflict):
    code = "in_dispense"
    says = "The receipt {receipt} is redeeming another coupon at this moment."


@dataclass(frozen=True, slots=True)
class Claim:
    """One session's claim on the receipt, until its lease is over."""

    session_id: UUID
    until: datetime
    version: int


class Receipt(Recorded):
    TOPIC = "receipt"

    class Event(Recorded.Event):
        """An event about one receipt."""

    @classmethod
    def begin(
        cls, *, receipt_id: UUID, shop_id: UUID, receipt: str, at: datetime
    ) -> Self:
        """Begin the story of a receipt; `receipt` is the shop's own number for it."""
        return cls._create(
            cls.Shown,
            id=receipt_id,
            timestamp=at,
            shop_id=shop_id,
            receipt=receipt,
        )

    class Shown(Event, FirstEvent):
        TOPIC = "receipt.shown"
        shop_id: UUID
        receipt: str

    def __init__(self, *, shop_id: UUID, receipt: str) -> None:
        self.shop_id = shop_id
        self.receipt = receipt
        self.claim: Claim | None = None
        self.redeemed_by: UUID | None = None
        self.redeemed_version = 0

    def claim_for(
        self, *, session_id: UUID, ticket_id: UUID, until: datetime, at: datetime
    ) -> None:
        """Keep the receipt for one session; asked again by it, nothing changes."""
        self._require_not_redeemed()
        claim = self.claim
        if claim is not None and not is_over(claim.until, at):
            if claim.session_id == session_id:
                return
            raise ReceiptInUse(receipt=self.receipt, because=self.names(claim.version))
        self.trigger_event(
            self.Claimed,
            timestamp=at,
            session_id=session_id,
            ticket_id=ticket_id,
            until=until,
        )

    class Claimed(Event):
        TOPIC = "receipt.claimed"
        session_id: UUID
        ticket_id: UUID
        until: datetime

        def apply(self, aggregate: Receipt) -> None:
            aggregate.claim = Claim(
                self.session_id, self.until, self.originator_version
            )

    def release(self, *, session_id: UUID, at: datetime) -> None:
        """Give the receipt free, if this session has it."""
        if self.claim is not None and self.claim.session_id == session_id:
            self.trigger_event(self.Released, timestamp=at, session_id=session_id)

    class Released(Event):
        TOPIC = "receipt.released"
        session_id: UUID

        def apply(self, aggregate: Receipt) -> None:
            aggregate.claim = None

    def redeem(self, *, session_id: UUID, ticket_id: UUID, at: datetime) -> None:
        """Record what the receipt has redeemed; said twice, it is recorded once."""
        if self.redeemed_by == session_id:
            return
        self._require_not_redeemed()
        self.trigger_event(
            self.Redeemed, timestamp=at, session_id=session_id, ticket_id=ticket_id
        )

    class Redeemed(Event):
        TOPIC = "receipt.redeemed"
        session_id: UUID
        ticket_id: UUID

        def apply(self, aggregate: Receipt) -> None:
            aggregate.claim = None
            aggregate.redeemed_by = self.session_id
            aggregate.redeemed_version = self.originator_version

    def _require_not_redeemed(self) -> None:
        if self.redeemed_version:
            raise ReceiptRedeemed(
                receipt=self.receipt, because=self.names(self.redeemed_version)
            )
