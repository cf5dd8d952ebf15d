"""The program dies, or the line breaks, at every call to the ledger and the journal.

Started again it ends what it began: the card is fresh and what it says is the ledger's.

Planted and caught: the journal written after the commit instead of before it; an
entry settled in the journal before the ledger has heard the proof, or when the ledger
refused the caller and not the proof; a till that asks for a new use before it has
settled the former one.
"""

import itertools

import pytest

from card_bridge.gateway import LedgerRefusal, LedgerUnreachable
from ledger.vocabulary.codes import Role
from tests.card.bridge.failing import Fate, Fated, Killed
from tests.card.bridge.stage import (
    LEASE_OVER_S,
    commits,
    laid,
    party,
    require_old_or_new,
    standing,
)

CALLS_MAX = 30
FAILURES = [
    pytest.param(Killed, False, id="killed before"),
    pytest.param(Killed, True, id="killed after"),
    pytest.param(LedgerUnreachable, False, id="unreachable before"),
    pytest.param(LedgerUnreachable, True, id="unreachable after"),
]
each_failure = pytest.mark.parametrize(("failure", "after"), FAILURES)


@each_failure
def test_recording_that_fails_at_any_call_is_ended_by_the_next_tap(
    stage, failure, after
):
    ada = stage.callers.person(Role.BUYER)
    card, ticket_id = stage.card_of(ada), stage.ticket_of(ada)
    fate, journal = Fate(), stage.journal()
    bridge = stage.bridge_of(
        ada, gateway=Fated(stage.gateway(ada), fate), journal=Fated(journal, fate)
    )
    for call in itertools.count():
        assert call < CALLS_MAX
        before = card.snapshot()
        fate.at, fate.after, fate.failure = call, after, failure
        fate.begins()
        try:
            with laid(card) as lying:
                bridge.bring_in_line(lying, load=[ticket_id])
        except (Killed, LedgerUnreachable):
            struck = True
        else:
            struck = False
        fate.at = -1
        require_old_or_new(card, before)
        with laid(card) as lying:
            bridge.bring_in_line(lying, load=[ticket_id])
        assert journal.unsettled(card.uid) is None
        # The journal is kept until the ledger has the proof, not the mere state.
        assert stage.medium(card).transaction_counter == commits(card)
        stage.require_agreed(card)
        ticket = stage.its.ledger.ticket(ticket_id)
        assert ticket.owner_id == party(ada)
        assert ticket.form.medium_uid == card.uid.hex()
        with laid(card) as lying:
            bridge.bring_in_line(lying, unload=[ticket_id])
        if not struck:
            break
    assert {"begin_authentication", "prepare_write", "settle_write"} <= {*fate.names}
    assert call >= len(("read", "authenticate", "prepare", "note", "note", "settle"))


@each_failure
def test_a_lost_journal_is_no_lost_ticket(stage, failure, after):
    """What the journal said is gone with the machine; the card itself settles it."""
    ada = stage.callers.person(Role.BUYER)
    card, ticket_id = stage.card_of(ada), stage.ticket_of(ada)
    fate = Fate(failure=failure, after=after)
    other = stage.bridge_of(ada)
    for call in itertools.count():
        fate.at = -1
        bridge = stage.bridge_of(
            ada,
            gateway=Fated(stage.gateway(ada), fate),
            journal=Fated(stage.journal(), fate),
        )
        fate.at = call
        fate.begins()
        try:
            with laid(card) as lying:
                bridge.bring_in_line(lying, load=[ticket_id])
        except (Killed, LedgerUnreachable):
            struck = True
        else:
            struck = False
        with laid(card) as lying:
            other.bring_in_line(lying, load=[ticket_id])
        stage.require_agreed(card)
        ticket = stage.its.ledger.ticket(ticket_id)
        assert ticket.form.medium_uid == card.uid.hex()
        with laid(card) as lying:
            other.bring_in_line(lying, unload=[ticket_id])
        if not struck:
            break


@each_failure
def test_a_till_that_fails_at_any_call_takes_no_use_twice(stage, failure, after):
    """A use that was not recorded is on the card again; none is recorded twice.

    Where the ledger recorded the use and its answer was lost, the same receipt is
    refused as redeemed before, and so the till knows.
    """
    ada = stage.callers.person(Role.BUYER)
    card, bridge = stage.card_of(ada), stage.bridge_of(ada)
    coupon = stage.coupon_of(ada, uses=100)
    with laid(card) as lying:
        bridge.bring_in_line(lying, load=[coupon])
    fate = Fate(failure=failure, after=after)
    till = stage.till(
        wrapped=lambda inner: Fated(inner, fate), journal=Fated(stage.journal(), fate)
    )

    def redeem(receipt):
        with laid(card) as lying:
            till.redeem(
                lying,
                receipt=receipt,
                amount_minor=450,
                currency="EUR",
                at=stage.clock.now(),
            )

    told = known = 0
    for call in itertools.count():
        assert call < CALLS_MAX
        receipt, struck = f"{coupon}/{call}", False
        fate.at = call
        fate.begins()
        try:
            redeem(receipt)
        except (Killed, LedgerUnreachable):
            struck = True
        fate.at = -1
        stage.clock.passes(seconds=LEASE_OVER_S)
        with laid(card) as lying:
            bridge.bring_in_line(lying)
        try:
            redeem(receipt)
            told += 1
        except LedgerRefusal as refused:
            assert refused.code == "already_used"  # noqa: PT017
            known += 1
        stage.require_agreed(card)
        ticket = stage.its.ledger.ticket(coupon)
        assert ticket.uses.redeemed == call + 1 == told + known
        assert standing(card)[1][0].uses_left == ticket.uses.left
        if not struck:
            break
    assert told
    assert known


