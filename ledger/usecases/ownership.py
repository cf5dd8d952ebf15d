"""Giving a ticket away through the transaction centre."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.aggregates.e_ticket import ETicket
from ledger.application import Cause, Ledger
from ledger.ports import PersonalData
from ledger.usecases.sales import seal_answer


@dataclass(frozen=True, slots=True)
class Offered:
    offer_id: UUID
    terms_hash: str
    until: datetime
    position: int


def offer_gift(
    ledger: Ledger,
    *,
    ticket_id: UUID,
    offer_id: UUID,
    by: UUID,
    to: UUID,
    until: datetime,
    at: datetime,
    cause: Cause,
) -> Offered:
    """Offer a ticket to another party, who is notified and asked."""
    ledger.party(to)
    ticket = ledger.ticket(ticket_id)
    ticket.offer_gift(offer_id=offer_id, by=by, to=to, until=until, at=at)
    position = ledger.record(ticket, cause=cause)
    return Offered(offer_id, ticket.terms_hash, until, position)


@dataclass(frozen=True, slots=True)
class Moved:
    epoch: int
    position: int


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
) -> Moved:
    """Accept an offer: the title moves now, and every older copy stops working."""
    ticket = ledger.ticket(ticket_id)
    ticket.require_offer(
        offer_id, by, at
    )  # Before the answer: strangers learn nothing.
    ticket.accept_gift(
        offer_id=offer_id,
        by=by,
        terms_hash=terms_hash,
        check_sealed=seal_answer(
            personal, holder_id=by, question=ticket.question, answer=answer
        ),
        at=at,
    )
    return _recorded(ledger, ticket, cause)


def decline_gift(
    ledger: Ledger,
    *,
    ticket_id: UUID,
    offer_id: UUID,
    by: UUID,
    at: datetime,
    cause: Cause,
) -> Moved:
    ticket = ledger.ticket(ticket_id)
    ticket.decline_gift(offer_id=offer_id, by=by, at=at)
    return _recorded(ledger, ticket, cause)


def withdraw_gift(
    ledger: Ledger,
    *,
    ticket_id: UUID,
    offer_id: UUID,
    by: UUID,
    at: datetime,
    cause: Cause,
) -> Moved:
    ticket = ledger.ticket(ticket_id)
    ticket.withdraw_gift(offer_id=offer_id, by=by, at=at)
    return _recorded(ledger, ticket, cause)


def _recorded(ledger: Ledger, ticket: ETicket, cause: Cause) -> Moved:
    position = ledger.record(ticket, cause=cause)
    return Moved(ticket.epoch, position)
