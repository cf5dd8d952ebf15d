"""Bodies and files as the layout has them: sizes, rights, and room on the card.

Planted and caught: write access of the dispenser's key to the bodies; a length of
zero read as a ticket.
"""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_bridge.profile import layout
from card_bridge.profile.card import CardReading, TicketCard, UidMismatch
from card_bridge.profile.kinds import WrongCard
from card_bridge.profile.personalise import CardKeys, first_stamp, personalise
from card_bridge.profile.records import HEAD_LENGTH, Body, sealed_length
from card_bridge.protocol.commands import Picc
from card_bridge.protocol.status import CardRefused
from card_bridge.virtual import VirtualCard
from ledger.vocabulary.medium_record import (
    INSPECT_KEY,
    ISSUE_KEY,
    MASTER_KEY,
    OPERATE_KEY,
    SLOTS_MAX,
    MalformedRecord,
)
from ledger.vocabulary.sealed_ticket import SEALED_MAX
from tests.card.bridge.stage import laid
from tests.card.cards import key

KEYS = CardKeys(
    {number: bytes([0xA0 + number]) * 16 for number in layout.KEYS}, b"T" * 16, 3
)
STAMP, SLOTS, BODIES = layout.STAMP, layout.SLOTS, layout.BODIES


def made():
    card = VirtualCard.blank()
    with laid(card) as lying:
        lying.find()
        personalise(lying, KEYS)
    return card


CARD = made()


def opened(lying, number):
    lying.find()
    lying.open(number, key(KEYS.keys[number]))
    return lying


@given(st.uuids(), st.binary(min_size=1, max_size=SEALED_MAX), st.binary(max_size=40))
def test_a_body_comes_back_whatever_stood_behind_it(ticket_id, sealed, behind):
    body = Body(ticket_id, sealed)
    assert Body.decode(body.encode() + behind) == body
    assert len(body.encode()) <= layout.BODY_LENGTH


@given(st.binary(max_size=layout.BODY_LENGTH))
def test_what_is_no_body_is_malformed(raw):
    try:
        body = Body.decode(raw)
    except MalformedRecord as malformed:
        assert malformed.code == "malformed"  # noqa: PT017
    else:
        assert raw.startswith(body.encode())


@pytest.mark.parametrize("length", [0, SEALED_MAX + 1, 0xFFFF])
def test_a_length_that_no_ticket_has_is_malformed(length):
    with pytest.raises(MalformedRecord):
        sealed_length(length.to_bytes(2) + bytes(HEAD_LENGTH - 2))
    with pytest.raises(MalformedRecord):
        Body(UUID(int=1), bytes(length)).encode()


def test_a_made_card_is_empty_at_state_nothing_and_has_no_factory_key():
    with laid(CARD) as lying:
        reading = opened(lying, ISSUE_KEY).read()
        assert reading.stamped() == first_stamp(CARD.uid, KEYS.version)
        assert {entry.status for entry in reading.entries()} == {0}
        assert all(
            lying.picc.get_key_version(number) == KEYS.version for number in layout.KEYS
        )


@pytest.mark.parametrize(
    ("number", "reads", "writes"),
    [
        (MASTER_KEY, set(), set()),
        (ISSUE_KEY, {BODIES, SLOTS, STAMP}, {BODIES, SLOTS, STAMP}),
        (OPERATE_KEY, {BODIES, SLOTS, STAMP}, {SLOTS, STAMP}),
        (INSPECT_KEY, set(), set()),
    ],
)
def test_each_key_may_do_what_its_holder_needs(number, reads, writes):
    for file in layout.BACKUP_FILES:
        for allowed, attempt in [
            (reads, lambda picc, f: picc.read_data(f.number, 0, 1, f.comm)),
            (writes, lambda picc, f: picc.write_data(f.number, 0, b"x", f.comm)),
        ]:
            with laid(VirtualCard(CARD.snapshot())) as lying:
                picc = opened(lying, number).picc
                if file in allowed:
                    attempt(picc, file)
                    continue
                with pytest.raises(CardRefused):
                    attempt(picc, file)


