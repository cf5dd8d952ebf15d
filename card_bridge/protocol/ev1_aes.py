"""EV1's AES authentication and secure messaging: for cards that know no EV2.

Weaker than EV2, and said so wherever it is used: the session has one key, for MACs and
for enciphering; its key is pieces of both challenges, not derived; no transaction
identifier and no counter stand in a MAC, each is only chained to the one before; and a
command that carries no data is not protected on its way: it may be another one, and the
answer tells. Such a card has no Transaction MAC, so what it says proves nothing later.

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
from card_bridge.protocol.secure_messaging import MAC_LENGTH, CommMode, of_length
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


class Ev1LocalKey:
    """The key of one authentication, held on this machine."""

    def __init__(self, key: bytes, rnd_a: bytes) -> None:
        self._key = key
        self._rnd_a: bytes | None = rnd_a
        self._handshake: Ev1Handshake | None = None

    def answer(self, *, key_no: int, enc_rnd_b: bytes) -> bytes:
        """Return the 32 bytes of part 2; AuthenticationFailed where it cannot."""
        if self._rnd_a is None:
            raise ValueError("RndA serves one authentication only")
        self._handshake = Ev1Handshake.begin(
            key=self._key, rnd_a=self._rnd_a, enc_rnd_b=enc_rnd_b
        )
        self._rnd_a = None
        return self._handshake.part2()

    def finish(self, response: bytes) -> bytes:
        """Return the session's key; AuthenticationFailed if the card's differs."""
        if self._handshake is None:
            raise ValueError("the challenge has not been answered")
        handshake, self._handshake = self._handshake, None
        return handshake.finish(response)


class Ev1Channel:
    """One session: its key, and the last block, with which the next begins."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._iv = ZERO_IV

    # The reader's end: seal a command, open a response.

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

    def open_response(
        self, status: int, answer: bytes, mode: CommMode, length: int | None = None
    ) -> bytes:
        """Check and decipher an answer; or IntegrityError, and the session is over.

        An answer without data has a MAC alone, in every mode. `length` is how many
        plain bytes it has: an enciphered one may be read in two ways without it.
        """
        if mode == CommMode.FULL and len(answer) > MAC_LENGTH:
            plain = self._decipher(answer)
            return _checked(plain, after=bytes([status]), length=length)
        data, mac = answer[:-MAC_LENGTH], answer[-MAC_LENGTH:]
        if not hmac.compare_digest(mac, self._mac(data + bytes([status]))):
            raise IntegrityError
        return of_length(data, length)

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

    @staticmethod
    def most_plain(payload: int, mode: CommMode) -> int:
        """Return how many plain bytes fit so much payload, either way."""
        if mode is CommMode.FULL:
            return payload // BLOCK * BLOCK - CRC_LENGTH
        return payload - MAC_LENGTH  # An answer has a MAC in every mode.

    # The card's end: open a command, seal a response.

    @staticmethod
    def sealed_length(data: int, mode: CommMode) -> int:
        """Return what so many plain bytes take in a command, their proof included."""
        if not data or mode is CommMode.PLAIN:
            return data
        if mode is CommMode.MAC:
            return data + MAC_LENGTH
        return -(-(data + CRC_LENGTH) // BLOCK) * BLOCK

    def open_command(
        self,
        cmd: int,
        body: bytes,
        header_length: int,
        mode: CommMode,
        length: int | None = None,
    ) -> tuple[bytes, bytes]:
        """Return (header, data) of a command; IntegrityError if it was changed."""
        header, rest = body[:header_length], body[header_length:]
        before = bytes([cmd]) + header
        if mode == CommMode.FULL and rest:
            plain = self._decipher(rest)
            return header, _checked(plain, before=before, length=length)
        if mode == CommMode.PLAIN or not rest:
            self._mac(before + rest)
            return header, rest
        data, mac = rest[:-MAC_LENGTH], rest[-MAC_LENGTH:]
        if not hmac.compare_digest(mac, self._mac(before + data)):
            raise IntegrityError
        return header, data

    def open_change_of_key(self, cmd: int, body: bytes, length: int) -> bytes:
        """Return what ChangeKey brings: `length` bytes, and the new key's checksum."""
        header, plain = body[:1], self._decipher(body[1:])
        data, rest = plain[:length], plain[length:]
        if not hmac.compare_digest(
            rest[:CRC_LENGTH], crc32(bytes([cmd]) + header + data)
        ):
            raise IntegrityError
        return data + rest[CRC_LENGTH : 2 * CRC_LENGTH]

    def seal_response(self, status: int, data: bytes, mode: CommMode) -> bytes:
        """Return an answer's data with its checksum, enciphered, or with its MAC."""
        said = data + bytes([status])
        if mode == CommMode.FULL and data:
            return self._encipher(data + crc32(said))
        return data + self._mac(said)

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


def _checked(
    plain: bytes, *, before: bytes = b"", after: bytes = b"", length: int | None
) -> bytes:
    """Return the data of data ‖ CRC32 ‖ padding.

    The checksum is of the data with what stands `before` and `after` it. The padding is
    00…, or 80 00… where the length was not asked for. Without a `length` the shortest
    data that fits is taken: one in 256 that ends in the checksum of the rest of it fits
    twice.
    """
    most = len(plain) - CRC_LENGTH
    ends = range(max(most - BLOCK, 0), most + 1)
    for end in ends if length is None else [length]:
        data, crc = plain[:end], plain[end : end + CRC_LENGTH]
        padding = plain[end + CRC_LENGTH :]
        padded = padding[:1] in (b"", b"\0", b"\x80") and not any(padding[1:])
        if padded and hmac.compare_digest(crc, crc32(before + data + after)):
            return data
    raise IntegrityError
