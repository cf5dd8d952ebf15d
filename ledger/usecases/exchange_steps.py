"""What a confirmed exchange moves: the balance, the old tickets' end, the successors.

Steps of `exchanges`: each works on the caller's `Work` and records nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from ledger.aggregates.e_ticket import ETicket
from ledger.aggregates.e_ticket.states import HoldEffect
from ledger.aggregates.offering import Offering
from ledger.aggregates.order import Order, Paid
from ledger.application import Work
from ledger.ports import PersonalData
from ledger.usecases import (
    accounts,
    allowances,
    issuing,
    paying_back,
    points,
    reservations,
    tenders,
)
from ledger.usecases.accounts import Leg
from ledger.usecases.groups import moving_with
from ledger.usecases.tenders import BadTender, Tender
from ledger.vocabulary.ids import part_id
from ledger.vocabulary.money import Money, split


def residual_of(work: Work, ticket: ETicket) -> int:
    """Return what a ticket is worth in an exchange, in minor units."""
    resale = paying_back.last_resale(work, ticket)
    worth = paying_back.worth_minor(ticket)
    if resale is not None:
        worth = min(worth, resale.price_minor)
    return worth * ticket.terms.refund_percent // 100


def balance(
    work: Work,
    order: Order,
    offering: Offering,
    olds: Sequence[ETicket],
    due_minor: int,
    paying: Sequence[Tender],
    *,
    entry_id: UUID,
    at: datetime,
) -> tuple[list[Paid], tuple[int, int]]:
    """Move the money; return what was paid, and the points spent and earned in all."""
    due = Money(max(0, due_minor), order.currency)
    parts = tenders.in_order(paying, due)
    if any(part.kind == tenders.CARD for part in parts):
        raise BadTender(says="What is due in an exchange is paid from purse or points.")
    tenders.require_points(
        parts,
        due,
        point_value_minor=offering.point_value_minor,
        max_points_percent=offering.max_points_percent,
    )
    spent = sum(ticket.points_spent for ticket in olds)
    earned = sum(ticket.points_earned for ticket in olds)
    if due_minor < 0:
        lost = _pay_surplus(work, olds, -due_minor, entry_id=entry_id, at=at)
        return [], (spent, earned - lost)
    if not parts:
        return [], (spent, earned)
    paid = tenders.capture(
        work,
        purpose_id=order.id,
        payer_id=order.buyer_id,
        tenders=parts,
        currency=order.currency,
        programme_id=offering.issuer_id,
        entry_id=entry_id,
        credits=[Leg(accounts.revenue_of(offering.issuer_id, due.currency), due)],
        reason="exchange",
        reference=f"order/{order.id}",
        held=False,
        at=at,
    )
    money = sum(part.amount_minor for part in parts if part.kind != tenders.BY_POINTS)
    more = money * offering.earn_points_per_100 // 100
    points.earn(
        work,
        party_id=order.buyer_id,
        programme_id=offering.issuer_id,
        points=more,
        entry_id=part_id(entry_id, 1),
        reference=f"order/{order.id}",
        at=at,
    )
    return paid, (spent + sum(part.points for part in parts), earned + more)


def _pay_surplus(
    work: Work,
    olds: Sequence[ETicket],
    surplus_minor: int,
    *,
    entry_id: UUID,
    at: datetime,
) -> int:
    """Give back what the new places cost less, and take back the points for it."""
    worths = [residual_of(work, ticket) for ticket in olds]
    shares = split(surplus_minor, worths)
    taken = 0
    for number, (ticket, share) in enumerate(zip(olds, shares, strict=True)):
        if not share:
            continue
        ticket.require_no_hold(HoldEffect.NO_REFUND)
        paying_back.pay_back(
            work,
            ticket,
            Money(share, ticket.currency),
            entry_id=part_id(entry_id, number),
            reason="exchange",
            at=at,
        )
        assert ticket.order_id is not None
        lost = ticket.points_earned * share // ticket.cap_basis_minor
        taken += lost
        points.take_back(
            work,
            party_id=work.order(ticket.order_id).buyer_id,
            programme_id=ticket.issuer_id,
            points=lost,
            entry_id=part_id(part_id(entry_id, number), paying_back.EXCHANGES_MAX),
            reference=f"ticket/{ticket.id}",
            at=at,
        )
    return taken


def end(
    work: Work,
    olds: Sequence[ETicket],
    residuals: Sequence[int],
    successors: Sequence[UUID],
    *,
    exchange_id: UUID,
    at: datetime,
) -> None:
    ids = [ticket.id for ticket in olds]
    for number, (ticket, residual) in enumerate(zip(olds, residuals, strict=True)):
        own = list(successors) if len(olds) == 1 else [successors[number]]
        ticket.exchange(
            exchange_id=exchange_id,
            successors=own,
            residual_minor=residual,
            group=moving_with(work, ticket, ids),
            at=at,
        )
        paying_back.free(work, ticket, at=at)


def begin(
    work: Work,
    personal: PersonalData,
    order: Order,
    offering: Offering,
    olds: Sequence[ETicket],
    ticket_ids: Sequence[UUID],
    answers: Sequence[str | None],
    pool: tuple[int, int],
    *,
    at: datetime,
) -> None:
    """Issue the successors; points spent and earned go over to them by price."""
    weights = [line.total_minor for line in order.lines]
    spent, earned = (
        split(total, weights) if any(weights) else [0] * len(weights) for total in pool
    )
    before = [ticket.id for ticket in olds]
    issuing.issue(
        work,
        personal,
        offering=offering,
        places=reservations.places_of(order),
        ticket_ids=ticket_ids,
        owner_id=order.buyer_id,
        source="exchange",
        group_id=order.id,
        order_id=order.id,
        answers=answers,
        predecessor_ids=before if len(olds) > 1 else before * len(ticket_ids),
        points_spent=spent,
        points_earned=earned,
        at=at,
    )
    allowances.bought(
        work,
        offering_id=offering.id,
        party_id=order.buyer_id,
        order_id=order.id,
        ticket_ids=ticket_ids,
        at=at,
    )
