"""Decisions about what was paid by points, e-money and a card together."""

import pytest

from ledger.aggregates.case import Decision, DecisionKind
from ledger.aggregates.e_ticket import Life
from ledger.ports import NewsKind, PaymentNews
from ledger.usecases import checkout
from ledger.usecases.accounts import card_clearing_of
from ledger.vocabulary.ids import case_id, payment_id
from tests.domain.examples import ALICE, ISSUER, NOON
from tests.usecases.checkouts import Till, mixed
from tests.usecases.court import CAUSE, Court


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


def disputed(court, order_id, *kinds):
    """Let the provider call back about the card's part; return the case's id."""
    paying = payment_id(order_id)
    for kind in kinds:
        news = PaymentNews(paying, kind, f"sandbox_{paying.hex}", "dp_1", "", 2_000)
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
