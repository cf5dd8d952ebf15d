"""Telling one listing: what is asked for the ticket, and whether it can be bought.

ACTIVE ──► MATCHED ──► SOLD
  │ ▲         │
  │ └─────────┘ the payment failed
  └──► WITHDRAWN | EXPIRED | VOIDED        SUSPENDED while a case holds the title

It is read from the ticket's events and is so at the moment at which it is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from ledger.aggregates.base import Recorded, is_over
from ledger.aggregates.e_ticket import ETicket, HoldEffect, LockKind
from ledger.application import Ledger
from ledger.errors import Unknown


class ListingState(StrEnum):
    ACTIVE = "ACTIVE"
    MATCHED = "MATCHED"
    SOLD = "SOLD"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"
    VOIDED = "VOIDED"
    SUSPENDED = "SUSPENDED"


@dataclass(frozen=True, slots=True)
class ListingNow:
    """What was asked last, under which cap, and how it stands.

    `version` is its ticket's: the last event that was recorded of it.
    """

    listing_id: UUID
    price_minor: int
    cap_minor: int
    currency: str
    until: datetime
    state: ListingState
    version: int


def look_at(
    ledger: Ledger, *, ticket_id: UUID, listing_id: UUID, by: UUID, at: datetime
) -> ListingNow:
    """Tell a listing to its seller and whoever may buy it; to others it is not there.

    Raises `Unknown`.
    """
    ticket = ledger.ticket(ticket_id)
    events = [event for _, event in ledger.events_of(ticket_id)]
    listed = next(
        (
            event
            for event in events
            if isinstance(event, ETicket.Listed) and event.listing_id == listing_id
        ),
        None,
    )
    if listed is None or not _may_see(events, listed, by):
        raise Unknown(what="listing")
    asked: list[ETicket.Listed | ETicket.Repriced] = [listed]
    asked += _repriced(events, listing_id)
    return ListingNow(
        listing_id=listing_id,
        price_minor=asked[-1].price_minor,
        cap_minor=asked[-1].cap_minor,
        currency=ticket.currency,
        until=listed.until,
        state=_state(ticket, events, listed, at),
        version=ticket.version,
    )


def _may_see(events: list[Recorded.Event], listed: ETicket.Listed, by: UUID) -> bool:
    owners = [
        vars(event)["owner_id"]
        for event in events[: listed.originator_version]
        if "owner_id" in vars(event)
    ]
    return listed.to_party_id in (None, by) or owners[-1] == by


def _repriced(
    events: list[Recorded.Event], listing_id: UUID
) -> Iterator[ETicket.Repriced]:
    for event in events:
        if isinstance(event, ETicket.Repriced) and event.listing_id == listing_id:
            yield event


def _state(
    ticket: ETicket,
    events: list[Recorded.Event],
    listed: ETicket.Listed,
    at: datetime,
) -> ListingState:
    listing = ticket.listing
    if listing is None or listing.listing_id != listed.listing_id:
        return _end(events, listed.listing_id)
    if ticket.lock.kind != LockKind.SETTLEMENT:
        if is_over(listing.until, at):
            return ListingState.EXPIRED
        if listing.epoch != ticket.epoch:
            return ListingState.VOIDED
    if any(HoldEffect.NO_TITLE in hold.effects for hold in ticket.holds):
        return ListingState.SUSPENDED
    if ticket.lock.kind == LockKind.SETTLEMENT:
        return ListingState.MATCHED
    return ListingState.ACTIVE


def _end(events: list[Recorded.Event], listing_id: UUID) -> ListingState:
    """How a listing ended; whatever else took the ticket has voided it."""
    for event in events:
        if isinstance(event, ETicket.Resold) and event.listing_id == listing_id:
            return ListingState.SOLD
        if isinstance(event, ETicket.Unlisted) and event.listing_id == listing_id:
            return _UNLISTED.get(event.reason, ListingState.VOIDED)
    return ListingState.VOIDED


_UNLISTED = {
    "withdrawn": ListingState.WITHDRAWN,
    "expired": ListingState.EXPIRED,
}
