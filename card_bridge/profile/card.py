"""A ticket card in the field: read it, write what was planned, commit with proof."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from card_bridge.profile import layout
from card_bridge.profile.records import HEAD_LENGTH, Body, sealed_length
from card_bridge.protocol.commands import Picc
from card_bridge.protocol.ev2_auth import KeyAuthority
from card_bridge.protocol.transaction_mac import Operation, TransactionProof
from ledger.vocabulary.medium_record import (
    ANY_UID,
    APPLICATION_ID,
    FIND_KEY,
    INSPECT_KEY,
    SLOT_ENTRY_LENGTH,
    SLOTS_MAX,
    UID_LENGTH,
    MalformedRecord,
    SlotEntry,
    Stamp,
    decode_slots,
)

RANDOM_ID_LENGTH = 4
RANDOM_ID_FIRST = b"\x08"  # ISO/IEC 14443-3, 6.5.4.


class UidMismatch(MalformedRecord):
    """The card says another UID inside the session than outside."""

    code = "counterfeit"


class HiddenUid(MalformedRecord):
    """The card shows a random UID, and nobody here has the key to ask for its own."""


class Finder(Protocol):
    """Makes an authority for one authentication with the card of a UID."""

    def __call__(self, uid: bytes, key_no: int) -> KeyAuthority: ...


@dataclass(frozen=True, slots=True)
class CardReading:
    """What an authenticated session has read: the bytes, as they are reported."""

    uid: bytes
    stamp: bytes
    slots: bytes

    def as_json(self) -> dict[str, str]:
        return {
            "uid": self.uid.hex(),
            "stamp": self.stamp.hex(),
            "slots": self.slots.hex(),
        }

    def entries(self) -> tuple[SlotEntry, ...]:
        """Decode the slots; raise `MalformedRecord`."""
        return decode_slots(self.slots)

    def stamped(self) -> Stamp:
        """Decode the stamp; raise `MalformedRecord`."""
        return Stamp.decode(self.stamp)


@dataclass(frozen=True, slots=True)
class Committed:
    """A transaction the card has proven, and what it was made of."""

    proof: TransactionProof
    operations: tuple[Operation, ...]


class TicketCard:
    """One card of our profile, for one tap."""

    def __init__(self, picc: Picc, *, atr: bytes = b"") -> None:
        self.picc = picc
        self.atr = atr
        self.uid = b""

    @property
    def operations(self) -> tuple[Operation, ...]:
        """What the card has done since its last commit, as it will sign it."""
        return self.picc.operations

    def find(self, finder: Finder | None = None) -> bytes:
        """Return the UID as the reader says it; what it is worth, a session shows.

        A card that shows a random one tells its own in a session of the find key, for
        which `finder` makes an authority. Raises `HiddenUid` without one.
        """
        uid = self.picc.get_reader_uid()
        if len(uid) == RANDOM_ID_LENGTH and uid[:1] == RANDOM_ID_FIRST:
            if finder is None:
                raise HiddenUid("the card hides its UID from who has no key")
            self.open(FIND_KEY, finder(ANY_UID, FIND_KEY))
            uid = self.picc.get_card_uid()
        if len(uid) != UID_LENGTH:
            raise MalformedRecord("the card has no UID of seven bytes")
        self.uid = uid
        return uid

    def open(self, key_no: int, authority: KeyAuthority) -> None:
        """Authenticate in our application; the key is the UID's own and proves it."""
        self.picc.select_application(APPLICATION_ID)
        self.picc.authenticate(key_no, authority)

    def confirm_uid(self) -> None:
        """Ask inside the session for the UID; raise `UidMismatch`."""
        if self.picc.get_card_uid() != self.uid:
            raise UidMismatch("the card says another UID inside the session")

    def read(self) -> CardReading:
        """Read the stamp and all slots."""
        stamp, slots = layout.STAMP, layout.SLOTS
        return CardReading(
            uid=self.uid,
            stamp=self.picc.read_data(stamp.number, 0, stamp.size, stamp.comm),
            slots=self.picc.read_data(slots.number, 0, slots.size, slots.comm),
        )

    def read_body(self, slot: int) -> Body:
        """Read one slot's sealed ticket, and no byte more than it has."""
        start = _place(slot) * layout.BODY_LENGTH
        file = layout.BODIES
        head = self.picc.read_data(file.number, start, HEAD_LENGTH, file.comm)
        rest = self.picc.read_data(
            file.number, start + HEAD_LENGTH, sealed_length(head), file.comm
        )
        return Body.decode(head + rest)

    def write_body(self, slot: int, body: Body) -> None:
        start = _place(slot) * layout.BODY_LENGTH
        file = layout.BODIES
        self.picc.write_data(file.number, start, body.encode(), file.comm)

    def write_entry(self, slot: int, entry: bytes) -> None:
        start = _place(slot) * SLOT_ENTRY_LENGTH
        file = layout.SLOTS
        self.picc.write_data(file.number, start, entry, file.comm)

    def write_stamp(self, stamp: bytes) -> None:
        file = layout.STAMP
        self.picc.write_data(file.number, 0, stamp, file.comm)

    def purse(self) -> int:
        """Return what is in the purse, in minor units: for who sells or tops up."""
        return self.picc.get_value(layout.PURSE.number, layout.PURSE.comm)

    def debit_purse(self, amount_minor: int) -> None:
        self.picc.debit(layout.PURSE.number, amount_minor, layout.PURSE.comm)

    def credit_purse(self, amount_minor: int) -> None:
        self.picc.credit(layout.PURSE.number, amount_minor, layout.PURSE.comm)

    def commit(self) -> Committed:
        """Commit all that was written at once. Raises `UnknownOutcome`."""
        operations = self.picc.operations
        return Committed(self.picc.commit_transaction(), operations)

    def last_proof(self, authority: KeyAuthority) -> TransactionProof:
        """Read the proof of the last commit, in a session of the inspect key."""
        self.open(INSPECT_KEY, authority)
        return self.picc.read_transaction_mac(layout.PROOF_FILE, layout.PROOF_COMM)


def _place(slot: int) -> int:
    if not 0 <= slot < SLOTS_MAX:
        raise MalformedRecord(f"the card has no slot {slot}")
    return slot
