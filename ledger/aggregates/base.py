"""What all aggregates share: stored names, and events that carry their cause."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeAlias
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

        def require_allowed(self, before: Any) -> None:
            """Raise unless this can have happened to the aggregate as it was `before`.

            None is before the stream begins. What recorded the event was a command
            that may have been forged; so a verifier asks. Raises `NotAllowed`, or the
            refusal of the command's own guard.
            """
            rule = RULES.get(type(self))
            if rule is None:
                raise NotAllowed("no rule allows such an event")
            if isinstance(self, FirstEvent):
                self.require_beginning(before)
            elif not isinstance(before, Recorded):
                raise NotAllowed("the stream has not begun")
            elif not isinstance(self, type(before).Event):
                raise NotAllowed("it is no event of this stream")
            elif self.timestamp < before.modified_on - CLOCKS_APART_MAX:
                raise NotAllowed("it is dated long before the event it follows")
            rule(before, self)

    def names(self, *versions: int) -> list[str]:
        """Name events of this stream, as `because` of a refusal does."""
        return [f"{self.id}/{version}" for version in versions if version]


class FirstEvent(CanInitAggregate[UUID], DomainEvent):
    """Mixed into the event that begins a stream."""

    originator_topic: str

    def require_beginning(self, before: object) -> None:
        """Raise `NotAllowed` unless this is the first event of its own kind."""
        if before is not None or self.originator_version != 1:
            raise NotAllowed("the stream begins once, with its version 1")
        if self.originator_topic != getattr(self, "TOPIC", "").rpartition(".")[0]:
            raise NotAllowed(f"it cannot begin a stream of {self.originator_topic}")


Rule: TypeAlias = Callable[[Any, Any], None]
RULES: dict[type, Rule] = {}
"""What each event needs of its aggregate before it: see `ledger.aggregates.rules`."""

CLOCKS_APART_MAX = timedelta(hours=1)
"""A clock that was wrong is no forgery; `doctor` tells of one long before."""


class NotAllowed(ValueError):
    """An event that no command would have recorded; says why."""


def is_over(deadline: datetime, at: datetime) -> bool:
    """Deadlines are judged at commit: the moment itself is too late already."""
    return at >= deadline


def cause_of(event: Any) -> dict[str, str]:
    """Return who and what caused a recorded event; empty for one not yet recorded."""
    return dict(vars(event).get("cause") or {})
