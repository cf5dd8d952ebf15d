"""How many of one offering one party holds, owns and has resold.

  held for an order ── buy ──► owned ── lose ──► given away, resold or ended
        │                        ▲                    │ undo resale: counts no more
        └─ release               └─ gain: given to, bought from an owner, granted

Limits are judged here alone, so that two commands of one party cannot both have the
last one: what is held and owned counts towards the purchase limit when more is
reserved, and what was resold counts towards the same limit for resales. What is given
to a party is never refused for it.

A hold whose time is over still counts until `release`: its order may be being paid.
The use case asks the order.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded, is_over
from ledger.errors import Conflict

# A refusal names no more events than somebody can look at.
NAMED_MAX = 10


class LimitReached(Conflict):
    code = "limit"
    says = "One buyer may hold at most {purchase_limit} of these."


class ResaleLimitReached(Conflict):
    code = "limit"
    says = "One party may resell at most {purchase_limit} of these."


@dataclass(frozen=True, slots=True)
class Reserved:
    """Some of what is sold, kept for an order; `version` is the event that did it."""

    count: int
    until: datetime
    version: int


class Allowance(Recorded):
    TOPIC = "allowance"

    class Event(Recorded.Event):
        """An event about one party's share of one offering."""

    @classmethod
    def begin(
        cls, *, allowance_id: UUID, offering_id: UUID, party_id: UUID, at: datetime
    ) -> Self:
        """Begin to count; `allowance_id` is computed from the other two."""
        return cls._create(
            cls.Begun,
            id=allowance_id,
            timestamp=at,
            offering_id=offering_id,
            party_id=party_id,
        )

    class Begun(Event, FirstEvent):
        TOPIC = "allowance.begun"
        offering_id: UUID
        party_id: UUID

    def __init__(self, *, offering_id: UUID, party_id: UUID) -> None:
        self.offering_id = offering_id
        self.party_id = party_id
        self.holds: dict[UUID, Reserved] = {}
        self.owned: dict[UUID, int] = {}
        """Ticket ids, and the version of the event that brought each."""
        self.resold = 0
        self.resold_version = 0

    @property
    def used(self) -> int:
        """How much counts towards the purchase limit."""
        return len(self.owned) + sum(hold.count for hold in self.holds.values())

    def overdue(self, at: datetime) -> list[UUID]:
        """Return the orders whose holds should be over by now."""
        return [
            order_id for order_id, hold in self.holds.items() if is_over(hold.until, at)
        ]

    def hold(
        self, *, order_id: UUID, count: int, limit: int, until: datetime, at: datetime
    ) -> None:
        """Let an order hold `count` more. Raises `LimitReached`."""
        before = self.holds.get(order_id)
        others = self.used - (before.count if before else 0)
        if others + count > limit:
            raise LimitReached(purchase_limit=limit, because=self._counted())
        self.trigger_event(
            self.Held, timestamp=at, order_id=order_id, count=count, until=until
        )

    class Held(Event):
        TOPIC = "allowance.held"
        order_id: UUID
        count: int
        until: datetime

        def apply(self, aggregate: Allowance) -> None:
            aggregate.holds[self.order_id] = Reserved(
                self.count, self.until, self.originator_version
            )

    def release(self, *, order_id: UUID, at: datetime) -> None:
        """Count an order no more; nothing happens if it does not count."""
        if order_id in self.holds:
            self.trigger_event(self.Released, timestamp=at, order_id=order_id)

    class Released(Event):
        TOPIC = "allowance.released"
        order_id: UUID

        def apply(self, aggregate: Allowance) -> None:
            del aggregate.holds[self.order_id]

    def buy(
        self, *, order_id: UUID, ticket_ids: Collection[UUID], at: datetime
    ) -> None:
        """Count an order's tickets as owned, and its hold no more.

        A payment that came late has no hold any more; it counts all the same.
        """
        self.trigger_event(
            self.Bought, timestamp=at, order_id=order_id, ticket_ids=list(ticket_ids)
        )

    class Bought(Event):
        TOPIC = "allowance.bought"
        order_id: UUID
        ticket_ids: list[UUID]

        def apply(self, aggregate: Allowance) -> None:
            aggregate.holds.pop(self.order_id, None)
            for ticket_id in self.ticket_ids:
                aggregate.owned[ticket_id] = self.originator_version

    def gain(self, *, ticket_id: UUID, at: datetime) -> None:
        """Count a ticket that came without an order; never refused."""
        if ticket_id not in self.owned:
            self.trigger_event(self.Gained, timestamp=at, ticket_id=ticket_id)

    class Gained(Event):
        TOPIC = "allowance.gained"
        ticket_id: UUID

        def apply(self, aggregate: Allowance) -> None:
            aggregate.owned[self.ticket_id] = self.originator_version

    def lose(self, *, ticket_id: UUID, at: datetime) -> None:
        """Count a ticket no more: it is somebody else's, or has ended."""
        if ticket_id in self.owned:
            self.trigger_event(self.Lost, timestamp=at, ticket_id=ticket_id)

    class Lost(Event):
        TOPIC = "allowance.lost"
        ticket_id: UUID

        def apply(self, aggregate: Allowance) -> None:
            del aggregate.owned[self.ticket_id]

    def resell(self, *, ticket_id: UUID, limit: int | None, at: datetime) -> None:
        """Count a ticket as resold. Raises `ResaleLimitReached`."""
        if limit is not None and self.resold >= limit:
            raise ResaleLimitReached(
                purchase_limit=limit, because=self.names(self.resold_version)
            )
        self.trigger_event(self.Resold, timestamp=at, ticket_id=ticket_id)

    class Resold(Event):
        TOPIC = "allowance.resold"
        ticket_id: UUID

        def apply(self, aggregate: Allowance) -> None:
            aggregate.owned.pop(self.ticket_id, None)
            aggregate.resold += 1
            aggregate.resold_version = self.originator_version

    def undo_resale(self, *, ticket_id: UUID, at: datetime) -> None:
        """Count a resale no more that was undone."""
        if self.resold:
            self.trigger_event(self.ResaleUndone, timestamp=at, ticket_id=ticket_id)

    class ResaleUndone(Event):
        TOPIC = "allowance.resale-undone"
        ticket_id: UUID

        def apply(self, aggregate: Allowance) -> None:
            aggregate.resold -= 1

    def _counted(self) -> list[str]:
        """Name the events that use the limit up, newest first."""
        versions = {hold.version for hold in self.holds.values()}
        versions |= set(self.owned.values())
        return self.names(*sorted(versions, reverse=True)[:NAMED_MAX])
