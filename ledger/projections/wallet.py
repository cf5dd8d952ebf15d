"""A ticket as its owner sees it: one row a ticket, ready to be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString, TypeAlias
from uuid import UUID

from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import Tracking

from ledger.aggregates.e_ticket import ETicket, FormKind, Life, LockKind
from ledger.projections.base import Projection, View


@dataclass(frozen=True, slots=True)
class WalletLock:
    """What holds the ticket; a time that is over counts as no lock."""

    kind: str
    ref: UUID
    until: datetime | None


@dataclass(frozen=True, slots=True)
class WalletForm:
    kind: str
    medium_uid: str | None
    slot: int | None
    serial: str | None


@dataclass(frozen=True, slots=True)
class WalletUses:
    limit: int
    redeemed: int


@dataclass(frozen=True, slots=True)
class WalletTicket:
    """The public shape of a ticket; `title` is its offering's."""

    ticket_id: UUID
    offering_id: UUID
    title: str
    kind: str
    right: str
    owner_id: UUID
    issuer_id: UUID
    epoch: int
    life: str
    lock: WalletLock | None
    form: WalletForm
    uses: WalletUses
    not_before: datetime
    not_after: datetime
    question: int | None
    version: int


class WalletView(View):
    """The table `wallet`: one row a ticket."""

    name = "wallet"
    tables = ("wallet",)

    def of_owner(self, owner_id: UUID) -> Sequence[WalletTicket]:
        """Return what a party owns, used or not, the newest validity last."""
        rows = self.rows(
            "SELECT * FROM wallet WHERE owner_id = %s"
            " ORDER BY not_before, title, says, ticket_id",
            (owner_id,),
        )
        return [_ticket(row) for row in rows]

    def tickets(self, ticket_ids: Sequence[UUID]) -> Mapping[UUID, WalletTicket]:
        """Return those of the tickets that are known, by their ids."""
        rows = self.rows(
            "SELECT * FROM wallet WHERE ticket_id = ANY(%s)", (list(ticket_ids),)
        )
        return {row["ticket_id"]: _ticket(row) for row in rows}

    def update(
        self,
        tracking: Tracking,
        event: ETicket.Event,
        changes: LiteralString,
        values: Sequence[object] = (),
    ) -> None:
        """Change a ticket's row; every event of the ticket counts in its version."""
        text: LiteralString = (
            "UPDATE wallet SET " + changes + ", version = %s"  # noqa: S608, literals
            " WHERE ticket_id = %s AND version = %s"
        )
        self.change(
            tracking,
            (
                text,
                (
                    *values,
                    event.originator_version,
                    event.originator_id,
                    event.originator_version - 1,
                ),
            ),
        )


def _ticket(row: Mapping[str, Any]) -> WalletTicket:
    lock = None
    if row["lock_kind"] is not None:
        lock = WalletLock(row["lock_kind"], row["lock_ref"], row["lock_until"])
    return WalletTicket(
        ticket_id=row["ticket_id"],
        offering_id=row["offering_id"],
        title=row["title"],
        kind=row["kind"],
        right=row["says"],
        owner_id=row["owner_id"],
        issuer_id=row["issuer_id"],
        epoch=row["epoch"],
        life=row["life"],
        lock=lock,
        form=WalletForm(
            row["form_kind"].lower(), row["medium_uid"], row["slot"], row["serial"]
        ),
        uses=WalletUses(row["uses_limit"], row["redeemed"]),
        not_before=row["not_before"],
        not_after=row["not_after"],
        question=row["question"],
        version=row["version"],
    )


LockEnded: TypeAlias = (
    ETicket.GiftDeclined
    | ETicket.GiftWithdrawn
    | ETicket.GiftExpired
    | ETicket.Unlisted
    | ETicket.DispenseAborted
    | ETicket.RedemptionReleased
)

_UNLOCKED: LiteralString = "lock_kind = NULL, lock_ref = NULL, lock_until = NULL"
_LOCKED: LiteralString = "lock_kind = %s, lock_ref = %s, lock_until = %s"
_FORM: LiteralString = "form_kind = %s, medium_uid = %s, slot = %s, serial = %s"
_NEXT_EPOCH: LiteralString = "epoch = epoch + 1"
_ELECTRONIC = (str(FormKind.ELECTRONIC), None, None, None)


