"""A personalised card in software, and the ways tests speak to it."""

import secrets
from collections.abc import Callable
from pathlib import Path

from card_bridge.protocol.commands import Picc
from card_bridge.protocol.conversation import Link
from card_bridge.protocol.ev2_auth import LocalKey
from card_bridge.protocol.files import NEVER, AccessRights
from card_bridge.protocol.secure_messaging import CommMode
from card_bridge.transport.in_process import InProcessTransport
from card_bridge.virtual import VirtualCard

AID = bytes.fromhex("f4e7c1")
UID = bytes.fromhex("04597a32501490")
OTHER_UID = bytes.fromhex("04597a32501491")
ZEROS = bytes(16)
MASTER, ISSUE, OPERATE, INSPECT = range(4)
KEYS = {number: bytes([0xA0 + number]) * 16 for number in range(4)}
TM_KEY = bytes.fromhex("f7d23e0c44afade542bfdf2dc5c6ae02")

BODIES, STATES, PURSE, LOG, PLAIN, MACED, PROOF = 1, 2, 3, 6, 7, 8, 0xF
SIZE = 160
RECORD_SIZE, RECORDS_MAX = 24, 4
PURSE_START, PURSE_MAX = 500, 1000
MODES = {BODIES: CommMode.FULL, STATES: CommMode.FULL, PURSE: CommMode.FULL}
MODES |= {LOG: CommMode.FULL, PLAIN: CommMode.PLAIN, MACED: CommMode.MAC}
RIGHTS = AccessRights(read=OPERATE, write=NEVER, read_write=ISSUE, change=MASTER)
SHARED = AccessRights(read=INSPECT, write=ISSUE, read_write=OPERATE, change=MASTER)
PROOF_RIGHTS = AccessRights(read=ISSUE, write=NEVER, read_write=NEVER, change=MASTER)
Random = Callable[[int], bytes]


def picc(card: VirtualCard) -> Picc:
    """The card freshly in the field."""
    return Picc(InProcessTransport(card.transmit, power_on=card.power_on))


def key(value: bytes) -> LocalKey:
    return LocalKey(value, secrets.token_bytes(16))


def opened(card: VirtualCard, key_no: int, *, link: Link | None = None) -> Picc:
    """A session in the application under one of its keys."""
    conversation = picc(card) if link is None else Picc(link)
    conversation.select_application(AID)
    conversation.authenticate(key_no, key(KEYS[key_no]))
    return conversation


def personalised(
    uid: bytes = UID, *, path: Path | None = None, random: Random | None = None
) -> VirtualCard:
    """A card with every kind of file, its keys changed last."""
    card = VirtualCard.blank(uid, path=path, random=random or secrets.token_bytes)
    maker = picc(card)
    maker.create_application(AID, keys=4)
    maker.select_application(AID)
    maker.authenticate(MASTER, key(ZEROS))
    for file_no in (BODIES, PLAIN, MACED):
        maker.create_backup_data_file(
            file_no, comm=MODES[file_no], rights=RIGHTS, size=SIZE
        )
    maker.create_std_data_file(STATES, comm=MODES[STATES], rights=SHARED, size=SIZE)
    maker.create_value_file(
        PURSE,
        comm=MODES[PURSE],
        rights=RIGHTS,
        lower=0,
        upper=PURSE_MAX,
        value=PURSE_START,
        limited_credit=True,
    )
    maker.create_cyclic_record_file(
        LOG,
        comm=MODES[LOG],
        rights=SHARED,
        record_size=RECORD_SIZE,
        records_max=RECORDS_MAX,
    )
    maker.create_transaction_mac_file(
        PROOF, comm=CommMode.MAC, rights=PROOF_RIGHTS, key=TM_KEY, key_version=1
    )
    for number in (ISSUE, OPERATE, INSPECT):
        maker.change_key(number, new=KEYS[number], old=ZEROS, version=1)
    maker.change_own_key(MASTER, new=KEYS[MASTER], version=1)
    return card
