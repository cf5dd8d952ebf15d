"""What a ledger in memory needs around it: a desk, seals, keys, and cards that prove.

The cards are simulated hardware: they hold a stamp and slots, commit a write as one,
count their transactions, and the authority believes only what a card has committed.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.aggregates.medium import Reading
from ledger.ports import CardOperation
from ledger.usecases.media import Proof
from ledger.usecases.media.settling import STAMP_FILE, WRITE_DATA
from ledger.vocabulary.medium_record import (
    EMPTY_SLOT,
    SLOTS_MAX,
    SlotEntry,
    Stamp,
    digest,
)


class MemoryDesk:
    """Names every allotment in turn: a desk that knows nothing."""

    def claim(self, wish, *, without, at):
        numbers = range(1, wish.layout.count + 1)
        parts = {part.number: part.category for part in wish.layout.parts()}
        fitting = [n for n in numbers if parts.get(n) == wish.category]
        return next((number for number in fitting if number not in without), None)

    def claim_unseen(self, wish, *, without, at):
        return None

    def tell(self, states):
        """Nothing is remembered."""

    let_go = tell

    def look_again(self, allotment_id, *, at):
        """Nothing is remembered."""

    def settle(self, *, paid, ended):
        """Nothing is remembered."""

    def count(self, layout, *, at):
        return 0, 0


class PlainSeals:
    """Seals by marking: what a seal protects is tried elsewhere."""

    def seal(self, subject_id: UUID, text: str) -> str:
        return f"{subject_id}:" + base64.b64encode(text.encode()).decode()

    def open(self, subject_id: UUID, sealed: str) -> str | None:
        return base64.b64decode(sealed.partition(":")[2]).decode()


class OneKey:
    """The issuer's key, and codes beside serials."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))

    def issuer_key(self) -> Ed25519PrivateKey:
        return self._key

    def print_code(self, serial: str) -> str:
        return serial[-3:]


@dataclass
class Card:
    """One card: what stands on it, and its transaction counter."""

    uid: bytes
    holder_id: UUID
    seq: int = 0
    slots: list[SlotEntry] = field(default_factory=lambda: [EMPTY_SLOT] * SLOTS_MAX)
    counter: int = 0
    stamp: Stamp | None = None

    def reading(self) -> Reading:
        shown = digest(uid=self.uid, seq=self.seq, slots=self.slots)
        stamp = self.stamp or Stamp(
            key_version=1, seq=self.seq, uid=self.uid, digest=shown
        )
        return Reading(self.uid, stamp, tuple(self.slots))


class Cards:
    """All cards, and the authority that knows what they have committed."""

    def __init__(self) -> None:
        self.by_uid: dict[bytes, Card] = {}
        self._committed: set[tuple[bytes, int, bytes]] = set()

    def make(self, number: int, holder_id: UUID) -> Card:
        uid = bytes([4, 0, 0, 0, 0, 0, number])
        self.by_uid[uid] = Card(uid, holder_id)
        return self.by_uid[uid]

    def commit(self, write) -> Proof:
        """Write what was prepared onto the card; return its proof."""
        card = self.by_uid[write.uid]
        for change in write.changes:
            card.slots[change.slot] = SlotEntry.decode(change.entry)
        card.stamp = Stamp.decode(write.stamp)
        card.seq = write.seq
        card.counter += 1
        self._committed.add((card.uid, card.counter, write.stamp))
        return self._proof(write, card.counter)

    def forged(self, write) -> Proof:
        """Make up the proof of a write that the card has never seen."""
        return self._proof(write, self.by_uid[write.uid].counter + 1)

    def _proof(self, write, counter) -> Proof:
        written = CardOperation(
            cmd=WRITE_DATA,
            file=STAMP_FILE,
            offset=0,
            length=len(write.stamp),
            data=write.stamp,
        )
        return Proof(
            committed=True,
            transaction_counter=counter,
            transaction_mac=bytes(8),
            operations=(written,),
        )

    def proves(self, *, uid, transaction_counter, transaction_mac, operations):
        stamp = b"".join(operation.data for operation in operations)
        return (uid, transaction_counter, stamp) in self._committed
