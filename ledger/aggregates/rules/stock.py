"""What stock needs: a place is free, held or sold, and never two of these.

Beside it, what counts a party's share of an offering, and who waits for what is gone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from ledger.aggregates.allotment import Allotment
from ledger.aggregates.allowance import Allowance
from ledger.aggregates.base import is_over
from ledger.aggregates.batch import Batch
from ledger.aggregates.offering import Offering
from ledger.aggregates.offering.checks import Category, check_blocks, check_categories
from ledger.aggregates.offering.layout import Block
from ledger.aggregates.rules.kernel import always, check, check_distinct, rule
from ledger.aggregates.waiting_list import LINE_MAX, Promise, PromisedPlace, WaitingList
from ledger.vocabulary.ids import allotment_id, allowance_id, waiting_list_id

# ---- offerings


@rule(Offering.Opened)
def opened(_: None, event: Offering.Opened) -> None:
    categories = [Category(**each) for each in event.categories]
    check_categories(categories)
    check_blocks(_blocks(event.blocks), {each.name for each in categories}, ())
    check(event.purchase_limit >= 1, "nobody may buy any")
    periods = (event.sale_from, event.sale_until), (event.valid_from, event.valid_until)
    for begins, ends in periods:
        check(begins < ends, "a period ends before it begins")


@rule(Offering.Extended)
def extended(offering: Offering, event: Offering.Extended) -> None:
    _require_not_cancelled(offering)
    before = offering._blocks()
    check_blocks(_blocks(event.blocks), set(offering.categories), before)


@rule(Offering.Repriced)
def repriced(offering: Offering, event: Offering.Repriced) -> None:
    _require_not_cancelled(offering)
    offering.category(event.category)
    price, fees = event.price_minor, event.fees_minor
    check_categories([Category(event.category, price, fees)])


@rule(Offering.Cancelled)
def cancelled(offering: Offering, _: Offering.Cancelled) -> None:
    _require_not_cancelled(offering)


@rule(Offering.PlaceHeld)
def place_held(offering: Offering, event: Offering.PlaceHeld) -> None:
    offering.part_of(event.place, None)
    check(event.place not in offering.taken_before, "the place is taken")


@rule(Offering.PlaceReleased, Offering.PlaceSold)
def place_settled(
    offering: Offering, event: Offering.PlaceReleased | Offering.PlaceSold
) -> None:
    taken_by = offering.taken_before.get(event.place)
    check(taken_by == event.order_id, "the place is not held for this order")


def _require_not_cancelled(offering: Offering) -> None:
    check(not offering.cancelled_version, "it was cancelled before")


def _blocks(stored: Iterable[dict[str, Any]]) -> list[Block]:
    return [
        Block(each["category"], tuple(each["names"]), each["count"]) for each in stored
    ]


# ---- allotments


@rule(Allotment.Opened)
def part_opened(_: None, event: Allotment.Opened) -> None:
    named = allotment_id(event.offering_id, event.number)
    check(event.originator_id == named, "this part has another stream")
    check_distinct(event.places, "places")


@rule(Allotment.PlacesHeld)
def places_held(allotment: Allotment, event: Allotment.PlacesHeld) -> None:
    check_distinct(event.places, "places")
    allotment._require_free(event.places)


@rule(Allotment.PlacesReleased)
def places_released(allotment: Allotment, event: Allotment.PlacesReleased) -> None:
    check_distinct(event.places, "places")
    held = set(allotment._held_by(event.holder_id))
    check(set(event.places) <= held, "it does not hold these places")


@rule(Allotment.PlacesSold)
def places_sold(allotment: Allotment, event: Allotment.PlacesSold) -> None:
    """D1: what an order held, or what was free."""
    check_distinct(event.places, "places")
    check_distinct(event.ticket_ids, "tickets")
    if event.order_id is None:
        allotment._require_free(event.places)
    else:
        held = set(allotment._held_by(event.order_id))
        check(set(event.places) <= held, "the order does not hold these places")


@rule(Allotment.PlaceGivenBack)
def place_given_back(allotment: Allotment, event: Allotment.PlaceGivenBack) -> None:
    """Of a ticket whose sale was booked, or whose order still holds the place."""
    sold = allotment.sold.get(event.place)
    if sold is None:
        check(event.place in allotment.held, "the place is free")
    else:
        check(sold.ticket_id == event.ticket_id, "the place is another ticket's")


# ---- allowances


@rule(Allowance.Begun)
def allowance_begun(_: None, event: Allowance.Begun) -> None:
    named = allowance_id(event.offering_id, event.party_id)
    check(event.originator_id == named, "this share has another stream")


@rule(Allowance.Held)
def allowance_held(_: Allowance, event: Allowance.Held) -> None:
    check(event.count >= 1, "it holds none")


@rule(Allowance.Released)
def allowance_released(allowance: Allowance, event: Allowance.Released) -> None:
    check(event.order_id in allowance.holds, "the order holds none")


@rule(Allowance.Bought)
def bought(allowance: Allowance, event: Allowance.Bought) -> None:
    check_distinct(event.ticket_ids, "tickets")
    fresh = allowance.owned.keys().isdisjoint(event.ticket_ids)
    check(fresh, "a ticket is counted already")


@rule(Allowance.Gained)
def gained(allowance: Allowance, event: Allowance.Gained) -> None:
    check(event.ticket_id not in allowance.owned, "the ticket is counted already")


@rule(Allowance.Lost)
def lost(allowance: Allowance, event: Allowance.Lost) -> None:
    check(event.ticket_id in allowance.owned, "the ticket is not counted")


always(Allowance.Resold)  # The ticket's own stream moves its title once.


@rule(Allowance.ResaleUndone)
def resale_undone(allowance: Allowance, _: Allowance.ResaleUndone) -> None:
    check(allowance.resold > 0, "nothing was resold")


# ---- waiting lists


@rule(WaitingList.Begun)
def line_begun(_: None, event: WaitingList.Begun) -> None:
    named = waiting_list_id(event.offering_id)
    check(event.originator_id == named, "this line has another stream")


@rule(WaitingList.Joined)
def joined(line: WaitingList, event: WaitingList.Joined) -> None:
    stands = event.party_id in line.line or line.promised_to(event.party_id)
    check(not stands, "he stands in line already")
    check(len(line.line) < LINE_MAX, "the line is full")
    check(event.count >= 1, "he waits for nothing")


@rule(WaitingList.Left)
def left(line: WaitingList, event: WaitingList.Left) -> None:
    stands = event.party_id in line.line or line.promised_to(event.party_id)
    check(stands, "he does not stand in line")


@rule(WaitingList.Promised)
def promised(line: WaitingList, event: WaitingList.Promised) -> None:
    entry = line.line.get(event.party_id)
    first = None if entry is None else line.first(entry.category)
    check(entry is not None and first == entry, "he is not the first in line")
    assert entry is not None
    check(0 < len(event.places) <= entry.count, "it is more than he waits for")
    check(event.promise_id not in line.promises, "that was promised before")


@rule(WaitingList.Redeemed)
def redeemed(line: WaitingList, event: WaitingList.Redeemed) -> None:
    promise = _promise(line, event)
    check(not is_over(promise.until, event.timestamp), "its time was over")
    _require_of(promise, [PromisedPlace(**place) for place in event.places])


@rule(WaitingList.Lapsed)
def lapsed(line: WaitingList, event: WaitingList.Lapsed) -> None:
    until = _promise(line, event).until
    check(is_over(until, event.timestamp), "its time is not over")


def _promise(
    line: WaitingList, event: WaitingList.Redeemed | WaitingList.Lapsed
) -> Promise:
    promise = line.promises.get(event.promise_id)
    check(promise, "nothing is promised so")
    assert promise is not None
    return promise


def _require_of(promise: Promise, places: Collection[PromisedPlace]) -> None:
    check_distinct(places, "places")
    check(set(places) <= set(promise.places), "other places were promised")


# ---- batches of rows


@rule(Batch.Started)
def started(_: None, event: Batch.Started) -> None:
    check(event.count >= 1, "it has no row")


@rule(Batch.PlacesHeld)
def batch_held(batch: Batch, event: Batch.PlacesHeld) -> None:
    check_distinct(event.places, "places")
    check(len(batch.places) + len(event.places) <= batch.count, "it has no more rows")


@rule(Batch.GivenUp)
def given_up(batch: Batch, _: Batch.GivenUp) -> None:
    check(not batch.completed, "it is complete")


@rule(Batch.Advanced)
def advanced(batch: Batch, event: Batch.Advanced) -> None:
    check(len(batch.places) == batch.count, "not all rows have a place")
    check(batch.issued < event.upto <= batch.count, "it does not advance")


@rule(Batch.Completed)
def completed(batch: Batch, _: Batch.Completed) -> None:
    check(batch.issued == batch.count, "rows are missing")
    check(not batch.completed, "it is complete")
