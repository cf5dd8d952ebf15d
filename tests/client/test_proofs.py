"""What the log has signed, against published figures and the ledger's own tree.

Planted and caught: the siblings hashed the wrong way round; a proof with a step too
many; a signature by a key that nobody trusts; a wrong signature of a trusted key.
"""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.log import merkle
from ledger.log.checkpoint import Checkpoint as Made
from ledger.log.note import Signer
from ledger.log.tlog_proof import TlogProof
from ledger_client import NotProven, proofs

VECTORS = json.loads(
    (Path(__file__).parents[1] / "vectors" / "tlog_vectors.json").read_text("utf-8")
)
ORIGIN = "tickets.example/log"
LEAVES = [f"leaf {n}".encode() for n in range(13)]
HASHES = [merkle.leaf_hash(each) for each in LEAVES]


def subtree(start, end):
    return merkle.root(HASHES[start:end])


@pytest.fixture(scope="module")
def signer():
    return Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))


def unhexed(hashes):
    return [bytes.fromhex(each) for each in hashes or ()]


@pytest.mark.parametrize(
    "probe", VECTORS["inclusion_probes"], ids=lambda it: it["file"]
)
def test_published_inclusion_proofs_are_judged_as_published(probe):
    asked = {
        "index": probe["leafIdx"],
        "size": probe["treeSize"],
        "leaf_hash": bytes.fromhex(probe["leafHash"] or ""),
        "proof": unhexed(probe["proof"]),
        "root": bytes.fromhex(probe["root"] or ""),
    }
    if probe["wantErr"]:
        with pytest.raises(NotProven):
            proofs.check_inclusion(**asked)
    else:
        proofs.check_inclusion(**asked)


@pytest.mark.parametrize(
    "probe", VECTORS["consistency_probes"], ids=lambda it: it["file"]
)
def test_published_consistency_proofs_are_judged_as_published(probe):
    asked = {
        "old_size": probe["size1"],
        "size": probe["size2"],
        "old_root": bytes.fromhex(probe["root1"] or ""),
        "root": bytes.fromhex(probe["root2"] or ""),
        "proof": unhexed(probe["proof"]),
    }
    # The published suite lets an empty tree grow into anything: that proves nothing.
    if probe["wantErr"] or probe["size1"] == 0:
        with pytest.raises(NotProven):
            proofs.check_consistency(**asked)
    else:
        proofs.check_consistency(**asked)


def test_leaves_and_nodes_are_hashed_as_published():
    known = VECTORS["rfc6962"]
    leaves = [proofs.leaf_hash(bytes.fromhex(each)) for each in known["leaf_inputs"]]
    first, second = known["node_hashes_by_level"][:2]
    assert [each.hex() for each in leaves] == first
    nodes = [
        proofs.node_hash(*leaves[at : at + 2]).hex() for at in range(0, len(leaves), 2)
    ]
    assert nodes == second


@pytest.mark.parametrize("known", VECTORS["notes"])
def test_published_notes_are_judged_as_published(known):
    if known["ok"]:
        text = proofs.signed_text(known["note"], known["vkeys"])
        assert known["note"].startswith(text)
    else:
        with pytest.raises(NotProven):
            proofs.signed_text(known["note"], known["vkeys"])


@pytest.mark.parametrize(
    "vkey", [*VECTORS["bad_vkeys"], "", "a+b", "x+00000000+AQ==", "x+00000000+AQ"]
)
def test_what_is_no_key_is_said_to_be_none(vkey):
    with pytest.raises(ValueError, match=r".+"):
        proofs.signed_text("x\n\n— x AAAAAAA=\n", [vkey])


def test_every_leaf_of_every_tree_is_proven_and_no_other():
    for size in range(1, len(HASHES) + 1):
        root = subtree(0, size)
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, subtree)
            given = {"index": index, "size": size, "proof": proof, "root": root}
            proofs.check_inclusion(leaf_hash=HASHES[index], **given)
            for wrong in (
                given | {"leaf_hash": HASHES[index - 1] if size > 1 else bytes(32)},
                given | {"leaf_hash": HASHES[index], "proof": [*proof, bytes(32)]},
                given | {"leaf_hash": HASHES[index], "index": size},
            ):
                with pytest.raises(NotProven):
                    proofs.check_inclusion(**wrong)


def test_every_tree_goes_on_every_smaller_one_and_no_other():
    for size in range(1, len(HASHES) + 1):
        for old in range(1, size + 1):
            given = {
                "old_size": old,
                "size": size,
                "old_root": subtree(0, old),
                "root": subtree(0, size),
                "proof": merkle.consistency_proof(old, size, subtree),
            }
            proofs.check_consistency(**given)
            for wrong in (
                given | {"old_root": bytes(32)},
                given | {"root": bytes(32)},
                given | {"proof": [*given["proof"], bytes(32)]},
            ):
                with pytest.raises(NotProven):
                    proofs.check_consistency(**wrong)


def test_a_checkpoint_is_believed_if_the_logs_key_signed_it(signer):
    note = signer.sign(Made(ORIGIN, 13, subtree(0, 13)).text())
    vkey = str(signer.verifier)
    found = proofs.open_checkpoint(note, [vkey])
    assert (found.origin, found.size, found.root) == (ORIGIN, 13, subtree(0, 13))
    stranger = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes([1] * 32)))
    for bad, keys in (
        (note, [str(stranger.verifier)]),
        (note, []),
        (note.replace("\n13\n", "\n14\n"), [vkey]),
        (signer.sign("tickets.example/log\n13\n"), [vkey]),
        (signer.sign(Made("another/log", 13, subtree(0, 13)).text()), [vkey]),
        (note.replace("\n", "\r\n"), [vkey]),
        (note + "x", [vkey]),
        ("", [vkey]),
    ):
        with pytest.raises(NotProven):
            proofs.open_checkpoint(bad, keys)


def test_one_wrong_signature_of_a_trusted_key_spoils_the_note(signer):
    text = Made(ORIGIN, 13, subtree(0, 13)).text()
    witness = Signer("witness", Ed25519PrivateKey.from_private_bytes(bytes([2] * 32)))
    keys = [str(signer.verifier), str(witness.verifier)]
    proofs.open_checkpoint(signer.sign(text) + witness.line(text), keys)
    spoiled = signer.sign(text) + witness.line("another text\n")
    proofs.open_checkpoint(spoiled, keys[:1])
    with pytest.raises(NotProven, match="witness has not signed"):
        proofs.open_checkpoint(spoiled, keys)


def test_a_proof_in_one_file_is_believed_of_its_leaf_alone(signer):
    note = signer.sign(Made(ORIGIN, 13, subtree(0, 13)).text())
    path = tuple(merkle.inclusion_proof(5, 13, subtree))
    keys = [str(signer.verifier)]
    text = TlogProof(5, path, note).text()
    assert proofs.check_tlog_proof(text, leaf=LEAVES[5], vkeys=keys).size == 13
    with_extra = TlogProof(5, path, note, extra=b"x").text()
    assert proofs.check_tlog_proof(with_extra, leaf=LEAVES[5], vkeys=keys).size == 13
    for bad, leaf in (
        (text, LEAVES[6]),
        (text.replace("index 5", "index 4"), LEAVES[5]),
        (text.replace("index 5\n", ""), LEAVES[5]),
        (text.replace("@v1", "@v2"), LEAVES[5]),
        ("", LEAVES[5]),
    ):
        with pytest.raises(NotProven):
            proofs.check_tlog_proof(bad, leaf=leaf, vkeys=keys)
