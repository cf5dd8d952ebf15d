"""The application on the card, as data. `docs/card-layout.md` has the picture.

Keys: 0 master (the issuing centre), 1 issue (user terminals, through the ledger),
2 operate (dispensers, points of sale), 3 inspect, 4 find (whose card is it?), 5 sell
(points of sale alone), 6 top up (the issuing desk alone). A dispenser reads bodies and
cannot write one; it writes slots and the stamp; it moves no value. A point of sale
debits purse and points, and credits neither. The Transaction MAC is the ledger's.
"""

from __future__ import annotations

from dataclasses import dataclass

from card_bridge.protocol.files import NEVER, AccessRights
from card_bridge.protocol.secure_messaging import CommMode
from ledger.vocabulary.medium_record import (
    CARD_KEYS,
    INSPECT_KEY,
    ISSUE_KEY,
    MASTER_KEY,
    OPERATE_KEY,
    PURSE_FILE,
    PURSE_MAX_MINOR,
    SELL_KEY,
    SLOT_ENTRY_LENGTH,
    SLOTS_MAX,
    STAMP_LENGTH,
    TOP_UP_KEY,
)

PROFILE = "desfire-8k"
KEYS = CARD_KEYS
BODY_LENGTH = 288


@dataclass(frozen=True, slots=True)
class BackupFile:
    """A file that changes at CommitTransaction only; it takes twice its size."""

    number: int
    size: int
    rights: AccessRights
    comm: CommMode = CommMode.FULL


BODIES = BackupFile(
    number=0x01,
    size=SLOTS_MAX * BODY_LENGTH,
    rights=AccessRights(
        read=OPERATE_KEY, write=NEVER, read_write=ISSUE_KEY, change=MASTER_KEY
    ),
)
SLOTS = BackupFile(
    number=0x02,
    size=SLOTS_MAX * SLOT_ENTRY_LENGTH,
    rights=AccessRights(
        read=OPERATE_KEY, write=OPERATE_KEY, read_write=ISSUE_KEY, change=MASTER_KEY
    ),
)
STAMP = BackupFile(
    number=0x05,
    size=STAMP_LENGTH,
    rights=AccessRights(
        read=OPERATE_KEY, write=OPERATE_KEY, read_write=ISSUE_KEY, change=MASTER_KEY
    ),
)
BACKUP_FILES = (BODIES, SLOTS, STAMP)


@dataclass(frozen=True, slots=True)
class ValueFile:
    """A number between limits that Debit and Credit move; begun at zero.

    Whoever has the key to read may debit too, and only that of read and write may
    credit (MF2DLHX0, 8.2.3.5), so the two are of different holders here.
    """

    number: int
    upper: int
    rights: AccessRights
    comm: CommMode = CommMode.FULL
    lower: int = 0


_VALUE_RIGHTS = AccessRights(
    read=SELL_KEY, write=NEVER, read_write=TOP_UP_KEY, change=MASTER_KEY
)
POINTS_MAX = 1_000_000
PURSE = ValueFile(number=PURSE_FILE, upper=PURSE_MAX_MINOR, rights=_VALUE_RIGHTS)
POINTS = ValueFile(number=0x04, upper=POINTS_MAX, rights=_VALUE_RIGHTS)
VALUE_FILES = (PURSE, POINTS)
ROOM_BYTES = 5696  # What all of it takes of a card's memory: docs/card-layout.md.

PROOF_FILE = 0x0F
PROOF_COMM = CommMode.MAC
# Nobody commits a reader id: once enabled it would be asked for at every commit.
PROOF_RIGHTS = AccessRights(
    read=INSPECT_KEY, write=NEVER, read_write=NEVER, change=MASTER_KEY
)
