"""A sale whose card was authorised and never paid: undone, or the buyer owes it.

Rare, for an authorisation is a promise; but a bank may break it. Escrow and titles
moved on the strength of it, so both go back in one commit if they all can.
"""

from __future__ import annotations

from datetime import datetime

from ledger.aggregates.e_ticket import ETicket, HoldEffect, Life
from ledger.aggregates.order import Paid
from ledger.aggregates.payment import Payment
from ledger.aggregates.sale import Line, Sale
from ledger.application import Work
from ledger.usecases import accounts, allowances, gift_lines, stories, tenders
from ledger.usecases.accounts import Leg, debt_of, escrow_of
from ledger.usecases.settlement import programme_of
from ledger.usecases.tenders import CARD
from ledger.vocabulary.ids import sale_entry_id
from ledger.vocabulary.money import Money


def undo(work: Work, sale: Sale, payment: Payment, *, at: datetime) -> None:
    """The capture failed for good: the titles go back, or the buyer owes the money.

    They go back if they all can: still the buyer's, unused and not in dispute, and
    nothing of the escrow has gone elsewhere.
    """
    paid = [Paid(**each) for each in sale.paid]
    came = [each for each in paid if each.kind != CARD]
    card_minor = payment.amount.amount_minor
    back_minor = min(sale.refunded_minor, card_minor)  # Refunds begin with the card.
    missing = Money(card_minor - back_minor, sale.currency)
    tickets = [work.ticket(line.ticket_id) for line in sale.lines]
    whole = not sale.returned and not sale.compensated_minor
    entry_id = sale_entry_id(sale.id, "uncaptured")
    if whole and all(map(_can_go_back, tickets, sale.lines)):
        _undo_card(work, sale, payment, missing, escrow_of(sale.id, sale.currency), at)
        for ticket in tickets:
            _take_back(work, sale, ticket, at)
        gift_lines.go_on(work, [ticket.id for ticket in tickets], at=at)
        _give_back(work, sale, came, at)
        sale.reverse(reason=payment.reason or "declined", entry_id=entry_id, at=at)
        return
    _undo_card(work, sale, payment, missing, debt_of(sale.buyer_id, sale.currency), at)
    sale.record_debt(
        paid=[each.as_dict() for each in came],
        amount_minor=missing.amount_minor,
        entry_id=entry_id,
        at=at,
    )


def _undo_card(
    work: Work,
    sale: Sale,
    payment: Payment,
    missing: Money,
    borne_by: str,
    at: datetime,
) -> None:
    """Take back what was posted for a card and never came, at somebody's cost."""
    clearing = accounts.card_clearing_of(payment.provider, sale.currency)
    accounts.move(
        work,
        entry_id=sale_entry_id(sale.id, "uncaptured"),
        legs=[
            Leg(borne_by, Money(-missing.amount_minor, sale.currency)),
            Leg(clearing, missing),
        ],
        reason="resale-unpaid",
        reference=f"sale/{sale.id}",
        at=at,
    )


def _can_go_back(ticket: ETicket, line: Line) -> bool:
    frozen = any(HoldEffect.NO_TITLE in hold.effects for hold in ticket.holds)
    bought = ticket.title_version == line.title_version
    unused = ticket.life == Life.OWNED and ticket.uses.redeemed == ticket.uses.reversed
    return bought and unused and not frozen and ticket.print_serial is None


def _take_back(work: Work, sale: Sale, ticket: ETicket, at: datetime) -> None:
    """Give the title back to the seller; the sale itself is what decides it."""
    ticket.reassign(
        to=sale.seller_id,
        decision_id=sale.id,
        reverses_version=ticket.title_version,
        check_sealed=stories.sealed_answer_of(work, ticket.id, sale.seller_id),
        at=at,
    )
    allowances.moved(
        work,
        offering_id=ticket.offering_id,
        ticket_id=ticket.id,
        from_id=sale.buyer_id,
        to_id=sale.seller_id,
        at=at,
    )
    allowances.unsold(
        work,
        offering_id=ticket.offering_id,
        ticket_id=ticket.id,
        seller_id=sale.seller_id,
        at=at,
    )


def _give_back(work: Work, sale: Sale, came: list[Paid], at: datetime) -> None:
    """Give back what points and e-money paid of a sale that is undone."""
    amount_minor = sum(each.amount_minor for each in came)
    if not amount_minor:
        return
    escrow = escrow_of(sale.id, sale.currency)
    tenders.refund(
        work,
        purpose_id=sale.id,
        payer_id=sale.buyer_id,
        paid=came,
        already_refunded_minor=0,
        amount=Money(amount_minor, sale.currency),
        programme_id=programme_of(sale),
        entry_id=sale_entry_id(sale.id, "undone"),
        debits=[Leg(escrow, Money(-amount_minor, sale.currency))],
        reason="resale-unpaid",
        reference=f"sale/{sale.id}",
        at=at,
    )
