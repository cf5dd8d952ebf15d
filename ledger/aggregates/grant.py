"""Tickets that an issuer gave without a sale: which, and so which stay together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded
from ledger.errors import Conflict


class GrantDiffers(Conflict):
    code = "idempotency"
    says = "This grant was made before, of other tickets or to somebody else."


class Grant(Recorded):
    TOPIC = "grant"

    class Event(Recorded.Event):
        """An event about one grant."""

    @classmethod
    def give(
        cls,
        *,
        grant_id: UUID,
        offering_id: UUID,
        issuer_id: UUID,
        to: UUID,
        ticket_ids: Sequence[UUID],
        places: Sequence[str],
        at: datetime,
    ) -> Self:
        """Note what was given; the tickets are issued in the same commit."""
        return cls._create(
            cls.Given,
            id=grant_id,
            timestamp=at,
            offering_id=offering_id,
            issuer_id=issuer_id,
            to_party_id=to,
            ticket_ids=list(ticket_ids),
            places=list(places),
        )

    class Given(Event, FirstEvent):
        TOPIC = "grant.given"
        offering_id: UUID
        issuer_id: UUID
        to_party_id: UUID
        ticket_ids: list[UUID]
        places: list[str]

    def __init__(
        self,
        *,
        offering_id: UUID,
        issuer_id: UUID,
        to_party_id: UUID,
        ticket_ids: list[UUID],
        places: list[str],
    ) -> None:
        self.offering_id = offering_id
        self.issuer_id = issuer_id
        self.to_party_id = to_party_id
        self.ticket_ids = tuple(ticket_ids)
        self.places = tuple(places)

    def require_same(
        self, *, offering_id: UUID, to: UUID, ticket_ids: Sequence[UUID]
    ) -> None:
        """Raise `GrantDiffers` unless this is what was given."""
        given = (self.offering_id, self.to_party_id, self.ticket_ids)
        if given != (offering_id, to, tuple(ticket_ids)):
            raise GrantDiffers(because=self.names(1))
