"""Every event recorded about a ticket: what, when, who, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ledger.aggregates.base import Recorded, cause_of
from ledger.aggregates.medium import Medium
from ledger.aggregates.order import Order
from ledger.application import Ledger
from ledger.log.export import ExportedEvent
from ledger.usecases.audit.book import Book, book_of, event_of
from ledger.usecases.audit.moments import When, moment
from ledger.usecases.audit.seals import ERASED, SEALED, erased_among, subject_of
from ledger.usecases.audit.states import CannotHaveHappened, ticket_entries
from ledger.vocabulary.ids import medium_id, paper_id, payment_id

# What identifies the event stands beside; a write's id is its device's to know.
_NOT_FACTS = {
    *("originator_id", "originator_version", "originator_topic"),
    *("timestamp", "cause", "write_id"),
}
_NEVER_TOLD = "claim_hash"
_SEALED = "_sealed"

# Fields of a ticket's events that name streams with a part in its story. Parties,
# offerings, devices and accounts have far longer stories of their own.
_RELATED = ("order_id", "offer_id", "sale_id", "exchange_id", "entry_id", "case_id")
_RELATED_BY_DECISION = "decision_id"
_PAID_BY_CARD = ("order_id", "sale_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLine:
    """One recorded event. `facts` are its fields; those sealed say only that they are.

    `at` is when the server recorded it, `device_time` what the device's clock said.
    `command` caused it, `correlation` is what belongs together with it, `decision_id`
    the case that it carries out, `terms_version` which version of the terms it went by.
    """

    position: int
    stream_id: UUID
    version: int
    topic: str
    event: str
    at: datetime
    device_time: str | None
    by: str
    credential: str | None
    device: str | None
    command: str | None
    correlation: str | None
    decision_id: UUID | None
    terms_version: int | None
    facts: dict[str, Any]


def history(
    source: Ledger | Book,
    *,
    ticket_id: UUID,
    when: When = None,
    related: bool = False,
) -> list[HistoryLine]:
    """Return every event about a ticket up to a moment, oldest first.

    With `related` also those of the orders, gifts, sales, payments, entries, cases and
    papers that its own events name, and of its media what befell them and what was
    written of it. Raises
    `TicketUnknown`, `BeforeTheTicket`, and what `moment` raises.
    """
    book = book_of(source)
    until = moment(book, when).position
    entries = ticket_entries(book, ticket_id, until)
    if related:
        entries = _with_related(book, ticket_id, entries, until)
    return told(book, entries)


def stream_history(
    source: Ledger | Book,
    stream_id: UUID,
    *,
    before: int | None = None,
    limit: int | None = None,
) -> list[HistoryLine]:
    """Return the events of one stream of any kind, the newest first."""
    book = book_of(source)
    until = book.size() if before is None else before - 1
    entries = list(book.streams([stream_id], until))[::-1]
    return told(book, entries[:limit])


def told(book: Book, entries: Iterable[ExportedEvent]) -> list[HistoryLine]:
    """Return events as lines. Raises `CannotHaveHappened`."""
    read = [(entry, _event(book, entry)) for entry in entries]
    sealed = _Seals([event for _, event in read])
    erased = erased_among(book, sealed.subjects())
    return [_line(entry, event, _facts(event, sealed, erased)) for entry, event in read]


class _Seals:
    """What of some events is sealed, and under whose key."""

    def __init__(self, events: Sequence[Recorded.Event]) -> None:
        self._events = events
        # What a buyer answers is sealed in events that do not name him.
        self._buyers = {
            event.originator_id: event.buyer_id
            for event in events
            if isinstance(event, Order.Reserved)
        }

    def of(self, event: Recorded.Event) -> dict[str, set[UUID]]:
        """Return the sealed fields of an event, with those who may be the subject."""
        found = {}
        for name, value in vars(event).items():
            said = value if isinstance(value, list) else [value]
            if name.endswith(_SEALED) and any(each is not None for each in said):
                found[name] = self._subjects(event, name)
        return found

    def _subjects(self, event: Recorded.Event, name: str) -> set[UUID]:
        subject = subject_of(event, name)
        if subject is None:
            # A buyer's answer, or a gift's own contact: one of the two it is.
            subject = self._buyers.get(event.originator_id, event.originator_id)
        return {subject}

    def subjects(self) -> set[UUID]:
        return {
            each
            for event in self._events
            for subjects in self.of(event).values()
            for each in subjects
        }


def _event(book: Book, entry: ExportedEvent) -> Recorded.Event:
    try:
        return event_of(entry)
    except Exception as error:
        why = f"{entry.topic} cannot be read ({type(error).__name__})"
        position = entry.position
        raise CannotHaveHappened(position=position, what=book.what, why=why) from error


def _line(
    entry: ExportedEvent, event: Recorded.Event, facts: dict[str, Any]
) -> HistoryLine:
    cause = cause_of(event)
    return HistoryLine(
        position=entry.position,
        stream_id=entry.originator_id,
        version=entry.version,
        topic=entry.topic,
        event=type(event).__name__,
        at=event.timestamp,
        device_time=cause.get("device_time"),
        by=cause.get("actor", ""),
        credential=cause.get("credential"),
        device=cause.get("device"),
        command=cause.get("command"),
        correlation=cause.get("correlation"),
        decision_id=getattr(event, "decision_id", None),
        terms_version=getattr(event, "terms_version", None),
        facts=facts,
    )


def _facts(event: Recorded.Event, seals: _Seals, erased: set[UUID]) -> dict[str, Any]:
    sealed = seals.of(event)
    facts: dict[str, Any] = {}
    for name, value in vars(event).items():
        if name in sealed:
            facts[name] = ERASED if sealed[name] & erased else SEALED
        elif not (name in _NOT_FACTS or name == _NEVER_TOLD or name.endswith(_SEALED)):
            facts[name] = value
    return facts


def _with_related(
    book: Book, ticket_id: UUID, entries: Sequence[ExportedEvent], until: int
) -> list[ExportedEvent]:
    """Join what a ticket's events name, in the log's order."""
    events = [_event(book, entry) for entry in entries]
    named = [value for event in events for value in _named(vars(event))]
    written = (vars(event).get("write_id") for event in events)
    marks = [each.hex.encode() for each in {ticket_id, *written} if each]
    others = book.streams(set(named) - {ticket_id}, until)
    joined = [
        entry
        for entry in others
        # A medium carries other tickets, too: their writes are no part of this story.
        if not (entry.topic.startswith(f"{Medium.TOPIC}.") and _writes(entry.state))
        or any(mark in entry.state for mark in marks)
    ]
    return sorted([*entries, *joined], key=lambda each: each.position)


def _writes(state: bytes) -> bool:
    return b'"write_id"' in state or b'"changes"' in state


def _named(facts: Mapping[str, Any]) -> Iterator[UUID]:
    for name in (*_RELATED, _RELATED_BY_DECISION):
        if isinstance(value := facts.get(name), UUID):
            yield value
            if name in _PAID_BY_CARD:
                yield payment_id(value)
    if uid := facts.get("medium_uid"):
        yield medium_id(bytes.fromhex(uid))
    for name in ("serial", "old_serial", "new_serial"):
        if serial := facts.get(name):
            yield paper_id(serial)
