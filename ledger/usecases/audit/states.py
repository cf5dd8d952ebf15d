"""What a ticket was at a moment: every part of its state, replayed from its events.

A part is what can change for a reason of its own. Values are plain (text, numbers,
lists, mappings), as they are printed; what is sealed says only that it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

from ledger.aggregates.base import Recorded
from ledger.aggregates.e_ticket import ETicket
from ledger.aggregates.medium import Medium
from ledger.application import Ledger, TicketUnknown
from ledger.errors import Conflict, Missing
from ledger.log.export import ExportedEvent
from ledger.usecases.audit.book import BeforeTheTicket, Book, book_of, event_of
from ledger.usecases.audit.moments import Moment, When, moment
from ledger.usecases.audit.seals import ERASED, SEALED, erased_among
from ledger.vocabulary.ids import medium_id
from ledger.vocabulary.medium_record import SlotStatus

Parts: TypeAlias = dict[str, dict[str, Any]]
"""Part by part, field by field."""

PARTS: Mapping[str, tuple[str, ...]] = {
    "title": ("owner_id", "title_version", "reversed_versions"),
    "life": ("life", "life_version"),
    "lock": (
        "lock",
        "offer",
        "last_offer_id",
        "listing",
        "binding",
        "lease",
        "print_serial",
    ),
    "holds": ("holds",),
    "form": ("form", "recalled", "recalled_version", "dead_serials", "observed"),
    "epoch": ("epoch", "epoch_version"),
    "uses": ("uses", "redemptions", "reversals"),
    "right": (
        *("kind", "title", "right", "category", "not_before", "not_after"),
        *("validity_version", "price_minor", "fees_minor", "currency"),
        *("question", "check_sealed"),
    ),
    "terms": ("terms",),
    "requests": ("requests",),
    "origin": (
        *("offering_id", "issuer_id", "order_id", "source", "group_id", "group_size"),
        *("points_spent", "points_earned", "predecessor_id", "successors"),
    ),
}
"""Every attribute of a ticket is in one part; a test compares."""

DERIVED = ("media", "stream")
"""The slots that name the ticket; its version, and when it last changed."""

_SPREAD = {"lock", "form", "uses", "terms"}  # Their fields are the part's own.
_SECRET = {"claim_hash"}


_A = TypeVar("_A", bound=Recorded)


class NotThereYet(Missing):
    code = "unknown"
    says = "There was no such {what} yet at position {position}."


class CannotHaveHappened(Conflict):
    code = "counterfeit"
    says = "Position {position} of the {what} cannot have happened: {why}."


@dataclass(frozen=True, slots=True)
class TicketAsOf:
    """A ticket at a moment. `parts` has those of `PARTS` and of `DERIVED`."""

    ticket_id: UUID
    moment: Moment
    parts: Parts


def as_of(source: Ledger | Book, *, ticket_id: UUID, when: When) -> TicketAsOf:
    """Replay a ticket up to a moment.

    Raises `TicketUnknown`, `BeforeTheTicket`, and what `moment` raises.
    """
    book = book_of(source)
    its = moment(book, when)
    return TicketAsOf(ticket_id, its, parts_at(book, ticket_id, its.position))


def parts_at(book: Book, ticket_id: UUID, position: int) -> Parts:
    """Return a ticket's state at a position. Raises as `as_of`."""
    entries = ticket_entries(book, ticket_id, position)
    ticket = _ticket(book, ticket_id, entries)
    parts = {part: _part(ticket, names) for part, names in PARTS.items()}
    if ticket.check_sealed is not None and erased_among(book, [ticket.owner_id]):
        parts["right"]["check_sealed"] = ERASED
    parts["media"] = _media(book, ticket, entries, position)
    parts["stream"] = {
        "version": ticket.version,
        "changed_at": plain(ticket.modified_on),
    }
    return parts


def ticket_at(source: Ledger | Book, *, ticket_id: UUID, when: When) -> ETicket:
    """Return a ticket as it was at a moment. Raises as `as_of`."""
    book = book_of(source)
    entries = ticket_entries(book, ticket_id, moment(book, when).position)
    return _ticket(book, ticket_id, entries)


