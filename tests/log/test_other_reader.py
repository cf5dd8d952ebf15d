"""An implementation that is not ours reads the log, by what is served, and agrees.

`tlog-scales` knows C2SP tlog-tiles, checkpoints and cosignatures, and nothing of us.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.exceptions import InvalidSignature
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey, VkeySet
from tlog_scales.tlog import (
    Checkpoint,
    ConsistencyProof,
    ConsistencyProofInvalid,
    InclusionProof,
    InclusionProofInvalid,
)

from ledger.log.publisher import Round
from ledger.log.tiles import NoSuchTile, Tile, entry_bundle, pack
from tests.log.witnessing import (
    COSIGNERS,
    SIGNER,
    SetClock,
    Wire,
    append,
    publisher,
    store_of,
)

# Two levels of tiles; tests/log/test_tiles.py has three, without a database.
SIZES = (1, 5, 256, 700)


class Served:
    """Answers as the HTTP server does, from the same store."""

    def __init__(self, ledger, wire):
        self.store, self.policy = store_of(ledger), wire.policy("all")

    def get(self, *path: str) -> bytes | None:
        if path == ("checkpoint",):
            found = self.store.published(self.policy)
            return found.note.encode() if found else None
        _, level, *rest = path
        try:
            if level == "entries":
                leaves = self.store.entries(Tile.parse(0, "/".join(rest)))
                return entry_bundle(leaves)
            return pack(self.store.hashes(Tile.parse(int(level), "/".join(rest))))
        except NoSuchTile:
            return None


@pytest.fixture
def served(ledger):
    """A log that was published at several sizes; return what serves it, and notes."""
    wire, notes, size = Wire(SetClock()), [], 0
    its = publisher(ledger, wire, quorum="all")
    for each in SIZES:
        append(ledger, each - size)
        size = each
        assert its.round() == Round.PUBLISHED
        found = store_of(ledger).published(wire.policy("all"))
        assert found is not None
        notes.append(found.note)
    its.close()
    return Served(ledger, wire), notes


def test_it_verifies_our_checkpoints_and_our_witnesses_cosignatures(served):
    _, notes = served
    known = [SIGNER.verifier, *(each.verifier for each in COSIGNERS.values())]
    vkeys = [Vkey.from_string(str(each)) for each in known]
    for note, size in zip(notes, SIZES, strict=True):
        checkpoint = Checkpoint.from_text(note)
        assert checkpoint.size == size
        assert checkpoint.origin == SIGNER.verifier.name
        for vkey in vkeys:
            checkpoint.verify(vkey)
        agreed = VkeySet(*vkeys).verify(checkpoint.signatures, checkpoint)
        assert len(agreed) == 4
        changed = replace(checkpoint, size=size + 1)
        for vkey in vkeys:
            with pytest.raises(InvalidSignature):
                changed.verify(vkey)
        assert checkpoint.serialize() == note


def test_it_finds_our_root_in_our_tiles_and_our_leaves_in_our_bundles(served):
    backend, notes = served
    reader = TilesReader(backend)
    checkpoint = reader.get_checkpoint()
    assert checkpoint.size == SIZES[-1]
    assert reader.calculate_root_hash() == checkpoint.root_hash
    for note in notes:  # Older trees are in the tiles still.
        older = Checkpoint.from_text(note)
        assert reader.mth(0, older.size) == older.root_hash


def test_it_verifies_our_inclusion_and_consistency_proofs(served):
    backend, notes = served
    newest = Checkpoint.from_text(notes[-1])
    tree = backend.store.tree(newest.size)
    for index in (0, 1, 255, 256, 511, 512, 699):
        proof = InclusionProof(index, newest.size, tree.inclusion_proof(index))
        proof.check(tree.leaf(index), newest.root_hash)
        with pytest.raises(InclusionProofInvalid):
            proof.check(bytes(32), newest.root_hash)
    for note in notes[:-1]:
        older = Checkpoint.from_text(note)
        hashes = tree.consistency_proof(older.size)
        proof_of = ConsistencyProof(older.size, newest.size, hashes)
        proof_of.check(older.root_hash, newest.root_hash)
        with pytest.raises(ConsistencyProofInvalid):
            proof_of.check(bytes(32), newest.root_hash)


def test_its_proofs_are_ours(served):
    backend, _ = served
    reader = TilesReader(backend)
    size = reader.get_checkpoint().size
    tree = backend.store.tree(size)
    for old in (1, 5, 255, 256, 257, 699):
        theirs = reader.get_consistency_proof(old, size).node_hashes
        assert theirs == tree.consistency_proof(old)
    for index in (0, 255, 256, 699):
        theirs = reader.get_inclusion_proof(index, size).node_hashes
        assert theirs == tree.inclusion_proof(index)
