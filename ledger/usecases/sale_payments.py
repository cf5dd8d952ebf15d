"""A sale that a card pays: commits of ours, and the provider's word between them.

  begin ─► tickets kept, tenders held, authorisation asked for        INITIATED
  advance ─► authorised: escrow, titles and the wish to capture        TITLE_MOVED
          ─► captured: paid out when it is due                         PAID_OUT
          ─► declined, or too late: given up                           ABORTED
          ─► never captured: titles back, or the buyer owes it         REVERSED

Each arrow is one commit; `advance` goes on from wherever a crash left the sale.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from ledger.aggregates.base import is_over
from ledger.aggregates.payment import Payment, PaymentState
from ledger.aggregates.sale import OPEN, Sale, SaleState
from ledger.application import Cause, Ledger, Work, attempt
from ledger.errors import Conflict, Denied, Malformed, Overtaken
from ledger.ports import PaymentProvider, PersonalData
from ledger.usecases import (
    payments,
    payouts,
    settlement,
    tenders,
    unpaid_sales,
)
from ledger.usecases.resale import Bought, buy_together
from ledger.usecases.settlement import Wanted, programme_of, sale_of
from ledger.usecases.tenders import CARD, Tender
from ledger.vocabulary.ids import payment_id, sale_entry_id

FENCE_S = 900
STEPS_MAX = 5
FAILED = (PaymentState.DECLINED, PaymentState.CANCELLED)


class NotTheBuyer(Denied):
    code = "not_owner"
    says = "Only the buyer may give this sale up before {until}."


class NoCard(Malformed):
    code = "malformed"
    says = "No card is among the tenders; buy at once instead."


def purchase(
    ledger: Ledger,
    provider: PaymentProvider,
    personal: PersonalData,
    *,
    wanted: Sequence[Wanted],
    sale_id: UUID,
    entry_id: UUID,
    by: UUID,
    offered: Sequence[Tender],
    at: datetime,
    cause: Cause,
) -> Bought:
    """Buy listed tickets of one seller, at once, or begin to if a card is to pay.

    Without tenders the purchaser's purse pays. Tried dry, a card is not asked.
    """
    if any(tender.kind == CARD for tender in offered):
        return begin(
            ledger,
            provider,
            personal,
            wanted=wanted,
            sale_id=sale_id,
            by=by,
            offered=offered,
            at=at,
            cause=cause,
        )
    return attempt(
        lambda: buy_together(
            ledger,
            personal,
            wanted=wanted,
            sale_id=sale_id,
            entry_id=entry_id,
            by=by,
            offered=offered or None,
            at=at,
            cause=cause,
        )
    )


def begin(
    ledger: Ledger,
    provider: PaymentProvider,
    personal: PersonalData,
    *,
    wanted: Sequence[Wanted],
    sale_id: UUID,
    by: UUID,
    offered: Sequence[Tender],
    at: datetime,
    cause: Cause,
) -> Bought:
    """Buy with a card, wholly or in part: begin, and go as far as it goes now.

    Raises what forbids the sale; a card that is declined ends it ABORTED.
    """
    if all(tender.kind != CARD for tender in offered):
        raise NoCard

    def keep() -> Bought:
        work = ledger.work()
        until = at + timedelta(seconds=FENCE_S)
        sale = settlement.begin(
            work,
            personal,
            sale_id=sale_id,
            by=by,
            wanted=wanted,
            offered=offered,
            until=until,
            at=at,
        )
        for line in sale.lines:
            work.ticket(line.ticket_id).start_sale(
                listing_id=line.listing_id,
                sale_id=sale_id,
                by=by,
                until=until,
                at=at,
            )
        tenders.hold(
            work,
            purpose_id=sale_id,
            payer_id=by,
            tenders=tenders.in_order(offered, sale.price),
            currency=sale.currency,
            programme_id=programme_of(sale),
            provider=provider.name,
            until=until,
            at=at,
        )
        position = work.record(cause)
        return Bought(sale_id, None, sale.split_minor, sale.state, position)

    kept = attempt(keep)
    if cause.terms.dry:
        return kept
    return advance(ledger, provider, sale_id=sale_id, at=at, cause=cause)


def advance(
    ledger: Ledger,
    provider: PaymentProvider,
    *,
    sale_id: UUID,
    at: datetime,
    cause: Cause,
) -> Bought:
    """Ask the provider what is open, and take every step that can be taken now."""
    for _ in range(STEPS_MAX):
        payments.carry_out(
            ledger, provider, payment_id=payment_id(sale_id), at=at, cause=cause
        )
        if not attempt(lambda: step(ledger, sale_id=sale_id, at=at, cause=cause)):
            break
    sale = sale_of(ledger.work(), sale_id)
    return Bought(
        sale_id, sale.entry_id, sale.split_minor, sale.state, ledger.position()
    )


def step(ledger: Ledger, *, sale_id: UUID, at: datetime, cause: Cause) -> bool:
    """Take the next step in one commit, without the provider; say if there was one."""
    work = ledger.work()
    sale = sale_of(work, sale_id)
    payment = tenders.card_payment(work, sale_id)
    if sale.state in OPEN:
        return _go_on(work, sale, payment, at, cause)
    if sale.state == SaleState.ABORTED and payment.state == PaymentState.CAPTURED:
        if payment.refunds:
            return False
        # The provider took the money although nobody asked it to.
        payment.request_refund(
            refund_id=sale_entry_id(sale_id, "refund"),
            amount_minor=payment.amount.amount_minor,
            at=at,
        )
    elif sale.state != SaleState.TITLE_MOVED:
        return False
    elif payment.state in FAILED and payouts.is_by_card(sale):
        unpaid_sales.undo(work, sale, payment, at=at)
    elif not payouts.pay_out_if_due(work, sale, at=at):
        return False
    work.record(cause)
    return True


def give_up(
    ledger: Ledger, *, sale_id: UUID, by: UUID | None, at: datetime, cause: Cause
) -> int:
    """Give an open sale up: its buyer at any time, an operator after its fence.

    `by` is None for an operator. Nothing was captured, so nothing is lost.
    """
    work = ledger.work()
    sale = sale_of(work, sale_id)
    late = sale.until is not None and is_over(sale.until, at)
    if by != sale.buyer_id and (by is not None or not late):
        raise NotTheBuyer(until=sale.until, because=sale.names(1))
    settlement.abort(work, sale, reason="given up", at=at)
    return work.record(cause)


def _go_on(
    work: Work, sale: Sale, payment: Payment, at: datetime, cause: Cause
) -> bool:
    """Settle an open sale if its card is authorised, or give it up."""
    waits = sale.state == SaleState.FUNDS_HELD
    if payment.state in FAILED:
        settlement.abort(work, sale, reason=payment.reason or "declined", at=at)
    elif not waits and sale.until is not None and is_over(sale.until, at):
        settlement.abort(work, sale, reason="the payment took too long", at=at)
    elif payment.state == PaymentState.REQUESTED or (
        waits and settlement.is_frozen(work, sale)
    ):
        return False
    else:
        try:
            _settle(work, sale, at)
        except (Conflict, Denied) as refused:
            work = _given_up(work.ledger, sale.id, refused.code, at)
    work.record(cause)
    return True


def _settle(work: Work, sale: Sale, at: datetime) -> None:
    """Note that the money is held, and settle unless a case comes first."""
    if sale.state == SaleState.INITIATED:
        sale.hold_funds(at=at)
    if settlement.is_frozen(work, sale):
        return
    entry_id = sale_entry_id(sale.id, "escrow")
    settlement.settle(work, sale, entry_id=entry_id, at=at)
    payouts.pay_out_if_due(work, sale, at=at)


def _given_up(ledger: Ledger, sale_id: UUID, reason: str, at: datetime) -> Work:
    """Give a sale up in a work of its own: what the refused one did is thrown away."""
    work = ledger.work()
    sale = sale_of(work, sale_id)
    if sale.state not in OPEN:
        raise Overtaken  # Somebody else settled it meanwhile; that was the reason.
    settlement.abort(work, sale, reason=reason, at=at)
    return work
