"""Cards are lost, found, blocked, replaced, handed in; no right is lost with them.

Whoever ends a medium recalls its tickets in the same commit: each is electronic again
at the next epoch, so that no copy on the old medium is ever accepted, and holds on
account of the medium are released. A ticket that is just being printed stays until
the dispenser has said what became of the paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from ledger.aggregates.e_ticket import ETicket
from ledger.aggregates.medium import Medium
from ledger.aggregates.medium.refusals import NoReplacement
from ledger.aggregates.medium.states import IN_USE
from ledger.application import Cause, Ledger, Work
from ledger.usecases import cases
from ledger.usecases.media.settling import drop, tickets_on
from ledger.vocabulary.codes import OFFLINE_HORIZON_S
from ledger.vocabulary.ids import medium_id


@dataclass(frozen=True, slots=True)
class Exposed:
    """A ticket on a lost card, and until when a machine offline could take it."""

    ticket_id: UUID
    until: datetime


@dataclass(frozen=True, slots=True)
class Lost:
    exposed: list[Exposed]
    position: int


def report_lost(
    ledger: Ledger,
    *,
    uid: bytes,
    by: UUID,
    as_operator: bool,
    at: datetime,
    cause: Cause,
) -> Lost:
    """Suspend a card, and show what is exposed.

    Every machine on the line refuses it from now on. One without the line may not
    have heard; what it reports of before the loss is a fact, of later a case.
    """
    work = ledger.work()
    medium = _medium_of(work, uid, by, as_operator=as_operator)
    medium.suspend(at=at)
    assert medium.lost_at is not None
    horizon = medium.lost_at + timedelta(seconds=OFFLINE_HORIZON_S)
    exposed = [
        Exposed(ticket.id, min(horizon, ticket.not_after))
        for ticket in tickets_on(work, medium)
    ]
    return Lost(exposed, work.record(cause))


def restore(
    ledger: Ledger,
    *,
    uid: bytes,
    by: UUID,
    as_operator: bool,
    at: datetime,
    cause: Cause,
) -> int:
    """Take a card that was found into use again."""
    work = ledger.work()
    _medium_of(work, uid, by, as_operator=as_operator).restore(at=at)
    return work.record(cause)


@dataclass(frozen=True, slots=True)
class Recalled:
    """What came free; `printing` are tickets whose paper is in doubt just now."""

    ticket_ids: list[UUID]
    printing: list[UUID]
    position: int


def block(
    ledger: Ledger,
    *,
    uid: bytes,
    by: UUID,
    as_operator: bool,
    reason: str,
    at: datetime,
    cause: Cause,
) -> Recalled:
    """Block a card for ever and give back its rights, in one commit."""
    work = ledger.work()
    medium = _medium_of(work, uid, by, as_operator=as_operator)
    free, printing = recall(work, medium, reason="blocked", at=at)
    medium.block(reason=reason, at=at)
    return Recalled(free, printing, work.record(cause))


def replace(
    ledger: Ledger,
    *,
    uid: bytes,
    new_uid: bytes,
    by: UUID,
    as_operator: bool,
    at: datetime,
    cause: Cause,
) -> Recalled:
    """Put another card of the same holder in its place, and give back its rights.

    They are recorded on the new card when it is next tapped at a terminal.
    """
    work = ledger.work()
    medium = _medium_of(work, uid, by, as_operator=as_operator)
    other = work.medium(new_uid)
    if other.holder_id != medium.holder_id or other.status not in IN_USE:
        raise NoReplacement(because=other.names(other.status_version))
    free, printing = recall(work, medium, reason="replaced", at=at)
    medium.replace(by_uid=other.uid, at=at)
    return Recalled(free, printing, work.record(cause))


def hand_in(
    ledger: Ledger,
    *,
    uid: bytes,
    by: UUID,
    as_operator: bool,
    at: datetime,
    cause: Cause,
) -> Recalled:
    """Take a card back for good, and give its holder the rights on it."""
    work = ledger.work()
    medium = _medium_of(work, uid, by, as_operator=as_operator)
    free, printing = recall(work, medium, reason="handed in", at=at)
    medium.hand_in(at=at)
    return Recalled(free, printing, work.record(cause))


def clear_suspicion(
    ledger: Ledger, *, uid: bytes, by: UUID, at: datetime, cause: Cause
) -> int:
    """Lift a suspicion, as an operator; the tickets on the card are free again."""
    work = ledger.work()
    medium = work.medium(uid)
    _release_holds(work, medium, at)
    medium.clear(by=by, at=at)
    return work.record(cause)


def recall(
    work: Work, medium: Medium, *, reason: str, at: datetime
) -> tuple[list[UUID], list[UUID]]:
    """Take every ticket off a medium, inside the commit that ends it.

    Return the tickets that are free, and those that are just being printed.
    """
    free: list[UUID] = []
    printing: list[UUID] = []
    tickets = tickets_on(work, medium)
    if medium.pending is not None:
        drop(work, medium, write_id=medium.pending.write_id, reason=reason, at=at)
    for ticket in tickets:
        gone = ticket.recall_from_medium(medium_uid=medium.uid, reason=reason, at=at)
        (free if gone else printing).append(ticket.id)
    _release_holds(work, medium, at)
    return free, printing


def recall_stranded(work: Work, ticket: ETicket, *, at: datetime) -> None:
    """Give back a ticket that came free of a printer after its medium had ended."""
    if ticket.form.medium_uid is None:
        return
    medium = work.find(Medium, medium_id(bytes.fromhex(ticket.form.medium_uid)))
    if medium is not None and medium.is_out_of_use:
        ticket.recall_from_medium(
            medium_uid=medium.uid, reason=medium.status.lower(), at=at
        )


def _release_holds(work: Work, medium: Medium, at: datetime) -> None:
    """The medium does no more harm: what was held on its account is free."""
    for case_id in medium.case_ids:
        cases.release_holds(work, cases.case_of(work, case_id), at=at)


def _medium_of(work: Work, uid: bytes, by: UUID, *, as_operator: bool) -> Medium:
    """A person's own card, or any for an operator."""
    medium = work.medium(uid)
    if not as_operator:
        medium.require_holder(by)
    return medium
