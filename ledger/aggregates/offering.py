"""What is sold: a right, how many places there are, and who holds which.

  place: free ── hold ──► held(order, until) ── sell ──► sold(ticket)
           ▲                │
           └── release ─────┘   (a hold whose time is over counts as released)

At every version: places free + held + sold = the places opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded, is_over
from ledger.aggregates.e_ticket import Terms
from ledger.aggregates.e_ticket.content import check_right
from ledger.errors import Conflict, Malformed
from ledger.vocabulary.codes import Question
from ledger.vocabulary.medium_record import USES_MAX
from ledger.vocabulary.money import Money
from ledger.vocabulary.sealed_ticket import Kind

PLACES_MAX = 100_000
TITLE_MAX = 120


class SoldOut(Conflict):
    code = "sold_out"
    says = "No place is left."


class PlaceTaken(Conflict):
    code = "already_sold"
    says = "The place {place} is taken."


class PlaceUnknown(Malformed):
    code = "unknown"
    says = "The offering has no place {place}."


class NotOnSale(Conflict):
    code = "expired"
    says = "The offering is on sale from {sale_from} until {sale_until}."


class OfferingOver(Conflict):
    code = "no_longer_valid"
    says = "What is offered was valid until {valid_until}."


class LimitReached(Conflict):
    code = "limit"
    says = "One buyer may hold at most {purchase_limit} of these."


class HoldUnknown(Conflict):
    code = "expired"
    says = "The reservation is no longer held."


class BadOffering(Malformed):
    code = "malformed"
    says = "{says}"


@dataclass(frozen=True, slots=True)
class Hold:
    order_id: UUID
    buyer_id: UUID
    until: datetime
    version: int


@dataclass(frozen=True, slots=True)
class Sold:
    ticket_id: UUID
    buyer_id: UUID


class Offering(Recorded):
    TOPIC = "offering"

    class Event(Recorded.Event):
        """An event about one offering."""

    @classmethod
    def open(
        cls,
        *,
        offering_id: UUID,
        issuer_id: UUID,
        title: str,
        kind: Kind,
        price: Money,
        places: list[str],
        sale_from: datetime,
        sale_until: datetime,
        valid_from: datetime,
        valid_until: datetime,
        purchase_limit: int,
        uses_limit: int,
        question: int | None,
        terms: Terms,
        at: datetime,
    ) -> Self:
        """Open an offering with a stock of named places."""
        if not 0 < len(title) <= TITLE_MAX:
            raise BadOffering(says=f"A title has 1 to {TITLE_MAX} characters.")
        if not 0 < len(places) <= PLACES_MAX or len(set(places)) != len(places):
            raise BadOffering(says=f"1 to {PLACES_MAX} places, each named once.")
        for place in places:
            check_right(place)
        if sale_from >= sale_until or valid_from >= valid_until:
            raise BadOffering(says="A period ends after it begins.")
        if price.amount_minor < 0 or purchase_limit < 1:
            raise BadOffering(says="A price is not negative, a limit at least one.")
        if not 1 <= uses_limit <= USES_MAX or (kind == "admission" and uses_limit > 1):
            raise BadOffering(says="An admission has one use, a coupon up to 65535.")
        if question is not None and question not in set(Question):
            raise BadOffering(says="There is no such question to a holder.")
        return cls._create(
            cls.Opened,
            id=offering_id,
            timestamp=at,
            issuer_id=issuer_id,
            title=title,
            kind=kind,
            price_minor=price.amount_minor,
            currency=price.currency,
            places=places,
            sale_from=sale_from,
            sale_until=sale_until,
            valid_from=valid_from,
            valid_until=valid_until,
            purchase_limit=purchase_limit,
            uses_limit=uses_limit,
            question=question,
            terms=terms.as_dict(),
        )

    class Opened(Event, FirstEvent):
        TOPIC = "offering.opened"
        issuer_id: UUID
        title: str
        kind: Kind
        price_minor: int
        currency: str
        places: list[str]
        sale_from: datetime
        sale_until: datetime
        valid_from: datetime
        valid_until: datetime
        purchase_limit: int
        uses_limit: int
        question: int | None
        terms: dict[str, Any]

    def __init__(
        self,
        *,
        issuer_id: UUID,
        title: str,
        kind: Kind,
        price_minor: int,
        currency: str,
        places: list[str],
        sale_from: datetime,
        sale_until: datetime,
        valid_from: datetime,
        valid_until: datetime,
        purchase_limit: int,
        uses_limit: int,
        question: int | None,
        terms: dict[str, Any],
    ) -> None:
        self.issuer_id = issuer_id
        self.title = title
        self.kind = kind
        self.price = Money(price_minor, currency)
        self.free = dict.fromkeys(places)  # Ordered, and quick to take from.
        self.sale_from = sale_from
        self.sale_until = sale_until
        self.valid_from = valid_from
        self.valid_until = valid_until
        self.purchase_limit = purchase_limit
        self.uses_limit = uses_limit
        self.question = question
        self.terms = Terms.from_dict(terms)
        self.held: dict[str, Hold] = {}
        self.sold: dict[str, Sold] = {}

    def hold(
        self,
        *,
        order_id: UUID,
        buyer_id: UUID,
        place: str | None,
        until: datetime,
        at: datetime,
    ) -> str:
        """Hold a place (any, unless one is named) for an order; return the place."""
        if at < self.sale_from or is_over(self.sale_until, at):
            raise NotOnSale(
                sale_from=self.sale_from.isoformat(),
                sale_until=self.sale_until.isoformat(),
                because=self.names(1),
            )
        if is_over(self.valid_until, at):
            raise OfferingOver(valid_until=self.valid_until.isoformat())
        self._settle(at)
        if self._count_of(buyer_id) >= self.purchase_limit:
            raise LimitReached(purchase_limit=self.purchase_limit)
        chosen = self._choose(place)
        self.trigger_event(
            self.PlaceHeld,
            timestamp=at,
            order_id=order_id,
            buyer_id=buyer_id,
            place=chosen,
            until=until,
        )
        return chosen

    class PlaceHeld(Event):
        TOPIC = "offering.place-held"
        order_id: UUID
        buyer_id: UUID
        place: str
        until: datetime

        def apply(self, aggregate: Offering) -> None:
            del aggregate.free[self.place]
            aggregate.held[self.place] = Hold(
                self.order_id, self.buyer_id, self.until, self.originator_version
            )

    def release(self, *, order_id: UUID, at: datetime) -> None:
        """Give a held place back, if the order still holds one."""
        place = self._place_of(order_id)
        if place is not None:
            self._release(place, order_id, at)

    def _release(self, place: str, order_id: UUID, at: datetime) -> None:
        self.trigger_event(
            self.PlaceReleased, timestamp=at, order_id=order_id, place=place
        )

    class PlaceReleased(Event):
        TOPIC = "offering.place-released"
        order_id: UUID
        place: str

        def apply(self, aggregate: Offering) -> None:
            del aggregate.held[self.place]
            aggregate.free[self.place] = None

    def sell(self, *, order_id: UUID, ticket_id: UUID, at: datetime) -> None:
        """Turn an order's hold into a sale."""
        place = self._place_of(order_id)
        if place is None or is_over(self.held[place].until, at):
            raise HoldUnknown(
                because=self.names(self.held[place].version) if place else ()
            )
        self.trigger_event(
            self.PlaceSold,
            timestamp=at,
            order_id=order_id,
            place=place,
            ticket_id=ticket_id,
        )

    class PlaceSold(Event):
        TOPIC = "offering.place-sold"
        order_id: UUID
        place: str
        ticket_id: UUID

        def apply(self, aggregate: Offering) -> None:
            hold = aggregate.held.pop(self.place)
            aggregate.sold[self.place] = Sold(self.ticket_id, hold.buyer_id)

    def _choose(self, place: str | None) -> str:
        if place is None:
            for free in self.free:
                return free
            raise SoldOut
        if place in self.free:
            return place
        if place in self.held or place in self.sold:
            raise PlaceTaken(place=place)
        raise PlaceUnknown(place=place)

    def _settle(self, at: datetime) -> None:
        over = [
            (place, hold.order_id)
            for place, hold in self.held.items()
            if is_over(hold.until, at)
        ]
        for place, order_id in over:
            self._release(place, order_id, at)

    def _place_of(self, order_id: UUID) -> str | None:
        for place, hold in self.held.items():
            if hold.order_id == order_id:
                return place
        return None

    def _count_of(self, buyer_id: UUID) -> int:
        held = sum(hold.buyer_id == buyer_id for hold in self.held.values())
        return held + sum(sold.buyer_id == buyer_id for sold in self.sold.values())
