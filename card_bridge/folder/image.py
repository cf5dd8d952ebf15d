"""One state of a medium as a file: docs/card-layout.md has the picture.

    magic 8 ‖ version 1 ‖ zeros 7 ‖ nonce 16
    ‖ stamp 32 ‖ slots 128 ‖ bodies 2304 ‖ sum 32

Stamp, slot entries and bodies are those of the card, byte for byte. The sum is SHA-256
over all before it: it tells a whole file from a torn one, and proves nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, replace
from typing import Self

from card_bridge.profile.layout import BODY_LENGTH
from card_bridge.profile.records import Body
from ledger.vocabulary.medium_record import (
    SLOT_ENTRY_LENGTH,
    SLOTS_MAX,
    STAMP_LENGTH,
    UID_LENGTH,
    MalformedRecord,
    Stamp,
    decode_slots,
    digest,
)

MAGIC = b"ETLMEDIA"
VERSION = 1
NONCE_LENGTH = 16
SUM_LENGTH = 32
# No maker of chips has the number 0 (ISO/IEC 7816-6), so no card has such a UID.
UID_PREFIX = b"\x00"

_HEAD = MAGIC + bytes([VERSION]) + bytes(7)
_STAMP = len(_HEAD) + NONCE_LENGTH
_SLOTS = _STAMP + STAMP_LENGTH
_BODIES = _SLOTS + SLOTS_MAX * SLOT_ENTRY_LENGTH
_SUM = _BODIES + SLOTS_MAX * BODY_LENGTH
IMAGE_LENGTH = _SUM + SUM_LENGTH


def uid_of(volume: str, nonce: bytes) -> bytes:
    """Return the UID of the medium with this nonce on this volume, seven bytes.

    The nonce keeps apart what short serial numbers do not (FAT has four bytes).
    """
    whole = b"eticket-ledger volume 1" + nonce + volume.encode()
    return UID_PREFIX + hashlib.sha256(whole).digest()[: UID_LENGTH - len(UID_PREFIX)]


@dataclass(frozen=True, slots=True)
class Image:
    """One state, as it stands or as it is to stand."""

    nonce: bytes
    stamp: bytes
    slots: bytes
    bodies: bytes

    @classmethod
    def blank(cls, *, nonce: bytes, stamp: Stamp) -> Self:
        """The first state: every slot empty."""
        slots = bytes(SLOTS_MAX * SLOT_ENTRY_LENGTH)
        return cls(nonce, stamp.encode(), slots, bytes(SLOTS_MAX * BODY_LENGTH))

    @property
    def seq(self) -> int:
        return Stamp.decode(self.stamp).seq

    def encode(self) -> bytes:
        raw = _HEAD + self.nonce + self.stamp + self.slots + self.bodies
        return raw + hashlib.sha256(raw).digest()

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """Read a whole state; raise `MalformedRecord` for a torn or foreign file."""
        if len(raw) != IMAGE_LENGTH or raw[: len(_HEAD)] != _HEAD:
            raise MalformedRecord("this is not a state of a ticket medium")
        if not hmac.compare_digest(hashlib.sha256(raw[:_SUM]).digest(), raw[_SUM:]):
            raise MalformedRecord("this state of the medium is torn")
        image = cls(
            nonce=raw[len(_HEAD) : _STAMP],
            stamp=raw[_STAMP:_SLOTS],
            slots=raw[_SLOTS:_BODIES],
            bodies=raw[_BODIES:_SUM],
        )
        stamp, slots = Stamp.decode(image.stamp), decode_slots(image.slots)
        if stamp.digest != digest(uid=stamp.uid, seq=stamp.seq, slots=slots):
            raise MalformedRecord("the slots are not those of the stamp")
        return image

    def body(self, slot: int) -> Body:
        start = slot * BODY_LENGTH
        return Body.decode(self.bodies[start : start + BODY_LENGTH])

    def with_body(self, slot: int, body: Body) -> Self:
        raw = body.encode().ljust(BODY_LENGTH, b"\x00")
        return replace(self, bodies=_patched(self.bodies, slot * BODY_LENGTH, raw))

    def with_entry(self, slot: int, entry: bytes) -> Self:
        start = slot * SLOT_ENTRY_LENGTH
        return replace(self, slots=_patched(self.slots, start, entry))

    def with_stamp(self, stamp: bytes) -> Self:
        return replace(self, stamp=stamp)


def _patched(whole: bytes, start: int, part: bytes) -> bytes:
    return whole[:start] + part + whole[start + len(part) :]
