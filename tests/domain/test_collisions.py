"""Two want the same ticket: who wins, and what the other is told."""

from datetime import timedelta
from uuid import UUID

import pytest

from ledger.aggregates.e_ticket import FormKind, Life, LockKind, Terms
from ledger.aggregates.e_ticket import refusals as no
from tests.domain.examples import ALICE, BOB, DISPENSER, ISSUER, NOON, UID, a_ticket

WRITE, JOB, OFFER = UUID(int=700), UUID(int=701), UUID(int=702)
OTHER_DISPENSER = UUID(int=31)
LEASE = timedelta(seconds=90)


def on_a_card(**given):
    """A ticket of Alice's in slot 0 of a card."""
    ticket = a_ticket(**given)
    ticket.prepare_write(
        write_id=WRITE, medium_uid=UID.hex(), slot=0, seq=1, by=ALICE, at=NOON
    )
    ticket.confirm_write(write_id=WRITE, medium_uid=UID.hex(), slot=0, epoch=2, at=NOON)
    return ticket


def start(ticket, *, job_id=JOB, device_id=DISPENSER, at=NOON, epoch=None):
    ticket.start_dispense(
        job_id=job_id,
        write_id=WRITE,
        device_id=device_id,
        expected_epoch=epoch or ticket.epoch,
        medium_uid=UID.hex(),
        slot=0,
        until=at + LEASE,
        at=at,
    )


def authorise(ticket, *, serial="T-000001", at=NOON):
    ticket.authorise_print(
        job_id=JOB, write_id=WRITE, device_id=DISPENSER, serial=serial, at=at
    )


def offer(ticket, *, at=NOON):
    ticket.offer_gift(offer_id=OFFER, by=ALICE, to=BOB, until=at + LEASE, at=at)


def accept(ticket, *, at=NOON):
    ticket.accept_gift(
        offer_id=OFFER,
        by=BOB,
        terms_hash=ticket.terms_hash,
        check_sealed=None,
        at=at,
    )


def test_a_lease_first_and_no_gift_can_be_offered_while_it_lasts():
    ticket = on_a_card()
    start(ticket)
    with pytest.raises(no.InDispense) as refused:
        offer(ticket)
    assert refused.value.because == (f"{ticket.id}/{ticket.lock.version}",)


def test_an_offer_first_and_the_dispenser_is_told_so_where_the_offer_blocks():
    ticket = on_a_card(terms=Terms(on_medium="exposure", sender_use="blocked"))
    offer(ticket)
    with pytest.raises(no.InGift):
        start(ticket)


def test_a_lease_behind_which_an_offer_stands_stops_the_accept_and_gives_way_to_it():
    ticket = on_a_card()
    offer(ticket)
    start(ticket, at=NOON)
    with pytest.raises(no.InDispense):
        accept(ticket)
    ticket.abort_dispense(job_id=JOB, device_id=DISPENSER, reason="jam", at=NOON)
    assert (ticket.lock.kind, ticket.lock.ref) == (LockKind.GIFT, OFFER)
    accept(ticket)
    assert ticket.owner_id == BOB


def test_once_it_is_printed_nothing_is_left_to_accept():
    ticket = on_a_card()
    offer(ticket)
    start(ticket)
    authorise(ticket)
    ticket.dispense(
        job_id=JOB,
        serial="T-000001",
        device_id=DISPENSER,
        device_time=None,
        at=NOON,
    )
    assert ticket.offer is None
    with pytest.raises(no.AlreadyDispensed):
        accept(ticket)


def test_accepted_first_and_the_lease_finds_the_card_stale():
    ticket = on_a_card()
    offer(ticket)
    accept(ticket)
    with pytest.raises(no.NotOnThisMedium):
        start(ticket, epoch=2)


def test_of_two_dispensers_one_gets_the_lease():
    ticket = on_a_card()
    start(ticket)
    with pytest.raises(no.InDispense):
        start(ticket, job_id=UUID(int=799), device_id=OTHER_DISPENSER)


