"""A folder in the place of a card: read it, write what was planned, commit.

There is no key to authenticate with, so `open` asks for none, and nothing signs a
commit: its proof is empty, and the ledger takes it for what it is, a device's word.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from card_bridge.folder.door import Before, Door
from card_bridge.folder.image import Image, uid_of
from card_bridge.folder.refusals import (
    ForeignFolder,
    NoIdentity,
    NoPurse,
    NotPrepared,
)
from card_bridge.folder.store import FOLDER, Store
from card_bridge.folder.volume import Identify, Nameless, Volumes
from card_bridge.profile import layout
from card_bridge.profile.card import CardReading, Committed, Finder
from card_bridge.profile.records import Body
from card_bridge.protocol.ev2_auth import KeyAuthority
from card_bridge.protocol.status import CardError, UnknownOutcome
from card_bridge.protocol.transaction_mac import (
    TMV_LENGTH,
    WRITE_DATA,
    Operation,
    TransactionProof,
)
from ledger.vocabulary.medium_record import (
    SLOT_ENTRY_LENGTH,
    SLOTS_MAX,
    MalformedRecord,
    Stamp,
)

NO_PROOF = TransactionProof(0, bytes(TMV_LENGTH))  # No card's counter is ever 0 then.


@contextmanager
def laid(
    folder: Path,
    *,
    identify: Identify | None = None,
    before: Before = lambda _call, _file: None,
) -> Iterator[FolderMedium]:
    """Take a folder in hand for one tap; nobody else has it meanwhile.

    Raises `CardError` or `MalformedRecord`.
    """
    with Door(folder, FOLDER, before=before) as door:
        yield FolderMedium(door, identify or Volumes())


class FolderMedium:
    """One prepared folder, for one tap: a `TicketMedium`."""

    def __init__(self, door: Door, identify: Identify) -> None:
        self.uid = b""
        self.store = Store(door)
        self._door = door
        try:
            self.volume = identify(door.device)
        except Nameless as nameless:
            raise NoIdentity(door.root, str(nameless)) from None
        self._image: Image | None = None
        self._staged: Image | None = None
        self._is_drafted = False
        self._operations: list[Operation] = []

    @property
    def operations(self) -> tuple[Operation, ...]:
        """What was written since the last commit, in a card's terms."""
        return tuple(self._operations)

    def make_folder(self) -> None:
        self._door.make_folder()

    def find(self, finder: Finder | None = None) -> bytes:
        """Return the UID that this volume gives to the records on it; it hides none."""
        image = self._look()
        self.uid = uid_of(self.volume, image.nonce)
        return self.uid

    def open(self, key_no: int, authority: KeyAuthority) -> None:
        """Begin anew, as a card does at authentication; there is no key to ask for."""
        self._look()

    def confirm_uid(self) -> None:
        """Compare the stamp's UID with the volume's; raise `ForeignFolder`."""
        if Stamp.decode(self._current.stamp).uid != self.uid:
            raise ForeignFolder(
                "the records on the medium were made for another one: it is a copy"
            )

    def read(self) -> CardReading:
        image = self._current
        return CardReading(uid=self.uid, stamp=image.stamp, slots=image.slots)

    def read_body(self, slot: int) -> Body:
        return self._current.body(_place(slot))

    def write_body(self, slot: int, body: Body) -> None:
        start = _place(slot) * layout.BODY_LENGTH
        self._stage(self._next.with_body(slot, body))
        self._note(layout.BODIES.number, start, body.encode())

    def write_entry(self, slot: int, entry: bytes) -> None:
        start = _place(slot) * SLOT_ENTRY_LENGTH
        self._stage(self._next.with_entry(slot, entry))
        self._note(layout.SLOTS.number, start, entry)

    def write_stamp(self, stamp: bytes) -> None:
        """Write the next state beside this one: a full medium says so here.

        The stamp comes last, as in every plan.
        """
        image = self._next.with_stamp(stamp)
        Image.decode(image.encode())
        self.store.draft(image)
        self._stage(image)
        self._is_drafted = True
        self._note(layout.STAMP.number, 0, stamp)

    def commit(self) -> Committed:
        """Make the next state the true one. Raises `UnknownOutcome`."""
        if not self._is_drafted:
            raise ValueError("no stamp was written")
        operations = self.operations
        try:
            self.store.commit()
        except CardError as cause:
            raise UnknownOutcome from cause
        self._begin(self._staged)
        return Committed(NO_PROOF, operations)

    def last_proof(self, authority: KeyAuthority) -> TransactionProof:
        """There is none; that the state is there, whoever reads it has seen."""
        return NO_PROOF

    # A folder has no value file.

    def get_value(self) -> NoReturn:
        raise NoPurse(self._door.root)

    def credit(self, amount_minor: int) -> NoReturn:
        raise NoPurse(self._door.root)

    def debit(self, amount_minor: int) -> NoReturn:
        raise NoPurse(self._door.root)

    def _look(self) -> Image:
        """Read the folder; what was written and not committed is gone."""
        self._begin(self.store.newest())
        return self._current

    def _begin(self, image: Image | None) -> None:
        self._image, self._staged = image, None
        self._is_drafted, self._operations = False, []

    @property
    def _current(self) -> Image:
        if self._image is None:
            raise NotPrepared(self._door.root)
        return self._image

    def _stage(self, image: Image) -> None:
        self._staged, self._is_drafted = image, False

    @property
    def _next(self) -> Image:
        return self._staged or self._current

    def _note(self, file: int, offset: int, data: bytes) -> None:
        self._operations.append(Operation(WRITE_DATA, file, offset, len(data), data))


def _place(slot: int) -> int:
    if not 0 <= slot < SLOTS_MAX:
        raise MalformedRecord(f"the medium has no slot {slot}")
    return slot
