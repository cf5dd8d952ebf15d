"""Stamps and slot entries: every value comes back, and nothing else is read.

Planted and caught: reserved bytes not looked at; the sequence number left out of the
digest; little-endian epochs.
"""

import hashlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.vocabulary.medium_record import (
    EMPTY_SLOT,
    EPOCH_MAX,
    SEQ_MAX,
    SLOTS_MAX,
    USES_MAX,
    MalformedRecord,
    SlotEntry,
    SlotStatus,
    Stamp,
    decode_slots,
    digest,
    encode_slots,
)

UID = bytes.fromhex("04112233445566")
entries = st.builds(
    SlotEntry,
    status=st.sampled_from(SlotStatus),
    epoch=st.integers(0, EPOCH_MAX),
    uses_left=st.integers(0, USES_MAX),
    ticket_ref=st.binary(min_size=8, max_size=8),
)
stamps = st.builds(
    Stamp,
    key_version=st.integers(0, 255),
    seq=st.integers(0, SEQ_MAX),
    uid=st.binary(min_size=7, max_size=7),
    digest=st.binary(min_size=16, max_size=16),
)
all_slots = st.lists(entries, min_size=SLOTS_MAX, max_size=SLOTS_MAX)


def test_the_bytes_stand_where_the_layout_says():
    entry = SlotEntry(
        SlotStatus.LIVE, epoch=0x010203, uses_left=0x0405, ticket_ref=b"T" * 8
    )
    assert entry.encode().hex() == "01010203040500005454545454545454"
    stamp = Stamp(key_version=2, seq=0x01020304, uid=UID, digest=b"D" * 16)
    assert stamp.encode().hex() == "010201020304" + UID.hex() + "44" * 16 + "000000"


@given(entries)
def test_an_entry_comes_back(entry):
    assert len(entry.encode()) == 16
    assert SlotEntry.decode(entry.encode()) == entry


@given(stamps)
def test_a_stamp_comes_back(stamp):
    assert len(stamp.encode()) == 32
    assert Stamp.decode(stamp.encode()) == stamp


@given(all_slots)
def test_all_slots_come_back(slots):
    assert decode_slots(encode_slots(slots)) == tuple(slots)


def _read(decode, raw):
    with suppress(MalformedRecord):
        return decode(raw)


@given(st.binary(max_size=40) | st.binary(min_size=128, max_size=128))
def test_what_is_read_at_all_is_written_back_byte_for_byte(raw):
    entry, stamp = _read(SlotEntry.decode, raw), _read(Stamp.decode, raw)
    slots = _read(decode_slots, raw)
    assert entry is None or entry.encode() == raw
    assert stamp is None or stamp.encode() == raw
    assert slots is None or encode_slots(slots) == raw


@pytest.mark.parametrize(
    "raw",
    [b"", bytes(15), bytes(17), b"\x04" + bytes(15), bytes(6) + b"\1" + bytes(9)],
)
def test_what_is_no_entry_is_refused(raw):
    with pytest.raises(MalformedRecord):
        SlotEntry.decode(raw)


@pytest.mark.parametrize(
    "raw",
    [b"", bytes(32), b"\x02" + bytes(31), b"\x01" + bytes(30), b"\x01" + b"\1" * 31],
)
def test_what_is_no_stamp_is_refused(raw):
    with pytest.raises(MalformedRecord):
        Stamp.decode(raw)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epoch": -1},
        {"epoch": EPOCH_MAX + 1},
        {"uses_left": -1},
        {"uses_left": USES_MAX + 1},
        {"ticket_ref": b"short"},
    ],
)
def test_an_entry_that_does_not_fit_cannot_be_made(wrong):
    with pytest.raises(MalformedRecord):
        SlotEntry(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seq": -1},
        {"seq": SEQ_MAX + 1},
        {"uid": bytes(4)},
        {"digest": bytes(15)},
        {"key_version": 256},
    ],
)
def test_a_stamp_that_does_not_fit_cannot_be_made(wrong):
    fitting = {"key_version": 1, "seq": 1, "uid": UID, "digest": bytes(16)}
    with pytest.raises(MalformedRecord):
        Stamp(**(fitting | wrong))


def test_the_digest_is_as_documented():
    slots = [EMPTY_SLOT] * SLOTS_MAX
    whole = b"eticket-ledger slots 1" + UID + (5).to_bytes(4) + bytes(128)
    assert digest(uid=UID, seq=5, slots=slots) == hashlib.sha256(whole).digest()[:16]


@given(all_slots, st.integers(0, SEQ_MAX - 1), st.integers(0, SLOTS_MAX - 1), entries)
def test_the_digest_tells_states_and_cards_apart(slots, seq, place, other):
    before = digest(uid=UID, seq=seq, slots=slots)
    assert before != digest(uid=UID, seq=seq + 1, slots=slots)
    assert before != digest(uid=bytes(7), seq=seq, slots=slots)
    changed = [*slots[:place], other, *slots[place + 1 :]]
    assert (before == digest(uid=UID, seq=seq, slots=changed)) == (changed == slots)
