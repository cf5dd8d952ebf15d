"""Whom an event concerns, and what he is told of it: decided from the log alone.

A ticket's event is told to who owned it before; what needs asking, to who is asked. The
same event always gives the same notifications, whenever it is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from ledger.adapters.outbox import Notification, NotificationKind
from ledger.aggregates.base import Recorded
from ledger.aggregates.case import Case
from ledger.aggregates.e_ticket import ETicket, FormKind, HoldEffect
from ledger.aggregates.medium import Medium
from ledger.application import Ledger
from ledger.vocabulary.ids import medium_id


@dataclass(frozen=True, slots=True)
class Said:
    """One thing to tell, of an event whose place is known to the caller."""

    party_id: UUID
    kind: NotificationKind
    detail: Mapping[str, Any]


class Past:
    """Tickets as they were when something happened to them or beside them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def before(self, event: Recorded.Event) -> ETicket:
        """Return the ticket to which an event happened, as it was until then."""
        ticket = self._ticket(event.originator_id, event.originator_version - 1)
        if ticket is None:
            raise ValueError(f"no ticket stands behind {event.originator_id}")
        return ticket

    def at(self, ticket_id: UUID, position: int) -> ETicket | None:
        """Return a ticket as it was at a position; None if it was not yet."""
        placed = self._ledger.recorder.positions_of(ticket_id)
        versions = [version for version, place in placed.items() if place <= position]
        return self._ticket(ticket_id, max(versions)) if versions else None

    def holder_of(self, medium_uid: str) -> UUID | None:
        """Return whose card this is: it is one person's for ever."""
        card = self._ledger.find(Medium, medium_id(bytes.fromhex(medium_uid)))
        return card.holder_id if card else None

    def case(self, case_id: UUID) -> Case:
        """Return a case; what it forbids is what it forbade from the start."""
        found = self._ledger.find(Case, case_id)
        if found is None:
            raise ValueError(f"no case stands behind {case_id}")
        return found

    def _ticket(self, ticket_id: UUID, version: int) -> ETicket | None:
        found: Any = None
        for event in self._ledger.events.get(ticket_id, lte=version):
            found = cast("Recorded.Event", event).mutate(found)
        return found if isinstance(found, ETicket) else None


def takes(event: type) -> bool:
    """Say whether anybody is ever told of events of this class."""
    return issubclass(event, _TOLD)


def notifications(
    event: Recorded.Event, position: int, past: Past
) -> list[Notification]:
    """Return what follows from an event, each thing once for each party."""
    said = _of_ticket(event, past)
    if isinstance(event, _OF_CASES):
        said = _of_case(event, position, past)
    found: dict[tuple[UUID, str], Notification] = {}
    for each in said:
        found[each.party_id, each.kind] = Notification(
            position=position,
            party_id=each.party_id,
            kind=each.kind,
            about_id=event.originator_id,
            detail=each.detail,
            at=event.timestamp,
        )
    return list(found.values())


def _of_ticket(event: Recorded.Event, past: Past) -> Iterator[Said]:
    match event:
        case ETicket.GiftOffered():
            yield from _offered(event)
        case ETicket.GiftAccepted():
            detail = _offer(event.offer_id) | {"owner_id": str(event.owner_id)}
            yield Said(event.giver_id, NotificationKind.GIFT_ACCEPTED, detail)
        case ETicket.GiftDeclined():
            owner_id = past.before(event).owner_id
            detail = _offer(event.offer_id)
            yield Said(owner_id, NotificationKind.GIFT_DECLINED, detail)
        case ETicket.Resold():
            yield Said(event.seller_id, NotificationKind.SOLD, _sale(event))
        case ETicket.Modified():
            # The names of what changed: what it says now, the ticket tells.
            owner_id = past.before(event).owner_id
            changed = {"fields": sorted(event.diff)}
            yield Said(owner_id, NotificationKind.MODIFIED, changed)
    if isinstance(event, _OUTDATES):
        yield from _outdated(event, past)


def _offered(event: ETicket.GiftOffered) -> Iterator[Said]:
    """A direct offer is handed over by its sender; a claim, by whoever has it."""
    if event.to_party_id is None or event.via == "direct":
        return
    detail = _offer(event.offer_id) | {"until": event.until.isoformat()}
    yield Said(event.to_party_id, NotificationKind.GIFT_OFFERED, detail)


def _outdated(event: Recorded.Event, past: Past) -> Iterator[Said]:
    """The copy on a card, if there is one, is of no use from now on."""
    if isinstance(event, ETicket.Modified) and not event.moves_epoch:
        return
    ticket = past.before(event)
    if ticket.form.kind == FormKind.ON_MEDIUM:
        detail = {"medium_uid": ticket.form.medium_uid}
        yield Said(ticket.owner_id, NotificationKind.CARD_STALE, detail)


def _of_case(
    event: Case.Opened | Case.FactsAdded, position: int, past: Past
) -> Iterator[Said]:
    """Owners of the tickets and the card's holder; a mere flag forbids nothing."""
    case = past.case(event.originator_id)
    if set(case.effects) == {HoldEffect.FLAG_ONLY}:
        return
    tickets = [past.at(ticket_id, position) for ticket_id in event.ticket_ids]
    owners: dict[UUID, list[str]] = {}
    for ticket in tickets:
        if ticket is not None:
            owners.setdefault(ticket.owner_id, []).append(str(ticket.id))
    uid = event.medium_uid if isinstance(event, Case.Opened) else None
    holder = past.holder_of(uid) if uid else None
    if holder is not None:
        owners.setdefault(holder, [])
    for party_id, ticket_ids in owners.items():
        detail = {"case_type": str(case.type), "ticket_ids": ticket_ids}
        yield Said(party_id, NotificationKind.CASE_OPENED, detail)


def _offer(offer_id: UUID) -> dict[str, Any]:
    return {"offer_id": str(offer_id)}


def _sale(event: ETicket.Resold) -> dict[str, Any]:
    return {
        "sale_id": str(event.sale_id),
        "price_minor": event.price_minor,
        "seller_minor": event.split_minor.get("seller"),
    }


_OUTDATES = (
    ETicket.GiftAccepted,
    ETicket.Resold,
    ETicket.Modified,
    ETicket.Reassigned,
)
_OF_CASES = (Case.Opened, Case.FactsAdded)
_TOLD = (*_OUTDATES, ETicket.GiftOffered, ETicket.GiftDeclined, *_OF_CASES)
