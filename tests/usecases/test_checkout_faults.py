"""A payment whose process dies anywhere: never money without a ticket, nor a ticket
without money."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from uuid import UUID

import pytest

from ledger.aggregates.e_ticket import Life
from ledger.aggregates.order import OrderState
from ledger.errors import Refusal
from ledger.ports import NewsKind
from tests.domain.examples import ALICE, ISSUER
from tests.usecases.checkouts import Mortal, Till, mixed

MOMENTS_MAX = 60
TOKENS = [
    "tok-ok",
    "tok-declines",
    "tok-capture-declines",
    "tok-loses-authorise",
    "tok-loses-capture",
    "tok-away-authorise",
    "tok-away-capture",
    "tok-loses-authorise-loses-capture",
]
WHERE = {
    "card": "card/sandbox/EUR",
    "revenue": f"revenue/{ISSUER}/EUR",
    "points cost": f"points-cost/{ISSUER}/EUR",
}


def books(till: Till) -> Counter[str]:
    """What Alice can spend, and what the accounts without a floor were posted."""
    sums = till.postings()
    posted = {name: sums[account] for name, account in WHERE.items()}
    return Counter({"purse": till.purse(), "points": till.points(), **posted})


def pay_in_a_process_that_dies(till: Till, order_id: UUID, token: str, at: int) -> int:
    """Return at how many moments it could have died before it was done."""
    mortal = Mortal(till, at)
    with mortal(), suppress(Refusal):
        till.begin(order_id, *mixed(token))
    return mortal.moments


def assert_all_or_nothing(till: Till, order_id: UUID, before: Counter[str]) -> None:
    """Ticket, points, e-money and card: all of them changed hands, or nothing."""
    order = till.order(order_id)
    taken = till.at_provider(order_id) == NewsKind.CAPTURED
    tickets = [till.ledger.ticket(each) for each in order.tickets if each]
    assert [ticket.life for ticket in tickets if ticket.life == Life.OWNED] == (
        [Life.OWNED] if taken else []
    )
    expected = Counter(before)
    if taken:
        assert order.state == OrderState.CONFIRMED
        expected.update(purse=-1_500, points=-500, card=-2_000, revenue=4_000)
        expected["points cost"] -= 500
    after = books(till)
    assert dict(after) == dict(expected)


@pytest.mark.parametrize("token", TOKENS)
def test_whenever_the_process_dies_going_on_gives_all_or_nothing(installation, token):
    places = [f"A{n}" for n in range(MOMENTS_MAX)]
    till = Till(installation, places=places, purchase_limit=MOMENTS_MAX)
    till.top_up(ALICE, 1_000_000)
    till.give_points(ALICE, 100_000)
    for at in range(1, MOMENTS_MAX):
        order_id, before = till.reserve().order_id, books(till)
        moments = pay_in_a_process_that_dies(till, order_id, token, at)
        for _ in range(3):  # As retries and callbacks do, once too often.
            till.advance(order_id)
        assert_all_or_nothing(till, order_id, before)
        if moments < at:
            assert till.trial_balance().holds
            return
    raise AssertionError("there are more moments than the test looks at")
