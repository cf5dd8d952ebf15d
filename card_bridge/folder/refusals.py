"""What can go wrong with a folder, in the words of a card's errors.

CardError
├── FolderFault        ended: what was asked was not done, or nobody knows
│   └── FolderGone     the volume was pulled out, or never there
├── FolderFull         no room for another state
├── FolderReadOnly     it can be read and not written
├── FolderBusy         another program has it in its hands
├── NoIdentity         nothing tells this volume from another
├── NotPrepared        no ticket medium yet
└── NoPurse            money is on cards only
ForeignFolder          the records were made for another volume: a copy
"""

from __future__ import annotations

import errno
from pathlib import Path

from card_bridge.profile.card import UidMismatch
from card_bridge.protocol.status import CardError, CardFault

_GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.EIO})
_GONE |= {errno.ENOTDIR}
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_CLOSED = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


class _OfFolder(CardError):
    def __init__(self, folder: Path, why: str = "") -> None:
        Exception.__init__(self, self.says.format(folder=folder, why=why))


class FolderFault(_OfFolder, CardFault):
    code = "medium-fault"
    says = "The medium at {folder} failed: {why}."


class FolderGone(FolderFault):
    code = "card-gone"
    says = "The medium at {folder} is not there, or was pulled out."


class FolderFull(_OfFolder):
    code = "medium-full"
    says = "The medium at {folder} has no room left; make some and do it again."


class FolderReadOnly(_OfFolder):
    code = "medium-read-only"
    says = "The medium at {folder} cannot be written; lift its write protection."


class FolderBusy(_OfFolder):
    code = "medium-busy"
    says = "Another program is at the medium at {folder}; try again when it is done."


class NoIdentity(_OfFolder):
    code = "medium-without-identity"
    says = (
        "The folder {folder} is on nothing that can be told from another: {why}."
        " Take a flash card or a disk with a file system of its own."
    )


class NotPrepared(_OfFolder):
    code = "medium-not-prepared"
    says = "The folder {folder} is no ticket medium; the centre makes it one."


class NoPurse(_OfFolder):
    code = "medium-without-purse"
    says = (
        "The medium at {folder} has no purse: money on it could be copied."
        " Pay in another way, or from an IC card."
    )


class ForeignFolder(UidMismatch):
    code = "clone"


def said_of(error: OSError, folder: Path) -> CardError:
    """Say a system's error in the words above."""
    if error.errno in _GONE:
        return FolderGone(folder)
    if error.errno in _FULL:
        return FolderFull(folder)
    if error.errno in _CLOSED:
        return FolderReadOnly(folder)
    return FolderFault(folder, (error.strerror or "the system says no").lower())
