"""Tenders: paid back in reverse, in parts or at once, and never more than was paid."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.aggregates.order import Paid
from ledger.usecases.accounts import E_MONEY
from ledger.usecases.tenders import (
    BY_POINTS,
    CARD,
    BadTender,
    Tender,
    in_order,
    left_of,
    refund_parts,
)
from ledger.vocabulary.money import Money

MINOR = st.integers(1, 5_000)
PAID = st.builds(
    lambda points, value, purse, card: [
        each
        for each in (
            Paid(BY_POINTS, points * value, points),
            Paid(E_MONEY, purse),
            Paid(CARD, card, reference=str(UUID(int=1))),
        )
        if each.amount_minor
    ],
    st.integers(0, 500),
    st.integers(1, 7),
    st.integers(0, 5_000),
    st.integers(0, 5_000),
)
IN_REVERSE = [CARD, E_MONEY, BY_POINTS]


def total(paid) -> int:
    return sum(each.amount_minor for each in paid)


@given(PAID, st.lists(MINOR, max_size=8))
def test_parts_paid_back_go_in_reverse_and_sum_to_what_was_paid(paid, refunds):
    back, parts = 0, []
    for amount_minor in [*refunds, 10**9]:
        amount_minor = min(amount_minor, total(paid) - back)
        parts += refund_parts(
            paid, already_refunded_minor=back, amount_minor=amount_minor
        )
        back += amount_minor
    kinds = [part.kind for part in parts]
    assert kinds == sorted(kinds, key=IN_REVERSE.index)
    for each in paid:
        mine = [part for part in parts if part.kind == each.kind]
        assert total(mine) == each.amount_minor
        assert sum(part.points for part in mine) == each.points
        assert all(part.points >= 0 for part in mine)


@given(PAID, st.integers(0, 20_000), st.integers(0, 20_000))
def test_more_than_was_paid_is_refused(paid, before, amount_minor):
    if before + amount_minor > total(paid):
        with pytest.raises(BadTender):
            refund_parts(paid, already_refunded_minor=before, amount_minor=amount_minor)
    else:
        parts = refund_parts(
            paid, already_refunded_minor=before, amount_minor=amount_minor
        )
        assert total(parts) == amount_minor


@given(PAID, st.data())
def test_what_went_back_and_what_is_left_are_what_was_paid(paid, data):
    back = data.draw(st.integers(0, total(paid)))
    left = left_of(paid, refunded_minor=back)
    gone = refund_parts(paid, already_refunded_minor=0, amount_minor=back)
    for each in paid:
        both = [part for part in [*left, *gone] if part.kind == each.kind]
        assert total(both) == each.amount_minor
        assert sum(part.points for part in both) == each.points


@given(st.permutations([CARD, E_MONEY, BY_POINTS]))
def test_what_is_ours_is_held_before_a_stranger_is_asked(kinds):
    said = {
        CARD: Tender(CARD, 100, instrument="tok-ok"),
        E_MONEY: Tender(E_MONEY, 50),
        BY_POINTS: Tender(BY_POINTS, 20, points=10),
    }
    parts = in_order([said[kind] for kind in kinds], Money(170, "EUR"))
    assert [part.kind for part in parts] == [BY_POINTS, E_MONEY, CARD]


@pytest.mark.parametrize(
    "tender",
    [
        Tender("cheque", 100),
        Tender(CARD, 100),
        Tender(E_MONEY, 100, instrument="tok-ok"),
        Tender(E_MONEY, 100, points=1),
        Tender(BY_POINTS, 100),
        Tender(CARD, 100, instrument="4111-1111-1111-1111"),
    ],
    ids=[
        "unknown",
        "a card without its token",
        "a purse with a token",
        "a purse with points",
        "points without a number",
        "a card number",
    ],
)
def test_a_tender_says_what_it_is(tender):
    with pytest.raises(BadTender):
        in_order([tender], Money(100, "EUR"))
