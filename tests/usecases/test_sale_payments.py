"""Resales that a card pays: however it goes, money and title end together."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from ledger.adapters.sandbox_payments import SandboxPayments
from ledger.aggregates.account import Account, Entry, InsufficientFunds
from ledger.aggregates.e_ticket import LockKind
from ledger.aggregates.e_ticket.refusals import NotTheOwner, SoldPending
from ledger.aggregates.payment import Payment, PaymentState
from ledger.aggregates.sale import SaleState
from ledger.ports import NewsKind, PaymentNews
from ledger.usecases import chargebacks, payments, sale_payments
from ledger.usecases.accounts import trial_balance
from ledger.usecases.payouts import CaptureOpen
from ledger.usecases.sale_payments import FENCE_S, NoCard, NotTheBuyer
from ledger.usecases.tenders import Tender
from ledger.vocabulary.ids import account_id, payment_id
from tests.domain.examples import ALICE, BOB, CAROL, HOUR, ISSUER, NOON
from tests.lifecycle.memory import MemoryLedger
from tests.usecases.market import CAUSE, Market, fresh

FENCE = NOON + timedelta(seconds=FENCE_S)
LATER: dict[str, Any] = {"not_before": NOON + HOUR, "terms": {"payout": "after_start"}}
CLEARING = "card/sandbox/EUR"


class Crash(BaseException):
    """The process dies here."""


class MortalLedger(MemoryLedger):
    """Dies before or after a commit, if it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.dies: Callable[[str], None] = lambda _: None

    def record(self, *aggregates: Any, cause: Any) -> int:
        self.dies("before")
        position = super().record(*aggregates, cause=cause)
        self.dies("after")
        return position


class MortalProvider(SandboxPayments):
    """The process dies on the way to the provider, or on the way back."""

    def __init__(self, dies: Callable[[str], None]) -> None:
        super().__init__(secret=b"s" * 32)
        self.dies = dies

    def authorise(self, **said: Any) -> str:
        self.dies("before")
        reference = super().authorise(**said)
        self.dies("after")
        return reference

    def capture(self, **said: Any) -> None:
        self.dies("before")
        super().capture(**said)
        self.dies("after")


class Shop:
    """A market with a card provider; Carol buys one listed ticket of Alice's."""

    def __init__(self, *, purchase_limit: int = 50, **issued: Any) -> None:
        self.ledger = MortalLedger()
        self.market = Market(self.ledger, purchase_limit=purchase_limit)
        self.provider = MortalProvider(lambda when: self.ledger.dies(when))
        [self.ticket_id] = self.market.issue(**issued)
        self.market.list_ticket(self.ticket_id)
        self.sale_id = fresh()

    def begin(self, token: str = "tok-ok", *, purse_minor: int = 0, at=NOON):
        card = Tender("card", 4_000 - purse_minor, instrument=token)
        purse = [Tender("e-money", purse_minor)] if purse_minor else []
        return sale_payments.begin(
            self.ledger,
            self.provider,
            self.market.personal,
            wanted=self.market.wanted([self.ticket_id]),
            sale_id=self.sale_id,
            by=CAROL,
            offered=[card, *purse],
            at=at,
            cause=CAUSE,
        )

    def advance(self, *, at=NOON):
        return sale_payments.advance(
            self.ledger, self.provider, sale_id=self.sale_id, at=at, cause=CAUSE
        )

    @property
    def owner(self) -> UUID:
        return self.market.owner(self.ticket_id)

    @property
    def payment(self) -> Payment:
        found = self.ledger.find(Payment, payment_id(self.sale_id))
        assert found is not None
        return found

    def adds_up(self) -> bool:
        """Whether postings sum to zero and explain every purse."""
        everything = self.ledger.replayed()
        return trial_balance(
            [each for each in everything if isinstance(each, Entry)],
            [each for each in everything if isinstance(each, Account)],
        ).holds


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_a_card_is_captured_after_the_title_moved_and_then_the_seller_is_paid(shop):
    sale = shop.begin()
    assert sale.state == SaleState.PAID_OUT
    assert shop.owner == CAROL
    assert shop.market.purse(ALICE) == 13_160
    assert shop.market.balance(CLEARING) == -4_000
    told = [type(event).__name__ for _, event in shop.ledger.events_of(shop.sale_id)]
    assert told == ["Initiated", "FundsHeld", "Escrowed", "TitleMoved", "PaidOut"]
    assert shop.adds_up()