class Wallet(Projection[WalletView]):
    """Follows tickets."""

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.change(tracking)

    @process_event.register
    def _(self, domain_event: ETicket.Issued, tracking: Tracking) -> None:
        self.view.change(
            tracking,
            (
                "INSERT INTO wallet (ticket_id, offering_id, title, issuer_id, kind,"
                " says, owner_id, epoch, life, form_kind, uses_limit, redeemed,"
                " not_before, not_after, question, version) VALUES (%s, %s, %s,"
                " %s, %s, %s, %s, 1, %s, %s, %s, 0, %s, %s, %s, 1)",
                (
                    domain_event.originator_id,
                    domain_event.offering_id,
                    domain_event.title,
                    domain_event.issuer_id,
                    domain_event.kind,
                    domain_event.right,
                    domain_event.owner_id,
                    str(Life.OWNED),
                    str(FormKind.ELECTRONIC),
                    domain_event.uses_limit,
                    domain_event.not_before,
                    domain_event.not_after,
                    domain_event.question,
                ),
            ),
        )

    @process_event.register
    def _(self, domain_event: ETicket.GiftOffered, tracking: Tracking) -> None:
        lock = (str(LockKind.GIFT), domain_event.offer_id, domain_event.until)
        self.view.update(tracking, domain_event, _LOCKED, lock)

    @process_event.register
    def _(self, domain_event: ETicket.Listed, tracking: Tracking) -> None:
        lock = (str(LockKind.LISTING), domain_event.listing_id, domain_event.until)
        self.view.update(tracking, domain_event, _LOCKED, lock)

    @process_event.register
    def _(self, domain_event: ETicket.MediumWritePrepared, tracking: Tracking) -> None:
        lock = (str(LockKind.CARD_WRITE), domain_event.write_id, None)
        changes = _LOCKED + ", " + _NEXT_EPOCH
        self.view.update(tracking, domain_event, changes, lock)

    @process_event.register
    def _(self, domain_event: ETicket.MediumWriteAborted, tracking: Tracking) -> None:
        changes = _UNLOCKED + ", " + _NEXT_EPOCH
        self.view.update(tracking, domain_event, changes, ())

    @process_event.register
    def _(self, domain_event: ETicket.DispenseStarted, tracking: Tracking) -> None:
        lock = (str(LockKind.DISPENSE), domain_event.job_id, domain_event.until)
        self.view.update(tracking, domain_event, _LOCKED, lock)

    @process_event.register
    def _(self, domain_event: ETicket.PrintAuthorised, tracking: Tracking) -> None:
        lock = (str(LockKind.DISPENSE), domain_event.job_id, None)
        self.view.update(tracking, domain_event, _LOCKED, lock)

    @process_event.register
    def _(self, domain_event: ETicket.RedemptionStarted, tracking: Tracking) -> None:
        lock = (str(LockKind.REDEMPTION), domain_event.session_id, domain_event.until)
        self.view.update(tracking, domain_event, _LOCKED, lock)

    @process_event.register
    def _(self, domain_event: LockEnded, tracking: Tracking) -> None:
        self.view.update(tracking, domain_event, _UNLOCKED)

    @process_event.register
    def _(
        self, domain_event: ETicket.GiftAccepted | ETicket.Resold, tracking: Tracking
    ) -> None:
        changes = "owner_id = %s, " + _FORM + ", " + _UNLOCKED + ", " + _NEXT_EPOCH
        values = (domain_event.owner_id, *_ELECTRONIC)
        self.view.update(tracking, domain_event, changes, values)

    @process_event.register
    def _(self, domain_event: ETicket.Modified, tracking: Tracking) -> None:
        new = {field: after for field, (_, after) in domain_event.diff.items()}
        changes: LiteralString = (
            "says = COALESCE(%s, says), title = COALESCE(%s, title),"
            " not_before = COALESCE(%s, not_before),"
            " not_after = COALESCE(%s, not_after), epoch = epoch + %s"
        )
        times = [
            datetime.fromisoformat(time) if (time := new.get(field)) else None
            for field in ("not_before", "not_after")
        ]
        said = (new.get("right"), new.get("title"))
        values = (*said, *times, int(domain_event.moves_epoch))
        self.view.update(tracking, domain_event, changes, values)

    @process_event.register
    def _(self, domain_event: ETicket.WrittenToMedium, tracking: Tracking) -> None:
        # The write that binds ends the lock it held; a refresh leaves locks alone.
        changes = _FORM + (
            ", lock_kind = CASE WHEN lock_ref = %s THEN NULL ELSE lock_kind END"
            ", lock_until = CASE WHEN lock_ref = %s THEN NULL ELSE lock_until END"
            ", lock_ref = NULLIF(lock_ref, %s)"
        )
        form = (
            str(FormKind.ON_MEDIUM),
            domain_event.medium_uid,
            domain_event.slot,
            None,
        )
        values = (*form, *(domain_event.write_id,) * 3)
        self.view.update(tracking, domain_event, changes, values)

    @process_event.register
    def _(self, domain_event: ETicket.ReleasedFromMedium, tracking: Tracking) -> None:
        self.view.update(
            tracking, domain_event, _FORM + ", " + _NEXT_EPOCH, _ELECTRONIC
        )

    @process_event.register
    def _(self, domain_event: ETicket.Dispensed, tracking: Tracking) -> None:
        changes = "life = %s, " + _FORM + ", " + _UNLOCKED + ", " + _NEXT_EPOCH
        form = (str(FormKind.PAPER), None, None, domain_event.serial)
        values = (str(Life.DISPENSED), *form)
        self.view.update(tracking, domain_event, changes, values)

    @process_event.register
    def _(self, domain_event: ETicket.CouponRedeemed, tracking: Tracking) -> None:
        changes = (
            "redeemed = redeemed + 1, life = CASE WHEN redeemed + 1 = uses_limit"
            " THEN %s ELSE life END, " + _UNLOCKED
        )
        self.view.update(tracking, domain_event, changes, (str(Life.SPENT),))
