"""A holder's card is brought in line with the ledger, by one write in two phases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.aggregates.e_ticket import ETicket, Life, LockKind
from ledger.aggregates.medium import (
    EMPTY,
    Change,
    Medium,
    MediumUnknown,
    Reading,
    SlotState,
    judge,
)
from ledger.aggregates.medium.refusals import NoFreeSlot
from ledger.application import Cause, Ledger, Work
from ledger.ports import CardAuthority, PersonalData, Secrets
from ledger.usecases.media.judging import known_of
from ledger.usecases.media.registering import at_terminal
from ledger.usecases.media.settling import settle, settle_by_reading
from ledger.usecases.media.shapes import MediumWrite, NotFresh, Proof, write_of
from ledger.usecases.transmission import sealed_for
from ledger.vocabulary.medium_record import SlotStatus

_AT_A_MACHINE = (LockKind.DISPENSE, LockKind.REDEMPTION)


@dataclass(frozen=True, slots=True)
class Prepared:
    write: MediumWrite | None
    position: int


def prepare_write(
    ledger: Ledger,
    personal: PersonalData,
    secrets: Secrets,
    *,
    reading: Reading,
    write_id: UUID,
    load: Sequence[UUID],
    unload: Sequence[UUID],
    terminal_id: UUID,
    by: UUID,
    origin: str,
    at: datetime,
    cause: Cause,
) -> Prepared:
    """Bring a holder's card in line: refresh, clear, unload and load, in one write.

    An earlier write that was never answered for is settled first, by what the card
    shows now.
    """
    terminal = at_terminal(ledger, uid=reading.uid, terminal_id=terminal_id, by=by)
    work = ledger.work()
    medium = work.medium(reading.uid)
    medium.require_trusted()
    settle_by_reading(work, medium, reading, by_machine=False, at=at)
    _require_in_line(medium, reading)
    changes = _changes_in_line(work, medium, unload, at)
    changes += _changes_to_load(
        work, medium, load, changes, write_id=write_id, by=by, at=at
    )
    write = None
    if changes:
        stamp = medium.prepare_write(
            write_id=write_id, changes=changes, device_id=terminal_id, at=at
        )
        transmissions: dict[UUID | None, bytes] = {
            change.state.ticket_id: sealed_for(
                terminal,
                personal,
                secrets,
                ticket=work.ticket(change.state.ticket_id),
                epoch=change.state.epoch,
                origin=origin,
            )
            for change in changes
            if change.body and change.state.ticket_id
        }
        write = write_of(write_id, stamp, changes, transmissions)
    return Prepared(write, work.record(cause))


def prepare_mark(
    medium: Medium,
    *,
    write_id: UUID,
    slot: int,
    after: SlotState,
    device_id: UUID,
    at: datetime,
) -> MediumWrite:
    """Prepare one slot's change of status, with no ticket sent: dispensed, or used."""
    changes = [Change(slot, after)]
    stamp = medium.prepare_write(
        write_id=write_id, changes=changes, device_id=device_id, at=at
    )
    return write_of(write_id, stamp, changes, {})


@dataclass(frozen=True, slots=True)
class Settled:
    seq: int
    position: int


def settle_write(
    ledger: Ledger,
    cards: CardAuthority,
    *,
    uid: bytes,
    write_id: UUID,
    proof: Proof,
    by: UUID,
    at: datetime,
    cause: Cause,
) -> Settled:
    """Record a write's outcome: the card's own proof, or that it did not happen."""
    work = ledger.work()
    medium = work.medium(uid)
    if medium.holder_id != by:
        raise MediumUnknown
    pending = medium.pending
    if pending is not None and pending.write_id == write_id:
        # What a machine has begun, the machine ends.
        ledger.device(pending.device_id).require("terminal")
    settle(work, cards, medium, write_id=write_id, proof=proof, at=at)
    return Settled(medium.seq, work.record(cause))


def _require_in_line(medium: Medium, reading: Reading) -> None:
    """Slots may be stale, but the card as a whole must be the ledger's last state."""
    judgement = judge(reading, known_of(medium), (), {})
    if judgement.code is not None:
        raise NotFresh(judgement)


def _changes_in_line(
    work: Work, medium: Medium, unload: Sequence[UUID], at: datetime
) -> list[Change]:
    """Compare every occupied slot with what the ledger says should stand there."""
    changes = []
    for number, state in enumerate(medium.slots):
        if state.ticket_id is None:
            continue
        ticket = work.ticket(state.ticket_id)
        ticket.settle_lock(at)
        if ticket.lock.kind in _AT_A_MACHINE:
            continue  # A machine is at it: what became of the mark is not known yet.
        wanted = _wanted(medium, number, state, ticket, unload)
        if wanted != state:
            live = wanted.status == SlotStatus.LIVE
            changes.append(Change(number, wanted, body=live))
    return changes


def _wanted(
    medium: Medium,
    number: int,
    state: SlotState,
    ticket: ETicket,
    unload: Sequence[UUID],
) -> SlotState:
    if ticket.life != Life.OWNED:
        # It stays readable on the card that it was dispensed, or used up.
        spent = ticket.life == Life.SPENT
        status = SlotStatus.SPENT if spent else SlotStatus.DISPENSED
        return SlotState(int(status), state.epoch, 0, ticket.id)
    if ticket.id in unload or not ticket.form.is_at(medium.uid, number):
        return EMPTY
    return SlotState(int(SlotStatus.LIVE), ticket.epoch, ticket.uses.left, ticket.id)


def _changes_to_load(
    work: Work,
    medium: Medium,
    load: Sequence[UUID],
    changes: Sequence[Change],
    *,
    write_id: UUID,
    by: UUID,
    at: datetime,
) -> list[Change]:
    taken = {change.slot for change in changes}
    free = [number for number in medium.free_slots() if number not in taken]
    # Slots of tickets that were dispensed or used up come last, but they do come.
    free += [
        number
        for number, state in enumerate(medium.slots)
        if state.ticket_id and work.ticket(state.ticket_id).life != Life.OWNED
        if number not in taken
    ]
    loaded = []
    for ticket_id in dict.fromkeys(load):
        ticket = work.ticket(ticket_id)
        if ticket.form.medium_uid == medium.uid:
            continue  # It is here: asked again by who never heard the answer.
        if not free:
            raise NoFreeSlot
        slot = free.pop(0)
        ticket.prepare_write(
            write_id=write_id,
            medium_uid=medium.uid,
            medium_kind=medium.kind,
            slot=slot,
            seq=medium.seq + 1,
            by=by,
            at=at,
        )
        state = SlotState(
            int(SlotStatus.LIVE), ticket.epoch, ticket.uses.left, ticket_id
        )
        loaded.append(Change(slot, state, body=True))
    return loaded
