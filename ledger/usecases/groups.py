"""Tickets that must stay together: which of a group move in one commit (O9)."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from ledger.aggregates.e_ticket import ETicket, Life
from ledger.aggregates.grant import Grant
from ledger.aggregates.order import Order
from ledger.aggregates.registered_sale import RegisteredSale
from ledger.application import Work


def moving_with(work: Work, ticket: ETicket, moving: Collection[UUID]) -> set[UUID]:
    """Return the members of a ticket's group that move with it, or have ended."""
    group = {each for each in moving if work.ticket(each).group_id == ticket.group_id}
    if ticket.terms.together and ticket.group_id is not None:
        group |= {
            each
            for each in _issued_with(work, ticket)
            if work.ticket(each).life != Life.OWNED
        }
    return group


def _issued_with(work: Work, ticket: ETicket) -> list[UUID]:
    """Return all that were bought, registered or granted together with a ticket."""
    order = None if ticket.order_id is None else work.find(Order, ticket.order_id)
    if order is not None:
        return [each for each in order.tickets if each is not None]
    assert ticket.group_id is not None
    sale = work.find(RegisteredSale, ticket.group_id)
    grant = work.find(Grant, ticket.group_id)
    issued = sale or grant
    return [] if issued is None else list(issued.ticket_ids)
