"""What changed between two moments: of one ticket, or of the whole log."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ledger.application import Ledger
from ledger.errors import Malformed
from ledger.log.export import ExportedEvent
from ledger.usecases.audit.book import (
    BeforeTheTicket,
    Book,
    Tell,
    book_of,
    time_of,
    unheard,
)
from ledger.usecases.audit.moments import Moment, When, moment
from ledger.usecases.audit.states import (
    DERIVED,
    PARTS,
    Parts,
    parts_at,
    ticket_entries,
)
from ledger.usecases.audit.telling import HistoryLine, told


class WrongWayRound(Malformed):
    code = "malformed"
    says = "Position {earlier} is after position {later}; name the earlier one first."


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one part. `before` or `after` is None where it was not there."""

    part: str
    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class TicketDiff:
    """Between two moments: what changed, and the ticket's events that changed it."""

    ticket_id: UUID
    earlier: Moment
    later: Moment
    changes: list[Change]
    events: list[HistoryLine]


@dataclass(frozen=True, slots=True)
class Happened:
    """One event of the log, told without reading what it is about."""

    position: int
    at: datetime
    topic: str
    stream_id: UUID
    version: int
    by: str


def between(book: Book, earlier: When, later: When) -> tuple[Moment, Moment]:
    """Find two moments. Raises `WrongWayRound`, and what `moment` raises."""
    first, last = moment(book, earlier), moment(book, later)
    if first.position > last.position:
        raise WrongWayRound(earlier=first.position, later=last.position)
    return first, last


def diff(
    source: Ledger | Book, *, ticket_id: UUID, earlier: When, later: When
) -> TicketDiff:
    """Compare a ticket at two moments; it may begin between them.

    Raises `TicketUnknown`, `BeforeTheTicket`, `WrongWayRound`, and what `moment`
    raises.
    """
    book = book_of(source)
    first, last = between(book, earlier, later)
    after = parts_at(book, ticket_id, last.position)
    try:
        before = parts_at(book, ticket_id, first.position)
    except BeforeTheTicket:
        before = {}
    entries = ticket_entries(book, ticket_id, last.position)
    events = [entry for entry in entries if entry.position > first.position]
    changes = list(_changes(before, after))
    return TicketDiff(ticket_id, first, last, changes, told(book, events))


def changed(parts: Parts, changes: list[Change]) -> Parts:
    """Apply changes to a state: what was before them becomes what was after."""
    parts = {part: {} for part in (*PARTS, *DERIVED)} | deepcopy(parts)
    for change in changes:
        part = parts.setdefault(change.part, {})
        if change.after is None and change.part in _COMES_AND_GOES:
            part.pop(change.field, None)
        else:
            part[change.field] = change.after
    return parts


def happened(
    book: Book, first: Moment, last: Moment, tell: Tell = unheard
) -> Iterator[Happened]:
    """Yield every event between two moments, in constant memory."""
    for entry in book.entries(first.position, last.position, tell):
        yield _happened(entry)


_COMES_AND_GOES = {"media"}  # Every other part has the same fields at all times.


def _changes(before: Parts, after: Parts) -> Iterator[Change]:
    for part in after:
        was: Mapping[str, Any] = before.get(part, {})
        now = after[part]
        for field in dict.fromkeys([*was, *now]):
            if field not in was or was[field] != now.get(field):
                yield Change(part, field, was.get(field), now.get(field))


def _happened(entry: ExportedEvent) -> Happened:
    cause = json.loads(entry.state).get("cause") or {}
    return Happened(
        position=entry.position,
        at=time_of(entry),
        topic=entry.topic,
        stream_id=entry.originator_id,
        version=entry.version,
        by=str(cause.get("actor", "")),
    )
