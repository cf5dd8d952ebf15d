"""What a machine did without the line, as it reported it: a fact, kept for ever.

The stream's id is computed from the machine and its own number for the fact, so the
log itself refuses to take a fact twice. What came of it stands in the same event.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded


class OfflineFact(Recorded):
    TOPIC = "offline-fact"

    class Event(Recorded.Event):
        """An event about one fact."""

    @classmethod
    def report(
        cls,
        *,
        fact_id: UUID,
        device_id: UUID,
        device_seq: int,
        device_time: datetime,
        known_position: int,
        kind: str,
        ticket_id: UUID,
        said: dict[str, Any],
        digest: str,
        agrees: bool,
        case_ids: list[UUID],
        at: datetime,
    ) -> Self:
        """Take in a fact: `kind` is "dispensed" or "redeemed".

        `agrees` says that the ledger's own story of the ticket goes on with it;
        `case_ids` are the cases in which it is looked at. The device's clock and its
        `known_position` are evidence only.
        """
        return cls._create(
            cls.Reported,
            id=fact_id,
            timestamp=at,
            device_id=device_id,
            device_seq=device_seq,
            device_time=device_time,
            known_position=known_position,
            kind=kind,
            ticket_id=ticket_id,
            said=said,
            digest=digest,
            agrees=agrees,
            case_ids=case_ids,
        )

    class Reported(Event, FirstEvent):
        TOPIC = "offline-fact.reported"
        device_id: UUID
        device_seq: int
        device_time: datetime
        known_position: int
        kind: str
        ticket_id: UUID
        said: dict[str, Any]
        digest: str
        agrees: bool
        case_ids: list[UUID]

    def __init__(
        self,
        *,
        device_id: UUID,
        device_seq: int,
        device_time: datetime,
        known_position: int,
        kind: str,
        ticket_id: UUID,
        said: dict[str, Any],
        digest: str,
        agrees: bool,
        case_ids: list[UUID],
    ) -> None:
        self.device_id = device_id
        self.device_seq = device_seq
        self.device_time = device_time
        self.known_position = known_position
        self.kind = kind
        self.ticket_id = ticket_id
        self.said = said
        self.digest = digest
        self.agrees = agrees
        self.case_ids = tuple(case_ids)
