"""What a card keeps without power, as one plain frozen value."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from card_bridge.protocol.status import Status
from card_bridge.virtual.files import BLOCK_SIZE, AnyFile, Refused

UID_LENGTH = 7
KEY_LENGTH = 16
MEMORY = 8192  # An EV3 of 8K.
_APPLICATION_BLOCKS = 3
SETTINGS_DEFAULT = 0x0F
GENERATIONS = (1, 3)
ROOT = bytes(3)  # The AID of the card itself.

# Bits of the key settings (MF2DLHX0, 8.2.3.5).
MASTER_KEY_CHANGEABLE = 0x01
FREE_LISTING = 0x02
FREE_CREATION = 0x04


@dataclass(frozen=True, slots=True)
class Key:
    value: bytes = field(default=bytes(KEY_LENGTH), repr=False)
    version: int = 0


@dataclass(frozen=True, slots=True)
class Application:
    """An application, or the card's own level: that has one key and no files."""

    keys: tuple[Key, ...]
    settings: int = SETTINGS_DEFAULT
    files: Mapping[int, AnyFile] = field(default_factory=dict)

    def key(self, number: int) -> Key:
        if number >= len(self.keys):
            raise Refused(Status.NO_SUCH_KEY)
        return self.keys[number]

    def file(self, number: int) -> AnyFile:
        if number not in self.files:
            raise Refused(Status.FILE_NOT_FOUND)
        return self.files[number]

    def with_key(self, number: int, key: Key) -> Self:
        keys = (*self.keys[:number], key, *self.keys[number + 1 :])
        return replace(self, keys=keys)

    def with_files(self, changed: Mapping[int, AnyFile]) -> Self:
        return replace(self, files={**self.files, **changed})


@dataclass(frozen=True, slots=True)
class CardState:
    """A whole card. Applications by AID in wire order; ROOT is the card's own level."""

    uid: bytes
    applications: Mapping[bytes, Application]
    blocks_used: int = 0
    generation: int = 3
    random_id: bool = False
    signature: bytes = b""  # The maker's, of the UID; a card without one has none.

    @classmethod
    def blank(cls, uid: bytes, *, generation: int = 3, signature: bytes = b"") -> Self:
        """A card as bought, its master key already an AES key of zeros.

        Of generation EV3, or EV1, which knows no EV2 session and no Transaction MAC.
        """
        if len(uid) != UID_LENGTH:
            raise ValueError("a UID has 7 bytes")
        if generation not in GENERATIONS:
            raise ValueError("a card is of generation 1 or 3 here")
        root = Application(keys=(Key(),))
        return cls(
            uid=uid,
            applications={ROOT: root},
            generation=generation,
            signature=signature,
        )

    @property
    def memory_free(self) -> int:
        return MEMORY - self.blocks_used * BLOCK_SIZE

    def with_application(self, aid: bytes, application: Application) -> Self:
        return replace(self, applications={**self.applications, aid: application})

    def with_new_application(self, aid: bytes, application: Application) -> Self:
        blocks = _APPLICATION_BLOCKS + len(application.keys)
        return self._grown(blocks).with_application(aid, application)

    def with_new_file(self, aid: bytes, number: int, file: AnyFile) -> Self:
        application = self.applications[aid].with_files({number: file})
        return self._grown(file.blocks).with_application(aid, application)

    def _grown(self, blocks: int) -> Self:
        if blocks * BLOCK_SIZE > self.memory_free:
            raise Refused(Status.OUT_OF_EEPROM_ERROR)
        return replace(self, blocks_used=self.blocks_used + blocks)
