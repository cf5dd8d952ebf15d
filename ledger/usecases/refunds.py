"""Giving a ticket back for money, and undoing a sale.

Who gets the money is who paid for the title last, on the tenders he paid with, the
last of them first. So by policy only the purchaser who still owns the ticket gives it
back; one that was sold on goes back by a decision alone, one that a seller elsewhere
or nobody was paid for is not ours to pay back.

What goes back is what was paid, without what was used of it, times the percentage of
the terms; the issuer's own hand gives it whole. In the same commit the place is free
again, the share of the offering's limit, and the points that the ticket had earned are
taken back.

A sale is undone (`void`) whole and for the whole price, by the issuer, for a short
time and while nothing was used or passed on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from ledger.aggregates.base import is_over
from ledger.aggregates.e_ticket import ETicket
from ledger.aggregates.e_ticket.refusals import (
    NotRefundable,
    NotTheIssuer,
    NotTheOwner,
)
from ledger.aggregates.order import Order
from ledger.application import Cause, Ledger, Work
from ledger.errors import Conflict, Malformed
from ledger.ports import StockDesk
from ledger.usecases import paying_back, points, waiting
from ledger.vocabulary.ids import part_id
from ledger.vocabulary.money import Money

# A sale made by mistake is noticed while the purchaser is still there.
VOID_S = 900
TICKETS_MAX = 50


class SoldOn(Conflict):
    code = "not_refundable"
    says = "The ticket was sold on; what was paid for it is given back by a decision."


class BadRefund(Malformed):
    code = "malformed"
    says = "1 to {tickets_max} tickets are given back at once."


class VoidTooLate(Conflict):
    code = "expired"
    says = "The sale could be undone until {until}."


@dataclass(frozen=True, slots=True)
class Refund:
    """What went back, by ticket, in minor units."""

    amounts_minor: dict[UUID, int]
    currency: str
    position: int

    @property
    def total(self) -> Money:
        return Money(sum(self.amounts_minor.values()), self.currency)


def quote(ledger: Ledger, *, ticket_id: UUID, by: UUID, at: datetime) -> Money:
    """Say what would go back now; raise what would refuse it."""
    work = ledger.work()
    ticket = work.ticket(ticket_id)
    amount = due(work, ticket, by=by)
    ticket.refund(amount_minor=amount.amount_minor, entry_id=None, by=by, at=at)
    return amount


def refund(
    ledger: Ledger,
    desk: StockDesk,
    *,
    ticket_ids: Sequence[UUID],
    by: UUID,
    entry_id: UUID,
    at: datetime,
    cause: Cause,
) -> Refund:
    """Take tickets back for money: by policy for their owner, or as their issuer.

    Tickets that stay together go back together. Raises `BadRefund`, `NotRefundable`,
    `SoldOn`, `NotPaidHere`, `GroupTogether`, `StillOnMedium`, and what the ticket
    refuses.
    """
    if not 1 <= len(ticket_ids) <= TICKETS_MAX:
        raise BadRefund(tickets_max=TICKETS_MAX)
    work = ledger.work()
    tickets = [_arbiter(work, ticket_id) for ticket_id in dict.fromkeys(ticket_ids)]
    paying_back.require_whole_groups(work, tickets)
    amounts = {}
    for number, ticket in enumerate(tickets):
        amount = due(work, ticket, by=by)
        amounts[ticket.id] = amount.amount_minor
        entry = part_id(entry_id, number)
        ticket.refund(
            amount_minor=amount.amount_minor,
            entry_id=entry if amount.amount_minor else None,
            by=by,
            at=at,
        )
        _settle(work, ticket, amount, entry_id=entry, reason="refund", at=at)
    position = work.record(cause)
    _serve(ledger, desk, tickets, at=at, cause=cause)
    return Refund(amounts, tickets[0].currency, position)


def void(
    ledger: Ledger,
    desk: StockDesk,
    *,
    order_id: UUID,
    by: UUID,
    reason: str,
    entry_id: UUID,
    at: datetime,
    cause: Cause,
) -> Refund:
    """Undo a sale as the issuer, within `VOID_S` of it: every ticket, all the money.

    Raises `VoidTooLate`, `NotOnePiece`, `StillOnMedium`, and what the ticket refuses.
    """
    work = ledger.work()
    order = work.order(order_id)
    tickets = [work.ticket(each) for each in order.tickets if each is not None]
    if not tickets:
        raise paying_back.NotPaidHere(because=order.names(order.version))
    amounts = {}
    for number, ticket in enumerate(tickets):
        _require_voidable(ticket, by=by, at=at)
        amount = Money(ticket.cap_basis_minor, ticket.currency)
        amounts[ticket.id] = amount.amount_minor
        ticket.void(reason=reason, at=at)
        entry = part_id(entry_id, number)
        _settle(work, ticket, amount, entry_id=entry, reason="void", at=at)
    position = work.record(cause)
    _serve(ledger, desk, tickets, at=at, cause=cause)
    return Refund(amounts, order.currency, position)


# What others ask: how much, and to whom.


def due(work: Work, ticket: ETicket, *, by: UUID) -> Money:
    """Return what goes back for a ticket; raise unless `by` may have it given back."""
    sold_on = paying_back.last_resale(work, ticket)
    if sold_on is not None:
        raise SoldOn(because=ticket.names(sold_on.originator_version))
    order = work.find(Order, ticket.order_id) if ticket.order_id else None
    if order is None:
        raise paying_back.NotPaidHere(because=ticket.names(1))
    worth = paying_back.worth_minor(ticket)
    if by == ticket.issuer_id:
        return Money(worth, ticket.currency)
    if by != ticket.owner_id:
        raise NotTheOwner(because=ticket.names(ticket.title_version))
    if by != order.buyer_id:
        raise NotRefundable(because=ticket.names(ticket.title_version))
    paying_back.require_surrendered(ticket)
    return Money(worth * ticket.terms.refund_percent // 100, ticket.currency)


# Below.


def _arbiter(work: Work, ticket_id: UUID) -> ETicket:
    """Load a ticket after the orders that paid for it: the ticket has the last word.

    Another's refund that commits in between is then seen in the ticket that it ended,
    not in an order that seems to have nothing left.
    """
    paying_back.sources_of(work, work.ledger.ticket(ticket_id))
    return work.ticket(ticket_id)


def _settle(
    work: Work,
    ticket: ETicket,
    amount: Money,
    *,
    entry_id: UUID,
    reason: str,
    at: datetime,
) -> None:
    """Move the money of a ticket that has ended, and free what it kept."""
    if amount.amount_minor:
        paying_back.pay_back(
            work, ticket, amount, entry_id=entry_id, reason=reason, at=at
        )
    assert ticket.order_id is not None
    points.take_back(
        work,
        party_id=work.order(ticket.order_id).buyer_id,
        programme_id=ticket.issuer_id,
        points=ticket.points_earned,
        entry_id=part_id(entry_id, paying_back.EXCHANGES_MAX),
        reference=f"ticket/{ticket.id}",
        at=at,
    )
    paying_back.free(work, ticket, at=at)


def _require_voidable(ticket: ETicket, *, by: UUID, at: datetime) -> None:
    if by != ticket.issuer_id:
        raise NotTheIssuer(because=ticket.names(1))
    until = ticket.created_on + timedelta(seconds=VOID_S)
    if is_over(until, at):
        raise VoidTooLate(until=until.isoformat(), because=ticket.names(1))
    paying_back.require_surrendered(ticket)


def _serve(
    ledger: Ledger,
    desk: StockDesk,
    tickets: Iterable[ETicket],
    *,
    at: datetime,
    cause: Cause,
) -> None:
    """Offer what is free again to those who wait."""
    for offering_id in dict.fromkeys(ticket.offering_id for ticket in tickets):
        waiting.serve(ledger, desk, offering_id=offering_id, at=at, cause=cause)
