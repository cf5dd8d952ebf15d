"""Paying with several tenders: held in one order, undone and paid back in reverse.

Points first, then e-money, then the credit card: what is ours is held before a stranger
is asked. Steps for others' commands: each works on the caller's `Work` and records
nothing; a card's wishes are carried out after the commit (`payments`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from ledger.aggregates.account import AMOUNT_MAX_MINOR, POINTS
from ledger.aggregates.order import Paid
from ledger.aggregates.payment import Payment, PaymentUnknown
from ledger.application import Work
from ledger.errors import Conflict, Malformed
from ledger.usecases import accounts
from ledger.usecases.accounts import E_MONEY, Leg
from ledger.usecases.points import POINTS_VALID
from ledger.vocabulary.ids import payment_id
from ledger.vocabulary.money import Money

CARD = "card"
BY_POINTS = "points"
# In this order they are held; in reverse they are undone and paid back.
KINDS = (BY_POINTS, E_MONEY, CARD)
# ISO/IEC 7812-1: 8 to 19 digits, as people write them.
_CARD_NUMBER = re.compile(r"(?:[ -]*\d){8,19}[ -]*")


class BadTender(Malformed):
    code = "malformed"
    says = "{says}"


class PointsLimit(Conflict):
    code = "limit"
    says = "Points may pay {percent} per cent of the price at most."


@dataclass(frozen=True, slots=True)
class Tender:
    """A part of a price and what pays it; a card by its provider's token."""

    kind: str
    amount_minor: int
    points: int = 0
    instrument: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        return cls(**stored)


def in_order(tenders: Sequence[Tender], price: Money) -> list[Tender]:
    """Return tenders in the order in which they are held; they must sum to the price.

    One of a kind at most. Raises `BadTender`.
    """
    kinds = [tender.kind for tender in tenders]
    if not set(kinds) <= set(KINDS) or len(set(kinds)) != len(kinds):
        raise BadTender(says=f"Tenders are {', '.join(KINDS)}, each once at most.")
    for tender in tenders:
        if not 0 < tender.amount_minor <= AMOUNT_MAX_MINOR:
            raise BadTender(says="A tender pays at least one minor unit.")
        if (tender.kind == CARD) != (tender.instrument is not None):
            raise BadTender(says="A card is named by its token, nothing else is.")
        if tender.instrument is not None and _CARD_NUMBER.fullmatch(tender.instrument):
            raise BadTender(says="A card's number has no place here, only its token.")
        if (tender.kind == BY_POINTS) != (tender.points > 0):
            raise BadTender(says="Points are counted where points pay.")
    if sum(tender.amount_minor for tender in tenders) != price.amount_minor:
        raise BadTender(says=f"Tenders sum to the price, {price.amount_minor}.")
    return sorted(tenders, key=lambda tender: KINDS.index(tender.kind))


def require_points(
    tenders: Sequence[Tender],
    price: Money,
    *,
    point_value_minor: int,
    max_points_percent: int,
) -> None:
    """Raise unless points are counted at their value, and pay no more than they may."""
    for tender in tenders:
        if tender.kind == BY_POINTS:
            if tender.points * point_value_minor != tender.amount_minor:
                raise BadTender(says=f"A point is worth {point_value_minor}.")
            if tender.amount_minor * 100 > price.amount_minor * max_points_percent:
                raise PointsLimit(percent=max_points_percent)


def hold(
    work: Work,
    *,
    purpose_id: UUID,
    payer_id: UUID,
    tenders: Sequence[Tender],
    currency: str,
    programme_id: UUID,
    provider: str,
    until: datetime,
    at: datetime,
    order_id: UUID | None = None,
) -> None:
    """Hold what is ours, and ask for the card's authorisation.

    `order_id` is the order that is paid, if it is one.
    """
    for tender in tenders:
        if tender.kind == CARD:
            assert tender.instrument is not None
            work.add(
                Payment.request(
                    payment_id=payment_id(purpose_id),
                    purpose_id=purpose_id,
                    order_id=order_id,
                    payer_id=payer_id,
                    amount=Money(tender.amount_minor, currency),
                    instrument=tender.instrument,
                    provider=provider,
                    at=at,
                )
            )
        else:
            ref = _ref(tender.kind, payer_id, currency, programme_id)
            accounts.purse(work, ref, at=at).hold(
                purpose_id=purpose_id,
                amount_minor=tender.points or tender.amount_minor,
                until=until,
                at=at,
            )


def capture(
    work: Work,
    *,
    purpose_id: UUID,
    payer_id: UUID,
    tenders: Sequence[Tender],
    currency: str,
    programme_id: UUID,
    entry_id: UUID,
    credits: Sequence[Leg],  # noqa: A002 - the word of bookkeeping
    reason: str,
    reference: str,
    at: datetime,
    held: bool = True,
) -> list[Paid]:
    """Take the money: debit what was `held`, or at once, and ask for the capture.

    `credits` say who gets it, and sum to the price.
    """
    legs = list(credits)
    paid = []
    for tender in tenders:
        payment = None
        if tender.kind == CARD:
            payment = card_payment(work, purpose_id)
            payment.request_capture(at=at)
        purpose = purpose_id if held and tender.kind != CARD else None
        legs += _debits(
            tender, payer_id, currency, programme_id, purpose=purpose, payment=payment
        )
        paid.append(
            Paid(
                tender.kind,
                tender.amount_minor,
                tender.points,
                str(payment.id) if payment else None,
            )
        )
    accounts.move(
        work, entry_id=entry_id, legs=legs, reason=reason, reference=reference, at=at
    )
    return paid