@each_failure
def test_a_till_asked_again_at_once_takes_the_use_that_it_began(stage, failure, after):
    """The same receipt is one use, and the till learns of it within the lease.

    But where it died, or never heard, before its journal knew of the lease: then the
    lease has to run out.
    """
    ada = stage.callers.person(Role.BUYER)
    card, bridge = stage.card_of(ada), stage.bridge_of(ada)
    coupon = stage.coupon_of(ada, uses=100)
    with laid(card) as lying:
        bridge.bring_in_line(lying, load=[coupon])
    fate, journal = Fate(failure=failure, after=after), stage.journal()
    till = stage.till(
        wrapped=lambda inner: Fated(inner, fate), journal=Fated(journal, fate)
    )

    def redeem(receipt):
        with laid(card) as lying:
            return till.redeem(
                lying,
                receipt=receipt,
                amount_minor=450,
                currency="EUR",
                at=stage.clock.now(),
            )

    unknown_leases = 0
    for call in itertools.count():
        assert call < CALLS_MAX
        receipt, struck = f"{coupon}/{call}", False
        fate.at = call
        fate.begins()
        try:
            redeem(receipt)
        except (Killed, LedgerUnreachable):
            struck = True
        fate.at = -1
        told = fate.names[-1] == "settle"  # That was all: the cashier has the receipt.
        try:
            used = redeem(receipt)
        except LedgerRefusal as refused:
            if refused.code == "already_used":
                assert told
            else:
                assert refused.code == "in_dispense"  # noqa: PT017
                unknown_leases += 1
                stage.clock.passes(seconds=LEASE_OVER_S)
                used = redeem(receipt)
                assert used.receipt == receipt
        else:
            assert (used.receipt, used.right) == (receipt, "One coffee")
            assert used.uses_left == stage.its.ledger.ticket(coupon).uses.left
        assert journal.unsettled(card.uid) is None
        ticket = stage.its.ledger.ticket(coupon)
        assert ticket.uses.redeemed == call + 1
        assert standing(card)[1][0].uses_left == ticket.uses.left
        stage.require_agreed(card)
        if not struck:
            break
    assert unknown_leases <= 1


@pytest.mark.parametrize("status", [401, 403, 409])
def test_a_refusal_of_the_caller_keeps_the_proof_for_another_time(stage, status):
    ada = stage.callers.person(Role.BUYER)
    card, ticket_id = stage.card_of(ada), stage.ticket_of(ada)
    code = {401: "unauthenticated", 403: "role_missing", 409: "overtaken"}[status]
    fate, journal = Fate(), stage.journal()
    bridge = stage.bridge_of(
        ada, gateway=Fated(stage.gateway(ada), fate), journal=journal
    )

    def record():
        with laid(card) as lying:
            bridge.bring_in_line(lying, load=[ticket_id])

    fate.at, fate.only = 0, "settle_write"
    failures = [LedgerUnreachable] + 2 * [
        lambda: LedgerRefusal(code, "", status=status)
    ]
    for failure in failures:
        fate.begins()
        fate.failure = failure
        with pytest.raises((LedgerUnreachable, LedgerRefusal)):
            record()
        assert fate.struck
        assert journal.unsettled(card.uid) is not None
    fate.at = -1
    record()
    assert journal.unsettled(card.uid) is None
    assert stage.medium(card).transaction_counter == commits(card)
    stage.require_agreed(card)


def test_a_coupon_under_an_open_lease_is_not_leased_again(stage):
    ada = stage.callers.person(Role.BUYER)
    card, bridge = stage.card_of(ada), stage.bridge_of(ada)
    coupon = stage.coupon_of(ada, uses=2)
    with laid(card) as lying:
        bridge.bring_in_line(lying, load=[coupon])
    fate = Fate(after=True)
    till = stage.till(wrapped=lambda inner: Fated(inner, fate))
    purchase = {"receipt": str(coupon), "amount_minor": 450, "currency": "EUR"}
    fate.begins()
    fate.at = 1  # The lease is taken, and the program is no more.
    with laid(card) as lying, pytest.raises(Killed):
        till.redeem(lying, at=stage.clock.now(), **purchase)
    assert fate.names == ["tap", "start_redemption"]
    fate.at = -1
    with laid(card) as lying, pytest.raises(LedgerRefusal) as refused:
        till.redeem(lying, at=stage.clock.now(), **purchase)
    assert refused.value.code == "in_dispense"
    stage.clock.passes(seconds=LEASE_OVER_S)
    with laid(card) as lying:
        assert till.redeem(lying, at=stage.clock.now(), **purchase).uses_left == 1
