"""A part of an offering's stock: at most a hundred places, and who has which.

  free ── hold ──► held for an order ── book ──► sold
   ▲ │                │  its order was not paid
   │ │                └── release ──► free
   │ ├── hold ──► promised to somebody who waits ── release, or hold by his order
   │ └── take ──► sold, without an order
   └──────────── give_back: refunded, voided or exchanged

At every version: free + held + sold = the places it began with.

An order's hold says who had the place first; whether it was paid is the order's own
story. So paying touches no allotment, and nothing that many buyers share. Whoever
comes by later asks the orders whose time should be over (`overdue`) and books or
releases. A promise has no story of its own: its time alone ends it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded, is_over
from ledger.aggregates.offering import Part, PlaceUnknown
from ledger.errors import Conflict


class SoldOut(Conflict):
    code = "sold_out"
    says = "No place is left."


class PlaceTaken(Conflict):
    code = "already_sold"
    says = "The place {place} is taken."


class NotSold(Conflict):
    code = "unknown"
    says = "The place {place} is not this ticket's."


@dataclass(frozen=True, slots=True)
class Hold:
    """A place kept for an order, or for a promise; `version` is the event that did."""

    holder_id: UUID
    promised: bool
    until: datetime
    version: int


@dataclass(frozen=True, slots=True)
class Sold:
    ticket_id: UUID
    version: int


class Allotment(Recorded):
    TOPIC = "allotment"

    class Event(Recorded.Event):
        """An event about one part of the stock."""

    @classmethod
    def open(
        cls, *, allotment_id: UUID, offering_id: UUID, part: Part, at: datetime
    ) -> Self:
        """Begin a part as the offering laid it out."""
        return cls._create(
            cls.Opened,
            id=allotment_id,
            timestamp=at,
            offering_id=offering_id,
            number=part.number,
            category=part.category,
            places=list(part.places),
        )

    class Opened(Event, FirstEvent):
        TOPIC = "allotment.opened"
        offering_id: UUID
        number: int
        category: str | None
        places: list[str]

    def __init__(
        self,
        *,
        offering_id: UUID,
        number: int,
        category: str | None,
        places: list[str],
    ) -> None:
        self.offering_id = offering_id
        self.number = number
        self.category = category
        self.places = tuple(places)
        self.held: dict[str, Hold] = {}
        self.sold: dict[str, Sold] = {}

    @property
    def capacity(self) -> int:
        return len(self.places)

    @property
    def free(self) -> list[str]:
        """The free places, in the order in which they stand."""
        return [place for place in self.places if not self._is_taken(place)]

    @property
    def longest_run(self) -> int:
        """How many free places stand beside each other at most."""
        return max(map(len, self._runs()), default=0)

    def overdue(
        self, at: datetime, *, ended: Collection[UUID] = ()
    ) -> dict[UUID, list[str]]:
        """Return the holders whose time should be over, and their places.

        `ended` are holders that are known to hold nothing any more.
        """
        found: dict[UUID, list[str]] = {}
        for place, hold in self.held.items():
            if is_over(hold.until, at) or hold.holder_id in ended:
                found.setdefault(hold.holder_id, []).append(place)
        return found

    def choose(self, count: int, *, together: bool) -> list[str]:
        """Choose up to `count` free places; all of them side by side, or none.

        The shortest free run that is long enough is broken, so that long ones last.
        """
        if not together:
            return self.free[:count]
        fitting = [run for run in self._runs() if len(run) >= count]
        return min(fitting, key=len)[:count] if fitting else []

    def hold(
        self,
        *,
        holder_id: UUID,
        places: Sequence[str],
        until: datetime,
        at: datetime,
        promised: bool = False,
    ) -> None:
        """Keep free places for an order, or promise them. Raises `PlaceTaken`."""
        self._require_free(places)
        self.trigger_event(
            self.PlacesHeld,
            timestamp=at,
            holder_id=holder_id,
            promised=promised,
            places=list(places),
            until=until,
        )

    class PlacesHeld(Event):
        TOPIC = "allotment.places-held"
        holder_id: UUID
        promised: bool
        places: list[str]
        until: datetime

        def apply(self, aggregate: Allotment) -> None:
            for place in self.places:
                aggregate.held[place] = Hold(
                    self.holder_id, self.promised, self.until, self.originator_version
                )

    def release(
        self,
        *,
        holder_id: UUID,
        at: datetime,
        places: Collection[str] | None = None,
    ) -> None:
        """Free what a holder holds here, or those of `places` that it holds."""
        mine = self._held_by(holder_id)
        freed = [place for place in mine if places is None or place in places]
        if freed:
            self.trigger_event(
                self.PlacesReleased, timestamp=at, holder_id=holder_id, places=freed
            )

    class PlacesReleased(Event):
        TOPIC = "allotment.places-released"
        holder_id: UUID
        places: list[str]

        def apply(self, aggregate: Allotment) -> None:
            for place in self.places:
                del aggregate.held[place]

    def book(
        self, *, order_id: UUID, tickets: Mapping[str, UUID], at: datetime
    ) -> None:
        """Note that an order's held places are sold; `tickets` by place."""
        mine = self._held_by(order_id)
        sold = {place: each for place, each in tickets.items() if place in mine}
        if sold:
            self._sell(order_id, sold, at)

    def take(self, *, tickets: Mapping[str, UUID], at: datetime) -> None:
        """Sell free places at once; `tickets` by place. Raises `PlaceTaken`."""
        self._require_free(list(tickets))
        self._sell(None, tickets, at)

    def _sell(
        self, order_id: UUID | None, tickets: Mapping[str, UUID], at: datetime
    ) -> None:
        self.trigger_event(
            self.PlacesSold,
            timestamp=at,
            order_id=order_id,
            places=list(tickets),
            ticket_ids=list(tickets.values()),
        )

    class PlacesSold(Event):
        TOPIC = "allotment.places-sold"
        order_id: UUID | None
        places: list[str]
        ticket_ids: list[UUID]

        def apply(self, aggregate: Allotment) -> None:
            for place, ticket_id in zip(self.places, self.ticket_ids, strict=True):
                aggregate.held.pop(place, None)
                aggregate.sold[place] = Sold(ticket_id, self.originator_version)

    def give_back(
        self, *, place: str, ticket_id: UUID, order_id: UUID | None, at: datetime
    ) -> None:
        """Free the place of a ticket that has ended. Raises `NotSold`.

        Whether the sale was booked already makes no difference.
        """
        if not self.belongs(place, ticket_id=ticket_id, order_id=order_id):
            raise NotSold(place=place, because=self.names(self.version))
        self.trigger_event(
            self.PlaceGivenBack, timestamp=at, place=place, ticket_id=ticket_id
        )

    class PlaceGivenBack(Event):
        TOPIC = "allotment.place-given-back"
        place: str
        ticket_id: UUID

        def apply(self, aggregate: Allotment) -> None:
            aggregate.held.pop(self.place, None)
            aggregate.sold.pop(self.place, None)

    def belongs(self, place: str, *, ticket_id: UUID, order_id: UUID | None) -> bool:
        """Say whether a place is this ticket's, booked or still its order's."""
        sold, hold = self.sold.get(place), self.held.get(place)
        if sold is not None:
            return sold.ticket_id == ticket_id
        return hold is not None and hold.holder_id == order_id

    def place_of(self, ticket_id: UUID) -> str | None:
        """Return the place that is booked for a ticket."""
        for place, sold in self.sold.items():
            if sold.ticket_id == ticket_id:
                return place
        return None

    def _held_by(self, holder_id: UUID) -> list[str]:
        return [
            place for place, hold in self.held.items() if hold.holder_id == holder_id
        ]

    def _require_free(self, places: Sequence[str]) -> None:
        for place in places:
            if place not in self.places:
                raise PlaceUnknown(place=place)
            if self._is_taken(place):
                taken = self.held.get(place) or self.sold[place]
                raise PlaceTaken(place=place, because=self.names(taken.version))

    def _is_taken(self, place: str) -> bool:
        return place in self.held or place in self.sold

    def _runs(self) -> list[list[str]]:
        """The free places in runs of neighbours."""
        runs: list[list[str]] = [[]]
        for place in self.places:
            if not self._is_taken(place):
                runs[-1].append(place)
            elif runs[-1]:
                runs.append([])
        return [run for run in runs if run]