def test_a_card_and_a_purse_pay_together(shop):
    shop.begin(purse_minor=1_500)
    assert shop.market.purse(CAROL) == 8_500
    assert shop.market.balance(CLEARING) == -2_500
    assert shop.owner == CAROL
    assert shop.adds_up()


def test_a_sale_without_a_card_does_not_begin_here(shop):
    with pytest.raises(NoCard):
        sale_payments.begin(
            shop.ledger,
            shop.provider,
            shop.market.personal,
            wanted=shop.market.wanted([shop.ticket_id]),
            sale_id=shop.sale_id,
            by=CAROL,
            offered=[Tender("e-money", 4_000)],
            at=NOON,
            cause=CAUSE,
        )


def test_without_the_purses_part_the_card_is_not_even_asked(shop):
    shop.market.spend(CAROL, 9_000)
    with pytest.raises(InsufficientFunds) as refused:
        shop.begin(purse_minor=1_500)
    assert shop.ledger.find(Payment, payment_id(shop.sale_id)) is None
    purse = account_id(CAROL, "e-money", "EUR")
    last = shop.ledger.account(purse).version
    assert refused.value.because == (f"{purse}/{last}",)


def test_a_declined_card_leaves_the_listing_and_frees_the_purse(shop):
    sale = shop.begin("tok-declines", purse_minor=1_500)
    assert sale.state == SaleState.ABORTED
    assert shop.owner == ALICE
    assert shop.ledger.ticket(shop.ticket_id).lock.kind == LockKind.LISTING
    shop.market.buy(shop.ticket_id, by=BOB)
    shop.market.spend(CAROL, 10_000)
    assert shop.adds_up()


@pytest.mark.parametrize("call", ["authorise", "capture"])
@pytest.mark.parametrize("fault", ["away", "loses"])
def test_a_provider_that_is_away_or_loses_its_answer_is_asked_again(fault, call):
    shop = Shop()
    shop.begin(f"tok-{fault}-{call}")
    shop.advance()
    assert shop.market.sale(shop.sale_id).state == SaleState.PAID_OUT
    assert (shop.owner, shop.payment.state) == (CAROL, PaymentState.CAPTURED)
    assert shop.market.balance(CLEARING) == -4_000


def test_while_the_card_is_in_doubt_nobody_else_has_the_ticket(shop):
    sale = shop.begin("tok-away-authorise")
    assert sale.state == SaleState.INITIATED
    with pytest.raises(SoldPending):
        shop.market.buy(shop.ticket_id, by=BOB)
    with pytest.raises(NotTheOwner):
        shop.market.unlist(shop.ticket_id, by=BOB)
    with pytest.raises(NotTheBuyer):
        give_up(shop, by=ALICE)
    give_up(shop, by=CAROL)
    shop.market.buy(shop.ticket_id, by=BOB)
    assert shop.owner == BOB


def give_up(shop: Shop, *, by: UUID | None, at=NOON) -> None:
    sale_payments.give_up(shop.ledger, sale_id=shop.sale_id, by=by, at=at, cause=CAUSE)


def test_the_fence_is_bounded_and_the_next_who_comes_takes_it_down(shop):
    shop.begin("tok-away-authorise", purse_minor=1_500)
    with pytest.raises(SoldPending):
        shop.market.buy(shop.ticket_id, by=BOB, at=FENCE - timedelta(seconds=1))
    shop.market.buy(shop.ticket_id, by=BOB, at=FENCE)
    assert shop.market.sale(shop.sale_id).state == SaleState.ABORTED
    assert shop.payment.wants_cancel
    assert shop.advance(at=FENCE).state == SaleState.ABORTED
    assert shop.payment.state == PaymentState.CANCELLED
    assert shop.market.purse(CAROL) == 10_000
    assert shop.adds_up()


