"""Money is divided to the last unit, and fairly.

Planted and caught: rounding every part by itself; the remainder given to the first.
"""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.vocabulary.money import Money, split

amounts = st.integers(0, 10**15)
weights = st.lists(st.integers(0, 10**6), min_size=1, max_size=12).filter(any)


@given(amounts, weights)
def test_the_parts_sum_to_the_amount_and_each_is_within_one_unit_of_its_share(
    amount, by
):
    parts = split(amount, by)
    assert sum(parts) == amount
    for part, weight in zip(parts, by, strict=True):
        assert abs(part - Fraction(amount * weight, sum(by))) < 1


@given(amounts, weights)
def test_the_units_left_over_go_to_the_largest_remainders(amount, by):
    exact = [Fraction(amount * weight, sum(by)) for weight in by]
    rounded = [
        part - int(share) for part, share in zip(split(amount, by), exact, strict=True)
    ]
    given_ = [share % 1 for share, up in zip(exact, rounded, strict=True) if up]
    denied = [share % 1 for share, up in zip(exact, rounded, strict=True) if not up]
    assert not given_ or not denied or min(given_) >= max(denied)


@given(amounts, weights)
def test_a_weight_of_nothing_gets_nothing(amount, by):
    assert all(
        part == 0 for part, w in zip(split(amount, by), by, strict=True) if not w
    )


def test_equal_remainders_are_settled_in_order():
    assert split(100, [1, 1, 1]) == [34, 33, 33]
    assert split(101, [1, 1, 1]) == [34, 34, 33]
    assert split(4_800, [95, 5]) == [4_560, 240]


@pytest.mark.parametrize(
    ("amount", "by"), [(-1, [1]), (1, []), (1, [0]), (1, [2, -1]), (1, [0, 0])]
)
def test_what_cannot_be_divided_is_refused(amount, by):
    with pytest.raises(ValueError, match="zero or more"):
        split(amount, by)


@pytest.mark.parametrize("currency", ["", "eur", "EURO", "EU", "EU1", "EUR\n"])
def test_a_currency_has_three_capital_letters(currency):
    with pytest.raises(ValueError, match="4217"):
        Money(1, currency)
    assert str(Money(100, "EUR")) == "100 EUR minor units"
