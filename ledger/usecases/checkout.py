"""Paying a reservation: points, e-money and a card together, to tickets or to nothing.

Without a card that is one commit. With one there are three steps, and whatever dies
between them, `advance` goes on:

  begin    one commit: the order waits, points and e-money are held, the card is asked
  advance  the provider's answer; authorised: one commit confirms the order, issues the
           tickets, posts the money and wants the capture; then the capture
           declined: one commit frees what was held, in reverse

What the provider says by itself (`hear`) is taken in first; then orders and resales go
on as far as they can. A payment that nobody waits for any more is cancelled, or late
(`late_payments`); one that is never captured undoes the sale (`unpaid_orders`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from ledger.aggregates.offering import Offering
from ledger.aggregates.order import (
    UNPAID,
    Order,
    OrderState,
    OrderUnknown,
    PaymentInFlight,
)
from ledger.aggregates.payment import Payment, PaymentState
from ledger.aggregates.sale import Sale
from ledger.application import Cause, Ledger, Work, attempt
from ledger.errors import Conflict, Denied, Malformed, Overtaken
from ledger.ports import (
    BadCallback,
    PaymentNews,
    PaymentProvider,
    PersonalData,
    StockDesk,
)
from ledger.usecases import (
    accounts,
    chargebacks,
    confirming,
    late_payments,
    payments,
    sale_payments,
    tenders,
    unpaid_orders,
    waiting,
)
from ledger.usecases.answers import seal_answer
from ledger.usecases.confirming import offering_of, purpose_of
from ledger.usecases.repaying import refund_order_lines
from ledger.usecases.tenders import Tender
from ledger.vocabulary.ids import order_entry_id, payment_id, retry_id
from ledger.vocabulary.money import Money

__all__ = [
    "AnswersMissing",
    "CallbackRefused",
    "Checkout",
    "PaymentFailed",
    "advance",
    "begin",
    "decide_payment",
    "hear",
    "hear_callback",
    "look_at",
    "pay_at_once",
    "refund_order_lines",
    "told",
]

# How long a payment may keep places from others without an answer of the provider.
FENCE_S = 900
# What is held in purses outlasts the fence, so that a decision still finds it.
FUNDS_S = 7 * 24 * 3600
# Answer, confirmation, capture; and what a failed one of them leaves to be done.
STEPS_MAX = 4

GOOD = (PaymentState.AUTHORISED, PaymentState.CAPTURED)
FAILED = (PaymentState.DECLINED, PaymentState.CANCELLED)


class AnswersMissing(Malformed):
    code = "incomplete"
    says = "There are {tickets} tickets and {answers} answers; give one for each."


class PaymentFailed(Conflict):
    code = "insufficient_funds"
    says = "The payment did not succeed ({reason}); nothing was taken."


class HalfOfExchange(Conflict):
    code = "in_exchange"
    says = "These places are held for an exchange; confirm that, or give it up."


class CallbackRefused(Denied):
    code = "counterfeit"
    says = "The callback is refused: {why}."


@dataclass(frozen=True, slots=True)
class Checkout:
    """Where an order's payment stands; tickets while it is confirmed."""

    order_id: UUID
    state: str
    ticket_ids: tuple[UUID, ...]
    entry_id: UUID | None
    in_doubt: bool
    position: int


def begin(
    ledger: Ledger,
    desk: StockDesk,
    provider: PaymentProvider,
    personal: PersonalData,
    *,
    order_id: UUID,
    by: UUID,
    paying: Sequence[Tender],
    answers: Sequence[str | None],
    entry_id: UUID,
    at: datetime,
    cause: Cause,
) -> Checkout:
    """Pay a reservation. Raises `PaymentFailed`, and what tenders and orders refuse.

    `answers` are the holder's, one for each ticket, where the offering asks. A payment
    without an answer yet is not refused: its state says so, and `advance` goes on.
    """
    if all(tender.kind != tenders.CARD for tender in paying):
        return pay_at_once(
            ledger,
            personal,
            order_id=order_id,
            by=by,
            paying=paying,
            answers=answers,
            entry_id=entry_id,
            at=at,
            cause=cause,
        )
    work = ledger.work()
    order, offering, parts, sealed = _asked(
        work, personal, order_id, by, paying, answers, at
    )
    order.begin_payment(
        by=by,
        tenders=[part.as_dict() for part in parts],
        answers_sealed=sealed,
        fence_until=at + timedelta(seconds=FENCE_S),
        at=at,
    )
    tenders.hold(
        work,
        purpose_id=purpose_of(order),
        order_id=order.id,
        payer_id=by,
        tenders=parts,
        currency=order.currency,
        programme_id=offering.issuer_id,
        provider=provider.name,
        until=at + timedelta(seconds=FUNDS_S),
        at=at,
    )
    position = work.record(cause)
    try:
        done = advance(ledger, desk, provider, order_id=order_id, at=at, cause=cause)
    except Overtaken:  # It is under way; asking for it again would be refused.
        return told(ledger.order(order_id), at, position)
    if done.state not in (OrderState.PAYMENT_IN_FLIGHT, OrderState.CONFIRMED):
        failed = ledger.order(order_id)
        because = failed.names(failed.version)
        raise PaymentFailed(reason=failed.failed_because, because=because)
    return done


