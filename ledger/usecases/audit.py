"""Telling a ticket's history: every event, and who owned it when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ledger.aggregates.base import Recorded, cause_of
from ledger.aggregates.e_ticket import ETicket
from ledger.application import Ledger

# What identifies the event stands beside; a write's id is its device's to know.
_NOT_FACTS = {"originator_id", "originator_version", "timestamp", "cause", "write_id"}
_SECRET = ("_sealed", "claim_hash")

# Title moves in these and nowhere else. `Reinstated` gives an ended right back to
# whom it belonged to, so it makes no owner.
TITLE_EVENTS = (
    ETicket.Issued,
    ETicket.GiftAccepted,
    ETicket.Resold,
    ETicket.Reassigned,
)


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One recorded event; `facts` are its fields, personal data left out."""

    position: int
    version: int
    event: str
    at: datetime
    by: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class OwnerLine:
    """One owner, from the event that made him so until the next title event."""

    owner_id: UUID
    event: str
    position: int
    version: int
    since: datetime
    until: datetime | None


def history(ledger: Ledger, *, ticket_id: UUID) -> list[HistoryLine]:
    """Return every event recorded about a ticket, oldest first."""
    ledger.ticket(ticket_id)
    return [
        HistoryLine(
            position=position,
            version=event.originator_version,
            event=type(event).__name__,
            at=event.timestamp,
            by=cause_of(event).get("actor", ""),
            facts=_facts(event),
        )
        for position, event in ledger.events_of(ticket_id)
    ]


def owners(ledger: Ledger, *, ticket_id: UUID) -> list[OwnerLine]:
    """Replay who owned a ticket when, and by which event; the title chain is linear."""
    ledger.ticket(ticket_id)
    titles = [
        (position, event)
        for position, event in ledger.events_of(ticket_id)
        if isinstance(event, TITLE_EVENTS)
    ]
    ends: Sequence[datetime | None] = [event.timestamp for _, event in titles[1:]]
    return [
        OwnerLine(
            owner_id=event.owner_id,
            event=type(event).__name__,
            position=position,
            version=event.originator_version,
            since=event.timestamp,
            until=until,
        )
        for (position, event), until in zip(titles, [*ends, None], strict=True)
    ]


def _facts(event: Recorded.Event) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(event).items()
        if name not in _NOT_FACTS and not name.endswith(_SECRET)
    }
