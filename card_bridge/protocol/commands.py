"""The card as its reader sees it: one method a command (MF2DLHX0, chapter 11).

Not for two threads. After any CardError begin again with `select_application`: the
card forgot the session, and what was not committed.
"""

from collections.abc import Iterator

from card_bridge.protocol import transaction_mac as tm
from card_bridge.protocol.apdu import READER_GET_UID, Response
from card_bridge.protocol.conversation import Ev1Authority, Link, int32, uint24
from card_bridge.protocol.creation import Creation
from card_bridge.protocol.ev1_aes import Ev1Channel
from card_bridge.protocol.ev2_auth import KeyAuthority
from card_bridge.protocol.originality import SIGNATURE_LENGTH
from card_bridge.protocol.secure_messaging import CommMode, SecureChannel
from card_bridge.protocol.status import (
    CardError,
    CardRefused,
    IntegrityError,
    UnknownOutcome,
)
from card_bridge.protocol.transaction_mac import Operation, TransactionProof

SELECT_APPLICATION = 0x5A
GET_VERSION = 0x60
GET_CARD_UID = 0x51
FREE_MEMORY = 0x6E
GET_FILE_IDS = 0x6F
GET_KEY_VERSION = 0x64
READ_SIGNATURE = 0x3C
COMMIT_TRANSACTION = 0xC7
ABORT_TRANSACTION = 0xA7

FRAME_PAYLOAD_MAX = 52  # Both ways: what an ACR122U carries without fail.
FRAME_PAYLOAD_CCID = 240  # A short APDU less its MAC: for readers that carry it.
UID_LENGTH = 7
_HEADER = 7  # FileNo, Offset3, Length3.
_RETURN_TMC_AND_TMV = 0x01
_SIGNATURE_ADDRESS = b"\x00"
_PROOF_LENGTH = tm.TMC_LENGTH + tm.TMV_LENGTH
# An EV1 card knows these by their native codes alone.
_EV1_CODES = {
    tm.READ_DATA: tm.READ_DATA_NATIVE,
    tm.WRITE_DATA: tm.WRITE_DATA_NATIVE,
    tm.READ_RECORDS: tm.READ_RECORDS_NATIVE,
    tm.WRITE_RECORD: tm.WRITE_RECORD_NATIVE,
}


