"""Tickets come back for money: to who paid, as he paid, and never more than he paid.

Planted and caught: a refund to the owner who did not pay; a percentage taken from the
issuer's own refund; a place that stays sold; points earned that stay; a sale undone at
the very end of its time.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.aggregates.account import Account, Entry
from ledger.aggregates.allowance import Allowance
from ledger.aggregates.e_ticket import Life, Terms
from ledger.aggregates.e_ticket import refusals as no
from ledger.aggregates.e_ticket.states import HoldKind
from ledger.application import attempt
from ledger.errors import Refusal
from ledger.usecases import accounts, checkout, grants, paying_back, refunds, stock
from ledger.usecases.tenders import Tender
from ledger.vocabulary.ids import account_id, allowance_id
from ledger.vocabulary.money import Money
from tests.domain.examples import ALICE, BOB, CAROL, HOUR, ISSUER, NOON, a_ticket
from tests.usecases.town import CAUSE, Town, fresh

GENEROUS = Terms(refundable=True, on_medium="exposure")
POINTS = 500


def refund(town, *ticket_ids, by=ALICE, at=NOON):
    return refunds.refund(
        town.ledger,
        town.desk,
        ticket_ids=ticket_ids,
        by=by,
        entry_id=fresh(),
        at=at,
        cause=CAUSE,
    )


def void(town, order_id, *, by=ISSUER, at=NOON):
    return refunds.void(
        town.ledger,
        town.desk,
        order_id=order_id,
        by=by,
        reason="the wrong evening",
        entry_id=fresh(),
        at=at,
        cause=CAUSE,
    )


def buy_with(town, *paying, count=1, by=ALICE):
    """Reserve and pay with several tenders; return the order's id and its tickets."""
    order = town.reserve(by, count=count)
    done = checkout.pay_at_once(
        town.ledger,
        town.personal,
        order_id=order.order_id,
        by=by,
        paying=paying,
        answers=[],
        entry_id=fresh(),
        at=NOON,
        cause=CAUSE,
    )
    return order.order_id, done.ticket_ids


def with_points(town, party_id=ALICE):
    work = town.ledger.work()
    ref = accounts.points_ref(party_id, ISSUER)
    legs = [
        accounts.Leg(ref, Money(POINTS, "PTS")),
        accounts.Leg(accounts.points_issued_of(ISSUER), Money(-POINTS, "PTS")),
    ]
    accounts.move(
        work, entry_id=fresh(), legs=legs, reason="gift", reference="x", at=NOON
    )
    work.record(CAUSE)


def points_of(town, party_id=ALICE):
    stream = account_id(party_id, f"points/{ISSUER}", "PTS")
    return town.ledger.account(stream).balance_minor


def free_places(town):
    return stock.count(town.ledger, town.offering_id, at=NOON).free


def owned_by(town, party_id):
    found = town.ledger.find(Allowance, allowance_id(town.offering_id, party_id))
    return set(found.owned) if found else set()


def assert_balanced(town):
    """Every posting of every entry sums to zero, and purses say what entries say."""
    ids = {
        each.originator_id for each in town.ledger.recorder.select_notifications(1, 999)
    }
    found = [town.ledger.repository.get(each) for each in ids]
    balance = accounts.trial_balance(
        [each for each in found if isinstance(each, Entry)],
        [each for each in found if isinstance(each, Account)],
    )
    assert balance.holds, balance


def used(ticket, amount):
    """Redeem a part of a coupon."""
    session, write = fresh(), fresh()
    ticket.prepare_write(
        write_id=write, medium_uid="04", slot=0, seq=1, by=ticket.owner_id, at=NOON
    )
    epoch = ticket.epoch
    ticket.confirm_write(write_id=write, medium_uid="04", slot=0, epoch=epoch, at=NOON)
    ticket.start_redemption(
        session_id=session,
        write_id=write,
        device_id=BOB,
        expected_epoch=epoch,
        medium_uid="04",
        slot=0,
        receipt=f"R-{session.int}",
        purchase_minor=10_000,
        currency="EUR",
        until=NOON + HOUR,
        at=NOON,
        amount=amount,
    )
    ticket.redeem(session_id=session, write_id=write, device_id=BOB, at=NOON)
    return ticket


