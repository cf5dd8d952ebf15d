"""Somebody who can own, issue, sell or run things. Names stand here sealed only.

registered ── erasure requested ── erased: the key of what is said of him is destroyed

A request waits for as long as a live case concerns the party.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded
from ledger.errors import Conflict

PartyKind = Literal["person", "organisation"]


class NoErasureRequested(Conflict):
    code = "unknown"
    says = "The party has not asked to be erased."


class Party(Recorded):
    TOPIC = "party"

    class Event(Recorded.Event):
        """An event about one party."""

    @classmethod
    def register(
        cls,
        *,
        party_id: UUID,
        kind: PartyKind,
        name_sealed: str,
        contact_sealed: str | None,
        at: datetime,
    ) -> Self:
        return cls._create(
            cls.Registered,
            id=party_id,
            timestamp=at,
            kind=kind,
            name_sealed=name_sealed,
            contact_sealed=contact_sealed,
        )

    class Registered(Event, FirstEvent):
        TOPIC = "party.registered"
        kind: PartyKind
        name_sealed: str
        contact_sealed: str | None

    def __init__(
        self, *, kind: PartyKind, name_sealed: str, contact_sealed: str | None
    ) -> None:
        self.kind = kind
        self.name_sealed = name_sealed
        self.contact_sealed = contact_sealed
        self.erasure_requested_version = 0
        self.erased_version = 0

    def request_erasure(self, *, at: datetime) -> None:
        """Note that the party asks to be erased; asked again, nothing changes."""
        if not self.erasure_requested_version:
            self.trigger_event(self.ErasureRequested, timestamp=at)

    class ErasureRequested(Event):
        TOPIC = "party.erasure-requested"

        def apply(self, aggregate: Party) -> None:
            aggregate.erasure_requested_version = self.originator_version

    def erase(self, *, at: datetime) -> None:
        """Note that the party is erased; its key is destroyed after this."""
        if not self.erasure_requested_version:
            raise NoErasureRequested
        if not self.erased_version:
            self.trigger_event(self.Erased, timestamp=at)

    class Erased(Event):
        TOPIC = "party.erased"

        def apply(self, aggregate: Party) -> None:
            aggregate.erased_version = self.originator_version
