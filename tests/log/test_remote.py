"""What is fetched from a log proves itself, or is worth nothing."""

import pytest

from ledger.log.checkpoint import Checkpoint
from ledger.log.merkle import leaf_hash, root
from ledger.log.note import BadNote
from ledger.log.receipt import Promised, Receipt
from ledger.log.remote import Fork, RemoteLog, Unproven
from ledger.log.tiles import WIDTH, pack
from tests.log.witnessing import NOON, ORIGIN, SIGNER

LEAVES = [leaf_hash(str(n).encode()) for n in range(WIDTH + 44)]
KEYS = [SIGNER.verifier]


def checkpoint(size, leaves=LEAVES):
    return Checkpoint(ORIGIN, size, root(leaves[:size]))


def files(size, leaves=LEAVES):
    """What a static server has of a log of this size, a full tile at the most."""
    full, rest = leaves[:WIDTH], leaves[WIDTH:size]
    found = {"checkpoint": SIGNER.sign(checkpoint(size, leaves).text()).encode()}
    if size < WIDTH:
        return found | {f"tile/0/000.p/{size}": pack(leaves[:size])}
    found |= {"tile/0/000": pack(full), "tile/1/000.p/1": root(full)}
    return found | ({f"tile/0/001.p/{len(rest)}": pack(rest)} if rest else {})


def log(served):
    return RemoteLog(served.get)


def look(its):
    newest, _ = its.checkpoint(KEYS)
    its.tree(newest)
    its.require_continues(checkpoint(7), newest)


def test_a_log_that_grew_continues_what_it_was():
    its = log(files(300))
    found, note = its.checkpoint(KEYS)
    assert found == checkpoint(300)
    assert note.encode() == files(300)["checkpoint"]
    for old in (0, 1, 7, 255, 256, 257, 300):
        its.require_continues(checkpoint(old), found)


@pytest.mark.parametrize("old", [1, 7, 256, 257, 300])
def test_a_log_that_tells_another_history_is_a_fork(old):
    rewritten = [bytes(32), *LEAVES[1:]]
    with pytest.raises(Fork):
        log(files(300)).require_continues(checkpoint(old, rewritten), checkpoint(300))
    with pytest.raises(Fork, match="went back"):
        log(files(7)).require_continues(checkpoint(8), checkpoint(7))


@pytest.mark.parametrize("name", [*files(300)])
def test_a_server_that_loses_or_spoils_a_file_proves_nothing(name):
    """That is no fork yet: the log may be honest, and only its server is not."""
    for spoilt in (None, b"", b"x", bytes(len(files(300)[name]))):
        served = {**files(300), name: spoilt}
        with pytest.raises((Unproven, BadNote)):
            look(log(served))


def test_a_partial_tile_that_is_gone_is_read_from_the_full_one():
    served = {"tile/0/000": pack(LEAVES[:WIDTH])}
    assert log(served).tree(checkpoint(9)).root() == root(LEAVES[:9])


def test_a_receipt_finds_its_leaves_by_place_or_by_looking_at_all():
    its = log(files(300))
    placed = Receipt.now(ORIGIN, [Promised(LEAVES[299], 300)], at=NOON)
    assert its.evidence(checkpoint(300), placed).places == {299: LEAVES[299]}
    sought = Receipt.now(ORIGIN, [Promised(LEAVES[12], None)], at=NOON)
    assert its.evidence(checkpoint(300), sought).index_of(LEAVES[12]) == 12
    spoilt = files(300) | {"tile/0/000": pack([bytes(32), *LEAVES[1:WIDTH]])}
    for receipt in (Receipt.now(ORIGIN, [Promised(LEAVES[0], 1)], at=NOON), sought):
        with pytest.raises(Unproven):
            log(spoilt).evidence(checkpoint(300), receipt)
