"""Papers in people's hands: checked at the door, taken back, replaced by others.

A serial belongs to one ticket for ever, and a ticket has one valid serial at most: who
checks a paper asks for the ticket's state, not for the paper's. A paper that was lost
is not replaced here: a case decides that the right is electronic again, and it is
dispensed anew.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from ledger.aggregates.e_ticket import ETicket, HoldEffect, Life
from ledger.aggregates.paper import Paper
from ledger.application import Cause, Ledger, Work
from ledger.errors import Conflict, Unknown
from ledger.ports import Secrets
from ledger.usecases.dispensing import Print, number_paper, require_dispenser
from ledger.vocabulary.ids import paper_id

PaperState = Literal["valid", "held", "dead", "unknown"]


class PaperNotGenuine(Conflict):
    code = "counterfeit"
    says = "The code on the paper is not the one that was printed beside its serial."


@dataclass(frozen=True, slots=True)
class Checked:
    """What the person at the door is told; nothing of a ticket if it is unknown.

    `code` is null for a paper that is valid here and now.
    """

    state: PaperState
    code: str | None
    says: str
    ticket_id: UUID | None = None
    title: str = ""
    right: str = ""


def check(
    ledger: Ledger, secrets: Secrets, *, serial: str, code: str, at: datetime
) -> Checked:
    """Say what a paper is worth that is shown at the door. Records nothing.

    A wrong code is answered as an unknown serial is: guessing tells nothing.
    """
    work = ledger.work()
    paper = work.find(Paper, paper_id(serial))
    if paper is None or not _is_genuine(secrets, serial, code):
        return Checked("unknown", "counterfeit", "This paper is not known here.")
    ticket = work.ticket(paper.ticket_id)
    state, why, says = _worth(ticket, serial, at)
    return Checked(state, why, says, ticket.id, ticket.title, ticket.right)


def _worth(
    ticket: ETicket, serial: str, at: datetime
) -> tuple[PaperState, str | None, str]:
    if ticket.print_serial == serial:
        return "held", "in_doubt", "The machine has not said whether this came out."
    if ticket.life != Life.DISPENSED or ticket.form.serial != serial:
        if ticket.life in (Life.OWNED, Life.DISPENSED):
            return "dead", "already_dispensed", "This paper was taken back or replaced."
        return "dead", "revoked", f"The ticket was {ticket.life.lower()}."
    if any(HoldEffect.NO_DISPENSE in hold.effects for hold in ticket.holds):
        return "held", "frozen", "This ticket is frozen by a case of the centre."
    if at >= ticket.not_after:
        return "dead", "no_longer_valid", "This ticket's time is over."
    if at < ticket.not_before:
        return "held", "not_yet_valid", "This ticket is not valid yet."
    return "valid", None, "This paper is valid."


@dataclass(frozen=True, slots=True)
class PaperNow:
    """One serial of a ticket's, and what its paper is worth; see `Checked`."""

    serial: str
    numbered_at: datetime
    state: PaperState
    code: str | None
    says: str


def of_ticket(ledger: Ledger, *, ticket_id: UUID, at: datetime) -> list[PaperNow]:
    """Tell every paper that a ticket had, the first one first. Raises `TicketUnknown`.

    One that was printed while the line was down, and counts, is among them.
    """
    ticket = ledger.ticket(ticket_id)
    numbered: dict[str, datetime] = {}
    for _, event in ledger.events_of(ticket_id):
        if isinstance(event, ETicket.PrintAuthorised | ETicket.Dispensed):
            numbered.setdefault(event.serial, event.timestamp)
        elif isinstance(event, ETicket.PaperReissued):
            numbered.setdefault(event.new_serial, event.timestamp)
    return [
        PaperNow(serial, when, *_worth(ticket, serial, at))
        for serial, when in numbered.items()
    ]


def surrender(
    ledger: Ledger,
    secrets: Secrets,
    *,
    serial: str,
    code: str,
    device_id: UUID | None,
    at: datetime,
    cause: Cause,
) -> int:
    """Take a paper back: its serial is dead for ever, the right electronic again.

    By a dispenser that takes the paper in, or by an operator who has it (`device_id`
    None); either shows the code that stands on it.
    """
    work = ledger.work()
    paper = _paper(work, serial)
    if not _is_genuine(secrets, serial, code):
        raise PaperNotGenuine(because=paper.names(1))
    ticket = work.ticket(paper.ticket_id)
    if device_id is not None:
        require_dispenser(work, device_id, ticket)
    ticket.surrender_paper(serial=serial, at=at)
    return work.record(cause)


def replace_spoilt(
    ledger: Ledger,
    secrets: Secrets,
    *,
    old_serial: str,
    new_serial: str,
    device_id: UUID,
    job_id: UUID,
    reason: str,
    at: datetime,
    cause: Cause,
) -> Print:
    """Replace a paper that came out spoilt, by the machine that printed it, at once.

    `job_id` is new; said twice, one paper replaces the other.
    """
    work = ledger.work()
    paper = _paper(work, old_serial)
    ticket = work.ticket(paper.ticket_id)
    require_dispenser(work, device_id, ticket, new_serial)
    if not _was_replaced(work, ticket, new_serial, job_id):
        paper.require_session(device_id=device_id, at=at)
        ticket.reissue_paper(
            old_serial=old_serial,
            new_serial=new_serial,
            device_id=device_id,
            reason=reason,
            at=at,
        )
        number_paper(
            work,
            serial=new_serial,
            ticket_id=ticket.id,
            job_id=job_id,
            device_id=device_id,
            at=at,
        )
    position = work.record(cause)
    return Print(new_serial, secrets.print_code(new_serial), ticket, position)


def _was_replaced(work: Work, ticket: ETicket, serial: str, job_id: UUID) -> bool:
    """Whether this very job was done: asked again by who never heard the answer."""
    paper = work.find(Paper, paper_id(serial))
    done = paper is not None and (paper.ticket_id, paper.job_id) == (ticket.id, job_id)
    return done and ticket.form.serial == serial


def _paper(work: Work, serial: str) -> Paper:
    return work.get(Paper, paper_id(serial), Unknown(what="paper"))


def _is_genuine(secrets: Secrets, serial: str, code: str) -> bool:
    return hmac.compare_digest(
        secrets.print_code(serial).encode(), code.encode("utf-8", "replace")
    )
