"""A tree read from its tiles is the tree over its leaves, and few tiles are read."""

import hashlib
from functools import lru_cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.log.merkle import (
    EMPTY_ROOT,
    check_consistency,
    check_inclusion,
    leaf_hash,
    root,
)
from ledger.log.tiles import (
    WIDTH,
    NoSuchTile,
    Tile,
    TiledTree,
    entry_bundle,
    pack,
    tile_counts,
    tile_path,
    unpack,
)
from tests.log.vectors import VECTORS

GEOMETRY = VECTORS["tile_geometry"]
LEAVES = [leaf_hash(str(n).encode()) for n in range(70_000)]
SMALL, LARGE = st.integers(1, 2_000), st.sampled_from([65_535, 65_536, 65_800, 70_000])
SIZES = st.one_of(SMALL, LARGE)


@lru_cache
def root_of(size: int) -> bytes:
    return root(LEAVES[:size])


class Shelf:
    """All tiles of the leaves, made by the definition; notes which were read."""

    def __init__(self) -> None:
        self.levels = [LEAVES]
        while len(self.levels[-1]) >= WIDTH:
            row = self.levels[-1]
            tops = range(0, len(row) - len(row) % WIDTH, WIDTH)
            self.levels.append([root(row[at : at + WIDTH]) for at in tops])
        self.read: list[Tile] = []

    def __call__(self, tile: Tile) -> list[bytes]:
        self.read.append(tile)
        first = tile.index * WIDTH
        return self.levels[tile.level][first : first + tile.width]


SHELF = Shelf()


@pytest.mark.parametrize(("index", "path"), GEOMETRY["index_path"].items())
def test_a_tile_has_the_published_path(index, path):
    assert tile_path(int(index)) == path
    assert Tile.parse(0, path) == Tile(0, int(index))


@pytest.mark.parametrize("size", [70_000, 256])
def test_a_tree_is_cut_as_published(size):
    published = GEOMETRY[f"size_{size}"].items()
    assert tile_counts(size) == {int(level): tuple(each) for level, each in published}


@given(st.integers(0, 2**62), st.integers(1, WIDTH), st.integers(0, 7))
def test_a_path_leads_back_to_its_tile(index, width, level):
    tile = Tile(level, index, width)
    assert Tile.parse(level, tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        *("", "1", "0001", "x001", "x000/001", "001/002", "x1/000", "/000", "000/"),
        *("000.p/", "000.p/0", "000.p/01", "000.p/-1", "000.p/256", "../000", "\u0660"),
    ],
)
def test_a_path_has_one_form(path):
    with pytest.raises(NoSuchTile):
        Tile.parse(0, path)


@given(SIZES)
def test_the_root_over_tiles_is_that_over_leaves(size):
    assert TiledTree(size, SHELF).root() == root_of(size)


@given(SIZES, st.data())
def test_proofs_from_tiles_hold_and_read_two_tiles_a_level_at_most(size, data):
    index = data.draw(st.integers(0, size - 1))
    old_size = min(size, data.draw(SIZES))
    tree, its_root = TiledTree(size, SHELF), root_of(size)
    SHELF.read.clear()
    proof = tree.inclusion_proof(index)
    read = [tile.level for tile in SHELF.read]
    assert max(read.count(level) for level in range(3)) <= 2
    check_inclusion(
        index=index, size=size, leaf_hash=LEAVES[index], proof=proof, root=its_root
    )
    tree = TiledTree(size, SHELF)
    SHELF.read.clear()
    proof = tree.consistency_proof(old_size)
    read = [tile.level for tile in SHELF.read]
    assert max(read.count(level) for level in range(3)) <= 2
    check_consistency(
        old_size=old_size,
        size=size,
        old_root=root_of(old_size),
        root=its_root,
        proof=proof,
    )


def test_an_empty_tree_needs_no_tile_and_a_short_tile_is_noticed():
    assert TiledTree(0, SHELF).root() == EMPTY_ROOT
    short = TiledTree(7, lambda tile: SHELF(tile)[:3])
    with pytest.raises(NoSuchTile):
        short.root()


def test_tiles_and_bundles_are_the_bytes_that_are_published():
    assert unpack(pack(LEAVES[:3])) == LEAVES[:3]
    for wrong in (b"", b"x", bytes(257 * 32)):
        with pytest.raises(ValueError, match="1 to 256"):
            unpack(wrong)
    assert entry_bundle([b"ab", b""]) == b"\x00\x02ab\x00\x00"
    assert hashlib.sha256(pack(LEAVES[:0])).digest() == EMPTY_ROOT
    with pytest.raises(ValueError, match="longer"):
        entry_bundle([bytes(65_536)])
