"""What an audit reads: a log, or an export of one. Nothing is decided or opened.

Both are read by position and event by event, so that what is told of them is the same,
line for line. What is sealed stays sealed: no reader here has a key.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from typing import Any, ClassVar, Protocol, TypeAlias, cast
from uuid import UUID

from eventsourcing.persistence import Mapper, StoredEvent

from ledger.aggregates.base import Recorded
from ledger.application import Ledger
from ledger.errors import Missing
from ledger.log.export import ExportedEvent
from ledger.log.replay import is_event, transcoder

PAGE = 1_000
DISORDER_EVENTS_MAX = 256
"""Writers read their clocks before the log orders them: so far apart the two may be."""

Tell: TypeAlias = Callable[[int], None]
"""Is told how many more events were read, while a whole log is."""


def unheard(_: int) -> None:
    """Nobody wants to know how far the reading is."""


class Book(Protocol):
    """A log's events in its order. Positions count from 1 without a gap."""

    what: ClassVar[str]
    """What it is called in a sentence: the log, the export."""

    def size(self) -> int:
        """Return how many events there are, which is the last position."""

    def entries(
        self, after: int, until: int, tell: Tell = unheard
    ) -> Iterator[ExportedEvent]:
        """Yield the events of the positions after + 1 to until."""

    def streams(
        self, stream_ids: Collection[UUID], until: int
    ) -> Iterator[ExportedEvent]:
        """Yield the events of some streams up to a position, in the log's order."""

    def reached_by(self, at: datetime) -> int:
        """Return the last position that was recorded by a time; 0 if none was.

        The log orders events, clocks only date them, and between writers they differ
        a little. The log ends, as of a time, where as many as `DISORDER_EVENTS_MAX`
        events in a row are dated later; what is dated later before that is in it.
        """


class BeforeTheTicket(Missing):
    code = "unknown"
    says = "The ticket was not there yet at position {position}; it begins at {begins}."


class LogBook:
    """The log itself, read with no more rights than to see its events."""

    what: ClassVar[str] = "log"

    def __init__(self, ledger: Ledger) -> None:
        self._recorder = ledger.recorder

    def size(self) -> int:
        return self._recorder.size()

    def entries(
        self, after: int, until: int, tell: Tell = unheard
    ) -> Iterator[ExportedEvent]:
        while after < until:
            page = self._recorder.select_notifications(
                after, PAGE, until, inclusive_of_start=False
            )
            if not page:
                return
            for each in page:
                yield _entry(each.id, each)
            tell(len(page))
            after = page[-1].id

    def streams(
        self, stream_ids: Collection[UUID], until: int
    ) -> Iterator[ExportedEvent]:
        found = []
        for stream_id in dict.fromkeys(stream_ids):
            # An event without a position is not in the log's order yet, nor told.
            positions = self._recorder.positions_of(stream_id)
            versions = [each for each, place in positions.items() if place <= until]
            if versions:
                stored = self._recorder.select_events(stream_id, lte=max(versions))
                found += [
                    _entry(positions[each.originator_version], each) for each in stored
                ]
        yield from sorted(found, key=lambda each: each.position)

    def reached_by(self, at: datetime) -> int:
        # The probes do not depend on how long the log is, so neither does the answer.
        reached, size = 0, self.size()
        for bit in reversed(range(size.bit_length())):
            probe = reached + (1 << bit)
            if probe <= size and self._time_of(probe) <= at:
                reached = probe
        return last_dated(self.entries(reached, size), at, reached)

    def _time_of(self, position: int) -> datetime:
        (entry,) = self.entries(position - 1, position)
        return time_of(entry)


def last_dated(entries: Iterator[ExportedEvent], at: datetime, reached: int) -> int:
    """Go on from a position that was reached, while events are still dated in time."""
    for entry in entries:
        if time_of(entry) <= at:
            reached = entry.position
        elif entry.position - reached >= DISORDER_EVENTS_MAX:
            break
    return reached


def book_of(source: Ledger | Book) -> Book:
    return LogBook(source) if isinstance(source, Ledger) else source


def event_of(entry: ExportedEvent) -> Recorded.Event:
    """Return an event as its aggregate knows it. Raises what a bad state raises."""
    stored = StoredEvent(entry.originator_id, entry.version, entry.topic, entry.state)
    if not is_event(entry.topic):
        raise ValueError(f"{entry.topic} is no event")
    return cast("Recorded.Event", _MAPPER.to_domain_event(stored))


def time_of(entry: ExportedEvent) -> datetime:
    """Return when the server recorded an event. Raises `ValueError`."""
    try:
        said = json.loads(entry.state)["timestamp"]["_data_"]
        return datetime.fromisoformat(said)
    except (KeyError, TypeError):
        raise ValueError("it has no time") from None


def _entry(position: int, stored: StoredEvent) -> ExportedEvent:
    stream_id: Any = stored.originator_id
    return ExportedEvent(
        index=position - 1,
        position=position,
        originator_id=stream_id,
        version=stored.originator_version,
        topic=stored.topic,
        state=bytes(stored.state),
    )


_MAPPER = Mapper[UUID](transcoder())
