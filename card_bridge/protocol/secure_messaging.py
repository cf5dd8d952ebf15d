"""EV2 secure messaging: every command counted, MACed, and enciphered where asked.

MF2DLHX0 sections 9.1.2 to 9.1.4 and 9.1.8 to 9.1.10. One class serves both ends, so
that the reader and the card in software cannot disagree.
"""

from __future__ import annotations

import hmac
from enum import IntEnum

from card_bridge.protocol.cmac import (
    BLOCK,
    cbc_decrypt,
    cbc_encrypt,
    cmac,
    ecb_encrypt,
    pad,
    truncated,
    unpad,
)
from card_bridge.protocol.ev2_auth import TI_LENGTH, SessionKeys
from card_bridge.protocol.status import IntegrityError

MAC_LENGTH = 8
COUNTER_MAX = 0xFFFF


class CommMode(IntEnum):
    """How a file's data travels; the numbers are those of the file settings."""

    PLAIN = 0
    MAC = 1
    FULL = 3


class SecureChannel:
    """One authenticated session and its command counter."""

    def __init__(self, keys: SessionKeys, *, counter: int = 0) -> None:
        if len(keys.ti) != TI_LENGTH:
            raise ValueError("a session begins with a transaction identifier")
        self.keys = keys
        self.counter = counter

    def under(self, keys: SessionKeys) -> SecureChannel:
        """Return the session after NonFirst: new keys, same TI and counter."""
        renewed = SessionKeys(ti=self.keys.ti, enc=keys.enc, mac=keys.mac)
        return SecureChannel(renewed, counter=self.counter)

    # The reader's end: seal a command, open a response.

    def seal_command(
        self, cmd: int, header: bytes, data: bytes, mode: CommMode
    ) -> bytes:
        """Return what follows the command code: header, data, MAC."""
        body = self.encipher_command(data) if mode == CommMode.FULL else data
        if mode == CommMode.PLAIN:
            return header + body
        return header + body + self.command_mac(cmd, header + body)

    def open_response(
        self, status: int, answer: bytes, mode: CommMode, length: int | None = None
    ) -> bytes:
        """Check and decipher an answer and move the counter; or IntegrityError.

        `length` is how many plain bytes it has, where that is known.
        """
        self.advance()
        if mode == CommMode.PLAIN:
            return of_length(answer, length)
        body, mac = answer[:-MAC_LENGTH], answer[-MAC_LENGTH:]
        if not hmac.compare_digest(mac, self.response_mac(status, body)):
            raise IntegrityError
        plain = self.decipher_response(body) if mode == CommMode.FULL else body
        return of_length(plain, length)

    def seal_change_of_key(
        self, cmd: int, header: bytes, data: bytes, *, crc_of_new: bytes = b""
    ) -> bytes:
        """Return ChangeKey's header, cryptogram and MAC (MF2DLHX0, 11.6.1)."""
        return self.seal_command(cmd, header, data + crc_of_new, CommMode.FULL)

    @staticmethod
    def most_plain(payload: int, mode: CommMode) -> int:
        """Return how many plain bytes fit so much payload, either way."""
        if mode is CommMode.PLAIN:
            return payload
        if mode is CommMode.MAC:
            return payload - MAC_LENGTH
        return (payload - MAC_LENGTH) // BLOCK * BLOCK - 1  # Full always pads.

    # The card's end: open a command, seal a response.

    @staticmethod
    def sealed_length(data: int, mode: CommMode) -> int:
        """Return what so many plain bytes take in a command, their MAC included."""
        if mode is CommMode.PLAIN:
            return data
        if mode is CommMode.FULL and data:
            data += BLOCK - data % BLOCK
        return data + MAC_LENGTH

    def open_command(
        self, cmd: int, body: bytes, header_length: int, mode: CommMode
    ) -> tuple[bytes, bytes]:
        """Return (header, data) of a command; IntegrityError if it was changed."""
        if mode == CommMode.PLAIN:
            return body[:header_length], body[header_length:]
        if len(body) < header_length + MAC_LENGTH:
            raise IntegrityError
        covered, mac = body[:-MAC_LENGTH], body[-MAC_LENGTH:]
        if not hmac.compare_digest(mac, self.command_mac(cmd, covered)):
            raise IntegrityError
        header, data = covered[:header_length], covered[header_length:]
        return header, self.decipher_command(data) if mode == CommMode.FULL else data

    def seal_response(self, status: int, data: bytes, mode: CommMode) -> bytes:
        """Return data and MAC of a response; the counter moves."""
        self.advance()
        body = self.encipher_response(data) if mode == CommMode.FULL else data
        if mode == CommMode.PLAIN:
            return body
        return body + self.response_mac(status, body)

    # The parts, as the specification names them.

    def advance(self) -> None:
        if self.counter >= COUNTER_MAX:
            raise IntegrityError
        self.counter += 1

    def command_mac(self, cmd: int, covered: bytes) -> bytes:
        return self._mac(bytes([cmd]), covered)

    def response_mac(self, status: int, covered: bytes) -> bytes:
        return self._mac(bytes([status]), covered)

    def _mac(self, first: bytes, covered: bytes) -> bytes:
        message = first + self.counter.to_bytes(2, "little") + self.keys.ti + covered
        return truncated(cmac(self.keys.mac, message))

    def command_iv(self) -> bytes:
        """IV = E(KSesAuthENC, A5 5A ‖ TI ‖ CmdCtr ‖ 0…)."""
        return self._iv(b"\xa5\x5a")

    def response_iv(self) -> bytes:
        """IV = E(KSesAuthENC, 5A A5 ‖ TI ‖ CmdCtr ‖ 0…)."""
        return self._iv(b"\x5a\xa5")

    def _iv(self, label: bytes) -> bytes:
        block = label + self.keys.ti + self.counter.to_bytes(2, "little") + bytes(8)
        return ecb_encrypt(self.keys.enc, block)

    def encipher_command(self, data: bytes) -> bytes:
        return self._encipher(self.command_iv(), data)

    def encipher_response(self, data: bytes) -> bytes:
        return self._encipher(self.response_iv(), data)

    def decipher_command(self, data: bytes) -> bytes:
        return self._decipher(self.command_iv(), data)

    def decipher_response(self, data: bytes) -> bytes:
        return self._decipher(self.response_iv(), data)

    def _encipher(self, iv: bytes, data: bytes) -> bytes:
        return cbc_encrypt(self.keys.enc, iv, pad(data)) if data else b""

    def _decipher(self, iv: bytes, data: bytes) -> bytes:
        if not data:
            return b""
        if len(data) % BLOCK:
            raise IntegrityError
        try:
            return unpad(cbc_decrypt(self.keys.enc, iv, data))
        except ValueError:
            raise IntegrityError from None


def of_length(plain: bytes, length: int | None) -> bytes:
    """Return what was read; IntegrityError if it is of another length than is known."""
    if length is not None and len(plain) != length:
        raise IntegrityError
    return plain
