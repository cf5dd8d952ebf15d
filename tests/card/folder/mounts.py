"""A small volume of its own: a file system in a file, mounted by a loop.

What a program wrote and did not flush is in the kernel's memory and not in the image:
a copy of the image is what a medium holds that was pulled out at this moment. Where the
system does not let us mount, a plain folder stands for it, and what the file system
would refuse is refused at the door.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.card.folder.volumes import Volume

SIZE = 4 << 20
UUID = "7d1c2f04-6a5b-4c3d-9e8f-0123456789ab"
MAKERS = {
    "ext4": ("mkfs.ext4", "-q", "-F", "-U", UUID),
    "vfat": ("mkfs.vfat", "-i", "1b2c3d4e"),
}


@dataclass(slots=True)
class Mounted:
    """A file system in an image; `root` is where it is mounted."""

    image: Path
    root: Path

    def volume(self) -> Volume:
        return Volume(self.root, f"uuid:{UUID}")

    def keep(self, to: Path) -> None:
        """Copy what is on the medium at this moment, and nothing in memory."""
        shutil.copyfile(self.image, to)

    @contextmanager
    def inserted(self, image: Path) -> Iterator[Mounted]:
        """Mount another image beside this one."""
        with _mounted(image, image.with_suffix(".d")) as again:
            yield again

    def protect(self) -> None:
        _run("mount", "-o", "remount,ro", str(self.root))

    @contextmanager
    def filled(self) -> Iterator[Volume]:
        """Take all of its room away."""
        ballast = self.root / "ballast"
        with ballast.open("wb") as file:
            try:
                while True:
                    file.write(bytes(1 << 12))
                    file.flush()
            except OSError as full:
                if full.errno != errno.ENOSPC:
                    raise
        yield self.volume()
        ballast.unlink()


@dataclass(slots=True)
class Plain(Mounted):
    """A folder where nothing can be mounted; `image` is that folder, too."""

    protected: bool = False

    def volume(self) -> Volume:
        volume = Volume(self.root, f"uuid:{UUID}")
        if self.protected:
            volume.fails_at(0, lambda: OSError(errno.EROFS, "read-only"), only="unlink")
        return volume

    def keep(self, to: Path) -> None:
        shutil.copytree(self.root, to)

    @contextmanager
    def inserted(self, image: Path) -> Iterator[Mounted]:
        yield Plain(image, image)

    def protect(self) -> None:
        self.protected = True

    @contextmanager
    def filled(self) -> Iterator[Volume]:
        volume = self.volume()
        volume.fails_at(2, lambda: OSError(errno.ENOSPC, "full"), only="write")
        yield volume


@contextmanager
def a_volume(folder: Path, kind: str) -> Iterator[Mounted]:
    """Yield a mounted volume of this kind, or a plain folder where none can be had."""
    image, root = folder / "volume.img", folder / "volume"
    if os.geteuid() != 0 or shutil.which(MAKERS[kind][0]) is None:
        root.mkdir()
        yield Plain(root, root)
        return
    with image.open("wb") as file:
        os.truncate(file.fileno(), SIZE)
    _run(*MAKERS[kind], str(image))
    try:
        mounted = _mounted(image, root)
        volume = mounted.__enter__()
    except subprocess.CalledProcessError:
        yield Plain(root, root)
        return
    try:
        yield volume
    finally:
        mounted.__exit__(None, None, None)


@contextmanager
def _mounted(image: Path, root: Path) -> Iterator[Mounted]:
    root.mkdir(exist_ok=True)
    _run("mount", "-o", "loop", str(image), str(root))
    try:
        yield Mounted(image, root)
    finally:
        _run("umount", str(root))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
