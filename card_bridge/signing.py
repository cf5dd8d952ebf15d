"""How a machine signs who it is: a key of its own, in a file for its owner alone.

The centre enrols the public half (`POST /v1/devices/{id}/signing-keys`); from then on
the machine needs no token that somebody has to carry to it, and to renew.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from card_bridge.keys import KeysError
from card_bridge.private_file import OpenToOthers, read_private, write_private
from ledger_client import DeviceCredentials

KEY_FILE = "signing.key"
TOKEN_PATH = "/oauth/token"  # noqa: S105 - an address.


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A machine's Ed25519 key."""

    private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def of(cls, home: Path) -> SigningKey | None:
        """Load the key of the machine in this folder, if it has one.

        Raises `KeysError`.
        """
        path = home / KEY_FILE
        try:
            return cls(Ed25519PrivateKey.from_private_bytes(read_private(path)))
        except FileNotFoundError:
            return None
        except OpenToOthers as error:
            raise KeysError(str(error)) from None
        except (OSError, ValueError) as error:
            raise KeysError(f"{path} is no key file: {error}.") from None

    @classmethod
    def made(cls, home: Path) -> SigningKey:
        """Load the key, or make it. Raises `KeysError`, and OSError."""
        key = cls.of(home)
        if key is None:
            key = cls(Ed25519PrivateKey.generate())
            write_private(home / KEY_FILE, key.private.private_bytes_raw())
        return key

    @property
    def jwk(self) -> dict[str, str]:
        """Return the public half (RFC 8037, section 2)."""
        x = base64.urlsafe_b64encode(self.private.public_key().public_bytes_raw())
        return {"kty": "OKP", "crv": "Ed25519", "x": x.rstrip(b"=").decode()}

    def credentials(self, server: str, device_id: UUID) -> DeviceCredentials:
        """Return what fetches and renews the machine's tokens at this server."""
        token_url = f"{server.rstrip('/')}{TOKEN_PATH}"
        return DeviceCredentials(token_url, device_id, self.private)
