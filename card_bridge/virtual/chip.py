"""The chip: takes frames, native or wrapped in APDUs, and gives its answers.

Whatever comes in, an answer goes out: a refusal ends session and transaction.
"""

from functools import partial
from typing import Protocol

from card_bridge.protocol import (
    commands,
    conversation,
    creation,
    ev1_aes,
    ev2_auth,
)
from card_bridge.protocol import transaction_mac as tm
from card_bridge.protocol.apdu import NATIVE_CLA, Command, Response
from card_bridge.protocol.status import SW1_NATIVE, Status
from card_bridge.virtual.card_commands import CardCommands
from card_bridge.virtual.core import Incoming
from card_bridge.virtual.creation_commands import CreationCommands
from card_bridge.virtual.file_commands import FileCommands
from card_bridge.virtual.files import Refused
from card_bridge.virtual.session import RandomBytes
from card_bridge.virtual.state import CardState
from card_bridge.virtual.transaction_commands import TransactionCommands

ANSWER_FRAME_MAX = 59  # Data bytes of a frame of 64 (MF2DLHX0, 8.2.5).
ANSWER_MAX = 256  # Of one short response APDU.
_NOT_IN_EV1 = (
    ev2_auth.FIRST,
    ev2_auth.NON_FIRST,
    creation.CREATE_TRANSACTION_MAC_FILE,
    commands.READ_SIGNATURE,
    tm.COMMIT_READER_ID,
    *(tm.READ_DATA, tm.WRITE_DATA, tm.READ_RECORDS, tm.WRITE_RECORD),
)
_VERSION_FRAMES = (7, 7, ANSWER_FRAME_MAX)
_ONE_FRAME = frozenset({tm.READ_DATA, tm.READ_RECORDS})
_WRONG_LENGTH, _INS_UNKNOWN, _CLA_UNKNOWN, _P1_P2 = 0x6700, 0x6D00, 0x6E00, 0x6A86
_ISO_CLASSES = frozenset({0x00, 0xFF})  # No native command has these codes.


class Handler(Protocol):
    def __call__(self, ins: int, payload: bytes, /) -> bytes: ...


