"""A policy's way through the log: from its own bookmark, event by event, each once.

What follows from some events and the bookmark behind them are one commit, so a crash
between repeats nothing and loses nothing. An event that only a newer version knows, or
that cannot be read, stops the policy there, visibly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from eventsourcing.persistence import Notification as Placed

from ledger.adapters.outbox import Notification, Outbox
from ledger.adapters.tracking import Tracking
from ledger.aggregates.base import Recorded
from ledger.application import Ledger
from ledger.policies import notifying
from ledger.projections.intake import TopicUnknown, events_by_topic

NOTIFICATIONS = "notifications"
BATCH_MAX = 500

T = TypeVar("T")


class Policy(Protocol[T]):
    """Draws conclusions from events, and keeps them with its bookmark."""

    name: str

    def takes(self, event: type) -> bool:
        """Say whether anything ever follows from events of this class."""

    def follows(self, event: Recorded.Event, position: int) -> Sequence[T]:
        """Say what follows from an event: always the same."""

    def keep(self, found: Sequence[T], *, after: int, upto: int) -> bool:
        """Keep conclusions and move the bookmark, in one commit.

        False: somebody else moved it meanwhile, and nothing was kept.
        """


class Notifying:
    """Who is told what."""

    name = NOTIFICATIONS

    def __init__(self, ledger: Ledger, outbox: Outbox) -> None:
        self._past = notifying.Past(ledger)
        self._outbox = outbox

    def takes(self, event: type) -> bool:
        return notifying.takes(event)

    def follows(self, event: Recorded.Event, position: int) -> list[Notification]:
        return notifying.notifications(event, position, self._past)

    def keep(self, found: Sequence[Notification], *, after: int, upto: int) -> bool:
        return self._outbox.note(found, policy=self.name, after=after, upto=upto)


class PolicyFollower(Generic[T]):
    """Takes a policy through the log. Any number may: the bookmark lets one pass."""

    def __init__(
        self,
        ledger: Ledger,
        tracking: Tracking,
        policy: Policy[T],
        *,
        batch_max: int = BATCH_MAX,
    ) -> None:
        self._ledger = ledger
        self._tracking = tracking
        self._policy = policy
        self._batch_max = batch_max
        self._takes = {
            topic: policy.takes(event) for topic, event in events_by_topic().items()
        }

    def step(self) -> int:
        """Take the next events in; return how many, 0 if somebody else just did.

        Raises at one that cannot be read, `TopicUnknown` if only a newer version knows
        it; what follows from those before it is kept.
        """
        after = self._tracking.position(self._policy.name)
        upto = after
        conclusions: list[T] = []
        try:
            for each in self._ledger.recorder.select_notifications(
                after, self._batch_max, inclusive_of_start=False
            ):
                conclusions += self._follows(each)
                upto = each.id
        finally:
            kept = upto > after and self._policy.keep(
                conclusions, after=after, upto=upto
            )
        return upto - after if kept else 0

    def catch_up(self) -> int:
        """Follow to the end of the log; return how many events that were."""
        total = 0
        while taken := self.step():
            total += taken
        return total

    def _follows(self, placed: Placed) -> Sequence[T]:
        takes = self._takes.get(placed.topic)
        if takes is None:
            raise TopicUnknown(f"no event of this version is called {placed.topic}")
        if not takes:
            return ()
        event = self._ledger.mapper.to_domain_event(placed)
        assert isinstance(event, Recorded.Event)
        return self._policy.follows(event, placed.id)
