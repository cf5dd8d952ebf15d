"""AuthenticateEV2First and NonFirst: both sides prove that they know an AES key.

MF2DLHX0 sections 9.1.5 to 9.1.7. The reader's side is split where the card answers, so
that the key may live elsewhere: whoever holds it is a `KeyAuthority`.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Protocol

from card_bridge.protocol.cmac import BLOCK, cbc_decrypt, cbc_encrypt, cmac
from card_bridge.protocol.status import AuthenticationFailed, BadAnswer

AUTHENTICATE_EV2_FIRST = 0x71
AUTHENTICATE_EV2_NON_FIRST = 0x77
TI_LENGTH = 4
CAPABILITIES_LENGTH = 6

_ZERO_IV = bytes(BLOCK)


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """What one authenticated session runs on."""

    ti: bytes
    enc: bytes = field(repr=False)
    mac: bytes = field(repr=False)


class KeyAuthority(Protocol):
    """Answers a card's challenge with a key that it does not give away."""

    def answer(self, *, key_no: int, enc_rnd_b: bytes) -> bytes:
        """Return part 2 for the card: E(K, RndA ‖ RndB')."""

    def finish(self, response: bytes) -> SessionKeys:
        """Check the card's last answer; raise `AuthenticationFailed`."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """The reader's half-done authentication, between the card's two answers."""

    key: bytes = field(repr=False)
    rnd_a: bytes = field(repr=False)
    rnd_b: bytes = field(repr=False)

    @classmethod
    def of(cls, key: bytes, *, rnd_a: bytes, enc_rnd_b: bytes) -> Challenge:
        if len(enc_rnd_b) != BLOCK or len(rnd_a) != BLOCK:
            raise BadAnswer("The card's challenge has not sixteen bytes.")
        return cls(key, rnd_a, cbc_decrypt(key, _ZERO_IV, enc_rnd_b))

    def part2(self) -> bytes:
        """Return E(K, RndA ‖ RndB'), RndB' being RndB rotated left by a byte."""
        return cbc_encrypt(self.key, _ZERO_IV, self.rnd_a + _rotated(self.rnd_b))

    def finish_first(self, response: bytes) -> SessionKeys:
        """Check E(K, TI ‖ RndA' ‖ PDcap2 ‖ PCDcap2) and derive the session keys."""
        if len(response) != 2 * BLOCK:
            raise BadAnswer("The card's answer has not thirty-two bytes.")
        plain = cbc_decrypt(self.key, _ZERO_IV, response)
        ti, rnd_a = plain[:TI_LENGTH], plain[TI_LENGTH : TI_LENGTH + BLOCK]
        self._check(rnd_a)
        enc, mac = session_keys(self.key, rnd_a=self.rnd_a, rnd_b=self.rnd_b)
        return SessionKeys(ti, enc, mac)

    def finish_non_first(self, response: bytes, *, ti: bytes) -> SessionKeys:
        """Check E(K, RndA'); the transaction identifier stays what it was."""
        if len(response) != BLOCK:
            raise BadAnswer("The card's answer has not sixteen bytes.")
        self._check(cbc_decrypt(self.key, _ZERO_IV, response))
        enc, mac = session_keys(self.key, rnd_a=self.rnd_a, rnd_b=self.rnd_b)
        return SessionKeys(ti, enc, mac)

    def _check(self, rotated_rnd_a: bytes) -> None:
        if not hmac.compare_digest(rotated_rnd_a, _rotated(self.rnd_a)):
            raise AuthenticationFailed("The card does not know the key.")


class LocalKey:
    """A `KeyAuthority` for a key on this machine. `rnd_a` is used once."""

    def __init__(self, key: bytes, *, rnd_a: bytes) -> None:
        self._key = key
        self._rnd_a = rnd_a
        self._challenge: Challenge | None = None

    def answer(self, *, key_no: int, enc_rnd_b: bytes) -> bytes:
        self._challenge = Challenge.of(
            self._key, rnd_a=self._rnd_a, enc_rnd_b=enc_rnd_b
        )
        return self._challenge.part2()

    def finish(self, response: bytes) -> SessionKeys:
        if self._challenge is None:
            raise AuthenticationFailed("There was no challenge to finish.")
        return self._challenge.finish_first(response)


def session_keys(key: bytes, *, rnd_a: bytes, rnd_b: bytes) -> tuple[bytes, bytes]:
    """Return (SesAuthENCKey, SesAuthMACKey)."""
    sv1, sv2 = session_vectors(rnd_a=rnd_a, rnd_b=rnd_b)
    return cmac(key, sv1), cmac(key, sv2)


def session_vectors(*, rnd_a: bytes, rnd_b: bytes) -> tuple[bytes, bytes]:
    """Return SV1 and SV2 (MF2DLHX0 section 9.1.7)."""
    mixed = bytes(a ^ b for a, b in zip(rnd_a[2:8], rnd_b[:6], strict=True))
    tail = b"\x00\x01\x00\x80" + rnd_a[:2] + mixed + rnd_b[6:] + rnd_a[8:]
    return b"\xa5\x5a" + tail, b"\x5a\xa5" + tail


def _rotated(block: bytes) -> bytes:
    return block[1:] + block[:1]
