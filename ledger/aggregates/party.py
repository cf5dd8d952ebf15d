"""Somebody who can own, issue, sell or run things. Names stand here sealed only."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded

PartyKind = Literal["person", "organisation"]


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
