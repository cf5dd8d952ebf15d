"""Commands that make applications and files: once in a card's life, as a rule."""

from card_bridge.protocol.creation import KEYS_AES, KEYS_MAX, TMKEY_AES
from card_bridge.protocol.files import FREE, NEVER, AccessRights
from card_bridge.protocol.secure_messaging import CommMode
from card_bridge.protocol.status import Status
from card_bridge.protocol.transaction_mac import FILE_NO_MAX
from card_bridge.virtual.core import Core
from card_bridge.virtual.files import (
    AnyFile,
    DataFile,
    MacFile,
    RecordFile,
    Refused,
    ValueFile,
)
from card_bridge.virtual.state import FREE_CREATION, KEY_LENGTH, Application, Key

_SETTINGS_LENGTH = 4  # FileNo, option, access rights.
_MAC_HEADER_LENGTH = 5


class CreationCommands(Core):
    def create_application(self, ins: int, payload: bytes) -> bytes:
        self._at_root()
        self._master_or(FREE_CREATION)
        header, _ = self._open(ins, payload, header=5)
        aid, settings, keys = header[:3], header[3], header[4] & ~KEYS_AES
        if aid in self.state.applications:
            raise Refused(Status.DUPLICATE_ERROR)
        if not header[4] & KEYS_AES or not 1 <= keys <= KEYS_MAX:
            raise Refused(Status.PARAMETER_ERROR)
        application = Application(keys=(Key(),) * keys, settings=settings)
        self.state = self.state.with_new_application(aid, application)
        return self._seal()

    def create_data_file(self, ins: int, payload: bytes, *, backup: bool) -> bytes:
        number, comm, rights, rest = self._settings(ins, payload, more=3)
        size = _positive(rest)
        self._check_room(size)
        self._add(number, DataFile(comm, rights, bytes(size), backup))
        return self._seal()

    def create_value_file(self, ins: int, payload: bytes) -> bytes:
        number, comm, rights, rest = self._settings(ins, payload, more=13)
        lower, upper, value = (
            int.from_bytes(rest[at : at + 4], "little", signed=True) for at in (0, 4, 8)
        )
        if not lower <= value <= upper or rest[12] > 1:
            raise Refused(Status.PARAMETER_ERROR)
        self._add(number, ValueFile(comm, rights, lower, upper, value, rest[12] == 1))
        return self._seal()

    def create_cyclic_record_file(self, ins: int, payload: bytes) -> bytes:
        number, comm, rights, rest = self._settings(ins, payload, more=6)
        size, count = _positive(rest[:3]), _positive(rest[3:])
        if count < 2:
            raise Refused(Status.PARAMETER_ERROR)
        self._add(number, RecordFile(comm, rights, size, count))
        return self._seal()

    def create_transaction_mac_file(self, ins: int, payload: bytes) -> bytes:
        """RW is the key that may say CommitReaderID, or NEVER: then nobody has to."""
        if self.session is None:
            raise Refused(Status.AUTHENTICATION_ERROR)
        self._may_create()
        header, data = self._open(
            ins,
            payload,
            header=_MAC_HEADER_LENGTH,
            data=KEY_LENGTH + 1,
            mode=CommMode.FULL,
        )
        number, comm, rights = self._read_settings(header)
        if header[4] != TMKEY_AES or rights.write != NEVER:
            raise Refused(Status.PARAMETER_ERROR)
        if any(isinstance(f, MacFile) for f in self.application.files.values()):
            raise Refused(Status.DUPLICATE_ERROR)
        self._add(number, MacFile(comm, rights, data[:KEY_LENGTH], data[KEY_LENGTH]))
        return self._seal()

    def _may_create(self) -> None:
        self._in_application()
        self._master_or(FREE_CREATION)

    def _settings(
        self, ins: int, payload: bytes, *, more: int
    ) -> tuple[int, CommMode, AccessRights, bytes]:
        self._may_create()
        header, _ = self._open(ins, payload, header=_SETTINGS_LENGTH + more)
        return *self._read_settings(header), header[_SETTINGS_LENGTH:]

    def _read_settings(self, header: bytes) -> tuple[int, CommMode, AccessRights]:
        number, option = header[0], header[1]
        if number > FILE_NO_MAX or option not in set(CommMode):
            raise Refused(Status.PARAMETER_ERROR)
        rights = AccessRights.decode(header[2:4])
        for key in (rights.read, rights.write, rights.read_write, rights.change):
            if key < FREE:
                self.application.key(key)
        return number, CommMode(option), rights

    def _check_room(self, size: int) -> None:
        if size > self.state.memory_free:
            raise Refused(Status.OUT_OF_EEPROM_ERROR)

    def _add(self, number: int, file: AnyFile) -> None:
        if number in self.application.files:
            raise Refused(Status.DUPLICATE_ERROR)
        self.state = self.state.with_new_file(self.volatile.aid, number, file)


def _positive(raw: bytes) -> int:
    number = int.from_bytes(raw, "little")
    if number == 0:
        raise Refused(Status.PARAMETER_ERROR)
    return number
