"""Checks an export with nothing but the log's public keys: no database, no trust.

Every leaf and the tree's root are computed anew from the events themselves, streams
must be whole and must replay, and the checkpoint must be signed. The first line that
is wrong is named; a rewrite that kept all leaves consistent shows at the checkpoint,
and one that was signed anew against an older checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ledger.log.checkpoint import Checkpoint
from ledger.log.export import ExportedEvent
from ledger.log.note import Verifier
from ledger.log.policy import Policy
from ledger.log.verify.lines import Wrong, exported_events
from ledger.log.verify.sealing import NotComparable, Older, Rewritten, Sealed, Sealing
from ledger.log.verify.streams import Buckets, Over, first_of, first_wrong

__all__ = [
    "NotComparable",
    "Older",
    "Problem",
    "VerifyReport",
    "Wrong",
    "exported_events",
    "verify_export",
]

BELIEVE_THE_LOG = Policy()


@dataclass(frozen=True, slots=True)
class Problem:
    """The first line that is wrong (counted from 1), and what is wrong with it.

    Of a rewrite the older checkpoints tell only that one of the lines from `since` to
    `line` was changed.
    """

    line: int
    what: str
    since: int

    @property
    def where(self) -> str:
        if self.since < self.line:
            return f"lines {self.since} to {self.line}"
        return f"line {self.line}"


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was checked. `sealed` is None unless everything is proven."""

    events: int
    streams: int
    root: bytes
    sealed: Sealed | None
    problem: Problem | None

    @property
    def checkpoint(self) -> Checkpoint | None:
        return None if self.sealed is None else self.sealed.checkpoint

    @property
    def proven(self) -> bool:
        return self.problem is None and self.sealed is not None


def verify_export(
    lines: Iterable[bytes],
    keys: Sequence[Verifier],
    *,
    policy: Policy = BELIEVE_THE_LOG,
    older: Sequence[Older] = (),
    replay: bool = True,
    spill: Path | None = None,
    over: Over = map,
) -> VerifyReport:
    """Check an export, given as lines with their line feeds, as a file gives them.

    A checkpoint signed by any of the log's `keys` will do. `spill` is an empty folder
    for what does not fit into memory; the caller removes it. Without `replay` only
    integrity and the streams' versions are checked. Raises `NotComparable`, and
    OSError if the folder is full.
    """
    sealing, buckets = Sealing(keys, policy, older), Buckets(spill)
    problem = _read(lines, sealing, buckets, replay=replay)
    found = first_of(over(partial(first_wrong, replay=replay), buckets.all()))
    if found.line is not None and (problem is None or found.line < problem.line):
        problem = Problem(found.line, found.what, found.line)
    return VerifyReport(
        events=sealing.tree.size,
        streams=found.streams,
        root=sealing.tree.root(),
        sealed=None if problem else sealing.sealed,
        problem=problem,
    )


def _read(
    lines: Iterable[bytes], sealing: Sealing, buckets: Buckets, *, replay: bool
) -> Problem | None:
    """Read all lines, or up to the first one that the key has not signed so."""
    number = 0
    try:
        for raw in lines:
            number += 1
            event = sealing.line(raw)
            if event is not None:
                _lay(event, number, buckets, replay=replay)
        number += 1
        sealing.end()
    except Rewritten as rewritten:
        return Problem(number, str(rewritten), min(rewritten.agreed + 2, number))
    except Wrong as wrong:
        return Problem(number, str(wrong), number)
    return None


def _lay(event: ExportedEvent, line: int, buckets: Buckets, *, replay: bool) -> None:
    """Lay an event into its bucket, with no more of it than will be needed."""
    topic, state = (event.topic.encode(), event.state) if replay else (b"", b"")
    buckets.add(line, event.originator_id.bytes, event.version, topic, state)