# By policy.


def test_by_policy_the_purchaser_gets_his_percentage_and_the_place_is_free(
    installation,
):
    town = Town(installation, terms=Terms(refundable=True, refund_percent=85))
    ticket_id = town.buy()
    asked = refunds.quote(town.ledger, ticket_id=ticket_id, by=ALICE, at=NOON)
    done = refund(town, ticket_id)
    assert asked == done.total == Money(3_400, "EUR")
    assert town.ledger.ticket(ticket_id).life == Life.REFUNDED
    assert town.balance(ALICE) == 10_000 - 4_000 + 3_400
    assert free_places(town) == 3
    assert owned_by(town, ALICE) == set()
    assert_balanced(town)


def test_what_the_terms_do_not_take_back_the_issuer_takes_back_whole(installation):
    town = Town(installation, terms=Terms(refund_percent=50))
    ticket_id = town.buy()
    with pytest.raises(no.NotRefundable):
        refund(town, ticket_id)
    assert refund(town, ticket_id, by=ISSUER).total.amount_minor == 4_000
    assert town.balance(ALICE) == 10_000


def test_nobody_else_gives_it_back(installation):
    town = Town(installation, terms=GENEROUS)
    ticket_id = town.buy()
    with pytest.raises(no.NotTheOwner):
        refund(town, ticket_id, by=CAROL)
    assert town.ledger.ticket(ticket_id).life == Life.OWNED


def test_the_cut_off_is_judged_at_the_moment_it_is_asked(installation):
    terms = Terms(refundable=True, refund_until_s=3_600)
    town = Town(installation, terms=terms, valid_from=NOON + 2 * HOUR)
    one, other = town.buy(), town.buy()
    refund(town, one, at=NOON + HOUR - timedelta(seconds=1))
    with pytest.raises(no.TooLate):
        refund(town, other, at=NOON + HOUR)


# To whom.


def test_who_was_given_a_ticket_does_not_get_the_givers_money(installation):
    town = Town(installation, terms=GENEROUS)
    ticket_id = town.buy()
    town.accept(ticket_id, town.offer(ticket_id))
    title = town.ledger.ticket(ticket_id).title_version
    with pytest.raises(no.NotRefundable) as refused:
        refund(town, ticket_id, by=BOB)
    assert refused.value.because == (f"{ticket_id}/{title}",)
    refund(town, ticket_id, by=ISSUER)
    assert town.balance(ALICE) == 10_000
    assert owned_by(town, BOB) == set()


def test_what_was_sold_on_goes_back_by_a_decision_alone(installation):
    town = Town(installation, terms=GENEROUS)
    ticket_id = town.buy()
    town.buy_listed(ticket_id, town.list_ticket(ticket_id))
    title = town.ledger.ticket(ticket_id).title_version
    for by in (CAROL, ISSUER):
        with pytest.raises(refunds.SoldOn) as refused:
            refund(town, ticket_id, by=by)
        assert refused.value.because == (f"{ticket_id}/{title}",)


def test_for_what_was_granted_nothing_was_paid(installation):
    town = Town(installation, terms=GENEROUS)
    given = grants.grant(
        town.ledger,
        town.desk,
        town.personal,
        grant_id=fresh(),
        offering_id=town.offering_id,
        by=ISSUER,
        to=BOB,
        ticket_ids=[fresh()],
        at=NOON,
        cause=CAUSE,
    )
    with pytest.raises(paying_back.NotPaidHere):
        refund(town, given.ticket_ids[0], by=BOB)


# As it was paid.


def test_it_goes_back_to_the_tenders_that_paid_the_last_of_them_first(installation):
    town = Town(installation, terms=Terms(refundable=True, refund_percent=90))
    with_points(town)
    paying = [Tender("points", 500, points=500), Tender("e-money", 3_500)]
    _, (ticket_id,) = buy_with(town, *paying)
    assert (points_of(town), town.balance(ALICE)) == (0, 6_500)
    refund(town, ticket_id)
    # 3,600 go back: all e-money, and of the points' 500 so much as is left, 100.
    assert (points_of(town), town.balance(ALICE)) == (100, 10_000)
    assert_balanced(town)


