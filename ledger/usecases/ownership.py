"""Giving one ticket to one known party: the everyday case of `gifts`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.aggregates.e_ticket.refusals import OfferUnknown
from ledger.aggregates.gift import Gift
from ledger.application import Cause, Ledger
from ledger.ports import PersonalData
from ledger.usecases import gifts
from ledger.usecases.gifts import Acceptance, Recipient


@dataclass(frozen=True, slots=True)
class Offered:
    offer_id: UUID
    terms_hash: str
    until: datetime
    position: int


def offer_gift(
    ledger: Ledger,
    personal: PersonalData,
    *,
    ticket_id: UUID,
    offer_id: UUID,
    by: UUID,
    to: UUID,
    until: datetime,
    at: datetime,
    cause: Cause,
    message: str | None = None,
) -> Offered:
    """Offer a ticket to another party, who is notified and asked."""
    work = ledger.work()
    gift = gifts.offer_within(
        work,
        offer_id=offer_id,
        by=by,
        ticket_ids=[ticket_id],
        recipient=Recipient(to),
        until=until,
        message=message,
        personal=personal,
        at=at,
    )
    [line] = gift.lines
    return Offered(offer_id, line.terms_hash, until, work.record(cause))


@dataclass(frozen=True, slots=True)
class Moved:
    """`epoch` is the ticket's; `exposed_until` where an old copy could still be used.

    An offline dispenser may take the copy on the giver's medium until then.
    """

    epoch: int
    position: int
    exposed_until: datetime | None = None


def accept_gift(
    ledger: Ledger,
    personal: PersonalData,
    *,
    ticket_id: UUID,
    offer_id: UUID,
    by: UUID,
    terms_hash: str,
    answer: str | None,
    at: datetime,
    cause: Cause,
    claim: str | None = None,
) -> Moved:
    """Accept an offer: the title moves now, and every older copy stops working."""
    _require_offered(ledger, ticket_id, offer_id)
    accepted = gifts.accept(
        ledger,
        personal,
        offer_id=offer_id,
        by=by,
        wanted=[Acceptance(ticket_id, terms_hash, answer)],
        claim=claim,
        at=at,
        cause=cause,
    )
    [line] = accepted.lines
    return Moved(line.epoch, accepted.position, line.exposed_until)


def decline_gift(
    ledger: Ledger,
    *,
    ticket_id: UUID,
    offer_id: UUID,
    by: UUID,
    at: datetime,
    cause: Cause,
    claim: str | None = None,
) -> Moved:
    _require_offered(ledger, ticket_id, offer_id)
    position = gifts.decline(
        ledger,
        offer_id=offer_id,
        by=by,
        ticket_ids=[ticket_id],
        claim=claim,
        at=at,
        cause=cause,
    )
    return Moved(ledger.ticket(ticket_id).epoch, position)


def withdraw_gift(
    ledger: Ledger,
    *,
    ticket_id: UUID,
    offer_id: UUID,
    by: UUID,
    at: datetime,
    cause: Cause,
) -> Moved:
    _require_offered(ledger, ticket_id, offer_id)
    position = gifts.withdraw(
        ledger,
        offer_id=offer_id,
        by=by,
        ticket_ids=[ticket_id],
        at=at,
        cause=cause,
    )
    return Moved(ledger.ticket(ticket_id).epoch, position)


def _require_offered(ledger: Ledger, ticket_id: UUID, offer_id: UUID) -> None:
    """Raise `TicketUnknown` or `OfferUnknown` unless this ticket is in this offer."""
    ledger.ticket(ticket_id)
    gift = ledger.find(Gift, offer_id)
    if gift is None:
        raise OfferUnknown(what="gift offer")
    gift.line(ticket_id)
