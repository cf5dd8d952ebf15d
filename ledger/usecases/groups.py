"""Tickets that must stay together: which of a group move in one commit (O9)."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from ledger.aggregates.e_ticket import ETicket, Life
from ledger.aggregates.order import Order
from ledger.application import Work


def moving_with(work: Work, ticket: ETicket, moving: Collection[UUID]) -> set[UUID]:
    """Return the members of a ticket's group that move with it, or have ended."""
    group = {each for each in moving if work.ticket(each).group_id == ticket.group_id}
    order = None if ticket.order_id is None else work.find(Order, ticket.order_id)
    if ticket.terms.together and order is not None:
        group |= {
            each
            for each in order.tickets
            if each is not None and work.ticket(each).life != Life.OWNED
        }
    return group
