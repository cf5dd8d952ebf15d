"""Coupons: never above the limit, one receipt once, final before it is settled."""

from collections import Counter
from contextlib import suppress
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.aggregates.device import DeviceNotAuthorised
from ledger.aggregates.e_ticket import ETicket, HoldKind, Life, LockKind
from ledger.aggregates.e_ticket.refusals import (
    AlreadyUsed,
    NoLongerValid,
    ReversalExceeds,
    UsesExceeded,
)
from ledger.aggregates.medium.refusals import MediumLost
from ledger.aggregates.receipt import ReceiptInUse, ReceiptRedeemed
from ledger.errors import Refusal
from ledger.usecases import coupon_settlement, coupons
from ledger.usecases.coupon_settlement import Settled
from ledger.usecases.coupons import (
    LEASE_S,
    REVERSAL_S,
    BadTender,
    Final,
    MoreThanThePurchase,
    OtherCurrency,
    OtherShop,
)
from ledger.usecases.media import Proof
from tests.domain.examples import ISSUER, TILL
from tests.projections.following import catch_up
from tests.usecases.foyer import (
    OTHER_SHOP,
    OTHER_TILL,
    SHOP,
    TILL_2,
    Foyer,
    after,
    fresh,
)


@pytest.fixture
def foyer(installation):
    return Foyer(installation)


def coupon_on_card(foyer, **given):
    coupon_id, card = foyer.coupon(**given), foyer.card()
    foyer.load(card, coupon_id)
    return coupon_id, card


def refresh(foyer, card, at=None):
    foyer.load(card, at=at or after())


def reverse(foyer, coupon_id, session_id, amount=1, at=None, **more):
    said = {"reversal_id": fresh(), "device_id": TILL, "reason": "returned"} | more
    return foyer.do(
        coupons.reverse,
        ticket_id=coupon_id,
        session_id=session_id,
        amount=amount,
        at=at or after(),
        **said,
    )


def test_a_coupon_in_counts_is_used_until_it_is_spent(foyer):
    coupon_id, card = coupon_on_card(foyer)
    for left in (2, 1, 0):
        foyer.use(coupon_id, card, f"R-{left}")
        assert foyer.now(coupon_id).uses.left == left
        assert card.slots[0].uses_left == left
    assert foyer.now(coupon_id).life == Life.SPENT
    with pytest.raises(AlreadyUsed):
        foyer.session(coupon_id, card, "R-9")


def test_a_coupon_in_money_pays_as_much_as_is_left(foyer):
    coupon_id, card = coupon_on_card(foyer, uses_limit=1_000, uses_unit="money")
    with pytest.raises(MoreThanThePurchase):
        foyer.session(coupon_id, card, "R-1", amount=901)
    foyer.use(coupon_id, card, "R-1", amount=900, tender="card")
    assert (foyer.now(coupon_id).uses.left, card.slots[0].uses_left) == (100, 100)
    with pytest.raises(UsesExceeded):
        foyer.session(coupon_id, card, "R-2", amount=101)
    foyer.use(coupon_id, card, "R-2", amount=100)
    assert foyer.now(coupon_id).life == Life.SPENT


def test_a_coupon_in_another_currency_pays_nothing(foyer):
    coupon_id, card = coupon_on_card(
        foyer, uses_limit=1_000, uses_unit="money", currency="CHF"
    )
    with pytest.raises(OtherCurrency):
        foyer.session(coupon_id, card, "R-1", amount=100)


@pytest.mark.parametrize("tender", ["card", "e-money", "points", "cash"])
def test_it_is_noted_how_the_purchase_was_paid(foyer, tender):
    coupon_id, card = coupon_on_card(foyer)
    foyer.use(coupon_id, card, "R-1", tender=tender)
    started = [
        event.tender
        for _, event in foyer.ledger.events_of(coupon_id)
        if event.TOPIC == "e-ticket.redemption-started"
    ]
    assert started == [tender]


