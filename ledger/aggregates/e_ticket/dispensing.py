"""A physical ticket, once: lease, mark on the card, authorise, print, record.

OWNED ── lease ──► DISPENSE ── authorise ──► in doubt until said ── printed ──► PAPER
  ▲                   │ time over, freeze               │
  └── aborted ────────┴──────── aborted ────────────────┘
DISPENSED ── paper surrendered ──► OWNED; ── reissued ──► another serial
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from ledger.aggregates.e_ticket import refusals as no
from ledger.aggregates.e_ticket.core import Core
from ledger.aggregates.e_ticket.states import (
    ELECTRONIC,
    SERIAL_PATTERN,
    Form,
    FormKind,
    HoldEffect,
    Lease,
    Life,
    Lock,
    LockKind,
)


class Dispensing(Core):
    """The commands and events of a physical ticket."""

    def start_dispense(
        self,
        *,
        job_id: UUID,
        write_id: UUID,
        device_id: UUID,
        expected_epoch: int,
        medium_uid: str,
        slot: int,
        until: datetime,
        at: datetime,
    ) -> None:
        """Lease the ticket to a dispenser that has it before it on a card."""
        if self.kind != "admission":
            raise no.NoAdmission(because=self.names(1))
        self._require_usable(
            expected_epoch, medium_uid, slot, HoldEffect.NO_DISPENSE, at
        )
        self.trigger_event(
            self.DispenseStarted,
            timestamp=at,
            job_id=job_id,
            write_id=write_id,
            device_id=device_id,
            expected_epoch=expected_epoch,
            medium_uid=medium_uid,
            slot=slot,
            until=until,
        )

    class DispenseStarted(Core.Event):
        TOPIC = "e-ticket.dispense-started"
        job_id: UUID
        write_id: UUID
        device_id: UUID
        expected_epoch: int
        medium_uid: str
        slot: int
        until: datetime

        def apply(self, aggregate: Dispensing) -> None:
            aggregate.print_serial = None
            aggregate.lease = Lease(self.device_id, self.write_id)
            aggregate.lock = Lock(
                LockKind.DISPENSE, self.job_id, self.until, self.originator_version
            )

    def authorise_print(
        self,
        *,
        job_id: UUID,
        write_id: UUID,
        device_id: UUID,
        serial: str,
        at: datetime,
    ) -> None:
        """Allow one numbered paper, after the card's slot is marked.

        From here on the lease does not run out: what became of the paper is in doubt
        until the dispenser says so.
        """
        check_serial(serial)
        self.require_owned()
        if self.print_serial is None:
            self.require_no_hold(HoldEffect.NO_DISPENSE)
        self._require_lock(LockKind.DISPENSE, job_id, "dispense job", at)
        self._require_lease(device_id, write_id)
        if self.print_serial == serial:
            return
        if serial in self.dead_serials:
            raise no.SerialDead(serial=serial)
        if self.print_serial is not None:
            raise no.SerialMismatch(
                serial=self.print_serial, because=self.names(self.lock.version)
            )
        self.trigger_event(
            self.PrintAuthorised, timestamp=at, job_id=job_id, serial=serial
        )

    class PrintAuthorised(Core.Event):
        TOPIC = "e-ticket.print-authorised"
        job_id: UUID
        serial: str

        def apply(self, aggregate: Dispensing) -> None:
            aggregate.print_serial = self.serial
            aggregate.lock = Lock(
                LockKind.DISPENSE, self.job_id, None, self.originator_version
            )

    def abort_dispense(
        self, *, job_id: UUID, device_id: UUID, reason: str, at: datetime
    ) -> None:
        """End a lease without a paper; the card's slot is restored at its next tap."""
        self.require_owned()
        self._require_lock(LockKind.DISPENSE, job_id, "dispense job", at)
        self._require_lease(device_id)
        self._abort_dispense(reason, at)

    def _abort_dispense(self, reason: str, at: datetime) -> None:
        self.trigger_event(
            self.DispenseAborted, timestamp=at, job_id=self.lock.ref, reason=reason
        )

    class DispenseAborted(Core.Event):
        TOPIC = "e-ticket.dispense-aborted"
        job_id: UUID
        reason: str

        def apply(self, aggregate: Dispensing) -> None:
            aggregate._end_lease()

    def dispense(
        self,
        *,
        job_id: UUID,
        serial: str,
        device_id: UUID,
        device_time: datetime | None,
        at: datetime,
    ) -> None:
        """Record the paper that was printed; said twice, it is recorded once."""
        if self.life == Life.DISPENSED and self.form.serial == serial:
            return
        self.require_owned()
        self._require_lock(LockKind.DISPENSE, job_id, "dispense job", at)
        self._require_lease(device_id)
        if self.print_serial != serial:
            raise no.SerialMismatch(
                serial=self.print_serial, because=self.names(self.lock.version)
            )
        self.trigger_event(
            self.Dispensed,
            timestamp=at,
            job_id=job_id,
            serial=serial,
            device_id=device_id,
            device_time=device_time,
            device_seq=None,
            known_position=None,
        )

    class Dispensed(Core.Event):
        """Without a `job_id` it was printed while the line was down."""

        TOPIC = "e-ticket.dispensed"
        class_version = 2
        job_id: UUID | None
        serial: str
        device_id: UUID
        device_time: datetime | None
        device_seq: int | None
        known_position: int | None

        @staticmethod
        def upcast_v1_v2(state: dict[str, object]) -> None:
            """At first dispensers printed only while they could ask."""
            state |= {"device_seq": None, "known_position": None}

        def apply(self, aggregate: Dispensing) -> None:
            aggregate.life = Life.DISPENSED
            aggregate.life_version = self.originator_version
            aggregate.form = Form(FormKind.PAPER, serial=self.serial)
            aggregate._unlock()
            aggregate._next_epoch(self)

    def observe_dispense(
        self,
        *,
        serial: str,
        device_id: UUID,
        medium_uid: str,
        slot: int,
        epoch: int,
        device_time: datetime,
        device_seq: int,
        known_position: int,
        at: datetime,
        before_loss: bool = False,
        contradicted: bool = False,
    ) -> bool:
        """Record a paper that was printed while the line was down: it is a fact.

        Return whether the ledger agrees. It does if the ticket was still to be used
        and the copy on that medium was current; whatever had begun meanwhile gives
        way. A copy that was recalled since counts as current if it was printed
        `before_loss` of its medium, and nothing has become of the ticket yet. If the
        ledger does not agree, or the caller knows of what it contradicts (its serial
        stands on another paper), the fact is kept beside the ledger's own, and a case
        follows.
        """
        check_serial(serial)
        if self.life == Life.DISPENSED and self.form.serial == serial:
            return True
        if serial in self.observed:
            return False
        facts = {
            "serial": serial,
            "device_id": device_id,
            "device_time": device_time,
            "device_seq": device_seq,
            "known_position": known_position,
        }
        current = self.form.is_at(medium_uid, slot) and epoch == self.epoch
        if before_loss:
            current = current or self._was_recalled(medium_uid, slot, epoch)
        printing = self.print_serial not in (None, serial)
        agrees = current and not printing and serial not in self.dead_serials
        agrees = agrees and not contradicted
        if self.kind == "admission" and self.life == Life.OWNED and agrees:
            self.trigger_event(self.Dispensed, timestamp=at, job_id=None, **facts)
            return True
        self.trigger_event(
            self.DispenseObserved,
            timestamp=at,
            medium_uid=medium_uid,
            slot=slot,
            epoch=epoch,
            **facts,
        )
        return False

    class DispenseObserved(Core.Event):
        TOPIC = "e-ticket.dispense-observed"
        serial: str
        device_id: UUID
        medium_uid: str
        slot: int
        epoch: int
        device_time: datetime
        device_seq: int
        known_position: int

        def apply(self, aggregate: Dispensing) -> None:
            aggregate.observed = (*aggregate.observed, self.serial)

    # Papers that come back, and papers that replace others.

    def surrender_paper(self, *, serial: str, at: datetime) -> None:
        """Take the paper back; its serial is dead for ever, the right electronic."""
        self._require_paper(serial)
        self.trigger_event(self.DispenseReversed, timestamp=at, serial=serial)

    class DispenseReversed(Core.Event):
        TOPIC = "e-ticket.dispense-reversed"
        serial: str

        def apply(self, aggregate: Dispensing) -> None:
            aggregate.life = Life.OWNED
            aggregate.life_version = self.originator_version
            aggregate.form = ELECTRONIC
            aggregate.dead_serials = (*aggregate.dead_serials, self.serial)
            aggregate._next_epoch(self)

    def reissue_paper(
        self,
        *,
        old_serial: str,
        new_serial: str,
        device_id: UUID | None,
        reason: str,
        at: datetime,
        decision_id: UUID | None = None,
    ) -> None:
        """Replace a lost or defective paper; the old serial is dead for ever."""
        check_serial(new_serial)
        self._require_paper(old_serial)
        if decision_id is None:
            self.require_no_hold(HoldEffect.NO_DISPENSE)
        if new_serial == old_serial or new_serial in self.dead_serials:
            raise no.SerialDead(serial=new_serial)
        self.trigger_event(
            self.PaperReissued,
            timestamp=at,
            old_serial=old_serial,
            new_serial=new_serial,
            device_id=device_id,
            reason=reason,
            decision_id=decision_id,
        )

    class PaperReissued(Core.Event):
        TOPIC = "e-ticket.paper-reissued"
        old_serial: str
        new_serial: str
        device_id: UUID | None
        reason: str
        decision_id: UUID | None

        def apply(self, aggregate: Dispensing) -> None:
            aggregate.dead_serials = (*aggregate.dead_serials, self.old_serial)
            aggregate.form = Form(FormKind.PAPER, serial=self.new_serial)
            aggregate._next_epoch(self)

    def _require_paper(self, serial: str) -> None:
        self._require_not_terminal()
        if self.life != Life.DISPENSED:
            raise no.NotDispensed(because=self.names(self.life_version))
        if self.form.serial != serial:
            raise no.SerialDead(
                serial=serial, because=self.names(self.life_version, self.epoch_version)
            )


def check_serial(serial: str) -> None:
    if not SERIAL_PATTERN.fullmatch(serial):
        raise no.BadSerial
