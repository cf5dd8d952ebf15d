"""What is written, in which order; and never anything the ledger will not look for.

Planted and caught: the stamp written first; a write whose digest is not checked.
"""

import dataclasses
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_bridge.gateway import MediumWrite, SlotChange
from card_bridge.plan import PlanRefused, WriteBody, WriteEntry, WriteStamp, plan
from card_bridge.profile.card import CardReading
from ledger.vocabulary.medium_record import (
    SLOTS_MAX,
    MalformedRecord,
    SlotEntry,
    SlotStatus,
    Stamp,
    digest,
    encode_slots,
)

UID = bytes.fromhex("04112233445566")
entries = st.builds(
    SlotEntry,
    status=st.sampled_from(SlotStatus),
    epoch=st.integers(0, 1000),
    uses_left=st.integers(0, 9),
    ticket_ref=st.binary(min_size=8, max_size=8),
)


@st.composite
def writes(draw):
    """A card as it was read, a write that follows, and what is sealed for its slots."""
    seq = draw(st.integers(0, 1000))
    slots = draw(st.lists(entries, min_size=SLOTS_MAX, max_size=SLOTS_MAX))
    after = dict(
        draw(st.dictionaries(st.integers(0, SLOTS_MAX - 1), entries, min_size=1))
    )
    bodies = draw(st.sets(st.sampled_from(sorted(after))))
    changes = tuple(
        SlotChange(
            slot=slot,
            entry=entry.encode(),
            ticket_id=UUID(int=slot + 1) if slot in bodies else None,
            epoch=entry.epoch,
            transmission=None,
        )
        for slot, entry in after.items()
    )
    changed = [after.get(number, entry) for number, entry in enumerate(slots)]
    write = MediumWrite(
        write_id=UUID(int=1),
        uid=UID,
        seq=seq + 1,
        stamp=_stamp(seq + 1, changed),
        changes=changes,
        record_public_key=None,
        origin=None,
    )
    reading = CardReading(UID, _stamp(seq, slots), encode_slots(slots))
    return reading, write, dict.fromkeys(bodies, b"sealed")


def _stamp(seq, slots, uid=UID):
    whole = digest(uid=uid, seq=seq, slots=slots)
    return Stamp(key_version=1, seq=seq, uid=uid, digest=whole).encode()


@given(writes())
def test_bodies_come_first_then_entries_and_the_stamp_always_last(prepared):
    reading, write, sealed = prepared
    steps = plan(reading, write, sealed)
    kinds = [type(step) for step in steps]
    bodies, changed = len(sealed), len(write.changes)
    assert kinds == [WriteBody] * bodies + [WriteEntry] * changed + [WriteStamp]
    assert {step.slot for step in steps if isinstance(step, WriteBody)} == set(sealed)
    assert steps[-1] == WriteStamp(write.stamp)


@given(writes(), st.data())
def test_a_write_that_does_not_follow_from_the_card_is_refused(prepared, data):
    reading, write, sealed = prepared
    stamp, slots = Stamp.decode(write.stamp), list(reading.entries())
    at = data.draw(st.integers(0, SLOTS_MAX - 1))
    other = SlotEntry(SlotStatus.SPENT, 2000, 3, b"elsewise")
    untouched = at not in {change.slot for change in write.changes}
    wrong = [
        dataclasses.replace(write, uid=bytes(7)),
        dataclasses.replace(write, stamp=_stamp(stamp.seq, slots, bytes(7))),
        dataclasses.replace(write, stamp=_stamp(stamp.seq + 1, slots)),
        dataclasses.replace(write, stamp=_stamp(stamp.seq, [other] * SLOTS_MAX)),
        dataclasses.replace(write, stamp=reading.stamp),
    ]
    for each in wrong:
        with pytest.raises(PlanRefused) as refused:
            plan(reading, each, sealed)
        assert refused.value.code == "incomplete"
    if untouched:
        slots[at] = other
        shown = dataclasses.replace(reading, slots=encode_slots(slots))
        with pytest.raises(PlanRefused):
            plan(shown, write, sealed)


@given(writes(), st.sampled_from([-1, SLOTS_MAX, 300]))
def test_a_slot_that_the_card_has_not_is_refused(prepared, slot):
    reading, write, sealed = prepared
    moved = dataclasses.replace(write.changes[0], slot=slot)
    with pytest.raises(PlanRefused, match="no such slot"):
        plan(reading, dataclasses.replace(write, changes=(moved,)), sealed)


@given(writes(), st.sampled_from([b"", bytes(5), b"\xff" * 16]))
def test_an_entry_or_stamp_that_is_none_is_refused(prepared, raw):
    reading, write, sealed = prepared
    change = dataclasses.replace(write.changes[0], entry=raw)
    for wrong in (
        dataclasses.replace(write, changes=(change,)),
        dataclasses.replace(write, stamp=raw),
    ):
        with pytest.raises(MalformedRecord):
            plan(reading, wrong, sealed)