def test_the_seller_takes_his_listing_down_once_the_fence_is_over(shop):
    shop.begin("tok-away-authorise")
    shop.market.unlist(shop.ticket_id, at=FENCE)
    assert shop.market.sale(shop.sale_id).state == SaleState.ABORTED


def test_an_operator_gives_up_what_nobody_answers_for(shop):
    shop.begin("tok-away-authorise")
    with pytest.raises(NotTheBuyer):
        give_up(shop, by=None)
    for stranger in (ALICE, BOB):
        with pytest.raises(NotTheBuyer):
            give_up(shop, by=stranger, at=FENCE)
    give_up(shop, by=None, at=FENCE)
    assert shop.ledger.ticket(shop.ticket_id).lock.kind == LockKind.LISTING


def test_money_that_comes_for_a_sale_given_up_goes_back(shop):
    shop.begin("tok-away-authorise")
    give_up(shop, by=CAROL)
    # The provider had it all the time, and took it.
    shop.provider.authorise(
        payment_id=shop.payment.id, amount=shop.payment.amount, instrument="tok-ok"
    )
    shop.provider.capture(payment_id=shop.payment.id, reference="")
    news = PaymentNews(shop.payment.id, NewsKind.CAPTURED, "sandbox")
    payments.tell(shop.ledger, [news], at=NOON, cause=CAUSE)
    assert shop.advance().state == SaleState.ABORTED
    [refund] = shop.payment.refunds.values()
    assert (refund.amount_minor, refund.done) == (4_000, True)
    assert shop.owner == ALICE
    assert shop.market.entries() == []
    # Disputed at the bank besides: the ticket was never sold for it.
    chargebacks.of_resale(
        work := shop.ledger.work(),
        shop.payment,
        dispute_id="dp_1",
        status="opened",
        amount_minor=4_000,
        at=NOON,
    )
    work.record(CAUSE)
    assert shop.ledger.ticket(shop.ticket_id).holds == ()


# A case comes between.


def test_a_freeze_lets_the_held_money_wait_beyond_the_fence_and_then_it_goes_on(shop):
    shop.begin("tok-away-authorise", purse_minor=1_500)
    shop.market.freeze(shop.ticket_id)
    assert shop.advance().state == SaleState.FUNDS_HELD
    later = FENCE + HOUR
    assert shop.advance(at=later).state == SaleState.FUNDS_HELD
    assert shop.market.entries() == []
    shop.market.unfreeze(shop.ticket_id, at=later)
    assert shop.advance(at=later).state == SaleState.PAID_OUT
    assert (shop.owner, shop.market.purse(CAROL)) == (CAROL, 8_500)
    assert shop.adds_up()


def test_who_spends_his_part_while_a_case_waits_beyond_the_fence_buys_nothing(shop):
    shop.begin("tok-away-authorise", purse_minor=1_500)
    shop.market.freeze(shop.ticket_id)
    assert shop.advance().state == SaleState.FUNDS_HELD
    later = FENCE + HOUR
    shop.market.spend(CAROL, 9_000, at=later)
    shop.market.unfreeze(shop.ticket_id, at=later)
    assert shop.advance(at=later).state == SaleState.ABORTED
    assert shop.payment.state == PaymentState.CANCELLED
    assert (shop.owner, shop.market.purse(CAROL)) == (ALICE, 1_000)
    assert shop.adds_up()


def test_what_waits_for_a_case_the_buyer_may_give_up(shop):
    shop.begin("tok-away-authorise")
    shop.market.freeze(shop.ticket_id)
    shop.advance()
    give_up(shop, by=CAROL)
    shop.advance()
    assert shop.payment.state == PaymentState.CANCELLED


def test_a_decision_that_takes_the_ticket_away_ends_the_sale(shop):
    shop.begin("tok-away-authorise")
    ticket = shop.ledger.ticket(shop.ticket_id)
    ticket.revoke(reason="cancelled", by=ISSUER, at=NOON)
    shop.ledger.record(ticket, cause=CAUSE)
    assert shop.advance().state == SaleState.ABORTED
    shop.advance()
    assert shop.payment.state == PaymentState.CANCELLED
    assert shop.market.entries() == []


