"""EV1's AES authentication and secure messaging: for cards that know no EV2.

Weaker than EV2, and said so wherever it is used: the session has one key, for MACs and
for enciphering; its key is pieces of both challenges, not derived; no transaction
identifier and no counter stand in a MAC, each is only chained to the one before; and a
command that carries no data is not protected on its way. Such a card has no
Transaction MAC, so what it says of itself proves nothing later.

    us                               card
    AA keyNo  ────────────────────►
              ◄────────────────────  E(K, RndB)
    E(K, RndA ‖ RndB')  ──────────►
              ◄────────────────────  E(K, RndA')

CBC goes on from message to message: each begins with the last block of the one before.
NXP AN0945, section 4 and tables 22 to 34; the command set's twin is MF2DLHX0.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Self

from card_bridge.protocol.cmac import (
    BLOCK,
    ZERO_IV,
    cbc_decrypt,
    cbc_encrypt,
    chained_cmac,
)
from card_bridge.protocol.crc import CRC_LENGTH, crc32
from card_bridge.protocol.ev2_auth import rotated
from card_bridge.protocol.secure_messaging import MAC_LENGTH, CommMode
from card_bridge.protocol.status import AuthenticationFailed, IntegrityError

AUTHENTICATE_AES = 0xAA
_QUARTER = BLOCK // 4


@dataclass(frozen=True, slots=True)
class Ev1Handshake:
    """An authentication after the card's challenge was read."""

    key: bytes = field(repr=False)
    rnd_a: bytes = field(repr=False)
    rnd_b: bytes = field(repr=False)
    enc_rnd_b: bytes = field(repr=False)

    @classmethod
    def begin(cls, *, key: bytes, rnd_a: bytes, enc_rnd_b: bytes) -> Self:
        """`rnd_a` is 16 fresh random bytes, never used before."""
        if len(rnd_a) != BLOCK:
            raise ValueError("RndA has 16 bytes")
        if len(enc_rnd_b) != BLOCK:
            raise AuthenticationFailed
        return cls(key, rnd_a, cbc_decrypt(key, ZERO_IV, enc_rnd_b), enc_rnd_b)

    def part2(self) -> bytes:
        return cbc_encrypt(self.key, self.enc_rnd_b, self.rnd_a + rotated(self.rnd_b))

    def finish(self, response: bytes) -> bytes:
        """Return the session's key, of 16 bytes; AuthenticationFailed if none is."""
        if len(response) != BLOCK:
            raise AuthenticationFailed
        proof = cbc_decrypt(self.key, self.part2()[-BLOCK:], response)
        if not hmac.compare_digest(proof, rotated(self.rnd_a)):
            raise AuthenticationFailed
        return session_key(self.rnd_a, self.rnd_b)


def session_key(rnd_a: bytes, rnd_b: bytes) -> bytes:
    """RndA[0..3] ‖ RndB[0..3] ‖ RndA[12..15] ‖ RndB[12..15] (AN0945, 4.2)."""
    head = rnd_a[:_QUARTER] + rnd_b[:_QUARTER]
    return head + rnd_a[-_QUARTER:] + rnd_b[-_QUARTER:]


class Ev1Channel:
    """One session: its key, and the last block, with which the next begins."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._iv = ZERO_IV

    def seal_command(
        self, cmd: int, header: bytes, data: bytes, mode: CommMode
    ) -> bytes:
        """Return what follows the command code: header, data, MAC."""
        if mode == CommMode.FULL and data:
            code = bytes([cmd])
            return header + self._encipher(data + crc32(code + header + data))
        mac = self._mac(bytes([cmd]) + header + data)
        # What carries no data is reckoned in, and sent bare.
        return header + data + (mac if mode == CommMode.MAC and data else b"")

    def open_response(self, status: int, answer: bytes, mode: CommMode) -> bytes:
        """Check and decipher an answer; or IntegrityError, and the session is over.

        An answer without data has a MAC alone, in every mode.
        """
        if mode == CommMode.FULL and len(answer) > MAC_LENGTH:
            return _checked(self._decipher(answer), after=bytes([status]))
        data, mac = answer[:-MAC_LENGTH], answer[-MAC_LENGTH:]
        if not hmac.compare_digest(mac, self._mac(data + bytes([status]))):
            raise IntegrityError
        return data

    def open_command(self, cmd: int, header: bytes, ciphertext: bytes) -> bytes:
        """Return the data of an enciphered command, at the card's end of the line."""
        before = bytes([cmd]) + header
        return _checked(self._decipher(ciphertext), before=before)

    def seal_change_of_key(
        self, cmd: int, header: bytes, data: bytes, *, crc_of_new: bytes = b""
    ) -> bytes:
        """Return ChangeKey's header and cryptogram.

        `data` is the new key (XOR the old one, if it is not this session's) and its
        version; `crc_of_new` follows the command's own CRC where it was XORed
        (AN0945, tables 32 and 33).
        """
        checked = data + crc32(bytes([cmd]) + header + data) + crc_of_new
        return header + self._encipher(checked)

    def _mac(self, message: bytes) -> bytes:
        self._iv = chained_cmac(self._key, self._iv, message)
        return self._iv[:MAC_LENGTH]

    def _encipher(self, checked: bytes) -> bytes:
        padded = checked + bytes(-len(checked) % BLOCK)
        ciphertext = cbc_encrypt(self._key, self._iv, padded)
        self._iv = ciphertext[-BLOCK:]
        return ciphertext

    def _decipher(self, ciphertext: bytes) -> bytes:
        if len(ciphertext) % BLOCK:
            raise IntegrityError
        plain = cbc_decrypt(self._key, self._iv, ciphertext)
        self._iv = ciphertext[-BLOCK:]
        return plain


def _checked(plain: bytes, *, before: bytes = b"", after: bytes = b"") -> bytes:
    """Return the data of data ‖ CRC32 ‖ padding, where nothing says how long it is.

    The checksum is of the data with what stands `before` and `after` it. The padding is
    00…, or 80 00… where the length was not asked for.
    """
    most = len(plain) - CRC_LENGTH
    for end in range(max(most - BLOCK, 0), most + 1):
        data, crc = plain[:end], plain[end : end + CRC_LENGTH]
        padding = plain[end + CRC_LENGTH :]
        padded = padding[:1] in (b"", b"\0", b"\x80") and not any(padding[1:])
        if padded and hmac.compare_digest(crc, crc32(before + data + after)):
            return data
    raise IntegrityError
