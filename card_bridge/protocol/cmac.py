"""AES-CMAC (NIST SP 800-38B) and the AES modes that the card's protocol uses."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

BLOCK = 16
ZERO_IV = bytes(BLOCK)
_RB = 0x87  # SP 800-38B section 5.3, for a block of 128 bits.


def cmac(key: bytes, message: bytes) -> bytes:
    """Return the full sixteen bytes."""
    mac = CMAC(algorithms.AES(key))
    mac.update(message)
    return mac.finalize()


def chained_cmac(key: bytes, iv: bytes, message: bytes) -> bytes:
    """Return the sixteen bytes of a CMAC that begins with `iv` and not with zeros."""
    k1, k2 = subkeys(key)
    whole = bool(message) and not len(message) % BLOCK
    padded = message if whole else pad(message)
    last = xor(padded[-BLOCK:], k1 if whole else k2)
    return cbc_encrypt(key, iv, padded[:-BLOCK] + last)[-BLOCK:]


def truncated(mac: bytes) -> bytes:
    """Return MACt: the odd bytes S1, S3 … S15 (MF2DLHX0 section 9.1.3)."""
    return mac[1::2]


def subkeys(key: bytes) -> tuple[bytes, bytes]:
    """Return K1 and K2 (SP 800-38B section 6.1)."""
    k1 = _doubled(ecb_encrypt(key, bytes(BLOCK)))
    return k1, _doubled(k1)


def cbc_encrypt(key: bytes, iv: bytes, plain: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return encryptor.update(plain) + encryptor.finalize()


def cbc_decrypt(key: bytes, iv: bytes, ciphertext: bytes) -> bytes:
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    return decryptor.update(ciphertext) + decryptor.finalize()


def ecb_encrypt(key: bytes, block: bytes) -> bytes:
    """Encrypt one block: CBC of a single block with a zero IV is the same."""
    return cbc_encrypt(key, bytes(BLOCK), block)


def pad(plain: bytes) -> bytes:
    """Append 80 00…: ISO/IEC 9797-1 method 2; a whole block is padded, too."""
    return plain + b"\x80" + bytes(-(len(plain) + 1) % BLOCK)


def unpad(padded: bytes) -> bytes:
    """Take the padding off; raise ValueError if there is none."""
    plain = padded.rstrip(b"\0")
    if not plain.endswith(b"\x80") or len(padded) - len(plain) >= BLOCK:
        raise ValueError("the padding is wrong")
    return plain[:-1]


def xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _doubled(block: bytes) -> bytes:
    shifted = int.from_bytes(block) << 1
    carry = _RB if block[0] & 0x80 else 0
    return (shifted & ((1 << 128) - 1) ^ carry).to_bytes(BLOCK)
