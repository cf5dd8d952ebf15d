"""Waiting for places that are gone, and being first when some come free.

Whatever frees a place frees it for everybody; but nobody of the public gets one while
somebody waits for it (`stock.hold`). Instead it is promised to the first in line, for
`PROMISE_S`, by `serve`: whoever is refused for the line's sake has it served first,
and so has whoever joins, leaves or releases. No scheduler is needed; one that calls
`serve` only makes promises earlier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from ledger.aggregates.allotment import Allotment
from ledger.aggregates.allowance import LimitReached
from ledger.aggregates.offering import Offering
from ledger.aggregates.waiting_list import (
    NotWaiting,
    Promise,
    PromisedPlace,
    WaitingList,
)
from ledger.application import Cause, Ledger, Work, attempt
from ledger.errors import Overtaken, Refusal, Unknown
from ledger.ports import StockDesk
from ledger.usecases import stock, stock_search
from ledger.vocabulary.ids import promise_id, waiting_list_id

PROMISE_S = 1_800
PROMISES_MAX = 20


@dataclass(frozen=True, slots=True)
class Standing:
    """Where somebody stands: how many are before him (None: not in line), and what
    is promised to him."""

    before: int | None
    promises: Sequence[Promise]


def join(
    ledger: Ledger,
    desk: StockDesk,
    *,
    offering_id: UUID,
    party_id: UUID,
    count: int,
    category: str | None,
    at: datetime,
    cause: Cause,
) -> Standing:
    """Stand in line for up to `count` places of a category.

    What is free by now is promised at once. Raises `LimitReached`, `LineFull`,
    `CategoryUnknown` and what refuses a sale that is over.
    """
    work = ledger.work()
    offering = _offering(work, offering_id)
    offering.require_on_sale(at=max(at, offering.sale_from))
    if not 0 < count <= offering.purchase_limit:
        raise LimitReached(
            purchase_limit=offering.purchase_limit, because=offering.names(1)
        )
    list_id = waiting_list_id(offering_id)
    line = work.find(WaitingList, list_id)
    if line is None:
        line = work.add(
            WaitingList.begin(list_id=list_id, offering_id=offering_id, at=at)
        )
    _lapse(work, line, at)
    line.join(
        party_id=party_id,
        category=offering.category(category).name,
        count=count,
        at=at,
    )
    work.record(cause)
    return look(
        ledger, desk, offering_id=offering_id, party_id=party_id, at=at, cause=cause
    )


def leave(
    ledger: Ledger,
    desk: StockDesk,
    *,
    offering_id: UUID,
    party_id: UUID,
    at: datetime,
    cause: Cause,
) -> int:
    """Leave the line; what was promised goes to the next. Raises `NotWaiting`."""
    work = ledger.work()
    line = work.get(WaitingList, waiting_list_id(offering_id), NotWaiting())
    for promise in line.leave(party_id=party_id, at=at):
        _free(work, promise, at)
    position = work.record(cause)
    serve(ledger, desk, offering_id=offering_id, at=at, cause=cause)
    return position


def look(
    ledger: Ledger,
    desk: StockDesk,
    *,
    offering_id: UUID,
    party_id: UUID,
    at: datetime,
    cause: Cause,
) -> Standing:
    """Serve the line and tell somebody where he stands."""
    serve(ledger, desk, offering_id=offering_id, at=at, cause=cause)
    return standing(ledger, offering_id=offering_id, party_id=party_id, at=at)


def standing(
    ledger: Ledger, *, offering_id: UUID, party_id: UUID, at: datetime
) -> Standing:
    """Tell somebody where he stands by what is recorded, and change nothing."""
    line = ledger.find(WaitingList, waiting_list_id(offering_id))
    if line is None:
        return Standing(None, ())
    entry = line.line.get(party_id)
    before = None
    if entry is not None:
        same = [e for e in line.line.values() if e.category == entry.category]
        before = same.index(entry)
    return Standing(before, line.live_promises(party_id, at))


def serve(
    ledger: Ledger, desk: StockDesk, *, offering_id: UUID, at: datetime, cause: Cause
) -> int:
    """Promise what is free to those who wait, first come, first served.

    Promises that were not taken in time go to the next. Return how many were made, at
    most `PROMISES_MAX`; 0 as well when others serve the line at this very moment, or
    when nothing is to be recorded.
    """
    if cause.terms.dry:
        return 0
    try:
        return attempt(lambda: _serve(ledger, desk, offering_id, at, cause))
    except Overtaken:
        return 0


def _serve(
    ledger: Ledger, desk: StockDesk, offering_id: UUID, at: datetime, cause: Cause
) -> int:
    work = ledger.work()
    line = work.find(WaitingList, waiting_list_id(offering_id))
    if line is None or not (line.line or line.promises):
        return 0
    offering = _offering(work, offering_id)
    _lapse(work, line, at)
    made = 0
    try:
        offering.require_on_sale(at=at)
    except Refusal:
        pass  # Nothing can be promised; that some were not taken is recorded.
    else:
        for category in offering.categories:
            most = PROMISES_MAX - made
            made += _promise(work, desk, offering, line, category, most, at)
    try:
        work.record(cause)
    except Overtaken:
        desk.let_go([each.id for each in work.touched(Allotment)])
        raise
    return made


def redeem(
    work: Work,
    *,
    promise: Promise,
    offering: Offering,
    order_id: UUID,
    count: int,
    until: datetime,
    at: datetime,
) -> list[stock.HeldPlace]:
    """Turn promised places into an order's, inside its commit. Raises `PromiseOver`."""
    line = work.get(WaitingList, waiting_list_id(offering.id), NotWaiting())
    places = promise.places[:count]
    line.redeem(promise_id=promise.promise_id, places=places, order_id=order_id, at=at)
    price = offering.category(promise.category)
    for stream_id, names in _by_allotment(places).items():
        allotment = work.get(Allotment, stream_id, Unknown(what="allotment"))
        allotment.release(holder_id=promise.promise_id, places=names, at=at)
        allotment.hold(holder_id=order_id, places=names, until=until, at=at)
    return [
        stock.HeldPlace(
            each.allotment_id,
            each.place,
            price.name,
            price.price_minor,
            price.fees_minor,
        )
        for each in places
    ]


