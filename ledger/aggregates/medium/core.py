"""What all parts of a medium share: its state, and what every command asks of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ledger.aggregates.base import Recorded
from ledger.aggregates.e_ticket.states import COPYABLE_KINDS
from ledger.aggregates.medium import refusals as no
from ledger.aggregates.medium.states import (
    OUT_OF_USE,
    Ahead,
    Change,
    LastWrite,
    MediumStatus,
    OfflineMark,
    PendingWrite,
    SlotState,
)
from ledger.vocabulary.medium_record import SLOTS_MAX, SlotStatus, Stamp, digest


class Core(Recorded):
    """A medium's state, and the guards over it."""

    if TYPE_CHECKING:  # The library would take annotations for an event's fields.
        uid: str
        holder_id: UUID
        profile: str
        kind: str
        key_version: int
        status: MediumStatus
        status_version: int
        status_before: MediumStatus
        lost_at: datetime | None
        replaced_by: str | None
        seq: int
        seq_version: int
        slots: list[SlotState]
        digest: str
        transaction_counter: int
        pending: PendingWrite | None
        last_write_id: UUID | None
        last_write: LastWrite | None
        marks: tuple[OfflineMark, ...]
        ahead: Ahead | None
        last_suspicion: tuple[str, dict[str, Any]] | None
        case_ids: tuple[UUID, ...]

    class Event(Recorded.Event):
        """An event about one medium."""

    def stamp(self) -> Stamp:
        """Return the stamp as it stands on the medium now."""
        return self._stamp(self.seq, self.digest)

    def slot(self, number: int) -> SlotState:
        if not 0 <= number < SLOTS_MAX:
            raise no.BadSlot(slot=number)
        return self.slots[number]

    def free_slots(self) -> list[int]:
        return [
            number
            for number, state in enumerate(self.slots)
            if state.status == SlotStatus.EMPTY
        ]

    @property
    def ticket_ids(self) -> list[UUID]:
        """The tickets that its slots name, and those that a pending write would add."""
        changes = self.pending.changes if self.pending else ()
        states = [*self.slots, *(change.state for change in changes)]
        named = [state.ticket_id for state in states if state.ticket_id]
        return list(dict.fromkeys(named))

    @property
    def can_be_copied(self) -> bool:
        """Whether it is a flash card or a disk: it proves nothing about itself."""
        return self.kind in COPYABLE_KINDS

    @property
    def is_out_of_use(self) -> bool:
        return self.status in OUT_OF_USE

    def require_trusted(self) -> None:
        """Raise unless the medium may be read and written: here, and not accused."""
        because = self.names(self.status_version)
        if self.status == MediumStatus.SUSPECT:
            raise no.MediumSuspect(because=because)
        if self.status == MediumStatus.SUSPENDED:
            raise no.MediumLost(because=because)
        self.require_in_use()

    def require_in_use(self) -> None:
        """Raise if the medium's end has come."""
        because = self.names(self.status_version)
        if self.status == MediumStatus.BLOCKED:
            raise no.MediumBlocked(because=because)
        if self.status == MediumStatus.REPLACED:
            raise no.MediumReplaced(because=because)
        if self.status == MediumStatus.RETURNED:
            raise no.MediumReturned(because=because)

    def _enter(self, status: MediumStatus, event: Recorded.Event) -> None:
        self.status_before = self.status
        self.status = status
        self.status_version = event.originator_version

    def _reach(
        self,
        event: Recorded.Event,
        seq: int,
        new_digest: str,
        changes: Sequence[Change],
    ) -> None:
        """The medium is in its next state."""
        self.slots = self._after(changes)
        self.seq = seq
        self.seq_version = event.originator_version
        self.digest = new_digest
        self.pending = None
        self.marks = tuple(mark for mark in self.marks if mark.seq > seq)
        if self.ahead is not None and self.ahead.seq <= seq:
            self.ahead = None
        if self.status == MediumStatus.PERSONALISED:
            self._enter(MediumStatus.ACTIVE, event)

    def _after(self, changes: Sequence[Change]) -> list[SlotState]:
        slots = list(self.slots)
        for change in changes:
            slots[change.slot] = change.state
        return slots

    def _digest(self, seq: int, slots: Sequence[SlotState]) -> bytes:
        entries = [state.entry() for state in slots]
        return digest(uid=bytes.fromhex(self.uid), seq=seq, slots=entries)

    def _stamp(self, seq: int, digest_hex: str) -> Stamp:
        return Stamp(
            key_version=self.key_version,
            seq=seq,
            uid=bytes.fromhex(self.uid),
            digest=bytes.fromhex(digest_hex),
        )
