"""Stale is not cloned is not torn: every way a card can look, and its verdict."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.aggregates.medium import Change, Medium, Reading, SlotState, judge
from ledger.aggregates.medium.judge import BadReading, Known, TicketNow
from ledger.aggregates.medium.refusals import ProofMismatch, WriteInDoubt
from ledger.vocabulary.codes import Verdict
from ledger.vocabulary.ids import medium_id
from ledger.vocabulary.medium_record import (
    SlotStatus,
    Stamp,
    digest,
    encode_slots,
)
from tests.domain.examples import ALICE, NOON, TERMINAL, TICKET, UID

LIVE = int(SlotStatus.LIVE)
WRITE = UUID(int=500)


def a_medium(epoch=2):
    """A card that carries one live ticket, after one write."""
    medium = Medium.personalise(
        medium_id=medium_id(UID),
        uid=UID.hex(),
        holder_id=ALICE,
        profile="desfire-8k",
        key_version=1,
        at=NOON,
    )
    write(medium, [Change(0, SlotState(LIVE, epoch, 1, TICKET), body=True)], counter=1)
    return medium


def write(medium, changes, *, counter, write_id=WRITE):
    medium.prepare_write(
        write_id=write_id, changes=changes, device_id=TERMINAL, at=NOON
    )
    medium.confirm_write(
        write_id=write_id, transaction_counter=counter, transaction_mac="00", at=NOON
    )


def reading_of(medium, *, uid=UID):
    slots = encode_slots([state.entry() for state in medium.slots])
    return Reading.parse(uid=uid, stamp=medium.stamp().encode(), slots=slots)


def known(medium):
    return Known(
        medium.status, medium.seq, medium.digest, pending=medium.pending is not None
    )


def ticket_now(**given):
    said: dict[str, Any] = {
        "ticket_id": TICKET,
        "epoch": 2,
        "life": "OWNED",
        "medium_uid": UID.hex(),
        "slot": 0,
    }
    return {TICKET: TicketNow(**(said | given))}


def verdict(medium, reading, **ticket):
    return judge(reading, known(medium), medium.slots, ticket_now(**ticket))


def test_a_card_that_shows_what_the_ledger_wrote_is_fresh():
    medium = a_medium()
    judged = verdict(medium, reading_of(medium))
    assert (judged.verdict, judged.code) == (Verdict.FRESH, None)
    assert [slot.ticket_id for slot in judged.slots] == [TICKET]


@pytest.mark.parametrize(
    "moved", [{"epoch": 3}, {"slot": 1}, {"medium_uid": None}, {"uses_left": 0}]
)
def test_a_ticket_that_moved_on_makes_its_slot_stale_without_alarm(moved):
    medium = a_medium()
    judged = verdict(medium, reading_of(medium), **moved)
    assert (judged.verdict, judged.code) == (Verdict.STALE, "medium_stale")


def test_a_dispensed_ticket_says_so():
    medium = a_medium()
    judged = verdict(medium, reading_of(medium), life="DISPENSED", medium_uid=None)
    assert judged.code == "already_dispensed"


def test_a_mark_whose_print_was_called_off_is_stale_and_can_be_mended():
    medium = a_medium()
    marked = SlotState(int(SlotStatus.DISPENSED), 2, 0, TICKET)
    write(medium, [Change(0, marked)], counter=2, write_id=UUID(int=501))
    assert verdict(medium, reading_of(medium)).verdict == Verdict.STALE


def test_contents_that_name_another_card_are_a_clone():
    medium = a_medium()
    other = bytes.fromhex("04ffffffffffff")
    assert verdict(medium, reading_of(medium, uid=other)).verdict == Verdict.CLONE


def test_a_card_nobody_personalised_is_counterfeit():
    medium = a_medium()
    judged = judge(reading_of(medium), None, (), {})
    assert judged.verdict == Verdict.COUNTERFEIT


def test_an_old_image_is_a_rollback():
    medium = a_medium()
    old = reading_of(medium)
    newer = SlotState(LIVE, 3, 1, TICKET)
    write(medium, [Change(0, newer, body=True)], counter=2, write_id=UUID(int=501))
    assert verdict(medium, old, epoch=3).verdict == Verdict.ROLLBACK


def test_a_card_ahead_of_the_ledger_waits_for_its_report():
    medium = a_medium()
    stamp = replace(medium.stamp(), seq=medium.seq + 1)
    shown = replace(reading_of(medium), stamp=stamp)
    assert verdict(medium, shown).verdict == Verdict.AHEAD


def test_an_unsettled_write_is_in_doubt_in_either_state_of_the_card():
    medium = a_medium()
    before = reading_of(medium)
    medium.prepare_write(
        write_id=UUID(int=501),
        changes=[Change(0, SlotState())],
        device_id=TERMINAL,
        at=NOON,
    )
    after = replace(before, stamp=medium.pending_stamp())
    assert verdict(medium, before).verdict == Verdict.IN_DOUBT
    assert verdict(medium, after).verdict == Verdict.IN_DOUBT
    with pytest.raises(WriteInDoubt):
        medium.prepare_write(
            write_id=UUID(int=502), changes=[], device_id=TERMINAL, at=NOON
        )


@given(st.integers(0, 8 * 16 - 1), st.integers(1, 255))
def test_any_changed_byte_of_the_slots_is_found(at_byte, flip):
    medium = a_medium()
    honest = reading_of(medium)
    slots = bytearray(encode_slots(honest.slots))
    slots[at_byte] ^= flip
    try:
        forged = Reading.parse(
            uid=UID, stamp=medium.stamp().encode(), slots=bytes(slots)
        )
    except BadReading:
        return
    assert verdict(medium, forged).verdict == Verdict.FORK
    # Nor does it help to write a stamp that fits the forged slots.
    own = digest(uid=UID, seq=medium.seq, slots=forged.slots)
    stamp = Stamp(key_version=1, seq=medium.seq, uid=UID, digest=own)
    assert verdict(medium, replace(forged, stamp=stamp)).verdict == Verdict.FORK


def test_two_usable_tickets_are_ambiguous_and_never_chosen_silently():
    medium = a_medium()
    other = UUID(int=600)
    second = Change(1, SlotState(LIVE, 2, 1, other), body=True)
    write(medium, [second], counter=2, write_id=UUID(int=501))
    tickets = ticket_now() | {
        other: TicketNow(other, 2, "OWNED", UID.hex(), 1),
    }
    judged = judge(reading_of(medium), known(medium), medium.slots, tickets)
    assert judged.verdict == Verdict.AMBIGUOUS
    assert len(judged.slots) == 2


def test_a_transaction_counter_that_does_not_grow_is_no_proof():
    medium = a_medium()
    medium.prepare_write(
        write_id=UUID(int=501),
        changes=[Change(0, SlotState())],
        device_id=TERMINAL,
        at=NOON,
    )
    with pytest.raises(ProofMismatch):
        medium.confirm_write(
            write_id=UUID(int=501),
            transaction_counter=1,
            transaction_mac="00",
            at=NOON,
        )


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_garbage_for_a_reading_is_refused_in_words(stamp, slots):
    with pytest.raises(BadReading, match="not in this form"):
        Reading.parse(uid=UID, stamp=stamp, slots=slots)
