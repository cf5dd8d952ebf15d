"""A log as it is read from outside: a checkpoint and tiles, and nothing believed.

What is fetched proves itself: tiles lead to the root that a checkpoint signs, or they
are not its tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from ledger.log.checkpoint import Checkpoint
from ledger.log.merkle import BadProof, check_consistency, check_inclusion
from ledger.log.note import NoteVerifier, open_note
from ledger.log.receipt import Evidence, Receipt, search
from ledger.log.tiles import WIDTH, NoSuchTile, Tile, TiledTree, tile_path, unpack

Fetch: TypeAlias = Callable[[str], bytes | None]
"""Returns what is at a path under the log's prefix; None if nothing is there.

Raises OSError if the log cannot be reached."""


class Unproven(Exception):
    """What was fetched is not what the checkpoint signs; the message says what."""


class Fork(Exception):
    """Two checkpoints are signed, and none continues the other: a proven fraud."""


class RemoteLog:
    """Reads one log. Whoever calls this expects OSError and `Unproven`."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    def checkpoint(self, verifiers: Iterable[NoteVerifier]) -> tuple[Checkpoint, str]:
        """Return the log's newest checkpoint and its note. Raises `BadNote`."""
        raw = self._fetch("checkpoint")
        if raw is None:
            raise Unproven("The log has published no checkpoint.")
        note = raw.decode(errors="replace")
        return Checkpoint.parse(open_note(note, verifiers)), note

    def tree(self, checkpoint: Checkpoint) -> TiledTree:
        """Return the tree of a checkpoint, of which the root is proven."""
        tree = TiledTree(checkpoint.size, self._tile)
        try:
            root = tree.root()
        except NoSuchTile as error:
            raise Unproven(f"The tile {error} is missing.") from None
        if root != checkpoint.root:
            raise Unproven("The tiles do not lead to the root that was signed.")
        return tree

    def evidence(self, checkpoint: Checkpoint, receipt: Receipt) -> Evidence:
        """Return what the log has where a receipt's events should be."""
        tree = self.tree(checkpoint)
        positions = [event.position for event in receipt.events]
        try:
            if None in positions:
                found = search(self._leaves(checkpoint.size), checkpoint, receipt)
                if found is None:
                    raise Unproven("The tiles do not lead to the root.")
                return found
            places = (each - 1 for each in positions if each is not None)
            known = {at: tree.leaf(at) for at in places if at < checkpoint.size}
            for index in known:
                _require_included(tree, checkpoint, index)
        except NoSuchTile as error:
            raise Unproven(f"The tile {error} is missing.") from None
        return Evidence(known)

    def require_continues(self, old: Checkpoint, new: Checkpoint) -> None:
        """Raise `Fork` unless the log at `new` is a continuation of that at `old`."""
        if new.size < old.size:
            raise Fork(f"The log went back from {old.size} to {new.size} events.")
        if new.size == old.size:
            if new.root != old.root:
                raise Fork(f"Two different logs of {old.size} events are signed.")
            return
        if old.size == 0:
            return
        tree = self.tree(new)
        try:
            found = tree.subtree(0, old.size)
            check_consistency(
                old_size=old.size,
                size=new.size,
                old_root=found,
                root=new.root,
                proof=tree.consistency_proof(old.size),
            )
        except NoSuchTile as error:
            raise Unproven(f"The tile {error} is missing.") from None
        except BadProof:
            raise Unproven("The tiles are not those of the checkpoint.") from None
        if found != old.root:  # Proven to be the root of the log that is there now.
            raise Fork(
                f"The first {old.size} events of the log are not those that were"
                " signed before: the history was rewritten."
            )

    def _leaves(self, size: int) -> Iterator[bytes]:
        for index in range(-(-size // WIDTH)):
            yield from self._tile(Tile(0, index, min(WIDTH, size - index * WIDTH)))

    def _tile(self, tile: Tile) -> list[bytes]:
        """Fetch a tile. A partial one may have become a full one meanwhile."""
        for width in dict.fromkeys((tile.width, WIDTH)):
            raw = self._fetch(f"tile/{tile.level}/{tile_path(tile.index, width)}")
            if raw is not None:
                try:
                    return unpack(raw)[: tile.width]
                except ValueError:
                    raise Unproven("A tile is not a row of hashes.") from None
        raise NoSuchTile(f"{tile.level}/{tile.path}")


def _require_included(tree: TiledTree, checkpoint: Checkpoint, index: int) -> None:
    try:
        check_inclusion(
            index=index,
            size=checkpoint.size,
            leaf_hash=tree.leaf(index),
            proof=tree.inclusion_proof(index),
            root=checkpoint.root,
        )
    except BadProof:
        raise Unproven("The tiles are not those of the checkpoint.") from None