def pay_at_once(
    ledger: Ledger,
    personal: PersonalData,
    *,
    order_id: UUID,
    by: UUID,
    paying: Sequence[Tender],
    answers: Sequence[str | None],
    entry_id: UUID,
    at: datetime,
    cause: Cause,
) -> Checkout:
    """Pay a reservation with what is in the ledger: points, e-money, in one commit."""
    work = ledger.work()
    order, _, parts, sealed = _asked(work, personal, order_id, by, paying, answers, at)
    confirming.confirm(
        work,
        order,
        parts,
        sealed,
        purpose_id=purpose_of(order),
        entry_id=entry_id,
        held=False,
        at=at,
    )
    return told(order, at, work.record(cause))


def advance(
    ledger: Ledger,
    desk: StockDesk,
    provider: PaymentProvider,
    *,
    order_id: UUID,
    at: datetime,
    cause: Cause,
) -> Checkout:
    """Go on with an order's payments wherever they stand; nothing is done twice."""
    held = not ledger.order(order_id).has_ended
    for _ in range(STEPS_MAX):
        for paying in _payments_of(ledger.order(order_id)):
            if ledger.find(Payment, paying) is not None:
                payments.carry_out(
                    ledger, provider, payment_id=paying, at=at, cause=cause
                )
        if not attempt(lambda: _step(ledger, desk, order_id, at, cause)):
            break
    order = ledger.order(order_id)
    if held and order.has_ended:
        waiting.serve(ledger, desk, offering_id=order.offering_id, at=at, cause=cause)
    return told(order, at, ledger.position())


def hear_callback(
    ledger: Ledger,
    desk: StockDesk,
    provider: PaymentProvider,
    *,
    body: bytes,
    signature: str,
    at: datetime,
    cause: Cause,
) -> int:
    """Take in a provider's callback. Raises `CallbackRefused` unless it is his own."""
    try:
        news = provider.read_callback(body=body, signature=signature, at=at)
    except BadCallback as bad:
        raise CallbackRefused(why=str(bad)) from None
    return hear(ledger, desk, provider, news=news, at=at, cause=cause)


def hear(
    ledger: Ledger,
    desk: StockDesk,
    provider: PaymentProvider,
    *,
    news: Sequence[PaymentNews],
    at: datetime,
    cause: Cause,
) -> int:
    """Take in what a provider says of itself, and let orders and resales follow.

    Said twice, or in another order, it has its effect once. A dispute at the bank
    freezes the tickets that were paid with it. Payments that are not ours are passed
    over. Return the last position.
    """
    attempt(lambda: _take_in(ledger, news, at, cause))
    for paying in dict.fromkeys(each.payment_id for each in news):
        payment = ledger.find(Payment, paying)
        if payment is None:
            continue
        if payment.order_id is not None:
            advance(
                ledger, desk, provider, order_id=payment.order_id, at=at, cause=cause
            )
        elif ledger.find(Sale, payment.purpose_id) is not None:
            sale_payments.advance(
                ledger, provider, sale_id=payment.purpose_id, at=at, cause=cause
            )
    return ledger.position()


def look_at(ledger: Ledger, *, order_id: UUID, by: UUID, at: datetime) -> Checkout:
    """Tell an order's buyer where it stands. Raises `OrderUnknown` for others."""
    order = ledger.order(order_id)
    if order.buyer_id != by:
        raise OrderUnknown
    return told(order, at, ledger.position())


def decide_payment(
    ledger: Ledger,
    desk: StockDesk,
    provider: PaymentProvider,
    *,
    order_id: UUID,
    give_up: bool,
    at: datetime,
    cause: Cause,
) -> Checkout:
    """Settle an order in doubt as an operator: ask again, or give the payment up.

    It is given up after its fence only. The authorisation is then cancelled as soon as
    the provider answers; money that it took all the same comes late.
    """

    def decide() -> None:
        work = ledger.work()
        order = work.order(order_id)
        if order.state != OrderState.PAYMENT_IN_FLIGHT:
            return
        if not order.is_in_doubt(at):
            raise PaymentInFlight(because=order.names(order.version))
        unpaid_orders.undo(work, order, reason="given up by an operator", at=at)
        work.record(cause)

    if give_up:
        attempt(decide)
    return advance(ledger, desk, provider, order_id=order_id, at=at, cause=cause)


def _payments_of(order: Order) -> list[UUID]:
    """Return every payment that was tried for an order, the last one included."""
    return [
        payment_id(retry_id(order.id, number))
        for number in range(order.payments_failed + 1)
    ]


