"""How much of what was paid for a ticket goes back, to whom, and what is freed with it.

Steps for others' commands: each works on the caller's `Work` and records nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from ledger.aggregates.e_ticket import ETicket
from ledger.aggregates.e_ticket.refusals import GroupTogether, StillOnMedium
from ledger.aggregates.e_ticket.states import FormKind
from ledger.aggregates.order import Order
from ledger.application import Work
from ledger.errors import Conflict
from ledger.usecases import accounts, allowances, repaying, stock
from ledger.usecases.accounts import Leg
from ledger.usecases.groups import moving_with
from ledger.vocabulary.ids import part_id
from ledger.vocabulary.money import Money, split

# How often a ticket may have been exchanged before its money cannot be followed.
EXCHANGES_MAX = 100


class NotPaidHere(Conflict):
    code = "not_refundable"
    says = "Nothing was paid here for this ticket; ask where it came from."


def worth_minor(ticket: ETicket) -> int:
    """Return what was paid for a ticket without what was used of it.

    Uses in counts come off in proportion, the odd unit in the payer's favour; a value
    in money comes off as it was used.
    """
    paid, uses = ticket.cap_basis_minor, ticket.uses
    used = uses.limit - uses.left
    if uses.unit == "money":
        return max(0, paid - used)
    return split(paid, [uses.left, used])[0]


def last_resale(work: Work, ticket: ETicket) -> ETicket.Resold | None:
    """Return the resale by which the last payer paid; None if it was never sold on.

    A resale that a decision has reversed does not count.
    """
    last: ETicket.Resold | None = None
    for _, event in work.ledger.events_of(ticket.id):
        if isinstance(event, ETicket.Resold):
            last = event
        elif isinstance(event, ETicket.Reassigned) and last is not None:
            reversed_from = event.reverses_version
            if reversed_from is not None and reversed_from <= last.originator_version:
                last = None
    return last


def pay_back(
    work: Work,
    ticket: ETicket,
    amount: Money,
    *,
    entry_id: UUID,
    reason: str,
    at: datetime,
) -> None:
    """Pay an amount out of the issuer's revenue to whoever paid for the ticket last.

    What the tenders of its own order have not paid, those have that paid for the
    ticket it was exchanged for. A step: it records nothing.
    """
    sources = sources_of(work, ticket)
    revenue = accounts.revenue_of(ticket.issuer_id, amount.currency)
    left = amount.amount_minor
    for number, (source, order) in enumerate(sources):
        resale = last_resale(work, source)
        unspent = left
        if resale is None:
            paid = sum(each.amount_minor for each in order.paid)
            unspent = min(left, paid - order.refunded_minor)
        part = Money(unspent, amount.currency)
        debit = Leg(revenue, Money(-unspent, amount.currency))
        entry = part_id(entry_id, number)
        left -= unspent
        if resale is not None:
            accounts.move(
                work,
                entry_id=entry,
                legs=[
                    debit,
                    Leg(accounts.purse_ref(resale.owner_id, part.currency), part),
                ],
                reason=reason,
                reference=f"ticket/{ticket.id}",
                at=at,
            )
        else:
            repaying.refund_order_lines(
                work,
                order=order,
                ticket_ids=[],
                amount=part,
                entry_id=entry,
                debits=[debit],
                reason=reason,
                at=at,
            )
        if not left:
            return
    raise NotPaidHere(because=ticket.names(1))


def require_whole_groups(work: Work, tickets: Sequence[ETicket]) -> None:
    """Raise `GroupTogether` unless of what stays together all is there that is left."""
    ids = [ticket.id for ticket in tickets]
    for ticket in tickets:
        bound = ticket.terms.together and ticket.group_id is not None
        if bound and len(moving_with(work, ticket, ids)) < ticket.group_size:
            raise GroupTogether(group_size=ticket.group_size, because=ticket.names(1))


def require_surrendered(ticket: ETicket) -> None:
    """Raise `StillOnMedium` while a copy that is to be cleared first could be used."""
    on_medium = ticket.form.kind == FormKind.ON_MEDIUM
    if on_medium and ticket.terms.on_medium == "surrender":
        raise StillOnMedium(
            medium_uid=ticket.form.medium_uid,
            because=ticket.names(ticket.epoch_version),
        )


def free(work: Work, ticket: ETicket, *, at: datetime) -> None:
    """Give an ended ticket's place and its owner's share back."""
    stock.return_place(work, offering_id=ticket.offering_id, ticket_id=ticket.id, at=at)
    allowances.moved(
        work,
        offering_id=ticket.offering_id,
        ticket_id=ticket.id,
        from_id=ticket.owner_id,
        to_id=None,
        at=at,
    )


def sources_of(work: Work, ticket: ETicket) -> list[tuple[ETicket, Order]]:
    """The ticket and those it was exchanged for, with their orders, newest first.

    Whoever bought one in a resale had paid for all before it; what was not bought here
    has none.
    """
    found: list[tuple[ETicket, Order]] = []
    for _ in range(EXCHANGES_MAX):
        if ticket.order_id is None:
            break
        found.append((ticket, work.order(ticket.order_id)))
        if ticket.predecessor_id is None or last_resale(work, ticket) is not None:
            break
        ticket = work.ticket(ticket.predecessor_id)
    return found
