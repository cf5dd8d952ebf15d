"""A sale that a seller made in a shop of its own and told the transaction centre.

  REGISTERED ── cancel, while nothing was used ──► CANCELLED

The stream's id is computed from the seller and his reference, so that one reference
is one sale: told again it changes nothing, told otherwise it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded
from ledger.errors import Conflict, Malformed, Missing

REFERENCE_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}")


class RegisteredSaleUnknown(Missing):
    code = "unknown"
    says = "There is no registered sale with this reference."


class ReferenceReused(Conflict):
    code = "idempotency"
    says = "The reference {reference} was registered with another content."


class SaleCancelled(Conflict):
    code = "revoked"
    says = "The registered sale was cancelled."


class BadReference(Malformed):
    code = "malformed"
    says = "A reference has 1 to 64 letters, digits and . _ / -"


class RegisteredSaleState(StrEnum):
    REGISTERED = "REGISTERED"
    CANCELLED = "CANCELLED"


class RegisteredSale(Recorded):
    TOPIC = "registered-sale"

    class Event(Recorded.Event):
        """An event about one registered sale."""

    @classmethod
    def register(
        cls,
        *,
        sale_id: UUID,
        seller_id: UUID,
        reference: str,
        digest: str,
        issuer_id: UUID,
        offering_id: UUID,
        purchaser_id: UUID,
        ticket_ids: Sequence[UUID],
        price_minor: int,
        commission_minor: int,
        currency: str,
        entry_id: UUID | None,
        at: datetime,
    ) -> Self:
        """Note a sale; `digest` is the SHA-256 of all that the seller said of it.

        The seller has the money: `price_minor` is what he took, fees included, and
        what he owes is that without his commission.
        """
        if not REFERENCE_PATTERN.fullmatch(reference):
            raise BadReference
        return cls._create(
            cls.Registered,
            id=sale_id,
            timestamp=at,
            seller_id=seller_id,
            reference=reference,
            digest=digest,
            issuer_id=issuer_id,
            offering_id=offering_id,
            purchaser_id=purchaser_id,
            ticket_ids=list(ticket_ids),
            price_minor=price_minor,
            commission_minor=commission_minor,
            currency=currency,
            entry_id=entry_id,
        )

    class Registered(Event, FirstEvent):
        TOPIC = "registered-sale.registered"
        seller_id: UUID
        reference: str
        digest: str
        issuer_id: UUID
        offering_id: UUID
        purchaser_id: UUID
        ticket_ids: list[UUID]
        price_minor: int
        commission_minor: int
        currency: str
        entry_id: UUID | None

    def __init__(
        self,
        *,
        seller_id: UUID,
        reference: str,
        digest: str,
        issuer_id: UUID,
        offering_id: UUID,
        purchaser_id: UUID,
        ticket_ids: list[UUID],
        price_minor: int,
        commission_minor: int,
        currency: str,
        entry_id: UUID | None,
    ) -> None:
        self.seller_id = seller_id
        self.reference = reference
        self.digest = digest
        self.issuer_id = issuer_id
        self.offering_id = offering_id
        self.purchaser_id = purchaser_id
        self.ticket_ids = tuple(ticket_ids)
        self.price_minor = price_minor
        self.commission_minor = commission_minor
        self.currency = currency
        self.entry_id = entry_id
        self.state = RegisteredSaleState.REGISTERED

    def require_same(self, digest: str) -> None:
        """Raise `ReferenceReused` unless the seller says what he said before."""
        if digest != self.digest:
            raise ReferenceReused(reference=self.reference, because=self.names(1))

    def require_standing(self) -> None:
        if self.state != RegisteredSaleState.REGISTERED:
            raise SaleCancelled(because=self.names(self.version))

    def cancel(self, *, reason: str, entry_id: UUID | None, at: datetime) -> None:
        """Undo it whole; the caller ends its tickets in the same commit."""
        self.require_standing()
        self.trigger_event(
            self.Cancelled, timestamp=at, reason=reason, entry_id=entry_id
        )

    class Cancelled(Event):
        TOPIC = "registered-sale.cancelled"
        reason: str
        entry_id: UUID | None

        def apply(self, aggregate: RegisteredSale) -> None:
            aggregate.state = RegisteredSaleState.CANCELLED
