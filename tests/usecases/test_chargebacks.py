"""Chargebacks as the provider tells them: in any order, twice, and acted on once."""

import itertools
from typing import Any

import pytest

from ledger.aggregates.case import CaseState, DecisionKind
from ledger.aggregates.e_ticket import HoldKind, Life
from ledger.aggregates.e_ticket.refusals import Frozen
from ledger.usecases import chargebacks
from ledger.vocabulary.money import Money
from tests.domain.examples import ALICE, NOON
from tests.usecases.court import CAUSE, Court, fresh


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
