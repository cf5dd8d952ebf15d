"""The tree cut into tiles: what is stored of it, and read to prove something.

C2SP tlog-tiles: a tile of level L holds up to 256 hashes, each of them the root of a
full tile of level L - 1, or at level 0 a leaf hash. A full tile never changes. The
right edge of a tree are partial tiles; they are not stored but computed.

    level 1            [ 0 1 . . . . . ]               tile/1/000.p/2
                         │ └──────────┐
    level 0      [ 256 leaf hashes ] [ 256 more ] [ 7 more ]    tile/0/002.p/7

A proof reads two tiles a level at most, whatever the size of the log.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self, TypeAlias

from ledger.log import merkle
from ledger.log.merkle import EMPTY_ROOT, HASH_LENGTH, node_hash

HEIGHT = 8
WIDTH = 1 << HEIGHT
LEVEL_MAX = 7
"""The highest level of a tree with fewer than 2**63 leaves."""

ENTRY_MAX = 0xFFFF
_TILES_KEPT_MAX = 64

_PATH = re.compile(r"(?:x[0-9]{3}/)*[0-9]{3}")
_WIDTH = re.compile(r"[1-9][0-9]{0,2}")


class NoSuchTile(LookupError):
    """There is no such tile in the tree, or not yet."""


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """Where a tile stands, and how many hashes it holds."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Return `<N>[.p/<W>]`, the end of the tile's address."""
        return tile_path(self.index, self.width)

    @classmethod
    def parse(cls, level: int, path: str) -> Self:
        """Read `<N>[.p/<W>]`, of which there is one form. Raises `NoSuchTile`."""
        number, partial, said = path.partition(".p/")
        width = int(said) if _WIDTH.fullmatch(said) else WIDTH
        if not 0 <= level <= LEVEL_MAX or not _PATH.fullmatch(number):
            raise NoSuchTile(path)
        tile = cls(level, int(number.replace("/", "").replace("x", "")), width)
        if tile.index >= 2**63 or (partial and width >= WIDTH) or tile.path != path:
            raise NoSuchTile(path)
        return tile


def tile_path(index: int, width: int = WIDTH) -> str:
    """Return a tile's number as a path: 1234067 is x001/x234/067."""
    parts = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        parts.insert(0, f"x{index % 1000:03d}")
    return "/".join(parts) + ("" if width == WIDTH else f".p/{width}")


def tile_counts(size: int) -> dict[int, tuple[int, int]]:
    """Return, for each level, the number of full tiles and the partial one's width."""
    counts: dict[int, tuple[int, int]] = {}
    level, hashes = 0, size
    while hashes:
        counts[level] = divmod(hashes, WIDTH)
        hashes //= WIDTH
        level += 1
    return counts


ReadTile: TypeAlias = Callable[[Tile], Sequence[bytes]]
"""Returns a tile's hashes, `width` of them. Raises `NoSuchTile`."""


class TiledTree:
    """The tree of a log at one size, read from its tiles."""

    def __init__(self, size: int, read: ReadTile) -> None:
        """`read` is asked for tiles of a tree of this size only."""
        self.size = size
        self._counts = tile_counts(size)
        self._read = lru_cache(_TILES_KEPT_MAX)(read)

    def root(self) -> bytes:
        return self.subtree(0, self.size)

    def leaf(self, index: int) -> bytes:
        return self.subtree(index, index + 1)

    def inclusion_proof(self, index: int) -> list[bytes]:
        """Return the path from a leaf to this tree's root. Raises IndexError."""
        return merkle.inclusion_proof(index, self.size, self.subtree)

    def consistency_proof(self, old_size: int) -> list[bytes]:
        """Return the proof that this tree holds a shorter one. Raises IndexError."""
        return merkle.consistency_proof(old_size, self.size, self.subtree)

    def subtree(self, start: int, end: int) -> bytes:
        """Return MTH(D[start:end]) for the ranges that RFC 6962 splits a tree into.

        Raises `NoSuchTile` if a tile is not to be had.
        """
        if start == end == 0:
            return EMPTY_ROOT
        parts = list(_full_subtrees(start, end))
        found = self._full(*parts[-1])
        for part in reversed(parts[:-1]):
            found = node_hash(self._full(*part), found)
        return found

    def _full(self, start: int, height: int) -> bytes:
        """Return the root of the full subtree of 2**height leaves at `start`."""
        level = height // HEIGHT
        first = start >> (level * HEIGHT)
        count = 1 << (height - level * HEIGHT)
        index, offset = divmod(first, WIDTH)
        full, partial = self._counts[level]
        width = WIDTH if index < full else partial
        hashes = self._read(Tile(level, index, width))[offset : offset + count]
        if len(hashes) < count:
            raise NoSuchTile(f"tile {level}/{index} is too short")
        return join(hashes)


def join(hashes: Sequence[bytes]) -> bytes:
    """Return the root over 1, 2, 4, … hashes of one level."""
    row = list(hashes)
    while len(row) > 1:
        row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]


def _full_subtrees(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut a range into its full subtrees, the largest first: (start, height)."""
    while start < end:
        height = (end - start).bit_length() - 1
        yield start, height
        start += 1 << height


def pack(hashes: Iterable[bytes]) -> bytes:
    """Return a tile's bytes."""
    return b"".join(hashes)


def unpack(tile: bytes) -> list[bytes]:
    """Return a tile's hashes. Raises ValueError."""
    if not tile or len(tile) % HASH_LENGTH or len(tile) > WIDTH * HASH_LENGTH:
        raise ValueError("a tile is 1 to 256 hashes")
    return [tile[at : at + HASH_LENGTH] for at in range(0, len(tile), HASH_LENGTH)]


def entry_bundle(entries: Iterable[bytes]) -> bytes:
    """Return leaves, each after its length in two bytes. Raises ValueError."""
    bundle = bytearray()
    for entry in entries:
        if len(entry) > ENTRY_MAX:
            raise ValueError("an entry is longer than its bundle can say")
        bundle += len(entry).to_bytes(2, "big") + entry
    return bytes(bundle)
