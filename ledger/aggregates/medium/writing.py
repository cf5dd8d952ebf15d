"""Every write in two phases; what machines wrote without the line follows in order.

no write ── prepare_write ──► pending ── confirm_write (the card's proof) ──► seq+1
                                 └────── abort_write ──► as before
marked offline ── report_mark ──► kept until its turn ──► seq+1
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from ledger.aggregates.medium import refusals as no
from ledger.aggregates.medium.core import Core
from ledger.aggregates.medium.states import (
    Ahead,
    Change,
    LastWrite,
    OfflineMark,
    PendingWrite,
)
from ledger.vocabulary.medium_record import Stamp


class Writing(Core):
    """The commands and events of a write."""

    def pending_stamp(self) -> Stamp:
        """Return the stamp of the write that is still unanswered."""
        if self.pending is None:
            raise no.WriteUnknown
        return self._stamp(self.pending.seq, self.pending.digest)

    def prepare_write(
        self,
        *,
        write_id: UUID,
        changes: Sequence[Change],
        device_id: UUID,
        at: datetime,
    ) -> Stamp:
        """Prepare the next state of the medium; return the stamp to write."""
        self.require_trusted()
        if self.pending is not None:
            raise no.WriteInDoubt(because=self.names(self.pending.version))
        self._require_one_slot_each(changes)
        seq = self.seq + 1
        new_digest = self._digest(seq, self._after(changes)).hex()
        self.trigger_event(
            self.WritePrepared,
            timestamp=at,
            write_id=write_id,
            seq=seq,
            digest=new_digest,
            changes=[change.as_dict() for change in changes],
            device_id=device_id,
        )
        return self._stamp(seq, new_digest)

    class WritePrepared(Core.Event):
        TOPIC = "medium.write-prepared"
        write_id: UUID
        seq: int
        digest: str
        changes: list[dict[str, Any]]
        device_id: UUID

        def apply(self, aggregate: Writing) -> None:
            aggregate.pending = PendingWrite(
                self.write_id,
                self.seq,
                self.digest,
                tuple(Change.from_dict(change) for change in self.changes),
                self.device_id,
                self.originator_version,
            )

    def confirm_write(
        self,
        *,
        write_id: UUID,
        transaction_counter: int | None,
        transaction_mac: str | None,
        at: datetime,
    ) -> tuple[Change, ...]:
        """Record that the card committed; return the changes that became true.

        Both proof arguments are None when the card itself, read again, showed the
        new state instead (a write whose answer was lost). The first write that is
        proven makes the medium active.
        """
        if self.last_write_id == write_id:
            return ()
        pending = self._require_pending(write_id)
        seen_before = self.transaction_counter
        if transaction_counter is not None and transaction_counter <= seen_before:
            raise no.ProofMismatch(because=self.names(self.seq_version))
        self.trigger_event(
            self.Written,
            timestamp=at,
            write_id=write_id,
            transaction_counter=transaction_counter,
            transaction_mac=transaction_mac,
        )
        self._follow_marks(at)
        return pending.changes

    class Written(Core.Event):
        TOPIC = "medium.written"
        write_id: UUID
        transaction_counter: int | None
        transaction_mac: str | None

        def apply(self, aggregate: Writing) -> None:
            pending = aggregate.pending
            assert pending is not None
            aggregate.last_write_id = self.write_id
            aggregate.last_write = LastWrite(
                self.write_id,
                pending.device_id,
                self.timestamp,
                self.originator_version,
            )
            if self.transaction_counter is not None:
                aggregate.transaction_counter = self.transaction_counter
            aggregate._reach(self, pending.seq, pending.digest, pending.changes)

    def abort_write(
        self, *, write_id: UUID, reason: str, at: datetime
    ) -> tuple[Change, ...]:
        """Record that the card did not commit; return the changes that were dropped."""
        if self.pending is None or self.pending.write_id != write_id:
            if self.last_write_id == write_id:
                raise no.WriteUnknown
            return ()
        changes = self.pending.changes
        self.trigger_event(
            self.WriteAborted, timestamp=at, write_id=write_id, reason=reason
        )
        return changes

    class WriteAborted(Core.Event):
        TOPIC = "medium.write-aborted"
        write_id: UUID
        reason: str

        def apply(self, aggregate: Writing) -> None:
            aggregate.pending = None

    # Without the line.

    def notice_ahead(self, *, seq: int, at: datetime) -> None:
        """Note that the medium shows a state that nobody has reported yet.

        The first such tap counts: from then on the machine has a horizon to report.
        """
        if self.ahead is None and seq > self.seq:
            self.trigger_event(self.SeenAhead, timestamp=at, seq=seq)

    class SeenAhead(Core.Event):
        TOPIC = "medium.seen-ahead"
        seq: int

        def apply(self, aggregate: Writing) -> None:
            aggregate.ahead = Ahead(self.seq, self.timestamp, self.originator_version)

    def report_mark(
        self, *, seq: int, change: Change, device_id: UUID, at: datetime
    ) -> bool:
        """Record what a machine has written without the line, as it reports it.

        Machines report in any order; each mark waits for those before it. Return
        whether the medium can have been written so: not if its state `seq` is known
        to have come about otherwise. The caller has aborted a pending write.
        """
        self.slot(change.slot)
        known = {mark.seq: mark for mark in self.marks}
        if seq <= self.seq or seq in known:
            return False
        self.trigger_event(
            self.MarkReported,
            timestamp=at,
            seq=seq,
            change=change.as_dict(),
            device_id=device_id,
        )
        self._follow_marks(at)
        return True

    def _follow_marks(self, at: datetime) -> None:
        """Reach the states that machines have reported, one after the other."""
        while self.marks and self.marks[0].seq == self.seq + 1:
            mark = self.marks[0]
            after = self._after([mark.change])
            self.trigger_event(
                self.WrittenOffline,
                timestamp=at,
                seq=mark.seq,
                digest=self._digest(mark.seq, after).hex(),
                changes=[mark.change.as_dict()],
                device_id=mark.device_id,
            )

    class MarkReported(Core.Event):
        TOPIC = "medium.mark-reported"
        seq: int
        change: dict[str, Any]
        device_id: UUID

        def apply(self, aggregate: Writing) -> None:
            mark = OfflineMark(self.seq, Change.from_dict(self.change), self.device_id)
            marks = [*aggregate.marks, mark]
            aggregate.marks = tuple(sorted(marks, key=lambda each: each.seq))

    class WrittenOffline(Core.Event):
        TOPIC = "medium.written-offline"
        seq: int
        digest: str
        changes: list[dict[str, Any]]
        device_id: UUID

        def apply(self, aggregate: Writing) -> None:
            changes = [Change.from_dict(change) for change in self.changes]
            aggregate._reach(self, self.seq, self.digest, changes)

    def _require_one_slot_each(self, changes: Sequence[Change]) -> None:
        """M1: a slot holds one ticket, and a ticket stands in one slot."""
        for change in changes:
            self.slot(change.slot)
        slots = [change.slot for change in changes]
        live = [state.ticket_id for state in self._after(changes) if state.ticket_id]
        if len(set(slots)) < len(slots) or len(set(live)) < len(live):
            raise no.SlotTwice

    def _require_pending(self, write_id: UUID) -> PendingWrite:
        if self.pending is None or self.pending.write_id != write_id:
            raise no.WriteUnknown
        return self.pending
