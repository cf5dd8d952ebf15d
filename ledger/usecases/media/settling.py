"""What a card has proven, or shows, becomes true of the medium and of its tickets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from ledger.aggregates.e_ticket import ETicket, Life
from ledger.aggregates.medium import Change, Medium, Reading, SlotState, WriteUnknown
from ledger.aggregates.medium.refusals import ProofMismatch
from ledger.application import Work
from ledger.ports import CardAuthority, CardOperation
from ledger.usecases.media.shapes import Proof
from ledger.vocabulary.medium_record import STAMP_LENGTH, Stamp

# Where the stamp stands on an IC card: docs/card-layout.md.
STAMP_FILE = 0x05
WRITE_DATA = 0x8D


def settle(
    work: Work,
    cards: CardAuthority,
    medium: Medium,
    *,
    write_id: UUID,
    proof: Proof,
    at: datetime,
) -> None:
    """Settle a write on the medium, and for the tickets it changes."""
    if not proof.committed:
        drop(work, medium, write_id=write_id, reason=proof.reason, at=at)
        return
    pending = medium.pending
    if pending is not None and pending.write_id == write_id:
        _require_proof(cards, medium, medium.pending_stamp(), proof)
    elif medium.last_write_id == write_id:
        _require_proof(cards, medium, medium.stamp(), proof)
    else:
        raise WriteUnknown
    before = list(medium.slots)
    signed = not medium.can_be_copied
    changes = medium.confirm_write(
        write_id=write_id,
        transaction_counter=proof.transaction_counter if signed else None,
        transaction_mac=proof.transaction_mac.hex() if signed else None,
        at=at,
    )
    _apply(work, medium, before, changes, write_id, at)


def _require_proof(
    cards: CardAuthority, medium: Medium, stamp: Stamp, proof: Proof
) -> None:
    """The card must have committed the very stamp that was prepared.

    A flash card or a disk signs nothing. The device's word is taken, because nothing
    but the ledger's own state ever speaks for such a medium: whoever lies about it
    is refused at its next tap, and no machine takes it without the line.
    """
    fits = _stamp_written(proof.operations) == stamp.encode()
    if not fits or not (
        medium.can_be_copied
        or cards.proves(
            uid=bytes.fromhex(medium.uid),
            transaction_counter=proof.transaction_counter,
            transaction_mac=proof.transaction_mac,
            operations=proof.operations,
        )
    ):
        raise ProofMismatch(because=medium.names(medium.seq_version))


def _stamp_written(operations: Sequence[CardOperation]) -> bytes:
    """Put together what was written to the stamp's file, in however many pieces."""
    stamp = bytearray(STAMP_LENGTH)
    for op in operations:
        if (op.cmd, op.file) == (WRITE_DATA, STAMP_FILE) and op.offset < STAMP_LENGTH:
            stamp[op.offset : op.offset + len(op.data)] = op.data
    return bytes(stamp)


def settle_by_reading(
    work: Work, medium: Medium, reading: Reading, *, by_machine: bool, at: datetime
) -> None:
    """Settle an unanswered write by which of the two states the card is in.

    That a ticket was taken off a card is not believed of its holder, who would gain by
    it: it takes the card's proof, or a machine that has read the card. A copy of what
    was on a flash card or a disk is worth nothing to him without the ledger.
    """
    pending = medium.pending
    if pending is None or reading.stamp.uid != reading.uid:
        return
    shown = (reading.stamp.seq, reading.stamp.digest.hex())
    if shown == (pending.seq, pending.digest):
        believed = by_machine or medium.can_be_copied
        if not believed and _takes_off(work, medium):
            return
        before = list(medium.slots)
        changes = medium.confirm_write(
            write_id=pending.write_id,
            transaction_counter=None,
            transaction_mac=None,
            at=at,
        )
        _apply(work, medium, before, changes, pending.write_id, at)
    elif shown == (medium.seq, medium.digest):
        reason = "the card shows its former state"
        drop(work, medium, write_id=pending.write_id, reason=reason, at=at)


def _takes_off(work: Work, medium: Medium) -> bool:
    """Whether the pending write clears a slot of a ticket that is still valid there."""
    assert medium.pending is not None
    for change in medium.pending.changes:
        left = medium.slots[change.slot].ticket_id
        if left and left != change.state.ticket_id:
            ticket = work.ticket(left)
            if ticket.life == Life.OWNED and ticket.form.is_at(medium.uid, change.slot):
                return True
    return False


def _apply(
    work: Work,
    medium: Medium,
    before: Sequence[SlotState],
    changes: Sequence[Change],
    write_id: UUID,
    at: datetime,
) -> None:
    """Tell the tickets what became true on the medium."""
    for change in changes:
        left = before[change.slot].ticket_id
        if left and left != change.state.ticket_id:
            work.ticket(left).release_from_medium(
                write_id=write_id, medium_uid=medium.uid, slot=change.slot, at=at
            )
        if change.body and change.state.ticket_id:
            work.ticket(change.state.ticket_id).confirm_write(
                write_id=write_id,
                medium_uid=medium.uid,
                slot=change.slot,
                epoch=change.state.epoch,
                at=at,
            )


def drop(
    work: Work, medium: Medium, *, write_id: UUID, reason: str, at: datetime
) -> None:
    """A write that did not happen: the tickets it would have recorded are free."""
    for change in medium.abort_write(write_id=write_id, reason=reason, at=at):
        if change.body and change.state.ticket_id:
            work.ticket(change.state.ticket_id).abort_write(write_id=write_id, at=at)


def tickets_on(work: Work, medium: Medium) -> list[ETicket]:
    """Return the tickets whose copy on this medium may be taken for the right.

    One whose write is in doubt is among them.
    """
    named = [work.ticket(ticket_id) for ticket_id in medium.ticket_ids]
    return [
        ticket
        for ticket in named
        if ticket.life == Life.OWNED
        if ticket.form.medium_uid == medium.uid
        or (ticket.binding is not None and ticket.binding.medium_uid == medium.uid)
    ]
