"""The transaction: what makes changes hold, and the proof of them.

MF2DLHX0, 10.3 (Transaction MAC) and 11.8 (commit, abort, reader id).
"""

from dataclasses import replace

from card_bridge.protocol import transaction_mac as tm
from card_bridge.protocol.secure_messaging import CommMode
from card_bridge.protocol.status import Status
from card_bridge.protocol.transaction_mac import Operation
from card_bridge.virtual.core import Core, Transaction
from card_bridge.virtual.files import (
    AnyFile,
    MacFile,
    RecordFile,
    Refused,
    ValueFile,
)

COMMIT_RETURNS_PROOF = b"\x01"


class TransactionCommands(Core):
    def commit_transaction(self, ins: int, payload: bytes) -> bytes:
        option = self._commit_option(ins, payload)
        transaction = self.volatile.transaction
        mac_file = self._mac_file()
        if option == COMMIT_RETURNS_PROOF and mac_file is None:
            raise Refused(Status.PARAMETER_ERROR)
        if mac_file and mac_file[1].asks_for_reader and transaction.reader_id is None:
            raise Refused(Status.PERMISSION_DENIED)
        if not transaction.changed and not (mac_file and transaction.operations):
            raise Refused(Status.NO_CHANGES)
        files = {n: _committed(file) for n, file in transaction.changed.items()}
        proof = b""
        if mac_file is not None:
            number, file = mac_file
            signed = self._signed(file, transaction)
            files[number] = signed
            proof = signed.read(0, 0)
        application = self._in_application().with_files(files)
        self.state = self.state.with_application(self.volatile.aid, application)
        self.volatile.transaction = Transaction()
        return self._seal(proof if option == COMMIT_RETURNS_PROOF else b"")

    def abort_transaction(self, ins: int, payload: bytes) -> bytes:
        self._in_application()
        self._open(ins, payload, header=0)
        if not self.volatile.transaction.operations:
            raise Refused(Status.NO_CHANGES)
        self.volatile.transaction = Transaction()
        return self._seal()

    def commit_reader_id(self, ins: int, payload: bytes) -> bytes:
        """Take the reader's id, once a transaction; the one before comes enciphered."""
        mac_file = self._mac_file()
        if mac_file is None or not mac_file[1].asks_for_reader:
            raise Refused(Status.PERMISSION_DENIED)
        file, transaction = mac_file[1], self.volatile.transaction
        self._granted(file, (file.rights.read_write,))
        _, reader_id = self._open(ins, payload, header=0, data=tm.READER_ID_LENGTH)
        if transaction.reader_id is not None:
            raise Refused(Status.PERMISSION_DENIED)
        before = tm.encrypted_reader_id(
            file.key, uid=self.state.uid, tmc=file.tmc + 1, previous=file.reader_id
        )
        transaction.reader_id = reader_id
        said = Operation(tm.COMMIT_READER_ID, 0, data=reader_id + before)
        transaction.operations.append(said)
        return self._seal(before)

    def _commit_option(self, ins: int, payload: bytes) -> bytes:
        self._in_application()
        bare = len(payload) - self._sealed_length(0, CommMode.MAC)
        option, _ = self._open(ins, payload, header=1 if bare == 1 else 0)
        if option not in (b"", b"\x00", COMMIT_RETURNS_PROOF):
            raise Refused(Status.PARAMETER_ERROR)
        return option

    def _mac_file(self) -> tuple[int, MacFile] | None:
        for number, file in self._in_application().files.items():
            if isinstance(file, MacFile):
                return number, file
        return None

    def _signed(self, file: MacFile, transaction: Transaction) -> MacFile:
        tmc = file.tmc + 1
        tmi = tm.transaction_mac_input(transaction.operations)
        uid = self.state.uid
        tmv = tm.transaction_mac_value(file.key, uid=uid, tmc=tmc, tmi=tmi)
        reader_id = transaction.reader_id or file.reader_id
        return replace(file, tmc=tmc, tmv=tmv, reader_id=reader_id)


def _committed(file: AnyFile) -> AnyFile:
    return file.committed() if isinstance(file, ValueFile | RecordFile) else file
