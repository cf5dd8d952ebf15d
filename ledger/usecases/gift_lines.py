"""Keeping a gift and its tickets in step, inside a commit.

The tickets decide, and much happens to them that knows nothing of gifts: their time
runs out, a machine uses them, a case freezes or ends them. `follow` draws from that
what it means for the whole gift; who only looks asks it, too, and records nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import cast
from uuid import UUID

from ledger.aggregates.base import Recorded, is_over
from ledger.aggregates.e_ticket import ETicket, HoldEffect
from ledger.aggregates.e_ticket.refusals import OfferUnknown
from ledger.aggregates.gift import Gift, Line
from ledger.application import Work
from ledger.errors import Overtaken

_ENDED = (
    ETicket.GiftAccepted,
    ETicket.GiftDeclined,
    ETicket.GiftWithdrawn,
    ETicket.GiftExpired,
)


def wait_together(work: Work, ticket_ids: Iterable[UUID], *, at: datetime) -> None:
    """After a freeze: let the clock stand of all that is given with these tickets."""
    offers = [work.ticket(ticket_id).offer for ticket_id in ticket_ids]
    _follow_all(work, [offer.offer_id for offer in offers if offer], at)


def go_on(work: Work, ticket_ids: Iterable[UUID], *, at: datetime) -> None:
    """After a release: let the gifts go on, or end, that these tickets are or were in.

    A case may have ended a ticket, and what was to be given with it is free then.
    """
    offers = [work.ticket(ticket_id).last_offer_id for ticket_id in ticket_ids]
    _follow_all(work, [offer_id for offer_id in offers if offer_id], at)


def _follow_all(work: Work, offer_ids: Iterable[UUID], at: datetime) -> None:
    for offer_id in dict.fromkeys(offer_ids):
        gift = work.find(Gift, offer_id)
        if gift is not None:
            follow(work, gift, at=at)


def follow(work: Work, gift: Gift, *, at: datetime) -> None:
    """Note which pending lines have ended, and let the others wait or go on.

    Lines that are given together end together, and while one is frozen all wait.
    Raises `Overtaken`.
    """
    expired: list[Line] = []
    voided: list[Line] = []
    for line in gift.pending:
        ticket = work.ticket(line.ticket_id)
        if is_out_of_time(ticket, gift.id, at):
            ticket.settle_lock(at)
            expired.append(line)
        elif not is_offered(ticket, gift.id):
            found = expired if _ran_out(work, ticket, gift.id) else voided
            found.append(line)
    if not gift.is_whole:
        _end(gift, expired, voided, at)
        return
    if expired or voided:
        lines = gift.pending
        for line in lines:
            _let_go(work.ticket(line.ticket_id), gift.id, at)
        _end(gift, [] if voided else lines, lines if voided else [], at)
        return
    _wait_together(work, gift, at)


def is_offered(ticket: ETicket, offer_id: UUID) -> bool:
    """Whether the ticket carries this offer, if only behind a machine's lease."""
    return ticket.offer is not None and ticket.offer.offer_id == offer_id


def is_out_of_time(ticket: ETicket, offer_id: UUID, at: datetime) -> bool:
    """Whether the ticket carries this offer, and too long; a stopped clock waits."""
    offer = ticket.offer
    if offer is None or offer.offer_id != offer_id or offer.suspended_at is not None:
        return False
    return is_over(offer.until, at)


def deadline(
    work: Work, gift: Gift, ticket_id: UUID
) -> ETicket.GiftOffered | ETicket.GiftResumed:
    """Return the event that says until when this line could or can be accepted."""
    for event in reversed(_story(work, work.ticket(ticket_id))):
        if isinstance(event, ETicket.GiftOffered | ETicket.GiftResumed) and (
            event.offer_id == gift.id
        ):
            return event
    raise OfferUnknown(what="gift offer")


def _end(
    gift: Gift, expired: Collection[Line], voided: Collection[Line], at: datetime
) -> None:
    if expired:
        gift.expire(ticket_ids=[line.ticket_id for line in expired], at=at)
    if voided:
        gift.void(ticket_ids=[line.ticket_id for line in voided], at=at)


def _let_go(ticket: ETicket, offer_id: UUID, at: datetime) -> None:
    """Free a ticket that cannot be given alone; a machine's lease stays."""
    if is_offered(ticket, offer_id) and not is_out_of_time(ticket, offer_id, at):
        ticket.withdraw_gift(offer_id=offer_id, by=ticket.owner_id, at=at)


def _wait_together(work: Work, gift: Gift, at: datetime) -> None:
    tickets = [work.ticket(line.ticket_id) for line in gift.pending]
    frozen = [
        hold.case_id
        for ticket in tickets
        for hold in ticket.holds
        if HoldEffect.NO_TITLE in hold.effects
    ]
    for ticket in tickets:
        if frozen:
            ticket.suspend_gift(offer_id=gift.id, case_id=frozen[0], at=at)
        else:
            ticket.resume_gift(offer_id=gift.id, at=at)


def _ran_out(work: Work, ticket: ETicket, offer_id: UUID) -> bool:
    """Whether the ticket lost the offer to time, and not to use or to an end.

    A ticket that was accepted, declined or withdrawn is ahead of the gift as it was
    read: raises `Overtaken`, for somebody recorded both in between.
    """
    for event in _story(work, ticket):
        if isinstance(event, _ENDED) and event.offer_id == offer_id:
            if not isinstance(event, ETicket.GiftExpired):
                raise Overtaken
            return True
    return False


def _story(work: Work, ticket: ETicket) -> list[Recorded.Event]:
    """Return every event of a ticket, those of this very command among them."""
    recorded = [event for _, event in work.ledger.events_of(ticket.id)]
    return recorded + [cast("Recorded.Event", each) for each in ticket.pending_events]
