"""Signed notes: text that keys have put their names under (C2SP signed-note).

    <text, any number of lines>

    — <key name> <base64 of key id and signature>
    …

A key is known by its name and a short id together; what is said is believed only if a
key signed it that the reader trusted before. Two kinds of keys are read here: Ed25519
(0x01), and through `vkey` the witnesses' (0x04, `cosignature.py`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

ED25519 = b"\x01"
KEY_ID_LENGTH = 4
PUBLIC_KEY_LENGTH = 32
NOTE_MAX = 1_000_000
SIGNATURES_MAX = 100

# Unicode spaces are spaces: `\s` has them all.
_NAME = re.compile(r"[^\s+]+")
_KEY_ID = re.compile(r"[0-9a-f]{8}")
_SIGNATURE = re.compile(r"— ([^\s+]+) (\S+)")


class BadNote(ValueError):
    """Not a signed note, or not signed by a key that is trusted."""


class NoteVerifier(Protocol):
    """A public key under a name, of whatever kind."""

    @property
    def name(self) -> str: ...

    @property
    def key_id(self) -> bytes: ...

    def check(self, text: str, signature: bytes) -> None:
        """Raise `BadNote` unless this key has signed the text."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """An Ed25519 public key under a name, as a verifier key (vkey) says it."""

    name: str
    public: Ed25519PublicKey

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """Read `<name>+<key id>+<base64 of 0x01 and key>`. Raises `BadNote`."""
        name, public = read_vkey(vkey, ED25519)
        return cls(name, public)

    @property
    def key_id(self) -> bytes:
        return key_id(self.name, ED25519, self.public)

    def check(self, text: str, signature: bytes) -> None:
        try:
            self.public.verify(signature, text.encode())
        except InvalidSignature:
            raise BadNote("the signature does not fit the text") from None

    def __str__(self) -> str:
        """Return the verifier key in its textual form."""
        return vkey(self.name, ED25519, self.public)


class Signer:
    """A private key under a name; for a log's checkpoints the name is its origin."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError("a key's name has no spaces and no plus signs")
        self.verifier = Verifier(name, key.public_key())
        self._key = key

    def sign(self, text: str) -> str:
        """Return the signed note. `text` ends with a line feed."""
        return sign(text, [self])

    def line(self, text: str) -> str:
        """Return this key's signature line, with its line feed."""
        return signature_line(self.verifier, self._key.sign(text.encode()))


@dataclass(frozen=True, slots=True)
class Note:
    """A text, and the signatures under it: (key name, key id, signature)."""

    text: str
    signatures: tuple[tuple[str, bytes, bytes], ...]

    @classmethod
    def parse(cls, note: str) -> Self:
        """Take a note apart; nothing is verified. Raises `BadNote`."""
        if len(note) > NOTE_MAX or any(c < " " and c != "\n" for c in note):
            raise BadNote("a note is text without control characters")
        before, gap, after = note.rpartition("\n\n")
        if not gap or not after.endswith("\n"):
            raise BadNote("a note is a text, an empty line and signatures")
        lines = after[:-1].split("\n")
        if len(lines) > SIGNATURES_MAX:
            raise BadNote("a note has at most a hundred signatures")
        return cls(before + "\n", tuple(signature(line) for line in lines))

    def signed_by(self, verifiers: Iterable[NoteVerifier]) -> list[NoteVerifier]:
        """Return the keys among `verifiers` that signed this.

        Signatures of other keys are passed over; a wrong one of these is not: raises
        `BadNote`.
        """
        known = list(verifiers)
        signed: list[NoteVerifier] = []
        for name, its_id, raw in self.signatures:
            for verifier in known:
                named = name == verifier.name
                if named and hmac.compare_digest(its_id, verifier.key_id):
                    verifier.check(self.text, raw)
                    if verifier not in signed:
                        signed.append(verifier)
        return signed


def sign(text: str, signers: Sequence[Signer]) -> str:
    """Return a note under which all the signers stand, the first one first."""
    if not text.endswith("\n"):
        raise ValueError("the text of a note ends with a line feed")
    return f"{text}\n" + "".join(each.line(text) for each in signers)


def open_note(note: str, verifiers: Iterable[NoteVerifier]) -> str:
    """Return a note's text, if a trusted key signed it. Raises `BadNote`.

    Signatures of unknown keys are passed over; a wrong one of a trusted key is not.
    """
    found = Note.parse(note)
    if not found.signed_by(verifiers):
        raise BadNote("no trusted key has signed this")
    return found.text


def signature(line: str) -> tuple[str, bytes, bytes]:
    """Read one signature line, without its line feed. Raises `BadNote`."""
    found = _SIGNATURE.fullmatch(line)
    if not found:
        raise BadNote("not a signature line")
    raw = from_base64(found[2])
    if len(raw) <= KEY_ID_LENGTH:
        raise BadNote("a signature is longer than its key id")
    return found[1], raw[:KEY_ID_LENGTH], raw[KEY_ID_LENGTH:]


def signature_line(verifier: NoteVerifier, signature: bytes) -> str:
    """Write one signature line, with its line feed."""
    return f"— {verifier.name} {to_base64(verifier.key_id + signature)}\n"


def read_vkey(text: str, kind: bytes) -> tuple[str, Ed25519PublicKey]:
    """Read a verifier key of one signature type. Raises `BadNote`."""
    name, _, rest = text.partition("+")
    its_id, _, encoded = rest.partition("+")
    raw = from_base64(encoded)
    if not _NAME.fullmatch(name) or not _KEY_ID.fullmatch(its_id):
        raise BadNote("a verifier key is <name>+<key id>+<base64>")
    if raw[:1] != kind or len(raw) != 1 + PUBLIC_KEY_LENGTH:
        raise BadNote(f"not an Ed25519 verifier key of type {kind.hex()}")
    public = Ed25519PublicKey.from_public_bytes(raw[1:])
    if its_id != key_id(name, kind, public).hex():
        raise BadNote("the verifier key does not fit its id")
    return name, public


def vkey(name: str, kind: bytes, public: Ed25519PublicKey) -> str:
    """Write a verifier key."""
    its_id = key_id(name, kind, public).hex()
    return f"{name}+{its_id}+{to_base64(kind + public.public_bytes_raw())}"


def key_id(name: str, kind: bytes, public: Ed25519PublicKey) -> bytes:
    said = name.encode() + b"\n" + kind + public.public_bytes_raw()
    return hashlib.sha256(said).digest()[:KEY_ID_LENGTH]


def to_base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def from_base64(text: str) -> bytes:
    """Decode strictly: one value has one spelling. Raises `BadNote`."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadNote("not base64") from None
    if to_base64(raw) != text:
        raise BadNote("not base64 in its one form")
    return raw
