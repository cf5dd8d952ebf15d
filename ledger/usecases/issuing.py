"""Turning places into tickets, however they were come by. A step: it records nothing.

A purchase is issued by whoever took the money for it; here is what is issued without
one: granted, sold elsewhere, given for an older ticket.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from ledger.aggregates.e_ticket import ETicket
from ledger.aggregates.offering import Offering
from ledger.application import Work
from ledger.ports import PersonalData
from ledger.usecases.answers import seal_answer
from ledger.usecases.checkout import AnswersMissing
from ledger.usecases.stock import HeldPlace


def issue(
    work: Work,
    personal: PersonalData,
    *,
    offering: Offering,
    places: Sequence[HeldPlace],
    ticket_ids: Sequence[UUID],
    owner_id: UUID,
    source: str,
    group_id: UUID,
    answers: Sequence[str | None],
    at: datetime,
    order_id: UUID | None = None,
    for_nothing: bool = False,
    predecessor_ids: Sequence[UUID | None] = (),
    points_spent: Sequence[int] = (),
    points_earned: Sequence[int] = (),
) -> list[ETicket]:
    """Issue one ticket for each place; `answers` are the holder's, one for each.

    What was paid is the price at which the place was held, unless it is `for_nothing`:
    it is the basis of every later resale cap and refund. `group_id` binds them where
    the terms say that they stay together. Raises `AnswerMissing`, `AnswersMissing`.
    """
    if answers and len(answers) != len(ticket_ids):
        raise AnswersMissing(tickets=len(ticket_ids), answers=len(answers))
    said = list(answers) or [None] * len(ticket_ids)
    before = list(predecessor_ids) or [None] * len(ticket_ids)
    spent = list(points_spent) or [0] * len(ticket_ids)
    earned = list(points_earned) or [0] * len(ticket_ids)
    together = offering.terms.together and len(ticket_ids) > 1
    return [
        work.add(
            ETicket.issue(
                ticket_id=ticket_id,
                order_id=order_id,
                offering_id=offering.id,
                issuer_id=offering.issuer_id,
                owner_id=owner_id,
                kind=offering.kind,
                title=offering.title,
                right=held.place,
                category=held.category,
                not_before=offering.valid_from,
                not_after=offering.valid_until,
                price_minor=0 if for_nothing else held.price_minor,
                fees_minor=0 if for_nothing else held.fees_minor,
                currency=offering.currency,
                uses_limit=offering.uses_limit,
                uses_unit=offering.uses_unit,
                terms=offering.terms,
                question=offering.question,
                check_sealed=seal_answer(
                    personal,
                    holder_id=owner_id,
                    question=offering.question,
                    answer=said[number],
                ),
                source=source,
                group_id=group_id if together else None,
                group_size=len(ticket_ids) if together else 1,
                predecessor_id=before[number],
                points_spent=spent[number],
                points_earned=earned[number],
                at=at,
            )
        )
        for number, (ticket_id, held) in enumerate(zip(ticket_ids, places, strict=True))
    ]
