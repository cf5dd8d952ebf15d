"""Given a recording's random numbers, the card answers what silicon answered."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from card_bridge.protocol.apdu import native
from card_bridge.protocol.cmac import cbc_decrypt
from card_bridge.protocol.commands import Picc
from card_bridge.protocol.ev2_auth import LocalKey
from card_bridge.protocol.files import FREE, AccessRights
from card_bridge.protocol.secure_messaging import CommMode
from card_bridge.virtual import VirtualCard
from tests.card.cards import ZEROS, picc

AID = bytes.fromhex("112233")
KEY_0 = AccessRights(read=0, write=0, read_write=0, change=0)
FILE = Path(__file__).parents[2] / "vectors" / "card_vectors.json"
VECTORS = {v["id"]: v for v in json.loads(FILE.read_text())["vectors"]}


def drawing(*values: bytes) -> Callable[[int], bytes]:
    """A source that gives these bytes, in this order, and no others."""
    left: Iterator[bytes] = iter(values)

    def draw(count: int) -> bytes:
        value = next(left)
        assert len(value) == count
        return value

    return draw


def card_with_file(
    number: int, comm: CommMode, content: bytes, random: Callable[[int], bytes]
) -> VirtualCard:
    """A card whose application 112233 has one file; it draws `random` from then on."""
    card = VirtualCard.blank(bytes(7))
    maker = picc(card)
    maker.create_application(AID, keys=3)
    maker.select_application(AID)
    free = AccessRights(read=0, write=FREE, read_write=0, change=0)
    rights = KEY_0 if not content.strip(b"\0") else free
    maker.create_std_data_file(number, comm=comm, rights=rights, size=len(content))
    if rights == free:
        maker.write_data(number, 0, content, CommMode.PLAIN)
    return VirtualCard(card.snapshot(), random=random)


def rnd_b(values: dict[str, str]) -> bytes:
    enciphered = bytes.fromhex(values["enc_rndb"])
    return cbc_decrypt(bytes.fromhex(values["key"]), bytes(16), enciphered)


def send(card: VirtualCard, ins: int, data: bytes) -> bytes:
    return card.transmit(native(ins, data).encode())


def test_authentication_and_an_enciphered_write_answer_as_published():
    auth = VECTORS["an12196-authfirst-key0"]
    write = VECTORS["an12196-writendef-full"]
    confirmed = VECTORS["an12196-writendef-full-resp"]
    ti = bytes.fromhex(auth["expected"]["ti"])
    random = drawing(bytes.fromhex(auth["expected"]["rndb"]), ti)
    card = card_with_file(2, CommMode.FULL, bytes(256), random)

    card.transmit(native(0x5A, AID[::-1]).encode())
    enc_rnd_b = send(card, 0x71, bytes.fromhex("0000"))
    answer = send(card, 0xAF, bytes.fromhex(auth["expected"]["part2"]))
    sealed = write["expected"]["enc"] + write["expected"]["mact"]
    written = send(card, 0x8D, bytes.fromhex(write["in"]["header"] + sealed))

    assert enc_rnd_b.hex() == auth["in"]["enc_rndb"] + "91af"
    assert answer.hex() == auth["in"]["resp"] + "9100"
    assert written.hex() == confirmed["expected"]["mact"] + "9100"


def test_a_second_authentication_answers_as_published():
    first = VECTORS["an12343-authfirst-t16"]
    second = VECTORS["an12196-authnonfirst-t23"]
    random = drawing(
        bytes.fromhex(first["expected"]["rndb"]),
        bytes.fromhex(first["expected"]["ti"]),
        bytes.fromhex(second["expected"]["rndb"]),
    )
    card = VirtualCard.blank(bytes(7), random=random)

    answers = [
        send(card, 0x71, bytes(2)),
        send(card, 0xAF, bytes.fromhex(first["expected"]["part2"])),
        send(card, 0x77, bytes(1)),
        send(card, 0xAF, bytes.fromhex(second["expected"]["part2"])),
    ]

    assert [answer.hex() for answer in answers] == [
        first["in"]["enc_rndb"] + "91af",
        first["in"]["resp"] + "9100",
        second["in"]["enc_rndb"] + "91af",
        second["in"]["resp"] + "9100",
    ]


def test_a_maced_read_answers_as_a_physical_card_did():
    captured = VECTORS["hw-ntag424-read-mac"]
    given = captured["in"]
    random = drawing(rnd_b(given), bytes.fromhex(given["ti"]))
    content = bytes.fromhex(captured["expected"]["data"])
    card = card_with_file(3, CommMode.MAC, content, random)
    reader = Picc(card)
    reader.select_application(AID)
    reader.authenticate(0, LocalKey(ZEROS, bytes.fromhex(given["rnda"])))
    reader.get_file_ids()  # The capture's counter stands at 1.

    command = given["header"] + captured["expected"]["cmd_mact"]
    answer = send(card, 0xAD, bytes.fromhex(command))

    assert answer.hex() == given["resp"] + "9100"


def test_a_second_session_keeps_identifier_and_counter_as_a_physical_card_did():
    captured = VECTORS["hw-ntag424-read-full"]
    given = captured["in"]
    random = drawing(bytes(16), bytes.fromhex(given["ti"]), rnd_b(given))
    content = bytes.fromhex(captured["expected"]["data"])
    card = card_with_file(3, CommMode.FULL, content, random)
    reader = Picc(card)
    reader.select_application(AID)
    reader.authenticate(0, LocalKey(ZEROS, bytes(16)))
    for _ in range(given["ctr"]):
        reader.get_file_ids()
    reader.authenticate_non_first(0, LocalKey(ZEROS, bytes.fromhex(given["rnda"])))

    command = given["header"] + captured["expected"]["cmd_mact"]
    answer = send(card, 0xAD, bytes.fromhex(command))

    assert answer.hex() == given["resp"] + "9100"
