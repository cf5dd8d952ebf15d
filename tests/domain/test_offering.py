"""What is sold: prices, rules, and a layout in which every place has one part."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.aggregates.offering import (
    PART_MAX,
    BadOffering,
    Block,
    Category,
    CategoryUnknown,
    NotOnSale,
    NotTheIssuer,
    OfferingCancelled,
    OfferingOver,
    PlaceUnknown,
)
from ledger.vocabulary.money import Money
from tests.domain.examples import ALICE, HOUR, ISSUER, NOON, an_offering

STALLS, CIRCLE = Category("Stalls", 6_000, 250), Category("Circle", 3_000, 150)
BLOCKS = st.lists(
    st.tuples(
        st.sampled_from(["Stalls", "Circle"]), st.integers(1, 400), st.booleans()
    ),
    min_size=1,
    max_size=4,
)


def blocks_of(drawn, first=0):
    """Named blocks and counted ones, no name twice."""
    return [
        Block(category, tuple(f"{first + n}-{i}" for i in range(count)))
        if named
        else Block(category, count=count)
        for n, (category, count, named) in enumerate(drawn)
    ]


@given(BLOCKS, BLOCKS)
def test_every_place_is_in_one_part_and_is_found_there(first, more):
    offering = an_offering(categories=[STALLS, CIRCLE], blocks=blocks_of(first))
    offering.extend(by=ISSUER, blocks=blocks_of(more, first=10), at=NOON)
    seen = set()
    for number, category, size in offering.sizes():
        part = offering.part(number)
        assert (part.number, part.category, len(part.places)) == (
            number,
            category,
            size,
        )
        assert 0 < size <= PART_MAX
        for place in part.places:
            assert offering.part_of(place, category) == number
            seen.add((category, place))
    assert len(seen) == offering.capacity == sum(n for _, n, _ in first + more)
    assert offering.parts == number


def test_a_part_never_moves_when_more_is_opened():
    offering = an_offering(blocks=[Block(None, count=35)])
    before = [offering.part(n) for n in range(1, offering.parts + 1)]
    offering.extend(by=ISSUER, blocks=[Block(None, count=40_000)], at=NOON)
    assert [offering.part(n) for n in range(1, len(before) + 1)] == before
    assert offering.part(len(before) + 1).places[0] == "36"


@pytest.mark.parametrize("place", ["0", "4", "01", "-1", "²", "A4", ""])
def test_a_place_that_is_not_there_is_unknown(place):
    offering = an_offering(blocks=[Block(None, count=3)])
    with pytest.raises(PlaceUnknown):
        offering.part_of(place, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"blocks": []},
        {"blocks": [Block(None, ("A1", "A1"))]},
        {"blocks": [Block(None, ("A1",)), Block(None, ("A1",))]},
        {"blocks": [Block(None, ("7",)), Block(None, count=9)]},
        {"blocks": [Block("Stalls", ("A1",))]},
        {"blocks": [Block(None, count=100_001)]},
        {"blocks": [Block(None, ("A1", "A2"), count=5)]},
        {"categories": []},
        {"categories": [Category(None, -1)]},
        {"categories": [Category(None, 1), STALLS]},
        {"categories": [STALLS, Category("Stalls", 1)]},
        {"title": ""},
        {"purchase_limit": 0},
        {"uses_limit": 2},
        {"uses_unit": "money"},
        {"question": 250},
        {"presale_from": NOON},
        {"sale_until": NOON - HOUR},
        {"valid_until": NOON},
        {"point_value_minor": 0},
        {"max_points_percent": 101},
        {"earn_points_per_100": -1},
    ],
)
def test_an_offering_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(BadOffering):
        an_offering(**wrong)


def test_more_places_may_not_repeat_a_name():
    with pytest.raises(BadOffering):
        an_offering().extend(by=ISSUER, blocks=[Block(None, ("A1",))], at=NOON)


def test_it_is_sold_in_its_window_alone_and_told_by_which_event():
    offering = an_offering()
    offering.require_on_sale(at=NOON)
    for at in (NOON - 2 * HOUR, NOON + 24 * HOUR):
        with pytest.raises(NotOnSale) as refused:
            offering.require_on_sale(at=at)
        assert refused.value.because == (f"{offering.id}/1",)


def test_who_waits_may_buy_from_the_presale_on():
    offering = an_offering(sale_from=NOON, presale_from=NOON - HOUR)
    early = NOON - timedelta(minutes=1)
    offering.require_on_sale(at=early, waiting=True)
    with pytest.raises(NotOnSale):
        offering.require_on_sale(at=early)
    with pytest.raises(NotOnSale):
        offering.require_on_sale(at=NOON - 2 * HOUR, waiting=True)


def test_what_is_no_longer_valid_is_not_sold():
    offering = an_offering(
        valid_from=NOON - 2 * HOUR, valid_until=NOON, sale_until=NOON + HOUR
    )
    with pytest.raises(OfferingOver):
        offering.require_on_sale(at=NOON)


def test_nothing_is_sold_or_changed_after_it_was_cancelled():
    offering = an_offering()
    offering.cancel(by=ISSUER, reason="The theatre burnt down", at=NOON)
    with pytest.raises(OfferingCancelled) as refused:
        offering.require_on_sale(at=NOON)
    assert refused.value.because == (f"{offering.id}/2",)
    with pytest.raises(OfferingCancelled):
        offering.extend(by=ISSUER, blocks=[Block(None, ("B1",))], at=NOON)


def test_only_the_issuer_changes_it():
    offering = an_offering()
    with pytest.raises(NotTheIssuer):
        offering.cancel(by=ALICE, reason="Why not", at=NOON)
    with pytest.raises(NotTheIssuer):
        offering.reprice(by=ALICE, category=None, price_minor=1, fees_minor=0, at=NOON)
    with pytest.raises(NotTheIssuer):
        offering.extend(by=ALICE, blocks=[Block(None, ("B1",))], at=NOON)


def test_a_category_is_named_where_there_are_several():
    offering = an_offering(
        categories=[STALLS, CIRCLE], blocks=[Block("Stalls", count=3)]
    )
    assert offering.category("Circle") == CIRCLE
    for name in (None, "Gallery"):
        with pytest.raises(CategoryUnknown):
            offering.category(name)
    assert an_offering().category(None).price_minor == 4_000


def test_another_price_is_for_the_future():
    offering = an_offering()
    offering.reprice(
        by=ISSUER, category=None, price_minor=5_000, fees_minor=100, at=NOON
    )
    assert offering.category(None) == Category(None, 5_000, 100)
    assert offering.price == Money(5_000, "EUR")
    with pytest.raises(BadOffering):
        offering.reprice(
            by=ISSUER, category=None, price_minor=-1, fees_minor=0, at=NOON
        )
