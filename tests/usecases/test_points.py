"""Reward points: earned by rule, spent oldest first, given back, and told as owed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ledger.aggregates.account import POINTS, InsufficientFunds, NoMoney
from ledger.ports import NewsKind
from ledger.usecases import accounts, checkout
from ledger.usecases.accounts import (
    Leg,
    points_issued_of,
    points_ref,
    purse_ref,
    revenue_of,
)
from ledger.usecases.points import POINTS_VALID
from ledger.vocabulary.ids import account_id, payment_id
from ledger.vocabulary.money import Money
from tests.domain.examples import ALICE, HOUR, ISSUER, NOON
from tests.usecases.checkouts import Till, card, e_money, mixed, points
from tests.usecases.town import CAUSE, fresh


def give_expiring(till: Till, many: int, *, after=HOUR) -> None:
    till.move(
        Leg(points_ref(ALICE, ISSUER), Money(many, POINTS), expires_at=NOON + after),
        Leg(points_issued_of(ISSUER), Money(-many, POINTS)),
    )


def refund(till: Till, order_id, minor: int, *, at=NOON):
    """Pay a part of an order back, as the issuer's refunds do."""
    work = till.ledger.work()
    order = work.order(order_id)
    parts = checkout.refund_order_lines(
        work,
        order=order,
        ticket_ids=[each for each in order.tickets if each],
        amount=Money(minor, "EUR"),
        entry_id=fresh(),
        debits=[Leg(revenue_of(ISSUER, "EUR"), Money(-minor, "EUR"))],
        reason="refund",
        at=at,
    )
    work.record(CAUSE)
    till.advance(order_id, at=at)
    return [(part.kind, part.amount_minor, part.points) for part in parts]


def test_a_purchase_earns_points_for_its_money_and_none_for_its_points(installation):
    till = Till(installation, earn_points_per_100=10)
    done = till.begin(till.reserve().order_id, *mixed())
    assert till.points() == 1_000 - 500 + 350
    (ticket,) = till.tickets(done.order_id)
    assert (ticket.points_spent, ticket.points_earned) == (500, 350)


def test_earned_points_end_after_their_time_although_nothing_ran(installation):
    till = Till(installation, earn_points_per_100=10)
    till.begin(till.reserve().order_id, e_money(4_000))
    over = NOON + POINTS_VALID
    assert till.points(at=over - timedelta(seconds=1)) == 1_400
    assert till.points(at=over) == 1_000


def test_points_that_expired_pay_nothing_and_end_with_an_entry(installation):
    till = Till(installation)
    give_expiring(till, 600)
    later = NOON + HOUR
    order_id = till.reserve(at=later).order_id
    with pytest.raises(InsufficientFunds):
        till.begin(order_id, points(1_001), e_money(2_999), at=later)
    till.begin(order_id, points(1_000), e_money(3_000), at=later)
    account = till.ledger.account(account_id(ALICE, f"points/{ISSUER}", POINTS))
    assert account.balance_minor == 0
    assert till.posted(str(account.id)) == 0
    assert [entry.reason for entry in till.entries()].count("points expired") == 1
    assert till.trial_balance().holds


def test_what_expires_first_is_spent_first(installation):
    till = Till(installation)
    give_expiring(till, 600)
    till.begin(till.reserve().order_id, points(700), e_money(3_300))
    assert till.points(at=NOON + HOUR) == 900


def test_points_held_for_a_card_payment_do_not_expire_under_it(installation):
    till = Till(installation)
    give_expiring(till, 600)
    order_id, later = till.reserve().order_id, NOON + 2 * HOUR
    till.begin(order_id, points(1_600), card(2_400, "tok-away-authorise"))
    assert till.points(at=later) == 0
    assert len(till.advance(order_id, at=later).ticket_ids) == 1
    assert till.points(at=later) == 0
    assert till.trial_balance().holds


def test_points_that_come_back_expire_as_points_do_that_are_earned(installation):
    till = Till(installation)
    order_id = till.reserve().order_id
    till.begin(order_id, points(1_000), e_money(3_000))
    refund(till, order_id, 4_000)
    over = NOON + POINTS_VALID
    assert till.points(at=over - timedelta(seconds=1)) == 1_000
    assert till.points(at=over) == 0


def test_a_refund_goes_back_in_reverse_points_last(installation):
    till = Till(installation)
    order_id = till.reserve().order_id
    till.begin(order_id, *mixed())
    assert refund(till, order_id, 1_000) == [("card", 1_000, 0)]
    assert refund(till, order_id, 1_500) == [("card", 1_000, 0), ("e-money", 500, 0)]
    assert refund(till, order_id, 1_500) == [
        ("e-money", 1_000, 0),
        ("points", 500, 500),
    ]
    assert (till.points(), till.purse()) == (1_000, 10_000)
    assert till.posted("card/sandbox/EUR") == 0
    assert till.posted(f"points-cost/{ISSUER}/EUR") == 0
    known = till.provider.look_up(payment_id=payment_id(order_id))
    assert [each.kind for each in known] == [NewsKind.CAPTURED] + [
        NewsKind.REFUNDED
    ] * 2
    assert till.trial_balance().holds


def test_earned_points_that_are_spent_when_they_go_back_are_told_as_owed(
    installation,
):
    till = Till(installation, earn_points_per_100=100, max_points_percent=100)
    order_id = till.reserve().order_id
    till.begin(order_id, e_money(4_000))
    till.begin(till.reserve().order_id, points(4_000))
    assert till.points() == 1_000
    refund(till, order_id, 4_000)
    assert till.points() == 1_000 - 4_000
    with pytest.raises(InsufficientFunds):
        till.begin(till.reserve().order_id, points(1), e_money(3_999))
    assert till.trial_balance().holds


def test_a_ledger_whose_purse_moved_without_an_entry_does_not_add_up(installation):
    till = Till(installation)
    assert till.trial_balance().holds
    purse = till.ledger.account(purse_ref(ALICE, "EUR").id)
    purse.post(entry_id=fresh(), amount_minor=1, at=NOON)
    till.ledger.record(purse, cause=CAUSE)
    balance = till.trial_balance()
    assert (balance.holds, balance.unexplained) == (False, [purse.id])


def test_nobody_pays_points_in_at_a_counter(installation):
    till = Till(installation)
    with pytest.raises(NoMoney):
        accounts.top_up(
            till.ledger,
            entry_id=fresh(),
            party_id=ALICE,
            amount=Money(100, POINTS),
            reference="counter 1",
            at=NOON,
            cause=CAUSE,
        )
