"""What is done to a card once: applications, files, keys (MF2DLHX0, 11.3 to 11.7)."""

from card_bridge.protocol.cmac import xor
from card_bridge.protocol.conversation import Conversation, int32, uint24
from card_bridge.protocol.crc import crc32
from card_bridge.protocol.files import AccessRights
from card_bridge.protocol.secure_messaging import CommMode
from card_bridge.protocol.status import Status

CREATE_APPLICATION = 0xCA
CREATE_STD_DATA_FILE = 0xCD
CREATE_BACKUP_DATA_FILE = 0xCB
CREATE_VALUE_FILE = 0xCC
CREATE_CYCLIC_RECORD_FILE = 0xC0
CREATE_TRANSACTION_MAC_FILE = 0xCE
CHANGE_KEY = 0xC4
SET_CONFIGURATION = 0x5C
_PICC_CONFIGURATION = b"\x00"
USE_RANDOM_ID = 0x02  # Bit 1 of option 00h.
KEYS_AES = 0x80  # KeySett2: the application's keys are AES.
TMKEY_AES = 0x02
KEYS_MAX = 14
SETTINGS_DEFAULT = 0x0F  # Key 0 may change everything; files listed freely.


class Creation(Conversation):
    """The commands of personalisation."""

    def create_application(
        self, aid: bytes, *, keys: int, settings: int = SETTINGS_DEFAULT
    ) -> None:
        """Make an application with `keys` AES keys of zeros; `aid` as printed."""
        if not 1 <= keys <= KEYS_MAX:
            raise ValueError("an application has 1 to 14 keys")
        self._call(CREATE_APPLICATION, aid[::-1] + bytes([settings, KEYS_AES | keys]))

    def use_random_id(self) -> None:
        """Hide the UID from whoever holds no key. There is no way back.

        SetConfiguration, option 00h (MF2DLHX0, 11.5.1), under the card's own key 0.
        """
        self._call(
            SET_CONFIGURATION,
            _PICC_CONFIGURATION,
            bytes([USE_RANDOM_ID]),
            mode=CommMode.FULL,
            answer_mode=CommMode.MAC,
        )

    def create_std_data_file(
        self, file_no: int, *, comm: CommMode, rights: AccessRights, size: int
    ) -> None:
        """Make a file that changes at once: a torn write may leave half of it."""
        header = _settings(file_no, comm, rights)
        self._call(CREATE_STD_DATA_FILE, header + uint24(size))

    def create_backup_data_file(
        self, file_no: int, *, comm: CommMode, rights: AccessRights, size: int
    ) -> None:
        """Make a file that changes at CommitTransaction; it takes twice its size."""
        header = _settings(file_no, comm, rights)
        self._call(CREATE_BACKUP_DATA_FILE, header + uint24(size))

    def create_value_file(
        self,
        file_no: int,
        *,
        comm: CommMode,
        rights: AccessRights,
        lower: int,
        upper: int,
        value: int,
        limited_credit: bool = False,
    ) -> None:
        header = _settings(file_no, comm, rights)
        amounts = int32(lower) + int32(upper) + int32(value)
        self._call(CREATE_VALUE_FILE, header + amounts + bytes([limited_credit]))

    def create_cyclic_record_file(
        self,
        file_no: int,
        *,
        comm: CommMode,
        rights: AccessRights,
        record_size: int,
        records_max: int,
    ) -> None:
        """Make a log; it holds `records_max` - 1 records, one is for the next."""
        header = _settings(file_no, comm, rights)
        sizes = uint24(record_size) + uint24(records_max)
        self._call(CREATE_CYCLIC_RECORD_FILE, header + sizes)

    def create_transaction_mac_file(
        self,
        file_no: int,
        *,
        comm: CommMode,
        rights: AccessRights,
        key: bytes,
        key_version: int,
    ) -> None:
        """Make the file of TMC and TMV; from here on each commit is signed."""
        header = _settings(file_no, comm, rights) + bytes([TMKEY_AES])
        self._call(
            CREATE_TRANSACTION_MAC_FILE,
            header,
            key + bytes([key_version]),
            mode=CommMode.FULL,
        )

    def change_key(self, key_no: int, *, new: bytes, old: bytes, version: int) -> None:
        """Change a key other than the one of this session; `old` is what it is now."""
        data = over_the_old(new=new, old=old, version=version)
        self._change_key(key_no, data, crc_of_new=crc32(new))

    def change_own_key(self, key_no: int, *, new: bytes, version: int) -> None:
        """Change the key of this session, and end it: the answer is a bare status."""
        self._change_key(key_no, new + bytes([version]))
        self._end()

    def _change_key(self, key_no: int, data: bytes, *, crc_of_new: bytes = b"") -> None:
        channel, self._channel = self._channel, None
        if channel is None:
            raise ValueError("no session is open")
        sealed = channel.seal_change_of_key(
            CHANGE_KEY, bytes([key_no]), data, crc_of_new=crc_of_new
        )
        answer = self._collect(CHANGE_KEY, sealed)
        if crc_of_new:  # Of another key: the session goes on.
            channel.open_response(Status.OPERATION_OK, answer, CommMode.FULL)
            self._channel = channel


def over_the_old(*, new: bytes, old: bytes, version: int) -> bytes:
    """New key XOR old key ‖ version; the new key's CRC32 follows (MF2DLHX0, 11.6.1)."""
    return xor(new, old) + bytes([version])


def _settings(file_no: int, comm: CommMode, rights: AccessRights) -> bytes:
    return bytes([file_no, comm]) + rights.encode()
