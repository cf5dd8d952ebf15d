"""The Merkle tree of RFC 6962, section 2: what was appended cannot be rewritten."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeAlias

HASH_LENGTH = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

Subtree: TypeAlias = Callable[[int, int], bytes]
"""Returns MTH(D[start:end]) of a tree. Proofs ask for no more than O(log n) of them."""


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


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """Return PATH(m, D[n]) of RFC 6962, section 2.1.1. Raises IndexError."""
    if not 0 <= index < size:
        raise IndexError(f"the tree of {size} leaves has none at {index}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        split = start + _split(end - start)
        if index < split:
            path.append(subtree(split, end))
            end = split
        else:
            path.append(subtree(start, split))
            start = split
    return path[::-1]


def consistency_proof(old_size: int, size: int, subtree: Subtree) -> list[bytes]:
    """Return PROOF(m, D[n]) of RFC 6962, section 2.1.2. Raises IndexError."""
    if not 0 < old_size <= size:
        raise IndexError(f"no tree of {old_size} leaves grows into one of {size}")
    path: list[bytes] = []
    start, end, whole = 0, size, True
    while end != old_size:
        split = start + _split(end - start)
        if old_size <= split:
            path.append(subtree(split, end))
            end = split
        else:
            path.append(subtree(start, split))
            start, whole = split, False
    if not whole:  # The old tree's last part is no root that its reader knows.
        path.append(subtree(start, end))
    return path[::-1]


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


def check_consistency(
    *,
    old_size: int,
    size: int,
    old_root: bytes,
    root: bytes,
    proof: Sequence[bytes],
) -> None:
    """Check as RFC 9162, section 2.1.4.2, says. Raises `BadProof`.

    Of an empty tree there is nothing to prove: a proof that begins there is refused.
    """
    if not 0 < old_size <= size:
        raise BadProof(f"no tree of {old_size} leaves grows into one of {size}")
    if old_size == size:
        if proof or old_root != root:
            raise BadProof("two trees of one size have two roots")
        return
    # A full subtree is its own first node.
    nodes = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    if not nodes:
        raise BadProof("the proof is shorter than the tree is high")
    if _roots(old_size, size, nodes) != (old_root, root):
        raise BadProof("the proof leads to other roots")


def _roots(old_size: int, size: int, nodes: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the roots of the old tree and the new one that the nodes lead to."""
    at, last = old_size - 1, size - 1
    while at % 2:
        at, last = at // 2, last // 2
    was = now = nodes[0]
    for sibling in nodes[1:]:
        if last == 0:
            raise BadProof("the proof is longer than the tree is high")
        if at % 2 or at == last:
            was, now = node_hash(sibling, was), node_hash(sibling, now)
            while at % 2 == 0 and at:
                at, last = at // 2, last // 2
        else:
            now = node_hash(now, sibling)
        at, last = at // 2, last // 2
    if last:
        raise BadProof("the proof is shorter than the tree is high")
    return was, now


def subtrees_of(leaf_hashes: Sequence[bytes]) -> Subtree:
    """Return what answers for the subtrees of a few leaves that are all at hand."""
    return lambda start, end: root(leaf_hashes[start:end])


def _split(size: int) -> int:
    """Return the largest power of two smaller than `size`."""
    return 1 << (size - 1).bit_length() - 1
