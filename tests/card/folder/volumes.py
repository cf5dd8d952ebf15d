"""Folders as media, on volumes that are named here, and the ways in which they end.

A power cut is played as a file system may answer it: what was flushed is there; of the
rest nothing, all, or something torn.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from card_bridge.folder.image import Image
from card_bridge.folder.medium import FolderMedium, laid
from card_bridge.folder.prepare import prepare
from card_bridge.folder.store import FILES, FOLDER
from ledger.vocabulary.medium_record import (
    SlotEntry,
    SlotStatus,
    Stamp,
    digest,
)

UUID_A, UUID_B = "uuid:1b2c-3d4e", "uuid:5f60-7182"
NONCE = bytes(range(16))
CALLS_MAX = 100
Contents = dict[str, bytes]
# How the last state seen, and the last one flushed, become what is found again.
Cut = Callable[[Contents, Contents], Contents]


class Dead(BaseException):
    """The program is no more; nothing of it runs after this."""


@dataclass(slots=True)
class Volume:
    """A mounted folder; `before` counts the calls of the system and may end them."""

    root: Path
    name: str = UUID_A
    left: int | None = None  # So many calls until one is not made any more.
    struck: bool = False
    failure: Callable[[], BaseException] = Dead
    only: str = ""  # Counts the calls of this name alone.
    calls: list[str] = field(default_factory=list)
    flushed: Contents = field(default_factory=dict)

    def before(self, call: str, file: str) -> None:
        self._keep_flushed()
        if self.only in ("", call):
            if self.left == 0:
                self.left, self.struck = None, True
                raise self.failure()
            if self.left is not None:
                self.left -= 1
        self.calls.append(f"{call} {file}")

    def fails_at(
        self, number: int, failure: Callable[[], BaseException] = Dead, only: str = ""
    ) -> None:
        """Let the call with this number, from here on, be the last."""
        self.left, self.failure, self.only = number, failure, only
        self.struck = False
        self.calls, self.flushed = [], self.contents()

    @contextmanager
    def laid(self) -> Iterator[FolderMedium]:
        with laid(self.root, identify=lambda _: self.name, before=self.before) as it:
            yield it

    def contents(self) -> Contents:
        folder = self.root / FOLDER
        if not folder.is_dir():
            return {}
        files = [path for path in sorted(folder.iterdir()) if path.is_file()]
        return {path.name: path.read_bytes() for path in files}

    def put(self, contents: Contents) -> None:
        """Have the folder hold this and nothing else."""
        shutil.rmtree(self.root / FOLDER, ignore_errors=True)
        if contents:
            (self.root / FOLDER).mkdir()
        for name, raw in contents.items():
            (self.root / FOLDER / name).write_bytes(raw)

    def cut(self, how: Cut) -> None:
        """Let the power go, as a file system may answer it; then it is there again."""
        self.left = None
        self._keep_flushed()
        self.put(how(self.contents(), self.flushed))

    def copied(self, root: Path, *, name: str) -> Volume:
        """Copy the whole folder to another place."""
        shutil.copytree(self.root, root)
        return Volume(root, name)

    def _keep_flushed(self) -> None:
        """What the call before flushed, if it did, is on the medium for good."""
        if self.calls and self.calls[-1] == "fsync .":
            self.flushed = self.contents()


def as_seen(now: Contents, flushed: Contents) -> Contents:
    return now


def as_flushed(now: Contents, flushed: Contents) -> Contents:
    return flushed


def without_the_rest(now: Contents, flushed: Contents) -> Contents:
    return {name: raw for name, raw in now.items() if flushed.get(name) == raw}


def half_written(now: Contents, flushed: Contents) -> Contents:
    return {
        name: raw if flushed.get(name) == raw else raw[: len(raw) // 2]
        for name, raw in now.items()
    }


def full_of_zeros(now: Contents, flushed: Contents) -> Contents:
    return {
        name: raw if flushed.get(name) == raw else bytes(len(raw))
        for name, raw in now.items()
    }


CUTS = (as_seen, as_flushed, without_the_rest, half_written, full_of_zeros)


def prepared(root: Path, name: str = UUID_A, nonce: bytes = NONCE) -> Volume:
    """A folder that is a ticket medium, every slot empty."""
    root.mkdir(exist_ok=True)
    volume = Volume(root, name)
    with volume.laid() as medium:
        prepare(medium, key_version_of=lambda _uid: 1, nonce=nonce)
    return volume


def write(medium: FolderMedium, seq: int, slot: int = 0) -> None:
    """Write a live slot and its stamp, as a plan would; commit apart."""
    entry = SlotEntry(SlotStatus.LIVE, seq, 1, bytes([seq]) * 8)
    entries = list(medium.read().entries())
    entries[slot] = entry
    made = digest(uid=medium.uid, seq=seq, slots=entries)
    medium.write_entry(slot, entry.encode())
    medium.write_stamp(Stamp(1, seq, medium.uid, made).encode())


def showing(volume: Volume) -> tuple[Stamp, bytes]:
    """Read what the volume shows, as a tap would."""
    with volume.laid() as medium:
        medium.find()
        reading = medium.read()
        return reading.stamped(), reading.slots


def newest(volume: Volume) -> Image:
    """Read the newest state past the door."""
    states = [
        Image.decode(raw) for name, raw in volume.contents().items() if name in FILES
    ]
    return max(states, key=lambda image: image.seq)


def pulled_out() -> OSError:
    return OSError(errno.EIO, "Input/output error")
