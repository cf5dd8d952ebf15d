"""What a device is about to do to a card, on disk before it does it.

One file a card, replaced whole and flushed: after a crash it says what was intended,
and, if a commit was sent, which operations the card will have signed.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from card_bridge.protocol.transaction_mac import Operation


@dataclass(frozen=True, slots=True)
class Redemption:
    """The use of a coupon for which a till makes a mark."""

    ticket_id: UUID
    session_id: UUID
    receipt: str
    right: str


@dataclass(frozen=True, slots=True)
class PurseMove:
    """What is taken from a card's purse, or put in; `tmc` is its count before."""

    amount_minor: int
    receipt: str
    tmc: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One unsettled write. `operations` are there once its commit was to be sent."""

    uid: bytes
    write_id: UUID
    stamp: bytes
    operations: tuple[Operation, ...] | None = None
    redemption: Redemption | None = None
    purse: PurseMove | None = None


class JournalDamaged(Exception):
    """The journal cannot be read; the message names the file."""

    code = "in_doubt"


class Journal:
    """A folder with one file for each card that has a write unsettled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def note(self, entry: Entry) -> None:
        """Keep what is intended; it is on disk when this returns."""
        self._replace(self._path(entry.uid), json.dumps(_said(entry)))

    def unsettled(self, uid: bytes) -> Entry | None:
        """Return what was not settled with a card. Raises `JournalDamaged`."""
        path = self._path(uid)
        try:
            return _read(json.loads(path.read_text()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise JournalDamaged(f"The journal {path} cannot be read.") from None

    def settle(self, uid: bytes) -> None:
        self._path(uid).unlink(missing_ok=True)
        self._flush_folder()

    def _path(self, uid: bytes) -> Path:
        return self._folder / f"{uid.hex()}.json"

    def _replace(self, path: Path, text: str) -> None:
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        self._flush_folder()

    def _flush_folder(self) -> None:
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _said(entry: Entry) -> dict[str, Any]:
    return {
        "uid": entry.uid.hex(),
        "write_id": str(entry.write_id),
        "stamp": entry.stamp.hex(),
        "operations": None
        if entry.operations is None
        else [_operation(operation) for operation in entry.operations],
        "redemption": None
        if entry.redemption is None
        else {name: str(it) for name, it in asdict(entry.redemption).items()},
        "purse": None if entry.purse is None else asdict(entry.purse),
    }


def _operation(operation: Operation) -> Sequence[Any]:
    return (
        operation.cmd,
        operation.file,
        operation.offset,
        operation.length,
        operation.data.hex(),
    )


def _read(said: dict[str, Any]) -> Entry:
    operations = said["operations"]
    return Entry(
        uid=bytes.fromhex(said["uid"]),
        write_id=UUID(said["write_id"]),
        stamp=bytes.fromhex(said["stamp"]),
        operations=None
        if operations is None
        else tuple(
            Operation(cmd, file, offset, length, bytes.fromhex(data))
            for cmd, file, offset, length, data in operations
        ),
        redemption=_redemption(said.get("redemption")),
        purse=_purse(said.get("purse")),
    )


def _redemption(said: dict[str, str] | None) -> Redemption | None:
    if said is None:
        return None
    return Redemption(
        ticket_id=UUID(said["ticket_id"]),
        session_id=UUID(said["session_id"]),
        receipt=said["receipt"],
        right=said["right"],
    )


def _purse(said: dict[str, Any] | None) -> PurseMove | None:
    if said is None:
        return None
    return PurseMove(int(said["amount_minor"]), str(said["receipt"]), int(said["tmc"]))
