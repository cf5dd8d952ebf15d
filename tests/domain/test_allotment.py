"""A part of the stock: whatever is done, no place is had twice and none disappears."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.aggregates.allotment import Allotment, NotSold, PlaceTaken
from ledger.aggregates.offering import Part, PlaceUnknown
from ledger.errors import Refusal
from ledger.vocabulary.ids import allotment_id
from tests.domain.examples import NOON, OFFERING

SEATS = ("A1", "A2", "A3", "A4", "A5", "A6")
TEN_MINUTES = timedelta(minutes=10)
ORDER, OTHER, TICKET = (UUID(int=n) for n in (301, 302, 401))

HOLDERS = st.integers(301, 304).map(lambda n: UUID(int=n))
TICKETS = st.integers(401, 404).map(lambda n: UUID(int=n))
PLACES = st.lists(st.sampled_from(SEATS), min_size=1, max_size=3, unique=True)
STEPS = st.one_of(
    st.tuples(st.just("hold"), HOLDERS, PLACES),
    st.tuples(st.just("release"), HOLDERS, PLACES),
    st.tuples(st.just("book"), HOLDERS, PLACES, TICKETS),
    st.tuples(st.just("take"), PLACES, TICKETS),
    st.tuples(st.just("give_back"), HOLDERS, PLACES, TICKETS),
)


def an_allotment(places=SEATS):
    return Allotment.open(
        allotment_id=allotment_id(OFFERING, 1),
        offering_id=OFFERING,
        part=Part(1, None, tuple(places)),
        at=NOON,
    )


def hold(part, *places, by=ORDER):
    part.hold(holder_id=by, places=places, until=NOON + TEN_MINUTES, at=NOON)


DOES: dict[str, Callable[..., object]] = {
    "hold": lambda part, holder, places: hold(part, *places, by=holder),
    "release": lambda part, holder, places: part.release(
        holder_id=holder, places=places, at=NOON
    ),
    "book": lambda part, order, places, ticket: part.book(
        order_id=order, tickets=dict.fromkeys(places, ticket), at=NOON
    ),
    "take": lambda part, places, ticket: part.take(
        tickets=dict.fromkeys(places, ticket), at=NOON
    ),
    "give_back": lambda part, order, places, ticket: part.give_back(
        place=places[0], ticket_id=ticket, order_id=order, at=NOON
    ),
}


@given(st.lists(STEPS, max_size=40))
def test_free_held_and_sold_places_are_always_the_places_opened(steps):
    part = an_allotment()
    for name, *more in steps:
        held, sold = dict(part.held), dict(part.sold)
        try:
            DOES[name](part, *more)
        except Refusal:
            assert (part.held, part.sold) == (held, sold)
        assert sorted([*part.free, *part.held, *part.sold]) == sorted(SEATS)
        if name != "give_back":
            assert sold.items() <= part.sold.items()
        if name in ("hold", "take"):
            assert held.items() <= part.held.items()


@given(st.sets(st.sampled_from(SEATS)), st.integers(1, 6))
def test_a_group_gets_neighbours_from_the_shortest_run_that_is_long_enough(gone, size):
    part = an_allotment()
    if gone:
        hold(part, *gone)
    chosen = part.choose(size, together=True)
    runs = [
        SEATS[i : i + n]
        for n in range(1, len(SEATS) + 1)
        for i in range(len(SEATS) - n + 1)
        if not gone & set(SEATS[i : i + n])
    ]
    assert part.longest_run == max(map(len, runs), default=0)
    assert (not chosen) == (part.longest_run < size)
    if chosen:
        assert tuple(chosen) in runs
        assert len(chosen) == size


def test_a_group_breaks_no_longer_run_than_it_must():
    part = an_allotment()
    hold(part, "A3")
    assert part.choose(2, together=True) == ["A1", "A2"]
    assert part.choose(3, together=True) == ["A4", "A5", "A6"]


def test_a_place_is_held_once_and_the_refusal_names_the_event():
    part = an_allotment()
    hold(part, "A2")
    with pytest.raises(PlaceTaken) as refused:
        hold(part, "A1", "A2", by=OTHER)
    assert refused.value.because == (f"{part.id}/2",)
    with pytest.raises(PlaceUnknown):
        hold(part, "B1")


def test_a_hold_that_should_be_over_is_named_and_stays_until_somebody_releases_it():
    part = an_allotment()
    hold(part, "A1", "A2")
    assert part.overdue(NOON) == {}
    assert part.overdue(NOON + TEN_MINUTES) == {ORDER: ["A1", "A2"]}
    with pytest.raises(PlaceTaken):
        hold(part, "A1", by=OTHER)
    part.release(holder_id=ORDER, at=NOON + TEN_MINUTES)
    hold(part, "A1", by=OTHER)


def test_nobody_releases_or_books_what_another_holds():
    part = an_allotment()
    hold(part, "A1")
    version = part.version
    part.release(holder_id=OTHER, at=NOON)
    part.book(order_id=OTHER, tickets={"A1": TICKET}, at=NOON)
    assert part.version == version


@pytest.mark.parametrize("booked", [True, False])
def test_the_place_of_an_ended_ticket_is_free_again_once(booked):
    part = an_allotment()
    hold(part, "A1")
    if booked:
        part.book(order_id=ORDER, tickets={"A1": TICKET}, at=NOON)
    part.give_back(place="A1", ticket_id=TICKET, order_id=ORDER, at=NOON)
    assert part.free == list(SEATS)
    hold(part, "A1", by=OTHER)
    with pytest.raises(NotSold):
        part.give_back(place="A1", ticket_id=TICKET, order_id=ORDER, at=NOON)