def served(work: Work, *, offering_id: UUID, party_id: UUID, at: datetime) -> None:
    """Let somebody leave the line who bought in the presale, inside that commit."""
    line = work.get(WaitingList, waiting_list_id(offering_id), NotWaiting())
    line.leave(party_id=party_id, at=at)


def _promise(
    work: Work,
    desk: StockDesk,
    offering: Offering,
    line: WaitingList,
    category: str | None,
    most: int,
    at: datetime,
) -> int:
    until = at + timedelta(seconds=PROMISE_S)
    for made in range(most):
        entry = line.first(category)
        if entry is None:
            return made
        found = stock_search.gather(
            work,
            desk,
            offering=offering,
            count=entry.count,
            category=category,
            together=False,
            at=at,
        )
        if not found:
            return made
        promised = promise_id(line.id, line.version)
        for allotment, places in found:
            allotment.hold(
                holder_id=promised, places=places, until=until, promised=True, at=at
            )
        line.promise(
            promise_id=promised,
            party_id=entry.party_id,
            places=[
                PromisedPlace(allotment.id, place)
                for allotment, places in found
                for place in places
            ],
            until=until,
            at=at,
        )
    return most


def _lapse(work: Work, line: WaitingList, at: datetime) -> None:
    for promise in line.overdue(at):
        line.lapse(promise_id=promise.promise_id, at=at)
        _free(work, promise, at)


def _free(work: Work, promise: Promise, at: datetime) -> None:
    for stream_id, names in _by_allotment(promise.places).items():
        allotment = work.find(Allotment, stream_id)
        if allotment is not None:
            allotment.release(holder_id=promise.promise_id, places=names, at=at)


def _by_allotment(places: Sequence[PromisedPlace]) -> dict[UUID, list[str]]:
    found: dict[UUID, list[str]] = {}
    for each in places:
        found.setdefault(each.allotment_id, []).append(each.place)
    return found


def _offering(work: Work, offering_id: UUID) -> Offering:
    return work.get(Offering, offering_id, Unknown(what="offering"))
