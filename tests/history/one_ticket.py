"""One ticket's history, for who has no log to read: is there an order that explains it?

Every command and read happened at one moment between its begin and its end. Orders are
tried one after the other, and what was tried is remembered (Wing and Gong, 1993; Lowe,
"Testing for linearizability", 2017): few meet at one ticket, so few orders can be.

    events in time   begin a ─ begin b ─ end a ─ begin c ─ end c ─ end b
    may come first   what has begun before anything left has ended: a or b

What is unknown has no end: it may come anywhere behind its begin, or nowhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from tests.history.operations import NEVER_NS, Operation, Outcome


@dataclass(frozen=True, slots=True)
class Ticket:
    """What can be known of a ticket from outside; nobody owns it until it is issued."""

    owner: str | None = None
    lock: tuple[str, str] | None = None
    recipient: str = ""
    ended: frozenset[tuple[str, str]] = frozenset()
    """Gifts that were taken, papers that were printed: who says so again is right."""


_BEGINS = {
    "offer": ("gift", "offer_id"),
    "list": ("listing", "listing_id"),
    "lease": ("dispense", "job_id"),
    "use": ("redemption", "session_id"),
}
_ENDS = {
    "accept": ("gift", "offer_id"),
    "decline": ("gift", "offer_id"),
    "withdraw": ("gift", "offer_id"),
    "buy": ("listing", "listing_id"),
    "unlist": ("listing", "listing_id"),
    "mark": ("dispense", "job_id"),
    "print": ("dispense", "job_id"),
    "abort": ("dispense", "job_id"),
    "redeem": ("redemption", "session_id"),
    "give_up": ("redemption", "session_id"),
}


def after(ticket: Ticket, done: Operation) -> Ticket | None:
    """Return the ticket after an operation was done; None where it cannot be."""
    kind, said = done.kind, done.said
    if kind == "owner":
        value = done.answer["value"]
        return ticket if ticket.owner == (value[1] if value else None) else None
    if kind == "issue":
        fresh = ticket.owner is None
        return replace(ticket, owner=said["owner_id"]) if fresh else None
    if kind in _BEGINS:
        what, name = _BEGINS[kind]
        if ticket.lock is not None or ticket.owner is None:
            return None
        return replace(
            ticket, lock=(what, said[name]), recipient=said.get("to_party_id", "")
        )
    return _ended(ticket, done)


def _ended(ticket: Ticket, done: Operation) -> Ticket | None:
    kind, said = done.kind, done.said
    what, name = _ENDS[kind]
    lock = what, said[name]
    if lock in ticket.ended:
        return ticket
    is_his = kind != "accept" or said["owner_id"] == ticket.recipient
    if ticket.lock != lock or not is_his:
        return None
    if kind == "mark":
        return ticket
    if kind == "print":  # It stays locked for good: the right is on paper now.
        return replace(ticket, ended=ticket.ended | {lock})
    owner = said["owner_id"] if kind in ("accept", "buy") else ticket.owner
    ended = ticket.ended | {lock} if kind in ("accept", "redeem") else ticket.ended
    return replace(ticket, owner=owner, lock=None, recipient="", ended=ended)


class Moment(NamedTuple):
    """An operation's begin or end."""

    at_ns: int
    ends: int
    """0 for its begin, which comes first of the same moment, 1 for its end."""

    number: int


def explained(operations: Sequence[Operation]) -> bool:
    """Say whether one order of one ticket's operations explains all answers."""
    told = [each for each in operations if each.outcome != Outcome.REFUSED]
    moments = sorted(
        moment
        for number, each in enumerate(told)
        for moment in (
            Moment(each.begun_ns, 0, number),
            Moment(each.ended_ns, 1, number),
        )
        if moment.at_ns != NEVER_NS
    )
    must = sum(1 << n for n, each in enumerate(told) if each.ended_ns != NEVER_NS)
    tried: set[tuple[int, Ticket]] = set()
    open_ends: list[tuple[int, Ticket]] = [(0, Ticket())]
    while open_ends:
        done, ticket = open_ends.pop()
        if done & must == must:
            return True
        if (done, ticket) in tried:
            continue
        tried.add((done, ticket))
        for number in _first(moments, done):
            if (now := after(ticket, told[number])) is not None:
                open_ends.append((done | 1 << number, now))
    return False


def _first(moments: Sequence[Moment], done: int) -> list[int]:
    """Return what may come next: begun before anything that is left has ended."""
    may: list[int] = []
    for _, ends, number in moments:
        if done >> number & 1:
            continue
        if ends:
            break
        may.append(number)
    return may


def by_ticket(operations: Iterable[Operation]) -> Mapping[str, list[Operation]]:
    """Sort the operations that a ticket's owner and lock depend on."""
    found: dict[str, list[Operation]] = defaultdict(list)
    for each in operations:
        if each.kind == "owner":
            found[each.said["of"]].append(each)
        elif each.kind == "issue" or each.kind in _BEGINS or each.kind in _ENDS:
            found[each.said["stream"]].append(each)
    return found
