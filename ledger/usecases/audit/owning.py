"""Who owned a ticket, from when to when, and by which event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.aggregates.e_ticket import ETicket
from ledger.application import Ledger
from ledger.usecases.audit.book import Book, book_of
from ledger.usecases.audit.moments import Moment, When, moment
from ledger.usecases.audit.states import replayed, ticket_entries
from ledger.usecases.audit.telling import told

# Title moves in these and nowhere else. `Reinstated` gives an ended right back to
# whom it belonged to, so it makes no owner.
TITLE_EVENTS: tuple[type[ETicket.Event], ...] = (
    ETicket.Issued,
    ETicket.GiftAccepted,
    ETicket.Resold,
    ETicket.Reassigned,
)
_TITLE_TOPICS = frozenset(each.TOPIC for each in TITLE_EVENTS)


@dataclass(frozen=True, slots=True)
class OwnerLine:
    """One owner, from the event that made him so until the next title event."""

    owner_id: UUID
    event: str
    position: int
    version: int
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class OwnerAt:
    """Whose a ticket was at a moment; `life` says what the right was worth then."""

    ticket_id: UUID
    moment: Moment
    life: str
    owner: OwnerLine


def owners(
    source: Ledger | Book, *, ticket_id: UUID, when: When = None
) -> list[OwnerLine]:
    """Replay who owned a ticket up to a moment, and by which event.

    The title chain is linear, and its last owner has no end yet. Raises
    `TicketUnknown`, `BeforeTheTicket`, and what `moment` raises.
    """
    book = book_of(source)
    entries = ticket_entries(book, ticket_id, moment(book, when).position)
    titles = told(book, [entry for entry in entries if entry.topic in _TITLE_TOPICS])
    ends: Sequence[datetime | None] = [line.at for line in titles[1:]]
    return [
        OwnerLine(
            owner_id=line.facts["owner_id"],
            event=line.event,
            position=line.position,
            version=line.version,
            since=line.at,
            until=until,
        )
        for line, until in zip(titles, [*ends, None], strict=True)
    ]


def owner_at(source: Ledger | Book, *, ticket_id: UUID, when: When = None) -> OwnerAt:
    """Return who owned a ticket at a moment, and until when that stayed so.

    Raises `TicketUnknown`, `BeforeTheTicket`, and what `moment` raises.
    """
    book = book_of(source)
    its = moment(book, when)
    entries = ticket_entries(book, ticket_id, its.position)
    ticket = replayed(book, entries)[ticket_id]
    chain = owners(book, ticket_id=ticket_id)
    owner = [each for each in chain if each.position <= its.position][-1]
    return OwnerAt(ticket_id, its, str(ticket.life), owner)
