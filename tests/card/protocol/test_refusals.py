"""What the protocol refuses to build, and what it does not take from a card.

With the vectors and the conversations, every branch of `card_bridge/protocol` is run;
`test_branches.py` sees to it. Planted and caught: a length of an answer not looked at;
an answer to the other authentication taken; a chain of frames without an end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA224
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from card_bridge.protocol import transaction_mac as tm
from card_bridge.protocol.apdu import DATA_MAX, Command, Response
from card_bridge.protocol.cmac import BLOCK, cbc_decrypt, cbc_encrypt, unpad, xor
from card_bridge.protocol.commands import (
    COMMIT_TRANSACTION,
    FRAME_PAYLOAD_CCID,
    GET_KEY_VERSION,
    Picc,
)
from card_bridge.protocol.conversation import ANSWER_FRAMES_MAX
from card_bridge.protocol.crc import crc32
from card_bridge.protocol.creation import KEYS_MAX
from card_bridge.protocol.diversify import (
    INPUT_MAX,
    diversification_input,
    diversified,
)
from card_bridge.protocol.ev1_aes import Ev1Channel, Ev1Handshake, Ev1LocalKey
from card_bridge.protocol.ev2_auth import (
    FIRST,
    FIRST_ANSWER_LENGTH,
    Handshake,
    LocalKey,
    SessionKeys,
    rotated,
)
from card_bridge.protocol.files import AccessRights
from card_bridge.protocol.originality import CURVE, NUMBER_LENGTH, is_original
from card_bridge.protocol.record_key import record_private_key
from card_bridge.protocol.sdm import (
    PiccData,
    SdmKeys,
    opened_picc_data,
    picc_data,
    session_vectors,
)
from card_bridge.protocol.secure_messaging import (
    COUNTER_MAX,
    CommMode,
    SecureChannel,
)
from card_bridge.protocol.selftest import RUN
from card_bridge.protocol.selftest.ev1 import Ev1Hearing
from card_bridge.protocol.status import (
    AuthenticationFailed,
    CardRefused,
    IntegrityError,
    Status,
    UnknownOutcome,
)
from card_bridge.virtual import VirtualCard
from tests.card import cards
from tests.card.cards import BODIES, PLAIN, PROOF, PURSE

PERSONALISED = cards.personalised().snapshot()
KEY = bytes(range(16))
OK = bytes([0x91, 0x00])


def channel(counter: int = 0) -> SecureChannel:
    keys = SessionKeys(ti=b"\1\2\3\4", enc=KEY, mac=KEY[::-1])
    return SecureChannel(keys, counter=counter)


class Lying:
    """The link to a card that has the keys, and answers one command as it likes."""

    def __init__(self, card: VirtualCard, ins: int, says: bytes, mode: CommMode):
        self._card = card
        self._ins = ins
        self._says = says
        self._mode = mode

    def transmit(self, command: bytes, /) -> bytes:
        session = self._card._chip.volatile.session
        if command[1] != self._ins or session is None:
            return self._card.transmit(command)
        sealed = session.channel.seal_response(
            Status.OPERATION_OK, self._says, self._mode
        )
        return sealed + OK


def lied_to(ins: int, says: bytes, mode: CommMode, key_no: int) -> Picc:
    card = VirtualCard(PERSONALISED)
    return cards.opened(card, key_no, link=Lying(card, ins, says, mode))


# ---- what cannot be built


@pytest.mark.parametrize(
    ("build", "why"),
    [
        (lambda: Command(0x90, 0x100), "one byte"),
        (lambda: Command(0x90, 0x5A, data=bytes(DATA_MAX + 1)), "too long"),
        (lambda: Command(0x90, 0x5A, le=0), "le is outside"),
        (lambda: AccessRights(read=16, write=0, read_write=0, change=0), "0..D"),
        (
            lambda: Picc(cards, frame_payload_max=FRAME_PAYLOAD_CCID + 1),  # type: ignore[arg-type]
            "52 to 240",
        ),
        (
            lambda: diversification_input(
                uid=bytes(4), aid=cards.AID, key_no=0, system_id=b""
            ),
            "7 bytes",
        ),
        (lambda: diversified(KEY, bytes(INPUT_MAX + 1)), "1 to 31"),
        (lambda: diversified(KEY, b""), "1 to 31"),
        (
            lambda: Handshake.begin(key=KEY, rnd_a=b"few", enc_rnd_b=bytes(BLOCK)),
            "RndA",
        ),
        (
            lambda: Ev1Handshake.begin(key=KEY, rnd_a=b"few", enc_rnd_b=bytes(BLOCK)),
            "RndA",
        ),
        (
            lambda: SecureChannel(SessionKeys(ti=b"", enc=KEY, mac=KEY)),
            "transaction identifier",
        ),
        (lambda: LocalKey(KEY, KEY).finish(bytes(BLOCK)), "not been answered"),
        (lambda: Ev1LocalKey(KEY, KEY).finish(bytes(BLOCK)), "not been answered"),
        (lambda: unpad(bytes(BLOCK)), "padding"),
        (lambda: unpad(b"\x80" + bytes(BLOCK)), "padding"),
    ],
)
def test_what_no_card_would_understand_is_not_built(
    build: Callable[[], Any], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        build()


def test_an_answer_shorter_than_a_status_word_is_none():
    with pytest.raises(ValueError, match="status word"):
        Response.decode(b"\x91")


@pytest.mark.parametrize(
    ("do", "why"),
    [
        (lambda p: p.authenticate_non_first(1, cards.key(KEY)), "no session"),
        (lambda p: p.change_own_key(1, new=KEY, version=1), "no session"),
        (lambda p: p.create_application(cards.AID, keys=KEYS_MAX + 1), "1 to 14"),
        (lambda p: p.read_records(6, 0, 1, 200, CommMode.FULL), "one frame"),
    ],
)
def test_what_cannot_be_asked_is_not_sent(do: Callable[[Picc], Any], why: str) -> None:
    picc = cards.picc(VirtualCard(PERSONALISED))
    with pytest.raises(ValueError, match=why):
        do(picc)
    assert picc.exchanges.count == 0


def test_nobody_authenticates_anew_with_a_transaction_open():
    picc = cards.opened(VirtualCard(PERSONALISED), cards.OPERATE)
    picc.debit(PURSE, 1, CommMode.FULL)
    with pytest.raises(ValueError, match="commit or abort"):
        picc.authenticate(cards.OPERATE, cards.key(cards.KEYS[cards.OPERATE]))


# ---- what is not taken from a card


def test_a_card_that_never_ends_its_answer_is_left():
    class Endless:
        frames = 0

        def transmit(self, command: bytes, /) -> bytes:
            self.frames += 1
            return bytes(59) + bytes([0x91, Status.ADDITIONAL_FRAME])

    link = Endless()
    with pytest.raises(CardRefused):
        Picc(link).get_version()
    assert link.frames == ANSWER_FRAMES_MAX + 1


@pytest.mark.parametrize(
    ("ins", "says", "mode", "do", "key_no"),
    [
        (
            GET_KEY_VERSION,
            b"\1\2",
            CommMode.MAC,
            lambda p: p.get_key_version(1),
            cards.OPERATE,
        ),
        (
            tm.GET_VALUE,
            bytes(3),
            CommMode.FULL,
            lambda p: p.get_value(PURSE, CommMode.FULL),
            cards.OPERATE,
        ),
        (
            tm.READ_DATA,
            bytes(3),
            CommMode.FULL,
            lambda p: p.read_data(BODIES, 0, 4, CommMode.FULL),
            cards.OPERATE,
        ),
        (
            tm.READ_DATA,
            bytes(11),
            CommMode.MAC,
            lambda p: p.read_transaction_mac(PROOF, CommMode.MAC),
            cards.ISSUE,
        ),
    ],
)
def test_an_answer_of_another_length_is_none_whatever_its_mac(
    ins: int,
    says: bytes,
    mode: CommMode,
    do: Callable[[Picc], Any],
    key_no: int,
) -> None:
    picc = lied_to(ins, says, mode, key_no)
    with pytest.raises(IntegrityError):
        do(picc)


def test_a_plain_answer_of_another_length_ends_the_session():
    picc = lied_to(tm.READ_DATA, bytes(3), CommMode.PLAIN, cards.OPERATE)
    with pytest.raises(IntegrityError):
        picc.read_data(PLAIN, 0, 4, CommMode.PLAIN)
    assert not picc.authenticated


def test_a_commit_without_its_proof_is_neither_done_nor_failed():
    picc = lied_to(COMMIT_TRANSACTION, b"", CommMode.MAC, cards.OPERATE)
    picc.debit(PURSE, 1, CommMode.FULL)
    with pytest.raises(UnknownOutcome):
        picc.commit_transaction()
    assert len(picc.operations) == 1


def test_without_a_proof_file_a_commit_refused_is_an_unknown_outcome_too():
    picc = cards.opened(VirtualCard(PERSONALISED), cards.OPERATE)
    picc._link = Lying(VirtualCard(PERSONALISED), 0, b"", CommMode.PLAIN)
    with pytest.raises(UnknownOutcome):
        picc.commit_without_proof()


def test_an_answer_to_the_other_authentication_opens_no_session():
    class Other:
        """Holds the key, and answers First as it would NonFirst: in sixteen bytes."""

        def transmit(self, command: bytes, /) -> bytes:
            asked = Command.decode(command)
            if asked.ins == FIRST:
                return bytes(BLOCK) + bytes([0x91, Status.ADDITIONAL_FRAME])
            rnd_a = cbc_decrypt(KEY, bytes(BLOCK), asked.data)[:BLOCK]
            return cbc_encrypt(KEY, bytes(BLOCK), rotated(rnd_a)) + OK

    picc = Picc(Other())
    with pytest.raises(AuthenticationFailed):
        picc.authenticate(1, cards.key(KEY))
    assert not picc.authenticated


@pytest.mark.parametrize("length", [0, BLOCK - 1, BLOCK + 1, FIRST_ANSWER_LENGTH + 1])
def test_an_authentication_has_answers_of_set_lengths(length: int) -> None:
    with pytest.raises(AuthenticationFailed):
        Handshake.begin(key=KEY, rnd_a=KEY, enc_rnd_b=bytes(length))
    with pytest.raises(AuthenticationFailed):
        Ev1Handshake.begin(key=KEY, rnd_a=KEY, enc_rnd_b=bytes(length))
    begun = Handshake.begin(key=KEY, rnd_a=KEY, enc_rnd_b=bytes(BLOCK))
    with pytest.raises(AuthenticationFailed):
        begun.finish(bytes(length))
    older = Ev1Handshake.begin(key=KEY, rnd_a=KEY, enc_rnd_b=bytes(BLOCK))
    with pytest.raises(AuthenticationFailed):
        older.finish(bytes(length))


def test_a_card_that_gives_another_challenge_back_has_no_key():
    older = Ev1Handshake.begin(key=KEY, rnd_a=KEY, enc_rnd_b=bytes(BLOCK))
    with pytest.raises(AuthenticationFailed):
        older.finish(bytes(BLOCK))


# ---- what secure messaging does not take


@pytest.mark.parametrize("mode", [CommMode.MAC, CommMode.FULL])
def test_what_is_shorter_than_its_mac_is_no_message(mode: CommMode) -> None:
    with pytest.raises(IntegrityError):
        channel().open_response(0, bytes(7), mode)
    with pytest.raises(IntegrityError):
        channel().open_command(0x3D, bytes(7 + 7), 7, mode)
    with pytest.raises(IntegrityError):
        Ev1Channel(KEY).open_response(0, bytes(7), CommMode.MAC)


def test_a_cryptogram_has_whole_blocks_and_padding():
    its = channel()
    with pytest.raises(IntegrityError):
        its.decipher_response(bytes(BLOCK + 1))
    bare = cbc_encrypt(KEY, its.response_iv(), bytes(BLOCK))
    with pytest.raises(IntegrityError):
        its.decipher_response(bare)
    with pytest.raises(IntegrityError):
        Ev1Channel(KEY).open_command(0x3D, bytes(BLOCK + 1), 0, CommMode.FULL)


def test_a_counter_at_its_end_seals_nothing_more():
    with pytest.raises(IntegrityError):
        channel(COUNTER_MAX).advance()


def test_in_plain_mode_header_and_data_are_told_apart_by_length():
    its = channel()
    assert its.open_command(0x3D, b"headers and data", 7, CommMode.PLAIN) == (
        b"headers",
        b" and data",
    )
    assert its.seal_response(0, b"data", CommMode.PLAIN) == b"data"
    assert its.counter == 1


# ---- what a tag's address and the maker's signature do not say


def test_data_of_a_tag_has_one_block_and_a_uid_of_seven_bytes():
    for length in (0, BLOCK - 1, BLOCK + 1):
        with pytest.raises(IntegrityError):
            opened_picc_data(KEY, bytes(length))
        with pytest.raises(IntegrityError):
            picc_data(bytes(length))
    with pytest.raises(IntegrityError):
        picc_data(b"\xc4".ljust(BLOCK, b"\0"))
    with pytest.raises(IntegrityError):
        SdmKeys(enc=KEY, mac=KEY).file_data(1, bytes(BLOCK - 1))


def test_a_tag_may_mirror_its_counter_its_uid_or_neither():
    uid, count = bytes.fromhex("04112233445566"), b"\2\0\0"
    told = {
        b"\x87" + uid: PiccData(uid, None),
        b"\x40" + count: PiccData(None, 2),
        b"\xc7" + uid + count: PiccData(uid, 2),
        b"\0": PiccData(None, None),
    }
    for plain, picc in told.items():
        assert picc_data(plain.ljust(BLOCK, b"\0")) == picc
    # What is not mirrored is in no key.
    vectors = {session_vectors(picc)[0] for picc in told.values()}
    assert len(vectors) == len(told)
    assert {len(each) for each in vectors} == {BLOCK}


def test_a_signature_of_another_length_is_not_the_makers():
    maker, uid = ec.generate_private_key(CURVE), bytes(range(7))
    point = maker.public_key().public_bytes(
        Encoding.X962, PublicFormat.UncompressedPoint
    )
    digest = uid.rjust(NUMBER_LENGTH, b"\0")
    signed = maker.sign(digest, ec.ECDSA(Prehashed(SHA224())))
    r, s = (each.to_bytes(NUMBER_LENGTH) for each in decode_dss_signature(signed))
    assert is_original(uid, r + s, maker=point)
    for wrong in (b"", r, r + s[:-1], r + b"\0" + s, r + s + b"\0", s + r):
        assert not is_original(uid, wrong, maker=point)
    for other in (uid[::-1], b"", uid.rjust(NUMBER_LENGTH + 1, b"\0")):
        assert not is_original(other, r + s, maker=point)
    with pytest.raises(ValueError, match="point"):
        is_original(uid, r + s, maker=b"no point")


def test_keys_are_a_cards_own_and_an_applications_own():
    def key_of(uid: bytes, aid: bytes = cards.AID, key_no: int = 1) -> bytes:
        m = diversification_input(uid=uid, aid=aid, key_no=key_no, system_id=b"here")
        return diversified(KEY, m)

    made = {
        key_of(cards.UID),
        key_of(cards.OTHER_UID),
        key_of(cards.UID, aid=cards.AID[::-1]),
        key_of(cards.UID, key_no=2),
    }
    assert len(made) == 4
    # A record key follows from the card's, and is the same each time.
    pairs = [record_private_key(each) for each in made]
    assert len({pair.public_key().public_bytes_raw() for pair in pairs}) == 4
    again = record_private_key(key_of(cards.UID)).private_bytes_raw()
    assert again == record_private_key(key_of(cards.UID)).private_bytes_raw()


# ---- what the selftest makes of a file of vectors that it does not know


def test_an_enciphered_ev1_answer_is_known_by_its_checksum():
    data = b"what a card says"
    plain = data + crc32(data + b"\0")
    padded = plain + bytes(-len(plain) % BLOCK)
    step = {"op": "full_resp", "data": data.hex()}
    step["enc"] = cbc_encrypt(KEY, bytes(BLOCK), padded).hex()
    asked = {"session": KEY.hex(), "steps": [step]}
    assert RUN["ev1_seq"](asked) == {"ok": True}
    with pytest.raises(ValueError, match="no step is called sing"):
        RUN["ev1_seq"](asked | {"steps": [{"op": "sing"}]})


def test_what_was_said_before_an_authentication_is_not_looked_at():
    heard = Ev1Hearing(set(), iter([]))
    heard.frame(bytes([0x60]), b"\xaf" + bytes(7))
    assert (heard.checks, heard.sessions) == (0, [])


def test_another_key_is_sent_over_the_old_one_with_a_checksum_of_each():
    new, old = bytes(range(16, 32)), bytes(range(32, 48))
    found = RUN["ev1_changekey"](
        {
            "session": KEY.hex(),
            "keyno": 1,
            "authkeyno": 0,
            "new": new.hex(),
            "old": old.hex(),
            "ver": 7,
        }
    )
    header, cryptogram = found["wire"][:1], found["wire"][1:]
    plain = cbc_decrypt(KEY, bytes(BLOCK), cryptogram)
    data = xor(new, old) + b"\7"
    # AN0945, table 33: the command's own sum, then the one of the new key.
    sums = crc32(b"\xc4\1" + data) + crc32(new)
    assert header == b"\1"
    assert plain == (data + sums).ljust(2 * BLOCK, b"\0")
