"""A card that knows no EV2 is spoken to as EV1, with what is then weaker shown.

Both ends are held to AN0945 and to a recorded conversation by the vectors; here they
meet. Planted and caught: a MAC that is not chained to the one before; a key changed
without its checksum; data that reads in two ways taken for the shorter; frames that are
a block too long; an EV1 card that takes a Transaction MAC file.
"""

from __future__ import annotations

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_bridge.profile.card import TicketCard
from card_bridge.profile.kinds import WrongCard
from card_bridge.profile.personalise import CardKeys, personalise
from card_bridge.protocol.commands import FRAME_PAYLOAD_CCID, FRAME_PAYLOAD_MAX, Picc
from card_bridge.protocol.creation import CHANGE_KEY
from card_bridge.protocol.ev1_aes import Ev1LocalKey
from card_bridge.protocol.secure_messaging import CommMode
from card_bridge.protocol.status import (
    AuthenticationFailed,
    CardError,
    CardRefused,
    IntegrityError,
    Status,
)
from card_bridge.virtual import VirtualCard
from tests.card import cards
from tests.card.cards import (
    AID,
    BODIES,
    ISSUE,
    KEYS,
    LOG,
    MACED,
    MASTER,
    MODES,
    OPERATE,
    PLAIN,
    PURSE,
    RECORD_SIZE,
    SHARED,
    SIZE,
    ZEROS,
)
from tests.card.virtual.test_conversations import Wire

MADE = {BODIES: CommMode.FULL, PLAIN: CommMode.PLAIN, MACED: CommMode.MAC}
NEW = bytes(range(16))


def key(value: bytes) -> Ev1LocalKey:
    return Ev1LocalKey(value, secrets.token_bytes(16))


def made(generation: int = 1) -> VirtualCard:
    """A card with an application of ours, made in EV1's sessions alone."""
    card = VirtualCard.blank(cards.UID, generation=generation)
    maker = cards.picc(card)
    maker.create_application(AID, keys=4)
    maker.select_application(AID)
    maker.authenticate_ev1(MASTER, key(ZEROS))
    for number, comm in MADE.items():
        maker.create_backup_data_file(number, comm=comm, rights=SHARED, size=SIZE)
    maker.create_value_file(
        PURSE, comm=CommMode.FULL, rights=SHARED, lower=0, upper=1000, value=500
    )
    maker.create_cyclic_record_file(
        LOG, comm=CommMode.FULL, rights=SHARED, record_size=RECORD_SIZE, records_max=4
    )
    for number in (ISSUE, OPERATE):
        maker.change_key(number, new=KEYS[number], old=ZEROS, version=1)
    maker.change_own_key(MASTER, new=KEYS[MASTER], version=1)
    return card


CARD = made().snapshot()


def opened(card: VirtualCard, key_no: int = OPERATE, link: Wire | None = None) -> Picc:
    picc = cards.picc(card) if link is None else Picc(link)
    picc.select_application(AID)
    picc.authenticate_ev1(key_no, key(KEYS[key_no]))
    return picc


def test_an_ev1_card_refuses_ev2_and_is_opened_by_the_older_way():
    picc = cards.picc(VirtualCard(CARD))
    picc.select_application(AID)
    with pytest.raises(CardRefused) as refused:
        picc.authenticate(OPERATE, cards.key(KEYS[OPERATE]))
    assert refused.value.status is Status.ILLEGAL_COMMAND_CODE
    picc.authenticate_ev1(OPERATE, key(KEYS[OPERATE]))
    assert picc.authenticated
    assert picc.get_card_uid() == cards.UID
    assert picc.get_file_ids() == {*MADE, PURSE, LOG}
    assert picc.get_key_version(ISSUE) == 1
    with pytest.raises(ValueError, match="no session of EV2"):
        picc.authenticate_non_first(ISSUE, cards.key(KEYS[ISSUE]))


