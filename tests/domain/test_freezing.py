"""What a hold forbids, what it leaves alone, and how it ends."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from ledger.aggregates.e_ticket import ETicket, HoldKind, LockKind, Terms
from ledger.aggregates.e_ticket import refusals as no
from tests.domain.examples import ALICE, BOB, CAROL, ISSUER, NOON, TERMINAL, a_ticket
from tests.domain.test_collisions import (
    JOB,
    LEASE,
    OFFER,
    accept,
    authorise,
    offer,
    on_a_card,
    start,
)

CASE, ANOTHER = UUID(int=501), UUID(int=502)
MINUTE = timedelta(minutes=1)


def freeze(ticket, *effects, case_id=CASE, at=NOON):
    ticket.freeze(case_id=case_id, kind=HoldKind.DISPUTE, effects=effects, at=at)


def kinds_of(ticket):
    return [type(event) for event in ticket.pending_events]


def test_under_no_title_nothing_moves_and_the_refusal_names_the_freeze():
    ticket = a_ticket()
    offer(ticket)
    freeze(ticket, "no_title")
    with pytest.raises(no.Frozen, match="DISPUTE") as refused:
        accept(ticket)
    (hold,) = ticket.holds
    assert refused.value.because == (f"{ticket.id}/{hold.version}",)


def test_a_freeze_moves_neither_title_nor_epoch():
    ticket = on_a_card()
    before = (ticket.owner_id, ticket.epoch, ticket.form)
    freeze(ticket, "no_title", "no_dispense", "no_redeem", "no_refund")
    assert (ticket.owner_id, ticket.epoch, ticket.form) == before


def test_a_suspended_offer_waits_and_runs_on_with_the_pause_added():
    ticket = a_ticket()
    offer(ticket)  # Until NOON + LEASE.
    freeze(ticket, "no_title", at=NOON + MINUTE)
    ticket.settle_lock(NOON + 10 * MINUTE)
    assert ticket.offer is not None
    ticket.unfreeze(case_id=CASE, at=NOON + 11 * MINUTE)
    assert ticket.offer.until == NOON + LEASE + 10 * MINUTE
    accept(ticket, at=NOON + 11 * MINUTE)
    assert ticket.owner_id == BOB


def test_the_pause_is_capped_by_the_transfer_cut_off():
    ticket = a_ticket(not_before=NOON + 20 * MINUTE, terms=Terms(gift_until_s=600))
    offer(ticket)
    freeze(ticket, "no_title")
    ticket.unfreeze(case_id=CASE, at=NOON + 9 * MINUTE)
    assert ticket.offer is not None
    assert ticket.offer.until == NOON + 10 * MINUTE


def test_a_suspended_offer_can_still_be_declined_or_withdrawn():
    for end in ("decline", "withdraw"):
        ticket = a_ticket()
        offer(ticket)
        freeze(ticket, "no_title")
        long_after = NOON + 100 * LEASE
        if end == "decline":
            ticket.decline_gift(offer_id=OFFER, by=BOB, at=long_after)
        else:
            ticket.withdraw_gift(offer_id=OFFER, by=ALICE, at=long_after)
        assert ticket.lock.kind == LockKind.NONE


def test_an_offer_that_ran_out_before_the_freeze_is_not_revived_by_it():
    ticket = a_ticket()
    offer(ticket)
    freeze(ticket, "no_title", at=NOON + LEASE)
    assert kinds_of(ticket)[-2:] == [ETicket.GiftExpired, ETicket.Frozen]


def test_of_two_cases_each_releases_its_own_hold_and_the_last_one_the_offer():
    ticket = a_ticket()
    offer(ticket)
    freeze(ticket, "no_title")
    freeze(ticket, "no_title", case_id=ANOTHER)
    ticket.unfreeze(case_id=CASE, at=NOON)
    assert [hold.case_id for hold in ticket.holds] == [ANOTHER]
    assert ticket.offer is not None
    suspended_at = ticket.offer.suspended_at
    assert suspended_at is not None
    ticket.unfreeze(case_id=ANOTHER, at=NOON)
    assert (ticket.holds, ticket.offer.suspended_at) == ((), None)


def test_frozen_twice_for_the_same_it_is_recorded_once():
    ticket = a_ticket()
    freeze(ticket, "no_title")
    freeze(ticket, "no_title")
    assert kinds_of(ticket).count(ETicket.Frozen) == 1


def test_a_freeze_before_the_print_takes_the_ticket_from_the_dispenser():
    ticket = on_a_card()
    start(ticket)
    freeze(ticket, "no_dispense")
    assert (ticket.lease, ticket.lock.kind) == (None, LockKind.NONE)
    with pytest.raises(no.Frozen):
        authorise(ticket)


def test_a_freeze_after_the_print_was_authorised_lands_on_the_paper():
    ticket = on_a_card()
    start(ticket)
    authorise(ticket)
    freeze(ticket, "no_dispense")
    ticket.dispense(
        job_id=JOB,
        serial="T-000001",
        device_id=ticket.lease.device_id,
        device_time=None,
        at=NOON,
    )
    assert (ticket.form.serial, len(ticket.holds)) == ("T-000001", 1)
    with pytest.raises(no.Frozen):
        ticket.reissue_paper(
            old_serial="T-000001",
            new_serial="T-000002",
            device_id=TERMINAL,
            reason="torn",
            at=NOON,
        )


def test_no_dispense_also_keeps_the_ticket_off_cards():
    ticket = a_ticket()
    freeze(ticket, "no_dispense")
    with pytest.raises(no.Frozen):
        ticket.prepare_write(
            write_id=JOB, medium_uid="04", slot=0, seq=1, by=ALICE, at=NOON
        )


def test_a_flag_forbids_nothing():
    ticket = a_ticket()
    freeze(ticket, "flag_only")
    offer(ticket)
    accept(ticket)
    assert ticket.owner_id == BOB


def test_a_decision_moves_what_is_frozen():
    ticket = a_ticket()
    freeze(ticket, "no_title", "no_refund")
    ticket.reassign(
        to=CAROL, decision_id=CASE, reverses_version=None, check_sealed=None, at=NOON
    )
    assert (ticket.owner_id, ticket.epoch) == (CAROL, 2)


def test_a_captured_settlement_waits_under_a_freeze():
    ticket = a_ticket()
    ticket.list_for_resale(
        listing_id=OFFER,
        by=ALICE,
        price_minor=4_000,
        to=None,
        until=NOON + LEASE,
        at=NOON,
    )
    ticket.start_sale(
        listing_id=OFFER, sale_id=JOB, by=BOB, until=NOON + LEASE, at=NOON
    )
    freeze(ticket, "no_title")
    settle: dict[str, Any] = {
        "listing_id": OFFER,
        "sale_id": JOB,
        "entry_id": None,
        "by": BOB,
        "split_minor": {},
        "check_sealed": None,
    }
    with pytest.raises(no.Frozen):
        ticket.resell(**settle, at=NOON)
    ticket.unfreeze(case_id=CASE, at=NOON)
    ticket.resell(**settle, at=NOON + 2 * LEASE)
    assert ticket.owner_id == BOB


def test_an_unknown_effect_is_refused_with_those_there_are():
    with pytest.raises(no.BadChange, match="no_title"):
        freeze(a_ticket(), "everything")


def test_a_revoke_by_the_issuer_dissolves_what_was_open():
    ticket = a_ticket()
    offer(ticket)
    ticket.revoke(reason="forged payment", by=ISSUER, at=NOON)
    assert (ticket.offer, ticket.lock.kind) == (None, LockKind.NONE)
    with pytest.raises(no.Ended, match="revoked") as refused:
        accept(ticket)
    assert refused.value.because == (f"{ticket.id}/{ticket.version}",)
