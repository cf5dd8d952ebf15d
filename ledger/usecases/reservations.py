"""Reserving places for ten minutes, and giving them up again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

from ledger.aggregates.allotment import PlaceTaken
from ledger.aggregates.offering import Offering
from ledger.aggregates.order import Order
from ledger.aggregates.waiting_list import Promise, WaitingList
from ledger.application import Cause, Ledger, Work
from ledger.errors import Overtaken, Unknown
from ledger.ports import StockDesk
from ledger.usecases import allowances, stock, waiting
from ledger.usecases.stock import HeldPlace
from ledger.vocabulary.ids import waiting_list_id
from ledger.vocabulary.money import Money

HOLD_S = 600


@dataclass(frozen=True, slots=True)
class Reservation:
    order_id: UUID
    places: tuple[HeldPlace, ...]
    price: Money
    """What all places cost, fees included."""
    held_until: datetime
    position: int

    @property
    def place(self) -> str:
        """The first place's name."""
        return self.places[0].place


def reserve(
    ledger: Ledger,
    desk: StockDesk,
    *,
    order_id: UUID,
    offering_id: UUID,
    buyer_id: UUID,
    at: datetime,
    cause: Cause,
    place: str | None = None,
    places: Sequence[str] = (),
    count: int = 1,
    category: str | None = None,
    together: bool = False,
    partial_ok: bool = False,
    in_exchange_for: UUID | None = None,
) -> Reservation:
    """Hold places for a buyer for ten minutes, at the prices quoted now.

    What is promised to him is his; while others wait, nothing else is. Raises
    `SoldOut`, `PlaceTaken`, `LimitReached` and what refuses a sale that is not open.
    """
    named = (place,) if place is not None else tuple(places)
    asked = _Asked(
        order_id=order_id,
        offering_id=offering_id,
        buyer_id=buyer_id,
        places=named,
        count=len(named) or count,
        category=category,
        together=together,
        partial_ok=partial_ok,
        in_exchange_for=in_exchange_for,
        until=at + timedelta(seconds=HOLD_S),
        at=at,
    )
    try:
        return _reserve(ledger, desk, asked, cause)
    except stock.LineFirst:
        # What is free belongs to those who wait: they get it, then he asks again.
        waiting.serve(ledger, desk, offering_id=offering_id, at=at, cause=cause)
        return _reserve(ledger, desk, asked, cause)


def release(
    ledger: Ledger,
    desk: StockDesk,
    *,
    order_id: UUID,
    by: UUID,
    at: datetime,
    cause: Cause,
) -> int:
    """Give a reservation up; its places go to those who wait, or are free again."""
    work = ledger.work()
    order = work.order(order_id)
    order.release(by=by, at=at)
    let_go(work, order, at=at)
    position = work.record(cause)
    waiting.serve(ledger, desk, offering_id=order.offering_id, at=at, cause=cause)
    return position


def let_go(work: Work, order: Order, *, at: datetime) -> None:
    """Free what an order that has ended held: its places and its share."""
    stock.release(work, order_id=order.id, places=places_of(order), at=at)
    allowances.given_back(
        work,
        offering_id=order.offering_id,
        party_id=order.buyer_id,
        order_id=order.id,
        at=at,
    )


def places_of(order: Order) -> list[HeldPlace]:
    """Return the places of an order, as `stock` speaks of them."""
    return [
        HeldPlace(
            line.allotment_id,
            line.place,
            line.category,
            line.price_minor,
            line.fees_minor,
        )
        for line in order.lines
        if line.allotment_id is not None
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What a buyer asks for: places by name, or `count` of a category."""

    order_id: UUID
    offering_id: UUID
    buyer_id: UUID
    places: tuple[str, ...]
    count: int
    category: str | None
    together: bool
    partial_ok: bool
    in_exchange_for: UUID | None
    until: datetime
    at: datetime


def _reserve(
    ledger: Ledger, desk: StockDesk, asked: _Asked, cause: Cause
) -> Reservation:
    work = ledger.work()
    offering = work.get(Offering, asked.offering_id, Unknown(what="offering"))
    # Looked at, not kept: the line is asked again once the places are loaded.
    line = ledger.find(WaitingList, waiting_list_id(offering.id))
    waits = line is not None and asked.buyer_id in line.line
    offering.require_on_sale(at=asked.at, waiting=waits)
    _count(work, offering, asked, asked.count)
    promise = _promise(line, offering, asked) if line is not None else None
    if promise is not None:
        held = waiting.redeem(
            work,
            promise=promise,
            offering=offering,
            order_id=asked.order_id,
            count=asked.count,
            until=asked.until,
            at=asked.at,
        )
    else:
        presale = waits and asked.at < offering.sale_from
        held = _held(work, desk, offering, asked, presale=presale)
        if presale:
            waiting.served(
                work, offering_id=offering.id, party_id=asked.buyer_id, at=asked.at
            )
    if len(held) < asked.count:
        _count(work, offering, asked, len(held))
    order = work.add(
        Order.reserve(
            order_id=asked.order_id,
            offering_id=offering.id,
            buyer_id=asked.buyer_id,
            lines=[asdict(each) for each in held],
            currency=offering.currency,
            until=asked.until,
            partial_ok=asked.partial_ok,
            in_exchange_for=asked.in_exchange_for,
            at=asked.at,
        )
    )
    try:
        position = work.record(cause)
    except Overtaken:
        desk.let_go([each.allotment_id for each in held])
        raise
    return Reservation(order.id, tuple(held), order.price, asked.until, position)


def _count(work: Work, offering: Offering, asked: _Asked, count: int) -> None:
    allowances.taken(
        work,
        offering_id=offering.id,
        party_id=asked.buyer_id,
        order_id=asked.order_id,
        count=count,
        limit=offering.purchase_limit,
        until=asked.until,
        at=asked.at,
    )


def _promise(line: WaitingList, offering: Offering, asked: _Asked) -> Promise | None:
    """Return the promise from which all can be had that is asked; the oldest."""
    if asked.places:
        return None
    category = offering.category(asked.category).name
    for promise in line.live_promises(asked.buyer_id, asked.at):
        enough = asked.partial_ok or asked.count <= len(promise.places)
        if promise.category == category and enough:
            return promise
    return None


def _held(
    work: Work, desk: StockDesk, offering: Offering, asked: _Asked, *, presale: bool
) -> list[HeldPlace]:
    wanted: list[tuple[str | None, int]] = [(place, 1) for place in asked.places]
    held: list[HeldPlace] = []
    refused: PlaceTaken | None = None
    for place, count in wanted or [(None, asked.count)]:
        try:
            held += stock.hold(
                work,
                desk,
                offering=offering,
                order_id=asked.order_id,
                count=count,
                category=asked.category,
                place=place,
                together=asked.together,
                until=asked.until,
                at=asked.at,
                partial=asked.partial_ok,
                before_the_line=presale,
            )
        except PlaceTaken as taken:
            if not asked.partial_ok:
                raise
            refused = taken
    if refused is not None and not held:
        raise refused
    return held
