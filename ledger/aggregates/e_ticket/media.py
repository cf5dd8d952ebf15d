"""A ticket rests in at most one slot of one medium, and is recorded in two phases."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from ledger.aggregates.e_ticket import refusals as no
from ledger.aggregates.e_ticket.core import Core
from ledger.aggregates.e_ticket.states import (
    COPYABLE_KINDS,
    ELECTRONIC,
    NO_LOCK,
    Binding,
    Form,
    FormKind,
    HoldEffect,
    Life,
    Lock,
    LockKind,
)


class OnMedia(Core):
    """The commands and events of recording a ticket on a medium."""

    def prepare_write(
        self,
        *,
        write_id: UUID,
        medium_uid: str,
        slot: int,
        seq: int,
        by: UUID,
        at: datetime,
        medium_kind: str = "ic_card",
    ) -> None:
        """Bind the ticket to a slot; in doubt until the card's proof arrives."""
        self._require_owner(by)
        self._require_free(at)
        admission = self.kind == "admission"
        self.require_no_hold(
            HoldEffect.NO_DISPENSE if admission else HoldEffect.NO_REDEEM
        )
        if medium_kind not in self.terms.media:
            raise no.MediumKindRefused(kind=medium_kind, because=self.names(1))
        self.require_person_check(medium_kind)
        if self.form.kind != FormKind.ELECTRONIC:
            raise no.StillOnMedium(
                medium_uid=self.form.medium_uid, because=self.names(self.epoch_version)
            )
        self.trigger_event(
            self.MediumWritePrepared,
            timestamp=at,
            write_id=write_id,
            medium_uid=medium_uid,
            slot=slot,
            seq=seq,
            epoch=self.epoch + 1,
        )

    def require_person_check(self, medium_kind: str) -> None:
        """Raise if only the medium would speak for its holder, and can be copied.

        A coupon asks nobody: it is leased by use, and its uses are counted here.
        """
        unasked = self.kind == "admission" and self.question is None
        if unasked and medium_kind in COPYABLE_KINDS:
            raise no.PersonCheckMissing(kind=medium_kind, because=self.names(1))

    class MediumWritePrepared(Core.Event):
        TOPIC = "e-ticket.medium-write-prepared"
        write_id: UUID
        medium_uid: str
        slot: int
        seq: int
        epoch: int

        def apply(self, aggregate: OnMedia) -> None:
            # The epoch is spent now: what is sent carries it, whatever becomes of it.
            aggregate._next_epoch(self)
            aggregate.binding = Binding(self.write_id, self.medium_uid, self.slot)
            aggregate.lock = Lock(
                LockKind.CARD_WRITE, self.write_id, None, self.originator_version
            )

    def confirm_write(
        self, *, write_id: UUID, medium_uid: str, slot: int, epoch: int, at: datetime
    ) -> None:
        """Record what a card has proven: this ticket stands in this slot.

        A refresh that was overtaken by a newer epoch, or by the ticket's end, is no
        news about this ticket: its slot is simply stale again.
        """
        here = self._is_writing(write_id) or self.form.is_at(medium_uid, slot)
        if self.life == Life.OWNED and here and epoch == self.epoch:
            self.trigger_event(
                self.WrittenToMedium,
                timestamp=at,
                write_id=write_id,
                medium_uid=medium_uid,
                slot=slot,
                epoch=epoch,
            )

    class WrittenToMedium(Core.Event):
        TOPIC = "e-ticket.written-to-medium"
        write_id: UUID
        medium_uid: str
        slot: int
        epoch: int

        def apply(self, aggregate: OnMedia) -> None:
            if aggregate._is_writing(self.write_id):
                aggregate.lock = NO_LOCK
                aggregate.binding = None
            aggregate.form = Form(FormKind.ON_MEDIUM, self.medium_uid, self.slot)

    def abort_write(self, *, write_id: UUID, at: datetime) -> None:
        if self._is_writing(write_id):
            self.trigger_event(self.MediumWriteAborted, timestamp=at, write_id=write_id)

    class MediumWriteAborted(Core.Event):
        TOPIC = "e-ticket.medium-write-aborted"
        write_id: UUID

        def apply(self, aggregate: OnMedia) -> None:
            aggregate.lock = NO_LOCK
            aggregate.binding = None
            # A card that kept it nevertheless must not hold the current epoch.
            aggregate._next_epoch(self)

    def release_from_medium(
        self, *, write_id: UUID, medium_uid: str, slot: int, at: datetime
    ) -> None:
        """Record that a card's slot was cleared of this ticket, if it was there."""
        if self.life == Life.OWNED and self.form.is_at(medium_uid, slot):
            self._release(medium_uid, slot, write_id, "cleared", at)

    def recall_from_medium(self, *, medium_uid: str, reason: str, at: datetime) -> bool:
        """Take the right off a medium that was lost, blocked or replaced.

        Every copy on it stops working, and the ticket can be recorded elsewhere. Only
        a print that was authorised keeps it: return False, for the paper is in doubt
        until the dispenser says what became of it.
        """
        binding = self.binding
        if binding is not None and binding.medium_uid == medium_uid:
            self.abort_write(write_id=binding.write_id, at=at)
        if self.life != Life.OWNED or self.form.medium_uid != medium_uid:
            return True
        if self.print_serial is not None:
            return False
        if self.lease is not None:
            self._free_lease(reason, at)
        assert self.form.slot is not None
        self._release(medium_uid, self.form.slot, None, reason, at)
        return True

    def _release(
        self,
        medium_uid: str,
        slot: int,
        write_id: UUID | None,
        reason: str,
        at: datetime,
    ) -> None:
        self.trigger_event(
            self.ReleasedFromMedium,
            timestamp=at,
            write_id=write_id,
            medium_uid=medium_uid,
            slot=slot,
            reason=reason,
        )

    class ReleasedFromMedium(Core.Event):
        TOPIC = "e-ticket.released-from-medium"
        class_version = 2
        write_id: UUID | None
        medium_uid: str
        slot: int
        reason: str

        @staticmethod
        def upcast_v1_v2(state: dict[str, object]) -> None:
            """At first a ticket left a medium only by a write that cleared its slot."""
            state["reason"] = "cleared"

        def apply(self, aggregate: OnMedia) -> None:
            aggregate.recalled = (self.medium_uid, self.slot, aggregate.epoch)
            aggregate.form = ELECTRONIC
            aggregate._next_epoch(self)
            aggregate.recalled_version = self.originator_version
            if aggregate.listing is not None:  # What is for sale is still the same.
                epoch = aggregate.epoch
                aggregate.listing = replace(aggregate.listing, epoch=epoch)

    def is_copy(self, medium_uid: str, slot: int, *, before_loss: bool) -> bool:
        """Whether the copy in this slot is the right's own.

        Used `before_loss` of its medium, also if the right was recalled since, and
        nothing has become of it yet.
        """
        epoch = self.recalled[2] if self.recalled is not None else 0
        recalled = before_loss and self._was_recalled(medium_uid, slot, epoch)
        return recalled or self.form.is_at(medium_uid, slot)

    def _was_recalled(self, medium_uid: str, slot: int, epoch: int) -> bool:
        """Whether this very copy was the last, and the ticket is as it left it."""
        untouched = self.recalled_version == self.epoch_version
        return untouched and self.recalled == (medium_uid, slot, epoch)

    def _is_writing(self, write_id: UUID) -> bool:
        return (self.lock.kind, self.lock.ref) == (LockKind.CARD_WRITE, write_id)
