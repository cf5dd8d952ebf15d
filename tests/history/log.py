"""The log as commits: what was appended at once, and for whose command.

Events of one command stand together. The rest of what a log promises is checked on the
way: positions without a gap, and versions of a stream one after the other.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ledger.log.recorder import LedgerRecorder
from tests.history.model import Changes, Event, Model, Thing

PAGE = 5_000

SPOKEN_OF = (
    "amount_minor",
    "buyer_id",
    "job_id",
    "listing_id",
    "offer_id",
    "owner_id",
    "serial",
    "session_id",
    "to_party_id",
    "write_id",
)
"""What clients name when they ask: the rest of a state is dropped once it is read."""


@dataclass(slots=True)
class Commit:
    """`number` counts commits from 1; `key` is the command's, empty for none."""

    number: int
    key: str
    events: list[Event]

    @property
    def last(self) -> int:
        return self.events[-1].position


@dataclass(slots=True)
class Log:
    """A whole log, told by commits and by what is so after each of them."""

    commits: list[Commit] = field(default_factory=list)
    by_key: dict[str, list[Commit]] = field(default_factory=dict)
    streams: dict[str, list[Event]] = field(default_factory=lambda: defaultdict(list))
    things: dict[Thing, Changes] = field(default_factory=lambda: defaultdict(Changes))
    wrong: list[str] = field(default_factory=list)
    """A sentence for all that cannot stand in an honest log."""

    _lasts: list[int] = field(default_factory=list)

    @property
    def size(self) -> int:
        """The last position."""
        return self._lasts[-1] if self._lasts else 0

    def holding(self, position: int) -> int:
        """Return the number of the commit at a position, beyond the end one more."""
        return bisect_left(self._lasts, position) + 1 if position > 0 else 0

    def end_of(self, commit: int) -> int:
        """Return the position at which a commit ends; 0 before the first."""
        return self._lasts[commit - 1] if commit else 0

    @classmethod
    def of(cls, events: Iterable[Event]) -> Log:
        its, model = cls(), Model()
        for commit in _grouped(its._in_order(events)):
            its.commits.append(commit)
            its._lasts.append(commit.last)
            if commit.key:
                its.by_key.setdefault(commit.key, []).append(commit)
            its.wrong += model.take_in(commit.number, commit.events)
            for event in commit.events:
                event.state = {
                    name: event.state[name] for name in SPOKEN_OF if name in event.state
                }
        its.things = model.things
        return its

    def _in_order(self, events: Iterable[Event]) -> Iterator[Event]:
        """Pass events on; note where a position or a version is not the next."""
        versions: dict[str, int] = defaultdict(int)
        before = 0
        for event in events:
            if event.position != before + 1:
                self.wrong.append(f"after position {before} comes {event.position}")
            if event.version != versions[event.stream] + 1:
                self.wrong.append(
                    f"at {event.position} stream {event.stream} goes on from version"
                    f" {versions[event.stream]} with {event.version}"
                )
            self.streams[event.stream].append(event)
            before, versions[event.stream] = event.position, event.version
            yield event


def read(recorder: LedgerRecorder) -> Iterator[Event]:
    """Read a whole log from its first position."""
    start: int | None = 1
    while start is not None:
        page = recorder.select_notifications(start, PAGE)
        for each in page:
            state = json.loads(each.state)
            stream = each.originator_id.hex
            yield Event(each.id, stream, each.originator_version, each.topic, state)
        start = page[-1].id + 1 if page else None


def _grouped(events: Iterable[Event]) -> Iterator[Commit]:
    number, last = 0, None
    for event in events:
        key = event.state.get("cause", {}).get("command", "")
        if last is not None and key and key == last.key:
            last.events.append(event)
            continue
        if last is not None:
            yield last
        number += 1
        last = Commit(number, key, [event])
    if last is not None:
        yield last
