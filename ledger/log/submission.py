"""The log's part towards a witness: hand in a checkpoint, understand the answer.

C2SP tlog-witness, `add-checkpoint`. Most answers are a cosignature or a reason to try
later. Two are grave: the witness is ahead of us, or knows another history.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from ledger.log.cosignature import cosigned_at
from ledger.log.note import BadNote, Note, signature
from ledger.log.policy import KnownWitness
from ledger.log.tiles import TiledTree
from ledger.log.witness import CONFLICT, OK, PATH, UNPROCESSABLE, Submission

LINES_MAX = 16

_SIZE = re.compile(r"(0|[1-9][0-9]{0,18})\n")

Post: TypeAlias = Callable[[str, bytes], tuple[int, bytes]]
"""Posts a body to a URL; returns status and body. Raises OSError if nobody answers."""


class Forked(Exception):
    """A witness has seen what this log is not; the message is one sentence."""


class Ahead(Forked):
    """The witness has cosigned a longer log than the one at hand."""

    def __init__(self, witness: str, *, seen: int, size: int) -> None:
        super().__init__(
            f"The witness {witness} has cosigned {seen} events of this log and only"
            f" {size} are here, as after restoring an old backup: restore the newest"
            " one, or begin a log with a new origin."
        )
        self.seen = seen


class NotCosigned(Exception):
    """No cosignature this time; the message says why."""


@dataclass(frozen=True, slots=True)
class Cosignature:
    line: str
    at: datetime


def submit(
    witness: KnownWitness, note: str, tree: TiledTree, *, old_size: int, post: Post
) -> Cosignature:
    """Have a checkpoint cosigned; `old_size` is what the witness cosigned last.

    It is corrected by the witness if that is not so. Raises `NotCosigned`, `Ahead` or
    `Forked`.
    """
    status, body = _post(witness, note, tree, old_size, post)
    if status == CONFLICT:
        seen = _size(body)
        if seen > tree.size:
            raise Ahead(witness.name, seen=seen, size=tree.size)
        if seen == old_size:
            raise _other_history(witness, seen)
        old_size = seen
        status, body = _post(witness, note, tree, old_size, post)
    if status == UNPROCESSABLE or (status == CONFLICT and _size(body) == old_size):
        raise _other_history(witness, old_size)
    if status != OK:
        raise NotCosigned(f"{witness.name} answered {status}")
    return _read(witness, note, body)


def _post(
    witness: KnownWitness, note: str, tree: TiledTree, old_size: int, post: Post
) -> tuple[int, bytes]:
    if witness.url is None:
        raise NotCosigned(f"the policy gives no address of {witness.name}")
    proof = tree.consistency_proof(old_size) if old_size else []
    asked = Submission(old_size, tuple(proof), note)
    try:
        return post(witness.url.rstrip("/") + PATH, asked.encode())
    except OSError as error:
        raise NotCosigned(f"{witness.name} does not answer: {error}") from None


def _read(witness: KnownWitness, note: str, body: bytes) -> Cosignature:
    """Find the witness's own line among those it answered."""
    its, text = witness.verifier, Note.parse(note).text
    try:
        lines = body.decode().split("\n")[:LINES_MAX]
        for line in filter(None, lines):
            name, key_id, raw = signature(line)
            if (name, key_id) == (its.name, its.key_id):
                its.check(text, raw)
                return Cosignature(f"{line}\n", cosigned_at(raw))
    except (BadNote, UnicodeDecodeError) as error:
        raise NotCosigned(f"{witness.name} answered no cosignature: {error}") from None
    raise NotCosigned(f"{witness.name} answered no cosignature of its key")


def _size(body: bytes) -> int:
    said = _SIZE.fullmatch(body.decode(errors="replace"))
    if not said:
        raise NotCosigned("the witness does not say which size it has seen")
    return int(said[1])


def _other_history(witness: KnownWitness, seen: int) -> Forked:
    return Forked(
        f"The first {seen} events of this log are not those that the witness"
        f" {witness.name} has cosigned: the history was rewritten, or there are two"
        " logs of one origin."
    )
