"""Tiles, checkpoints and cosignatures as the database has them.

Partial tiles are not stored: level 0 is the log's own leaf hashes, and the roots of
full tiles are the hashes of the level above.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString, TypeAlias
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from ledger.errors import Missing
from ledger.log.checkpoint import Checkpoint
from ledger.log.leaf import leaf
from ledger.log.merkle import leaf_hash
from ledger.log.note import Note, Verifier
from ledger.log.policy import Policy
from ledger.log.receipt import Promised
from ledger.log.tiles import WIDTH, NoSuchTile, Tile, TiledTree, join, pack, unpack

LOOK_BACK_MAX = 100
"""How many checkpoints are looked through for one that a quorum has cosigned."""

_TILE = "SELECT hashes FROM ledger_tiles WHERE level = %s AND index = %s"
_ROOTS = """
SELECT root AS hash FROM ledger_tiles
WHERE level = %s AND index >= %s AND index < %s ORDER BY index
"""
_LEAVES = """
SELECT leaf_hash AS hash FROM ledger_log
WHERE position > %s AND position <= %s ORDER BY position
"""
_ENTRIES = """
SELECT l.originator_id, l.originator_version, e.topic, e.state FROM ledger_log l
JOIN ledger_events e USING (originator_id, originator_version)
WHERE l.position > %s AND l.position <= %s ORDER BY l.position
"""
_PROMISED = """
SELECT l.position, l.leaf_hash, e.originator_id, e.originator_version, e.topic,
    CASE WHEN l.position IS NULL THEN e.state END AS state
FROM unnest(%s::uuid[], %s::bigint[]) WITH ORDINALITY
    AS w (originator_id, originator_version, nr)
JOIN ledger_events e USING (originator_id, originator_version)
LEFT JOIN ledger_log l USING (originator_id, originator_version)
ORDER BY w.nr
"""
# Keys that replaced those in the note sign below it, beside the witnesses: under their
# whole name, `<origin>+<key id>`, which a witness's, having no plus sign, cannot be.
_NEWEST = """
SELECT size, root, signed_at, note || coalesce((
    SELECT string_agg(line, '' ORDER BY cosigned_at) FROM ledger_cosignatures s
    WHERE s.size = c.size AND strpos(s.witness, '+') > 0), '') AS note
FROM ledger_checkpoints c ORDER BY size DESC LIMIT 1
"""
_COSIGNED = """
SELECT c.size, c.note, array_agg(s.line ORDER BY s.witness)
    FILTER (WHERE s.line IS NOT NULL) AS lines
FROM (SELECT size, note FROM ledger_checkpoints ORDER BY size DESC LIMIT %s) c
LEFT JOIN ledger_cosignatures s USING (size)
GROUP BY c.size, c.note ORDER BY c.size DESC
"""
_LAST_OF_WITNESS = """
SELECT coalesce(max(size), 0) AS size FROM ledger_cosignatures WHERE witness = %s
"""
_ADD_TILE = """
INSERT INTO ledger_tiles (level, index, hashes, root) VALUES (%s, %s, %s, %s)
"""
_ADD_CHECKPOINT = """
INSERT INTO ledger_checkpoints (size, root, note, signed_at)
SELECT %(size)s, %(root)s, %(note)s, %(at)s
WHERE NOT EXISTS (SELECT FROM ledger_checkpoints WHERE size >= %(size)s)
"""
_ADD_COSIGNATURE = """
INSERT INTO ledger_cosignatures (size, witness, line, cosigned_at)
VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_STOP = "INSERT INTO ledger_stop (why) VALUES (%s) ON CONFLICT DO NOTHING"


class NotPublished(Missing):
    code = "not_published"
    says = "The log has not published that yet, or has no such place; try again later."


Connect: TypeAlias = Callable[[], AbstractContextManager[Connection[DictRow]]]


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint, and its note with the signatures of the log's keys alone."""

    checkpoint: Checkpoint
    note: str
    signed_at: datetime


@dataclass(frozen=True, slots=True)
class Published:
    """A checkpoint with a quorum of cosignatures; `note` has them all."""

    checkpoint: Checkpoint
    note: str


