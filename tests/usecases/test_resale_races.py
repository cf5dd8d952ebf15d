"""Who wins when two meet at a listed ticket: the ticket's stream decides."""

from __future__ import annotations

from functools import partial

import pytest

from ledger.adapters.sandbox_payments import SandboxPayments
from ledger.aggregates.e_ticket import HoldKind, LockKind
from ledger.aggregates.payment import Payment, PaymentState
from ledger.aggregates.sale import SaleState
from ledger.bootstrap import Installation
from ledger.errors import Overtaken
from ledger.ports import NewsKind, PaymentNews
from ledger.usecases import checkout, payouts, sale_payments, settlement
from ledger.usecases.tenders import Tender
from ledger.vocabulary.ids import payment_id
from ledger.vocabulary.money import Money
from tests.domain.examples import ALICE, BOB, CAROL, DISPENSER, HOUR, NOON, UID
from tests.usecases.market import CAUSE, Market, fresh
from tests.usecases.meeting import told_at_once

ROUNDS = 3


@pytest.fixture
def market(installation: Installation) -> Market:
    return Market(installation.ledger, personal=installation.personal)


def test_of_two_buyers_one_has_the_ticket_and_only_he_has_paid(market):
    for ticket_id in market.issue(count=ROUNDS):
        market.list_ticket(ticket_id, 1_000)
        before = {each: market.purse(each) for each in (BOB, CAROL)}
        told = told_at_once(
            partial(market.buy, ticket_id, by=BOB),
            partial(market.buy, ticket_id, by=CAROL),
        )
        assert sorted(told) == ["done", "unknown"]
        winner, loser = (BOB, CAROL) if told[0] == "done" else (CAROL, BOB)
        assert market.owner(ticket_id) == winner
        assert market.purse(winner) == before[winner] - 1_000
        assert market.purse(loser) == before[loser]


def test_a_listing_taken_down_and_bought_at_once_is_one_of_the_two(market):
    for ticket_id in market.issue(count=ROUNDS):
        market.list_ticket(ticket_id, 1_000)
        listing_id = market.listing_of(ticket_id)
        bought, taken_down = told_at_once(
            partial(market.buy, ticket_id),
            partial(market.unlist, ticket_id),
        )
        assert (bought == "done") != (taken_down == "done")
        assert listing_id != market.listing_of(ticket_id)
        assert market.owner(ticket_id) == (CAROL if bought == "done" else ALICE)


def test_a_freeze_at_the_moment_of_the_sale_keeps_the_title_or_the_proceeds(market):
    later = {"not_before": NOON + HOUR, "terms": {"payout": "after_start"}}
    for ticket_id in market.issue(count=ROUNDS, **later):
        market.list_ticket(ticket_id, 1_000)
        bought, frozen = told_at_once(
            partial(market.buy, ticket_id),
            partial(market.freeze, ticket_id),
        )
        assert frozen == "done"
        assert bought in ("done", "frozen")
        assert market.owner(ticket_id) == (CAROL if bought == "done" else ALICE)
        assert payouts.due(market.ledger, at=NOON + HOUR).sale_ids == []


def test_a_listed_ticket_is_sold_or_dispensed_but_never_both(market):
    for slot, ticket_id in enumerate(
        market.issue(count=ROUNDS, terms={"on_medium": "exposure"})
    ):
        market.record_on_card(ticket_id, slot=slot)
        market.list_ticket(ticket_id, 1_000)
        epoch = market.ledger.ticket(ticket_id).epoch

        def dispense(ticket_id=ticket_id, epoch=epoch, slot=slot):
            """Take the listing down and hand the ticket to the machine, as one."""
            ticket = market.ledger.ticket(ticket_id)
            listing_id = market.listing_of(ticket_id)
            ticket.unlist(listing_id=listing_id, by=ALICE, at=NOON)
            ticket.start_dispense(
                job_id=fresh(),
                write_id=fresh(),
                device_id=DISPENSER,
                expected_epoch=epoch,
                medium_uid=UID.hex(),
                slot=slot,
                until=NOON + HOUR,
                at=NOON,
            )
            market.ledger.record(ticket, cause=CAUSE)

        bought, leased = told_at_once(partial(market.buy, ticket_id), dispense)
        assert (bought == "done") != (leased == "done")
        lock = market.ledger.ticket(ticket_id).lock.kind
        assert lock == (LockKind.DISPENSE if leased == "done" else LockKind.NONE)


def test_a_freeze_in_the_middle_of_a_payout_keeps_the_money_in_escrow(market):
    [ticket_id] = market.issue(not_before=NOON + HOUR, terms={"payout": "after_start"})
    market.list_ticket(ticket_id)
    sale_id = market.buy(ticket_id).sale_id
    payout = market.ledger.work()
    payouts.pay_out(payout, settlement.sale_of(payout, sale_id), at=NOON + HOUR)
    market.freeze(ticket_id)
    with pytest.raises(Overtaken):
        payout.record(CAUSE)
    assert market.sale(sale_id).state == SaleState.TITLE_MOVED
    assert market.purse(ALICE) == 10_000


