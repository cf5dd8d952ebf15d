"""What stands on a medium beside the sealed tickets: a stamp, and an entry a slot.

The stamp says which medium this is and which of its states the card shows; the
ledger keeps the same numbers, so it can tell old, copied and foreign contents.
All integers are big-endian. `docs/card-layout.md` has the picture.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

SLOTS_MAX = 8
SLOT_ENTRY_LENGTH = 16
STAMP_LENGTH = 32
UID_LENGTH = 7
DIGEST_LENGTH = 16
REF_LENGTH = 8
EPOCH_MAX = 0xFF_FF_FF
USES_MAX = 0xFF_FF
SEQ_MAX = 0xFF_FF_FF_FF
LAYOUT_VERSION = 1
# The purse on a card: one file, one currency, so much at most, in its minor units.
PURSE_FILE = 0x03
PURSE_CURRENCY = "EUR"
PURSE_MAX_MINOR = 15_000

# What keys are diversified by beside the UID (AN10922): ours alone, and the same on
# both sides. The numbers beyond the card's own keys 0 to 6 never reach a card's keys.
APPLICATION_ID = bytes.fromhex("f4e7c1")
SYSTEM_ID = b"ETL1"
MASTER_KEY, ISSUE_KEY, OPERATE_KEY, INSPECT_KEY = 0, 1, 2, 3
FIND_KEY, SELL_KEY, TOP_UP_KEY = 4, 5, 6
CARD_KEYS = tuple(range(7))
# The find key is made of this UID, so it is the same on every card: a card that hides
# its own tells it, in a session under this key, to whoever may look for it.
ANY_UID = bytes(UID_LENGTH)
RECORD_KEY = 0x10
TRANSACTION_MAC_KEY = 0x11


class MalformedRecord(ValueError):
    """The bytes are not a record of this layout."""

    code = "malformed"


class SlotStatus(IntEnum):
    EMPTY = 0
    LIVE = 1
    DISPENSED = 2
    SPENT = 3


@dataclass(frozen=True, slots=True)
class SlotEntry:
    """One slot: which ticket, at which epoch, and what became of it."""

    status: SlotStatus = SlotStatus.EMPTY
    epoch: int = 0
    uses_left: int = 0
    ticket_ref: bytes = bytes(REF_LENGTH)

    def __post_init__(self) -> None:
        if not 0 <= self.epoch <= EPOCH_MAX:
            raise MalformedRecord("the epoch does not fit three bytes")
        if not 0 <= self.uses_left <= USES_MAX:
            raise MalformedRecord("the uses left do not fit two bytes")
        if len(self.ticket_ref) != REF_LENGTH:
            raise MalformedRecord("a ticket reference has eight bytes")

    def encode(self) -> bytes:
        return (
            self.status.to_bytes(1)
            + self.epoch.to_bytes(3)
            + self.uses_left.to_bytes(2)
            + bytes(2)
            + self.ticket_ref
        )

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        if len(raw) != SLOT_ENTRY_LENGTH or raw[6:8] != bytes(2):
            raise MalformedRecord("this is not a slot entry")
        try:
            status = SlotStatus(raw[0])
        except ValueError:
            raise MalformedRecord("the slot's status is unknown") from None
        return cls(
            status=status,
            epoch=int.from_bytes(raw[1:4]),
            uses_left=int.from_bytes(raw[4:6]),
            ticket_ref=raw[8:],
        )


EMPTY_SLOT = SlotEntry()


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which medium this is, and the state it was last brought to."""

    key_version: int
    seq: int
    uid: bytes
    digest: bytes
    layout_version: int = LAYOUT_VERSION

    def __post_init__(self) -> None:
        if not (0 <= self.layout_version <= 0xFF and 0 <= self.key_version <= 0xFF):
            raise MalformedRecord("a version does not fit one byte")
        if not 0 <= self.seq <= SEQ_MAX:
            raise MalformedRecord("the sequence number does not fit four bytes")
        if len(self.uid) != UID_LENGTH or len(self.digest) != DIGEST_LENGTH:
            raise MalformedRecord("a uid has seven bytes and a digest sixteen")

    def encode(self) -> bytes:
        return (
            self.layout_version.to_bytes(1)
            + self.key_version.to_bytes(1)
            + self.seq.to_bytes(4)
            + self.uid
            + self.digest
            + bytes(3)
        )

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        if len(raw) != STAMP_LENGTH or raw[29:] != bytes(3):
            raise MalformedRecord("this is not a stamp")
        if raw[0] != LAYOUT_VERSION:
            raise MalformedRecord(f"layout version {raw[0]} is not known")
        return cls(
            layout_version=raw[0],
            key_version=raw[1],
            seq=int.from_bytes(raw[2:6]),
            uid=raw[6:13],
            digest=raw[13:29],
        )


def encode_slots(slots: Sequence[SlotEntry]) -> bytes:
    """Return all slots as they stand on the medium, one after the other."""
    return b"".join(entry.encode() for entry in slots)


def decode_slots(raw: bytes) -> tuple[SlotEntry, ...]:
    """Read all slots of a medium; the inverse of `encode_slots`."""
    if len(raw) != SLOTS_MAX * SLOT_ENTRY_LENGTH:
        raise MalformedRecord(f"{SLOTS_MAX} slots were expected")
    return tuple(
        SlotEntry.decode(raw[start : start + SLOT_ENTRY_LENGTH])
        for start in range(0, len(raw), SLOT_ENTRY_LENGTH)
    )


def digest(*, uid: bytes, seq: int, slots: Sequence[SlotEntry]) -> bytes:
    """Return what the stamp says of the slots: SHA-256, first sixteen bytes."""
    whole = b"eticket-ledger slots 1" + uid + seq.to_bytes(4) + encode_slots(slots)
    return hashlib.sha256(whole).digest()[:DIGEST_LENGTH]
