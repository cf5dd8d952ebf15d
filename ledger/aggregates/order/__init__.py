"""Orders: places reserved for a buyer, and what paid them."""

from ledger.aggregates.order.order import Order
from ledger.aggregates.order.states import (
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

__all__ = [
    "LINES_MAX",
    "UNPAID",
    "BadOrder",
    "NoPayment",
    "Order",
    "OrderClosed",
    "OrderExpired",
    "OrderLine",
    "OrderState",
    "OrderStillHeld",
    "OrderUnknown",
    "Paid",
    "PaymentInFlight",
    "RefundExceeds",
]
