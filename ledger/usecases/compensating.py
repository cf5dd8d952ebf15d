"""Moving the money of a plan's steps: purses, escrows, and the tenders that had paid.

A purse may go below zero here, and says so: what a decision takes back is taken back.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from ledger.aggregates.case import Case
from ledger.aggregates.case.plan import Posting, Step
from ledger.aggregates.e_ticket import ETicket
from ledger.aggregates.order import Order
from ledger.aggregates.sale import Sale
from ledger.application import Work
from ledger.usecases import (
    accounts,
    allowances,
    checkout,
    clawbacks,
    paying_back,
    points,
)
from ledger.usecases.accounts import Leg
from ledger.vocabulary.ids import compensation_id, step_id
from ledger.vocabulary.money import Money

_PURSE, _TENDERS, _SALE, _ORDER = "purse/", "tenders/", "sale/", "order/"
_REASON = "refund by decision"


def pay(work: Work, case: Case, step: Step, *, entry_id: UUID, at: datetime) -> None:
    """Move money alone. What makes good the loss of a title has an id of its own."""
    if step.ticket_id is not None and step.version is not None:
        entry_id = compensation_id(step.ticket_id, step.version)
    sale = _sale(work, step)
    payee = _payee(step)
    if step.ref is not None and step.ref.startswith(_ORDER):
        _with_order(work, case, step, entry_id=entry_id, at=at)
    elif sale is None:
        _move(work, case, step, entry_id=entry_id, at=at)
    elif payee is not None:
        clawbacks.compensate(
            work,
            sale_id=sale.id,
            to=_id_in(payee.account),
            amount=Money(payee.amount_minor, sale.currency),
            entry_id=entry_id,
            decision_id=case.id,
            at=at,
        )
    else:
        _take_from_escrow(work, case, sale, step, entry_id=entry_id, at=at)


def _with_order(
    work: Work, case: Case, step: Step, *, entry_id: UUID, at: datetime
) -> None:
    """Count what a bank took as paid back; or pay back what the card had not paid."""
    order = work.order(_id_in(str(step.ref)))
    if step.ticket_id is None:
        _move(work, case, step, entry_id=entry_id, at=at)
        left = sum(each.amount_minor for each in order.paid) - order.refunded_minor
        taken = min(step.paid_minor, left)
        order.note_refund(amount_minor=taken, entry_id=entry_id, at=at)
    else:
        _refund_order(work, case, step, order, entry_id=entry_id, at=at)


def _payee(step: Step) -> Posting | None:
    """The purse that a step pays into, if it does."""
    for posting in step.postings:
        if posting.account.startswith(_PURSE) and posting.amount_minor > 0:
            return posting
    return None


def _take_from_escrow(
    work: Work, case: Case, sale: Sale, step: Step, *, entry_id: UUID, at: datetime
) -> None:
    """Cover what a bank took from what escrow owes the seller: the issuer's loss."""
    taken = sum(
        -posting.amount_minor
        for posting in step.postings
        if posting.account == accounts.escrow_of(sale.id, sale.currency)
    )
    sale.compensate(
        party_id=sale.lines[0].issuer_id,
        amount_minor=taken,
        from_escrow_minor=taken,
        entry_id=entry_id,
        decision_id=case.id,
        at=at,
    )
    _move(work, case, step, entry_id=entry_id, at=at)


def undo_sale(
    work: Work, case: Case, step: Step, *, entry_id: UUID, at: datetime
) -> None:
    """Give the purchaser back what he paid for one ticket of a resale."""
    sale = _sale(work, step)
    assert step.ticket_id is not None
    if sale is not None:
        allowances.unsold(
            work,
            offering_id=sale.line(step.ticket_id).offering_id,
            ticket_id=step.ticket_id,
            seller_id=sale.seller_id,
            at=at,
        )
    tendered = any(each.account.startswith(_TENDERS) for each in step.postings)
    if sale is not None and tendered:
        clawbacks.reverse_sale(
            work,
            sale_id=sale.id,
            ticket_ids=[step.ticket_id],
            decision_id=case.id,
            at=at,
        )
        return
    _move(work, case, step, entry_id=entry_id, at=at)
    if sale is not None:
        sale.give_back(
            ticket_ids=[step.ticket_id],
            entry_id=entry_id if step.postings else None,
            decision_id=case.id,
            at=at,
        )


