"""Waiting: first come, first served; nobody starves, nothing is promised twice."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.aggregates.waiting_list import (
    NotFirst,
    NotWaiting,
    PromisedPlace,
    PromiseOver,
    PromiseStands,
    WaitingList,
)
from ledger.vocabulary.ids import promise_id, waiting_list_id
from tests.domain.examples import ALICE, BOB, CAROL, NOON, OFFERING

HOUR = timedelta(hours=1)
PART, ORDER = UUID(int=501), UUID(int=502)
PARTIES = st.integers(600, 605).map(lambda n: UUID(int=n))
STEPS = st.one_of(
    st.tuples(st.just("join"), PARTIES, st.integers(1, 3)),
    st.tuples(st.just("leave"), PARTIES),
    st.tuples(st.just("free"), st.integers(1, 4)),
    st.tuples(st.just("redeem"), PARTIES),
    st.tuples(st.just("time passes"), st.sampled_from([0, 30, 61])),
)


def a_list(**counts):
    line = WaitingList.begin(
        list_id=waiting_list_id(OFFERING), offering_id=OFFERING, at=NOON
    )
    parties = {"alice": ALICE, "bob": BOB, "carol": CAROL}
    for name, count in counts.items():
        line.join(party_id=parties[name], category=None, count=count, at=NOON)
    return line


def promise(line, to, *places, at=NOON):
    promised = promise_id(line.id, line.version)
    line.promise(
        promise_id=promised,
        party_id=to,
        places=[PromisedPlace(PART, place) for place in places],
        until=at + HOUR,
        at=at,
    )
    return promised


class Queue:
    """The same with plain lists: who wants how many, and free numbered places."""

    def __init__(self):
        self.line, self.promised, self.free, self.next = [], [], [], 0
        self.list, self.at = a_list(), NOON

    def join(self, party, count):
        self.list.join(party_id=party, category=None, count=count, at=self.at)
        if party not in dict(self.line) and party not in dict(self.promised):
            self.line.append((party, count))

    def leave(self, party):
        if party in dict(self.line) or party in dict(self.promised):
            for each in self.list.leave(party_id=party, at=self.at):
                self.free += [place.place for place in each.places]
            self.line = [e for e in self.line if e[0] != party]
            self.promised = [e for e in self.promised if e[0] != party]
        else:
            with pytest.raises(NotWaiting):
                self.list.leave(party_id=party, at=self.at)

    def come_free(self, count):
        self.free += [str(self.next + n) for n in range(count)]
        self.next += count

    def redeem(self, party):
        for each in self.list.live_promises(party, self.at):
            self.list.redeem(
                promise_id=each.promise_id,
                places=each.places,
                order_id=ORDER,
                at=self.at,
            )
            self.promised.remove((party, len(each.places)))

    def serve(self):
        for over in self.list.overdue(self.at):
            self.list.lapse(promise_id=over.promise_id, at=self.at)
            self.free += [place.place for place in over.places]
            self.promised.remove((over.party_id, len(over.places)))
            self.line = [e for e in self.line if e[0] != over.party_id]
        while self.free and (first := self.list.first(None)):
            party, count = self.line.pop(0)
            assert (first.party_id, first.count) == (party, count)
            places, self.free = self.free[:count], self.free[count:]
            promise(self.list, party, *places, at=self.at)
            self.promised.append((party, len(places)))
            if len(places) < count:
                self.line.insert(0, (party, count - len(places)))


@given(st.lists(STEPS, max_size=40))
def test_what_comes_free_goes_to_the_first_in_line_and_to_him_alone(steps):
    queue = Queue()
    does: dict[str, Callable[..., None]] = {
        "join": queue.join,
        "leave": queue.leave,
        "free": queue.come_free,
        "redeem": queue.redeem,
    }
    for name, *more in steps:
        if name == "time passes":
            queue.at += timedelta(minutes=more[0])
        else:
            does[name](*more)
        queue.serve()
        promises = queue.list.promises.values()
        places = [p.place for each in promises for p in each.places]
        assert len(set(places)) == len(places)
        assert not set(places) & set(queue.free)
        waiting = [(e.party_id, e.count) for e in queue.list.line.values()]
        assert waiting == queue.line
        assert not (queue.free and waiting)


def test_only_the_first_is_promised_anything_and_not_more_than_he_wants():
    line = a_list(alice=1, bob=1)
    with pytest.raises(NotFirst):
        promise(line, BOB, "A1")
    with pytest.raises(NotFirst):
        promise(line, ALICE, "A1", "A2")
    promise(line, ALICE, "A1")
    promise(line, BOB, "A2")


def test_who_is_promised_a_part_stays_first_with_the_rest():
    line = a_list(alice=3, bob=1)
    promise(line, ALICE, "A1")
    first = line.first(None)
    assert (first.party_id, first.count) == (ALICE, 2)


def test_a_promise_is_taken_before_its_time_is_over_or_not_at_all():
    line = a_list(alice=2, bob=1)
    promised = promise(line, ALICE, "A1", "A2")
    places = line.promises[promised].places
    with pytest.raises(PromiseStands):
        line.lapse(promise_id=promised, at=NOON)
    line.redeem(promise_id=promised, places=places[:1], order_id=ORDER, at=NOON)
    assert line.promises[promised].places == places[1:]
    with pytest.raises(PromiseOver):
        line.redeem(
            promise_id=promised, places=places[1:], order_id=ORDER, at=NOON + HOUR
        )
    line.lapse(promise_id=promised, at=NOON + HOUR)
    assert line.promises == {}
    assert line.first(None).party_id == BOB


def test_who_joins_twice_keeps_his_place_and_his_wish():
    line = a_list(alice=2, bob=1)
    line.join(party_id=ALICE, category=None, count=4, at=NOON)
    assert [(e.party_id, e.count) for e in line.line.values()] == [
        (ALICE, 2),
        (BOB, 1),
    ]


def test_each_category_has_a_line_of_its_own():
    line = a_list()
    line.join(party_id=ALICE, category="Stalls", count=1, at=NOON)
    line.join(party_id=BOB, category="Circle", count=1, at=NOON)
    assert line.first("Circle").party_id == BOB
    assert line.first(None) is None
