"""Payments by credit card: what is wanted of a provider, and what it says."""

from ledger.aggregates.payment.payment import Payment
from ledger.aggregates.payment.states import (
    CardRefund,
    NotCaptured,
    PaymentState,
    PaymentUnknown,
    RefundState,
    RefundTooHigh,
)

__all__ = [
    "CardRefund",
    "NotCaptured",
    "Payment",
    "PaymentState",
    "PaymentUnknown",
    "RefundState",
    "RefundTooHigh",
]
