"""How tickets end, and what brings them back."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from ledger.aggregates.e_ticket import FormKind, HoldKind, Life, LockKind, Terms
from ledger.aggregates.e_ticket import refusals as no
from tests.domain.examples import (
    ALICE,
    BOB,
    DISPENSER,
    HOUR,
    ISSUER,
    NOON,
    TILL,
    UID,
    a_ticket,
)
from tests.domain.test_collisions import JOB, WRITE, accept, authorise, offer, on_a_card
from tests.domain.test_collisions import start as start_dispense

EXCHANGE, DECISION, SUCCESSOR = UUID(int=601), UUID(int=602), UUID(int=603)
KIND = Terms(refundable=True, exchangeable=True, refund_until_s=3600)


def printed(**given):
    ticket = on_a_card(**given)
    start_dispense(ticket)
    authorise(ticket)
    ticket.dispense(
        job_id=JOB, serial="T-000001", device_id=DISPENSER, device_time=None, at=NOON
    )
    return ticket


def test_an_exchange_ends_the_ticket_for_its_successors():
    ticket = a_ticket(terms=KIND)
    ticket.start_exchange(exchange_id=EXCHANGE, by=ALICE, until=NOON + HOUR, at=NOON)
    with pytest.raises(no.InExchange):
        offer(ticket)
    ticket.exchange(
        exchange_id=EXCHANGE, successors=[SUCCESSOR], residual_minor=4_000, at=NOON
    )
    assert (ticket.life, ticket.successors) == (Life.EXCHANGED, (SUCCESSOR,))
    with pytest.raises(no.Ended, match="exchanged"):
        offer(ticket)


def test_an_exchange_that_is_not_confirmed_in_time_is_gone_without_a_scheduler():
    ticket = a_ticket(terms=KIND)
    ticket.start_exchange(exchange_id=EXCHANGE, by=ALICE, until=NOON + HOUR, at=NOON)
    with pytest.raises(no.OfferExpired):
        ticket.exchange(
            exchange_id=EXCHANGE, successors=[], residual_minor=0, at=NOON + HOUR
        )
    offer(ticket, at=NOON + HOUR)
    assert ticket.lock.kind == LockKind.GIFT


def test_a_used_coupon_is_not_exchanged_and_the_use_is_named_not_what_just_ran_out():
    ticket = a_ticket(kind="coupon", uses_limit=3, terms=Terms(exchangeable=True))
    ticket.observe_redemption(
        session_id=UUID(int=7),
        receipt="R-1",
        amount=1,
        device_id=UUID(int=8),
        device_time=NOON,
        device_seq=1,
        known_position=1,
        at=NOON,
    )
    used, later = ticket.version, NOON + timedelta(days=1)
    offer(ticket)
    with pytest.raises(no.NotExchangeable) as refused:
        ticket.start_exchange(
            exchange_id=UUID(int=9), by=ALICE, until=later + timedelta(1), at=later
        )
    assert refused.value.because == (f"{ticket.id}/{used}",)


def test_a_refund_by_policy_is_the_owners_until_the_cut_off():
    terms = {"terms": KIND, "not_before": NOON + 3 * HOUR}
    with pytest.raises(no.NotTheOwner):
        a_ticket(**terms).refund(amount_minor=1, entry_id=None, by=BOB, at=NOON)
    late = NOON + 2 * HOUR
    with pytest.raises(no.TooLate, match="given back"):
        a_ticket(**terms).refund(amount_minor=1, entry_id=None, by=ALICE, at=late)
    ticket = a_ticket(**terms)
    ticket.refund(amount_minor=1, entry_id=None, by=ALICE, at=NOON + HOUR)
    assert ticket.life == Life.REFUNDED


def test_what_the_issuer_does_not_take_back_only_his_own_hand_refunds():
    ticket = a_ticket(terms=Terms())
    with pytest.raises(no.NotRefundable):
        ticket.refund(amount_minor=4_000, entry_id=None, by=ALICE, at=NOON)
    ticket.refund(amount_minor=4_000, entry_id=None, by=ISSUER, at=NOON)
    assert ticket.life == Life.REFUNDED


def test_a_sale_is_undone_only_while_the_ticket_is_as_it_was_sold():
    given = a_ticket()
    offer(given)
    accept(given)
    with pytest.raises(no.NotOnePiece):
        given.void(reason="mistake", at=NOON)
    for effect in ("no_title", "no_refund"):
        frozen = a_ticket()
        frozen.freeze(
            case_id=DECISION, kind=HoldKind.DISPUTE, effects=[effect], at=NOON
        )
        with pytest.raises(no.Frozen):
            frozen.void(reason="mistake", at=NOON)
    ticket = a_ticket()
    ticket.void(reason="mistake", at=NOON)
    assert ticket.life == Life.VOIDED


def test_a_ticket_on_a_card_that_ends_is_on_no_card_any_more():
    ticket = on_a_card()
    ticket.revoke(reason="cancelled", by=ISSUER, at=NOON)
    assert ticket.form.kind == FormKind.ELECTRONIC


def test_it_expires_when_its_validity_is_over_and_no_case_keeps_it():
    ticket = a_ticket(not_after=NOON + HOUR)
    with pytest.raises(no.NotOver):
        ticket.expire(at=NOON)
    ticket.freeze(case_id=DECISION, kind=HoldKind.LEGAL, effects=["flag_only"], at=NOON)
    with pytest.raises(no.Frozen):
        ticket.expire(at=NOON + HOUR)
    ticket.unfreeze(case_id=DECISION, at=NOON)
    ticket.expire(at=NOON + HOUR)
    assert ticket.life == Life.EXPIRED


def test_only_a_decision_brings_an_ended_ticket_back_and_once_for_each_end():
    ticket = a_ticket()
    with pytest.raises(no.NotEnded):
        ticket.reinstate(decision_id=DECISION, at=NOON)
    ticket.revoke(reason="mistaken", by=ISSUER, at=NOON)
    epoch = ticket.epoch
    ticket.reinstate(decision_id=DECISION, at=NOON)
    assert (ticket.life, ticket.epoch) == (Life.OWNED, epoch + 1)


def test_a_title_event_is_reversed_once():
    ticket = a_ticket()
    offer(ticket)
    accept(ticket)
    undo: dict[str, Any] = {
        "decision_id": DECISION,
        "reverses_version": ticket.title_version,
        "check_sealed": None,
        "at": NOON,
    }
    ticket.reassign(to=ALICE, **undo)
    with pytest.raises(no.AlreadyReversed):
        ticket.reassign(to=BOB, **undo)


def test_a_paper_that_is_taken_back_is_dead_for_ever():
    ticket = printed()
    epoch = ticket.epoch
    ticket.surrender_paper(serial="T-000001", at=NOON)
    assert (ticket.life, ticket.form.kind) == (Life.OWNED, FormKind.ELECTRONIC)
    assert ticket.epoch == epoch + 1
    ticket.prepare_write(
        write_id=WRITE, medium_uid=UID.hex(), slot=1, seq=2, by=ALICE, at=NOON
    )
    ticket.confirm_write(
        write_id=WRITE, medium_uid=UID.hex(), slot=1, epoch=ticket.epoch, at=NOON
    )
    ticket.start_dispense(
        job_id=JOB,
        write_id=WRITE,
        device_id=DISPENSER,
        expected_epoch=ticket.epoch,
        medium_uid=UID.hex(),
        slot=1,
        until=NOON + HOUR,
        at=NOON,
    )
    with pytest.raises(no.SerialDead):
        authorise(ticket)
    authorise(ticket, serial="T-000002")


def test_a_torn_paper_is_replaced_and_the_old_serial_dies():
    ticket = printed()
    replace = {"device_id": DISPENSER, "reason": "torn", "at": NOON}
    ticket.reissue_paper(old_serial="T-000001", new_serial="T-000002", **replace)
    assert (ticket.form.serial, ticket.dead_serials) == ("T-000002", ("T-000001",))
    with pytest.raises(no.SerialDead):
        ticket.reissue_paper(old_serial="T-000001", new_serial="T-000003", **replace)


def test_a_print_that_may_be_running_stands_against_every_decision():
    ticket = on_a_card()
    start_dispense(ticket)
    authorise(ticket)
    with pytest.raises(no.InDispense):
        ticket.revoke(reason="fraud", decision_id=DECISION, at=NOON)
    assert not ticket.recall_from_medium(medium_uid=UID.hex(), reason="lost", at=NOON)


def test_a_lost_card_gives_its_ticket_back_to_the_ledger():
    ticket = on_a_card()
    epoch = ticket.epoch
    assert ticket.recall_from_medium(medium_uid=UID.hex(), reason="lost", at=NOON)
    assert (ticket.form.kind, ticket.epoch) == (FormKind.ELECTRONIC, epoch + 1)


def test_a_write_in_doubt_on_a_lost_card_is_called_off_with_it():
    ticket = a_ticket()
    ticket.prepare_write(
        write_id=WRITE, medium_uid=UID.hex(), slot=0, seq=1, by=ALICE, at=NOON
    )
    epoch = ticket.epoch
    assert ticket.recall_from_medium(medium_uid=UID.hex(), reason="lost", at=NOON)
    assert (ticket.lock.kind, ticket.epoch) == (LockKind.NONE, epoch + 1)


def test_what_was_printed_offline_is_a_fact_and_what_contradicts_is_kept_beside():
    seen = {
        "device_id": DISPENSER,
        "medium_uid": UID.hex(),
        "slot": 0,
        "device_time": NOON,
        "device_seq": 7,
        "known_position": 40,
        "at": NOON + HOUR,
    }
    ticket = on_a_card()
    epoch = ticket.epoch
    assert ticket.observe_dispense(serial="T-000001", epoch=epoch, **seen)
    assert ticket.life == Life.DISPENSED
    version = ticket.version
    assert ticket.observe_dispense(serial="T-000001", epoch=epoch, **seen)
    assert ticket.version == version
    assert not ticket.observe_dispense(serial="T-000009", epoch=epoch, **seen)
    assert ticket.form.serial == "T-000001"
    assert ticket.observed == ("T-000009",)


def test_offline_facts_win_over_what_had_only_begun():
    ticket = on_a_card()
    offer(ticket)
    assert ticket.observe_dispense(
        serial="T-000001",
        epoch=ticket.epoch,
        device_id=TILL,
        medium_uid=UID.hex(),
        slot=0,
        device_time=NOON - timedelta(minutes=5),
        device_seq=1,
        known_position=3,
        at=NOON,
    )
    assert (ticket.life, ticket.offer) == (Life.DISPENSED, None)
