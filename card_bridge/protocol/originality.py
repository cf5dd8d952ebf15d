"""The originality signature: whether NXP made this chip (AN12343, section 7.2).

The maker signed the UID with ECDSA on secp224r1; the UID stands in place of a digest.
It is no secret and can be copied with the UID: it tells a wrong product, not a clone.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA224

CURVE = ec.SECP224R1()
NUMBER_LENGTH = 28
SIGNATURE_LENGTH = 2 * NUMBER_LENGTH


def is_original(uid: bytes, signature: bytes, *, maker: bytes) -> bool:
    """Whether `signature` (r ‖ s) of `uid` is the maker's.

    `maker` is the product's public key, an uncompressed point. Raises ValueError if
    that is none.
    """
    key = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, maker)
    if len(signature) != SIGNATURE_LENGTH or len(uid) > NUMBER_LENGTH:
        return False
    r, s = signature[:NUMBER_LENGTH], signature[NUMBER_LENGTH:]
    encoded = encode_dss_signature(int.from_bytes(r), int.from_bytes(s))
    # As a number, which is all that ECDSA sees of it, it is the same.
    digest = uid.rjust(NUMBER_LENGTH, b"\0")
    try:
        key.verify(encoded, digest, ec.ECDSA(Prehashed(SHA224())))
    except InvalidSignature:
        return False
    return True
