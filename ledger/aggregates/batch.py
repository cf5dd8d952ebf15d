"""Many tickets issued at once: how far an import has come, so that it can go on.

  begun ── hold places, chunk by chunk ──► all held ── issue, chunk by chunk ──► done
    ▲                  │                            │
    └───── give up ────┴────────────────────────────┘ a place is not to be had,
                                                      or they were held too long

The rows stand in the issuer's file and are not repeated here: their digest tells
whether a file is the one that was begun. Each chunk is one commit with what it brings
about, so that whoever goes on after a crash neither repeats nor skips a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded
from ledger.errors import Conflict

ROWS_MAX = 100_000
HOLD_S = 24 * 60 * 60


class BatchDiffers(Conflict):
    code = "idempotency"
    says = "This batch was begun with other rows or for another offering."


class Batch(Recorded):
    TOPIC = "batch"

    class Event(Recorded.Event):
        """An event about one import."""

    @classmethod
    def begin(
        cls,
        *,
        batch_id: UUID,
        offering_id: UUID,
        issuer_id: UUID,
        count: int,
        digest: str,
        at: datetime,
    ) -> Self:
        """Begin to issue `count` rows; `digest` is the SHA-256 over them in hex."""
        if not 0 < count <= ROWS_MAX:
            raise ValueError(f"a batch has 1 to {ROWS_MAX} rows")
        return cls._create(
            cls.Started,
            id=batch_id,
            timestamp=at,
            offering_id=offering_id,
            issuer_id=issuer_id,
            count=count,
            digest=digest,
        )

    class Started(Event, FirstEvent):
        TOPIC = "batch.started"
        offering_id: UUID
        issuer_id: UUID
        count: int
        digest: str

    def __init__(
        self, *, offering_id: UUID, issuer_id: UUID, count: int, digest: str
    ) -> None:
        self.offering_id = offering_id
        self.issuer_id = issuer_id
        self.count = count
        self.digest = digest
        self.places: list[str] = []
        """The places of the first rows, in their order."""
        self.held_since: datetime | None = None
        self.issued = 0
        self.completed = False

    @property
    def held_until(self) -> datetime | None:
        """When the first of the places that it holds are free again; None for none."""
        if self.held_since is None or self.completed:
            return None
        return self.held_since + timedelta(seconds=HOLD_S)

    def require_same(self, *, offering_id: UUID, digest: str) -> None:
        """Raise `BatchDiffers` unless these are the rows that were begun."""
        if (offering_id, digest) != (self.offering_id, self.digest):
            raise BatchDiffers(because=self.names(1))

    def hold(self, *, places: Sequence[str], at: datetime) -> None:
        """Note the places that are held for the next rows."""
        assert len(self.places) + len(places) <= self.count
        self.trigger_event(self.PlacesHeld, timestamp=at, places=list(places))

    class PlacesHeld(Event):
        TOPIC = "batch.places-held"
        places: list[str]

        def apply(self, aggregate: Batch) -> None:
            aggregate.places = [*aggregate.places, *self.places]
            aggregate.held_since = aggregate.held_since or self.timestamp

    def give_up(self, *, reason: str, at: datetime) -> None:
        """Let go of the places of all rows that are not issued: one is not to be had,
        or they were held too long. It can be tried again."""
        self.trigger_event(self.GivenUp, timestamp=at, reason=reason)

    class GivenUp(Event):
        TOPIC = "batch.given-up"
        reason: str

        def apply(self, aggregate: Batch) -> None:
            aggregate.places = aggregate.places[: aggregate.issued]
            aggregate.held_since = None

    def advance(self, *, upto: int, at: datetime) -> None:
        """Note that all rows before `upto` are issued; with the last it is done."""
        assert self.issued < upto <= self.count == len(self.places)
        self.trigger_event(self.Advanced, timestamp=at, upto=upto)
        if upto == self.count:
            self.trigger_event(self.Completed, timestamp=at)

    class Advanced(Event):
        TOPIC = "batch.advanced"
        upto: int

        def apply(self, aggregate: Batch) -> None:
            aggregate.issued = self.upto

    class Completed(Event):
        TOPIC = "batch.completed"

        def apply(self, aggregate: Batch) -> None:
            aggregate.completed = True
