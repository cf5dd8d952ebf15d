"""The Merkle tree of RFC 6962, section 2: what was appended cannot be rewritten."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

HASH_LENGTH = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


class BadProof(ValueError):
    """The proof does not lead from the leaf to the root."""


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A growing tree that remembers its right edge only: one hash for each level.

    Each hash is the root of a full subtree, the largest first; their sizes are the
    binary digits of `size`.
    """

    def __init__(self) -> None:
        self.size = 0
        self._edge: list[bytes] = []

    def append(self, leaf_hash: bytes) -> None:
        self._edge.append(leaf_hash)
        self.size += 1
        # Every trailing zero of the new size is a pair of equal subtrees to be joined.
        size = self.size
        while size % 2 == 0:
            right = self._edge.pop()
            self._edge.append(node_hash(self._edge.pop(), right))
            size //= 2

    def root(self) -> bytes:
        if not self._edge:
            return EMPTY_ROOT
        root = self._edge[-1]
        for left in reversed(self._edge[:-1]):
            root = node_hash(left, root)
        return root


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return MTH(D[n]) over leaves that are hashed already."""
    tree = Tree()
    for each in leaf_hashes:
        tree.append(each)
    return tree.root()


def inclusion_proof(index: int, leaf_hashes: Sequence[bytes]) -> list[bytes]:
    """Return PATH(m, D[n]) of RFC 6962, section 2.1.1. Raises IndexError."""
    size = len(leaf_hashes)
    if not 0 <= index < size:
        raise IndexError(f"the tree of {size} leaves has none at {index}")
    if size == 1:
        return []
    split = _split(size)
    left, right = leaf_hashes[:split], leaf_hashes[split:]
    if index < split:
        return [*inclusion_proof(index, left), root(right)]
    return [*inclusion_proof(index - split, right), root(left)]


def check_inclusion(
    *, index: int, size: int, leaf_hash: bytes, proof: Sequence[bytes], root: bytes
) -> None:
    """Check as RFC 9162, section 2.1.3.2, says. Raises `BadProof`."""
    if not 0 <= index < size:
        raise BadProof(f"the tree of {size} leaves has none at {index}")
    at, last, found = index, size - 1, leaf_hash
    for sibling in proof:
        if last == 0:
            raise BadProof("the proof is longer than the tree is high")
        if at % 2 or at == last:
            found = node_hash(sibling, found)
            while at % 2 == 0 and at:
                at, last = at // 2, last // 2
        else:
            found = node_hash(found, sibling)
        at, last = at // 2, last // 2
    if last:
        raise BadProof("the proof is shorter than the tree is high")
    if found != root:
        raise BadProof("the proof leads to another root")


def _split(size: int) -> int:
    """Return the largest power of two smaller than `size`."""
    return 1 << (size - 1).bit_length() - 1