def test_a_purchase_paid_in_a_way_we_do_not_know_is_refused(foyer):
    coupon_id, card = coupon_on_card(foyer)
    with pytest.raises(BadTender):
        foyer.session(coupon_id, card, "R-1", tender="shells")


def test_one_receipt_is_one_redemption_across_all_coupons_of_the_shop(foyer):
    """C4, at whichever till of the shop; another shop has receipts of its own."""
    (first, card), (second, other) = coupon_on_card(foyer), coupon_on_card(foyer)
    foyer.use(first, card, "R-1")
    for coupon_id, shown, till in (
        (first, card, TILL),
        (second, other, TILL),
        (second, other, TILL_2),
    ):
        with pytest.raises(ReceiptRedeemed):
            foyer.session(coupon_id, shown, "R-1", till=till)
    foyer.use(second, other, "R-1", till=OTHER_TILL)
    assert foyer.now(second).uses.redeemed == 1


def test_a_receipt_is_kept_for_a_session_while_its_lease_lasts(foyer):
    (first, card), (second, other) = coupon_on_card(foyer), coupon_on_card(foyer)
    session = foyer.session(first, card, "R-1")
    with pytest.raises(ReceiptInUse):
        foyer.session(second, other, "R-1")
    torn = Proof(committed=False, reason="torn")
    foyer.redeem(first, card, session, proof=torn)
    foyer.use(second, other, "R-1")


def test_a_receipt_whose_lease_ran_out_is_free_without_any_scheduler(foyer):
    (first, card), (second, other) = coupon_on_card(foyer), coupon_on_card(foyer)
    session = foyer.session(first, card, "R-1")
    late = after(seconds=LEASE_S)
    foyer.use(second, other, "R-1", at=late)
    with pytest.raises(Refusal) as refused:
        foyer.redeem(first, card, session, at=late)
    assert refused.value.code == "expired"