def give_back(
    work: Work, case: Case, step: Step, *, entry_id: UUID, at: datetime
) -> None:
    """Pay the first price back, on the tenders that paid it.

    Of a ticket that was sold on it is the first seller's. What an order's tenders did
    not pay, as after an exchange, goes to his purse.
    """
    assert step.ticket_id is not None
    ticket = work.ticket(step.ticket_id)
    if step.ref is None or not step.paid_minor:
        _move(work, case, step, entry_id=entry_id, at=at)
        return
    order = work.order(_id_in(step.ref))
    if paying_back.last_resale(work, ticket) is not None:
        _refund_order(work, case, step, order, entry_id=entry_id, at=at)
        return
    due = Money(step.paid_minor, ticket.currency)
    paying_back.pay_back(work, ticket, due, entry_id=entry_id, reason=_REASON, at=at)
    _take_points(work, case, ticket, order, entry_id=entry_id, at=at)


def _refund_order(
    work: Work, case: Case, step: Step, order: Order, *, entry_id: UUID, at: datetime
) -> None:
    """Pay back what is left on an order's tenders, the rest to the purse."""
    assert step.ticket_id is not None
    ticket = work.ticket(step.ticket_id)
    left = sum(each.amount_minor for each in order.paid) - order.refunded_minor
    amount = min(step.paid_minor, left)
    revenue = accounts.revenue_of(ticket.issuer_id, order.currency)
    checkout.refund_order_lines(
        work,
        order=order,
        ticket_ids=[],
        amount=Money(amount, order.currency),
        entry_id=entry_id,
        debits=[Leg(revenue, Money(-amount, order.currency))],
        reason=_REASON,
        at=at,
    )
    rest = step.paid_minor - amount
    purse = accounts.purse_ref(order.buyer_id, order.currency)
    accounts.move(
        work,
        entry_id=step_id(entry_id, 2),
        legs=[
            Leg(revenue, Money(-rest, order.currency)),
            Leg(purse, Money(rest, order.currency)),
        ],
        reason=_REASON,
        reference=f"case/{case.id}",
        at=at,
    )
    _take_points(work, case, ticket, order, entry_id=entry_id, at=at)


def _take_points(
    work: Work,
    case: Case,
    ticket: ETicket,
    order: Order,
    *,
    entry_id: UUID,
    at: datetime,
) -> None:
    """Take back what the purchase had earned, spent or not."""
    points.take_back(
        work,
        party_id=order.buyer_id,
        programme_id=ticket.issuer_id,
        points=ticket.points_earned,
        entry_id=step_id(entry_id, 1),
        reference=f"case/{case.id}",
        at=at,
    )


def _move(work: Work, case: Case, step: Step, *, entry_id: UUID, at: datetime) -> None:
    """Post the step as it stands."""
    accounts.move(
        work,
        entry_id=entry_id,
        legs=[_leg(posting, str(step.currency)) for posting in step.postings],
        reason="compensation",
        reference=f"case/{case.id}",
        at=at,
        overdraw=True,
    )


def _leg(posting: Posting, currency: str) -> Leg:
    amount = Money(posting.amount_minor, currency)
    if posting.account.startswith(_PURSE):
        return Leg(accounts.purse_ref(_id_in(posting.account), currency), amount)
    return Leg(posting.account, amount)


def _sale(work: Work, step: Step) -> Sale | None:
    if step.ref is None or not step.ref.startswith(_SALE):
        return None
    return work.find(Sale, _id_in(step.ref))


def _id_in(name: str) -> UUID:
    return UUID(name.partition("/")[2])
