"""What every view shares: rows and bookmark move together, or not at all.

A crash therefore repeats nothing and loses nothing. An event that does not fit raises,
and the view stops there: views are rebuilt, not patched.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, LiteralString, TypeAlias, TypeVar

from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import IntegrityError, Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from psycopg import Connection, Cursor
from psycopg.rows import DictRow

Statement: TypeAlias = tuple[LiteralString, Sequence[object]]
"""SQL text and its parameters. The search path leads to the log's schema."""

TRACKING_TABLE = "projection_tracking"

SENT_TOGETHER_MAX = 50


class BookmarkMoved(IntegrityError):
    """The bookmark stands further on: somebody else moved this view."""


class DoesNotFit(IntegrityError):
    """An event speaks of a row that the view does not have."""


class Skipped(IntegrityError):
    """An event between the bookmark and this one was not given to the view."""


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Where a view's position is kept, as SQL; the parameters are in this order."""

    begin: LiteralString
    """The name."""

    hold: LiteralString
    """The name; `position` is the answer, and nobody else moves it meanwhile."""

    move: LiteralString
    """Position and name."""


LIVE = Bookmark(
    begin="INSERT INTO projection_tracking VALUES (%s, 0) ON CONFLICT DO NOTHING",
    hold="SELECT notification_id AS position FROM projection_tracking"
    " WHERE application_name = %s FOR UPDATE",
    move="UPDATE projection_tracking SET notification_id = %s"
    " WHERE application_name = %s",
)


class View(PostgresTrackingRecorder):
    """Some tables, and the bookmark that says up to which position they are true.

    A statement that begins with UPDATE must find a row; DELETE need not.
    """

    name: ClassVar[str]
    tables: ClassVar[tuple[str, ...]]

    def __init__(self, datastore: PostgresDatastore) -> None:
        super().__init__(datastore, tracking_table_name=TRACKING_TABLE)
        self._together: _Batch | None = None

    def position(self) -> int:
        """Return the position of the last event that this view has taken in."""
        return self.max_tracking_id(self.name) or 0

    def change(self, tracking: Tracking, *statements: Statement) -> None:
        """Move rows and bookmark; without statements the event is only walked past."""
        if self._together is None:
            with self.together():
                self.change(tracking, *statements)
        else:
            self._together.change(tracking.notification_id, statements)

    def rows(self, query: LiteralString, values: Sequence[object]) -> list[DictRow]:
        """Read the view, as of its bookmark."""
        with self.datastore.get_connection() as connection:
            return connection.execute(query, values).fetchall()

    @contextmanager
    def together(
        self,
        connection: Connection[DictRow] | None = None,
        bookmark: Bookmark = LIVE,
    ) -> Iterator[None]:
        """Make the changes within one transaction: many events cost one commit.

        For the one thread that moves this view object; others may read it meanwhile.
        """
        if connection is None:
            with self.datastore.get_connection() as own, self.together(own, bookmark):
                yield
            return
        with connection.transaction(), connection.cursor() as cursor:
            self._together = _Batch(cursor, self.name, bookmark)
            try:
                yield
                self._together.close()
            finally:
                self._together = None


class _Batch:
    """An open transaction on a view. It holds the bookmark's row, so it is alone."""

    def __init__(
        self, cursor: Cursor[DictRow], name: str, bookmark: Bookmark = LIVE
    ) -> None:
        self._cursor = cursor
        self._name = name
        self._bookmark = bookmark
        row = cursor.execute(bookmark.hold, (name,)).fetchone()
        if row is None:
            cursor.execute(bookmark.begin, (name,))
            row = cursor.execute(bookmark.hold, (name,)).fetchone()
        if row is None:
            raise BookmarkMoved(f"{name} has no bookmark here any more")
        self.position: int = row["position"]
        self._waiting: list[tuple[int, Statement]] = []

    def change(self, position: int, statements: Sequence[Statement]) -> None:
        if position <= self.position:
            raise BookmarkMoved(f"{self._name} is past position {position} already")
        if position > self.position + 1:
            raise Skipped(f"{self._name} was not given position {self.position + 1}")
        self._waiting += [(position, statement) for statement in statements]
        self.position = position
        if len(self._waiting) >= SENT_TOGETHER_MAX:
            self._send()

    def close(self) -> None:
        self._send()
        self._cursor.execute(self._bookmark.move, (self.position, self._name))

    def _send(self) -> None:
        """Have the statements carried out in their order, in one round trip.

        They answer with a few bytes each, so the server can always say them; were they
        many or long, both sides could wait for the other to read.
        """
        waiting, self._waiting = self._waiting, []
        connection = self._cursor.connection
        with connection.pipeline():
            done = [connection.execute(*statement) for _, statement in waiting]
        for cursor, (position, (query, _)) in zip(done, waiting, strict=True):
            if query.startswith("UPDATE") and cursor.rowcount == 0:
                raise DoesNotFit(f"nothing to change for position {position}: {query}")


TView = TypeVar("TView", bound=View)


class Projection(ABC, Generic[TView]):
    """Turns events into changes of one view."""

    def __init__(self, view: TView) -> None:
        self.view = view

    @property
    def name(self) -> str:
        return self.view.name

    @singledispatchmethod
    @abstractmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """Take one event in, or walk past it. Raises if it does not fit."""

    def takes(self, event: type) -> bool:
        """Say whether the view does more than walk past events of this class."""
        _ = self.process_event  # Registrations that had to wait are made now.
        dispatch = vars(type(self))["process_event"].dispatcher.dispatch
        return bool(dispatch(event) is not dispatch(object))