def test_two_coupons_and_one_receipt_at_once_make_one_redemption(foyer):
    """C4, with two writers at once."""
    for number in range(4):
        pairs = [coupon_on_card(foyer), coupon_on_card(foyer)]
        start = Barrier(2)
        told: list[str] = []

        def use(coupon_id, card, receipt=f"R-{number}", start=start, told=told):
            start.wait()
            try:
                foyer.use(coupon_id, card, receipt)
                told.append("redeemed")
            except Refusal as refused:
                told.append(refused.code)

        threads = [Thread(target=use, args=pair) for pair in pairs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert told.count("redeemed") == 1
        assert set(told) <= {"redeemed", "already_used", "in_dispense"}
        assert sum(foyer.now(each).uses.redeemed for each, _ in pairs) == 1


def test_a_redemption_said_again_is_one(foyer):
    coupon_id, card = coupon_on_card(foyer)
    session = foyer.session(coupon_id, card, "R-1")
    proof = card.commit(session.write)
    for _ in "12":
        assert foyer.redeem(coupon_id, card, session, proof=proof).uses_left == 2


def test_a_till_redeems_only_for_whom_it_was_delegated(foyer):
    coupon_id, card = coupon_on_card(foyer)
    foyer.delegate(TILL, issuers=(SHOP,))
    with pytest.raises(DeviceNotAuthorised):
        foyer.session(coupon_id, card, "R-1")
    foyer.delegate(TILL, issuers=(ISSUER,))
    foyer.use(coupon_id, card, "R-1")


def test_a_card_lost_between_lease_and_redemption_redeems_nothing(foyer):
    coupon_id, card = coupon_on_card(foyer)
    session = foyer.session(coupon_id, card, "R-1")
    foyer.lose(card)
    with pytest.raises(MediumLost):
        foyer.redeem(coupon_id, card, session)
    assert foyer.now(coupon_id).uses.redeemed == 0


def test_a_freeze_takes_a_leased_coupon_back(foyer):
    coupon_id, card = coupon_on_card(foyer)
    session = foyer.session(coupon_id, card, "R-1")
    foyer.tell(
        coupon_id,
        "freeze",
        case_id=fresh(),
        kind=HoldKind.DISPUTE,
        effects=["no_redeem"],
    )
    assert foyer.now(coupon_id).lock.kind == LockKind.NONE
    with pytest.raises(Refusal):
        foyer.redeem(coupon_id, card, session)


def test_a_reversal_names_one_redemption_and_never_exceeds_it(foyer):
    """C3: nor does it lengthen the coupon's life."""
    coupon_id, card = coupon_on_card(foyer, uses_limit=1_000, uses_unit="money")
    first = foyer.use(coupon_id, card, "R-1", amount=300)
    foyer.use(coupon_id, card, "R-2", amount=500)
    ends = foyer.now(coupon_id).not_after
    assert reverse(foyer, coupon_id, first, 200).uses_left == 400
    with pytest.raises(ReversalExceeds):
        reverse(foyer, coupon_id, first, 101)
    again = fresh()
    for _ in "12":
        assert reverse(foyer, coupon_id, first, 100, reversal_id=again).uses_left == 500
    with pytest.raises(ReversalExceeds):
        reverse(foyer, coupon_id, first, 1)
    assert foyer.now(coupon_id).not_after == ends
    refresh(foyer, card)
    with pytest.raises(ReceiptRedeemed):  # Its receipt stays used.
        foyer.session(coupon_id, card, "R-1")
    assert foyer.tap(card, TILL).code is None
    with pytest.raises(NoLongerValid):
        foyer.session(coupon_id, card, "R-3", at=ends)


def test_a_shop_takes_back_its_own_redemptions_while_they_are_not_final(foyer):
    coupon_id, card = coupon_on_card(foyer, not_after=after(days=90))
    session_id = foyer.use(coupon_id, card, "R-1")
    with pytest.raises(OtherShop):
        reverse(foyer, coupon_id, session_id, device_id=OTHER_TILL)
    with pytest.raises(Refusal, match="no such redemption"):
        reverse(foyer, coupon_id, fresh())
    with pytest.raises(Final):
        reverse(foyer, coupon_id, session_id, at=after(seconds=REVERSAL_S))
    nearly = after(seconds=REVERSAL_S - 1)
    reverse(foyer, coupon_id, session_id, device_id=TILL_2, at=nearly)
    assert foyer.now(coupon_id).uses.left == 3


def settled(foyer, since, until):
    """Settle from the log; the view says the same, by till."""
    found = coupon_settlement.final(
        foyer.ledger, since=since, until=until, at=after(days=365)
    )
    catch_up(foyer.ledger, "redemptions")
    view, final_after = foyer.redemptions, timedelta(seconds=REVERSAL_S)
    totals: Counter[tuple[Any, ...]] = Counter()
    for line in view.final(since=since, until=until, after=final_after):
        whose = (line.issuer_id, line.shop_id, line.unit)
        totals[*whose, "redemptions"] += line.redemptions
        totals[*whose, "amount"] += line.amount
    assert totals == {
        (line.issuer_id, line.shop_id, line.unit, name): getattr(line, name)
        for line in found
        for name in ("redemptions", "amount")
    }
    return found


def test_issuers_and_shops_settle_final_redemptions_and_nothing_else(foyer):
    """C6: what can be taken back does not count yet, what was taken back never."""
    more: dict[str, Any] = {"not_after": after(days=90)}
    cups, card = coupon_on_card(foyer, **more)
    money, other = coupon_on_card(foyer, uses_limit=1_000, uses_unit="money", **more)
    foyer.use(cups, card, "R-1")
    undone = foyer.use(cups, card, "R-2")
    reverse(foyer, cups, undone)
    refresh(foyer, card)
    foyer.use(cups, card, "R-9", till=OTHER_TILL)
    part = foyer.use(money, other, "R-3", amount=300)
    reverse(foyer, money, part, 50)
    refresh(foyer, other)
    foyer.use(money, other, "R-4", amount=100, at=after(days=1))
    begin, final = after(), after(seconds=REVERSAL_S)
    assert settled(foyer, begin, final) == sorted(
        [
            Settled(ISSUER, SHOP, "uses", redemptions=1, amount=1),
            Settled(ISSUER, SHOP, "EUR", redemptions=1, amount=250),
            Settled(ISSUER, OTHER_SHOP, "uses", redemptions=1, amount=1),
        ],
        key=lambda line: (str(line.shop_id), line.unit),
    )
    assert settled(foyer, begin, after(seconds=REVERSAL_S - 1)) == []
    (later,) = settled(foyer, final, after(days=30))
    assert (later.unit, later.amount) == ("EUR", 100)
    with pytest.raises(coupon_settlement.BadPeriod):
        coupon_settlement.final(foyer.ledger, since=begin, until=final, at=begin)


class Tills:
    """What tills try with one coupon in money, of ten euros, on a card."""

    def __init__(self, foyer):
        self.foyer, self.at = foyer, after()
        self.coupon_id, self.card = coupon_on_card(
            foyer, uses_limit=1_000, uses_unit="money"
        )
        self.session, self.done, self.numbers = None, [fresh()], 0

    def start(self, amount, which):
        self.numbers += 1
        receipt = f"{self.coupon_id}-{which or self.numbers}"
        self.session = self.foyer.session(
            self.coupon_id, self.card, receipt, amount=amount, at=self.at
        )

    def redeem(self, amount, which):
        if self.session:
            self.foyer.redeem(self.coupon_id, self.card, self.session, at=self.at)
            self.done.append(self.session.session_id)

    def buy(self, amount, which):
        self.start(amount, which)
        self.redeem(amount, which)

    def tear(self, amount, which):
        if self.session:
            torn = Proof(committed=False, reason="torn")
            self.foyer.redeem(
                self.coupon_id, self.card, self.session, at=self.at, proof=torn
            )

    def reverse(self, amount, which):
        session_id = self.done[-1 - which % len(self.done)]
        reverse(self.foyer, self.coupon_id, session_id, amount, at=self.at)

    def wait(self, amount, which):
        self.at += after(seconds=LEASE_S) - after()

    def refresh(self, amount, which):
        refresh(self.foyer, self.card, at=self.at)


MOVES = st.tuples(
    st.sampled_from(["buy", "start", "redeem", "tear", "reverse", "wait", "refresh"]),
    st.integers(1, 600),
    st.integers(0, 3),
)


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(moves=st.lists(MOVES, min_size=3, max_size=16))
def test_whatever_tills_do_a_coupon_never_gives_more_than_it_has(foyer, moves):
    """C1 at every position of the log, C3 and C4 beside it."""
    tills = Tills(foyer)
    for name, amount, which in moves:
        with suppress(Refusal):
            getattr(tills, name)(amount, which)
    redeemed = given_back = leased = 0
    taken: dict[UUID, int] = {}
    receipts = []
    for _, event in foyer.ledger.events_of(tills.coupon_id):
        if isinstance(event, ETicket.RedemptionStarted):
            leased = event.amount
        elif isinstance(event, ETicket.RedemptionReleased):
            leased = 0
        elif isinstance(event, ETicket.CouponRedeemed):
            redeemed, leased = redeemed + event.amount, 0
            taken[event.session_id] = event.amount
            receipts.append(event.receipt)
        elif isinstance(event, ETicket.RedemptionReversed):
            given_back += event.amount
            taken[event.session_id] -= event.amount
        assert redeemed - given_back + leased <= 1_000
        assert all(left >= 0 for left in taken.values())
    assert len(receipts) == len(set(receipts))
    uses = foyer.now(tills.coupon_id).uses
    assert (uses.redeemed, uses.reversed) == (redeemed, given_back)
