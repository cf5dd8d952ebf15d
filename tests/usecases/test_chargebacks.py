"""Chargebacks as the provider tells them: in any order, twice, and acted on once."""

import itertools
from typing import Any

import pytest

from ledger.aggregates.case import CaseState, DecisionKind
from ledger.aggregates.case.refusals import BankDecides, PartyToTheCase
from ledger.aggregates.e_ticket import HoldKind, Life
from ledger.aggregates.e_ticket.refusals import Frozen
from ledger.usecases import chargebacks, disputes
from ledger.vocabulary.money import Money
from tests.domain.examples import ALICE, NOON
from tests.usecases.court import CAUSE, JUDGE, Court, fresh


@pytest.fixture
def court(installation):
    return Court(installation)


def notice_of(*ticket_ids, **more):
    said: dict[str, Any] = {
        "payment_id": fresh(),
        "dispute_id": "dp_1",
        "purchaser_id": ALICE,
        "ticket_ids": ticket_ids,
        "amount": Money(4_000, "EUR"),
        "clearing": "card/sandbox/EUR",
    }
    return chargebacks.Notice(**(said | more))


def hear(court, step, notice):
    work = court.ledger.work()
    case = step(work, notice, at=NOON)
    work.record(CAUSE)
    return case


def test_a_chargeback_freezes_what_the_payment_paid_for(court):
    ticket_id = court.ticket()
    case = hear(court, chargebacks.opened, notice_of(ticket_id))
    (hold,) = court.ledger.ticket(ticket_id).holds
    assert (hold.case_id, hold.kind) == (case.id, HoldKind.CHARGEBACK)
    with pytest.raises(Frozen):
        court.offer(ticket_id)


def test_6_a_paper_is_held_by_its_serial(court):
    ticket_id = court.ticket()
    court.print(ticket_id, court.leased(ticket_id))
    hear(court, chargebacks.opened, notice_of(ticket_id))
    ticket = court.ledger.ticket(ticket_id)
    assert ticket.life == Life.DISPENSED
    assert [hold.kind for hold in ticket.holds] == [HoldKind.CHARGEBACK]


def test_a_chargeback_that_was_won_lets_everything_go(court):
    ticket_id = court.ticket()
    notice = notice_of(ticket_id)
    hear(court, chargebacks.opened, notice)
    case = hear(court, chargebacks.won, notice)
    assert court.case(case.id).state == CaseState.WITHDRAWN
    assert court.ledger.ticket(ticket_id).holds == ()


def test_a_chargeback_that_was_lost_is_decided_and_waits_for_an_operator(court):
    ticket_id = court.ticket()
    notice = notice_of(ticket_id)
    hear(court, chargebacks.opened, notice)
    case = court.case(hear(court, chargebacks.lost, notice).id)
    assert case.state == CaseState.DECIDED
    assert case.judgement.decision.kind == DecisionKind.REVOKE
    assert court.ledger.ticket(ticket_id).holds != ()


@pytest.mark.parametrize("last", ["won", "lost"])
def test_notices_may_come_twice_and_in_any_order(court, last):
    steps = [chargebacks.opened, getattr(chargebacks, last)]
    outcomes = set()
    for order in itertools.permutations(steps * 2):
        ticket_id = court.ticket()
        notice = notice_of(ticket_id)
        for step in order:
            case = hear(court, step, notice)
        ticket = court.ledger.ticket(ticket_id)
        outcomes.add((court.case(case.id).state, len(ticket.holds)))
    state, holds = (CaseState.WITHDRAWN, 0) if last == "won" else ("DECIDED", 1)
    assert outcomes == {(state, holds)}


def test_two_disputes_of_one_payment_are_two_cases(court):
    ticket_id, payment_id = court.ticket(), fresh()
    for dispute_id in ("dp_1", "dp_2"):
        notice = notice_of(ticket_id, payment_id=payment_id, dispute_id=dispute_id)
        hear(court, chargebacks.opened, notice)
    assert len(court.ledger.ticket(ticket_id).holds) == 2


def test_nobody_but_the_bank_withdraws_a_chargeback(court):
    ticket_id = court.ticket()
    notice = notice_of(ticket_id)
    case = hear(court, chargebacks.opened, notice)
    with pytest.raises(BankDecides):
        disputes.withdraw(
            court.ledger,
            case_id=case.id,
            by=JUDGE,
            as_operator=True,
            reason="settled",
            at=NOON,
            cause=CAUSE,
        )
    assert hear(court, chargebacks.lost, notice).state == CaseState.DECIDED


def test_a_chargeback_takes_no_further_tickets_in(court):
    case = hear(court, chargebacks.opened, notice_of(court.ticket()))
    with pytest.raises(BankDecides):
        case.add_facts(facts={}, ticket_ids=[fresh()], at=NOON)
    case.add_facts(facts={"unused_serials": []}, ticket_ids=(), at=NOON)


@pytest.mark.parametrize("of_a_sale", [False, True])
def test_what_the_bank_takes_though_it_was_given_back_is_the_purchasers_debt(
    court, of_a_sale
):
    notice = notice_of(sale_id=fresh() if of_a_sale else None)
    case = hear(court, chargebacks.lost, notice)
    made = court.execute(case.id).plan
    debt = f"debt/{ALICE}/EUR"
    assert made.totals() == {("card/sandbox/EUR", "EUR"): 4_000, (debt, "EUR"): -4_000}


def test_who_paid_has_a_part_in_a_chargeback_of_no_ticket(court):
    case = hear(court, chargebacks.lost, notice_of())
    with pytest.raises(PartyToTheCase):
        court.execute(case.id, by=ALICE)
