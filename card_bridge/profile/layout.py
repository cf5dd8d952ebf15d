"""The application on the card, as data. `docs/card-layout.md` has the picture.

Keys: 0 master (the issuing centre), 1 issue (user terminals, through the ledger),
2 operate (dispensers, points of sale), 3 inspect. A dispenser reads bodies and cannot
write one; it writes slots and the stamp; only the ledger checks the Transaction MAC.
"""

from __future__ import annotations

from dataclasses import dataclass

from card_bridge.protocol.files import NEVER, AccessRights
from card_bridge.protocol.secure_messaging import CommMode
from ledger.vocabulary.medium_record import (
    INSPECT_KEY,
    ISSUE_KEY,
    MASTER_KEY,
    OPERATE_KEY,
    SLOT_ENTRY_LENGTH,
    SLOTS_MAX,
    STAMP_LENGTH,
)

PROFILE = "desfire-8k"
KEYS = (MASTER_KEY, ISSUE_KEY, OPERATE_KEY, INSPECT_KEY)
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
ROOM_BYTES = 5408  # What all of it takes of a card's memory: docs/card-layout.md.

PROOF_FILE = 0x0F
PROOF_COMM = CommMode.MAC
# Nobody commits a reader id: once enabled it would be asked for at every commit.
PROOF_RIGHTS = AccessRights(
    read=INSPECT_KEY, write=NEVER, read_write=NEVER, change=MASTER_KEY
)