class ProofStore:
    """What a log has proven so far, in one schema."""

    def __init__(self, connect: Connect) -> None:
        """`connect` yields a connection that commits each statement."""
        self._connect = connect

    def size(self) -> int:
        """Return how many events have a position."""
        (row,) = self._rows("SELECT size FROM ledger_head")
        size: int = row["size"]
        return size

    def newest(self) -> Signed | None:
        """Return the longest checkpoint that was signed."""
        rows = self._rows(_NEWEST)
        if not rows:
            return None
        checkpoint = Checkpoint.parse(Note.parse(rows[0]["note"]).text)
        return Signed(checkpoint, rows[0]["note"], rows[0]["signed_at"])

    def published(self, policy: Policy) -> Published | None:
        """Return the longest checkpoint that enough witnesses have cosigned."""
        for row in self._rows(_COSIGNED, LOOK_BACK_MAX):
            note = row["note"] + "".join(row["lines"] or [])
            parsed = Note.parse(note)
            if policy.is_met(policy.cosigned(parsed)):
                return Published(Checkpoint.parse(parsed.text), note)
        return None

    def tree(self, size: int) -> TiledTree:
        """Return the tree over the first events, of which all have a checkpoint."""
        return TiledTree(size, self.hashes)

    def hashes(self, tile: Tile) -> list[bytes]:
        """Return a tile's hashes. Raises `NoSuchTile`."""
        if tile.width == WIDTH:
            stored = self._rows(_TILE, tile.level, tile.index)
            if stored:
                return unpack(stored[0]["hashes"])
        first = tile.index * WIDTH
        last = first + tile.width
        if tile.level:
            rows = self._rows(_ROOTS, tile.level - 1, first, last)
        else:
            rows = self._rows(_LEAVES, first, last)
        if len(rows) < tile.width:
            raise NoSuchTile(f"{tile.level}/{tile.path}")
        return [row["hash"] for row in rows]

    def entries(self, tile: Tile) -> list[bytes]:
        """Return the leaves under a tile of level 0. Raises `NoSuchTile`."""
        first = tile.index * WIDTH
        rows = self._rows(_ENTRIES, first, first + tile.width)
        if len(rows) < tile.width:
            raise NoSuchTile(f"entries/{tile.path}")
        return [_leaf(row) for row in rows]

    def promised(self, events: Sequence[tuple[UUID, int]]) -> list[Promised]:
        """Return what to promise about events that were appended, by id and version."""
        ids, versions = [each for each, _ in events], [each for _, each in events]
        return [
            Promised(row["leaf_hash"] or leaf_hash(_leaf(row)), row["position"])
            for row in self._rows(_PROMISED, ids, versions)
        ]

    def promised_at(self, position: int) -> list[Promised]:
        """Return what was promised about the event at a position; nothing if none."""
        rows = self._rows(_LEAVES, position - 1, position)
        return [Promised(row["hash"], position) for row in rows]

    def add_tiles(self, *, old_size: int, size: int) -> None:
        """Store the tiles that became full between two sizes."""
        span, level = WIDTH, 0
        while size // span:
            for index in range(old_size // span, size // span):
                hashes = self.hashes(Tile(level, index))
                self._execute(_ADD_TILE, level, index, pack(hashes), join(hashes))
            span, level = span * WIDTH, level + 1

    def add_checkpoint(self, signed: Signed) -> bool:
        """Store a checkpoint; False if there is a longer one already."""
        values = {
            "size": signed.checkpoint.size,
            "root": signed.checkpoint.root,
            "note": signed.note,
            "at": signed.signed_at,
        }
        with self._connect() as connection:
            return connection.execute(_ADD_CHECKPOINT, values).rowcount == 1

    def add_signature(
        self, *, size: int, verifier: Verifier, line: str, signed_at: datetime
    ) -> None:
        """Store a key's line under a checkpoint that is older than the key."""
        name = f"{verifier.name}+{verifier.key_id.hex()}"
        self.add_cosignature(size=size, witness=name, line=line, cosigned_at=signed_at)

    def last_cosigned(self, witness: str) -> int:
        """Return the size that a witness has cosigned last, as far as we know."""
        (row,) = self._rows(_LAST_OF_WITNESS, witness)
        size: int = row["size"]
        return size

    def add_cosignature(
        self, *, size: int, witness: str, line: str, cosigned_at: datetime
    ) -> None:
        self._execute(_ADD_COSIGNATURE, size, witness, line, cosigned_at)

    def stopped(self) -> str | None:
        """Return why nothing is appended any more; None if appending goes on."""
        rows = self._rows("SELECT why FROM ledger_stop")
        return rows[0]["why"] if rows else None

    def resume(self, because: str) -> None:
        """Let appends go on; why they were stopped, and go on now, is kept."""
        self._rows("SELECT ledger_resume(%s)", because)

    def stop(self, why: str) -> None:
        """Let nothing more be appended. What stopped it before, stays."""
        self._execute(_STOP, why)

    def _rows(self, query: LiteralString, *values: Any) -> Sequence[DictRow]:
        with self._connect() as connection:
            return connection.execute(query, values, binary=True).fetchall()

    def _execute(self, query: LiteralString, *values: Any) -> None:
        with self._connect() as connection:
            connection.execute(query, values)


def _leaf(row: DictRow) -> bytes:
    return leaf(
        originator_id=row["originator_id"],
        version=row["originator_version"],
        topic=row["topic"],
        state=row["state"],
    )
