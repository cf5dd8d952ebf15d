"""Commands on files; what they change waits for the commit."""

from card_bridge.protocol import transaction_mac as tm
from card_bridge.protocol.secure_messaging import CommMode
from card_bridge.protocol.status import Status
from card_bridge.protocol.transaction_mac import Operation
from card_bridge.virtual.core import Core
from card_bridge.virtual.files import (
    AnyFile,
    DataFile,
    MacFile,
    RecordFile,
    Refused,
    ValueFile,
)

PLACE_LENGTH = 7  # FileNo, Offset3, Length3.
_NATIVE_CHAINING = frozenset({tm.WRITE_DATA_NATIVE, tm.WRITE_RECORD_NATIVE})


class FileCommands(Core):
    def read_data(self, ins: int, payload: bytes) -> bytes:
        number, offset, length = _place(payload)
        file = self._in_application().file(number)
        if not isinstance(file, DataFile | MacFile):
            raise Refused(Status.PERMISSION_DENIED)
        # On the Transaction MAC file RW stands for CommitReaderID, not for reading.
        writer = () if isinstance(file, MacFile) else (file.rights.read_write,)
        mode = self._granted(file, (file.rights.read, *writer))
        self._open(ins, payload, header=PLACE_LENGTH, mode=mode)
        data = file.read(offset, length)
        if not isinstance(file, MacFile):
            self._count(Operation(ins, number, offset, length, data))
        return self._seal(data, mode)

    def write_data(self, ins: int, payload: bytes) -> bytes:
        number, offset, length = _place(payload)
        application = self._in_application()
        file = self._pending(number)
        if not isinstance(file, DataFile):
            raise Refused(Status.PERMISSION_DENIED)
        mode = self._granted(file, (file.rights.write, file.rights.read_write))
        _, data = self._open(ins, payload, header=PLACE_LENGTH, data=length, mode=mode)
        written = file.written(offset, data)
        if file.backup:
            self.volatile.transaction.changed[number] = written
        else:
            application = application.with_files({number: written})
            self.state = self.state.with_application(self.volatile.aid, application)
        self._count(Operation(ins, number, offset, length, data))
        return self._seal(mode=_confirming(mode))

    def read_records(self, ins: int, payload: bytes) -> bytes:
        number, first, count = _place(payload)
        file = self._in_application().file(number)
        if not isinstance(file, RecordFile):
            raise Refused(Status.PERMISSION_DENIED)
        mode = self._granted(file, (file.rights.read, file.rights.read_write))
        self._open(ins, payload, header=PLACE_LENGTH, mode=mode)
        data = file.read(first, count)
        self._count(Operation(ins, number, first, count, data))
        return self._seal(data, mode)

    def write_record(self, ins: int, payload: bytes) -> bytes:
        number, offset, length = _place(payload)
        self._in_application()
        file = self._pending(number)
        if not isinstance(file, RecordFile):
            raise Refused(Status.PERMISSION_DENIED)
        mode = self._granted(file, (file.rights.write, file.rights.read_write))
        _, data = self._open(ins, payload, header=PLACE_LENGTH, data=length, mode=mode)
        self.volatile.transaction.changed[number] = file.written(offset, data)
        self._count(Operation(ins, number, offset, length, data))
        return self._seal(mode=_confirming(mode))

    def get_value(self, ins: int, payload: bytes) -> bytes:
        _, mode = self._value_file(payload, ins)
        self._open(ins, payload, header=1, mode=mode)
        data = self._committed_value(payload[0])
        self._count(Operation(ins, payload[0], data=data))
        return self._seal(data, mode)

    def change_value(self, ins: int, payload: bytes) -> bytes:
        file, mode = self._value_file(payload, ins)
        _, data = self._open(ins, payload, header=1, data=tm.VALUE_LENGTH, mode=mode)
        amount = int.from_bytes(data, "little", signed=True)
        if amount < 0:
            raise Refused(Status.PARAMETER_ERROR)
        move = {
            tm.CREDIT: file.credited,
            tm.DEBIT: file.debit,
            tm.LIMITED_CREDIT: file.credited_back,
        }[ins]
        self.volatile.transaction.changed[payload[0]] = move(amount)
        self._count(Operation(ins, payload[0], data=data))
        return self._seal(mode=_confirming(mode))

    def expected_length(self, ins: int, payload: bytes) -> int | None:
        """How long a natively chained write is; None for what comes in one frame."""
        if ins not in _NATIVE_CHAINING or len(payload) < PLACE_LENGTH:
            return None
        number, _, length = _place(payload)
        file = self._in_application().file(number)
        mode = self._granted(file, (file.rights.write, file.rights.read_write))
        return PLACE_LENGTH + self._sealed_length(length, mode)

    def _value_file(self, payload: bytes, ins: int) -> tuple[ValueFile, CommMode]:
        self._in_application()
        if not payload:
            raise Refused(Status.LENGTH_ERROR)
        file = self._pending(payload[0])
        if not isinstance(file, ValueFile):
            raise Refused(Status.PERMISSION_DENIED)
        rights = {
            tm.CREDIT: (file.rights.read_write,),
            tm.LIMITED_CREDIT: (file.rights.write, file.rights.read_write),
        }.get(ins, (file.rights.read, file.rights.write, file.rights.read_write))
        return file, self._granted(file, rights)

    def _committed_value(self, number: int) -> bytes:
        file = self._in_application().file(number)
        if not isinstance(file, ValueFile):
            raise Refused(Status.PERMISSION_DENIED)
        return file.value.to_bytes(tm.VALUE_LENGTH, "little", signed=True)

    def _pending(self, number: int) -> AnyFile:
        """The file with the changes of the transaction under way."""
        committed = self._in_application().file(number)
        return self.volatile.transaction.changed.get(number, committed)

    def _count(self, operation: Operation) -> None:
        self.volatile.transaction.operations.append(operation)


def _place(payload: bytes) -> tuple[int, int, int]:
    """FileNo, and Offset and Length, or record number and count."""
    if len(payload) < PLACE_LENGTH:
        raise Refused(Status.LENGTH_ERROR)
    offset = int.from_bytes(payload[1:4], "little")
    return payload[0], offset, int.from_bytes(payload[4:7], "little")


def _confirming(mode: CommMode) -> CommMode:
    return CommMode.PLAIN if mode is CommMode.PLAIN else CommMode.MAC
