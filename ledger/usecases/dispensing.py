"""A physical ticket, once: lease, mark on the card, authorise, print, record.

From `mark` on the lease does not run out: whether the paper came out is in doubt until
the dispenser's journal says so, or an operator who has looked (`settle_print`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from ledger.aggregates.device import Device
from ledger.aggregates.e_ticket import ETicket, LockKind
from ledger.aggregates.e_ticket.refusals import OfferUnknown
from ledger.aggregates.medium import Reading
from ledger.aggregates.paper import Paper, SerialUsed
from ledger.application import Cause, Ledger, Work
from ledger.errors import Conflict, Unknown
from ledger.ports import CardAuthority, Secrets
from ledger.usecases import gift_lines, media
from ledger.usecases.media import MediumWrite, Proof
from ledger.vocabulary.ids import medium_id, paper_id
from ledger.vocabulary.medium_record import SlotStatus

LEASE_S = 90


class NotAsked(Conflict):
    code = "name_mismatch"
    says = "The holder has not answered the ticket's question as it was sealed."


class MarkMissing(Conflict):
    code = "in_doubt"
    says = "The card was not marked, so nothing is printed."


class NotInDoubt(Conflict):
    code = "unknown"
    says = "No print of this ticket is in doubt."


@dataclass(frozen=True, slots=True)
class Lease:
    job_id: UUID
    until: datetime
    write: MediumWrite
    position: int


def start(
    ledger: Ledger,
    *,
    ticket_id: UUID,
    reading: Reading,
    slot: int,
    expected_epoch: int,
    answered: bool,
    device_id: UUID,
    job_id: UUID,
    write_id: UUID,
    at: datetime,
    cause: Cause,
) -> Lease:
    """Lease a ticket to a dispenser and prepare the mark on the card it was read from.

    Judged by the streams: whatever a view said before, an old card stops here.
    """
    work = ledger.work()
    work.fetch(ticket_id, device_id, medium_id(reading.uid))
    ticket = work.ticket(ticket_id)
    require_dispenser(work, device_id, ticket)
    medium = work.medium(reading.uid)
    ticket.require_owned()
    media.require_fresh(work, medium, reading)
    ticket.require_person_check(medium.kind)
    if ticket.question is not None and not answered:
        raise NotAsked
    until = at + timedelta(seconds=LEASE_S)
    ticket.start_dispense(
        job_id=job_id,
        write_id=write_id,
        device_id=device_id,
        expected_epoch=expected_epoch,
        medium_uid=medium.uid,
        slot=slot,
        until=until,
        at=at,
    )
    marked = replace(medium.slot(slot), status=int(SlotStatus.DISPENSED), uses_left=0)
    write = media.prepare_mark(
        medium, write_id=write_id, slot=slot, after=marked, device_id=device_id, at=at
    )
    return Lease(job_id, until, write, work.record(cause))


def require_dispenser(
    work: Work, device_id: UUID, ticket: ETicket, serial: str | None = None
) -> Device:
    """Raise unless this is a dispenser that may dispense this ticket, so numbered."""
    device = work.get(Device, device_id, Unknown(what="device"))
    device.require(
        "dispenser",
        issuer_id=ticket.issuer_id,
        offering_id=ticket.offering_id,
        serial=serial,
    )
    return device


@dataclass(frozen=True, slots=True)
class Print:
    """What the paper says."""

    serial: str
    code: str
    ticket: ETicket
    position: int


def mark(
    ledger: Ledger,
    cards: CardAuthority,
    secrets: Secrets,
    *,
    ticket_id: UUID,
    job_id: UUID,
    uid: bytes,
    write_id: UUID,
    proof: Proof,
    serial: str,
    device_id: UUID,
    at: datetime,
    cause: Cause,
) -> Print:
    """Take the card's proof of its mark and authorise one numbered paper for it."""
    work = ledger.work()
    work.fetch(ticket_id, device_id, medium_id(uid), paper_id(serial))
    ticket = work.ticket(ticket_id)
    require_dispenser(work, device_id, ticket, serial)
    if not proof.committed:
        raise MarkMissing
    medium = work.medium(uid)
    if ticket.print_serial is None:
        medium.require_trusted()  # It may have been reported lost since the lease.
    ticket.authorise_print(
        job_id=job_id, write_id=write_id, device_id=device_id, serial=serial, at=at
    )
    media.settle(work, cards, medium, write_id=write_id, proof=proof, at=at)
    number_paper(
        work,
        serial=serial,
        ticket_id=ticket_id,
        job_id=job_id,
        device_id=device_id,
        at=at,
    )
    position = work.record(cause)
    return Print(serial, secrets.print_code(serial), ticket, position)


