"""A numbered sheet of paper: its serial belongs to one ticket for ever.

The stream's id is computed from the serial, so the log itself refuses a second use.
Whether the paper is valid, its ticket says: one serial at most is the ticket's own.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded, is_over
from ledger.errors import Conflict

# For so long a machine may replace a paper of its own that came out spoilt.
SESSION_S = 300


class SerialUsed(Conflict):
    code = "already_dispensed"
    says = "The serial {serial} stands on another paper already."


class SessionOver(Conflict):
    code = "already_dispensed"
    says = (
        "Only the machine that printed it replaces a paper, within {seconds} seconds."
    )


class Paper(Recorded):
    TOPIC = "paper"

    class Event(Recorded.Event):
        """An event about one sheet of paper."""

    @classmethod
    def number(
        cls,
        *,
        paper_id: UUID,
        serial: str,
        ticket_id: UUID,
        job_id: UUID,
        at: datetime,
        device_id: UUID | None = None,
    ) -> Self:
        """Give a sheet to a ticket; `device_id` is the machine that prints it."""
        return cls._create(
            cls.Numbered,
            id=paper_id,
            timestamp=at,
            serial=serial,
            ticket_id=ticket_id,
            job_id=job_id,
            device_id=device_id,
        )

    class Numbered(Event, FirstEvent):
        TOPIC = "paper.numbered"
        class_version = 2
        serial: str
        ticket_id: UUID
        job_id: UUID
        device_id: UUID | None

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            """At first the paper did not say which machine printed it."""
            state["device_id"] = None

    def __init__(
        self, *, serial: str, ticket_id: UUID, job_id: UUID, device_id: UUID | None
    ) -> None:
        self.serial = serial
        self.ticket_id = ticket_id
        self.job_id = job_id
        self.device_id = device_id

    def require_session(self, *, device_id: UUID, at: datetime) -> None:
        """Raise unless the machine that printed the paper still stands at it."""
        until = self.created_on + timedelta(seconds=SESSION_S)
        if device_id != self.device_id or is_over(until, at):
            raise SessionOver(seconds=SESSION_S, because=self.names(1))
