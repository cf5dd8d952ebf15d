"""Do leaves, tiles and checkpoints still say what was appended?"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import nullcontext

from ledger.adapters.log_keys import LogKeys
from ledger.adapters.secrets import FileSecrets, SecretsError
from ledger.log.note import BadNote, Verifier, open_note
from ledger.log.proof_store import ProofStore, Signed
from ledger.log.tiles import WIDTH, NoSuchTile, Tile, join, pack, tile_counts, unpack
from ledger.operation.doctor.findings import Finding, Patient, fail, ok
from ledger.operation.doctor.sequence import KEEP
from ledger.operation.leaves import LogDamaged, derive

CHECK = "tree"
SAMPLES = 20
SAMPLE_LEAVES = 100
"""Leaves that are hashed anew at each sampled place, and at the log's end."""

_SIZE = "SELECT size FROM ledger_head"
_LEAVES = """
SELECT leaf_hash FROM ledger_log WHERE position > %s AND position <= %s
ORDER BY position
"""
_ROOTS = """
SELECT root FROM ledger_tiles WHERE level = %s AND index >= %s AND index < %s
ORDER BY index
"""


def examine(patient: Patient) -> Iterator[Finding]:
    """Hash leaves anew, a sample or all, and hold the stored tree against them."""
    ((size,),) = patient.ask(_SIZE)
    store = ProofStore(lambda: nullcontext(patient.connection))
    newest = store.newest()
    signed = newest.checkpoint.size if newest else 0
    places = [(0, signed), (signed, size)] if patient.deep else sampled(size)
    found: list[Finding] = []
    derived: bytes | None = None
    try:
        for after, until in places:
            tree = derive(
                patient.connection, patient.settings.schema, size=until, after=after
            )
            if (after, until) == (0, signed):
                derived = tree.root()
    except LogDamaged as damaged:
        found.append(fail(CHECK, str(damaged), KEEP))
    if newest:
        found += _checkpoint(store, newest, size, derived)
        found += _signature(patient, newest)
        found += _tiles(patient, signed)
    yield from found
    if not found:
        said = "all leaves are" if patient.deep else "a sample of the leaves is"
        if newest:
            said = f"{said}, and the tree signed at {signed} is,"
        yield ok(CHECK, f"{said} as the events have it")


def sampled(size: int) -> list[tuple[int, int]]:
    """Return where to look: the newest leaves, and others wherever chance leads."""
    last = max(0, size - SAMPLE_LEAVES)
    chosen = random.SystemRandom().sample(range(last), min(SAMPLES, last))
    return [(last, size)] + [
        (after, min(after + SAMPLE_LEAVES, size)) for after in sorted(chosen)
    ]


def _checkpoint(
    store: ProofStore, newest: Signed, size: int, derived: bytes | None
) -> Iterator[Finding]:
    """Compare what was signed with the stored tree, and with the one just derived."""
    signed = newest.checkpoint
    if signed.size > size:
        said = f"{signed.size} events were signed and {size} are there"
        yield fail(CHECK, said, KEEP)
        return
    try:
        stored = store.tree(signed.size).root()
    except NoSuchTile as missing:
        yield fail(CHECK, f"the signed tree cannot be read: {missing}", KEEP)
        return
    if stored != signed.root or derived not in (signed.root, None):
        said = f"the first {signed.size} events are not those that were signed"
        yield fail(CHECK, said, KEEP)


def _signature(patient: Patient, newest: Signed) -> Iterator[Finding]:
    home, origin = patient.settings.keys_home, patient.settings.origin
    try:
        secrets = FileSecrets.load(home)
        keys = LogKeys(home, secrets.log_key()).all() if secrets else []
    except SecretsError:
        keys = []
    if not keys:
        return  # Said where the keys are examined.
    try:
        verifiers = [Verifier(origin, key.private.public_key()) for key in keys]
        open_note(newest.note, verifiers)
    except BadNote as error:
        said = f"the newest checkpoint is not signed by this log's keys: {error}"
        yield fail(CHECK, said, f"See whether {home} has all keys the log ever had.")


def _tiles(patient: Patient, size: int) -> Iterator[Finding]:
    """Look at full tiles: the newest one of each level, or every one."""
    for level, (full, _) in tile_counts(size).items():
        for index in range(full) if patient.deep else range(full)[-1:]:
            if wrong := _wrong(patient, Tile(level, index)):
                yield fail(CHECK, f"the tile {level}/{index} {wrong}", KEEP)
                return


def _wrong(patient: Patient, tile: Tile) -> str | None:
    row = patient.ask_one(
        "SELECT hashes, root FROM ledger_tiles WHERE level = %s AND index = %s",
        tile.level,
        tile.index,
    )
    if row is None:
        return "is missing"
    first, last = tile.index * WIDTH, (tile.index + 1) * WIDTH
    if tile.level:
        below = patient.ask(_ROOTS, tile.level - 1, first, last)
    else:
        below = patient.ask(_LEAVES, first, last)
    hashes, root = row
    if pack(each for (each,) in below) != hashes:
        return "does not have the hashes below it"
    return None if join(unpack(hashes)) == root else "has another root"
