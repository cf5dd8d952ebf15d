"""The whole log as of a moment: how long it was, its root, and what it was about."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ledger.application import Ledger
from ledger.log.merkle import Tree
from ledger.usecases.audit.book import Book, Tell, book_of, unheard
from ledger.usecases.audit.moments import Moment, When, moment


@dataclass(frozen=True, slots=True)
class LogAsOf:
    """A log at a moment. `root` is its RFC 6962 tree head, computed from the events:
    compare it with the checkpoint of that size. Counts are by kind of stream."""

    moment: Moment
    root: bytes
    events: dict[str, int]
    streams: dict[str, int]


def log_as_of(source: Ledger | Book, *, when: When, tell: Tell = unheard) -> LogAsOf:
    """Count and hash every event up to a moment. Raises what `moment` raises."""
    book = book_of(source)
    its = moment(book, when)
    tree = Tree()
    events: Counter[str] = Counter()
    streams: Counter[str] = Counter()
    for entry in book.entries(0, its.position, tell):
        kind = entry.topic.partition(".")[0]
        events[kind] += 1
        streams[kind] += entry.version == 1
        tree.append(entry.leaf_hash())
    return LogAsOf(
        moment=its,
        root=tree.root(),
        events=dict(sorted(events.items())),
        streams=dict(sorted(streams.items())),
    )
