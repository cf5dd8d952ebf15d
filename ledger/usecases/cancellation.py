"""Cancelling an offering: nothing is sold any more, and each last payer is paid back.

begin ──► one commit for each ticket, in any number of runs ──► finish

A run that was interrupted is run again: what has ended is passed over. Tickets of
orders that were being paid at the cancellation are found by the next run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from ledger.aggregates.case import Case, CaseType, CaseUnknown, Decision, DecisionKind
from ledger.aggregates.case.plan import Plan
from ledger.aggregates.case.repaying import take_back_for_money
from ledger.aggregates.e_ticket import ETicket, HoldEffect, HoldKind
from ledger.aggregates.e_ticket.refusals import InDispense
from ledger.aggregates.e_ticket.states import TERMINAL
from ledger.aggregates.offering import NotTheIssuer, Offering
from ledger.application import Cause, Ledger, Work, attempt
from ledger.errors import Conflict, Overtaken, Unknown
from ledger.usecases import cases, stories, unwinding
from ledger.vocabulary.ids import case_id

_PAGE = 1_000


class StillHeld(Conflict):
    code = "frozen"
    says = "Of the offering's tickets {kept} are not paid back yet."


@dataclass(frozen=True, slots=True)
class Cancelled:
    case_id: UUID
    position: int


def begin(
    ledger: Ledger,
    *,
    offering_id: UUID,
    by: UUID,
    reason: str,
    at: datetime,
    cause: Cause,
) -> Cancelled:
    """Cancel an offering as its issuer; said again, nothing changes.

    The case that everything is paid back under is opened in the same commit. It takes
    no tickets in: they end by it one by one.
    """
    work = ledger.work()
    cancelled = case_of(offering_id)
    offering = work.get(Offering, offering_id, Unknown(what="offering"))
    if by != offering.issuer_id:
        raise NotTheIssuer(because=offering.names(1))
    if work.find(Case, cancelled) is not None:
        return Cancelled(cancelled, ledger.position())
    if not offering.cancelled_version:
        offering.cancel(by=by, reason=reason, at=at)
    case = cases.open_within(
        work,
        case_id=cancelled,
        type=CaseType.CANCELLED_OFFERING,
        facts={"offering_id": str(offering_id)},
        kind=HoldKind.ISSUER,
        effects=(HoldEffect.FLAG_ONLY,),
        opened_by=str(by),
        at=at,
    )
    case.take_as_decided(
        by=str(by),
        decision=Decision(DecisionKind.REFUND),
        judged_at_position=ledger.position(),
        at=at,
    )
    return Cancelled(cancelled, work.record(cause))


@dataclass(frozen=True, slots=True)
class Run:
    """What one run did; `kept` are tickets that something keeps for now.

    `next` is where another run goes on, a position of the log; None at the end.
    """

    paid_back: int
    passed_over: int
    kept: tuple[UUID, ...]
    next: int | None = None


def pay_back(
    ledger: Ledger,
    *,
    offering_id: UUID,
    at: datetime,
    cause: Cause,
    begin: int = 0,
    most: int | None = None,
) -> Run:
    """End every ticket of a cancelled offering and pay its last payer.

    Or `most` of those that were issued from the position `begin` on. A ticket is kept
    while a case forbids paying for it, or a printer prints it.
    """
    paid_back, passed_over, kept = 0, 0, list[UUID]()
    for number, (position, ticket_id) in enumerate(
        _issued(ledger, offering_id, begin=begin)
    ):
        if number == most:
            return Run(paid_back, passed_over, tuple(kept), position)
        try:
            done = attempt(
                partial(_pay_back, ledger, offering_id, ticket_id, at=at, cause=cause)
            )
        except (InDispense, StillHeld):
            kept.append(ticket_id)
        else:
            paid_back += done
            passed_over += not done
    return Run(paid_back, passed_over, tuple(kept))


def finish(
    ledger: Ledger, *, offering_id: UUID, by: UUID, at: datetime, cause: Cause
) -> int:
    """Close the case as an operator once every ticket has ended.

    Raises `StillHeld` while one has not.
    """
    work = ledger.work()
    left = [
        ticket_id
        for ticket_id in tickets_of(ledger, offering_id)
        if work.ticket(ticket_id).life not in TERMINAL
    ]
    if left:
        raise StillHeld(kept=len(left))
    case = _case(work, offering_id)
    case.execute(
        by=str(by),
        parties=(),
        value_minor=0,
        plan_hash=Plan((), (f"offering {offering_id}",)).hash,
        compensations=[],
        at=at,
    )
    case.close(by=str(by), at=at)
    return work.record(cause)


def tickets_of(ledger: Ledger, offering_id: UUID) -> Iterator[UUID]:
    """Yield every ticket ever issued for an offering, by reading the log."""
    return (ticket_id for _, ticket_id in _issued(ledger, offering_id, begin=0))


def case_of(offering_id: UUID) -> UUID:
    """Return the id of the case under which an offering's tickets are paid back."""
    return case_id("cancelled", str(offering_id))


def _issued(
    ledger: Ledger, offering_id: UUID, *, begin: int
) -> Iterator[tuple[int, UUID]]:
    """Yield each ticket with the position of its issue.

    Before the offering began there was nothing to issue.
    """
    start: int | None = max(begin, ledger.events_of(offering_id)[0][0])
    while start is not None:
        page = ledger.recorder.select_notifications(
            start=start, limit=_PAGE, topics=[ETicket.Issued.TOPIC]
        )
        for notification in page:
            event = ledger.mapper.to_domain_event(notification)
            if getattr(event, "offering_id", None) == offering_id:
                yield notification.id, event.originator_id
        start = page[-1].id + 1 if len(page) == _PAGE else None


def _pay_back(
    ledger: Ledger, offering_id: UUID, ticket_id: UUID, *, at: datetime, cause: Cause
) -> bool:
    """Pay one ticket back in a commit of its own; False if it has ended before."""
    work = ledger.work()
    ticket = work.ticket(ticket_id)
    if ticket.life in TERMINAL:
        return False
    for hold in ticket.holds:
        if HoldEffect.NO_REFUND in hold.effects:
            raise StillHeld(kept=1, because=ticket.names(hold.version))
    story = stories.story_of(work, ticket_id, held_since=at)
    plan = Plan(tuple(take_back_for_money(story)), ())
    scope = case_id("cancelled", f"{offering_id}/{ticket_id}")
    read = ticket.version
    try:
        unwinding.carry_out(work, _case(work, offering_id), plan, scope=scope, at=at)
    except Conflict:
        # Another may have paid it since, and what was read later shows that.
        if ledger.ticket(ticket_id).version != read:
            raise Overtaken from None
        raise
    work.record(cause)
    return True


def _case(work: Work, offering_id: UUID) -> Case:
    return work.get(Case, case_of(offering_id), CaseUnknown())
