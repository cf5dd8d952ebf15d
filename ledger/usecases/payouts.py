"""Paying a sale out of escrow: once, when it is due, and never under a hold.

Due is what the terms say: with the sale, or from the moment on at which the right can
be used (or was, by the buyer); in either case only once a card's money was captured.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.aggregates.base import is_over
from ledger.aggregates.e_ticket import ETicket, HoldEffect, Life
from ledger.aggregates.e_ticket.refusals import Ended, Frozen
from ledger.aggregates.payment import PaymentState
from ledger.aggregates.sale import Line, Sale, SaleState
from ledger.application import Cause, Ledger, Work
from ledger.errors import Conflict
from ledger.usecases import accounts
from ledger.usecases.accounts import AccountRef, Leg
from ledger.usecases.settlement import SHARES, sale_of
from ledger.usecases.tenders import CARD, card_payment
from ledger.vocabulary.ids import sale_entry_id
from ledger.vocabulary.money import Money

AFTER_START = "after_start"
DUE_MAX = 500


class NotReleased(Conflict):
    code = "not_yet_valid"
    says = "The sale is paid out from {not_before} on, or once its ticket was used."


class CaptureOpen(Conflict):
    code = "in_doubt"
    says = "The card payment of this sale is not captured yet."


class StillValid(Conflict):
    code = "not_yet_valid"
    says = "The sale is closed once its tickets are over; one is valid to {not_after}."


@dataclass(frozen=True, slots=True)
class PaidOut:
    sale_id: UUID
    split_minor: dict[str, int]
    position: int


def payout(ledger: Ledger, *, sale_id: UUID, at: datetime, cause: Cause) -> PaidOut:
    """Pay a sale out. Raises why it is not due."""
    work = ledger.work()
    shares = pay_out(work, sale_of(work, sale_id), at=at)
    return PaidOut(sale_id, shares, work.record(cause))


def pay_out(
    work: Work, sale: Sale, *, at: datetime, decided: bool = False
) -> dict[str, int]:
    """Empty escrow to seller, issuers, platform and tax, inside the caller's commit.

    `decided` is for an executed decision, which need not wait for the release.
    """
    sale.require_state(SaleState.TITLE_MOVED)
    _require_captured(work, sale)
    if not decided:
        for line in sale.left:
            ticket = work.ticket(line.ticket_id)
            _require_released(sale, line, ticket, at)
            if not ticket.pending_events:
                # The ticket decides whether a hold was first, so it has to be told.
                ticket.note_payout(sale_id=sale.id, at=at)
    shares = _shares(sale)
    entry = accounts.move(
        work,
        entry_id=sale_entry_id(sale.id, "payout"),
        legs=_legs(sale),
        reason="payout",
        reference=f"sale/{sale.id}",
        at=at,
    )
    posted = None if entry is None else entry.id
    sale.pay_out(entry_id=posted, split_minor=shares, at=at)
    return shares


def pay_out_if_due(work: Work, sale: Sale, *, at: datetime) -> bool:
    """Pay a sale out unless something forbids it now; say whether it was."""
    try:
        pay_out(work, sale, at=at)
    except (NotReleased, Frozen, Ended, CaptureOpen):
        return False
    return True


def close(ledger: Ledger, *, sale_id: UUID, at: datetime, cause: Cause) -> int:
    """Close a sale that was paid out, once its rights are over and no case is open."""
    work = ledger.work()
    sale = sale_of(work, sale_id)
    sale.require_state(SaleState.PAID_OUT)
    for line in sale.left:
        ticket = work.ticket(line.ticket_id)
        _require_no_hold(ticket)
        if ticket.life == Life.OWNED and not is_over(ticket.not_after, at):
            raise StillValid(
                not_after=ticket.not_after.isoformat(), because=ticket.names(1)
            )
    sale.close(at=at)
    return work.record(cause)


@dataclass(frozen=True, slots=True)
class Due:
    """Sales to be paid out; `position` is where to look on, None at the end."""

    sale_ids: list[UUID]
    position: int | None


def due(ledger: Ledger, *, at: datetime, after: int = 0) -> Due:
    """Find sales that can be paid out now, among the next `DUE_MAX` in the log.

    What was not due at one pass may be at the next, so every pass starts at 0.
    """
    found = ledger.recorder.select_notifications(
        start=after + 1, limit=DUE_MAX, topics=[Sale.TitleMoved.TOPIC]
    )
    sale_ids = []
    for notification in found:
        work = ledger.work()
        sale = sale_of(work, notification.originator_id)
        if sale.state == SaleState.TITLE_MOVED and pay_out_if_due(work, sale, at=at):
            sale_ids.append(sale.id)
    return Due(sale_ids, found[-1].id if len(found) == DUE_MAX else None)


def is_by_card(sale: Sale) -> bool:
    """Whether a card paid a part of what is in escrow."""
    return any(each["kind"] == CARD for each in sale.paid)


def _require_captured(work: Work, sale: Sale) -> None:
    """What a card pays is there only once the provider captured it."""
    if is_by_card(sale):
        payment = card_payment(work, sale.id)
        if payment.state != PaymentState.CAPTURED:
            raise CaptureOpen(because=payment.names(payment.version))


def _require_released(sale: Sale, line: Line, ticket: ETicket, at: datetime) -> None:
    _require_no_hold(ticket)
    if sale.payout != AFTER_START:
        return
    if ticket.life == Life.REVOKED:
        # Nobody can use it any more: a decision says whose the money is.
        raise Ended(life="revoked", because=ticket.names(ticket.life_version))
    used = ticket.life in (Life.DISPENSED, Life.SPENT)
    if used and ticket.title_version == line.title_version:
        return
    if at < ticket.not_before:
        raise NotReleased(
            not_before=ticket.not_before.isoformat(),
            because=sale.names(sale.version),
        )


def _require_no_hold(ticket: ETicket) -> None:
    """No case may be open about the ticket, unless it only flags it."""
    for hold in ticket.holds:
        if tuple(hold.effects) != (HoldEffect.FLAG_ONLY,):
            raise Frozen(kind=hold.kind, because=ticket.names(hold.version))


def fee_accounts(line: Line, currency: str) -> dict[AccountRef | str, int]:
    """Return who has which share of a price, but for the seller's."""
    return {
        accounts.revenue_of(line.issuer_id, currency): line.split_minor["royalty"],
        accounts.platform_of(currency): line.split_minor["platform"],
        accounts.tax_of(line.issuer_id, currency): line.split_minor["tax"],
    }


def _shares(sale: Sale) -> dict[str, int]:
    shares = dict.fromkeys(SHARES, 0)
    for line in sale.left:
        for name, amount_minor in line.split_minor.items():
            shares[name] += amount_minor
    return shares | {"seller": sale.seller_left_minor}


def _legs(sale: Sale) -> list[Leg]:
    """Credit everybody's share, once for each account, and debit escrow."""
    currency = sale.currency
    shares: dict[AccountRef | str, int] = {}
    seller = accounts.purse_ref(sale.seller_id, currency)
    shares[seller] = sale.seller_left_minor
    for line in sale.left:
        for account, amount_minor in fee_accounts(line, currency).items():
            shares[account] = shares.get(account, 0) + amount_minor
    shares[accounts.escrow_of(sale.id, currency)] = -sum(shares.values())
    return [
        Leg(account, Money(amount_minor, currency))
        for account, amount_minor in shares.items()
    ]
