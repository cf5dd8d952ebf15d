"""Finding, holding, selling and taking back places, so that many can buy at once.

Steps for others' commands: each works on the caller's `Work` and records nothing. The
desk only says where to look; the allotments' streams decide.

Paying writes no allotment. An allotment says which order had a place first, and the
order says what became of it; whoever looks for places later asks the orders whose time
should be over, and books or frees what they held, in the same commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from ledger.aggregates.allotment import Allotment, Hold, SoldOut
from ledger.aggregates.base import is_over
from ledger.aggregates.e_ticket import ETicket
from ledger.aggregates.offering import Offering
from ledger.aggregates.order import LINES_MAX, Order, OrderState
from ledger.aggregates.waiting_list import WaitingList
from ledger.application import Ledger, Work
from ledger.errors import Conflict, Malformed, Unknown
from ledger.ports import StockDesk
from ledger.usecases import stock_search as search
from ledger.vocabulary.ids import allotment_id, waiting_list_id

TAKEN_MAX = 1_000


class BadCount(Malformed):
    code = "malformed"
    says = "1 to {places_max} places at once, and as many tickets."


class HoldUnknown(Conflict):
    code = "expired"
    says = "The reservation is no longer held."


class LineFirst(SoldOut):
    says = "What is left goes first to those who wait for it."


@dataclass(frozen=True, slots=True)
class HeldPlace:
    """A place for an order or a ticket, at the price quoted now."""

    allotment_id: UUID
    place: str
    category: str | None
    price_minor: int
    fees_minor: int


Fate: TypeAlias = Literal["free", "held", "sold"]


@dataclass(frozen=True, slots=True)
class StockCount:
    """Where an offering's places are; the last three sum to the first."""

    capacity: int
    free: int
    held: int
    sold: int


def hold(
    work: Work,
    desk: StockDesk,
    *,
    offering: Offering,
    order_id: UUID,
    count: int,
    category: str | None,
    place: str | None,
    together: bool,
    until: datetime,
    at: datetime,
    partial: bool = False,
    before_the_line: bool = False,
) -> list[HeldPlace]:
    """Hold places for an order: a named one, or `count` of a category.

    With `partial` fewer will do. While somebody waits for the category, nothing is
    left for others (`LineFirst`), unless `before_the_line`. Raises `SoldOut`,
    `PlaceTaken`, `PlaceUnknown`, `CategoryUnknown`.
    """
    if not 0 < count <= LINES_MAX:
        raise BadCount(places_max=LINES_MAX)
    found = _find(
        work,
        desk,
        offering=offering,
        count=count,
        category=category,
        place=place,
        together=together,
        at=at,
    )
    try:
        if not before_the_line:
            # Asked after the places were loaded: who joined before one of them was
            # freed is seen here.
            for allotment, _ in found:
                _require_no_line(work, offering.id, allotment.category)
        _require(found, 1 if partial else count)
    except SoldOut:
        desk.let_go([allotment.id for allotment, _ in found])
        raise
    for allotment, places in found:
        allotment.hold(holder_id=order_id, places=places, until=until, at=at)
    return _priced(offering, found)


def sell(
    work: Work,
    *,
    order_id: UUID,
    places: Sequence[HeldPlace],
    ticket_ids: Sequence[UUID],
    at: datetime,
) -> None:
    """Turn an order's places into tickets, with the order's own confirmation.

    The order is what two buyers of one place would meet in: its places are given to
    somebody else only in a commit that ends it. Raises `HoldUnknown`.
    """
    if len(places) != len(ticket_ids):
        raise BadCount(places_max=LINES_MAX)
    order = work.order(order_id)
    late = order.state == OrderState.HELD and is_over(order.until, at)
    if late or order.has_ended:
        raise HoldUnknown(because=order.names(order.version))


def release(
    work: Work, *, order_id: UUID, places: Sequence[HeldPlace], at: datetime
) -> None:
    """Free places that an order holds; those it does not hold are left alone."""
    for stream_id in dict.fromkeys(each.allotment_id for each in places):
        allotment = work.find(Allotment, stream_id)
        if allotment is not None:
            names = {each.place for each in places if each.allotment_id == stream_id}
            allotment.release(holder_id=order_id, places=names, at=at)


def take(
    work: Work,
    desk: StockDesk,
    *,
    offering: Offering,
    count: int,
    category: str | None,
    place: str | None,
    ticket_ids: Sequence[UUID],
    at: datetime,
    together: bool = False,
) -> list[HeldPlace]:
    """Sell free places at once: granted, sold elsewhere, imported, paid late.

    `ticket_ids` are as many as `count`, in the order of the places. Those who wait are
    not asked: the issuer, or a sale that has happened, goes before. Raises `SoldOut`.
    """
    if not 0 < count == len(ticket_ids) <= TAKEN_MAX:
        raise BadCount(places_max=TAKEN_MAX)
    found = _find(
        work,
        desk,
        offering=offering,
        count=count,
        category=category,
        place=place,
        together=together,
        at=at,
    )
    _require(found, count)
    tickets = iter(ticket_ids)
    for allotment, places in found:
        allotment.take(tickets=dict(zip(places, tickets, strict=False)), at=at)
    return _priced(offering, found)


