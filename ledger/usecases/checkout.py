"""From a reservation to an owner: the places, the money and the titles in one commit.

Without a card that is all. With one there are three steps, and whatever dies between
them, `advance` goes on:

  begin    one commit: the order waits, points and e-money are held, the card is asked
  advance  the provider's answer; authorised: one commit confirms the order, issues the
           tickets, posts the money and wants the capture; then the capture
  undo     declined: what was held is free again in reverse, the order is held or over

An authorisation that cannot be captured after all undoes the sale: tickets are voided,
places returned, what else was paid goes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from ledger.aggregates.allotment import PlaceTaken, SoldOut
from ledger.aggregates.base import is_over
from ledger.aggregates.e_ticket import ETicket, Life
from ledger.aggregates.offering import Offering
from ledger.aggregates.order import Order, OrderState, Paid, PaymentInFlight
from ledger.aggregates.payment import Payment, PaymentState
from ledger.aggregates.sale import Sale
from ledger.application import Cause, Ledger, Work, attempt
from ledger.errors import Conflict, Malformed, Unknown
from ledger.ports import PaymentNews, PaymentProvider, PersonalData, StockDesk
from ledger.usecases import (
    accounts,
    allowances,
    chargebacks,
    payments,
    points,
    sale_payments,
    stock,
    tenders,
)
from ledger.usecases.accounts import Leg
from ledger.usecases.answers import seal_answer
from ledger.usecases.stock import HeldPlace
from ledger.usecases.tenders import Tender
from ledger.vocabulary.ids import payment_id
from ledger.vocabulary.money import Money, split

# How long a payment may keep places from others without an answer of the provider.
FENCE_S = 900
# What is held in purses outlasts the fence, so that a decision still finds it.
FUNDS_S = 7 * 24 * 3600


class AnswersMissing(Malformed):
    code = "incomplete"
    says = "There are {tickets} tickets and {answers} answers; give one for each."


class CardDeclined(Conflict):
    code = "insufficient_funds"
    says = "The card was not accepted ({reason}); pay in another way."


@dataclass(frozen=True, slots=True)
class Checkout:
    """Where an order's payment stands; tickets once it is confirmed."""

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
    """Pay a reservation. Raises `CardDeclined`, and what tenders and orders refuse.

    `answers` are the holder's, one for each ticket, where the offering asks. A
    checkout that is in doubt is not refused: it says so, and `advance` goes on.
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
        payer_id=by,
        tenders=parts,
        currency=order.currency,
        programme_id=offering.issuer_id,
        provider=provider.name,
        until=at + timedelta(seconds=FUNDS_S),
        at=at,
    )
    work.record(cause)
    asked = payment_id(purpose_of(order))
    done = advance(ledger, desk, provider, order_id=order_id, at=at, cause=cause)
    if done.state != OrderState.PAYMENT_IN_FLIGHT and not done.ticket_ids:
        paid = ledger.find(Payment, asked)
        raise CardDeclined(reason=(paid and paid.reason) or "declined")
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
    _confirm(work, order, parts, sealed, entry_id=entry_id, held=False, at=at)
    return _checkout(order, at, work.record(cause))


def advance(
    ledger: Ledger,
    desk: StockDesk,
    provider: PaymentProvider,
    *,
    order_id: UUID,
    at: datetime,
    cause: Cause,
) -> Checkout:
    """Go on with an order's payment from wherever it stands; nothing is done twice."""

    def once() -> Checkout:
        order = ledger.order(order_id)
        paying = payment_id(purpose_of(order))
        if ledger.find(Payment, paying) is None:
            return _checkout(order, at, ledger.position())
        payments.carry_out(ledger, provider, payment_id=paying, at=at, cause=cause)
        work = ledger.work()
        follow(work, desk, work.get(Payment, paying, Unknown(what="payment")), at=at)
        position = work.record(cause)
        # What the business wants of the card now: its capture, or its end.
        payments.carry_out(ledger, provider, payment_id=paying, at=at, cause=cause)
        work = ledger.work()
        follow(work, desk, work.get(Payment, paying, Unknown(what="payment")), at=at)
        position = max(position, work.record(cause))
        return _checkout(ledger.order(order_id), at, position)

    return attempt(once)


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
    freezes the tickets that were paid with it.
    """

    def once() -> int:
        work = ledger.work()
        for each in news:
            payment = work.find(Payment, each.payment_id)
            if payment is None:
                continue  # Not ours: nothing can follow.
            disputed = payments.take_in(payment, each, at=at)
            order = work.find(Order, payment.purpose_id)
            if order is None:  # A resale's: it goes on below.
                if disputed:
                    chargebacks.of_resale(
                        work,
                        payment,
                        dispute_id=each.about,
                        status=str(each.kind),
                        amount_minor=each.amount_minor,
                        at=at,
                    )
                continue
            follow(work, desk, payment, at=at)
            if disputed:
                _dispute(work, order, payment, each, at=at)
        return work.record(cause)

    position = attempt(once)
    for paying in dict.fromkeys(each.payment_id for each in news):
        payment = ledger.find(Payment, paying)
        order = ledger.find(Order, payment.purpose_id) if payment else None
        if order is not None:
            done = advance(
                ledger, desk, provider, order_id=order.id, at=at, cause=cause
            )
            position = max(position, done.position)
        elif payment is not None and ledger.find(Sale, payment.purpose_id) is not None:
            sold = sale_payments.advance(
                ledger, provider, sale_id=payment.purpose_id, at=at, cause=cause
            )
            position = max(position, sold.position)
    return position


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
    """Settle an order in doubt as an operator: ask again, or give it up.

    Given up, the authorisation is cancelled as soon as the provider answers; until
    then nothing is promised to anybody else with this money.
    """
    if give_up:
        work = ledger.work()
        order = work.order(order_id)
        if order.state == OrderState.PAYMENT_IN_FLIGHT and not order.is_in_doubt(at):
            raise PaymentInFlight(because=order.names(order.version))
        if order.state == OrderState.PAYMENT_IN_FLIGHT:
            _undo(work, order, reason="given up by an operator", at=at)
        work.record(cause)
    return advance(ledger, desk, provider, order_id=order_id, at=at, cause=cause)


def follow(work: Work, desk: StockDesk, payment: Payment, *, at: datetime) -> None:
    """Let an order follow its payment: a step that records nothing."""
    order = work.find(Order, payment.purpose_id)
    if order is None:
        return
    good = payment.state in (PaymentState.AUTHORISED, PaymentState.CAPTURED)
    if order.state == OrderState.PAYMENT_IN_FLIGHT:
        if good and not payment.wants_cancel:
            parts = [Tender.from_dict(tender) for tender in order.tenders]
            entry_id = _entry_id(order, "paid")
            sealed = order.answers_sealed
            _confirm(work, order, parts, sealed, entry_id=entry_id, held=True, at=at)
        elif payment.state in (PaymentState.DECLINED, PaymentState.CANCELLED):
            _undo(work, order, reason=payment.reason or "cancelled", at=at)
    elif order.state == OrderState.CONFIRMED:
        if payment.state == PaymentState.DECLINED and payment.wants_capture:
            _uncapture(work, order, payment, at=at)
    elif payment.state == PaymentState.CAPTURED and not payment.wants_capture:
        _come_late(work, desk, order, payment, at=at)


def refund_order_lines(
    work: Work,
    *,
    order: Order,
    ticket_ids: Sequence[UUID],
    amount: Money,
    entry_id: UUID,
    debits: Sequence[Leg],
    reason: str,
    at: datetime,
) -> list[Paid]:
    """Pay back an amount for tickets of an order, to the tenders that paid for it.

    `debits` say who gives it, as negative legs. Points that the tickets earned are
    taken back; what was spent of them meanwhile is told as a negative balance.
    """
    if not amount.amount_minor:
        return []
    offering = _offering(work, order)
    parts = tenders.refund(
        work,
        purpose_id=purpose_of(order),
        payer_id=order.buyer_id,
        paid=order.paid,
        already_refunded_minor=order.refunded_minor,
        amount=amount,
        programme_id=offering.issuer_id,
        entry_id=entry_id,
        debits=debits,
        reason=reason,
        reference=f"order/{order.id}",
        at=at,
    )
    order.note_refund(amount_minor=amount.amount_minor, entry_id=entry_id, at=at)
    earned = sum(work.ticket(ticket_id).points_earned for ticket_id in ticket_ids)
    points.take_back(
        work,
        party_id=order.buyer_id,
        programme_id=offering.issuer_id,
        points=earned,
        entry_id=uuid5(entry_id, "earned"),
        reference=f"order/{order.id}",
        at=at,
    )
    return parts


def purpose_of(order: Order) -> UUID:
    """Return what an order's tenders are held for: one payment at a time, by number.

    A payment that failed may be followed by another, which is another purpose.
    """
    return (
        order.id
        if not order.payments_failed
        else uuid5(order.id, f"payment/{order.payments_failed}")
    )


def _confirm(
    work: Work,
    order: Order,
    parts: Sequence[Tender],
    sealed: Sequence[str | None],
    *,
    entry_id: UUID,
    held: bool,
    at: datetime,
) -> None:
    """Sell the places, take the money, and issue the tickets."""
    ticket_ids = [_ticket_id(order, number) for number in range(len(order.lines))]
    places = [
        HeldPlace(
            line.allotment_id,
            line.place,
            line.category,
            line.price_minor,
            line.fees_minor,
        )
        for line in order.lines
        if line.allotment_id is not None
    ]
    stock.sell(
        work,
        order_id=order.id,
        places=places,
        ticket_ids=ticket_ids[: len(places)],
        at=at,
    )
    _pay_and_issue(
        work,
        order,
        list(range(len(order.lines))),
        ticket_ids,
        [line.place for line in order.lines],
        parts,
        sealed,
        entry_id=entry_id,
        held=held,
        at=at,
    )


def _pay_and_issue(
    work: Work,
    order: Order,
    lines: Sequence[int],
    ticket_ids: Sequence[UUID],
    rights: Sequence[str],
    parts: Sequence[Tender],
    sealed: Sequence[str | None],
    *,
    entry_id: UUID,
    held: bool,
    at: datetime,
) -> None:
    offering = _offering(work, order)
    price = Money(sum(part.amount_minor for part in parts), order.currency)
    paid: list[Paid] = []
    if price.amount_minor:
        paid = tenders.capture(
            work,
            purpose_id=purpose_of(order),
            payer_id=order.buyer_id,
            tenders=parts,
            currency=order.currency,
            programme_id=offering.issuer_id,
            entry_id=entry_id,
            credits=[
                Leg(accounts.revenue_of(offering.issuer_id, order.currency), price)
            ],
            reason="purchase",
            reference=f"order/{order.id}",
            held=held,
            at=at,
        )
    order.confirm(
        lines=lines,
        ticket_ids=ticket_ids,
        paid=paid,
        entry_id=entry_id if paid else None,
        at=at,
    )
    allowances.bought(
        work,
        offering_id=offering.id,
        party_id=order.buyer_id,
        order_id=order.id,
        ticket_ids=ticket_ids,
        at=at,
    )
    spent = _shared(sum(part.points for part in parts), order, lines)
    money = sum(part.amount_minor for part in parts if part.kind != tenders.BY_POINTS)
    earned = _shared(money * offering.earn_points_per_100 // 100, order, lines)
    points.earn(
        work,
        party_id=order.buyer_id,
        programme_id=offering.issuer_id,
        points=sum(earned),
        entry_id=_entry_id(order, "earned"),
        reference=f"order/{order.id}",
        at=at,
    )
    together = offering.terms.together and len(lines) > 1
    for index, number in enumerate(lines):
        line = order.lines[number]
        work.add(
            ETicket.issue(
                ticket_id=ticket_ids[index],
                order_id=order.id,
                offering_id=offering.id,
                issuer_id=offering.issuer_id,
                owner_id=order.buyer_id,
                kind=offering.kind,
                title=offering.title,
                right=rights[index],
                category=line.category,
                not_before=offering.valid_from,
                not_after=offering.valid_until,
                price_minor=line.price_minor,
                fees_minor=line.fees_minor,
                currency=order.currency,
                uses_limit=offering.uses_limit,
                uses_unit=offering.uses_unit,
                terms=offering.terms,
                question=offering.question,
                check_sealed=sealed[number] if sealed else None,
                group_id=order.id if together else None,
                group_size=len(lines) if together else 1,
                points_spent=spent[index],
                points_earned=earned[index],
                at=at,
            )
        )


def _undo(work: Work, order: Order, *, reason: str, at: datetime) -> None:
    """Nothing was paid: free what is held, in reverse, and hold or end the order."""
    offering = _offering(work, order)
    tenders.undo(
        work,
        purpose_id=purpose_of(order),
        payer_id=order.buyer_id,
        tenders=[Tender.from_dict(tender) for tender in order.tenders],
        currency=order.currency,
        programme_id=offering.issuer_id,
        reason=reason,
        at=at,
    )
    over = is_over(order.until, at)
    order.fail_payment(reason=reason, at=at)
    if over:
        _give_up_places(work, order, at)


def _give_up_places(work: Work, order: Order, at: datetime) -> None:
    allowances.given_back(
        work,
        offering_id=order.offering_id,
        party_id=order.buyer_id,
        order_id=order.id,
        at=at,
    )


def _uncapture(work: Work, order: Order, payment: Payment, *, at: datetime) -> None:
    """The card did not pay after all: take back what is still as it was sold.

    What was used or passed on meanwhile stays with its owner, and the purchaser owes
    its price: the part of the card that nothing came back for is told as his debt.
    """
    offering = _offering(work, order)
    done = _entry_id(order, "uncaptured")
    if work.ledger.knows(done):
        return
    returned = 0
    for number, ticket_id in enumerate(order.tickets):
        if ticket_id is None:
            continue
        ticket = work.ticket(ticket_id)
        if not _is_as_sold(ticket, order):
            continue
        ticket.revoke(reason="the card did not pay", decision_id=order.id, at=at)
        allowances.moved(
            work,
            offering_id=offering.id,
            ticket_id=ticket_id,
            from_id=order.buyer_id,
            to_id=None,
            at=at,
        )
        stock.return_place(work, offering_id=offering.id, ticket_id=ticket_id, at=at)
        returned += order.lines[number].total_minor
        points.take_back(
            work,
            party_id=order.buyer_id,
            programme_id=offering.issuer_id,
            points=ticket.points_earned,
            entry_id=uuid5(done, f"earned/{number}"),
            reference=f"order/{order.id}",
            at=at,
        )
    by_card = sum(each.amount_minor for each in order.paid if each.kind == tenders.CARD)
    others = [each for each in order.paid if each.kind != tenders.CARD]
    owed = max(0, by_card - returned)
    back = max(0, returned - by_card)
    revenue = accounts.revenue_of(offering.issuer_id, order.currency)
    card = accounts.card_clearing_of(payment.provider, order.currency)
    legs = [
        Leg(card, Money(by_card, order.currency)),
        Leg(revenue, Money(owed - by_card, order.currency)),
        Leg(
            accounts.purse_ref(order.buyer_id, order.currency),
            Money(-owed, order.currency),
        ),
    ]
    accounts.move(
        work,
        entry_id=done,
        legs=legs,
        reason="card not captured",
        reference=f"order/{order.id}",
        at=at,
        overdraw=True,
    )
    if back:
        tenders.refund(
            work,
            purpose_id=purpose_of(order),
            payer_id=order.buyer_id,
            paid=others,
            already_refunded_minor=0,
            amount=Money(back, order.currency),
            programme_id=offering.issuer_id,
            entry_id=uuid5(done, "others"),
            debits=[Leg(revenue, Money(-back, order.currency))],
            reason="card not captured",
            reference=f"order/{order.id}",
            at=at,
        )
    order.note_refund(amount_minor=by_card - owed + back, entry_id=done, at=at)


def _is_as_sold(ticket: ETicket, order: Order) -> bool:
    unused = ticket.uses.redeemed == ticket.uses.reversed
    ours = ticket.owner_id == order.buyer_id and ticket.title_version == 1
    return ticket.life == Life.OWNED and ours and unused and not ticket.print_serial


def _come_late(
    work: Work, desk: StockDesk, order: Order, payment: Payment, *, at: datetime
) -> None:
    """Money came for an order that was given up: places if there are any, or back."""
    if order.state in (OrderState.REFUNDED, OrderState.PAID_LATE):
        return
    offering = _offering(work, order)
    order.note_late_payment(at=at)
    found = _retaken(work, desk, offering, order, at)
    card = payment.amount.amount_minor
    worth = sum(order.lines[number].total_minor for number, _ in found)
    whole = len(found) == len(order.lines)
    if found and worth <= card and (whole or order.partial_ok):
        lines = [number for number, _ in found]
        _pay_and_issue(
            work,
            order,
            lines,
            [_ticket_id(order, number) for number in lines],
            [right for _, right in found],
            [Tender(tenders.CARD, worth, instrument=payment.instrument)],
            [],
            entry_id=_entry_id(order, "late"),
            held=True,
            at=at,
        )
        back = card - worth
    else:
        order.refund(reason="the money came too late", at=at)
        back = card
    if back:
        # What came in and goes back meets in the provider's account alone.
        refund_id = _entry_id(order, "late back")
        payment.request_refund(refund_id=refund_id, amount_minor=back, at=at)


def _retaken(
    work: Work, desk: StockDesk, offering: Offering, order: Order, at: datetime
) -> list[tuple[int, str]]:
    """Sell the order's own places again, or others of their category."""
    found = []
    if offering.question is not None or offering.cancelled_version:
        return []
    for number, line in enumerate(order.lines):
        for place in (line.place, None):
            try:
                (held,) = stock.take(
                    work,
                    desk,
                    offering=offering,
                    count=1,
                    category=line.category,
                    place=place,
                    ticket_ids=[_ticket_id(order, number)],
                    at=at,
                )
            except (PlaceTaken, SoldOut):
                continue
            found.append((number, held.place))
            break
    return found


