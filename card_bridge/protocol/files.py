"""A file's settings as they stand in the commands that create it (MF2DLHX0, 8.2.3)."""

from dataclasses import dataclass
from typing import Self

FREE = 0xE  # Anyone, without authentication.
NEVER = 0xF


@dataclass(frozen=True, slots=True)
class AccessRights:
    """Which key may read, write, do both, and change the rights: 0..D, FREE, NEVER.

    On value files the key to read may also debit.
    """

    read: int
    write: int
    read_write: int
    change: int

    def __post_init__(self) -> None:
        nibbles = (self.read, self.write, self.read_write, self.change)
        if not all(0 <= nibble <= NEVER for nibble in nibbles):
            raise ValueError("an access right is one of 0..D, FREE, NEVER")

    def encode(self) -> bytes:
        return bytes([self.read_write << 4 | self.change, self.read << 4 | self.write])

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        low, high = raw
        return cls(
            read=high >> 4, write=high & 15, read_write=low >> 4, change=low & 15
        )
