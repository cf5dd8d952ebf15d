"""The keys that sign for a log, the one in force and those it has replaced.

The first key is made with the installation (`secrets.py`) and known by its fingerprint
for ever. Those that follow stand in a file of their own beside it, so that rotating
changes nothing the database remembers. While two overlap, both sign.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ledger.adapters.secrets import SecretsError
from ledger.adapters.witness_files import replace_file

FILE_NAME = "log-keys.json"
FORMAT = 1
SEED_LENGTH = 32
_RECEIPTS = b"eticket-ledger receipts"


@dataclass(frozen=True, slots=True)
class LogKey:
    """A key, and the time it signs until (None: it is the one in force)."""

    private: Ed25519PrivateKey
    until: datetime | None

    def receipts(self) -> Ed25519PrivateKey:
        """Derive the key that signs receipts (HKDF, RFC 5869)."""
        seed = self.private.private_bytes_raw()
        derived = HKDF(SHA256(), SEED_LENGTH, salt=None, info=_RECEIPTS).derive(seed)
        return Ed25519PrivateKey.from_private_bytes(derived)


class LogKeys:
    """All keys of a log, read anew each time: programs that run see a rotation."""

    def __init__(self, folder: Path, first: Ed25519PrivateKey) -> None:
        self._path = folder / FILE_NAME
        self._first = first

    def all(self) -> Sequence[LogKey]:
        """Return every key there ever was, the newest first. Raises `SecretsError`."""
        kept = self._kept()
        ends = [datetime.fromisoformat(each["replaced"]) for each in kept]
        seeds = [bytes.fromhex(each["seed"]) for each in kept]
        private = [self._first, *map(Ed25519PrivateKey.from_private_bytes, seeds)]
        keys = zip(private, [*ends, None], strict=True)
        return [LogKey(key, until) for key, until in reversed(list(keys))]

    def signing(self, at: datetime) -> Sequence[LogKey]:
        """Return the keys that sign at a time, the newest first."""
        return [key for key in self.all() if key.until is None or at < key.until]

    def rotate(self, *, overlap_until: datetime) -> LogKey:
        """Draw a new key; the one in force signs beside it until the time given."""
        new = {
            "seed": secrets.token_hex(SEED_LENGTH),
            "replaced": overlap_until.isoformat(),  # Its predecessor signs until then.
        }
        kept = {"format": FORMAT, "keys": [*self._kept(), new]}
        replace_file(self._path, json.dumps(kept, indent=1).encode())
        return self.all()[0]

    def _kept(self) -> list[dict[str, Any]]:
        try:
            if self._path.stat().st_mode & 0o077:
                says = f"{self._path} is open to others; run chmod 600 {self._path}."
                raise SecretsError(says)
            kept = json.loads(self._path.read_text())
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise SecretsError(f"{self._path} cannot be read: {error}.") from None
        if not isinstance(kept, dict) or kept.get("format") != FORMAT:
            raise SecretsError(f"{self._path} is not a key file of this version.")
        keys: list[dict[str, Any]] = kept["keys"]
        return keys
