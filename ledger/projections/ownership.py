"""Who owned a ticket when, and by which event: the chain of title.

Title moves in `Issued`, `GiftAccepted`, `Resold` and `Reassigned`, and nowhere else:
`Reinstated` gives an ended right back to whom it belonged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import Tracking

from ledger.aggregates.e_ticket import ETicket
from ledger.projections.base import Projection, View

TitleMoved: TypeAlias = ETicket.GiftAccepted | ETicket.Resold | ETicket.Reassigned


@dataclass(frozen=True, slots=True)
class Title:
    """One owner, from the event that made him so; `until` is None for the present."""

    ticket_id: UUID
    version: int
    position: int
    owner_id: UUID
    event: str
    since: datetime
    until: datetime | None


class OwnershipView(View):
    """The table `ownership`: one row a title."""

    name = "ownership"
    tables = ("ownership",)

    def chain(self, ticket_id: UUID) -> Sequence[Title]:
        """Return a ticket's owners, first to last; empty for an unknown ticket."""
        rows = self.rows(
            "SELECT * FROM ownership WHERE ticket_id = %s ORDER BY version",
            (ticket_id,),
        )
        return [Title(**row) for row in rows]

    def owner_at(self, ticket_id: UUID, at: datetime) -> Title | None:
        """Return who owned the ticket at a moment; a title begins with its moment."""
        rows = self.rows(
            "SELECT * FROM ownership WHERE ticket_id = %s AND since <= %s"
            " ORDER BY version DESC LIMIT 1",
            (ticket_id, at),
        )
        return Title(**rows[0]) if rows else None

    def begin(self, tracking: Tracking, event: ETicket.Issued) -> None:
        self.change(tracking, _title(tracking, event, event.owner_id))

    def move(self, tracking: Tracking, event: TitleMoved) -> None:
        self.change(
            tracking,
            (
                "UPDATE ownership SET until = %s WHERE ticket_id = %s"
                " AND version = %s AND until IS NULL",
                (event.timestamp, event.originator_id, event.previous_title_version),
            ),
            _title(tracking, event, event.owner_id),
        )


def _title(
    tracking: Tracking, event: ETicket.Event, owner_id: UUID
) -> tuple[str, Sequence[object]]:
    return (
        "INSERT INTO ownership (ticket_id, version, position, owner_id, event, since)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        (
            event.originator_id,
            event.originator_version,
            tracking.notification_id,
            owner_id,
            type(event).__name__,
            event.timestamp,
        ),
    )


class Ownership(Projection[OwnershipView]):
    """Keeps the chain of title."""

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.change(tracking)

    @process_event.register
    def _(self, domain_event: ETicket.Issued, tracking: Tracking) -> None:
        self.view.begin(tracking, domain_event)

    @process_event.register
    def _(self, domain_event: TitleMoved, tracking: Tracking) -> None:
        self.view.move(tracking, domain_event)
