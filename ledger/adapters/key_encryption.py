"""The keys that wrap the persons' keys: in a file, in a secret, or in a module.

    LEDGER_KEY_ENCRYPTION=pkcs11,file     the first wraps, all of them unwrap

To change from one to another, name both, the new one first; `ledgerctl subject rewrap`
then moves every person's key, and the old one may be taken away.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.adapters.secrets import SecretsError
from ledger.adapters.witness_files import replace_file
from ledger.errors import Conflict

KEY_LENGTH, NONCE_LENGTH = 32, 12

FIRST = "file"
"""The name of the key that an installation begins with."""

FILE_NAME = "key-encryption-keys.json"
FORMAT = 1
_NAME_DIGITS = 8


class KeyUnusable(Conflict):
    code = "keys_missing"
    says = "{says}"


class WrappingKey(Protocol):
    """One key-encryption key. It may not be known here, only usable."""

    @property
    def name(self) -> str:
        """Stands beside whatever this key has wrapped."""

    def wrap(self, key: bytes, *, about: bytes) -> bytes:
        """Return the key, encrypted and bound to `about`."""

    def unwrap(self, wrapped: bytes, *, about: bytes) -> bytes:
        """Return the key. Raises `KeyUnusable` if it was not wrapped by this one."""


class LocalKey:
    """A key in this process's memory: AES-256-GCM, nonce first (NIST SP 800-38D)."""

    def __init__(self, name: str, key: bytes) -> None:
        self.name = name
        self._cipher = AESGCM(key)

    def wrap(self, key: bytes, *, about: bytes) -> bytes:
        nonce = secrets.token_bytes(NONCE_LENGTH)
        return nonce + self._cipher.encrypt(nonce, key, about)

    def unwrap(self, wrapped: bytes, *, about: bytes) -> bytes:
        nonce, ciphertext = wrapped[:NONCE_LENGTH], wrapped[NONCE_LENGTH:]
        try:
            return self._cipher.decrypt(nonce, ciphertext, about)
        except InvalidTag:
            raise does_not_open(self.name) from None


class Keyring:
    """Implements `ledger.ports.KeyEncryption`.

    `read` returns the keys, the newest first. It is asked when the first is needed, and
    again for a name that is not known: programs that run see a key that was added.
    """

    def __init__(self, read: Callable[[], Sequence[WrappingKey]]) -> None:
        self._read = read
        self._known: list[WrappingKey] = []

    @property
    def newest(self) -> str:
        return self._keys()[0].name

    def wrap(self, key: bytes, *, about: bytes) -> tuple[str, bytes]:
        newest = self._keys()[0]
        return newest.name, newest.wrap(key, about=about)

    def unwrap(self, name: str, wrapped: bytes, *, about: bytes) -> bytes:
        found = self._find(name)
        if found is None:
            self._known = []
            found = self._find(name)
        if found is None:
            raise KeyUnusable(
                says=f"The key {name} is not here, and wraps keys of persons;"
                " name where it is in LEDGER_KEY_ENCRYPTION."
            )
        return found.unwrap(wrapped, about=about)

    def _keys(self) -> list[WrappingKey]:
        if not self._known:
            self._known = list(self._read())
        return self._known

    def _find(self, name: str) -> WrappingKey | None:
        return next((key for key in self._keys() if key.name == name), None)


class FileKeys:
    """The key of the installation's key file, and those that have replaced it."""

    def __init__(self, folder: Path, first: bytes) -> None:
        self._path = folder / FILE_NAME
        self._first = first

    def all(self) -> list[WrappingKey]:
        """Return every key, the newest first. Raises `SecretsError`."""
        later = [LocalKey(each["name"], _hex(each["key"])) for each in self._kept()]
        return [*reversed(later), LocalKey(FIRST, self._first)]

    def rotate(self) -> str:
        """Draw a new key and keep it; return its name. Raises `SecretsError`."""
        kept = self._kept()
        name = f"{FIRST}-{len(kept) + 2}"
        kept.append({"name": name, "key": secrets.token_hex(KEY_LENGTH)})
        said = {"format": FORMAT, "keys": kept}
        replace_file(self._path, json.dumps(said, indent=1).encode())
        return name

    def _kept(self) -> list[Mapping[str, str]]:
        try:
            if self._path.stat().st_mode & 0o077:
                raise SecretsError(
                    f"{self._path} is open to others; run chmod 600 {self._path}."
                )
            said: Any = json.loads(self._path.read_text())
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise SecretsError(f"{self._path} cannot be read: {error}.") from None
        if not isinstance(said, dict) or said.get("format") != FORMAT:
            raise SecretsError(f"{self._path} is not a key file of this version.")
        return list(said["keys"])


def secret_keys(said: str) -> list[WrappingKey]:
    """Read LEDGER_KEY_ENCRYPTION_SECRET: keys in base64, the newest first, by commas.

    Raises `SecretsError`, which does not repeat what was said.
    """
    keys: list[WrappingKey] = []
    for each in said.split(","):
        try:
            key = base64.b64decode(each.strip(), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_LENGTH:
            raise SecretsError(
                "LEDGER_KEY_ENCRYPTION_SECRET is not 32 bytes in base64; make one by"
                " `openssl rand -base64 32`."
            )
        named = hashlib.sha256(b"eticket-ledger key encryption" + key).hexdigest()
        keys.append(LocalKey(f"environment-{named[:_NAME_DIGITS]}", key))
    return keys


def does_not_open(name: str) -> KeyUnusable:
    return KeyUnusable(
        says=f"The key {name} is not the one that wrapped a person's key;"
        " put the right one in its place, nothing was changed."
    )


def _hex(text: str) -> bytes:
    key = bytes.fromhex(text)
    if len(key) != KEY_LENGTH:
        raise SecretsError(f"A key of {FILE_NAME} has not {KEY_LENGTH} bytes.")
    return key
