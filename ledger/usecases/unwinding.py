"""Carrying out what a case decided: previewed, then done in one commit, or not at all.

The plan comes from `ledger.aggregates.case.unwind`, which is pure. Who executes says
which plan he was shown, by its hash; if anything it rests on has moved since, the plan
is another one and nothing is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.aggregates.case import Case
from ledger.aggregates.case.plan import Plan, Step, StepKind
from ledger.aggregates.case.refusals import NotInThisState, PlanChanged
from ledger.aggregates.case.story import CaseFacts
from ledger.aggregates.case.unwind import plan
from ledger.aggregates.e_ticket import ETicket, Life, LockKind
from ledger.aggregates.offering import Offering
from ledger.aggregates.order import Order
from ledger.application import Cause, Ledger, Work
from ledger.ports import StockDesk
from ledger.usecases import (
    allowances,
    cases,
    compensating,
    gift_lines,
    paying_back,
    settlement,
    stock_search,
    stories,
    waiting,
)
from ledger.vocabulary.ids import step_id

_TAKEN = "a decision took the ticket"


def preview(ledger: Ledger, *, case_id: UUID) -> Plan:
    """Show what executing the case would do, as things are now."""
    work = ledger.work()
    return _planned(work, cases.case_of(work, case_id))


@dataclass(frozen=True, slots=True)
class Execution:
    plan: Plan
    position: int


def execute(
    ledger: Ledger,
    desk: StockDesk,
    *,
    case_id: UUID,
    by: UUID,
    plan_hash: str,
    at: datetime,
    cause: Cause,
) -> Execution:
    """Carry the plan out as a whole, as an operator who has no part in the case.

    Raises `PlanChanged` if it is not the plan that was shown, `SameOperator` if the
    value at stake asks for a second pair of eyes.
    """
    work = ledger.work()
    case = cases.case_of(work, case_id)
    made = _planned(work, case)
    if made.hash != plan_hash:
        raise PlanChanged(because=_newest(work, case))
    parties = stories.parties_of(work, case)
    case.execute(
        by=str(by),
        parties=parties,
        value_minor=made.value_minor,
        plan_hash=made.hash,
        compensations=[step.as_dict() for step in made.steps],
        at=at,
    )
    carry_out(work, case, made, scope=case.id, at=at)
    position = work.record(cause)
    for offering_id in freed_by(work, made):
        waiting.serve(ledger, desk, offering_id=offering_id, at=at, cause=cause)
    return Execution(made, position)


def freed_by(work: Work, made: Plan) -> set[UUID]:
    """Name the offerings whose places a plan has freed: others wait for these."""
    return {
        work.ticket(step.ticket_id).offering_id
        for step in made.steps
        if step.kind in (StepKind.REVOKE, StepKind.REFUND) and step.ticket_id
    }


def carry_out(
    work: Work, decided: Case, made: Plan, *, scope: UUID, at: datetime
) -> None:
    """Do every step of a plan within the caller's commit.

    Entries are numbered within `scope`: the case, or one ticket of it.
    """
    for number, step in enumerate(made.steps, 1):
        entry_id = step_id(scope, number)
        if step.kind == StepKind.PAY:
            compensating.pay(work, decided, step, entry_id=entry_id, at=at)
        elif step.kind == StepKind.UNDO_SALE:
            compensating.undo_sale(work, decided, step, entry_id=entry_id, at=at)
        elif step.kind == StepKind.REFUND:
            _refund(work, decided, step, entry_id=entry_id, at=at)
        else:
            _change(work, decided, step, at=at)
    touched = [step.ticket_id for step in made.steps if step.ticket_id is not None]
    gift_lines.go_on(work, dict.fromkeys(touched), at=at)


def _planned(work: Work, case: Case) -> Plan:
    judgement = case.judgement
    if judgement is None:
        raise NotInThisState(
            state=case.state,
            needed="DECIDED",
            because=case.names(case.state_version),
        )
    facts = CaseFacts(
        judgement.decision,
        stories.stories_of(work, case),
        stories.chargeback_of(case),
        mark=f"{case.id} decided {judgement.version}",
    )
    return plan(facts)


def _newest(work: Work, case: Case) -> list[str]:
    """Name what happened last to the case and to each of its tickets."""
    tickets = [work.ticket(ticket_id) for ticket_id in case.ticket_ids]
    return [each.names(each.version)[0] for each in (case, *tickets)]


def _change(work: Work, decided: Case, step: Step, *, at: datetime) -> None:
    """Do what a step does to a ticket alone, without money."""
    assert step.ticket_id is not None
    ticket = work.ticket(step.ticket_id)
    reason = f"case/{decided.id}"
    match step.kind:
        case StepKind.REASSIGN:
            _reassign(work, decided, ticket, step, at=at)
        case StepKind.REVOKE:
            free_of_sale(work, ticket, reason=_TAKEN, at=at)
            ticket.revoke(reason=reason, decision_id=decided.id, at=at)
            paying_back.free(work, ticket, at=at)
        case StepKind.RECALL:
            ticket.recall_from_medium(medium_uid=str(step.ref), reason=reason, at=at)
        case StepKind.SURRENDER:
            ticket.surrender_paper(serial=str(step.ref), at=at)
        case StepKind.REINSTATE:
            _take_back_use(decided, ticket, at=at)
            ticket.reinstate(decision_id=decided.id, at=at)
            _take_again(work, ticket, at=at)


def _reassign(
    work: Work, decided: Case, ticket: ETicket, step: Step, *, at: datetime
) -> None:
    assert step.to_id is not None
    free_of_sale(work, ticket, reason=_TAKEN, at=at)
    before = ticket.owner_id
    ticket.reassign(
        to=step.to_id,
        decision_id=decided.id,
        reverses_version=step.version,
        check_sealed=stories.sealed_answer_of(work, ticket.id, step.to_id),
        at=at,
    )
    _count(work, ticket, from_id=before, to_id=step.to_id, at=at)


def _refund(
    work: Work, decided: Case, step: Step, *, entry_id: UUID, at: datetime
) -> None:
    """Take the right back, off its paper first if it is on one, and pay for it."""
    assert step.ticket_id is not None
    ticket = work.ticket(step.ticket_id)
    free_of_sale(work, ticket, reason=_TAKEN, at=at)
    if ticket.life == Life.DISPENSED:
        ticket.surrender_paper(serial=str(ticket.form.serial), at=at)
    ticket.refund(
        amount_minor=step.paid_minor,
        entry_id=entry_id if step.postings else None,
        decision_id=decided.id,
        at=at,
    )
    compensating.give_back(work, decided, step, entry_id=entry_id, at=at)
    paying_back.free(work, ticket, at=at)


def free_of_sale(work: Work, ticket: ETicket, *, reason: str, at: datetime) -> None:
    """A resale whose payment is under way ends with nothing moved."""
    if ticket.lock.kind == LockKind.SETTLEMENT and ticket.lock.ref is not None:
        sale = settlement.sale_of(work, ticket.lock.ref)
        settlement.abort(work, sale, reason=reason, at=at)


def _take_back_use(decided: Case, ticket: ETicket, *, at: datetime) -> None:
    """Of a coupon that was used up, undo the use by which it was; it was an error."""
    for session_id, done in ticket.redemptions.items():
        if ticket.life == Life.SPENT and done.version == ticket.life_version:
            ticket.reverse_redemption(
                session_id=UUID(session_id),
                reversal_id=decided.id,
                amount=done.amount - done.reversed,
                reason=f"case/{decided.id}",
                decision_id=decided.id,
                at=at,
            )


def _take_again(work: Work, ticket: ETicket, *, at: datetime) -> None:
    """Book the place of a ticket that lives again, if it was freed meanwhile.

    Raises `PlaceTaken` when it was sold to somebody else.
    """
    _count(work, ticket, from_id=None, to_id=ticket.owner_id, at=at)
    offering = work.find(Offering, ticket.offering_id)
    if offering is None:
        return
    order = work.find(Order, ticket.order_id) if ticket.order_id else None
    place = order.line_of(ticket.id).place if order else ticket.right
    number = offering.part_of(place, ticket.category)
    allotment = stock_search.allotment(work, offering, number, at)
    if not allotment.belongs(place, ticket_id=ticket.id, order_id=ticket.order_id):
        allotment.take(tickets={place: ticket.id}, at=at)


def _count(
    work: Work,
    ticket: ETicket,
    *,
    from_id: UUID | None,
    to_id: UUID | None,
    at: datetime,
) -> None:
    allowances.moved(
        work,
        offering_id=ticket.offering_id,
        ticket_id=ticket.id,
        from_id=from_id,
        to_id=to_id,
        at=at,
    )
