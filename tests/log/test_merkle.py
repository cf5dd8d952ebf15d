"""The tree is that of RFC 6962, and a proof proves one place only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.log.merkle import (
    BadProof,
    Tree,
    check_consistency,
    check_inclusion,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    subtrees_of,
)
from tests.log.vectors import VECTORS

RFC6962 = VECTORS["rfc6962"]
LEAVES = [leaf_hash(bytes.fromhex(leaf)) for leaf in RFC6962["leaf_inputs"]]
HASHES = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=70)


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_the_published_tree(size):
    expected = bytes.fromhex(RFC6962["root_by_size"][size])
    assert root(LEAVES[:size]) == expected


def test_inner_nodes_are_those_of_the_published_tree():
    level = LEAVES
    for published in RFC6962["node_hashes_by_level"]:
        assert [node.hex() for node in level[: len(published)]] == published
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [node_hash(left, right) for left, right in pairs]


@pytest.mark.parametrize(
    "probe", VECTORS["inclusion_probes"], ids=lambda probe: probe["file"]
)
def test_published_inclusion_proofs_are_judged_as_published(probe):
    def check():
        check_inclusion(
            index=probe["leafIdx"],
            size=probe["treeSize"],
            leaf_hash=bytes.fromhex(probe["leafHash"]),
            proof=[bytes.fromhex(node) for node in probe["proof"] or []],
            root=bytes.fromhex(probe["root"]),
        )

    if probe["wantErr"]:
        with pytest.raises(BadProof):
            check()
    else:
        check()


@pytest.mark.parametrize(
    "probe", VECTORS["consistency_probes"], ids=lambda probe: probe["file"]
)
def test_published_consistency_proofs_are_judged_as_published(probe):
    def check():
        check_consistency(
            old_size=probe["size1"],
            size=probe["size2"],
            old_root=bytes.fromhex(probe["root1"]),
            root=bytes.fromhex(probe["root2"]),
            proof=[bytes.fromhex(node) for node in probe["proof"] or []],
        )

    if probe["wantErr"]:
        with pytest.raises(BadProof):
            check()
    else:
        check()


@given(HASHES, st.data())
def test_a_longer_tree_is_proven_to_hold_the_shorter_one_and_no_other(leaves, data):
    old_size = data.draw(st.integers(1, len(leaves)))
    proof = consistency_proof(old_size, len(leaves), subtrees_of(leaves))

    def check(now, proof):
        check_consistency(
            old_size=old_size,
            size=len(leaves),
            old_root=root(leaves[:old_size]),
            root=now,
            proof=proof,
        )

    check(root(leaves), proof)
    changed = data.draw(st.integers(0, old_size - 1))
    rewritten = [*leaves]
    rewritten[changed] = bytes(each ^ 1 for each in leaves[changed])
    proof = consistency_proof(old_size, len(leaves), subtrees_of(rewritten))
    with pytest.raises(BadProof):
        check(root(rewritten), proof)


@given(HASHES, st.data())
def test_every_leaf_is_proven_at_its_own_place_only(leaves, data):
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = inclusion_proof(index, len(leaves), subtrees_of(leaves))
    place = {"size": len(leaves), "leaf_hash": leaves[index], "root": root(leaves)}
    check_inclusion(index=index, proof=proof, **place)
    elsewhere = data.draw(st.integers(0, len(leaves) + 1))
    if elsewhere != index and leaves[elsewhere : elsewhere + 1] != [leaves[index]]:
        with pytest.raises(BadProof):
            check_inclusion(index=elsewhere, proof=proof, **place)


@given(HASHES)
def test_a_growing_tree_has_the_root_that_the_definition_gives(leaves):
    def defined(part):
        if len(part) == 1:
            return part[0]
        split = 1
        while split * 2 < len(part):
            split *= 2
        return node_hash(defined(part[:split]), defined(part[split:]))

    tree = Tree()
    for count, leaf in enumerate(leaves, 1):
        tree.append(leaf)
        assert (tree.size, tree.root()) == (count, defined(leaves[:count]))