# Authorised, and never paid.


def test_a_capture_that_fails_takes_title_and_money_back(shop):
    sale = shop.begin("tok-capture-declines", purse_minor=1_500)
    assert sale.state == SaleState.REVERSED
    assert shop.owner == ALICE
    assert (shop.market.purse(ALICE), shop.market.purse(CAROL)) == (10_000, 10_000)
    assert shop.market.balance(CLEARING) == 0
    assert shop.market.balance(f"escrow/{shop.sale_id}/EUR") == 0
    assert shop.adds_up()


def test_a_sale_that_was_never_paid_does_not_count_as_one_that_was_resold():
    shop = Shop(purchase_limit=1)
    assert shop.begin("tok-capture-declines").state == SaleState.REVERSED
    shop.market.list_ticket(shop.ticket_id)
    shop.market.buy(shop.ticket_id, by=BOB)
    assert shop.owner == BOB


def test_if_the_ticket_was_passed_on_meanwhile_the_buyer_owes_and_the_seller_is_paid():
    shop = Shop()
    shop.begin("tok-away-capture-capture-declines", purse_minor=1_500)
    assert shop.owner == CAROL
    shop.market.list_ticket(shop.ticket_id, 1_000, by=CAROL)
    shop.market.buy(shop.ticket_id, by=BOB)
    assert shop.advance().state == SaleState.PAID_OUT
    assert shop.owner == BOB
    assert shop.market.balance(f"debt/{CAROL}/EUR") == -2_500
    assert shop.market.balance(CLEARING) == 0
    assert shop.market.purse(ALICE) == 13_160
    shop.market.reverse(shop.sale_id)
    assert shop.market.balance(f"debt/{CAROL}/EUR") == 0
    assert shop.market.purse(ALICE) == 10_000
    assert shop.adds_up()


def test_the_seller_is_not_paid_out_before_the_card_is_captured():
    shop = Shop(**LATER)
    shop.begin("tok-away-capture")
    with pytest.raises(CaptureOpen):
        shop.market.pay_out(shop.sale_id, at=NOON + HOUR)
    assert shop.advance().state == SaleState.TITLE_MOVED
    shop.market.pay_out(shop.sale_id, at=NOON + HOUR)


def test_a_decision_pays_the_card_back_and_the_purse_after_it():
    shop = Shop(**LATER)
    shop.begin(purse_minor=1_500)
    shop.market.reverse(shop.sale_id)
    assert shop.market.purse(CAROL) == 10_000
    assert shop.market.balance(CLEARING) == 0
    payments.carry_out(
        shop.ledger,
        shop.provider,
        payment_id=shop.payment.id,
        at=NOON,
        cause=CAUSE,
    )
    assert [each.done for each in shop.payment.refunds.values()] == [True]


# The process dies.


@pytest.mark.parametrize("token", ["tok-ok", "tok-declines", "tok-capture-declines"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", range(8))
def test_wherever_the_process_dies_going_on_ends_it_as_if_nothing_had(
    step, when, token
):
    """Every commit and every call to the provider is a place to die at."""
    shop, places = Shop(), {"before": 0, "after": 0}

    def die(now: str) -> None:
        places[now] += 1
        if now == when and places[now] == step + 1:
            raise Crash

    shop.ledger.dies = die
    with suppress(Crash):
        shop.begin(token, purse_minor=1_500)
    shop.ledger.dies = lambda _: None
    if not shop.ledger.knows(shop.sale_id):
        assert (step, when, shop.market.purse(CAROL)) == (0, "before", 10_000)
        return
    shop.advance()
    assert shop.adds_up()
    outcome = {
        "tok-ok": (SaleState.PAID_OUT, CAROL, 8_500, -2_500),
        "tok-declines": (SaleState.ABORTED, ALICE, 10_000, 0),
        "tok-capture-declines": (SaleState.REVERSED, ALICE, 10_000, 0),
    }
    assert (
        shop.market.sale(shop.sale_id).state,
        shop.owner,
        shop.market.purse(CAROL),
        shop.market.balance(CLEARING),
    ) == outcome[token]
