"""Cards kept in line with the ledger: registered, judged, written in two phases."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from ledger.aggregates.device import Device
from ledger.aggregates.e_ticket import ETicket, Life, LockKind
from ledger.aggregates.medium import (
    Change,
    Judgement,
    Medium,
    MediumUnknown,
    Reading,
    SlotState,
    judge,
)
from ledger.aggregates.medium.judge import (
    SUSPICIOUS,
    Known,
    TicketNow,
    said,
)
from ledger.aggregates.medium.refusals import NoFreeSlot, ProofMismatch, WriteUnknown
from ledger.aggregates.medium.states import EMPTY
from ledger.application import Cause, Ledger
from ledger.errors import Conflict, Missing
from ledger.ports import (
    CardAuthority,
    CardOperation,
    PersonalData,
    Secrets,
    SessionKeys,
)
from ledger.usecases.parties import public_key_of
from ledger.usecases.transmission import sealed_for
from ledger.vocabulary.codes import Verdict
from ledger.vocabulary.device_keys import seal_bundle
from ledger.vocabulary.ids import medium_id
from ledger.vocabulary.medium_record import STAMP_LENGTH, SlotStatus, Stamp

# Where the stamp stands on an IC card: docs/card-layout.md.
STAMP_FILE = 0x05
WRITE_DATA = 0x8D


class NotFresh(Conflict):
    """The card was judged, and not fresh; the code is the verdict's."""

    code = "medium_stale"
    says = "{says}"

    def __init__(self, judgement: Judgement) -> None:
        super().__init__(says=judgement.says, verdict=str(judgement.verdict))
        self.code = judgement.code or self.code  # type: ignore[misc]


class RegisteredOtherwise(Conflict):
    code = "limit"
    says = "The card is registered already, with another holder, profile or key."


class KeyNotForTerminals(Conflict):
    code = "device_not_authorised"
    says = "A terminal may authenticate with the keys 1 and 3 only."


class Freshness(Protocol):
    """A view of all media that answers in one query."""

    def known(
        self, uid: bytes
    ) -> tuple[Known | None, Sequence[SlotState], Mapping[UUID, TicketNow]]: ...


