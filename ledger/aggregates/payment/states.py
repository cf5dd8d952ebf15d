"""Where a payment by card stands, and why something cannot be done with it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ledger.errors import Conflict, Missing


class PaymentUnknown(Missing):
    code = "unknown"
    says = "There is no such payment."


class NotCaptured(Conflict):
    code = "in_doubt"
    says = "The payment is {state}; only what was captured can be paid back."


class RefundTooHigh(Conflict):
    code = "limit"
    says = "Of the payment {left_minor} can be paid back, not {amount_minor}."


class PaymentState(StrEnum):
    REQUESTED = "REQUESTED"
    AUTHORISED = "AUTHORISED"
    DECLINED = "DECLINED"
    CAPTURED = "CAPTURED"
    CANCELLED = "CANCELLED"


OPEN = (PaymentState.REQUESTED, PaymentState.AUTHORISED)


class RefundState(StrEnum):
    ASKED = "ASKED"
    DONE = "DONE"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class CardRefund:
    """Money on its way back to the card; refused, if the card cannot take it."""

    amount_minor: int
    state: RefundState = RefundState.ASKED

    @property
    def done(self) -> bool:
        return self.state == RefundState.DONE
