"""One payment by credit card at a provider: what we want of it, and what it says.

REQUESTED ──► AUTHORISED ── capture ──► CAPTURED ── refunds, disputes
    │             └── cancel ──► CANCELLED
    └──► DECLINED

A wish is an event in the commit of the business that has it; carrying it out is a call
to the provider, made and made again until there is an answer. News may come twice and
in any order: what is known already is not said again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded
from ledger.errors import Conflict, Missing
from ledger.vocabulary.money import Money


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


@dataclass(frozen=True, slots=True)
class CardRefund:
    """Money on its way back to the card."""

    amount_minor: int
    done: bool = False


class Payment(Recorded):
    TOPIC = "payment"

    class Event(Recorded.Event):
        """An event about one payment."""

    @classmethod
    def request(
        cls,
        *,
        payment_id: UUID,
        purpose_id: UUID,
        payer_id: UUID,
        amount: Money,
        instrument: str,
        provider: str,
        at: datetime,
    ) -> Self:
        """Ask for an authorisation. `instrument` is the provider's word, no number."""
        return cls._create(
            cls.AuthorisationRequested,
            id=payment_id,
            timestamp=at,
            purpose_id=purpose_id,
            payer_id=payer_id,
            amount_minor=amount.amount_minor,
            currency=amount.currency,
            instrument=instrument,
            provider=provider,
        )

    class AuthorisationRequested(Event, FirstEvent):
        TOPIC = "payment.authorisation-requested"
        purpose_id: UUID
        payer_id: UUID
        amount_minor: int
        currency: str
        instrument: str
        provider: str

    def __init__(
        self,
        *,
        purpose_id: UUID,
        payer_id: UUID,
        amount_minor: int,
        currency: str,
        instrument: str,
        provider: str,
    ) -> None:
        self.purpose_id = purpose_id
        self.payer_id = payer_id
        self.amount = Money(amount_minor, currency)
        self.instrument = instrument
        self.provider = provider
        self.state = PaymentState.REQUESTED
        self.reference: str | None = None
        self.reason: str | None = None
        self.wants_capture = False
        self.wants_cancel = False
        self.refunds: dict[str, CardRefund] = {}
        self.disputes: dict[str, str] = {}

    @property
    def outstanding(self) -> bool:
        """Whether the provider still owes us an answer to a wish."""
        if self.state == PaymentState.REQUESTED:
            return True
        if self.state == PaymentState.AUTHORISED:
            return self.wants_capture or self.wants_cancel
        return any(not refund.done for refund in self.refunds.values())

    # What the provider says.

    def authorised(self, *, reference: str, at: datetime) -> None:
        if self.state == PaymentState.REQUESTED:
            self.trigger_event(self.Authorised, timestamp=at, reference=reference)

    class Authorised(Event):
        TOPIC = "payment.authorised"
        reference: str

        def apply(self, aggregate: Payment) -> None:
            aggregate.state = PaymentState.AUTHORISED
            aggregate.reference = self.reference

    def declined(self, *, reason: str, at: datetime) -> None:
        """Also of an authorisation that could not be captured."""
        if self.state in (PaymentState.REQUESTED, PaymentState.AUTHORISED):
            self.trigger_event(self.Declined, timestamp=at, reason=reason)

    class Declined(Event):
        TOPIC = "payment.declined"
        reason: str

        def apply(self, aggregate: Payment) -> None:
            aggregate.state = PaymentState.DECLINED
            aggregate.reason = self.reason

    def captured(self, *, reference: str, at: datetime) -> None:
        """A capture may be heard of before its authorisation."""
        self.authorised(reference=reference, at=at)
        if self.state == PaymentState.AUTHORISED:
            self.trigger_event(self.Captured, timestamp=at)

    class Captured(Event):
        TOPIC = "payment.captured"

        def apply(self, aggregate: Payment) -> None:
            aggregate.state = PaymentState.CAPTURED

    def cancelled(self, *, at: datetime) -> None:
        if self.state in (PaymentState.REQUESTED, PaymentState.AUTHORISED):
            self.trigger_event(self.Cancelled, timestamp=at)

    class Cancelled(Event):
        TOPIC = "payment.cancelled"

        def apply(self, aggregate: Payment) -> None:
            aggregate.state = PaymentState.CANCELLED

    def refunded(self, *, refund_id: UUID, at: datetime) -> None:
        refund = self.refunds.get(str(refund_id))
        if refund is not None and not refund.done:
            self.trigger_event(self.Refunded, timestamp=at, refund_id=refund_id)

    class Refunded(Event):
        TOPIC = "payment.refunded"
        refund_id: UUID

        def apply(self, aggregate: Payment) -> None:
            key = str(self.refund_id)
            done = replace(aggregate.refunds[key], done=True)
            aggregate.refunds = {**aggregate.refunds, key: done}

    def disputed(
        self, *, dispute_id: str, status: str, amount_minor: int, at: datetime
    ) -> bool:
        """Mirror a chargeback: opened, won, lost; an end is final. Say if it is news."""
        known = self.disputes.get(dispute_id)
        if known == status or known in ("won", "lost"):
            return False
        self.trigger_event(
            self.DisputeMirrored,
            timestamp=at,
            dispute_id=dispute_id,
            status=status,
            amount_minor=amount_minor,
        )
        return True

    class DisputeMirrored(Event):
        TOPIC = "payment.dispute-mirrored"
        dispute_id: str
        status: str
        amount_minor: int

        def apply(self, aggregate: Payment) -> None:
            aggregate.disputes = {**aggregate.disputes, self.dispute_id: self.status}

    # What we want.

    def request_capture(self, *, at: datetime) -> None:
        if self.state == PaymentState.AUTHORISED and not self.wants_capture:
            self.trigger_event(self.CaptureRequested, timestamp=at)

    class CaptureRequested(Event):
        TOPIC = "payment.capture-requested"

        def apply(self, aggregate: Payment) -> None:
            aggregate.wants_capture = True

    def request_cancel(self, *, at: datetime) -> None:
        """Give an authorisation back, also one that nobody has heard of yet."""
        open_states = (PaymentState.REQUESTED, PaymentState.AUTHORISED)
        if self.state in open_states and not self.wants_cancel:
            self.trigger_event(self.CancelRequested, timestamp=at)

    class CancelRequested(Event):
        TOPIC = "payment.cancel-requested"

        def apply(self, aggregate: Payment) -> None:
            aggregate.wants_cancel = True

    def request_refund(
        self, *, refund_id: UUID, amount_minor: int, at: datetime
    ) -> None:
        """Pay back a part of what was, or is being, captured; never more than that."""
        if str(refund_id) in self.refunds:
            return
        if self.state != PaymentState.CAPTURED and not self.wants_capture:
            raise NotCaptured(
                state=self.state.lower(), because=self.names(self.version)
            )
        back = sum(refund.amount_minor for refund in self.refunds.values())
        left = self.amount.amount_minor - back
        if not 0 < amount_minor <= left:
            raise RefundTooHigh(left_minor=left, amount_minor=amount_minor)
        self.trigger_event(
            self.RefundRequested,
            timestamp=at,
            refund_id=refund_id,
            amount_minor=amount_minor,
        )

    class RefundRequested(Event):
        TOPIC = "payment.refund-requested"
        refund_id: UUID
        amount_minor: int

        def apply(self, aggregate: Payment) -> None:
            refund = CardRefund(self.amount_minor)
            aggregate.refunds = {**aggregate.refunds, str(self.refund_id): refund}
