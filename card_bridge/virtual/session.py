"""The card's end of authentication and of a session."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from card_bridge.protocol.cmac import BLOCK, ZERO_IV, cbc_decrypt, cbc_encrypt
from card_bridge.protocol.ev2_auth import TI_LENGTH, rotated, session_keys
from card_bridge.protocol.secure_messaging import (
    MAC_LENGTH,
    CommMode,
    SecureChannel,
)
from card_bridge.protocol.status import IntegrityError, Status
from card_bridge.virtual.files import Refused

RandomBytes = Callable[[int], bytes]
PART2_LENGTH = 2 * BLOCK
_CAPABILITIES_LENGTH = 6
PD_CAPABILITIES = bytes(_CAPABILITIES_LENGTH)


@dataclass(slots=True)
class Session:
    """Which key opened it, and the counters and keys of both sides."""

    key_no: int
    channel: SecureChannel

    def open(
        self, ins: int, payload: bytes, *, header: int, data: int, mode: CommMode
    ) -> tuple[bytes, bytes]:
        """Check length and MAC of a command, and return its header and plain data."""
        if len(payload) != header + sealed_length(data, mode):
            raise Refused(Status.LENGTH_ERROR)
        try:
            opened = self.channel.open_command(ins, payload, header, mode)
        except IntegrityError:
            raise Refused(Status.INTEGRITY_ERROR) from None
        if len(opened[1]) != data:
            raise Refused(Status.LENGTH_ERROR)
        return opened

    def seal(self, data: bytes, mode: CommMode) -> bytes:
        try:
            return self.channel.seal_response(Status.OPERATION_OK, data, mode)
        except IntegrityError:  # The session's counter has run out.
            raise Refused(Status.COMMAND_ABORTED) from None


def sealed_length(data: int, mode: CommMode) -> int:
    """How many bytes `data` plain ones take in a command, their MAC included."""
    if mode is CommMode.PLAIN:
        return data
    if mode is CommMode.FULL and data:
        data += BLOCK - data % BLOCK
    return data + MAC_LENGTH


@dataclass(frozen=True, slots=True)
class Challenge:
    """An authentication that waits for its second part."""

    key_no: int
    key: bytes = field(repr=False)
    rnd_b: bytes = field(repr=False)
    reader_capabilities: bytes
    continued: SecureChannel | None  # NonFirst: the session that goes on.

    def enc_rnd_b(self) -> bytes:
        return cbc_encrypt(self.key, ZERO_IV, self.rnd_b)

    def finish(self, part2: bytes, random: RandomBytes) -> tuple[Session, bytes]:
        """Judge the reader's answer; return the session and the last answer to it."""
        if len(part2) != PART2_LENGTH:
            raise Refused(Status.LENGTH_ERROR)
        plain = cbc_decrypt(self.key, ZERO_IV, part2)
        rnd_a, proof = plain[:BLOCK], plain[BLOCK:]
        if not hmac.compare_digest(proof, rotated(self.rnd_b)):
            raise Refused(Status.AUTHENTICATION_ERROR)
        ti = b"" if self.continued else random(TI_LENGTH)
        keys = session_keys(ti=ti, key=self.key, rnd_a=rnd_a, rnd_b=self.rnd_b)
        if self.continued:
            channel, capabilities = self.continued.under(keys), b""
        else:
            channel = SecureChannel(keys)
            reader = self.reader_capabilities.ljust(_CAPABILITIES_LENGTH, b"\0")
            capabilities = PD_CAPABILITIES + reader
        answer = cbc_encrypt(self.key, ZERO_IV, ti + rotated(rnd_a) + capabilities)
        return Session(self.key_no, channel), answer
