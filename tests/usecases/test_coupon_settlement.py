"""What a coupon's use comes to: one a receipt, reversed in part, settled when final.

The letters in the tests' names are those of the rules in docs/coverage.md.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest

from ledger.aggregates.e_ticket.refusals import RedemptionUnknown, ReversalExceeds
from ledger.aggregates.receipt import ReceiptInUse, ReceiptRedeemed
from ledger.errors import Refusal
from ledger.usecases import coupon_settlement, coupons
from ledger.usecases.coupon_settlement import Settled
from tests.domain.examples import ISSUER, NOON, TILL
from tests.usecases.foyer import OTHER_SHOP, OTHER_TILL, SHOP, TILL_2, Foyer, fresh

FINAL = NOON + timedelta(seconds=coupons.REVERSAL_S)
A_DAY = timedelta(days=1)


@pytest.fixture
def foyer(installation):
    return Foyer(installation)


def loaded(foyer, **given):
    """A coupon of ten uses that outlasts the time for reversals, on a card."""
    given = {"uses_limit": 10, "not_after": FINAL + 30 * A_DAY} | given
    coupon_id, card = foyer.coupon(**given), foyer.card()
    foyer.load(card, coupon_id)
    return coupon_id, card


def reverse(foyer, coupon_id, session_id, *, amount, till=TILL, at=NOON):
    return foyer.do(
        coupons.reverse,
        ticket_id=coupon_id,
        session_id=session_id,
        reversal_id=fresh(),
        amount=amount,
        reason="the goods came back",
        device_id=till,
        at=at,
    )


def final(foyer, since, until):
    return coupon_settlement.final(foyer.ledger, since=since, until=until, at=until)


def test_c3_a_reversal_names_one_redemption_and_never_exceeds_it(foyer):
    coupon_id, card = loaded(foyer)
    ends = foyer.now(coupon_id).not_after
    session_id = foyer.use(coupon_id, card, "R-1", amount=3)
    with pytest.raises(RedemptionUnknown):
        reverse(foyer, coupon_id, fresh(), amount=1)
    assert reverse(foyer, coupon_id, session_id, amount=2).uses_left == 9
    with pytest.raises(ReversalExceeds) as refused:
        reverse(foyer, coupon_id, session_id, amount=2)
    assert refused.value.because
    assert reverse(foyer, coupon_id, session_id, amount=1).uses_left == 10
    assert foyer.now(coupon_id).not_after == ends


def test_c3_at_its_end_a_redemption_is_final_and_at_any_time_another_shops(foyer):
    coupon_id, card = loaded(foyer)
    session_id = foyer.use(coupon_id, card, "R-1")
    with pytest.raises(coupons.OtherShop):
        reverse(foyer, coupon_id, session_id, amount=1, till=OTHER_TILL)
    with pytest.raises(coupons.Final):
        reverse(foyer, coupon_id, session_id, amount=1, at=FINAL)
    before = FINAL - timedelta(seconds=1)
    assert reverse(foyer, coupon_id, session_id, amount=1, at=before).uses_left == 10


def test_c4_of_two_tills_that_take_one_receipt_at_once_one_redeems(foyer):
    ready = [loaded(foyer), loaded(foyer)]
    barrier = Barrier(2)

    def use(till, coupon_id, card):
        barrier.wait()
        try:
            return foyer.use(coupon_id, card, "R-1", till=till)
        except Refusal as refusal:
            return refusal.code

    with ThreadPoolExecutor(2) as pool:
        tried = [
            pool.submit(use, till, *each)
            for till, each in zip((TILL, TILL_2), ready, strict=True)
        ]
        codes = [each.result() for each in tried if isinstance(each.result(), str)]
    assert codes in (["in_dispense"], ["already_used"])
    left = sorted(foyer.now(coupon_id).uses.left for coupon_id, _ in ready)
    assert left == [9, 10]
    # At another shop it is another receipt.
    foyer.use(*ready[0], "R-1", till=OTHER_TILL)


def test_c4_a_receipt_that_is_taken_or_used_leases_no_other_coupon(foyer):
    (one, card), (other, other_card) = loaded(foyer), loaded(foyer)
    session = foyer.session(one, card, "R-1")
    with pytest.raises(ReceiptInUse):
        foyer.session(other, other_card, "R-1", till=TILL_2)
    foyer.redeem(one, card, session)
    with pytest.raises(ReceiptRedeemed):
        foyer.session(other, other_card, "R-1", till=TILL_2)
    assert foyer.now(other).lease is None
    foyer.use(other, other_card, "R-2")


def test_c6_issuer_and_shop_settle_final_redemptions_and_no_others(foyer):
    coupon_id, card = loaded(foyer)
    kept = foyer.use(coupon_id, card, "R-1", amount=4)
    taken_back = foyer.use(coupon_id, card, "R-2")
    foyer.use(coupon_id, card, "R-3", at=NOON + A_DAY)
    foyer.use(coupon_id, card, "R-4", amount=2, till=OTHER_TILL)
    reverse(foyer, coupon_id, kept, amount=1)
    reverse(foyer, coupon_id, taken_back, amount=1)
    second = timedelta(seconds=1)
    assert final(foyer, NOON, FINAL - second) == []
    assert final(foyer, NOON, FINAL) == [
        Settled(ISSUER, SHOP, "uses", redemptions=1, amount=3),
        Settled(ISSUER, OTHER_SHOP, "uses", redemptions=1, amount=2),
    ]
    # The next period has what became final in it, and nothing of the last again.
    assert final(foyer, FINAL, FINAL + A_DAY) == [
        Settled(ISSUER, SHOP, "uses", redemptions=1, amount=1)
    ]


def test_c6_what_is_worth_money_is_settled_in_its_currency(foyer):
    coupon_id, card = loaded(foyer, uses_limit=1_000, uses_unit="money")
    foyer.use(coupon_id, card, "R-1", amount=650)
    assert final(foyer, NOON, FINAL) == [
        Settled(ISSUER, SHOP, "EUR", redemptions=1, amount=650)
    ]
