"""What a witness says of a checkpoint: it has seen no longer one, and no other branch.

C2SP tlog-cosignature, the Ed25519 kind (key type 0x04). The signed message:

    cosignature/v1
    time <seconds since 1970>
    <the checkpoint's whole text>

and the signature line holds the time (8 bytes, big-endian) before the signature.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from ledger.log.note import (
    BadNote,
    NoteVerifier,
    Verifier,
    key_id,
    read_vkey,
    signature_line,
    vkey,
)

COSIGNATURE_V1 = b"\x04"
_TIME_LENGTH = 8
_TIME_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class CosignatureVerifier:
    """A witness's public key under its name."""

    name: str
    public: Ed25519PublicKey

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `<name>+<key id>+<base64 of 0x04 and key>`. Raises `BadNote`."""
        name, public = read_vkey(text, COSIGNATURE_V1)
        return cls(name, public)

    @property
    def key_id(self) -> bytes:
        return key_id(self.name, COSIGNATURE_V1, self.public)

    def check(self, text: str, signature: bytes) -> None:
        seconds = int.from_bytes(signature[:_TIME_LENGTH], "big")
        if len(signature) <= _TIME_LENGTH or seconds > _TIME_MAX:
            raise BadNote("a cosignature is a time and a signature")
        try:
            self.public.verify(signature[_TIME_LENGTH:], _message(text, seconds))
        except InvalidSignature:
            raise BadNote("the cosignature does not fit the text") from None

    def __str__(self) -> str:
        """Return the verifier key in its textual form."""
        return vkey(self.name, COSIGNATURE_V1, self.public)


class Cosigner:
    """A witness's private key under its name."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self.verifier = CosignatureVerifier(name, key.public_key())
        # A name that no vkey can say is refused here.
        CosignatureVerifier.parse(str(self.verifier))
        self._key = key

    def line(self, text: str, *, at: datetime) -> str:
        """Return the signature line over a checkpoint's text, with its line feed."""
        seconds = int(at.timestamp())
        signed = self._key.sign(_message(text, seconds))
        stamped = seconds.to_bytes(_TIME_LENGTH, "big") + signed
        return signature_line(self.verifier, stamped)


def cosigned_at(signature: bytes) -> datetime:
    """Return the time in a cosignature that was checked. Raises `BadNote`."""
    seconds = int.from_bytes(signature[:_TIME_LENGTH], "big")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        raise BadNote("the cosignature's time is out of the calendar") from None


def parse_verifier(text: str) -> NoteVerifier:
    """Read a verifier key of either kind. Raises `BadNote`."""
    try:
        return Verifier.parse(text)
    except BadNote:
        return CosignatureVerifier.parse(text)


def _message(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()
