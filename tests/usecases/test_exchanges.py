"""A ticket is exchanged for others: offered with what it costs, settled in one commit.

Planted and caught: a surplus that stays with the issuer; the old place kept; a
residual above what a second purchaser paid; money paid back twice along a chain of
exchanges; a card that still has the old ticket; points that get lost on the way.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.aggregates.account import Account, Entry, InsufficientFunds
from ledger.aggregates.allowance import Allowance, LimitReached
from ledger.aggregates.e_ticket import Life, LockKind, Terms
from ledger.aggregates.e_ticket import refusals as no
from ledger.aggregates.e_ticket.states import HoldKind
from ledger.aggregates.offering import Block, Category
from ledger.aggregates.order import OrderExpired, OrderUnknown
from ledger.application import attempt
from ledger.errors import Refusal
from ledger.usecases import (
    accounts,
    audit,
    catalogue,
    checkout,
    elsewhere,
    exchanges,
    grants,
    mandates,
    paying_back,
    refunds,
    stock,
)
from ledger.usecases.tenders import BadTender, Tender
from ledger.vocabulary.ids import account_id, allowance_id
from ledger.vocabulary.money import Money
from tests.domain.examples import ALICE, BOB, CAROL, HOUR, ISSUER, NOON
from tests.usecases.town import CAUSE, Town, fresh

FLEXIBLE = Terms(exchangeable=True, refundable=True, on_medium="exposure")
BLOCKS: dict[str, Any] = {
    "currency": "EUR",
    "categories": [
        Category("stalls", 5_000, 500),
        Category("circle", 4_000),
        Category("gallery", 1_500),
    ],
    "blocks": [
        Block("stalls", count=5),
        Block("circle", ("C1", "C2", "C3", "C4")),
        Block("gallery", count=5),
    ],
}


def a_town(installation, terms=FLEXIBLE, **offering):
    return Town(installation, **BLOCKS | {"terms": terms} | offering)


def buy(town, category="circle", *, count=1, by=ALICE, points=0):
    order = town.reserve(by, category=category, count=count)
    paying = [Tender("e-money", order.price.amount_minor - points)]
    if points:
        paying.append(Tender("points", points, points=points))
    done = checkout.pay_at_once(
        town.ledger,
        town.personal,
        order_id=order.order_id,
        by=by,
        paying=[tender for tender in paying if tender.amount_minor],
        answers=[],
        entry_id=fresh(),
        at=NOON,
        cause=CAUSE,
    )
    return done.ticket_ids


def offer(town, *ticket_ids, by=ALICE, to="stalls", at=NOON, **more):
    return exchanges.offer_exchange(
        town.ledger,
        town.desk,
        exchange_id=fresh(),
        ticket_ids=ticket_ids,
        by=by,
        offering_id=town.offering_id,
        category=to,
        at=at,
        cause=CAUSE,
        **more,
    )


def confirm(town, quote, *paying, by=ALICE, at=NOON, **more):
    return exchanges.confirm_exchange(
        town.ledger,
        town.desk,
        town.personal,
        exchange_id=quote.exchange_id,
        by=by,
        ticket_ids=[fresh() for _ in quote.places],
        entry_id=fresh(),
        paying=paying,
        at=at,
        cause=CAUSE,
        **more,
    )


def purse(amount_minor):
    return Tender("e-money", amount_minor)


def counted(town, at=NOON):
    found = stock.count(town.ledger, town.offering_id, at=at)
    assert found.free + found.held + found.sold == found.capacity
    return found


def owned_by(town, party_id):
    found = town.ledger.find(Allowance, allowance_id(town.offering_id, party_id))
    return set(found.owned) if found else set()


def points_of(town, party_id=ALICE):
    stream = account_id(party_id, f"points/{ISSUER}", "PTS")
    return town.ledger.account(stream).balance_minor


def assert_balanced(town):
    ids = {
        each.originator_id
        for each in town.ledger.recorder.select_notifications(1, 9_999)
    }
    found = [town.ledger.repository.get(each) for each in ids]
    balance = accounts.trial_balance(
        [each for each in found if isinstance(each, Entry)],
        [each for each in found if isinstance(each, Account)],
    )
    assert balance.holds, balance


# The balance.


def test_a_dearer_place_costs_the_rest_and_all_happens_at_once(installation):
    town = a_town(installation)
    (old,) = buy(town)
    quote = offer(town, old)
    assert (quote.residual_minor, quote.price.amount_minor, quote.due_minor) == (
        4_000,
        5_500,
        1_500,
    )
    assert town.ledger.ticket(old).lock.kind == LockKind.EXCHANGE
    assert (counted(town).held, counted(town).sold) == (1, 1)
    before = town.ledger.position()
    done = confirm(town, quote, purse(1_500))
    ended, new = town.ledger.ticket(old), town.ledger.ticket(done.successors[0])
    assert (ended.life, ended.successors) == (Life.EXCHANGED, done.successors)
    assert (new.owner_id, new.source, new.predecessor_id) == (ALICE, "exchange", old)
    assert (new.category, new.price_minor, new.fees_minor) == ("stalls", 5_000, 500)
    assert town.balance(ALICE) == 10_000 - 5_500
    assert (counted(town).held, counted(town).sold) == (0, 1)
    assert owned_by(town, ALICE) == {new.id}
    assert done.position > before
    assert_balanced(town)
    (line,) = [
        each
        for each in audit.history(town.ledger, ticket_id=old)
        if each.event == "Exchanged"
    ]
    assert line.facts["residual_minor"] == 4_000


def test_a_cheaper_place_gives_the_surplus_back_to_the_tenders_that_paid(installation):
    town = a_town(installation)
    work = town.ledger.work()
    ref = accounts.points_ref(ALICE, ISSUER)
    issued = accounts.points_issued_of(ISSUER)
    legs = [
        accounts.Leg(ref, Money(3_000, "PTS")),
        accounts.Leg(issued, Money(-3_000, "PTS")),
    ]
    accounts.move(
        work, entry_id=fresh(), legs=legs, reason="gift", reference="x", at=NOON
    )
    work.record(CAUSE)
    (old,) = buy(town, points=3_000)
    quote = offer(town, old, to="gallery")
    assert quote.due_minor == -2_500
    confirm(town, quote)
    # 1,000 had been paid from the purse; the other 1,500 were points.
    assert (town.balance(ALICE), points_of(town)) == (10_000, 1_500)
    assert_balanced(town)


def test_the_same_price_needs_no_money(installation):
    town = a_town(installation)
    (old,) = buy(town)
    done = confirm(town, offer(town, old, to="circle", place="C3"))
    assert done.paid_minor == 0
    assert town.ledger.ticket(done.successors[0]).right == "C3"
    assert town.balance(ALICE) == 6_000


def test_the_terms_keep_their_percentage_of_what_was_paid(installation):
    town = a_town(installation, Terms(exchangeable=True, refund_percent=75))
    (old,) = buy(town)
    assert offer(town, old).residual_minor == 3_000


def test_one_ticket_becomes_several(installation):
    town = a_town(installation)
    (old,) = buy(town)
    quote = offer(town, old, to="gallery", count=2)
    done = confirm(town, quote)
    assert done.paid_minor == -1_000
    assert town.ledger.ticket(old).successors == done.successors
    assert owned_by(town, ALICE) == set(done.successors)
    assert town.balance(ALICE) == 7_000


def test_what_pays_must_be_what_is_due(installation):
    town = a_town(installation)
    (old,) = buy(town)
    quote = offer(town, old)
    before = town.ledger.position()
    for wrong in ([], [purse(1_499)], [Tender("card", 1_500, instrument="tok-ok")]):
        with pytest.raises(BadTender):
            confirm(town, quote, *wrong)
    with pytest.raises(OrderUnknown):
        confirm(town, quote, purse(1_500), by=BOB)
    assert town.ledger.position() == before


def test_without_the_money_nothing_is_exchanged(installation):
    town = a_town(installation)
    (old,) = buy(town)
    buy(town)
    buy(town, "gallery")  # 500 are left.
    quote = offer(town, old)
    with pytest.raises(InsufficientFunds):
        confirm(town, quote, purse(1_500))
    assert town.ledger.ticket(old).life == Life.OWNED


def test_points_that_the_old_ticket_earned_go_with_it_in_proportion(installation):
    town = a_town(installation, earn_points_per_100=10)
    (old,) = buy(town)
    assert points_of(town) == 400
    cheap = confirm(town, offer(town, old, to="gallery")).successors[0]
    assert points_of(town) == 150
    assert town.ledger.ticket(cheap).points_earned == 150
    dear = confirm(town, offer(town, cheap), purse(4_000)).successors[0]
    assert points_of(town) == town.ledger.ticket(dear).points_earned == 550
    refunds.refund(
        town.ledger,
        town.desk,
        ticket_ids=[dear],
        by=ALICE,
        entry_id=fresh(),
        at=NOON,
        cause=CAUSE,
    )
    assert (points_of(town), town.balance(ALICE)) == (0, 10_000)
    assert_balanced(town)


# Whose ticket, whose money.


def test_a_successor_is_refunded_out_of_all_that_was_paid_and_no_more(installation):
    town = a_town(installation)
    (old,) = buy(town, "gallery")
    new = confirm(town, offer(town, old), purse(4_000)).successors[0]
    assert town.balance(ALICE) == 4_500
    refunds.refund(
        town.ledger,
        town.desk,
        ticket_ids=[new],
        by=ALICE,
        entry_id=fresh(),
        at=NOON,
        cause=CAUSE,
    )
    assert town.balance(ALICE) == 10_000
    first = town.ledger.order(town.ledger.ticket(old).order_id)
    assert first.refunded_minor == 1_500
    assert_balanced(town)


def test_who_was_given_it_exchanges_it_and_the_giver_gets_the_surplus(installation):
    town = a_town(installation)
    (old,) = buy(town)
    town.accept(old, town.offer(old))
    with pytest.raises(no.NotTheOwner):
        offer(town, old, to="gallery", by=ALICE)
    done = confirm(town, offer(town, old, to="gallery", by=BOB), by=BOB)
    assert town.ledger.ticket(done.successors[0]).owner_id == BOB
    assert town.balance(ALICE) == 8_500
    assert owned_by(town, BOB) == set(done.successors)


def test_a_second_purchaser_brings_in_what_he_paid_and_gets_his_surplus(installation):
    town = a_town(installation)
    (old,) = buy(town)
    town.buy_listed(old, town.list_ticket(old, price_minor=3_000))
    alice, carol = town.balance(ALICE), town.balance(CAROL)
    quote = offer(town, old, to="gallery", by=CAROL)
    assert quote.residual_minor == 3_000
    confirm(town, quote, by=CAROL)
    assert (town.balance(ALICE), town.balance(CAROL)) == (alice, carol + 1_500)
    assert_balanced(town)


def test_the_issuer_offers_and_the_owner_confirms(installation):
    town = a_town(installation)
    (old,) = buy(town)
    quote = offer(town, old, by=ISSUER, to="circle")
    with pytest.raises(OrderUnknown):
        confirm(town, quote, by=ISSUER)
    assert town.ledger.ticket(confirm(town, quote).successors[0]).owner_id == ALICE


def test_what_was_not_paid_here_is_not_exchanged(installation):
    town = a_town(installation)
    given = grants.grant(
        town.ledger,
        town.desk,
        town.personal,
        grant_id=fresh(),
        offering_id=town.offering_id,
        by=ISSUER,
        to=ALICE,
        ticket_ids=[fresh()],
        category="circle",
        at=NOON,
        cause=CAUSE,
    ).ticket_ids
    mandates.give_mandate(
        town.ledger,
        issuer_id=ISSUER,
        seller_id=BOB,
        commission_percent=0,
        at=NOON,
        cause=CAUSE,
    )
    sold = elsewhere.register(
        town.ledger,
        town.desk,
        town.personal,
        seller_id=BOB,
        reference="S-1",
        offering_id=town.offering_id,
        purchaser_id=ALICE,
        ticket_ids=[fresh()],
        entry_id=fresh(),
        taken=Money(4_000, "EUR"),
        category="circle",
        at=NOON,
        cause=CAUSE,
    ).ticket_ids
    for ticket_id in (*given, *sold):
        with pytest.raises(paying_back.NotPaidHere):
            offer(town, ticket_id)


# Together.


def test_tickets_that_stay_together_are_exchanged_together_side_by_side(installation):
    town = a_town(installation, Terms(exchangeable=True, together=True))
    both = buy(town, count=2)
    with pytest.raises(no.GroupTogether):
        offer(town, both[0], to="gallery")
    quote = offer(town, *both, to="gallery")
    done = confirm(town, quote)
    news = [town.ledger.ticket(each) for each in done.successors]
    assert [new.predecessor_id for new in news] == list(both)
    assert {(new.group_id, new.group_size) for new in news} == {(quote.exchange_id, 2)}
    assert town.balance(ALICE) == 10_000 - 3_000
    again = confirm(town, offer(town, *done.successors, to="circle"), purse(5_000))
    assert owned_by(town, ALICE) == set(again.successors)
    assert_balanced(town)


@pytest.mark.parametrize("count", [2, 3])
def test_what_one_of_a_group_that_ended_brought_in_is_not_asked_of_the_others(
    installation, count
):
    town = a_town(installation, Terms(exchangeable=True, together=True))
    tickets = buy(town, "gallery", count=count)
    quote = offer(town, *tickets, to="circle")
    town.top_up(ALICE, 10_000)
    ticket = town.ledger.ticket(tickets[1])
    ticket.revoke(reason="forged", by=ISSUER, at=NOON)
    town.ledger.record(ticket, cause=CAUSE)
    before = town.ledger.position()
    for paid_minor in (quote.due_minor + 1_500, quote.due_minor):
        with pytest.raises(Refusal) as refused:
            confirm(town, quote, purse(paid_minor))
    assert refused.value.because == (f"{tickets[1]}/{ticket.version}",)
    assert town.ledger.position() == before
    exchanges.give_up_exchange(
        town.ledger,
        town.desk,
        exchange_id=quote.exchange_id,
        by=ALICE,
        at=NOON,
        cause=CAUSE,
    )
    assert town.ledger.ticket(tickets[0]).lock.kind == LockKind.NONE


def test_several_become_as_many_and_strangers_are_not_exchanged_at_once(installation):
    town = a_town(installation)
    (one,), (other,) = buy(town), buy(town)
    with pytest.raises(exchanges.BadExchange):
        offer(town, one, other)
    with pytest.raises(exchanges.BadExchange):
        offer(town, one, count=0)


# What stands in the way.


def test_only_what_the_issuer_exchanges(installation):
    town = a_town(installation, Terms())
    (old,) = buy(town)
    with pytest.raises(no.NotExchangeable):
        offer(town, old)
    assert counted(town).held == 0


def test_at_the_limit_one_may_still_exchange_but_not_grow(installation):
    town = a_town(installation, purchase_limit=1)
    (old,) = buy(town)
    with pytest.raises(LimitReached):
        offer(town, old, to="gallery", count=3)
    confirm(town, offer(town, old, to="gallery"))
    with pytest.raises(LimitReached):
        town.reserve(ALICE, category="gallery")


def test_the_places_of_an_exchange_are_not_bought_beside_the_old_ticket(installation):
    town = a_town(installation, purchase_limit=1)
    (old,) = buy(town)
    quote = offer(town, old, to="gallery")
    with pytest.raises(checkout.HalfOfExchange):
        town.pay(quote.exchange_id)
    assert owned_by(town, ALICE) == {old}


def test_while_it_is_being_exchanged_nothing_else_happens_to_it(installation):
    town = a_town(installation)
    (old,) = buy(town)
    offer(town, old)
    for move in (town.offer, town.list_ticket, lambda each: offer(town, each)):
        with pytest.raises(no.InExchange) as refused:
            move(old)
        assert refused.value.because == (f"{old}/2",)


@pytest.mark.parametrize("effect", ["no_title", "no_refund"])
def test_a_case_stops_an_exchange_and_one_that_is_offered(installation, effect):
    """Its worth would be in a successor that no case holds, to be refunded from it."""
    town = a_town(installation)
    offered, kept = buy(town)[0], buy(town)[0]
    quote = offer(town, offered)
    for ticket in (town.ledger.ticket(offered), town.ledger.ticket(kept)):
        ticket.freeze(case_id=fresh(), kind=HoldKind.DISPUTE, effects=[effect], at=NOON)
        town.ledger.record(ticket, cause=CAUSE)
    with pytest.raises(no.Frozen):
        confirm(town, quote, purse(1_500))
    with pytest.raises(no.Frozen):
        offer(town, kept)
    assert town.ledger.ticket(offered).life == Life.OWNED


def test_a_card_that_could_still_be_used_is_cleared_first(installation):
    town = a_town(installation, Terms(exchangeable=True))
    (old,) = buy(town)
    ticket = town.ledger.ticket(old)
    write = fresh()
    ticket.prepare_write(
        write_id=write, medium_uid="04", slot=0, seq=1, by=ALICE, at=NOON
    )
    ticket.confirm_write(
        write_id=write, medium_uid="04", slot=0, epoch=ticket.epoch, at=NOON
    )
    town.ledger.record(ticket, cause=CAUSE)
    quote = offer(town, old)
    with pytest.raises(no.StillOnMedium):
        confirm(town, quote, purse(1_500))


# Given up, or out of time.


def test_given_up_both_are_free_at_once(installation):
    town = a_town(installation)
    (old,) = buy(town)
    quote = offer(town, old)
    with pytest.raises(OrderUnknown):
        exchanges.give_up_exchange(
            town.ledger,
            town.desk,
            exchange_id=quote.exchange_id,
            by=BOB,
            at=NOON,
            cause=CAUSE,
        )
    exchanges.give_up_exchange(
        town.ledger,
        town.desk,
        exchange_id=quote.exchange_id,
        by=ALICE,
        at=NOON,
        cause=CAUSE,
    )
    assert town.ledger.ticket(old).lock.kind == LockKind.NONE
    assert (counted(town).held, counted(town).sold) == (0, 1)
    with pytest.raises(Refusal):
        confirm(town, quote, purse(1_500))


def test_out_of_time_both_are_free_though_nothing_ran(installation):
    town = a_town(
        installation, blocks=[Block("stalls", count=1), *BLOCKS["blocks"][1:]]
    )
    (old,) = buy(town)
    quote = offer(town, old)
    assert quote.until == NOON + timedelta(seconds=exchanges.EXCHANGE_S)
    with pytest.raises(OrderExpired):
        confirm(town, quote, purse(1_500), at=quote.until)
    town.list_ticket(old, at=quote.until)
    assert town.reserve(CAROL, category="stalls", at=quote.until).place == "1"


def test_an_order_that_is_no_exchange_is_not_confirmed_as_one(installation):
    town = a_town(installation)
    order = town.reserve(category="circle")
    with pytest.raises(exchanges.ExchangeUnknown):
        exchanges.confirm_exchange(
            town.ledger,
            town.desk,
            town.personal,
            exchange_id=order.order_id,
            by=ALICE,
            ticket_ids=[fresh()],
            entry_id=fresh(),
            at=NOON,
            cause=CAUSE,
        )


# At the same moment, and whatever the path.


def test_confirmed_twice_at_once_it_is_exchanged_once(installation):
    town = a_town(installation)
    (old,) = buy(town)
    quote = offer(town, old)

    def outcome(_):
        try:
            return attempt(lambda: confirm(town, quote, purse(1_500))).successors
        except Refusal as refusal:
            return refusal.code

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(outcome, range(2)))
    # By the order, or by the ticket that it has ended: both say so.
    assert {"already_sold", "revoked"} & set(outcomes)
    assert town.balance(ALICE) == 4_500
    assert len(owned_by(town, ALICE)) == 1


def test_whatever_the_path_nobody_gains_by_exchanging(installation):
    town = a_town(installation)

    @settings(max_examples=12, deadline=None)
    @given(
        path=st.lists(st.sampled_from(["stalls", "circle", "gallery"]), max_size=5),
        percent=st.sampled_from([100, 80, 33]),
    )
    def walk(path, percent):
        open_another(town, percent)
        town.top_up(ALICE, 10_000)
        before = town.balance(ALICE)
        (ticket_id,) = buy(town)
        spent = 4_000
        for category in path:
            quote = offer(town, ticket_id, to=category)
            due = quote.due_minor
            done = confirm(town, quote, *([purse(due)] if due > 0 else []))
            (ticket_id,) = done.successors
            spent += due
        assert town.balance(ALICE) == before - spent
        assert counted(town).sold == 1
        refunds.refund(
            town.ledger,
            town.desk,
            ticket_ids=[ticket_id],
            by=ALICE,
            entry_id=fresh(),
            at=NOON,
            cause=CAUSE,
        )
        lost = before - town.balance(ALICE)
        assert 0 <= lost <= max(spent, 4_000)
        assert percent < 100 or lost == 0
        assert counted(town).sold == 0

    walk()
    assert_balanced(town)


def open_another(town, percent):
    """Open the same again, with another percentage that goes back."""
    town.offering_id = fresh()
    catalogue.open_offering(
        town.ledger,
        offering_id=town.offering_id,
        issuer_id=ISSUER,
        title="The Tempest",
        kind="admission",
        **BLOCKS,
        sale_from=NOON - HOUR,
        sale_until=NOON + HOUR,
        valid_from=NOON,
        valid_until=NOON + HOUR,
        purchase_limit=1,
        uses_limit=1,
        question=None,
        terms=Terms(exchangeable=True, refundable=True, refund_percent=percent),
        at=NOON,
        cause=CAUSE,
    )
