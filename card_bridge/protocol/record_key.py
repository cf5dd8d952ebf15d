"""The key pair for which the tickets on one card are sealed.

Its private half is derived from the card's own diversified key, so whoever may open
what is on cards holds one master, and whoever only records knows a public key.
"""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_LENGTH = 32


def record_private_key(card_key: bytes) -> X25519PrivateKey:
    """Derive X25519 by HKDF-SHA256 (RFC 5869) from a diversified AES-128 key."""
    derive = HKDF(
        hashes.SHA256(), _LENGTH, salt=None, info=b"eticket-ledger record key"
    )
    return X25519PrivateKey.from_private_bytes(derive.derive(card_key))