def _dispute(
    work: Work, order: Order, payment: Payment, news: PaymentNews, *, at: datetime
) -> None:
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
    """Return what is paid and with what; raise unless it can be, and by this buyer."""
    order = work.order(order_id)
    order.require_held_by(by, at)
    offering = _offering(work, order)
    parts = tenders.in_order(paying, order.price)
    tenders.require_points(
        parts,
        order.price,
        point_value_minor=offering.point_value_minor,
        max_points_percent=offering.max_points_percent,
    )
    return order, offering, parts, _sealed(personal, offering, order, by, answers)


def _sealed(
    personal: PersonalData,
    offering: Offering,
    order: Order,
    by: UUID,
    answers: Sequence[str | None],
) -> list[str | None]:
    said = list(answers) or [None] * len(order.lines)
    if len(said) != len(order.lines):
        raise AnswersMissing(tickets=len(order.lines), answers=len(said))
    return [
        seal_answer(personal, holder_id=by, question=offering.question, answer=answer)
        for answer in said
    ]


def _shared(total: int, order: Order, lines: Sequence[int]) -> list[int]:
    """Divide points over the lines by their prices; the sum is exact."""
    weights = [order.lines[number].total_minor for number in lines]
    return split(total, weights) if any(weights) else [0] * len(lines)


def _offering(work: Work, order: Order) -> Offering:
    return work.get(Offering, order.offering_id, Unknown(what="offering"))


def _ticket_id(order: Order, number: int) -> UUID:
    return uuid5(order.id, f"ticket/{number}")


def _entry_id(order: Order, what: str) -> UUID:
    return uuid5(order.id, f"entry/{what}/{order.payments_failed}")


def _checkout(order: Order, at: datetime, position: int) -> Checkout:
    return Checkout(
        order_id=order.id,
        state=str(order.state),
        ticket_ids=tuple(each for each in order.tickets if each is not None),
        entry_id=order.entry_id,
        in_doubt=order.is_in_doubt(at),
        position=position,
    )
