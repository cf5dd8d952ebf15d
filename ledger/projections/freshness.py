"""All that judging a tapped medium needs, in one query.

A medium's slots stand twice: as the ledger has the card's proof for them, and as a
write that was not answered for yet will leave them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias
from uuid import UUID

from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import Tracking

from ledger.aggregates.e_ticket import ETicket, HoldEffect, Life
from ledger.aggregates.medium import EMPTY, Change, Medium, MediumStatus, SlotState
from ledger.aggregates.medium.judge import Known, TicketNow
from ledger.aggregates.medium.states import IN_USE
from ledger.projections.base import Projection, Statement, View
from ledger.projections.endings import LIFE_AFTER, Ended
from ledger.vocabulary.medium_record import EMPTY_SLOT, SLOTS_MAX, digest


class FreshnessView(View):
    """The tables `freshness_media`, `_slots`, `_tickets` and `_holds`."""

    name = "freshness"
    tables = (
        "freshness_media",
        "freshness_slots",
        "freshness_tickets",
        "freshness_holds",
    )

    def known(
        self, uid: bytes
    ) -> tuple[Known | None, Sequence[SlotState], Mapping[UUID, TicketNow]]:
        """Return what is known of a medium and of the tickets that its slots name."""
        rows = self.rows(
            "SELECT m.status AS medium_status, m.seq, m.digest, m.next_seq,"
            " s.slot AS number, s.status, s.epoch, s.uses_left, s.ticket_id,"
            " t.epoch AS ticket_epoch, t.life, t.medium_uid, t.slot AS ticket_slot,"
            " t.serial, t.uses_left AS ticket_uses_left, EXISTS (SELECT FROM"
            " freshness_holds h WHERE h.ticket_id = t.ticket_id) AS held"
            " FROM freshness_media m"
            " LEFT JOIN freshness_slots s"
            " ON s.medium_id = m.medium_id AND NOT s.pending"
            " LEFT JOIN freshness_tickets t ON t.ticket_id = s.ticket_id"
            " WHERE m.uid = %s",
            (uid.hex(),),
        )
        if not rows:
            return None, [], {}
        first = rows[0]
        known = Known(
            first["medium_status"],
            first["seq"],
            first["digest"],
            pending=first["next_seq"] is not None,
        )
        slots = [EMPTY] * SLOTS_MAX
        for row in rows:
            if row["number"] is not None:
                slots[row["number"]] = SlotState(
                    row["status"], row["epoch"], row["uses_left"], row["ticket_id"]
                )
        tickets = {row["ticket_id"]: _now(row) for row in rows if row["life"]}
        return known, slots, tickets


def _now(row: Mapping[str, Any]) -> TicketNow:
    return TicketNow(
        ticket_id=row["ticket_id"],
        epoch=row["ticket_epoch"],
        life=row["life"],
        medium_uid=row["medium_uid"],
        slot=row["ticket_slot"],
        serial=row["serial"],
        uses_left=row["ticket_uses_left"],
        held=row["held"],
    )


Entered: TypeAlias = (
    Medium.Suspended
    | Medium.Cleared
    | Medium.Blocked
    | Medium.Replaced
    | Medium.Returned
)

STATUS_AFTER: Mapping[type[Medium.Event], MediumStatus] = {
    Medium.Suspended: MediumStatus.SUSPENDED,
    Medium.Cleared: MediumStatus.ACTIVE,
    Medium.Blocked: MediumStatus.BLOCKED,
    Medium.Replaced: MediumStatus.REPLACED,
    Medium.Returned: MediumStatus.RETURNED,
}

OffMedium: TypeAlias = (
    ETicket.GiftAccepted
    | ETicket.Resold
    | ETicket.Reassigned
    | ETicket.ReleasedFromMedium
)

OwnedAgain: TypeAlias = ETicket.DispenseReversed | ETicket.Reinstated


NewEpoch: TypeAlias = ETicket.MediumWritePrepared | ETicket.MediumWriteAborted


class Freshness(Projection[FreshnessView]):
    """Follows media and the tickets that may stand on them."""

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.change(tracking)

    # Media.

    @process_event.register
    def _(self, domain_event: Medium.Personalised, tracking: Tracking) -> None:
        empty = digest(
            uid=bytes.fromhex(domain_event.uid), seq=0, slots=[EMPTY_SLOT] * SLOTS_MAX
        )
        self.view.change(
            tracking,
            (
                "INSERT INTO freshness_media"
                " (uid, medium_id, holder_id, status, seq, digest)"
                " VALUES (%s, %s, %s, %s, 0, %s)",
                (
                    domain_event.uid,
                    domain_event.originator_id,
                    domain_event.holder_id,
                    str(MediumStatus.PERSONALISED),
                    empty.hex(),
                ),
            ),
        )

    @process_event.register
    def _(self, domain_event: Medium.WritePrepared, tracking: Tracking) -> None:
        medium_id = domain_event.originator_id
        changes = [Change.from_dict(change) for change in domain_event.changes]
        self.view.change(
            tracking,
            (
                "UPDATE freshness_media SET next_seq = %s, next_digest = %s"
                " WHERE medium_id = %s AND next_seq IS NULL",
                (domain_event.seq, domain_event.digest, medium_id),
            ),
            *(_put(medium_id, change, pending=True) for change in changes),
        )

    @process_event.register
    def _(self, domain_event: Medium.Written, tracking: Tracking) -> None:
        medium_id = (domain_event.originator_id,)
        self.view.change(
            tracking,
            (
                "DELETE FROM freshness_slots old USING freshness_slots new"
                " WHERE old.medium_id = %s AND NOT old.pending AND new.pending"
                " AND new.medium_id = old.medium_id AND new.slot = old.slot",
                medium_id,
            ),
            (
                "DELETE FROM freshness_slots"
                " WHERE medium_id = %s AND pending AND ticket_id IS NULL",
                medium_id,
            ),
            (
                "INSERT INTO freshness_slots SELECT medium_id, slot, false, status,"
                " epoch, uses_left, ticket_id FROM freshness_slots"
                " WHERE medium_id = %s AND pending",
                medium_id,
            ),
            _nothing_pending(domain_event.originator_id),
            (
                "UPDATE freshness_media SET seq = next_seq, digest = next_digest,"
                " next_seq = NULL, next_digest = NULL"
                " WHERE medium_id = %s AND next_seq IS NOT NULL",
                medium_id,
            ),
            _active(domain_event.originator_id),
        )

    @process_event.register
    def _(self, domain_event: Medium.WrittenOffline, tracking: Tracking) -> None:
        medium_id = domain_event.originator_id
        changes = [Change.from_dict(change) for change in domain_event.changes]
        self.view.change(
            tracking,
            *(_put(medium_id, change, pending=False) for change in changes),
            (
                "UPDATE freshness_media SET seq = %s, digest = %s WHERE medium_id = %s",
                (domain_event.seq, domain_event.digest, medium_id),
            ),
            _active(medium_id),
        )

    @process_event.register
    def _(self, domain_event: Medium.WriteAborted, tracking: Tracking) -> None:
        self.view.change(
            tracking,
            _nothing_pending(domain_event.originator_id),
            (
                "UPDATE freshness_media SET next_seq = NULL, next_digest = NULL"
                " WHERE medium_id = %s",
                (domain_event.originator_id,),
            ),
        )

    @process_event.register
    def _(self, domain_event: Medium.Suspected, tracking: Tracking) -> None:
        self.view.change(
            tracking,
            _entered(domain_event.originator_id, MediumStatus.SUSPECT, out_of=IN_USE),
        )

    @process_event.register
    def _(self, domain_event: Medium.Restored, tracking: Tracking) -> None:
        self.view.change(
            tracking, _entered(domain_event.originator_id, domain_event.status)
        )

    @process_event.register
    def _(self, domain_event: Entered, tracking: Tracking) -> None:
        status = str(STATUS_AFTER[type(domain_event)])
        self.view.change(tracking, _entered(domain_event.originator_id, status))

    # Tickets.

    @process_event.register
    def _(self, domain_event: ETicket.Issued, tracking: Tracking) -> None:
        self.view.change(
            tracking,
            (
                "INSERT INTO freshness_tickets (ticket_id, kind, epoch, life,"
                " uses_left) VALUES (%s, %s, 1, %s, %s)",
                (
                    domain_event.originator_id,
                    domain_event.kind,
                    str(Life.OWNED),
                    domain_event.uses_limit,
                ),
            ),
        )

    @process_event.register
    def _(self, domain_event: OffMedium, tracking: Tracking) -> None:
        self.view.change(
            tracking,
            (
                "UPDATE freshness_tickets SET epoch = epoch + 1, medium_uid = NULL,"
                " slot = NULL WHERE ticket_id = %s",
                (domain_event.originator_id,),
            ),
        )

    @process_event.register
    def _(self, domain_event: NewEpoch, tracking: Tracking) -> None:
        self.view.change(
            tracking,
            (
                "UPDATE freshness_tickets SET epoch = epoch + 1 WHERE ticket_id = %s",
                (domain_event.originator_id,),
            ),
        )

    @process_event.register
    def _(self, domain_event: ETicket.Modified, tracking: Tracking) -> None:
        self.view.change(
            tracking,
            (
                "UPDATE freshness_tickets SET epoch = epoch + %s WHERE ticket_id = %s",
                (int(domain_event.moves_epoch), domain_event.originator_id),
            ),
        )

    @process_event.register
    def _(self, domain_event: ETicket.WrittenToMedium, tracking: Tracking) -> None:
        self.view.change(
            tracking,
            (
                "UPDATE freshness_tickets SET medium_uid = %s, slot = %s"
                " WHERE ticket_id = %s",
                (
                    domain_event.medium_uid,
                    domain_event.slot,
                    domain_event.originator_id,
                ),
            ),
        )

    @process_event.register
    def _(self, domain_event: ETicket.Dispensed, tracking: Tracking) -> None:
        self.view.change(
            tracking,
            (
                "UPDATE freshness_tickets SET epoch = epoch + 1, life = %s,"
                " serial = %s, medium_uid = NULL, slot = NULL WHERE ticket_id = %s",
                (
                    str(Life.DISPENSED),
                    domain_event.serial,
                    domain_event.originator_id,
                ),
            ),
        )

    @process_event.register
    def _(self, domain_event: ETicket.PaperReissued, tracking: Tracking) -> None:
        self.view.change(
            tracking,
            (
                "UPDATE freshness_tickets SET epoch = epoch + 1, serial = %s"
                " WHERE ticket_id = %s",
                (domain_event.new_serial, domain_event.originator_id),
            ),
        )

    @process_event.register
    def _(self, domain_event: OwnedAgain, tracking: Tracking) -> None:
        self.view.change(
            tracking,
            (
                "UPDATE freshness_tickets SET epoch = epoch + 1, life = %s,"
                " medium_uid = NULL, slot = NULL, serial = NULL WHERE ticket_id = %s",
                (str(Life.OWNED), domain_event.originator_id),
            ),
        )

    @process_event.register
    def _(self, domain_event: Ended, tracking: Tracking) -> None:
        life = str(LIFE_AFTER[type(domain_event)])
        self.view.change(tracking, _ended(domain_event.originator_id, life))

    @process_event.register
    def _(self, domain_event: ETicket.CouponRedeemed, tracking: Tracking) -> None:
        ticket_id = domain_event.originator_id
        self.view.change(
            tracking,
            (
                "UPDATE freshness_tickets SET uses_left = uses_left - %s"
                " WHERE ticket_id = %s",
                (domain_event.amount, ticket_id),
            ),
            (
                "UPDATE freshness_tickets SET life = CASE WHEN uses_left = 0 THEN %s"
                " ELSE life END WHERE ticket_id = %s",
                (str(Life.SPENT), ticket_id),
            ),
        )

    @process_event.register
    def _(self, domain_event: ETicket.RedemptionReversed, tracking: Tracking) -> None:
        self.view.change(
            tracking,
            (
                "UPDATE freshness_tickets SET uses_left = uses_left + %s"
                " WHERE ticket_id = %s",
                (domain_event.amount, domain_event.originator_id),
            ),
        )

    # What cases forbid.

    @process_event.register
    def _(self, domain_event: ETicket.Frozen, tracking: Tracking) -> None:
        self.view.change(
            tracking,
            (
                "INSERT INTO freshness_holds SELECT ticket_id, %s, %s"
                " FROM freshness_tickets WHERE ticket_id = %s"
                " AND CASE kind WHEN 'coupon' THEN %s ELSE %s END = ANY(%s)"
                " ON CONFLICT DO NOTHING",
                (
                    domain_event.case_id,
                    domain_event.kind,
                    domain_event.originator_id,
                    str(HoldEffect.NO_REDEEM),
                    str(HoldEffect.NO_DISPENSE),
                    domain_event.effects,
                ),
            ),
        )

    @process_event.register
    def _(self, domain_event: ETicket.Unfrozen, tracking: Tracking) -> None:
        self.view.change(
            tracking,
            (
                "DELETE FROM freshness_holds WHERE ticket_id = %s AND case_id = %s",
                (domain_event.originator_id, domain_event.case_id),
            ),
        )


def _ended(ticket_id: UUID, life: str) -> Statement:
    return (
        "UPDATE freshness_tickets SET life = %s, medium_uid = NULL, slot = NULL,"
        " serial = NULL WHERE ticket_id = %s",
        (life, ticket_id),
    )


def _put(medium_id: UUID, change: Change, *, pending: bool) -> Statement:
    state = change.state
    return (
        "INSERT INTO freshness_slots VALUES (%s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (medium_id, pending, slot) DO UPDATE SET"
        " (status, epoch, uses_left, ticket_id) ="
        " (EXCLUDED.status, EXCLUDED.epoch, EXCLUDED.uses_left, EXCLUDED.ticket_id)",
        (
            medium_id,
            change.slot,
            pending,
            state.status,
            state.epoch,
            state.uses_left,
            state.ticket_id,
        ),
    )


def _active(medium_id: UUID) -> Statement:
    """The first write that is proven makes a medium active."""
    return _entered(medium_id, MediumStatus.ACTIVE, out_of=[MediumStatus.PERSONALISED])


def _entered(
    medium_id: UUID, status: str, out_of: Iterable[str] = tuple(MediumStatus)
) -> Statement:
    return (
        "UPDATE freshness_media SET"
        " status = CASE WHEN status = ANY(%s) THEN %s ELSE status END"
        " WHERE medium_id = %s",
        ([str(each) for each in out_of], str(status), medium_id),
    )


def _nothing_pending(medium_id: UUID) -> Statement:
    return (
        "DELETE FROM freshness_slots WHERE medium_id = %s AND pending",
        (medium_id,),
    )
