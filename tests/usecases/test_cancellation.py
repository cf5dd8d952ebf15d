"""Collision 14: an offering is cancelled, and each last payer gets back what he paid.

Bugs planted one at a time, each of which made a test fail: a ticket held by a
chargeback was paid back as well; entries of two tickets had one id; papers were passed
over; the resales of a chain were left standing.
"""

from functools import partial

import pytest

from ledger.aggregates.case import CaseState
from ledger.aggregates.e_ticket import Life, Terms
from ledger.aggregates.offering import NotTheIssuer, OfferingCancelled
from ledger.aggregates.sale import Sale, SaleState
from ledger.application import Work
from ledger.usecases import cancellation, chargebacks, stock, stories
from tests.domain.examples import ALICE, BOB, CAROL, HOUR, ISSUER, NOON
from tests.usecases.court import CAUSE, CLERK
from tests.usecases.meeting import at_once
from tests.usecases.test_unwinding import (
    TownCourt,
    everything_adds_up,
    hear,
    notice_of,
    posted,
    purse,
    resold,
)

__all__ = ["everything_adds_up"]


@pytest.fixture
def court(installation):
    return TownCourt(installation)


def cancel(court):
    return cancellation.begin(
        court.ledger,
        offering_id=court.offering_id,
        by=ISSUER,
        reason="the theatre burnt down",
        at=NOON,
        cause=CAUSE,
    ).case_id


def run(court):
    return cancellation.pay_back(
        court.ledger, offering_id=court.offering_id, at=NOON, cause=CAUSE
    )


def finish(court):
    return cancellation.finish(
        court.ledger, offering_id=court.offering_id, by=CLERK, at=NOON, cause=CAUSE
    )


def test_14_whatever_holds_a_ticket_ends_and_the_payer_gets_his_money(court):
    court.top_up(ALICE, 10_000)
    offered, listed, printed = court.buy(), court.buy(), court.buy()
    court.offer(offered)
    court.list_ticket(listed)
    court.print(printed, court.leased(printed))
    cancel(court)
    done = run(court)
    assert (done.paid_back, done.kept) == (3, ())
    tickets = [court.ledger.ticket(each) for each in (offered, listed, printed)]
    assert {ticket.life for ticket in tickets} == {Life.REFUNDED}
    assert tickets[2].dead_serials == ("S-0001",)
    assert purse(court, ALICE) == 20_000
    assert posted(court, f"revenue/{ISSUER}/EUR") == 0
    assert stock.count(court.ledger, court.offering_id).sold == 0


def test_14_of_a_cancellation_and_an_accept_at_once_who_paid_gets_it_once(
    installation,
):
    court = TownCourt(installation, places=["A1", "A2", "A3", "A4"])
    court.top_up(ALICE, 10_000)
    offered = [court.buy() for _ in range(4)]
    offers = [court.offer(each) for each in offered]
    cancel(court)
    told = at_once(
        *(partial(court.accept, *each) for each in zip(offered, offers, strict=True)),
        *(partial(run, court) for _ in range(2)),
    )
    assert run(court).kept == ()
    tickets = [court.ledger.ticket(each) for each in offered]
    assert {ticket.life for ticket in tickets} == {Life.REFUNDED}
    # An accept that was first made Bob the owner; the money is Alice's all the same.
    assert {each for each in told if isinstance(each, str)} <= {"terminal", "no_offer"}
    assert purse(court, ALICE) == 20_000
    assert purse(court, BOB) == 0


def test_14_who_is_overtaken_while_he_reads_looks_again(court, monkeypatch):
    ticket_id = court.buy()
    cancel(court)
    tell = stories.story_of

    def overtaken(*told, **since):
        monkeypatch.setattr(stories, "story_of", tell)
        run(court)  # Between the reading of the ticket and of its order.
        return tell(*told, **since)

    monkeypatch.setattr(stories, "story_of", overtaken)
    assert run(court).kept == ()
    assert court.ledger.ticket(ticket_id).life == Life.REFUNDED
    assert purse(court, ALICE) == 10_000


def test_14_a_gift_is_paid_back_to_who_bought_it(court):
    ticket_id = court.buy()
    court.given(ticket_id)
    cancel(court)
    run(court)
    assert (purse(court, ALICE), purse(court, BOB)) == (10_000, 0)


