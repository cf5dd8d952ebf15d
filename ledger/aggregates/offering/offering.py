"""What is sold, at which prices and by which rules; its places are in allotments.

  OPEN ── cancel ──► CANCELLED: nothing more is sold
    └─ extend: more places    └─ reprice: for what is reserved from now on

The stock is laid out here and kept elsewhere: each block of places is cut into parts,
numbered from 1, and a part becomes a stream of its own (`Allotment`) when somebody
first asks for a place in it. So opening 100,000 places is one event, and buyers of
different parts do not meet.

An offering of version 1 kept its places in its own stream. What was taken then is in
`taken_before`, and its parts begin without those places.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded, is_over
from ledger.aggregates.e_ticket import Terms
from ledger.aggregates.e_ticket.states import UsesUnit
from ledger.aggregates.offering.checks import (
    REASON_MAX,
    TITLE_MAX,
    Category,
    check_blocks,
    check_categories,
    check_points,
)
from ledger.aggregates.offering.layout import PART_MAX, Block, Laid, Part, stored
from ledger.aggregates.offering.refusals import (
    BadOffering,
    CategoryUnknown,
    NotOnSale,
    NotTheIssuer,
    OfferingCancelled,
    OfferingOver,
    PlaceUnknown,
)
from ledger.vocabulary.codes import Question
from ledger.vocabulary.medium_record import USES_MAX
from ledger.vocabulary.money import Money
from ledger.vocabulary.sealed_ticket import Kind


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
        currency: str,
        categories: Sequence[Category],
        blocks: Sequence[Block],
        sale_from: datetime,
        sale_until: datetime,
        valid_from: datetime,
        valid_until: datetime,
        purchase_limit: int,
        uses_limit: int,
        question: int | None,
        terms: Terms,
        at: datetime,
        uses_unit: UsesUnit = "count",
        presale_from: datetime | None = None,
        earn_points_per_100: int = 0,
        point_value_minor: int = 1,
        max_points_percent: int = 100,
    ) -> Self:
        """Open an offering with its places.

        Whoever stands on the waiting list may buy from `presale_from`. A purchase
        earns `earn_points_per_100` points for 100 minor units; a point pays
        `point_value_minor`, for at most `max_points_percent` of a price. Raises
        `BadOffering`.
        """
        if not 0 < len(title) <= TITLE_MAX:
            raise BadOffering(says=f"A title has 1 to {TITLE_MAX} characters.")
        if sale_from >= sale_until or valid_from >= valid_until:
            raise BadOffering(says="A period ends after it begins.")
        if presale_from is not None and presale_from >= sale_from:
            raise BadOffering(says="A presale begins before the sale.")
        if purchase_limit < 1:
            raise BadOffering(says="A purchase limit is at least one.")
        if not 1 <= uses_limit <= USES_MAX:
            raise BadOffering(says=f"A coupon has 1 to {USES_MAX} uses or minor units.")
        if kind == "admission" and (uses_limit > 1 or uses_unit != "count"):
            raise BadOffering(says="An admission has one use.")
        if question is not None and question not in set(Question):
            raise BadOffering(says="There is no such question to a holder.")
        check_points(earn_points_per_100, point_value_minor, max_points_percent)
        Money(0, currency)
        check_categories(categories)
        check_blocks(blocks, {each.name for each in categories}, ())
        return cls._create(
            cls.Opened,
            id=offering_id,
            timestamp=at,
            issuer_id=issuer_id,
            title=title,
            kind=kind,
            currency=currency,
            categories=[asdict(each) for each in categories],
            blocks=stored(blocks),
            sale_from=sale_from,
            sale_until=sale_until,
            presale_from=presale_from,
            valid_from=valid_from,
            valid_until=valid_until,
            purchase_limit=purchase_limit,
            uses_limit=uses_limit,
            uses_unit=uses_unit,
            question=question,
            terms=terms.as_dict(),
            earn_points_per_100=earn_points_per_100,
            point_value_minor=point_value_minor,
            max_points_percent=max_points_percent,
        )

    class Opened(Event, FirstEvent):
        TOPIC = "offering.opened"
        class_version = 2
        issuer_id: UUID
        title: str
        kind: Kind
        currency: str
        categories: list[dict[str, Any]]
        blocks: list[dict[str, Any]]
        sale_from: datetime
        sale_until: datetime
        presale_from: datetime | None
        valid_from: datetime
        valid_until: datetime
        purchase_limit: int
        uses_limit: int
        uses_unit: UsesUnit
        question: int | None
        terms: dict[str, Any]
        earn_points_per_100: int
        point_value_minor: int
        max_points_percent: int

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            """At first there was one price, and all places stood in one list."""
            price = Category(None, state.pop("price_minor"))
            places = state.pop("places")
            state["categories"] = [asdict(price)]
            state["blocks"] = [
                {
                    "category": None,
                    "names": places,
                    "count": len(places),
                    "part_size": PART_MAX,
                }
            ]
            state |= {"presale_from": None, "uses_unit": "count"}
            state |= {"earn_points_per_100": 0, "point_value_minor": 1}
            state |= {"max_points_percent": 100}

    def __init__(
        self,
        *,
        issuer_id: UUID,
        title: str,
        kind: Kind,
        currency: str,
        categories: list[dict[str, Any]],
        blocks: list[dict[str, Any]],
        sale_from: datetime,
        sale_until: datetime,
        presale_from: datetime | None,
        valid_from: datetime,
        valid_until: datetime,
        purchase_limit: int,
        uses_limit: int,
        uses_unit: UsesUnit,
        question: int | None,
        terms: dict[str, Any],
        earn_points_per_100: int,
        point_value_minor: int,
        max_points_percent: int,
    ) -> None:
        self.issuer_id = issuer_id
        self.title = title
        self.kind: Kind = kind
        self.currency = currency
        self.categories = {each["name"]: Category(**each) for each in categories}
        self.layout: list[Laid] = []
        self.sale_from = sale_from
        self.sale_until = sale_until
        self.presale_from = presale_from
        self.valid_from = valid_from
        self.valid_until = valid_until
        self.purchase_limit = purchase_limit
        self.uses_limit = uses_limit
        self.uses_unit: UsesUnit = uses_unit
        self.question = question
        self.terms = Terms.from_dict(terms)
        self.earn_points_per_100 = earn_points_per_100
        self.point_value_minor = point_value_minor
        self.max_points_percent = max_points_percent
        self.cancelled_version = 0
        self.cancelled_because: str | None = None
        self.taken_before: dict[str, UUID] = {}
        """Places taken in version 1, and the order that took them."""
        self._lay(blocks)

    # ---- what may be done

    def require_on_sale(self, *, at: datetime, waiting: bool = False) -> None:
        """Raise unless it can be bought now; `waiting` for who stands on the list."""
        if self.cancelled_version:
            raise OfferingCancelled(
                reason=self.cancelled_because,
                because=self.names(self.cancelled_version),
            )
        opens = self.sale_from
        if waiting and self.presale_from is not None:
            opens = self.presale_from
        if at < opens or is_over(self.sale_until, at):
            raise NotOnSale(
                sale_from=self.sale_from.isoformat(),
                sale_until=self.sale_until.isoformat(),
                because=self.names(1),
            )
        if is_over(self.valid_until, at):
            raise OfferingOver(
                valid_until=self.valid_until.isoformat(), because=self.names(1)
            )

    def extend(self, *, by: UUID, blocks: Sequence[Block], at: datetime) -> None:
        """Open more places, in new parts."""
        self._require_open(by)
        check_blocks(blocks, set(self.categories), self._blocks())
        self.trigger_event(self.Extended, timestamp=at, blocks=stored(blocks))

    class Extended(Event):
        TOPIC = "offering.extended"
        blocks: list[dict[str, Any]]

        def apply(self, aggregate: Offering) -> None:
            aggregate._lay(self.blocks)

    def reprice(
        self,
        *,
        by: UUID,
        category: str | None,
        price_minor: int,
        fees_minor: int,
        at: datetime,
    ) -> None:
        """Change a price for what is reserved from now on."""
        self._require_open(by)
        self.category(category)
        check_categories([Category(category, price_minor, fees_minor)])
        self.trigger_event(
            self.Repriced,
            timestamp=at,
            category=category,
            price_minor=price_minor,
            fees_minor=fees_minor,
        )

    class Repriced(Event):
        TOPIC = "offering.repriced"
        category: str | None
        price_minor: int
        fees_minor: int

        def apply(self, aggregate: Offering) -> None:
            aggregate.categories[self.category] = Category(
                self.category, self.price_minor, self.fees_minor
            )

    def cancel(self, *, by: UUID, reason: str, at: datetime) -> None:
        """Sell nothing more. What was sold is refunded by other commands."""
        self._require_open(by)
        if not 0 < len(reason) <= REASON_MAX:
            raise BadOffering(says=f"A reason has 1 to {REASON_MAX} characters.")
        self.trigger_event(self.Cancelled, timestamp=at, reason=reason)

    class Cancelled(Event):
        TOPIC = "offering.cancelled"
        reason: str

        def apply(self, aggregate: Offering) -> None:
            aggregate.cancelled_version = self.originator_version
            aggregate.cancelled_because = self.reason

    def _require_open(self, by: UUID) -> None:
        if by != self.issuer_id:
            raise NotTheIssuer(because=self.names(1))
        if self.cancelled_version:
            raise OfferingCancelled(
                reason=self.cancelled_because,
                because=self.names(self.cancelled_version),
            )

    # ---- prices

    @property
    def price(self) -> Money:
        """The first category's price, without fees."""
        first = next(iter(self.categories.values()))
        return Money(first.price_minor, self.currency)

    def category(self, name: str | None) -> Category:
        """Return a price category; None stands for the only one."""
        if name is None and len(self.categories) == 1:
            return next(iter(self.categories.values()))
        if name not in self.categories:
            known = ", ".join(str(each) for each in self.categories)
            raise CategoryUnknown(category=name, categories=known)
        return self.categories[name]

    # ---- where the places are

    @property
    def capacity(self) -> int:
        return sum(laid.block.count for laid in self.layout)

    @property
    def parts(self) -> int:
        """How many allotments there are; they are numbered from 1."""
        return sum(laid.parts for laid in self.layout)

    def part(self, number: int) -> Part:
        """Return what the allotment of this number begins with."""
        for laid in self.layout:
            if laid.number <= number < laid.number + laid.parts:
                places = laid.places(number - laid.number)
                return Part(number, laid.block.category, places)
        raise PlaceUnknown(place=f"in part {number}")

    def part_of(self, place: str, category: str | None) -> int:
        """Return the number of the allotment with this place."""
        for laid in self.layout:
            if category is None or laid.block.category == category:
                index = laid.index_of(place)
                if index is not None:
                    return laid.number + index // laid.part_size
        raise PlaceUnknown(place=place)

    def sizes(self) -> Iterator[tuple[int, str | None, int]]:
        """Yield number, category and number of places of each part."""
        for laid in self.layout:
            for part in range(laid.parts):
                rest = laid.block.count - part * laid.part_size
                size = min(rest, laid.part_size)
                yield laid.number + part, laid.block.category, size

    def _lay(self, blocks: Sequence[Mapping[str, Any]]) -> None:
        for each in blocks:
            block = Block(each["category"], tuple(each["names"]), each["count"])
            first = 1 + sum(
                laid.block.count
                for laid in self.layout
                if laid.block.category == block.category and not laid.block.names
            )
            laid = Laid(block, each["part_size"], self.parts + 1, first)
            self.layout.append(laid)

    def _blocks(self) -> list[Block]:
        return [laid.block for laid in self.layout]

    # ---- events of version 1, when places stood in this stream

    class PlaceHeld(Event):
        TOPIC = "offering.place-held"
        order_id: UUID
        buyer_id: UUID
        place: str
        until: datetime

        def apply(self, aggregate: Offering) -> None:
            aggregate.taken_before[self.place] = self.order_id

    class PlaceReleased(Event):
        TOPIC = "offering.place-released"
        order_id: UUID
        place: str

        def apply(self, aggregate: Offering) -> None:
            del aggregate.taken_before[self.place]

    class PlaceSold(Event):
        TOPIC = "offering.place-sold"
        order_id: UUID
        place: str
        ticket_id: UUID

        def apply(self, aggregate: Offering) -> None:
            aggregate.taken_before[self.place] = self.order_id
