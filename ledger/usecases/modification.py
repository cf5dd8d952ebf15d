"""Changing what a ticket says: by its issuer, or asked for by its owner.

  owner asks ── the terms allow these fields ──► changed at once
      └── otherwise it waits ── the issuer grants ──► changed
                          └── the issuer refuses, the owner takes it back,
                              the title moves, the ticket ends ──► gone

A change of what the sealed ticket says moves the epoch: every copy is stale, and a
medium is refreshed at its next tap. An open gift must be accepted anew, a listing is
taken down; both are the issuer's to do, the owner is refused meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.aggregates.e_ticket import ETicket
from ledger.aggregates.e_ticket.refusals import NotTheIssuer, RequestUnknown
from ledger.aggregates.e_ticket.states import ModificationRequest
from ledger.application import Cause, Ledger

Changes = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Modification:
    """`granted` is False while it waits for the issuer's answer."""

    granted: bool
    epoch: int
    position: int


def modify(
    ledger: Ledger,
    *,
    ticket_id: UUID,
    by: UUID,
    changes: Changes,
    reason: str,
    at: datetime,
    cause: Cause,
) -> Modification:
    """Change fields by name (`MODIFIABLE`; times in ISO 8601), as issuer or owner.

    The owner may change only what the terms name, and nothing that is offered,
    listed or in use.
    """
    ticket = ledger.ticket(ticket_id)
    ticket.modify(by=by, changes=changes, reason=reason, at=at)
    return _recorded(ledger, ticket, cause, granted=True)


def request_modification(
    ledger: Ledger,
    *,
    ticket_id: UUID,
    request_id: UUID,
    by: UUID,
    changes: Changes,
    reason: str,
    at: datetime,
    cause: Cause,
) -> Modification:
    """Ask for a change as the owner; what the terms allow is granted at once."""
    ticket = ledger.ticket(ticket_id)
    ticket.request_modification(
        request_id=request_id, by=by, changes=changes, reason=reason, at=at
    )
    granted = set(changes) <= set(ticket.terms.modifiable)
    if granted:
        ticket.modify(
            by=by, changes=changes, reason=reason, request_id=request_id, at=at
        )
    return _recorded(ledger, ticket, cause, granted=granted)


def grant_modification(
    ledger: Ledger,
    *,
    ticket_id: UUID,
    request_id: UUID,
    by: UUID,
    reason: str,
    at: datetime,
    cause: Cause,
) -> Modification:
    """Grant a request as the issuer, if the ticket's state still allows it."""
    ticket = ledger.ticket(ticket_id)
    request = _require_request(ticket, request_id, by)
    ticket.modify(
        by=by,
        changes=dict(request.changes),
        reason=reason,
        request_id=request_id,
        at=at,
    )
    return _recorded(ledger, ticket, cause, granted=True)


def refuse_modification(
    ledger: Ledger,
    *,
    ticket_id: UUID,
    request_id: UUID,
    by: UUID,
    reason: str,
    at: datetime,
    cause: Cause,
) -> Modification:
    """Refuse a request as the issuer, or take it back as who made it."""
    ticket = ledger.ticket(ticket_id)
    ticket.refuse_modification(request_id=request_id, by=by, reason=reason, at=at)
    return _recorded(ledger, ticket, cause, granted=False)


def _require_request(
    ticket: ETicket, request_id: UUID, by: UUID
) -> ModificationRequest:
    """Return an open request; what ended it since is the `because` of a refusal."""
    if by != ticket.issuer_id:
        raise NotTheIssuer(because=ticket.names(1))
    ticket.require_owned()
    request = ticket.requests.get(str(request_id))
    if request is None:
        raise RequestUnknown(because=ticket.names(ticket.title_version))
    return request


def _recorded(
    ledger: Ledger, ticket: ETicket, cause: Cause, *, granted: bool
) -> Modification:
    position = ledger.record(ticket, cause=cause)
    return Modification(granted, ticket.epoch, position)
