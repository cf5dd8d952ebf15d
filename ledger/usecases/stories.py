"""Telling a case's tickets for the planner: from their events, orders and sales."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from uuid import UUID

from ledger.aggregates.case import Case, CaseType, CaseUnknown
from ledger.aggregates.case.story import (
    SELLER,
    Chargeback,
    Move,
    SaleFacts,
    TicketStory,
    Use,
)
from ledger.aggregates.e_ticket import ETicket
from ledger.aggregates.e_ticket.states import Life
from ledger.aggregates.medium import Medium
from ledger.aggregates.order import Order
from ledger.aggregates.sale import Sale, SaleState
from ledger.application import Work
from ledger.vocabulary.ids import compensation_id, medium_id

# Sources whose purchaser paid nothing, or paid somebody else.
_NOT_HERE = frozenset({"grant", "elsewhere", "import"})


UNUSED = "unused_serials"


def stories_of(work: Work, case: Case) -> tuple[TicketStory, ...]:
    """Tell the stories of a case's tickets, with what the case knows of papers."""
    unused = {serial for fact in case.facts for serial in fact.get(UNUSED, ())}
    return tuple(
        story_of(work, ticket_id, held_since=case.created_on, unused=unused)
        for ticket_id in case.ticket_ids
    )


def story_of(
    work: Work,
    ticket_id: UUID,
    *,
    held_since: datetime,
    unused: Collection[str] = (),
) -> TicketStory:
    """Tell one ticket's story as it is now.

    Its paper, if it is on one, may have been used: unless a case held it before the
    ticket became valid (`held_since`), or its serial is known to be `unused`.
    """
    ticket = work.ticket(ticket_id)
    order = work.find(Order, ticket.order_id) if ticket.order_id else None
    moves = tuple(_moves(work, ticket))
    on_paper = ticket.life == Life.DISPENSED and ticket.form.serial not in unused
    return TicketStory(
        ticket_id=ticket_id,
        issuer_id=ticket.issuer_id,
        purchaser_id=order.buyer_id if order else moves[0].to_id,
        order_id=ticket.order_id if order else None,
        owner_id=ticket.owner_id,
        life=str(ticket.life),
        life_version=ticket.life_version,
        epoch=ticket.epoch,
        paid_minor=ticket.price_minor + ticket.fees_minor,
        paid_here=ticket.source not in _NOT_HERE,
        currency=ticket.currency,
        moves=moves,
        uses_limit=ticket.uses.limit,
        uses_unit=ticket.uses.unit,
        uses=tuple(
            Use(done.version, done.amount - done.reversed)
            for done in ticket.redemptions.values()
            if done.amount > done.reversed
        ),
        medium_uid=ticket.form.medium_uid,
        serial=ticket.form.serial,
        paper_usable=on_paper and held_since >= ticket.not_before,
        compensated_versions=tuple(
            move.version
            for move in moves
            if work.ledger.knows(compensation_id(ticket_id, move.version))
        ),
    )


def parties_of(work: Work, case: Case) -> set[str]:
    """Name everybody who had a part in what is disputed, and who spoke in the case.

    Also if no ticket is disputed: whose card it is, and who paid.
    """
    parties = {case.opened_by, *(given.by for given in case.evidence)}
    if case.medium_uid is not None:
        medium = work.find(Medium, medium_id(bytes.fromhex(case.medium_uid)))
        parties |= {str(medium.holder_id)} if medium is not None else set()
    bank = chargeback_of(case)
    parties |= {str(bank.purchaser_id)} if bank is not None else set()
    for story in stories_of(work, case):
        parties |= {str(each) for each in story.parties()}
    for merged_id in case.merged_cases:
        parties |= parties_of(work, work.get(Case, merged_id, CaseUnknown()))
    return parties


def chargeback_of(case: Case) -> Chargeback | None:
    """Return the bank's notice that a case of chargeback began with."""
    if case.type != CaseType.CHARGEBACK:
        return None
    said = case.facts[0]
    sale_id = said["sale_id"]
    return Chargeback(
        purchaser_id=UUID(said["purchaser_id"]),
        amount_minor=said["amount_minor"],
        currency=said["currency"],
        clearing=said["clearing"],
        sale_id=UUID(sale_id) if sale_id else None,
    )


def sealed_answer_of(work: Work, ticket_id: UUID, owner_id: UUID) -> str | None:
    """Return what an earlier owner of the ticket had answered, sealed."""
    answer: str | None = None
    for _, event in work.ledger.events_of(ticket_id):
        mine = getattr(event, "owner_id", None) == owner_id
        if mine and hasattr(event, "check_sealed"):
            answer = event.check_sealed
    return answer


def _moves(work: Work, ticket: ETicket) -> Iterator[Move]:
    for _, event in work.ledger.events_of(ticket.id):
        version = event.originator_version
        if isinstance(event, ETicket.Issued):
            yield Move(version, "issued", None, event.owner_id)
        elif isinstance(event, ETicket.GiftAccepted):
            yield Move(version, "gift", event.giver_id, event.owner_id)
        elif isinstance(event, ETicket.Resold):
            sale = _sale(work, event)
            yield Move(version, "resale", event.seller_id, event.owner_id, sale=sale)
        elif isinstance(event, ETicket.Reassigned):
            yield Move(
                version,
                "decision",
                event.from_party_id,
                event.owner_id,
                reverses=event.reverses_version,
            )


def _sale(work: Work, event: ETicket.Resold) -> SaleFacts:
    sale = work.find(Sale, event.sale_id)
    held = sale is not None and sale.state == SaleState.TITLE_MOVED
    left = sale.seller_left_minor if sale is not None and held else 0
    return SaleFacts(
        sale_id=event.sale_id,
        seller_id=event.seller_id,
        buyer_id=event.owner_id,
        price_minor=event.price_minor,
        shares=event.split_minor,
        held=held,
        seller_held_minor=min(left, event.split_minor.get(SELLER, 0)),
        owed=sale is not None and sale.owed_minor > 0,
    )
