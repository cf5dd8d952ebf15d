"""A disk of a server's own, whose power can be cut: an ext4 image, mounted by a loop.

What a program wrote and did not sync is in the kernel's memory and not in the image. So
a copy of the image, made while the server's processes stand still, is what a disk holds
after a power cut. Takes root, and a system that lets it mount.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.kills.waiting import wait_until

SIZE = 1 << 30  # Sparse: it takes what is written.


class Disk:
    """Mounted at `at`; unmounted by leaving the `with` block."""

    def __init__(self, folder: Path) -> None:
        self.at = folder / "disk"
        self._image = folder / "disk-0.img"
        self._copy: Path | None = None
        self._number = 0

    def __enter__(self) -> Self:
        self.at.mkdir()
        with self._image.open("wb") as image:
            os.truncate(image.fileno(), SIZE)
        _run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0", str(self._image))
        _run("mount", "-o", "loop", str(self._image), str(self.at))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._unmount()
        self._image.unlink()

    def copy(self) -> None:
        """Keep what is on the disk at this moment, and nothing that is in memory."""
        self._number += 1
        self._copy = self._image.with_name(f"disk-{self._number}.img")
        _run("cp", "--sparse=always", str(self._image), str(self._copy))

    def replace(self) -> None:
        """Go on from the copy, as a machine does when the power is back."""
        assert self._copy is not None
        self._unmount()
        self._image.unlink()
        self._image, self._copy = self._copy, None
        _run("mount", "-o", "loop", str(self._image), str(self.at))

    def _unmount(self) -> None:
        def is_done() -> bool:
            command = ["umount", str(self.at)]
            return not subprocess.run(
                command, capture_output=True, check=False
            ).returncode

        wait_until("the disk is unmounted", is_done)


def can_be_had(folder: Path) -> bool:
    """Whether this system lets us mount an image; `folder` is for the trial."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        return False
    try:
        with Disk(folder):
            return True
    except subprocess.CalledProcessError:
        return False


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
