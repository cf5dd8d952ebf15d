"""Limits: live holds and owned tickets count, and so does what was resold."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.aggregates.allowance import Allowance, LimitReached, ResaleLimitReached
from ledger.vocabulary.ids import allowance_id
from tests.domain.examples import ALICE, NOON, OFFERING

TEN_MINUTES = timedelta(minutes=10)
IDS = st.integers(1, 6).map(lambda n: UUID(int=n))
STEPS = st.one_of(
    st.tuples(st.just("hold"), IDS, st.integers(1, 3)),
    st.tuples(st.just("release"), IDS),
    st.tuples(st.just("buy"), IDS, st.sets(IDS, max_size=3)),
    st.tuples(st.just("gain"), IDS),
    st.tuples(st.just("lose"), IDS),
    st.tuples(st.just("resell"), IDS),
)
LIMIT = 4


def an_allowance():
    return Allowance.begin(
        allowance_id=allowance_id(OFFERING, ALICE),
        offering_id=OFFERING,
        party_id=ALICE,
        at=NOON,
    )


def hold(allowance, order, count=1, limit=LIMIT):
    allowance.hold(
        order_id=UUID(int=order),
        count=count,
        limit=limit,
        until=NOON + TEN_MINUTES,
        at=NOON,
    )


class Counted:
    """The same by counting: one method a step, which says whether it may happen."""

    def __init__(self):
        self.holds, self.owned, self.resold = {}, set(), 0

    def hold(self, order_id, count):
        others = sum(n for order, n in self.holds.items() if order != order_id)
        if len(self.owned) + others + count > LIMIT:
            return False
        self.holds[order_id] = count
        return True

    def release(self, order_id):
        return self.buy(order_id, set())

    def buy(self, order_id, ticket_ids):
        self.holds.pop(order_id, None)
        self.owned |= ticket_ids
        return True

    def gain(self, ticket_id):
        self.owned.add(ticket_id)
        return True

    def lose(self, ticket_id):
        self.owned.discard(ticket_id)
        return True

    def resell(self, ticket_id):
        if self.resold == LIMIT:
            return False
        self.resold += 1
        return self.lose(ticket_id)


DOES: dict[str, Callable[..., object]] = {
    "hold": lambda allowance, order, count: hold(allowance, order.int, count),
    "release": lambda allowance, order: allowance.release(order_id=order, at=NOON),
    "buy": lambda allowance, order, tickets: allowance.buy(
        order_id=order, ticket_ids=tickets, at=NOON
    ),
    "gain": lambda allowance, ticket: allowance.gain(ticket_id=ticket, at=NOON),
    "lose": lambda allowance, ticket: allowance.lose(ticket_id=ticket, at=NOON),
    "resell": lambda allowance, ticket: allowance.resell(
        ticket_id=ticket, limit=LIMIT, at=NOON
    ),
}


@given(st.lists(STEPS, max_size=30))
def test_what_is_counted_is_what_a_list_would_count(steps):
    allowance, counted = an_allowance(), Counted()
    for name, *more in steps:
        may = getattr(counted, name)(*more)
        try:
            DOES[name](allowance, *more)
        except (LimitReached, ResaleLimitReached):
            assert not may
        else:
            assert may
        assert allowance.used == len(counted.owned) + sum(counted.holds.values())
        assert allowance.resold == counted.resold


def test_a_refusal_names_the_events_that_used_the_limit_up():
    allowance = an_allowance()
    hold(allowance, 1)
    allowance.gain(ticket_id=UUID(int=9), at=NOON)
    with pytest.raises(LimitReached) as refused:
        hold(allowance, 2, limit=2)
    assert refused.value.because == (f"{allowance.id}/3", f"{allowance.id}/2")


def test_what_is_given_to_a_party_is_not_refused_but_counts_afterwards():
    allowance = an_allowance()
    for ticket in range(1, 6):
        allowance.gain(ticket_id=UUID(int=ticket), at=NOON)
    with pytest.raises(LimitReached):
        hold(allowance, 1)


def test_an_order_that_should_be_over_still_counts_until_it_is_released():
    allowance = an_allowance()
    hold(allowance, 1, count=2, limit=2)
    after = NOON + TEN_MINUTES
    assert allowance.overdue(NOON) == []
    assert allowance.overdue(after) == [UUID(int=1)]
    with pytest.raises(LimitReached):
        hold(allowance, 2, limit=2)
    allowance.release(order_id=UUID(int=1), at=after)
    hold(allowance, 2, limit=2)
