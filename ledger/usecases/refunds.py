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
    GroupTogether,
    NotRefundable,
    NotTheIssuer,
    NotTheOwner,
    StillOnMedium,
)
from ledger.aggregates.e_ticket.states import FormKind
from ledger.aggregates.order import Order
from ledger.application import Cause, Ledger, Work
from ledger.errors import Conflict
from ledger.ports import StockDesk
from ledger.usecases import accounts, allowances, points, repaying, stock, waiting
from ledger.usecases.accounts import Leg
from ledger.usecases.groups import moving_with
from ledger.vocabulary.ids import part_id
from ledger.vocabulary.money import Money, split

# A sale made by mistake is noticed while the purchaser is still there.
VOID_S = 900
# How often a ticket may have been exchanged before its money cannot be followed.
EXCHANGES_MAX = 100


class NotPaidHere(Conflict):
    code = "not_refundable"
    says = "Nothing was paid here for this ticket; ask where it came from."


class SoldOn(Conflict):
    code = "not_refundable"
    says = "The ticket was sold on; what was paid for it is given back by a decision."


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

    Tickets that stay together go back together. Raises `NotRefundable`, `SoldOn`,
    `NotPaidHere`, `GroupTogether`, `StillOnMedium`, and what the ticket refuses.
    """
    work = ledger.work()
    tickets = [_arbiter(work, ticket_id) for ticket_id in dict.fromkeys(ticket_ids)]
    require_whole_groups(work, tickets)
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
        raise NotPaidHere(because=order.names(order.version))
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


def worth_minor(ticket: ETicket) -> int:
    """Return what was paid for a ticket without what was used of it.

    Uses in counts come off in proportion, the odd unit in the payer's favour; a value
    in money comes off as it was used.
    """
    paid, uses = ticket.cap_basis_minor, ticket.uses
    used = uses.limit - uses.left
    if uses.unit == "money":
        return max(0, paid - used)
    return split(paid, [uses.left, used])[0]


def due(work: Work, ticket: ETicket, *, by: UUID) -> Money:
    """Return what goes back for a ticket; raise unless `by` may have it given back."""
    sold_on = last_resale(work, ticket)
    if sold_on is not None:
        raise SoldOn(because=ticket.names(sold_on.originator_version))
    order = work.find(Order, ticket.order_id) if ticket.order_id else None
    if order is None:
        raise NotPaidHere(because=ticket.names(1))
    worth = worth_minor(ticket)
    if by == ticket.issuer_id:
        return Money(worth, ticket.currency)
    if by != ticket.owner_id:
        raise NotTheOwner(because=ticket.names(ticket.title_version))
    if by != order.buyer_id:
        raise NotRefundable(because=ticket.names(ticket.title_version))
    require_surrendered(ticket)
    return Money(worth * ticket.terms.refund_percent // 100, ticket.currency)


def last_resale(work: Work, ticket: ETicket) -> ETicket.Resold | None:
    """Return the resale by which the last payer paid; None if it was never sold on.

    A resale that a decision has reversed does not count.
    """
    last: ETicket.Resold | None = None
    for _, event in work.ledger.events_of(ticket.id):
        if isinstance(event, ETicket.Resold):
            last = event
        elif isinstance(event, ETicket.Reassigned) and last is not None:
            reversed_from = event.reverses_version
            if reversed_from is not None and reversed_from <= last.originator_version:
                last = None
    return last


def pay_back(
    work: Work,
    ticket: ETicket,
    amount: Money,
    *,
    entry_id: UUID,
    reason: str,
    at: datetime,
) -> None:
    """Pay an amount out of the issuer's revenue to whoever paid for the ticket last.

    What the tenders of its own order have not paid, those have that paid for the
    ticket it was exchanged for. A step: it records nothing.
    """
    sources = _sources(work, ticket)
    revenue = accounts.revenue_of(ticket.issuer_id, amount.currency)
    left = amount.amount_minor
    for number, (source, order) in enumerate(sources):
        resale = last_resale(work, source)
        unspent = left
        if resale is None:
            paid = sum(each.amount_minor for each in order.paid)
            unspent = min(left, paid - order.refunded_minor)
        part = Money(unspent, amount.currency)
        debit = Leg(revenue, Money(-unspent, amount.currency))
        entry = part_id(entry_id, number)
        left -= unspent
        if resale is not None:
            accounts.move(
                work,
                entry_id=entry,
                legs=[
                    debit,
                    Leg(accounts.purse_ref(resale.owner_id, part.currency), part),
                ],
                reason=reason,
                reference=f"ticket/{ticket.id}",
                at=at,
            )
        else:
            repaying.refund_order_lines(
                work,
                order=order,
                ticket_ids=[],
                amount=part,
                entry_id=entry,
                debits=[debit],
                reason=reason,
                at=at,
            )
        if not left:
            return
    raise NotPaidHere(because=ticket.names(1))


def require_whole_groups(work: Work, tickets: Sequence[ETicket]) -> None:
    """Raise `GroupTogether` unless of what stays together all is there that is left."""
    ids = [ticket.id for ticket in tickets]
    for ticket in tickets:
        bound = ticket.terms.together and ticket.group_id is not None
        if bound and len(moving_with(work, ticket, ids)) < ticket.group_size:
            raise GroupTogether(group_size=ticket.group_size, because=ticket.names(1))


def require_surrendered(ticket: ETicket) -> None:
    """Raise `StillOnMedium` while a copy that is to be cleared first could be used."""
    on_medium = ticket.form.kind == FormKind.ON_MEDIUM
    if on_medium and ticket.terms.on_medium == "surrender":
        raise StillOnMedium(
            medium_uid=ticket.form.medium_uid,
            because=ticket.names(ticket.epoch_version),
        )


def free(work: Work, ticket: ETicket, *, at: datetime) -> None:
    """Give an ended ticket's place and its owner's share back."""
    stock.return_place(work, offering_id=ticket.offering_id, ticket_id=ticket.id, at=at)
    allowances.moved(
        work,
        offering_id=ticket.offering_id,
        ticket_id=ticket.id,
        from_id=ticket.owner_id,
        to_id=None,
        at=at,
    )


# Below.


def _arbiter(work: Work, ticket_id: UUID) -> ETicket:
    """Load a ticket after the orders that paid for it: the ticket has the last word.

    Another's refund that commits in between is then seen in the ticket that it ended,
    not in an order that seems to have nothing left.
    """
    _sources(work, work.ledger.ticket(ticket_id))
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
        pay_back(work, ticket, amount, entry_id=entry_id, reason=reason, at=at)
    assert ticket.order_id is not None
    points.take_back(
        work,
        party_id=work.order(ticket.order_id).buyer_id,
        programme_id=ticket.issuer_id,
        points=ticket.points_earned,
        entry_id=part_id(entry_id, EXCHANGES_MAX),
        reference=f"ticket/{ticket.id}",
        at=at,
    )
    free(work, ticket, at=at)


def _require_voidable(ticket: ETicket, *, by: UUID, at: datetime) -> None:
    if by != ticket.issuer_id:
        raise NotTheIssuer(because=ticket.names(1))
    until = ticket.created_on + timedelta(seconds=VOID_S)
    if is_over(until, at):
        raise VoidTooLate(until=until.isoformat(), because=ticket.names(1))
    require_surrendered(ticket)


def _sources(work: Work, ticket: ETicket) -> list[tuple[ETicket, Order]]:
    """The ticket and those it was exchanged for, with their orders, newest first.

    Whoever bought one in a resale had paid for all before it; what was not bought here
    has none.
    """
    found: list[tuple[ETicket, Order]] = []
    for _ in range(EXCHANGES_MAX):
        if ticket.order_id is None:
            break
        found.append((ticket, work.order(ticket.order_id)))
        if ticket.predecessor_id is None or last_resale(work, ticket) is not None:
            break
        ticket = work.ticket(ticket.predecessor_id)
    return found


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
