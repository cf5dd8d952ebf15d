"""How key bundles travel to an enrolled device: sealed for its public key (HPKE)."""

from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from ledger.vocabulary.sealed_ticket import SealBroken

BUNDLE_MAX = 4096

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_128_GCM)


def seal_bundle(plain: bytes, *, to: X25519PublicKey, device_id: UUID) -> bytes:
    """Encrypt a key bundle for the device with this id."""
    return _SUITE.encrypt(plain, to, info=_info(device_id))


def open_bundle(sealed: bytes, *, key: X25519PrivateKey, device_id: UUID) -> bytes:
    """Decrypt a key bundle; raise `SealBroken` if it is not for this device."""
    if len(sealed) > BUNDLE_MAX:
        raise SealBroken("malformed", "The key bundle is too long.")
    try:
        return _SUITE.decrypt(sealed, key, info=_info(device_id))
    except (InvalidTag, ValueError):
        raise SealBroken(
            "counterfeit", "The key bundle does not open for this device."
        ) from None


def _info(device_id: UUID) -> bytes:
    return b"eticket-ledger device keys 1" + device_id.bytes