@given(
    file_no=st.sampled_from(list(MADE)),
    data=st.integers(1, SIZE).flatmap(lambda n: st.binary(min_size=n, max_size=n)),
    frame=st.sampled_from([FRAME_PAYLOAD_MAX, FRAME_PAYLOAD_CCID]),
)
def test_what_is_written_and_committed_is_read_back(
    file_no: int, data: bytes, frame: int
) -> None:
    card = VirtualCard(CARD)
    wire = Wire(card)
    picc = Picc(wire, frame_payload_max=frame)
    picc.select_application(AID)
    picc.authenticate_ev1(OPERATE, key(KEYS[OPERATE]))
    picc.write_data(file_no, 0, data, MADE[file_no])
    assert picc.read_data(file_no, 0, 1, MADE[file_no]) == b"\0"  # Not yet.
    picc.commit_without_proof()
    assert opened(card).read_data(file_no, 0, len(data), MADE[file_no]) == data
    assert max(len(each) for each in wire.sent) <= 6 + frame


def test_values_and_records_move_with_the_commit():
    card = VirtualCard(CARD)
    picc = opened(card)
    picc.debit(PURSE, 120, CommMode.FULL)
    picc.write_record(LOG, bytes(range(RECORD_SIZE)), MODES[LOG])
    assert picc.get_value(PURSE, CommMode.FULL) == 500
    picc.commit_without_proof()
    again = opened(card)
    assert again.get_value(PURSE, CommMode.FULL) == 380
    assert again.read_records(LOG, 0, 1, RECORD_SIZE, MODES[LOG]) == (
        bytes(range(RECORD_SIZE)),
    )
    again.credit(PURSE, 20, CommMode.FULL)
    again.abort_transaction()
    assert opened(card).get_value(PURSE, CommMode.FULL) == 380


def test_keys_are_changed_under_the_old_one_and_the_old_one_is_gone():
    card = VirtualCard(CARD)
    picc = opened(card, MASTER)
    picc.change_key(OPERATE, new=NEW, old=KEYS[OPERATE], version=2)
    assert picc.get_key_version(OPERATE) == 2  # The session goes on.
    picc.change_own_key(MASTER, new=NEW, version=2)
    assert not picc.authenticated
    for number in (MASTER, OPERATE):
        picc.select_application(AID)
        with pytest.raises(AuthenticationFailed):
            picc.authenticate_ev1(number, key(KEYS[number]))
        picc.authenticate_ev1(number, key(NEW))


def test_a_key_sent_over_another_than_the_old_one_is_refused():
    picc = opened(VirtualCard(CARD), MASTER)
    with pytest.raises(CardRefused) as refused:
        picc.change_key(OPERATE, new=NEW, old=ZEROS, version=2)
    assert refused.value.status is Status.INTEGRITY_ERROR
    opened(VirtualCard(CARD), OPERATE)


