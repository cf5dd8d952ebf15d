"""Who the card is, and who it was read by: signature, random UID, reader id.

Planted and caught: EncTMRI made with the counter before the commit; the reader id of a
transaction that was aborted kept; the real UID told by GetVersion of a card that hides
it; a random UID that stays the same from one activation to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
)
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA224
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from card_bridge.protocol import transaction_mac as tm
from card_bridge.protocol.commands import Picc
from card_bridge.protocol.files import NEVER, AccessRights
from card_bridge.protocol.originality import CURVE, NUMBER_LENGTH, is_original
from card_bridge.protocol.secure_messaging import CommMode
from card_bridge.protocol.status import CardRefused, Status, UnknownOutcome
from card_bridge.protocol.transaction_mac import Operation, TransactionProof
from card_bridge.virtual import VirtualCard
from tests.card import cards

READER, OTHER_READER = b"till-0000000001!", b"till-0000000002!"
FILE, PROOF = 1, 0xF
MASTER_ONLY = AccessRights(read=0, write=NEVER, read_write=0, change=0)
NAMED_READER = AccessRights(read=0, write=NEVER, read_write=0, change=0)


def _master(card: VirtualCard) -> Picc:
    picc = cards.picc(card)
    picc.authenticate(0, cards.key(cards.ZEROS))
    return picc


def _asking_card() -> tuple[VirtualCard, Picc]:
    """A card whose commits have to name their reader, and a session on it."""
    card = VirtualCard.blank(cards.UID)
    maker = cards.picc(card)
    maker.create_application(cards.AID, keys=1)
    maker.select_application(cards.AID)
    maker.authenticate(0, cards.key(cards.ZEROS))
    maker.create_backup_data_file(FILE, comm=CommMode.FULL, rights=MASTER_ONLY, size=32)
    maker.create_transaction_mac_file(
        PROOF,
        comm=CommMode.MAC,
        rights=NAMED_READER,
        key=cards.TM_KEY,
        key_version=1,
    )
    return card, maker


def _write(picc: Picc, *, reader_id: bytes) -> bytes:
    picc.write_data(FILE, 0, b"mark", CommMode.FULL)
    return picc.commit_reader_id(reader_id)


def _proven(proof: TransactionProof, operations: Sequence[Operation]) -> bool:
    tmc, tmv = proof
    return tm.proves(
        cards.TM_KEY, uid=cards.UID, tmc=tmc, tmv=tmv, operations=operations
    )


def _previous_reader(told: bytes, *, tmc: int) -> bytes:
    """Decipher EncTMRI as the holder of the Transaction MAC key does."""
    _, key = tm.session_keys(cards.TM_KEY, uid=cards.UID, tmc=tmc)
    opened = Cipher(algorithms.AES(key), modes.CBC(bytes(16))).decryptor()
    return opened.update(told) + opened.finalize()


def test_the_proof_of_a_commit_covers_the_reader_that_made_it() -> None:
    _, picc = _asking_card()
    _write(picc, reader_id=READER)
    operations = picc.operations
    proof = picc.commit_transaction()
    assert _proven(proof, operations)
    *others, said = operations
    lied = Operation(said.cmd, 0, data=OTHER_READER + said.data[16:])
    assert not _proven(proof, [*others, lied])
    assert not _proven(proof, others)


def test_a_reader_learns_enciphered_who_committed_before(tmp_path: Path) -> None:
    card, picc = _asking_card()
    assert _previous_reader(_write(picc, reader_id=READER), tmc=1) == bytes(16)
    picc.commit_transaction()
    _write(picc, reader_id=OTHER_READER)
    picc.abort_transaction()  # Never committed, so it is not the one before.
    kept = VirtualCard(card.snapshot(), path=tmp_path / "card")
    again = cards.picc(VirtualCard.load(tmp_path / "card"))
    again.select_application(cards.AID)
    again.authenticate(0, cards.key(cards.ZEROS))
    told = _write(again, reader_id=OTHER_READER)
    assert _previous_reader(told, tmc=2) == READER
    assert kept.snapshot().applications == card.snapshot().applications


def test_a_card_that_asks_for_the_reader_commits_nothing_without() -> None:
    _, picc = _asking_card()
    picc.write_data(FILE, 0, b"mark", CommMode.FULL)
    with pytest.raises(UnknownOutcome) as unproven:
        picc.commit_transaction()
    assert isinstance(unproven.value.__cause__, CardRefused)
    assert unproven.value.__cause__.status is Status.PERMISSION_DENIED


def test_a_reader_says_who_it_is_once_a_transaction() -> None:
    _, picc = _asking_card()
    _write(picc, reader_id=READER)
    with pytest.raises(CardRefused, match="PERMISSION_DENIED"):
        picc.commit_reader_id(OTHER_READER)


def test_a_card_that_does_not_ask_takes_no_reader_id() -> None:
    picc = cards.opened(cards.personalised(), cards.ISSUE)
    with pytest.raises(CardRefused, match="PERMISSION_DENIED"):
        picc.commit_reader_id(READER)


@pytest.mark.parametrize(
    ("file", "data"),
    [(1, bytes(32)), (0, bytes(31))],
    ids=["of a file", "too short"],
)
def test_what_no_card_would_count_as_a_reader_id_is_not_built(
    file: int, data: bytes
) -> None:
    with pytest.raises(ValueError, match="CommitReaderID"):
        Operation(tm.COMMIT_READER_ID, file, data=data)


def test_a_reader_id_of_another_length_is_not_sent() -> None:
    _, picc = _asking_card()
    with pytest.raises(ValueError, match="16 bytes"):
        picc.commit_reader_id(b"till")


def _signed(uid: bytes) -> tuple[bytes, bytes]:
    """A maker's key, as a point, and its signature of a UID."""
    maker = ec.generate_private_key(CURVE)
    digest = uid.rjust(NUMBER_LENGTH, b"\0")
    r, s = decode_dss_signature(maker.sign(digest, ec.ECDSA(Prehashed(SHA224()))))
    point = maker.public_key().public_bytes(
        Encoding.X962, PublicFormat.UncompressedPoint
    )
    return point, r.to_bytes(NUMBER_LENGTH) + s.to_bytes(NUMBER_LENGTH)


