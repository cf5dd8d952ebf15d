"""One buyer's reservation of places, its payment, and what became of it.

HELD ── payment begun ──► PAYMENT_IN_FLIGHT ── paid ──► CONFIRMED
 │ ▲                        │            │                  └── never captured, all
 │ └──── payment failed ────┘            │                      taken back ──► REFUNDED
 │                                       └── failed, its time over ──► EXPIRED
 ├── released ──► RELEASED
 └── its time over ──► EXPIRED ── the money came after all ──► PAID_LATE
                                        CONFIRMED | REFUNDED ◄────┘

A reservation does not expire while a payment is in flight. How long that may be is
fenced: after it the order is in doubt until the provider answers or an operator
decides, and until then its places stay held.

The order is the arbiter of what it holds: its places are given to somebody else only
in a commit that ends it, so a payment and an expiry at one moment cannot both win.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded, is_over
from ledger.aggregates.order.states import (
    ENDED,
    LINES_MAX,
    UNPAID,
    BadOrder,
    NoPayment,
    OrderClosed,
    OrderExpired,
    OrderLine,
    OrderState,
    OrderStillHeld,
    OrderUnknown,
    Paid,
    PaymentInFlight,
    RefundExceeds,
)
from ledger.vocabulary.money import Money


class Order(Recorded):
    TOPIC = "order"

    class Event(Recorded.Event):
        """An event about one order."""

    @classmethod
    def reserve(
        cls,
        *,
        order_id: UUID,
        offering_id: UUID,
        buyer_id: UUID,
        lines: Sequence[Mapping[str, Any]],
        currency: str,
        until: datetime,
        partial_ok: bool,
        at: datetime,
        in_exchange_for: UUID | None = None,
    ) -> Self:
        """Note held places, each a mapping as `OrderLine`, at the prices quoted now.

        `partial_ok` lets fewer places be confirmed than were reserved, should money
        come late.
        """
        if not 0 < len(lines) <= LINES_MAX:
            raise BadOrder(lines_max=LINES_MAX)
        return cls._create(
            cls.Reserved,
            id=order_id,
            timestamp=at,
            offering_id=offering_id,
            buyer_id=buyer_id,
            lines=[dict(line) for line in lines],
            currency=currency,
            until=until,
            partial_ok=partial_ok,
            in_exchange_for=in_exchange_for,
        )

    class Reserved(Event, FirstEvent):
        TOPIC = "order.reserved"
        class_version = 2
        offering_id: UUID
        buyer_id: UUID
        lines: list[dict[str, Any]]
        currency: str
        until: datetime
        partial_ok: bool
        in_exchange_for: UUID | None

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            """At first an order was of one place, and stock was in one stream."""
            line = {
                "allotment_id": None,
                "place": state.pop("place"),
                "category": None,
                "price_minor": state.pop("price_minor"),
                "fees_minor": 0,
            }
            state |= {"lines": [line], "partial_ok": False, "in_exchange_for": None}

    def __init__(
        self,
        *,
        offering_id: UUID,
        buyer_id: UUID,
        lines: list[dict[str, Any]],
        currency: str,
        until: datetime,
        partial_ok: bool,
        in_exchange_for: UUID | None,
    ) -> None:
        self.offering_id = offering_id
        self.buyer_id = buyer_id
        self.lines = tuple(OrderLine(**line) for line in lines)
        self.currency = currency
        self.until = until
        self.partial_ok = partial_ok
        self.in_exchange_for = in_exchange_for
        self.state = OrderState.HELD
        self.tenders: tuple[dict[str, Any], ...] = ()
        self.answers_sealed: tuple[str | None, ...] = ()
        self.fence_until: datetime | None = None
        self.tickets: tuple[UUID | None, ...] = (None,) * len(self.lines)
        self.entry_id: UUID | None = None
        self.paid: tuple[Paid, ...] = ()
        self.refunded_minor = 0
        self.payments_failed = 0
        self.failed_because: str | None = None
        self.capture_failed = False

    @property
    def price(self) -> Money:
        """What all lines cost, fees included."""
        return Money(sum(line.total_minor for line in self.lines), self.currency)

    def line_of(self, ticket_id: UUID) -> OrderLine:
        """Return the line for which this ticket was issued."""
        return self.lines[self.tickets.index(ticket_id)]

    @property
    def has_ended(self) -> bool:
        """Whether its places may be given to others."""
        return self.state in ENDED

    def require_held_by(self, by: UUID, at: datetime) -> None:
        """Raise unless this buyer may pay or release the order now."""
        self._require_buyer(by)
        if self.state == OrderState.PAYMENT_IN_FLIGHT:
            raise PaymentInFlight(because=self.names(self.version))
        if self.state != OrderState.HELD:
            raise self._closed()
        if is_over(self.until, at):
            raise OrderExpired(until=self.until.isoformat(), because=self.names(1))

    def begin_payment(
        self,
        *,
        by: UUID,
        tenders: Sequence[Mapping[str, Any]],
        answers_sealed: Sequence[str | None],
        fence_until: datetime,
        at: datetime,
    ) -> None:
        """Keep the places while the payment is under way, at most until the fence."""
        self.require_held_by(by, at)
        self.trigger_event(
            self.PaymentBegun,
            timestamp=at,
            tenders=[dict(tender) for tender in tenders],
            answers_sealed=list(answers_sealed),
            fence_until=fence_until,
        )

    class PaymentBegun(Event):
        TOPIC = "order.payment-begun"
        tenders: list[dict[str, Any]]
        answers_sealed: list[str | None]
        fence_until: datetime

        def apply(self, aggregate: Order) -> None:
            aggregate.state = OrderState.PAYMENT_IN_FLIGHT
            aggregate.tenders = tuple(self.tenders)
            aggregate.answers_sealed = tuple(self.answers_sealed)
            aggregate.fence_until = self.fence_until

    def is_in_doubt(self, at: datetime) -> bool:
        """Whether the payment took longer than the fence allows."""
        fence = self.fence_until
        in_flight = self.state == OrderState.PAYMENT_IN_FLIGHT
        return in_flight and fence is not None and is_over(fence, at)

    def fail_payment(self, *, reason: str, at: datetime) -> None:
        """Note that nothing was paid: held again, unless its time is over."""
        self._require_in_flight()
        self.trigger_event(self.PaymentFailed, timestamp=at, reason=reason)
        if is_over(self.until, at):
            self._expire(at)

    class PaymentFailed(Event):
        TOPIC = "order.payment-failed"
        reason: str

        def apply(self, aggregate: Order) -> None:
            aggregate.state = OrderState.HELD
            aggregate.payments_failed += 1
            aggregate.failed_because = self.reason
            aggregate.tenders = ()
            aggregate.fence_until = None

    def confirm(
        self,
        *,
        lines: Sequence[int],
        ticket_ids: Sequence[UUID],
        paid: Sequence[Paid],
        entry_id: UUID | None,
        at: datetime,
        by: UUID | None = None,
    ) -> None:
        """Confirm lines (by number) with their payment, one ticket each.

        At once by the buyer, or after a payment was in flight, or late.
        """
        if self.state == OrderState.HELD:
            self.require_held_by(by or self.buyer_id, at)
        elif self.state not in (OrderState.PAYMENT_IN_FLIGHT, OrderState.PAID_LATE):
            raise self._closed()
        if len(lines) != len(ticket_ids) or not lines:
            raise BadOrder(lines_max=LINES_MAX)
        self.trigger_event(
            self.Confirmed,
            timestamp=at,
            lines=list(lines),
            ticket_ids=list(ticket_ids),
            paid=[each.as_dict() for each in paid],
            entry_id=entry_id,
        )

    class Confirmed(Event):
        TOPIC = "order.confirmed"
        class_version = 2
        lines: list[int]
        ticket_ids: list[UUID]
        paid: list[dict[str, Any]]
        entry_id: UUID | None

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            """At first one tender paid the whole price of one ticket."""
            paid = {"kind": state.pop("tender"), "amount_minor": None}
            state |= {"lines": [0], "ticket_ids": [state.pop("ticket_id")]}
            state["paid"] = [paid] if state["entry_id"] else []

        def apply(self, aggregate: Order) -> None:
            aggregate.state = OrderState.CONFIRMED
            ticket_by_line = dict(zip(self.lines, self.ticket_ids, strict=True))
            aggregate.tickets = tuple(
                ticket_by_line.get(number) for number in range(len(aggregate.lines))
            )
            aggregate.entry_id = self.entry_id
            whole = aggregate.price.amount_minor
            aggregate.paid = tuple(
                Paid(**{**each, "amount_minor": whole})
                if each["amount_minor"] is None
                else Paid(**each)
                for each in self.paid
            )

    def note_refund(
        self, *, amount_minor: int, entry_id: UUID | None, at: datetime
    ) -> None:
        """Note that a part of what was paid went back; never more than was paid."""
        left = sum(each.amount_minor for each in self.paid) - self.refunded_minor
        if not 0 <= amount_minor <= left:
            raise RefundExceeds(
                left_minor=left,
                amount_minor=amount_minor,
                because=self.names(self.version),
            )
        self.trigger_event(
            self.RefundNoted, timestamp=at, amount_minor=amount_minor, entry_id=entry_id
        )

    class RefundNoted(Event):
        TOPIC = "order.refund-noted"
        amount_minor: int
        entry_id: UUID | None

        def apply(self, aggregate: Order) -> None:
            aggregate.refunded_minor += self.amount_minor

    def release(self, *, by: UUID, at: datetime) -> None:
        """Give the places up as the buyer."""
        self._require_buyer(by)
        if self.state == OrderState.PAYMENT_IN_FLIGHT:
            raise PaymentInFlight(because=self.names(self.version))
        if self.state != OrderState.HELD:
            raise self._closed()
        self.trigger_event(self.Released, timestamp=at)

    class Released(Event):
        TOPIC = "order.released"

        def apply(self, aggregate: Order) -> None:
            aggregate.state = OrderState.RELEASED

    def expire(self, *, at: datetime) -> None:
        """Make visible that the time is over; a payment in flight keeps it alive."""
        if self.state == OrderState.PAYMENT_IN_FLIGHT:
            raise PaymentInFlight(because=self.names(self.version))
        if self.state != OrderState.HELD:
            raise self._closed()
        if not is_over(self.until, at):
            raise OrderStillHeld(until=self.until.isoformat(), because=self.names(1))
        self._expire(at)

    def _expire(self, at: datetime) -> None:
        self.trigger_event(self.Expired, timestamp=at)

    class Expired(Event):
        TOPIC = "order.expired"

        def apply(self, aggregate: Order) -> None:
            aggregate.state = OrderState.EXPIRED

    def note_late_payment(self, *, at: datetime) -> None:
        """Note that money came for an order that was not waiting for it any more."""
        if self.state not in UNPAID:
            raise self._closed()
        self.trigger_event(self.PaidLate, timestamp=at)

    class PaidLate(Event):
        TOPIC = "order.paid-late"

        def apply(self, aggregate: Order) -> None:
            aggregate.state = OrderState.PAID_LATE

    def change_places(
        self, places: Mapping[int, tuple[UUID, str]], *, at: datetime
    ) -> None:
        """Take other places for some lines (by number); the price quoted stays.

        Only with money that came late: the first places may be somebody else's.
        """
        if self.state != OrderState.PAID_LATE:
            raise self._closed()
        for number, (allotment_id, place) in places.items():
            self.trigger_event(
                self.PlaceChanged,
                timestamp=at,
                line=number,
                allotment_id=allotment_id,
                place=place,
            )

    class PlaceChanged(Event):
        TOPIC = "order.place-changed"
        line: int
        allotment_id: UUID
        place: str

        def apply(self, aggregate: Order) -> None:
            lines = list(aggregate.lines)
            lines[self.line] = replace(
                lines[self.line], allotment_id=self.allotment_id, place=self.place
            )
            aggregate.lines = tuple(lines)

    def fail_capture(
        self,
        *,
        taken_back: Sequence[UUID],
        left: Sequence[Paid],
        entry_id: UUID,
        at: datetime,
    ) -> None:
        """Note that the card never paid; which tickets were taken back for that, and
        what is paid now for the others, a debt included."""
        if self.state != OrderState.CONFIRMED or self.capture_failed:
            raise self._closed()
        self.trigger_event(
            self.CaptureFailed,
            timestamp=at,
            taken_back=list(taken_back),
            left=[each.as_dict() for each in left],
            entry_id=entry_id,
        )

    class CaptureFailed(Event):
        TOPIC = "order.capture-failed"
        taken_back: list[UUID]
        left: list[dict[str, Any]]
        entry_id: UUID

        def apply(self, aggregate: Order) -> None:
            aggregate.capture_failed = True
            aggregate.failed_because = "the card did not pay"
            aggregate.paid = tuple(Paid(**each) for each in self.left)
            aggregate.refunded_minor = 0
            if set(self.taken_back) >= {each for each in aggregate.tickets if each}:
                aggregate.state = OrderState.REFUNDED

    def refund(self, *, reason: str, at: datetime) -> None:
        """Give late money back whole: no place was left."""
        if self.state != OrderState.PAID_LATE:
            raise self._closed()
        self.trigger_event(self.Refunded, timestamp=at, reason=reason)

    class Refunded(Event):
        TOPIC = "order.refunded"
        reason: str

        def apply(self, aggregate: Order) -> None:
            aggregate.state = OrderState.REFUNDED

    def _require_buyer(self, by: UUID) -> None:
        if by != self.buyer_id:
            raise OrderUnknown  # Not yours reads like not there.

    def _require_in_flight(self) -> None:
        if self.state != OrderState.PAYMENT_IN_FLIGHT:
            raise NoPayment(because=self.names(self.version))

    def _closed(self) -> OrderClosed:
        return OrderClosed(state=self.state.lower(), because=self.names(self.version))
