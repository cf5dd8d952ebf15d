"""Telling one gift offer to the two it concerns: what is offered, and its state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.aggregates.base import Recorded, is_over
from ledger.aggregates.e_ticket import ETicket
from ledger.application import Ledger
from ledger.errors import Unknown

_ENDS: dict[type[Recorded.Event], str] = {
    ETicket.GiftAccepted: "accepted",
    ETicket.GiftDeclined: "declined",
    ETicket.GiftWithdrawn: "withdrawn",
    ETicket.GiftExpired: "expired",
}


@dataclass(frozen=True, slots=True)
class GiftOfferNow:
    offer_id: UUID
    title: str
    right: str
    terms_hash: str
    until: datetime
    state: str


def look_at(
    ledger: Ledger, *, ticket_id: UUID, offer_id: UUID, by: UUID, at: datetime
) -> GiftOfferNow:
    """Tell an offer to its sender or recipient; to others it is not there.

    An open offer shows the ticket's terms as they are now, for those are accepted.
    """
    ticket = ledger.ticket(ticket_id)
    events = [event for _, event in ledger.events_of(ticket_id)]
    offered = next(
        (
            event
            for event in events
            if isinstance(event, ETicket.GiftOffered) and event.offer_id == offer_id
        ),
        None,
    )
    if offered is None or by not in (
        offered.to_party_id,
        _owner_at(events, offered.originator_version),
    ):
        raise Unknown(what="gift offer")
    state = _state(events, offered, at)
    return GiftOfferNow(
        offer_id=offer_id,
        title=ticket.title,
        right=ticket.right if state == "open" else _right_at(events, offered),
        terms_hash=ticket.terms_hash if state == "open" else offered.terms_hash,
        until=offered.until,
        state=state,
    )


def _owner_at(events: list[Recorded.Event], version: int) -> UUID:
    owners = [
        event.owner_id
        for event in events[:version]
        if isinstance(event, ETicket.Issued | ETicket.GiftAccepted | ETicket.Resold)
    ]
    return owners[-1]


def _right_at(events: list[Recorded.Event], offered: ETicket.GiftOffered) -> str:
    """Return what was offered: whoever did not take it learns nothing newer."""
    right = ""
    for event in events[: offered.originator_version]:
        if isinstance(event, ETicket.Issued):
            right = event.right
        elif isinstance(event, ETicket.Modified) and "right" in event.diff:
            right = event.diff["right"][1] or ""
    return right


def _state(
    events: list[Recorded.Event], offered: ETicket.GiftOffered, at: datetime
) -> str:
    for event in events[offered.originator_version :]:
        end = _ENDS.get(type(event))
        if end is not None and vars(event)["offer_id"] == offered.offer_id:
            return end
    return "expired" if is_over(offered.until, at) else "open"
