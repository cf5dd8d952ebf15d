"""One balanced movement, in money or points: who gave and who got."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded


@dataclass(frozen=True, slots=True)
class Posting:
    """One side of an entry: credit is positive."""

    account: str
    amount_minor: int
    currency: str


class Entry(Recorded):
    """One balanced movement of money: a stream with a single event."""

    TOPIC = "entry"

    class Event(Recorded.Event):
        """An event about one entry."""

    @classmethod
    def record(
        cls,
        *,
        entry_id: UUID,
        reason: str,
        reference: str,
        postings: Sequence[Posting],
        at: datetime,
    ) -> Self:
        sums: Counter[str] = Counter()
        for posting in postings:
            sums[posting.currency] += posting.amount_minor
        if any(sums.values()):
            raise ValueError("the postings of an entry sum to zero in every currency")
        return cls._create(
            cls.Made,
            id=entry_id,
            timestamp=at,
            reason=reason,
            reference=reference,
            postings=[
                {
                    "account": posting.account,
                    "amount_minor": posting.amount_minor,
                    "currency": posting.currency,
                }
                for posting in postings
            ],
        )

    class Made(Event, FirstEvent):
        TOPIC = "entry.made"
        class_version = 2
        reason: str
        reference: str
        postings: list[dict[str, Any]]

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            """At first an entry was in one currency; now each posting names its own."""
            currency = state.pop("currency")
            state["postings"] = [
                {**posting, "currency": currency} for posting in state["postings"]
            ]

    def __init__(
        self, *, reason: str, reference: str, postings: list[dict[str, Any]]
    ) -> None:
        self.reason = reason
        self.reference = reference
        self.postings = [Posting(**posting) for posting in postings]
