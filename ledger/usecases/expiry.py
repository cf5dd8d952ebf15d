"""Making visible that a ticket's validity is over.

Nothing depends on it: every command judges the time itself, so a ticket that nobody
has expired gives no right either. Whoever runs this, at whatever time, changes what is
told, not what may happen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from ledger.application import Cause, Ledger, attempt
from ledger.errors import Refusal
from ledger.usecases import allowances, gift_lines


def expire(ledger: Ledger, *, ticket_id: UUID, at: datetime, cause: Cause) -> int:
    """End a ticket whose validity is over, unless a case holds it or it is in use."""
    work = ledger.work()
    ticket = work.ticket(ticket_id)
    owner_id = ticket.owner_id
    ticket.expire(at=at)
    allowances.moved(
        work,
        offering_id=ticket.offering_id,
        ticket_id=ticket_id,
        from_id=owner_id,
        to_id=None,
        at=at,
    )
    gift_lines.go_on(work, [ticket_id], at=at)
    return work.record(cause)


@dataclass(frozen=True, slots=True)
class Due:
    """What became of tickets that seemed due; `kept` says by which code each stays."""

    expired: tuple[UUID, ...]
    kept: dict[UUID, str]


def expire_due(
    ledger: Ledger, *, ticket_ids: Iterable[UUID], at: datetime, cause: Cause
) -> Due:
    """Expire each ticket in a commit of its own: one that must stay stops no other.

    Asked again, what has ended stays as it is.
    """
    expired: list[UUID] = []
    kept: dict[UUID, str] = {}
    for ticket_id in ticket_ids:
        try:
            attempt(partial(expire, ledger, ticket_id=ticket_id, at=at, cause=cause))
        except Refusal as refusal:
            kept[ticket_id] = refusal.code
        else:
            expired.append(ticket_id)
    return Due(tuple(expired), kept)