def return_place(
    work: Work, *, offering_id: UUID, ticket_id: UUID, at: datetime
) -> bool:
    """Free the place of a ticket that has ended; False if it has none.

    The order says where it is; for a ticket without an order the part that its right
    names is looked into first, then all of them.
    """
    offering = work.find(Offering, offering_id)
    ticket = work.find(ETicket, ticket_id)
    if offering is None or ticket is None:
        return False
    ordered = _ordered_place(work, ticket)
    if ordered is not None:
        stream_id, place = ordered
        allotment = work.find(Allotment, stream_id)
        if allotment is not None:
            return _give_back(allotment, place, ticket, at)
    for number in _likely_parts(offering, ticket):
        begun = work.find(Allotment, allotment_id(offering_id, number)) is not None
        if not begun and not offering.taken_before:
            continue
        allotment = search.allotment(work, offering, number, at)
        booked = allotment.place_of(ticket_id)
        if booked is not None:
            return _give_back(allotment, booked, ticket, at)
        if _give_back(allotment, ticket.right, ticket, at):
            return True
    return False


def count(
    ledger: Ledger, offering_id: UUID, *, at: datetime | None = None
) -> StockCount:
    """Count an offering's places from the streams themselves.

    With `at`, holds whose time is over count as free, recorded or not.
    """
    work = ledger.work()
    offering = work.get(Offering, offering_id, Unknown(what="offering"))
    free = held = sold = 0
    for number in range(1, offering.parts + 1):
        allotment = search.allotment(work, offering, number, offering.valid_until)
        free += len(allotment.free)
        sold += len(allotment.sold)
        for place, kept in allotment.held.items():
            order = work.find(Order, kept.holder_id)
            became = fate(order, allotment, place, kept, at)
            free += became == "free"
            held += became == "held"
            sold += became == "sold"
    return StockCount(offering.capacity, free, held, sold)


def _find(
    work: Work,
    desk: StockDesk,
    *,
    offering: Offering,
    count: int,
    category: str | None,
    place: str | None,
    together: bool,
    at: datetime,
) -> list[tuple[Allotment, list[str]]]:
    if place is not None:
        return search.named(
            work, offering=offering, place=place, category=category, at=at
        )
    return search.gather(
        work,
        desk,
        offering=offering,
        count=count,
        category=offering.category(category).name,
        together=together,
        at=at,
    )


def _ordered_place(work: Work, ticket: ETicket) -> tuple[UUID, str] | None:
    order = work.find(Order, ticket.order_id) if ticket.order_id else None
    if order is None or ticket.id not in order.tickets:
        return None
    line = order.line_of(ticket.id)
    return (line.allotment_id, line.place) if line.allotment_id else None


def _likely_parts(offering: Offering, ticket: ETicket) -> Iterable[int]:
    parts = range(1, offering.parts + 1)
    try:
        likely = offering.part_of(ticket.right, ticket.category)
    except Malformed:
        return parts
    return (likely, *(number for number in parts if number != likely))


def _give_back(allotment: Allotment, place: str, ticket: ETicket, at: datetime) -> bool:
    if not allotment.belongs(place, ticket_id=ticket.id, order_id=ticket.order_id):
        return False
    allotment.give_back(
        place=place, ticket_id=ticket.id, order_id=ticket.order_id, at=at
    )
    return True


def fate(
    order: Order | None,
    allotment: Allotment,
    place: str,
    kept: Hold,
    at: datetime | None,
) -> Fate:
    """Say what became of a place that an order holds, or a promise without one.

    By a moment; without `at`, as recorded.
    """
    if order is None:  # A promise.
        return "free" if at is not None and is_over(kept.until, at) else "held"
    if order.state == OrderState.CONFIRMED:
        return "sold" if place in search.tickets_of(order, allotment) else "free"
    over = at is not None and is_over(order.until, at)
    if order.has_ended or (over and order.state == OrderState.HELD):
        return "free"
    return "held"


def _require(found: Sequence[tuple[Allotment, Sequence[str]]], count: int) -> None:
    if sum(len(places) for _, places in found) < count:
        raise SoldOut


def _require_no_line(work: Work, offering_id: UUID, category: str | None) -> None:
    line = work.find(WaitingList, waiting_list_id(offering_id))
    first = line.first(category) if line is not None else None
    if line is not None and first is not None:
        raise LineFirst(because=line.names(first.version))


def _priced(
    offering: Offering, found: Sequence[tuple[Allotment, Sequence[str]]]
) -> list[HeldPlace]:
    return [
        HeldPlace(allotment.id, place, price.name, price.price_minor, price.fees_minor)
        for allotment, places in found
        for price in [offering.category(allotment.category)]
        for place in places
    ]
