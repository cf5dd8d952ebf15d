"""What an executed decision does to a sale: money back, or a compensation.

Steps inside the commit of the decision, which itself moves the titles. Before the
payout the money is in escrow; afterwards it is taken back from those who were paid,
below zero if need be, or noted as a debt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from ledger.aggregates.order import Paid
from ledger.aggregates.sale import PAID_OUT, Line, Sale
from ledger.application import Work
from ledger.usecases import accounts, tenders
from ledger.usecases.accounts import AccountRef, Leg
from ledger.usecases.payouts import fee_accounts
from ledger.usecases.settlement import programme_of, sale_of
from ledger.vocabulary.ids import sale_entry_id
from ledger.vocabulary.money import Money


def reverse_sale(
    work: Work,
    *,
    sale_id: UUID,
    decision_id: UUID,
    at: datetime,
    ticket_ids: Collection[UUID] | None = None,
    as_debt: bool = False,
) -> list[Paid]:
    """Give the buyer back what he paid for these tickets, to the tenders that paid.

    All that is left of the sale, unless `ticket_ids` says which. `as_debt` leaves the
    seller's purse alone and notes that he owes it. The caller moves the titles. Return
    what went back to which tender.
    """
    sale = sale_of(work, sale_id)
    lines = (
        sale.left
        if ticket_ids is None
        else [sale.line(ticket_id) for ticket_id in ticket_ids]
    )
    sold = [line.ticket_id for line in lines]
    price_minor = sum(line.price_minor for line in lines)
    if sale.state in PAID_OUT:
        _take_back(work, sale, _paid_out(sale, lines, as_debt=as_debt), at=at)
    elif missing := sale.missing_minor(sold):
        seller = {_seller(sale, as_debt=as_debt): missing}
        _take_back(work, sale, seller, at=at)
    debt_minor = min(price_minor, sale.owed_minor)
    if debt_minor:
        _settle_debt(work, sale, debt_minor, at=at)
    refunds = Money(price_minor - debt_minor, sale.currency)
    back: list[Paid] = []
    entry_id = _entry_id(sale, "give-back") if refunds.amount_minor else None
    if entry_id is not None:
        back = tenders.refund(
            work,
            purpose_id=sale.id,
            payer_id=sale.buyer_id,
            paid=[Paid(**each) for each in sale.paid],
            already_refunded_minor=sale.refunded_minor,
            amount=refunds,
            programme_id=programme_of(sale),
            entry_id=entry_id,
            debits=[_escrow(sale, -refunds.amount_minor)],
            reason="resale-reversed",
            reference=f"sale/{sale.id}",
            at=at,
        )
    sale.give_back(ticket_ids=sold, entry_id=entry_id, decision_id=decision_id, at=at)
    return back


def compensate(
    work: Work,
    *,
    sale_id: UUID,
    to: UUID,
    amount: Money,
    entry_id: UUID,
    decision_id: UUID,
    at: datetime,
    as_debt: bool = False,
) -> None:
    """Compensate a wronged party at the seller's cost; the buyer keeps the ticket.

    What escrow still owes the seller goes first, then his purse, or a debt of his.
    """
    sale = sale_of(work, sale_id)
    left_minor = 0 if sale.state in PAID_OUT else sale.seller_left_minor
    from_escrow_minor = min(amount.amount_minor, left_minor)
    sale.compensate(
        party_id=to,
        amount_minor=amount.amount_minor,
        from_escrow_minor=from_escrow_minor,
        entry_id=entry_id,
        decision_id=decision_id,
        at=at,
    )
    from_seller = Money(from_escrow_minor - amount.amount_minor, sale.currency)
    legs = [
        _escrow(sale, -from_escrow_minor),
        Leg(_seller(sale, as_debt=as_debt), from_seller),
        Leg(accounts.purse_ref(to, sale.currency), amount),
    ]
    _move(work, sale, entry_id, legs, reason="compensation", at=at)


def _take_back(
    work: Work, sale: Sale, shares: Mapping[AccountRef | str, int], *, at: datetime
) -> None:
    """Put shares that were paid out, or spent on a compensation, back in escrow."""
    legs = [
        Leg(account, Money(-amount_minor, sale.currency))
        for account, amount_minor in shares.items()
    ]
    legs.append(_escrow(sale, sum(shares.values())))
    _move(work, sale, _entry_id(sale, "claw-back"), legs, reason="claw-back", at=at)


def _paid_out(
    sale: Sale, lines: Collection[Line], *, as_debt: bool
) -> Counter[AccountRef | str]:
    """Return who was paid what for these tickets."""
    shares: Counter[AccountRef | str] = Counter()
    for line in lines:
        shares[_seller(sale, as_debt=as_debt)] += line.split_minor["seller"]
        shares.update(fee_accounts(line, sale.currency))
    return shares


def _settle_debt(work: Work, sale: Sale, amount_minor: int, *, at: datetime) -> None:
    """Let what the buyer owes for the sale go against what he would get back."""
    debt = accounts.debt_of(sale.buyer_id, sale.currency)
    legs = [
        _escrow(sale, -amount_minor),
        Leg(debt, Money(amount_minor, sale.currency)),
    ]
    _move(work, sale, _entry_id(sale, "debt"), legs, reason="debt-settled", at=at)


def _move(
    work: Work,
    sale: Sale,
    entry_id: UUID,
    legs: Sequence[Leg],
    *,
    reason: str,
    at: datetime,
) -> None:
    accounts.move(
        work,
        entry_id=entry_id,
        legs=legs,
        reason=reason,
        reference=f"sale/{sale.id}",
        at=at,
        overdraw=True,
    )


def _seller(sale: Sale, *, as_debt: bool) -> AccountRef | str:
    if as_debt:
        return accounts.debt_of(sale.seller_id, sale.currency)
    return accounts.purse_ref(sale.seller_id, sale.currency)


def _escrow(sale: Sale, amount_minor: int) -> Leg:
    name = accounts.escrow_of(sale.id, sale.currency)
    return Leg(name, Money(amount_minor, sale.currency))


def _entry_id(sale: Sale, step: str) -> UUID:
    """Name an entry of this decision: the stream's version tells decisions apart."""
    return sale_entry_id(sale.id, f"{step}/{sale.version}")
