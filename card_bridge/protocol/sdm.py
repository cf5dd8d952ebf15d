"""Secure Dynamic Messaging: what a tag mirrors into the address that a phone reads.

A tag of this kind (NTAG 424 DNA, DESFire EV3) says who it is and how often it was read,
under a MAC, with no command of ours. It proves a presence, and carries no ticket.
NXP AN12196, section 3; NT4H2421Gx, section 9.3.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from card_bridge.protocol.cmac import (
    BLOCK,
    ZERO_IV,
    cbc_decrypt,
    cmac,
    ecb_encrypt,
    truncated,
)
from card_bridge.protocol.status import IntegrityError

COUNTER_LENGTH = 3
UID_LENGTH = 7
_UID_MIRRORED = 0x80
_COUNTER_MIRRORED = 0x40
_UID_LENGTH_MASK = 0x0F


@dataclass(frozen=True, slots=True)
class PiccData:
    """Who the tag is, and its read counter; None for what it does not mirror."""

    uid: bytes | None
    counter: int | None


@dataclass(frozen=True, slots=True)
class SdmKeys:
    """The keys of one reading (AN12196, 3.3.1)."""

    enc: bytes = field(repr=False)
    mac: bytes = field(repr=False)

    def mact(self, covered: bytes) -> bytes:
        """Return SDMMAC: eight bytes over what is mirrored (AN12196, 3.4.4)."""
        return truncated(cmac(self.mac, covered))

    def file_data(self, counter: int, ciphertext: bytes) -> bytes:
        """Return SDMENCFileData in clear; its length is a multiple of 16."""
        if len(ciphertext) % BLOCK:
            raise IntegrityError
        iv = ecb_encrypt(self.enc, _counter(counter).ljust(BLOCK, b"\0"))
        return cbc_decrypt(self.enc, iv, ciphertext)


def opened_picc_data(meta_read_key: bytes, ciphertext: bytes) -> bytes:
    """Return PICCData in clear: PICCDataTag, UID, SDMReadCtr, random padding."""
    if len(ciphertext) != BLOCK:
        raise IntegrityError
    return cbc_decrypt(meta_read_key, ZERO_IV, ciphertext)


def picc_data(plain: bytes) -> PiccData:
    """Read PICCData (AN12196, table 1). Raises `IntegrityError`."""
    if len(plain) != BLOCK:
        raise IntegrityError
    tag, rest = plain[0], plain[1:]
    uid = counter = None
    if tag & _UID_MIRRORED:
        if tag & _UID_LENGTH_MASK != UID_LENGTH:
            raise IntegrityError
        uid, rest = rest[:UID_LENGTH], rest[UID_LENGTH:]
    if tag & _COUNTER_MIRRORED:
        counter = int.from_bytes(rest[:COUNTER_LENGTH], "little")
    return PiccData(uid, counter)


def session_keys(key: bytes, picc: PiccData) -> SdmKeys:
    """Return the keys of the reading that `picc` tells of."""
    sv1, sv2 = session_vectors(picc)
    return SdmKeys(enc=cmac(key, sv1), mac=cmac(key, sv2))


def session_vectors(picc: PiccData) -> tuple[bytes, bytes]:
    """SV1 and SV2 (AN12196, 3.3.1): what is not mirrored is not in them."""
    tail = bytes.fromhex("00010080") + (picc.uid or b"")
    if picc.counter is not None:
        tail += _counter(picc.counter)
    padded = tail + bytes(-(len(tail) + 2) % BLOCK)
    return bytes.fromhex("c33c") + padded, bytes.fromhex("3cc3") + padded


def _counter(counter: int) -> bytes:
    return counter.to_bytes(COUNTER_LENGTH, "little")
