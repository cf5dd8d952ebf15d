"""What no history may tell, said a second time and without the rules.

Each statement counts what one stream's events say; none looks at how a rule is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from ledger.aggregates.account import Account
from ledger.aggregates.allotment import Allotment
from ledger.aggregates.case import Case
from ledger.aggregates.e_ticket import ETicket
from ledger.aggregates.gift import Gift
from ledger.aggregates.medium import Medium
from ledger.aggregates.order import Order
from ledger.aggregates.payment import Payment
from ledger.aggregates.receipt import Receipt
from ledger.aggregates.sale import Sale
from tests.domain.test_ticket_machine import (
    assert_titles_are_linear,
    follows_the_rules,
    paper_serials,
)
from tests.log.forging import Stream

LOCKS = {
    ETicket.GiftOffered,
    ETicket.Listed,
    ETicket.ExchangeStarted,
    ETicket.MediumWritePrepared,
}


def is_honest(stream: Stream) -> None:
    """Fail if the stream tells of something that cannot be."""
    counts = Counter(map(type, stream))
    told: Any = None
    for event in stream:
        # An offer stands still for a hold on another ticket that is given with it.
        if isinstance(told, ETicket) and not isinstance(event, ETicket.GiftSuspended):
            follows_the_rules(told, event, event.timestamp)
        told = event.mutate(told)
    if statement := STATEMENTS.get(type(told)):
        statement(stream, counts)


def of_ticket(stream: Stream, counts: Counter[type]) -> None:
    assert_titles_are_linear(stream)
    serials = paper_serials(stream)
    assert len(set(serials)) == len(serials)
    assert counts[ETicket.Dispensed] <= 1 + counts[ETicket.DispenseReversed]
    used = sum(e.amount for e in stream if isinstance(e, ETicket.CouponRedeemed))
    back = sum(e.amount for e in stream if isinstance(e, ETicket.RedemptionReversed))
    assert 0 <= used - back <= stream[0].uses_limit
    ends = (ETicket.Refunded, ETicket.Voided, ETicket.Revoked, ETicket.Exchanged)
    ended = sum(counts[each] for each in (*ends, ETicket.Expired))
    assert ended <= 1 + counts[ETicket.Reinstated]
    locks = [type(e) for e in stream if type(e) in LOCKS | {ETicket.GiftAccepted}]
    for last, event in pairwise([None, *locks]):
        assert event != ETicket.GiftAccepted or last == ETicket.GiftOffered


def of_account(stream: Stream, counts: Counter[type]) -> None:
    balance, held = 0, 0
    for event in stream:
        balance += getattr(event, "amount_minor", 0) * isinstance(
            event, Account.Posted | Account.PointsExpired
        )
        held = event.amount_minor if isinstance(event, Account.FundsHeld) else 0
        assert held <= max(0, balance)


def of_allotment(stream: Stream, counts: Counter[type]) -> None:
    """D1, O10: a place is one ticket's until it is given back."""
    sold: set[str] = set()
    for event in stream:
        if isinstance(event, Allotment.PlacesSold):
            assert sold.isdisjoint(event.places)
            sold |= set(event.places)
        elif isinstance(event, Allotment.PlacesHeld):
            assert sold.isdisjoint(event.places)
        elif isinstance(event, Allotment.PlaceGivenBack):
            sold.discard(event.place)
        assert sold <= set(stream[0].places)


def of_sale(stream: Stream, counts: Counter[type]) -> None:
    assert counts[Sale.PaidOut] <= counts[Sale.TitleMoved] == counts[Sale.Escrowed] <= 1
    assert counts[Sale.PaidOut] + counts[Sale.Reversed] + counts[Sale.Aborted] <= 1
    back = [
        ticket_id
        for event in stream
        if isinstance(event, Sale.Refunded | Sale.ClawedBack)
        for ticket_id in event.ticket_ids
    ]
    assert len(set(back)) == len(back)


def of_payment(stream: Stream, counts: Counter[type]) -> None:
    ends = (Payment.Captured, Payment.Declined, Payment.Cancelled)
    assert sum(counts[each] for each in ends) <= 1
    refused = {e.refund_id for e in stream if isinstance(e, Payment.RefundRefused)}
    asked = [e for e in stream if isinstance(e, Payment.RefundRequested)]
    going = sum(e.amount_minor for e in asked if e.refund_id not in refused)
    assert going <= stream[0].amount_minor


def of_order(stream: Stream, counts: Counter[type]) -> None:
    assert counts[Order.Confirmed] + counts[Order.Released] <= 1
    for confirmed in (e for e in stream if isinstance(e, Order.Confirmed)):
        noted = [e.amount_minor for e in stream if isinstance(e, Order.RefundNoted)]
        failed = counts[Order.CaptureFailed]
        paid = sum(each["amount_minor"] or 0 for each in confirmed.paid)
        assert failed or sum(noted) <= paid


def of_medium(stream: Stream, counts: Counter[type]) -> None:
    ends = (Medium.Blocked, Medium.Returned)
    assert sum(counts[each] for each in ends) <= 1
    over = next((n for n, e in enumerate(stream) if isinstance(e, ends)), len(stream))
    after = (Medium.WritePrepared, Medium.Restored, Medium.Cleared, Medium.Suspended)
    assert not any(isinstance(event, after) for event in stream[over:])
    written = [e.seq for e in stream if isinstance(e, Medium.WrittenOffline)]
    assert written == sorted(set(written))
    assert counts[Medium.Written] <= counts[Medium.WritePrepared]


def of_case(stream: Stream, counts: Counter[type]) -> None:
    over = (Case.Closed, Case.Withdrawn, Case.Merged)
    assert not any(isinstance(event, over) for event in stream[:-1])
    assert counts[Case.Executed] <= 1
    assert counts[Case.Decided] <= 1 + counts[Case.Appealed] <= 2


def of_receipt(stream: Stream, counts: Counter[type]) -> None:
    assert counts[Receipt.Redeemed] <= 1


def of_gift(stream: Stream, counts: Counter[type]) -> None:
    """A line ends once."""
    ended: Counter[object] = Counter()
    for event in stream[1:]:
        ended.update(line["ticket_id"] for line in getattr(event, "lines", ()))
        ended.update(getattr(event, "ticket_ids", ()))
    assert set(ended.values()) <= {1}


STATEMENTS: Mapping[type, Callable[[Stream, Counter[type]], None]] = {
    Account: of_account,
    Allotment: of_allotment,
    Case: of_case,
    ETicket: of_ticket,
    Gift: of_gift,
    Medium: of_medium,
    Order: of_order,
    Payment: of_payment,
    Receipt: of_receipt,
    Sale: of_sale,
}
