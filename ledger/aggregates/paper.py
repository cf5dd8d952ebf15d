"""A numbered sheet of paper: its serial belongs to one ticket for ever.

The stream's id is computed from the serial, so the log itself refuses a second use.
"""

from __future__ import annotations

from datetime import datetime
from typing import Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded
from ledger.errors import Conflict


class SerialUsed(Conflict):
    code = "already_dispensed"
    says = "The serial {serial} stands on another paper already."


class Paper(Recorded):
    TOPIC = "paper"

    class Event(Recorded.Event):
        """An event about one sheet of paper."""

    @classmethod
    def number(
        cls, *, paper_id: UUID, serial: str, ticket_id: UUID, job_id: UUID, at: datetime
    ) -> Self:
        return cls._create(
            cls.Numbered,
            id=paper_id,
            timestamp=at,
            serial=serial,
            ticket_id=ticket_id,
            job_id=job_id,
        )

    class Numbered(Event, FirstEvent):
        TOPIC = "paper.numbered"
        serial: str
        ticket_id: UUID
        job_id: UUID

    def __init__(self, *, serial: str, ticket_id: UUID, job_id: UUID) -> None:
        self.serial = serial
        self.ticket_id = ticket_id
        self.job_id = job_id
