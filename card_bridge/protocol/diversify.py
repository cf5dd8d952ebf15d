"""A key of its own for every card: AN10922 revision 2.2, AES-128."""

from __future__ import annotations

from card_bridge.protocol.cmac import BLOCK, cbc_encrypt, subkeys

DIVERSIFICATION_MAX = 31
_AES128 = b"\x01"  # The constant that separates AES-128, AN10922 section 2.2.


def diversified(master: bytes, m: bytes) -> bytes:
    """Diversify an AES-128 master key by 1 to 31 bytes `m` (AN10922 section 2.2.1).

    The input is padded to two blocks even when it would fit one, unlike plain CMAC.
    """
    if not 1 <= len(m) <= DIVERSIFICATION_MAX:
        raise ValueError("the diversification input has 1 to 31 bytes")
    k1, k2 = subkeys(master)
    whole = _AES128 + m
    if len(whole) == 2 * BLOCK:
        padded, last = whole, k1
    else:
        padded = whole + b"\x80" + bytes(2 * BLOCK - len(whole) - 1)
        last = k2
    mixed = bytes(a ^ b for a, b in zip(padded[BLOCK:], last, strict=True))
    return cbc_encrypt(master, bytes(BLOCK), padded[:BLOCK] + mixed)[BLOCK:]


def card_key(
    master: bytes, *, uid: bytes, aid: bytes, key_no: int, system: bytes
) -> bytes:
    """Diversify by UID, application, key number and system identifier."""
    return diversified(master, uid + aid + bytes([key_no]) + system)