class Chip(CardCommands, CreationCommands, FileCommands, TransactionCommands):
    """A card with power. Not for two threads."""

    def __init__(self, state: CardState, random: RandomBytes) -> None:
        super().__init__(state, random)
        self._handlers: dict[int, Handler] = {
            commands.SELECT_APPLICATION: self.select_application,
            commands.GET_VERSION: self.get_version,
            commands.GET_CARD_UID: self.get_card_uid,
            commands.FREE_MEMORY: self.free_memory,
            commands.GET_FILE_IDS: self.get_file_ids,
            commands.GET_KEY_VERSION: self.get_key_version,
            commands.READ_SIGNATURE: self.read_signature,
            creation.SET_CONFIGURATION: self.set_configuration,
            commands.COMMIT_TRANSACTION: self.commit_transaction,
            commands.ABORT_TRANSACTION: self.abort_transaction,
            ev1_aes.AUTHENTICATE_AES: self.authenticate_aes,
            ev2_auth.FIRST: self.authenticate_first,
            ev2_auth.NON_FIRST: self.authenticate_non_first,
            creation.CHANGE_KEY: self.change_key,
            creation.CREATE_APPLICATION: self.create_application,
            creation.CREATE_STD_DATA_FILE: partial(self.create_data_file, backup=False),
            creation.CREATE_BACKUP_DATA_FILE: partial(
                self.create_data_file, backup=True
            ),
            creation.CREATE_VALUE_FILE: self.create_value_file,
            creation.CREATE_CYCLIC_RECORD_FILE: self.create_cyclic_record_file,
            creation.CREATE_TRANSACTION_MAC_FILE: self.create_transaction_mac_file,
            tm.GET_VALUE: self.get_value,
            tm.COMMIT_READER_ID: self.commit_reader_id,
        }
        for ins in (tm.CREDIT, tm.DEBIT, tm.LIMITED_CREDIT):
            self._handlers[ins] = self.change_value
        for ins in (tm.READ_DATA, tm.READ_DATA_NATIVE):
            self._handlers[ins] = self.read_data
        for ins in (tm.WRITE_DATA, tm.WRITE_DATA_NATIVE):
            self._handlers[ins] = self.write_data
        for ins in (tm.READ_RECORDS, tm.READ_RECORDS_NATIVE):
            self._handlers[ins] = self.read_records
        for ins in (tm.WRITE_RECORD, tm.WRITE_RECORD_NATIVE):
            self._handlers[ins] = self.write_record
        if state.generation == 1:
            for ins in _NOT_IN_EV1:
                del self._handlers[ins]

    def transmit(self, frame: bytes) -> bytes:
        """Answer one frame; the first one decides the framing until the next reset."""
        native = bool(frame) and frame[0] not in {NATIVE_CLA, *_ISO_CLASSES}
        if native:
            status, data = self._framed(frame[0], frame[1:], native=True)
            return bytes([status]) + data
        try:
            command = Command.decode(frame)
        except ValueError:
            return _status_word(_WRONG_LENGTH)
        if command.cla != NATIVE_CLA:
            known_class = command.cla == 0x00
            return _status_word(_INS_UNKNOWN if known_class else _CLA_UNKNOWN)
        if command.p1 or command.p2:
            return _status_word(_P1_P2)
        status, data = self._framed(command.ins, command.data, native=False)
        return Response(data, SW1_NATIVE, status).encode()

    def _framed(self, ins: int, data: bytes, *, native: bool) -> tuple[Status, bytes]:
        try:
            if self.volatile.native_framing not in (None, native):
                raise Refused(Status.ILLEGAL_COMMAND_CODE)
            self.volatile.native_framing = native
            return self._answer(ins, data)
        except Refused as refused:
            self.volatile.forget_session()
            return refused.status, b""

    def _answer(self, ins: int, data: bytes) -> tuple[Status, bytes]:
        if ins == conversation.ADDITIONAL_FRAME:
            return self._go_on(data)
        if self.volatile.incoming or self.volatile.outgoing or self.volatile.challenge:
            raise Refused(Status.COMMAND_ABORTED)
        return self._received(ins, data, self.expected_length(ins, data))

    def _go_on(self, data: bytes) -> tuple[Status, bytes]:
        if self.volatile.challenge is not None:
            return Status.OPERATION_OK, self.finish_authentication(data)
        if incoming := self.volatile.incoming:
            self.volatile.incoming = None
            whole = incoming.data + data
            return self._received(incoming.ins, whole, incoming.expected)
        if self.volatile.outgoing and not data:
            return self._next_frame()
        raise Refused(Status.ILLEGAL_COMMAND_CODE)

    def _received(
        self, ins: int, data: bytes, expected: int | None
    ) -> tuple[Status, bytes]:
        if expected is not None and len(data) < expected:
            self.volatile.incoming = Incoming(ins, data, expected)
            return Status.ADDITIONAL_FRAME, b""
        handler = self._handlers.get(ins)
        if handler is None:
            raise Refused(Status.ILLEGAL_COMMAND_CODE)
        answer = handler(ins, data)
        if self.volatile.challenge is not None:
            return Status.ADDITIONAL_FRAME, answer
        self.volatile.outgoing = _frames(ins, answer)
        return self._next_frame()

    def _next_frame(self) -> tuple[Status, bytes]:
        frame, *self.volatile.outgoing = self.volatile.outgoing
        more = bool(self.volatile.outgoing)
        return (Status.ADDITIONAL_FRAME if more else Status.OPERATION_OK), frame


def _frames(ins: int, answer: bytes) -> list[bytes]:
    if ins in _ONE_FRAME:
        if len(answer) > ANSWER_MAX:
            raise Refused(Status.LENGTH_ERROR)
        return [answer]
    sizes = list(_VERSION_FRAMES) if ins == commands.GET_VERSION else []
    frames = []
    while answer:
        size = sizes.pop(0) if sizes else ANSWER_FRAME_MAX
        frames.append(answer[:size])
        answer = answer[size:]
    return frames or [b""]


def _status_word(sw: int) -> bytes:
    return sw.to_bytes(2)
