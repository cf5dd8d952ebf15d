"""Believing nothing: what the log's tree and its signature prove to who looks.

    a leaf ──► inclusion proof ──┐
                                 ├──► root ──► checkpoint, signed by a key you trust
    an older root ──► consistency┘

RFC 6962, section 2 (RFC 9162, section 2); C2SP signed-note, tlog-checkpoint and
tlog-proof. This is written apart from the server's code, so that it checks it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HASH_LENGTH = 32
NOTE_MAX = 1_000_000
SIGNATURES_MAX = 100
HASHES_MAX = 63

_ED25519 = b"\x01"
_KEY_ID_LENGTH = 4
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_VKEY = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+(\S+)")
_SIGNATURE = re.compile(r"— ([^\s+]+) (\S+)")


class NotProven(Exception):
    """What was given does not prove what it should. The message says why."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How long a log is, and the root of the tree over it: `root` has 32 bytes."""

    origin: str
    size: int
    root: bytes


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def check_inclusion(
    *, index: int, size: int, leaf_hash: bytes, proof: Sequence[bytes], root: bytes
) -> None:
    """Check that a leaf stands at `index`, counted from 0. Raises `NotProven`."""
    if not 0 <= index < size:
        raise NotProven(f"a tree of {size} leaves has none at {index}")
    if _root_over(leaf_hash, proof, index=index, size=size) != root:
        raise NotProven("the proof leads to another root")


def check_consistency(
    *, old_size: int, size: int, old_root: bytes, root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that a tree goes on what it was. Raises `NotProven`.

    Of an empty tree there is nothing to prove: a proof that begins there is refused.
    """
    if not 0 < old_size <= size:
        raise NotProven(f"a tree of {old_size} leaves does not grow into {size}")
    if old_size == size:
        if proof or old_root != root:
            raise NotProven("two trees of one size have two roots")
        return
    # A full old tree is a node of the new one; of another, the proof brings the last.
    full = old_size & (old_size - 1) == 0
    nodes = [old_root, *proof] if full else list(proof)
    if not nodes:
        raise NotProven("the proof is too short")
    if _roots_over(nodes, old_size=old_size, size=size) != (old_root, root):
        raise NotProven("the proof leads to other roots")


def open_checkpoint(note: str, vkeys: Iterable[str]) -> Checkpoint:
    """Return a checkpoint that one of the log's verifier keys has signed.

    Take `vkeys` from elsewhere than the log that they are to check. Signatures of
    other keys are passed over; a wrong one of these is not. Raises `NotProven`, and
    ValueError if a verifier key is none.
    """
    keys = [_verifier(vkey) for vkey in vkeys]
    text = _signed_text(note, keys)
    origin, size, root, *_ = [*text.split("\n"), "", "", ""]
    raw = _base64(root)
    if not origin or not _NUMBER.fullmatch(size) or len(raw) != HASH_LENGTH:
        raise NotProven("the note is no checkpoint: origin, size, root")
    if all(name != origin for name, _, _ in keys):
        raise NotProven("a log's key bears the name of its origin")
    return Checkpoint(origin, int(size), raw)


def check_tlog_proof(text: str, *, leaf: bytes, vkeys: Iterable[str]) -> Checkpoint:
    """Check a proof that one leaf is in a log, in one file (C2SP tlog-proof).

    Returns the checkpoint that it leads to. Raises `NotProven`, or ValueError as above.
    """
    head, gap, note = text.partition("\n\n")
    header, *said = head.split("\n")
    if header != "c2sp.org/tlog-proof@v1" or not gap:
        raise NotProven("not a c2sp.org/tlog-proof@v1")
    if said and said[0].startswith("extra "):
        del said[0]
    name, _, index = (said[0] if said else "").partition(" ")
    if name != "index" or not _NUMBER.fullmatch(index) or len(said) > HASHES_MAX + 1:
        raise NotProven("a proof has an index, and no more than 63 hashes")
    checkpoint = open_checkpoint(note, vkeys)
    check_inclusion(
        index=int(index),
        size=checkpoint.size,
        leaf_hash=leaf_hash(leaf),
        proof=[_base64(each) for each in said[1:]],
        root=checkpoint.root,
    )
    return checkpoint


def signed_text(note: str, vkeys: Iterable[str]) -> str:
    """Return a signed note's text, if one of the keys has signed it (Ed25519, 0x01).

    Raises `NotProven`, and ValueError if a verifier key is none.
    """
    return _signed_text(note, [_verifier(vkey) for vkey in vkeys])


_Key = tuple[str, bytes, Ed25519PublicKey]


def _signed_text(note: str, keys: Sequence[_Key]) -> str:
    if len(note) > NOTE_MAX or any(c < " " and c != "\n" for c in note):
        raise NotProven("a note is text without control characters")
    before, gap, after = note.rpartition("\n\n")
    lines = after.split("\n")
    if not gap or lines.pop() or not 0 < len(lines) <= SIGNATURES_MAX:
        raise NotProven("a note is a text, an empty line and signatures")
    text, known = f"{before}\n", {(name, its_id): key for name, its_id, key in keys}
    trusted = False
    for line in lines:
        found = _SIGNATURE.fullmatch(line)
        raw = _base64(found[2]) if found else b""
        if not found or len(raw) <= _KEY_ID_LENGTH:
            raise NotProven("a signature line is '— name base64'")
        key = known.get((found[1], raw[:_KEY_ID_LENGTH]))
        if key is None:
            continue
        try:
            key.verify(raw[_KEY_ID_LENGTH:], text.encode())
        except InvalidSignature:
            raise NotProven(f"{found[1]} has not signed this") from None
        trusted = True
    if not trusted:
        raise NotProven("no key that you trust has signed this")
    return text


def _verifier(vkey: str) -> _Key:
    """Read `<name>+<key id>+<base64 of 0x01 and key>`. Raises ValueError."""
    found = _VKEY.fullmatch(vkey)
    if found is None:
        raise ValueError("a verifier key is <name>+<key id>+<base64>")
    name, its_id, encoded = found.groups()
    raw = base64.b64decode(encoded, validate=True)
    if raw[:1] != _ED25519 or len(raw) != 33:
        raise ValueError("not an Ed25519 verifier key")
    made = hashlib.sha256(f"{name}\n".encode() + raw).digest()[:_KEY_ID_LENGTH]
    if made.hex() != its_id:
        raise ValueError("the verifier key does not fit its id")
    return name, made, Ed25519PublicKey.from_public_bytes(raw[1:])


def _root_over(leaf: bytes, proof: Sequence[bytes], *, index: int, size: int) -> bytes:
    """Walk from a leaf to the root (RFC 9162, section 2.1.3.2)."""
    at, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise NotProven("the proof is too long")
        if at & 1 or at == last:
            found = node_hash(sibling, found)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise NotProven("the proof is too short")
    return found


def _roots_over(
    nodes: Sequence[bytes], *, old_size: int, size: int
) -> tuple[bytes, bytes]:
    """Walk to the old root and the new one (RFC 9162, section 2.1.4.2)."""
    at, last = old_size - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    was = now = nodes[0]
    for sibling in nodes[1:]:
        if last == 0:
            raise NotProven("the proof is too long")
        if at & 1 or at == last:
            was, now = node_hash(sibling, was), node_hash(sibling, now)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            now = node_hash(now, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise NotProven("the proof is too short")
    return was, now


def _base64(text: str) -> bytes:
    """Decode strictly: one value has one spelling."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NotProven("not base64") from None
    if base64.b64encode(raw).decode() != text:
        raise NotProven("not base64 in its one form")
    return raw
