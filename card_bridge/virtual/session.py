"""The card's end of authentication and of a session."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from card_bridge.protocol.cmac import BLOCK, ZERO_IV, cbc_decrypt, cbc_encrypt
from card_bridge.protocol.crc import CRC_LENGTH
from card_bridge.protocol.ev1_aes import Ev1Channel, session_key
from card_bridge.protocol.ev2_auth import TI_LENGTH, rotated, session_keys
from card_bridge.protocol.secure_messaging import CommMode, SecureChannel
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
    channel: SecureChannel | Ev1Channel

    def open(
        self, ins: int, payload: bytes, *, header: int, data: int, mode: CommMode
    ) -> tuple[bytes, bytes]:
        """Check length and MAC of a command, and return its header and plain data."""
        if len(payload) != header + self.channel.sealed_length(data, mode):
            raise Refused(Status.LENGTH_ERROR)
        try:
            opened = self._opened(ins, payload, header, data, mode)
        except IntegrityError:
            raise Refused(Status.INTEGRITY_ERROR) from None
        if len(opened[1]) != data:
            raise Refused(Status.LENGTH_ERROR)
        return opened

    def _opened(
        self, ins: int, payload: bytes, header: int, data: int, mode: CommMode
    ) -> tuple[bytes, bytes]:
        if isinstance(self.channel, Ev1Channel):
            return self.channel.open_command(ins, payload, header, mode, data)
        return self.channel.open_command(ins, payload, header, mode)

    def open_change_of_key(
        self, ins: int, payload: bytes, length: int, *, own: bool
    ) -> bytes:
        """Return a new key's `length` bytes, and its checksum unless it is `own`."""
        whole = length + (0 if own else CRC_LENGTH)
        if isinstance(self.channel, SecureChannel):
            _, data = self.open(ins, payload, header=1, data=whole, mode=CommMode.FULL)
            return data
        if len(payload) != 1 + self.channel.sealed_length(whole, CommMode.FULL):
            raise Refused(Status.LENGTH_ERROR)
        try:
            return self.channel.open_change_of_key(ins, payload, length)[:whole]
        except IntegrityError:
            raise Refused(Status.INTEGRITY_ERROR) from None

    def seal(self, data: bytes, mode: CommMode) -> bytes:
        try:
            return self.channel.seal_response(Status.OPERATION_OK, data, mode)
        except IntegrityError:  # The session's counter has run out.
            raise Refused(Status.COMMAND_ABORTED) from None


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


@dataclass(frozen=True, slots=True)
class Ev1Challenge:
    """An authentication as EV1 cards know it (AN0945, section 4)."""

    key_no: int
    key: bytes = field(repr=False)
    rnd_b: bytes = field(repr=False)

    def enc_rnd_b(self) -> bytes:
        return cbc_encrypt(self.key, ZERO_IV, self.rnd_b)

    def finish(self, part2: bytes, random: RandomBytes) -> tuple[Session, bytes]:
        """Judge the reader's answer; return the session and the last answer to it."""
        if len(part2) != PART2_LENGTH:
            raise Refused(Status.LENGTH_ERROR)
        plain = cbc_decrypt(self.key, self.enc_rnd_b(), part2)
        rnd_a, proof = plain[:BLOCK], plain[BLOCK:]
        if not hmac.compare_digest(proof, rotated(self.rnd_b)):
            raise Refused(Status.AUTHENTICATION_ERROR)
        channel = Ev1Channel(session_key(rnd_a, self.rnd_b))
        answer = cbc_encrypt(self.key, part2[-BLOCK:], rotated(rnd_a))
        return Session(self.key_no, channel), answer