@given(data=st.data())
def test_any_bit_flipped_in_an_answer_is_noticed(data: st.DataObject) -> None:
    flipped: list[int] = []

    def change(number: int, answer: bytes) -> bytes:
        # After the selection and the two answers of the authentication.
        if number < 3 or flipped or len(answer) <= 2:
            return answer
        bit = data.draw(st.integers(0, 8 * (len(answer) - 2) - 1))
        flipped.append(bit)
        raw = bytearray(answer)
        raw[bit // 8] ^= 1 << bit % 8
        return bytes(raw)

    file_no = data.draw(st.sampled_from(list(MADE)))
    card = VirtualCard(CARD)
    with pytest.raises(IntegrityError):
        opened(card, link=Wire(card, change)).read_data(file_no, 0, 20, MADE[file_no])
    assert flipped


@pytest.mark.parametrize("file_no", [BODIES, MACED])
def test_a_command_that_carries_data_is_held_to_its_bytes_and_its_turn(file_no: int):
    card = VirtualCard(CARD)
    wire = Wire(card)
    picc = opened(card, link=wire)
    picc.write_data(file_no, 0, b"once", MADE[file_no])
    sent = wire.sent[-1]
    again = card.transmit(sent)
    assert again == bytes([0x91, Status.INTEGRITY_ERROR])
    with pytest.raises(CardError):
        picc.commit_without_proof()


def test_a_key_that_was_changed_on_its_way_is_not_taken():
    card = VirtualCard(CARD)

    class Meddling:
        def transmit(self, command: bytes, /) -> bytes:
            if command[1] == CHANGE_KEY:
                command = command[:6] + bytes([command[6] ^ 1]) + command[7:]
            return card.transmit(command)

    picc = Picc(Meddling())
    picc.select_application(AID)
    picc.authenticate_ev1(MASTER, key(KEYS[MASTER]))
    with pytest.raises(CardRefused) as refused:
        picc.change_own_key(MASTER, new=NEW, version=2)
    assert refused.value.status is Status.INTEGRITY_ERROR
    assert opened(card, MASTER).authenticated


def test_an_answer_that_reads_in_two_ways_is_read_by_its_length():
    """Data that ends in the first byte of its own checksum, as one in 256 does."""
    card = VirtualCard(CARD)
    for fill in range(256):
        picc = opened(card)
        picc.write_data(BODIES, 0, bytes([fill]) * 25, CommMode.FULL)
        picc.commit_without_proof()
        assert opened(card).read_data(BODIES, 0, 25, CommMode.FULL) == (
            bytes([fill]) * 25
        )


def test_a_command_without_data_may_be_another_one_and_the_answer_tells():
    """What is weaker: nothing protects it on its way, so the card does it."""
    card = VirtualCard(CARD)
    picc = opened(card)
    picc.write_data(PLAIN, 0, b"kept", CommMode.PLAIN)
    picc.commit_without_proof()

    class Elsewhere:
        def transmit(self, command: bytes, /) -> bytes:
            if command[1] == 0xBD:  # Another offset than was asked for.
                command = command[:6] + bytes([8]) + command[7:]
            return card.transmit(command)

    link = Elsewhere()
    victim = Picc(link)
    victim.select_application(AID)
    victim.authenticate_ev1(OPERATE, key(KEYS[OPERATE]))
    with pytest.raises(IntegrityError):
        victim.read_data(PLAIN, 0, 4, CommMode.PLAIN)


def test_a_newer_card_still_speaks_to_a_reader_that_knows_nothing_else():
    card = made(generation=3)
    picc = opened(card)
    picc.write_data(BODIES, 0, b"both", CommMode.FULL)
    picc.commit_without_proof()
    newer = cards.opened(card, OPERATE)
    assert newer.read_data(BODIES, 0, 4, CommMode.FULL) == b"both"


def test_none_of_our_cards_is_made_of_one():
    card = VirtualCard.blank(cards.UID, generation=1)
    before = card.snapshot()
    keys = CardKeys(keys=KEYS, transaction_mac=cards.TM_KEY, version=1)
    ticket_card = TicketCard(cards.picc(card))
    ticket_card.find()
    with pytest.raises(WrongCard, match="generation EV2 or 3"):
        personalise(ticket_card, keys)
    assert card.snapshot() == before


def test_it_has_no_file_that_signs_what_it_commits():
    card = VirtualCard(CARD)
    picc = opened(card, MASTER)
    with pytest.raises(CardRefused) as refused:
        picc.create_transaction_mac_file(
            cards.PROOF,
            comm=CommMode.MAC,
            rights=cards.PROOF_RIGHTS,
            key=cards.TM_KEY,
            key_version=1,
        )
    assert refused.value.status is Status.ILLEGAL_COMMAND_CODE


def test_it_is_the_same_card_after_loading(tmp_path):
    path = tmp_path / "old.card"
    VirtualCard.blank(cards.UID, path=path, generation=1)
    again = cards.picc(VirtualCard.load(path))
    with pytest.raises(CardRefused):
        again.authenticate(MASTER, cards.key(ZEROS))
    again.authenticate_ev1(MASTER, key(ZEROS))


def test_random_numbers_serve_one_authentication():
    authority = key(ZEROS)
    authority.answer(key_no=0, enc_rnd_b=bytes(16))
    with pytest.raises(ValueError, match="one authentication"):
        authority.answer(key_no=0, enc_rnd_b=bytes(16))
