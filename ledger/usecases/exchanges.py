"""Exchanging a ticket for others: offered with what it costs, then confirmed.

  offer ── confirm: the balance is settled ──► old ticket EXCHANGED, successors issued
    └── given up, or its time is over ──► the old ticket and the new places are free

An exchange is an order for the new places, paid in part by the old ticket: one id names
both, the order holds the places and the ticket's lock keeps the ticket, to the same
deadline. Nothing has to run when it passes: the lock and the places count as free.

The old ticket is worth what was paid for it, times the percentage that the terms give
back; where it was sold on, no more than its last purchaser paid. If the new places
cost more, the rest is paid from purse and points; if they cost less, the surplus goes
back to the tenders that paid. One ticket may become several; tickets that stay together
become as many again, all at once. Both offerings are of one issuer and currency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

from ledger.aggregates.base import is_over
from ledger.aggregates.e_ticket import ETicket
from ledger.aggregates.e_ticket.refusals import NotExchangeable, NotTheOwner
from ledger.aggregates.e_ticket.states import LockKind
from ledger.aggregates.offering import Offering
from ledger.aggregates.order import Order, OrderState
from ledger.application import Cause, Ledger, Work
from ledger.errors import Malformed, Missing, Overtaken, Unknown
from ledger.ports import PersonalData, StockDesk
from ledger.usecases import (
    allowances,
    exchange_steps,
    paying_back,
    reservations,
    stock,
    waiting,
)
from ledger.usecases.stock import HeldPlace
from ledger.usecases.tenders import Tender
from ledger.vocabulary.money import Money

EXCHANGE_S = 600


class ExchangeUnknown(Missing):
    code = "unknown"
    says = "There is no such exchange."


class BadExchange(Malformed):
    code = "malformed"
    says = "{says}"


@dataclass(frozen=True, slots=True)
class Quote:
    """What an exchange would cost: `due_minor` to pay, or to come back if negative."""

    exchange_id: UUID
    places: tuple[HeldPlace, ...]
    residual_minor: int
    price: Money
    until: datetime
    position: int

    @property
    def due_minor(self) -> int:
        return self.price.amount_minor - self.residual_minor


def offer_exchange(
    ledger: Ledger,
    desk: StockDesk,
    *,
    exchange_id: UUID,
    ticket_ids: Sequence[UUID],
    by: UUID,
    offering_id: UUID,
    at: datetime,
    cause: Cause,
    count: int | None = None,
    category: str | None = None,
    place: str | None = None,
    together: bool = False,
) -> Quote:
    """Hold new places for a ticket's owner and say what the exchange costs.

    By the owner or the issuer; `count` is one for each ticket unless one becomes
    several. Raises what refuses the lock, the sale, the limit or the places.
    """
    work = ledger.work()
    tickets = [work.ticket(ticket_id) for ticket_id in dict.fromkeys(ticket_ids)]
    offering = work.get(Offering, offering_id, Unknown(what="offering"))
    wanted = len(tickets) if count is None else count
    _require_exchange(work, tickets, offering, wanted)
    owner_id = tickets[0].owner_id
    until = min(
        [at + timedelta(seconds=EXCHANGE_S), *(each.not_after for each in tickets)]
    )
    for ticket in tickets:
        if ticket.owner_id != owner_id:
            raise NotTheOwner(because=ticket.names(ticket.title_version))
        ticket.start_exchange(exchange_id=exchange_id, by=by, until=until, at=at)
    offering.require_on_sale(at=at)
    leaving = sum(each.offering_id == offering_id for each in tickets)
    allowances.taken(
        work,
        offering_id=offering_id,
        party_id=owner_id,
        order_id=exchange_id,
        count=wanted,
        limit=offering.purchase_limit + leaving,
        until=until,
        at=at,
    )
    held = stock.hold(
        work,
        desk,
        offering=offering,
        order_id=exchange_id,
        count=wanted,
        category=category,
        place=place,
        together=together or (offering.terms.together and wanted > 1),
        until=until,
        at=at,
    )
    order = work.add(
        Order.reserve(
            order_id=exchange_id,
            offering_id=offering_id,
            buyer_id=owner_id,
            lines=[asdict(each) for each in held],
            currency=offering.currency,
            until=until,
            partial_ok=False,
            in_exchange_for=tickets[0].id,
            at=at,
        )
    )
    residual_minor = sum(exchange_steps.residual_of(work, each) for each in tickets)
    try:
        position = work.record(cause)
    except Overtaken:
        desk.let_go([each.allotment_id for each in held])
        raise
    if cause.terms.dry:
        desk.let_go([each.allotment_id for each in held])
    return Quote(exchange_id, tuple(held), residual_minor, order.price, until, position)


@dataclass(frozen=True, slots=True)
class ExchangeNow:
    """An exchange as it stands; `residual_minor` is None once the old are gone."""

    exchange_id: UUID
    offering_id: UUID
    state: OrderState
    ticket_ids: tuple[UUID, ...]
    places: tuple[HeldPlace, ...]
    price: Money
    residual_minor: int | None
    until: datetime
    successors: tuple[UUID, ...]
    version: int


def look_at(
    ledger: Ledger, *, exchange_id: UUID, by: UUID, at: datetime
) -> ExchangeNow:
    """Tell the owner where his exchange stands. Raises `ExchangeUnknown` for others."""
    work = ledger.work()
    order, olds = _offered(work, exchange_id)
    if order.buyer_id != by:
        raise ExchangeUnknown
    state = order.state
    if state == OrderState.HELD and is_over(order.until, at):
        state = OrderState.EXPIRED
    residual_minor = None
    if state == OrderState.HELD:
        residual_minor = sum(exchange_steps.residual_of(work, each) for each in olds)
    return ExchangeNow(
        exchange_id,
        order.offering_id,
        state,
        tuple(each.id for each in olds),
        tuple(reservations.places_of(order)),
        order.price,
        residual_minor,
        order.until,
        tuple(each for each in order.tickets if each is not None),
        order.version,
    )


@dataclass(frozen=True, slots=True)
class Exchange:
    """The successors; `paid_minor` was paid now, or came back if negative."""

    successors: tuple[UUID, ...]
    residual_minor: int
    paid_minor: int
    position: int


def confirm_exchange(
    ledger: Ledger,
    desk: StockDesk,
    personal: PersonalData,
    *,
    exchange_id: UUID,
    by: UUID,
    ticket_ids: Sequence[UUID],
    entry_id: UUID,
    at: datetime,
    cause: Cause,
    paying: Sequence[Tender] = (),
    answers: Sequence[str | None] = (),
) -> Exchange:
    """Settle the balance and exchange, all in one commit.

    `ticket_ids` are for the successors, one for each place; `paying` sums to what is
    due. Raises `OrderExpired`, `BadTender`, `StillOnMedium`, `InsufficientFunds`, and
    what the ticket refuses.
    """
    work = ledger.work()
    order, olds = _offered(work, exchange_id)
    order.require_held_by(by, at)
    for ticket in olds:
        paying_back.require_surrendered(ticket)
    offering = work.get(Offering, order.offering_id, Unknown(what="offering"))
    residuals = [exchange_steps.residual_of(work, each) for each in olds]
    due = order.price.amount_minor - sum(residuals)
    paid, pool = exchange_steps.balance(
        work, order, offering, olds, due, paying, entry_id=entry_id, at=at
    )
    places = reservations.places_of(order)
    stock.sell(work, order_id=order.id, places=places, ticket_ids=ticket_ids, at=at)
    order.confirm(
        lines=range(len(places)),
        ticket_ids=ticket_ids,
        paid=paid,
        entry_id=entry_id if paid else None,
        by=by,
        at=at,
    )
    exchange_steps.end(
        work, olds, residuals, ticket_ids, exchange_id=exchange_id, at=at
    )
    exchange_steps.begin(
        work, personal, order, offering, olds, ticket_ids, answers, pool, at=at
    )
    position = work.record(cause)
    for offering_id in dict.fromkeys(each.offering_id for each in olds):
        waiting.serve(ledger, desk, offering_id=offering_id, at=at, cause=cause)
    return Exchange(tuple(ticket_ids), sum(residuals), due, position)


def give_up_exchange(
    ledger: Ledger,
    desk: StockDesk,
    *,
    exchange_id: UUID,
    by: UUID,
    at: datetime,
    cause: Cause,
) -> int:
    """Give an exchange up as its owner: old ticket and new places are free at once."""
    work = ledger.work()
    order, olds = _offered(work, exchange_id)
    order.release(by=by, at=at)
    reservations.let_go(work, order, at=at)
    for ticket in olds:
        if ticket.lock.ref == exchange_id:  # Else it has ended meanwhile.
            ticket.abort_exchange(exchange_id=exchange_id, reason="given up", at=at)
    position = work.record(cause)
    waiting.serve(ledger, desk, offering_id=order.offering_id, at=at, cause=cause)
    return position


# Below.


def _require_exchange(
    work: Work, tickets: Sequence[ETicket], offering: Offering, wanted: int
) -> None:
    """Raise unless these tickets may become so many places of this offering."""
    if not tickets or wanted < 1 or (len(tickets) > 1 and wanted != len(tickets)):
        raise BadExchange(says="One ticket becomes some; several become as many.")
    groups = {ticket.group_id for ticket in tickets}
    if len(tickets) > 1 and (len(groups) > 1 or None in groups):
        raise BadExchange(says="Several tickets are exchanged if they stay together.")
    paying_back.require_whole_groups(work, tickets)
    for ticket in tickets:
        if work.find(Order, ticket.order_id or ticket.id) is None:
            raise paying_back.NotPaidHere(because=ticket.names(1))
        same = (ticket.issuer_id, ticket.currency)
        if same != (offering.issuer_id, offering.currency):
            raise NotExchangeable(because=ticket.names(1))


def _offered(work: Work, exchange_id: UUID) -> tuple[Order, list[ETicket]]:
    """Return an exchange's order and the tickets that it was offered for."""
    order = work.find(Order, exchange_id)
    if order is None or order.in_exchange_for is None:
        raise ExchangeUnknown
    first = work.ticket(order.in_exchange_for)
    if first.group_size == 1 or not first.terms.together:
        return order, [first]
    bought = work.order(first.order_id) if first.order_id else order
    tickets = [work.ticket(each) for each in bought.tickets if each is not None]
    others = [each for each in tickets if each.id != first.id]
    return order, [
        first,
        *(each for each in others if _was_kept_for(work, each, exchange_id)),
    ]


def _was_kept_for(work: Work, ticket: ETicket, exchange_id: UUID) -> bool:
    """Whether the ticket is or was in this exchange; it may have ended meanwhile."""
    if (ticket.lock.kind, ticket.lock.ref) == (LockKind.EXCHANGE, exchange_id):
        return True
    return any(
        isinstance(event, ETicket.ExchangeStarted) and event.exchange_id == exchange_id
        for _, event in work.ledger.events_of(ticket.id)
    )