def undo(
    work: Work,
    *,
    purpose_id: UUID,
    payer_id: UUID,
    tenders: Sequence[Tender],
    currency: str,
    programme_id: UUID,
    reason: str,
    at: datetime,
) -> None:
    """Give back in reverse what was held for a purpose; nothing was taken yet."""
    for tender in reversed(tenders):
        if tender.kind == CARD:
            card_payment(work, purpose_id).request_cancel(at=at)
        else:
            ref = _ref(tender.kind, payer_id, currency, programme_id)
            purse = accounts.purse(work, ref, at=at)
            purse.release(purpose_id=purpose_id, reason=reason, at=at)


def refund(
    work: Work,
    *,
    purpose_id: UUID,
    payer_id: UUID,
    paid: Sequence[Paid],
    already_refunded_minor: int,
    amount: Money,
    programme_id: UUID,
    entry_id: UUID,
    debits: Sequence[Leg],
    reason: str,
    reference: str,
    at: datetime,
) -> list[Paid]:
    """Pay back to the tenders that paid, in reverse: card, e-money, points.

    `debits` say who gives it, as negative legs; what was paid back before comes off
    first. Points come back in proportion, whole with the last of their value, and
    expire as those do that are earned now.
    """
    parts = refund_parts(
        paid,
        already_refunded_minor=already_refunded_minor,
        amount_minor=amount.amount_minor,
    )
    legs = list(debits)
    for part in parts:
        if part.kind == CARD:
            payment = _paid_by(work, part, purpose_id)
            refund_id, back = entry_id, part.amount_minor
            payment.request_refund(refund_id=refund_id, amount_minor=back, at=at)
            name = accounts.card_clearing_of(payment.provider, amount.currency)
            legs.append(Leg(name, Money(part.amount_minor, amount.currency)))
        else:
            legs += _credits(part, payer_id, amount.currency, programme_id, at)
    accounts.move(
        work,
        entry_id=entry_id,
        legs=legs,
        reason=reason,
        reference=reference,
        at=at,
        overdraw=True,
    )
    return parts


def refund_parts(
    paid: Sequence[Paid], *, already_refunded_minor: int, amount_minor: int
) -> list[Paid]:
    """Say how much goes back to which tender; `BadTender` beyond what was paid."""
    if amount_minor < 0 or already_refunded_minor + amount_minor > sum(
        each.amount_minor for each in paid
    ):
        raise BadTender(says="No more can be paid back than was paid.")
    parts, skip, left = [], already_refunded_minor, amount_minor
    for each in sorted(paid, key=lambda each: -KINDS.index(each.kind)):
        before = min(skip, each.amount_minor)
        skip -= before
        back = min(left, each.amount_minor - before)
        left -= back
        if back:
            points = _points_by(each, before + back) - _points_by(each, before)
            parts.append(Paid(each.kind, back, points, each.reference))
    return parts


def left_of(paid: Sequence[Paid], *, refunded_minor: int) -> list[Paid]:
    """Return what tenders have still paid after so much went back, in reverse."""
    back = {
        part.kind: part
        for part in refund_parts(
            paid, already_refunded_minor=0, amount_minor=refunded_minor
        )
    }
    left = []
    for each in paid:
        part = back.get(each.kind, Paid(each.kind, 0))
        amount_minor = each.amount_minor - part.amount_minor
        if amount_minor:
            points = each.points - part.points
            left.append(replace(each, amount_minor=amount_minor, points=points))
    return left


def card_payment(work: Work, purpose_id: UUID) -> Payment:
    """Return the card's payment for a purpose. Raises `PaymentUnknown`."""
    return work.get(Payment, payment_id(purpose_id), PaymentUnknown())


def _paid_by(work: Work, part: Paid, purpose_id: UUID) -> Payment:
    if part.reference is None:
        return card_payment(work, purpose_id)
    return work.get(Payment, UUID(part.reference), PaymentUnknown())


def _points_by(paid: Paid, amount_minor: int) -> int:
    """Points that have come back once so much of their value has."""
    return paid.points * amount_minor // paid.amount_minor


def _ref(
    kind: str, party_id: UUID, currency: str, programme_id: UUID
) -> accounts.AccountRef:
    if kind == E_MONEY:
        return accounts.purse_ref(party_id, currency)
    return accounts.points_ref(party_id, programme_id)


def _debits(
    tender: Tender,
    payer_id: UUID,
    currency: str,
    programme_id: UUID,
    *,
    purpose: UUID | None,
    payment: Payment | None,
) -> list[Leg]:
    amount = Money(-tender.amount_minor, currency)
    if payment is not None:
        return [Leg(accounts.card_clearing_of(payment.provider, currency), amount)]
    ref = _ref(tender.kind, payer_id, currency, programme_id)
    if tender.kind == E_MONEY:
        return [Leg(ref, amount, purpose_id=purpose)]
    issued = accounts.points_issued_of(programme_id)
    return [
        Leg(accounts.points_cost_of(programme_id, currency), amount),
        Leg(ref, Money(-tender.points, POINTS), purpose_id=purpose),
        Leg(issued, Money(tender.points, POINTS)),
    ]


def _credits(
    part: Paid, payer_id: UUID, currency: str, programme_id: UUID, at: datetime
) -> list[Leg]:
    amount = Money(part.amount_minor, currency)
    ref = _ref(part.kind, payer_id, currency, programme_id)
    if part.kind == E_MONEY:
        return [Leg(ref, amount)]
    issued = accounts.points_issued_of(programme_id)
    return [
        Leg(accounts.points_cost_of(programme_id, currency), amount),
        Leg(ref, Money(part.points, POINTS), expires_at=at + POINTS_VALID),
        Leg(issued, Money(-part.points, POINTS)),
    ]
