"""Looking for free places: which allotments to load, and what became of their holds.

The desk says where to look, and is told what was seen; the streams decide. What an
allotment holds for an order whose time should be over is asked of that order: it is
booked if it was paid, and freed if the order has ended, in the commit of whoever came
by. Ending the order and freeing its places are one commit, so a payment at the same
moment either was first or meets the ended order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from uuid import UUID

from ledger.aggregates.allotment import Allotment
from ledger.aggregates.base import Recorded, is_over
from ledger.aggregates.offering import Offering
from ledger.aggregates.order import Order, OrderState
from ledger.application import Work
from ledger.errors import Overtaken
from ledger.ports import (
    StockDesk,
    StockHold,
    StockLayout,
    StockPart,
    StockState,
    StockWish,
)
from ledger.vocabulary.ids import allotment_id

# So many allotments may disappoint one command before it asks to be tried again.
DISAPPOINTED_MAX = 25
# So many that nobody has looked at for long does it look into before it gives up.
UNSEEN_MAX = 2


def gather(
    work: Work,
    desk: StockDesk,
    *,
    offering: Offering,
    count: int,
    category: str | None,
    together: bool,
    at: datetime,
) -> list[tuple[Allotment, list[str]]]:
    """Find up to `count` free places of a category; hold nothing yet.

    What was held and is over is booked or freed on the way. Raises `Overtaken` when
    there is much to look into: what was learned is kept, so trying again goes on.
    """
    wish = StockWish(layout(offering), category, count, together)
    found: list[tuple[Allotment, list[str]]] = []
    missing, disappointed = count, 0
    mine = _mine(work, offering, category)
    for part in chain(mine, _claimed(work, desk, offering, wish, mine, at)):
        settle(work, part, at)
        chosen = part.choose(missing, together=together)
        if chosen:
            found.append((part, chosen))
            missing -= len(chosen)
        elif part not in mine:
            desk.tell([_state(part, ())])
            desk.look_again(part.id, at=at)
            disappointed += 1
        if not missing:
            break
        if disappointed == DISAPPOINTED_MAX:
            raise Overtaken
    return found


def named(
    work: Work, *, offering: Offering, place: str, category: str | None, at: datetime
) -> list[tuple[Allotment, list[str]]]:
    """Return a named place with its allotment, free or not. Raises `PlaceUnknown`."""
    part = allotment(work, offering, offering.part_of(place, category), at)
    settle(work, part, at)
    return [(part, [place])]


def settle(work: Work, part: Allotment, at: datetime) -> None:
    """Book or free what is held in an allotment and should be over by now.

    So is what an order holds that this very command has ended.
    """
    ended = {order.id for order in work.touched(Order) if order.has_ended}
    for holder_id, places in part.overdue(at, ended=ended).items():
        order = work.find(Order, holder_id)
        if order is None:  # A promise: its time alone ends it.
            part.release(holder_id=holder_id, at=at)
            continue
        if order.state == OrderState.HELD and is_over(order.until, at):
            order.expire(at=at)
        if order.state == OrderState.CONFIRMED:
            tickets = tickets_of(order, part)
            part.book(order_id=holder_id, tickets=tickets, at=at)
        if order.state == OrderState.CONFIRMED or order.has_ended:
            part.release(holder_id=holder_id, places=places, at=at)


def allotment(work: Work, offering: Offering, number: int, at: datetime) -> Allotment:
    """Return a part of the stock; begin it if nobody has asked for it yet."""
    stream_id = allotment_id(offering.id, number)
    found = work.find(Allotment, stream_id)
    return found or work.add(begun(offering, number, at))


def begun(offering: Offering, number: int, at: datetime) -> Allotment:
    """Return a part as it was before anybody had asked for it."""
    stream_id = allotment_id(offering.id, number)
    part = offering.part(number)
    opened = Allotment.open(
        allotment_id=stream_id, offering_id=offering.id, part=part, at=at
    )
    for place in part.places:
        before = offering.taken_before.get(place)
        if before is not None:
            opened.hold(holder_id=before, places=[place], until=at, at=at)
    return opened


def tickets_of(order: Order, allotment: Allotment) -> dict[str, UUID]:
    """The tickets of an order in one allotment, by place.

    In an order of version 1 no line names an allotment; its places have one name.
    """
    return {
        line.place: ticket_id
        for line, ticket_id in zip(order.lines, order.tickets, strict=True)
        if ticket_id is not None and line.allotment_id in (allotment.id, None)
    }


def layout(offering: Offering) -> StockLayout:
    """Return what the desk may ask about an offering's stock."""
    return StockLayout(offering.id, offering.parts, lambda: _parts(offering))


def telling(
    desk: StockDesk,
) -> Callable[[Sequence[tuple[Recorded, Sequence[Recorded.Event]]]], None]:
    """Return what tells the desk of every commit (`Ledger.hear`)."""

    def tell(recorded: Sequence[tuple[Recorded, Sequence[Recorded.Event]]]) -> None:
        orders = [each for each, _ in recorded if isinstance(each, Order)]
        paid = [each.id for each in orders if each.state == OrderState.CONFIRMED]
        ended = [each.id for each in orders if each.has_ended]
        if paid or ended:
            desk.settle(paid=paid, ended=ended)
        states = [
            _state(each, events)
            for each, events in recorded
            if isinstance(each, Allotment)
        ]
        if states:
            desk.tell(states)

    return tell


def _mine(work: Work, offering: Offering, category: str | None) -> list[Allotment]:
    """The allotments that this command works on; it needs no lease of these."""
    return [
        each
        for each in work.touched(Allotment)
        if each.offering_id == offering.id and each.category == category
    ]


def _claimed(
    work: Work,
    desk: StockDesk,
    offering: Offering,
    wish: StockWish,
    mine: Sequence[Allotment],
    at: datetime,
) -> Iterator[Allotment]:
    """Yield allotments to look into, until nothing is left as far as is known."""
    seen = [each.number for each in mine]
    while (number := desk.claim(wish, without=seen, at=at)) is not None:
        seen.append(number)
        yield allotment(work, offering, number, at)
    for _ in range(UNSEEN_MAX):
        number = desk.claim_unseen(wish, without=seen, at=at)
        if number is None:
            return
        seen.append(number)
        yield allotment(work, offering, number, at)


def _parts(offering: Offering) -> Iterator[StockPart]:
    for number, category, places in offering.sizes():
        stream_id = allotment_id(offering.id, number)
        yield StockPart(number, stream_id, category, places)


def _state(allotment: Allotment, events: Sequence[Recorded.Event]) -> StockState:
    new = [
        StockHold(event.holder_id, len(event.places), event.until)
        for event in events
        if isinstance(event, Allotment.PlacesHeld)
    ]
    return StockState(
        offering_id=allotment.offering_id,
        number=allotment.number,
        category=allotment.category,
        allotment_id=allotment.id,
        # What is not committed yet has no version that the desk may know.
        version=allotment.version - len(allotment.pending_events),
        free=len(allotment.free),
        longest_run=allotment.longest_run,
        holders=frozenset(hold.holder_id for hold in allotment.held.values()),
        new_holds=tuple(new),
    )
