"""Telling a gift to the two it concerns: what is offered, on which terms, its state.

What is told is what a command would find at this moment. Nobody is shown what a
machine would take: neither medium nor paper, nor anything that opens them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.aggregates.base import Recorded
from ledger.aggregates.e_ticket import ETicket, FormKind
from ledger.aggregates.gift import Gift, Line, LineState
from ledger.application import Ledger, Work, attempt
from ledger.errors import Unknown
from ledger.ports import PersonalData
from ledger.usecases import gift_lines

OPEN, SUSPENDED = "open", "suspended"


@dataclass(frozen=True, slots=True)
class GiftLineNow:
    """One ticket of a gift; while it can be accepted, as it is now.

    `on_medium` is "surrender" while the sender's card has to be cleared first, and
    "exposure" while the copy on it would stay: then an offline dispenser could take it
    for some time after the acceptance, which is until `exposed_until`.
    """

    ticket_id: UUID
    title: str
    right: str
    terms_hash: str
    question: int | None
    uses_left: int
    until: datetime
    state: str
    on_medium: str | None
    exposed_until: datetime | None


@dataclass(frozen=True, slots=True)
class GiftNow:
    """One gift; its state is "open", "suspended", or what became of it.

    `version` is the last event that was recorded of it.
    """

    offer_id: UUID
    sender_id: UUID
    to_party_id: UUID | None
    via: str
    mode: str
    state: str
    lines: tuple[GiftLineNow, ...]
    replaced_by: UUID | None
    version: int


@dataclass(frozen=True, slots=True)
class GiftOfferNow:
    """The offer of one ticket."""

    offer_id: UUID
    title: str
    right: str
    terms_hash: str
    until: datetime
    state: str
    exposed_until: datetime | None


def look_at_gift(
    ledger: Ledger, *, offer_id: UUID, by: UUID, at: datetime, claim: str | None = None
) -> GiftNow:
    """Tell a gift to its sender, to its recipient, or to whoever has its claim.

    To others it is not there: raises `Unknown`.
    """
    return attempt(lambda: _look_at(ledger, offer_id, by, claim, at))


def _look_at(
    ledger: Ledger, offer_id: UUID, by: UUID, claim: str | None, at: datetime
) -> GiftNow:
    work = ledger.work()
    gift = work.get(Gift, offer_id, Unknown(what="gift offer"))
    if not gift.concerns(by, claim):
        raise Unknown(what="gift offer")
    version = gift.version
    gift_lines.follow(work, gift, at=at)  # And is not recorded.
    lines = tuple(_line_now(work, gift, line) for line in gift.lines)
    state = gift.state.lower()
    if gift.pending and any(line.state == SUSPENDED for line in lines):
        open_too = any(line.state == OPEN for line in lines)
        state = OPEN if open_too else SUSPENDED
    return GiftNow(
        offer_id=gift.id,
        sender_id=gift.sender_id,
        to_party_id=gift.to_party_id,
        via=gift.via,
        mode=gift.mode,
        state=state,
        lines=lines,
        replaced_by=gift.replaced_by,
        version=version,
    )


def message_of(
    ledger: Ledger,
    personal: PersonalData,
    *,
    offer_id: UUID,
    by: UUID,
    claim: str | None = None,
) -> str | None:
    """Return what the sender says with a gift, to the two whom it concerns.

    None if that is nothing, or the sender was erased. Raises `Unknown`.
    """
    gift = ledger.work().get(Gift, offer_id, Unknown(what="gift offer"))
    if not gift.concerns(by, claim):
        raise Unknown(what="gift offer")
    sealed = gift.message_sealed
    return None if sealed is None else personal.open(gift.sender_id, sealed)


def list_gifts(
    ledger: Ledger, offer_ids: Sequence[UUID], *, by: UUID, at: datetime
) -> list[GiftNow]:
    """Tell those of the gifts that concern a party, as sender or as recipient."""
    return [
        look_at_gift(ledger, offer_id=offer_id, by=by, at=at) for offer_id in offer_ids
    ]


def look_at(
    ledger: Ledger,
    *,
    ticket_id: UUID,
    offer_id: UUID,
    by: UUID,
    at: datetime,
    claim: str | None = None,
) -> GiftOfferNow:
    """Tell the offer of one ticket to its sender or recipient; see `look_at_gift`."""
    ledger.ticket(ticket_id)
    gift = look_at_gift(ledger, offer_id=offer_id, by=by, at=at, claim=claim)
    for line in gift.lines:
        if line.ticket_id == ticket_id:
            return GiftOfferNow(
                offer_id=offer_id,
                title=line.title,
                right=line.right,
                terms_hash=line.terms_hash,
                until=line.until,
                state=line.state,
                exposed_until=line.exposed_until,
            )
    raise Unknown(what="gift offer")


def _line_now(work: Work, gift: Gift, line: Line) -> GiftLineNow:
    ticket = work.ticket(line.ticket_id)
    events = [event for _, event in work.ledger.events_of(ticket.id)]
    pending = line.state == LineState.PENDING
    title, right = ticket.title, ticket.right
    if not pending:
        title, right = _said_at(events, _known_until(events, gift, line))
    return GiftLineNow(
        ticket_id=ticket.id,
        title=title,
        right=right,
        terms_hash=ticket.terms_hash if pending else line.terms_hash,
        question=ticket.question,
        uses_left=ticket.uses.left if pending else 0,
        until=gift_lines.deadline(work, gift, ticket.id).until,
        state=_state(line, ticket),
        on_medium=_on_medium(ticket) if pending else None,
        exposed_until=line.exposed_until,
    )


def _state(line: Line, ticket: ETicket) -> str:
    if line.state != LineState.PENDING:
        return line.state.lower()
    offer = ticket.offer
    stands_still = offer is not None and offer.suspended_at is not None
    return SUSPENDED if stands_still else OPEN


def _on_medium(ticket: ETicket) -> str | None:
    return ticket.terms.on_medium if ticket.form.kind == FormKind.ON_MEDIUM else None


def _known_until(events: Iterable[Recorded.Event], gift: Gift, line: Line) -> int:
    """Return the version up to which a ticket's story is told in this gift.

    Whoever took it knows it as he took it; others learn nothing newer than the offer.
    """
    if line.title_version:
        return line.title_version
    return next(
        event.originator_version
        for event in events
        if isinstance(event, ETicket.GiftOffered) and event.offer_id == gift.id
    )


def _said_at(events: Iterable[Recorded.Event], version: int) -> tuple[str, str]:
    """Return title and right as the ticket had them at a version of its stream."""
    said = {"title": "", "right": ""}
    for event in events:
        if event.originator_version > version:
            break
        if isinstance(event, ETicket.Issued):
            said = {"title": event.title, "right": event.right}
        elif isinstance(event, ETicket.Modified):
            said |= {
                name: new or "" for name, (_, new) in event.diff.items() if name in said
            }
    return said["title"], said["right"]
