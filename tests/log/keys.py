"""A key-encryption key for tests that need one and are not about it."""

from ledger.adapters.key_encryption import Keyring, LocalKey


def local_keys(key: bytes = bytes(32), name: str = "file") -> Keyring:
    return Keyring(lambda: [LocalKey(name, key)])
