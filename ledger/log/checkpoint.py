"""Signed statements of how long the log is and what its root is.

C2SP signed-note with Ed25519 keys, and C2SP tlog-checkpoint as the text that is signed:

    <origin>
    <size>
    <root, base64>

    — <key name> <base64 of key id and signature>
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from ledger.log.merkle import HASH_LENGTH

ED25519 = b"\x01"
KEY_ID_LENGTH = 4
PUBLIC_KEY_LENGTH = 32
NOTE_MAX = 1_000_000
SIGNATURES_MAX = 100

_NAME = re.compile(r"[^\s+]+")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_SIGNATURE = re.compile(r"— ([^\s+]+) (\S+)")


class BadNote(ValueError):
    """Not a signed note, or not signed by a key that is trusted."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key under a name, as a signed-note verifier key says it."""

    name: str
    public: Ed25519PublicKey

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """Read `<name>+<key id>+<base64 of algorithm and key>`. Raises `BadNote`."""
        name, _, rest = vkey.partition("+")
        key_id, _, encoded = rest.partition("+")
        raw = _base64(encoded)
        if not _NAME.fullmatch(name) or raw[:1] != ED25519:
            raise BadNote("not an Ed25519 verifier key")
        if len(raw) != 1 + PUBLIC_KEY_LENGTH or key_id != _key_id(name, raw).hex():
            raise BadNote("the verifier key does not fit its id")
        return cls(name, Ed25519PublicKey.from_public_bytes(raw[1:]))

    @property
    def _encoded(self) -> bytes:
        return ED25519 + self.public.public_bytes_raw()

    @property
    def key_id(self) -> bytes:
        return _key_id(self.name, self._encoded)

    def __str__(self) -> str:
        """Return the verifier key in its textual form."""
        encoded = base64.b64encode(self._encoded).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"


class Signer:
    """A private key under a name; for a log's checkpoints the name is its origin."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError("a key's name has no spaces and no plus signs")
        self.verifier = Verifier(name, key.public_key())
        self._key = key

    def sign(self, text: str) -> str:
        """Return the signed note. `text` ends with a line feed."""
        if not text.endswith("\n"):
            raise ValueError("the text of a note ends with a line feed")
        signature = self.verifier.key_id + self._key.sign(text.encode())
        encoded = base64.b64encode(signature).decode()
        return f"{text}\n— {self.verifier.name} {encoded}\n"


def open_note(note: str, verifiers: Iterable[Verifier]) -> str:
    """Return a note's text, if a trusted key signed it. Raises `BadNote`.

    Signatures of unknown keys are passed over; a wrong one of a trusted key is not.
    """
    text, signatures = _parse(note)
    signed = False
    for name, raw in signatures:
        for verifier in verifiers:
            named = name == verifier.name
            if named and hmac.compare_digest(raw[:KEY_ID_LENGTH], verifier.key_id):
                try:
                    verifier.public.verify(raw[KEY_ID_LENGTH:], text.encode())
                except InvalidSignature:
                    raise BadNote("the signature does not fit the text") from None
                signed = True
    if not signed:
        raise BadNote("no trusted key has signed this")
    return text


def _parse(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    if len(note) > NOTE_MAX or any(c < " " and c != "\n" for c in note):
        raise BadNote("a note is text without control characters")
    before, gap, after = note.rpartition("\n\n")
    if not gap or not after.endswith("\n"):
        raise BadNote("a note is a text, an empty line and signatures")
    lines = after[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise BadNote("a note has at most a hundred signatures")
    return before + "\n", [_signature(line) for line in lines]


def _signature(line: str) -> tuple[str, bytes]:
    found = _SIGNATURE.fullmatch(line)
    if not found:
        raise BadNote("not a signature line")
    raw = _base64(found[2])
    if len(raw) <= KEY_ID_LENGTH:
        raise BadNote("a signature is longer than its key id")
    return found[1], raw


def _key_id(name: str, encoded: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + encoded).digest()[:KEY_ID_LENGTH]


def _base64(text: str) -> bytes:
    """Decode strictly: one value has one spelling. Raises `BadNote`."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadNote("not base64") from None
    if base64.b64encode(raw).decode() != text:
        raise BadNote("not base64 in its one form")
    return raw


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How long the log of an origin is, and the root of the tree over it."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        encoded = base64.b64encode(self.root).decode()
        return f"{self.origin}\n{self.size}\n{encoded}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a checkpoint; extension lines are passed over."""
        origin, size, root, *_ = [*text.split("\n"), "", "", ""]
        raw = _base64(root)
        if not origin or not _SIZE.fullmatch(size) or len(raw) != HASH_LENGTH:
            raise BadNote("not a checkpoint: origin, size, root")
        return cls(origin, int(size), raw)
