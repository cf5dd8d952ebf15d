"""Frames, session and bookkeeping under the commands: how one command travels.

A command goes out in one frame, its answer may come in several (91 AF). In a session
each is counted and protected; any error status ends the session (MF2DLHX0, 9.1.2).
"""

from dataclasses import dataclass
from typing import Protocol

from card_bridge.protocol.apdu import Response, native
from card_bridge.protocol.ev1_aes import AUTHENTICATE_AES, Ev1Channel
from card_bridge.protocol.ev2_auth import (
    FIRST,
    FIRST_ANSWER_LENGTH,
    NON_FIRST,
    KeyAuthority,
)
from card_bridge.protocol.secure_messaging import (
    CommMode,
    SecureChannel,
    of_length,
)
from card_bridge.protocol.status import (
    SW1_NATIVE,
    AuthenticationFailed,
    CardRefused,
    IntegrityError,
    Status,
)
from card_bridge.protocol.transaction_mac import Operation

ADDITIONAL_FRAME = 0xAF
ANSWER_FRAMES_MAX = 160  # 8K in frames of 59 bytes; what goes on longer is no card.
SW_OK = SW1_NATIVE << 8 | Status.OPERATION_OK
SW_MORE = SW1_NATIVE << 8 | Status.ADDITIONAL_FRAME


class Link(Protocol):
    """What carries a frame to the card and its answer back: any transport."""

    def transmit(self, command: bytes, /) -> bytes:
        """Return data and status word; raise CardGone when no answer comes."""
        ...


class Channel(Protocol):
    """A session's protection: `SecureChannel` of EV2, `Ev1Channel` of older cards."""

    def seal_command(
        self, cmd: int, header: bytes, data: bytes, mode: CommMode, /
    ) -> bytes: ...

    def seal_change_of_key(
        self, cmd: int, header: bytes, data: bytes, *, crc_of_new: bytes = b""
    ) -> bytes: ...

    def open_response(
        self, status: int, answer: bytes, mode: CommMode, length: int | None = None, /
    ) -> bytes: ...

    def most_plain(self, payload: int, mode: CommMode, /) -> int: ...


class Ev1Authority(Protocol):
    """Who holds the key of a card that knows no EV2."""

    def answer(self, *, key_no: int, enc_rnd_b: bytes) -> bytes:
        """Return the 32 bytes of part 2; AuthenticationFailed where it cannot."""
        ...

    def finish(self, response: bytes) -> bytes:
        """Return the session's key; AuthenticationFailed if the card's differs."""
        ...


@dataclass(slots=True)
class Exchanges:
    """What a conversation has cost: frames, and their bytes as APDUs."""

    count: int = 0
    bytes_out: int = 0
    bytes_in: int = 0


class Conversation:
    """One card on one link: at most one session, and the transaction under way."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._channel: Channel | None = None
        self._operations: list[Operation] = []
        self.exchanges = Exchanges()

    @property
    def operations(self) -> tuple[Operation, ...]:
        """What the card signs at the next commit; kept if its outcome is unknown."""
        return tuple(self._operations)

    @property
    def authenticated(self) -> bool:
        return self._channel is not None

    def _authenticate(
        self, key_no: int, authority: KeyAuthority, *, continued: SecureChannel | None
    ) -> None:
        """By EV2: First, or NonFirst within a session that goes on."""
        if continued is None:
            answer = self._prove(FIRST, bytes([key_no, 0]), key_no, authority)
        else:
            answer = self._prove(NON_FIRST, bytes([key_no]), key_no, authority)
        first = len(answer) == FIRST_ANSWER_LENGTH
        if first != (continued is None):
            raise AuthenticationFailed
        keys = authority.finish(answer)
        self._channel = continued.under(keys) if continued else SecureChannel(keys)

    def _authenticate_ev1(self, key_no: int, authority: Ev1Authority) -> None:
        part1 = bytes([key_no])
        answer = self._prove(AUTHENTICATE_AES, part1, key_no, authority)
        self._channel = Ev1Channel(authority.finish(answer))

    def _prove(
        self,
        ins: int,
        part1: bytes,
        key_no: int,
        authority: KeyAuthority | Ev1Authority,
    ) -> bytes:
        """Take the card's challenge to who has the key; return the card's last answer.

        Whatever session there was is over.
        """
        self._channel = None
        try:
            enc_rnd_b = self._send(ins, part1)
            if enc_rnd_b.sw != SW_MORE:
                raise CardRefused(enc_rnd_b.sw)
            part2 = authority.answer(key_no=key_no, enc_rnd_b=enc_rnd_b.data)
            return self._collect(ADDITIONAL_FRAME, part2)
        except CardRefused as refused:
            if refused.status is Status.AUTHENTICATION_ERROR:
                raise AuthenticationFailed from refused
            raise

    def _call(
        self,
        ins: int,
        header: bytes = b"",
        data: bytes = b"",
        *,
        mode: CommMode = CommMode.MAC,
        answer_mode: CommMode | None = None,
        length: int | None = None,
    ) -> bytes:
        """Send a command in the session, or bare without one; return plain data.

        `length` is how many bytes that has; IntegrityError if it has others.
        """
        if self._channel is None:
            return of_length(self._collect(ins, header + data), length)
        channel, self._channel = self._channel, None
        sealed = channel.seal_command(ins, header, data, mode)
        answer = self._collect(ins, sealed)
        answered = mode if answer_mode is None else answer_mode
        plain = channel.open_response(Status.OPERATION_OK, answer, answered, length)
        self._channel = channel  # Only a good answer keeps the session.
        return plain

    def _collect(self, ins: int, payload: bytes) -> bytes:
        """Send one command and gather the frames of its answer."""
        response = self._send(ins, payload)
        data = response.data
        for _ in range(ANSWER_FRAMES_MAX):
            if response.sw != SW_MORE:
                break
            response = self._send(ADDITIONAL_FRAME, b"")
            data += response.data
        if response.sw != SW_OK:
            raise CardRefused(response.sw)
        return data

    def _send(self, ins: int, payload: bytes) -> Response:
        raw = native(ins, payload).encode()
        self.exchanges.count += 1
        self.exchanges.bytes_out += len(raw)
        answer = self._link.transmit(raw)
        self.exchanges.bytes_in += len(answer)
        try:
            return Response.decode(answer)
        except ValueError as garbled:
            raise IntegrityError from garbled

    def _end(self) -> None:
        self._channel = None
        self._operations = []


def uint24(number: int) -> bytes:
    return number.to_bytes(3, "little")


def int32(number: int) -> bytes:
    return number.to_bytes(4, "little", signed=True)
