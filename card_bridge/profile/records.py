"""The body record of a slot: which ticket, and the ticket sealed for this very slot.

length 2 ‖ ticket id 16 ‖ sealed ticket (length bytes) ‖ zeros up to 288
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from uuid import UUID

from card_bridge.profile.layout import BODY_LENGTH
from ledger.vocabulary.medium_record import MalformedRecord
from ledger.vocabulary.sealed_ticket import SEALED_MAX

HEAD_LENGTH = 18
_ID = slice(2, HEAD_LENGTH)


@dataclass(frozen=True, slots=True)
class Body:
    """What one slot carries beside its entry."""

    ticket_id: UUID
    sealed: bytes

    def encode(self) -> bytes:
        """Return the record without the zeros that fill the slot."""
        if not 0 < len(self.sealed) <= SEALED_MAX:
            raise MalformedRecord("a sealed ticket does not fit its slot")
        return len(self.sealed).to_bytes(2) + self.ticket_id.bytes + self.sealed

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        length = sealed_length(raw)
        sealed = raw[HEAD_LENGTH : HEAD_LENGTH + length]
        if len(sealed) != length:
            raise MalformedRecord("the slot's body is cut off")
        return cls(UUID(bytes=raw[_ID]), sealed)


def sealed_length(head: bytes) -> int:
    """Read from a record's head how long its sealed ticket is."""
    if len(head) < HEAD_LENGTH:
        raise MalformedRecord("the slot's body is cut off")
    length = int.from_bytes(head[:2])
    if not 0 < length <= SEALED_MAX:
        raise MalformedRecord("the slot carries no sealed ticket")
    return length


assert HEAD_LENGTH + SEALED_MAX <= BODY_LENGTH