def test_the_proof_is_read_under_the_inspect_key():
    with laid(CARD) as lying:
        lying.find()
        assert lying.last_proof(key(KEYS.keys[INSPECT_KEY])).tmc == 1


def test_it_fits_an_8k_card_and_half_the_slots_fit_a_4k_card():
    with laid(CARD) as lying:
        lying.picc.select_application(bytes(3))
        used = 8192 - lying.picc.free_memory()
    sizes = {file.number: file.size for file in layout.BACKUP_FILES}
    assert sizes == {0x01: 2304, 0x02: 128, 0x05: 32}
    assert 2 * sum(sizes.values()) <= used == layout.ROOM_BYTES <= 8192
    assert used - 2 * (sizes[0x01] + sizes[0x02]) // 2 <= 4096


def test_a_card_of_another_system_is_left_alone():
    card = made()
    other = CardKeys(dict.fromkeys(layout.KEYS, b"o" * 16), b"T" * 16, 3)
    with laid(card) as lying:
        lying.find()
        with pytest.raises(WrongCard, match="another system"):
            personalise(lying, other)
    assert card.snapshot().applications.keys() == CARD.snapshot().applications.keys()


def test_a_card_of_another_make_is_refused_in_words():
    class Other:
        def transmit(self, command, /):
            return b"\x6d\x00"

    with pytest.raises(WrongCard, match="not a DESFire"):
        personalise(TicketCard(Picc(Other())), KEYS)


@pytest.mark.parametrize(
    ("hardware", "make"),
    [
        ("04010101001605", "DESFire EV1"),
        ("04080130001305", "DESFire Light"),
        ("0401", "cut off"),
    ],
)
def test_a_card_without_a_transaction_mac_is_refused_before_it_is_written(
    hardware, make
):
    asked = []

    class Older:
        def transmit(self, command, /):
            asked.append(command[1])
            return bytes.fromhex(hardware) + b"\x91\x00"

    with pytest.raises(WrongCard, match="not a DESFire of generation EV2"):
        personalise(TicketCard(Picc(Older())), KEYS)
    assert set(asked) == {0x60}, make


def test_a_card_that_is_nearly_full_is_refused_before_it_is_written():
    card = VirtualCard.blank()
    with laid(card) as lying:
        lying.find()
        lying.picc.create_application(b"\x01\x02\x03", keys=4)
        lying.picc.select_application(b"\x01\x02\x03")
        lying.picc.authenticate(MASTER_KEY, key(bytes(16)))
        lying.picc.create_std_data_file(
            1, comm=BODIES.comm, rights=BODIES.rights, size=3000
        )
    before = card.snapshot()
    with laid(card) as lying:
        lying.find()
        with pytest.raises(WrongCard, match="too little room"):
            personalise(lying, KEYS)
    assert card.snapshot() == before


def test_another_uid_inside_the_session_is_counterfeit():
    with laid(CARD) as lying:
        opened(lying, ISSUE_KEY).uid = bytes(7)
        with pytest.raises(UidMismatch) as refused:
            lying.confirm_uid()
    assert refused.value.code == "counterfeit"


@pytest.mark.parametrize("slot", [-1, SLOTS_MAX])
def test_there_is_no_other_slot(slot):
    with laid(CARD) as lying:
        opened(lying, ISSUE_KEY)
        for attempt in (
            lambda: lying.read_body(slot),
            lambda: lying.write_entry(slot, bytes(16)),
            lambda: lying.write_body(slot, Body(UUID(int=1), b"x")),
        ):
            with pytest.raises(MalformedRecord, match="no slot"):
                attempt()


def test_a_reading_that_is_none_is_malformed_when_it_is_looked_at():
    reading = CardReading(bytes(7), bytes(32), b"\xff" * 128)
    for look in (reading.entries, reading.stamped):
        with pytest.raises(MalformedRecord):
            look()


def test_keys_do_not_show():
    assert "a0" * 8 not in repr(KEYS)
    assert "TTTT" not in repr(KEYS)
