"""From a reservation to an owner: the place, the money and the title in one commit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from ledger.aggregates.e_ticket import ETicket
from ledger.aggregates.order import Order
from ledger.application import Cause, Ledger
from ledger.errors import Conflict
from ledger.ports import PersonalData
from ledger.usecases import accounts
from ledger.vocabulary.codes import Question
from ledger.vocabulary.money import Money

HOLD_S = 600


class AnswerMissing(Conflict):
    code = "incomplete"
    says = "The holder will be asked “{question}”, so an answer is needed now."


@dataclass(frozen=True, slots=True)
class Reservation:
    order_id: UUID
    place: str
    price: Money
    held_until: datetime
    position: int


def reserve(
    ledger: Ledger,
    *,
    order_id: UUID,
    offering_id: UUID,
    buyer_id: UUID,
    place: str | None,
    at: datetime,
    cause: Cause,
) -> Reservation:
    """Hold a place for a buyer for ten minutes, at the price quoted now."""
    offering = ledger.offering(offering_id)
    until = at + timedelta(seconds=HOLD_S)
    held = offering.hold(
        order_id=order_id, buyer_id=buyer_id, place=place, until=until, at=at
    )
    order = Order.reserve(
        order_id=order_id,
        offering_id=offering_id,
        buyer_id=buyer_id,
        place=held,
        price=offering.price,
        until=until,
        at=at,
    )
    position = ledger.record(offering, order, cause=cause)
    return Reservation(order_id, held, offering.price, until, position)


def release(
    ledger: Ledger, *, order_id: UUID, by: UUID, at: datetime, cause: Cause
) -> int:
    """Give a reservation up; its place is free again."""
    order = ledger.order(order_id)
    order.release(by=by, at=at)
    offering = ledger.offering(order.offering_id)
    offering.release(order_id=order_id, at=at)
    return ledger.record(order, offering, cause=cause)


@dataclass(frozen=True, slots=True)
class Purchase:
    ticket_id: UUID
    entry_id: UUID | None
    position: int


def pay(
    ledger: Ledger,
    personal: PersonalData,
    *,
    order_id: UUID,
    ticket_id: UUID,
    entry_id: UUID,
    by: UUID,
    answer: str | None,
    at: datetime,
    cause: Cause,
) -> Purchase:
    """Pay a reservation in e-money; the buyer owns the ticket from this commit on."""
    order = ledger.order(order_id)
    offering = ledger.offering(order.offering_id)
    paid = order.price.amount_minor > 0
    order.confirm(
        by=by,
        ticket_id=ticket_id,
        tender=accounts.E_MONEY,
        entry_id=entry_id if paid else None,
        at=at,
    )
    offering.sell(order_id=order_id, ticket_id=ticket_id, at=at)
    revenue = accounts.revenue_of(offering.issuer_id, order.price.currency)
    money = accounts.pay(
        ledger,
        entry_id=entry_id,
        payer_id=by,
        price=order.price,
        to_purses={},
        to_names={revenue: order.price.amount_minor},
        reason="purchase",
        reference=f"order/{order_id}",
        at=at,
    )
    ticket = ETicket.issue(
        ticket_id=ticket_id,
        order_id=order_id,
        offering_id=offering.id,
        issuer_id=offering.issuer_id,
        owner_id=by,
        kind=offering.kind,
        title=offering.title,
        right=order.place,
        not_before=offering.valid_from,
        not_after=offering.valid_until,
        price_minor=order.price.amount_minor,
        currency=order.price.currency,
        uses_limit=offering.uses_limit,
        terms=offering.terms,
        question=offering.question,
        check_sealed=seal_answer(
            personal, holder_id=by, question=offering.question, answer=answer
        ),
        at=at,
    )
    position = ledger.record(order, offering, ticket, *money, cause=cause)
    return Purchase(ticket_id, entry_id if paid else None, position)


def seal_answer(
    personal: PersonalData, *, holder_id: UUID, question: int | None, answer: str | None
) -> str | None:
    """Seal the holder's answer; raise `AnswerMissing` if one is needed."""
    if question is None:
        return None
    if not answer:
        raise AnswerMissing(question=Question(question).text)
    return personal.seal(holder_id, answer)
