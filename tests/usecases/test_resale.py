"""Selling tickets on: who may, at what price, and where the money is meanwhile."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.aggregates.account import InsufficientFunds
from ledger.aggregates.allowance import ResaleLimitReached
from ledger.aggregates.e_ticket import ETicket, LockKind, Terms
from ledger.aggregates.e_ticket.refusals import (
    CapExceeded,
    Ended,
    Frozen,
    GroupTogether,
    Listed,
    NotTheOwner,
    NotTransferable,
    NotYours,
    OfferExpired,
    OfferUnknown,
    StillOnMedium,
)
from ledger.aggregates.sale import NotOneSale, SaleStands, SaleState
from ledger.usecases import payouts, resale, stories
from ledger.usecases.answers import AnswerMissing
from ledger.usecases.payouts import NotReleased, StillValid
from ledger.usecases.resale import NotAtOnce
from ledger.usecases.settlement import ListingVoid, shares_of
from ledger.usecases.tenders import BadTender, PointsLimit, Tender
from ledger.vocabulary.codes import Question
from tests.domain.examples import ALICE, BOB, CAROL, HOUR, ISSUER, NOON
from tests.lifecycle.memory import MemoryLedger
from tests.usecases.market import CAUSE, Market

START = NOON + 24 * HOUR
LATER = {"not_before": START, "terms": {"payout": "after_start"}}


@pytest.fixture
def market() -> Market:
    return Market(MemoryLedger())


# Listing.


def test_a_listing_keeps_the_cap_its_inputs_and_its_rule_and_so_does_the_sale(market):
    [ticket_id] = market.issue(price_minor=4_000, fees_minor=300, terms={"version": 7})
    listed = market.list_ticket(ticket_id, 5_160)
    assert listed.cap_minor == 5_160  # 120 per cent of the price and its fees.
    market.buy(ticket_id)
    listing, sold = (
        next(
            event
            for _, event in market.ledger.events_of(ticket_id)
            if isinstance(event, kind)
        )
        for kind in (ETicket.Listed, ETicket.Resold)
    )
    for event in (listing, sold):
        assert (
            event.cap_minor,
            event.cap_basis_minor,
            event.cap_percent,
            event.terms_version,
        ) == (5_160, 4_300, 120, 7)


def test_no_price_is_above_the_cap_when_listed_or_asked_anew(market):
    [ticket_id] = market.issue()
    with pytest.raises(CapExceeded):
        market.list_ticket(ticket_id, 4_801)
    listing_id = market.list_ticket(ticket_id, 4_000).listing_id
    ask = {"ticket_id": ticket_id, "listing_id": listing_id, "at": NOON, "cause": CAUSE}
    with pytest.raises(CapExceeded):
        resale.reprice(market.ledger, by=ALICE, price_minor=4_801, **ask)
    with pytest.raises(NotTheOwner):
        resale.reprice(market.ledger, by=BOB, price_minor=1, **ask)
    resale.reprice(market.ledger, by=ALICE, price_minor=3_000, **ask)
    market.buy(ticket_id)
    assert market.purse(CAROL) == 7_000


def test_only_its_owner_sells_and_nobody_sells_to_himself(market):
    [ticket_id] = market.issue()
    with pytest.raises(NotTheOwner):
        market.list_ticket(ticket_id, by=BOB)
    with pytest.raises(NotTransferable):
        market.list_ticket(ticket_id, to=ALICE)
    market.list_ticket(ticket_id)
    with pytest.raises(NotTransferable):
        market.buy(ticket_id, by=ALICE)


def test_a_ticket_listed_for_one_purchaser_is_sold_to_nobody_else(market):
    [ticket_id] = market.issue()
    market.list_ticket(ticket_id, to=BOB)
    with pytest.raises(NotYours):
        market.buy(ticket_id, by=CAROL)
    market.buy(ticket_id, by=BOB)
    assert market.owner(ticket_id) == BOB


def test_a_listing_ends_in_time_although_nothing_ran(market):
    [ticket_id] = market.issue()
    market.list_ticket(ticket_id)
    with pytest.raises(OfferExpired):
        market.buy(ticket_id, at=NOON + 24 * HOUR)


def test_a_listing_of_what_the_issuer_has_changed_is_void(market):
    [ticket_id] = market.issue()
    listing_id = market.list_ticket(ticket_id).listing_id
    ticket = market.ledger.ticket(ticket_id)
    ticket.modify(by=ISSUER, changes={"right": "Z1"}, reason="moved", at=NOON)
    market.ledger.record(ticket, cause=CAUSE)
    with pytest.raises(ListingVoid) as refused:
        resale.buy(
            market.ledger,
            market.personal,
            ticket_id=ticket_id,
            listing_id=listing_id,
            sale_id=BOB,
            entry_id=CAROL,
            by=CAROL,
            answer=None,
            at=NOON,
            cause=CAUSE,
        )
    assert refused.value.code == "epoch_stale"
    assert refused.value.because == (f"{ticket_id}/3",)


def test_the_card_of_the_seller_is_cleared_before_or_is_stale_after(market):
    kept, exposed = (
        market.issue(terms={"on_medium": policy})[0]
        for policy in ("surrender", "exposure")
    )
    for slot, ticket_id in enumerate((kept, exposed)):
        market.record_on_card(ticket_id, slot=slot)
        market.list_ticket(ticket_id)
    with pytest.raises(StillOnMedium):
        market.buy(kept)
    before = market.ledger.ticket(exposed).epoch
    market.buy(exposed)
    ticket = market.ledger.ticket(exposed)
    assert (ticket.epoch, ticket.form.medium_uid) == (before + 1, None)


# Buying.


def test_the_price_goes_to_escrow_and_out_of_it_in_the_commit_of_the_title(market):
    [ticket_id] = market.issue()
    market.list_ticket(ticket_id, 3_999)
    before = market.ledger.position()
    sale = market.buy(ticket_id)
    assert sale.split_minor == {
        "seller": 3_159,
        "royalty": 280,
        "platform": 120,
        "tax": 440,
    }
    assert sum(sale.split_minor.values()) == 3_999
    assert market.purse(ALICE) == 13_159
    assert market.balance(f"revenue/{ISSUER}/EUR") == 280
    assert market.balance("platform/EUR") == 120
    assert market.balance(f"tax/{ISSUER}/EUR") == 440
    assert market.balance(f"escrow/{sale.sale_id}/EUR") == 0
    to_escrow, _ = market.entries()
    resold = market.ledger.events_of(ticket_id)[-1][1]
    assert resold.entry_id == to_escrow.id == sale.entry_id
    assert market.sale(sale.sale_id).state == SaleState.PAID_OUT
    assert market.ledger.position() > before


@given(
    price_minor=st.integers(0, 10**6),
    fees=st.lists(st.integers(0, 33), min_size=3, max_size=3),
)
def test_every_split_is_exact(price_minor, fees):
    royalty, platform, tax = fees
    terms = Terms(royalty_percent=royalty, platform_percent=platform, tax_percent=tax)
    shares = shares_of(terms, price_minor)
    assert sum(shares.values()) == price_minor
    assert min(shares.values()) >= 0
    for name, percent in zip(("royalty", "platform", "tax"), fees, strict=True):
        assert abs(shares[name] - price_minor * percent / 100) < 1


def test_what_costs_nothing_makes_no_entry(market):
    free, added, paid = market.issue(count=3)
    for ticket_id, price_minor in ((free, 0), (added, 0), (paid, 1_000)):
        market.list_ticket(ticket_id, price_minor)
    alone = market.buy(free)
    assert alone.entry_id is None
    assert market.entries() == []
    both = market.buy(added, paid)
    for bought, ticket_id in ((alone, free), (both, added), (both, paid)):
        # A sale for nothing is a gift, whatever it is sold together with.
        line = market.sale(bought.sale_id).line(ticket_id)
        assert line.price_minor == (1_000 if ticket_id == paid else 0)
        story = stories.story_of(market.ledger.work(), ticket_id, held_since=NOON)
        assert story.last_sale is not None
        assert story.last_sale.was_paid == (ticket_id == paid)


def test_points_pay_a_part_and_come_back_when_the_sale_is_undone(market):
    [ticket_id] = market.issue()
    market.list_ticket(ticket_id)
    market.give_points(CAROL, 1_000)
    offered = [Tender("e-money", 3_000), Tender("points", 1_000, points=1_000)]
    sale = market.buy(ticket_id, offered=offered)
    assert market.points(CAROL) == 0
    assert market.purse(CAROL) == 7_000
    assert market.balance(f"points-cost/{ISSUER}/EUR") == -1_000
    market.reverse(sale.sale_id)
    assert (market.points(CAROL), market.purse(CAROL)) == (1_000, 10_000)
    assert market.balance(f"points-cost/{ISSUER}/EUR") == 0


def test_tenders_that_do_not_sum_to_the_price_buy_nothing(market):
    [ticket_id] = market.issue()
    market.list_ticket(ticket_id)
    with pytest.raises(BadTender):
        market.buy(ticket_id, offered=[Tender("e-money", 3_999)])
    with pytest.raises(NotAtOnce):
        market.buy(ticket_id, offered=[Tender("card", 4_000, instrument="token")])


def test_without_the_money_nothing_moves(market):
    tickets = market.issue(count=3)
    for ticket_id in tickets:
        market.list_ticket(ticket_id)
    before = market.ledger.position()
    with pytest.raises(InsufficientFunds):
        market.buy(*tickets)
    assert market.ledger.position() == before


def test_the_new_owner_answers_the_question_and_a_stranger_does_not_learn_it(market):
    [ticket_id] = market.issue(question=int(Question.POSTCODE), check_sealed="x")
    market.list_ticket(ticket_id, to=CAROL)
    with pytest.raises(NotYours):
        market.buy(ticket_id, by=BOB)
    with pytest.raises(AnswerMissing):
        market.buy(ticket_id)
    market.buy(ticket_id, answer="AB1 2CD")
    assert market.ledger.ticket(ticket_id).check_sealed == f"{CAROL.int}:AB1 2CD"


def test_points_pay_no_more_of_a_price_than_the_offering_allows():
    market = Market(MemoryLedger(), max_points_percent=25)
    [ticket_id] = market.issue()
    market.list_ticket(ticket_id)
    market.give_points(CAROL, 2_000)

    def pay(points: int, amount_minor: int) -> None:
        rest = Tender("e-money", 4_000 - amount_minor)
        market.buy(ticket_id, offered=[Tender("points", amount_minor, points), rest])

    with pytest.raises(PointsLimit):
        pay(1_001, 1_001)
    with pytest.raises(BadTender):
        pay(500, 1_000)
    pay(1_000, 1_000)
    assert market.points(CAROL) == 1_000


def test_tickets_of_one_sale_are_of_one_seller_and_one_currency(market):
    [first], [other] = market.issue(), market.issue(owner_id=BOB)
    [foreign] = market.issue(currency="CHF")
    market.list_ticket(other, by=BOB)
    for ticket_id in (first, foreign):
        market.list_ticket(ticket_id)
    with pytest.raises(NotOneSale, match="one seller"):
        market.buy(first, other)
    with pytest.raises(NotOneSale, match="one currency"):
        market.buy(first, foreign)
    with pytest.raises(NotOneSale):
        market.buy(first, first)


def test_a_group_that_stays_together_is_sold_whole_in_one_commit(market):
    group = market.issue(count=2, group_id=BOB, group_size=2, terms={"together": True})
    [alone] = market.issue()
    for ticket_id in (*group, alone):
        market.list_ticket(ticket_id, 2_000)
    with pytest.raises(GroupTogether):
        market.buy(group[0])
    with pytest.raises(GroupTogether):
        market.buy(group[0], alone)
    market.buy(*group)
    assert {market.owner(ticket_id) for ticket_id in group} == {CAROL}


def test_nobody_resells_more_of_an_offering_than_one_may_buy_of_it():
    market = Market(MemoryLedger(), purchase_limit=2)
    tickets = market.issue(count=3)
    for ticket_id in tickets:
        market.list_ticket(ticket_id, 1_000)
    market.buy(tickets[0])
    market.buy(tickets[1])
    with pytest.raises(ResaleLimitReached):
        market.buy(tickets[2])
    assert market.owner(tickets[2]) == ALICE


def test_a_frozen_ticket_is_not_sold_and_its_listing_waits(market):
    [ticket_id] = market.issue()
    market.list_ticket(ticket_id)
    market.freeze(ticket_id)
    with pytest.raises(Frozen):
        market.buy(ticket_id)
    market.unfreeze(ticket_id)
    market.buy(ticket_id)
    assert market.owner(ticket_id) == CAROL


def test_a_listed_ticket_is_neither_given_nor_listed_twice(market):
    [ticket_id] = market.issue()
    market.list_ticket(ticket_id)
    with pytest.raises(Listed):
        market.list_ticket(ticket_id)
    ticket = market.ledger.ticket(ticket_id)
    with pytest.raises(Listed):
        ticket.offer_gift(offer_id=BOB, by=ALICE, to=BOB, until=NOON + HOUR, at=NOON)
    market.unlist(ticket_id)
    assert market.ledger.ticket(ticket_id).lock.kind == LockKind.NONE
    with pytest.raises(OfferUnknown):
        market.buy(ticket_id)


# The payout.


def test_after_start_the_money_waits_in_escrow_until_the_right_can_be_used(market):
    [ticket_id] = market.issue(**LATER)
    market.list_ticket(ticket_id)
    sale = market.buy(ticket_id)
    assert market.balance(f"escrow/{sale.sale_id}/EUR") == 4_000
    assert (market.owner(ticket_id), market.purse(ALICE)) == (CAROL, 10_000)
    with pytest.raises(NotReleased):
        market.pay_out(sale.sale_id, at=START - timedelta(seconds=1))
    shares = market.pay_out(sale.sale_id, at=START)
    assert shares == sale.split_minor
    assert market.purse(ALICE) == 13_160
    assert market.balance(f"escrow/{sale.sale_id}/EUR") == 0
    with pytest.raises(SaleStands):
        market.pay_out(sale.sale_id, at=START)


def test_a_show_put_off_puts_the_payout_off(market):
    [ticket_id] = market.issue(**LATER)
    market.list_ticket(ticket_id)
    sale = market.buy(ticket_id)
    ticket = market.ledger.ticket(ticket_id)
    later = (START + HOUR).isoformat()
    ticket.modify(by=ISSUER, changes={"not_before": later}, reason="ill", at=NOON)
    market.ledger.record(ticket, cause=CAUSE)
    with pytest.raises(NotReleased):
        market.pay_out(sale.sale_id, at=START)
    market.pay_out(sale.sale_id, at=START + HOUR)


def test_nothing_is_paid_out_under_a_hold_of_whatever_kind(market):
    [ticket_id] = market.issue(**LATER)
    market.list_ticket(ticket_id)
    sale = market.buy(ticket_id)
    market.freeze(ticket_id, effects=["no_redeem"])
    with pytest.raises(Frozen) as refused:
        market.pay_out(sale.sale_id, at=START)
    assert refused.value.because == (f"{ticket_id}/4",)
    market.unfreeze(ticket_id)
    market.freeze(ticket_id, effects=["flag_only"])
    market.pay_out(sale.sale_id, at=START)


def test_a_hold_that_lets_the_title_go_still_keeps_the_money(market):
    [ticket_id] = market.issue()
    market.list_ticket(ticket_id)
    market.freeze(ticket_id, effects=["no_dispense"])
    sale = market.buy(ticket_id)
    assert sale.state == SaleState.TITLE_MOVED
    assert market.purse(ALICE) == 10_000
    market.unfreeze(ticket_id)
    market.pay_out(sale.sale_id)
    assert market.purse(ALICE) == 13_160


def test_a_right_that_was_revoked_before_its_start_is_not_paid_for(market):
    [ticket_id] = market.issue(**LATER)
    market.list_ticket(ticket_id)
    sale = market.buy(ticket_id)
    ticket = market.ledger.ticket(ticket_id)
    ticket.revoke(reason="cancelled", by=ISSUER, at=NOON)
    market.ledger.record(ticket, cause=CAUSE)
    with pytest.raises(Ended):
        market.pay_out(sale.sale_id, at=START)
    market.reverse(sale.sale_id)
    assert market.purse(CAROL) == 10_000


def test_a_sale_is_closed_when_its_rights_are_over(market):
    [ticket_id] = market.issue()
    market.list_ticket(ticket_id)
    sale_id = market.buy(ticket_id).sale_id
    with pytest.raises(StillValid):
        payouts.close(market.ledger, sale_id=sale_id, at=NOON, cause=CAUSE)
    over = market.ledger.ticket(ticket_id).not_after
    payouts.close(market.ledger, sale_id=sale_id, at=over, cause=CAUSE)
    assert market.sale(sale_id).state == SaleState.CLOSED


# Decisions.


def test_before_the_payout_the_buyer_gets_his_money_out_of_escrow(market):
    [ticket_id] = market.issue(**LATER)
    market.list_ticket(ticket_id)
    sale = market.buy(ticket_id)
    market.reverse(sale.sale_id)
    assert (market.purse(CAROL), market.purse(ALICE)) == (10_000, 10_000)
    assert market.sale(sale.sale_id).state == SaleState.REFUNDED
    with pytest.raises(SaleStands):
        market.pay_out(sale.sale_id, at=START)


def test_what_was_paid_out_is_taken_back_from_everybody_even_below_zero(market):
    [ticket_id] = market.issue()
    market.list_ticket(ticket_id)
    sale = market.buy(ticket_id)
    market.spend(ALICE, 13_160)
    market.reverse(sale.sale_id)
    assert market.purse(ALICE) == -3_160
    assert market.purse(CAROL) == 10_000
    assert market.balance(f"revenue/{ISSUER}/EUR") == 0
    assert market.sale(sale.sale_id).state == SaleState.CLAWBACK


def test_or_the_seller_owes_it_and_his_purse_is_left_alone(market):
    [ticket_id] = market.issue()
    market.list_ticket(ticket_id)
    sale = market.buy(ticket_id)
    market.reverse(sale.sale_id, as_debt=True)
    assert market.purse(ALICE) == 13_160
    assert market.balance(f"debt/{ALICE}/EUR") == -3_160
    assert market.purse(CAROL) == 10_000


def test_one_ticket_of_a_sale_is_given_back_and_the_rest_is_paid_out(market):
    first, second = market.issue(count=2, **LATER)
    market.list_ticket(first, 2_000)
    market.list_ticket(second, 1_000)
    sale = market.buy(first, second)
    market.reverse(sale.sale_id, first)
    assert market.purse(CAROL) == 9_000
    assert market.pay_out(sale.sale_id, at=START)["seller"] == 790
    assert market.balance(f"escrow/{sale.sale_id}/EUR") == 0


def test_a_buyer_in_good_faith_keeps_it_and_the_seller_compensates(market):
    [ticket_id] = market.issue(**LATER)
    market.list_ticket(ticket_id)
    sale = market.buy(ticket_id)
    market.compensate(sale.sale_id, BOB, 4_000)
    assert market.purse(BOB) == 14_000
    assert market.purse(ALICE) == 10_000 - (4_000 - 3_160)
    shares = market.pay_out(sale.sale_id, at=START)
    assert shares == {"seller": 0, "royalty": 280, "platform": 120, "tax": 440}
    assert market.owner(ticket_id) == CAROL


def test_what_a_compensation_took_out_of_escrow_the_seller_makes_up(market):
    [ticket_id] = market.issue(**LATER)
    market.list_ticket(ticket_id)
    sale_id = market.buy(ticket_id).sale_id
    market.compensate(sale_id, BOB, 3_000)
    assert market.purse(ALICE) == 10_000
    market.reverse(sale_id)
    assert market.purse(CAROL) == 10_000
    assert market.purse(ALICE) == 7_000
    assert market.balance(f"escrow/{sale_id}/EUR") == 0
