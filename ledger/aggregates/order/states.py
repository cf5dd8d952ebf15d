"""What an order is of, what paid it, and why something cannot be done with it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from ledger.errors import Conflict, Malformed, Missing

LINES_MAX = 50


class OrderUnknown(Missing):
    code = "unknown"
    says = "There is no such order."


class OrderExpired(Conflict):
    code = "expired"
    says = "The reservation expired at {until}."


class OrderStillHeld(Conflict):
    code = "already_sold"
    says = "The reservation is held until {until}."


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


class RefundExceeds(Conflict):
    code = "limit"
    says = "Of this order {left_minor} can be paid back, not {amount_minor}."


class OrderState(StrEnum):
    HELD = "HELD"
    PAYMENT_IN_FLIGHT = "PAYMENT_IN_FLIGHT"
    CONFIRMED = "CONFIRMED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"
    PAID_LATE = "PAID_LATE"
    REFUNDED = "REFUNDED"


# Its places may be given to others.
ENDED = (
    OrderState.RELEASED,
    OrderState.EXPIRED,
    OrderState.PAID_LATE,
    OrderState.REFUNDED,
)
# Money that comes now comes late.
UNPAID = (OrderState.HELD, OrderState.RELEASED, OrderState.EXPIRED)


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One place at the price quoted when it was held.

    `allotment_id` is None in an order of the time when offerings kept their places.
    """

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