def test_points_that_the_ticket_earned_are_taken_back_even_if_spent(installation):
    town = Town(installation, terms=GENEROUS, earn_points_per_100=10)
    _, (one,) = buy_with(town, Tender("e-money", 4_000))
    assert points_of(town) == 400
    with_paid = [Tender("points", 400, points=400), Tender("e-money", 3_600)]
    buy_with(town, *with_paid)
    refund(town, one)
    assert points_of(town) == 360 - 400
    assert_balanced(town)


def test_parts_of_an_order_never_sum_to_more_than_was_paid(installation):
    town = Town(installation, terms=GENEROUS)
    with_points(town)
    paying = [Tender("points", 500, points=500), Tender("e-money", 7_500)]
    order_id, (one, other) = buy_with(town, *paying, count=2)
    refund(town, one)
    refund(town, other)
    assert (points_of(town), town.balance(ALICE)) == (500, 10_000)
    assert town.ledger.order(order_id).refunded_minor == 8_000
    with pytest.raises(no.Ended):
        refund(town, one)


# What of it was used.


def test_uses_in_counts_come_off_in_proportion():
    coupon = a_ticket(kind="coupon", uses_limit=3, price_minor=1_000)
    assert paying_back.worth_minor(used(coupon, 1)) == 667


def test_a_value_in_money_comes_off_as_it_was_used():
    coupon = a_ticket(
        kind="coupon", uses_limit=5_000, uses_unit="money", price_minor=4_500
    )
    assert paying_back.worth_minor(used(coupon, 2_000)) == 2_500


@given(
    limit=st.integers(1, 60_000),
    paid=st.integers(0, 10**9),
    share=st.floats(0, 1),
    unit=st.sampled_from(["count", "money"]),
)
def test_nobody_gets_back_more_than_is_left_of_what_he_paid(limit, paid, share, unit):
    amount = round(limit * share)
    coupon = a_ticket(kind="coupon", uses_limit=limit, uses_unit=unit, price_minor=paid)
    if amount:
        used(coupon, amount)
    worth = paying_back.worth_minor(coupon)
    assert 0 <= worth <= paid
    assert amount or worth == paid
    if unit == "count":
        assert abs(worth * limit - paid * (limit - amount)) < limit
    else:
        assert worth == max(0, paid - amount)


# What stands in the way.


def test_tickets_that_stay_together_go_back_together(installation):
    town = Town(installation, terms=Terms(refundable=True, together=True))
    _, (one, other) = buy_with(town, Tender("e-money", 8_000), count=2)
    with pytest.raises(no.GroupTogether):
        refund(town, one)
    assert refund(town, one, other).total.amount_minor == 8_000


def test_what_is_left_of_a_group_goes_back_when_the_rest_has_ended(installation):
    town = Town(installation, terms=Terms(refundable=True, together=True))
    _, (one, other) = buy_with(town, Tender("e-money", 8_000), count=2)
    ticket = town.ledger.ticket(one)
    ticket.revoke(reason="stolen", by=ISSUER, at=NOON)
    town.ledger.record(ticket, cause=CAUSE)
    assert refund(town, other).total.amount_minor == 4_000


def test_a_card_that_could_still_be_used_is_cleared_first(installation):
    town = Town(installation, terms=Terms(refundable=True))
    ticket_id = town.buy()
    ticket = town.ledger.ticket(ticket_id)
    write = fresh()
    ticket.prepare_write(
        write_id=write, medium_uid="04", slot=0, seq=1, by=ALICE, at=NOON
    )
    ticket.confirm_write(
        write_id=write, medium_uid="04", slot=0, epoch=ticket.epoch, at=NOON
    )
    town.ledger.record(ticket, cause=CAUSE)
    with pytest.raises(no.StillOnMedium):
        refund(town, ticket_id)