class Picc(Creation):
    """A DESFire card in the field: EV2 or EV3, or EV1 with what that lacks."""

    def __init__(
        self, link: Link, *, frame_payload_max: int = FRAME_PAYLOAD_MAX
    ) -> None:
        if not FRAME_PAYLOAD_MAX <= frame_payload_max <= FRAME_PAYLOAD_CCID:
            raise ValueError("a frame's payload is 52 to 240 bytes")
        super().__init__(link)
        self._frame = frame_payload_max

    # Who is it, and may we?

    def get_reader_uid(self) -> bytes:
        """Return the UID as the reader saw it: claimed, not proven."""
        self.exchanges.count += 1
        self.exchanges.bytes_out += len(READER_GET_UID)
        raw = self._link.transmit(READER_GET_UID)
        self.exchanges.bytes_in += len(raw)
        try:
            response = Response.decode(raw)
        except ValueError as garbled:
            raise IntegrityError from garbled
        if response.sw != 0x9000:
            raise CardRefused(response.sw)
        return response.data

    def select_application(self, aid: bytes) -> None:
        """Select by the three bytes as printed; ends session and transaction."""
        self._end()
        self._collect(SELECT_APPLICATION, aid[::-1])

    def authenticate(self, key_no: int, authority: KeyAuthority) -> None:
        """Open a session by AuthenticateEV2First; AuthenticationFailed if keys differ.

        Only between transactions: what a card does with an open one is not documented.
        """
        self._require_no_transaction()
        self._authenticate(key_no, authority, continued=None)

    def authenticate_ev1(self, key_no: int, authority: Ev1Authority) -> None:
        """Open a session by AuthenticateAES, with a card that knows nothing newer.

        Weaker in ways that `card_bridge.protocol.ev1_aes` names: none of our profile's
        cards is opened like this. Only between transactions, as above.
        """
        self._require_no_transaction()
        self._authenticate_ev1(key_no, authority)

    def authenticate_non_first(self, key_no: int, authority: KeyAuthority) -> None:
        """Go on under another key within the session and its transaction."""
        if not isinstance(self._channel, SecureChannel):
            raise ValueError("no session of EV2 is open")
        self._authenticate(key_no, authority, continued=self._channel)

    def get_card_uid(self) -> bytes:
        """Return the UID as the card says it inside the session: 7 bytes, proven."""
        return self._call(GET_CARD_UID, answer_mode=CommMode.FULL, length=UID_LENGTH)

    def read_signature(self) -> bytes:
        """Return the maker's signature of the UID, 56 bytes: `is_original` judges it.

        MF2DLHX0, 11.9.1. In a session it comes enciphered.
        """
        return self._call(
            READ_SIGNATURE,
            _SIGNATURE_ADDRESS,
            answer_mode=CommMode.FULL,
            length=SIGNATURE_LENGTH,
        )

    def get_version(self) -> bytes:
        """Return hardware (7), software (7) and production (14) information.

        A card with a random UID tells seven zeros for it (MF2DLHX0, 11.5.2).
        """
        return self._call(GET_VERSION)

    def free_memory(self) -> int:
        """Return the bytes left for applications and files."""
        return int.from_bytes(self._call(FREE_MEMORY), "little")

    def get_file_ids(self) -> frozenset[int]:
        return frozenset(self._call(GET_FILE_IDS))

    def get_key_version(self, key_no: int) -> int:
        return self._call(GET_KEY_VERSION, bytes([key_no]), length=1)[0]

    # Files. Every chunk is a command, and an operation, of its own.

    def read_data(
        self, file_no: int, offset: int, length: int, comm: CommMode
    ) -> bytes:
        """Read `length` bytes of a data file as it was last committed."""
        data = b""
        for at, size in self._chunks(offset, length, self._most_answered(comm)):
            data += self._counted(tm.READ_DATA, file_no, at, size, size, comm)
        return data

    def write_data(
        self, file_no: int, offset: int, data: bytes, comm: CommMode
    ) -> None:
        """Write to a data file; a backup file changes with the commit only."""
        for at, size in self._chunks(offset, len(data), self._most_sent(comm)):
            part = data[at - offset : at - offset + size]
            self._write(tm.WRITE_DATA, file_no, at, part, comm)

    def read_records(
        self, file_no: int, first: int, count: int, record_size: int, comm: CommMode
    ) -> tuple[bytes, ...]:
        """Read `count` records, the oldest first; record 0 is the newest."""
        if record_size > self._most_answered(comm):
            raise ValueError("a record does not fit one frame")
        return tuple(
            self._counted(tm.READ_RECORDS, file_no, number, 1, record_size, comm)
            for number in reversed(range(first, first + count))
        )

    def write_record(self, file_no: int, record: bytes, comm: CommMode) -> None:
        """Write the one record that this transaction adds."""
        for at, size in self._chunks(0, len(record), self._most_sent(comm)):
            self._write(tm.WRITE_RECORD, file_no, at, record[at : at + size], comm)

    def get_value(self, file_no: int, comm: CommMode) -> int:
        value = self._call(
            tm.GET_VALUE, bytes([file_no]), mode=comm, length=tm.VALUE_LENGTH
        )
        operation = Operation(tm.GET_VALUE, file_no, data=value)
        self._operations.append(operation)
        return operation.amount

    def credit(self, file_no: int, amount: int, comm: CommMode) -> None:
        self._move(tm.CREDIT, file_no, amount, comm)

    def debit(self, file_no: int, amount: int, comm: CommMode) -> None:
        self._move(tm.DEBIT, file_no, amount, comm)

    def limited_credit(self, file_no: int, amount: int, comm: CommMode) -> None:
        """Give back at most what the last transaction with a debit took."""
        self._move(tm.LIMITED_CREDIT, file_no, amount, comm)

    # Transactions.

    def read_transaction_mac(self, file_no: int, comm: CommMode) -> TransactionProof:
        """Read the proof of the last commit; the card does not count this read."""
        header = bytes([file_no]) + uint24(0) + uint24(_PROOF_LENGTH)
        return _proof(self._call(tm.READ_DATA, header, mode=comm, length=_PROOF_LENGTH))

    def commit_reader_id(self, reader_id: bytes) -> bytes:
        """Say which reader commits, once a transaction; return EncTMRI.

        That is the reader id of the transaction before, for who has the Transaction
        MAC key (MF2DLHX0, 10.3.2.5). Both enter the next proof.
        """
        if len(reader_id) != tm.READER_ID_LENGTH:
            raise ValueError("a reader id has 16 bytes")
        before = self._call(
            tm.COMMIT_READER_ID, data=reader_id, length=tm.READER_ID_LENGTH
        )
        said = Operation(tm.COMMIT_READER_ID, 0, data=reader_id + before)
        self._operations.append(said)
        return before

    def commit_transaction(self) -> TransactionProof:
        """Make the changes hold, and return the card's proof of them.

        Whatever is not a proven answer is UnknownOutcome, with its cause: an error
        status carries no MAC, so whoever stands in between could have made it up. The
        `operations` are then kept for whoever settles it.
        """
        try:
            proof = _proof(
                self._call(
                    COMMIT_TRANSACTION,
                    bytes([_RETURN_TMC_AND_TMV]),
                    length=_PROOF_LENGTH,
                )
            )
        except CardError as cause:
            raise UnknownOutcome from cause
        self._operations = []
        return proof

    def commit_without_proof(self) -> None:
        """Commit in an application that has no Transaction MAC file."""
        try:
            self._call(COMMIT_TRANSACTION)
        except CardError as cause:
            raise UnknownOutcome from cause
        self._operations = []

    def abort_transaction(self) -> None:
        """Let the changes go, and the reads before them."""
        self._call(ABORT_TRANSACTION)
        self._operations = []

    # What the methods above share.

    def _counted(
        self, ins: int, file_no: int, at: int, length: int, size: int, comm: CommMode
    ) -> bytes:
        """Read `size` bytes by a command with the parameters `at` and `length`."""
        ins = self._code(ins)
        header = bytes([file_no]) + uint24(at) + uint24(length)
        data = self._call(ins, header, mode=comm, length=size)
        self._operations.append(Operation(ins, file_no, at, length, data))
        return data

    def _write(
        self, ins: int, file_no: int, at: int, part: bytes, comm: CommMode
    ) -> None:
        ins = self._code(ins)
        header = bytes([file_no]) + uint24(at) + uint24(len(part))
        self._call(ins, header, part, mode=comm)
        self._operations.append(Operation(ins, file_no, at, len(part), part))

    def _move(self, ins: int, file_no: int, amount: int, comm: CommMode) -> None:
        data = int32(amount)
        self._call(ins, bytes([file_no]), data, mode=comm)
        self._operations.append(Operation(ins, file_no, data=data))

    def _most_answered(self, comm: CommMode) -> int:
        """How many plain bytes fit the answer's frame in this mode."""
        return self._fitting(self._frame, comm)

    def _most_sent(self, comm: CommMode) -> int:
        return self._fitting(self._frame - _HEADER, comm)

    def _fitting(self, payload: int, comm: CommMode) -> int:
        if self._channel is None:
            return payload
        return self._channel.most_plain(payload, comm)

    def _code(self, ins: int) -> int:
        return _EV1_CODES[ins] if isinstance(self._channel, Ev1Channel) else ins

    def _require_no_transaction(self) -> None:
        if self._operations:
            raise ValueError("commit or abort first, or select the application again")

    @staticmethod
    def _chunks(offset: int, length: int, most: int) -> Iterator[tuple[int, int]]:
        for at in range(offset, offset + length, most):
            yield at, min(most, offset + length - at)


def _proof(answer: bytes) -> TransactionProof:
    tmc, tmv = answer[: tm.TMC_LENGTH], answer[tm.TMC_LENGTH :]
    return TransactionProof(int.from_bytes(tmc, "little"), tmv)
