"""The checksum inside what the card enciphers (MF2DLHX0, 11.6.1; AN0945, 4.3)."""

import zlib

CRC_LENGTH = 4


def crc32(data: bytes) -> bytes:
    """CRC-32 without its last inversion (JAMCRC), LSB first."""
    return (~zlib.crc32(data) & 0xFFFF_FFFF).to_bytes(CRC_LENGTH, "little")