@pytest.mark.parametrize("effect", ["no_refund", "no_title"])
def test_what_a_case_holds_is_not_paid_back(installation, effect):
    town = Town(installation, terms=GENEROUS)
    ticket_id = town.buy()
    ticket = town.ledger.ticket(ticket_id)
    ticket.freeze(case_id=fresh(), kind=HoldKind.DISPUTE, effects=[effect], at=NOON)
    town.ledger.record(ticket, cause=CAUSE)
    for by in (ALICE, ISSUER):
        with pytest.raises(no.Frozen) as refused:
            refund(town, ticket_id, by=by)
        assert refused.value.because == (f"{ticket_id}/2",)


def test_what_is_offered_is_withdrawn_first(installation):
    town = Town(installation, terms=GENEROUS)
    ticket_id = town.buy()
    town.offer(ticket_id)
    with pytest.raises(no.InGift):
        refund(town, ticket_id)


# A sale undone.


def test_a_sale_is_undone_whole_as_long_as_the_purchaser_is_there(installation):
    town = Town(installation, terms=Terms(refund_percent=0), earn_points_per_100=10)
    order_id, tickets = buy_with(town, Tender("e-money", 8_000), count=2)
    almost = NOON + timedelta(seconds=refunds.VOID_S - 1)
    done = void(town, order_id, at=almost)
    assert done.total.amount_minor == 8_000
    assert {town.ledger.ticket(each).life for each in tickets} == {Life.VOIDED}
    assert (town.balance(ALICE), points_of(town)) == (10_000, 0)
    assert free_places(town) == 3
    assert_balanced(town)


def test_later_or_by_another_it_is_not_undone(installation):
    town = Town(installation)
    order_id, _ = buy_with(town, Tender("e-money", 4_000))
    with pytest.raises(no.NotTheIssuer):
        void(town, order_id, by=ALICE)
    with pytest.raises(refunds.VoidTooLate) as refused:
        void(town, order_id, at=NOON + timedelta(seconds=refunds.VOID_S))
    assert refused.value.facts["until"] == "2026-06-01T12:15:00+00:00"


def test_a_sale_of_which_one_ticket_was_passed_on_stands_whole(installation):
    town = Town(installation)
    order_id, (one, other) = buy_with(town, Tender("e-money", 8_000), count=2)
    town.accept(other, town.offer(other))
    before = town.ledger.position()
    with pytest.raises(no.NotOnePiece):
        void(town, order_id)
    assert town.ledger.position() == before
    assert town.ledger.ticket(one).life == Life.OWNED


def test_an_order_that_was_not_paid_cannot_be_undone(installation):
    town = Town(installation)
    with pytest.raises(paying_back.NotPaidHere):
        void(town, town.reserve().order_id)


# At the same moment.


def test_a_ticket_given_back_twice_at_once_is_paid_back_once(installation):
    town = Town(installation, terms=GENEROUS)
    ticket_id = town.buy()

    def outcome(by):
        try:
            return attempt(lambda: refund(town, ticket_id, by=by)).total.amount_minor
        except Refusal as refusal:
            return refusal.code

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(outcome, [ALICE, ISSUER]))
    assert sorted(map(str, outcomes)) == ["4000", "revoked"]
    assert town.balance(ALICE) == 10_000
    assert free_places(town) == 3


def test_a_refund_against_an_offer_lets_the_tickets_stream_decide(installation):
    town = Town(installation, terms=GENEROUS)
    ticket_id = town.buy()

    def outcome(move):
        try:
            return bool(attempt(move))
        except Refusal as refusal:
            return refusal.code

    with ThreadPoolExecutor(2) as pool:
        given, back = pool.map(
            outcome, [lambda: town.offer(ticket_id), lambda: refund(town, ticket_id)]
        )
    assert (given, back) in ((True, "in_gift"), ("revoked", True))
    assert_balanced(town)


@pytest.mark.parametrize("many", [0, refunds.TICKETS_MAX + 1])
def test_no_tickets_or_too_many_at_once_are_refused(installation, many):
    town = Town(installation)
    with pytest.raises(refunds.BadRefund):
        refund(town, *[fresh() for _ in range(many)])