def test_14_the_purchaser_of_a_resale_gets_his_price_and_the_seller_his(court):
    ticket_id = court.buy()
    sale_id = resold(court, ticket_id, by=ALICE).sale_id
    cancel(court)
    run(court)
    assert (purse(court, ALICE), purse(court, CAROL)) == (10_000, 10_000)
    assert posted(court, f"revenue/{ISSUER}/EUR") == 0
    assert court.ledger.find(Sale, sale_id).state == SaleState.CLAWBACK


def test_14_who_sold_dearer_gives_his_gain_back(installation):
    terms = Terms(resale_cap_percent=150)
    court = TownCourt(installation, terms=terms)
    ticket_id = court.buy()
    listing = court.list_ticket(ticket_id, price_minor=6_000)
    court.buy_listed(ticket_id, listing, by=CAROL)
    assert (purse(court, ALICE), purse(court, CAROL)) == (12_000, 4_000)
    cancel(court)
    run(court)
    assert (purse(court, ALICE), purse(court, CAROL)) == (10_000, 10_000)


def test_14_money_that_waits_in_escrow_is_paid_back_from_there(installation):
    terms = Terms(royalty_percent=5, payout="after_start")
    court = TownCourt(installation, valid_from=NOON + 24 * HOUR, terms=terms)
    ticket_id = court.buy()
    sale_id = resold(court, ticket_id, by=ALICE).sale_id
    cancel(court)
    run(court)
    assert (purse(court, ALICE), purse(court, CAROL)) == (10_000, 10_000)
    assert posted(court, f"escrow/{sale_id}/EUR") == 0


def test_14_every_seller_of_a_chain_is_where_he_was(court):
    court.top_up(BOB, 4_000)
    ticket_id = court.buy()
    resold(court, ticket_id, by=ALICE, to=BOB)
    resold(court, ticket_id, by=BOB, to=CAROL)
    cancel(court)
    run(court)
    assert [purse(court, each) for each in (ALICE, BOB, CAROL)] == [
        10_000,
        4_000,
        10_000,
    ]


def test_a_run_that_died_is_run_again_and_nobody_is_paid_twice(court, monkeypatch):
    tickets = [court.buy() for _ in range(2)]
    cancel(court)
    recorded = Work.record

    def dies(work, cause):
        monkeypatch.setattr(Work, "record", recorded)
        recorded(work, cause)
        raise ConnectionError

    monkeypatch.setattr(Work, "record", dies)
    with pytest.raises(ConnectionError):
        run(court)
    lives = [court.ledger.ticket(each).life for each in tickets]
    assert lives == [Life.REFUNDED, Life.OWNED]
    again = run(court)
    assert (again.paid_back, again.passed_over) == (1, 1)
    assert purse(court, ALICE) == 10_000
    assert run(court).paid_back == 0


def test_what_a_bank_may_take_back_is_kept_until_it_has_spoken(court):
    ticket_id, other = court.buy(), court.buy()
    notice = notice_of(ticket_id)
    hear(court, chargebacks.opened, notice)
    cancel(court)
    assert run(court).kept == (ticket_id,)
    assert court.ledger.ticket(other).life == Life.REFUNDED
    with pytest.raises(cancellation.StillHeld):
        finish(court)
    hear(court, chargebacks.won, notice)
    assert run(court).paid_back == 1
    assert purse(court, ALICE) == 10_000


def test_a_printer_that_prints_keeps_its_ticket_for_the_next_run(court):
    ticket_id = court.buy()
    job = court.leased(ticket_id)
    court.authorise(ticket_id, job)
    cancel(court)
    assert run(court).kept == (ticket_id,)
    court.printed(ticket_id, job)
    assert run(court).paid_back == 1


def test_the_case_is_closed_once_everything_is_paid_back(court):
    court.buy()
    case_id = cancel(court)
    run(court)
    finish(court)
    assert court.case(case_id).state == CaseState.CLOSED


def test_nothing_is_sold_of_a_cancelled_offering(court):
    assert cancel(court) == cancel(court)
    with pytest.raises(OfferingCancelled):
        court.reserve()


def test_only_the_issuer_cancels(court):
    with pytest.raises(NotTheIssuer):
        cancellation.begin(
            court.ledger,
            offering_id=court.offering_id,
            by=ALICE,
            reason="no",
            at=NOON,
            cause=CAUSE,
        )


def test_a_grant_ends_and_nobody_is_paid_for_it(court):
    ticket_id = court.ticket(offering_id=court.offering_id, source="grant")
    cancel(court)
    run(court)
    assert court.ledger.ticket(ticket_id).life == Life.REFUNDED
    assert purse(court, ALICE) == 10_000
