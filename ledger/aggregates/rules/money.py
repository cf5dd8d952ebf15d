"""What money needs: entries that balance, purses that pay what they have, cards.

REQUESTED ─► AUTHORISED ─► CAPTURED ─► refunds, never more than was captured
     └─► DECLINED, CANCELLED ◄─┘
"""

from __future__ import annotations

from collections import Counter

from ledger.aggregates.account import Account, Entry, require_amount
from ledger.aggregates.payment import Payment, PaymentState
from ledger.aggregates.payment.states import OPEN
from ledger.aggregates.rules.kernel import check, in_state, require_state, rule
from ledger.vocabulary.ids import account_id, payment_id

# ---- entries and purses


@rule(Entry.Made)
def made(_: None, event: Entry.Made) -> None:
    sums: Counter[str] = Counter()
    for posting in event.postings:
        sums[posting["currency"]] += posting["amount_minor"]
    check(event.postings and not any(sums.values()), "the postings do not balance")


@rule(Account.Opened)
def opened(_: None, event: Account.Opened) -> None:
    named = account_id(event.party_id, event.kind, event.currency)
    check(event.originator_id == named, "this purse has another stream")


@rule(Account.Posted)
def posted(account: Account, event: Account.Posted) -> None:
    """A debit is of what is there, or was kept for it, unless it was due anyhow."""
    if event.amount_minor < 0 and not event.overdraw:
        account._require(-event.amount_minor, event.purpose_id, event.timestamp)


@rule(Account.FundsHeld)
def funds_held(account: Account, event: Account.FundsHeld) -> None:
    at = event.timestamp
    require_amount(event.amount_minor)
    check(not account.overdue(at), "a hold whose time is over was not released")
    account._require(event.amount_minor, None, at)


@rule(Account.HoldReleased)
def hold_released(account: Account, event: Account.HoldReleased) -> None:
    check(str(event.purpose_id) in account.holds, "nothing is held for it")


@rule(Account.PointsExpired)
def points_expired(account: Account, event: Account.PointsExpired) -> None:
    at = event.timestamp
    check(not account.overdue(at), "a hold whose time is over was not released")
    expired = account.expired_points(at)
    check(expired > 0 and event.amount_minor == -expired, "other points have expired")


# ---- cards


@rule(Payment.AuthorisationRequested)
def authorisation_requested(_: None, event: Payment.AuthorisationRequested) -> None:
    named = payment_id(event.purpose_id)
    check(event.originator_id == named, "this purpose has another payment")
    require_amount(event.amount_minor)


rule(Payment.Authorised)(in_state(PaymentState.REQUESTED))
rule(Payment.Captured)(in_state(PaymentState.AUTHORISED))
rule(Payment.Declined, Payment.Cancelled)(in_state(*OPEN))


@rule(Payment.CaptureRequested)
def capture_requested(payment: Payment, _: Payment.CaptureRequested) -> None:
    require_state(payment, PaymentState.AUTHORISED)
    check(not payment.wants_capture, "it was asked for before")


@rule(Payment.CancelRequested)
def cancel_requested(payment: Payment, _: Payment.CancelRequested) -> None:
    require_state(payment, *OPEN)
    check(not payment.wants_cancel, "it was asked for before")


@rule(Payment.RefundRequested)
def refund_requested(payment: Payment, event: Payment.RefundRequested) -> None:
    check(str(event.refund_id) not in payment.refunds, "it was asked for before")
    if not payment.wants_capture:
        require_state(payment, PaymentState.CAPTURED)
    require_state(payment, PaymentState.AUTHORISED, PaymentState.CAPTURED)
    left = payment.amount.amount_minor - payment.asked_back_minor
    check(0 < event.amount_minor <= left, "more than was captured goes back")


@rule(Payment.Refunded, Payment.RefundRefused)
def refund_answered(
    payment: Payment, event: Payment.Refunded | Payment.RefundRefused
) -> None:
    check(event.refund_id in payment.asked_refunds, "nobody waits for that refund")


@rule(Payment.DisputeMirrored)
def dispute_mirrored(payment: Payment, event: Payment.DisputeMirrored) -> None:
    known = payment.disputes.get(event.dispute_id)
    check(known not in (event.status, "won", "lost"), "it is not news")
