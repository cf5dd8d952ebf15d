"""One payment by credit card at a provider: what we want of it, and what it says.

REQUESTED ── authorised ──► AUTHORISED ── capture ──► CAPTURED ── refunds, disputes
    │                          ├── capture refused for good ──► DECLINED
    │                          └── cancel ──► CANCELLED
    └── declined ──► DECLINED;  cancel ──► CANCELLED

A wish is an event in the commit of the business that has it; carrying it out is a call
to the provider, made and made again until there is an answer. News may come twice and
in any order: what is known already is not said again, and an end is an end.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded
from ledger.aggregates.payment.states import (
    OPEN,
    CardRefund,
    NotCaptured,
    PaymentState,
    RefundState,
    RefundTooHigh,
)
from ledger.vocabulary.money import Money


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
        order_id: UUID | None = None,
    ) -> Self:
        """Ask for an authorisation. `instrument` is the provider's word, no number.

        `order_id` is the order that is paid, or None for a resale. An order may be
        paid at the second try, which is another purpose.
        """
        return cls._create(
            cls.AuthorisationRequested,
            id=payment_id,
            timestamp=at,
            purpose_id=purpose_id,
            order_id=order_id,
            payer_id=payer_id,
            amount_minor=amount.amount_minor,
            currency=amount.currency,
            instrument=instrument,
            provider=provider,
        )

    class AuthorisationRequested(Event, FirstEvent):
        TOPIC = "payment.authorisation-requested"
        purpose_id: UUID
        order_id: UUID | None
        payer_id: UUID
        amount_minor: int
        currency: str
        instrument: str
        provider: str

    def __init__(
        self,
        *,
        purpose_id: UUID,
        order_id: UUID | None,
        payer_id: UUID,
        amount_minor: int,
        currency: str,
        instrument: str,
        provider: str,
    ) -> None:
        self.purpose_id = purpose_id
        self.order_id = order_id
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
        return self.state == PaymentState.CAPTURED and bool(self.asked_refunds)

    @property
    def asked_refunds(self) -> list[UUID]:
        """Refunds that the provider has not answered."""
        return [
            UUID(key)
            for key, refund in self.refunds.items()
            if refund.state == RefundState.ASKED
        ]

    @property
    def asked_back_minor(self) -> int:
        """What went back to the card, or is to go."""
        return sum(
            refund.amount_minor
            for refund in self.refunds.values()
            if refund.state != RefundState.REFUSED
        )

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
        if self.state in OPEN:
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
        if self.state in OPEN:
            self.trigger_event(self.Cancelled, timestamp=at)

    class Cancelled(Event):
        TOPIC = "payment.cancelled"

        def apply(self, aggregate: Payment) -> None:
            aggregate.state = PaymentState.CANCELLED

    def refunded(self, *, refund_id: UUID, at: datetime) -> None:
        if refund_id in self.asked_refunds:
            self.trigger_event(self.Refunded, timestamp=at, refund_id=refund_id)

    class Refunded(Event):
        TOPIC = "payment.refunded"
        refund_id: UUID

        def apply(self, aggregate: Payment) -> None:
            aggregate._settle_refund(self.refund_id, RefundState.DONE)

    def refuse_refund(self, *, refund_id: UUID, reason: str, at: datetime) -> bool:
        """Note that the card cannot take money back; say whether that is news."""
        if refund_id not in self.asked_refunds:
            return False
        self.trigger_event(
            self.RefundRefused, timestamp=at, refund_id=refund_id, reason=reason
        )
        return True

    class RefundRefused(Event):
        TOPIC = "payment.refund-refused"
        refund_id: UUID
        reason: str

        def apply(self, aggregate: Payment) -> None:
            aggregate._settle_refund(self.refund_id, RefundState.REFUSED)

    def _settle_refund(self, refund_id: UUID, state: RefundState) -> None:
        key = str(refund_id)
        settled = replace(self.refunds[key], state=state)
        self.refunds = {**self.refunds, key: settled}

    def disputed(
        self, *, dispute_id: str, status: str, amount_minor: int, at: datetime
    ) -> bool:
        """Mirror a chargeback: opened, won or lost (an end); say if it is news."""
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
        if self.state in OPEN and not self.wants_cancel:
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
        wanted = self.state == PaymentState.AUTHORISED and self.wants_capture
        if self.state != PaymentState.CAPTURED and not wanted:
            raise NotCaptured(
                state=self.state.lower(), because=self.names(self.version)
            )
        left = self.amount.amount_minor - self.asked_back_minor
        if not 0 < amount_minor <= left:
            raise RefundTooHigh(
                left_minor=left,
                amount_minor=amount_minor,
                because=self.names(self.version),
            )
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
