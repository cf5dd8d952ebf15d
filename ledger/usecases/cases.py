"""Opening cases: the one way in which tickets are frozen, and released again.

A case is opened inside the commit of what gave cause to it: a tap, an upload, a bank's
notice, a complaint. Every hold names a live case; whoever ends a case releases exactly
its own holds in the same commit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from ledger.aggregates.case import Case, CaseType, CaseUnknown
from ledger.aggregates.e_ticket.states import HoldKind
from ledger.application import Work
from ledger.errors import Conflict
from ledger.usecases import gift_lines
from ledger.vocabulary.ids import case_id as computed_id

REOPENED_MAX = 100


class TooManyCases(Conflict):
    code = "limit"
    says = "The same was disputed {times} times; an operator has to look at it."


def open_within(
    work: Work,
    *,
    case_id: UUID,
    type: CaseType | str,  # noqa: A002 - the word of the field
    ticket_ids: Iterable[UUID] = (),
    medium_uid: str | None = None,
    payment_id: UUID | None = None,
    order_id: UUID | None = None,
    facts: Mapping[str, Any],
    kind: HoldKind,
    effects: Collection[str],
    opened_by: str,
    at: datetime,
) -> Case:
    """Open a case and freeze its tickets, inside the caller's commit.

    If the case is there and undecided, `facts` are added to it, and tickets that are
    new to it are frozen as well. If it was decided, what is said now was not judged
    then: a further case begins. `facts` are ids, numbers and times, no names. Return
    the case, whose id is then another than `case_id`.
    """
    disputed = tuple(dict.fromkeys(ticket_ids))
    case = _standing(work, case_id)
    if isinstance(case, Case):
        case.add_facts(facts=facts, ticket_ids=disputed, at=at)
    else:
        case = work.add(
            Case.open(
                case_id=case,
                case_type=CaseType(type),
                ticket_ids=disputed,
                medium_uid=medium_uid,
                payment_id=payment_id,
                order_id=order_id,
                facts=facts,
                kind=kind,
                effects=effects,
                opened_by=opened_by,
                at=at,
            )
        )
    for ticket_id in disputed:
        work.ticket(ticket_id).freeze(
            case_id=case.id, kind=kind, effects=effects, at=at
        )
    gift_lines.wait_together(work, disputed, at=at)
    return case


def release_holds(work: Work, case: Case, *, at: datetime) -> None:
    """Release exactly this case's holds; the caller ends the case in this commit."""
    for ticket_id in case.ticket_ids:
        work.ticket(ticket_id).unfreeze(case_id=case.id, at=at)
    gift_lines.go_on(work, case.ticket_ids, at=at)


def case_of(work: Work, case_id: UUID) -> Case:
    """Return a case. Raises `CaseUnknown`."""
    return work.get(Case, case_id, CaseUnknown())


def _standing(work: Work, case_id: UUID) -> Case | UUID:
    """Return the undecided case on this matter, or the id of one to open."""
    wanted = case_id
    for number in range(1, REOPENED_MAX):
        case = work.find(Case, wanted)
        if case is None:
            return wanted
        if case.is_undecided:
            return case
        wanted = computed_id("again", f"{case_id}/{number}")
    raise TooManyCases(times=REOPENED_MAX)
