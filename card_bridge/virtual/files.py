"""The files of an application as plain values; a change gives the next value.

Backup, value and record files change at CommitTransaction only: until then the next
value waits beside the file, and reading still gives the old one (MF2DLHX0, 8.2.3).
"""

from dataclasses import dataclass, field, replace
from typing import Self

from card_bridge.protocol.files import NEVER, AccessRights
from card_bridge.protocol.secure_messaging import CommMode
from card_bridge.protocol.status import Status

BLOCK_SIZE = 32  # How memory is given out.
_SETTINGS_BLOCKS = 1


class Refused(Exception):
    """The card answers with an error status; session and transaction end."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.name)
        self.status = status


@dataclass(frozen=True, slots=True)
class File:
    comm: CommMode
    rights: AccessRights


@dataclass(frozen=True, slots=True)
class DataFile(File):
    content: bytes
    backup: bool

    def read(self, offset: int, length: int) -> bytes:
        return _part(self.content, offset, length)

    def written(self, offset: int, data: bytes) -> Self:
        end = offset + len(data)
        if end > len(self.content):
            raise Refused(Status.BOUNDARY_ERROR)
        return replace(self, content=self.content[:offset] + data + self.content[end:])

    @property
    def blocks(self) -> int:
        return _blocks(len(self.content)) * (2 if self.backup else 1)


@dataclass(frozen=True, slots=True)
class ValueFile(File):
    lower: int
    upper: int
    value: int
    limited_credit: bool
    limited_left: int = 0  # What LimitedCredit may still give back.
    debited: int = 0  # By the transaction under way.

    def credited(self, amount: int) -> Self:
        return self._moved(amount)

    def debit(self, amount: int) -> Self:
        return replace(self._moved(-amount), debited=self.debited + amount)

    def credited_back(self, amount: int) -> Self:
        if not self.limited_credit:
            raise Refused(Status.PERMISSION_DENIED)
        if amount > self.limited_left:
            raise Refused(Status.BOUNDARY_ERROR)
        return replace(self._moved(amount), limited_left=0)

    def committed(self) -> Self:
        if not self.debited:
            return self
        return replace(self, limited_left=self.debited, debited=0)

    def _moved(self, amount: int) -> Self:
        if not self.lower <= self.value + amount <= self.upper:
            raise Refused(Status.BOUNDARY_ERROR)
        return replace(self, value=self.value + amount)

    @property
    def blocks(self) -> int:
        return _SETTINGS_BLOCKS + 2


@dataclass(frozen=True, slots=True)
class RecordFile(File):
    """A cyclic log: the newest record first, one place kept for the next."""

    record_size: int
    records_max: int
    records: tuple[bytes, ...] = ()
    pending: bytes | None = None  # The one record of the transaction under way.

    def read(self, first: int, count: int) -> bytes:
        """Return `count` records from number `first` on, the oldest first."""
        count = count or len(self.records) - first
        if count < 1 or first + count > len(self.records):
            raise Refused(Status.BOUNDARY_ERROR)
        return b"".join(reversed(self.records[first : first + count]))

    def written(self, offset: int, data: bytes) -> Self:
        record = self.pending or bytes(self.record_size)
        end = offset + len(data)
        if end > self.record_size:
            raise Refused(Status.BOUNDARY_ERROR)
        return replace(self, pending=record[:offset] + data + record[end:])

    def committed(self) -> Self:
        if self.pending is None:
            return self
        kept = self.records[: self.records_max - 2]
        return replace(self, records=(self.pending, *kept), pending=None)

    @property
    def blocks(self) -> int:
        return _blocks(self.record_size * self.records_max)


@dataclass(frozen=True, slots=True)
class MacFile(File):
    """The Transaction MAC file: TMC ‖ TMV, and the key that makes them."""

    key: bytes = field(repr=False)
    key_version: int
    tmc: int = 0
    tmv: bytes = bytes(8)
    reader_id: bytes = bytes(16)  # TMRI of the last transaction.

    @property
    def asks_for_reader(self) -> bool:
        """Whether each commit has to name its reader (CommitReaderID)."""
        return self.rights.read_write != NEVER

    def read(self, offset: int, length: int) -> bytes:
        return _part(self.tmc.to_bytes(4, "little") + self.tmv, offset, length)

    @property
    def blocks(self) -> int:
        return _SETTINGS_BLOCKS + 1


AnyFile = DataFile | ValueFile | RecordFile | MacFile


def _part(content: bytes, offset: int, length: int) -> bytes:
    """Length 0 asks for all that follows."""
    length = length or len(content) - offset
    if length < 1 or offset + length > len(content):
        raise Refused(Status.BOUNDARY_ERROR)
    return content[offset : offset + length]


def _blocks(size: int) -> int:
    return _SETTINGS_BLOCKS + -(-size // BLOCK_SIZE)
