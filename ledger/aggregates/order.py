"""One buyer's reservation of one place, and what became of it.

HELD ── confirm ──► CONFIRMED
  └──── release, or its time is over ──► RELEASED
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded, is_over
from ledger.errors import Conflict, Missing
from ledger.vocabulary.money import Money


class OrderUnknown(Missing):
    code = "unknown"
    says = "There is no such order."


class OrderExpired(Conflict):
    code = "expired"
    says = "The reservation expired at {until}."


class OrderClosed(Conflict):
    code = "already_sold"
    says = "The order is {state} already."


class OrderState(StrEnum):
    HELD = "HELD"
    CONFIRMED = "CONFIRMED"
    RELEASED = "RELEASED"


class Order(Recorded):
    TOPIC = "order"

    class Event(Recorded.Event):
        """An event about one order."""

    @classmethod
    def reserve(
        cls,
        *,
        order_id: UUID,
        offering_id: UUID,
        buyer_id: UUID,
        place: str,
        price: Money,
        until: datetime,
        at: datetime,
    ) -> Self:
        """Note a held place; the price is the one quoted now."""
        return cls._create(
            cls.Reserved,
            id=order_id,
            timestamp=at,
            offering_id=offering_id,
            buyer_id=buyer_id,
            place=place,
            price_minor=price.amount_minor,
            currency=price.currency,
            until=until,
        )

    class Reserved(Event, FirstEvent):
        TOPIC = "order.reserved"
        offering_id: UUID
        buyer_id: UUID
        place: str
        price_minor: int
        currency: str
        until: datetime

    def __init__(
        self,
        *,
        offering_id: UUID,
        buyer_id: UUID,
        place: str,
        price_minor: int,
        currency: str,
        until: datetime,
    ) -> None:
        self.offering_id = offering_id
        self.buyer_id = buyer_id
        self.place = place
        self.price = Money(price_minor, currency)
        self.until = until
        self.state = OrderState.HELD
        self.ticket_id: UUID | None = None

    def confirm(
        self,
        *,
        by: UUID,
        ticket_id: UUID,
        tender: str,
        entry_id: UUID | None,
        at: datetime,
    ) -> None:
        """Confirm with its payment, before the reservation's time is over."""
        self._require_held_by(by)
        if is_over(self.until, at):
            raise OrderExpired(until=self.until.isoformat(), because=self.names(1))
        self.trigger_event(
            self.Confirmed,
            timestamp=at,
            ticket_id=ticket_id,
            tender=tender,
            entry_id=entry_id,
        )

    class Confirmed(Event):
        TOPIC = "order.confirmed"
        ticket_id: UUID
        tender: str
        entry_id: UUID | None

        def apply(self, aggregate: Order) -> None:
            aggregate.state = OrderState.CONFIRMED
            aggregate.ticket_id = self.ticket_id

    def release(self, *, by: UUID, at: datetime) -> None:
        self._require_held_by(by)
        self.trigger_event(self.Released, timestamp=at)

    class Released(Event):
        TOPIC = "order.released"

        def apply(self, aggregate: Order) -> None:
            aggregate.state = OrderState.RELEASED

    def _require_held_by(self, by: UUID) -> None:
        if by != self.buyer_id:
            raise OrderUnknown  # Not yours reads like not there.
        if self.state != OrderState.HELD:
            raise OrderClosed(
                state=self.state.lower(), because=self.names(self.version)
            )
