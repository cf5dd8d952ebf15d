"""What the views of trade tell: what can be bought, what was sold, who was paid.

Planted and caught: one's own listing offered to oneself; a listing shown beyond its
time, or to others than the one it names; a sale called refunded while a line of it is
left; a payout told to its buyer; a mandate that was withdrawn told as in force; a sale
that was given up shown as open. `test_replay` holds the market to every event of a
ticket.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from ledger.application import Ledger
from ledger.projections.elsewhere import ElsewhereView
from ledger.projections.market import MarketView
from ledger.projections.sales import SalesView
from ledger.usecases import mandates, payouts
from tests.domain.examples import ALICE, BOB, CAROL, HOUR, NOON
from tests.projections.following import catch_up
from tests.usecases.market import CAUSE, Market


@pytest.fixture
def market(ledger: Ledger) -> Market:
    return Market(ledger)


def shown(ledger, party_id, *, at=NOON, **asked):
    catch_up(ledger, "market")
    found = MarketView(ledger.recorder.datastore)
    return [line.ticket_id for line in found.open_to(party_id, at=at, **asked)]


def sales(ledger) -> SalesView:
    catch_up(ledger, "sales")
    return SalesView(ledger.recorder.datastore)


def test_the_market_shows_everybody_what_he_could_buy_now(market, ledger):
    a, b, c, d = market.issue(count=4)
    for each in (a, b, d):
        market.list_ticket(each)
    market.list_ticket(c, to=BOB)
    market.freeze(d)
    assert shown(ledger, BOB) == [c, b, a]
    assert shown(ledger, CAROL) == [b, a]
    assert shown(ledger, BOB, named=True) == [c]
    assert shown(ledger, ALICE) == []
    assert shown(ledger, BOB, at=NOON + 24 * HOUR) == []
    market.unfreeze(d)
    market.buy(b)
    market.unlist(a)
    assert shown(ledger, BOB) == [c, d]


def test_a_listing_beyond_its_tickets_validity_is_not_for_sale(market, ledger):
    [a] = market.issue(not_after=NOON + HOUR)
    market.list_ticket(a)
    assert shown(ledger, BOB, at=NOON + HOUR - timedelta(seconds=1)) == [a]
    assert shown(ledger, BOB, at=NOON + HOUR) == []


def test_the_market_is_read_page_by_page_and_by_offering(market, ledger):
    mine = market.issue(count=3)
    for each in mine:
        market.list_ticket(each)
    catch_up(ledger, "market")
    view = MarketView(ledger.recorder.datastore)
    first = view.open_to(BOB, at=NOON, limit=2)
    rest = view.open_to(BOB, at=NOON, before=first[-1].position)
    assert [line.ticket_id for line in (*first, *rest)] == mine[::-1]
    offering_id = ledger.ticket(mine[0]).offering_id
    assert shown(ledger, BOB, offering_id=offering_id) == mine[::-1]
    assert shown(ledger, BOB, offering_id=BOB) == []
    assert [line.ticket_id for line in view.of_seller(ALICE, at=NOON)] == mine[::-1]
    assert view.of_seller(BOB, at=NOON) == []


def test_a_sale_is_told_to_its_two_parties_and_a_payout_to_the_seller(market, ledger):
    a, b = market.issue(count=2)
    for each in (a, b):
        market.list_ticket(each)
    sale = market.buy(a, b)
    view = sales(ledger)
    (bought,), (sold,) = view.of_buyer(CAROL), view.of_seller(ALICE)
    assert bought == sold
    assert (sold.sale_id, sold.price_minor, sold.state) == (
        sale.sale_id,
        8_000,
        market.sale(sale.sale_id).state,
    )
    assert view.of_buyer(ALICE) == view.of_seller(CAROL) == []
    (paid,) = view.payouts(ALICE)
    assert paid.amount_minor == market.sale(sale.sale_id).split_minor["seller"]
    assert paid.position > sold.position
    assert (view.payouts(CAROL), view.payouts(ALICE, before=paid.position)) == ([], [])


def test_the_state_of_a_sale_follows_it_line_by_line(market, ledger):
    a, b = market.issue(
        count=2, not_before=NOON + HOUR, terms={"payout": "after_start"}
    )
    for each in (a, b):
        market.list_ticket(each)
    sale_id = market.buy(a, b).sale_id

    def state():
        (line,) = sales(ledger).of_seller(ALICE)
        assert line.state == market.sale(sale_id).state
        return line.state

    assert state() == "TITLE_MOVED"
    market.reverse(sale_id, a)
    assert state() == "TITLE_MOVED"
    payouts.payout(ledger, sale_id=sale_id, at=NOON + HOUR, cause=CAUSE)
    assert state() == "PAID_OUT"
    market.reverse(sale_id, b)
    assert state() == "CLAWBACK"


def test_a_mandate_is_told_to_both_and_says_whether_it_is_in_force(ledger, market):
    def mandate(who, *, as_issuer):
        catch_up(ledger, "elsewhere")
        view = ElsewhereView(ledger.recorder.datastore)
        return [
            (line.seller_id, line.commission_percent, line.in_force)
            for line in view.mandates(who, as_issuer=as_issuer)
        ]

    issuer, said = ALICE, {"issuer_id": ALICE, "seller_id": BOB}
    for percent in (5, 7):
        mandates.give_mandate(
            ledger, **said, commission_percent=percent, at=NOON, cause=CAUSE
        )
    assert mandate(issuer, as_issuer=True) == [(BOB, 7, True)]
    assert mandate(BOB, as_issuer=False) == [(BOB, 7, True)]
    assert mandate(BOB, as_issuer=True) == mandate(issuer, as_issuer=False) == []
    mandates.withdraw_mandate(ledger, **said, at=NOON, cause=CAUSE)
    assert mandate(issuer, as_issuer=True) == [(BOB, 7, False)]
