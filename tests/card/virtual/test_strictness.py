"""The card refuses what silicon refuses, and answers whatever comes."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_bridge.protocol.apdu import READER_GET_UID, native
from card_bridge.protocol.commands import Picc
from card_bridge.protocol.files import FREE, AccessRights
from card_bridge.protocol.secure_messaging import CommMode
from card_bridge.protocol.status import (
    AuthenticationFailed,
    CardError,
    CardRefused,
    Status,
)
from card_bridge.protocol.transaction_mac import Operation, proves
from card_bridge.virtual import VirtualCard
from tests.card import cards
from tests.card.cards import BODIES, LOG, PLAIN, PROOF, PURSE, STATES

PERSONALISED = cards.personalised().snapshot()
FULL = CommMode.FULL


def fresh() -> VirtualCard:
    return VirtualCard(PERSONALISED)


def selected(card: VirtualCard) -> Picc:
    conversation = cards.picc(card)
    conversation.select_application(cards.AID)
    return conversation


REFUSED_BARE = {
    "read": (lambda p: p.read_data(BODIES, 0, 4, FULL), Status.AUTHENTICATION_ERROR),
    "write": (
        lambda p: p.write_data(BODIES, 0, b"1", FULL),
        Status.AUTHENTICATION_ERROR,
    ),
    "value": (lambda p: p.get_value(PURSE, FULL), Status.AUTHENTICATION_ERROR),
    "uid": (lambda p: p.get_card_uid(), Status.AUTHENTICATION_ERROR),
    "no file": (lambda p: p.read_data(9, 0, 4, FULL), Status.FILE_NOT_FOUND),
    "no key": (lambda p: p.authenticate(9, cards.key(bytes(16))), Status.NO_SUCH_KEY),
    "no application": (
        lambda p: p.select_application(b"abc"),
        Status.APPLICATION_NOT_FOUND,
    ),
    "application inside one": (
        lambda p: p.create_application(b"abc", keys=1),
        Status.PERMISSION_DENIED,
    ),
}


@pytest.mark.parametrize("name", REFUSED_BARE)
def test_without_a_session(name):
    ask, status = REFUSED_BARE[name]
    with pytest.raises(CardRefused) as refused:
        ask(selected(fresh()))
    assert refused.value.status is status


REFUSED_IN_SESSION = {
    "write by the reader's key": (
        cards.OPERATE,
        lambda p: p.write_data(BODIES, 0, b"1", FULL),
        Status.PERMISSION_DENIED,
    ),
    "credit by the key that debits": (
        cards.OPERATE,
        lambda p: p.credit(PURSE, 1, FULL),
        Status.PERMISSION_DENIED,
    ),
    "read by the inspector": (
        cards.INSPECT,
        lambda p: p.read_data(BODIES, 0, 4, FULL),
        Status.PERMISSION_DENIED,
    ),
    "write the proof": (
        cards.MASTER,
        lambda p: p.write_data(PROOF, 0, b"1", CommMode.MAC),
        Status.PERMISSION_DENIED,
    ),
    "read a value as data": (
        cards.ISSUE,
        lambda p: p.read_data(PURSE, 0, 4, FULL),
        Status.PERMISSION_DENIED,
    ),
    "in another mode": (
        cards.ISSUE,
        lambda p: p.write_data(BODIES, 0, b"1", CommMode.MAC),
        Status.LENGTH_ERROR,
    ),
    "in plain": (
        cards.ISSUE,
        lambda p: p.read_data(BODIES, 0, 4, CommMode.PLAIN),
        Status.LENGTH_ERROR,
    ),
    "behind the end": (
        cards.ISSUE,
        lambda p: p.read_data(BODIES, 150, 20, FULL),
        Status.BOUNDARY_ERROR,
    ),
    "more than the purse holds": (
        cards.ISSUE,
        lambda p: p.debit(PURSE, 501, FULL),
        Status.BOUNDARY_ERROR,
    ),
    "more than the purse may hold": (
        cards.ISSUE,
        lambda p: p.credit(PURSE, 501, FULL),
        Status.BOUNDARY_ERROR,
    ),
    "a negative amount": (
        cards.ISSUE,
        lambda p: p.debit(PURSE, -1, FULL),
        Status.PARAMETER_ERROR,
    ),
    "give back what was not taken": (
        cards.ISSUE,
        lambda p: p.limited_credit(PURSE, 1, FULL),
        Status.BOUNDARY_ERROR,
    ),
    "a record that is not there": (
        cards.INSPECT,
        lambda p: p.read_records(LOG, 0, 1, 24, FULL),
        Status.BOUNDARY_ERROR,
    ),
    "a file twice": (
        cards.MASTER,
        lambda p: p.create_std_data_file(
            STATES, comm=FULL, rights=cards.RIGHTS, size=1
        ),
        Status.DUPLICATE_ERROR,
    ),
    "a second proof": (
        cards.MASTER,
        lambda p: p.create_transaction_mac_file(
            1 + PROOF,
            comm=FULL,
            rights=cards.PROOF_RIGHTS,
            key=bytes(16),
            key_version=1,
        ),
        Status.DUPLICATE_ERROR,
    ),
    "a file of no size": (
        cards.MASTER,
        lambda p: p.create_std_data_file(12, comm=FULL, rights=cards.RIGHTS, size=0),
        Status.PARAMETER_ERROR,
    ),
    "more than the memory holds": (
        cards.MASTER,
        lambda p: p.create_backup_data_file(
            12, comm=FULL, rights=cards.RIGHTS, size=4096
        ),
        Status.OUT_OF_EEPROM_ERROR,
    ),
    "a right for a key that is not there": (
        cards.MASTER,
        lambda p: p.create_std_data_file(
            12, comm=FULL, rights=AccessRights(7, 0, 0, 0), size=1
        ),
        Status.NO_SUCH_KEY,
    ),
    "another's key": (
        cards.ISSUE,
        lambda p: p.change_key(
            cards.OPERATE, new=bytes(16), old=cards.KEYS[cards.OPERATE], version=2
        ),
        Status.PERMISSION_DENIED,
    ),
    "a key whose old value is not known": (
        cards.MASTER,
        lambda p: p.change_key(cards.OPERATE, new=bytes(16), old=bytes(16), version=2),
        Status.INTEGRITY_ERROR,
    ),
    "abort of nothing": (
        cards.ISSUE,
        lambda p: p.abort_transaction(),
        Status.NO_CHANGES,
    ),
}


@pytest.mark.parametrize("name", REFUSED_IN_SESSION)
def test_in_a_session_and_the_session_is_over(name):
    key_no, ask, status = REFUSED_IN_SESSION[name]
    card = fresh()
    session = cards.opened(card, key_no)
    with pytest.raises(CardRefused) as refused:
        ask(session)
    assert refused.value.status is status
    assert not session.authenticated
    assert card.snapshot() == PERSONALISED
    with pytest.raises(CardRefused) as after:
        session.read_data(BODIES, 0, 4, FULL)
    assert after.value.status is Status.AUTHENTICATION_ERROR


def test_a_wrong_key_is_an_authentication_that_failed():
    with pytest.raises(AuthenticationFailed):
        selected(fresh()).authenticate(cards.ISSUE, cards.key(bytes(16)))


def test_a_card_without_the_key_cannot_pass_for_one_that_has_it():
    reader = selected(fresh())
    own = cards.key(cards.KEYS[cards.ISSUE])
    with pytest.raises(AuthenticationFailed):
        own.answer(key_no=1, enc_rnd_b=b"short")
    authority = cards.key(cards.KEYS[cards.ISSUE])
    authority.answer(key_no=1, enc_rnd_b=bytes(16))
    with pytest.raises(AuthenticationFailed):
        authority.finish(bytes(32))
    assert not reader.authenticated


def test_a_reader_without_the_key_gets_no_session_from_the_card():
    card = fresh()
    selected(card)
    card.transmit(native(0x71, bytes([cards.ISSUE, 0])).encode())
    answer = card.transmit(native(0xAF, bytes(32)).encode())
    assert answer == bytes([0x91, Status.AUTHENTICATION_ERROR])
    uid = card.transmit(native(0x51).encode())
    assert uid == bytes([0x91, Status.AUTHENTICATION_ERROR])


def test_random_numbers_serve_one_authentication():
    authority = cards.key(bytes(16))
    authority.answer(key_no=0, enc_rnd_b=bytes(16))
    with pytest.raises(ValueError, match="one authentication"):
        authority.answer(key_no=0, enc_rnd_b=bytes(16))


def test_the_first_frame_decides_the_framing_until_the_next_reset():
    card = fresh()
    assert card.transmit(bytes([0x5A]) + cards.AID[::-1]) == b"\x00"
    mixed = card.transmit(native(0x60).encode())
    assert mixed == bytes([0x91, Status.ILLEGAL_COMMAND_CODE])
    card.reset()
    assert card.transmit(native(0x5A, cards.AID[::-1]).encode()) == b"\x91\x00"
    assert card.transmit(READER_GET_UID) == cards.UID + b"\x90\x00"


def test_native_chaining_goes_both_ways_and_counts_as_one_command():
    card = VirtualCard.blank(cards.UID)
    maker = cards.picc(card)
    maker.create_application(cards.AID, keys=1)
    maker.select_application(cards.AID)
    free = AccessRights(read=FREE, write=FREE, read_write=FREE, change=0)
    maker.create_std_data_file(1, comm=CommMode.PLAIN, rights=free, size=100)
    card.reset()
    content = bytes(range(100))
    place = bytes.fromhex("01000000640000")

    assert card.transmit(b"\x5a" + cards.AID[::-1]) == b"\x00"
    assert card.transmit(b"\x3d" + place + content[:50]) == b"\xaf"
    assert card.transmit(b"\xaf" + content[50:]) == b"\x00"
    assert card.transmit(b"\xbd" + place) == b"\xaf" + content[:59]
    assert card.transmit(b"\xaf") == b"\x00" + content[59:]


def test_several_records_in_one_answer_come_oldest_first():
    card = VirtualCard.blank(cards.UID)
    maker = cards.picc(card)
    maker.create_application(cards.AID, keys=1)
    maker.select_application(cards.AID)
    free = AccessRights(read=FREE, write=FREE, read_write=FREE, change=0)
    maker.create_cyclic_record_file(
        1, comm=CommMode.PLAIN, rights=free, record_size=2, records_max=4
    )
    for record in (b"r1", b"r2", b"r3"):
        maker.write_record(1, record, CommMode.PLAIN)
        maker.commit_without_proof()

    two = native(0xAB, bytes.fromhex("01000000020000")).encode()
    every = native(0xAB, bytes.fromhex("01000000000000")).encode()

    assert card.transmit(two) == b"r2r3\x91\x00"
    assert card.transmit(every) == b"r1r2r3\x91\x00"


def test_another_command_in_the_middle_of_a_chain_aborts_it():
    card = fresh()
    card.transmit(native(0x60).encode())
    assert card.transmit(native(0x6E).encode()) == b"\x91\xca"
    assert card.transmit(native(0xAF).encode()) == b"\x91\x1c"


@pytest.mark.parametrize(
    ("frame", "answer"),
    [
        ("", "6700"),
        ("90", "6700"),
        ("906000000501", "6700"),
        ("90600000020102", "917e"),
        ("9060010000", "6a86"),
        ("00a4040000", "6d00"),
        ("ff00000000", "6e00"),
        ("9099000000", "911c"),
        ("90af000000", "911c"),
        ("60ff", "7e"),
    ],
)
def test_a_malformed_frame_has_its_answer(frame, answer):
    assert fresh().transmit(bytes.fromhex(frame)).hex() == answer


KNOWN = [0x5A, 0x71, 0x77, 0xAF, 0x60, 0x51, 0x6E, 0x6F, 0x64, 0xC4, 0xCA, 0xC7, 0xA7]
KNOWN += [0xCD, 0xCB, 0xCC, 0xC0, 0xCE, 0xAD, 0xBD, 0x8D, 0x3D, 0xAB, 0xBB, 0x8B, 0x3B]
KNOWN += [0x6C, 0x0C, 0xDC, 0x1C]
FRAMES = st.one_of(
    st.binary(max_size=300),
    st.builds(
        lambda ins, data: native(ins, data).encode(),
        st.sampled_from(KNOWN),
        st.binary(max_size=60),
    ),
    st.builds(
        lambda ins, file_no, rest: native(ins, bytes([file_no]) + rest).encode(),
        st.sampled_from(KNOWN),
        st.sampled_from([BODIES, STATES, PURSE, LOG, PLAIN, PROOF]),
        st.binary(max_size=40),
    ),
    st.builds(
        lambda ins, data: bytes([ins]) + data, st.sampled_from(KNOWN), st.binary()
    ),
)


@given(frames=st.lists(FRAMES, max_size=8), key_no=st.sampled_from([None, 0, 1, 2]))
def test_garbage_is_answered_and_changes_no_file_that_a_key_guards(frames, key_no):
    card = fresh()
    if key_no is None:
        selected(card)
    else:
        cards.opened(card, key_no)
    for frame in frames:
        assert len(card.transmit(frame)) >= 1
    guarded = card.snapshot().applications[cards.AID[::-1]]
    before = PERSONALISED.applications[cards.AID[::-1]]
    assert guarded.keys == before.keys
    assert {n: guarded.files[n] for n in before.files} == before.files
    card.reset()
    assert cards.opened(card, cards.OPERATE).get_card_uid() == cards.UID


@given(st.binary(max_size=40))
def test_a_garbled_answer_ends_in_a_refusal_or_a_fault(answer: bytes) -> None:
    class Noise:
        def transmit(self, command: bytes, /) -> bytes:
            return answer

    reader = Picc(Noise())
    for ask in (reader.get_version, reader.free_memory, reader.get_reader_uid):
        with contextlib.suppress(CardError):
            assert ask() in (answer[:-2], int.from_bytes(answer[:-2], "little"))


def test_keys_are_shown_nowhere():
    card = fresh()
    session = cards.opened(card, cards.ISSUE)
    shown = repr(card.snapshot()) + repr(session) + repr(native(0xC4, cards.TM_KEY))
    for secret in (*cards.KEYS.values(), cards.TM_KEY):
        assert repr(secret)[2:-1] not in shown
        assert secret.hex() not in shown


def test_what_the_card_counts_cannot_be_built_of_nonsense():
    for wrong in (
        {"cmd": 0x60},
        {"file": 32},
        {"offset": -1},
        {"length": 1 << 24},
        {"cmd": 0x6C, "data": b"123"},
        {"cmd": 0xDC, "data": b"1234", "offset": 1},
    ):
        with pytest.raises(ValueError, match=r"cmd|file|offset|value"):
            Operation(**({"cmd": 0xAD, "file": 1} | wrong))


@pytest.mark.parametrize("tmc", [-1, 1 << 32, 1 << 80])
def test_a_counter_that_no_card_has_proves_nothing(tmc):
    assert not proves(cards.TM_KEY, uid=cards.UID, tmc=tmc, tmv=bytes(8), operations=())