def test_a_lease_that_ran_out_is_free_for_the_next_machine():
    ticket = on_a_card()
    start(ticket)
    start(ticket, job_id=UUID(int=799), device_id=OTHER_DISPENSER, at=NOON + LEASE)
    assert ticket.lock.ref == UUID(int=799)


def test_a_late_mark_is_not_authorised_to_print():
    ticket = on_a_card()
    start(ticket)
    with pytest.raises(no.OfferExpired):
        authorise(ticket, at=NOON + LEASE)


def test_once_a_print_is_authorised_the_end_of_the_lease_does_not_release():
    ticket = on_a_card()
    start(ticket)
    authorise(ticket)
    long_after = NOON + 100 * LEASE
    with pytest.raises(no.InDispense):
        start(ticket, job_id=UUID(int=799), at=long_after)
    with pytest.raises(no.InDispense):
        offer(ticket, at=long_after)
    ticket.dispense(
        job_id=JOB,
        serial="T-000001",
        device_id=DISPENSER,
        device_time=None,
        at=long_after,
    )
    assert (ticket.life, ticket.form.kind) == (Life.DISPENSED, FormKind.PAPER)


def test_another_machine_cannot_authorise_report_or_call_off():
    ticket = on_a_card()
    start(ticket)
    with pytest.raises(no.OtherMachine):
        ticket.authorise_print(
            job_id=JOB,
            write_id=WRITE,
            device_id=OTHER_DISPENSER,
            serial="T-000001",
            at=NOON,
        )
    with pytest.raises(no.OtherMachine):
        ticket.abort_dispense(
            job_id=JOB, device_id=OTHER_DISPENSER, reason="mine", at=NOON
        )


def test_said_twice_a_paper_is_recorded_once_and_another_serial_never():
    ticket = on_a_card()
    start(ticket)
    authorise(ticket)
    printed = {"device_id": DISPENSER, "device_time": None, "at": NOON}
    ticket.dispense(job_id=JOB, serial="T-000001", **printed)
    version = ticket.version
    ticket.dispense(job_id=JOB, serial="T-000001", **printed)
    assert ticket.version == version
    with pytest.raises(no.AlreadyDispensed):
        ticket.dispense(job_id=JOB, serial="T-000002", **printed)


def test_changed_while_offered_the_recipient_must_look_again():
    ticket = a_ticket()
    offer(ticket)
    seen = ticket.terms_hash
    ticket.modify(by=ISSUER, changes={"right": "Row 9"}, reason="moved", at=NOON)
    with pytest.raises(no.TermsChanged):
        ticket.accept_gift(
            offer_id=OFFER, by=BOB, terms_hash=seen, check_sealed=None, at=NOON
        )
    accept(ticket)
    assert (ticket.owner_id, ticket.lock.kind) == (BOB, LockKind.NONE)


def test_where_the_senders_card_is_surrendered_it_is_cleared_before_the_title_moves():
    ticket = on_a_card(terms=Terms(on_medium="surrender"))
    offer(ticket)
    with pytest.raises(no.StillOnMedium, match=UID.hex()):
        accept(ticket)
    ticket.release_from_medium(
        write_id=UUID(int=710), medium_uid=UID.hex(), slot=0, at=NOON
    )
    accept(ticket)
    assert ticket.owner_id == BOB


def test_where_it_is_exposed_the_old_copy_becomes_stale_by_the_epoch():
    ticket = on_a_card(terms=Terms(on_medium="exposure"))
    offer(ticket)
    before = ticket.epoch
    accept(ticket)
    assert ticket.epoch == before + 1
    assert ticket.form.kind == FormKind.ELECTRONIC


def test_a_refresh_that_a_newer_epoch_overtook_is_no_news():
    ticket = on_a_card()
    ticket.modify(by=ISSUER, changes={"right": "Row 9"}, reason="moved", at=NOON)
    version = ticket.version
    ticket.confirm_write(
        write_id=UUID(int=711), medium_uid=UID.hex(), slot=0, epoch=2, at=NOON
    )
    assert ticket.version == version