def stream_at(
    source: Ledger | Book, kind: type[_A], stream_id: UUID, *, when: When
) -> tuple[_A, Moment]:
    """Return an aggregate as it was at a moment, and the moment.

    Raises `NotThereYet`, and what `moment` raises.
    """
    book = book_of(source)
    its = moment(book, when)
    found = replayed(book, book.streams([stream_id], its.position)).get(stream_id)
    if not isinstance(found, kind):
        raise NotThereYet(what=kind.TOPIC, position=its.position)
    return found, its


def streams_at(
    source: Ledger | Book, stream_ids: Collection[UUID], *, position: int
) -> dict[UUID, Recorded]:
    """Return those of the aggregates that were begun by a position, as they were."""
    book = book_of(source)
    return replayed(book, book.streams(stream_ids, position))


def _ticket(book: Book, ticket_id: UUID, entries: Sequence[ExportedEvent]) -> ETicket:
    ticket = replayed(book, entries)[ticket_id]
    if not isinstance(ticket, ETicket):
        raise TicketUnknown
    return ticket


def ticket_entries(
    book: Book, ticket_id: UUID, position: int
) -> Sequence[ExportedEvent]:
    """Return a ticket's events up to a position; there is one at least."""
    entries = list(book.streams([ticket_id], position))
    if entries:
        if not entries[0].topic.startswith(f"{ETicket.TOPIC}."):
            raise TicketUnknown
        return entries
    begun = next(iter(book.streams([ticket_id], book.size())), None)
    if begun is None or not begun.topic.startswith(f"{ETicket.TOPIC}."):
        raise TicketUnknown
    raise BeforeTheTicket(position=position, begins=begun.position)


def replayed(book: Book, entries: Iterable[ExportedEvent]) -> dict[UUID, Any]:
    """Return the aggregates that events make, which are in the order of the log.

    Raises `CannotHaveHappened`. That nobody forged them is not asked here.
    """
    told: dict[UUID, Any] = {}
    for entry in entries:
        stream_id = entry.originator_id
        try:
            told[stream_id] = event_of(entry).mutate(told.get(stream_id))
        except Exception as error:
            why = f"{entry.topic} does not replay ({type(error).__name__})"
            position = entry.position
            raise CannotHaveHappened(
                position=position, what=book.what, why=why
            ) from error
    return told


def plain(value: Any) -> Any:
    """Return a value as JSON has it: ids and times as text, what is secret left out."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        named = ((each.name, getattr(value, each.name)) for each in fields(value))
        return {name: plain(held) for name, held in named if name not in _SECRET}
    if isinstance(value, Mapping):
        return {str(key): plain(held) for key, held in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(held) for held in value]
    return value


def _part(ticket: ETicket, names: Sequence[str]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for name in names:
        value = getattr(ticket, name)
        if name.endswith("_sealed") and value is not None:
            said[name] = SEALED
        elif name in _SPREAD:
            said |= plain(value)
        else:
            said[name] = plain(value)
    if "uses" in names:
        said["left"] = ticket.uses.left
    return said


def _media(
    book: Book, ticket: ETicket, entries: Iterable[ExportedEvent], position: int
) -> dict[str, Any]:
    """Return the slots that name the ticket, or will once a write is proven.

    A `current` copy is the one that a machine accepts; any other is an old one.
    """
    uids = (getattr(event_of(entry), "medium_uid", None) for entry in entries)
    streams = {medium_id(bytes.fromhex(uid)) for uid in uids if uid}
    if not streams:
        return {}
    found: dict[str, Any] = {}
    for medium in replayed(book, book.streams(streams, position)).values():
        if isinstance(medium, Medium):
            found |= dict(_slots(medium, ticket))
    return dict(sorted(found.items()))


def _slots(medium: Medium, ticket: ETicket) -> Iterator[tuple[str, Any]]:
    changes = medium.pending.changes if medium.pending else ()
    pending = {each.slot for each in changes if each.state.ticket_id == ticket.id}
    for number, state in enumerate(medium.slots):
        if state.ticket_id == ticket.id or number in pending:
            yield (
                f"{medium.uid} slot {number}",
                {
                    "medium_status": plain(medium.status),
                    "slot_status": SlotStatus(state.status).name,
                    "epoch": state.epoch,
                    "uses_left": state.uses_left,
                    "current": ticket.form.is_at(medium.uid, number)
                    and state.epoch == ticket.epoch,
                    "write_pending": number in pending,
                },
            )
