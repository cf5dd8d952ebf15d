"""Making a ticket medium of a folder. Torn at any step, it is simply done again."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from card_bridge.folder.image import NONCE_LENGTH, Image, uid_of
from card_bridge.folder.medium import FolderMedium
from card_bridge.folder.refusals import NotPrepared
from card_bridge.folder.store import NothingWhole
from ledger.vocabulary.medium_record import (
    EMPTY_SLOT,
    SLOTS_MAX,
    Stamp,
    digest,
)

# What a folder is registered as; the desk sees which of them it holds in its hand.
FLASH_CARD = "flash-card"
DISK = "disk"
PROFILES = (FLASH_CARD, DISK)


def prepare(
    medium: FolderMedium,
    *,
    key_version_of: Callable[[bytes], int],
    nonce: bytes | None = None,
) -> int:
    """Bring a blank or prepared folder to the prepared state; return the key version.

    One that is torn beyond reading becomes another medium, with a UID of its own.
    `key_version_of` tells a UID's; it is asked before anything is written. Raises
    `CardError`, `ForeignFolder` for a copy, or `MalformedRecord`.
    """
    try:
        medium.find()
    except (NotPrepared, NothingWhole):
        return _make(medium, key_version_of, nonce or secrets.token_bytes(NONCE_LENGTH))
    medium.confirm_uid()
    return medium.read().stamped().key_version


def _make(
    medium: FolderMedium, key_version_of: Callable[[bytes], int], nonce: bytes
) -> int:
    uid = uid_of(medium.volume, nonce)
    key_version = key_version_of(uid)
    empty = digest(uid=uid, seq=0, slots=[EMPTY_SLOT] * SLOTS_MAX)
    stamp = Stamp(key_version=key_version, seq=0, uid=uid, digest=empty)
    medium.make_folder()
    medium.store.draft(Image.blank(nonce=nonce, stamp=stamp))
    medium.store.commit()
    medium.find()
    return key_version