@pytest.mark.parametrize("in_session", [False, True])
def test_a_card_shows_what_its_maker_has_signed(*, in_session: bool) -> None:
    maker, signature = _signed(cards.UID)
    card = VirtualCard.blank(cards.UID, signature=signature)
    picc = _master(card) if in_session else cards.picc(card)
    assert picc.read_signature() == signature
    assert is_original(cards.UID, signature, maker=maker)
    assert not is_original(cards.OTHER_UID, signature, maker=maker)


def test_a_card_of_no_maker_has_no_signature_to_show() -> None:
    with pytest.raises(CardRefused, match="ILLEGAL_COMMAND_CODE"):
        cards.picc(VirtualCard.blank(cards.UID)).read_signature()


def test_a_card_that_hides_its_uid_tells_it_in_a_session_alone(tmp_path: Path) -> None:
    card = VirtualCard.blank(cards.UID, path=tmp_path / "card")
    _master(card).use_random_id()
    hidden = VirtualCard.load(tmp_path / "card")
    shown = [cards.picc(hidden).get_reader_uid() for _ in range(2)]
    assert {len(uid) for uid in shown} == {4}
    assert {uid[:1] for uid in shown} == {b"\x08"}
    assert shown[0] != shown[1]
    picc = cards.picc(hidden)
    assert picc.get_reader_uid() == picc.get_reader_uid()
    assert cards.UID not in picc.get_version()
    assert _master(hidden).get_card_uid() == cards.UID


def test_only_the_holder_of_the_cards_own_key_hides_its_uid() -> None:
    card = VirtualCard.blank(cards.UID)
    with pytest.raises(CardRefused, match="AUTHENTICATION_ERROR"):
        cards.picc(card).use_random_id()
    with pytest.raises(CardRefused, match="PERMISSION_DENIED"):
        cards.opened(cards.personalised(), cards.MASTER).use_random_id()
    assert len(cards.picc(card).get_reader_uid()) == 7
