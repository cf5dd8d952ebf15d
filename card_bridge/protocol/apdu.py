"""Commands and responses as they go over the air (ISO/IEC 7816-4, short form)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

DATA_MAX = 255
LE_MAX = 256
NATIVE_CLA = 0x90  # Native DESFire commands wrapped in ISO 7816, MF2DLHX0 section 8.
# PC/SC part 3, 3.2.2.1.3: the reader answers with the UID, the card sees nothing.
READER_GET_UID = bytes.fromhex("ffca000000")


@dataclass(frozen=True, slots=True)
class Command:
    """CLA INS P1 P2 [Lc data] [Le], checked when it is built."""

    cla: int
    ins: int
    p1: int = 0
    p2: int = 0
    data: bytes = field(default=b"", repr=False)  # May hold keys: keep out of logs.
    le: int | None = None

    def __post_init__(self) -> None:
        for name in ("cla", "ins", "p1", "p2"):
            if not 0 <= getattr(self, name) <= 0xFF:
                raise ValueError(f"{name} is not one byte")
        if len(self.data) > DATA_MAX:
            raise ValueError("data is too long for one command: chain it")
        if self.le is not None and not 1 <= self.le <= LE_MAX:
            raise ValueError("le is outside 1..256")

    def encode(self) -> bytes:
        header = bytes([self.cla, self.ins, self.p1, self.p2])
        body = bytes([len(self.data)]) + self.data if self.data else b""
        le = b"" if self.le is None else bytes([self.le % LE_MAX])
        return header + body + le

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """Read a command as a card does; raise ValueError if it is none."""
        if len(raw) < 4:
            raise ValueError("shorter than a header")
        (cla, ins, p1, p2), rest, data = raw[:4], raw[4:], b""
        if len(rest) > 1:
            lc = rest[0]
            data, rest = rest[1 : 1 + lc], rest[1 + lc :]
            if lc == 0 or len(data) < lc or len(rest) > 1:
                raise ValueError("Lc does not match the data")
        le = (rest[0] or LE_MAX) if rest else None
        return cls(cla, ins, p1, p2, data, le)


@dataclass(frozen=True, slots=True)
class Response:
    """[data] SW1 SW2."""

    data: bytes = field(repr=False)
    sw1: int
    sw2: int

    @property
    def sw(self) -> int:
        return self.sw1 << 8 | self.sw2

    def encode(self) -> bytes:
        return self.data + bytes([self.sw1, self.sw2])

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        if len(raw) < 2:
            raise ValueError("shorter than a status word")
        return cls(raw[:-2], raw[-2], raw[-1])


def native(ins: int, data: bytes = b"") -> Command:
    """Wrap a native command: `90 INS 00 00 [Lc data] 00`."""
    return Command(NATIVE_CLA, ins, data=data, le=LE_MAX)
