"""What an event makes due later, and what it ends before that.

Not all that ends a deadline is told here: whoever looks at it at its time finds nothing
to do, and forgets it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from ledger.adapters.deadlines import Change, DeadlineKind, Deadlines
from ledger.aggregates.base import Recorded
from ledger.aggregates.e_ticket import ETicket
from ledger.aggregates.gift import Gift
from ledger.aggregates.order import Order
from ledger.aggregates.payment import Payment
from ledger.aggregates.sale import Sale
from ledger.aggregates.waiting_list import WaitingList

DEADLINES = "deadlines"
ASK_AGAIN = timedelta(minutes=1)
"""When a provider that owes an answer is asked again."""


class NotingDeadlines:
    """What is to be looked at when."""

    name = DEADLINES

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines

    def takes(self, event: type) -> bool:
        return event in _SETS or event in _ENDS

    def follows(self, event: Recorded.Event, position: int) -> list[Change]:
        return list(changes(event))

    def keep(self, found: Sequence[Change], *, after: int, upto: int) -> bool:
        return self._deadlines.note(found, policy=self.name, after=after, upto=upto)


def changes(event: Recorded.Event) -> Iterator[Change]:
    """Return which deadlines an event sets and ends."""
    about: UUID = event.originator_id
    if kind := _ENDS.get(type(event)):
        yield Change(kind, about, None)
    elif kind := _SETS.get(type(event)):
        until: datetime | None = getattr(event, "until", None)
        if isinstance(event, ETicket.GiftResumed):
            about = event.offer_id
        yield Change(kind, about, until or event.timestamp + ASK_AGAIN)


# Each with a time `until`, or to be looked at soon.
_SETS: Mapping[type, DeadlineKind] = {
    ETicket.Listed: DeadlineKind.LOCK,
    ETicket.DispenseStarted: DeadlineKind.LOCK,
    ETicket.RedemptionStarted: DeadlineKind.LOCK,
    ETicket.ExchangeStarted: DeadlineKind.LOCK,
    Order.Reserved: DeadlineKind.ORDER,
    Gift.Offered: DeadlineKind.GIFT,
    ETicket.GiftResumed: DeadlineKind.GIFT,
    WaitingList.Promised: DeadlineKind.PROMISE,
    Payment.AuthorisationRequested: DeadlineKind.PAYMENT,
    Payment.CaptureRequested: DeadlineKind.PAYMENT,
    Payment.CancelRequested: DeadlineKind.PAYMENT,
    Payment.RefundRequested: DeadlineKind.PAYMENT,
    Sale.TitleMoved: DeadlineKind.PAYOUT,
}
_ENDS: Mapping[type, DeadlineKind] = {
    ETicket.Unlisted: DeadlineKind.LOCK,
    ETicket.Resold: DeadlineKind.LOCK,
    ETicket.Dispensed: DeadlineKind.LOCK,
    ETicket.CouponRedeemed: DeadlineKind.LOCK,
    ETicket.Exchanged: DeadlineKind.LOCK,
    Order.Confirmed: DeadlineKind.ORDER,
    Order.Released: DeadlineKind.ORDER,
    Order.Expired: DeadlineKind.ORDER,
    Sale.PaidOut: DeadlineKind.PAYOUT,
    Sale.Reversed: DeadlineKind.PAYOUT,
}
