"""The card's own signature over what it committed: counter TMC and MAC value TMV.

MF2DLHX0 section 10.3. Whoever holds the card's TMKey can check that this very card
committed exactly these operations, in this order, as its transaction number TMC.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from card_bridge.protocol.cmac import BLOCK, cbc_encrypt, cmac, truncated

READ_DATA = 0xAD
WRITE_DATA = 0x8D
READ_RECORDS = 0xAB
WRITE_RECORD = 0x8B
GET_VALUE = 0x6C
CREDIT = 0x0C
DEBIT = 0xDC
LIMITED_CREDIT = 0x1C
COMMIT_READER_ID = 0xC8
# The same with native chaining: the code as sent enters the MAC.
READ_DATA_NATIVE = 0xBD
WRITE_DATA_NATIVE = 0x3D
READ_RECORDS_NATIVE = 0xBB
WRITE_RECORD_NATIVE = 0x3B

VALUE_COMMANDS = frozenset({GET_VALUE, CREDIT, DEBIT, LIMITED_CREDIT})
DATA_COMMANDS = frozenset(
    {READ_DATA, WRITE_DATA, READ_RECORDS, WRITE_RECORD}
    | {READ_DATA_NATIVE, WRITE_DATA_NATIVE, READ_RECORDS_NATIVE, WRITE_RECORD_NATIVE}
)
FILE_NO_MAX = 0x1F
VALUE_LENGTH = 4
READER_ID_LENGTH = 16
TMC_LENGTH = 4
TMC_MAX = 0xFFFF_FFFF
_UINT24_MAX = 0xFF_FFFF
TMV_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Operation:
    """One command as it enters the Transaction MAC Input, with its plain data.

    `offset` and `length` are those of the command; value commands leave them zero and
    carry the value in four little-endian bytes of `data`. CommitReaderID names no file:
    its data are TMRI ‖ EncTMRI (MF2DLHX0, 10.3.2.5). What no card would count
    cannot be built: ValueError, so that a device's report is checked by reading it.
    """

    cmd: int
    file: int
    offset: int = 0
    length: int = 0
    data: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        if self.cmd == COMMIT_READER_ID:
            if self.file or self.offset or self.length:
                raise ValueError("CommitReaderID is of no file")
            if len(self.data) != 2 * READER_ID_LENGTH:
                raise ValueError("CommitReaderID has thirty-two bytes of data")
            return
        if self.cmd not in VALUE_COMMANDS | DATA_COMMANDS:
            raise ValueError("cmd is not a command that a transaction MAC covers")
        if not 0 <= self.file <= FILE_NO_MAX:
            raise ValueError("file is outside 0..31")
        if not 0 <= self.offset <= _UINT24_MAX or not 0 <= self.length <= _UINT24_MAX:
            raise ValueError("offset or length does not fit three bytes")
        if self.cmd in VALUE_COMMANDS and (
            len(self.data) != VALUE_LENGTH or self.offset or self.length
        ):
            raise ValueError("a value command has four bytes of data and no offset")

    @property
    def amount(self) -> int:
        """Return the value of a value command, in the file's units."""
        return int.from_bytes(self.data, "little", signed=True)

    def encode(self) -> bytes:
        """Return this operation's part of the TMI, zero-padded to whole blocks."""
        if self.cmd == COMMIT_READER_ID:
            return _filled(bytes([self.cmd]) + self.data)
        head = bytes([self.cmd, self.file])
        if self.cmd in VALUE_COMMANDS:
            return _filled(head + self.data)
        place = self.offset.to_bytes(3, "little") + self.length.to_bytes(3, "little")
        return _filled(head + place) + _filled(self.data)


class TransactionProof(NamedTuple):
    """What the card answers to a commit: its counter, and its MAC over the TMI."""

    tmc: int
    tmv: bytes


def transaction_mac_input(operations: Iterable[Operation]) -> bytes:
    """Return the TMI of a transaction."""
    return b"".join(operation.encode() for operation in operations)


def session_keys(tm_key: bytes, *, uid: bytes, tmc: int) -> tuple[bytes, bytes]:
    """Return (SesTMMACKey, SesTMENCKey); `tmc` is the counter after the commit."""
    tail = b"\x00\x01\x00\x80" + tmc.to_bytes(TMC_LENGTH, "little") + uid
    tail += bytes(BLOCK - 1 - len(tail))
    return cmac(tm_key, b"\x5a" + tail), cmac(tm_key, b"\xa5" + tail)


def transaction_mac_value(tm_key: bytes, *, uid: bytes, tmc: int, tmi: bytes) -> bytes:
    """Return the TMV: eight bytes."""
    mac_key, _ = session_keys(tm_key, uid=uid, tmc=tmc)
    return truncated(cmac(mac_key, tmi))


def encrypted_reader_id(
    tm_key: bytes, *, uid: bytes, tmc: int, previous: bytes
) -> bytes:
    """Return EncTMRI: the reader id of the transaction before, for the reader."""
    _, enc_key = session_keys(tm_key, uid=uid, tmc=tmc)
    return cbc_encrypt(enc_key, bytes(BLOCK), previous)


def proves(
    tm_key: bytes,
    *,
    uid: bytes,
    tmc: int,
    tmv: bytes,
    operations: Iterable[Operation],
) -> bool:
    """Say whether `tmv` is this card's over these operations, in constant time."""
    if not 0 <= tmc <= TMC_MAX:
        return False
    expected = transaction_mac_value(
        tm_key, uid=uid, tmc=tmc, tmi=transaction_mac_input(operations)
    )
    return hmac.compare_digest(tmv, expected)


def _filled(part: bytes) -> bytes:
    return part + bytes(-len(part) % BLOCK)
