"""One buyer's reservation of places, its payment, and what became of it.

HELD ── payment begun ──► PAYMENT_IN_FLIGHT ── paid ──► CONFIRMED
 │ ▲                        │            │
 │ └──── payment failed ────┘            └── its time was over ──► EXPIRED
 ├── released ──► RELEASED
 └── its time over ──► EXPIRED ── the money came after all ──► PAID_LATE
                                        CONFIRMED | REFUNDED ◄────┘

A reservation does not expire while a payment is in flight. How long that may be is
fenced: after it the order is in doubt until the provider answers or an operator
decides, and until then its places stay held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded, is_over
from ledger.errors import Conflict, Malformed, Missing
from ledger.vocabulary.money import Money

LINES_MAX = 50


class OrderUnknown(Missing):
    code = "unknown"
    says = "There is no such order."


class OrderExpired(Conflict):
    code = "expired"
    says = "The reservation expired at {until}."


class OrderClosed(Conflict):
    code = "already_sold"
    says = "The order is {state} already."


class PaymentInFlight(Conflict):
    code = "sold_pending"
    says = "A payment of this order is under way; wait for its answer."


class NoPayment(Conflict):
    code = "unknown"
    says = "No payment of this order is under way."


class BadOrder(Malformed):
    code = "malformed"
    says = "An order is of 1 to {lines_max} places."


class OrderState(StrEnum):
    HELD = "HELD"
    PAYMENT_IN_FLIGHT = "PAYMENT_IN_FLIGHT"
    CONFIRMED = "CONFIRMED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"
    PAID_LATE = "PAID_LATE"
    REFUNDED = "REFUNDED"


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One place at the price quoted when it was held."""

    allotment_id: UUID | None
    place: str
    category: str | None
    price_minor: int
    fees_minor: int

    @property
    def total_minor(self) -> int:
        return self.price_minor + self.fees_minor


@dataclass(frozen=True, slots=True)
class Paid:
    """What one tender has paid: a refund goes back the same way.

    `points` are those that were worth the amount, `reference` the card's payment.
    """

    kind: str
    amount_minor: int
    points: int = 0
    reference: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


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

    @property
    def price(self) -> Money:
        """What all lines cost, fees included."""
        return Money(sum(line.total_minor for line in self.lines), self.currency)

    def line_of(self, ticket_id: UUID) -> OrderLine:
        """Return the line for which this ticket was issued."""
        return self.lines[self.tickets.index(ticket_id)]

    @property
    def has_ended(self) -> bool:
        """Whether the order holds no place any more and never sold one."""
        ended = (OrderState.RELEASED, OrderState.EXPIRED, OrderState.REFUNDED)
        return self.state in (*ended, OrderState.PAID_LATE)

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
            aggregate.tenders = ()
            aggregate.answers_sealed = ()
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
            raise RefundExceeds(left_minor=left, amount_minor=amount_minor)
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
        if is_over(self.until, at):
            self._expire(at)

    def _expire(self, at: datetime) -> None:
        self.trigger_event(self.Expired, timestamp=at)

    class Expired(Event):
        TOPIC = "order.expired"

        def apply(self, aggregate: Order) -> None:
            aggregate.state = OrderState.EXPIRED

    def note_late_payment(self, *, at: datetime) -> None:
        """Note that money came for an order that was not waiting for it any more."""
        if self.state not in (
            OrderState.HELD,
            OrderState.EXPIRED,
            OrderState.RELEASED,
        ):
            raise self._closed()
        self.trigger_event(self.PaidLate, timestamp=at)

    class PaidLate(Event):
        TOPIC = "order.paid-late"

        def apply(self, aggregate: Order) -> None:
            aggregate.state = OrderState.PAID_LATE

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


class RefundExceeds(Conflict):
    code = "limit"
    says = "Of this order {left_minor} can be paid back, not {amount_minor}."