@dataclass(frozen=True, slots=True)
class Proof:
    """What a device reports of a write: committed with the card's proof, or aborted."""

    committed: bool
    transaction_counter: int = 0
    transaction_mac: bytes = b""
    operations: tuple[CardOperation, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SlotChange:
    """One slot to write; `transmission` is the ticket, sealed for the terminal."""

    slot: int
    entry: bytes
    ticket_id: UUID | None
    epoch: int
    transmission: bytes | None


@dataclass(frozen=True, slots=True)
class MediumWrite:
    write_id: UUID
    uid: bytes
    seq: int
    stamp: bytes
    changes: tuple[SlotChange, ...]


# Registering and authenticating.


def personalisation_keys(
    ledger: Ledger, cards: CardAuthority, *, device_id: UUID, uid: bytes
) -> bytes:
    """Return one card's own keys, sealed for the personalising device."""
    device = ledger.device(device_id)
    device.require("personaliser")
    plain = json.dumps(cards.card_keys(uid)).encode()
    return seal_bundle(plain, to=public_key_of(device), device_id=device_id)


def register(
    ledger: Ledger,
    *,
    device_id: UUID,
    uid: bytes,
    holder_id: UUID,
    profile: str,
    key_version: int,
    at: datetime,
    cause: Cause,
) -> int:
    """Register a personalised card with its holder; said twice, recorded once."""
    ledger.device(device_id).require("personaliser")
    ledger.party(holder_id)
    if ledger.knows(medium_id(uid)):
        known = ledger.medium(uid)
        said = (holder_id, profile, key_version)
        if (known.holder_id, known.profile, known.key_version) != said:
            raise RegisteredOtherwise(because=known.names(1))
        return ledger.position()
    medium = Medium.personalise(
        medium_id=medium_id(uid),
        uid=uid.hex(),
        holder_id=holder_id,
        profile=profile,
        key_version=key_version,
        at=at,
    )
    return ledger.record(medium, cause=cause)


def begin_authentication(
    ledger: Ledger,
    cards: CardAuthority,
    *,
    uid: bytes,
    key_no: int,
    challenge: bytes,
    terminal_id: UUID,
    by: UUID,
    at: datetime,
) -> tuple[bytes, bytes]:
    """Answer a card's challenge on behalf of a terminal that holds no card keys."""
    _at_terminal(ledger, uid=uid, terminal_id=terminal_id, by=by)
    if key_no not in (1, 3):
        raise KeyNotForTerminals
    return cards.answer_challenge(uid=uid, key_no=key_no, challenge=challenge, at=at)


def finish_authentication(
    ledger: Ledger,
    cards: CardAuthority,
    *,
    uid: bytes,
    continuation: bytes,
    response: bytes,
    terminal_id: UUID,
    by: UUID,
    at: datetime,
) -> SessionKeys:
    """Check the card's answer; return the keys of this one session."""
    _at_terminal(ledger, uid=uid, terminal_id=terminal_id, by=by)
    return cards.finish(uid=uid, continuation=continuation, response=response, at=at)


# Judging.


@dataclass(frozen=True, slots=True)
class Tapped:
    judgement: Judgement
    position: int


def tap(
    ledger: Ledger,
    freshness: Freshness,
    *,
    reading: Reading,
    machine_id: UUID | None,
    at: datetime,
    cause: Cause,
) -> Tapped:
    """Say whether a card is fresh.

    The view answers the good case with one query and no write. Anything else is
    judged again by the streams themselves, for a view may lag. A write that was never
    answered for is settled by what the card shows, and a suspicious reading is kept
    as evidence. `machine_id` is the dispenser or till that has read the card; None at
    its holder's terminal.
    """
    judgement = judge(reading, *freshness.known(reading.uid))
    if judgement.code is None:
        return Tapped(judgement, ledger.position())
    medium = _medium_or_none(ledger, reading.uid)
    if medium is None:
        return Tapped(said(Verdict.COUNTERFEIT), ledger.position())
    if machine_id is not None:
        # What follows may be recorded: a revoked machine settles and accuses nothing.
        ledger.device(machine_id).require("dispenser", "point_of_sale")
    by_machine = machine_id is not None
    touched = _settle_by_reading(ledger, medium, reading, at, by_machine=by_machine)
    judgement = judge_by_streams(ledger, medium, reading, touched)
    if _keeps(medium, judgement, reading):
        medium.suspect(verdict=judgement.verdict, seen=reading.as_evidence(), at=at)
    return Tapped(judgement, ledger.record(medium, *touched, cause=cause))


def _keeps(medium: Medium, judgement: Judgement, reading: Reading) -> bool:
    """The same suspicious tap again adds no evidence."""
    seen = (str(judgement.verdict), reading.as_evidence())
    return judgement.verdict in SUSPICIOUS and medium.last_suspicion != seen


def judge_by_streams(
    ledger: Ledger, medium: Medium, reading: Reading, touched: Sequence[ETicket] = ()
) -> Judgement:
    """Judge a reading by the streams of the medium and of the tickets on it.

    `touched` are tickets that this command has changed and not recorded yet.
    """
    known = _known(medium)
    ids = {state.ticket_id for state in medium.slots if state.ticket_id}
    changed = {ticket.id: ticket for ticket in touched}
    tickets = {
        ticket_id: now(changed.get(ticket_id) or ledger.ticket(ticket_id))
        for ticket_id in ids
    }
    return judge(reading, known, medium.slots, tickets)


def _known(medium: Medium) -> Known:
    pending = medium.pending
    return Known(
        medium.status,
        medium.seq,
        medium.digest,
        pending=pending is not None,
        pending_digest=pending.digest if pending else None,
    )


def now(ticket: ETicket) -> TicketNow:
    return TicketNow(
        ticket_id=ticket.id,
        epoch=ticket.epoch,
        life=ticket.life,
        medium_uid=ticket.form.medium_uid,
        slot=ticket.form.slot,
        serial=ticket.form.serial,
        uses_left=ticket.uses.left,
        held=ticket.is_held,
    )


# Writing.


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
    terminal = _at_terminal(ledger, uid=reading.uid, terminal_id=terminal_id, by=by)
    medium = ledger.medium(reading.uid)
    medium.require_trusted()
    touched = _settle_by_reading(ledger, medium, reading, at, by_machine=False)
    tickets = {ticket.id: ticket for ticket in touched}
    _require_in_line(medium, reading)
    changes = _changes_in_line(ledger, medium, tickets, unload, at)
    changes += _changes_to_load(
        ledger, medium, tickets, load, changes, write_id=write_id, by=by, at=at
    )
    write = None
    if changes:
        stamp = medium.prepare_write(
            write_id=write_id, changes=changes, device_id=terminal_id, at=at
        )
        write = _write(
            write_id,
            stamp,
            changes,
            {
                change.state.ticket_id: sealed_for(
                    terminal,
                    personal,
                    secrets,
                    ticket=tickets[change.state.ticket_id],
                    epoch=change.state.epoch,
                    origin=origin,
                )
                for change in changes
                if change.body and change.state.ticket_id
            },
        )
    return Prepared(write, ledger.record(medium, *tickets.values(), cause=cause))


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
    return _write(write_id, stamp, changes, {})


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
    medium = ledger.medium(uid)
    if medium.holder_id != by:
        raise MediumUnknown
    pending = medium.pending
    if pending is not None and pending.write_id == write_id:
        # What a machine has begun, the machine ends.
        ledger.device(pending.device_id).require("terminal")
    tickets = settle(ledger, cards, medium, write_id=write_id, proof=proof, at=at)
    position = ledger.record(medium, *tickets, cause=cause)
    return Settled(medium.seq, position)


def settle(
    ledger: Ledger,
    cards: CardAuthority,
    medium: Medium,
    *,
    write_id: UUID,
    proof: Proof,
    at: datetime,
) -> list[ETicket]:
    """Settle a write on the medium; return the tickets it changed, to be recorded."""
    if not proof.committed:
        dropped = medium.abort_write(write_id=write_id, reason=proof.reason, at=at)
        return _drop(ledger, dropped, write_id, at)
    pending = medium.pending
    if pending is not None and pending.write_id == write_id:
        _require_proof(cards, medium, medium.pending_stamp(), proof)
    elif medium.last_write_id == write_id:
        _require_proof(cards, medium, medium.stamp(), proof)
    else:
        raise WriteUnknown
    before = list(medium.slots)
    changes = medium.confirm_write(
        write_id=write_id,
        transaction_counter=proof.transaction_counter,
        transaction_mac=proof.transaction_mac.hex(),
        at=at,
    )
    return _apply(ledger, medium, before, changes, write_id, at)


def _require_proof(
    cards: CardAuthority, medium: Medium, stamp: Stamp, proof: Proof
) -> None:
    """The card must have committed the very stamp that was prepared."""
    if _stamp_written(proof.operations) != stamp.encode() or not cards.proves(
        uid=bytes.fromhex(medium.uid),
        transaction_counter=proof.transaction_counter,
        transaction_mac=proof.transaction_mac,
        operations=proof.operations,
    ):
        raise ProofMismatch(because=medium.names(medium.seq_version))


def _stamp_written(operations: Sequence[CardOperation]) -> bytes:
    """Put together what was written to the stamp's file, in however many pieces."""
    stamp = bytearray(STAMP_LENGTH)
    for op in operations:
        if (op.cmd, op.file) == (WRITE_DATA, STAMP_FILE) and op.offset < STAMP_LENGTH:
            stamp[op.offset : op.offset + len(op.data)] = op.data
    return bytes(stamp)


def _settle_by_reading(
    ledger: Ledger,
    medium: Medium,
    reading: Reading,
    at: datetime,
    *,
    by_machine: bool,
) -> list[ETicket]:
    """Settle an unanswered write by which of the two states the card is in.

    That a ticket was taken off a card is not believed of its holder, who would gain by
    it: it takes the card's proof, or a machine that has read the card.
    """
    pending = medium.pending
    if pending is None or reading.stamp.uid != reading.uid:
        return []
    shown = (reading.stamp.seq, reading.stamp.digest.hex())
    if shown == (pending.seq, pending.digest):
        if not by_machine and _takes_off(ledger, medium):
            return []
        before = list(medium.slots)
        changes = medium.confirm_write(
            write_id=pending.write_id,
            transaction_counter=None,
            transaction_mac=None,
            at=at,
        )
        return _apply(ledger, medium, before, changes, pending.write_id, at)
    if shown == (medium.seq, medium.digest):
        reason = "the card shows its former state"
        dropped = medium.abort_write(write_id=pending.write_id, reason=reason, at=at)
        return _drop(ledger, dropped, pending.write_id, at)
    return []


def _takes_off(ledger: Ledger, medium: Medium) -> bool:
    """Whether the pending write clears a slot of a ticket that is still valid there."""
    assert medium.pending is not None
    for change in medium.pending.changes:
        left = medium.slots[change.slot].ticket_id
        if left and left != change.state.ticket_id:
            ticket = ledger.ticket(left)
            if ticket.life == Life.OWNED and ticket.form.is_at(medium.uid, change.slot):
                return True
    return False


def _apply(
    ledger: Ledger,
    medium: Medium,
    before: Sequence[SlotState],
    changes: Sequence[Change],
    write_id: UUID,
    at: datetime,
) -> list[ETicket]:
    """Tell the tickets what became true on the medium."""
    touched: dict[UUID, ETicket] = {}

    def ticket_of(ticket_id: UUID) -> ETicket:
        return touched.setdefault(ticket_id, ledger.ticket(ticket_id))

    for change in changes:
        left = before[change.slot].ticket_id
        if left and left != change.state.ticket_id:
            ticket_of(left).release_from_medium(
                write_id=write_id, medium_uid=medium.uid, slot=change.slot, at=at
            )
        if change.body and change.state.ticket_id:
            ticket_of(change.state.ticket_id).confirm_write(
                write_id=write_id,
                medium_uid=medium.uid,
                slot=change.slot,
                epoch=change.state.epoch,
                at=at,
            )
    return list(touched.values())


def _drop(
    ledger: Ledger, changes: Sequence[Change], write_id: UUID, at: datetime
) -> list[ETicket]:
    ids = {c.state.ticket_id for c in changes if c.body and c.state.ticket_id}
    tickets = [ledger.ticket(ticket_id) for ticket_id in ids]
    for ticket in tickets:
        ticket.abort_write(write_id=write_id, at=at)
    return tickets


def _require_in_line(medium: Medium, reading: Reading) -> None:
    """Slots may be stale, but the card as a whole must be the ledger's last state."""
    known = _known(medium)
    judgement = judge(reading, known, (), {})
    if judgement.code is not None:
        raise NotFresh(judgement)


def _changes_in_line(
    ledger: Ledger,
    medium: Medium,
    tickets: dict[UUID, ETicket],
    unload: Sequence[UUID],
    at: datetime,
) -> list[Change]:
    """Compare every occupied slot with what the ledger says should stand there."""
    changes = []
    for number, state in enumerate(medium.slots):
        if state.ticket_id is None:
            continue
        ticket = tickets.setdefault(state.ticket_id, ledger.ticket(state.ticket_id))
        ticket.settle_lock(at)
        if ticket.lock.kind in (LockKind.DISPENSE, LockKind.REDEMPTION):
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
    ledger: Ledger,
    medium: Medium,
    tickets: dict[UUID, ETicket],
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
        if state.ticket_id and tickets[state.ticket_id].life != Life.OWNED
        if number not in taken
    ]
    loaded = []
    for ticket_id in dict.fromkeys(load):
        ticket = tickets.setdefault(ticket_id, ledger.ticket(ticket_id))
        if ticket.form.medium_uid == medium.uid:
            continue  # It is here: asked again by who never heard the answer.
        if not free:
            raise NoFreeSlot
        slot = free.pop(0)
        ticket.prepare_write(
            write_id=write_id,
            medium_uid=medium.uid,
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


def _write(
    write_id: UUID,
    stamp: Stamp,
    changes: Sequence[Change],
    transmissions: Mapping[UUID | None, bytes],
) -> MediumWrite:
    return MediumWrite(
        write_id=write_id,
        uid=stamp.uid,
        seq=stamp.seq,
        stamp=stamp.encode(),
        changes=tuple(
            SlotChange(
                slot=change.slot,
                entry=change.state.entry().encode(),
                ticket_id=change.state.ticket_id,
                epoch=change.state.epoch,
                transmission=transmissions.get(change.state.ticket_id)
                if change.body
                else None,
            )
            for change in changes
        ),
    )


def _at_terminal(ledger: Ledger, *, uid: bytes, terminal_id: UUID, by: UUID) -> Device:
    """A holder's own card at an enrolled terminal, or it reads as not there."""
    terminal = ledger.device(terminal_id)
    terminal.require("terminal")
    if ledger.medium(uid).holder_id != by:
        raise MediumUnknown
    return terminal


def _medium_or_none(ledger: Ledger, uid: bytes) -> Medium | None:
    try:
        return ledger.medium(uid)
    except Missing:
        return None
