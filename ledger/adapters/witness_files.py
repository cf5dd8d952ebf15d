"""What a witness keeps on its disk: its key, and the last checkpoint of each log.

Files are written whole or not at all, and are on the disk before anybody is told. One
program at a time keeps a folder, so that no two can cosign two histories.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_LENGTH = 32
_LOCK = "lock"


class WitnessFilesError(Exception):
    """The folder or the key cannot be used; the message says why."""


class WitnessFolder:
    """Implements `ledger.log.witness.Memory`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    @contextmanager
    def opened(cls, folder: Path) -> Iterator[Self]:
        """Hold the folder for this program. Raises `WitnessFilesError`."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = (folder / _LOCK).open("w")
        except OSError as error:
            raise WitnessFilesError(f"{folder} cannot be used: {error}.") from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise WitnessFilesError(
                    f"Another witness keeps {folder}; end it first."
                ) from None
            yield cls(folder)

    def recall(self, origin: str) -> str | None:
        try:
            return self._path(origin).read_text("utf-8")
        except FileNotFoundError:
            return None

    def keep(self, origin: str, note: str) -> None:
        replace_file(self._path(origin), note.encode())

    def _path(self, origin: str) -> Path:
        return self._folder / f"{hashlib.sha256(origin.encode()).hexdigest()}.note"


def witness_key(path: Path) -> Ed25519PrivateKey:
    """Read a key of 32 bytes in hex; draw one if there is none yet.

    Raises `WitnessFilesError`.
    """
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_hex(KEY_LENGTH) + "\n")
                file.flush()
                os.fsync(file.fileno())
        if path.stat().st_mode & 0o077:
            raise WitnessFilesError(f"{path} is open to others; run chmod 600 {path}.")
        return Ed25519PrivateKey.from_private_bytes(
            bytes.fromhex(path.read_text().strip())
        )
    except (OSError, ValueError) as error:
        raise WitnessFilesError(f"{path} is no witness's key: {error}.") from None


def replace_file(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write a file whole, on the disk before this returns."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
