"""The installation's keys in one file that only its owner may read.

They are made once, together, and belong to one database: the composition root compares
their fingerprint with the one the database remembers. Losing the file loses the cards
and the sealed personal data: keep a copy of it, and apart from the database.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from ledger.vocabulary.sealed_ticket import key_id

FILE_NAME = "keys.json"
FORMAT = 1
CARD_MASTERS = ("master", "issue", "operate", "inspect", "record", "transaction_mac")
_DERIVED_MASTERS = ("find", "sell", "top_up")
_CARD_KEY_LENGTH = 16
_CODE_DIGITS = 8


class SecretsError(Exception):
    """The keys cannot be used; the message says why and what to do."""


class FileSecrets:
    """Implements `ledger.ports.Secrets`; made by `load` or `create`."""

    def __init__(self, kept: Mapping[str, Any]) -> None:
        self._kept = kept
        self._issuer = Ed25519PrivateKey.from_private_bytes(self._bytes("issuer"))

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Read the keys; None if there are none yet. Raises `SecretsError`."""
        path = folder / FILE_NAME
        try:
            if path.stat().st_mode & 0o077:
                raise SecretsError(f"{path} is open to others; run chmod 600 {path}.")
            kept = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise SecretsError(f"{path} cannot be read: {error}.") from None
        if not isinstance(kept, dict) or kept.get("format") != FORMAT:
            raise SecretsError(f"{path} is not a key file of this version.")
        return cls(kept)

    @classmethod
    def create(cls, folder: Path) -> Self:
        """Draw all keys and keep them; if another process was first, use its keys."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = {
            "format": FORMAT,
            **{name: secrets.token_hex(32) for name in _NAMES},
            "cards": {
                "key_version": 1,
                **{name: secrets.token_hex(16) for name in CARD_MASTERS},
            },
        }
        path = folder / FILE_NAME
        draft = folder / f".{FILE_NAME}.{secrets.token_hex(4)}"
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(kept, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        loaded = cls.load(folder)
        if loaded is None:
            raise SecretsError(f"{path} disappeared while it was made.")
        return loaded

    def issuer_key(self) -> Ed25519PrivateKey:
        return self._issuer

    def issuer_public_keys(self) -> Mapping[bytes, Ed25519PublicKey]:
        public = self._issuer.public_key()
        return {key_id(public): public}

    def log_key(self) -> Ed25519PrivateKey:
        """The key that signs checkpoints of the log."""
        return Ed25519PrivateKey.from_private_bytes(self._bytes("log"))

    def key_encryption(self) -> bytes:
        """The key that wraps the keys of data subjects."""
        return self._bytes("personal")

    def card_continuation(self) -> bytes:
        """The key that seals half-done authentications of cards."""
        return self._bytes("continuation")

    def payment_callbacks(self) -> bytes:
        """The key by which the sandbox of payments signs what it says."""
        key = self._bytes("print")
        return hmac.new(key, b"eticket-ledger payment callbacks", "sha256").digest()

    def answer_pepper(self) -> bytes:
        """What stored answers are sealed under, beside their callers' own keys."""
        key = self._bytes("print")
        return hmac.new(key, b"eticket-ledger stored answers", "sha256").digest()

    def people_pepper(self) -> bytes:
        """What login names are found by, and the codes of letters are made from."""
        key = self._bytes("print")
        return hmac.new(key, b"eticket-ledger people", "sha256").digest()

    def card_masters(self) -> Mapping[str, Any]:
        """The cards' master keys in hex by name, and their `key_version`.

        Those that a key file does not name are made of the first of those it does.
        """
        masters: Mapping[str, Any] = self._kept["cards"]
        root = bytes.fromhex(masters["master"])
        made = {
            name: hmac.new(root, f"eticket-ledger {name}".encode(), "sha256")
            .digest()[:_CARD_KEY_LENGTH]
            .hex()
            for name in _DERIVED_MASTERS
        }
        return {**made, **masters}

    def print_code(self, serial: str) -> str:
        mac = hmac.new(self._bytes("print"), serial.encode(), "sha256").hexdigest()
        return f"ETL1:{serial}:{mac[:_CODE_DIGITS]}"

    def fingerprint(self) -> str:
        """Name these keys without giving anything away."""
        canonical = json.dumps(self._kept, sort_keys=True).encode()
        return hashlib.sha256(b"eticket-ledger keys" + canonical).hexdigest()[:32]

    def _bytes(self, name: str) -> bytes:
        return bytes.fromhex(self._kept[name])


_NAMES = ("issuer", "log", "personal", "print", "continuation")
