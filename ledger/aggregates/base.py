"""What all aggregates share: stored names, and events that carry their cause."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from eventsourcing.domain import (
    BaseAggregate,
    CanInitAggregate,
    CanMutateAggregate,
    DomainEvent,
)


class Recorded(BaseAggregate[UUID]):
    """An aggregate whose events are the authoritative history."""

    TOPIC: ClassVar[str]

    class Event(CanMutateAggregate[UUID], DomainEvent):
        """An event about one aggregate.

        `TOPIC` is the stored name and `class_version` the version of its shape; both
        outlive every rename. The ledger adds a `cause` when it records the event.
        """

        TOPIC: ClassVar[str]
        class_version: ClassVar[int] = 1

    def names(self, *versions: int) -> list[str]:
        """Name events of this stream, as `because` of a refusal does."""
        return [f"{self.id}/{version}" for version in versions if version]


class FirstEvent(CanInitAggregate[UUID], DomainEvent):
    """Mixed into the event that begins a stream."""

    originator_topic: str


def is_over(deadline: datetime, at: datetime) -> bool:
    """Deadlines are judged at commit: the moment itself is too late already."""
    return at >= deadline


def cause_of(event: Any) -> dict[str, str]:
    """Return who and what caused a recorded event; empty for one not yet recorded."""
    return dict(vars(event).get("cause") or {})
