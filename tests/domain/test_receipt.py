"""A receipt redeems once, whichever coupon; a claim on it ends with its lease."""

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.aggregates.receipt import Receipt, ReceiptInUse, ReceiptRedeemed
from ledger.errors import Refusal
from tests.domain.examples import BOB, NOON, TICKET

ONE, OTHER = UUID(int=301), UUID(int=302)
SOON = NOON + timedelta(seconds=120)


def a_receipt():
    return Receipt.begin(receipt_id=UUID(int=300), shop_id=BOB, receipt="R-1", at=NOON)


def claim(receipt, session, at=NOON):
    receipt.claim_for(
        session_id=session, ticket_id=TICKET, until=at + (SOON - NOON), at=at
    )


def test_a_receipt_serves_one_session_at_a_time():
    receipt = a_receipt()
    claim(receipt, ONE)
    claim(receipt, ONE)
    with pytest.raises(ReceiptInUse) as refused:
        claim(receipt, OTHER)
    assert refused.value.because == (f"{receipt.id}/2",)
    receipt.release(session_id=OTHER, at=NOON)
    with pytest.raises(ReceiptInUse):
        claim(receipt, OTHER)
    receipt.release(session_id=ONE, at=NOON)
    claim(receipt, OTHER)


def test_a_claim_whose_time_is_over_counts_as_gone():
    receipt = a_receipt()
    claim(receipt, ONE)
    with pytest.raises(ReceiptInUse):
        claim(receipt, OTHER, at=SOON - timedelta(microseconds=1))
    claim(receipt, OTHER, at=SOON)


def test_what_was_redeemed_is_redeemed_for_ever():
    receipt = a_receipt()
    receipt.redeem(session_id=ONE, ticket_id=TICKET, at=NOON)
    version = receipt.version
    receipt.redeem(session_id=ONE, ticket_id=TICKET, at=NOON)
    assert receipt.version == version
    for session in (ONE, OTHER):
        with pytest.raises(ReceiptRedeemed):
            claim(receipt, session, at=SOON)
    with pytest.raises(ReceiptRedeemed):
        receipt.redeem(session_id=OTHER, ticket_id=TICKET, at=NOON)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["claim", "release", "redeem"]),
            st.sampled_from([ONE, OTHER]),
            st.integers(0, 60),
        ),
        max_size=30,
    )
)
def test_whatever_is_tried_one_receipt_is_one_redemption(moves):
    receipt, at = a_receipt(), NOON
    for name, session, seconds in moves:
        at += timedelta(seconds=seconds)
        try:
            if name == "claim":
                claim(receipt, session, at=at)
            elif name == "release":
                receipt.release(session_id=session, at=at)
            else:
                receipt.redeem(session_id=session, ticket_id=TICKET, at=at)
        except Refusal:
            continue
    done = [e for e in receipt.pending_events if isinstance(e, Receipt.Redeemed)]
    assert len(done) <= 1
    assert receipt.redeemed_by == (done[0].session_id if done else None)
