"""Two files, a state each: the older one is replaced, so one of them is always whole.

    state.new ── written, flushed ──► renamed over the older of state.a, state.b
              ── the folder flushed ──► the next state, for good

Whatever is torn, the newest whole file is the old state or the new one.
"""

from __future__ import annotations

from card_bridge.folder.door import Door
from card_bridge.folder.image import IMAGE_LENGTH, Image
from ledger.vocabulary.medium_record import MalformedRecord

FOLDER = "eticket"
FILES = ("state.a", "state.b")
DRAFT = "state.new"


class NothingWhole(MalformedRecord):
    """There are files, and none of them is a whole state."""


class Store:
    """The states in one folder."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._next = FILES[0]

    def newest(self) -> Image | None:
        """Return the newest whole state, on the medium for good; None without a file.

        Raises `NothingWhole`, or `MalformedRecord` for two states with one number.
        """
        read = {file: self._door.read(file, most=IMAGE_LENGTH) for file in FILES}
        present = {file: raw for file, raw in read.items() if raw is not None}
        whole = {file: image for file, raw in present.items() if (image := _whole(raw))}
        if not whole:
            if present:
                raise NothingWhole("no state on the medium is whole")
            return None
        file = max(whole, key=lambda each: whole[each].seq)
        if any(
            other.seq == whole[file].seq and other != whole[file]
            for other in whole.values()
        ):
            raise MalformedRecord("the medium shows two states with one number")
        self._next = next(each for each in FILES if each != file)
        # What is told of it must not be taken back by a power cut: the name may be
        # newer than what is on the medium.
        self._door.flush(file)
        return whole[file]

    def draft(self, image: Image) -> None:
        """Write the next state beside the others; none of them is touched."""
        self._door.write(DRAFT, image.encode())

    def commit(self) -> None:
        """Make the draft the newest state. Whoever fails here looks what is true."""
        file = self._next
        self._door.rename(DRAFT, file)
        self._door.flush()
        self._next = next(each for each in FILES if each != file)


def _whole(raw: bytes) -> Image | None:
    try:
        return Image.decode(raw)
    except MalformedRecord:
        return None
