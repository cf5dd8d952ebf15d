"""Files that their owner alone may read: keys, and who is signed in."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

_OTHERS = 0o077


class OpenToOthers(Exception):
    """The file may be read by others than its owner."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is open to others; run chmod 600 {path}.")


def read_private(path: Path) -> bytes:
    """Return what the file holds. Raises `OpenToOthers`, and OSError."""
    if path.stat().st_mode & _OTHERS:
        raise OpenToOthers(path)
    return path.read_bytes()


def write_private(path: Path, content: bytes) -> None:
    """Write the file whole or not at all, for its owner alone. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
