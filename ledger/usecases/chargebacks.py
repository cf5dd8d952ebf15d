"""Chargebacks, mirrored from the payment provider inside the commit that hears of one.

opened ── a case of its own; its tickets are frozen, a paper's serial is held
won    ── the case is withdrawn by the bank, and its holds are released
lost   ── decided by the bank: what is unused is revoked, what was used is a debt

The provider may say each of them twice and in any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.aggregates.case import Case, CaseType, Decision, DecisionKind
from ledger.aggregates.e_ticket.states import HoldEffect, HoldKind
from ledger.aggregates.payment import Payment
from ledger.aggregates.sale import PAID_OUT, Sale, SaleState
from ledger.application import Work
from ledger.usecases import accounts, cases
from ledger.vocabulary.ids import case_id
from ledger.vocabulary.money import Money

BANK = "bank"

_EFFECTS = (
    HoldEffect.NO_TITLE,
    HoldEffect.NO_DISPENSE,
    HoldEffect.NO_REDEEM,
    HoldEffect.NO_REFUND,
)


@dataclass(frozen=True, slots=True)
class Notice:
    """What a provider says of a payment that is disputed at the bank.

    `dispute_id` is the provider's name for it, `clearing` the account in our books
    from which the bank takes the money, `sale_id` the resale that was paid; None: the
    first purchase.
    """

    payment_id: UUID
    dispute_id: str
    purchaser_id: UUID
    ticket_ids: tuple[UUID, ...]
    amount: Money
    clearing: str
    order_id: UUID | None = None
    sale_id: UUID | None = None


def opened(work: Work, notice: Notice, *, at: datetime) -> Case:
    """Open the case of a chargeback; heard twice, it is opened once."""
    case = work.find(Case, _id(notice))
    if case is not None:
        return case
    return cases.open_within(
        work,
        case_id=_id(notice),
        type=CaseType.CHARGEBACK,
        ticket_ids=notice.ticket_ids,
        payment_id=notice.payment_id,
        order_id=notice.order_id,
        facts={
            "dispute": notice.dispute_id,
            "purchaser_id": str(notice.purchaser_id),
            "amount_minor": notice.amount.amount_minor,
            "currency": notice.amount.currency,
            "clearing": notice.clearing,
            "sale_id": str(notice.sale_id) if notice.sale_id else None,
        },
        kind=HoldKind.CHARGEBACK,
        effects=_EFFECTS,
        opened_by=BANK,
        at=at,
    )


def won(work: Work, notice: Notice, *, at: datetime) -> Case:
    """Release everything: the bank left us the money."""
    case = opened(work, notice, at=at)
    if case.is_undecided:
        case.withdraw(by=BANK, reason="the bank left the payment", at=at)
        cases.release_holds(work, case, at=at)
    return case


def lost(work: Work, notice: Notice, *, at: datetime) -> Case:
    """Decide as the bank has; an operator looks at the plan and executes it."""
    case = opened(work, notice, at=at)
    if case.is_undecided:
        case.take_as_decided(
            by=BANK,
            decision=Decision(DecisionKind.REVOKE),
            judged_at_position=work.ledger.position(),
            at=at,
        )
    return case


def of_resale(
    work: Work,
    payment: Payment,
    *,
    dispute_id: str,
    status: str,
    amount_minor: int,
    at: datetime,
) -> Case | None:
    """Follow the dispute of a card payment for a resale; None if it is none of these.

    `status` is the provider's: opened, won or lost.
    """
    sale = work.find(Sale, payment.purpose_id)
    if sale is None:
        return None
    stands = sale.state in (SaleState.TITLE_MOVED, *PAID_OUT)
    notice = Notice(
        payment_id=payment.id,
        dispute_id=dispute_id,
        purchaser_id=sale.buyer_id,
        # Of a sale whose titles never moved, or went back, nobody has a ticket.
        ticket_ids=tuple(line.ticket_id for line in sale.left) if stands else (),
        amount=Money(amount_minor, payment.amount.currency),
        clearing=accounts.card_clearing_of(payment.provider, sale.currency),
        sale_id=sale.id,
    )
    return {"opened": opened, "won": won, "lost": lost}[status](work, notice, at=at)


def _id(notice: Notice) -> UUID:
    return case_id("chargeback", f"{notice.payment_id}/{notice.dispute_id}")