def number_paper(
    work: Work,
    *,
    serial: str,
    ticket_id: UUID,
    job_id: UUID,
    device_id: UUID,
    at: datetime,
) -> None:
    """Give a serial to a ticket for ever, within one job; said twice, it is once.

    Raises `SerialUsed` if it stands on another paper.
    """
    stream = paper_id(serial)
    paper = work.find(Paper, stream)
    if paper is None:
        work.add(
            Paper.number(
                paper_id=stream,
                serial=serial,
                ticket_id=ticket_id,
                job_id=job_id,
                device_id=device_id,
                at=at,
            )
        )
    elif (paper.ticket_id, paper.job_id) != (ticket_id, job_id):
        raise SerialUsed(serial=serial, because=paper.names(1))


def printed(
    ledger: Ledger,
    *,
    ticket_id: UUID,
    job_id: UUID,
    serial: str,
    device_id: UUID,
    device_time: datetime | None,
    at: datetime,
    cause: Cause,
) -> int:
    """Record that the paper was printed: the right is on paper from now on."""
    work = ledger.work()
    work.fetch(ticket_id, device_id)
    work.get(Device, device_id, Unknown(what="device")).require("dispenser")
    ticket = work.ticket(ticket_id)
    ticket.dispense(
        job_id=job_id,
        serial=serial,
        device_id=device_id,
        device_time=device_time,
        at=at,
    )
    gift_lines.go_on(work, [ticket_id], at=at)
    return work.record(cause)


def abort(
    ledger: Ledger,
    *,
    ticket_id: UUID,
    job_id: UUID,
    reason: str,
    device_id: UUID,
    at: datetime,
    cause: Cause,
) -> int:
    """Record that no paper was printed; the card's slot is restored at its next tap."""
    work = ledger.work()
    work.get(Device, device_id, Unknown(what="device")).require("dispenser")
    ticket = work.ticket(ticket_id)
    ticket.abort_dispense(job_id=job_id, device_id=device_id, reason=reason, at=at)
    media.recall_stranded(work, ticket, at=at)
    return work.record(cause)


def settle_print(
    ledger: Ledger,
    *,
    ticket_id: UUID,
    job_id: UUID,
    was_printed: bool,
    at: datetime,
    cause: Cause,
) -> int:
    """Say, as an operator who has looked, what became of a paper in doubt.

    For a dispenser that cannot say so itself any more. Printed: the right is on the
    paper. Not printed: the ticket is free, and that serial belongs to nobody else.
    """
    work = ledger.work()
    ticket = work.ticket(ticket_id)
    serial, lease = ticket.print_serial, ticket.lease
    if serial is None or lease is None:
        raise NotInDoubt(because=ticket.names(ticket.version))
    if (ticket.lock.kind, ticket.lock.ref) != (LockKind.DISPENSE, job_id):
        raise OfferUnknown(what="dispense job")
    device_id = lease.device_id
    if was_printed:
        ticket.dispense(
            job_id=job_id, serial=serial, device_id=device_id, device_time=None, at=at
        )
        gift_lines.go_on(work, [ticket_id], at=at)
    else:
        reason = "settled by an operator"
        ticket.abort_dispense(job_id=job_id, device_id=device_id, reason=reason, at=at)
        media.recall_stranded(work, ticket, at=at)
    return work.record(cause)
