"""One key for each card, made from a master key and the card's UID (NXP AN10922)."""

from card_bridge.protocol.cmac import BLOCK, ZERO_IV, cbc_encrypt, pad, subkeys, xor

UID_LENGTH = 7
AID_LENGTH = 3
INPUT_MAX = 31  # AN10922, 2.2: M is 1 to 31 bytes.
_AES_128 = b"\x01"  # AN10922, 2.2.1: the constant of the AES-128 key.


def diversification_input(
    *, uid: bytes, aid: bytes, key_no: int, system_id: bytes
) -> bytes:
    """M = UID ‖ AID ‖ key number ‖ system id; `aid` as printed."""
    if len(uid) != UID_LENGTH or len(aid) != AID_LENGTH:
        raise ValueError("a UID has 7 bytes and an AID has 3")
    return uid + aid + bytes([key_no]) + system_id


def diversified(master: bytes, m: bytes) -> bytes:
    """The AES-128 key of one card (AN10922, 2.2): 16 bytes."""
    if not 1 <= len(m) <= INPUT_MAX:
        raise ValueError("the diversification input has 1 to 31 bytes")
    k1, k2 = subkeys(master)
    message = _AES_128 + m
    last_key = k1
    if len(message) < 2 * BLOCK:
        # Not plain CMAC: a short message is padded to two blocks, never to one.
        message, last_key = pad(message).ljust(2 * BLOCK, b"\0"), k2
    blocks = message[:BLOCK] + xor(message[BLOCK:], last_key)
    return cbc_encrypt(master, ZERO_IV, blocks)[BLOCK:]
