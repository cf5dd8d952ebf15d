"""Who waits for places that are gone, and to whom what came free is promised.

  join ──► in line ── promise ──► promised until a time ── redeem ──► an order
             │ leave                 └── lapse: not taken in time, so the next has it
             ▼

Promises are made to the first in line alone, never beyond what he wants. Who is
promised a part stays first with the rest; who lets a promise lapse leaves the line.
The line's stream decides, so what comes free at two places at once is not promised
twice to one and never to one behind him.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded, is_over
from ledger.errors import Conflict, Missing

LINE_MAX = 10_000


class LineFull(Conflict):
    code = "limit"
    says = "No more than {line_max} may wait."


class NotWaiting(Missing):
    code = "unknown"
    says = "You do not stand on this waiting list."


class NotFirst(Conflict):
    code = "limit"
    says = "Places are promised to the first in line, as many as he waits for."


class PromiseOver(Conflict):
    code = "expired"
    says = "The places were promised until {until}."


class PromiseStands(Conflict):
    code = "already_sold"
    says = "The places are promised until {until}."


@dataclass(frozen=True, slots=True)
class Entry:
    """Somebody in line; `version` is the event by which he joined."""

    party_id: UUID
    category: str | None
    count: int
    version: int


@dataclass(frozen=True, slots=True)
class PromisedPlace:
    allotment_id: UUID
    place: str


@dataclass(frozen=True, slots=True)
class Promise:
    """Places kept for somebody until a time."""

    promise_id: UUID
    party_id: UUID
    category: str | None
    places: tuple[PromisedPlace, ...]
    until: datetime
    version: int


class WaitingList(Recorded):
    TOPIC = "waiting-list"

    class Event(Recorded.Event):
        """An event about one offering's waiting list."""

    @classmethod
    def begin(cls, *, list_id: UUID, offering_id: UUID, at: datetime) -> Self:
        return cls._create(cls.Begun, id=list_id, timestamp=at, offering_id=offering_id)

    class Begun(Event, FirstEvent):
        TOPIC = "waiting-list.begun"
        offering_id: UUID

    def __init__(self, *, offering_id: UUID) -> None:
        self.offering_id = offering_id
        self.line: dict[UUID, Entry] = {}
        """By party, in the order in which they joined."""
        self.promises: dict[UUID, Promise] = {}

    def first(self, category: str | None) -> Entry | None:
        """Return who is first in line for a category."""
        waiting = (e for e in self.line.values() if e.category == category)
        return next(waiting, None)

    def promised_to(self, party_id: UUID) -> list[Promise]:
        """Return somebody's promises, oldest first, those of the past included."""
        return [p for p in self.promises.values() if p.party_id == party_id]

    def live_promises(self, party_id: UUID, at: datetime) -> list[Promise]:
        """Return somebody's promises that still hold."""
        mine = self.promised_to(party_id)
        return [promise for promise in mine if not is_over(promise.until, at)]

    def overdue(self, at: datetime) -> list[Promise]:
        """Return the promises that were not taken in time."""
        return [p for p in self.promises.values() if is_over(p.until, at)]

    def join(
        self, *, party_id: UUID, category: str | None, count: int, at: datetime
    ) -> None:
        """Stand in line. Who stands there, or is promised something, stays so."""
        if party_id in self.line or self.promised_to(party_id):
            return
        if len(self.line) >= LINE_MAX:
            raise LineFull(line_max=LINE_MAX, because=self.names(self.version))
        self.trigger_event(
            self.Joined,
            timestamp=at,
            party_id=party_id,
            category=category,
            count=count,
        )

    class Joined(Event):
        TOPIC = "waiting-list.joined"
        party_id: UUID
        category: str | None
        count: int

        def apply(self, aggregate: WaitingList) -> None:
            aggregate.line[self.party_id] = Entry(
                self.party_id, self.category, self.count, self.originator_version
            )

    def leave(self, *, party_id: UUID, at: datetime) -> list[Promise]:
        """Leave the line and give promises back; return these. Raises `NotWaiting`."""
        given_back = self.promised_to(party_id)
        if party_id not in self.line and not given_back:
            raise NotWaiting
        self.trigger_event(self.Left, timestamp=at, party_id=party_id)
        return given_back

    class Left(Event):
        TOPIC = "waiting-list.left"
        party_id: UUID

        def apply(self, aggregate: WaitingList) -> None:
            aggregate.line.pop(self.party_id, None)
            for promise in aggregate.promised_to(self.party_id):
                del aggregate.promises[promise.promise_id]

    def promise(
        self,
        *,
        promise_id: UUID,
        party_id: UUID,
        places: Sequence[PromisedPlace],
        until: datetime,
        at: datetime,
    ) -> None:
        """Promise places to the first in line. Raises `NotFirst`."""
        entry = self.line.get(party_id)
        if (
            entry is None
            or self.first(entry.category) != entry
            or not 0 < len(places) <= entry.count
        ):
            raise NotFirst
        self.trigger_event(
            self.Promised,
            timestamp=at,
            promise_id=promise_id,
            party_id=party_id,
            places=[asdict(place) for place in places],
            until=until,
        )

    class Promised(Event):
        TOPIC = "waiting-list.promised"
        promise_id: UUID
        party_id: UUID
        places: list[dict[str, Any]]
        until: datetime

        def apply(self, aggregate: WaitingList) -> None:
            entry = aggregate.line[self.party_id]
            places = tuple(PromisedPlace(**place) for place in self.places)
            aggregate.promises[self.promise_id] = Promise(
                self.promise_id,
                self.party_id,
                entry.category,
                places,
                self.until,
                self.originator_version,
            )
            missing = entry.count - len(places)
            if missing:
                aggregate.line[self.party_id] = replace(entry, count=missing)
            else:
                del aggregate.line[self.party_id]

    def redeem(
        self,
        *,
        promise_id: UUID,
        places: Sequence[PromisedPlace],
        order_id: UUID,
        at: datetime,
    ) -> None:
        """Give promised places to an order of his. Raises `PromiseOver`."""
        promise = self.promises[promise_id]
        if is_over(promise.until, at):
            raise PromiseOver(
                until=promise.until.isoformat(), because=self.names(promise.version)
            )
        self.trigger_event(
            self.Redeemed,
            timestamp=at,
            promise_id=promise_id,
            places=[asdict(place) for place in places],
            order_id=order_id,
        )

    class Redeemed(Event):
        TOPIC = "waiting-list.redeemed"
        promise_id: UUID
        places: list[dict[str, Any]]
        order_id: UUID

        def apply(self, aggregate: WaitingList) -> None:
            promise = aggregate.promises.pop(self.promise_id)
            taken = {PromisedPlace(**place) for place in self.places}
            rest = tuple(place for place in promise.places if place not in taken)
            if rest:
                aggregate.promises[self.promise_id] = replace(promise, places=rest)

    def lapse(self, *, promise_id: UUID, at: datetime) -> None:
        """End a promise that was not taken in time; whoever had it leaves the line.

        Raises `PromiseStands` before its time is over.
        """
        promise = self.promises[promise_id]
        if not is_over(promise.until, at):
            raise PromiseStands(
                until=promise.until.isoformat(), because=self.names(promise.version)
            )
        self.trigger_event(self.Lapsed, timestamp=at, promise_id=promise_id)

    class Lapsed(Event):
        TOPIC = "waiting-list.lapsed"
        promise_id: UUID

        def apply(self, aggregate: WaitingList) -> None:
            promise = aggregate.promises.pop(self.promise_id)
            aggregate.line.pop(promise.party_id, None)
