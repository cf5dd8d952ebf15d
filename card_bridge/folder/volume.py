"""Which volume a folder is on: what is the same in every reader, and after every boot.

The UUID of its file system, as udev has read it (on FAT the serial number of the
volume); else the serial number of the device and the number of the partition. What has
neither (a network drive, a memory disk, layers of an overlay) is no medium: nothing
would tell it from another.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

BY_UUID = Path("/dev/disk/by-uuid")
UDEV = Path("/run/udev/data")  # What udev knows of each device, one `E:KEY=value` each.
RECORD_MAX = 1 << 16
_ID = re.compile(r"[0-9A-Za-z._:-]{4,96}\Z")
_ZEROS = re.compile(r"[0-]*\Z")

# Returns an id for the number of a device; raises `Nameless`.
Identify = Callable[[int], str]


class Nameless(Exception):
    """The device cannot be told from another; the message says why."""


class Volumes:
    """The volumes of this machine, as udev has named them."""

    def __init__(self, *, by_uuid: Path = BY_UUID, udev: Path = UDEV) -> None:
        self._by_uuid = by_uuid
        self._udev = udev

    def __call__(self, device: int) -> str:
        """Return `uuid:…` or `serial:…` of a device. Raises `Nameless`."""
        if os.major(device) == 0:
            raise Nameless("it has no device of its own")
        known = self._known(device)
        uuid = self._linked(device) or known.get("ID_FS_UUID", "")
        if _names(uuid):
            return f"uuid:{uuid.lower()}"
        serial = known.get("ID_SERIAL", "")
        if _names(serial):
            return f"serial:{serial}:{known.get('ID_PART_ENTRY_NUMBER', '0')}"
        raise Nameless("its file system has no UUID, and its device no serial number")

    def _linked(self, device: int) -> str:
        """Find the device among those that udev has linked by UUID."""
        try:
            links = sorted(self._by_uuid.iterdir())
        except OSError:
            return ""
        return next((link.name for link in links if _number(link) == device), "")

    def _known(self, device: int) -> Mapping[str, str]:
        record = self._udev / f"b{os.major(device)}:{os.minor(device)}"
        try:
            with record.open(errors="replace") as file:
                lines = file.read(RECORD_MAX).splitlines()
        except OSError:
            return {}
        said = (line[2:].partition("=") for line in lines if line.startswith("E:"))
        return {key: value for key, _, value in said}


def _number(link: Path) -> int | None:
    try:
        return link.stat().st_rdev
    except OSError:
        return None


def _names(said: str) -> bool:
    """Whether it tells one from another: plain letters, and not all of them zeros."""
    return bool(_ID.match(said)) and not _ZEROS.match(said)