def _step(
    ledger: Ledger, desk: StockDesk, order_id: UUID, at: datetime, cause: Cause
) -> bool:
    """Let an order follow its payments in one commit; say whether it did anything."""
    before = ledger.position()
    work = ledger.work()
    try:
        for paying in _payments_of(work.order(order_id)):
            payment = work.find(Payment, paying)
            if payment is not None:
                _follow(work, desk, payment, at=at)
        return work.record(cause) > before
    except Overtaken:
        raise
    except Conflict as refused:
        # What the refused step did is thrown away with its work.
        work = ledger.work()
        order = work.order(order_id)
        if order.state != OrderState.PAYMENT_IN_FLIGHT:
            raise Overtaken from refused  # Somebody else went on; that was the reason.
        unpaid_orders.undo(work, order, reason=refused.code, at=at)
        work.record(cause)
        return True


def _follow(work: Work, desk: StockDesk, payment: Payment, *, at: datetime) -> None:
    assert payment.order_id is not None
    order = work.order(payment.order_id)
    pays = any(each.reference == str(payment.id) for each in order.paid)
    current = payment.id == payment_id(purpose_of(order))
    if order.state == OrderState.PAYMENT_IN_FLIGHT and current:
        _answer(work, order, payment, at=at)
    elif pays:
        if payment.state in FAILED and not order.capture_failed:
            unpaid_orders.uncapture(work, order, payment, at=at)
    elif payment.state == PaymentState.AUTHORISED:
        payment.request_cancel(at=at)
    elif payment.state == PaymentState.CAPTURED and not payment.refunds:
        if order.state in UNPAID:
            late_payments.come_late(work, desk, order, payment, at=at)
        else:  # It was paid otherwise.
            late_payments.give_back(order, payment, payment.amount.amount_minor, at=at)


def _answer(work: Work, order: Order, payment: Payment, *, at: datetime) -> None:
    """Let an order that waits follow the answer, if there is one."""
    if payment.state in FAILED:
        reason = payment.reason or "cancelled"
        unpaid_orders.undo(work, order, reason=reason, at=at)
    elif payment.state in GOOD and not payment.wants_cancel:
        confirming.confirm(
            work,
            order,
            [Tender.from_dict(tender) for tender in order.tenders],
            order.answers_sealed,
            purpose_id=payment.purpose_id,
            entry_id=order_entry_id(order.id, "paid"),
            held=True,
            at=at,
        )


def _take_in(
    ledger: Ledger, news: Sequence[PaymentNews], at: datetime, cause: Cause
) -> None:
    work = ledger.work()
    for each in news:
        payment = work.find(Payment, each.payment_id)
        if payment is None:
            continue
        disputed = payments.take_in(work, payment, each, at=at)
        if disputed and payment.order_id is not None:
            _dispute(work, payment, each, at=at)
        elif disputed:
            chargebacks.of_resale(
                work,
                payment,
                dispute_id=each.about,
                status=str(each.kind),
                amount_minor=each.amount_minor,
                at=at,
            )
    work.record(cause)


def _dispute(work: Work, payment: Payment, news: PaymentNews, *, at: datetime) -> None:
    assert payment.order_id is not None
    order = work.order(payment.order_id)
    notice = chargebacks.Notice(
        payment_id=payment.id,
        dispute_id=news.about,
        purchaser_id=order.buyer_id,
        ticket_ids=tuple(each for each in order.tickets if each is not None),
        amount=Money(news.amount_minor, payment.amount.currency),
        clearing=accounts.card_clearing_of(payment.provider, order.currency),
        order_id=order.id,
    )
    follows = {
        "opened": chargebacks.opened,
        "won": chargebacks.won,
        "lost": chargebacks.lost,
    }
    follows[str(news.kind)](work, notice, at=at)


def _asked(
    work: Work,
    personal: PersonalData,
    order_id: UUID,
    by: UUID,
    paying: Sequence[Tender],
    answers: Sequence[str | None],
    at: datetime,
) -> tuple[Order, Offering, list[Tender], list[str | None]]:
    """Check what a buyer asks for, and seal his answers."""
    order = work.order(order_id)
    order.require_held_by(by, at)
    if order.in_exchange_for is not None:
        raise HalfOfExchange(because=order.names(1))
    offering = offering_of(work, order)
    parts = tenders.in_order(paying, order.price)
    tenders.require_points(
        parts,
        order.price,
        point_value_minor=offering.point_value_minor,
        max_points_percent=offering.max_points_percent,
    )
    said = list(answers) or [None] * len(order.lines)
    if len(said) != len(order.lines):
        raise AnswersMissing(tickets=len(order.lines), answers=len(said))
    sealed = [
        seal_answer(personal, holder_id=by, question=offering.question, answer=answer)
        for answer in said
    ]
    return order, offering, parts, sealed


def told(order: Order, at: datetime, position: int) -> Checkout:
    """Tell where an order's payment stands, by this order and this time."""
    confirmed = order.state == OrderState.CONFIRMED
    return Checkout(
        order_id=order.id,
        state=str(order.state),
        ticket_ids=tuple(each for each in order.tickets if each and confirmed),
        entry_id=order.entry_id,
        in_doubt=order.is_in_doubt(at),
        position=position,
    )
