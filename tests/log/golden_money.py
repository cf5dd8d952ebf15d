"""Stories of money for `golden`: a purse, orders, and a card that may not pay."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, TypeAlias
from uuid import UUID

from ledger.aggregates.account import POINTS, Account, Entry, Posting
from ledger.aggregates.allowance import Allowance
from ledger.aggregates.base import Recorded
from ledger.aggregates.order import Order, Paid
from ledger.aggregates.payment import Payment
from ledger.vocabulary.ids import account_id
from ledger.vocabulary.money import Money
from tests.domain.examples import ALICE, CAROL, HOUR, ISSUER, NOON, OFFERING

Said: TypeAlias = dict[str, Any]

SOON = NOON + timedelta(minutes=1)
REFS = [UUID(int=0x2200 + n) for n in range(9)]


def a_purse_that_owes() -> list[Recorded]:
    purse = Account.open(
        account_id=account_id(CAROL, "money", "EUR"),
        party_id=CAROL,
        kind="money",
        currency="EUR",
        at=NOON,
    )
    purse.post(entry_id=REFS[0], amount_minor=500, at=NOON)
    purse.post(entry_id=REFS[1], amount_minor=-200, at=NOON)
    purse.post(entry_id=REFS[2], amount_minor=-900, overdraw=True, at=NOON)
    return [purse]


def points_that_expire() -> list[Recorded]:
    purse = Account.open(
        account_id=UUID(int=0x2001),
        party_id=ALICE,
        kind=f"points/{ISSUER}",
        currency=POINTS,
        at=NOON,
    )
    purse.post(entry_id=REFS[0], amount_minor=300, expires_at=NOON + HOUR, at=NOON)
    kept: Said = {"purpose_id": REFS[1], "amount_minor": 100, "at": NOON}
    purse.hold(**kept, until=SOON)
    purse.post(entry_id=REFS[2], amount_minor=-80, purpose_id=REFS[1], at=NOON)
    purse.hold(**kept, until=SOON)
    purse.release(purpose_id=REFS[1], reason="declined", at=NOON)
    purse.expire_points(entry_id=REFS[3], at=NOON + HOUR)
    issued = f"points-issued/{ISSUER}/{POINTS}"
    entry = Entry.record(
        entry_id=REFS[3],
        reason="points expired",
        reference=f"account/{purse.id}",
        postings=[
            Posting(str(purse.id), -220, POINTS),
            Posting(issued, 220, POINTS),
        ],
        at=NOON + HOUR,
    )
    return [purse, entry]


def an_order(number: int, *, partial_ok: bool = False) -> Order:
    line: Said = {"category": "stalls", "price_minor": 4_000, "fees_minor": 200}
    return Order.reserve(
        order_id=UUID(int=0x2010 + number),
        offering_id=OFFERING,
        buyer_id=ALICE,
        lines=[
            {"allotment_id": UUID(int=0x2020), "place": place, **line}
            for place in ("A1", "A2")
        ],
        currency="EUR",
        until=SOON,
        partial_ok=partial_ok,
        at=NOON,
    )


def begin(order: Order) -> None:
    card: Said = {"kind": "card", "amount_minor": 8_400, "points": 0}
    order.begin_payment(
        by=ALICE,
        tenders=[card | {"instrument": "tok-ok"}],
        answers_sealed=["c2VhbGVk", None],
        fence_until=SOON,
        at=NOON,
    )


def orders() -> list[Recorded]:
    paid = an_order(1)
    begin(paid)
    tickets = REFS[:2]
    by_card = Paid("card", 8_400, reference=str(REFS[2]))
    bought: Said = {"ticket_ids": tickets, "paid": [by_card], "entry_id": REFS[3]}
    paid.confirm(lines=[0, 1], **bought, at=NOON)
    paid.note_refund(amount_minor=1_000, entry_id=REFS[4], at=NOON)
    owed = [Paid("e-money", 4_200)]
    paid.fail_capture(taken_back=tickets[:1], left=owed, entry_id=REFS[5], at=NOON)
    late, too_late, expired = (an_order(n, partial_ok=True) for n in (2, 3, 4))
    for order in (late, too_late):
        begin(order)
        order.fail_payment(reason="given up", at=SOON)
        order.note_late_payment(at=SOON)
    late.change_places({1: (UUID(int=0x2021), "B7")}, at=SOON)
    late.confirm(lines=[1], **(bought | {"ticket_ids": REFS[1:2]}), at=SOON)
    too_late.refund(reason="the money came too late", at=SOON)
    expired.expire(at=SOON)
    return [paid, late, too_late, expired]


def a_payment(number: int) -> Payment:
    return Payment.request(
        payment_id=UUID(int=0x2030 + number),
        purpose_id=REFS[0],
        order_id=REFS[0],
        payer_id=ALICE,
        amount=Money(8_400, "EUR"),
        instrument="tok-ok",
        provider="sandbox",
        at=NOON,
    )


def card_payments() -> list[Recorded]:
    paid, given_up, declined = (a_payment(n) for n in (1, 2, 3))
    paid.authorised(reference="sandbox_1", at=NOON)
    paid.request_capture(at=NOON)
    paid.captured(reference="sandbox_1", at=NOON)
    for refund_id in REFS[:2]:
        paid.request_refund(refund_id=refund_id, amount_minor=1_000, at=NOON)
    paid.refunded(refund_id=REFS[0], at=NOON)
    paid.refuse_refund(refund_id=REFS[1], reason="the card is closed", at=NOON)
    paid.disputed(dispute_id="dp_1", status="opened", amount_minor=8_400, at=NOON)
    given_up.request_cancel(at=NOON)
    given_up.cancelled(at=NOON)
    declined.declined(reason="the card was declined", at=NOON)
    return [paid, given_up, declined]


def a_resale_that_was_undone() -> list[Recorded]:
    allowance = Allowance.begin(
        allowance_id=UUID(int=0x2040), offering_id=OFFERING, party_id=ALICE, at=NOON
    )
    ticket: Said = {"ticket_id": REFS[0], "at": NOON}
    allowance.gain(**ticket)
    allowance.resell(**ticket, limit=1)
    allowance.undo_resale(**ticket)
    return [allowance]
