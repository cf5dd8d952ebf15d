"""A physical ticket, once: lease, mark on the card, authorise, print, record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from ledger.aggregates.e_ticket import ETicket
from ledger.aggregates.medium import Medium, Reading
from ledger.aggregates.paper import Paper, SerialUsed
from ledger.application import Cause, Ledger
from ledger.errors import Conflict
from ledger.ports import CardAuthority, Secrets
from ledger.usecases import media
from ledger.usecases.media import MediumWrite, NotFresh, Proof
from ledger.vocabulary.ids import paper_id
from ledger.vocabulary.medium_record import SlotStatus

LEASE_S = 90


class NotAsked(Conflict):
    code = "name_mismatch"
    says = "The holder has not answered the ticket's question as it was sealed."


class MarkMissing(Conflict):
    code = "in_doubt"
    says = "The card was not marked, so nothing is printed."


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
    ledger.device(device_id).require("dispenser")
    medium = ledger.medium(reading.uid)
    ticket = ledger.ticket(ticket_id)
    ticket.require_owned()
    require_fresh(ledger, medium, reading)
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
    position = ledger.record(ticket, medium, cause=cause)
    return Lease(job_id, until, write, position)


def require_fresh(ledger: Ledger, medium: Medium, reading: Reading) -> None:
    """Raise unless the card is in the ledger's last state and not under suspicion.

    Whether the one slot that matters is current, the ticket itself decides.
    """
    medium.require_trusted()
    judgement = media.judge_by_streams(ledger, medium, reading)
    if judgement.code is not None and not judgement.slots:
        raise NotFresh(judgement)


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
    ledger.device(device_id).require("dispenser")
    if not proof.committed:
        raise MarkMissing
    ticket = ledger.ticket(ticket_id)
    medium = ledger.medium(uid)
    ticket.authorise_print(
        job_id=job_id, write_id=write_id, device_id=device_id, serial=serial, at=at
    )
    media.settle(ledger, cards, medium, write_id=write_id, proof=proof, at=at)
    sheets = _numbered(ledger, serial=serial, ticket_id=ticket_id, job_id=job_id, at=at)
    position = ledger.record(ticket, medium, *sheets, cause=cause)
    return Print(serial, secrets.print_code(serial), ticket, position)


def _numbered(
    ledger: Ledger, *, serial: str, ticket_id: UUID, job_id: UUID, at: datetime
) -> list[Paper]:
    stream = paper_id(serial)
    if not ledger.knows(stream):
        paper = Paper.number(
            paper_id=stream, serial=serial, ticket_id=ticket_id, job_id=job_id, at=at
        )
        return [paper]
    if ledger.paper(stream).job_id != job_id:
        raise SerialUsed(serial=serial, because=[f"{stream}/1"])
    return []


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
    ledger.device(device_id).require("dispenser")
    ticket = ledger.ticket(ticket_id)
    ticket.dispense(
        job_id=job_id,
        serial=serial,
        device_id=device_id,
        device_time=device_time,
        at=at,
    )
    return ledger.record(ticket, cause=cause)


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
    ledger.device(device_id).require("dispenser")
    ticket = ledger.ticket(ticket_id)
    ticket.abort_dispense(job_id=job_id, device_id=device_id, reason=reason, at=at)
    return ledger.record(ticket, cause=cause)
