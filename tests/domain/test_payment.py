"""A card payment: whatever is heard twice or in another order, it ends the same."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.aggregates.payment import (
    NotCaptured,
    Payment,
    PaymentState,
    RefundState,
    RefundTooHigh,
)
from ledger.vocabulary.money import Money
from tests.domain.examples import ALICE, NOON, ORDER

REFUNDS = [UUID(int=n) for n in (801, 802)]
AT: dict[str, Any] = {"at": NOON}


def a_payment(**given_) -> Payment:
    said: dict[str, Any] = {
        "payment_id": UUID(int=800),
        "purpose_id": ORDER,
        "order_id": ORDER,
        "payer_id": ALICE,
        "amount": Money(4_000, "EUR"),
        "instrument": "tok-ok",
        "provider": "sandbox",
        "at": NOON,
    }
    return Payment.request(**(said | given_))


def captured() -> Payment:
    payment = a_payment()
    payment.authorised(reference="r", **AT)
    payment.request_capture(**AT)
    payment.captured(reference="r", **AT)
    return payment


SAY = {
    "authorised": lambda payment: payment.authorised(reference="r", **AT),
    "declined": lambda payment: payment.declined(reason="no", **AT),
    "captured": lambda payment: payment.captured(reference="r", **AT),
    "cancelled": lambda payment: payment.cancelled(**AT),
    "opened": lambda payment: dispute(payment, "opened"),
    "won": lambda payment: dispute(payment, "won"),
    "lost": lambda payment: dispute(payment, "lost"),
}


def dispute(payment, status):
    return payment.disputed(dispute_id="d", status=status, amount_minor=4_000, **AT)


# What a provider can do with a payment, from beginning to end.
HISTORIES = [
    ["declined"],
    ["cancelled"],
    ["authorised", "declined"],
    ["authorised", "cancelled"],
    ["authorised", "captured"],
    ["authorised", "captured", "opened"],
    ["authorised", "captured", "opened", "won"],
    ["authorised", "captured", "opened", "lost"],
]


def heard(news) -> tuple[str, dict[str, str]]:
    payment = a_payment()
    for each in news:
        SAY[each](payment)
    return str(payment.state), payment.disputes


@given(st.data())
def test_news_heard_twice_and_in_any_order_end_the_same(data):
    history = data.draw(st.sampled_from(HISTORIES))
    again = data.draw(st.lists(st.sampled_from(history), max_size=5))
    mixed = data.draw(st.permutations([*history, *again]))
    assert heard(mixed) == heard(history)


@given(st.sampled_from(HISTORIES))
def test_what_is_known_already_is_not_said_again(history):
    payment = a_payment()
    for each in history:
        SAY[each](payment)
    before = payment.version
    for each in history:
        SAY[each](payment)
    assert payment.version == before


def test_a_wish_stands_until_it_is_answered():
    payment = a_payment()
    stands = [payment.outstanding]
    for step in (
        lambda: payment.authorised(reference="r", **AT),
        lambda: payment.request_capture(**AT),
        lambda: payment.captured(reference="r", **AT),
        lambda: payment.request_refund(refund_id=REFUNDS[0], amount_minor=1_000, **AT),
        lambda: payment.refunded(refund_id=REFUNDS[0], **AT),
    ):
        step()
        stands.append(payment.outstanding)
    assert stands == [True, False, True, False, True, False]


def test_an_authorisation_nobody_has_heard_of_can_be_given_back():
    payment = a_payment()
    payment.request_cancel(**AT)
    payment.authorised(reference="r", **AT)
    assert payment.outstanding
    payment.cancelled(**AT)
    assert (payment.state, payment.outstanding) == (PaymentState.CANCELLED, False)


def test_only_what_was_captured_is_paid_back():
    payment = a_payment()
    asked: dict[str, Any] = {"refund_id": REFUNDS[0], "amount_minor": 1, **AT}
    for hear in (lambda: None, lambda: payment.authorised(reference="r", **AT)):
        hear()
        with pytest.raises(NotCaptured):
            payment.request_refund(**asked)
    payment.request_capture(**AT)
    payment.declined(reason="no", **AT)
    with pytest.raises(NotCaptured) as refused:
        payment.request_refund(**asked)
    assert refused.value.because == (f"{payment.id}/{payment.version}",)


@given(st.lists(st.tuples(st.sampled_from(REFUNDS), st.integers(1, 4_000))))
def test_never_more_is_paid_back_than_was_captured(refunds):
    payment = captured()
    for refund_id, amount_minor in refunds:
        known = str(refund_id) in payment.refunds
        left = 4_000 - payment.asked_back_minor
        try:
            payment.request_refund(refund_id=refund_id, amount_minor=amount_minor, **AT)
        except RefundTooHigh:
            assert not known
            assert amount_minor > left
    assert payment.asked_back_minor <= 4_000


def test_a_refund_that_the_card_refuses_does_not_count_as_paid_back():
    payment = captured()
    payment.request_refund(refund_id=REFUNDS[0], amount_minor=3_000, **AT)
    refused: dict[str, Any] = {"refund_id": REFUNDS[0], "reason": "closed", **AT}
    assert payment.refuse_refund(**refused)
    assert not payment.refuse_refund(**refused)
    assert payment.refunds[str(REFUNDS[0])].state == RefundState.REFUSED
    assert (payment.asked_back_minor, payment.outstanding) == (0, False)
    payment.refunded(refund_id=REFUNDS[0], **AT)
    assert payment.refunds[str(REFUNDS[0])].state == RefundState.REFUSED