def test_two_who_pay_out_at_once_pay_once(market):
    [ticket_id] = market.issue(not_before=NOON + HOUR, terms={"payout": "after_start"})
    market.list_ticket(ticket_id)
    sale_id = market.buy(ticket_id).sale_id
    at = NOON + HOUR
    assert payouts.due(market.ledger, at=NOON).sale_ids == []
    assert payouts.due(market.ledger, at=at).sale_ids == [sale_id]
    told = told_at_once(*[lambda: market.pay_out(sale_id, at=at)] * 4)
    assert sorted(told) == ["already_sold"] * 3 + ["done"]
    assert market.purse(ALICE) == 13_160
    assert market.sale(sale_id).state == SaleState.PAID_OUT
    assert payouts.due(market.ledger, at=at).sale_ids == []


def test_a_card_sale_that_several_carry_on_at_once_is_done_once(installation, market):
    [ticket_id] = market.issue()
    market.list_ticket(ticket_id)
    sale_id, provider = fresh(), SandboxPayments(secret=b"s" * 32)
    sale_payments.begin(
        market.ledger,
        provider,
        market.personal,
        wanted=market.wanted([ticket_id]),
        sale_id=sale_id,
        by=CAROL,
        offered=[
            Tender("card", 3_000, instrument="tok-away-authorise"),
            Tender("e-money", 1_000),
        ],
        at=NOON,
        cause=CAUSE,
    )
    assert market.sale(sale_id).state == SaleState.INITIATED

    def advance() -> None:
        sale_payments.advance(
            market.ledger, provider, sale_id=sale_id, at=NOON, cause=CAUSE
        )

    told = told_at_once(*[advance] * 4)
    assert set(told) <= {"done", "overtaken"}
    advance()
    assert market.sale(sale_id).state == SaleState.PAID_OUT
    assert (market.owner(ticket_id), market.purse(CAROL)) == (CAROL, 9_000)
    assert market.purse(ALICE) == 13_160


def test_a_purchase_given_up_while_its_card_is_authorised_ends_one_way(market):
    for ticket_id in market.issue(count=ROUNDS):
        market.list_ticket(ticket_id, 1_000)
        sale_id, provider = fresh(), SandboxPayments(secret=b"s" * 32)
        sale_payments.begin(
            market.ledger,
            provider,
            market.personal,
            wanted=market.wanted([ticket_id]),
            sale_id=sale_id,
            by=CAROL,
            offered=[Tender("card", 1_000, instrument="tok-away-authorise")],
            at=NOON,
            cause=CAUSE,
        )
        said = {"sale_id": sale_id, "at": NOON, "cause": CAUSE}

        def advance(provider=provider, said=said) -> None:
            sale_payments.advance(market.ledger, provider, **said)

        def give_up(said=said) -> None:
            sale_payments.give_up(market.ledger, by=CAROL, **said)

        told_at_once(advance, give_up)
        advance()
        state = market.sale(sale_id).state
        payment = market.ledger.find(Payment, payment_id(sale_id))
        assert (state, payment.state, market.owner(ticket_id)) in (
            (SaleState.PAID_OUT, PaymentState.CAPTURED, CAROL),
            (SaleState.ABORTED, PaymentState.CANCELLED, ALICE),
        )


def test_a_callback_alone_carries_a_sale_on_however_often_it_comes(
    installation, market
):
    [ticket_id] = market.issue()
    market.list_ticket(ticket_id)
    sale_id, provider = fresh(), SandboxPayments(secret=b"s" * 32)
    sale_payments.begin(
        market.ledger,
        provider,
        market.personal,
        wanted=market.wanted([ticket_id]),
        sale_id=sale_id,
        by=CAROL,
        offered=[Tender("card", 4_000, instrument="tok-away-authorise")],
        at=NOON,
        cause=CAUSE,
    )
    asked = payment_id(sale_id)
    news = [PaymentNews(asked, NewsKind.AUTHORISED, "sandbox")]
    provider.authorise(
        payment_id=asked, amount=Money(4_000, "EUR"), instrument="tok-ok"
    )

    def hear() -> None:
        checkout.hear(
            market.ledger,
            installation.desk,
            provider,
            news=news,
            at=NOON,
            cause=CAUSE,
        )

    assert set(told_at_once(*[hear] * 3)) <= {"done", "overtaken"}
    hear()
    assert market.sale(sale_id).state == SaleState.PAID_OUT
    assert (market.owner(ticket_id), market.purse(ALICE)) == (CAROL, 13_160)
    news = [PaymentNews(asked, NewsKind.DISPUTE_OPENED, about="d1", amount_minor=4_000)]
    hear()
    [hold] = market.ledger.ticket(ticket_id).holds
    assert hold.kind == HoldKind.CHARGEBACK
