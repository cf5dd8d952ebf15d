"""Decisions about what was paid by points, e-money and a card together."""

import pytest

from ledger.aggregates.case import Decision, DecisionKind
from ledger.aggregates.e_ticket import Life
from ledger.aggregates.sale import Sale, SaleState
from ledger.ports import NewsKind, PaymentNews
from ledger.usecases import checkout, refunds, sale_payments
from ledger.usecases.accounts import card_clearing_of
from ledger.usecases.settlement import Wanted
from ledger.vocabulary.ids import case_id, payment_id
from tests.domain.examples import ALICE, CAROL, ISSUER, NOON
from tests.usecases.checkouts import Till, card, e_money, mixed
from tests.usecases.court import CAUSE, Court, fresh


class TillCourt(Court, Till):
    """A town with a payment provider and a court."""

    def __init__(self, installation, **offering):
        Till.__init__(self, installation, **offering)


@pytest.fixture
def court(installation):
    return TillCourt(installation, earn_points_per_100=1)


def bought(court):
    """Buy by 500 points, 1,500 in e-money and 2,000 by card; earn 40 points."""
    order_id = court.reserve().order_id
    (ticket_id,) = court.begin(order_id, *mixed()).ticket_ids
    return order_id, ticket_id


def disputed(court, purpose_id, *kinds, amount_minor=2_000):
    """Let the provider call back about the card's part; return the case's id."""
    paying = payment_id(purpose_id)
    for kind in kinds:
        name = f"sandbox_{paying.hex}"
        news = PaymentNews(paying, kind, name, "dp_1", "", amount_minor)
        body, signature = court.provider.callback(news, at=NOON)
        checkout.hear(
            court.ledger,
            court.desk,
            court.provider,
            news=court.provider.read_callback(body=body, signature=signature, at=NOON),
            at=NOON,
            cause=CAUSE,
        )
    return case_id("chargeback", f"{paying}/dp_1")


def test_a_refund_by_decision_goes_to_the_tenders_that_paid(court):
    before = court.points(), court.purse()
    order_id, ticket_id = bought(court)
    found = court.complain(ticket_id, about="not_received")
    court.decide(found, Decision(DecisionKind.REFUND))
    court.execute(found)
    assert (court.points(), court.purse()) == before
    (refund,) = court.payment(order_id).refunds.values()
    assert refund.amount_minor == 2_000
    assert court.posted(f"revenue/{ISSUER}/EUR") == 0
    assert court.trial_balance().holds


def test_6_a_lost_chargeback_takes_the_card_part_and_the_rest_goes_back(court):
    before = court.points(), court.purse()
    order_id, ticket_id = bought(court)
    found = disputed(court, order_id, NewsKind.DISPUTE_OPENED, NewsKind.DISPUTE_LOST)
    court.execute(found)
    court.close(found)
    assert court.ledger.ticket(ticket_id).life == Life.REVOKED
    assert (court.points(), court.purse()) == before
    assert court.order(order_id).refunded_minor == 4_000
    payment = court.payment(order_id)
    assert payment.refunds == {}, "the bank has it already"
    assert court.posted(card_clearing_of(payment.provider, "EUR")) == 0
    assert court.posted(f"revenue/{ISSUER}/EUR") == 0
    assert court.trial_balance().holds


def test_a_chargeback_that_was_won_changes_nothing(court):
    order_id, ticket_id = bought(court)
    after = court.points(), court.purse()
    disputed(court, order_id, NewsKind.DISPUTE_WON, NewsKind.DISPUTE_OPENED)
    ticket = court.ledger.ticket(ticket_id)
    assert (ticket.life, ticket.holds, ticket.owner_id) == (Life.OWNED, (), ALICE)
    assert (court.points(), court.purse()) == after


def test_6_a_resale_that_a_bank_took_back_returns_to_its_seller(court):
    _, ticket_id = bought(court)
    listing = court.list_ticket(ticket_id)
    before, sale_id = court.purse(), fresh()
    sale_payments.begin(
        court.ledger,
        court.provider,
        court.personal,
        wanted=[Wanted(ticket_id, listing.listing_id, None)],
        sale_id=sale_id,
        by=CAROL,
        offered=[card(4_000)],
        at=NOON,
        cause=CAUSE,
    )
    assert court.ledger.ticket(ticket_id).owner_id == CAROL
    found = disputed(court, sale_id, NewsKind.DISPUTE_LOST, amount_minor=4_000)
    assert [hold.case_id for hold in court.ledger.ticket(ticket_id).holds] == [found]
    court.execute(found)
    assert court.ledger.ticket(ticket_id).owner_id == ALICE
    assert court.ledger.find(Sale, sale_id).state == SaleState.CLAWBACK
    assert court.purse() == before
    assert court.trial_balance().holds


def test_a_dispute_seen_beside_a_lost_answer_still_opens_its_case_when_told(court):
    order_id = court.reserve(count=2).order_id
    given_back, kept = court.begin(
        order_id, e_money(4_000), card(4_000, "tok-loses-refund")
    ).ticket_ids
    refunds.refund(
        court.ledger,
        court.desk,
        ticket_ids=[given_back],
        by=ISSUER,
        entry_id=fresh(),
        at=NOON,
        cause=CAUSE,
    )
    paying = payment_id(order_id)
    court.provider.dispute(
        payment_id=paying, dispute_id="dp_1", status=NewsKind.DISPUTE_OPENED
    )
    court.advance(order_id)
    assert not court.payment(order_id).outstanding
    found = disputed(court, order_id, NewsKind.DISPUTE_OPENED)
    assert [hold.case_id for hold in court.ledger.ticket(kept).holds] == [found]
