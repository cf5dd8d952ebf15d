"""Receipts: what the log promises to whoever gave it a command, signed.

    eticket-ledger/receipt/1
    <origin>
    time <when it was signed>
    by <when a checkpoint includes all of it, at the latest>
    leaf <leaf hash, base64> <position, or ? if it has none yet>
    …

The key is named `<origin>/receipts` and signs nothing else. Whoever holds a receipt can
prove a loss with it: a checkpoint that should include its leaves and does not. Whether
a checkpoint is later than `by`, a witness's cosignature says, or the holder who fetched
it himself; the checkpoint does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Self

from ledger.log.checkpoint import Checkpoint
from ledger.log.merkle import HASH_LENGTH, Tree
from ledger.log.note import BadNote, from_base64, to_base64

FORMAT = "eticket-ledger/receipt/1"
MERGE_DELAY = timedelta(hours=1)
"""So long at most until a published checkpoint includes what was receipted.

A second or two, mostly; but while witnesses are away nothing is published, nor lost.
"""

LEAVES_MAX = 100_000
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_LEAF = re.compile(r"leaf (\S+) (\?|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Promised:
    """One event: its leaf hash, and its position if it had one already."""

    leaf_hash: bytes
    position: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    origin: str
    at: datetime
    by: datetime
    events: tuple[Promised, ...]

    @classmethod
    def now(cls, origin: str, events: Iterable[Promised], *, at: datetime) -> Self:
        return cls(origin=origin, at=at, by=at + MERGE_DELAY, events=tuple(events))

    def text(self) -> str:
        lines = [FORMAT, self.origin]
        lines.append(f"time {self.at.astimezone(UTC).strftime(_TIME)}")
        lines.append(f"by {self.by.astimezone(UTC).strftime(_TIME)}")
        for event in self.events:
            position = "?" if event.position is None else event.position
            lines.append(f"leaf {to_base64(event.leaf_hash)} {position}")
        return "\n".join(lines) + "\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a receipt's text. Raises `BadNote`."""
        lines = text.removesuffix("\n").split("\n")
        if len(lines) < 5 or lines[0] != FORMAT or len(lines) > 4 + LEAVES_MAX:
            raise BadNote(f"not a {FORMAT}")
        receipt = cls(
            origin=lines[1],
            at=_time(lines[2], "time"),
            by=_time(lines[3], "by"),
            events=tuple(_promised(line) for line in lines[4:]),
        )
        if receipt.text() != text:
            raise BadNote("the receipt is not in its only form")
        return receipt


class Verdict(StrEnum):
    PROVEN = "proven"
    REFUTED = "refuted"
    UNCHECKED = "could not be checked"


@dataclass(frozen=True, slots=True)
class Finding:
    verdict: Verdict
    why: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is proven about a checkpoint's tree: which leaves stand where.

    `whole` says that all leaves were looked at, so that what is not here is nowhere.
    """

    places: Mapping[int, bytes] = field(default_factory=dict)
    whole: bool = False

    def index_of(self, leaf_hash: bytes) -> int | None:
        found = (index for index, each in self.places.items() if each == leaf_hash)
        return next(found, None)


def search(
    leaf_hashes: Iterable[bytes], checkpoint: Checkpoint, receipt: Receipt
) -> Evidence | None:
    """Look through the whole log up to a checkpoint for what a receipt names.

    None: these leaves are not those that the checkpoint signs.
    """
    wanted = {event.leaf_hash for event in receipt.events}
    indices = {event.position - 1 for event in receipt.events if event.position}
    tree, places = Tree(), {}
    for each in leaf_hashes:
        if tree.size == checkpoint.size:
            break
        if each in wanted or tree.size in indices:
            places[tree.size] = each
        tree.append(each)
    if (tree.size, tree.root()) != (checkpoint.size, checkpoint.root):
        return None
    return Evidence(places, whole=True)


def judge(
    receipt: Receipt,
    checkpoint: Checkpoint,
    evidence: Evidence,
    *,
    seen_at: datetime | None,
) -> Finding:
    """Hold a receipt against a checkpoint of its log.

    `seen_at` is a time at which the checkpoint was the log's newest, if known.
    """
    late = seen_at is not None and seen_at > receipt.by
    findings = [
        _judge(event, checkpoint, evidence, late=late) for event in receipt.events
    ]
    for verdict in (Verdict.REFUTED, Verdict.UNCHECKED):
        for finding in findings:
            if finding.verdict == verdict:
                return finding
    return Finding(
        Verdict.PROVEN,
        f"All {len(findings)} events of the receipt are in the log of"
        f" {checkpoint.size} events.",
    )


def _judge(
    event: Promised, checkpoint: Checkpoint, evidence: Evidence, *, late: bool
) -> Finding:
    if event.position is None:
        return _promise(event, checkpoint, evidence, late=late)
    if event.position > checkpoint.size:
        why = f"position {event.position} was promised, the log ends at"
        return _not_there(f"{why} {checkpoint.size}", late=late)
    found = evidence.places.get(event.position - 1)
    if found is None:
        return Finding(Verdict.UNCHECKED, "Nothing given shows what is in the log.")
    if found != event.leaf_hash:
        why = f"Position {event.position} of the log is another event."
        return Finding(Verdict.REFUTED, why)
    return Finding(Verdict.PROVEN, "")


def _promise(
    event: Promised, checkpoint: Checkpoint, evidence: Evidence, *, late: bool
) -> Finding:
    if evidence.index_of(event.leaf_hash) is not None:
        return Finding(Verdict.PROVEN, "")
    if not evidence.whole:
        return Finding(Verdict.UNCHECKED, "Nothing given shows what is in the log.")
    why = f"an event is missing among the first {checkpoint.size}"
    return _not_there(why, late=late)


def _not_there(why: str, *, late: bool) -> Finding:
    if late:
        said = f"Past its time limit {why}: the log has not kept its promise."
        return Finding(Verdict.REFUTED, said)
    return Finding(
        Verdict.UNCHECKED,
        f"{why[0].upper()}{why[1:]}, and nothing shows that this checkpoint is later"
        " than the limit: take a newer one, or say when it was the newest.",
    )


def _promised(line: str) -> Promised:
    found = _LEAF.fullmatch(line)
    leaf_hash = from_base64(found[1]) if found else b""
    if found is None or len(leaf_hash) != HASH_LENGTH:
        raise BadNote("not a leaf of a receipt")
    return Promised(leaf_hash, None if found[2] == "?" else int(found[2]))


def _time(line: str, name: str) -> datetime:
    try:
        given = datetime.strptime(line, f"{name} {_TIME}")  # noqa: DTZ007
    except ValueError:
        raise BadNote(f"a receipt says its {name}") from None
    return given.replace(tzinfo=UTC)
