"""Card payments at a provider: wishes carried out, and news taken in.

A wish stands in the log before the provider hears of it, and its answer is recorded
after: whatever dies between, the wish is carried out again, and the provider does
nothing twice. No answer leaves the wish standing.

Money that a card cannot take back goes to the payer's purse instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from ledger.aggregates.payment import Payment, PaymentState, PaymentUnknown
from ledger.application import Cause, Ledger, Work, attempt
from ledger.ports import (
    Declined,
    NewsKind,
    PaymentNews,
    PaymentProvider,
    ProviderUnreachable,
)
from ledger.usecases import accounts
from ledger.usecases.accounts import Leg
from ledger.vocabulary.ids import refused_refund_id
from ledger.vocabulary.money import Money

DISPUTES = (
    NewsKind.DISPUTE_OPENED,
    NewsKind.DISPUTE_WON,
    NewsKind.DISPUTE_LOST,
)


def carry_out(
    ledger: Ledger,
    provider: PaymentProvider,
    *,
    payment_id: UUID,
    at: datetime,
    cause: Cause,
) -> Payment:
    """Send every outstanding wish, one after the other; return the payment as it is.

    One that is still outstanding then is in doubt: try again, or wait for news.
    """
    payment = _payment(ledger, payment_id)
    while payment.outstanding:
        try:
            news = _send(provider, payment)
        except ProviderUnreachable:
            break
        tell(ledger, news, at=at, cause=cause)
        before, payment = payment.version, _payment(ledger, payment_id)
        if payment.version == before:  # The provider refuses what it had promised.
            break
    return payment


def tell(
    ledger: Ledger, news: Sequence[PaymentNews], *, at: datetime, cause: Cause
) -> None:
    """Record what came of our wishes; what is known already changes nothing.

    Disputes are passed over: the commit that notes one opens its case, and that is
    `checkout.hear`, which the provider calls with each of them.
    """

    def once() -> None:
        work = ledger.work()
        for each in news:
            if each.kind in DISPUTES:
                continue
            payment = work.get(Payment, each.payment_id, PaymentUnknown())
            take_in(work, payment, each, at=at)
        work.record(cause)

    attempt(once)


def take_in(work: Work, payment: Payment, news: PaymentNews, *, at: datetime) -> bool:
    """Let a payment take in one piece of news; return whether it is a new dispute."""
    match news.kind:
        case NewsKind.AUTHORISED:
            payment.authorised(reference=news.reference, at=at)
        case NewsKind.DECLINED:
            payment.declined(reason=news.reason, at=at)
        case NewsKind.CAPTURED:
            payment.captured(reference=news.reference, at=at)
        case NewsKind.CANCELLED:
            payment.cancelled(at=at)
        case NewsKind.REFUNDED:
            refund_id = _refund_named(payment, news)
            if refund_id is not None:
                payment.refunded(refund_id=refund_id, at=at)
        case NewsKind.REFUND_REFUSED:
            _refund_elsewhere(work, payment, news, at=at)
        case _:
            return payment.disputed(
                dispute_id=news.about,
                status=str(news.kind),
                amount_minor=news.amount_minor,
                at=at,
            )
    return False


def _refund_elsewhere(
    work: Work, payment: Payment, news: PaymentNews, *, at: datetime
) -> None:
    refund_id = _refund_named(payment, news)
    if refund_id is None or not payment.refuse_refund(
        refund_id=refund_id, reason=news.reason, at=at
    ):
        return
    currency = payment.amount.currency
    amount_minor = payment.refunds[str(refund_id)].amount_minor
    clearing = accounts.card_clearing_of(payment.provider, currency)
    accounts.move(
        work,
        entry_id=refused_refund_id(refund_id),
        legs=[
            Leg(clearing, Money(-amount_minor, currency)),
            Leg(
                accounts.purse_ref(payment.payer_id, currency),
                Money(amount_minor, currency),
            ),
        ],
        reason="refund refused by the card",
        reference=f"payment/{payment.id}",
        at=at,
    )


def _refund_named(payment: Payment, news: PaymentNews) -> UUID | None:
    """Return the refund that is meant; None if it is not ours, as one made by hand."""
    return UUID(news.about) if news.about in payment.refunds else None


def _send(provider: PaymentProvider, payment: Payment) -> list[PaymentNews]:
    """Make the next call that is due; return what came of it."""
    try:
        kind, about = _call(provider, payment)
    except Declined as declined:
        known = provider.look_up(payment_id=payment.id)
        if _answers(payment, known):
            return list(known)
        kind, about = NewsKind.DECLINED, ""
        if payment.state == PaymentState.CAPTURED:
            kind, about = NewsKind.REFUND_REFUSED, str(payment.asked_refunds[0])
        return [PaymentNews(payment.id, kind, about=about, reason=str(declined))]
    except ProviderUnreachable:
        known = provider.look_up(payment_id=payment.id)
        if not _answers(payment, known):
            raise
        return list(known)
    reference = about if kind == NewsKind.AUTHORISED else payment.reference or ""
    return [PaymentNews(payment.id, kind, reference, about=about)]


def _call(provider: PaymentProvider, payment: Payment) -> tuple[NewsKind, str]:
    reference = payment.reference or ""
    if payment.wants_cancel and payment.state in (
        PaymentState.REQUESTED,
        PaymentState.AUTHORISED,
    ):
        provider.cancel(payment_id=payment.id)
        return NewsKind.CANCELLED, ""
    if payment.state == PaymentState.REQUESTED:
        given = provider.authorise(
            payment_id=payment.id,
            amount=payment.amount,
            instrument=payment.instrument,
        )
        return NewsKind.AUTHORISED, given
    if payment.state == PaymentState.AUTHORISED:
        provider.capture(payment_id=payment.id, reference=reference)
        return NewsKind.CAPTURED, ""
    refund_id = payment.asked_refunds[0]
    amount_minor = payment.refunds[str(refund_id)].amount_minor
    provider.refund(
        payment_id=payment.id,
        reference=reference,
        refund_id=refund_id,
        amount=Money(amount_minor, payment.amount.currency),
    )
    return NewsKind.REFUNDED, str(refund_id)


def _answers(payment: Payment, known: Sequence[PaymentNews]) -> bool:
    """Whether what the provider knows is more than what we know."""
    waiting = [str(refund_id) for refund_id in payment.asked_refunds]
    return any(
        each.about in waiting
        if each.kind == NewsKind.REFUNDED
        else each.kind in _NEXT.get(payment.state, ())
        for each in known
    )


_NEXT = {
    PaymentState.REQUESTED: (
        NewsKind.AUTHORISED,
        NewsKind.CAPTURED,
        NewsKind.DECLINED,
        NewsKind.CANCELLED,
    ),
    PaymentState.AUTHORISED: (
        NewsKind.CAPTURED,
        NewsKind.DECLINED,
        NewsKind.CANCELLED,
    ),
}


def _payment(ledger: Ledger, payment_id: UUID) -> Payment:
    found = ledger.find(Payment, payment_id)
    if found is None:
        raise PaymentUnknown
    return found
