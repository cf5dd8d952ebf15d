"""Taking a right away without a sale being undone: by the issuer, who says why.

What was paid is not given back by this; a refund or a decision does that. A decision
revokes by way of its plan.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from ledger.application import Cause, Ledger
from ledger.ports import StockDesk
from ledger.usecases import gift_lines, paying_back, unwinding, waiting


def revoke(
    ledger: Ledger,
    desk: StockDesk,
    *,
    ticket_id: UUID,
    by: UUID,
    reason: str,
    at: datetime,
    cause: Cause,
) -> int:
    """End a right for good as its issuer, on paper or not; its place is free again.

    Whatever it was offered to or kept for gives way, but for a print that is in doubt.
    """
    work = ledger.work()
    ticket = work.ticket(ticket_id)
    ticket.require_revocable(by=by, reason=reason)
    unwinding.free_of_sale(work, ticket, reason="the issuer took the ticket", at=at)
    ticket.revoke(reason=reason, by=by, at=at)
    paying_back.free(work, ticket, at=at)
    gift_lines.go_on(work, [ticket_id], at=at)
    position = work.record(cause)
    waiting.serve(ledger, desk, offering_id=ticket.offering_id, at=at, cause=cause)
    return position
