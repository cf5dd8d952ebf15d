"""Purses: a floor, holds, points that expire; and entries that balance."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.aggregates.account import (
    POINTS,
    Account,
    Entry,
    InsufficientFunds,
    NothingHeld,
    Posting,
)
from ledger.errors import Refusal
from tests.domain.examples import ALICE, HOUR, ISSUER, NOON
from tests.log.test_events import golden_aggregates

ENTRY = UUID(int=700)
ORDER_1, ORDER_2 = UUID(int=701), UUID(int=702)
LATER = NOON + HOUR


def a_purse(kind="e-money", currency="EUR") -> Account:
    return Account.open(
        account_id=UUID(int=710),
        party_id=ALICE,
        kind=kind,
        currency=currency,
        at=NOON,
    )


def points(*lots: tuple[int, int | None]) -> Account:
    """Return points that came in lots of so many, which end after so many hours."""
    purse = a_purse(f"points/{ISSUER}", POINTS)
    for many, hours in lots:
        post(purse, many, expires_at=None if hours is None else NOON + hours * HOUR)
    return purse


def post(purse, amount_minor, *, at=NOON, **more) -> None:
    purse.post(entry_id=ENTRY, amount_minor=amount_minor, at=at, **more)


def hold(purse, amount_minor, purpose_id=ORDER_1, *, until=LATER, at=NOON) -> None:
    purse.hold(purpose_id=purpose_id, amount_minor=amount_minor, until=until, at=at)


def test_a_purse_does_not_go_below_zero():
    purse = a_purse()
    post(purse, 500)
    with pytest.raises(InsufficientFunds) as refused:
        post(purse, -501)
    assert refused.value.facts == {"available_minor": 500, "amount_minor": 501}
    post(purse, -500)
    assert purse.balance_minor == 0


def test_what_is_held_for_one_purpose_pays_no_other():
    purse = a_purse()
    post(purse, 500)
    hold(purse, 400)
    assert (purse.balance_minor, purse.available_minor(NOON)) == (500, 100)
    with pytest.raises(InsufficientFunds) as refused:
        post(purse, -101)
    assert refused.value.because == (f"{purse.id}/3",)
    with pytest.raises(InsufficientFunds):
        hold(purse, 101, ORDER_2)
    post(purse, -400, purpose_id=ORDER_1)
    assert (purse.balance_minor, purse.available_minor(NOON)) == (100, 100)


def test_a_hold_that_is_captured_in_part_frees_the_rest():
    purse = a_purse()
    post(purse, 500)
    hold(purse, 400)
    post(purse, -150, purpose_id=ORDER_1)
    assert purse.available_minor(NOON) == 350


def test_a_hold_whose_time_is_over_counts_as_gone_although_nothing_ran():
    purse = a_purse()
    post(purse, 500)
    hold(purse, 400)
    assert purse.available_minor(LATER) == 500
    with pytest.raises(NothingHeld):
        post(purse, -400, purpose_id=ORDER_1, at=LATER)
    hold(purse, 500, ORDER_2, at=LATER, until=LATER + HOUR)
    assert purse.overdue(LATER) == []


def test_a_released_hold_can_be_spent_and_not_captured():
    purse = a_purse()
    post(purse, 500)
    hold(purse, 400)
    purse.release(purpose_id=ORDER_1, reason="declined", at=NOON)
    with pytest.raises(NothingHeld):
        post(purse, -400, purpose_id=ORDER_1)
    post(purse, -500)


def test_what_is_due_in_any_case_may_overdraw_and_the_debt_is_told():
    purse = a_purse()
    post(purse, 500)
    post(purse, -800, overdraw=True)
    assert purse.balance_minor == purse.available_minor(NOON) == -300
    with pytest.raises(InsufficientFunds):
        post(purse, -1)
    post(purse, 300)
    assert purse.balance_minor == 0


def test_a_hold_is_not_captured_out_of_money_that_was_clawed_back():
    purse = a_purse()
    post(purse, 500)
    hold(purse, 400)
    post(purse, -300, overdraw=True)
    with pytest.raises(InsufficientFunds):
        post(purse, -400, purpose_id=ORDER_1)


def test_points_that_expire_first_are_spent_first():
    purse = points((100, None), (100, 20), (100, 10))
    post(purse, -150)
    assert [lot.points for lot in purse.lots] == [50, 100]
    assert purse.expired_points(NOON + 10 * HOUR) == 0
    assert purse.expired_points(NOON + 20 * HOUR) == 50


def test_points_whose_time_is_over_pay_nothing_although_nothing_ran():
    purse = points((100, 10), (30, None))
    over = NOON + 10 * HOUR
    assert purse.available_minor(over - timedelta(seconds=1)) == 130
    assert purse.available_minor(over) == 30
    assert purse.expire_points(entry_id=ENTRY, at=over) == 100
    assert purse.expire_points(entry_id=ENTRY, at=over) == 0
    assert (purse.balance_minor, purse.available_minor(over)) == (30, 30)


def test_points_that_are_held_do_not_expire_under_the_payment():
    purse = points((100, 1))
    hold(purse, 100, until=NOON + 2 * HOUR)
    assert purse.available_minor(LATER) == 0
    assert purse.expire_points(entry_id=ENTRY, at=LATER) == 0
    post(purse, -100, purpose_id=ORDER_1, at=LATER)
    assert purse.balance_minor == 0


def test_points_that_expired_while_they_were_held_end_when_they_are_released():
    purse = points((100, 1))
    hold(purse, 100, until=NOON + 2 * HOUR)
    purse.release(purpose_id=ORDER_1, reason="declined", at=LATER)
    assert purse.available_minor(LATER) == 0
    assert purse.expire_points(entry_id=ENTRY, at=LATER) == 100


def test_a_later_hold_saves_no_points_that_had_expired_before_it():
    purse = points((50, 1), (50, None))
    hold(purse, 50, until=NOON + 3 * HOUR)
    hold(purse, 50, ORDER_2, at=LATER, until=NOON + 3 * HOUR)
    purse.release(purpose_id=ORDER_1, reason="declined", at=LATER)
    assert purse.expire_points(entry_id=ENTRY, at=LATER) == 50
    post(purse, -50, purpose_id=ORDER_2, at=LATER)
    assert purse.balance_minor == 0


def test_points_that_make_good_a_debt_cannot_expire():
    purse = points()
    post(purse, -60, overdraw=True)
    post(purse, 100, expires_at=LATER)
    assert purse.balance_minor == 40
    assert purse.expire_points(entry_id=ENTRY, at=LATER) == 40
    assert purse.balance_minor == 0


class PointByPoint:
    """The same with every point by itself: one method a step, which says whether it
    may happen. A point is the hour at which it ends."""

    def __init__(self):
        self.hour, self.free, self.kept = 0, [], {}

    def credit(self, many, hours):
        end = float("inf") if hours is None else self.hour + hours
        self.free = sorted([*self.free, *[end] * many])
        return True

    def spend(self, many):
        may = many <= len(self.free)
        self.free = self.free[many:] if may else self.free
        return may

    def hold(self, purpose_id, many, hours):
        if many > len(self.free):
            return False
        self.kept[purpose_id] = (self.hour + hours, self.free[:many])
        return self.spend(many)

    def capture(self, purpose_id, many):
        _, points = self.kept.get(purpose_id, (0, None))
        if points is None or many > len(points) + len(self.free):
            return False
        self.release(purpose_id)
        return self.spend(many)

    def release(self, purpose_id):
        _, points = self.kept.pop(purpose_id, (0, []))
        self.free = sorted(self.free + points)
        return True

    def wait(self, hours):
        """Whose hold is over is free again; whose time is over is gone."""
        self.hour += hours
        for purpose_id in [each for each in self.kept if self.is_over(each)]:
            self.release(purpose_id)
        self.free = [end for end in self.free if end > self.hour]
        return True

    def is_over(self, purpose_id):
        return self.hour >= self.kept[purpose_id][0]


def credit(purse, at, many, hours):
    post(purse, many, at=at, expires_at=None if hours is None else at + hours * HOUR)


def keep(purse, at, purpose_id, many, hours):
    hold(purse, many, purpose_id, until=at + hours * HOUR, at=at)


DOES: dict[str, Callable[..., Any]] = {
    "credit": credit,
    "spend": lambda purse, at, many: post(purse, -many, at=at),
    "hold": keep,
    "capture": lambda purse, at, purpose_id, many: post(
        purse, -many, purpose_id=purpose_id, at=at
    ),
    "release": lambda purse, at, purpose_id: purse.release(
        purpose_id=purpose_id, reason="declined", at=at
    ),
    "wait": lambda *_: None,
}
HOURS, MANY = st.integers(1, 3), st.integers(1, 4)
PURPOSES = st.sampled_from([ORDER_1, ORDER_2])
STEPS = st.one_of(
    st.tuples(st.just("credit"), MANY, st.one_of(st.none(), HOURS)),
    st.tuples(st.just("spend"), MANY),
    st.tuples(st.just("hold"), PURPOSES, MANY, HOURS),
    st.tuples(st.just("capture"), PURPOSES, MANY),
    st.tuples(st.just("release"), PURPOSES),
    st.tuples(st.just("wait"), HOURS),
)


@settings(max_examples=400)
@given(st.lists(STEPS, min_size=3, max_size=25))
def test_no_point_is_spent_twice_nor_after_its_end(steps):
    purse, points_, entries = points(), PointByPoint(), 0
    for name, *more in steps:
        if name == "hold" and more[0] in points_.kept:
            continue  # One hold for a purpose.
        at = NOON + points_.hour * HOUR
        # As the use case does: what has expired first ends with an entry of its own.
        entries -= purse.expire_points(entry_id=ENTRY, at=at)
        before = purse.balance_minor
        may = getattr(points_, name)(*more)
        try:
            DOES[name](purse, at, *more)
        except Refusal:
            assert not may
        else:
            assert may
        entries += purse.balance_minor - before
        at = NOON + points_.hour * HOUR
        points_.wait(0)
        assert purse.available_minor(at) == len(points_.free)
        assert purse.balance_minor == entries >= 0


@given(st.lists(st.tuples(st.integers(-50, 50), st.booleans()), max_size=20))
def test_only_what_is_due_in_any_case_takes_a_purse_below_zero(movements):
    purse, balance = a_purse(), 0
    for amount_minor, overdraw in movements:
        if amount_minor == 0:
            continue
        may = amount_minor > 0 or overdraw or balance + amount_minor >= 0
        try:
            post(purse, amount_minor, overdraw=overdraw)
        except InsufficientFunds:
            assert not may
        else:
            assert may
            balance += amount_minor
        assert purse.balance_minor == balance


def an_entry(*postings: Posting) -> Entry:
    return Entry.record(
        entry_id=ENTRY, reason="test", reference="x", postings=postings, at=NOON
    )


def test_an_entry_balances_in_each_currency_by_itself():
    an_entry(
        Posting("a", 5, "EUR"),
        Posting("b", -5, "EUR"),
        Posting("c", 7, POINTS),
        Posting("d", -7, POINTS),
    )
    with pytest.raises(ValueError, match="sum to zero in every currency"):
        an_entry(Posting("a", 5, "EUR"), Posting("b", -5, POINTS))


def test_an_entry_of_the_first_version_reads_with_its_currency_in_each_posting():
    """As it was stored first: one currency for the whole entry."""
    (entry,) = [each for each in golden_aggregates() if each.id == UUID(int=0x1F2)]
    assert isinstance(entry, Entry)
    assert entry.postings == [
        Posting("00000000-0000-0000-0000-00000000020a", 5_000, "EUR"),
        Posting("counter/EUR", -5_000, "EUR"),
    ]
