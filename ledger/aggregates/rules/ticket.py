"""What many events of a ticket ask alike: its life, its lock, its holds."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from ledger.aggregates.base import is_over
from ledger.aggregates.e_ticket import ETicket, LockKind
from ledger.aggregates.e_ticket.states import HoldEffect
from ledger.aggregates.rules.kernel import check


def require_settled(ticket: ETicket, at: datetime) -> None:
    """A lock whose time is over is ended by an event of its own, before any other."""
    until = ticket.lock.until
    check(until is None or not is_over(until, at), "the lock's time was over before")


def require_free(ticket: ETicket, at: datetime) -> None:
    """To be used, in time, and held by nothing."""
    require_unlocked(ticket)
    ticket._require_in_validity(at)


def require_unlocked(ticket: ETicket) -> None:
    ticket.require_owned()
    check(ticket.lock.kind == LockKind.NONE, f"the lock is {ticket.lock.kind}")


def require_lock(ticket: ETicket, kind: LockKind, ref: UUID) -> None:
    """Exactly this lock, whether or not its time is over."""
    lock = ticket.lock
    check((lock.kind, lock.ref) == (kind, ref), f"the lock is {lock.kind}, not this")


def require_not_held(ticket: ETicket, *effects: HoldEffect) -> None:
    for effect in effects:
        ticket.require_no_hold(effect)


def check_title(ticket: ETicket, *, last: int, giver: UUID, taker: UUID) -> None:
    """The chain of title is linear: it names the owner and the title before it."""
    check(giver == ticket.owner_id, "who gives the title does not have it")
    check(last == ticket.title_version, "it does not follow the last title event")
    check(taker != giver, "the title would move to its owner")
