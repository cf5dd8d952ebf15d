"""What becomes of an event that a view meets: taken in, walked past, or the view stops.

    its topic is one of ours, the view takes such events in   decoded, and taken in
    its topic is one of ours, the view does not               walked past, not decoded
    its topic is not one of ours                              every view stops

An event that cannot be decoded therefore stops just the views that need it. Of one with
an unknown topic nobody here can tell who needs it: a newer version wrote it, and a view
of that version may. All stop rather than one should miss it, and the newer version goes
on from where they stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import psycopg
from eventsourcing.persistence import (
    InterfaceError,
    Notification,
    OperationalError,
    Tracking,
)
from eventsourcing.utils import resolve_topic
from psycopg import Connection
from psycopg.rows import DictRow

from ledger.aggregates.base import Recorded
from ledger.application import AGGREGATES
from ledger.projections.base import LIVE, Bookmark, BookmarkMoved, View
from ledger.projections.registry import AnyProjection

ERROR_MAX = 500

# These pass: the server went away, or somebody holds a row for a while.
TRANSIENT = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    OperationalError,
    InterfaceError,
)

# By SQLSTATE's class; the rest lie in what was asked for, such as a row too long.
_PASSING = ("08", "25", "40", "53", "55", "57", "58")


class TopicUnknown(Exception):
    """An event was written by a newer version; this one cannot tell who needs it."""


class Stopped(Exception):
    """An event does not fit the view; its cause says why."""

    def __init__(self, found: Notification, error: Exception) -> None:
        self.position = found.id
        self.event = f"{found.topic}, {found.originator_id}/{found.originator_version}"
        self.error = f"{type(error).__name__}: {error}"[:ERROR_MAX]
        said = f"{type(error).__name__} at position {found.id}: {error}"
        super().__init__(said[:ERROR_MAX])


class Intake:
    """One view's way of meeting events."""

    def __init__(
        self,
        projection: AnyProjection,
        *,
        event_of: Callable[[Notification], Any],
    ) -> None:
        """`event_of` decodes a line of the log."""
        self._event_of = event_of
        self._projection = projection
        self._takes = {
            topic: projection.takes(event) for topic, event in events_by_topic().items()
        }
        self.view: View = projection.view

    def take_in(
        self,
        found: Sequence[Notification],
        connection: Connection[DictRow],
        bookmark: Bookmark = LIVE,
    ) -> None:
        """Take events in, in one commit.

        Raises `Stopped` at one that does not fit: those before it are kept, each in a
        commit of its own. Raises `BookmarkMoved` if the view is past one of them.
        """
        try:
            self._take_in(found, connection, bookmark)
        except Stopped:
            for each in found:
                self._take_in([each], connection, bookmark)

    def process(self, found: Notification) -> None:
        """Take one event in, within the view's open transaction. Raises `Stopped`."""
        tracking = Tracking(self.view.name, found.id)
        try:
            takes = self._takes.get(found.topic)
            if takes is None:
                raise TopicUnknown(f"no event of this version is called {found.topic}")
            if takes:
                event = self._event_of(found)
                self._projection.process_event(event, tracking)
            else:
                self.view.change(tracking)
        except BookmarkMoved:
            raise
        except Exception as error:
            if passes(error):
                raise
            raise Stopped(found, error) from error

    def _take_in(
        self,
        found: Sequence[Notification],
        connection: Connection[DictRow],
        bookmark: Bookmark,
    ) -> None:
        if not found:
            return
        try:
            with self.view.together(connection, bookmark):
                for each in found:
                    self.process(each)
        except (BookmarkMoved, Stopped):
            raise
        except Exception as error:
            if passes(error):
                raise
            # Statements are sent together: of one event alone, this is the one.
            raise Stopped(found[-1], error) from error


def passes(error: Exception) -> bool:
    """Say whether an error lies in the moment: the same may well be done later."""
    if not isinstance(error, TRANSIENT):
        return False
    said = error if isinstance(error, psycopg.Error) else error.__cause__
    state = said.sqlstate if isinstance(said, psycopg.Error) else None
    return state is None or state.startswith(_PASSING)


@cache
def events_by_topic() -> Mapping[str, type]:
    """All events that aggregates of this version record, by their stored names."""
    topics = {
        event.TOPIC
        for aggregate in AGGREGATES
        for event in vars(aggregate).values()
        if isinstance(event, type)
        and issubclass(event, Recorded.Event)
        and hasattr(event, "TOPIC")
        and not event.__name__.startswith("_")  # What several events share.
    }
    return {topic: resolve_topic(topic) for topic in topics}
