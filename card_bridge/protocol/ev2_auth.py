"""AuthenticateEV2First and NonFirst: both sides prove the key, a session begins.

    us                               card
    71 keyNo  ────────────────────►
              ◄────────────────────  E(K, RndB)
    E(K, RndA ‖ RndB')  ──────────►
              ◄────────────────────  E(K, TI ‖ RndA' ‖ PDcap2 ‖ PCDcap2)

(RndX' is RndX rotated left by one byte; NonFirst, 77, answers E(K, RndA') alone and
keeps TI and the command counter.) MF2DLHX0, 9.1.5 to 9.1.7.
"""

import hmac
from dataclasses import dataclass, field
from typing import Protocol, Self

from card_bridge.protocol.cmac import (
    BLOCK,
    ZERO_IV,
    cbc_decrypt,
    cbc_encrypt,
    cmac,
    xor,
)
from card_bridge.protocol.status import AuthenticationFailed

FIRST = 0x71
NON_FIRST = 0x77
TI_LENGTH = 4
FIRST_ANSWER_LENGTH = 2 * BLOCK


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """What both sides know after authentication. `ti` is empty after NonFirst."""

    ti: bytes
    enc: bytes = field(repr=False)
    mac: bytes = field(repr=False)


class KeyAuthority(Protocol):
    """Who holds the card's key: this machine, or a server that never gives it away."""

    def answer(self, *, key_no: int, enc_rnd_b: bytes) -> bytes:
        """Return the 32 bytes of part 2; AuthenticationFailed where it cannot."""
        ...

    def finish(self, response: bytes) -> SessionKeys:
        """Judge the card's last answer; AuthenticationFailed if the key differs."""
        ...


@dataclass(frozen=True, slots=True)
class Handshake:
    """An authentication after the card's challenge was read."""

    key: bytes = field(repr=False)
    rnd_a: bytes = field(repr=False)
    rnd_b: bytes = field(repr=False)

    @classmethod
    def begin(cls, *, key: bytes, rnd_a: bytes, enc_rnd_b: bytes) -> Self:
        """`rnd_a` is 16 fresh random bytes, never used before."""
        if len(rnd_a) != BLOCK:
            raise ValueError("RndA has 16 bytes")
        if len(enc_rnd_b) != BLOCK:
            raise AuthenticationFailed
        return cls(key, rnd_a, cbc_decrypt(key, ZERO_IV, enc_rnd_b))

    def part2(self) -> bytes:
        return cbc_encrypt(self.key, ZERO_IV, self.rnd_a + rotated(self.rnd_b))

    def finish(self, response: bytes) -> SessionKeys:
        """Read the 32 (First) or 16 (NonFirst) bytes of the card's last answer."""
        if len(response) not in (BLOCK, FIRST_ANSWER_LENGTH):
            raise AuthenticationFailed
        plain = cbc_decrypt(self.key, ZERO_IV, response)
        ti = plain[:TI_LENGTH] if len(response) == FIRST_ANSWER_LENGTH else b""
        proof = plain[len(ti) : len(ti) + BLOCK]
        if not hmac.compare_digest(proof, rotated(self.rnd_a)):
            raise AuthenticationFailed
        return session_keys(ti=ti, key=self.key, rnd_a=self.rnd_a, rnd_b=self.rnd_b)


class LocalKey:
    """A `KeyAuthority` for one authentication with a key held on this machine."""

    def __init__(self, key: bytes, rnd_a: bytes) -> None:
        self._key = key
        self._rnd_a: bytes | None = rnd_a
        self._handshake: Handshake | None = None

    def answer(self, *, key_no: int, enc_rnd_b: bytes) -> bytes:
        if self._rnd_a is None:
            raise ValueError("RndA serves one authentication only")
        self._handshake = Handshake.begin(
            key=self._key, rnd_a=self._rnd_a, enc_rnd_b=enc_rnd_b
        )
        self._rnd_a = None
        return self._handshake.part2()

    def finish(self, response: bytes) -> SessionKeys:
        if self._handshake is None:
            raise ValueError("the challenge has not been answered")
        handshake, self._handshake = self._handshake, None
        return handshake.finish(response)


def session_keys(*, ti: bytes, key: bytes, rnd_a: bytes, rnd_b: bytes) -> SessionKeys:
    sv1, sv2 = session_vectors(rnd_a, rnd_b)
    return SessionKeys(ti=ti, enc=cmac(key, sv1), mac=cmac(key, sv2))


def session_vectors(rnd_a: bytes, rnd_b: bytes) -> tuple[bytes, bytes]:
    """SV1 and SV2 (MF2DLHX0, 9.1.7)."""
    mixed = rnd_a[:2] + xor(rnd_a[2:8], rnd_b[:6]) + rnd_b[6:] + rnd_a[8:]
    tail = bytes.fromhex("00010080") + mixed
    return bytes.fromhex("a55a") + tail, bytes.fromhex("5aa5") + tail


def rotated(block: bytes) -> bytes:
    """RndX': one byte to the left."""
    return block[1:] + block[:1]
